//! Bodies as they come: bounded in size and time, and of a kind that is read.

use std::fmt;
use std::time::Duration;

use axum::BoxError;
use axum::body::{Bytes, HttpBody};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Request};
use serde::de::Deserialize;
use serde::de::value::MapDeserializer;

use super::problem::{Code, Problem};
use super::whole_body::whole_body;

/// The most bytes a body may have.
pub const BODY_LIMIT: usize = 64 * 1024;

/// A body that was read, and is not parsed yet: JSON or a form, bounded in size and time.
///
/// ```
/// use std::borrow::Cow;
/// use std::time::Duration;
///
/// use axum::extract::Request;
/// use countersign::http::{Problem, UnparsedBody};
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Greeted<'a> {
///     #[serde(borrow)]
///     name: Cow<'a, str>,
/// }
///
/// async fn greet(request: Request) -> Result<String, Problem> {
///     let body = UnparsedBody::read(request, Duration::from_secs(10)).await?;
///     let Greeted { name } = body.parse()?;
///     Ok(format!("Hello {name}."))
/// }
/// ```
pub struct UnparsedBody {
    pub(super) bytes: Bytes,
    pub(super) kind: Option<Kind>,
}

impl UnparsedBody {
    /// Reads a body that must be there.
    ///
    /// # Errors
    /// `unsupported_media_type`, `payload_too_large`, `request_timeout`, `parse_error`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use axum::extract::Request;
    /// # use countersign::http::{Problem, UnparsedBody};
    /// async fn is_there(request: Request) -> bool {
    ///     UnparsedBody::read(request, Duration::from_secs(10)).await.is_ok()
    /// }
    /// ```
    pub async fn read<B>(request: Request<B>, deadline: Duration) -> Result<Self, Problem>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        Self::read_any(request, deadline, true).await
    }

    /// As this type, which may borrow texts from the body. In a form every value is a text. Whether
    /// a field that the type does not know stands there twice is not looked at:
    /// [`fields`](Self::fields) does.
    ///
    /// # Errors
    /// `parse_error`, which says nothing of what stands in the body: it may be a password.
    ///
    /// ```
    /// # use countersign::http::{Problem, UnparsedBody};
    /// # use std::collections::BTreeMap;
    /// fn names(body: &UnparsedBody) -> Result<Vec<&str>, Problem> {
    ///     Ok(body.parse::<BTreeMap<&str, String>>()?.into_keys().collect())
    /// }
    /// ```
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Problem> {
        if let Some(Kind::Json) = self.kind {
            return serde_json::from_slice(&self.bytes).map_err(|error| unreadable(&error));
        }
        let mut is_text = true;
        let pairs = url::form_urlencoded::parse(&self.bytes).inspect(|(name, value)| {
            is_text &= !name.contains('\u{fffd}') && !value.contains('\u{fffd}');
        });
        let parsed: Result<T, serde::de::value::Error> =
            T::deserialize(MapDeserializer::new(pairs));
        match parsed {
            _ if !is_text => Err(form_problem(NO_UTF8)),
            Ok(parsed) => Ok(parsed),
            Err(error) if error.to_string().starts_with(DUPLICATE) => {
                Err(form_problem(GIVEN_TWICE))
            }
            Err(_) => Err(form_problem("The form has not the fields that it must have.")),
        }
    }

    pub(super) async fn read_any<B>(
        request: Request<B>,
        deadline: Duration,
        required: bool,
    ) -> Result<Self, Problem>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        if !is_plain(request.headers()) {
            return Err(Problem::new(Code::UnsupportedMediaType)
                .detail("Send the body as it is, without a Content-Encoding."));
        }
        let kind = Kind::of(request.headers());
        let length = request
            .headers()
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok())
            .and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > BODY_LIMIT as u64) {
            return Err(Problem::new(Code::PayloadTooLarge));
        }
        if required && kind.is_none() {
            return Err(Problem::new(Code::UnsupportedMediaType));
        }
        let bytes = whole_body(request.into_body(), BODY_LIMIT, deadline).await?;
        Ok(Self { bytes, kind })
    }
}

/// Without what stands in it.
impl fmt::Debug for UnparsedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnparsedBody").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Json,
    Form,
}

impl Kind {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?;
        if value == "application/json" {
            return Some(Self::Json);
        }
        let value = value.to_str().ok()?;
        let mut parts = value.split(';').map(str::trim);
        let essence = parts.next().unwrap_or_default();
        if !parts.all(is_no_other_charset) {
            return None;
        }
        if essence.eq_ignore_ascii_case("application/json") {
            Some(Self::Json)
        } else if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            Some(Self::Form)
        } else {
            None
        }
    }
}

/// Whether a parameter of a content type leaves the body in UTF-8: JSON is nothing else (RFC 8259,
/// 8.1), and other forms are not decoded.
///
/// ```
/// use countersign::http::is_no_other_charset;
///
/// assert!(is_no_other_charset("charset=UTF-8") && is_no_other_charset("boundary=x"));
/// assert!(!is_no_other_charset("charset=latin1"));
/// ```
pub fn is_no_other_charset(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = value.trim().trim_matches('"');
    !name.trim().eq_ignore_ascii_case("charset")
        || value.eq_ignore_ascii_case("utf-8")
        || value.eq_ignore_ascii_case("utf8")
}

/// Whether the body comes as it is. What is compressed cannot be bounded by its length.
///
/// ```
/// use axum::http::{HeaderMap, HeaderValue, header::CONTENT_ENCODING};
/// use countersign::http::is_plain;
///
/// let mut headers = HeaderMap::new();
/// assert!(is_plain(&headers));
/// headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
/// assert!(!is_plain(&headers));
/// ```
pub fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .all(|encoding| encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// Says where the body cannot be read, and nothing of what it says: it may be a password.
pub(super) fn unreadable(error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    let said = error.to_string();
    let is_twice = said.starts_with(TWICE) || said.starts_with(DUPLICATE);
    let what = if is_twice { TWICE } else { "not a JSON object" };
    Problem::new(Code::ParseError).detail(format!("The body cannot be read at {place}: {what}."))
}

pub(super) const TWICE: &str = "a field is given twice";

/// How serde says so.
const DUPLICATE: &str = "duplicate field";

pub(super) fn form_problem(said: &'static str) -> Problem {
    Problem::new(Code::ParseError).detail(said)
}

pub(super) const NO_UTF8: &str = "The form is not in UTF-8.";
pub(super) const GIVEN_TWICE: &str = "A field is given twice.";

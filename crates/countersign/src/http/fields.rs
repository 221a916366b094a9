//! Bodies: JSON or a form, bounded in size, time and depth, each known field of its own type.

use std::fmt;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use axum::http::{HeaderMap, Request};
use countersign_verify::Drained;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use utoipa::openapi::schema::Object;

use super::problem::{Code, Problem};

/// The most bytes a body may have.
pub const BODY_LIMIT: usize = 64 * 1024;

/// Reads a body that must be there.
pub(crate) async fn body<T: RequestBody>(
    request: Request<Body>,
    deadline: Duration,
) -> Result<T, Problem> {
    Fields::read(request, deadline, true).await?.into_request()
}

/// Reads a body that must be there, for who has more to say of its fields: what could be read, and
/// what is wrong so far. It is there whenever each required field could be read.
pub(crate) async fn body_so_far<T: RequestBody>(
    request: Request<Body>,
    deadline: Duration,
) -> Result<(Option<T>, FieldErrors), Problem> {
    let mut fields = Fields::read(request, deadline, true).await?;
    let request = T::take(&mut fields);
    Ok((request, fields.errors))
}

/// The same, with the fields that the request has not.
pub(crate) async fn body_and_rest<T: RequestBody>(
    request: Request<Body>,
    deadline: Duration,
) -> Result<(Option<T>, FieldErrors, Map<String, Value>), Problem> {
    let mut fields = Fields::read(request, deadline, true).await?;
    let request = T::take(&mut fields);
    Ok((request, fields.errors, fields.values))
}

/// Reads a body that may be absent or empty, which has no fields.
pub(crate) async fn body_if_any<T: RequestBody>(
    request: Request<Body>,
    deadline: Duration,
) -> Result<T, Problem> {
    Fields::read(request, deadline, false).await?.into_request()
}

/// The body of a request. [`request!`](super::request::request) writes this.
pub(crate) trait RequestBody: Sized {
    /// Takes every field. What is wrong with one is noted in `fields`; the answer is `None` where
    /// that was a required one.
    fn take(fields: &mut Fields) -> Option<Self>;
}

/// What may be in a field.
pub(crate) trait Field: Sized {
    /// Whether a body without the field is refused.
    const IS_REQUIRED: bool = true;

    /// What a body without the field has in its place, or what is said of that.
    fn missing() -> Result<Self, String> {
        Err("This field is required.".to_owned())
    }

    /// What stands in the place of a value that is wrong while the other fields are looked at.
    fn unread() -> Option<Self> {
        None
    }

    /// The value, or what is wrong with it. A form (`from_form`) knows texts only.
    fn read(given: Value, from_form: bool) -> Result<Self, String>;

    /// The same for the document.
    fn schema() -> Object;
}

/// The fields of a body. Unknown ones are ignored, as in Django REST framework; what is wrong with
/// known ones is gathered and told at once.
pub(crate) struct Fields {
    values: Map<String, Value>,
    from_form: bool,
    errors: FieldErrors,
}

impl Fields {
    /// A field by its name, or `None` and a note of what is wrong with it.
    pub(crate) fn take<T: Field>(&mut self, name: &'static str) -> Option<T> {
        let read = match self.values.remove(name) {
            None => T::missing(),
            Some(given) => T::read(given, self.from_form),
        };
        self.errors.unless(name, read)
    }

    pub(super) fn into_request<T: RequestBody>(mut self) -> Result<T, Problem> {
        let request = T::take(&mut self);
        self.errors.none()?;
        // Nothing is missing where nothing is wrong.
        request.ok_or_else(|| Problem::new(Code::ValidationError))
    }

    async fn read(
        request: Request<Body>,
        deadline: Duration,
        required: bool,
    ) -> Result<Self, Problem> {
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
        let body = Limited::new(request.into_body(), BODY_LIMIT);
        let body = tokio::time::timeout(deadline, body.collect())
            .await
            .map_err(|_| Problem::new(Code::RequestTimeout))?;
        let bytes = body
            .map_err(|error| {
                let too_large = error.downcast_ref::<LengthLimitError>().is_some();
                Problem::new(if too_large { Code::PayloadTooLarge } else { Code::ParseError })
            })?
            .to_bytes();
        if bytes.is_empty() && !required {
            return Ok(Self::of(Map::new(), false));
        }
        match kind {
            Some(Kind::Json) => {
                let Unique(values) =
                    serde_json::from_slice(&bytes).map_err(|error| unreadable(&error))?;
                Ok(Self::of(values, false))
            }
            Some(Kind::Form) => Ok(Self::of(form(&bytes)?, true)),
            None => Err(Problem::new(Code::UnsupportedMediaType)),
        }
    }

    pub(super) fn of(values: Map<String, Value>, from_form: bool) -> Self {
        Self { values, from_form, errors: FieldErrors::default() }
    }
}

/// What is wrong with the fields of a body.
#[derive(Default)]
pub(crate) struct FieldErrors(Vec<(&'static str, String)>);

impl FieldErrors {
    /// The value, or `None` and a note of what is wrong with the field.
    pub(crate) fn unless<T>(
        &mut self,
        name: &'static str,
        read: Result<T, impl fmt::Display>,
    ) -> Option<T> {
        read.map_err(|error| self.0.push((name, error.to_string()))).ok()
    }

    /// Goes on if nothing was wrong.
    pub(crate) fn none(self) -> Result<(), Problem> {
        if self.0.is_empty() {
            return Ok(());
        }
        let problem = Problem::new(Code::ValidationError);
        Err(self.0.into_iter().fold(problem, |problem, (name, said)| problem.field(name, said)))
    }
}

#[derive(Clone, Copy)]
enum Kind {
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

/// The fields of a body, JSON or a form, for endpoints that read them on their own: bounded in size
/// and time, and none of them twice.
///
/// # Errors
/// `unsupported_media_type`, `payload_too_large`, `request_timeout`, `parse_error`.
///
/// ```
/// use std::time::Duration;
///
/// use axum::body::Body;
/// use axum::extract::Request;
/// use countersign::http::{Problem, read_fields};
///
/// async fn name_of(request: Request<Body>) -> Result<Option<String>, Problem> {
///     let fields = read_fields(request, Duration::from_secs(10)).await?;
///     Ok(fields.get("name").and_then(|name| name.as_str()).map(str::to_owned))
/// }
/// ```
pub async fn read_fields(
    request: Request<Body>,
    deadline: Duration,
) -> Result<Map<String, Value>, Problem> {
    Ok(Fields::read(request, deadline, true).await?.values)
}

/// The fields of a JSON object, none of them twice: for a body of several.
///
/// # Errors
/// `parse_error`, which says nothing of what stands in the object: it may be a password.
///
/// ```
/// use countersign::http::parse_fields;
///
/// assert_eq!(parse_fields(br#"{"name": "ada"}"#).unwrap()["name"], "ada");
/// assert!(parse_fields(br#"{"name": "ada", "name": "eve"}"#).is_err());
/// assert!(parse_fields(b"[]").is_err());
/// ```
pub fn parse_fields(object: &[u8]) -> Result<Map<String, Value>, Problem> {
    let Unique(values) = serde_json::from_slice(object).map_err(|error| unreadable(&error))?;
    Ok(values)
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

/// A refusal is lost where its request's body lies unread.
pub(crate) async fn read_on(request: Request<Body>) -> Request<Body> {
    if request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
        return request;
    }
    request.map(|body| Body::new(Drained::new(body)))
}

/// Says where the body cannot be read, and nothing of what it says: it may be a password.
fn unreadable(error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    let what = if error.to_string().starts_with(TWICE) { TWICE } else { "not a JSON object" };
    Problem::new(Code::ParseError).detail(format!("The body cannot be read at {place}: {what}."))
}

/// A JSON object whose names are all different: with two passwords in one body, whoever reads it
/// next may take the other one.
struct Unique(Map<String, Value>);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Unique;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Unique, A::Error> {
                let mut values = Map::new();
                while let Some((name, value)) = access.next_entry::<String, Value>()? {
                    if values.contains_key(&name) {
                        return Err(A::Error::custom(TWICE));
                    }
                    values.insert(name, value);
                }
                Ok(Unique(values))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

const TWICE: &str = "a field is given twice";

fn form(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let mut values = Map::new();
    for (name, value) in url::form_urlencoded::parse(bytes) {
        // What is not UTF-8 arrives as the replacement character.
        if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
            return Err(Problem::new(Code::ParseError).detail("The form is not in UTF-8."));
        }
        if values.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
            return Err(Problem::new(Code::ParseError).detail("A field is given twice."));
        }
    }
    Ok(values)
}

//! What requests ask: their query, their body, and what their headers say of both.

use std::fmt;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, header::IF_MATCH};
use countersign::http::{Code, Problem, read_fields};
use countersign::store::admin::{Fingerprint, PageCursor};
use countersign::user::UserId;
use secrecy::{ExposeSecret, SecretString};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::{Map, Value};

use super::refusal::{gone, unsure};
use super::state::Manage;
use crate::cursor;

/// The body as this type, none of whose fields is unknown.
///
/// # Errors
/// Whatever is wrong with the body.
pub(super) async fn body<T: DeserializeOwned>(
    manage: &Manage,
    request: Request<Body>,
) -> Result<T, Problem> {
    let fields = read_fields(request, manage.settings.body_timeout).await?;
    typed(fields)
}

/// Fields as this type.
///
/// # Errors
/// A 400 that says which field is unknown, or what a value should have been.
pub(super) fn typed<T: DeserializeOwned>(fields: Map<String, Value>) -> Result<T, Problem> {
    serde_json::from_value(Value::Object(fields)).map_err(|error| {
        let said = error.to_string();
        // Without the value, which may be a password.
        let said = match said.rsplit_once(", expected ") {
            Some((_, expected)) if said.starts_with("invalid") => {
                format!("a value should have been {expected}")
            }
            _ => said,
        };
        Problem::new(Code::ValidationError).detail(format!("The body does not do: {said}."))
    })
}

/// A text that is not printed.
pub(super) struct Secret(SecretString);

impl Secret {
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Whatever it is, nothing of it is repeated.
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(SecretString::from(text))),
            _ => Err(serde::de::Error::custom("a secret is a text")),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The part of the address behind `?`.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Takes a parameter; an empty one is none.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(own, _)| own == name)?;
        Some(self.0.swap_remove(place).1).filter(|text| !text.is_empty())
    }

    /// Takes a parameter that is parsed.
    ///
    /// # Errors
    /// A 400 that names it.
    pub(super) fn parse<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.take(name) else { return Ok(None) };
        match read(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(Problem::new(Code::ValidationError)
                .field(name, "This is none of the values that it may have.")),
        }
    }

    /// Takes `true` or `false`.
    ///
    /// # Errors
    /// A 400 for another word.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        self.parse(name, |text| text.parse().ok())
    }

    /// Takes where the page begins, and how many rows it has at most.
    ///
    /// # Errors
    /// A 400 for a place that no page named, and for another number than 1 to 1,000.
    pub(super) fn page(&mut self) -> Result<(Option<PageCursor>, u32), Problem> {
        Ok((self.parse("cursor", cursor::decode)?, self.limit()?))
    }

    /// Takes how many rows there are at most.
    ///
    /// # Errors
    /// A 400 for another number than 1 to 1,000.
    pub(super) fn limit(&mut self) -> Result<u32, Problem> {
        let limit = self.parse("limit", |text| {
            text.parse().ok().filter(|limit| (1..=MOST_ROWS).contains(limit))
        })?;
        Ok(limit.unwrap_or(ROWS))
    }

    /// Refuses what was not taken: a filter with a typing error would be none.
    ///
    /// # Errors
    /// A 400 that names the first.
    pub(super) fn end(self) -> Result<(), Problem> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => Err(Problem::new(Code::BadRequest)
                .detail(format!("There is no parameter {name:?} here, or it stands twice."))),
        }
    }
}

impl Query {
    /// Of an address.
    ///
    /// # Errors
    /// A 400 for one that is no text.
    fn of(address: &Uri) -> Result<Self, Problem> {
        let query = address.query().unwrap_or_default();
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let is_bad = |text: &String| text.contains(['\0', '\u{fffd}']);
        if pairs.iter().any(|(name, text)| is_bad(name) || is_bad(text)) {
            return Err(Problem::new(Code::BadRequest).detail("The query is not in UTF-8."));
        }
        Ok(Self(pairs))
    }
}

impl FromRequestParts<Manage> for Query {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Manage) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

/// An address without a query: what stood in one would be lost without a word.
#[derive(Debug)]
pub(super) struct NoQuery;

impl FromRequestParts<Manage> for NoQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Manage) -> Result<Self, Problem> {
        Self::of(&parts.uri)
    }
}

impl NoQuery {
    /// Of an address.
    ///
    /// # Errors
    /// A 400 for one that has a query.
    pub(super) fn of(address: &Uri) -> Result<Self, Problem> {
        Query::of(address)?.end().map(|()| Self)
    }
}

/// What stands in the path for an id.
#[derive(Debug)]
pub(super) struct Path<T>(pub(super) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Manage> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, manage: &Manage) -> Result<Self, Problem> {
        // What is no UTF-8 is nobody's id.
        let found = axum::extract::Path::from_request_parts(parts, manage).await;
        found.map(|axum::extract::Path(id)| Self(id)).map_err(|_| gone())
    }
}

/// The id of a user in a path.
///
/// # Errors
/// A 404 for what is none.
pub(super) fn user_id(text: &str) -> Result<UserId, Problem> {
    text.parse::<UserId>().ok().filter(|id| id.as_i64().is_some()).ok_or_else(gone)
}

/// What the caller has read, of which this is a change; `None` for whatever is there.
///
/// # Errors
/// A 428 where the header is not there, a 400 for several or for what is no tag of ours.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<Fingerprint>, Problem> {
    let mut values = headers.get_all(IF_MATCH).into_iter();
    let value = values.next().ok_or_else(unsure)?;
    let bad = || Problem::new(Code::BadRequest).detail("Send one `ETag` as `If-Match`, or `*`.");
    if values.next().is_some() {
        return Err(bad());
    }
    match value.to_str().map(str::trim) {
        Ok("*") => Ok(None),
        Ok(tag) => {
            let hex = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            let hex =
                hex.filter(|hex| hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
            let bits = hex.and_then(|hex| u128::from_str_radix(hex, 16).ok()).ok_or_else(bad)?;
            Ok(Some(Fingerprint(bits.to_be_bytes())))
        }
        Err(_) => Err(bad()),
    }
}

/// The key under which something is made at most once.
///
/// # Errors
/// A 400 for several, and for one that is no short visible text.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| {
        (1..=255).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    });
    match (key, values.next()) {
        (Some(key), None) => Ok(Some(key)),
        _ => Err(Problem::new(Code::BadRequest)
            .detail("Send one `Idempotency-Key` of 1 to 255 visible ASCII characters.")),
    }
}

const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Rows on a page, unless chosen, and at most.
const ROWS: u32 = 100;
const MOST_ROWS: u32 = 1_000;

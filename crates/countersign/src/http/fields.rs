//! Bodies: JSON or a form, bounded in size, time and depth, each known field of its own type.

use std::fmt;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::http::Request;
use axum::http::header::EXPECT;
use countersign_verify::Drained;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use utoipa::openapi::schema::Object;

use super::problem::{Code, Problem};
use super::unparsed_body::{
    GIVEN_TWICE, Kind, NO_UTF8, TWICE, UnparsedBody, form_problem, unreadable,
};

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
        let body = UnparsedBody::read_any(request, deadline, required).await?;
        if body.bytes.is_empty() && !required {
            return Ok(Self::of(Map::new(), false));
        }
        Ok(Self::of(body.fields()?, matches!(body.kind, Some(Kind::Form))))
    }

    pub(super) fn of(values: Map<String, Value>, from_form: bool) -> Self {
        Self { values, from_form, errors: FieldErrors::default() }
    }
}

impl UnparsedBody {
    /// Every field of it, none of them twice.
    ///
    /// # Errors
    /// `unsupported_media_type`, `parse_error`.
    ///
    /// ```
    /// # use countersign::http::{Problem, UnparsedBody};
    /// fn greeted(body: &UnparsedBody) -> Result<Option<String>, Problem> {
    ///     Ok(body.fields()?.get("name").and_then(|name| name.as_str()).map(str::to_owned))
    /// }
    /// ```
    pub fn fields(&self) -> Result<Map<String, Value>, Problem> {
        match self.kind {
            Some(Kind::Json) => parse_fields(&self.bytes),
            Some(Kind::Form) => form(&self.bytes),
            None => Err(Problem::new(Code::UnsupportedMediaType)),
        }
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

/// A refusal is lost where its request's body lies unread.
pub(crate) async fn read_on(request: Request<Body>) -> Request<Body> {
    if request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
        return request;
    }
    request.map(|body| Body::new(Drained::new(body)))
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

fn form(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let mut values = Map::new();
    for (name, value) in url::form_urlencoded::parse(bytes) {
        // What is not UTF-8 arrives as the replacement character.
        if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
            return Err(form_problem(NO_UTF8));
        }
        if values.insert(name.into_owned(), Value::String(value.into_owned())).is_some() {
            return Err(form_problem(GIVEN_TWICE));
        }
    }
    Ok(values)
}

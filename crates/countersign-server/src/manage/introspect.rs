//! `POST /manage/v1/introspect` (RFC 7662): whose token this is, and whether it is good. A refresh
//! token is looked at, never rotated.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

use axum::BoxError;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::State;
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use countersign::http::{Code, Problem, UnparsedBody};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use utoipa::ToSchema;

use super::asked::NoQuery;
use super::caller::Caller;
use super::shown::shown_json;
use super::state::Manage;
use crate::admin::rules::Permit;

/// What is looked at: one of `token` and `cookie`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a body that is read as a form too")]
pub(super) struct IntrospectRequest {
    /// An access token, or a refresh token.
    token: Option<String>,
    /// The header `Cookie` of a browser, as it came: the refresh token in it is looked at.
    cookie: Option<String>,
    /// With a refresh token: whether the answer is to have an access token for one minute.
    access: Option<bool>,
}

/// Whose token it is, as of now. Of one that is not good only `active` is there.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the library writes")]
pub(super) struct Introspected {
    /// Whether it is good: signed here, in time, its session live and its user active.
    active: bool,
    /// The user's id.
    #[schema(value_type = String, required = false, example = "7")]
    sub: Option<String>,
    /// The login name.
    #[schema(value_type = String, required = false)]
    username: Option<String>,
    /// The session's id.
    #[schema(value_type = String, required = false)]
    sid: Option<String>,
    /// When the token ends, in seconds since 1970.
    #[schema(value_type = u64, required = false)]
    exp: Option<u64>,
    /// When it was issued.
    #[schema(value_type = u64, required = false)]
    iat: Option<u64>,
    /// `access`, `refresh` or `ticket`.
    #[schema(value_type = String, required = false)]
    token_use: Option<String>,
    /// Whether the user is staff.
    #[schema(value_type = bool, required = false)]
    is_staff: Option<bool>,
    /// Whether the user has every permission.
    #[schema(value_type = bool, required = false)]
    is_superuser: Option<bool>,
    /// The user's groups.
    #[schema(value_type = Vec<String>, required = false)]
    groups: Option<Vec<String>>,
    /// What the user may.
    #[schema(value_type = Vec<String>, required = false)]
    permissions: Option<Vec<String>>,
    /// With `access`: an access token for one minute.
    #[schema(value_type = String, required = false)]
    access_token: Option<String>,
    /// The seconds that it lives.
    #[schema(value_type = u64, required = false)]
    expires_in: Option<u64>,
}

#[utoipa::path(
    post,
    path = "/manage/v1/introspect",
    tag = "tokens",
    summary = "Look at a token",
    description = "Nothing is rotated, and nothing is written. The body may be a form, as RFC 7662 \
        has it.",
    request_body = IntrospectRequest,
    responses((status = 200, description = "Whose it is, or `active: false`", body = Introspected)),
    security(("bearer" = [])),
)]
pub(super) async fn introspect(
    State(manage): State<Manage>,
    caller: Caller,
    _: NoQuery,
    request: Request<Body>,
) -> Result<Response, Problem> {
    look(&manage, &caller, request).await
}

impl Manage {
    /// The same, for who brings the request of a `peer` without the router: a backend may ask with
    /// each request of its own.
    pub(crate) async fn introspect<B>(&self, request: Request<B>, peer: IpAddr) -> Response
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
    {
        let answer = async {
            let caller = Caller::of(self, request.headers(), peer).await?;
            NoQuery::of(request.uri())?;
            look(self, &caller, request).await
        };
        answer.await.unwrap_or_else(IntoResponse::into_response)
    }
}

async fn look<B>(manage: &Manage, caller: &Caller, request: Request<B>) -> Result<Response, Problem>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    caller.needs(Permit::Introspect)?;
    let body = UnparsedBody::read(request, manage.settings.body_timeout).await?;
    // No write follows, in which the store would ask again what the caller may.
    caller.still_needs(manage, Permit::Introspect).await?;
    let Asked { token, cookie, access, has_others } = body.parse()?;
    if has_others {
        // They are ignored, if they can be read.
        body.fields()?;
    }
    let (token, cookie) = (token.text("token")?, cookie.text("cookie")?);
    let access = access.flag("access")?;
    // `token_type_hint` and what else RFC 7662 lets a client say is not needed.
    let found = match (token, cookie) {
        (Some(token), None) => manage.auth.introspect(&token).await?,
        (None, Some(cookie)) => manage.auth.introspect_cookie(&cookie).await?,
        _ => {
            return Err(
                Problem::new(Code::ValidationError).detail("Give either `token` or `cookie`.")
            );
        }
    };
    let Some(found) = found else { return Ok(shown_json(NOT_GOOD.to_vec())) };
    let access = if access { found.access_token(&manage.auth)? } else { None };
    Ok(shown_json(found.to_json(access.as_ref())))
}

/// The whole answer for a token that is not good.
pub(super) const NOT_GOOD: &[u8] = br#"{"active":false}"#;

/// What the body says. A text without escapes is not copied, and what is wrong is said field by
/// field.
#[derive(Default)]
struct Asked<'a> {
    token: Given<'a>,
    cookie: Given<'a>,
    access: Given<'a>,
    /// Whether there are fields that nobody asked for.
    has_others: bool,
}

impl<'de> Deserialize<'de> for Asked<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AnObject)
    }
}

struct AnObject;

impl<'de> Visitor<'de> for AnObject {
    type Value = Asked<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Asked<'de>, A::Error> {
        let (mut token, mut cookie, mut access, mut has_others) = (None, None, None, false);
        while let Some(Name(name)) = fields.next_key()? {
            let (name, place) = match &*name {
                "token" => ("token", &mut token),
                "cookie" => ("cookie", &mut cookie),
                "access" => ("access", &mut access),
                _ => {
                    has_others = true;
                    fields.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if place.replace(fields.next_value()?).is_some() {
                return Err(serde::de::Error::duplicate_field(name));
            }
        }
        Ok(Asked {
            token: token.unwrap_or_default(),
            cookie: cookie.unwrap_or_default(),
            access: access.unwrap_or_default(),
            has_others,
        })
    }
}

/// The name of a field.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// What stands in a field.
#[derive(Default)]
enum Given<'a> {
    #[default]
    Nothing,
    Flag(bool),
    Text(Cow<'a, str>),
    Other,
}

impl<'de> Deserialize<'de> for Given<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Given<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Given<'de>, E> {
        Ok(Given::Nothing)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Given<'de>, E> {
        Ok(Given::Flag(flag))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Given<'de>, E> {
        Ok(Given::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Given<'de>, E> {
        Ok(Given::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Given<'de>, E> {
        Ok(Given::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Given<'de>, E> {
        Ok(Given::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Given<'de>, E> {
        Ok(Given::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Given<'de>, A::Error> {
        IgnoredAny.visit_seq(list)?;
        Ok(Given::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<Given<'de>, A::Error> {
        IgnoredAny.visit_map(object)?;
        Ok(Given::Other)
    }
}

impl<'a> Given<'a> {
    fn text(self, name: &'static str) -> Result<Option<Cow<'a, str>>, Problem> {
        match self {
            Self::Nothing => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            _ => Err(Problem::new(Code::ValidationError).field(name, "This is no text.")),
        }
    }

    fn flag(self, name: &'static str) -> Result<bool, Problem> {
        match self {
            Self::Nothing => Ok(false),
            Self::Flag(flag) => Ok(flag),
            Self::Text(word) if word == "true" || word == "false" => Ok(word == "true"),
            _ => Err(Problem::new(Code::ValidationError).field(name, "Write true or false.")),
        }
    }
}

/// Where it is.
pub(crate) const INTROSPECT: &str = "/manage/v1/introspect";

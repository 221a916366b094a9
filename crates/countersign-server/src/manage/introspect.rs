//! `POST /manage/v1/introspect` (RFC 7662): whose token this is, and whether it is good. A refresh
//! token is looked at, never rotated.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use countersign::http::{Code, Problem, read_fields};
use countersign::session::SessionId;
use countersign::user::Account;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::asked::NoQuery;
use super::caller::Caller;
use super::shown::shown;
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
#[derive(Default, Serialize, ToSchema)]
pub(super) struct Introspected<'a> {
    /// Whether it is good: signed here, in time, its session live and its user active.
    active: bool,
    /// The user's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "7")]
    sub: Option<String>,
    /// The login name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    username: Option<&'a str>,
    /// The session's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    sid: Option<String>,
    /// When the token ends, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    exp: Option<u64>,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    iat: Option<u64>,
    /// `access`, `refresh` or `ticket`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    token_use: Option<&'static str>,
    /// Whether the user is staff.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    is_staff: Option<bool>,
    /// Whether the user has every permission.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    is_superuser: Option<bool>,
    /// The user's groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false)]
    groups: Option<&'a [String]>,
    /// What the user may.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false)]
    permissions: Option<&'a [String]>,
    /// With `access`: an access token for one minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    access_token: Option<String>,
    /// The seconds that it lives.
    #[serde(skip_serializing_if = "Option::is_none")]
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
    caller.needs(Permit::Introspect)?;
    let mut fields = read_fields(request, manage.settings.body_timeout).await?;
    // No write follows, in which the store would ask again what the caller may.
    caller.again(&manage).await?.needs(Permit::Introspect)?;
    let mut text = |name: &'static str| match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::new(Code::ValidationError).field(name, "This is no text.")),
    };
    let (token, cookie) = (text("token")?, text("cookie")?);
    let access = match fields.remove("access") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(access)) => access,
        Some(Value::String(word)) if word == "true" || word == "false" => word == "true",
        Some(_) => {
            let problem = Problem::new(Code::ValidationError);
            return Err(problem.field("access", "Write true or false."));
        }
    };
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
    let Some(found) = found else {
        return Ok(shown(&Introspected::default()));
    };
    let (access_token, expires_in) = match found.is_refresh() && access {
        true => found.access_token(&manage.auth)?.unzip(),
        false => (None, None),
    };
    Ok(shown(&Introspected {
        exp: Some(found.expires_at()),
        iat: Some(found.issued_at()),
        token_use: Some(if found.is_refresh() { "refresh" } else { "access" }),
        access_token,
        expires_in,
        ..Introspected::of(found.account(), found.session())
    }))
}

impl<'a> Introspected<'a> {
    /// Whose ticket it was.
    pub(super) fn by_ticket(account: &'a dyn Account, session: SessionId) -> Self {
        Self { token_use: Some("ticket"), ..Self::of(account, session) }
    }

    fn of(account: &'a dyn Account, session: SessionId) -> Self {
        Self {
            active: true,
            sub: Some(account.id().to_string()),
            username: Some(account.username()),
            sid: Some(session.to_string()),
            is_staff: Some(account.is_staff()),
            is_superuser: Some(account.is_superuser()),
            groups: Some(account.groups()),
            permissions: Some(account.permissions()),
            ..Self::default()
        }
    }
}

/// Where it is.
pub(crate) const INTROSPECT: &str = "/manage/v1/introspect";

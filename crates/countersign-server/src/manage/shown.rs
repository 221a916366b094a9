//! What is shown of users, sessions, groups and permissions. Never a password's hash.

use axum::Json;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign::http::{Code, Problem};
use countersign::session::Session;
use countersign::store::admin::{Count, Fingerprint, UserRecord};
use countersign::user::User;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownUser {
    /// The id.
    #[schema(value_type = i64, example = 7)]
    id: Value,
    /// The login name.
    #[schema(example = "ada")]
    username: String,
    /// The e-mail address; empty where there is none.
    #[schema(example = "ada@example.com")]
    email: String,
    /// Whether it is known to be theirs.
    email_verified: bool,
    /// The first name.
    first_name: String,
    /// The last name.
    last_name: String,
    /// Whether they may sign in at all.
    is_active: bool,
    /// Whether they may enter the admin site.
    is_staff: bool,
    /// Whether they have every permission.
    is_superuser: bool,
    /// When they joined.
    #[schema(example = "2026-11-29T22:40:11Z")]
    date_joined: String,
    /// When they last signed in; null for never.
    #[schema(required)]
    last_login: Option<String>,
    /// Their groups, by name.
    groups: Vec<String>,
    /// What they may, by groups or by themselves, as `app.codename`.
    permissions: Vec<String>,
    /// The language of their mails.
    language: String,
    /// Yours: any JSON object.
    #[schema(value_type = Object)]
    metadata: Map<String, Value>,
    /// Permissions that were given to them alone. Only where one user is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<String>, required = false)]
    own_permissions: Option<Vec<String>>,
    /// Whether they have a password at all. Only where one user is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    has_password: Option<bool>,
    /// The kind of its hash, such as `argon2id`. Only where one user is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    password_algorithm: Option<String>,
}

impl ShownUser {
    pub(super) fn of(user: User) -> Self {
        Self {
            id: serde_json::to_value(user.id).unwrap_or_default(),
            username: user.username,
            email: user.email,
            email_verified: user.email_verified,
            first_name: user.first_name,
            last_name: user.last_name,
            is_active: user.is_active,
            is_staff: user.is_staff,
            is_superuser: user.is_superuser,
            date_joined: user.date_joined.to_string(),
            last_login: user.last_login.map(|at| at.to_string()),
            groups: user.groups,
            permissions: user.permissions,
            language: user.locale,
            metadata: user.metadata,
            own_permissions: None,
            has_password: None,
            password_algorithm: None,
        }
    }

    pub(super) fn of_record(record: UserRecord, own_permissions: Vec<String>) -> Self {
        Self {
            own_permissions: Some(own_permissions),
            has_password: Some(record.has_usable_password),
            password_algorithm: Some(record.password_algorithm),
            ..Self::of(record.user)
        }
    }
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownSession {
    /// The id.
    #[schema(example = "5f0c9e1d2b3a4857")]
    id: String,
    /// Whose it is.
    #[schema(value_type = i64, example = 7)]
    user_id: Value,
    /// When it began.
    created_at: String,
    /// When it was last refreshed.
    last_used_at: String,
    /// When it ends, however busy it is.
    expires_at: String,
    /// `cookie` or `body`.
    transport: &'static str,
    /// What the client called itself at login.
    user_agent: String,
    /// What its user calls the device.
    #[schema(required)]
    device_name: Option<String>,
    /// Whether it is bound to a device.
    is_bound: bool,
    /// Where the client came from at login.
    #[schema(required)]
    ip: Option<String>,
    /// When it was ended early.
    #[schema(required)]
    ended_at: Option<String>,
    /// Why.
    #[schema(required)]
    ended_reason: Option<&'static str>,
}

impl ShownSession {
    pub(super) fn of(session: &Session) -> Self {
        Self {
            id: session.id.to_string(),
            user_id: serde_json::to_value(session.user_id).unwrap_or_default(),
            created_at: session.created_at.to_string(),
            last_used_at: session.last_used_at.to_string(),
            expires_at: session.expires_at.to_string(),
            transport: session.transport.as_str(),
            user_agent: session.user_agent.clone(),
            device_name: session.device_name.as_ref().map(ToString::to_string),
            is_bound: session.is_bound(),
            ip: session.ip.map(|ip| ip.to_string()),
            ended_at: session.revoked.as_ref().map(|(at, _)| at.to_string()),
            ended_reason: session.revoked.as_ref().map(|(_, reason)| reason.as_str()),
        }
    }
}

/// How many there are on all pages: one of the three.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum ShownCount {
    /// So many.
    Exactly(u64),
    /// Some so many.
    About(u64),
    /// More than so many.
    MoreThan(u64),
}

impl From<Count> for ShownCount {
    fn from(count: Count) -> Self {
        match count {
            Count::Exactly(n) => Self::Exactly(n),
            Count::About(n) => Self::About(n),
            Count::MoreThan(n) => Self::MoreThan(n),
        }
    }
}

/// An answer that no cache keeps.
pub(super) fn shown(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(json) => shown_json(json),
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            Problem::new(Code::InternalError).into_response()
        }
    }
}

/// The same of what is JSON already.
pub(super) fn shown_json(body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    // Room for the headers of the edge too: nothing grows step by step.
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, NO_STORE);
    *response.headers_mut() = headers;
    response
}

/// A user, with the tag that a change wants back.
pub(super) fn shown_user(record: UserRecord, own_permissions: Vec<String>) -> Response {
    let tag = (ETAG, tag(record.fingerprint));
    let user = ShownUser::of_record(record, own_permissions);
    ([tag, (CACHE_CONTROL, NO_STORE)], Json(user)).into_response()
}

/// The tag of what was read.
pub(super) fn tag(fingerprint: Fingerprint) -> HeaderValue {
    let text = format!("\"{:032x}\"", u128::from_be_bytes(fingerprint.0));
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\""))
}

/// Nothing to say.
pub(super) fn done() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// Where what was made is.
pub(super) fn location(path: &str) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::try_from(path).unwrap_or(HeaderValue::from_static("/manage/v1/"));
    (axum::http::header::LOCATION, value)
}

pub(super) const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

//! `GET /accounts/sessions`, `PATCH` and `DELETE /accounts/sessions/{id}`: where a user is logged
//! in, what they call the device there, and how they end it.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::Request;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::auth::Auth;
use crate::http::answer::{NoContent, Uncached};
use crate::http::authenticated::Authenticated;
use crate::http::fields::{FieldErrors, body};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Text, request};
use crate::session::{DeviceName, RevokedReason, Session, SessionId, Transport, device_in_words};
use crate::store::{NoPlace, SessionPlace};

/// What is asked.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SessionsQuery {
    /// How many at most: 100 if nothing is said.
    #[param(value_type = u32, required = false, minimum = 1, maximum = 100, default = 100)]
    limit: Option<String>,
    /// The `next` of the page before.
    #[param(value_type = String, required = false)]
    cursor: Option<String>,
}

/// What comes back: the live sessions, the last begun first.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SessionsResponse {
    sessions: Vec<SessionResponse>,
    /// The `cursor` of the next page; null after the last one.
    #[schema(required)]
    next: Option<String>,
}

/// A session as its owner sees it.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SessionResponse {
    #[schema(value_type = String, example = "5f0c9e1d2b3a4857")]
    id: SessionId,
    /// Whether it is the one that asks.
    current: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last refreshed.
    #[schema(value_type = String, format = DateTime)]
    last_used_at: Timestamp,
    /// When it ends, however busy it is.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
    transport: Transport,
    /// What the client called itself at login.
    user_agent: String,
    /// The same in words, to show to people; a guess.
    #[schema(example = "Firefox on Windows")]
    device: String,
    /// What the user calls the device; null without a name.
    #[schema(value_type = Option<String>, required, example = "Ada's phone")]
    device_name: Option<DeviceName>,
    /// Whether the session is bound to the device: a copy of its cookies does not refresh it.
    device_bound: bool,
    /// Where the client came from at login.
    #[schema(value_type = Option<String>, required)]
    ip: Option<IpAddr>,
}

#[utoipa::path(
    get,
    path = "/accounts/sessions",
    tag = "accounts",
    summary = "List the user's sessions",
    params(SessionsQuery),
    responses(
        (status = 200, description = "A page of the live sessions", body = SessionsResponse),
        (status = 400, description = "validation_error: `limit` or `cursor`"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn sessions(
    State(auth): State<Auth>,
    who: Authenticated,
    query: Result<Query<SessionsQuery>, QueryRejection>,
) -> Result<Uncached<SessionsResponse>, Problem> {
    let (from, limit) = asked(query)?;
    let page = auth.store().user_sessions_page(who.user().id(), from, limit, auth.now()).await?;
    let sessions = page
        .sessions
        .into_iter()
        .map(|session| SessionResponse::new(session, who.claims().sid))
        .collect();
    let next = page.next.map(|next| next.to_string());
    Ok(Uncached::new(SessionsResponse { sessions, next }))
}

fn asked(
    query: Result<Query<SessionsQuery>, QueryRejection>,
) -> Result<(Option<SessionPlace>, u32), Problem> {
    let wrong = |field, what: String| Problem::new(Code::ValidationError).field(field, what);
    let Query(query) = query
        .map_err(|_| wrong("cursor", "Give `limit` and `cursor` at most once each.".to_owned()))?;
    let from = query
        .cursor
        .map(|cursor| cursor.parse())
        .transpose()
        .map_err(|error: NoPlace| wrong("cursor", error.to_string()))?;
    let limit = query.limit.map_or(Some(PAGE_MAX), |limit| {
        limit.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit))
    });
    Ok((
        from,
        limit.ok_or_else(|| wrong("limit", format!("Choose a number from 1 to {PAGE_MAX}.")))?,
    ))
}

request! {
    /// What the device of a session is called from now on.
    pub(crate) struct SessionRequest {
        /// What the user calls the device; an empty text takes the name away.
        #[example = "Ada's phone"]
        device_name: Text<{ DeviceName::MAX_CHARS }>,
    }
}

#[utoipa::path(
    patch,
    path = "/accounts/sessions/{id}",
    tag = "accounts",
    summary = "Name the device of one of the user's sessions",
    params(
        ("id" = String, Path, description = "The session's id"),
    ),
    request_body = SessionRequest,
    responses(
        (status = 200, description = "The session as it is now", body = SessionResponse),
        (status = 404, description = "not_found: the user has no such live session"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn name_session(
    State(auth): State<Auth>,
    who: Authenticated,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<Uncached<SessionResponse>, Problem> {
    let SessionRequest { device_name: Text(text) } =
        body(request, auth.settings().body_timeout).await?;
    let mut errors = FieldErrors::default();
    let name = if text.trim().is_empty() {
        None
    } else {
        errors.unless("device_name", DeviceName::parse(&text))
    };
    errors.none()?;
    let id = own(id)?;
    who.still(&auth)?;
    let session = auth
        .store()
        .name_session(id, who.user().id(), name, auth.now())
        .await?
        .ok_or_else(no_such_session)?;
    Ok(Uncached::new(SessionResponse::new(session, who.claims().sid)))
}

#[utoipa::path(
    delete,
    path = "/accounts/sessions/{id}",
    tag = "accounts",
    summary = "End one of the user's sessions",
    params(
        ("id" = String, Path, description = "The session's id"),
    ),
    responses(
        (status = 204, description = "The session is ended"),
        (status = 404, description = "not_found: the user has no such live session"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn end_session(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
    id: Result<Path<String>, PathRejection>,
) -> Result<NoContent, Problem> {
    let id = own(id)?;
    let now = auth.now();
    if !auth.store().revoke_session(id, Some(who.user().id()), RevokedReason::Logout, now).await? {
        return Err(no_such_session());
    }
    auth.session_ended(id, now);
    tracing::info!(user = %who.user().id(), session = %id, "a session was ended by its owner");
    auth.events().on_logout(&peer.event(auth.now(), Some(who.user()), Some(id)));
    Ok(NoContent::default())
}

/// Another user's session, an ended one and a text that is no id are all the same.
fn own(id: Result<Path<String>, PathRejection>) -> Result<SessionId, Problem> {
    id.ok().and_then(|Path(id)| id.parse().ok()).ok_or_else(no_such_session)
}

fn no_such_session() -> Problem {
    Problem::new(Code::NotFound).detail("You have no such session.")
}

impl SessionResponse {
    fn new(session: Session, current: SessionId) -> Self {
        Self {
            id: session.id,
            current: session.id == current,
            created_at: session.created_at,
            last_used_at: session.last_used_at,
            expires_at: session.expires_at,
            transport: session.transport,
            device_bound: session.is_bound(),
            device: device_in_words(&session.user_agent),
            user_agent: session.user_agent,
            device_name: session.device_name,
            ip: session.ip,
        }
    }
}

/// Rows on a page.
const PAGE_MAX: u32 = 100;

//! `GET /accounts/sessions` and `DELETE /accounts/sessions/{id}`: where a user is logged in, and how she ends it there.

use std::net::IpAddr;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use super::issue::{answer, no_store};
use crate::auth::Auth;
use crate::http::authenticated::Authenticated;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem, ProblemSchema};
use crate::session::{RevokedReason, Session, SessionId, Transport};

/// What comes back: the live sessions, the last used first.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct SessionsResponse {
    sessions: Vec<SessionResponse>,
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
    /// Where the client came from at login.
    #[schema(value_type = Option<String>)]
    ip: Option<IpAddr>,
}

#[utoipa::path(
    get,
    path = "/accounts/sessions",
    tag = "accounts",
    summary = "List the user's sessions",
    responses(
        (status = 200, description = "The live sessions", body = SessionsResponse),
        (status = 401, description = "not_authenticated, token_invalid, token_expired, session_revoked, user_inactive", body = ProblemSchema, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn sessions(State(auth): State<Auth>, who: Authenticated) -> Result<Response, Problem> {
    let live = auth.store.user_sessions(who.user().id(), auth.clock.now()).await?;
    let sessions = live.into_iter().map(|session| SessionResponse::new(session, who.claims().sid)).collect();
    Ok(answer(SessionsResponse { sessions }, []))
}

#[utoipa::path(
    delete,
    path = "/accounts/sessions/{id}",
    tag = "accounts",
    summary = "End one of the user's sessions",
    params(
        ("id" = String, Path, description = "The session's id"),
        ("X-CSRFTOKEN" = Option<String>, Header, description = "Browsers: the session's CSRF token"),
    ),
    responses(
        (status = 204, description = "The session is ended"),
        (status = 401, description = "not_authenticated, token_invalid, token_expired, session_revoked, user_inactive", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 403, description = "csrf_failed", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 503, description = "unavailable: nothing was done, or it is not known whether it was; a repeat is safe", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 404, description = "not_found: the user has no such live session", body = ProblemSchema, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn end_session(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let none = || Problem::new(Code::NotFound).detail("You have no such session.");
    let id: SessionId = id.ok().and_then(|Path(id)| id.parse().ok()).ok_or_else(none)?;
    let now = auth.clock.now();
    if !auth.store.revoke_session(id, Some(who.user().id()), RevokedReason::Logout, now).await? {
        return Err(none());
    }
    auth.session_ended(id, now);
    tracing::info!(user = %who.user().id(), session = %id, "a session was ended by its owner");
    auth.events.on_logout(&peer.event(auth.clock.now(), Some(who.user()), Some(id)));
    Ok((StatusCode::NO_CONTENT, no_store([])).into_response())
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
            user_agent: session.user_agent,
            ip: session.ip,
        }
    }
}

//! `POST /accounts/logout-all`: ends all of the user's sessions, or all but this one.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};

use super::issue::no_store;
use crate::auth::Auth;
use crate::http::authenticated::Authenticated;
use crate::http::fields::Fields;
use crate::http::peer::Peer;
use crate::http::problem::{Problem, ProblemSchema};
use crate::session::RevokedReason;

/// What may be sent.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the body; the fields are read one by one")]
pub(crate) struct LogoutAllRequest {
    /// Whether this session goes on. It does not unless this says so.
    keep_current: Option<bool>,
}

#[utoipa::path(
    post,
    path = "/accounts/logout-all",
    tag = "accounts",
    summary = "Log out everywhere",
    params(("X-CSRFTOKEN" = Option<String>, Header, description = "Browsers: the session's CSRF token")),
    request_body = Option<LogoutAllRequest>,
    responses(
        (status = 204, description = "The sessions are ended"),
        (status = 401, description = "not_authenticated, token_invalid, token_expired, \
            session_revoked, user_inactive", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 403, description = "csrf_failed", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 503, description = "unavailable: nothing was done, or it is not known whether it \
            was; a repeat is safe", body = ProblemSchema, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn logout_all(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let mut fields = Fields::read_if_any(request, auth.settings.body_timeout).await?;
    let keep_current = fields.flag("keep_current").unwrap_or(false);
    fields.done()?;
    who.still(&auth)?;

    let keep = keep_current.then_some(who.claims().sid);
    let ended = auth
        .store
        .revoke_user_sessions(who.user().id(), keep, RevokedReason::LogoutAll, auth.clock.now())
        .await?;
    auth.catch_up().await?;
    tracing::info!(user = %who.user().id(), sessions = ended, "logged out everywhere");
    auth.events.on_logout_all(&peer.event(
        auth.clock.now(),
        Some(who.user()),
        Some(who.claims().sid),
    ));
    let cleared = if keep_current { Vec::new() } else { auth.checked.cookies.clear() };
    Ok((StatusCode::NO_CONTENT, no_store(cleared)).into_response())
}

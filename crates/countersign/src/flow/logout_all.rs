//! `POST /accounts/logout-all`: ends all of the user's sessions, or all but this one.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;

use crate::auth::Auth;
use crate::http::answer::NoContent;
use crate::http::authenticated::Authenticated;
use crate::http::fields::body_if_any;
use crate::http::peer::Peer;
use crate::http::problem::Problem;
use crate::http::request::request;
use crate::session::RevokedReason;

request! {
    /// What may be sent.
    pub(crate) struct LogoutAllRequest {
        /// Whether this session goes on. It does not unless this says so.
        keep_current: Option<bool>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/logout-all",
    tag = "accounts",
    summary = "Log out everywhere",
    request_body = Option<LogoutAllRequest>,
    responses(
        (status = 204, description = "The sessions are ended"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn logout_all(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
    request: Request<Body>,
) -> Result<NoContent, Problem> {
    let asked: LogoutAllRequest = body_if_any(request, auth.settings().body_timeout).await?;
    let keep_current = asked.keep_current.unwrap_or(false);
    who.still(&auth)?;

    let keep = keep_current.then_some(who.claims().sid);
    let ended = auth
        .store()
        .revoke_user_sessions(who.user().id(), keep, RevokedReason::LogoutAll, auth.now())
        .await?;
    auth.catch_up().await?;
    tracing::info!(user = %who.user().id(), sessions = ended, "logged out everywhere");
    auth.events().on_logout_all(&peer.event(auth.now(), Some(who.user()), Some(who.claims().sid)));
    let cleared = if keep_current { Vec::new() } else { auth.checked().cookies.clear() };
    Ok(NoContent::with_cookies(cleared))
}

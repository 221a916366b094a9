//! `GET /accounts/csrf`: the session's CSRF token, for a page that was reloaded and cannot read the
//! API host's cookies.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;

use crate::auth::Auth;
use crate::clock::seconds;
use crate::http::answer::{Refusal, Uncached};
use crate::http::problem::{Code, Problem};
use crate::http::refresh_token::{Sent, refresh_cookie, unclear};
use crate::session::Transport;

/// What comes back.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct CsrfResponse {
    /// Send it as `X-CSRFTOKEN` on everything that writes.
    csrf_token: String,
}

#[utoipa::path(
    get,
    path = "/accounts/csrf",
    tag = "accounts",
    summary = "Ask for the CSRF token",
    responses(
        (status = 200, description = "The token, and its cookie", body = CsrfResponse),
        (status = 401, description = "refresh_token_missing, refresh_token_invalid, \
            refresh_token_expired, session_expired, session_revoked"),
        (status = 503, description = "unavailable: nothing was done, or it is not known whether it \
            was; to repeat it is safe"),
    ),
    security(("refresh_cookie" = [])),
)]
pub(crate) async fn csrf(
    State(auth): State<Auth>,
    headers: HeaderMap,
) -> Result<Uncached<CsrfResponse>, Refusal> {
    let token = match refresh_cookie(&auth, &headers).await? {
        Sent::Nothing => return Err(Problem::new(Code::RefreshTokenMissing).into()),
        Sent::One(token) => token,
        Sent::Unclear => return Err(unclear(&auth)),
    };
    let claims = auth.refresh_tokens().verify(token, auth.seconds())?;
    let session = auth
        .store()
        .session(claims.sid)
        .await?
        .ok_or_else(|| Problem::new(Code::SessionExpired))?;
    if let Some((_, reason)) = session.revoked {
        return Err(Problem::new(Code::SessionRevoked).reason(reason.as_str()).into());
    }
    if seconds(session.expires_at) <= auth.seconds() {
        return Err(Problem::new(Code::SessionExpired).into());
    }
    if session.transport != Transport::Cookie {
        return Err(Problem::new(Code::RefreshTokenInvalid).into());
    }
    let csrf_token = auth.csrf_tokens().token(claims.sid);
    let lifetime = Duration::from_secs(claims.exp.saturating_sub(auth.seconds()));
    let cookie = auth.checked().cookies.set_csrf(&csrf_token, lifetime);
    Ok(Uncached::new(CsrfResponse { csrf_token }).with_cookies([cookie]))
}

//! A look at the session of a refresh cookie: nothing is rotated, and nothing is written.

use axum::http::HeaderMap;

use crate::auth::Auth;
use crate::clock::seconds;
use crate::http::answer::Refusal;
use crate::http::problem::{Code, Problem};
use crate::http::refresh_token::{Sent, refresh_cookie, unclear};
use crate::session::Transport;
use crate::token::RefreshClaims;

/// What the refresh cookie says, if its session lives.
///
/// # Errors
/// What a refresh would say of it; `refresh_token_missing` without a cookie.
pub(crate) async fn look(auth: &Auth, headers: &HeaderMap) -> Result<RefreshClaims, Refusal> {
    let token = match refresh_cookie(auth, headers).await? {
        Sent::Nothing => return Err(Problem::new(Code::RefreshTokenMissing).into()),
        Sent::One(token) => token,
        Sent::Unclear => return Err(unclear(auth)),
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
    Ok(claims)
}

//! `GET /accounts/csrf`: the session's CSRF token, for a page that was reloaded and cannot read the
//! API host's cookies.

use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;

use crate::auth::Auth;
use crate::entry::{csrf_cookie, look};
use crate::http::answer::{Refusal, Uncached};

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
    let claims = look(&auth, &headers).await?;
    let csrf_token = auth.csrf_tokens().token(claims.sid);
    let cookie = csrf_cookie(&auth, &claims, &csrf_token);
    Ok(Uncached::new(CsrfResponse { csrf_token }).with_cookies([cookie]))
}

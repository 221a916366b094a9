//! `GET /accounts/session`: whether a browser holds a session, for a page that has just loaded.
//!
//! To have none is no error: the page of a visitor loads without a refusal. Nothing is rotated, and
//! nothing is told but what a refresh needs; who the user is, the refresh says.

use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;

use crate::auth::Auth;
use crate::entry::{csrf_cookie, look};
use crate::http::answer::{Refusal, Uncached};
use crate::http::guard;

/// What a refresh needs, or that nobody is there.
#[derive(Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(crate) enum VisitorResponse {
    /// A session: refresh it.
    Live {
        /// Send it as `X-CSRFTOKEN`, with the refresh too.
        csrf_token: String,
    },
    /// Nobody.
    Nobody {
        /// Always null.
        #[schema(required)]
        user: Option<()>,
        /// What a refresh would have said: `refresh_token_missing` where there is no cookie.
        code: &'static str,
        /// Why the session was ended, where it was.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = String, required = false)]
        reason: Option<&'static str>,
    },
}

#[utoipa::path(
    get,
    path = "/accounts/session",
    tag = "accounts",
    summary = "Is anybody signed in?",
    responses(
        (status = 200, description = "What a refresh needs, with the CSRF cookie; or nobody",
            body = VisitorResponse),
        (status = 403, description = "csrf_failed: a page of a foreign origin asks"),
        (status = 503, description = "unavailable"),
    ),
    security((), ("refresh_cookie" = [])),
)]
pub(crate) async fn session(
    State(auth): State<Auth>,
    headers: HeaderMap,
) -> Result<Uncached<VisitorResponse>, Refusal> {
    // A foreign page cannot read the answer. Nor shall it tell by its time or size who has one.
    guard::source(&auth, &headers)?;
    let claims = match look(&auth, &headers).await.map_err(Refusal::over) {
        Ok(claims) => claims,
        Err(Ok((problem, cookies))) => {
            let (code, reason) = (problem.code().as_str(), problem.as_reason());
            let nobody = VisitorResponse::Nobody { user: None, code, reason };
            return Ok(Uncached::new(nobody).with_cookies(cookies));
        }
        Err(Err(unknown)) => return Err(unknown),
    };
    let csrf_token = auth.csrf_tokens().token(claims.sid);
    let cookie = csrf_cookie(&auth, &claims, &csrf_token);
    Ok(Uncached::new(VisitorResponse::Live { csrf_token }).with_cookies([cookie]))
}

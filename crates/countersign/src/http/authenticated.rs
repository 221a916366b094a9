//! Who is asking: the one way into everything private.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use countersign_verify::{Claims, TokenError, bearer_token};

use super::guard;
use super::problem::{Code, Problem};
use crate::auth::Auth;
use crate::user::{KnownUser, UserId};

/// An active user with a live session, and for writes of a cookie session a good origin and CSRF token.
///
/// A handler that takes this cannot be reached by anybody else. It reads neither the body nor, but for the first request of a user, the database.
#[derive(Debug, Clone)]
pub struct Authenticated {
    /// The user, as she is now.
    pub user: Arc<KnownUser>,
    /// What the access token says.
    pub claims: Arc<Claims>,
}

impl FromRequestParts<Auth> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?.ok_or_else(|| Problem::new(Code::NotAuthenticated))?;
        let claims = auth.verifier.verify(token, auth.seconds())?;
        let user = live_user(auth, &claims).await?;
        if !parts.method.is_safe() {
            guard::write(auth, &parts.headers, &claims)?;
        }
        Ok(Self { user, claims })
    }
}

/// The bearer token of a request, if it has one.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all(AUTHORIZATION).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::new(Code::TokenInvalid).detail("Send one Authorization header, not several."));
    }
    Ok(Some(bearer_token(value.as_bytes())?))
}

async fn live_user(auth: &Auth, claims: &Claims) -> Result<Arc<KnownUser>, Problem> {
    let id: UserId = claims.sub.parse().map_err(|_| TokenError::Invalid)?;
    let user = auth.user(id).await?.filter(|user| user.is_active).ok_or_else(|| Problem::new(Code::UserInactive))?;
    if auth.revocations.contains(claims.sid) {
        return Err(Problem::new(Code::SessionRevoked));
    }
    Ok(user)
}

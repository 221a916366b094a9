//! Who is asking: the one way into everything private.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use countersign_verify::{Claims, Seen, TokenError, bearer_token};

use super::guard;
use super::problem::{Code, Problem};
use crate::auth::Auth;
use crate::user::{KnownUser, UserId};

/// An active user with a live session, and for writes of a cookie session a good origin and CSRF token.
///
/// A handler that takes this cannot be reached by anybody else. It reads neither the body nor, but for the first request of a user, the database.
#[derive(Debug, Clone)]
pub struct Authenticated(Arc<Seen<Attached>>);

impl Authenticated {
    /// The user, as she is now.
    pub fn user(&self) -> &KnownUser {
        &self.0.attached.user
    }

    /// The body of the profile's answer. A copy is cheaper than a reference count that every thread writes.
    pub(crate) fn profile(&self) -> Bytes {
        Bytes::copy_from_slice(&self.0.attached.profile)
    }

    /// What the access token says.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }
}

/// What is remembered with a token: its user, as of a moment.
#[derive(Debug)]
pub(crate) struct Attached {
    user: Arc<KnownUser>,
    /// Her profile, without the detour by way of the row.
    profile: Arc<[u8]>,
    moment: u64,
}

impl FromRequestParts<Auth> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, auth: &Auth) -> Result<Self, Problem> {
        let token = bearer(&parts.headers)?.ok_or_else(|| Problem::new(Code::NotAuthenticated))?;
        let known = auth.verifier.seen(token, auth.seconds());
        let who = match known {
            Some(seen) if seen.attached.moment == auth.users.moment() => Self(seen),
            known => Self::identify(auth, token, known).await?,
        };
        if auth.revocations.contains(who.claims().sid) {
            return Err(Problem::new(Code::SessionRevoked));
        }
        if !parts.method.is_safe() {
            guard::write(auth, &parts.headers, who.claims())?;
        }
        Ok(who)
    }
}

impl Authenticated {
    /// Checks the token, unless it is known, and reads its user, whom something may have changed. Only active users are remembered.
    async fn identify(auth: &Auth, token: &str, known: Option<Arc<Seen<Attached>>>) -> Result<Self, Problem> {
        let verified = match known {
            Some(seen) => seen.verified(),
            None => auth.verifier.check(token, auth.seconds())?,
        };
        if verified.expired {
            return Err(TokenError::Expired.into());
        }
        let id: UserId = verified.claims.sub.parse().map_err(|_| TokenError::Invalid)?;
        let moment = auth.users.moment();
        let user = auth.user(id).await?.filter(|user| user.is_active).ok_or_else(|| Problem::new(Code::UserInactive))?;
        Ok(Self(auth.verifier.remember(token, verified, Attached { profile: Arc::clone(user.profile()), user, moment })))
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

//! The refresh token that comes with a request: in a cookie, or in the body. Which of a browser's
//! cookies counts, when there are several of one name: the settings changed, or a sibling or an
//! installation above set one.

use std::fmt;

use axum::body::Body;
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue, Request};

use super::answer::Refusal;
use super::fields::body_if_any;
use super::problem::{Code, Problem};
use super::request::{Text, request};
use crate::auth::Auth;
use crate::clock::seconds;
use crate::session::{SessionId, Transport};
use crate::store::StoreError;
use crate::token::RefreshClaims;

request! {
    /// What native clients send. Browsers send the cookie and `X-CSRFTOKEN`, and no body.
    pub(crate) struct RefreshRequest {
        /// The refresh token.
        refresh_token: Option<Text<1024>>,
    }
}

/// What the cookies of a request come to.
pub(crate) enum Sent<'a> {
    /// There is none.
    Nothing,
    /// One token.
    One(&'a str),
    /// Several, and nobody can say whose browser it is.
    Unclear,
}

/// The refresh token that counts: the only one, or the only one whose signature and session are
/// good. Of two of one session it is the younger.
pub(crate) async fn refresh_cookie<'a>(
    auth: &Auth,
    headers: &'a HeaderMap,
) -> Result<Sent<'a>, StoreError> {
    one_of(auth, auth.checked().cookies.refresh_of(headers)).await
}

async fn one_of<'a>(auth: &Auth, tokens: Vec<&'a str>) -> Result<Sent<'a>, StoreError> {
    match tokens.as_slice() {
        [] => return Ok(Sent::Nothing),
        [only] => return Ok(Sent::One(only)),
        _ => {}
    }
    let mut good: Vec<(&'a str, RefreshClaims)> = Vec::new();
    for token in tokens {
        let Ok(claims) = auth.refresh_tokens().verify(token, auth.seconds()) else { continue };
        match good.iter_mut().find(|(_, known)| known.sid == claims.sid) {
            Some(known) if known.1.generation < claims.generation => *known = (token, claims),
            Some(_) => {}
            None => good.push((token, claims)),
        }
    }
    if good.len() > 1 {
        let mut live = Vec::new();
        for (token, claims) in good.into_iter().take(MOST_SESSIONS) {
            if is_live(auth, claims.sid).await? {
                live.push((token, claims));
            }
        }
        good = live;
    }
    Ok(if let [(only, _)] = good.as_slice() { Sent::One(only) } else { Sent::Unclear })
}

/// The refresh cookies of a request, for a login that comes later. They are not printed.
#[derive(Clone, Default)]
pub(crate) struct RefreshCookies(Vec<String>);

impl RefreshCookies {
    /// Those of a request.
    pub(crate) fn of(auth: &Auth, headers: &HeaderMap) -> Self {
        let tokens = auth.checked().cookies.refresh_of(headers);
        Self(tokens.into_iter().map(str::to_owned).collect())
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Which of them counts.
    pub(crate) async fn sent(&self, auth: &Auth) -> Result<Sent<'_>, StoreError> {
        one_of(auth, self.0.iter().map(String::as_str).collect()).await
    }

    /// The session of the one that counts, if we made it, whatever the time.
    pub(crate) async fn session(&self, auth: &Auth) -> Result<Option<SessionId>, StoreError> {
        let Sent::One(token) = self.sent(auth).await? else { return Ok(None) };
        Ok(auth.refresh_tokens().verify_but_expiry(token).ok().map(|claims| claims.sid))
    }
}

impl fmt::Debug for RefreshCookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshCookies(..)")
    }
}

/// A browser's header `Cookie`, as another server hands it on.
pub(crate) fn handed_on(cookie: &str) -> Option<HeaderMap> {
    let value = HeaderValue::from_str(cookie).ok()?;
    Some(HeaderMap::from_iter([(COOKIE, value)]))
}

/// The sessions of all tokens that verify, whatever the time: for a logout.
pub(crate) fn sessions_of(auth: &Auth, tokens: &[&str]) -> Vec<SessionId> {
    let mut sessions = Vec::new();
    for claims in
        tokens.iter().filter_map(|token| auth.refresh_tokens().verify_but_expiry(token).ok())
    {
        if !sessions.contains(&claims.sid) {
            sessions.push(claims.sid);
        }
    }
    sessions
}

/// Whether a token that came along is of a session that is not to outlive the browser.
pub(crate) fn is_short(auth: &Auth, headers: &HeaderMap) -> bool {
    let tokens = auth.checked().cookies.refresh_of(headers);
    let mut claims =
        tokens.iter().filter_map(|token| auth.refresh_tokens().verify_but_expiry(token).ok());
    claims.any(|claims| claims.is_short)
}

/// Refuses, and removes the cookies in every form, so that the next login finds a clean slate and
/// nobody is stuck.
pub(crate) fn unclear(auth: &Auth) -> Refusal {
    let problem = Problem::new(Code::RefreshTokenInvalid).detail(
        "The request carries several refresh cookies, and none of them alone is good. They have \
         been removed; log in again."
            .to_owned(),
    );
    Refusal::clearing(problem, auth.checked().cookies.clear())
}

/// The refresh token in the body.
pub(crate) async fn token_in_body(
    auth: &Auth,
    request: Request<Body>,
) -> Result<Option<String>, Problem> {
    let asked: RefreshRequest = body_if_any(request, auth.settings().body_timeout).await?;
    Ok(asked.refresh_token.map(|Text(token)| token).filter(|token| !token.is_empty()))
}

async fn is_live(auth: &Auth, session: SessionId) -> Result<bool, StoreError> {
    let found = auth.store().session(session).await?;
    Ok(found.is_some_and(|session| {
        session.transport == Transport::Cookie
            && session.revoked.is_none()
            && auth.seconds() < seconds(session.expires_at)
    }))
}

/// A browser that shows more is not one that lost its way between two settings.
const MOST_SESSIONS: usize = 4;

//! `POST /accounts/logout`: ends this session, by whichever of its tokens the client still has.
//!
//! Idempotent, and welcome with expired tokens: a session that has ended is ended.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request};

use countersign_verify::bearer;

use crate::auth::Auth;
use crate::entry::end_session;
use crate::http::answer::NoContent;
use crate::http::guard;
use crate::http::peer::Peer;
use crate::http::problem::Problem;
use crate::http::refresh_token::{RefreshRequest, sessions_of, token_in_body};
use crate::session::{SessionId, Transport};
use crate::token::RefreshError;

#[utoipa::path(
    post,
    path = "/accounts/logout",
    tag = "accounts",
    summary = "Log out",
    params(("X-CSRFTOKEN" = Option<String>, Header, description = "With the cookie: the session's \
        CSRF token")),
    request_body(content = Option<RefreshRequest>,
        description = "Native clients without an access token"),
    responses(
        (status = 204, description = "The session is ended; the cookies are cleared"),
        (status = 401, description = "token_invalid, refresh_token_invalid"),
        (status = 403, description = "csrf_failed"),
        (status = 503, description = "unavailable: nothing was done, or it is not known whether it \
            was; to repeat it is safe"),
    ),
    security((), ("refresh_cookie" = []), ("bearer" = [])),
)]
pub(crate) async fn logout(
    State(auth): State<Auth>,
    peer: Peer,
    request: Request<Body>,
) -> Result<NoContent, Problem> {
    let headers = request.headers();
    // A form of another site could otherwise clear the cookies, which its browser did not even
    // send.
    let native = guard::native(&auth, headers);
    if native.is_err() {
        guard::source(&auth, headers)?;
    }

    let by_bearer = match bearer(headers) {
        Ok(None) => Ok(None),
        Ok(Some(token)) => auth
            .verifier()
            .check_but_expiry(token, auth.seconds())
            .map(|token| Some(token.claims.sid))
            .map_err(Problem::from),
        Err(problem) => Err(problem),
    };
    let by_cookie = match auth.checked().cookies.refresh_of(headers).as_slice() {
        [] => None,
        tokens => Some(of_csrf_token(&auth, headers, sessions_of(&auth, tokens))),
    };
    let ended: Vec<SessionId> = match (by_bearer, by_cookie) {
        (Err(problem), None) => return Err(problem),
        // An interceptor may add a stale header to every call: the cookie's session is what counts.
        (Err(_) | Ok(None), Some(sessions)) => sessions?,
        (Ok(Some(session)), others) => {
            let others = others.and_then(Result::ok).unwrap_or_default();
            std::iter::once(session)
                .chain(others.into_iter().filter(|other| *other != session))
                .collect()
        }
        (Ok(None), None) => match token_in_body(&auth, request).await? {
            None => Vec::new(),
            Some(token) => native.and(session_of(&auth, &token).await)?.into_iter().collect(),
        },
    };
    let now = auth.now();
    for (i, session) in ended.into_iter().enumerate() {
        let done = end_session(&auth, &peer, session, now).await;
        // Of two, the first may have been ended.
        done.map_err(|error| if i == 0 { error } else { error.unknown() })?;
    }
    Ok(NoContent::with_cookies(auth.checked().cookies.clear()))
}

/// Those of the cookies' sessions that the CSRF token is of. A cookie that does not verify opens
/// nothing; clearing it is all that can be done.
fn of_csrf_token(
    auth: &Auth,
    headers: &HeaderMap,
    sessions: Vec<SessionId>,
) -> Result<Vec<SessionId>, Problem> {
    let mut refused = None;
    let mut ended = sessions;
    ended.retain(|session| {
        guard::csrf(auth, headers, *session).map_err(|problem| refused = Some(problem)).is_ok()
    });
    match refused {
        Some(problem) if ended.is_empty() => Err(problem),
        _ => Ok(ended),
    }
}

/// The session of a refresh token in the body, which must be of that kind: one out of a cookie
/// would need its CSRF token.
async fn session_of(auth: &Auth, token: &str) -> Result<Option<SessionId>, Problem> {
    let session = auth.refresh_tokens().verify_but_expiry(token)?.sid;
    match auth.store().session(session).await? {
        Some(session) if session.transport != Transport::Body => Err(RefreshError::Invalid.into()),
        found => Ok(found.map(|session| session.id)),
    }
}

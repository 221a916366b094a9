//! `POST /accounts/login`: a name and a password become a session.
//!
//! A wrong name, a wrong password and an inactive user get one answer at one cost in time.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request};
use axum::response::{IntoResponse, Response};

use super::begin::{TRIES, begin};
use super::check_password::{Refused, check};
use crate::auth::Auth;
use crate::http::fields::Fields;
use crate::http::guard;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem, ProblemSchema};
use crate::http::refresh_cookie::{Sent, refresh_cookie};
use crate::password::Password;
use crate::session::{SessionId, Transport};

/// What is sent, as JSON or as a form.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the body; the fields are read one by one")]
pub(crate) struct LoginRequest {
    /// The user name, or an e-mail address that only one user has.
    #[schema(example = "alice", max_length = 254)]
    username: String,
    /// The password.
    #[schema(example = "correct horse battery staple", max_length = 1024)]
    password: String,
    /// `body` for native clients: the refresh token then comes in the body, and no cookie is set.
    transport: Option<Transport>,
    /// Native clients: the `device_token` of an earlier login on this device.
    device_token: Option<String>,
}

#[utoipa::path(
    post,
    path = "/accounts/login",
    tag = "accounts",
    summary = "Log in",
    request_body(content((LoginRequest = "application/json"), (LoginRequest = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "The tokens and the user; for browsers the cookies too", body = super::begin::LoginResponse),
        (status = 400, description = "parse_error, validation_error", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 401, description = "invalid_credentials", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 403, description = "csrf_failed", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 429, description = "throttled", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 503, description = "unavailable: nothing was done, or it is not known whether it \
            was; a repeat is safe", body = ProblemSchema, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn login(
    State(auth): State<Auth>,
    peer: Peer,
    request: Request<Body>,
) -> Response {
    match attempt(&auth, &peer, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn attempt(auth: &Auth, peer: &Peer, request: Request<Body>) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let from_own_page = guard::source(auth, &headers);
    let native = guard::native(auth, &headers);
    if native.is_err() {
        from_own_page.clone()?;
    }
    let asked = Asked::read(request, auth.settings.body_timeout).await?;
    match asked.transport {
        Transport::Cookie => from_own_page?,
        Transport::Body => native?,
    }

    let replaces =
        if asked.transport == Transport::Cookie { shown(auth, &headers).await? } else { None };
    for _ in 0..TRIES {
        let checked = match check(
            auth,
            &asked.username,
            &asked.password,
            asked.device_token.as_deref(),
            peer,
            |_| true,
        )
        .await
        {
            Ok(checked) => checked,
            Err(refused) => return Err(told(auth, peer, &asked.username, refused)),
        };
        // Where the row changed meanwhile, whether the password is right is another question.
        if let Some(login) = begin(auth, peer, asked.transport, checked, replaces).await? {
            return Ok(login.into_response());
        }
    }
    Err(Problem::new(Code::Unavailable).retry_after(1))
}

/// The session whose refresh cookie the browser shows, if we made it: the browser will show the new
/// one's from now on.
async fn shown(auth: &Auth, headers: &HeaderMap) -> Result<Option<SessionId>, Problem> {
    let Sent::One(token) = refresh_cookie(auth, headers).await? else { return Ok(None) };
    Ok(auth.refresh_tokens.verify_but_expiry(token).ok().map(|claims| claims.sid))
}

/// What the client is told of a login that failed, once whoever keeps account has been.
fn told(auth: &Auth, peer: &Peer, login: &str, refused: Refused) -> Problem {
    let now = auth.clock.now();
    match &refused {
        Refused::Wrong(found) => {
            tracing::info!(ip = %peer.ip, "login failed");
            let account = found.as_ref().map(|found| found.user.account());
            auth.events.on_login_failed(&peer.event(now, account, None), login);
        }
        Refused::Throttled(_, found) => auth.events.on_throttled(&peer.event(
            now,
            found.as_ref().map(|found| found.user.account()),
            None,
        )),
        Refused::Hash(_) | Refused::Store(_) => {}
    }
    refused.into()
}

/// What was asked, parsed.
struct Asked {
    username: String,
    password: Password,
    transport: Transport,
    device_token: Option<String>,
}

impl Asked {
    async fn read(request: Request<Body>, deadline: Duration) -> Result<Self, Problem> {
        let mut fields = Fields::read(request, deadline).await?;
        let username = fields.required("username", LOGIN_MAX_CHARS);
        let password = fields.required("password", Password::MAX_BYTES);
        let transport = match fields.text("transport", 16) {
            None => Transport::Cookie,
            Some(word) => Transport::from_word(&word).unwrap_or_else(|| {
                fields.refuse("transport", "Choose cookie or body.");
                Transport::Cookie
            }),
        };
        let device_token = fields.text("device_token", 256);
        fields.done()?;
        match Password::parse(password) {
            Ok(password) => Ok(Self { username, password, transport, device_token }),
            Err(error) => {
                Err(Problem::new(Code::ValidationError).field("password", error.to_string()))
            }
        }
    }
}

/// An e-mail address may have 254 characters.
const LOGIN_MAX_CHARS: usize = 254;

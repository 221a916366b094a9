//! `POST /accounts/login`: a name and a password become a session.
//!
//! A wrong name, a wrong password and an inactive user get one answer at one cost in time.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use axum::response::{IntoResponse, Response};

use super::begin::begin;
use crate::attempts::Refused;
use crate::auth::Auth;
use crate::http::fields::Fields;
use crate::http::guard;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem, ProblemSchema};
use crate::password::{EncodedPassword, Password};
use crate::session::Transport;
use crate::throttle::AccountKey;
use crate::user::{Candidate, FoundUser, UserId, fold};

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
        (status = 503, description = "unavailable", body = ProblemSchema, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn login(State(auth): State<Auth>, peer: Peer, request: Request<Body>) -> Response {
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

    let found = auth.people.by_login(&asked.username).await?;
    let device_token = asked.device_token.as_deref().or_else(|| auth.checked.cookies.device_of(&headers));
    let device =
        found.as_ref().zip(device_token).and_then(|(found, token)| auth.devices.verify(token, found.user.account().id(), auth.seconds()));
    let folded = fold(&asked.username);
    let counted = account(found.as_ref(), &folded);
    let attempt = match auth.attempts.begin(&*auth.store, counted, device, peer.ip, auth.clock.now()).await {
        Ok(attempt) => attempt,
        Err(Refused::Wait(wait)) => {
            auth.events.on_throttled(&peer.event(auth.clock.now(), found.as_ref().map(|found| found.user.account()), None));
            return Err(Problem::new(Code::Throttled).retry_after(wait.seconds()));
        }
        Err(Refused::Store(error)) => return Err(error.into()),
    };
    // An inactive user is checked as a missing one is: even her right password answers no later and no sooner.
    let stored = found.as_ref().filter(|found| found.user.account().is_active()).map(|found| &found.password);
    let verdict = match auth.passwords.verify(stored, &asked.password).await {
        Ok(verdict) => verdict,
        Err(error) => {
            auth.attempts.cancelled(&*auth.store, attempt).await;
            return Err(error.into());
        }
    };
    let FoundUser { user, password } = match found {
        Some(found) if verdict.matches => found,
        found => {
            tracing::info!(ip = %peer.ip, "login failed");
            let account = found.as_ref().map(|found| found.user.account());
            auth.events.on_login_failed(&peer.event(auth.clock.now(), account, None), &asked.username);
            return Err(Problem::new(Code::InvalidCredentials));
        }
    };
    auth.attempts.succeeded(&*auth.store, attempt).await?;

    if verdict.outdated {
        upgrade(auth, user.account().id(), &password, &asked.password).await;
    }
    Ok(begin(auth, peer, asked.transport, user, device).await?.into_response())
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
            Err(error) => Err(Problem::new(Code::ValidationError).field("password", error.to_string())),
        }
    }
}

/// Whatever spelling or address named it, an account is counted once.
fn account<'a>(found: Option<&FoundUser<Candidate>>, folded: &'a str) -> AccountKey<'a> {
    found.map_or(AccountKey::Unknown(folded), |found| AccountKey::User(found.user.account().id()))
}

/// Encodes the password anew in today's form. A login does not fail for it.
async fn upgrade(auth: &Auth, user: UserId, old: &EncodedPassword, password: &Password) {
    match auth.passwords.hash(password).await {
        Ok(new) => match auth.people.upgrade_password(user, old, &new).await {
            Ok(()) => tracing::info!(user = %user, "the password's encoding was upgraded"),
            Err(error) => tracing::warn!(user = %user, %error, "the password's encoding could not be upgraded"),
        },
        Err(error) => tracing::warn!(user = %user, %error, "the password's encoding could not be upgraded"),
    }
}

/// An e-mail address may have 254 characters.
const LOGIN_MAX_CHARS: usize = 254;

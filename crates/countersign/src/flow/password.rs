//! `POST /accounts/password`: a new password, for who knows the old one. Ends the user's other
//! sessions.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_verify::Account;

use super::check_password::known_device;
use super::issue::no_store;
use crate::attempts::Refused;
use crate::auth::Auth;
use crate::device;
use crate::http::authenticated::Authenticated;
use crate::http::fields::Fields;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem, ProblemSchema};
use crate::password::{Lane, Password, UserAttributes, validate};
use crate::store::PasswordChange;
use crate::throttle::AccountKey;
use crate::user::fold_address;

/// What is sent.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the body; the fields are read one by one")]
pub(crate) struct PasswordRequest {
    /// The password as it is.
    #[schema(max_length = 1024)]
    old_password: String,
    /// The password as it shall be.
    #[schema(min_length = 8, max_length = 1024)]
    new_password: String,
    /// Native clients: the `device_token` of a login on this device.
    device_token: Option<String>,
}

#[utoipa::path(
    post,
    path = "/accounts/password",
    tag = "accounts",
    summary = "Change the password",
    params(("X-CSRFTOKEN" = Option<String>, Header, description = "Browsers: the session's CSRF token")),
    request_body = PasswordRequest,
    responses(
        (status = 204, description = "The password is changed; the other sessions are ended"),
        (status = 400, description = "parse_error, validation_error", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 401, description = "not_authenticated, token_invalid, token_expired, \
            session_revoked, user_inactive", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 403, description = "csrf_failed", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 409, description = "conflict: the password was changed meanwhile", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 429, description = "throttled", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 503, description = "unavailable: nothing was done, or it is not known whether it \
            was; a repeat is safe", body = ProblemSchema, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn change_password(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let Asked { old, new, device_token } =
        Asked::read(Fields::read(request, auth.settings.body_timeout).await?, who.user())?;

    // Wrong old passwords count against the same budget as failed logins, on a known device its
    // own: strangers' failures do not delay the owner.
    let stored = auth.people.password_of(who.user().id()).await?;
    let tokens = device_token.iter().chain(&peer.device_tokens).map(String::as_str);
    let device =
        stored.as_ref().and_then(|stored| known_device(&auth, tokens, who.user().id(), stored));
    let counted =
        AccountKey::Named { user: who.user().id(), by: &fold_address(who.user().username()) };
    let attempt = auth
        .attempts
        .begin(&*auth.store, counted, device, peer.ip, auth.clock.now())
        .await
        .map_err(|refused| match refused {
            Refused::Wait(wait) => Problem::new(Code::Throttled).retry_after(wait.seconds()),
            Refused::Store(error) => error.into(),
        })?;
    let verdict = match auth.passwords.verify_in(Lane::Known, stored.as_ref(), &old).await {
        Ok(verdict) => verdict,
        Err(error) => {
            auth.attempts.cancelled(&*auth.store, attempt).await;
            return Err(error.into());
        }
    };
    if !verdict.matches {
        return Err(
            Problem::new(Code::ValidationError).field("old_password", "This is not your password.")
        );
    }
    auth.attempts.succeeded(&*auth.store, attempt).await?;

    let encoded = auth.passwords.hash(&new).await?;
    let (id, session, now) = (who.user().id(), who.claims().sid, auth.clock.now());
    let old = stored.ok_or_else(|| Problem::new(Code::UserInactive))?;
    match auth.people.change_password(&*auth.store, id, (&old, &encoded), session, now).await? {
        PasswordChange::Done => {}
        PasswordChange::Stale => {
            let detail = "The password was changed meanwhile, and not by this request. Try again \
                with the password as it is now.";
            return Err(Problem::new(Code::Conflict).detail(detail));
        }
        PasswordChange::SessionEnded => return Err(Problem::new(Code::SessionRevoked)),
    }
    auth.catch_up().await?;
    auth.events.on_password_changed(&peer.event(now, Some(who.user()), Some(session)));
    tracing::info!(user = %who.user().id(), session = %who.claims().sid, "the password was changed");
    // What the device was known by died with the old password.
    let mut cookies = Vec::new();
    if who.claims().csrf.is_some() {
        let token = auth.devices.issue(id, &encoded, device, auth.seconds(), &*auth.random);
        cookies.push(
            auth.checked.cookies.set_device(&token, Duration::from_secs(device::LIFETIME_SECONDS)),
        );
    }
    Ok((StatusCode::NO_CONTENT, no_store(cookies)).into_response())
}

/// What was asked, parsed.
struct Asked {
    old: Password,
    new: Password,
    device_token: Option<String>,
}

impl Asked {
    fn read(mut fields: Fields, user: &dyn Account) -> Result<Self, Problem> {
        let old = fields.required("old_password", Password::MAX_BYTES);
        let new = fields.required("new_password", Password::MAX_BYTES);
        let device_token = fields.text("device_token", DEVICE_TOKEN_MAX_CHARS);
        fields.done()?;
        let about = UserAttributes {
            username: user.username(),
            email: user.email(),
            first_name: user.first_name(),
            last_name: user.last_name(),
        };
        for problem in validate(&new, &about).err().into_iter().flatten() {
            fields.refuse("new_password", problem.to_string());
        }
        fields.done()?;
        let parse = |name, text| {
            Password::parse(text)
                .map_err(|error| Problem::new(Code::ValidationError).field(name, error.to_string()))
        };
        Ok(Self {
            old: parse("old_password", old)?,
            new: parse("new_password", new)?,
            device_token,
        })
    }
}

/// Ours are shorter.
const DEVICE_TOKEN_MAX_CHARS: usize = 256;

//! `POST /accounts/password`: a new password, for who knows the old one. Ends the user's other
//! sessions.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use countersign_verify::Account;

use crate::auth::Auth;
use crate::entry::OwnPassword;
use crate::http::answer::NoContent;
use crate::http::authenticated::Authenticated;
use crate::http::fields::{FieldErrors, body};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::refresh_token;
use crate::http::request::{Text, request};
use crate::mail::MailKind;
use crate::password::{Password, UserAttributes};
use crate::store::PasswordChange;
use crate::token::device;

request! {
    /// What is sent.
    pub(crate) struct PasswordRequest {
        /// The password as it is.
        old_password: Password,
        /// The password as it shall be: at least 8 characters, up to 1,024 bytes, none that is
        /// common or like the user's name.
        new_password: Password,
        /// Native clients: the `device_token` of a login on this device.
        device_token: Option<Text<256>>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/password",
    tag = "accounts",
    summary = "Change the password",
    request_body = PasswordRequest,
    responses(
        (status = 204, description = "The password is changed; the other sessions are ended"),
        (status = 409, description = "conflict: the password was changed meanwhile"),
        (status = 429, description = "throttled"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn change_password(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
    request: Request<Body>,
) -> Result<NoContent, Problem> {
    let headers = request.headers().clone();
    let asked: PasswordRequest = body(request, auth.settings().body_timeout).await?;
    good_enough(&auth, &asked.new_password, who.user()).await?;

    let old = ("old_password", &asked.old_password);
    let token = asked.device_token.as_ref();
    let OwnPassword { encoded: old, device } =
        OwnPassword::check(&auth, &who, &peer, token, old).await?;
    let encoded = auth.passwords().hash(&asked.new_password).await?;
    let (id, session, now) = (who.user().id(), who.claims().sid, auth.now());
    let mails = match auth.users().candidate(id).await? {
        Some(found) => {
            let place = vec![("place", peer.place())];
            auth.notice(MailKind::PasswordChanged, &found.user.addressee(), place)?
        }
        None => Vec::new(),
    };
    let change =
        auth.users().change_password(&**auth.store(), id, (&old, &encoded), session, now, mails);
    match change.await? {
        PasswordChange::Done => {}
        PasswordChange::Stale => {
            let detail = "The password was changed meanwhile, and not by this request. Try again \
                with the password as it is now.";
            return Err(Problem::new(Code::Conflict).detail(detail));
        }
        PasswordChange::SessionEnded => return Err(Problem::new(Code::SessionRevoked)),
    }
    auth.catch_up().await?;
    auth.events().on_password_changed(&peer.event(now, Some(who.user()), Some(session)));
    let claims = who.claims();
    tracing::info!(user = %who.user().id(), session = %claims.sid, "the password was changed");
    // What the device was known by died with the old password.
    let mut cookies = Vec::new();
    if who.claims().csrf.is_some() {
        let token = auth.device_tokens().issue(id, &encoded, device, auth.seconds(), auth.random());
        let life = Duration::from_secs(device::LIFETIME_SECONDS);
        let life = (!refresh_token::is_short(&auth, &headers)).then_some(life);
        cookies.push(auth.checked().cookies.set_device(&token, life));
    }
    Ok(NoContent::with_cookies(cookies))
}

/// Whether the new password holds against the validators, all of which are told.
async fn good_enough(auth: &Auth, new: &Password, user: &dyn Account) -> Result<(), Problem> {
    let about = UserAttributes {
        username: user.username(),
        email: user.email(),
        first_name: user.first_name(),
        last_name: user.last_name(),
    };
    let mut errors = FieldErrors::default();
    for problem in auth.judge().judge(new, &about).await {
        errors.unless("new_password", Err::<(), _>(problem));
    }
    errors.none()
}

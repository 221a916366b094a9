//! `POST /accounts/login`: a name and a password become a session.
//!
//! A wrong name, a wrong password and an inactive user get one answer at one cost in time.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;

use crate::auth::Auth;
use crate::entry::{
    Door, LoggedIn, LoginError, TRIES, admitted, begin, check, must_prove_address, problem_of,
    restore,
};
use crate::http::fields::body;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Filled, Text, request};
use crate::http::sender::Sender;
use crate::password::Password;
use crate::session::{DeviceName, Transport};
use crate::sign_in::Proof;

request! {
    /// Who logs in, and how the refresh token shall travel.
    pub(crate) struct LoginRequest {
        /// The user name, or an e-mail address that only one user has.
        #[example = "alice"]
        username: Filled<254>,
        /// The password: up to 1,024 bytes.
        #[example = "correct horse battery staple"]
        password: Password,
        /// `body` for native clients: the refresh token then comes in the body, and no cookie is
        /// set. It is `cookie` if nothing is said.
        transport: Option<Transport>,
        /// Native clients: the `device_token` of an earlier login on this device.
        device_token: Option<Text<256>>,
        /// What the user calls the device, for the list of sessions.
        #[example = "Ada's phone"]
        device_name: Option<DeviceName>,
        /// `false` on a device of others: the session does not outlive the browser, and is short.
        remember: Option<bool>,
        /// After `deletion_planned`: the user wants to keep the account.
        restore: Option<bool>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/login",
    tag = "accounts",
    summary = "Log in",
    params(("DPoP" = Option<String>, Header, description = "Native clients: a proof of the key \
        that the session is to be bound to")),
    request_body = LoginRequest,
    responses(
        (status = 200, description = "The tokens and the user; for browsers the cookies too",
            body = crate::entry::LoginResponse),
        (status = 400, description = "parse_error, validation_error, invalid_dpop_proof, \
            use_dpop_nonce: with the challenge of the header `DPoP-Nonce`"),
        (status = 401, description = "invalid_credentials, second_factor_required: with \
            `pending_token` and `factors`"),
        (status = 403, description = "csrf_failed, email_not_verified, deletion_planned"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable: nothing was done, or it is not known whether it \
            was; to repeat it is safe"),
    )
)]
pub(crate) async fn login(
    State(auth): State<Auth>,
    peer: Peer,
    request: Request<Body>,
) -> Result<LoggedIn, Problem> {
    let headers = request.headers().clone();
    let sender = Sender::of(&auth, &headers)?;
    let asked: LoginRequest = body(request, auth.settings().body_timeout).await?;
    let remember = asked.remember.unwrap_or(true);
    let mut peer = Peer { device_name: asked.device_name, remember, ..peer };
    if let Some(Text(token)) = asked.device_token {
        peer.device_tokens.insert(0, token);
    }
    let Filled(username) = &asked.username;
    let transport = asked.transport.unwrap_or(Transport::Cookie);
    sender.may_begin(&auth, &peer, transport)?;

    for _ in 0..TRIES {
        let checked = match check(&auth, username, &asked.password, &peer, |_| true).await {
            Ok(checked) => checked,
            // They are asked first whether they want to stay.
            Err(LoginError::Waiting(found, _)) if asked.restore == Some(true) => {
                restore(&auth, *found, &peer).await?;
                continue;
            }
            Err(refused) => return Err(problem_of(&auth, &peer, username, refused)),
        };
        // Said only to who knows the password.
        if must_prove_address(&auth, &checked.found.user).await? {
            return Err(Problem::new(Code::EmailNotVerified));
        }
        let door = Door::Endpoint(transport);
        let entry = admitted(&auth, &peer, door, &checked, Proof::Password).await?;
        // Where the row changed meanwhile, whether the password is right is another question.
        if let Some(login) = begin(&auth, &peer, transport, checked, entry).await? {
            return Ok(login);
        }
    }
    Err(Problem::new(Code::Unavailable).retry_after(1))
}

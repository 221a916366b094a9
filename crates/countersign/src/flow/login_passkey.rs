//! `POST /accounts/login/passkey/begin` and `…/finish`: a passkey becomes a session, without a name
//! or a password.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;

use crate::auth::Auth;
use crate::auth::events::Event;
use crate::entry::{
    Checked, Door, LoggedIn, NoSigner, PasskeyPrompt, Signer, TRIES, admitted_with, begin,
    credentials, known_device, must_prove_address, restore, signer, waiting,
};
use crate::factor::passkey::PasskeyShown;
use crate::http::answer::Uncached;
use crate::http::fields::{body, body_if_any};
use crate::http::guard;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem, not_found};
use crate::http::request::{Object, Text, request};
use crate::http::sender::Sender;
use crate::session::{DeviceName, Transport};
use crate::store::FactorUse;
use crate::user::UserId;

request! {
    /// For which login.
    pub(crate) struct BeginPasskeyLoginRequest {
        /// The `pending_token` of the 401 that asked for a second factor: the browser is then asked
        /// for one of this user's passkeys.
        pending_token: Option<Text<2048>>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/login/passkey/begin",
    tag = "accounts",
    summary = "Begin to log in with a passkey",
    request_body = Option<BeginPasskeyLoginRequest>,
    responses(
        (status = 200, description = "What the browser is asked to sign; for five minutes, and \
            once", body = PasskeyPrompt),
        (status = 401, description = "pending_token_invalid: log in again"),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn begin_passkey_login(
    State(auth): State<Auth>,
    peer: Peer,
    request: Request<Body>,
) -> Result<Uncached<PasskeyPrompt>, Problem> {
    let headers = request.headers().clone();
    if guard::native(&auth, &headers).is_err() {
        guard::source(&auth, &headers)?;
    }
    let asked: BeginPasskeyLoginRequest =
        body_if_any(request, auth.settings().body_timeout).await?;
    let Some(passkeys) = auth.passkeys() else { return Err(not_found().await) };
    let of = match asked.pending_token {
        Some(Text(token)) => {
            let browser = auth.checked().cookies.pending_of(&headers);
            let waits = waiting(&auth, &token, Door::Endpoint(Transport::Cookie), browser)
                .or_else(|| waiting(&auth, &token, Door::Endpoint(Transport::Body), None));
            let user = waits.and_then(|waits| waits.sub.parse::<UserId>().ok());
            let user = user.ok_or_else(|| Problem::new(Code::PendingTokenInvalid))?;
            credentials(&auth.store().factors_of(user).await?)
        }
        None => Vec::new(),
    };
    PasskeyPrompt::may_be_asked(&auth, &peer)?;
    let options = passkeys.ask(auth.random(), of, auth.now());
    Ok(Uncached::new(PasskeyPrompt::to_log_in(options)))
}

request! {
    /// What the browser has signed, and how the refresh token shall travel.
    pub(crate) struct PasskeyLoginRequest {
        /// What `navigator.credentials.get` gave the page, as JSON.
        passkey: Object,
        /// `body` for native clients, as at a login.
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
    path = "/accounts/login/passkey/finish",
    tag = "accounts",
    summary = "Log in with a passkey",
    params(("DPoP" = Option<String>, Header, description = "Native clients: a proof of the key \
        that the session is to be bound to")),
    request_body = PasskeyLoginRequest,
    responses(
        (status = 200, description = "As after a login", body = crate::entry::LoginResponse),
        (status = 400, description = "parse_error, validation_error, invalid_dpop_proof, \
            use_dpop_nonce: with the challenge of the header `DPoP-Nonce`"),
        (status = 401, description = "factor_invalid"),
        (status = 403, description = "csrf_failed, email_not_verified, deletion_planned"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn finish_passkey_login(
    State(auth): State<Auth>,
    peer: Peer,
    request: Request<Body>,
) -> Result<LoggedIn, Problem> {
    let headers = request.headers().clone();
    let sender = Sender::of(&auth, &headers)?;
    let asked: PasskeyLoginRequest = body(request, auth.settings().body_timeout).await?;
    let remember = asked.remember.unwrap_or(true);
    let mut peer = Peer { device_name: asked.device_name, remember, ..peer };
    if let Some(Text(token)) = asked.device_token {
        peer.device_tokens.insert(0, token);
    }
    let transport = asked.transport.unwrap_or(Transport::Cookie);
    sender.may_begin(&auth, &peer, transport)?;
    let Object(json) = asked.passkey;
    let shown = PasskeyShown::read(json);
    let shown = shown.ok_or_else(|| refused(&auth, &peer, NoSigner::Refused(None)))?;
    for _ in 0..TRIES {
        let signer = signer(&auth, &peer, &shown).await;
        let signer = signer.map_err(|refusal| refused(&auth, &peer, refusal))?;
        let Signer { found, moment, factors, proved } = signer;
        // Said only to who has the passkey.
        if let Some(at) = found.user.deletion_at() {
            if asked.restore == Some(true) {
                restore(&auth, found, &peer).await?;
                continue;
            }
            return Err(Problem::new(Code::DeletionPlanned).deletion_at(at.to_string()));
        }
        if must_prove_address(&auth, &found.user).await? {
            return Err(Problem::new(Code::EmailNotVerified));
        }
        let tokens = peer.device_tokens.iter().map(String::as_str);
        let user = found.user.account().id();
        let device = known_device(&auth, tokens, user, &found.password);
        let checked = Checked { found, moment, device };
        let door = Door::Endpoint(transport);
        let entry = admitted_with(&auth, &peer, door, &checked, proved.by, factors)?;
        let uses = FactorUse { pending: None, proof: proved.uses, mails: Vec::new() };
        let entry = entry.using(uses);
        // Where the row changed meanwhile, whether the user may enter is another question.
        if let Some(login) = begin(&auth, &peer, transport, checked, entry).await? {
            return Ok(login);
        }
    }
    Err(Problem::new(Code::Unavailable).retry_after(1))
}

/// One answer to whatever is wrong.
fn refused(auth: &Auth, peer: &Peer, refusal: NoSigner) -> Problem {
    let user = match refusal {
        NoSigner::Refused(user) => user,
        NoSigner::Store(error) => return error.into(),
    };
    tracing::info!(ip = %peer.ip, "a login with a passkey failed");
    let event = Event { user, ..peer.event(auth.now(), None, None) };
    auth.events().on_login_failed(&event, "");
    let what = "This passkey was not accepted: it is not known here, or was asked too long ago.";
    Problem::new(Code::FactorInvalid).detail(what)
}

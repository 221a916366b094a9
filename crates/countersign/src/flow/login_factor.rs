//! `POST /accounts/login/factor`: the second step of a login, for who has a second factor.
//!
//! The first step left a token, and in a browser a cookie. Neither begins anything: what they say
//! of the account must still be so, and five wrong tries end them.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;

use crate::auth::Auth;
use crate::auth::events::Event;
use crate::entry::{
    Door, FactorRefused, FactorShown, LoggedIn, begin, device_name, second_step, waiting,
};
use crate::http::fields::body;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Filled, Object, Text, request};
use crate::http::sender::Sender;
use crate::session::Transport;

request! {
    /// What the login goes on with, and one second factor.
    pub(crate) struct LoginFactorRequest {
        /// The `pending_token` of the 401 that asked for a second factor.
        pending_token: Filled<2048>,
        /// The code that an authenticator app shows.
        #[example = "123 456"]
        code: Option<Text<32>>,
        /// In its place, one of the recovery codes.
        #[example = "abcde-fgh12"]
        recovery_code: Option<Text<64>>,
        /// In its place, what `navigator.credentials.get` gave the page, as JSON.
        passkey: Option<Object>,
        /// Whether this device shall not be asked again for a while. Not for staff, and not where
        /// the server has it off.
        remember_device: Option<bool>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/login/factor",
    tag = "accounts",
    summary = "Go on with a login that asks for a second factor",
    params(("DPoP" = Option<String>, Header, description = "Native clients: a proof of the key \
        that the session is to be bound to")),
    request_body = LoginFactorRequest,
    responses(
        (status = 200, description = "As after a login", body = crate::entry::LoginResponse),
        (status = 400, description = "parse_error, validation_error, invalid_dpop_proof, \
            use_dpop_nonce: with the challenge of the header `DPoP-Nonce`"),
        (status = 401, description = "factor_invalid: another try; pending_token_invalid: log in \
            again"),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn login_factor(
    State(auth): State<Auth>,
    peer: Peer,
    request: Request<Body>,
) -> Result<LoggedIn, Problem> {
    let headers = request.headers().clone();
    let sender = Sender::of(&auth, &headers)?;
    let asked: LoginFactorRequest = body(request, auth.settings().body_timeout).await?;
    let Filled(token) = &asked.pending_token;
    let of = |transport, browser| waiting(&auth, token, Door::Endpoint(transport), browser);
    let browser = auth.checked().cookies.pending_of(&headers);
    let (waits, transport) = match of(Transport::Cookie, browser) {
        Some(waits) => (waits, Transport::Cookie),
        None => (of(Transport::Body, None).ok_or(FactorRefused::Over)?, Transport::Body),
    };
    sender.may_begin(&auth, &peer, transport)?;
    // Who took the token of a login that began with a key has not the key.
    if waits.key.is_some() && waits.key != peer.dpop.print() {
        return Err(FactorRefused::Over.into());
    }
    let shown = read(asked.code, asked.recovery_code, asked.passkey)?;
    let peer = Peer { device_name: device_name(&waits), remember: !waits.is_short, ..peer };

    let step = second_step(&auth, &waits, &shown, &peer, |_| true).await;
    let (checked, entry) = step.map_err(|refused| told(&auth, &peer, refused))?;
    let user = checked.found.user.account().id();
    let rules = auth.settings().sign_in.of(checked.found.user.account());
    let entry = entry.remembering(&auth, rules, asked.remember_device.unwrap_or(false));
    // Where the account changed meanwhile, so has what the login is about.
    let login = begin(&auth, &peer, transport, checked, entry).await?;
    let login = login.ok_or(FactorRefused::Over)?;
    if shown.is_recovery_code() {
        tracing::info!(%user, ip = %peer.ip, "a recovery code was used");
        let event =
            Event { user: Some(user), ..peer.event(auth.now(), None, Some(login.session())) };
        auth.events().on_recovery_code_used(&event);
    }
    Ok(match transport {
        Transport::Cookie => login.with_cookie(auth.checked().cookies.clear_pending()),
        Transport::Body => login,
    })
}

/// One of the three.
fn read(
    code: Option<Text<32>>,
    recovery_code: Option<Text<64>>,
    passkey: Option<Object>,
) -> Result<FactorShown, Problem> {
    let shown = match (code, recovery_code, passkey) {
        (Some(Text(code)), None, None) => FactorShown::code(&code),
        (None, Some(Text(code)), None) => FactorShown::recovery_code(&code),
        (None, None, Some(Object(passkey))) => FactorShown::passkey(passkey),
        (None, None, None) => {
            return Err(
                Problem::new(Code::ValidationError).field("code", "This field is required.")
            );
        }
        _ => {
            let what = "Send one of `code`, `recovery_code` and `passkey`.";
            return Err(Problem::new(Code::ValidationError).field("code", what));
        }
    };
    // What is no code at all is no guess.
    shown.ok_or_else(|| Problem::new(Code::FactorInvalid))
}

/// What the client is told of a try that failed, once whoever keeps account has been.
fn told(auth: &Auth, peer: &Peer, refused: FactorRefused) -> Problem {
    let of = |user| Event { user: Some(user), ..peer.event(auth.now(), None, None) };
    match &refused {
        FactorRefused::Wrong { user } => {
            tracing::info!(ip = %peer.ip, %user, "a second factor was wrong");
            auth.events().on_login_failed(&of(*user), "");
        }
        FactorRefused::Throttled { user, .. } => auth.events().on_throttled(&of(*user)),
        FactorRefused::Over | FactorRefused::Store(_) => {}
    }
    refused.into()
}

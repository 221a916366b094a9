//! `POST /accounts/login/code` and `…/confirm`: a login without a password, by a mail.
//!
//! Whoever asks gets one answer at one cost. The link logs in only in the browser that asked, so
//! that nobody can be talked into opening one for somebody else; the code does anywhere.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request};

use crate::auth::Auth;
use crate::auth::post::{Letter, Owner};
use crate::auth::settings::EmailVerification;
use crate::entry::proof::{self, GoodToken, Shown};
use crate::entry::{Browser, Checked, Door, LoggedIn, admitted, begin, browser_of, known_device};
use crate::http::answer::{Accepted, AcceptedBody};
use crate::http::fields::body;
use crate::http::peer::Peer;
use crate::http::problem::Problem;
use crate::http::refresh_token::RefreshCookies;
use crate::http::request::{Filled, Text, request};
use crate::http::sender::Sender;
use crate::own_table::OwnTable;
use crate::password::EncodedPassword;
use crate::session::{DeviceName, Transport};
use crate::sign_in::Proof;
use crate::store::{Act, Leftovers, TokenPayload};
use crate::token::{Fingerprint, Purpose};
use crate::user::{FoundUser, UserId, fold_address};
use crate::user_directory::Candidate;

request! {
    /// Who wants to log in.
    pub(crate) struct CodeRequest {
        /// The user's address.
        #[example = "alice@example.com"]
        email: Filled<254>,
    }
}

request! {
    /// What the mail said: in the browser that asked, the token of the link; anywhere, the address
    /// with the code.
    pub(crate) struct CodeLoginRequest {
        /// What the link carries.
        token: Option<Text<64>>,
        /// The address that the mail went to, with the code.
        email: Option<Text<254>>,
        /// The code.
        #[example = "1234 5678"]
        code: Option<Text<32>>,
        /// `body` for native clients, as at login.
        transport: Option<Transport>,
        /// Native clients: the `device_token` of an earlier login on this device.
        device_token: Option<Text<256>>,
        /// What the user calls the device, for the list of sessions.
        #[example = "Ada's phone"]
        device_name: Option<DeviceName>,
        /// `false` on a device of others: the session does not outlive the browser, and is short.
        remember: Option<bool>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/login/code",
    tag = "accounts",
    summary = "Ask for a code to log in with",
    request_body = CodeRequest,
    responses(
        (status = 202, description = "If there is such a user, the mail is on its way",
            body = AcceptedBody),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn request_code(
    State(auth): State<Auth>,
    peer: Peer,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<Accepted, Problem> {
    let asked: CodeRequest = proof::asked(&auth, &peer, request).await?;
    let Filled(address) = asked.email;
    let cookie = auth.send_login_code(&address, &headers, &peer).await?;
    Ok(Accepted::new("If there is an account, a mail with a code is on its way to its address.")
        .with_cookies([cookie]))
}

#[utoipa::path(
    post,
    path = "/accounts/login/code/confirm",
    tag = "accounts",
    summary = "Log in with what the mail said",
    params(("DPoP" = Option<String>, Header, description = "Native clients: a proof of the key \
        that the session is to be bound to")),
    request_body = CodeLoginRequest,
    responses(
        (status = 200, description = "As after a login", body = crate::entry::LoginResponse),
        (status = 400, description = "parse_error, validation_error, link_invalid, \
            invalid_dpop_proof, use_dpop_nonce: with the challenge of the header `DPoP-Nonce`"),
        (status = 401, description = "second_factor_required"),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn confirm_code(
    State(auth): State<Auth>,
    peer: Peer,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<LoggedIn, Problem> {
    let sender = Sender::of(&auth, &headers)?;
    auth.may_ask(&peer)?;
    let asked: CodeLoginRequest = body(request, auth.settings().body_timeout).await?;
    let transport = asked.transport.unwrap_or(Transport::Cookie);
    sender.may_begin(&auth, &peer, transport)?;
    let remember = asked.remember.unwrap_or(true);
    let mut peer = Peer { device_name: asked.device_name, remember, ..peer };
    peer.device_tokens.extend(asked.device_token.map(|Text(token)| token));
    let shown = Shown::read(asked.token, asked.email, asked.code)?;
    auth.log_in_with_code(&shown, transport, &headers, &peer).await
}

impl Auth {
    /// Queues the mail with a code, if an active user has the address; whether one has takes no
    /// more or less time, and is not said. The `Set-Cookie` makes the browser known: the link of
    /// the mail works there.
    ///
    /// # Errors
    /// `unavailable`.
    ///
    /// ```no_run
    /// use axum::http::{HeaderMap, HeaderValue};
    /// use countersign::Auth;
    /// use countersign::http::{Peer, Problem};
    ///
    /// async fn ask(auth: &Auth, headers: &HeaderMap, by: &Peer) -> Result<HeaderValue, Problem> {
    ///     auth.send_login_code("ada@example.com", headers, by).await
    /// }
    /// ```
    pub async fn send_login_code(
        &self,
        address: &str,
        headers: &HeaderMap,
        client: &Peer,
    ) -> Result<axum::http::HeaderValue, Problem> {
        let address = address.trim();
        let folded = fold_address(address);
        let browser = Browser::of(self, headers);
        let found = self.users().by_login(address).await?.filter(|found| {
            let account = found.user.account();
            account.is_active() && fold_address(account.email()) == folded
        });
        let payload =
            TokenPayload { browser: Some(browser_of(browser.secret())), ..TokenPayload::default() };
        let letter = match &found {
            Some(FoundUser { user, password }) => {
                Letter::new(Purpose::LoginCode, user.account().email(), user.language())
                    .for_owner(Owner::of(user.account(), password))
            }
            None => Letter::new(Purpose::LoginCode, address, ""),
        };
        let (token, mail) = self.write(Letter { payload, ..letter })?;
        self.store().issue_token(token, vec![mail], self.post().bounds()).await?;
        tracing::info!(ip = %client.ip, "a code to log in with was asked for");
        Ok(browser.cookie(self))
    }

    /// Logs in who shows the code, or, in the browser that asked for it, the link. `headers` are
    /// those of the request. Where nobody had proved the address, it is proved, and the password of
    /// before is unusable: somebody else may have chosen it.
    ///
    /// # Errors
    /// `link_invalid`, `unavailable`.
    ///
    /// ```no_run
    /// use axum::http::HeaderMap;
    /// use countersign::http::{Peer, Problem};
    /// use countersign::session::Transport;
    /// use countersign::{Auth, LoggedIn, Shown};
    ///
    /// async fn enter(
    ///     auth: &Auth,
    ///     code: &str,
    ///     headers: &HeaderMap,
    ///     client: &Peer,
    /// ) -> Result<LoggedIn, Problem> {
    ///     let shown = Shown::code("ada@example.com", code)?;
    ///     auth.log_in_with_code(&shown, Transport::Cookie, headers, client).await
    /// }
    /// ```
    pub async fn log_in_with_code(
        &self,
        shown: &Shown,
        transport: Transport,
        headers: &HeaderMap,
        client: &Peer,
    ) -> Result<LoggedIn, Problem> {
        let good = proof::good_token(self, Purpose::LoginCode, shown).await?;
        if shown.is_link() && !good.is_of_browser(self, headers) {
            return Err(proof::link_invalid());
        }
        let user = good.token.user.ok_or_else(proof::link_invalid)?;
        let refresh_cookies = RefreshCookies::of(self, headers);
        let client = &Peer { refresh_cookies, ..client.clone() };
        let moment = self.user_cache().moment();
        let found = use_up(self, &good, user).await?;
        let tokens = client.device_tokens.iter().map(String::as_str);
        let device = known_device(self, tokens, user, &found.password);
        let checked = Checked { found, moment, device };
        // Where the row changed since the code was taken, it was taken for another row.
        let door = Door::Endpoint(transport);
        let entry = admitted(self, client, door, &checked, Proof::Mailbox).await?;
        let login = begin(self, client, transport, checked, entry).await?;
        login.ok_or_else(proof::link_invalid)
    }
}

/// Uses the code up: the row that a session may begin on.
async fn use_up(
    auth: &Auth,
    good: &GoodToken,
    user: UserId,
) -> Result<FoundUser<Candidate>, Problem> {
    let found = auth.users().candidate(user).await?;
    let found = found.filter(|found| found.user.account().is_active());
    let found = found.ok_or_else(proof::link_invalid)?;
    let account = found.user.account();
    if found.user.waits_for_proof() && auth.store().factors_of(user).await?.enrolled().is_second() {
        // Nothing is proved by it: the factor is asked for. Where it is somebody else's, who has
        // written the address into their row, nobody gets in.
        let address = fold_address(account.email());
        let row = Fingerprint::of(&found.password, &address, account.is_active());
        let act = Act::Elsewhere { row, leftovers: Leftovers::Stay };
        good.spend(auth, act, Vec::new()).await?;
        return Ok(found);
    }
    let keeps_proofs = auth.users().own_table().is_none_or(OwnTable::keeps_accounts);
    let verification = auth.settings().accounts.email_verification;
    let act = if verification == EmailVerification::None || !keeps_proofs {
        // Addresses are believed.
        Act::ProveAddress
    } else {
        // Somebody else may have registered with the address, and waited for this.
        Act::VerifyEmail { to: None, password: Some(EncodedPassword::unusable()) }
    };
    good.spend(auth, act, Vec::new()).await?;
    if !found.user.waits_for_proof() {
        return Ok(found);
    }
    // The address was proved by it, and the row is another now.
    auth.catch_up().await?;
    let found = auth.users().candidate(user).await?;
    found.filter(|found| found.user.account().is_active()).ok_or_else(proof::link_invalid)
}

//! `POST /accounts/email/change` and `…/confirm`: another address, for who knows the password and
//! has the new mailbox.
//!
//! Nothing changes until the new address is confirmed. The old one is told at once, with a link
//! that undoes it. Whether another user has the new address is not said.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request};

use crate::auth::Auth;
use crate::auth::post::{Letter, Owner};
use crate::entry::proof::{self, Shown};
use crate::entry::{Browser, OwnPassword, asker, bounds_of_account, browser_of, done};
use crate::http::answer::{Accepted, AcceptedBody, NoContent};
use crate::http::authenticated::Authenticated;
use crate::http::fields::body;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Filled, Text, request};
use crate::password::Password;
use crate::store::{Act, Mailed, NewMail, TokenPayload};
use crate::token::Purpose;
use crate::user::{Email, FoundUser};
use crate::user_directory::Candidate;

request! {
    /// The new address, and the password of who asks.
    pub(crate) struct ChangeEmailRequest {
        /// The new address.
        #[example = "alice@example.org"]
        email: Filled<254>,
        /// The user's password.
        password: Password,
        /// Native clients: the `device_token` of a login on this device.
        device_token: Option<Text<256>>,
    }
}

request! {
    /// What the mail to the new address said: the token of the link, or the address with the code.
    pub(crate) struct ConfirmChangeRequest {
        /// What the link carries.
        token: Option<Text<64>>,
        /// The new address, with the code.
        email: Option<Text<254>>,
        /// The code.
        #[example = "1234 5678"]
        code: Option<Text<32>>,
        /// In another browser than the one that asked: the user's password.
        password: Option<Password>,
        /// Native clients, with the password: the `device_token` of a login on this device.
        device_token: Option<Text<256>>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/email/change",
    tag = "accounts",
    summary = "Ask for another address",
    request_body = ChangeEmailRequest,
    responses(
        (status = 202, description = "If the address is free, a mail is on its way to it",
            body = AcceptedBody),
        (status = 409, description = "conflict: the password or the address was changed meanwhile"),
        (status = 429, description = "throttled"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn change_email(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
    request: Request<Body>,
) -> Result<Accepted, Problem> {
    auth.may_ask(&peer)?;
    let browser = Browser::of(&auth, request.headers());
    let asked: ChangeEmailRequest = body(request, auth.settings().body_timeout).await?;
    let Filled(email) = asked.email;
    let email = Email::parse(&email)
        .map_err(|error| Problem::new(Code::ValidationError).field("email", error.to_string()))?;
    let password = ("password", &asked.password);
    let token = asked.device_token.as_ref();
    let own = OwnPassword::check(&auth, &who, &peer, token, password).await?;
    let found = auth.users().candidate(who.user().id()).await?;
    let found = found.ok_or_else(|| Problem::new(Code::UserInactive))?;
    if found.password.as_str() != own.encoded.as_str() {
        return Err(Problem::new(Code::Conflict));
    }
    let payload =
        TokenPayload { browser: Some(browser_of(browser.secret())), ..TokenPayload::default() };
    ask(&auth, (&who, &found), &email, payload, &peer).await?;
    Ok(Accepted::new(SENT).with_cookies([browser.cookie(&auth)]))
}

/// Queues both mails with their tokens, in one transaction, while the session lives.
async fn ask(
    auth: &Auth,
    (who, found): (&Authenticated, &FoundUser<Candidate>),
    email: &Email,
    payload: TokenPayload,
    peer: &Peer,
) -> Result<(), Problem> {
    let FoundUser { user, password } = found;
    let (account, language) = (user.account(), user.language());
    if account.email() == email.as_str() && !user.waits_for_proof() {
        let said = "This is your address already.";
        return Err(Problem::new(Code::ValidationError).field("email", said));
    }
    let owner = Owner::of(account, password);
    let holder = auth.users().by_login(email.as_str()).await?;
    let is_taken = holder.is_some_and(|holder| holder.user.account().id() != account.id());
    let change = Letter {
        payload: TokenPayload { new_address: Some(email.as_str().to_owned()), ..payload },
        ..Letter::new(Purpose::ChangeEmail, email.as_str(), language).for_owner(owner)
    };
    let (token, mail) = auth.write(change)?;
    let mail = NewMail { is_void: is_taken, ..mail };
    let (mut tokens, mut mails) = (vec![token], vec![mail]);
    if let Some((token, mail)) = auth.undo_of_change(found, email.as_str(), peer.place())? {
        tokens.push(token);
        mails.push(mail);
    }
    let bounds = bounds_of_account(auth, auth.post().bounds());
    let mailed = Mailed { tokens, mails, bounds };
    let asked = auth.store().issue_own_tokens(asker(auth, who, Some(user)), mailed);
    done(asked.await?)?;
    tracing::info!(user = %account.id(), ip = %peer.ip, "another address was asked for");
    Ok(())
}

#[utoipa::path(
    post,
    path = "/accounts/email/change/confirm",
    tag = "accounts",
    summary = "Confirm the other address",
    request_body = ConfirmChangeRequest,
    responses(
        (status = 204, description = "It is the user's address"),
        (status = 400, description = "link_invalid"),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn confirm_change(
    State(auth): State<Auth>,
    peer: Peer,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<NoContent, Problem> {
    let asked: ConfirmChangeRequest = proof::asked(&auth, &peer, request).await?;
    let peer = peer.with_device(asked.device_token);
    let shown = Shown::read(asked.token, asked.email, asked.code)?;
    auth.confirm_email_change(&shown, asked.password.as_ref(), &headers, &peer).await?;
    Ok(NoContent::default())
}

impl Auth {
    /// Makes the new address the user's, for pages of an app's own. `headers` are those of the
    /// request: in the browser that asked for the change no `password` is needed.
    ///
    /// # Errors
    /// `link_invalid`; `validation_error` for a password that is missing or wrong, and when another
    /// user has the address by now (the link works on); `unavailable`.
    ///
    /// ```no_run
    /// use axum::http::HeaderMap;
    /// use countersign::http::{Peer, Problem};
    /// use countersign::{Auth, Shown};
    ///
    /// async fn confirm(
    ///     auth: &Auth,
    ///     link: &str,
    ///     headers: &HeaderMap,
    ///     client: &Peer,
    /// ) -> Result<(), Problem> {
    ///     auth.confirm_email_change(&Shown::link(link)?, None, headers, client).await
    /// }
    /// ```
    pub async fn confirm_email_change(
        &self,
        shown: &Shown,
        password: Option<&Password>,
        headers: &HeaderMap,
        client: &Peer,
    ) -> Result<(), Problem> {
        let good = proof::good_token(self, Purpose::ChangeEmail, shown).await?;
        let user = good.token.user.ok_or_else(proof::link_invalid)?;
        let to = good.token.payload.new_address.as_deref().unwrap_or_default();
        let to = Email::parse(to).map_err(|_| proof::link_invalid())?;
        // Whoever has the mailbox may have been asked by somebody else to confirm it for them.
        if !good.is_of_browser(self, headers) {
            let given = password.ok_or_else(|| refused("This field is required."))?;
            if !self.is_password_of(user, client, given).await? {
                return Err(refused("This is not the password."));
            }
        }
        let act = Act::ChangeEmail { to };
        good.spend(self, act, Vec::new()).await?;
        self.catch_up().await?;
        tracing::info!(%user, ip = %client.ip, "an address was changed");
        Ok(())
    }
}

fn refused(said: &str) -> Problem {
    Problem::new(Code::ValidationError).field("password", said)
}

const SENT: &str = "If the address is free, a mail with a link is on its way to it. Until it is \
                    confirmed, nothing changes.";

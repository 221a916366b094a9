//! `POST /accounts/email/verify` and `…/resend`: who has the mailbox has the address.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request};

use crate::auth::Auth;
use crate::auth::events::Event;
use crate::auth::post::{Letter, Owner};
use crate::entry::LoggedIn;
use crate::entry::proof::{self, Shown, browser_of};
use crate::http::answer::{Accepted, AcceptedBody, Either, NoContent};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Filled, Text, request};
use crate::password::{EncodedPassword, Password};
use crate::session::Transport;
use crate::sign_in::Proof;
use crate::store::{Act, StoredToken, TokenPayload};
use crate::token::Purpose;
use crate::user::{Email, FoundUser, UserId, fold_address};
use crate::user_directory::Candidate;

request! {
    /// What the mail said: the token of the link, or the address with the code.
    pub(crate) struct VerifyEmailRequest {
        /// What the link carries.
        token: Option<Text<64>>,
        /// The address that the mail went to, with the code.
        email: Option<Text<254>>,
        /// The code.
        #[example = "1234 5678"]
        code: Option<Text<32>>,
        /// In another browser than the one that registered: the password of the registration.
        /// Without it the password must be chosen anew, because somebody else may have chosen it.
        password: Option<Password>,
        /// Native clients, with the password: the `device_token` of a login on this device.
        device_token: Option<Text<256>>,
    }
}

request! {
    /// Which address.
    pub(crate) struct ResendRequest {
        /// The address.
        #[example = "alice@example.com"]
        email: Filled<254>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/email/verify",
    tag = "accounts",
    summary = "Prove an address",
    request_body = VerifyEmailRequest,
    responses(
        (status = 200, description = "In the browser that registered, where an address must be \
            proved before the first login: as after a login", body = crate::entry::LoginResponse),
        (status = 204, description = "The address is proved"),
        (status = 400, description = "link_invalid"),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn verify_email(
    State(auth): State<Auth>,
    peer: Peer,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<Either<LoggedIn, NoContent>, Problem> {
    let asked: VerifyEmailRequest = proof::asked(&auth, &peer, request).await?;
    let peer = peer.with_device(asked.device_token);
    let shown = Shown::read(asked.token, asked.email, asked.code)?;
    match auth.verify_email(&shown, asked.password.as_ref(), &headers, &peer).await? {
        Some(login) => Ok(Either::Left(login)),
        None => Ok(Either::Right(NoContent::default())),
    }
}

#[utoipa::path(
    post,
    path = "/accounts/email/verify/resend",
    tag = "accounts",
    summary = "Ask for the mail that proves an address once more",
    request_body = ResendRequest,
    responses(
        (status = 202, description = "If the address waits for a proof, the mail is on its way",
            body = AcceptedBody),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn resend(
    State(auth): State<Auth>,
    peer: Peer,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<Accepted, Problem> {
    let asked: ResendRequest = proof::asked(&auth, &peer, request).await?;
    let Filled(address) = asked.email;
    let browser = auth.checked().cookies.sign_in_of(&headers).map(browser_of);
    auth.send_again(address.trim(), browser.as_deref()).await?;
    Ok(Accepted::new("If this address waits for a proof, a mail with a link is on its way to it."))
}

impl Auth {
    /// Proves the address of whose token is shown, for pages of an app's own. `headers` are those
    /// of the request: they tell the browser that registered. In another one, `password` is that of
    /// the registration; without it the password is unusable from then on, and all sessions end.
    ///
    /// In the browser that registered the session begins that waited for the proof, where there is
    /// one: its cookies are those of the answer.
    ///
    /// # Errors
    /// `link_invalid`, `validation_error` for another password (the link works on), `unavailable`.
    ///
    /// ```no_run
    /// use axum::http::HeaderMap;
    /// use axum::response::{IntoResponse, Response};
    /// use countersign::http::{Peer, Problem};
    /// use countersign::{Auth, Shown};
    ///
    /// async fn prove(
    ///     auth: &Auth,
    ///     link: &str,
    ///     headers: &HeaderMap,
    ///     client: &Peer,
    /// ) -> Result<Response, Problem> {
    ///     let login = auth.verify_email(&Shown::link(link)?, None, headers, client).await?;
    ///     Ok(login.map_or_else(|| "Your address is proved.".into_response(), |login| {
    ///         login.into_response()
    ///     }))
    /// }
    /// ```
    pub async fn verify_email(
        &self,
        shown: &Shown,
        password: Option<&Password>,
        headers: &HeaderMap,
        client: &Peer,
    ) -> Result<Option<LoggedIn>, Problem> {
        let good = proof::good_token(self, Purpose::VerifyEmail, shown).await?;
        let user = good.token.user.ok_or_else(proof::link_invalid)?;
        let registered_here = good.is_of_browser(self, headers);
        if let Some(given) = password.filter(|_| !registered_here)
            && !self.is_password_of(user, client, given).await?
        {
            let said = "This is not the password of the registration.";
            return Err(Problem::new(Code::ValidationError).field("password", said));
        }
        let is_theirs = registered_here || password.is_some();
        // Where users live elsewhere, nothing but this tells that they waited.
        let waits = self.store().registration_of(user).await?.is_some();
        let to = good.token.payload.new_address.as_deref();
        let to = to.map(|to| Email::parse(to).map_err(|_| proof::link_invalid())).transpose()?;
        // Somebody else may have registered with the address, and waited for this.
        let password = (!is_theirs).then(EncodedPassword::unusable);
        let act = Act::VerifyEmail { to, password };
        good.spend(self, act, Vec::new()).await?;
        self.catch_up().await?;
        let event = Event { user: Some(user), ..client.event(self.now(), None, None) };
        self.events().on_email_verified(&event);
        tracing::info!(%user, ip = %client.ip, "an address was proved");
        if registered_here && (waits || good.token.payload.new_address.is_none()) {
            // As they said when they registered.
            let remember = client.remember && !good.token.payload.is_short;
            let client = &Peer { remember, ..client.clone() };
            let login = self.log_in_by(Proof::Mailbox, user, Transport::Cookie, client).await?;
            return Ok(Some(login));
        }
        Ok(None)
    }

    /// Whether the link that is shown proves an address in the browser that registered with it, so
    /// that a page of an app's own need not ask for the password. Nothing is used up.
    ///
    /// # Errors
    /// `link_invalid`, `unavailable`.
    ///
    /// ```no_run
    /// use axum::http::HeaderMap;
    /// use countersign::http::Problem;
    /// use countersign::{Auth, Shown};
    ///
    /// async fn asks(auth: &Auth, link: &str, headers: &HeaderMap) -> Result<bool, Problem> {
    ///     Ok(!auth.registered_in(&Shown::link(link)?, headers).await?)
    /// }
    /// ```
    pub async fn registered_in(&self, link: &Shown, headers: &HeaderMap) -> Result<bool, Problem> {
        // A code would be tried, and is not for who only looks.
        if !link.is_link() || self.checked().cookies.sign_in_of(headers).is_none() {
            return Ok(false);
        }
        let good = proof::good_token(self, Purpose::VerifyEmail, link).await?;
        Ok(good.is_of_browser(self, headers))
    }

    /// Queues the mail that proves an address once more, for an active user who has it, or claimed
    /// it when they registered, and has not proved it; nothing tells whether. What the earlier link
    /// knew, the new one knows: the browser that registered, and the address that was claimed. Of
    /// several who claim one address it is whoever asked last for a mail.
    ///
    /// # Errors
    /// `unavailable`.
    ///
    /// ```no_run
    /// use countersign::Auth;
    /// use countersign::http::Problem;
    ///
    /// async fn again(auth: &Auth) -> Result<(), Problem> {
    ///     auth.send_verification("ada@example.com").await
    /// }
    /// ```
    pub async fn send_verification(&self, address: &str) -> Result<(), Problem> {
        self.send_again(address, None).await
    }

    /// The same for this browser, where it is one that registered with the address.
    async fn send_again(&self, address: &str, browser: Option<&str>) -> Result<(), Problem> {
        let folded = fold_address(address);
        // Whoever it is, the same is asked.
        let holder = self.users().by_login(address).await?;
        let claims = self.store().tokens_for(Purpose::VerifyEmail, &folded, MOST_CLAIMS).await?;
        let earlier = claim_of(claims, holder.as_ref(), browser);
        let claimant = earlier.as_ref().and_then(|earlier| earlier.user).unwrap_or(NOBODY);
        let waits = self.store().registration_of(claimant).await?;
        let claimant = self.users().candidate(claimant).await?;
        let waiting = Waiting::find(&folded, earlier, claimant, holder);
        // No link outlives the registration, whose time does not begin anew: it would for a
        // free address alone.
        let until = waits.map(|waits| waits.until);
        let letter = match &waiting {
            // The address as it is kept: another that is only alike is another mailbox.
            Some(Waiting { found, to, payload }) => Letter {
                payload: payload.clone(),
                until,
                ..Letter::new(Purpose::VerifyEmail, to, found.user.language())
                    .for_owner(Owner::of(found.user.account(), &found.password))
            },
            None => Letter::new(Purpose::VerifyEmail, address, ""),
        };
        let (token, mail) = self.write(letter)?;
        self.store().issue_token(token, vec![mail], self.post().bounds()).await?;
        Ok(())
    }
}

/// The claim that a mail is asked for once more: that of who has the address in their row, else the
/// one that this browser made, else the newest. Whoever registers with the address of somebody else
/// does not get the mail that these ask for.
fn claim_of(
    claims: Vec<StoredToken>,
    holder: Option<&FoundUser<Candidate>>,
    browser: Option<&str>,
) -> Option<StoredToken> {
    let holder = holder.map(|holder| holder.user.account().id());
    let is_holders = |claim: &StoredToken| holder.is_some() && claim.user == holder;
    let is_here =
        |claim: &StoredToken| browser.is_some() && claim.payload.browser.as_deref() == browser;
    let place = claims.iter().position(is_holders).or_else(|| claims.iter().position(is_here));
    claims.into_iter().nth(place.unwrap_or(0))
}

/// A user whose address waits for its proof.
struct Waiting {
    found: FoundUser<Candidate>,
    to: String,
    payload: TokenPayload,
}

impl Waiting {
    /// Who has the address in their row, or claimed it in the token of their registration. A token
    /// counts only while the row is as it was: what a new password has ended does not come back.
    fn find(
        folded: &str,
        earlier: Option<StoredToken>,
        claimant: Option<FoundUser<Candidate>>,
        holder: Option<FoundUser<Candidate>>,
    ) -> Option<Self> {
        let earlier = earlier.zip(claimant).filter(|(earlier, claimant)| {
            let account = claimant.user.account();
            account.is_active() && Owner::of(account, &claimant.password).row == earlier.fingerprint
        });
        let holder = holder.filter(|holder| {
            let account = holder.user.account();
            account.is_active() && fold_address(account.email()) == folded
        });
        match (holder, earlier) {
            (Some(holder), earlier) if holder.user.waits_for_proof() => {
                let id = holder.user.account().id();
                let payload = earlier
                    .filter(|(_, claimant)| claimant.user.account().id() == id)
                    .map_or_else(TokenPayload::default, |(earlier, _)| earlier.payload);
                let to = holder.user.account().email().to_owned();
                Some(Self { found: holder, to, payload })
            }
            (None, Some((earlier, claimant))) => {
                let to = earlier.payload.new_address.clone()?;
                Some(Self { found: claimant, to, payload: earlier.payload })
            }
            _ => None,
        }
    }
}

/// Among so many claims of one address that of a browser is looked for. Each is a registration.
const MOST_CLAIMS: u32 = 1_000;
/// No user has this id.
const NOBODY: UserId = UserId::new(0);

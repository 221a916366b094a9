//! `POST /accounts/password/reset` and `…/confirm`: a new password for who has the mailbox.
//!
//! Whoever asks gets one answer at one cost: for users, for nobody, for inactive users and for
//! those without an address. The mail is queued, never sent in the request.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use countersign_verify::Account;

use crate::auth::Auth;
use crate::auth::post::{Letter, Owner};
use crate::entry::proof::{self, Shown};
use crate::http::answer::{Accepted, NoContent};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Text, request};
use crate::mail::MailKind;
use crate::password::{Password, UserAttributes};
use crate::store::Act;
use crate::token::Purpose;
use crate::user::{Addressee, FoundUser};

request! {
    /// Whose password was forgotten: one of the two.
    pub(crate) struct ResetRequest {
        /// The user's address.
        #[example = "alice@example.com"]
        email: Option<Text<254>>,
        /// Or the user name.
        username: Option<Text<254>>,
    }
}

request! {
    /// What the mail said, and the new password. The token of the link, or the address with the
    /// code.
    pub(crate) struct ResetConfirmRequest {
        /// What the link carries.
        token: Option<Text<64>>,
        /// The address that the mail went to, with the code.
        email: Option<Text<254>>,
        /// The code.
        #[example = "1234 5678"]
        code: Option<Text<32>>,
        /// The password as it shall be.
        new_password: Password,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/password/reset",
    tag = "accounts",
    summary = "Ask for a mail with which the password can be chosen anew",
    request_body = ResetRequest,
    responses(
        (status = 202, description = "If there is such a user, the mail is on its way",
            body = crate::http::answer::AcceptedBody),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn request_reset(
    State(auth): State<Auth>,
    peer: Peer,
    request: Request<Body>,
) -> Result<Accepted, Problem> {
    let asked: ResetRequest = proof::asked(&auth, &peer, request).await?;
    let login = asked.email.or(asked.username).map(|Text(login)| login).unwrap_or_default();
    if login.trim().is_empty() {
        return Err(Problem::new(Code::ValidationError).field("email", "This field is required."));
    }
    auth.request_password_reset(login.trim(), &peer).await?;
    Ok(Accepted::new("If there is an account, a mail with a link is on its way to its address."))
}

#[utoipa::path(
    post,
    path = "/accounts/password/reset/confirm",
    tag = "accounts",
    summary = "Choose a new password with what the mail said",
    request_body = ResetConfirmRequest,
    responses(
        (status = 204, description = "The password is changed; all sessions are ended"),
        (status = 400, description = "link_invalid"),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable"),
    )
)]
pub(crate) async fn confirm_reset(
    State(auth): State<Auth>,
    peer: Peer,
    request: Request<Body>,
) -> Result<NoContent, Problem> {
    let asked: ResetConfirmRequest = proof::asked(&auth, &peer, request).await?;
    let shown = Shown::read(asked.token, asked.email, asked.code)?;
    auth.confirm_password_reset(Purpose::ResetPassword, &shown, &asked.new_password, &peer).await?;
    Ok(NoContent::default())
}

impl Auth {
    /// Queues the mail with which a password can be chosen anew, if `login` names an active user
    /// who has an address; whether it does takes no more or less time, and is not said.
    ///
    /// # Errors
    /// `unavailable` when the store does not answer.
    ///
    /// ```no_run
    /// use countersign::Auth;
    /// use countersign::http::{Peer, Problem};
    ///
    /// async fn forgotten(auth: &Auth, login: &str, client: &Peer) -> Result<(), Problem> {
    ///     auth.request_password_reset(login, client).await
    /// }
    /// ```
    pub async fn request_password_reset(&self, login: &str, client: &Peer) -> Result<(), Problem> {
        let found = self.users().by_login(login).await?;
        let found = found.filter(|found| {
            let account = found.user.account();
            account.is_active() && !account.email().is_empty()
        });
        let letter = match &found {
            Some(FoundUser { user, password }) => {
                Letter::new(Purpose::ResetPassword, user.account().email(), user.language())
                    .for_owner(Owner::of(user.account(), password))
            }
            None => Letter::new(Purpose::ResetPassword, login, ""),
        };
        let (token, mail) = self.write(letter)?;
        self.store().issue_token(token, vec![mail], self.post().bounds()).await?;
        tracing::info!(ip = %client.ip, "a new password was asked for");
        Ok(())
    }

    /// Sets the password of whose token is shown, and ends all of the user's sessions. The address
    /// is proved by it. `purpose` is [`Purpose::ResetPassword`], or [`Purpose::Invitation`] for the
    /// first password of a user whom an operator made.
    ///
    /// # Errors
    /// `link_invalid`, `validation_error` for a password that does not do (the token can be used
    /// again), `unavailable`.
    ///
    /// ```no_run
    /// use countersign::Auth;
    /// use countersign::Shown;
    /// use countersign::http::{Peer, Problem};
    /// use countersign::password::Password;
    /// use countersign::token::Purpose;
    ///
    /// async fn choose(auth: &Auth, link: &str, new: Password, by: &Peer) -> Result<(), Problem> {
    ///     let shown = Shown::link(link)?;
    ///     auth.confirm_password_reset(Purpose::ResetPassword, &shown, &new, by).await
    /// }
    /// ```
    pub async fn confirm_password_reset(
        &self,
        purpose: Purpose,
        shown: &Shown,
        new: &Password,
        client: &Peer,
    ) -> Result<(), Problem> {
        let stored = proof::good_token(self, purpose, shown).await?;
        let user = stored.token.user.ok_or_else(proof::link_invalid)?;
        let found = self.users().candidate(user).await?.ok_or_else(proof::link_invalid)?;
        refuse_weak(self, new, found.user.account()).await?;
        let encoded = self.passwords().hash(new).await?;
        let account = found.user.account();
        // To have the link proves the address.
        let owner = Addressee { is_proved: true, ..found.user.addressee() };
        let mails =
            self.notice(MailKind::PasswordChanged, &owner, vec![("place", client.place())])?;
        stored.spend(self, Act::SetPassword { new: encoded }, mails).await?;
        self.catch_up().await?;
        let event = client.event(self.now(), Some(account), None);
        self.events().on_password_changed(&event);
        tracing::info!(%user, ip = %client.ip, "the password was chosen anew");
        Ok(())
    }
}

/// Refuses a password that is not good enough for this user.
async fn refuse_weak(auth: &Auth, new: &Password, account: &dyn Account) -> Result<(), Problem> {
    let about = UserAttributes {
        username: account.username(),
        email: account.email(),
        first_name: account.first_name(),
        last_name: account.last_name(),
    };
    let problems = auth.judge().judge(new, &about).await;
    if problems.is_empty() {
        return Ok(());
    }
    let problem = Problem::new(Code::ValidationError);
    Err(problems
        .into_iter()
        .fold(problem, |problem, wrong| problem.field("new_password", wrong.to_string())))
}

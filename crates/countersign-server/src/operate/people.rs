//! Letters to people: an invitation, a link that proves an address, a link for a new password; and
//! the outbox that they wait in.

use countersign::mail::SealError;
use countersign::password::EncodedPassword;
use countersign::store::admin::{AdminError, AdminStore};
use countersign::store::{NewMail, NewToken, StoreError, TokenPayload};
use countersign::token::{Fingerprint, Purpose};
use countersign::user::{Email, NewUser, User, UserId, Username, fold_address};
use countersign::{Letter, Owner, Post, Settings};

use super::Operator;
use crate::command_error::CommandError;
use crate::config::MailWay;
use crate::services::Services;

/// Who is to be invited.
#[derive(Debug)]
pub(crate) struct Invitee {
    pub(crate) email: Email,
    /// Without one a name is made up.
    pub(crate) username: Option<Username>,
    pub(crate) first_name: String,
    pub(crate) last_name: String,
    /// The language of their mails; empty for the first one there is.
    pub(crate) language: String,
}

/// What became of a letter.
#[derive(Debug)]
pub(crate) enum Sent {
    /// The mail is in the outbox.
    Queued,
    /// No mail is sent here: whoever asked gives them this link.
    ByHand(String),
    /// Nothing: the same request came before, and whom it invited has come since.
    Earlier,
}

/// Writes letters as the server on these settings does.
#[derive(Debug)]
pub(crate) struct Desk(Post);

impl Desk {
    /// The one of these services.
    ///
    /// # Errors
    /// Settings or a secret that cannot be used.
    pub(crate) async fn of(services: &Services) -> Result<Self, CommandError> {
        let can_mail = !matches!(services.config.mail_way()?, MailWay::Nowhere);
        Self::with(services, &services.config.settings()?, can_mail).await
    }

    /// The one of a server that runs on these settings.
    ///
    /// # Errors
    /// A secret that cannot be used.
    pub(crate) async fn with(
        services: &Services,
        settings: &Settings,
        can_mail: bool,
    ) -> Result<Self, CommandError> {
        let post = Post::new(&services.secrets().await?, settings, can_mail);
        Ok(Self(post.map_err(|error| CommandError::new(error.to_string()))?))
    }

    /// The mail for the outbox, or the link, where nobody sends mails.
    fn way(&self, mail: NewMail, link: String) -> (Vec<NewMail>, Sent) {
        way(self.0.is_on(), mail, link)
    }
}

fn way(by_mail: bool, mail: NewMail, link: String) -> (Vec<NewMail>, Sent) {
    if by_mail { (vec![mail], Sent::Queued) } else { (Vec::new(), Sent::ByHand(link)) }
}

impl Operator<'_> {
    /// Makes a user without a password, and sends them a link with which they choose one. Whoever
    /// was invited before and has not come gets a new link, and the old one ends.
    ///
    /// # Errors
    /// An address whose user has a password already, and all of
    /// [`add_user`](Self::add_user).
    pub(crate) async fn invite(
        &self,
        services: &Services,
        desk: &Desk,
        who: Invitee,
    ) -> Result<(User, Sent), NotSent> {
        let password = EncodedPassword::unusable();
        let letter = Letter::new(Purpose::Invitation, who.email.as_str(), &who.language);
        let (token, mail, link) = desk.0.write_with_link(letter, self.by.now, &*services.random)?;
        // Whom it is for is made with it.
        let row = Fingerprint::of(&password, &fold_address(who.email.as_str()), true);
        let token = NewToken { fingerprint: row, ..token };
        let id = token.id;
        let (mails, sent) = desk.way(NewMail { is_void: false, ..mail }, link);
        let username = match who.username.clone() {
            Some(name) => name,
            None => made_up(services),
        };
        let mut new = NewUser::new(username, Some(who.email.clone()), password.clone());
        new.first_name = who.first_name.clone();
        new.last_name = who.last_name.clone();
        new.locale = who.language.clone();
        match self.store.invite_user(new, token, mails, &self.by).await {
            // The same request came before: nothing was made now, and the link of the first answer
            // may have been lost with it.
            Ok(user)
                if matches!(sent, Sent::ByHand(_)) && self.store.token(id).await?.is_none() =>
            {
                let password = self.store.password_of(user.id).await?;
                let password = password.ok_or(NotSent::Act(AdminError::Gone))?;
                match self.invite_again(services, desk, user.clone(), &password).await {
                    Err(NotSent::HasAccount(_)) => Ok((user, Sent::Earlier)),
                    other => other,
                }
            }
            Ok(user) => Ok((user, sent)),
            Err(AdminError::Store(
                taken @ (StoreError::EmailTaken | StoreError::UsernameTaken),
            )) => {
                let found = self.store.user_by_login(who.email.as_str()).await?;
                let is_theirs =
                    |user: &User| fold_address(&user.email) == fold_address(who.email.as_str());
                let found = found.filter(|found| is_theirs(&found.user));
                let found = found.ok_or(NotSent::Act(taken.into()))?;
                self.invite_again(services, desk, found.user, &found.password).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn invite_again(
        &self,
        services: &Services,
        desk: &Desk,
        user: User,
        password: &EncodedPassword,
    ) -> Result<(User, Sent), NotSent> {
        if password.is_usable() || !user.is_active || has_come(&user) {
            return Err(NotSent::HasAccount(user.username));
        }
        let letter = Letter::new(Purpose::Invitation, &user.email, &user.locale);
        let letter = letter.for_owner(Owner::of(&user, password));
        let sent = self.send(services, desk, letter, desk.0.is_on()).await?;
        Ok((user, sent))
    }

    /// Sends a user a link, by mail: to their address, or to the one that they have to prove. To
    /// which.
    ///
    /// # Errors
    /// A server that sends no mail, and all of [`make_link`](Self::make_link).
    pub(crate) async fn send_letter(
        &self,
        services: &Services,
        desk: &Desk,
        purpose: Purpose,
        user: &User,
    ) -> Result<String, NotSent> {
        if !desk.0.is_on() {
            return Err(NotSent::NoMail);
        }
        self.letter(services, desk, purpose, user, true).await.map(|(to, _)| to)
    }

    /// Makes the same link, which whoever asks gives the user. No mail is sent.
    ///
    /// # Errors
    /// A user without an address or who is not active, an address to prove that another has by now,
    /// and the store's.
    pub(crate) async fn make_link(
        &self,
        services: &Services,
        desk: &Desk,
        purpose: Purpose,
        user: &User,
    ) -> Result<Sent, NotSent> {
        self.letter(services, desk, purpose, user, false).await.map(|(_, sent)| sent)
    }

    async fn letter(
        &self,
        services: &Services,
        desk: &Desk,
        purpose: Purpose,
        user: &User,
        by_mail: bool,
    ) -> Result<(String, Sent), NotSent> {
        let mut waits = None;
        if user.email.is_empty() {
            if purpose == Purpose::VerifyEmail {
                waits = self.store.registration_of(user.id).await?;
            }
            let Some(waits) = &waits else { return Err(NotSent::NoAddress) };
            if let Some(other) = owner_of(self.store, &waits.address).await? {
                return Err(NotSent::Taken(other));
            }
        }
        if !user.is_active {
            return Err(NotSent::Inactive);
        }
        if purpose == Purpose::VerifyEmail && user.email_verified {
            return Err(NotSent::Verified);
        }
        let password = self.store.password_of(user.id).await?;
        let password = password.ok_or(NotSent::Act(AdminError::Gone))?;
        if purpose == Purpose::Invitation && password.is_usable() {
            return Err(NotSent::HasAccount(user.username.clone()));
        }
        let to = waits.as_ref().map_or(&user.email, |waits| &waits.address);
        let new_address = waits.as_ref().map(|waits| waits.address.clone());
        let letter = Letter {
            payload: TokenPayload { new_address, ..TokenPayload::default() },
            until: waits.as_ref().map(|waits| waits.until),
            ..Letter::new(purpose, to, &user.locale).for_owner(Owner::of(user, &password))
        };
        Ok((to.clone(), self.send(services, desk, letter, by_mail).await?))
    }

    async fn send(
        &self,
        services: &Services,
        desk: &Desk,
        letter: Letter<'_>,
        by_mail: bool,
    ) -> Result<Sent, NotSent> {
        let (token, mail, link) = desk.0.write_with_link(letter, self.by.now, &*services.random)?;
        let (mails, sent) = way(by_mail, mail, link);
        self.store.send_link(token, mails, &self.by).await?;
        Ok(sent)
    }

    /// Takes addresses as proved, of each user the one that the operator has seen, if it is still
    /// theirs. How many were not proved before.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn mark_verified(
        &self,
        addresses: &[(UserId, String)],
    ) -> Result<u64, AdminError> {
        self.store.mark_verified(addresses, &self.by).await
    }

    /// Has a mail tried again now that waits.
    ///
    /// # Errors
    /// [`AdminError::Gone`] when no such mail waits, and the store's.
    pub(crate) async fn retry_mail(&self, id: i64) -> Result<(), AdminError> {
        self.store.retry_mail(id, &self.by).await
    }

    /// Takes a mail out of the outbox.
    ///
    /// # Errors
    /// [`AdminError::Gone`] when there is none that waits or failed, and the store's.
    pub(crate) async fn forget_mail(&self, id: i64) -> Result<(), AdminError> {
        self.store.forget_mail(id, &self.by).await
    }
}

/// Why a letter was not sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    /// The user of this name has a password, or is not active.
    #[error("the address is that of {0}, who has an account already")]
    HasAccount(String),
    /// The user has no address.
    #[error("the user has no e-mail address")]
    NoAddress,
    /// The address that the user has to prove is that of the user of this name.
    #[error("the address that is to be proved is that of {0}, who was told")]
    Taken(String),
    /// The user is not active.
    #[error("the user is not active: a link would do nothing")]
    Inactive,
    /// There is nothing to prove.
    #[error("the address is proved already")]
    Verified,
    /// Nobody sends mail.
    #[error("no mail is sent here: set mail_url")]
    NoMail,
    /// The mail could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The store did not do it.
    #[error(transparent)]
    Act(#[from] AdminError),
}

impl From<StoreError> for NotSent {
    fn from(error: StoreError) -> Self {
        Self::Act(error.into())
    }
}

impl From<NotSent> for CommandError {
    fn from(error: NotSent) -> Self {
        match error {
            NotSent::Act(error) => error.into(),
            NotSent::HasAccount(name) => Self::new(format!(
                "the address is that of {name}, who has an account already; `countersign user \
                 send-reset {name}` sends a link for a new password"
            )),
            other => Self::new(other.to_string()),
        }
    }
}

/// The name of whoever has an address.
///
/// # Errors
/// The store's.
pub(crate) async fn owner_of(
    store: &dyn AdminStore,
    address: &str,
) -> Result<Option<String>, StoreError> {
    let found = store.user_by_login(address).await?.map(|found| found.user);
    let owner = found.filter(|user| fold_address(&user.email) == fold_address(address));
    Ok(owner.map(|user| user.username))
}

/// Whether somebody has proved the address or logged in: an account whose password is unusable is
/// no invitation that waits, and a link for it is an act of its own.
fn has_come(user: &User) -> bool {
    user.email_verified || user.last_login.is_some()
}

/// A user name for who was given none: `user-` and ten letters and digits.
fn made_up(services: &Services) -> Username {
    let mut bytes = [0; 8];
    services.random.fill(&mut bytes);
    let number = u64::from_be_bytes(bytes) & 0xff_ffff_ffff;
    Username::parse(&format!("user-{number:010x}")).expect("letters, digits and a hyphen")
}

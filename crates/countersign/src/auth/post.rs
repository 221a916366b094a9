//! Mail as flows and operators cause it: whom it goes to, what its link is, and the row for the
//! outbox.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use countersign_verify::{Account, UserId};
use jiff::Timestamp;
use url::Url;

use super::Auth;
use super::account_settings::AccountSettings;
use super::settings::{EmailVerification, Registration, Settings};
use crate::clock::{Random, random_bytes};
use crate::mail::worker::Tally;
use crate::mail::{Mail, MailKind, MailSeal, SealError};
use crate::password::EncodedPassword;
use crate::store::{MailBounds, MailClass, NewMail, NewToken, TokenPayload};
use crate::token::{Code, CodeHasher, Fingerprint, OneTimeToken, Purpose, Secrets};
use crate::user::{Addressee, fold_address};

/// Makes mails and the one-time tokens in them, as rows for a store. A command line that has no
/// [`Auth`] can have one too.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::clock::OsRandom;
/// use countersign::token::Purpose;
/// use countersign::user::fold_address;
/// use countersign::{Letter, Owner, Post, Settings};
///
/// # world::block_on(async {
/// # let (store, secrets, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// # use countersign::store::{TokenStore, UserStore};
/// let post = Post::new(&secrets, &Settings::default(), true).unwrap();
/// let password = store.password_of(ada.id).await.unwrap().unwrap();
/// let owner = Owner::of(&ada, &password);
/// let letter = Letter::new(Purpose::ResetPassword, &ada.email, "en").for_owner(owner);
/// let (token, mail) = post.write(letter, now, &OsRandom).unwrap();
/// assert_eq!(token.address, fold_address(&ada.email));
/// assert!(store.issue_token(token, vec![mail], post.bounds()).await.unwrap());
/// # });
/// ```
pub struct Post {
    pub(super) seal: Arc<MailSeal>,
    codes: CodeHasher,
    public_url: Url,
    accounts: AccountSettings,
    /// What the mails call this place: the host of the public URL.
    pub(super) site: String,
    /// What became of those that this process tried to send.
    pub(super) tally: Arc<Tally>,
    /// Whether there is somebody to send them.
    is_on: bool,
}

impl Post {
    /// Makes mails under these secrets and settings. `is_on`: whether somebody sends them.
    ///
    /// # Errors
    /// [`SealError`] when the cryptographic library refuses the key, which it does not.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::{Post, Settings};
    ///
    /// let post = Post::new(&world::secrets(), &Settings::default(), false).unwrap();
    /// assert!(!post.is_on());
    /// ```
    pub fn new(secrets: &Secrets, settings: &Settings, is_on: bool) -> Result<Self, SealError> {
        Ok(Self {
            seal: Arc::new(MailSeal::new(secrets)?),
            codes: CodeHasher::new(secrets),
            public_url: settings.public_url.clone(),
            accounts: settings.accounts.clone(),
            site: settings.public_url.host_str().unwrap_or_default().to_owned(),
            tally: Arc::default(),
            is_on,
        })
    }

    /// Whether somebody sends the mails.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::{Post, Settings};
    ///
    /// assert!(Post::new(&world::secrets(), &Settings::default(), true).unwrap().is_on());
    /// ```
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.is_on
    }

    /// How many mails an address gets, by the settings.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::{Post, Settings};
    ///
    /// let post = Post::new(&world::secrets(), &Settings::default(), true).unwrap();
    /// assert_eq!(post.bounds().an_hour, 5);
    /// ```
    #[must_use]
    pub fn bounds(&self) -> MailBounds {
        MailBounds { an_hour: self.accounts.mails_per_address, ..MailBounds::default() }
    }

    /// Draws a token, and writes the mail with its link, and with its code where it has one. To
    /// nobody it is written too, at the same cost, and never sent.
    ///
    /// # Errors
    /// [`SealError`] when the mail cannot be sealed.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::clock::OsRandom;
    /// use countersign::token::Purpose;
    /// use countersign::{Letter, Post, Settings};
    ///
    /// let post = Post::new(&world::secrets(), &Settings::default(), true).unwrap();
    /// let to_nobody = Letter::new(Purpose::LoginCode, "nobody@example.com", "en");
    /// let (token, mail) = post.write(to_nobody, world::midnight(), &OsRandom).unwrap();
    /// assert!(token.user.is_none() && token.code.is_some() && mail.is_void);
    /// ```
    pub fn write(
        &self,
        letter: Letter<'_>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<(NewToken, NewMail), SealError> {
        self.write_with_link(letter, now, random).map(|(token, mail, _)| (token, mail))
    }

    /// The same, and the link itself, for who hands it over without a mail. Whoever has the link
    /// can use it.
    ///
    /// # Errors
    /// As of [`write`](Self::write).
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::clock::OsRandom;
    /// use countersign::token::Purpose;
    /// use countersign::{Letter, Post, Settings};
    ///
    /// let post = Post::new(&world::secrets(), &Settings::default(), false).unwrap();
    /// let letter = Letter::new(Purpose::Invitation, "ada@example.com", "de");
    /// let (_, _, link) = post.write_with_link(letter, world::midnight(), &OsRandom).unwrap();
    /// assert!(link.contains("/account/invitation?token="));
    /// ```
    pub fn write_with_link(
        &self,
        letter: Letter<'_>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<(NewToken, NewMail, String), SealError> {
        let Letter { purpose, to, language, owner, payload, values, until } = letter;
        let (token, code) = (OneTimeToken::draw(random), Code::draw(random));
        let lives = now + self.lifetime(purpose);
        let until = until.map_or(lives, |until| until.min(lives));
        let (kind, link) = (kind(purpose), self.link(purpose, &token));
        let mut mail =
            self.mail(kind, to, language).with("link", link.clone()).with("until", in_words(until));
        if kind.has_code() {
            mail = mail.with("code", spaced(&code));
        }
        mail = values.into_iter().fold(mail, |mail, (name, value)| mail.with(name, value));
        let user = owner.as_ref().map(|owner| owner.user);
        let mail = NewMail {
            class: class(purpose),
            is_void: user.is_none(),
            ..self.queued(&mail, user, now, random)?
        };
        let new = NewToken {
            user,
            code: kind.has_code().then(|| self.codes.hash(token.id(), &code)),
            fingerprint: owner.map_or_else(Fingerprint::of_nobody, |owner| owner.row),
            address: fold_address(to),
            payload,
            ..NewToken::new(&token, purpose, now, until)
        };
        Ok((new, mail, link))
    }

    /// A mail that tells a user what happened to their account: in [`Act`](crate::store::Act)s and
    /// whatever else takes mails it is queued with what it tells of. Nothing where the setting
    /// `notices` is off, no mail is sent, or the user has no address that was proved.
    ///
    /// # Errors
    /// [`SealError`] when the mail cannot be sealed.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::clock::OsRandom;
    /// use countersign::mail::MailKind;
    /// use countersign::user::Addressee;
    /// use countersign::{Post, Settings};
    ///
    /// # world::run(async |world| {
    /// let post = Post::new(&world::secrets(), &Settings::default(), true).unwrap();
    /// let ada = Addressee { is_proved: true, ..Addressee::from(&world.ada) };
    /// // By an operator: from nowhere.
    /// let values = vec![("place", String::new())];
    /// let (kind, now) = (MailKind::PasswordChanged, world::midnight());
    /// let notice = post.notice(kind, &ada, values, now, &OsRandom);
    /// assert!(notice.unwrap().is_some());
    /// # });
    /// ```
    pub fn notice(
        &self,
        kind: MailKind,
        whom: &Addressee<'_>,
        values: Vec<(&'static str, String)>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Option<NewMail>, SealError> {
        let is_wanted = self.is_on && (self.accounts.notices || !kind.is_notice());
        if !is_wanted || !whom.is_proved || whom.email.is_empty() {
            return Ok(None);
        }
        let mail = self
            .mail(kind, whom.email, whom.language)
            .with("at", in_words(now))
            .with("link", self.page("reset"));
        let mail = values.into_iter().fold(mail, |mail, (name, value)| mail.with(name, value));
        let mail = self.queued(&mail, Some(whom.user), now, random)?;
        Ok(Some(NewMail { class: MailClass::Notice, ..mail }))
    }

    /// The mail to who asked to be deleted: at `at`, and how to stay, or at once, with `None`.
    ///
    /// # Errors
    /// [`SealError`] when the mail cannot be sealed.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::clock::OsRandom;
    /// use countersign::user::Addressee;
    /// use countersign::{Post, Settings};
    ///
    /// # world::run(async |world| {
    /// let post = Post::new(&world::secrets(), &Settings::default(), true).unwrap();
    /// let (now, ada) = (world::midnight(), Addressee::from(&world.ada));
    /// let ada = Addressee { is_proved: true, ..ada };
    /// let in_a_week = now + std::time::Duration::from_secs(7 * 86_400);
    /// assert!(post.deletion(&ada, Some(in_a_week), now, &OsRandom).unwrap().is_some());
    /// # });
    /// ```
    pub fn deletion(
        &self,
        whom: &Addressee<'_>,
        at: Option<Timestamp>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Option<NewMail>, SealError> {
        let own = || self.accounts.restore_url.clone();
        let link = at.map(|_| own().unwrap_or_else(|| self.page("restore"))).unwrap_or_default();
        let values = vec![("until", in_words(at.unwrap_or(now))), ("link", link)];
        let mail = self.notice(MailKind::Deletion, whom, values, now, random)?;
        // A mail about a user goes with the user.
        Ok(mail.map(|mail| NewMail { user: mail.user.filter(|_| at.is_some()), ..mail }))
    }

    /// A mail with what every one of them says.
    pub(crate) fn mail(&self, kind: MailKind, to: &str, language: &str) -> Mail {
        Mail::new(kind, to, language).with("site", self.site.clone())
    }

    /// The mail as a row of the outbox.
    pub(crate) fn queued(
        &self,
        mail: &Mail,
        user: Option<UserId>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<NewMail, SealError> {
        let id = i64::from_be_bytes(random_bytes(random)) & i64::MAX;
        let sealed = self.seal.seal(mail, id)?;
        Ok(NewMail { user, ..NewMail::new(id, &fold_address(&mail.to), sealed, now) })
    }

    /// Our own page of this name, for a link without a token.
    pub(crate) fn page(&self, name: &str) -> String {
        page(&self.public_url, name).to_string()
    }

    /// Where the link of a token goes: to the app's own page, or to ours. Always below the
    /// configured URL, whatever host a request names.
    fn link(&self, purpose: Purpose, token: &OneTimeToken) -> String {
        match self.accounts.page_of(purpose) {
            Some(link) => link.replace("{token}", &token.expose()),
            None => {
                let page = page(&self.public_url, purpose.as_str());
                format!("{page}?token={}", token.expose())
            }
        }
    }

    fn lifetime(&self, purpose: Purpose) -> Duration {
        self.accounts.lifetime_of(purpose)
    }
}

/// Without the secrets.
impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post").field("site", &self.site).finish_non_exhaustive()
    }
}

/// A mail with a link that is to be written.
///
/// ```
/// use countersign::Letter;
/// use countersign::token::Purpose;
///
/// let letter = Letter::new(Purpose::VerifyEmail, "ada@example.com", "de");
/// assert!(letter.payload.browser.is_none());
/// ```
#[derive(Debug)]
pub struct Letter<'a> {
    /// What its token is for.
    pub purpose: Purpose,
    /// The address that it goes to, as it is stored: never as a stranger typed it.
    pub to: &'a str,
    /// The language.
    pub language: &'a str,
    /// Whose token it is; `None` for nobody.
    pub owner: Option<Owner>,
    /// What the act of the token needs.
    pub payload: TokenPayload,
    /// What its template names beside the link, the code, the end and the site.
    pub values: Vec<(&'static str, String)>,
    /// When it ends at the latest, where that may be before its time.
    pub until: Option<Timestamp>,
}

impl<'a> Letter<'a> {
    /// One to nobody.
    ///
    /// ```
    /// use countersign::Letter;
    /// use countersign::token::Purpose;
    ///
    /// assert!(Letter::new(Purpose::VerifyEmail, "ada@example.com", "de").owner.is_none());
    /// ```
    #[must_use]
    pub fn new(purpose: Purpose, to: &'a str, language: &'a str) -> Self {
        let payload = TokenPayload::default();
        Self { purpose, to, language, owner: None, payload, values: Vec::new(), until: None }
    }

    /// The same to somebody.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::password::EncodedPassword;
    /// use countersign::token::Purpose;
    /// use countersign::{Letter, Owner};
    ///
    /// # world::run(async |world| {
    /// let owner = Owner::of(&world.ada, &EncodedPassword::unusable());
    /// let letter = Letter::new(Purpose::VerifyEmail, "ada@example.com", "de").for_owner(owner);
    /// assert!(letter.owner.is_some());
    /// # });
    /// ```
    #[must_use]
    pub fn for_owner(self, owner: Owner) -> Self {
        Self { owner: Some(owner), ..self }
    }
}

/// Whose token it is: the user, and the row as it is.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::Owner;
/// use countersign::password::EncodedPassword;
///
/// # world::run(async |world| {
/// let owner = Owner::of(&world.ada, &EncodedPassword::unusable());
/// assert_eq!(owner.user, world.ada.id);
/// # });
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    /// Who.
    pub user: UserId,
    /// Their row.
    pub row: Fingerprint,
}

impl Owner {
    /// Of a row with this encoded password.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Owner;
    /// use countersign::password::EncodedPassword;
    ///
    /// # world::run(async |world| {
    /// let (ada, password) = (world.ada, EncodedPassword::unusable());
    /// assert_eq!(Owner::of(&ada, &password).row, Owner::of(&ada, &password).row);
    /// # });
    /// ```
    #[must_use]
    pub fn of(user: &dyn Account, password: &EncodedPassword) -> Self {
        let row = Fingerprint::of(password, &fold_address(user.email()), user.is_active());
        Self { user: user.id(), row }
    }
}

impl Auth {
    /// Whether mail can be sent: what needs it is mounted then, and only then.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// assert!(!world.auth.can_mail()); // nobody was named who sends it
    /// # });
    /// ```
    #[must_use]
    pub fn can_mail(&self) -> bool {
        self.0.post.is_on
    }

    /// Who makes the mails.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// assert!(!world.auth.post().is_on());
    /// # });
    /// ```
    #[must_use]
    pub fn post(&self) -> &Arc<Post> {
        &self.0.post
    }

    /// The languages that mails are written in, English first.
    pub(crate) fn languages(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.languages.iter().map(String::as_str)
    }

    /// Whether addresses can be proved: mail can be sent, and the users' table keeps what is
    /// proved.
    pub(crate) fn can_prove(&self) -> bool {
        self.can_mail() && self.users().keeps_accounts()
    }

    /// Whether somebody may register: the setting says so, the users' table takes them, and the
    /// mail can be sent that an address needs.
    pub(crate) fn can_register(&self) -> bool {
        let accounts = &self.settings().accounts;
        // Whoever is invited needs no mail: an operator may hand the link over.
        if accounts.registration == Registration::Invite {
            return self.users().owns_profiles();
        }
        accounts.registration == Registration::Open
            && self.users().keeps_accounts()
            && (self.can_mail() || accounts.email_verification == EmailVerification::None)
    }

    /// Whether users may log in with a code from a mail.
    pub(crate) fn can_send_codes(&self) -> bool {
        self.can_mail() && self.settings().accounts.login_code
    }

    /// A letter, now.
    pub(crate) fn write(&self, letter: Letter<'_>) -> Result<(NewToken, NewMail), SealError> {
        self.0.post.write(letter, self.now(), self.random())
    }
}

/// Which mail carries a token.
const fn kind(purpose: Purpose) -> MailKind {
    match purpose {
        Purpose::VerifyEmail => MailKind::Verify,
        Purpose::ResetPassword => MailKind::Reset,
        Purpose::LoginCode => MailKind::Code,
        Purpose::ChangeEmail => MailKind::Change,
        Purpose::Undo => MailKind::AddressChanged,
        Purpose::Invitation => MailKind::Invitation,
    }
}

/// With what else its mails are counted.
const fn class(purpose: Purpose) -> MailClass {
    match purpose {
        Purpose::ResetPassword => MailClass::Reset,
        Purpose::LoginCode => MailClass::Code,
        _ => MailClass::Asked,
    }
}

fn page(public_url: &Url, name: &str) -> Url {
    let mut url = public_url.clone();
    let path = format!("{}/account/{name}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// A moment as mails write it.
pub(super) fn in_words(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A code as people read it.
fn spaced(code: &Code) -> String {
    let digits = code.expose();
    let (first, rest) = digits.split_at(digits.len() / 2);
    format!("{first} {rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stand_below_the_public_url() {
        for (public, link) in [
            ("https://example.com", "https://example.com/account/reset"),
            ("https://example.com/auth/", "https://example.com/auth/account/reset"),
            ("http://localhost:8000", "http://localhost:8000/account/reset"),
        ] {
            assert_eq!(page(&public.parse().unwrap(), "reset").as_str(), link);
        }
    }

    #[test]
    fn codes_and_times_are_written_for_people() {
        assert_eq!(spaced(&Code::parse("01234567").unwrap()), "0123 4567");
        let at = "2026-01-02T03:04:05Z".parse().unwrap();
        assert_eq!(in_words(at), "2026-01-02 03:04 UTC");
    }
}

//! Mail: what is told to whom, in which language, and how it is sent.
//!
//! A [`Mail`] is queued in the store's outbox in the transaction that causes it, and rendered when
//! it is sent: [`MailTemplates`] make the [`Message`], a [`Mailer`] hands it on.
//!
//! ```
//! use countersign::mail::{Mail, MailKind, MailTemplates};
//!
//! let mail = Mail::new(MailKind::Test, "ada@example.com", "de").with("site", "example.com");
//! let rendered = MailTemplates::built_in().render(&mail).unwrap();
//! assert_eq!(rendered.subject, "Eine Probe von example.com");
//! ```

#[cfg(feature = "smtp")]
mod conversation;
mod language;
mod mailer;
mod seal;
#[cfg(feature = "smtp")]
mod smtp;
mod templates;
pub(crate) mod worker;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use language::choose_language;
pub use mailer::{MailError, Mailer, Message};
pub use seal::{MailSeal, SealError};
#[cfg(feature = "smtp")]
pub(crate) use smtp::is_mailbox;
#[cfg(feature = "smtp")]
pub use smtp::{FileMailer, MailUrlError, SmtpMailer};
pub use templates::{MailTemplates, Rendered, TemplateError};

/// Which mail. Each has a template of its name, in every language.
///
/// ```
/// use countersign::mail::MailKind;
///
/// assert_eq!(MailKind::Reset.as_str(), "reset");
/// assert!(MailKind::ALL.iter().all(|kind| MailKind::from_word(kind.as_str()) == Some(*kind)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MailKind {
    /// A link and a code that prove an address.
    Verify,
    /// Somebody registered with an address that has an account.
    AccountExists,
    /// A link and a code for a new password.
    Reset,
    /// A code and a link to log in without a password.
    Code,
    /// To the new address: a link that confirms it.
    Change,
    /// To the old address: what is about to change, and a link that undoes it.
    AddressChanged,
    /// A link for the first password of a user whom an operator made.
    Invitation,
    /// Notice: a login from a device that was not known.
    NewDevice,
    /// Notice: the password was changed.
    PasswordChanged,
    /// Notice: a session was ended because two parties held it.
    SessionStolen,
    /// Notice: a second factor was added.
    FactorAdded,
    /// Notice: a second factor was removed.
    FactorRemoved,
    /// Notice: a recovery code was used.
    RecoveryCodeUsed,
    /// Notice: new recovery codes were made.
    RecoveryCodesMade,
    /// Notice: somebody has a copy of a passkey.
    PasskeyCopied,
    /// Notice: the account is about to be deleted.
    Deletion,
    /// Nothing but a test.
    Test,
}

impl MailKind {
    /// Every mail.
    pub const ALL: [Self; 17] = [
        Self::Verify,
        Self::AccountExists,
        Self::Reset,
        Self::Code,
        Self::Change,
        Self::AddressChanged,
        Self::Invitation,
        Self::NewDevice,
        Self::PasswordChanged,
        Self::SessionStolen,
        Self::FactorAdded,
        Self::FactorRemoved,
        Self::RecoveryCodeUsed,
        Self::RecoveryCodesMade,
        Self::PasskeyCopied,
        Self::Deletion,
        Self::Test,
    ];

    /// Its name, which is its template's.
    ///
    /// ```
    /// assert_eq!(countersign::mail::MailKind::NewDevice.as_str(), "new_device");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::AccountExists => "account_exists",
            Self::Reset => "reset",
            Self::Code => "code",
            Self::Change => "change",
            Self::AddressChanged => "address_changed",
            Self::Invitation => "invitation",
            Self::NewDevice => "new_device",
            Self::PasswordChanged => "password_changed",
            Self::SessionStolen => "session_stolen",
            Self::FactorAdded => "factor_added",
            Self::FactorRemoved => "factor_removed",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::RecoveryCodesMade => "recovery_codes_made",
            Self::PasskeyCopied => "passkey_copied",
            Self::Deletion => "deletion",
            Self::Test => "test",
        }
    }

    /// The mail that a name stands for.
    ///
    /// ```
    /// assert_eq!(countersign::mail::MailKind::from_word("nonsense"), None);
    /// ```
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it is a notice, which the setting `notices` turns off.
    ///
    /// ```
    /// use countersign::mail::MailKind;
    ///
    /// assert!(MailKind::SessionStolen.is_notice() && !MailKind::Reset.is_notice());
    /// ```
    #[must_use]
    pub const fn is_notice(self) -> bool {
        matches!(
            self,
            Self::NewDevice
                | Self::PasswordChanged
                | Self::SessionStolen
                | Self::FactorAdded
                | Self::FactorRemoved
                | Self::RecoveryCodeUsed
                | Self::RecoveryCodesMade
                | Self::PasskeyCopied
        )
    }

    /// Whether it has a code beside its link.
    #[must_use]
    pub(crate) const fn has_code(self) -> bool {
        matches!(self, Self::Verify | Self::Reset | Self::Code | Self::Change)
    }

    /// What its templates may name, each with an example: templates are tried with these when they
    /// are read, and previews show them.
    pub(crate) const fn samples(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Verify | Self::Reset | Self::Code | Self::Change => &[SITE, LINK, CODE, UNTIL],
            Self::AccountExists => &[SITE, LINK],
            Self::Invitation => &[SITE, LINK, UNTIL],
            Self::AddressChanged => &[SITE, LINK, UNTIL, AT, PLACE, ADDRESS],
            Self::NewDevice => &[SITE, LINK, AT, PLACE, DEVICE],
            Self::PasswordChanged | Self::RecoveryCodesMade => &[SITE, LINK, AT, PLACE],
            Self::SessionStolen => &[SITE, LINK, AT, DEVICE],
            Self::FactorAdded | Self::FactorRemoved => &[SITE, LINK, AT, PLACE, FACTOR],
            Self::RecoveryCodeUsed => &[SITE, LINK, AT, PLACE, LEFT],
            Self::PasskeyCopied => &[SITE, LINK, AT, PLACE, PASSKEY],
            Self::Deletion => &[SITE, LINK, AT, UNTIL],
            Self::Test => &[SITE],
        }
    }
}

/// One mail, as it waits in the outbox. Its values hold links and codes: it is not printed, and the
/// store keeps it sealed.
///
/// ```
/// use countersign::mail::{Mail, MailKind};
///
/// let mail = Mail::new(MailKind::Reset, "ada@example.com", "en").with("link", "https://secret");
/// assert!(!format!("{mail:?}").contains("secret"));
/// ```
#[derive(Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mail {
    /// Which.
    pub kind: MailKind,
    /// The address that it goes to.
    pub to: String,
    /// The language that is wanted, as `de` or `de-AT`. One that is not there is English.
    pub language: String,
    /// What its template names.
    pub values: BTreeMap<String, String>,
}

impl Mail {
    /// A mail without values.
    ///
    /// ```
    /// use countersign::mail::{Mail, MailKind};
    ///
    /// assert!(Mail::new(MailKind::Test, "ada@example.com", "en").values.is_empty());
    /// ```
    #[must_use]
    pub fn new(kind: MailKind, to: &str, language: &str) -> Self {
        Self { kind, to: to.to_owned(), language: language.to_owned(), values: BTreeMap::new() }
    }

    /// Gives it a value.
    ///
    /// ```
    /// use countersign::mail::{Mail, MailKind};
    ///
    /// let mail = Mail::new(MailKind::Test, "ada@example.com", "en").with("site", "example.com");
    /// assert_eq!(mail.values["site"], "example.com");
    /// ```
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// A mail of this kind with example values, for a preview.
    ///
    /// ```
    /// use countersign::mail::{Mail, MailKind, MailTemplates};
    ///
    /// let preview = Mail::sample(MailKind::Code, "en");
    /// let rendered = MailTemplates::built_in().render(&preview).unwrap();
    /// assert_eq!(rendered.subject, "Your code: 1234 5678");
    /// ```
    #[must_use]
    pub fn sample(kind: MailKind, language: &str) -> Self {
        let mail = Self::new(kind, "ada@example.com", language);
        kind.samples().iter().fold(mail, |mail, (name, value)| mail.with(name, *value))
    }
}

/// Without the address and the values.
impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail").field("kind", &self.kind).finish_non_exhaustive()
    }
}

const SITE: (&str, &str) = ("site", "example.com");
const LINK: (&str, &str) =
    ("link", "https://example.com/account/reset?token=AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA");
const CODE: (&str, &str) = ("code", "1234 5678");
const UNTIL: (&str, &str) = ("until", "2026-01-02 00:00 UTC");
const AT: (&str, &str) = ("at", "2026-01-01 00:00 UTC");
const PLACE: (&str, &str) = ("place", "192.0.2.1");
const DEVICE: (&str, &str) = ("device", "Firefox, Linux");
const ADDRESS: (&str, &str) = ("address", "new@example.com");
const FACTOR: (&str, &str) = ("factor", "TOTP");
const PASSKEY: (&str, &str) = ("passkey", "Ada's phone");
const LEFT: (&str, &str) = ("left", "9");

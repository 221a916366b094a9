//! What can be chosen about accounts: who may register, what an address is good for, and mail.

use std::time::Duration;

use super::words::words;
use crate::token::Purpose;
use crate::user::{Username, UsernameError};

/// Sign-up, addresses, forgotten passwords and mail. [`Default`] lets nobody register; new
/// passwords can be asked for where mail can be sent.
///
/// ```
/// use countersign::settings::{AccountSettings, EmailVerification, Registration};
///
/// let accounts = AccountSettings::default();
/// assert_eq!(accounts.registration, Registration::Closed);
/// assert_eq!(accounts.email_verification, EmailVerification::Optional);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AccountSettings {
    /// Who may register: nobody.
    pub registration: Registration,
    /// What a registration must say: user name, address and password. Without the user name one is
    /// made up.
    pub registration_fields: Vec<RegistrationField>,
    /// What an address that is not proved is good for.
    pub email_verification: EmailVerification,
    /// How long a link that proves an address works: 3 days.
    pub verify_lifetime: Duration,
    /// How long a link for a new password works: 1 hour.
    pub reset_lifetime: Duration,
    /// Whether users may log in with a code that is mailed to them, without a password: no.
    pub login_code: bool,
    /// How long such a code works, and its link: 10 minutes.
    pub code_lifetime: Duration,
    /// How long a link that confirms a new address works: 1 day.
    pub change_lifetime: Duration,
    /// How long the link works that takes a change of the address back: 7 days.
    pub undo_lifetime: Duration,
    /// How long an operator's invitation works: 7 days.
    pub invitation_lifetime: Duration,
    /// Whether users are told by mail of new devices, changed passwords and stolen sessions: yes.
    pub notices: bool,
    /// Mails that one address gets in an hour by what anybody may ask for: 5.
    pub mails_per_address: u32,
    /// What one client may ask for in an hour by its network address (IPv6: /64): 60; 0 for no
    /// limit.
    pub asks_per_address: u32,
    /// What all clients together may ask for in an hour: 10,000; 0 for no limit.
    pub asks_per_hour: u32,
    /// How long a user who asked to be deleted may come back: 14 days. With zero they are deleted
    /// at once.
    pub deletion_grace: Duration,
    /// How old the login may be for what is dangerous, such as a deletion, an export or the removal
    /// of a second factor: 15 minutes. A step-up counts as a login, a refresh does not.
    pub recent_login: Duration,
    /// The app's own page for the link that proves an address, with `{token}` in it.
    pub verify_url: Option<String>,
    /// The app's own page for the link that sets a new password, with `{token}` in it.
    pub reset_url: Option<String>,
    /// The app's own page for the link that logs in, with `{token}` in it.
    pub code_url: Option<String>,
    /// The app's own page for the link that confirms a new address, with `{token}` in it.
    pub change_url: Option<String>,
    /// The app's own page for the link that takes a change back, with `{token}` in it.
    pub undo_url: Option<String>,
    /// The app's own page for an invitation's link, with `{token}` in it.
    pub invitation_url: Option<String>,
    /// The app's own page on which a user who asked to be deleted comes back.
    pub restore_url: Option<String>,
    /// Whom mails come from, as `Example <noreply@example.com>`. Unless chosen, `noreply@` and the
    /// host of the public URL. With the feature `smtp`, what is no address stops the start.
    pub mail_from: Option<String>,
    /// Where answers go.
    pub mail_reply_to: Option<String>,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            registration: Registration::default(),
            registration_fields: RegistrationField::ALL[..3].to_vec(),
            email_verification: EmailVerification::default(),
            verify_lifetime: Duration::from_secs(3 * DAY),
            reset_lifetime: Duration::from_secs(HOUR),
            login_code: false,
            code_lifetime: Duration::from_secs(600),
            change_lifetime: Duration::from_secs(DAY),
            undo_lifetime: Duration::from_secs(7 * DAY),
            invitation_lifetime: Duration::from_secs(7 * DAY),
            notices: true,
            mails_per_address: 5,
            asks_per_address: 60,
            asks_per_hour: 10_000,
            deletion_grace: Duration::from_secs(14 * DAY),
            recent_login: Duration::from_secs(15 * 60),
            verify_url: None,
            reset_url: None,
            code_url: None,
            change_url: None,
            undo_url: None,
            invitation_url: None,
            restore_url: None,
            mail_from: None,
            mail_reply_to: None,
        }
    }
}

impl AccountSettings {
    /// Whether no answer may tell which address has an account: strangers come in, and an address
    /// is theirs who prove it.
    pub(crate) fn hides_addresses(&self) -> bool {
        let believes = self.email_verification == EmailVerification::None;
        self.registration == Registration::Open && !believes
    }

    /// A user name that somebody chooses for themselves.
    pub(crate) fn chosen_name(&self, text: &str) -> Result<Username, UsernameError> {
        let name = Username::parse(text)?;
        let is_hidden = self.hides_addresses() && name.as_str().contains('@');
        if is_hidden { Err(UsernameError::Address) } else { Ok(name) }
    }

    /// The first thing that is wrong with the settings: the name of one, and what to do.
    pub(super) fn fault(&self) -> Option<(&'static str, String)> {
        for (name, lifetime) in [
            ("verify_lifetime", self.verify_lifetime),
            ("reset_lifetime", self.reset_lifetime),
            ("code_lifetime", self.code_lifetime),
            ("change_lifetime", self.change_lifetime),
            ("undo_lifetime", self.undo_lifetime),
            ("invitation_lifetime", self.invitation_lifetime),
        ] {
            if !(Duration::from_secs(60)..=Duration::from_secs(30 * DAY)).contains(&lifetime) {
                return Some((name, "choose 1 minute to 30 days".to_owned()));
            }
        }
        if self.deletion_grace > Duration::from_secs(365 * DAY) {
            return Some((
                "deletion_grace",
                "choose at most 365 days; 0 deletes at once".to_owned(),
            ));
        }
        if !(Duration::from_secs(60)..=Duration::from_secs(DAY)).contains(&self.recent_login) {
            return Some(("recent_login", "choose 1 minute to 1 day".to_owned()));
        }
        if self.restore_url.as_ref().is_some_and(|page| !is_page(page)) {
            return Some(("restore_url", "write a whole URL".to_owned()));
        }
        let needs = |field| self.registration_fields.contains(&field);
        if !needs(RegistrationField::Password) {
            let why = "a registration needs a password; add `password`".to_owned();
            return Some(("registration_fields", why));
        }
        if !needs(RegistrationField::Email) && !needs(RegistrationField::Username) {
            let why = "nobody could log in; add `username` or `email`".to_owned();
            return Some(("registration_fields", why));
        }
        let must_prove = self.email_verification == EmailVerification::Required;
        if must_prove && self.registration == Registration::Open && !needs(RegistrationField::Email)
        {
            let why = "`email_verification = required` needs an address to prove; add `email`, or \
                choose optional";
            return Some(("registration_fields", why.to_owned()));
        }
        #[cfg(feature = "smtp")]
        for (name, text) in [("mail_from", &self.mail_from), ("mail_reply_to", &self.mail_reply_to)]
        {
            if text.as_deref().is_some_and(|text| !crate::mail::is_mailbox(text)) {
                let why = "write an address, as noreply@example.com or Example \
                           <noreply@example.com>";
                return Some((name, why.to_owned()));
            }
        }
        if self.undo_lifetime < self.change_lifetime {
            let why = "choose no less than change_lifetime".to_owned();
            return Some(("undo_lifetime", why));
        }
        [
            ("verify_url", &self.verify_url),
            ("reset_url", &self.reset_url),
            ("code_url", &self.code_url),
            ("change_url", &self.change_url),
            ("undo_url", &self.undo_url),
            ("invitation_url", &self.invitation_url),
        ]
        .into_iter()
        .find(|(_, link)| link.as_ref().is_some_and(|link| !is_link(link)))
        .map(|(name, _)| (name, "write a whole URL with {token} in it".to_owned()))
    }

    /// How long a token for this works.
    pub(super) const fn lifetime_of(&self, purpose: Purpose) -> Duration {
        match purpose {
            Purpose::VerifyEmail => self.verify_lifetime,
            Purpose::ResetPassword => self.reset_lifetime,
            Purpose::LoginCode => self.code_lifetime,
            Purpose::ChangeEmail => self.change_lifetime,
            Purpose::Undo => self.undo_lifetime,
            Purpose::Invitation => self.invitation_lifetime,
        }
    }

    /// The app's own page for a token's link.
    pub(super) fn page_of(&self, purpose: Purpose) -> Option<&str> {
        let page = match purpose {
            Purpose::VerifyEmail => &self.verify_url,
            Purpose::ResetPassword => &self.reset_url,
            Purpose::LoginCode => &self.code_url,
            Purpose::ChangeEmail => &self.change_url,
            Purpose::Undo => &self.undo_url,
            Purpose::Invitation => &self.invitation_url,
        };
        page.as_deref()
    }
}

fn is_link(link: &str) -> bool {
    link.contains("{token}") && is_page(&link.replace("{token}", "x"))
}

fn is_page(link: &str) -> bool {
    let is_http = link.starts_with("https://") || link.starts_with("http://");
    is_http && url::Url::parse(link).is_ok()
}

words! {
    /// Who may register.
    ///
    /// ```
    /// use countersign::settings::Registration;
    ///
    /// assert_eq!("open".parse(), Ok(Registration::Open));
    /// assert_eq!(Registration::default().as_str(), "closed");
    /// ```
    #[derive(Default)]
    Registration, "choose closed, invite or open", {
        /// Nobody: operators make users.
        #[default]
        Closed = "closed",
        /// Whoever was invited: an operator made the user, and they choose the rest.
        Invite = "invite",
        /// Everybody.
        Open = "open",
    }
}

words! {
    /// What an address that is not proved is good for.
    ///
    /// ```
    /// use countersign::settings::EmailVerification;
    ///
    /// assert_eq!("required".parse(), Ok(EmailVerification::Required));
    /// ```
    #[derive(Default)]
    EmailVerification, "choose required, optional or none", {
        /// Nobody logs in before theirs is proved.
        Required = "required",
        /// It becomes the user's when it is proved. They may log in before that.
        #[default]
        Optional = "optional",
        /// It is believed.
        None = "none",
    }
}

words! {
    /// What a registration must say.
    ///
    /// ```
    /// use countersign::settings::RegistrationField;
    ///
    /// assert_eq!("email".parse(), Ok(RegistrationField::Email));
    /// ```
    RegistrationField, "choose among username, email, password, first_name and last_name", {
        /// The user name.
        Username = "username",
        /// The address.
        Email = "email",
        /// The password.
        Password = "password",
        /// The given name.
        FirstName = "first_name",
        /// The family name.
        LastName = "last_name",
    }
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_stand_is_named() {
        let good = AccountSettings::default();
        assert_eq!(good.fault(), None);
        let named = |settings: AccountSettings| settings.fault().map(|(name, _)| name);
        let short = AccountSettings { reset_lifetime: Duration::ZERO, ..good.clone() };
        assert_eq!(named(short), Some("reset_lifetime"));
        let short = AccountSettings { undo_lifetime: Duration::from_secs(60), ..good.clone() };
        assert_eq!(named(short), Some("undo_lifetime"));
        let link = Some("https://app.example.com/reset".to_owned());
        assert_eq!(named(AccountSettings { reset_url: link, ..good.clone() }), Some("reset_url"));
        let link = Some("https://app.example.com/#/verify/{token}".to_owned());
        assert_eq!(named(AccountSettings { verify_url: link, ..good.clone() }), None);
        let page = Some("/restore".to_owned());
        assert_eq!(
            named(AccountSettings { restore_url: page, ..good.clone() }),
            Some("restore_url")
        );
        let long = Duration::from_secs(366 * DAY);
        let never = AccountSettings { deletion_grace: long, ..good.clone() };
        assert_eq!(named(never), Some("deletion_grace"));
        for (mail_from, mail_reply_to, wrong) in [
            (Some("Example <noreply@example.com>"), Some("help@localhost"), None),
            (Some("Example noreply@example.com"), None, Some("mail_from")),
            (None, Some("help"), Some("mail_reply_to")),
        ] {
            let [mail_from, mail_reply_to] =
                [mail_from, mail_reply_to].map(|t| t.map(str::to_owned));
            let settings = AccountSettings { mail_from, mail_reply_to, ..good.clone() };
            assert_eq!(named(settings), wrong.filter(|_| cfg!(feature = "smtp")));
        }
        let fields = vec![RegistrationField::Password];
        let nobody = AccountSettings { registration_fields: fields, ..good.clone() };
        assert_eq!(named(nobody), Some("registration_fields"));
        // Whoever left the address out would be let in without the proof.
        let fields = vec![RegistrationField::Username, RegistrationField::Password];
        let strict = AccountSettings {
            registration: Registration::Open,
            registration_fields: fields,
            email_verification: EmailVerification::Required,
            ..good
        };
        assert_eq!(named(strict.clone()), Some("registration_fields"));
        let mild = EmailVerification::Optional;
        let mild = AccountSettings { email_verification: mild, ..strict.clone() };
        assert_eq!(named(mild), None);
        let closed = AccountSettings { registration: Registration::Invite, ..strict.clone() };
        assert_eq!(named(closed), None, "whoever is invited has an address");
        let fields = vec![RegistrationField::Email, RegistrationField::Password];
        assert_eq!(named(AccountSettings { registration_fields: fields, ..strict }), None);
    }
}

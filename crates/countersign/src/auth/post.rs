//! Mail as flows cause it: whom it goes to, what its link is, and the row for the outbox.

use std::sync::Arc;

use countersign_verify::UserId;
use jiff::Timestamp;
use url::Url;

use super::Auth;
use super::settings::{EmailVerification, Registration, Settings};
use crate::clock::random_bytes;
use crate::mail::{Mail, MailKind, MailSeal, SealError};
use crate::store::NewMail;
use crate::token::{Code, OneTimeToken, Purpose};
use crate::user::fold_address;

/// What mails are made of.
#[derive(Debug)]
pub(crate) struct Post {
    pub(super) seal: Arc<MailSeal>,
    /// What the mails call this place: the host of the public URL.
    pub(super) site: String,
    /// Whether there is somebody to send them.
    pub(super) is_on: bool,
}

impl Post {
    pub(super) fn new(seal: MailSeal, settings: &Settings, is_on: bool) -> Self {
        let site = settings.public_url.host_str().unwrap_or_default().to_owned();
        Self { seal: Arc::new(seal), site, is_on }
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

    /// Whether somebody may register: the setting says so, the users are the store's, and the mail
    /// can be sent that an address needs.
    pub(crate) fn can_register(&self) -> bool {
        let accounts = &self.settings().accounts;
        accounts.registration == Registration::Open
            && self.users().owns_profiles()
            && (self.can_mail() || accounts.email_verification == EmailVerification::None)
    }

    /// A mail with what every one of them says.
    pub(crate) fn mail(&self, kind: MailKind, to: &str, language: &str) -> Mail {
        Mail::new(kind, to, language).with("site", self.0.post.site.clone())
    }

    /// The mail as a row of the outbox.
    pub(crate) fn queued(&self, mail: &Mail, user: Option<UserId>) -> Result<NewMail, SealError> {
        let id = i64::from_be_bytes(random_bytes(self.random())) & i64::MAX;
        let sealed = self.0.post.seal.seal(mail, id)?;
        Ok(NewMail { user, ..NewMail::new(id, &fold_address(&mail.to), sealed, self.now()) })
    }

    /// Where the link of a token goes: to the app's own page, or to ours. Always below the
    /// configured URL, whatever host a request names.
    pub(crate) fn link(&self, purpose: Purpose, token: &OneTimeToken) -> String {
        let accounts = &self.settings().accounts;
        let own = match purpose {
            Purpose::VerifyEmail => accounts.verify_url.as_deref(),
            Purpose::ResetPassword => accounts.reset_url.as_deref(),
            _ => None,
        };
        match own {
            Some(link) => link.replace("{token}", &token.expose()),
            None => {
                let page = page(&self.settings().public_url, purpose.as_str());
                format!("{page}?token={}", token.expose())
            }
        }
    }

    /// Our own page of this name, for a link without a token.
    pub(crate) fn page(&self, name: &str) -> String {
        page(&self.settings().public_url, name).to_string()
    }
}

fn page(public_url: &Url, name: &str) -> Url {
    let mut url = public_url.clone();
    let path = format!("{}/account/{name}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    url
}

/// A moment as mails write it.
pub(crate) fn in_words(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A code as people read it.
pub(crate) fn spaced(code: &Code) -> String {
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

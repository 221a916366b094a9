//! The settings of accounts and mail.

use std::path::PathBuf;
use std::sync::Arc;

use countersign::mail::{FileMailer, MailTemplates, Mailer, SmtpMailer};
use countersign::settings::AccountSettings;

use super::{Config, ConfigError};

/// How mail is sent.
#[derive(Debug)]
pub(crate) enum MailWay {
    /// Not at all.
    Nowhere,
    /// Printed.
    Console,
    /// By whoever sends it.
    By(Arc<dyn Mailer>),
    /// By who writes it into this folder.
    Into(Arc<dyn Mailer>, PathBuf),
}

impl Config {
    /// Sign-up, addresses, forgotten passwords and mail.
    pub(super) fn accounts(&self) -> Result<AccountSettings, ConfigError> {
        let mut accounts = AccountSettings::default();
        accounts.registration = self.required("registration")?;
        let fields = self.list("registration_fields")?;
        if !fields.is_empty() {
            accounts.registration_fields = fields;
        }
        accounts.email_verification = self.required("email_verification")?;
        accounts.verify_lifetime = self.duration("verify_lifetime")?;
        accounts.reset_lifetime = self.duration("reset_lifetime")?;
        accounts.login_code = self.switch("login_code")?;
        accounts.code_lifetime = self.duration("code_lifetime")?;
        accounts.change_lifetime = self.duration("change_lifetime")?;
        accounts.undo_lifetime = self.duration("undo_lifetime")?;
        accounts.invitation_lifetime = self.duration("invitation_lifetime")?;
        accounts.notices = self.switch("notices")?;
        accounts.mails_per_address = self.number("mails_per_address")?;
        accounts.asks_per_address = self.number("asks_per_address")?;
        accounts.asks_per_hour = self.number("asks_per_hour")?;
        accounts.deletion_grace = self.duration("deletion_grace")?;
        accounts.recent_login = self.duration("recent_login")?;
        accounts.verify_url = self.optional("verify_url")?;
        accounts.reset_url = self.optional("reset_url")?;
        accounts.code_url = self.optional("code_url")?;
        accounts.change_url = self.optional("change_url")?;
        accounts.undo_url = self.optional("undo_url")?;
        accounts.invitation_url = self.optional("invitation_url")?;
        accounts.restore_url = self.optional("restore_url")?;
        accounts.mail_from = self.optional("mail_from")?;
        accounts.mail_reply_to = self.optional("mail_reply_to")?;
        Ok(accounts)
    }

    /// How mail is sent: as chosen, else printed on a developer's machine, else not at all.
    ///
    /// # Errors
    /// A URL that is no way to send mail, a folder that cannot be made.
    pub(crate) fn mail_way(&self) -> Result<MailWay, ConfigError> {
        let wrong = |error: &dyn std::fmt::Display| {
            self.wrong("mail_url", "(not shown)", error.to_string())
        };
        match self.text("mail_url").unwrap_or_default() {
            "" if self.is_on_localhost()? => Ok(MailWay::Console),
            "" | "none" => Ok(MailWay::Nowhere),
            "console:" => Ok(MailWay::Console),
            url => match url.strip_prefix("file:") {
                Some(folder) => {
                    let folder = PathBuf::from(folder);
                    let mailer = FileMailer::new(&folder).map_err(|e| wrong(&e))?;
                    Ok(MailWay::Into(Arc::new(mailer), folder))
                }
                None => {
                    let mailer = SmtpMailer::new(url).map_err(|e| wrong(&e))?;
                    Ok(MailWay::By(Arc::new(mailer)))
                }
            },
        }
    }

    /// Whether mail could be sent so, without making a folder. On a Tokio runtime.
    ///
    /// # Errors
    /// As [`mail_way`](Self::mail_way).
    pub(crate) fn check_mail_url(&self) -> Result<(), ConfigError> {
        let is_folder = self.text("mail_url").is_some_and(|url| url.starts_with("file:"));
        if is_folder { Ok(()) } else { self.mail_way().map(drop) }
    }

    /// The texts of mails: the built-in ones, and those of the folder in their place.
    ///
    /// # Errors
    /// A template that does not do, with its file and line.
    pub(crate) fn mail_templates(&self) -> Result<MailTemplates, ConfigError> {
        match self.optional::<PathBuf>("mail_templates")? {
            None => Ok(MailTemplates::built_in()),
            Some(folder) => MailTemplates::read(&folder).map_err(|error| {
                self.wrong("mail_templates", &folder.display().to_string(), error.to_string())
            }),
        }
    }
}

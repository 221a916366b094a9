//! Whether mail is sent, what is missing without it, and how the outbox stands.

use std::path::Path;

use countersign::settings::{AccountSettings, EmailVerification, Registration};
use countersign::store::MailState;

use super::Look;
use crate::command_error::CommandError;
use crate::config::{Config, MailWay};
use crate::services::Services;
use crate::text::thousands;

impl Look<'_> {
    /// How mail is sent, and what its absence switches off.
    pub(super) fn mail(&mut self, config: &Config, accounts: &AccountSettings) {
        match config.mail_way() {
            Ok(MailWay::Nowhere) => self.warn(&missing(accounts)),
            Ok(MailWay::Console) if config.is_on_localhost().unwrap_or(false) => {
                self.ok("mail: printed where the server runs");
            }
            Ok(MailWay::Console) => self.warn(
                "mail_url is console:, so mails with links and codes are printed into the server's \
                 output, and reach nobody; set it to smtp://USER:PASSWORD@HOST:587",
            ),
            Ok(MailWay::By(_)) => {
                self.ok("mail: sent; `countersign mail test ADDRESS` says whether it arrives");
            }
            Ok(MailWay::Into(_, folder)) => self.folder(config, &folder),
            Err(error) => self.fail(&format!("mail: {error}")),
        }
        if let Err(error) = config.mail_templates() {
            self.fail(&format!("mail: {error}"));
        }
    }

    /// A folder that mails are written into.
    fn folder(&mut self, config: &Config, folder: &Path) {
        self.mode(folder, 0o700);
        let folder = folder.display();
        if config.is_on_localhost().unwrap_or(false) {
            self.ok(&format!("mail: written into {folder}, and not sent"));
        } else {
            self.warn(&format!(
                "mail_url is file:, so mails with links and codes are written into {folder}, and \
                 reach nobody; set it to smtp://USER:PASSWORD@HOST:587"
            ));
        }
    }

    /// What waits, and what failed.
    pub(super) async fn outbox(&mut self, services: &Services) -> Result<(), CommandError> {
        let counts = services.store.outbox_counts().await?;
        let (waiting, failed) = (thousands(counts.waiting), thousands(counts.failed));
        if counts.failed > 0 {
            self.warn(&format!(
                "outbox: {failed} mails failed within the last 30 days, and {waiting} wait; \
                 `countersign mail queue` and the admin site say why"
            ));
        } else {
            self.ok(&format!("outbox: {waiting} mails wait, none failed"));
        }
        // A server that refuses us fails no mail before two days are over.
        let rows = services.store.outbox(Some(MailState::Waiting), None, LOOKED_AT).await?;
        if let Some(row) = rows.iter().find(|row| row.tries >= OFTEN) {
            self.warn(&format!(
                "outbox: a mail waits that was tried {} times; the last time: {}",
                row.tries, row.error
            ));
        }
        Ok(())
    }
}

/// What is not there where no mail is sent.
fn missing(accounts: &AccountSettings) -> String {
    let mut off = "mail: none is sent (mail_url), so forgotten passwords cannot be chosen anew, \
                   addresses cannot be proved, nobody is told of what happens to their account, \
                   and the links of invitations are shown to who invites"
        .to_owned();
    if nobody_registers(accounts) {
        off.push_str("; nobody can register either, because email_verification is not none");
    }
    off
}

/// Whether registration is wanted, and is not there because no mail is sent.
pub(crate) fn nobody_registers(accounts: &AccountSettings) -> bool {
    accounts.registration != Registration::Closed
        && accounts.email_verification != EmailVerification::None
}

/// So many of those that wait are looked at, the newest.
const LOOKED_AT: u32 = 100;
/// Not once for being asked to come again: a server may do that to whom it does not know.
const OFTEN: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registration_is_missing_where_it_was_wanted() {
        let mut accounts = AccountSettings::default();
        assert!(!missing(&accounts).contains("register"));
        accounts.registration = Registration::Open;
        assert!(missing(&accounts).contains("nobody can register"));
        accounts.email_verification = EmailVerification::None;
        assert!(!missing(&accounts).contains("register"));
    }
}

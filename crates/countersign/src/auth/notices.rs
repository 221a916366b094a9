//! Notices: what happened to an account, told to its owner.

use countersign_verify::Account;

use super::Auth;
use super::post::{Letter, Owner, in_words};
use crate::mail::{MailKind, SealError};
use crate::session::{SessionId, device_without_words};
use crate::store::{
    MailBounds, MailClass, NewMail, NewToken, Stolen, StoreError, TheftNotice, TokenPayload,
};
use crate::token::Purpose;
use crate::user::{Addressee, FoundUser};
use crate::user_directory::Candidate;

impl Auth {
    /// A notice, now; as the list of what is queued with the act that it tells of.
    pub(crate) fn notice(
        &self,
        kind: MailKind,
        whom: &Addressee<'_>,
        values: Vec<(&'static str, String)>,
    ) -> Result<Vec<NewMail>, SealError> {
        let notice = self.post().notice(kind, whom, values, self.now(), self.random())?;
        Ok(notice.into_iter().collect())
    }

    /// What tells a user that their address is to be another: the mail to the old one, with the
    /// token that undoes it. Nothing where no mail is sent, or the old one was not proved: whoever
    /// had it may be anybody; nor where it is the old one in another case, which stays proved. One
    /// that is only alike, such as `strasse@` for `straße@`, is another mailbox. It is never left
    /// out: strangers could use up what the address gets, and so keep the owner from hearing of a
    /// theft.
    pub(crate) fn undo_of_change(
        &self,
        found: &FoundUser<Candidate>,
        to: &str,
        place: String,
    ) -> Result<Option<(NewToken, NewMail)>, SealError> {
        let FoundUser { user, password } = found;
        let account = user.account();
        let is_same = account.email().eq_ignore_ascii_case(to);
        if !self.can_prove() || account.email().is_empty() || user.waits_for_proof() || is_same {
            return Ok(None);
        }
        let former_address = Some(account.email().to_owned());
        let letter = Letter {
            payload: TokenPayload { former_address, ..TokenPayload::default() },
            values: vec![
                ("at", in_words(self.now())),
                ("place", place),
                ("address", to.to_owned()),
            ],
            ..Letter::new(Purpose::Undo, account.email(), user.language())
                .for_owner(Owner::of(account, password))
        };
        let (token, mail) = self.write(letter)?;
        Ok(Some((token, NewMail { class: MailClass::Assured, ..mail })))
    }

    /// What tells of a theft, in the transaction that ends the session. `None` where nobody would
    /// be told, and where the store does not know the users.
    pub(crate) fn theft_notice(&self) -> Option<TheftNotice> {
        let is_on = self.can_mail() && self.settings().accounts.notices;
        if !is_on || !self.users().owns_profiles() {
            return None;
        }
        let auth = self.clone();
        Some(TheftNotice::new(move |stolen| auth.mail_of_theft(stolen)))
    }

    /// The same for users of an app's own: after the ending, since two databases have no
    /// transaction in common.
    pub(crate) async fn tell_of_theft(&self, user: &dyn Account, session: SessionId) {
        if self.users().owns_profiles() {
            return;
        }
        if let Err(error) = self.queue_mail_of_theft(user, session).await {
            tracing::error!(%error, user = %user.id(), %session, "a theft is told to nobody");
        }
    }

    async fn queue_mail_of_theft(
        &self,
        user: &dyn Account,
        session: SessionId,
    ) -> Result<(), StoreError> {
        let ended = self.store().session(session).await?;
        let stolen = Stolen {
            user: user.id(),
            email: user.email().to_owned(),
            is_proved: user.email_verified(),
            language: user.locale().to_owned(),
            user_agent: ended.map_or_else(String::new, |ended| ended.user_agent),
        };
        let mails = self.mail_of_theft(&stolen).into_iter().collect();
        self.store().queue_mails(mails, MailBounds::default()).await
    }

    fn mail_of_theft(&self, stolen: &Stolen) -> Option<NewMail> {
        let whom = Addressee {
            user: stolen.user,
            email: &stolen.email,
            language: &stolen.language,
            is_proved: stolen.is_proved,
        };
        let device = vec![("device", device_without_words(&stolen.user_agent))];
        self.notice(MailKind::SessionStolen, &whom, device)
            .inspect_err(|error| tracing::error!(%error, "a theft is told to nobody"))
            .ok()?
            .pop()
    }
}

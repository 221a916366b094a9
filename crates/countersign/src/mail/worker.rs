//! Sends what waits in the outbox: with leases instead of locks, so that any node may, and with
//! pauses that grow.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{MailError, MailSeal, MailTemplates, Mailer, Message};
use crate::clock::Clock;
use crate::store::{ClaimedMail, OutboxStore, StoreError};

/// What a worker needs.
pub(crate) struct Worker<S: ?Sized> {
    pub(crate) store: Arc<S>,
    pub(crate) mailer: Arc<dyn Mailer>,
    pub(crate) templates: MailTemplates,
    pub(crate) seal: Arc<MailSeal>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sender: Sender,
    pub(crate) tally: Arc<Tally>,
}

/// What became of the mails that this process tried to send.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: AtomicU64,
    pub(crate) put_off: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// Whom mails come from.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) from: String,
    pub(crate) reply_to: Option<String>,
    /// What stands after the `@` of a `Message-ID`.
    pub(crate) host: String,
}

impl Sender {
    /// As the settings have it; unless they do, `noreply@` and the host.
    pub(crate) fn new(from: Option<&str>, reply_to: Option<&str>, host: &str) -> Self {
        let from = from.map_or_else(|| format!("noreply@{host}"), str::to_owned);
        Self { from, reply_to: reply_to.map(str::to_owned), host: host.to_owned() }
    }
}

impl<S: OutboxStore + ?Sized> Worker<S> {
    /// Sends what is due. How long to wait before the next look: no time while there may be more,
    /// [`PAUSE`] at most.
    pub(crate) async fn turn(&self) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let claimed = self.store.claim_mails(now, now + LEASE, AT_ONCE).await?;
        let is_full = claimed.len() == usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
        for mail in claimed {
            // What has been waiting behind slow ones may be somebody else's by now.
            if self.clock.now() >= now + LEASE - PATIENCE {
                break;
            }
            self.send(mail).await?;
        }
        if is_full {
            return Ok(Duration::ZERO);
        }
        let next = self.store.next_mail().await?;
        let wait = next.map_or(PAUSE, |due| {
            Duration::try_from(due.duration_since(self.clock.now())).unwrap_or_default()
        });
        Ok(wait.min(PAUSE))
    }

    async fn send(&self, mail: ClaimedMail) -> Result<(), StoreError> {
        let (id, tries) = (mail.id, mail.tries);
        let sent = match self.message(&mail) {
            Ok(message) => tokio::time::timeout(PATIENCE_STD, self.mailer.send(&message))
                .await
                .unwrap_or_else(|_| Err(MailError::later("the mail server gave no answer"))),
            Err(error) => Err(error),
        };
        let now = self.clock.now();
        match sent {
            Ok(()) => {
                self.tally.sent.fetch_add(1, Ordering::Relaxed);
                self.store.mail_sent(id, now).await
            }
            Err(error) => match next_try(mail.created_at, now, tries) {
                Some(due) if !error.is_permanent => {
                    self.tally.put_off.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(mail = id, tries, %due, %error, "a mail was not sent yet");
                    self.store.mail_put_off(id, due, &error.reason).await
                }
                _ => {
                    self.tally.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(mail = id, tries, %error, "a mail will not be sent");
                    self.store.mail_failed(id, now, &error.reason).await
                }
            },
        }
    }

    fn message(&self, claimed: &ClaimedMail) -> Result<Message, MailError> {
        let mail = self.seal.open(&claimed.sealed, claimed.id).map_err(MailError::never)?;
        let rendered = self.templates.render(&mail).map_err(MailError::never)?;
        Ok(Message {
            from: self.sender.from.clone(),
            reply_to: self.sender.reply_to.clone(),
            to: mail.to,
            subject: rendered.subject,
            text: rendered.text,
            html: rendered.html,
            message_id: format!("<{}@{}>", claimed.id, self.sender.host),
            language: rendered.language,
        })
    }
}

/// When a mail that was tried so often before is due again; never after two days.
fn next_try(queued: Timestamp, now: Timestamp, tries: u32) -> Option<Timestamp> {
    let minutes = *PAUSES.get(usize::try_from(tries).unwrap_or(usize::MAX)).unwrap_or(&LONGEST);
    let due = now + SignedDuration::from_mins(minutes);
    (due.duration_since(queued) <= SignedDuration::from_hours(48)).then_some(due)
}

/// How long a mail that was taken is nobody else's.
const LEASE: SignedDuration = SignedDuration::from_mins(10);
/// How long the mail server may take for one.
const PATIENCE: SignedDuration = SignedDuration::from_mins(2);
const PATIENCE_STD: Duration = Duration::from_secs(120);
/// How many are taken at once.
const AT_ONCE: u32 = 20;
/// The longest time between two looks: a mail that another node queued is due at once.
pub(crate) const PAUSE: Duration = Duration::from_secs(1);
/// In minutes, after the first try, the second, …
const PAUSES: [i64; 6] = [1, 5, 15, 60, 180, LONGEST];
const LONGEST: i64 = 360;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_after_two_days() {
        let queued = Timestamp::UNIX_EPOCH;
        let (mut now, mut tries, mut pauses) = (queued, 0, Vec::new());
        while let Some(due) = next_try(queued, now, tries) {
            pauses.push(due.duration_since(now).as_mins());
            (now, tries) = (due, tries + 1);
        }
        assert_eq!(pauses[..6], [1, 5, 15, 60, 180, 360]);
        assert!(pauses.is_sorted());
        let hours = now.duration_since(queued).as_hours();
        assert!((42..=48).contains(&hours), "{hours} hours");
    }
}

//! Sends what waits in the outbox: with leases instead of locks, so that any node may, and with
//! pauses that grow.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

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
    /// Whether the process stops. It does so too where nobody is left who could say it.
    pub(crate) stopping: watch::Receiver<bool>,
    /// What the store could not be told yet.
    pub(crate) untold: Mutex<Vec<Untold>>,
}

/// What became of mails that were taken.
#[derive(Debug, Clone)]
enum Outcome {
    Sent { id: i64, at: Timestamp },
    Deferred { id: i64, due: Timestamp, why: String },
    Failed { id: i64, at: Timestamp, why: String },
    NotTried { ids: Vec<i64> },
}

/// An outcome that the store could not be told, and until when the mails are this worker's.
#[derive(Debug)]
pub(crate) struct Untold {
    outcome: Outcome,
    until: Timestamp,
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
    ///
    /// Where the process stops, or the store fails, the mails that were not tried are given back:
    /// otherwise they would wait until the lease is over.
    pub(crate) async fn turn(&self) -> Result<Duration, StoreError> {
        self.tell_what_is_untold().await;
        let now = self.clock.now();
        let until = now + LEASE;
        let claimed = self.store.claim_mails(now, until, AT_ONCE).await?;
        let is_full = claimed.len() == usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
        let mut waiting = VecDeque::from(claimed);
        let mut stopping = self.stopping.clone();
        let mut told = Ok(());
        // What has been waiting behind slow ones may be somebody else's soon.
        while told.is_ok() && !is_over(&stopping) && self.clock.now() < until - PATIENCE {
            let Some(mail) = waiting.pop_front() else { break };
            let sending = self.send(&mail);
            tokio::pin!(sending);
            let outcome = tokio::select! {
                outcome = &mut sending => Some(outcome),
                () = over(&mut stopping) => {
                    self.give_back(&mut waiting, until).await;
                    tokio::time::timeout(FINISH_WITHIN, sending).await.ok()
                }
            };
            match outcome {
                Some(outcome) => told = self.tell(outcome, until).await,
                None => tracing::warn!(
                    mail = mail.id,
                    "a mail was under way at the stop; it is sent once more"
                ),
            }
        }
        self.give_back(&mut waiting, until).await;
        told?;
        if is_full {
            return Ok(Duration::ZERO);
        }
        let next = self.store.next_mail().await?;
        let wait = next.map_or(PAUSE, |due| {
            Duration::try_from(due.duration_since(self.clock.now())).unwrap_or_default()
        });
        Ok(wait.min(PAUSE))
    }

    /// Tells the store what it could not be told before, so that a mail that was sent is not sent
    /// again. What is nobody's any more is not told.
    pub(crate) async fn tell_what_is_untold(&self) {
        let untold = std::mem::take(&mut *self.untold());
        let now = self.clock.now();
        for Untold { outcome, until } in untold {
            if now < until {
                // It is kept where it fails again.
                let _ = self.tell(outcome, until).await;
            }
        }
    }

    /// Gives back what was not tried.
    async fn give_back(&self, waiting: &mut VecDeque<ClaimedMail>, until: Timestamp) {
        let ids: Vec<i64> = waiting.drain(..).map(|mail| mail.id).collect();
        if !ids.is_empty() {
            let _ = self.tell(Outcome::NotTried { ids }, until).await;
        }
    }

    /// Tells the store, or keeps it for the next turn.
    async fn tell(&self, outcome: Outcome, until: Timestamp) -> Result<(), StoreError> {
        let told = match &outcome {
            Outcome::Sent { id, at } => self.store.mail_sent(*id, *at).await,
            Outcome::Deferred { id, due, why } => self.store.mail_put_off(*id, *due, why).await,
            Outcome::Failed { id, at, why } => self.store.mail_failed(*id, *at, why).await,
            Outcome::NotTried { ids } => self.store.give_mails_back(ids, until).await,
        };
        if told.is_err() {
            self.untold().push(Untold { outcome, until });
        }
        told
    }

    fn untold(&self) -> std::sync::MutexGuard<'_, Vec<Untold>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send(&self, mail: &ClaimedMail) -> Outcome {
        let (id, tries) = (mail.id, mail.tries);
        let sent = match self.message(mail) {
            Ok(message) => tokio::time::timeout(PATIENCE_STD, self.mailer.send(&message))
                .await
                .unwrap_or_else(|_| Err(MailError::later("the mail server gave no answer"))),
            Err(error) => Err(error),
        };
        let now = self.clock.now();
        match sent {
            Ok(()) => {
                self.tally.sent.fetch_add(1, Ordering::Relaxed);
                Outcome::Sent { id, at: now }
            }
            Err(error) => match next_try(mail.created_at, now, tries) {
                Some(due) if !error.is_permanent => {
                    self.tally.put_off.fetch_add(1, Ordering::Relaxed);
                    tracing::warn!(mail = id, tries, %due, %error, "a mail was not sent yet");
                    Outcome::Deferred { id, due, why: error.reason }
                }
                _ => {
                    self.tally.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(mail = id, tries, %error, "a mail will not be sent");
                    Outcome::Failed { id, at: now, why: error.reason }
                }
            },
        }
    }

    fn message(&self, claimed: &ClaimedMail) -> Result<Message, MailError> {
        // What this node cannot read or render, one with another secret or version may.
        let mail = self.seal.open(&claimed.sealed, claimed.id).map_err(MailError::later)?;
        let rendered = self.templates.render(&mail).map_err(MailError::later)?;
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

/// Whether the process stops.
pub(crate) fn is_over(stopping: &watch::Receiver<bool>) -> bool {
    *stopping.borrow() || stopping.has_changed().is_err()
}

/// Until the process stops.
pub(crate) async fn over(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
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
/// How long the stop waits for the one that is under way: an orderly stop has to end before it is
/// cut off.
const FINISH_WITHIN: Duration = Duration::from_secs(10);
/// The same, and until the store has been told of it.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(14);
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

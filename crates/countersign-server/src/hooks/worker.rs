//! Sends what waits for one hook: with leases instead of locks, so that any node may, and with
//! pauses that grow. What is about one user goes one after the other; a user whose message is not
//! taken holds up nobody else, and a slow hook no other hook.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign::clock::Clock;
use countersign::store::StoreError;
use countersign::store::admin::{AdminStore, ClaimedHookMessage};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::send::{Message, Outcome, Sender};

/// Whoever sends to one hook.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) hook: String,
    pub(super) sender: Sender,
    pub(super) store: Arc<dyn AdminStore>,
    pub(super) clock: Arc<dyn Clock>,
    last_taken: LastTaken,
}

/// When this process last saw the hook take a message, in seconds since 1970.
#[derive(Debug, Default)]
struct LastTaken(AtomicI64);

impl LastTaken {
    /// Whether the hook may have been out until it took a message now. Whether it was is not asked:
    /// the tries that failed may have been another node's, or those of before a start.
    fn ends_an_outage(&self, now: Timestamp) -> bool {
        let before = self.0.swap(now.as_second(), Ordering::Relaxed);
        now.as_second() - before >= OUTAGE_SECONDS
    }
}

impl Worker {
    pub(super) fn new(
        hook: String,
        sender: Sender,
        store: Arc<dyn AdminStore>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { hook, sender, store, clock, last_taken: LastTaken::default() }
    }

    /// Goes on until it is told to stop; what is under way then is finished.
    pub(super) async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut under_way = JoinSet::new();
        while !*stop.borrow_and_update() {
            if let Err(error) = self.take_some(&mut under_way).await {
                tracing::warn!(hook = self.hook, %error, "messages to a web hook must wait");
            }
            tokio::select! {
                // With each that is done the next one of its user may be on.
                Some(_) = under_way.join_next() => {}
                () = tokio::time::sleep(PAUSE) => {}
                changed = stop.changed() => if changed.is_err() { break },
            }
        }
        while under_way.join_next().await.is_some() {}
    }

    /// Begins to send what is due, as much as may be under way at a time.
    async fn take_some(self: &Arc<Self>, under_way: &mut JoinSet<()>) -> Result<(), StoreError> {
        while under_way.try_join_next().is_some() {}
        let room = AT_ONCE.saturating_sub(u32::try_from(under_way.len()).unwrap_or(u32::MAX));
        let now = self.clock.now();
        let is_due = self.store.next_hook_message(&self.hook).await?.is_some_and(|due| due <= now);
        if room == 0 || !is_due {
            return Ok(());
        }
        for message in self.store.claim_hook_messages(&self.hook, now, now + LEASE, room).await? {
            let worker = Arc::clone(self);
            under_way.spawn(async move {
                let number = message.number;
                if let Err(error) = worker.send(message).await {
                    // The lease ends, and it is sent once more.
                    tracing::warn!(hook = worker.hook, number, %error,
                        "what came of a message to a web hook could not be written down");
                }
            });
        }
        Ok(())
    }

    async fn send(&self, claimed: ClaimedHookMessage) -> Result<(), StoreError> {
        let ClaimedHookMessage { number, id, event, data, created_at: at, .. } = &claimed;
        let message = Message { id, event, at: *at, data };
        let outcome = self.sender.send(message, self.clock.now()).await;
        let (hook, number, now) = (self.hook.as_str(), *number, self.clock.now());
        match outcome {
            Outcome::Taken => {
                self.store.hook_message_sent(number, now).await?;
                self.it_answers(now).await
            }
            Outcome::Gone => {
                self.store.hook_message_put_off(number, now, now, "it answers 410").await?;
                self.pause(now, "it answers 410: it wants no more messages").await
            }
            Outcome::NotTaken { reason, again_after } => {
                let since = claimed.tried_since.unwrap_or(now);
                if let Some(due) = next_try(since, now, claimed.tries, again_after) {
                    tracing::warn!(hook, number, %due, reason, "a web hook took no message");
                    return self.store.hook_message_put_off(number, now, due, &reason).await;
                }
                if self.store.hook_sent_since(hook, since).await? {
                    // It takes others: it is the message that it does not like.
                    tracing::error!(hook, number, reason, "a message to a web hook is given up");
                    return self.store.hook_message_given_up(number, now, &reason).await;
                }
                self.store.hook_message_put_off(number, now, now, &reason).await?;
                self.pause(now, &format!("it took nothing for three days; last: {reason}")).await
            }
        }
    }

    async fn pause(&self, now: Timestamp, reason: &str) -> Result<(), StoreError> {
        if self.store.pause_hook(&self.hook, now, reason).await? {
            tracing::error!(
                hook = self.hook,
                reason,
                "a web hook is paused; `countersign hook replay` lets it go on"
            );
        }
        Ok(())
    }

    /// After an outage nobody's message waits for the end of a pause that had grown.
    async fn it_answers(&self, now: Timestamp) -> Result<(), StoreError> {
        if self.last_taken.ends_an_outage(now) {
            self.store.hook_is_back(&self.hook, now).await?;
        }
        Ok(())
    }
}

/// When a message is due again that was tried so often before; never later than three days after
/// the first try.
fn next_try(
    since: Timestamp,
    now: Timestamp,
    tries: u32,
    again_after: Option<Duration>,
) -> Option<Timestamp> {
    let pause = *PAUSES.get(usize::try_from(tries).unwrap_or(usize::MAX)).unwrap_or(&LONGEST);
    let asked = again_after.and_then(|asked| i64::try_from(asked.as_secs()).ok()).unwrap_or(0);
    let due = now + SignedDuration::from_secs(pause.max(asked));
    (due.duration_since(since) <= SignedDuration::from_hours(72)).then_some(due)
}

/// How long a message that was taken is nobody else's: longer than it may take to send it.
const LEASE: SignedDuration = SignedDuration::from_secs(60);
/// How many are sent to a hook at a time.
const AT_ONCE: u32 = 8;
/// The longest time between two looks: a message that another node queued is due at once.
const PAUSE: Duration = Duration::from_secs(1);
/// In seconds, after the first try, the second, …
const PAUSES: [i64; 9] = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, LONGEST];
const LONGEST: i64 = 28_800;
/// What was refused while others were taken is not tried more often than its pauses say.
const OUTAGE_SECONDS: i64 = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end_after_three_days() {
        let since = Timestamp::UNIX_EPOCH;
        let (mut now, mut tries, mut pauses) = (since, 0, Vec::new());
        while let Some(due) = next_try(since, now, tries, None) {
            pauses.push(due.duration_since(now).as_secs());
            (now, tries) = (due, tries + 1);
        }
        assert_eq!(pauses[..4], [5, 30, 120, 600]);
        assert!(pauses.is_sorted());
        let hours = now.duration_since(since).as_hours();
        assert!((64..=72).contains(&hours), "{hours} hours");
    }

    #[test]
    fn who_has_seen_no_failure_ends_the_outage_that_others_have_seen() {
        let (last_taken, at) = (LastTaken::default(), Timestamp::constant(1_800_000_000, 0));
        let after = |seconds| last_taken.ends_an_outage(at + SignedDuration::from_secs(seconds));
        assert!(after(0), "the first one after a start");
        assert!(!after(1) && !after(60), "one after the other");
        assert!(after(120), "after a quiet minute");
    }

    #[test]
    fn a_hook_is_left_alone_for_as_long_as_it_asks() {
        let now = Timestamp::UNIX_EPOCH;
        let due = next_try(now, now, 0, Some(Duration::from_secs(90))).unwrap();
        assert_eq!(due.as_second(), 90);
        let due = next_try(now, now, 4, Some(Duration::from_secs(90))).unwrap();
        assert_eq!(due.as_second(), 1_800);
    }
}

//! The task that writes the audit log and the counts, many lines as one transaction.

use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use countersign::clock::Clock;
use countersign::store::admin::{AdminStore, AuditKind, AuditLine, Counted};
use countersign::user::UserId;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use super::{COUNTED, Recorder, hour};

/// The task that writes, to be ended with [`finish`](AuditTask::finish).
#[derive(Debug)]
pub(crate) struct AuditTask {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl AuditTask {
    /// Begins to write what the recorder takes in.
    pub(super) fn start(
        recorder: Recorder,
        store: Arc<dyn AdminStore>,
        clock: Arc<dyn Clock>,
        received: mpsc::Receiver<AuditLine>,
    ) -> Self {
        let (stop, stopped) = oneshot::channel();
        let writer = AuditWriter { store, recorder, clock, dedup: ThrottleDedup::default() };
        Self { stop, task: tokio::spawn(write(writer, received, stopped)) }
    }

    /// Writes what is left, and ends.
    pub(crate) async fn finish(self) {
        let _ = self.stop.send(());
        if tokio::time::timeout(FINISH_WITHIN, self.task).await.is_err() {
            tracing::error!("the audit log was not written to its end in time");
        }
    }
}

/// The state of the writing task.
struct AuditWriter {
    store: Arc<dyn AdminStore>,
    recorder: Recorder,
    clock: Arc<dyn Clock>,
    dedup: ThrottleDedup,
}

async fn write(
    mut writer: AuditWriter,
    mut received: mpsc::Receiver<AuditLine>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut ticks = tokio::time::interval(COUNTED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = received.recv_many(&mut batch, BATCH) => writer.lines(&mut batch).await,
            _ = ticks.tick() => { survives("counting what happened", writer.counts()).await; }
            _ = &mut stopped => break,
        }
    }
    received.close();
    while received.recv_many(&mut batch, BATCH).await > 0 {
        writer.lines(&mut batch).await;
    }
    survives("counting what happened", writer.counts()).await;
}

/// Whether the job came to its end. A panic fails the job, and the task that did it goes on.
pub(super) async fn survives(what: &'static str, job: impl Future<Output = ()>) -> bool {
    let survived = AssertUnwindSafe(job).catch_unwind().await.is_ok();
    if !survived {
        tracing::error!(what, "a job of the record panicked; it failed, and the next one is done");
    }
    survived
}

impl AuditWriter {
    async fn lines(&mut self, batch: &mut Vec<AuditLine>) {
        if !survives("writing the audit log", self.write_lines(batch)).await {
            tracing::error!(
                lines = batch.len(),
                "the audit log could not be written; lines are missing"
            );
            batch.clear();
        }
    }

    async fn write_lines(&mut self, batch: &mut Vec<AuditLine>) {
        batch.retain(|line| self.dedup.is_news(line));
        let dropped = self.recorder.0.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::error!(
                lines = dropped,
                "the audit log could not be written as fast as things happened; lines are missing"
            );
        }
        if batch.is_empty() {
            return;
        }
        #[cfg(test)]
        super::tests::fault_point("writing lines");
        let mut waited = Duration::ZERO;
        while let Err(error) = self.store.note(batch).await {
            if waited >= GIVE_UP_AFTER {
                tracing::error!(%error, lines = batch.len(), "the audit log could not be written; \
                    lines are missing");
                break;
            }
            tracing::warn!(%error, "the audit log could not be written; trying again");
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
            waited += TRY_AGAIN_AFTER;
        }
        batch.clear();
    }

    async fn counts(&self) {
        #[cfg(test)]
        super::tests::fault_point("counting");
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let counts = COUNTED
            .iter()
            .zip(&self.recorder.0.counted)
            .map(|(what, counter)| (*what, take(counter)));
        let counts: Vec<(Counted, u64)> = counts.filter(|(_, n)| *n > 0).collect();
        if counts.is_empty() {
            return;
        }
        if let Err(error) = self.store.count(hour(self.clock.now()), &counts).await {
            tracing::warn!(%error, "what happened could not be counted; trying again");
            for (what, n) in counts {
                if let Some(i) = COUNTED.iter().position(|counted| *counted == what) {
                    self.recorder.0.counted[i].fetch_add(n, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Lets one line a minute through of the logins that are throttled: a guesser must not fill the
/// disk.
#[derive(Debug, Default)]
struct ThrottleDedup(HashMap<(Option<UserId>, Option<IpAddr>), Timestamp>);

impl ThrottleDedup {
    fn is_news(&mut self, line: &AuditLine) -> bool {
        if line.kind != AuditKind::LoginThrottled {
            return true;
        }
        let now = line.at;
        // A clock that was set back must not silence anything for longer.
        let is_recent = |at: &Timestamp| now.duration_since(*at).abs() < THROTTLED_EVERY;
        if self.0.get(&(line.user, line.ip)).is_some_and(is_recent) {
            return false;
        }
        if self.0.len() >= THROTTLED_REMEMBERED {
            self.0.retain(|_, at| is_recent(at));
            if self.0.len() >= THROTTLED_REMEMBERED {
                self.0.clear();
            }
        }
        self.0.insert((line.user, line.ip), now);
        true
    }
}

/// Lines of one transaction.
const BATCH: usize = 512;

const COUNTED_EVERY: Duration = Duration::from_secs(2);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
const FINISH_WITHIN: Duration = Duration::from_secs(15);
const THROTTLED_EVERY: SignedDuration = SignedDuration::from_secs(60);
const THROTTLED_REMEMBERED: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(kind: AuditKind, last: u8) -> AuditLine {
        let at = Timestamp::UNIX_EPOCH;
        AuditLine {
            at,
            kind,
            actor: None,
            user: None,
            session: None,
            ip: Some(IpAddr::from([192, 0, 2, last])),
            detail: String::new(),
        }
    }

    #[test]
    fn of_throttled_logins_one_line_a_minute_is_kept_for_each_address() {
        let mut dedup = ThrottleDedup::default();
        assert!(dedup.is_news(&line(AuditKind::LoginThrottled, 1)));
        assert!(!dedup.is_news(&line(AuditKind::LoginThrottled, 1)));
        assert!(dedup.is_news(&line(AuditKind::LoginThrottled, 2)));
        assert!(dedup.is_news(&line(AuditKind::LoginFailed, 1)), "failures are all kept");
        assert!(dedup.is_news(&line(AuditKind::LoginFailed, 1)));
        let later = |seconds| AuditLine {
            at: Timestamp::from_second(seconds).unwrap(),
            ..line(AuditKind::LoginThrottled, 1)
        };
        assert!(!dedup.is_news(&later(59)) && dedup.is_news(&later(60)), "after a minute the next");
        assert!(dedup.is_news(&later(-60)), "of a clock that was set back too");
    }
}

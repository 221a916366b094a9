//! The record: what happens is counted by the hour and written into the audit log, behind the
//! requests' backs.
//!
//! A request leaves a line in a queue of bounded length, or adds one to a counter, and goes on. One
//! task writes what is there, many lines as one transaction. A full queue takes no line: it is
//! counted, and the server's log says so.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use countersign::clock::{Clock, SystemClock};
use countersign::events::{Event, Events};
use countersign::store::StoreError;
use countersign::store::admin::{AdminStore, AuditKind, AuditLine, Counted, Who};
use countersign::user::UserId;
use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// Takes in what happens. Copies take it in together.
#[derive(Debug, Clone)]
pub(crate) struct Recorder(Arc<Inner>);

/// How long things last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lasting {
    /// Lines of the audit log; zero for ever.
    pub(crate) audit_keep: Duration,
    /// A session without a refresh.
    pub(crate) session_idle: Duration,
}

#[derive(Debug)]
struct Inner {
    lines: mpsc::Sender<AuditLine>,
    dropped: AtomicU64,
    counted: [AtomicU64; COUNTED.len()],
}

/// The task that writes, to be ended with [`finish`](Writer::finish).
#[derive(Debug)]
pub(crate) struct Writer {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// A recorder that writes into this store, and forgets what is too old.
    pub(crate) fn start(store: Arc<dyn AdminStore>, lasting: Lasting) -> (Self, Writer) {
        let (lines, received) = mpsc::channel(QUEUE);
        let recorder = Self(Arc::new(Inner {
            lines,
            dropped: AtomicU64::new(0),
            counted: Default::default(),
        }));
        let (stop, stopped) = oneshot::channel();
        let pen = Pen {
            store: Arc::clone(&store),
            recorder: recorder.clone(),
            put_off: PutOff::default(),
        };
        let task = tokio::spawn(write(pen, received, stopped));
        tokio::spawn(keep_house(Arc::downgrade(&recorder.0), store, lasting));
        (recorder, Writer { stop, task })
    }

    /// Leaves a line to be written.
    pub(crate) fn note(&self, line: AuditLine) {
        if self.0.lines.try_send(line).is_err() {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count(&self, what: Counted) {
        if let Some(i) = COUNTED.iter().position(|counted| *counted == what) {
            self.0.counted[i].fetch_add(1, Ordering::Relaxed);
        }
    }

    fn line(&self, kind: AuditKind, event: &Event<'_>, detail: String) {
        // Of a failed login nobody can say who it was.
        let actor = if matches!(kind, AuditKind::LoginFailed | AuditKind::LoginThrottled) {
            None
        } else {
            event.user.map(Who::User)
        };
        self.note(AuditLine {
            at: event.at,
            kind,
            actor,
            user: event.user,
            session: event.session,
            ip: Some(event.ip),
            detail,
        });
    }
}

impl Writer {
    /// Writes what is left, and ends.
    pub(crate) async fn finish(self) {
        let _ = self.stop.send(());
        if tokio::time::timeout(FINISH_WITHIN, self.task).await.is_err() {
            tracing::error!("the audit log was not written to its end in time");
        }
    }
}

impl Events for Recorder {
    fn on_login(&self, event: &Event<'_>) {
        self.count(Counted::Login);
        self.line(AuditKind::Login, event, event.user_agent.to_owned());
    }

    fn on_login_failed(&self, event: &Event<'_>, _: &str) {
        self.count(Counted::LoginFailed);
        // What was typed as the name may be a password.
        let detail = if event.user.is_none() { "no such user" } else { "" };
        self.line(AuditKind::LoginFailed, event, detail.to_owned());
    }

    fn on_throttled(&self, event: &Event<'_>) {
        self.line(AuditKind::LoginThrottled, event, String::new());
    }

    fn on_refresh(&self, _: &Event<'_>) {
        self.count(Counted::Refresh);
    }

    fn on_logout(&self, event: &Event<'_>) {
        self.line(AuditKind::Logout, event, String::new());
    }

    fn on_logout_all(&self, event: &Event<'_>) {
        self.line(AuditKind::LogoutAll, event, String::new());
    }

    fn on_theft(&self, _: &Event<'_>) {
        // The line itself is in the same transaction as the session's end.
        self.count(Counted::Theft);
    }

    fn on_password_changed(&self, event: &Event<'_>) {
        self.line(AuditKind::PasswordChanged, event, String::new());
    }
}

/// What the writing task works with.
struct Pen {
    store: Arc<dyn AdminStore>,
    recorder: Recorder,
    put_off: PutOff,
}

async fn write(
    mut pen: Pen,
    mut received: mpsc::Receiver<AuditLine>,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    let mut ticks = tokio::time::interval(COUNTED_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = received.recv_many(&mut batch, BATCH) => pen.lines(&mut batch).await,
            _ = ticks.tick() => { survives("counting what happened", pen.counts()).await; }
            _ = &mut stopped => break,
        }
    }
    received.close();
    while received.recv_many(&mut batch, BATCH).await > 0 {
        pen.lines(&mut batch).await;
    }
    survives("counting what happened", pen.counts()).await;
}

/// Whether the job came to its end. A panic fails the job, and the task that did it goes on.
async fn survives(what: &'static str, job: impl Future<Output = ()>) -> bool {
    let survived = AssertUnwindSafe(job).catch_unwind().await.is_ok();
    if !survived {
        tracing::error!(what, "a job of the record panicked; it failed, and the next one is done");
    }
    survived
}

impl Pen {
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
        batch.retain(|line| self.put_off.is_news(line));
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
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        let counts = COUNTED
            .iter()
            .zip(&self.recorder.0.counted)
            .map(|(what, counter)| (*what, take(counter)));
        let counts: Vec<(Counted, u64)> = counts.filter(|(_, n)| *n > 0).collect();
        if counts.is_empty() {
            return;
        }
        if let Err(error) = self.store.count(hour(SystemClock.now()), &counts).await {
            tracing::warn!(%error, "what happened could not be counted; trying again");
            for (what, n) in counts {
                if let Some(i) = COUNTED.iter().position(|counted| *counted == what) {
                    self.recorder.0.counted[i].fetch_add(n, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Logins that were put off, of which one line a minute says enough: whoever guesses must not fill
/// the disk.
#[derive(Debug, Default)]
struct PutOff(std::collections::HashMap<(Option<UserId>, Option<IpAddr>), Instant>);

impl PutOff {
    fn is_news(&mut self, line: &AuditLine) -> bool {
        if line.kind != AuditKind::LoginThrottled {
            return true;
        }
        let now = Instant::now();
        let is_recent = |at: &Instant| now.duration_since(*at) < PUT_OFF_TOLD_EVERY;
        if self.0.get(&(line.user, line.ip)).is_some_and(is_recent) {
            return false;
        }
        if self.0.len() >= PUT_OFF_REMEMBERED {
            self.0.retain(|_, at| is_recent(at));
            if self.0.len() >= PUT_OFF_REMEMBERED {
                self.0.clear();
            }
        }
        self.0.insert((line.user, line.ip), now);
        true
    }
}

/// Tells how many sessions are live, and forgets lines that are too old, in small steps.
async fn keep_house(
    recorder: std::sync::Weak<Inner>,
    store: Arc<dyn AdminStore>,
    lasting: Lasting,
) {
    let mut ticks = tokio::time::interval(KEEP_HOUSE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if recorder.strong_count() == 0 {
            return;
        }
        survives("keeping the record's house", tidy(&*store, lasting)).await;
    }
}

async fn tidy(store: &dyn AdminStore, lasting: Lasting) {
    let now = SystemClock.now();
    if let Err(error) = count_live(store, lasting.session_idle, now).await {
        tracing::warn!(%error, "live sessions could not be counted");
    }
    if let Err(error) = forget(store, lasting.audit_keep, now).await {
        tracing::warn!(%error, "old lines of the audit log could not be forgotten");
    }
}

async fn count_live(
    store: &dyn AdminStore,
    idle: Duration,
    now: Timestamp,
) -> Result<(), StoreError> {
    let used_since = SignedDuration::try_from(idle)
        .ok()
        .and_then(|idle| now.checked_sub(idle).ok())
        .unwrap_or(Timestamp::MIN);
    let live = store.count_live_sessions(used_since, now).await?;
    store.count(hour(now), &[(Counted::ActiveSessions, live)]).await
}

async fn forget(store: &dyn AdminStore, keep: Duration, now: Timestamp) -> Result<(), StoreError> {
    let Ok(keep) = SignedDuration::try_from(keep) else { return Ok(()) };
    if keep.is_zero() {
        return Ok(());
    }
    let Ok(before) = now.checked_sub(keep) else { return Ok(()) };
    while store.forget_audit(before, FORGOTTEN_AT_ONCE).await? >= u64::from(FORGOTTEN_AT_ONCE) {
        // Logins wait for the same pen.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// The beginning of the hour, in UTC.
pub(crate) fn hour(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(3_600) * 3_600).unwrap_or(at)
}

/// What is counted as it happens; live sessions are asked for.
const COUNTED: [Counted; 4] =
    [Counted::Login, Counted::LoginFailed, Counted::Refresh, Counted::Theft];

/// Lines that may wait to be written: some megabytes.
const QUEUE: usize = 8_192;

/// Lines of one transaction.
const BATCH: usize = 512;

const COUNTED_EVERY: Duration = Duration::from_secs(2);
const KEEP_HOUSE_EVERY: Duration = Duration::from_secs(10 * 60);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);
const GIVE_UP_AFTER: Duration = Duration::from_secs(10);
const FINISH_WITHIN: Duration = Duration::from_secs(15);
const FORGOTTEN_AT_ONCE: u32 = 500;
const PUT_OFF_TOLD_EVERY: Duration = Duration::from_secs(60);
const PUT_OFF_REMEMBERED: usize = 10_000;

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
    fn of_logins_put_off_one_line_a_minute_is_kept_for_each_address() {
        let mut put_off = PutOff::default();
        assert!(put_off.is_news(&line(AuditKind::LoginThrottled, 1)));
        assert!(!put_off.is_news(&line(AuditKind::LoginThrottled, 1)));
        assert!(put_off.is_news(&line(AuditKind::LoginThrottled, 2)));
        assert!(put_off.is_news(&line(AuditKind::LoginFailed, 1)), "failures are all kept");
        assert!(put_off.is_news(&line(AuditKind::LoginFailed, 1)));
    }

    #[test]
    fn an_hour_begins_on_the_hour() {
        let at: Timestamp = "2026-11-24T03:59:59.9Z".parse().unwrap();
        assert_eq!(hour(at).to_string(), "2026-11-24T03:00:00Z");
    }
}

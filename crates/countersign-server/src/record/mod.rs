//! The record: what happens is counted by the hour and written into the audit log, behind the
//! requests' backs.
//!
//! A request leaves a line in a queue of bounded length, or adds one to a counter, and goes on. One
//! task writes what is there, many lines as one transaction. A full queue takes no line: it is
//! counted, and the server's log says so.

mod retention;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign::clock::Clock;
use countersign::events::{Event, Events};
use countersign::session::device::Unproved;
use countersign::sign_in::FactorKind;
use countersign::store::admin::{AdminStore, AuditKind, AuditLine, Counted, Who};
use jiff::Timestamp;
use tokio::sync::mpsc;

pub(crate) use retention::Retention;
pub(crate) use writer::AuditTask;

/// Takes in what happens. Copies take it in together.
#[derive(Debug, Clone)]
pub(crate) struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lines: mpsc::Sender<AuditLine>,
    dropped: AtomicU64,
    counted: [AtomicU64; COUNTED.len()],
}

impl Recorder {
    /// A recorder that writes into this store, and forgets what is too old.
    pub(crate) fn start(
        store: Arc<dyn AdminStore>,
        clock: Arc<dyn Clock>,
        retention: Retention,
    ) -> (Self, AuditTask) {
        let (lines, received) = mpsc::channel(QUEUE);
        let recorder = Self(Arc::new(Inner {
            lines,
            dropped: AtomicU64::new(0),
            counted: Default::default(),
        }));
        let upkeep = retention::maintain(
            Arc::downgrade(&recorder.0),
            Arc::clone(&store),
            Arc::clone(&clock),
            retention,
        );
        tokio::spawn(upkeep);
        let task = AuditTask::start(recorder.clone(), store, clock, received);
        (recorder, task)
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
        // Nobody can say whose login it was that failed.
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

impl Events for Recorder {
    fn on_login(&self, event: &Event<'_>) {
        self.count(Counted::Login);
        self.line(AuditKind::Login, event, event.user_agent.to_owned());
    }

    fn on_login_failed(&self, event: &Event<'_>, _: &str) {
        self.count(Counted::LoginFailed);
        // The text that was typed as the name may be a password.
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

    fn on_device_bound(&self, _: &Event<'_>) {
        self.count(Counted::DeviceBound);
    }

    fn on_unproved(&self, _: &Event<'_>, why: Unproved, is_refused: bool) {
        // The others are put off for seconds, and go on.
        if why == Unproved::Missing {
            self.count(if is_refused { Counted::UnprovedRefused } else { Counted::UnprovedLetIn });
        }
    }

    fn on_password_changed(&self, event: &Event<'_>) {
        self.line(AuditKind::PasswordChanged, event, String::new());
    }

    fn on_registered(&self, event: &Event<'_>) {
        self.line(AuditKind::Registered, event, String::new());
    }

    fn on_email_verified(&self, event: &Event<'_>) {
        self.line(AuditKind::EmailVerified, event, String::new());
    }

    fn on_factor_added(&self, event: &Event<'_>, kind: FactorKind) {
        self.line(AuditKind::FactorAdded, event, kind.to_string());
    }

    fn on_factor_removed(&self, event: &Event<'_>, kind: FactorKind) {
        self.line(AuditKind::FactorRemoved, event, kind.to_string());
    }

    fn on_passkey_copied(&self, event: &Event<'_>) {
        self.line(AuditKind::PasskeyCopied, event, String::new());
    }

    fn on_recovery_code_used(&self, event: &Event<'_>) {
        self.line(AuditKind::RecoveryCodeUsed, event, String::new());
    }

    fn on_recovery_codes_made(&self, event: &Event<'_>) {
        self.line(AuditKind::RecoveryCodesMade, event, String::new());
    }
}

/// The beginning of the hour, in UTC.
pub(crate) fn hour(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(3_600) * 3_600).unwrap_or(at)
}

/// The events that are counted as they happen; live sessions are asked for.
const COUNTED: [Counted; 7] = [
    Counted::Login,
    Counted::LoginFailed,
    Counted::Refresh,
    Counted::Theft,
    Counted::DeviceBound,
    Counted::UnprovedLetIn,
    Counted::UnprovedRefused,
];

/// Lines that may wait to be written: some megabytes.
const QUEUE: usize = 8_192;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use countersign::clock::SystemClock;
    use countersign::store::admin::{ActivityLog, AuditLog, AuditSearch};
    use countersign::store::sqlite::SqliteStore;

    use super::*;

    thread_local! {
        static FAULTS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
    }

    /// Panics where a test of this thread wants it, once.
    pub(super) fn fault_point(place: &'static str) {
        let wanted = FAULTS.with_borrow_mut(|faults| {
            let at = faults.iter().position(|fault| *fault == place);
            at.map(|at| faults.remove(at))
        });
        assert!(wanted.is_none(), "on purpose, while {place}");
    }

    fn line(kind: AuditKind) -> AuditLine {
        AuditLine {
            at: Timestamp::UNIX_EPOCH,
            kind,
            actor: None,
            user: None,
            session: None,
            ip: None,
            detail: String::new(),
        }
    }

    /// Until each place has panicked. Some are reached when the store has answered.
    async fn all_have_panicked() {
        while FAULTS.with_borrow(|faults| !faults.is_empty()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn a_panic_in_one_job_of_the_record_fails_that_job_and_no_other() {
        FAULTS.set(vec!["writing lines", "counting", "maintaining"]);
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&directory.path().join("db")).unwrap());
        let retention =
            Retention { audit_keep: Duration::ZERO, session_idle: Duration::from_secs(60) };
        let (recorder, writer) = Recorder::start(store.clone(), Arc::new(SystemClock), retention);
        recorder.note(line(AuditKind::Login));
        let panicked = tokio::time::timeout(Duration::from_secs(60), all_have_panicked()).await;
        assert!(panicked.is_ok(), "not yet: {:?}", FAULTS.take());
        recorder.note(line(AuditKind::Logout));
        recorder.count(Counted::Theft);
        writer.finish().await;
        let asked = AuditSearch { limit: 10, ..AuditSearch::default() };
        let written = store.audit(&asked).await.unwrap().rows;
        let kinds: Vec<_> = written.iter().map(|row| row.line.kind).collect();
        assert_eq!(kinds, [AuditKind::Logout]);
        let counts = store.counts(Timestamp::UNIX_EPOCH).await.unwrap();
        assert!(counts.iter().any(|(_, what, n)| (*what, *n) == (Counted::Theft, 1)), "{counts:?}");
    }

    #[test]
    fn an_hour_begins_on_the_hour() {
        let at: Timestamp = "2026-11-24T03:59:59.9Z".parse().unwrap();
        assert_eq!(hour(at).to_string(), "2026-11-24T03:00:00Z");
    }
}

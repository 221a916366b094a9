//! The record's own upkeep: it counts the live sessions, and forgets lines that are too old.

use std::sync::{Arc, Weak};
use std::time::Duration;

use countersign::clock::Clock;
use countersign::store::StoreError;
use countersign::store::admin::{AdminStore, Counted};
use jiff::{SignedDuration, Timestamp};
use tokio::time::MissedTickBehavior;

use super::writer::survives;
use super::{Inner, hour};

/// How long things are kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Retention {
    /// Lines of the audit log; zero for ever.
    pub(crate) audit_keep: Duration,
    /// A session without a refresh.
    pub(crate) session_idle: Duration,
}

/// Counts the live sessions, and forgets lines that are too old, in small steps, as long as the
/// recorder is there.
pub(super) async fn maintain(
    recorder: Weak<Inner>,
    store: Arc<dyn AdminStore>,
    clock: Arc<dyn Clock>,
    retention: Retention,
) {
    let mut ticks = tokio::time::interval(MAINTAIN_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if recorder.strong_count() == 0 {
            return;
        }
        survives("maintaining the record", maintain_once(&*store, clock.now(), retention)).await;
    }
}

async fn maintain_once(store: &dyn AdminStore, now: Timestamp, retention: Retention) {
    #[cfg(test)]
    super::tests::fault_point("maintaining");
    if let Err(error) = count_live(store, retention.session_idle, now).await {
        tracing::warn!(%error, "live sessions could not be counted");
    }
    if let Err(error) = forget(store, retention.audit_keep, now).await {
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

/// Lines go that are old by this clock and by the store's idea of the time: no clock of one node
/// takes the log away.
async fn forget(store: &dyn AdminStore, keep: Duration, now: Timestamp) -> Result<(), StoreError> {
    let Ok(keep) = SignedDuration::try_from(keep) else { return Ok(()) };
    if keep.is_zero() {
        return Ok(());
    }
    let early = now.min(store.agree_on_time(now, Duration::ZERO).await?);
    let Ok(before) = early.checked_sub(keep) else { return Ok(()) };
    while store.forget_audit(before, FORGOTTEN_AT_ONCE).await? >= u64::from(FORGOTTEN_AT_ONCE) {
        // Logins wait for the same writer of the database.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

const MAINTAIN_EVERY: Duration = Duration::from_secs(10 * 60);
const FORGOTTEN_AT_ONCE: u32 = 500;

#[cfg(test)]
mod tests {
    use countersign::store::Upkeep;
    use countersign::store::admin::{AuditKind, AuditLine, AuditLog, AuditSearch};
    use countersign::store::sqlite::SqliteStore;

    use super::*;

    #[tokio::test]
    async fn a_clock_that_is_years_ahead_forgets_no_line_of_the_audit_log() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("db")).unwrap();
        let right: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let (day, keep) = (Duration::from_secs(24 * 60 * 60), Duration::from_secs(60 * 60));
        let line = AuditLine {
            at: right,
            kind: AuditKind::Login,
            actor: None,
            user: None,
            session: None,
            ip: None,
            detail: String::new(),
        };
        store.note(&[line]).await.unwrap();
        let lines = async || {
            let asked = AuditSearch { limit: 10, ..AuditSearch::default() };
            store.audit(&asked).await.unwrap().rows.len()
        };
        store.agree_on_time(right, Duration::ZERO).await.unwrap();

        forget(&store, keep, right + 1_000 * day).await.unwrap();
        assert_eq!(lines().await, 1, "the other nodes' clocks say that it is new");
        store.agree_on_time(right + day, day).await.unwrap();
        forget(&store, keep, right).await.unwrap();
        assert_eq!(lines().await, 1, "and this one's");
        forget(&store, keep, right + day).await.unwrap();
        assert_eq!(lines().await, 0);
    }
}

//! What a connection is doing: whether it waits for its client, and for how long.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

/// One connection's. Its own task writes, others read.
#[derive(Debug)]
pub(super) struct Activity {
    opened: Instant,
    /// Milliseconds from the opening to when it began to wait for a request, or [`NEVER`] while one
    /// is at work.
    waiting_since: AtomicU64,
    /// Milliseconds from the opening to when the client last took something of an answer that is
    /// more than it takes at once, or [`NEVER`].
    blocked_since: AtomicU64,
    has_body: AtomicBool,
    hurried: AtomicBool,
}

impl Activity {
    /// Of a connection that was opened now, and waits for its first request.
    pub(super) fn new() -> Self {
        Self {
            opened: Instant::now(),
            waiting_since: AtomicU64::new(0),
            blocked_since: AtomicU64::new(NEVER),
            has_body: AtomicBool::new(false),
            hurried: AtomicBool::new(false),
        }
    }

    /// A request has come, with a body or without.
    pub(super) fn works(&self, has_body: bool) {
        self.waiting_since.store(NEVER, Ordering::Relaxed);
        self.has_body.store(has_body, Ordering::Relaxed);
    }

    /// Whether the last request that came has a body.
    pub(super) fn has_body(&self) -> bool {
        self.has_body.load(Ordering::Relaxed)
    }

    /// It was answered.
    pub(super) fn waits_from(&self, moment: Instant) {
        self.waiting_since.store(self.millis(moment), Ordering::Relaxed);
    }

    /// Something was written, or could not be. The clock is read for answers alone that the client
    /// does not take at once.
    pub(super) fn wrote<T>(&self, written: &Poll<T>) {
        let was_blocked = self.blocked_since.load(Ordering::Relaxed) != NEVER;
        match written {
            Poll::Ready(_) if was_blocked => {
                // An answer that is being read is not idle: waiting begins anew with each part that
                // is taken.
                self.blocked_since.store(NEVER, Ordering::Relaxed);
                if self.waiting_since.load(Ordering::Relaxed) != NEVER {
                    self.waits_from(Instant::now());
                }
            }
            Poll::Pending if !was_blocked => {
                self.blocked_since.store(self.millis(Instant::now()), Ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// The server is stopping: the client is not waited for as long as usual.
    pub(super) fn hurries(&self) {
        self.hurried.store(true, Ordering::Relaxed);
    }

    /// Whether the server is stopping.
    pub(super) fn is_hurried(&self) -> bool {
        self.hurried.load(Ordering::Relaxed)
    }

    /// How long the server has waited for the client: for a request's head, or for it to go on
    /// reading its answer. `None` while the server is at work.
    pub(super) fn idle(&self) -> Option<Duration> {
        self.waiting().or_else(|| self.since(&self.blocked_since))
    }

    /// How long the connection has been waiting for a request's head; `None` while a request is at
    /// work.
    pub(super) fn waiting(&self) -> Option<Duration> {
        self.since(&self.waiting_since)
    }

    fn since(&self, moment: &AtomicU64) -> Option<Duration> {
        match moment.load(Ordering::Relaxed) {
            NEVER => None,
            since => Some(self.opened.elapsed().saturating_sub(Duration::from_millis(since))),
        }
    }

    fn millis(&self, moment: Instant) -> u64 {
        u64::try_from(moment.duration_since(self.opened).as_millis()).unwrap_or(0)
    }
}

const NEVER: u64 = u64::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_at_work_is_not_idle_unless_its_client_does_not_read() {
        let activity = Activity::new();
        assert!(activity.idle().is_some() && activity.waiting().is_some());
        activity.works(false);
        assert!(activity.idle().is_none());
        activity.wrote(&Poll::<()>::Pending);
        assert!(activity.idle().is_some() && activity.waiting().is_none());
        activity.wrote(&Poll::Ready(()));
        assert!(activity.idle().is_none());
        activity.waits_from(Instant::now());
        assert!(activity.waiting().is_some());
    }
}

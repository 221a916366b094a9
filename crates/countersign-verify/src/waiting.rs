//! Who waits for the end of a session.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use crate::session_id::SessionId;

/// Those who wait, by session. An ending wakes those of its session, and nobody else.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<HashMap<SessionId, Bell>>);

#[derive(Debug, Default)]
struct Bell {
    bell: Arc<Notify>,
    /// How many wait for it to ring.
    many: usize,
}

impl Waiting {
    /// Begins to wait: whatever ends from here on is heard of.
    pub(crate) fn begin(self: &Arc<Self>, session: SessionId) -> Ended {
        let mut bells = self.bells();
        let Bell { bell, many } = bells.entry(session).or_default();
        *many += 1;
        let (bell, ring) = (Arc::clone(bell), Arc::clone(bell).notified_owned());
        drop(bells);
        let place = Place { waiting: Arc::clone(self), session, bell };
        Ended(When::Rings((Box::pin(ring), place)))
    }

    /// These sessions have ended.
    pub(crate) fn end(&self, sessions: impl IntoIterator<Item = SessionId>) {
        let mut bells = self.bells();
        if bells.is_empty() {
            return;
        }
        for session in sessions {
            if let Some(Bell { bell, .. }) = bells.remove(&session) {
                bell.notify_waiters();
            }
        }
    }

    /// Which have ended cannot be told: all who wait are woken.
    pub(crate) fn end_all(&self) {
        for (_, Bell { bell, .. }) in self.bells().drain() {
            bell.notify_waiters();
        }
    }

    fn bells(&self) -> MutexGuard<'_, HashMap<SessionId, Bell>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.bells().len()
    }
}

/// Ready when a session has ended: what is streamed to its user should end then.
///
/// ```
/// use countersign_verify::{Revocations, SessionId};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let (sessions, id) = (Revocations::default(), SessionId::new(7).unwrap());
/// let ended = sessions.ended(id);
/// sessions.insert(id, 1_000);
/// ended.await;
/// # });
/// ```
pub struct Ended(When);

enum When {
    Now,
    Never,
    Rings((Pin<Box<OwnedNotified>>, Place)),
}

impl Ended {
    /// Ready at once.
    pub(crate) const fn now() -> Self {
        Self(When::Now)
    }

    /// Never ready.
    pub(crate) const fn never() -> Self {
        Self(When::Never)
    }
}

impl Future for Ended {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            When::Now => Poll::Ready(()),
            When::Never => Poll::Pending,
            When::Rings((ring, _)) => ring.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ended(..)")
    }
}

/// A place among those who wait, which goes with whoever has it.
struct Place {
    waiting: Arc<Waiting>,
    session: SessionId,
    bell: Arc<Notify>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut bells = self.waiting.bells();
        let Entry::Occupied(mut own) = bells.entry(self.session) else { return };
        // After it has rung there may be another bell for those who came later.
        if !Arc::ptr_eq(&own.get().bell, &self.bell) {
            return;
        }
        own.get_mut().many -= 1;
        if own.get().many == 0 {
            own.remove();
        }
    }
}

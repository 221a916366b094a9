use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use countersign_verify::Recent;

use super::{CachedUser, UserId};

/// Users as they were last read, so that an authenticated request touches no database.
///
/// Bounded; forgetting comes through the store's feed of changes. Asking takes no lock that others
/// wait on, and writes nothing that others read.
pub(crate) struct UserCache {
    users: Recent<UserId, Arc<CachedUser>>,
    /// Counts the changes, so that a row read before a change is not kept after it.
    changes: AtomicU64,
    /// Held while the count and the rows must not part.
    writer: Mutex<()>,
}

impl UserCache {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { users: Recent::new(capacity), changes: AtomicU64::new(0), writer: Mutex::new(()) }
    }

    pub(crate) fn get(&self, id: UserId) -> Option<Arc<CachedUser>> {
        self.users.get(&id)
    }

    /// A number that every change of any user makes larger. To be asked before a row is read, and
    /// given back to [`keep`](Self::keep) with it.
    pub(crate) fn moment(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// Keeps a row that was read at `moment`, unless something changed since.
    pub(crate) fn keep(&self, user: Arc<CachedUser>, moment: u64) {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if self.moment() == moment {
            self.users.insert(user.id(), user);
        }
    }

    pub(crate) fn forget(&self, id: UserId) {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Gone before it is counted: whoever still found it asked for the moment before that, and
        // what hangs on that moment counts no more.
        self.users.remove(&id);
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn forget_all(&self) {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.users.clear();
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn len(&self) -> usize {
        self.users.len()
    }
}

impl std::fmt::Debug for UserCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserCache").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::User;

    #[test]
    fn a_row_read_before_a_change_is_not_kept_after_it() {
        let cache = UserCache::new(10);
        let user = Arc::new(CachedUser::new(User::for_tests(1)));
        let before = cache.moment();
        cache.forget(user.id());
        cache.keep(Arc::clone(&user), before);
        assert!(cache.get(user.id()).is_none());
        cache.keep(Arc::clone(&user), cache.moment());
        assert!(cache.get(user.id()).is_some());
        cache.forget_all();
        assert!(cache.get(user.id()).is_none());
    }
}

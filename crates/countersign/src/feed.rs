//! The feed of changes, as this process follows it: what makes a logout, a deactivation or a new key felt at once here, and soon everywhere else.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::session::SessionId;
use crate::store::Cursor;

/// Where this process stands in the feed, and which sessions ended lately.
#[derive(Debug)]
pub(crate) struct Feed {
    position: tokio::sync::Mutex<Cursor>,
    ended: Mutex<Ended>,
}

/// The sessions that ended within the last access-token lifetime, in the order of the feed.
#[derive(Debug, Default)]
pub(crate) struct Ended {
    pub(crate) newest: Cursor,
    /// Everything after this is still known.
    pub(crate) complete_after: Cursor,
    pub(crate) sessions: VecDeque<(Cursor, u64, SessionId)>,
}

impl Feed {
    pub(crate) fn starting_at(cursor: Cursor) -> Self {
        let ended = Ended { newest: cursor, complete_after: cursor, sessions: VecDeque::new() };
        Self { position: tokio::sync::Mutex::new(cursor), ended: Mutex::new(ended) }
    }

    /// The right to read on, one reader at a time, so that changes are taken in order and once.
    pub(crate) async fn read_on(&self) -> tokio::sync::MutexGuard<'_, Cursor> {
        self.position.lock().await
    }

    /// Notes that a session ended at `at`, in whole seconds since 1970.
    pub(crate) fn note_ended(&self, cursor: Cursor, at: u64, session: SessionId) {
        let mut ended = self.ended();
        ended.sessions.push_back((cursor, at, session));
        ended.newest = cursor;
    }

    /// Forgets the sessions that ended before `at`, in whole seconds since 1970.
    pub(crate) fn forget_before(&self, at: u64) {
        let mut ended = self.ended();
        while let Some((cursor, when, _)) = ended.sessions.front().copied()
            && when < at
        {
            ended.sessions.pop_front();
            ended.complete_after = cursor;
        }
    }

    pub(crate) fn ended(&self) -> std::sync::MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

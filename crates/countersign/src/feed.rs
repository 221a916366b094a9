//! The feed of changes, as this process follows it: what makes a logout, a deactivation or a new key felt at once here, and soon everywhere else.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::auth::Auth;
use crate::session::SessionId;
use crate::store::{Change, Cursor, StoreError, What};

/// Where this process stands in the feed, and which sessions ended lately.
#[derive(Debug)]
pub(crate) struct Feed {
    /// Held while reading, so that changes are taken in order and once.
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

    /// Takes in everything that is new. What a flow has just changed in the store holds in this process when this returns.
    pub(crate) async fn catch_up(&self, auth: &Auth) -> Result<(), StoreError> {
        let mut position = self.position.lock().await;
        loop {
            let changes = auth.store.changes(*position, PAGE).await?;
            for change in &changes {
                self.take(auth, change).await?;
                *position = change.cursor;
            }
            if changes.len() < PAGE as usize {
                return Ok(());
            }
        }
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

    async fn take(&self, auth: &Auth, change: &Change) -> Result<(), StoreError> {
        match change.what {
            What::SessionEnded(id) => {
                let at = u64::try_from(change.at.as_second()).unwrap_or(0);
                auth.revocations.insert(id, at);
                let mut ended = self.ended();
                ended.sessions.push_back((change.cursor, at, id));
                ended.newest = change.cursor;
            }
            What::UserChanged(id) => auth.users.forget(id),
            What::AllUsersChanged => auth.users.forget_all(),
            What::KeysChanged => auth.load_keys().await?,
        }
        Ok(())
    }
}

const PAGE: u32 = 1000;

//! The feed of changes, as this process follows it: what makes a logout, a deactivation or a new key felt at once here, and soon everywhere else.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::session::SessionId;
use crate::store::{Change, Cursor};

/// Where this process stands in the feed, and which sessions ended lately.
#[derive(Debug)]
pub(crate) struct Feed {
    reader: tokio::sync::Mutex<Reader>,
    ended: Mutex<Ended>,
}

/// How far the store's feed has been read.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) position: Cursor,
    /// Changes that were taken and come again, because they are not settled yet.
    unsettled: HashSet<i64>,
}

impl Reader {
    /// Whether a change has not been taken yet.
    pub(crate) fn is_news(&mut self, change: &Change) -> bool {
        let is_known = self.unsettled.contains(&change.number);
        if is_known {
            self.took(change);
        }
        !is_known
    }

    /// Notes that a change has been taken.
    pub(crate) fn took(&mut self, change: &Change) {
        self.position = change.cursor;
        if change.settled {
            self.unsettled.remove(&change.number);
        } else {
            self.unsettled.insert(change.number);
        }
    }
}

/// The sessions that ended within the last access-token lifetime, in the order in which this process heard of them.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Tells this process's places from those of other nodes, and from those before a restart.
    process: u64,
    pub(crate) newest: u64,
    /// Everything after this is still known.
    pub(crate) complete_after: u64,
    pub(crate) sessions: VecDeque<(u64, u64, SessionId)>,
}

impl Ended {
    /// A place in this process's list, as text.
    pub(crate) fn place(&self, number: u64) -> String {
        format!("{:016x}x{number}", self.process)
    }

    /// The number of a place, if it is one of this process.
    pub(crate) fn number(&self, place: &str) -> Option<u64> {
        let (process, number) = place.split_once('x')?;
        if process == format!("{:016x}", self.process) { number.parse().ok() } else { None }
    }
}

impl Feed {
    /// A feed that is read from `cursor` on, in a process of this random name.
    pub(crate) fn starting_at(cursor: Cursor, process: u64) -> Self {
        Self {
            reader: tokio::sync::Mutex::new(Reader { position: cursor, unsettled: HashSet::new() }),
            ended: Mutex::new(Ended { process, newest: 0, complete_after: 0, sessions: VecDeque::new() }),
        }
    }

    /// The right to read on, one reader at a time, so that changes are taken in order and once.
    pub(crate) async fn read_on(&self) -> tokio::sync::MutexGuard<'_, Reader> {
        self.reader.lock().await
    }

    /// Notes that a session ended at `at`, in whole seconds since 1970.
    pub(crate) fn note_ended(&self, at: u64, session: SessionId) {
        let mut ended = self.ended();
        ended.newest += 1;
        let number = ended.newest;
        ended.sessions.push_back((number, at, session));
    }

    /// Forgets the sessions that ended before `at`, in whole seconds since 1970.
    pub(crate) fn forget_before(&self, at: u64) {
        let mut ended = self.ended();
        while let Some((number, when, _)) = ended.sessions.front().copied()
            && when < at
        {
            ended.sessions.pop_front();
            ended.complete_after = number;
        }
    }

    pub(crate) fn ended(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::What;

    fn change(number: i64, cursor: i64, settled: bool) -> Change {
        Change { number, cursor: Cursor(cursor), settled, at: jiff::Timestamp::UNIX_EPOCH, what: What::KeysChanged }
    }

    async fn taken(feed: &Feed, changes: &[Change]) -> Vec<i64> {
        let mut reader = feed.read_on().await;
        let mut taken = Vec::new();
        for change in changes {
            if reader.is_news(change) {
                reader.took(change);
                taken.push(change.number);
            }
        }
        taken
    }

    #[tokio::test]
    async fn a_change_is_taken_once_however_often_it_comes() {
        let feed = Feed::starting_at(Cursor(0), 1);
        assert_eq!(taken(&feed, &[change(1, 10, true), change(3, 10, false)]).await, [1, 3]);
        assert_eq!(feed.read_on().await.position, Cursor(10));
        assert_eq!(taken(&feed, &[change(3, 10, false), change(4, 10, false)]).await, [4], "the transaction before them is still open");
        assert_eq!(taken(&feed, &[change(2, 11, true), change(3, 12, true), change(4, 13, true)]).await, [2], "it has ended");
        assert_eq!(feed.read_on().await.position, Cursor(13));
        assert_eq!(feed.read_on().await.unsettled.len(), 0);
    }

    #[test]
    fn a_place_in_the_list_is_this_processs_own() {
        let (ours, theirs) = (Feed::starting_at(Cursor(0), 1), Feed::starting_at(Cursor(0), 2));
        let place = ours.ended().place(7);
        assert_eq!(ours.ended().number(&place), Some(7));
        assert_eq!(theirs.ended().number(&place), None);
        for bad in ["", "7", "x7", &format!("{place}x"), "0000000000000001x-1"] {
            assert_eq!(ours.ended().number(bad), None, "{bad:?}");
        }
    }
}

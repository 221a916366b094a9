//! The feed of changes, as this process follows it: what makes a logout, a deactivation or a new
//! key felt at once here, and soon everywhere else.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use countersign_verify::Revocations;

use crate::session::SessionId;
use crate::store::{Cursor, StoreError};

/// Where this process stands in the feed, and which sessions ended lately.
#[derive(Debug)]
pub(crate) struct Feed {
    /// How many reads have begun.
    begun: AtomicU64,
    reader: tokio::sync::Mutex<Reader>,
    ended: Mutex<Ended>,
}

/// How far the store's feed has been read.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) position: Cursor,
    /// The last read that came to an end, by its number, and how.
    last: (u64, Result<(), StoreError>),
}

/// The sessions that ended within the last access-token lifetime, in the order in which this
/// process heard of them.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Tells this process's places from those of other nodes, and from those before a restart.
    process: u64,
    pub(crate) newest: u64,
    /// Everything after this is still known.
    pub(crate) complete_after: u64,
    pub(crate) sessions: VecDeque<(u64, u64, SessionId)>,
    /// When so many ended at once that they are not listed: access tokens issued at or before it,
    /// in whole seconds since 1970, may be of any of them.
    pub(crate) uncounted: Option<u64>,
}

impl Ended {
    /// A place in this process's list, as text.
    pub(crate) fn place(&self, number: u64) -> String {
        format!("{:016x}x{number}", self.process)
    }

    /// The sessions that ended after a place; all of them where none is given. No matter how long
    /// the list is, its beginning is found at once.
    pub(crate) fn after(&self, place: Option<u64>) -> impl Iterator<Item = (u64, SessionId)> {
        // The numbers follow each other without a gap.
        let known = place.map_or(0, |place| place.saturating_sub(self.complete_after));
        let from = usize::try_from(known).unwrap_or(usize::MAX).min(self.sessions.len());
        self.sessions.range(from..).map(|(_, at, id)| (*at, *id))
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
        let ended = Ended {
            process,
            newest: 0,
            complete_after: 0,
            sessions: VecDeque::new(),
            uncounted: None,
        };
        Self {
            begun: AtomicU64::new(0),
            reader: tokio::sync::Mutex::new(Reader { position: cursor, last: (0, Ok(())) }),
            ended: Mutex::new(ended),
        }
    }

    /// Reads on, or lets somebody else: returns when a read has ended that began after this was
    /// called. So however many ask while one read is on its way, the next serves them all.
    pub(crate) async fn read<F: AsyncFnOnce(&mut Cursor) -> Result<(), StoreError>>(
        &self,
        read: F,
    ) -> Result<(), StoreError> {
        let wanted = self.begun.load(Ordering::SeqCst) + 1;
        let mut reader = self.reader.lock().await;
        if reader.last.0 >= wanted {
            return reader.last.1.clone();
        }
        let number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let done = read(&mut reader.position).await;
        reader.last = (number, done.clone());
        done
    }

    /// Notes sessions that ended, each at a time in whole seconds since 1970. One that is known
    /// stays as it is.
    pub(crate) fn note_ended(
        &self,
        revocations: &Revocations,
        sessions: impl IntoIterator<Item = (SessionId, u64)>,
    ) {
        let mut ended = self.ended();
        let fresh: Vec<_> =
            sessions.into_iter().filter(|(session, _)| !revocations.contains(*session)).collect();
        revocations.insert_all(fresh.iter().copied());
        for (session, at) in fresh {
            ended.newest += 1;
            let number = ended.newest;
            ended.sessions.push_back((number, at, session));
        }
    }

    /// Notes that more sessions ended by `at`, in whole seconds since 1970, than are listed.
    pub(crate) fn note_uncounted(&self, at: u64) {
        let mut ended = self.ended();
        ended.newest += 1;
        ended.complete_after = ended.newest;
        ended.sessions.clear();
        ended.uncounted = Some(at);
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
        ended.uncounted = ended.uncounted.filter(|when| *when >= at);
    }

    /// What is said to have ended after `now` ended now: a clock was ahead.
    pub(crate) fn nothing_after(&self, now: u64) {
        let mut ended = self.ended();
        for (_, at, _) in &mut ended.sessions {
            *at = now.min(*at);
        }
        ended.uncounted = ended.uncounted.map(|at| now.min(at));
    }

    pub(crate) fn ended(&self) -> MutexGuard<'_, Ended> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    #[tokio::test]
    async fn however_many_ask_while_one_read_is_on_its_way_the_next_serves_them_all() {
        let feed = Arc::new(Feed::starting_at(Cursor::default(), 1));
        let (reads, gate) = (Arc::new(AtomicU64::new(0)), Arc::new(Semaphore::new(0)));
        let ask = || {
            let (feed, reads, gate) = (Arc::clone(&feed), Arc::clone(&reads), Arc::clone(&gate));
            tokio::spawn(async move {
                feed.read(async |_| {
                    reads.fetch_add(1, Ordering::SeqCst);
                    gate.acquire().await.unwrap().forget();
                    Ok(())
                })
                .await
            })
        };
        let first = ask();
        while reads.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let waiting: Vec<_> = (0..100).map(|_| ask()).collect();
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(1);
        first.await.unwrap().unwrap();
        while reads.load(Ordering::SeqCst) < 2 {
            tokio::task::yield_now().await;
        }
        assert!(
            waiting.iter().all(|one| !one.is_finished()),
            "the read that was on its way may not have seen what they did"
        );
        gate.add_permits(1);
        for one in waiting {
            one.await.unwrap().unwrap();
        }
        assert_eq!(reads.load(Ordering::SeqCst), 2);
        gate.add_permits(1);
        ask().await.unwrap().unwrap();
        assert_eq!(reads.load(Ordering::SeqCst), 3, "whoever comes later is served by a later one");
    }

    #[tokio::test]
    async fn a_read_that_fails_fails_for_all_who_waited_and_one_that_is_given_up_for_nobody() {
        let feed = Feed::starting_at(Cursor::default(), 1);
        let given_up = feed.read(async |_| std::future::pending().await);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), given_up).await.is_err());
        let (first, second) = tokio::join!(
            feed.read(async |_| {
                tokio::task::yield_now().await;
                Err(StoreError::Busy)
            }),
            feed.read(async |_| Ok(())),
        );
        assert!(first.is_err());
        assert!(
            second.is_ok(),
            "it came while the first was on its way, and was read for by itself"
        );
        assert!(feed.read(async |_| Err(StoreError::Busy)).await.is_err());
    }

    #[test]
    fn an_ending_is_listed_once_however_often_it_is_told() {
        let (feed, known) = (Feed::starting_at(Cursor::default(), 1), Revocations::default());
        let [one, two] = [1, 2].map(|id| SessionId::new(id).unwrap());
        feed.note_ended(&known, [(one, 10), (two, 10)]);
        feed.note_ended(&known, [(one, 11)]);
        assert_eq!((feed.ended().sessions.len(), known.len()), (2, 2));
        feed.note_uncounted(20);
        {
            let ended = feed.ended();
            assert_eq!((ended.sessions.len(), ended.uncounted), (0, Some(20)));
            assert!(
                ended.complete_after == ended.newest,
                "whoever has a place from before gets everything anew"
            );
        }
        feed.forget_before(20);
        assert_eq!(feed.ended().uncounted, Some(20));
        feed.forget_before(21);
        assert_eq!(feed.ended().uncounted, None);
    }

    #[test]
    fn a_place_in_the_list_is_this_processs_own() {
        let (ours, theirs) =
            (Feed::starting_at(Cursor::default(), 1), Feed::starting_at(Cursor::default(), 2));
        let place = ours.ended().place(7);
        assert_eq!(ours.ended().number(&place), Some(7));
        assert_eq!(theirs.ended().number(&place), None);
        for bad in ["", "7", "x7", &format!("{place}x"), "0000000000000001x-1"] {
            assert_eq!(ours.ended().number(bad), None, "{bad:?}");
        }
    }
}

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::session_id::SessionId;
use crate::waiting::{Ended, Waiting};

/// The sessions that were ended within the last access-token lifetime: what makes a logout felt
/// before the token expires.
///
/// Asking takes no lock and waits for nobody. Telling copies one of 64 parts, so that a hundred
/// endings a second cost next to nothing.
///
/// ```
/// use countersign_verify::{Revocations, SessionId};
///
/// let ended = Revocations::default();
/// let id = SessionId::new(7).unwrap();
/// ended.insert(id, 1_000);
/// assert!(ended.contains(id));
/// ended.forget_before(1_001);
/// assert!(!ended.contains(id));
/// ```
///
/// A clone is another handle to the same sessions.
#[derive(Debug, Clone)]
pub struct Revocations(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    parts: [ArcSwap<Part>; PARTS],
    writer: Mutex<()>,
    waiting: Arc<Waiting>,
    /// How often all were told.
    doubts: AtomicU64,
}

type Part = HashMap<SessionId, u64>;

impl Revocations {
    /// Whether this session was ended.
    ///
    /// ```
    /// use countersign_verify::{Revocations, SessionId};
    ///
    /// assert!(!Revocations::default().contains(SessionId::new(7).unwrap()));
    /// ```
    pub fn contains(&self, id: SessionId) -> bool {
        let part = self.part(id).load();
        !part.is_empty() && part.contains_key(&id)
    }

    /// Waits for the end of this session, from now on: ready at once where it has ended lately.
    ///
    /// ```
    /// use countersign_verify::{Revocations, SessionId};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let (sessions, id) = (Revocations::default(), SessionId::new(7).unwrap());
    /// let ended = sessions.ended(id);
    /// sessions.insert(id, 1_000);
    /// ended.await;
    /// sessions.ended(id).await;
    /// # });
    /// ```
    pub fn ended(&self, id: SessionId) -> Ended {
        let ended = self.0.waiting.begin(id);
        // One that was noted before the place was taken rang for nobody.
        if self.contains(id) {
            self.0.waiting.end([id]);
        }
        ended
    }

    /// The same for a session that was found alive when [`doubts`](Self::doubts) was this: ready
    /// at once as well where all were told since, before anybody waited here.
    pub(crate) fn ended_since(&self, id: SessionId, doubts: u64) -> Ended {
        let ended = self.ended(id);
        if self.doubts() == doubts { ended } else { Ended::now() }
    }

    /// How often [all were told](Self::doubt_all) that their session may have ended. Ask before a
    /// session is looked at, and give it to [`Identity::checked_at`](crate::Identity::checked_at):
    /// a stream that begins later knows then whether it missed that.
    ///
    /// ```
    /// use countersign_verify::Revocations;
    ///
    /// let sessions = Revocations::default();
    /// let before = sessions.doubts();
    /// sessions.doubt_all();
    /// assert_ne!(sessions.doubts(), before);
    /// ```
    pub fn doubts(&self) -> u64 {
        self.0.doubts.load(Ordering::Acquire)
    }

    /// Tells all who wait that their session may have ended: which have cannot be known. Whoever
    /// comes back is asked for a token again.
    ///
    /// ```
    /// use countersign_verify::{Revocations, SessionId};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let sessions = Revocations::default();
    /// let ended = sessions.ended(SessionId::new(7).unwrap());
    /// sessions.doubt_all();
    /// ended.await;
    /// # });
    /// ```
    pub fn doubt_all(&self) {
        // Before they are told: who begins to wait right after it sees that.
        self.0.doubts.fetch_add(1, Ordering::AcqRel);
        self.0.waiting.end_all();
    }

    /// Notes that a session was ended at `at`, in whole seconds since 1970.
    ///
    /// ```
    /// use countersign_verify::{Revocations, SessionId};
    ///
    /// let ended = Revocations::default();
    /// ended.insert(SessionId::new(7).unwrap(), 1_000);
    /// assert!(ended.contains(SessionId::new(7).unwrap()));
    /// ```
    pub fn insert(&self, id: SessionId, at: u64) {
        self.insert_all([(id, at)]);
    }

    /// Notes many sessions that were ended, each at a time in whole seconds since 1970. Copies each
    /// part once, however many there are.
    ///
    /// ```
    /// use countersign_verify::{Revocations, SessionId};
    ///
    /// let ended = Revocations::default();
    /// ended.insert_all((1..=1_000).filter_map(SessionId::new).map(|id| (id, 1_000)));
    /// assert_eq!(ended.len(), 1_000);
    /// ```
    pub fn insert_all(&self, sessions: impl IntoIterator<Item = (SessionId, u64)>) {
        let mut news: HashMap<usize, Vec<(SessionId, u64)>> = HashMap::new();
        for (id, at) in sessions {
            news.entry(Self::number(id)).or_default().push((id, at));
        }
        let _one_writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, news) in news {
            let part = &self.0.parts[number];
            let mut new = Part::clone(&part.load());
            for (id, at) in &news {
                let ended = new.entry(*id).or_insert(*at);
                *ended = (*at).max(*ended);
            }
            part.store(Arc::new(new));
            self.0.waiting.end(news.into_iter().map(|(id, _)| id));
        }
    }

    /// Forgets the sessions that were ended before `at`: every access token of theirs has expired.
    ///
    /// ```
    /// use countersign_verify::{Revocations, SessionId};
    ///
    /// let ended = Revocations::default();
    /// ended.insert(SessionId::new(7).unwrap(), 1_000);
    /// ended.insert(SessionId::new(8).unwrap(), 2_000);
    /// ended.forget_before(2_000);
    /// assert_eq!(ended.len(), 1);
    /// ```
    pub fn forget_before(&self, at: u64) {
        let _one_writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for part in &self.0.parts {
            let old = part.load();
            if old.values().any(|ended| *ended < at) {
                part.store(Arc::new(
                    old.iter()
                        .filter(|(_, ended)| **ended >= at)
                        .map(|(id, ended)| (*id, *ended))
                        .collect(),
                ));
            }
        }
    }

    /// What is said to have been ended after `now` was ended now: the clock that said so was ahead,
    /// and its sessions need not be remembered until then.
    ///
    /// ```
    /// use countersign_verify::{Revocations, SessionId};
    ///
    /// let ended = Revocations::default();
    /// ended.insert(SessionId::new(7).unwrap(), 99_000);
    /// ended.nothing_after(1_000);
    /// ended.forget_before(1_001);
    /// assert!(ended.is_empty());
    /// ```
    pub fn nothing_after(&self, now: u64) {
        let _one_writer = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for part in &self.0.parts {
            let old = part.load();
            if old.values().any(|ended| *ended > now) {
                part.store(Arc::new(
                    old.iter().map(|(id, ended)| (*id, now.min(*ended))).collect(),
                ));
            }
        }
    }

    /// How many sessions it holds.
    ///
    /// ```
    /// assert_eq!(countersign_verify::Revocations::default().len(), 0);
    /// ```
    pub fn len(&self) -> usize {
        self.0.parts.iter().map(|part| part.load().len()).sum()
    }

    /// Whether it holds none.
    ///
    /// ```
    /// assert!(countersign_verify::Revocations::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.parts.iter().all(|part| part.load().is_empty())
    }

    fn part(&self, id: SessionId) -> &ArcSwap<Part> {
        &self.0.parts[Self::number(id)]
    }

    /// The lower half of an id is random bits: any six of them spread evenly.
    fn number(id: SessionId) -> usize {
        id.get() as usize % PARTS
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self(Arc::new(Shared {
            parts: std::array::from_fn(|_| ArcSwap::default()),
            writer: Mutex::new(()),
            waiting: Arc::default(),
            doubts: AtomicU64::new(0),
        }))
    }
}

const PARTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> SessionId {
        SessionId::new(n).unwrap()
    }

    #[tokio::test]
    async fn an_ending_wakes_who_waits_for_it_and_nobody_else() {
        let sessions = Revocations::default();
        let (mut one, two, mut other) =
            (sessions.ended(id(7)), sessions.ended(id(7)), sessions.ended(id(8)));
        let is_over = |ended: &mut Ended| {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            std::pin::Pin::new(ended).poll(&mut context).is_ready()
        };
        assert!(!is_over(&mut one) && !is_over(&mut other));
        sessions.insert(id(7), 1_000);
        assert!(is_over(&mut one) && !is_over(&mut other));
        two.await;
        sessions.ended(id(7)).await;
        assert!(!is_over(&mut other), "nor does one who comes later");
    }

    #[tokio::test]
    async fn nobody_is_missed_by_an_ending_that_comes_at_the_same_time() {
        let sessions = Arc::new(Revocations::default());
        let mut tasks = tokio::task::JoinSet::new();
        for n in 1..200 {
            let (one, other) = (Arc::clone(&sessions), Arc::clone(&sessions));
            tasks.spawn(async move { one.ended(id(n)).await });
            tasks.spawn(async move { other.insert(id(n), 1_000) });
        }
        tasks.join_all().await;
        assert_eq!(sessions.0.waiting.len(), 0);
    }

    #[test]
    fn who_gives_up_leaves_nothing_behind() {
        let sessions = Revocations::default();
        let (one, two) = (sessions.ended(id(7)), sessions.ended(id(7)));
        drop(one);
        assert_eq!(sessions.0.waiting.len(), 1);
        drop(two);
        assert_eq!(sessions.0.waiting.len(), 0);
    }
}

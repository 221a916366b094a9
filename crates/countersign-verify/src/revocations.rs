use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::session_id::SessionId;

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
#[derive(Debug)]
pub struct Revocations {
    parts: Box<[ArcSwap<Part>]>,
    writer: Mutex<()>,
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
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, news) in news {
            let part = &self.parts[number];
            let mut new = Part::clone(&part.load());
            for (id, at) in news {
                let ended = new.entry(id).or_insert(at);
                *ended = at.max(*ended);
            }
            part.store(Arc::new(new));
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
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for part in &self.parts {
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
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        for part in &self.parts {
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
        self.parts.iter().map(|part| part.load().len()).sum()
    }

    /// Whether it holds none.
    ///
    /// ```
    /// assert!(countersign_verify::Revocations::default().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.load().is_empty())
    }

    fn part(&self, id: SessionId) -> &ArcSwap<Part> {
        &self.parts[Self::number(id)]
    }

    /// The lower half of an id is random bits: any six of them spread evenly.
    fn number(id: SessionId) -> usize {
        id.get() as usize % PARTS
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self { parts: (0..PARTS).map(|_| ArcSwap::default()).collect(), writer: Mutex::new(()) }
    }
}

const PARTS: usize = 64;

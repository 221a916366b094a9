use std::borrow::Borrow;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use foldhash::quality::RandomState;
use papaya::HashMap;

/// A bounded map of what was seen lately, for the hottest path: asking takes no lock and writes
/// nothing that another thread reads.
///
/// It keeps two generations. When the young one is full it becomes the old one, and the old one
/// goes: so it holds between half and all of its capacity, and what goes is what came first. What
/// matters is that a hit costs next to nothing; what is dropped too early is read again. The
/// capacity is a number of entries, or what they [weigh](Self::weighing).
///
/// ```
/// use countersign_verify::Recent;
///
/// let seen = Recent::new(2);
/// seen.insert(1, "one");
/// assert_eq!(seen.get(&1), Some("one"));
/// seen.insert(2, "two");
/// seen.insert(3, "three");
/// assert_eq!(seen.get(&1), None);
/// ```
pub struct Recent<K, V> {
    young: ArcSwap<HashMap<K, V, RandomState>>,
    old: ArcSwap<HashMap<K, V, RandomState>>,
    /// What was put into the young generation weighs so much.
    inserted: AtomicUsize,
    half: usize,
    weigh: fn(&K, &V) -> usize,
    writer: Mutex<()>,
}

impl<K: Hash + Eq, V: Clone> Recent<K, V> {
    /// A map of at most `capacity` entries.
    ///
    /// ```
    /// let seen: countersign_verify::Recent<u64, &str> = countersign_verify::Recent::new(1_000);
    /// assert!(seen.is_empty());
    /// ```
    pub fn new(capacity: usize) -> Self {
        Self::weighing(capacity.max(2), |_, _| 1)
    }

    /// A map whose entries weigh at most `most` together, by `weigh`: bytes, say. One that weighs
    /// more than half of that is not kept.
    ///
    /// ```
    /// let pages = countersign_verify::Recent::weighing(10, |_: &u32, text: &String| text.len());
    /// pages.insert(1, "12345".to_owned());
    /// pages.insert(2, "123".to_owned());
    /// pages.insert(3, "123456".to_owned()); // more than half
    /// assert!(pages.get(&1).is_some() && pages.get(&2).is_some() && pages.get(&3).is_none());
    /// pages.insert(4, "1234".to_owned());
    /// assert!(pages.get(&1).is_none() && pages.get(&4).is_some());
    /// ```
    pub fn weighing(most: usize, weigh: fn(&K, &V) -> usize) -> Self {
        Self {
            young: ArcSwap::default(),
            old: ArcSwap::default(),
            inserted: AtomicUsize::new(0),
            half: most / 2,
            weigh,
            writer: Mutex::new(()),
        }
    }

    /// What was put in under this key.
    ///
    /// ```
    /// let seen = countersign_verify::Recent::new(10);
    /// seen.insert("key".to_owned(), 1);
    /// assert_eq!((seen.get("key"), seen.get("other")), (Some(1), None));
    /// ```
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let young = self.young.load();
        if let Some(value) = young.pin().get(key) {
            return Some(value.clone());
        }
        self.old.load().pin().get(key).cloned()
    }

    /// Puts in.
    ///
    /// ```
    /// let seen = countersign_verify::Recent::new(10);
    /// seen.insert("key", 1);
    /// seen.insert("key", 2);
    /// assert_eq!(seen.get("key"), Some(2));
    /// ```
    pub fn insert(&self, key: K, value: V) {
        let weight = (self.weigh)(&key, &value);
        if weight > self.half {
            return;
        }
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let inserted = self.inserted.load(Ordering::Relaxed).saturating_add(weight);
        let is_full = inserted > self.half;
        if is_full {
            self.old.store(self.young.swap(Arc::default()));
        }
        self.inserted.store(if is_full { weight } else { inserted }, Ordering::Relaxed);
        self.young.load().pin().insert(key, value);
    }

    /// Takes out.
    ///
    /// ```
    /// let seen = countersign_verify::Recent::new(10);
    /// seen.insert("key", 1);
    /// seen.remove("key");
    /// assert_eq!(seen.get("key"), None);
    /// ```
    pub fn remove<Q: Hash + Eq + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.young.load().pin().remove(key);
        self.old.load().pin().remove(key);
    }

    /// Takes out everything.
    ///
    /// ```
    /// let seen = countersign_verify::Recent::new(10);
    /// seen.insert("key", 1);
    /// seen.clear();
    /// assert_eq!(seen.get("key"), None);
    /// ```
    pub fn clear(&self) {
        let _one_writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        self.young.store(Arc::default());
        self.old.store(Arc::default());
        self.inserted.store(0, Ordering::Relaxed);
    }

    /// How many entries it holds.
    ///
    /// ```
    /// let seen = countersign_verify::Recent::new(10);
    /// seen.insert("key", 1);
    /// assert_eq!(seen.len(), 1);
    /// ```
    pub fn len(&self) -> usize {
        self.young.load().len() + self.old.load().len()
    }

    /// Whether it holds none.
    ///
    /// ```
    /// let seen = countersign_verify::Recent::new(10);
    /// assert!(seen.is_empty());
    /// seen.insert("key", 1);
    /// assert!(!seen.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K, V> fmt::Debug for Recent<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recent").field("capacity", &(2 * self.half)).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_never_holds_more_than_its_capacity_and_keeps_the_newest_half() {
        let recent = Recent::new(100);
        for number in 0..1_000 {
            recent.insert(number, number);
            assert!(recent.len() <= 100);
            assert!(
                (0..=number).rev().take(50).all(|newer| recent.get(&newer) == Some(newer)),
                "at {number}"
            );
        }
    }

    #[test]
    fn it_never_weighs_more_than_it_may_and_a_giant_pushes_nothing_out() {
        let recent = Recent::weighing(1_000, |_: &usize, bytes: &usize| *bytes);
        for number in 0..10_000 {
            recent.insert(number, 10 + number % 40);
            let weighs: usize =
                (0..=number).rev().take(200).filter_map(|number| recent.get(&number)).sum();
            assert!(weighs <= 1_000, "{weighs} at {number}");
        }
        let before = recent.len();
        recent.insert(10_000, 501);
        assert_eq!((recent.get(&10_000), recent.len()), (None, before));
    }

    #[test]
    fn what_is_taken_out_is_gone_from_both_generations() {
        let recent = Recent::new(4);
        for number in 0..4 {
            recent.insert(number, ());
        }
        recent.remove(&0);
        recent.remove(&3);
        assert_eq!(
            (0..4).filter(|number| recent.get(number).is_some()).collect::<Vec<_>>(),
            [1, 2]
        );
        recent.clear();
        assert!(recent.is_empty());
    }
}

//! Tries at one sign-in that waits for a second factor, while they are under way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use parking_lot::Mutex;

use crate::factor::FactorId;

/// Which sign-ins are being tried in this process, and how many times at once.
///
/// A store that one process has alone is told of a wrong try when it was one, and of a right one
/// with the session that begins: a right code costs one write. So that many tries at once are no
/// more than one after the other, each holds its place from before it looks at how many failed
/// until its own failure is kept.
#[derive(Debug, Default)]
pub(crate) struct FactorTries {
    under_way: Mutex<HashMap<FactorId, u32>>,
}

impl FactorTries {
    /// The next place among those who try now.
    pub(crate) fn hold(&self, pending: FactorId) -> Held<'_> {
        let mut under_way = self.under_way.lock();
        let tries = under_way.entry(pending).or_default();
        *tries = tries.saturating_add(1);
        Held { tries: self, pending, place: *tries }
    }
}

/// A try that is under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held<'a> {
    tries: &'a FactorTries,
    pending: FactorId,
    place: u32,
}

impl Held<'_> {
    /// Which it is of those who try now, itself included. With those that had failed when it
    /// looked, afterwards, it is the number of the try, or more than that.
    pub(crate) const fn place(&self) -> u32 {
        self.place
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Entry::Occupied(mut tries) = self.tries.under_way.lock().entry(self.pending) {
            *tries.get_mut() -= 1;
            if *tries.get() == 0 {
                tries.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_tries_at_once_has_a_place_of_their_own_and_nothing_is_left_of_it() {
        let tries = FactorTries::default();
        let (one, other) = (FactorId::new(1).unwrap(), FactorId::new(2).unwrap());
        let first = tries.hold(one);
        let second = tries.hold(one);
        assert_eq!((first.place(), second.place(), tries.hold(other).place()), (1, 2, 1));
        drop(first);
        // Never less than those who hold one: it may be more.
        assert_eq!(tries.hold(one).place(), 2);
        drop(second);
        assert_eq!(tries.hold(one).place(), 1);
        assert!(tries.under_way.lock().is_empty());
    }
}

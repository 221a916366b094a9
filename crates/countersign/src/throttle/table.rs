use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};

use parking_lot::Mutex;

/// Counts by key, in bounded memory: 16 maps, each behind its own lock, held for well under a
/// microsecond; once in about a thousand new keys, when a map is full, for some tens of
/// microseconds.
///
/// A full map forgets what has faded, and then the quarter that would fade soonest: whoever floods
/// it with new keys pushes out others that failed once, not the account that is under attack.
#[derive(Debug)]
pub(super) struct Table<K, V> {
    shards: [Mutex<HashMap<K, V, RandomState>>; SHARDS],
    hasher: RandomState,
    fade: u64,
}

/// Something that is worth nothing after a while.
pub(super) trait Fades {
    /// When it is worth nothing any more, in microseconds since 1970. `fade` is the table's.
    fn fades_at(&self, fade: u64) -> u64;
}

impl<K: Eq + Hash, V: Copy + Fades> Table<K, V> {
    /// An empty table; `fade` is handed to [`Fades::fades_at`].
    pub(super) fn new(fade: u64) -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new(), fade }
    }

    /// Lets `change` see the value of `key` and put another in its place, as one step. `None` is
    /// absence.
    pub(super) fn update<R>(
        &self,
        key: K,
        now: u64,
        change: impl FnOnce(&mut Option<V>) -> R,
    ) -> R {
        let shard = self.hasher.hash_one(&key) as usize % SHARDS;
        let mut map = self.shards[shard].lock();
        let old = map.get(&key).copied();
        let mut value = old;
        let result = change(&mut value);
        match value {
            Some(value) => {
                if old.is_none() && map.len() >= SHARD_KEYS {
                    self.make_room(&mut map, now);
                }
                map.insert(key, value);
            }
            None if old.is_some() => {
                map.remove(&key);
            }
            None => {}
        }
        result
    }

    /// How many keys it holds.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn make_room(&self, map: &mut HashMap<K, V>, now: u64) {
        map.retain(|_, value| value.fades_at(self.fade) > now);
        let mut surplus = map.len().saturating_sub(SHARD_KEYS - SHARD_KEYS / 4);
        if surplus == 0 {
            return;
        }
        let mut times: Vec<u64> = map.values().map(|value| value.fades_at(self.fade)).collect();
        let (_, &mut last, _) = times.select_nth_unstable(surplus - 1);
        map.retain(|_, value| {
            let stays = surplus == 0 || value.fades_at(self.fade) > last;
            surplus -= usize::from(!stays);
            stays
        });
    }
}

/// A number that splits a table's traffic between a few cores.
const SHARDS: usize = 16;

/// Seven eighths of a power of two: as full as a hash map gets before it doubles.
const SHARD_KEYS: usize = 4096 / 8 * 7;

/// The most keys that a table holds.
#[cfg(test)]
pub(super) const MAX_KEYS: usize = SHARDS * SHARD_KEYS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_new_keys_pushes_out_what_fades_soonest() {
        let table = Table::new(0);
        for key in 0..1_000_u64 {
            table.update(key, 0, |value| *value = Some(Until(1_000_000 + key)));
        }
        for key in 1_000..500_000_u64 {
            table.update(key, 0, |value| *value = Some(Until(10)));
        }
        assert!(table.len() <= MAX_KEYS);
        assert!((0..1_000).all(|key| table.update(key, 0, |value| value.is_some())));
    }

    #[test]
    fn what_has_faded_makes_room_first() {
        let table = Table::new(0);
        for key in 0..MAX_KEYS as u64 * 4 {
            table.update(key, key, |value| *value = Some(Until(key + 100)));
        }
        let newest = MAX_KEYS as u64 * 4 - 1;
        assert!(
            (newest - 99..=newest).all(|key| table.update(key, newest, |value| value.is_some()))
        );
    }

    #[test]
    fn a_full_map_forgets_the_quarter_that_fades_soonest_and_no_other() {
        let (full, quarter) = (SHARD_KEYS as u64, SHARD_KEYS as u64 / 4);
        let mut map: HashMap<u64, Until> = (0..full).map(|key| (key, Until(1_000 + key))).collect();
        Table::new(0).make_room(&mut map, 999);
        assert_eq!(map.len() as u64, full - quarter);
        assert!((quarter..full).all(|key| map.contains_key(&key)));
    }

    #[test]
    fn of_those_that_fade_together_no_more_go_than_must() {
        let (full, quarter) = (SHARD_KEYS as u64, SHARD_KEYS as u64 / 4);
        let mut map: HashMap<u64, Until> = (0..full).map(|key| (key, Until(1_000))).collect();
        Table::new(0).make_room(&mut map, 999);
        assert_eq!(map.len() as u64, full - quarter);
    }

    #[test]
    fn nothing_is_forgotten_while_no_map_is_full() {
        let table = Table::new(0);
        // Of 57,344: one map in 16 would have to get an eighth more than its share.
        for key in 0..50_000_u64 {
            table.update(key, 0, |value| *value = Some(Until(1)));
        }
        assert_eq!(table.len(), 50_000);
    }

    #[test]
    fn what_is_taken_out_is_held_no_more() {
        let table = Table::new(0);
        table.update(1, 0, |value| *value = Some(Until(1)));
        table.update(1, 0, |value| *value = None);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn what_fades_at_this_very_moment_has_faded() {
        let mut map = HashMap::from([(1, Until(10)), (2, Until(11))]);
        Table::new(0).make_room(&mut map, 10);
        assert_eq!(map.keys().collect::<Vec<_>>(), [&2]);
    }

    #[derive(Clone, Copy)]
    struct Until(u64);

    impl Fades for Until {
        fn fades_at(&self, _: u64) -> u64 {
            self.0
        }
    }
}

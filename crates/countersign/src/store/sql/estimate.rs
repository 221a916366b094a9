//! How many rows there are, about, where counting them would take too long: a look at the
//! beginnings of many stretches of equal length.
//!
//! Ids grow with time, those of sessions by the second. So the rows of a stretch lie about equally
//! close, and a hundred stretches tell of every time of the day. A crowd that came and went within
//! one stretch may be missed.

use crate::store::admin::Count;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Estimate {
    fitting: f64,
    is_about: bool,
}

impl Estimate {
    /// Adds a stretch of ids, of whose first rows so many were seen, so many of them fit, and
    /// `reached` is the last one's id.
    pub(crate) fn add(
        &mut self,
        (from, to): (i64, i64),
        many: u64,
        fitting: u64,
        reached: Option<i64>,
    ) {
        let length = |to: i64| (i128::from(to) - i128::from(from) + 1).max(1) as f64;
        match reached {
            Some(reached) if many >= u64::from(STRETCH) && reached < to => {
                self.is_about = true;
                self.fitting += fitting as f64 * length(to) / length(reached);
            }
            _ => self.fitting += fitting as f64,
        }
    }

    /// How many rows fit. There are `known` at least.
    pub(crate) fn count(&self, known: u64) -> Count {
        let fitting = self.fitting.round() as u64;
        match (self.is_about, fitting > known) {
            (false, _) => Count::Exactly(fitting),
            (true, true) => Count::About(fitting),
            (true, false) => Count::MoreThan(known),
        }
    }
}

/// The stretches from the first id to the last.
pub(crate) fn stretches(first: i64, last: i64) -> Vec<(i64, i64)> {
    let length = (i128::from(last) - i128::from(first) + 1).max(1);
    let bound = |number: i128| {
        i64::try_from(i128::from(first) + length * number / STRETCHES).unwrap_or(i64::MAX)
    };
    let mut stretches: Vec<_> =
        (0..STRETCHES).map(|number| (bound(number), bound(number + 1).saturating_sub(1))).collect();
    if let Some((_, to)) = stretches.last_mut() {
        *to = last;
    }
    stretches.retain(|(from, to)| from <= to);
    stretches
}

/// The same stretches, each from another place within it on: what comes in a rhythm of the ids is
/// met as well.
pub(crate) fn elsewhere(first: i64, last: i64) -> Vec<(i64, i64)> {
    let begins = |number: i64, (from, to): (i64, i64)| {
        let room = (i128::from(to) - i128::from(from) + 1 - i128::from(STRETCH)).max(0);
        let shift = room * i128::from(number * 61 % 100) / 100;
        i64::try_from(i128::from(from) + shift).unwrap_or(from)
    };
    (0..).zip(stretches(first, last)).map(|(n, bounds)| (begins(n, bounds), bounds.1)).collect()
}

/// How many rows are seen of a stretch, at most.
pub(crate) const STRETCH: u32 = 50;

const STRETCHES: i128 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(ids: &[i64], fits: impl Fn(i64) -> bool) -> Count {
        let mut estimate = Estimate::default();
        for (from, to) in stretches(ids[0], ids[ids.len() - 1]) {
            let seen: Vec<i64> = ids
                .iter()
                .copied()
                .filter(|id| (from..=to).contains(id))
                .take(STRETCH as usize)
                .collect();
            let fitting = seen.iter().filter(|id| fits(**id)).count();
            estimate.add((from, to), seen.len() as u64, fitting as u64, seen.last().copied());
        }
        estimate.count(1_000)
    }

    #[test]
    fn few_rows_are_counted_and_many_are_estimated() {
        assert_eq!(estimate(&[i64::MIN, -1, 0, i64::MAX], |_| true), Count::Exactly(4));
        assert_eq!(estimate(&[7], |_| false), Count::Exactly(0));
        let even: Vec<i64> = (0..50_000).map(|number| number * 1_000_003).collect();
        assert!(
            matches!(estimate(&even, |_| true), Count::About(n) if n.abs_diff(50_000) < 2_500),
            "{:?}",
            estimate(&even, |_| true)
        );
        assert!(matches!(
            estimate(&even, |id| id % 5 == 0),
            Count::About(n) if n.abs_diff(10_000) < 1_000
        ));
        assert_eq!(
            estimate(&even, |_| false),
            Count::MoreThan(1_000),
            "what is known, where nothing is seen"
        );
        // Ten thousand in the last twenty-fifth of the time, and as many before it.
        let mut crowded: Vec<i64> = (0..10_000).map(|number| number * 259).collect();
        crowded.extend((0..10_000).map(|number| 2_590_000 + number * 10));
        assert!(
            matches!(estimate(&crowded, |_| true), Count::About(n) if n.abs_diff(20_000) < 8_000),
            "{:?}",
            estimate(&crowded, |_| true)
        );
    }

    #[test]
    fn the_stretches_are_the_whole_and_none_lies_on_another() {
        for (first, last) in [(0, 0), (0, 98), (i64::MIN, i64::MAX), (-5, 1_000_000)] {
            let all = stretches(first, last);
            assert_eq!((all[0].0, all[all.len() - 1].1), (first, last));
            assert!(all.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{all:?}");
        }
    }
}

//! A clock that jumps is told of.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Watches a clock beside one that nobody sets.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: (Instant, Timestamp),
}

/// A clock that jumped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Jump {
    /// What it should have shown.
    pub(crate) expected: Timestamp,
    /// What it shows.
    pub(crate) shown: Timestamp,
}

impl Watch {
    /// Watches a clock that shows `now`.
    pub(crate) fn new(tick: Instant, now: Timestamp) -> Self {
        Self { seen: (tick, now) }
    }

    /// Looks again: a jump of more than a minute since the last look, whichever way.
    pub(crate) fn look(&mut self, tick: Instant, now: Timestamp) -> Option<Jump> {
        let (then, was) = std::mem::replace(&mut self.seen, (tick, now));
        let expected =
            was.saturating_add(tick.saturating_duration_since(then)).unwrap_or(Timestamp::MAX);
        (expected.duration_until(now).unsigned_abs() > WORTH_A_WORD)
            .then_some(Jump { expected, shown: now })
    }
}

const WORTH_A_WORD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn a_jump_of_more_than_a_minute_is_told_with_both_times_whichever_way() {
        let (start, noon) = (Instant::now(), "2026-06-01T12:00:00Z".parse::<Timestamp>().unwrap());
        let mut watch = Watch::new(start, noon);
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(watch.look(after(10), noon + 10.seconds()), None);
        assert_eq!(watch.look(after(20), noon + 80.seconds()), None, "a minute, and no more");
        let ahead = noon + 1_500.hours();
        assert_eq!(
            watch.look(after(30), ahead),
            Some(Jump { expected: noon + 90.seconds(), shown: ahead })
        );
        assert_eq!(watch.look(after(40), ahead + 10.seconds()), None, "told once");
        let back = watch.look(after(50), noon + 50.seconds());
        assert_eq!(back, Some(Jump { expected: ahead + 20.seconds(), shown: noon + 50.seconds() }));
    }
}

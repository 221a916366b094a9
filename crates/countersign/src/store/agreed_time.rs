//! The time as a store has come to know it: what it takes, beside a machine's clock, to forget
//! anything.

use std::time::Duration;

use jiff::Timestamp;

/// What a store says of the time, and whether it has moved far enough to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) time: Timestamp,
    pub(super) is_worth_writing: bool,
}

impl Agreed {
    /// A store that was told `known` last, or never, is told `now`: it follows by one `step` at
    /// most, whichever way.
    pub(super) fn on(known: Option<Timestamp>, now: Timestamp, step: Duration) -> Self {
        let Some(known) = known else { return Self { time: now, is_worth_writing: true } };
        let earliest = known.saturating_sub(step).unwrap_or(Timestamp::MIN);
        let latest = known.saturating_add(step).unwrap_or(Timestamp::MAX);
        let time = now.clamp(earliest, latest);
        // An idle server need not write every half minute.
        let is_worth_writing = known.duration_until(time).unsigned_abs() > step / 2;
        Self { time, is_worth_writing }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    const STEP: Duration = Duration::from_secs(300);

    #[test]
    fn it_follows_a_clock_by_a_step_at_most_and_is_written_when_it_moved() {
        let noon: Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
        let agreed = |now| Agreed::on(Some(noon), now, STEP);
        assert_eq!(Agreed::on(None, noon, STEP), Agreed { time: noon, is_worth_writing: true });
        assert_eq!(
            agreed(noon + 30.seconds()),
            Agreed { time: noon + 30.seconds(), is_worth_writing: false }
        );
        assert_eq!(
            agreed(noon + 200.seconds()),
            Agreed { time: noon + 200.seconds(), is_worth_writing: true }
        );
        assert_eq!(
            agreed(noon + 1_500.hours()),
            Agreed { time: noon + 300.seconds(), is_worth_writing: true }
        );
        assert_eq!(
            agreed(noon - 1_500.hours()),
            Agreed { time: noon - 300.seconds(), is_worth_writing: true }
        );
        assert_eq!(
            Agreed::on(Some(noon), noon + 9.hours(), Duration::ZERO),
            Agreed { time: noon, is_worth_writing: false }
        );
    }
}

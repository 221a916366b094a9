use std::time::Duration;

use super::table::Fades;
use super::{RetryAfter, span};

/// So many in a window, evenly given back: the generic cell rate algorithm (ITU-T I.371), whose whole memory is one time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Microseconds that one costs.
    interval: u64,
    /// Microseconds that may be owed.
    window: u64,
}

impl Pace {
    /// `None` when `many` is 0: no limit.
    pub(super) fn new(many: u32, window: Duration) -> Option<Self> {
        let window = span(window);
        let interval = window.checked_div(u64::from(many))?.max(1);
        Some(Self { interval, window })
    }

    /// Spends one, if there is one.
    pub(super) fn take(self, owed: &mut Option<Owed>, now: u64) -> Result<(), RetryAfter> {
        // A clock that went back must not make anyone wait longer than a window.
        let until = owed.map_or(now, |Owed(until)| until.clamp(now, now.saturating_add(self.window)));
        let next = until.saturating_add(self.interval);
        let excess = (next - now).saturating_sub(self.window);
        *owed = Some(Owed(if excess > 0 { until } else { next }));
        if excess > 0 { Err(RetryAfter::from_micros(excess)) } else { Ok(()) }
    }

    /// Gives one back.
    pub(super) const fn give_back(self, Owed(until): Owed) -> Owed {
        Owed(until.saturating_sub(self.interval))
    }
}

/// When all that was spent will have been given back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owed(u64);

impl Fades for Owed {
    fn fades_at(&self, _: u64) -> u64 {
        self.0
    }
}

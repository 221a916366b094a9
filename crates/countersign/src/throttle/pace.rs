use std::time::Duration;

use super::table::Fades;
use super::{RetryAfter, span};

/// So many in a window, evenly given back: the generic cell rate algorithm (ITU-T I.371), whose
/// whole memory is one time.
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
        let until =
            owed.map_or(now, |owed| owed.by(now).until.clamp(now, now.saturating_add(self.window)));
        let next = until.saturating_add(self.interval);
        let excess = (next - now).saturating_sub(self.window);
        *owed = Some(Owed { until: if excess > 0 { until } else { next }, at: now });
        if excess > 0 { Err(RetryAfter::from_micros(excess)) } else { Ok(()) }
    }

    /// Gives one back.
    pub(super) const fn give_back(self, owed: Owed) -> Owed {
        Owed { until: owed.until.saturating_sub(self.interval), at: owed.at }
    }
}

/// When all that was spent will have been given back, as of when the clock was last looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owed {
    until: u64,
    at: u64,
}

impl Owed {
    /// The same debt by a clock that went back: it must not make anyone wait longer.
    const fn by(self, now: u64) -> Self {
        let back = self.at.saturating_sub(now);
        Self { until: self.until.saturating_sub(back), at: self.at - back }
    }
}

impl Fades for Owed {
    fn fades_at(&self, _: u64) -> u64 {
        self.until
    }
}

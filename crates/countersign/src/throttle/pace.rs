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
    pub(super) fn take(self, debt: &mut Option<Debt>, now: u64) -> Result<(), RetryAfter> {
        let until =
            debt.map_or(now, |debt| debt.by(now).until.clamp(now, now.saturating_add(self.window)));
        let next = until.saturating_add(self.interval);
        let excess = (next - now).saturating_sub(self.window);
        *debt = Some(Debt { until: if excess > 0 { until } else { next }, at: now });
        if excess > 0 { Err(RetryAfter::from_micros(excess)) } else { Ok(()) }
    }

    /// Gives one back.
    pub(super) const fn give_back(self, debt: Debt) -> Debt {
        Debt { until: debt.until.saturating_sub(self.interval), at: debt.at }
    }
}

/// When all that was spent will have been given back, as of when the clock was last looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Debt {
    until: u64,
    at: u64,
}

impl Debt {
    /// The same debt by a clock that went back: it must not make anyone wait longer.
    const fn by(self, now: u64) -> Self {
        let back = self.at.saturating_sub(now);
        Self { until: self.until.saturating_sub(back), at: self.at - back }
    }
}

impl Fades for Debt {
    fn fades_at(&self, _: u64) -> u64 {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_debt_is_the_same_by_a_clock_that_went_back() {
        let debt = Debt { until: 1_000, at: 400 };
        let back = debt.by(100);
        assert_eq!((back.until, back.at), (700, 100));
        let ahead = debt.by(900);
        assert_eq!((ahead.until, ahead.at), (1_000, 400));
    }

    #[test]
    fn a_debt_fades_when_it_is_paid() {
        assert_eq!(Debt { until: 1_000, at: 400 }.fades_at(60), 1_000);
    }
}

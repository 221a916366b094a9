//! What the server has counted by the hour, summed for a chart or a program.

use std::collections::HashMap;

use countersign::store::StoreError;
use countersign::store::admin::{AdminStore, Counted};
use jiff::Timestamp;

use crate::record::hour;

/// A span of time that figures are of.
#[derive(Debug)]
pub(crate) struct Span {
    /// `day`, `week` or `month`.
    pub(crate) word: &'static str,
    pub(crate) text: &'static str,
    /// In how many steps it is divided,
    pub(crate) steps: u32,
    /// of so many hours each.
    pub(crate) step_hours: u32,
    /// How the beginning of a step is written.
    pub(crate) label: &'static str,
}

pub(crate) static SPANS: [Span; 3] = [
    Span { word: "day", text: "Day", steps: 24, step_hours: 1, label: "%d %b %H:00" },
    Span { word: "week", text: "Week", steps: 28, step_hours: 6, label: "%d %b %H:00" },
    Span { word: "month", text: "Month", steps: 30, step_hours: 24, label: "%d %b %H:00" },
];

/// The figures of a span.
#[derive(Debug)]
pub(crate) struct Figures {
    /// When each step began.
    pub(crate) began: Vec<Timestamp>,
    sums: HashMap<(Counted, i64), u64>,
}

impl Figures {
    /// Those of the span that ends with the hour that runs.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn of(
        store: &dyn AdminStore,
        span: &Span,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let step = i64::from(span.step_hours) * 3_600;
        let steps = i64::from(span.steps);
        let first = hour(now).as_second() + 3_600 - step * steps;
        let at = |second| Timestamp::from_second(second).unwrap_or(Timestamp::MIN);
        let mut sums: HashMap<(Counted, i64), u64> = HashMap::new();
        for (began, what, n) in store.counts(at(first)).await? {
            let place = (began.as_second() - first).div_euclid(step);
            let sum = sums.entry((what, place)).or_default();
            *sum = if is_height(what) { n.max(*sum) } else { sum.saturating_add(n) };
        }
        Ok(Self { began: (0..steps).map(|i| at(first + i * step)).collect(), sums })
    }

    /// What was counted in each step.
    pub(crate) fn steps(&self, what: Counted) -> Vec<u64> {
        let places = (0..).take(self.began.len());
        places.map(|place| self.sums.get(&(what, place)).copied().unwrap_or(0)).collect()
    }

    /// Over the whole span: the sum, or the highest.
    pub(crate) fn total(&self, what: Counted) -> u64 {
        let steps = self.steps(what).into_iter();
        if is_height(what) { steps.max().unwrap_or(0) } else { steps.sum() }
    }
}

/// Whether the highest counts rather than the sum.
pub(crate) fn is_height(what: Counted) -> bool {
    what == Counted::ActiveSessions
}

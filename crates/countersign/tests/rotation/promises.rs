//! What the protocol promises, as a suite that any decision can be put through.

use countersign::session::rotation::decide;

use crate::rng::Rng;
use crate::schedules::{Honest, Life, Thief};
use crate::server::Decide;

#[test]
fn an_honest_browser_is_never_refused() {
    for schedule in &HONEST {
        let tally = Tally::of(decide, schedule, RUNS);
        assert_eq!(tally.refused, 0, "{schedule:?}");
        assert_eq!(
            tally.rollbacks_seen > 0,
            schedule.rollback > 0,
            "a rollback is reported when there was one, and only then: {schedule:?}"
        );
    }
}

#[test]
fn delays_beyond_the_window_are_the_limit() {
    let tally = Tally::of(decide, &BEYOND, RUNS);
    assert!((1..=RUNS / 50).contains(&tally.refused), "about one in a hundred, not none and not many: {tally:?}");
}

#[test]
fn a_thief_is_always_found() {
    for thief in &THIEVES {
        let found = Found::of(decide, thief, RUNS);
        assert_eq!(found.runs, RUNS, "{thief:?}");
        assert!(found.last <= GENERATIONS, "{thief:?}: {found:?}");
        let in_step = thief.step.1 <= 30;
        assert!(in_step || found.median <= 2, "{thief:?}: {found:?}");
    }
    assert_eq!(Found::of(decide, &OUT_OF_STEP, RUNS).last, 2);
}

/// The promises that a decision breaks, by name.
pub(crate) fn broken<D: Decide>(decide: D, runs: u32) -> Vec<&'static str> {
    let mut broken = Vec::new();
    for schedule in &HONEST {
        let tally = Tally::of(decide, schedule, runs);
        if tally.refused > 0 {
            broken.push(schedule.name);
        }
        if (tally.rollbacks_seen > 0) != (schedule.rollback > 0) {
            broken.push("false report of a rollback");
        }
    }
    for thief in THIEVES.iter().chain([&OUT_OF_STEP]) {
        let found = Found::of(decide, thief, runs);
        let median = if thief.step.1 <= 30 { GENERATIONS } else { 2 };
        if found.runs < runs || found.last > GENERATIONS || found.median > median {
            broken.push(thief.name);
        }
    }
    broken
}

#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) refused: u32,
    /// Of those who were not refused.
    pub(crate) races: u64,
    pub(crate) generations: u64,
    rollbacks_seen: u64,
}

impl Tally {
    pub(crate) fn of<D: Decide>(decide: D, schedule: &Honest, runs: u32) -> Self {
        let mut rng = Rng::new(3);
        let mut tally = Self { refused: 0, races: 0, generations: 0, rollbacks_seen: 0 };
        for _ in 0..runs {
            let Life { refused, generations, races, rollbacks_seen } = schedule.live(decide, STEPS, &mut rng);
            tally.refused += u32::from(refused);
            tally.races += races;
            tally.generations += generations;
            tally.rollbacks_seen += rollbacks_seen;
        }
        tally
    }
}

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) runs: u32,
    pub(crate) median: u64,
    pub(crate) last: u64,
}

impl Found {
    pub(crate) fn of<D: Decide>(decide: D, thief: &Thief, runs: u32) -> Self {
        let mut rng = Rng::new(3);
        let mut lives: Vec<u64> = (0..runs).filter_map(|_| thief.steal(decide, &mut rng)).collect();
        lives.sort_unstable();
        let at = |index: usize| lives.get(index).copied().unwrap_or(u64::MAX);
        Self { runs: lives.len() as u32, median: at(lives.len() / 2), last: lives.last().copied().unwrap_or(u64::MAX) }
    }
}

/// Each way up to 15 s, so that a round trip stays within the window of 30 s.
pub(crate) const HONEST: [Honest; 7] = [
    Honest { name: "usual", delay: 500, busy: 100, lost: 10, doubled: 0, rollback: 0 },
    Honest { name: "poor network", delay: 5_000, busy: 200, lost: 100, doubled: 20, rollback: 0 },
    Honest { name: "train ride", delay: 15_000, busy: 200, lost: 500, doubled: 0, rollback: 0 },
    Honest { name: "at the window", delay: 15_000, busy: 200, lost: 100, doubled: 0, rollback: 0 },
    Honest { name: "requests doubled", delay: 15_000, busy: 200, lost: 100, doubled: 200, rollback: 0 },
    Honest { name: "with rollbacks", delay: 2_000, busy: 200, lost: 50, doubled: 0, rollback: 10 },
    Honest { name: "storm of reloads", delay: 15_000, busy: 800, lost: 100, doubled: 0, rollback: 0 },
];

pub(crate) const BEYOND: Honest = Honest { name: "beyond the window", delay: 30_000, busy: 200, lost: 100, doubled: 0, rollback: 0 };

pub(crate) const THIEVES: [Thief; 5] = [
    Thief { name: "at irregular times", step: (20, 220), past: 5 },
    Thief { name: "in step, within 2 s", step: (0, 2), past: 5 },
    Thief { name: "in step, 10 s before to 10 s after", step: (-10, 10), past: 5 },
    Thief { name: "in step, within 30 s", step: (0, 30), past: 5 },
    Thief { name: "in step, in an old session", step: (0, 30), past: 400 },
];

pub(crate) const OUT_OF_STEP: Thief = Thief { name: "out of step", step: (35, 200), past: 5 };

pub(crate) const RUNS: u32 = 2_000;
pub(crate) const STEPS: u32 = 700;

/// What a thief in step is given at most.
pub(crate) const GENERATIONS: u64 = 8;

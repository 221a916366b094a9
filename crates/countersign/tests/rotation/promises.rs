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
        assert!(found.keeps(thief, RUNS), "{thief:?}: {found:?}");
    }
}

/// Credit is given back at every generation, so a thief who comes within the window of the victim's own refresh, but not at each, lives longer: at every fifth, for ever.
#[test]
fn a_thief_in_step_who_holds_back_is_the_limit() {
    let lasts = PATIENT.map(|thief| Found::of(decide, &thief, RUNS)).map(|found| (found.runs, found.last));
    assert_eq!(lasts, [(RUNS, 16), (RUNS, 36), (RUNS, 88), (0, NEVER)]);
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
    for thief in &THIEVES {
        if !Found::of(decide, thief, runs).keeps(thief, runs) {
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
        let median = lives.get(lives.len() / 2).copied().unwrap_or(NEVER);
        Self { runs: lives.len() as u32, median, last: lives.last().copied().unwrap_or(NEVER) }
    }

    /// All found, within eight generations; usually at the second when the thief is not in step, and always then when out of step.
    fn keeps(&self, thief: &Thief, runs: u32) -> bool {
        let (median, last) = match thief.step {
            (31.., _) => (2, 2),
            (_, 31..) => (2, GENERATIONS),
            _ => (GENERATIONS, GENERATIONS),
        };
        self.runs == runs && self.median <= median && self.last <= last
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

pub(crate) const THIEVES: [Thief; 6] = [
    Thief { name: "out of step", step: (40, 100), either_side: true, every: 1, past: 5 },
    Thief { name: "at irregular times", step: (20, 220), either_side: false, every: 1, past: 5 },
    Thief { name: "in step, within 2 s", step: (0, 2), either_side: false, every: 1, past: 5 },
    Thief { name: "in step, 10 s before to 10 s after", step: (-10, 10), either_side: false, every: 1, past: 5 },
    Thief { name: "in step, within 30 s", step: (0, 30), either_side: false, every: 1, past: 5 },
    Thief { name: "in step, in an old session", step: (0, 30), either_side: false, every: 1, past: 400 },
];

pub(crate) const PATIENT: [Thief; 4] = [
    Thief { name: "in step, every second time", step: (0, 30), either_side: false, every: 2, past: 5 },
    Thief { name: "in step, every third time", step: (0, 30), either_side: false, every: 3, past: 5 },
    Thief { name: "in step, every fourth time", step: (0, 30), either_side: false, every: 4, past: 5 },
    Thief { name: "in step, every fifth time", step: (0, 30), either_side: false, every: 5, past: 5 },
];

pub(crate) const RUNS: u32 = 2_000;
pub(crate) const STEPS: u32 = 700;

/// What a thief in step at every refresh is given at most.
const GENERATIONS: u64 = 8;

pub(crate) const NEVER: u64 = u64::MAX;

//! What the protocol promises, as a suite that any decision can be put through.

use countersign::session::rotation::decide;

use crate::rng::Rng;
use crate::schedules::{Honest, Life};
use crate::server::Decide;
use crate::thieves::{BUSY, PATIENT, PERIODS, Thief};

#[test]
fn an_honest_browser_is_not_refused() {
    for schedule in &HONEST {
        let tally = Tally::of(decide, schedule, RUNS);
        assert!(schedule.is_kept(tally.refused, RUNS), "{}: {tally:?}", schedule.name);
        assert_eq!(
            tally.rollbacks_seen > 0,
            schedule.rollback > 0,
            "a rollback is reported when there was one, and only then: {}",
            schedule.name
        );
    }
}

#[test]
fn a_thief_is_found_however_often_and_whenever_he_acts() {
    for thief in BUSY.iter().chain(&PATIENT) {
        for period in PERIODS {
            let found = Found::of(decide, thief, period, THEFTS);
            assert!(
                found.runs == THEFTS && found.last <= thief.most,
                "{}, every {period} ms: {found:?}",
                thief.name
            );
        }
    }
}

/// The promises that a decision breaks, by name.
pub(crate) fn broken<D: Decide>(decide: D, runs: u32) -> Vec<&'static str> {
    let mut broken = Vec::new();
    for schedule in &HONEST {
        let tally = Tally::of(decide, schedule, runs);
        if !schedule.is_kept(tally.refused, runs) {
            broken.push(schedule.name);
        }
        if (tally.rollbacks_seen > 0) != (schedule.rollback > 0) {
            broken.push("false report of a rollback");
        }
    }
    for thief in BUSY.iter().chain(&PATIENT) {
        let is_kept = PERIODS.iter().all(|&period| {
            let found = Found::of(decide, thief, period, 20);
            found.runs == 20 && found.last <= thief.most
        });
        if !is_kept {
            broken.push(thief.name);
        }
    }
    broken
}

impl Honest {
    /// Of a few runs one more may be chance.
    fn is_kept(&self, refused: u32, runs: u32) -> bool {
        refused
            <= if self.refused == 0 {
                0
            } else {
                self.refused * runs / 1_000 + u32::from(runs < 1_000)
            }
    }
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
            let Life { refused, generations, races, rollbacks_seen } =
                schedule.live(decide, STEPS, &mut rng);
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
    pub(crate) fn of<D: Decide>(decide: D, thief: &Thief, period: u64, runs: u32) -> Self {
        let mut rng = Rng::new(3);
        let mut lives: Vec<u64> =
            (0..runs).filter_map(|_| thief.steal(decide, period, &mut rng)).collect();
        lives.sort_unstable();
        let median = lives.get(lives.len() / 2).copied().unwrap_or(NEVER);
        Self { runs: lives.len() as u32, median, last: lives.last().copied().unwrap_or(NEVER) }
    }
}

/// Each way up to 15 s, so that a round trip stays within the window of 30 s.
#[rustfmt::skip]
pub(crate) const HONEST: [Honest; 12] = [
    Honest { name: "usual", delay: 500, busy: 100, lost: 10, ..Honest::CALM },
    Honest { name: "poor network", delay: 5_000, busy: 200, lost: 100, doubled: 20, ..Honest::CALM },
    Honest { name: "train ride", delay: 15_000, busy: 200, lost: 500, ..Honest::CALM },
    Honest { name: "at the window", delay: 15_000, busy: 200, lost: 100, ..Honest::CALM },
    Honest { name: "requests doubled", delay: 15_000, busy: 200, lost: 100, doubled: 200, ..Honest::CALM },
    Honest { name: "with rollbacks", delay: 2_000, busy: 200, lost: 50, rollback: 10, ..Honest::CALM },
    Honest { name: "beyond the window", delay: 30_000, busy: 200, lost: 100, refused: 10, ..Honest::CALM },
    Honest { name: "storm of reloads", delay: 15_000, busy: 800, lost: 100, refused: 2, ..Honest::CALM },
    Honest { name: "reloads all day", delay: 2_000, busy: 800, lost: 50, pauses: &[200, 500, 1_000, 2_000, 3_000, 5_000, 10_000, 20_000], refused: 20, ..Honest::CALM },
    Honest { name: "beside an old node", delay: 15_000, busy: 200, lost: 100, forgets: 20, refused: 2, ..Honest::CALM },
    Honest { name: "dies", delay: 2_000, busy: 200, lost: 50, dies: 20, refused: 10, ..Honest::CALM },
    Honest { name: "reloads, then dies", delay: 2_000, busy: 500, lost: 50, dies: 20, pauses: &[200, 1_000, 3_000, 5_000, 300_000], refused: 300, ..Honest::CALM },
];

pub(crate) const RUNS: u32 = 1_000;
pub(crate) const THEFTS: u32 = 200;
pub(crate) const STEPS: u32 = 700;

pub(crate) const NEVER: u64 = u64::MAX;

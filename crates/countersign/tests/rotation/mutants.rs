//! Each rule, and each half of a rule, is there because a schedule needs it: without it, somebody honest is refused or a thief is not found.

use crate::promises::broken;
use crate::reference::{Minting, Once, Rules};
use countersign::session::rotation::decide;

#[test]
fn the_real_decision_breaks_no_promise() {
    assert_eq!(broken(decide, RUNS), Vec::<&str>::new());
}

#[test]
fn every_mutant_breaks_a_promise() {
    for (name, rules, promise) in MUTANTS {
        let broken = broken(move |row, token, now, window| rules.decide(row, token, now, window), RUNS);
        assert!(broken.contains(&promise), "{name}: broken is {broken:?}");
    }
}

/// What is changed, and a promise that it must break.
pub(crate) const MUTANTS: [(&str, Rules, &str); 16] = [
    ("rule 2 removed", Rules { repeated: false, ..Rules::ALL }, "train ride"),
    ("rule 3 removed", Rules { successor: false, ..Rules::ALL }, "false report of a rollback"),
    ("rule 3 does not note the time", Rules { notes_time: false, ..Rules::ALL }, "at the window"),
    ("rule 3 gives no credit back", Rules { gives_back: false, ..Rules::ALL }, "storm of reloads"),
    ("rule 3 gives credit without end", Rules { capped: false, ..Rules::ALL }, "in step, in an old session"),
    ("rule 4 removed", Rules { ahead: false, ..Rules::ALL }, "with rollbacks"),
    ("rule 5 removed", Rules { by_presentation: false, by_minting: Minting::Ignored, ..Rules::ALL }, "poor network"),
    ("rule 5 without the time of presentation", Rules { by_presentation: false, ..Rules::ALL }, "at the window"),
    ("rule 5 without the time of minting", Rules { by_minting: Minting::Ignored, ..Rules::ALL }, "at the window"),
    ("rule 5 forgives all that was minted later", Rules { by_minting: Minting::NearOrLater, ..Rules::ALL }, "out of step"),
    ("rule 5 forgives all that was minted earlier", Rules { by_minting: Minting::NearOrEarlier, ..Rules::ALL }, "out of step"),
    ("rule 5 costs nothing", Rules { costs: false, ..Rules::ALL }, "in step, within 2 s"),
    ("rule 5 costs for each race", Rules { once: Once::Race, ..Rules::ALL }, "storm of reloads"),
    ("rule 5 costs once a session", Rules { once: Once::Session, ..Rules::ALL }, "in step, within 2 s"),
    ("rule 5 continues the stale line", Rules { joins: false, ..Rules::ALL }, "storm of reloads"),
    ("rule 6 removed", Rules { refuses: false, ..Rules::ALL }, "at irregular times"),
];

const RUNS: u32 = 300;

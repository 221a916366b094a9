//! Each rule, and each half of a rule, is there because a schedule needs it: without it, somebody
//! honest is refused or a thief is not found.

use crate::promises::broken;
use crate::reference::{Died, Earned, Late, Once, Past, Rules};
use countersign::session::rotation::decide;

#[test]
fn the_real_decision_breaks_no_promise() {
    assert_eq!(broken(decide, RUNS), Vec::<&str>::new());
}

#[test]
fn every_mutant_breaks_a_promise() {
    let mut survivors = Vec::new();
    for (name, rules, promise) in MUTANTS.into_iter().chain(RARE) {
        let broken =
            broken(move |row, token, now, window| rules.decide(row, token, now, window), RUNS);
        if !broken.contains(&promise) {
            survivors.push((name, promise, broken));
        }
    }
    assert!(survivors.is_empty(), "{survivors:#?}");
}

/// What is changed, and a promise that it must break.
#[rustfmt::skip]
pub(crate) const MUTANTS: [(&str, Rules, &str); 18] = [
    ("the first version", Rules::FIRST, "every 20 s"),
    ("rule 2 removed", Rules { repeated: false, ..Rules::ALL }, "train ride"),
    ("rule 3 removed", Rules { successor: false, ..Rules::ALL }, "false report of a rollback"),
    ("rule 4 removed", Rules { ahead: false, ..Rules::ALL }, "false report of a rollback"),
    ("rule 5 removed", Rules { slow: Past::Ignored, late: Late::Ignored, died: Died::Ignored, ..Rules::ALL }, "poor network"),
    ("no slow request", Rules { slow: Past::Ignored, ..Rules::ALL }, "storm of reloads"),
    ("slow since the last step past it", Rules { slow: Past::Last, ..Rules::ALL }, "every 10 s"),
    ("no late answer", Rules { late: Late::Ignored, ..Rules::ALL }, "reloads, then dies"),
    ("late and slow by the last step", Rules { slow: Past::Last, late: Late::ByMinting, ..Rules::ALL }, "every 20 s"),
    ("no browser dies", Rules { died: Died::Ignored, ..Rules::ALL }, "dies"),
    ("a browser dies within the bucket only", Rules { died: Died::WithinTheBucket, ..Rules::ALL }, "reloads, then dies"),
    ("a browser dies at any time", Rules { died: Died::Always, ..Rules::ALL }, "every 31 s"),
    ("rule 5 costs nothing", Rules { costs: [0, 0], ..Rules::ALL }, "once, just after the victim"),
    ("rule 5 costs for each race", Rules { once: Once::Race, ..Rules::ALL }, "storm of reloads"),
    ("rule 5 costs once a session", Rules { once: Once::Session, ..Rules::ALL }, "once, just after the victim"),
    ("rule 5 continues the stale line", Rules { joins: false, ..Rules::ALL }, "false report of a rollback"),
    ("credit by the generation", Rules { gives_back: Earned::ByGeneration, ..Rules::ALL }, "every second of the first 30"),
    ("credit never", Rules { gives_back: Earned::Never, ..Rules::ALL }, "storm of reloads"),
];

/// The same, where it takes an old session or a strange clock.
#[rustfmt::skip]
pub(crate) const RARE: [(&str, Rules, &str); 3] = [
    ("credit without end", Rules { capped: false, ..Rules::ALL }, "the same, in an old session"),
    ("one mark only", Rules { remembers: false, ..Rules::ALL }, "dies"),
    ("rule 6 removed", Rules { refuses: false, ..Rules::ALL }, "once, at any time"),
];

const RUNS: u32 = 200;

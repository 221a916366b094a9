//! What is promised of bound sessions, and that each rule is there for a reason.

use super::server::Rules;
use super::theft::{Plan, Theft, steal};
use crate::promises::{HONEST, STEPS};
use crate::rng::Rng;
use crate::schedules::Honest;
use crate::thieves::BUSY;

#[test]
fn an_honest_browser_is_refused_no_more_often_than_unbound() {
    for schedule in honest() {
        let [unbound, bound] =
            [Rules::UNBOUND, Rules::ALL].map(|rules| Kept::of(rules, schedule, RUNS));
        assert!(bound.refused <= unbound.refused, "{}: {bound:?}, {unbound:?}", schedule.name);
        assert!(bound.bound > RUNS / 2, "{}: most are bound: {bound:?}", schedule.name);
    }
}

#[test]
fn a_thief_without_the_key_has_330_seconds_and_does_not_hurt_the_victim() {
    for (name, plan, tries) in cast() {
        for network in &NETWORKS {
            let stolen = Stolen::of(Rules::ALL, network, plan, tries);
            assert!(stolen.most <= 330, "{name}, {}: {stolen:?}", network.name);
            assert_eq!((stolen.refused, stolen.stuck), (0, 0), "{name}, {}", network.name);
            assert!(stolen.most > 0, "{name}: a ticket is good for a while: {stolen:?}");
        }
    }
}

#[test]
fn every_rule_of_a_bound_session_is_there_for_a_reason() {
    let all = Rules::ALL;
    for (name, rules) in [
        ("rule 0 removed", Rules { enforces: false, ..all }),
        ("tickets without end", Rules { tickets_end: false, ..all }),
        ("rule 5b removed", Rules { own_device: false, ..all }),
        ("rule 6 ends a bound session", Rules { spares: false, ..all }),
        ("a key counts at once", Rules { waits: false, ..all }),
    ] {
        assert!(breaks(rules), "{name} breaks no promise");
    }
    assert!(!breaks(all));
}

fn breaks(rules: Rules) -> bool {
    let dying = Honest { delay: 15_000, lost: 300, dies: 100, busy: 200, ..Honest::CALM };
    let [unbound, bound] =
        [Rules::UNBOUND, rules].map(|rules| Kept::of(rules, &dying, RUNS).refused);
    let worst = cast().into_iter().any(|(_, plan, tries)| {
        let stolen = Stolen::of(rules, &NETWORKS[1], plan, tries);
        stolen.most > 330 || stolen.refused > 0 || stolen.stuck > 0
    });
    worst || bound > unbound
}

/// What became of many lives of an honest browser.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) refused: u32,
    pub(crate) bound: u32,
    /// Of those who were not refused.
    pub(crate) granted: u64,
    pub(crate) proofs: u64,
    pub(crate) put_off: u64,
}

impl Kept {
    pub(crate) fn of(rules: Rules, schedule: &Honest, runs: u32) -> Self {
        let mut rng = Rng::new(3);
        let mut kept = Self { refused: 0, bound: 0, granted: 0, proofs: 0, put_off: 0 };
        for _ in 0..runs {
            let exchange = schedule.live_bound(rules, STEPS, &mut rng);
            kept.refused += u32::from(exchange.refused);
            kept.bound += u32::from(exchange.is_bound());
            kept.granted += exchange.granted;
            kept.proofs += exchange.proofs;
            kept.put_off += exchange.put_off;
        }
        kept
    }
}

/// What became of many thefts.
#[derive(Debug)]
pub(crate) struct Stolen {
    /// For how many seconds the thief had tokens.
    pub(crate) median: u64,
    pub(crate) most: u64,
    /// Victims who were refused or logged out, and those who got no token once the thief let go.
    pub(crate) refused: u32,
    pub(crate) stuck: u32,
}

impl Stolen {
    pub(crate) fn of(rules: Rules, network: &Honest, plan: Plan, tries: bool) -> Self {
        let mut rng = Rng::new(3);
        let thefts: Vec<Theft> =
            (0..THEFTS).map(|_| steal(rules, network, plan, tries, &mut rng)).collect();
        let mut lasted: Vec<u64> = thefts.iter().map(|theft| theft.lasted).collect();
        lasted.sort_unstable();
        let count =
            |which: fn(&Theft) -> bool| thefts.iter().filter(|theft| which(theft)).count() as u32;
        Self {
            median: lasted[lasted.len() / 2],
            most: lasted[lasted.len() - 1],
            refused: count(|theft| theft.refused),
            stuck: count(|theft| !theft.refused && !theft.goes_on),
        }
    }
}

/// Those of the rotation, but for one beside a node that knows no devices, and two who are slower.
pub(crate) fn honest() -> impl Iterator<Item = &'static Honest> {
    HONEST.iter().filter(|schedule| schedule.forgets == 0).chain(&FAR)
}

/// Those who are found soon where nothing is bound, and two who try whatever they can.
pub(crate) fn cast() -> Vec<(&'static str, Plan, bool)> {
    let known =
        BUSY.iter().filter(|thief| thief.past <= 5).map(|thief| (thief.name, thief.plan, false));
    known
        .chain([("tries everything, now and then", NOW_AND_THEN, true)])
        .chain([("tries everything, all the time", ALL_THE_TIME, true)])
        .collect()
}

const NOW_AND_THEN: Plan =
    |rng, cycle| (0..rng.between(1, 6)).map(|_| rng.between(0, cycle)).collect();
const ALL_THE_TIME: Plan = |rng, cycle| {
    let pause = rng.between(2_000, 20_000);
    (0..cycle / pause).map(|act| act * pause).collect()
};

/// Slower than the window allows.
#[rustfmt::skip]
const FAR: [Honest; 2] = [
    Honest { name: "far beyond the window", delay: 60_000, busy: 200, lost: 100, ..Honest::CALM },
    Honest { name: "far beyond, starts and proofs lost", delay: 60_000, busy: 200, lost: 300, doubled: 100, ..Honest::CALM },
];

/// The victim's.
#[rustfmt::skip]
pub(crate) const NETWORKS: [Honest; 2] = [
    Honest { name: "usual", delay: 500, lost: 10, ..Honest::CALM },
    Honest { name: "train ride", delay: 15_000, lost: 300, doubled: 100, ..Honest::CALM },
];

const RUNS: u32 = 200;
pub(crate) const THEFTS: u32 = 100;

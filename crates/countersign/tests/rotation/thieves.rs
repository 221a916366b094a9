//! Thieves who copied a cookie, and act by a plan in each cycle of their victim: some do not see
//! the victim's clock, some do.

use crate::rng::Rng;
use crate::server::{Decide, Server};

/// A thief, who shows the newest of the tokens got so far.
#[derive(Clone, Copy)]
pub(crate) struct Thief {
    pub(crate) name: &'static str,
    /// When to act in a cycle of so many milliseconds, counted from the victim's last refresh; in
    /// any order.
    pub(crate) plan: fn(&mut Rng, u64) -> Vec<u64>,
    /// Acts in each of the victim's cycles, or in every second, third …
    pub(crate) every: u64,
    /// How many refreshes the victim has had before, at most.
    pub(crate) past: u64,
    /// Found when the victim has refreshed so often, at the latest.
    pub(crate) most: u64,
}

impl Thief {
    /// At which of the victim's refreshes the session dies; `None` when it outlives two hundred.
    pub(crate) fn steal<D: Decide>(&self, decide: D, period: u64, rng: &mut Rng) -> Option<u64> {
        let mut now = 1_700_000_000_000;
        let (mut server, mut victim) = Server::new(decide, now);
        for _ in 0..rng.between(1, self.past) {
            now += period;
            victim = server.refresh(&victim, now)?;
        }
        let mut thief = victim;
        for cycle in 0..200 {
            let length = rng.between(period * 8 / 10, period * 12 / 10);
            let mut acts =
                if cycle % self.every == 0 { (self.plan)(rng, length) } else { Vec::new() };
            acts.sort_unstable();
            for at in acts {
                match server.refresh(&thief, now + at) {
                    Some(child) => thief = child,
                    None => return Some(cycle + 1),
                }
            }
            now += length;
            match server.refresh(&victim, now) {
                Some(child) => victim = child,
                None => return Some(cycle + 1),
            }
        }
        None
    }
}

const fn thief(
    name: &'static str,
    every: u64,
    most: u64,
    plan: fn(&mut Rng, u64) -> Vec<u64>,
) -> Thief {
    Thief { name, plan, every, past: 5, most }
}

/// At every refresh of the victim's: found at the eighth at the latest.
#[rustfmt::skip]
pub(crate) const BUSY: [Thief; 16] = [
    thief("once, at any time", 1, 8, |rng, cycle| vec![rng.between(0, cycle)]),
    thief("once, just before the victim", 1, 8, |rng, cycle| vec![cycle - rng.between(0, 2_000)]),
    thief("once, just after the victim", 1, 8, |rng, _| vec![rng.between(0, 2_000)]),
    thief("once, within 30 s after the victim", 1, 8, |rng, _| vec![rng.between(0, 30_000)]),
    Thief { past: 400, ..thief("the same, in an old session", 1, 8, |rng, _| vec![rng.between(0, 30_000)]) },
    thief("every 10 s", 1, 8, |_, cycle| every(10_000, cycle)),
    thief("every 20 s", 1, 8, |_, cycle| every(20_000, cycle)),
    thief("every 31 s", 1, 8, |_, cycle| every(31_000, cycle)),
    thief("every 62 s", 1, 8, |_, cycle| every(62_000, cycle)),
    thief("ten at once, just after the victim", 1, 8, |rng, _| burst(rng.between(0, 2_000), 10)),
    thief("ten at once, just before the victim", 1, 8, |_, cycle| burst(cycle - 2_000, 10)),
    thief("every second of the first 30", 1, 8, |_, _| (0..30).map(|second| second * 1_000 + 500).collect()),
    thief("every 31 s, and five just before the victim", 1, 8, |_, cycle| [every(31_000, cycle), burst(cycle - 1_000, 5)].concat()),
    thief("59 and 29 s before the victim", 1, 8, |_, cycle| vec![cycle.saturating_sub(59_000), cycle - 29_000]),
    thief("31 s before the victim, and just before", 1, 8, |_, cycle| vec![cycle - 31_000, cycle - 100]),
    thief("1 and 32 s after the victim", 1, 8, |_, cycle| vec![1_000, 32_000.min(cycle)]),
];

/// At some refreshes only, and with the victim's clock in sight.
#[rustfmt::skip]
pub(crate) const PATIENT: [Thief; 7] = [
    thief("just before every second refresh", 2, 17, |rng, cycle| vec![cycle - rng.between(0, 2_000)]),
    thief("just after every second", 2, 17, |rng, _| vec![rng.between(0, 2_000)]),
    thief("just before every third", 3, 10, |rng, cycle| vec![cycle - rng.between(0, 2_000)]),
    thief("just after every third", 3, 10, |rng, _| vec![rng.between(0, 2_000)]),
    thief("ten at once, just after every third", 3, 10, |rng, _| burst(rng.between(0, 2_000), 10)),
    thief("just before every fifth", 5, 10, |rng, cycle| vec![cycle - rng.between(0, 2_000)]),
    thief("just after every fifth", 5, 10, |rng, _| vec![rng.between(0, 2_000)]),
];

/// How often the victim refreshes, in milliseconds.
pub(crate) const PERIODS: [u64; 3] = [65_000, 300_000, 3_600_000];

fn every(pause: u64, cycle: u64) -> Vec<u64> {
    (0..).map(|act| 5_000 + act * pause).take_while(|&at| at < cycle).collect()
}

fn burst(from: u64, acts: u64) -> Vec<u64> {
    (0..acts).map(|act| from + act * 100).collect()
}

//! A search for the thief who lives longest. Such a thief sees the victim's clock, keeps every
//! token ever got, shows none that is sure to betray its holder, and repeats a plan of up to six
//! acts in each of the victim's cycles, or in every second or third. Half of the plans are drawn
//! anew, half are changes of the best so far.

use countersign::session::rotation::{Presented, decide};

use crate::rng::Rng;
use crate::server::{Decide, Server};

#[test]
fn no_thief_that_is_searched_for_outlives_the_bounds() {
    for (period, most) in VICTIMS {
        let best = search(decide, period, PLANS);
        assert!(best.life[0] <= most[0] && best.life[1] <= most[1], "every {period} s: {best:?}");
        assert!(best.life[0] > 3 && best.life[1] > 3, "the search finds somebody: {best:?}");
    }
}

/// The longest lives that were found, in refreshes of the victim: of who acts in each cycle, and of
/// who may rest.
#[derive(Debug)]
pub(crate) struct Best {
    pub(crate) life: [u64; 2],
    pub(crate) plans: [Plan; 2],
}

#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Seconds in tenths after the victim's refresh, or before it if negative; and which of the
    /// thief's tokens, the newest is 0.
    acts: Vec<(i64, usize)>,
    every: u64,
}

pub(crate) fn search<D: Decide>(decide: D, period: u64, plans: u32) -> Best {
    let mut rng = Rng::new(1);
    let idle = Plan { acts: Vec::new(), every: 1 };
    let mut best = Best { life: [0; 2], plans: [idle.clone(), idle] };
    for number in 0..plans {
        let rests = usize::from(number % 2 == 1);
        let plan = if rng.chance(500) {
            Plan::any(&mut rng, rests)
        } else {
            best.plans[rests].changed(&mut rng, rests)
        };
        let life = plan.live(decide, period * 1_000);
        if life >= best.life[rests] {
            best.life[rests] = life;
            best.plans[rests] = plan;
        }
    }
    best
}

impl Plan {
    fn any(rng: &mut Rng, rests: usize) -> Self {
        let acts = (0..rng.between(1, 6)).map(|_| act(rng)).collect();
        Self { acts, every: if rests == 1 { rng.between(2, 3) } else { 1 } }
    }

    fn changed(&self, rng: &mut Rng, rests: usize) -> Self {
        let mut plan = self.clone();
        let place = rng.between(0, 5) as usize;
        match plan.acts.get_mut(place) {
            Some(_) if rng.chance(300) => drop(plan.acts.remove(place)),
            Some(old) => *old = act(rng),
            None => plan.acts.push(act(rng)),
        }
        if rests == 1 && rng.chance(200) {
            plan.every = rng.between(2, 3);
        }
        plan
    }

    /// At which of the victim's refreshes the thief is found, or out.
    fn live<D: Decide>(&self, decide: D, period: u64) -> u64 {
        let mut now = 1_700_000_000_000;
        let (mut server, mut victim) = Server::new(decide, now);
        for _ in 0..3 {
            now += period;
            let Some(child) = server.refresh(&victim, now) else { return 0 };
            victim = child;
        }
        let mut have = vec![victim];
        let mut acts: Vec<(u64, usize)> = (self.acts.iter())
            .map(|&(at, which)| {
                (
                    if at >= 0 {
                        at.unsigned_abs() * 100
                    } else {
                        period.saturating_sub(at.unsigned_abs() * 100)
                    },
                    which,
                )
            })
            .filter(|&(at, _)| at > 0 && at < period)
            .collect();
        acts.sort_unstable();
        for cycle in 1..=LONGEST {
            for &(at, which) in if (cycle - 1) % self.every == 0 { &acts[..] } else { &[] } {
                let token: Presented = have[have.len().saturating_sub(1 + which)];
                if server.would_refuse(&token, now + at) {
                    continue;
                }
                have.extend(server.refresh(&token, now + at));
            }
            now += period;
            match server.refresh(&victim, now) {
                Some(child) => victim = child,
                None => return cycle,
            }
            if have.iter().rev().take(8).all(|token| server.is_worthless(token, now + 100)) {
                return cycle;
            }
        }
        LONGEST + 1
    }
}

fn act(rng: &mut Rng) -> (i64, usize) {
    let at = rng
        .pick(&[1, 10, 50, 100, 140, 160, 200, 250, 290, 310, 350, 440, 460, 590, 610, 750, 910]);
    (if rng.chance(500) { at } else { -at }, rng.pick(&[0, 0, 0, 1, 1, 2, 3, 5]))
}

/// How often the victim refreshes, in seconds; and how long a thief may live who acts at each of
/// these refreshes, and one who rests.
pub(crate) const VICTIMS: [(u64, [u64; 2]); 6] = [
    (20, [37, 37]),
    (40, [12, 17]),
    (65, [12, 17]),
    (120, [12, 17]),
    (300, [12, 17]),
    (3_600, [12, 17]),
];

pub(crate) const PLANS: u32 = 4_000;

/// Then the thief is as good as never found.
const LONGEST: u64 = 100;

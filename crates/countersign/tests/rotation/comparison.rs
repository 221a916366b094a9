//! Other ways to rotate, each in a few lines, through the same week: a refresh every five minutes
//! for 8 hours a day.

use std::time::Duration;

use countersign::session::rotation::{Presented, decide};

use crate::rng::Rng;
use crate::server::Server;

#[test]
fn only_this_way_keeps_every_honest_client_and_finds_every_thief() {
    for row in rows() {
        let Row { name, wrong: [lost, tabs, late], found, .. } = row;
        let is_ours = name == OURS;
        assert_eq!([lost, tabs, late, found] == [0, 0, 0, CLIENTS], is_ours, "{name}: {row:?}");
    }
}

#[test]
fn the_others_fail_where_their_authors_know_it() {
    let all = CLIENTS * 99 / 100..=CLIENTS;
    let most = CLIENTS * 90 / 100..=CLIENTS * 99 / 100;
    for (row, wrong) in rows().iter().zip([
        [&all, &all, &all],
        [&most, &NONE, &all],
        [&NONE, &NONE, &all],
        [&NONE, &all, &all],
        [&most, &all, &all],
        [&NONE, &NONE, &NONE],
    ]) {
        for (wrong, expected) in row.wrong.iter().zip(wrong) {
            assert!(expected.contains(wrong), "{row:?}");
        }
    }
}

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Honest clients of [`CLIENTS`] who were logged out within the week, one for each [`Trouble`].
    pub(crate) wrong: [u32; 3],
    /// Sessions of [`CLIENTS`] in which the thief was found.
    pub(crate) found: u32,
    /// At which of the victim's refreshes after the theft, in the median.
    pub(crate) median: Option<u64>,
}

pub(crate) fn rows() -> [Row; 6] {
    [
        row("strict single use", || Single { current: 0, dead: false }),
        row("same successor for 30 s", || Successor {
            current: 0,
            since: 0,
            dead: false,
            always: false,
        }),
        row("the previous one always", || Successor {
            current: 0,
            since: 0,
            dead: false,
            always: true,
        }),
        row("child promoted on first use", || Promoted {
            parents: vec![None],
            base: 0,
            dead: false,
        }),
        row("rotate again inside 30 s", || Again {
            minted: 0,
            current: 0,
            previous: None,
            since: 0,
            dead: false,
        }),
        row(OURS, || {
            let (server, first) = Server::new(decide, 0);
            Ours { server, tokens: vec![first] }
        }),
    ]
}

fn row<A: Algorithm>(name: &'static str, begin: fn() -> A) -> Row {
    let wrong =
        [Trouble::LostAnswers, Trouble::ParallelTabs, Trouble::LateAnswers].map(|trouble| {
            let mut rng = Rng::new(11);
            (0..CLIENTS).filter(|_| week(begin(), trouble, &mut rng).is_none()).count() as u32
        });
    let mut lives: Vec<u64> = (0..CLIENTS).filter_map(|_| theft(begin())).collect();
    lives.sort_unstable();
    Row { name, wrong, found: lives.len() as u32, median: lives.get(lives.len() / 2).copied() }
}

#[derive(Clone, Copy)]
enum Trouble {
    /// One answer in a hundred is lost. The client tries again after 5 s, or at its next turn, or
    /// hours later.
    LostAnswers,
    /// At one turn in five, two or four tabs refresh within a second, and their answers come in any
    /// order.
    ParallelTabs,
    /// At one turn in a hundred, two tabs refresh, one goes on refreshing, and the other's answer
    /// arrives after 20 s and overwrites the cookie.
    LateAnswers,
}

/// A week without a thief; `None` when the client was refused. Times are seconds.
fn week<A: Algorithm>(mut server: A, trouble: Trouble, rng: &mut Rng) -> Option<()> {
    let (mut jar, mut now) = (0, 0);
    for _ in 0..7 * 96 {
        now += 300;
        match trouble {
            Trouble::LostAnswers if rng.chance(10) => {
                server.refresh(jar, now)?;
                if rng.chance(500) {
                    jar = server.refresh_and_use(jar, now + 5)?;
                } else if rng.chance(300) {
                    now += rng.between(600, 8 * 3_600);
                }
            }
            Trouble::ParallelTabs if rng.chance(200) => {
                let tabs = if rng.chance(700) { 2 } else { 4 };
                let mut answers =
                    (0..tabs).map(|_| server.refresh(jar, now)).collect::<Option<Vec<_>>>()?;
                rng.shuffle(&mut answers);
                for answer in answers {
                    server.used(answer);
                    jar = answer;
                }
            }
            Trouble::LateAnswers if rng.chance(10) => {
                let late = server.refresh(jar, now)?;
                for pause in [0, 5, 10] {
                    jar = server.refresh_and_use(jar, now + pause)?;
                }
                jar = late;
            }
            _ => jar = server.refresh_and_use(jar, now)?,
        }
    }
    Some(())
}

/// A thief copies the cookie after ten turns, and refreshes half a turn before each of the
/// victim's. At which of these turns it is found, if within a day.
fn theft<A: Algorithm>(mut server: A) -> Option<u64> {
    let (mut victim, mut now) = (0, 0);
    for _ in 0..10 {
        now += 300;
        victim = server.refresh_and_use(victim, now)?;
    }
    let mut thief = victim;
    for turn in 1..=96 {
        now += 300;
        match (server.refresh_and_use(thief, now - 150), server.refresh_and_use(victim, now)) {
            (Some(answer), Some(answer_to_victim)) => (thief, victim) = (answer, answer_to_victim),
            _ => return Some(turn),
        }
    }
    None
}

/// Tokens are numbers; the first is 0.
trait Algorithm {
    fn refresh(&mut self, token: usize, now: u64) -> Option<usize>;

    /// The access token that came with this refresh token was seen.
    fn used(&mut self, _token: usize) {}

    fn refresh_and_use(&mut self, token: usize, now: u64) -> Option<usize> {
        let answer = self.refresh(token, now)?;
        self.used(answer);
        Some(answer)
    }
}

/// Each token once; a second time ends the session.
struct Single {
    current: usize,
    dead: bool,
}

impl Algorithm for Single {
    fn refresh(&mut self, token: usize, _: u64) -> Option<usize> {
        self.dead |= token != self.current;
        self.current += 1;
        (!self.dead).then_some(self.current)
    }
}

/// The token before the current one gets the current one, for 30 s or always.
struct Successor {
    current: usize,
    since: u64,
    dead: bool,
    always: bool,
}

impl Algorithm for Successor {
    fn refresh(&mut self, token: usize, now: u64) -> Option<usize> {
        if token == self.current {
            (self.current, self.since) = (self.current + 1, now);
        } else {
            self.dead |= token + 1 != self.current || !(self.always || now - self.since <= 30);
        }
        (!self.dead).then_some(self.current)
    }
}

/// A child takes its parent's place when it, or the access token that came with it, is first seen.
struct Promoted {
    parents: Vec<Option<usize>>,
    base: usize,
    dead: bool,
}

impl Algorithm for Promoted {
    fn refresh(&mut self, token: usize, _: u64) -> Option<usize> {
        self.used(token);
        self.dead |= token != self.base;
        self.parents.push(Some(token));
        (!self.dead).then_some(self.parents.len() - 1)
    }

    fn used(&mut self, token: usize) {
        if self.parents[token] == Some(self.base) {
            self.base = token;
        }
    }
}

/// Inside 30 s the token before the current one is rotated once more; its new child is the current
/// one.
struct Again {
    minted: usize,
    current: usize,
    previous: Option<usize>,
    since: u64,
    dead: bool,
}

impl Algorithm for Again {
    fn refresh(&mut self, token: usize, now: u64) -> Option<usize> {
        if token == self.current {
            (self.previous, self.since) = (Some(token), now);
        } else {
            self.dead |= self.previous != Some(token) || now - self.since > 30;
        }
        self.minted += 1;
        self.current = self.minted;
        (!self.dead).then_some(self.current)
    }
}

struct Ours<D> {
    server: Server<D>,
    tokens: Vec<Presented>,
}

impl<D: crate::server::Decide> Algorithm for Ours<D> {
    fn refresh(&mut self, token: usize, now: u64) -> Option<usize> {
        let child = self
            .server
            .refresh(&self.tokens[token], Duration::from_secs(now).as_millis() as u64)?;
        self.tokens.push(child);
        Some(self.tokens.len() - 1)
    }
}

pub(crate) const OURS: &str = "**this one**";
pub(crate) const CLIENTS: u32 = 1_000;
const NONE: std::ops::RangeInclusive<u32> = 0..=0;

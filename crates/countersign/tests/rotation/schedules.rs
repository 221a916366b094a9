//! Random histories of one session with an honest browser and a bad network.

use countersign::session::rotation::{Presented, RotationState};

use crate::rng::Rng;
use crate::server::{Decide, Server};

/// An honest browser: one cookie jar, up to four refreshes on their way at a time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Honest {
    pub(crate) name: &'static str,
    /// The longest that a request, and again its answer, is under way, in milliseconds.
    pub(crate) delay: u64,
    /// Per mille: a refresh starts while others are under way.
    pub(crate) busy: u64,
    /// Per mille: an answer is lost.
    pub(crate) lost: u64,
    /// Per mille: a request arrives twice.
    pub(crate) doubled: u64,
    /// Per mille of steps: the row is copied, or put back to its copy.
    pub(crate) rollback: u64,
    /// Per mille of steps: the browser dies, and goes on with the cookies that were on its disk,
    /// which are up to half a minute old.
    pub(crate) dies: u64,
    /// Per mille of steps: a program of the first version writes the row, which has no marks then.
    pub(crate) forgets: u64,
    /// Between its steps, in milliseconds.
    pub(crate) pauses: &'static [u64],
    /// Lives of a thousand that may be refused.
    pub(crate) refused: u32,
}

impl Honest {
    /// Nothing goes wrong.
    pub(crate) const CALM: Self = Self {
        name: "",
        delay: 0,
        busy: 0,
        lost: 0,
        doubled: 0,
        rollback: 0,
        dies: 0,
        forgets: 0,
        pauses: &[50, 500, 2_000, 5_000, 9_000, 60_000, 300_000, 300_000, 300_000, 7_200_000],
        refused: 0,
    };
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    pub(crate) refused: bool,
    pub(crate) generations: u64,
    pub(crate) races: u64,
    pub(crate) rollbacks_seen: u64,
}

impl Honest {
    /// Lives through so many pauses.
    pub(crate) fn live<D: Decide>(&self, decide: D, steps: u32, rng: &mut Rng) -> Life {
        let mut exchange = Exchange::new(decide);
        let mut copy: Option<RotationState> = None;
        let (mut disk, mut written) = (exchange.jar, exchange.now);
        for _ in 0..steps {
            let until = exchange.now + rng.pick(self.pauses);
            exchange.run(
                until,
                |rng| (!rng.chance(self.lost)).then(|| rng.between(0, self.delay)),
                rng,
            );
            if exchange.server.is_dead {
                break;
            }
            if exchange.now - written >= COOKIES_WRITTEN_EVERY {
                (disk, written) = (exchange.jar, exchange.now);
            }
            if rng.chance(self.dies) {
                exchange.die(disk);
                exchange.now += rng.pick(&[20_000, 300_000, 7_200_000, 90_000_000]);
            }
            if rng.chance(self.forgets) {
                exchange.server.forget_marks();
            }
            if rng.chance(self.rollback) {
                copy = Some(exchange.server.row);
            } else if rng.chance(self.rollback) {
                exchange.server.row = copy.take().unwrap_or(exchange.server.row);
            }
            let begins = if exchange.under_way() == 0 { 900 } else { self.busy };
            if exchange.under_way() < 4 && rng.chance(begins) {
                exchange.send(rng.between(0, self.delay));
                if rng.chance(self.doubled) {
                    exchange.send(rng.between(0, self.delay));
                }
            }
        }
        let Server { row, is_dead, races, rollbacks_seen, .. } = exchange.server;
        Life { refused: is_dead, generations: row.generation.0, races, rollbacks_seen }
    }
}

/// One browser and its server, with messages under way between them. Times are milliseconds.
pub(crate) struct Exchange<D> {
    pub(crate) server: Server<D>,
    pub(crate) jar: Presented,
    pub(crate) now: u64,
    requests: Vec<(u64, Presented)>,
    answers: Vec<(u64, Presented)>,
}

impl<D: Decide> Exchange<D> {
    pub(crate) fn new(decide: D) -> Self {
        let now = 1_700_000_000_000;
        let (server, jar) = Server::new(decide, now);
        Self { server, jar, now, requests: Vec::new(), answers: Vec::new() }
    }

    pub(crate) const fn under_way(&self) -> usize {
        self.requests.len() + self.answers.len()
    }

    /// Takes the cookie from the jar; it arrives after `delay`.
    pub(crate) fn send(&mut self, delay: u64) {
        self.requests.push((self.now + delay, self.jar));
    }

    /// The browser dies: what is under way is cut, and its jar is what the disk has.
    pub(crate) fn die(&mut self, disk: Presented) {
        self.jar = disk;
        self.requests.clear();
        self.answers.clear();
    }

    /// Lets messages arrive up to `until`. An answer takes as long as `answer` says, or is lost.
    /// Stops when a request is refused.
    pub(crate) fn run<C>(
        &mut self,
        until: u64,
        mut answer: impl FnMut(&mut C) -> Option<u64>,
        context: &mut C,
    ) {
        while !self.server.is_dead {
            let request = (0..self.requests.len()).min_by_key(|&index| self.requests[index].0);
            let reply = (0..self.answers.len()).min_by_key(|&index| self.answers[index].0);
            let at = |messages: &[(u64, Presented)], index: Option<usize>| {
                index.map_or(u64::MAX, |index| messages[index].0)
            };
            let (request_at, reply_at) = (at(&self.requests, request), at(&self.answers, reply));
            if request_at.min(reply_at) > until {
                break;
            }
            match (request, reply) {
                (Some(request), _) if request_at <= reply_at => {
                    let (at, token) = self.requests.swap_remove(request);
                    let Some(child) = self.server.refresh(&token, at) else { break };
                    self.answers.extend(answer(context).map(|delay| (at + delay, child)));
                }
                (_, Some(reply)) => self.jar = self.answers.swap_remove(reply).1,
                _ => break,
            }
        }
        self.now = until;
    }
}

/// How often a browser writes its cookies down, in milliseconds: Chromium's and Firefox's are
/// within half a minute.
const COOKIES_WRITTEN_EVERY: u64 = 30_000;

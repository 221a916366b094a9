//! An honest browser that binds its session, on a bad network.
//!
//! It proves itself when its ticket is gone at the time it sends: all requests wait for one proof.
//! When no answer comes, or it has signed too often, they go with a word of that.

use countersign::session::device::Ticket;
use countersign::session::rotation::Presented;
use jiff::Timestamp;

use super::server::{Proof, Reply, Rules, Server, key};
use crate::rng::Rng;
use crate::schedules::Honest;

pub(crate) struct BoundExchange {
    pub(crate) rules: Rules,
    pub(crate) server: Server,
    pub(crate) now: u64,
    pub(crate) refused: bool,
    /// Refreshes that were granted, proofs, and answers to come back.
    pub(crate) granted: u64,
    pub(crate) proofs: u64,
    pub(crate) put_off: u64,
    jar: Jar,
    keys: u8,
    /// Requests that wait for a proof.
    waiting: usize,
    /// Whether one is being made, and how often it was refused.
    proving: Option<u8>,
    signed: Vec<u64>,
    messages: Vec<(u64, Message)>,
    delay: u64,
    lost: u64,
    doubled: u64,
}

/// What is on the disk of a browser: what a thief takes, and what it goes on with when it died.
#[derive(Clone, Copy)]
pub(crate) struct Jar {
    pub(crate) token: Presented,
    /// And until when the browser keeps it.
    pub(crate) ticket: Option<(Ticket, u64)>,
    key: Option<u8>,
}

#[derive(Clone, Copy)]
enum Message {
    Refresh {
        token: Presented,
        ticket: Option<Ticket>,
        is_skipped: bool,
    },
    Refreshed(Reply),
    Again,
    Start {
        key: u8,
        challenge: Timestamp,
    },
    Started {
        key: u8,
        ticket: Ticket,
    },
    Ask,
    Challenged(Timestamp),
    Prove {
        key: u8,
        challenge: Timestamp,
    },
    Proved(Proof),
    /// No answer came.
    Silence,
}

impl BoundExchange {
    pub(crate) fn new(rules: Rules, network: &Honest, rng: &mut Rng) -> Self {
        let now = 1_700_000_000_000;
        let (server, token, offer) = Server::new(rules, now);
        let mut exchange = Self {
            rules,
            server,
            now,
            refused: false,
            granted: 0,
            proofs: 0,
            put_off: 0,
            jar: Jar { token, ticket: None, key: None },
            keys: 0,
            waiting: 0,
            proving: None,
            signed: Vec::new(),
            messages: Vec::new(),
            delay: network.delay,
            lost: network.lost,
            doubled: network.doubled,
        };
        exchange.offered(offer, rng);
        exchange
    }

    pub(crate) const fn jar(&self) -> Jar {
        self.jar
    }

    pub(crate) fn is_bound(&self) -> bool {
        self.server.device.is_some_and(|device| device.confirmed)
    }

    /// Refreshes that are not done.
    pub(crate) fn under_way(&self) -> usize {
        let of_a_refresh = |message: &Message| {
            matches!(message, Message::Refresh { .. } | Message::Refreshed(_) | Message::Again)
        };
        self.waiting + self.messages.iter().filter(|(_, message)| of_a_refresh(message)).count()
    }

    /// The page wants to refresh.
    pub(crate) fn want(&mut self, rng: &mut Rng) {
        let is_there = self.jar.ticket.is_some_and(|(_, until)| self.now < until);
        if self.jar.key.is_some() && !is_there {
            self.waiting += 1;
            if self.proving.is_none() {
                self.proving = Some(0);
                self.send(Message::Ask, rng);
            }
        } else {
            self.refresh(false, rng);
        }
    }

    /// The browser falls over, and goes on with what its disk has.
    pub(crate) fn die(&mut self, disk: Jar) {
        self.jar = disk;
        self.messages.clear();
        self.waiting = 0;
        self.proving = None;
    }

    pub(crate) fn run(&mut self, until: u64, rng: &mut Rng) {
        while !self.refused {
            let next = (0..self.messages.len()).min_by_key(|&index| self.messages[index].0);
            let Some(next) = next.filter(|&next| self.messages[next].0 <= until) else { break };
            let (at, message) = self.messages.swap_remove(next);
            self.now = at;
            self.arrive(message, rng);
        }
        self.now = until;
    }

    fn arrive(&mut self, message: Message, rng: &mut Rng) {
        let (rules, now) = (self.rules, self.now);
        match message {
            Message::Refresh { token, ticket, is_skipped } => {
                let reply = self.server.refresh(rules, &token, ticket, is_skipped, now);
                self.answer(Message::Refreshed(reply), None, rng);
            }
            Message::Refreshed(Reply::Granted(token, offer)) => {
                self.jar.token = token;
                self.granted += 1;
                self.offered(offer, rng);
            }
            Message::Refreshed(Reply::Stale) => {
                self.jar.ticket = None;
                self.come_back(1_000);
            }
            Message::Refreshed(Reply::Skipped) => self.come_back(5_000),
            Message::Refreshed(Reply::Refused) => self.refused = true,
            Message::Again => self.want(rng),
            Message::Start { key: number, challenge } => {
                if let Some(ticket) = self.server.start(rules, key(number), challenge, now) {
                    self.answer(Message::Started { key: number, ticket }, None, rng);
                }
            }
            Message::Started { key, ticket } => {
                self.jar.key = Some(key);
                self.jar.ticket = Some((ticket, now + TICKET));
            }
            Message::Ask => {
                let has_key = self.server.device.is_some() && !self.server.is_dead;
                let reply = if has_key {
                    Message::Challenged(self.server.challenge(now))
                } else {
                    Message::Proved(Proof::Ended)
                };
                self.answer(reply, Some(Message::Silence), rng);
            }
            Message::Challenged(challenge) => self.sign(challenge, rng),
            Message::Prove { key: number, challenge } => {
                let proof = self.server.prove(key(number), challenge, now);
                self.answer(Message::Proved(proof), Some(Message::Silence), rng);
            }
            Message::Proved(Proof::Ticket(ticket)) => {
                self.jar.ticket = Some((ticket, now + TICKET));
                self.proofs += 1;
                self.proceed(false, rng);
            }
            Message::Proved(Proof::Again(challenge)) => {
                let Some(tries) = self.proving else { return };
                if tries >= 4 {
                    self.jar.key = None;
                    self.proceed(false, rng);
                } else {
                    self.proving = Some(tries + 1);
                    self.sign(challenge, rng);
                }
            }
            Message::Proved(Proof::Ended) => {
                self.jar.key = None;
                self.jar.ticket = None;
                self.proceed(false, rng);
            }
            Message::Silence => self.proceed(true, rng),
        }
    }

    /// At most six signatures in nine minutes.
    fn sign(&mut self, challenge: Timestamp, rng: &mut Rng) {
        let now = self.now;
        self.signed.retain(|at| at + 540_000 > now);
        match self.jar.key {
            Some(key) if self.proving.is_some() && self.signed.len() < 6 => {
                self.signed.push(now);
                self.send(Message::Prove { key, challenge }, rng);
            }
            _ => self.proceed(true, rng),
        }
    }

    /// What waited for a proof goes on.
    fn proceed(&mut self, is_skipped: bool, rng: &mut Rng) {
        if self.proving.take().is_some() {
            for _ in 0..std::mem::take(&mut self.waiting) {
                self.refresh(is_skipped, rng);
            }
        }
    }

    fn refresh(&mut self, is_skipped: bool, rng: &mut Rng) {
        let ticket = self.jar.ticket.filter(|(_, until)| self.now < *until);
        let ticket = ticket.map(|(ticket, _)| ticket);
        self.send(Message::Refresh { token: self.jar.token, ticket, is_skipped }, rng);
    }

    fn come_back(&mut self, after: u64) {
        self.put_off += 1;
        self.messages.push((self.now + after, Message::Again));
    }

    fn offered(&mut self, offer: Option<Timestamp>, rng: &mut Rng) {
        if let Some(challenge) = offer {
            self.keys = self.keys.wrapping_add(1);
            self.send(Message::Start { key: self.keys, challenge }, rng);
        }
    }

    fn send(&mut self, message: Message, rng: &mut Rng) {
        self.messages.push((self.now + rng.between(0, self.delay), message));
        let is_start = matches!(message, Message::Start { .. } | Message::Prove { .. });
        if is_start && rng.chance(self.doubled) {
            self.messages.push((self.now + rng.between(0, self.delay), message));
        }
    }

    fn answer(&mut self, message: Message, if_lost: Option<Message>, rng: &mut Rng) {
        let at = self.now + rng.between(0, self.delay);
        let message = if rng.chance(self.lost) { if_lost } else { Some(message) };
        self.messages.extend(message.map(|message| (at, message)));
    }
}

impl Honest {
    /// Lives through so many pauses with a browser that binds its session where the server does.
    pub(crate) fn live_bound(&self, rules: Rules, steps: u32, rng: &mut Rng) -> BoundExchange {
        let mut exchange = BoundExchange::new(rules, self, rng);
        let mut copy: Option<Server> = None;
        let (mut disk, mut written) = (exchange.jar(), exchange.now);
        for _ in 0..steps {
            let until = exchange.now + rng.pick(self.pauses);
            exchange.run(until, rng);
            if exchange.refused {
                break;
            }
            if exchange.now - written >= COOKIES_WRITTEN_EVERY {
                (disk, written) = (exchange.jar(), exchange.now);
            }
            if rng.chance(self.dies) {
                exchange.die(disk);
                exchange.now += rng.pick(&[20_000, 300_000, 7_200_000, 90_000_000]);
            }
            if rng.chance(self.rollback) {
                copy = Some(exchange.server.clone());
            } else if rng.chance(self.rollback)
                && let Some(copy) = copy.take()
            {
                exchange.server = exchange.server.rolled_back(&copy);
            }
            let begins = if exchange.under_way() == 0 { 900 } else { self.busy };
            if exchange.under_way() < 4 && rng.chance(begins) {
                exchange.want(rng);
                if rng.chance(self.doubled) {
                    exchange.want(rng);
                }
            }
        }
        exchange
    }
}

/// How long a browser keeps a ticket, in milliseconds.
const TICKET: u64 = 300_000;

/// In milliseconds.
const COOKIES_WRITTEN_EVERY: u64 = 30_000;

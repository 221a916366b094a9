//! Thieves with the whole jar, ticket and all, and without the key.

use countersign::session::device::Ticket;
use countersign::session::rotation::Presented;

use super::browser::BoundExchange;
use super::server::{Proof, Reply, Rules, key};
use crate::rng::Rng;
use crate::schedules::Honest;

/// What became of a theft.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theft {
    /// How long after the device's last proof, or after the theft where there is none, the thief
    /// still got a token: whole seconds.
    pub(crate) lasted: u64,
    /// The victim was refused, or logged out.
    pub(crate) refused: bool,
    /// The victim had a token again at the end.
    pub(crate) goes_on: bool,
}

/// When to act in a cycle of so many milliseconds.
pub(crate) type Plan = fn(&mut Rng, u64) -> Vec<u64>;

/// A victim on this network who refreshes every 5 minutes, and a thief who acts by this plan. One
/// who `tries` everything shows any token ever got, with and without the ticket, asks for
/// challenges, and signs them with a key of their own; others show the newest token and the ticket.
pub(crate) fn steal(
    rules: Rules,
    network: &Honest,
    plan: Plan,
    tries: bool,
    rng: &mut Rng,
) -> Theft {
    let mut exchange = loop {
        let mut exchange = BoundExchange::new(rules, network, rng);
        for _ in 0..6 {
            cycle(&mut exchange, PERIOD, &[], rng, |_, _| ());
        }
        // Where every offer was lost, nothing is bound.
        if !rules.binds || exchange.is_bound() {
            break exchange;
        }
    };
    let at = exchange.now + rng.between(0, PERIOD);
    exchange.run(at, rng);
    let jar = exchange.jar();
    let (ticket, mut have) = (jar.ticket.map(|(ticket, _)| ticket), vec![jar.token]);
    let since = ticket.map_or(exchange.now / 1_000, |ticket| ticket.proved_at);
    let mut lasted = 0;
    for _ in 0..CYCLES {
        let length = rng.between(PERIOD * 8 / 10, PERIOD * 12 / 10);
        let mut acts = plan(rng, length);
        acts.sort_unstable();
        cycle(&mut exchange, length, &acts, rng, |exchange, rng| {
            if act(exchange, &mut have, ticket, tries, rng) {
                lasted = (exchange.now / 1_000).saturating_sub(since);
            }
        });
        if exchange.refused {
            return Theft { lasted, refused: true, goes_on: false };
        }
    }
    // The thief lets go.
    let before = exchange.granted;
    for _ in 0..20 {
        cycle(&mut exchange, PERIOD, &[], rng, |_, _| ());
    }
    Theft { lasted, refused: exchange.refused, goes_on: exchange.granted > before }
}

/// The victim refreshes at the end of a cycle.
fn cycle(
    exchange: &mut BoundExchange,
    length: u64,
    acts: &[u64],
    rng: &mut Rng,
    mut act: impl FnMut(&mut BoundExchange, &mut Rng),
) {
    let begins = exchange.now;
    for at in acts {
        exchange.run(begins + at, rng);
        if exchange.refused {
            return;
        }
        act(exchange, rng);
    }
    exchange.run(begins + length, rng);
    if exchange.under_way() == 0 {
        exchange.want(rng);
    }
}

/// Whether the thief got a token.
fn act(
    exchange: &mut BoundExchange,
    have: &mut Vec<Presented>,
    ticket: Option<Ticket>,
    tries: bool,
    rng: &mut Rng,
) -> bool {
    let (rules, now) = (exchange.rules, exchange.now);
    let mut ticket = ticket;
    let mut token = *have.last().unwrap();
    let mut is_skipped = false;
    if tries {
        let challenge = exchange.server.challenge(now);
        match rng.between(0, 9) {
            0 => ticket = exchange.server.start(rules, key(THIEF), challenge, now).or(ticket),
            1 => {
                if let Proof::Ticket(own) = exchange.server.prove(key(THIEF), challenge, now) {
                    ticket = Some(own);
                }
            }
            2 => ticket = ticket.map(|ticket| Ticket { key: key(THIEF), ..ticket }),
            3 => ticket = None,
            _ => {}
        }
        token = rng.pick(have);
        is_skipped = rng.chance(300);
    }
    match exchange.server.refresh(rules, &token, ticket, is_skipped, now) {
        Reply::Granted(token, _) => {
            have.push(token);
            true
        }
        _ => false,
    }
}

/// How often the victim refreshes, in milliseconds.
const PERIOD: u64 = 300_000;
const CYCLES: u32 = 40;
const THIEF: u8 = 255;

//! A browser that binds its session, and a thief with the whole jar: starts, proofs and their
//! answers late or lost, in any order; the thief shows any token ever got, with the ticket and
//! without, and offers and proves a key of their own.

use countersign::session::device::Ticket;
use countersign::session::rotation::Presented;
use jiff::Timestamp;
use stateright::{Checker, HasDiscoveries, Model, Property};

use crate::bound::server::{Proof, Reply, Rules, Server, key};

#[test]
fn no_history_hurts_a_bound_browser_or_helps_a_thief_without_the_key() {
    let mut states = 0;
    for (left, reached) in [(ALONE, &[REPLACED][..]), (ROBBED, &[HAD, GOES_ON])] {
        let checker = Bound { rules: Rules::ALL, left }.checker().threads(2).spawn_bfs().join();
        for property in [NEVER_REFUSED, SHUT_OUT, HEARD] {
            checker.assert_no_discovery(property);
        }
        // So that the model is known to reach what it is about.
        for property in reached {
            assert!(checker.discovery(property).is_some(), "{property}");
        }
        states += checker.unique_state_count();
    }
    assert!(states > 1_000, "{states} states");
}

#[test]
fn the_model_finds_what_is_wrong_with_each_mutant() {
    let all = Rules::ALL;
    for (rules, left, property) in [
        (Rules { enforces: false, ..all }, ROBBED, SHUT_OUT),
        (Rules { tickets_end: false, ..all }, ROBBED, SHUT_OUT),
        (Rules { waits: false, ..all }, ALONE, NEVER_REFUSED),
    ] {
        let found = HasDiscoveries::AnyOf([property].into());
        let checker =
            Bound { rules, left }.checker().threads(2).finish_when(found).spawn_bfs().join();
        assert!(checker.discovery(property).is_some(), "{rules:?}");
    }
}

#[derive(Clone)]
struct Bound {
    rules: Rules,
    left: Left,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// In milliseconds.
    now: u64,
    server: Server,
    jar: Presented,
    ticket: Option<Ticket>,
    key: Option<u8>,
    keys: u8,
    /// Under way, each with the last moment at which it can arrive.
    messages: Vec<(u64, Message)>,
    /// The thief's tokens and ticket; the time of the theft.
    thief: Option<(Vec<Presented>, Option<Ticket>)>,
    left: Left,
    refused: bool,
    /// The thief got a token too late.
    late: bool,
    /// A token that came with a proof made since was put off.
    unheard: bool,
    thief_had: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Left {
    /// Messages under way at once.
    tabs: usize,
    sends: u8,
    losses: u8,
    acts: u8,
    waits: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Message {
    Refresh(Presented, Option<Ticket>, bool),
    Refreshed(Reply),
    Start(u8, Timestamp),
    Started(u8, Ticket),
    Prove(u8, Timestamp),
    Proved(Proof),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// A refresh; before it a proof, where the ticket is gone.
    Send,
    Arrive(usize),
    /// On its way there, or back.
    Lose(usize),
    Wait(u64),
    Steal,
    /// With which of the tokens, and whether with the ticket.
    Act(usize, bool),
    OwnKey,
}

impl Model for Bound {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let now = 1_000_000;
        let (server, jar, offer) = Server::new(self.rules, now);
        let start = Message::Start(1, offer.unwrap());
        vec![State {
            now,
            server,
            jar,
            ticket: None,
            key: None,
            keys: 1,
            messages: vec![(now + DELAY, start)],
            thief: None,
            left: self.left,
            refused: false,
            late: false,
            unheard: false,
            thief_had: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.refused || state.late || state.unheard {
            return;
        }
        let left = state.left;
        if left.sends > 0 && state.messages.len() < left.tabs {
            actions.push(Action::Send);
        }
        for message in 0..state.messages.len() {
            actions.push(Action::Arrive(message));
            let is_answer = !matches!(state.messages[message].1, Message::Refresh(..));
            if left.losses > 0 && is_answer {
                actions.push(Action::Lose(message));
            }
        }
        if left.waits > 0 {
            if state.messages.is_empty() {
                actions.extend([Action::Wait(150_000), Action::Wait(331_000)]);
            } else if state.messages.iter().all(|&(latest, _)| latest >= state.now + DELAY) {
                actions.push(Action::Wait(DELAY));
            }
        }
        let is_bound = state.server.device.is_some_and(|device| device.confirmed);
        match &state.thief {
            None if is_bound && state.key.is_some() => actions.push(Action::Steal),
            Some((tokens, _)) if left.acts > 0 => {
                for token in 0..tokens.len() {
                    actions.extend([Action::Act(token, true), Action::Act(token, false)]);
                }
                actions.push(Action::OwnKey);
            }
            _ => {}
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Send => {
                state.left.sends -= 1;
                self.send(&mut state, false);
            }
            Action::Arrive(message) => {
                let (_, message) = state.messages.remove(message);
                self.arrive(&mut state, message);
            }
            Action::Lose(message) => {
                state.left.losses -= 1;
                let (_, message) = state.messages.remove(message);
                // The page's request goes without a proof, and says so.
                if matches!(message, Message::Prove(..) | Message::Proved(_)) {
                    self.send(&mut state, true);
                }
            }
            Action::Wait(millis) => {
                state.left.waits -= 1;
                state.now += millis;
            }
            Action::Steal => state.thief = Some((vec![state.jar], state.ticket)),
            Action::Act(token, with_ticket) => {
                state.left.acts -= 1;
                let (tokens, ticket) = state.thief.clone()?;
                let shown = ticket.filter(|_| with_ticket);
                let now = state.now;
                let reply = state.server.refresh(self.rules, &tokens[token], shown, false, now);
                if let Reply::Granted(token, _) = reply {
                    let proved_at = ticket.map_or(0, |ticket| ticket.proved_at);
                    state.late = now / 1_000 > proved_at + 330;
                    state.thief_had = true;
                    state.thief.as_mut()?.0.push(token);
                }
            }
            Action::OwnKey => {
                state.left.acts -= 1;
                let (rules, now, challenge) =
                    (self.rules, state.now, state.server.challenge(state.now));
                let started = state.server.start(rules, key(99), challenge, now);
                let proved = state.server.prove(key(99), challenge, now);
                state.late = started.is_some() || matches!(proved, Proof::Ticket(_));
            }
        }
        state.messages.sort_by_key(|(latest, message)| (*latest, format!("{message:?}")));
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NEVER_REFUSED, |_, state: &State| !state.refused),
            Property::always(SHUT_OUT, |_, state: &State| !state.late),
            Property::always(HEARD, |_, state: &State| !state.unheard),
            Property::sometimes(HAD, |_, state: &State| state.thief_had),
            Property::sometimes(REPLACED, |_, state: &State| {
                state.keys > 1 && state.server.device.is_some_and(|device| device.key == key(2))
            }),
            Property::sometimes(GOES_ON, |_, state: &State| {
                state.thief_had
                    && state.messages.iter().any(|(_, message)| {
                        matches!(message, Message::Refreshed(Reply::Granted(..)))
                    })
            }),
        ]
    }
}

impl Bound {
    fn send(&self, state: &mut State, is_skipped: bool) {
        let is_there = |ticket: &Ticket| state.now / 1_000 < ticket.proved_at + 300;
        let ticket = state.ticket.filter(is_there);
        let message = match state.key {
            Some(key) if ticket.is_none() && !is_skipped => {
                Message::Prove(key, state.server.challenge(state.now))
            }
            _ => Message::Refresh(state.jar, ticket, is_skipped),
        };
        state.messages.push((state.now + DELAY, message));
    }

    fn arrive(&self, state: &mut State, message: Message) {
        let (rules, now) = (self.rules, state.now);
        match message {
            Message::Refresh(token, ticket, is_skipped) => {
                let since = state.server.state.current_since;
                let reply = state.server.refresh(rules, &token, ticket, is_skipped, now);
                let is_fresh = ticket
                    .is_some_and(|ticket| ticket.proved_at >= since && ticket.is_good(now / 1_000));
                let is_own = state.server.device.is_some_and(|device| {
                    device.confirmed && ticket.is_some_and(|ticket| ticket.key == device.key)
                });
                state.unheard = is_fresh && is_own && !matches!(reply, Reply::Granted(..));
                state.messages.push((now + DELAY, Message::Refreshed(reply)));
            }
            Message::Refreshed(Reply::Granted(token, offer)) => {
                state.jar = token;
                if let Some(challenge) = offer {
                    state.keys += 1;
                    state.messages.push((now + DELAY, Message::Start(state.keys, challenge)));
                }
            }
            Message::Refreshed(Reply::Stale) => state.ticket = None,
            Message::Refreshed(Reply::Skipped) => {}
            Message::Refreshed(Reply::Refused) => state.refused = true,
            Message::Start(number, challenge) => {
                if let Some(ticket) = state.server.start(rules, key(number), challenge, now) {
                    state.messages.push((now + DELAY, Message::Started(number, ticket)));
                }
            }
            Message::Started(number, ticket) => {
                state.key = Some(number);
                state.ticket = Some(ticket);
            }
            Message::Prove(number, challenge) => {
                let proof = state.server.prove(key(number), challenge, now);
                state.messages.push((now + DELAY, Message::Proved(proof)));
            }
            Message::Proved(Proof::Ticket(ticket)) => {
                state.ticket = Some(ticket);
                self.send(state, false);
            }
            Message::Proved(Proof::Again(challenge)) => {
                if let Some(key) = state.key {
                    state.messages.push((now + DELAY, Message::Prove(key, challenge)));
                }
            }
            Message::Proved(Proof::Ended) => {
                state.key = None;
                state.ticket = None;
                self.send(state, false);
            }
        }
    }
}

const NEVER_REFUSED: &str = "the browser is never refused";
const SHUT_OUT: &str = "the thief has no token 330 s after the last proof";
const HEARD: &str = "a proof made since is heard";

const HAD: &str = "the thief has a token for a while";
const REPLACED: &str = "another key takes the place of a lost one";
const GOES_ON: &str = "a bound browser goes on after a theft";

const ALONE: Left = Left { tabs: 2, sends: 3, losses: 1, acts: 0, waits: 3 };
const ROBBED: Left = Left { tabs: 1, sends: 3, losses: 0, acts: 2, waits: 3 };

/// How late a message may be, in milliseconds.
const DELAY: u64 = 15_000;

//! Two tabs with one cookie jar, and a network and a server that do their worst: messages late by
//! up to 15 s each way, reordered, lost, doubled; a crash; a rollback; and the browser dies, with
//! cookies on its disk that are up to 15 s old.

use countersign::session::rotation::{Decision, Generation, Presented, RotationState, decide};
use stateright::{Checker, Model, Property};

use super::essence::{FRESH, forget};
use crate::reference::{Died, Late, Past, Rules};
use crate::server::{Decide, WINDOW, jti};

#[test]
fn no_history_of_an_honest_client_ends_in_a_refusal() {
    let checker = Honest { decide, left: LEFT }.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 100_000, "{} states", checker.unique_state_count());
}

#[test]
fn no_history_of_a_browser_that_dies_ends_in_a_refusal() {
    let checker = Honest { decide, left: DYING }.checker().threads(2).spawn_bfs().join();
    checker.assert_no_discovery(NEVER_REFUSED);
    assert!(checker.unique_state_count() > 10_000, "{} states", checker.unique_state_count());
}

#[test]
fn the_model_finds_what_is_wrong_with_each_mutant() {
    for (rules, left) in [
        (Rules { slow: Past::Ignored, died: Died::Ignored, ..Rules::ALL }, LEFT),
        (Rules { late: Late::Ignored, died: Died::Ignored, ..Rules::ALL }, LEFT),
        (Rules { died: Died::Ignored, ..Rules::ALL }, DYING),
    ] {
        let mutant = Honest {
            decide: move |row: &RotationState, token: &Presented, now, window| {
                rules.decide(row, token, now, window)
            },
            left,
        };
        let checker = mutant.checker().threads(2).spawn_bfs().join();
        assert!(checker.discovery(NEVER_REFUSED).is_some(), "{rules:?}");
    }
}

#[derive(Clone)]
struct Honest<D> {
    decide: D,
    left: Left,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    now: u64,
    row: RotationState,
    copy: Option<RotationState>,
    jar: Presented,
    /// What was in the jar until when, at most 15 s ago: it may still be all that the disk has.
    lately: Vec<(u64, Presented)>,
    /// Under way, each with the last moment at which it can arrive; in order, so that equal states
    /// are equal.
    requests: Vec<(u64, Presented)>,
    answers: Vec<(u64, Presented)>,
    left: Left,
    refused: bool,
}

/// How much of each may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Left {
    sends: u8,
    losses: u8,
    doubles: u8,
    crashes: u8,
    rollbacks: u8,
    deaths: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Send,
    Arrive(usize),
    ArriveTwice(usize),
    Answer(usize),
    Lose(usize),
    /// The server falls over: the row stays, everything under way is cut.
    Crash,
    Copy,
    Rollback,
    /// The browser falls over, and goes on with this one of the tokens that it had lately.
    Die(usize),
    Wait(u64),
}

impl<D: Decide> Model for Honest<D> {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let jar = Presented {
            generation: Generation::FIRST,
            jti: jti(0),
            parent: None,
            issued_at: START,
        };
        vec![State {
            now: START,
            row: RotationState::new(jar.jti, START),
            copy: None,
            jar,
            lately: Vec::new(),
            requests: Vec::new(),
            answers: Vec::new(),
            left: self.left,
            refused: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.refused {
            return;
        }
        let (left, under_way) = (state.left, state.requests.len() + state.answers.len());
        let mut offer = |possible: bool, action| {
            if possible {
                actions.push(action);
            }
        };
        // What a browser that died sends twice, or from two tabs, may be refused when it is late.
        let has_died = left.deaths < self.left.deaths;
        offer(left.sends > 0 && under_way < if has_died { 1 } else { TABS }, Action::Send);
        for request in 0..state.requests.len() {
            offer(true, Action::Arrive(request));
            offer(left.doubles > 0 && !has_died, Action::ArriveTwice(request));
        }
        for answer in 0..state.answers.len() {
            offer(true, Action::Answer(answer));
            offer(left.losses > 0, Action::Lose(answer));
        }
        offer(left.crashes > 0 && under_way > 0, Action::Crash);
        offer(left.rollbacks > 0 && state.copy.is_none(), Action::Copy);
        offer(left.rollbacks > 0 && state.copy.is_some(), Action::Rollback);
        for token in 0..state.lately.len() {
            offer(left.deaths > 0, Action::Die(token));
        }
        let in_time = |wait| {
            state
                .requests
                .iter()
                .chain(&state.answers)
                .all(|&(latest, _)| latest >= state.now + wait)
        };
        offer(left.sends > 0 && in_time(DELAY), Action::Wait(DELAY));
        offer(left.sends > 0 && under_way == 0, Action::Wait(HOUR));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Send => {
                state.left.sends -= 1;
                state.requests.push((state.now + DELAY, state.jar));
            }
            Action::Arrive(request) => {
                let (_, token) = state.requests.remove(request);
                self.refresh(&mut state, &token);
            }
            Action::ArriveTwice(request) => {
                state.left.doubles -= 1;
                let (_, token) = state.requests[request];
                self.refresh(&mut state, &token);
            }
            Action::Answer(answer) => {
                state.lately.push((state.now, state.jar));
                state.jar = state.answers.remove(answer).1;
            }
            Action::Lose(answer) => {
                state.left.losses -= 1;
                state.answers.remove(answer);
            }
            Action::Crash => {
                state.left.crashes -= 1;
                state.requests.clear();
                state.answers.clear();
            }
            Action::Copy => state.copy = Some(state.row),
            Action::Rollback => {
                state.left.rollbacks -= 1;
                state.row = state.copy.take()?;
            }
            Action::Die(token) => {
                state.left.deaths -= 1;
                state.jar = state.lately[token].1;
                state.requests.clear();
                state.answers.clear();
                state.lately.clear();
            }
            Action::Wait(seconds) => {
                state.now += seconds;
                let now = state.now;
                state.lately.retain(|&(until, _)| until + DELAY >= now);
            }
        }
        state.forget();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NEVER_REFUSED, |_, state: &State| !state.refused),
            // So that the model is known to reach what it is about.
            Property::sometimes("a race is forgiven", |_, state: &State| {
                state.row.race_charged.is_some()
            }),
            Property::sometimes("a client is ahead of the row", |_, state: &State| {
                state.jar.generation.0 > state.row.generation.0 + 1
            }),
            Property::sometimes("a late answer overwrites a newer cookie", |_, state: &State| {
                state.jar.generation < state.row.generation
            }),
        ]
    }
}

impl State {
    fn forget(&mut self) {
        // What can no longer be turned to is not remembered.
        if self.left.deaths == 0 {
            self.lately.clear();
        }
        self.lately.dedup();
        let Self { now, row, copy, jar, lately, requests, answers, .. } = self;
        let mut times = vec![now];
        let mut tokens = vec![jar];
        for messages in [lately, requests, answers] {
            messages.sort_by_key(|&(latest, token)| {
                (latest, token.generation, token.issued_at, token.jti)
            });
            for (latest, token) in messages {
                times.push(latest);
                tokens.push(token);
            }
        }
        let mut rows: Vec<_> = [row].into_iter().chain(copy).collect();
        forget(&mut rows, &mut tokens, &mut times);
    }
}

impl<D: Decide> Honest<D> {
    fn refresh(&self, state: &mut State, token: &Presented) {
        match (self.decide)(&state.row, token, state.now, WINDOW) {
            Decision::Mint { child, state: row, .. } => {
                state.row = row.unwrap_or(state.row);
                let child = Presented {
                    generation: child.generation,
                    jti: jti(FRESH),
                    parent: Some(child.parent),
                    issued_at: state.now,
                };
                state.answers.push((state.now + DELAY, child));
            }
            Decision::Reused => state.refused = true,
        }
    }
}

const NEVER_REFUSED: &str = "an honest client is never refused";
const LEFT: Left = Left { sends: 4, losses: 1, doubles: 1, crashes: 1, rollbacks: 1, deaths: 0 };
const DYING: Left = Left { sends: 4, losses: 1, doubles: 0, crashes: 0, rollbacks: 0, deaths: 1 };
const TABS: usize = 2;
const START: u64 = 1_000_000;
/// The longest that a message is under way: twice this is the window.
const DELAY: u64 = 15;
const HOUR: u64 = 3_600;

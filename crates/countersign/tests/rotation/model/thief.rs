//! A victim and a thief with the same cookie, who both refresh once a round, in either order, at any distance from each other.

use countersign::session::rotation::{Decision, Generation, Presented, RotationState, decide};
use stateright::{Checker, Model, Property};

use super::essence::{FRESH, forget};
use crate::reference::{Minting, Rules};
use crate::server::{Decide, WINDOW, jti};

#[test]
fn no_thief_outlives_eight_generations_and_none_out_of_step_two() {
    let checker = Theft { decide }.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
}

#[test]
fn the_model_finds_what_is_wrong_with_each_mutant() {
    for (rules, broken) in [
        (Rules { costs: false, ..Rules::ALL }, WITHIN_EIGHT),
        (Rules { refuses: false, ..Rules::ALL }, WITHIN_EIGHT),
        (Rules { by_minting: Minting::NearOrLater, ..Rules::ALL }, OUT_OF_STEP_WITHIN_TWO),
        (Rules { by_minting: Minting::NearOrEarlier, ..Rules::ALL }, OUT_OF_STEP_WITHIN_TWO),
    ] {
        let mutant = Theft { decide: move |row: &RotationState, token: &Presented, now, window| rules.decide(row, token, now, window) };
        let checker = mutant.checker().threads(2).spawn_bfs().join();
        assert!(checker.discovery(broken).is_some(), "{rules:?}");
    }
}

#[derive(Clone)]
struct Theft<D> {
    decide: D,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    now: u64,
    row: RotationState,
    /// The victim's token and the thief's.
    held: [Presented; 2],
    /// Who has refreshed in this round.
    done: [bool; 2],
    /// New generations since the theft.
    generations: u64,
    /// Whole rounds since the theft in which every refresh was out of step with the one before; `None` once one was not so.
    rounds_out_of_step: Option<u8>,
    found: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refresh {
    who: usize,
    /// Seconds after the last.
    after: u64,
}

impl<D: Decide> Model for Theft<D> {
    type State = State;
    type Action = Refresh;

    /// The cookie that was stolen is the current one, or a child of it that nobody has used yet; the credit is whatever the past has left.
    fn init_states(&self) -> Vec<State> {
        let row = RotationState::new(jti(0), START);
        let current = Presented { generation: row.generation, jti: row.current_jti, parent: None, issued_at: START };
        let child = Presented { generation: Generation(1), jti: jti(1), parent: Some(row.current_jti), issued_at: START };
        let state = |token| State {
            now: START,
            row,
            held: [token; 2],
            done: [false; 2],
            generations: 0,
            rounds_out_of_step: Some(0),
            found: false,
        };
        vec![state(current), state(child)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Refresh>) {
        // Beyond the promise there is nothing to see.
        if state.found || state.generations > 8 {
            return;
        }
        for who in (0..2).filter(|&who| !state.done[who]) {
            actions.extend([0, 30, 31].map(|after| Refresh { who, after }));
        }
    }

    fn next_state(&self, last: &State, Refresh { who, after }: Refresh) -> Option<State> {
        let mut state = last.clone();
        state.now += after;
        let Decision::Mint { child, state: row, .. } = (self.decide)(&state.row, &state.held[who], state.now, WINDOW) else {
            state.found = true;
            return Some(state);
        };
        let before = state.row.generation;
        state.row = row.unwrap_or(state.row);
        state.generations += state.row.generation.0 - before.0;
        state.held[who] = Presented { generation: child.generation, jti: jti(FRESH), parent: Some(child.parent), issued_at: state.now };
        state.done[who] = true;
        if after <= WINDOW.as_secs() {
            state.rounds_out_of_step = None;
        }
        if state.done == [true; 2] {
            state.done = [false; 2];
            state.rounds_out_of_step = state.rounds_out_of_step.map(|rounds| rounds + 1);
        }
        state.forget();
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(WITHIN_EIGHT, |_, state: &State| state.found || state.generations <= 8),
            Property::always(OUT_OF_STEP_WITHIN_TWO, |_, state: &State| {
                state.found || state.rounds_out_of_step.is_none_or(|rounds| rounds < 2)
            }),
            Property::sometimes("a thief in step lives for seven", |_, state: &State| !state.found && state.generations == 7),
        ]
    }
}

impl State {
    fn forget(&mut self) {
        let [victim, thief] = &mut self.held;
        forget(&mut [&mut self.row], &mut [victim, thief], &mut [&mut self.now]);
    }
}

const WITHIN_EIGHT: &str = "found within eight generations";
const OUT_OF_STEP_WITHIN_TWO: &str = "out of step, found within two";
const START: u64 = 1_000;

//! A victim who refreshes at a steady pace, and a thief with a copy of the cookie, who acts at any
//! of the moments that the rules can tell apart, however often, and shows any of the tokens ever
//! got.
//!
//! The thief never shows what is sure to betray its holder. The thief may rest for a while, but one
//! whose tokens all have become worthless is out.

use countersign::session::rotation::{
    Decision, Generation, Presented, RACE_CREDIT, RotationState, decide,
};
use stateright::{Checker, Model, Property};

use super::essence::{FRESH, forget};
use crate::reference::Rules;
use crate::server::{Decide, WINDOW, jti};

#[test]
fn the_model_finds_the_thieves_of_the_first_version() {
    let rules = Rules::FIRST;
    let decide = move |row: &RotationState, token: &Presented, now, window| {
        rules.decide(row, token, now, window)
    };
    let checker = Theft { decide, moments: &[0, 285, 300], rests: 0, most: 12 }
        .checker()
        .threads(2)
        .spawn_dfs()
        .join();
    assert!(checker.discovery(FOUND).is_some());
}

/// `docs/rotation.md` promises no upper bound, and says of which thief that is known.
#[test]
fn the_model_knows_a_thief_who_is_not_found_by_the_thirteenth_refresh() {
    let checker = Theft { decide, moments: &[0, 16, 284, 300], rests: 0, most: 13 }
        .checker()
        .threads(2)
        .spawn_dfs()
        .join();
    assert!(checker.discovery(FOUND).is_some());
}

#[derive(Clone)]
struct Theft<D> {
    decide: D,
    /// When the thief may act, in seconds after the victim's last refresh; the last moment is the
    /// next refresh.
    moments: &'static [u64],
    /// In so many of the victim's cycles in a row the thief may do nothing.
    rests: u8,
    /// The promise.
    most: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    now: u64,
    row: RotationState,
    victim: Presented,
    /// Whatever the thief has that is worth something, in order.
    thief: Vec<Presented>,
    /// Which of the moments it is.
    moment: usize,
    has_acted: bool,
    rested: u8,
    /// Refreshes of the victim's since the theft.
    refreshes: u8,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum End {
    Found,
    Out,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// The thief shows a token.
    Show { token: usize, moment: usize },
    /// The victim refreshes.
    Refresh,
}

impl<D: Decide> Model for Theft<D> {
    type State = State;
    type Action = Action;

    /// The cookie is stolen right after a refresh of the victim's. The credit is whole.
    fn init_states(&self) -> Vec<State> {
        let first = Presented {
            generation: Generation::FIRST,
            jti: jti(0),
            parent: None,
            issued_at: START,
        };
        let mut state = State {
            now: START,
            row: RotationState::new(first.jti, START),
            victim: first,
            thief: vec![first],
            moment: 0,
            has_acted: false,
            rested: 0,
            refreshes: 0,
            end: None,
        };
        for number in 1..=3 {
            state.now += HOUR;
            if let Some(child) = self.refresh(&mut state.row, &state.victim.clone(), state.now) {
                state.victim = Presented { jti: jti(number), ..child };
            }
        }
        state.thief = vec![state.victim];
        self.tidy(&mut state);
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        // Beyond the promise there is nothing to see.
        if state.end.is_some() || state.refreshes >= self.most {
            return;
        }
        for moment in state.moment..self.moments.len() {
            let now = state.now + self.moments[moment] - self.moments[state.moment];
            for (token, shown) in state.thief.iter().enumerate() {
                if (self.decide)(&state.row, shown, now, WINDOW) != Decision::Reused {
                    actions.push(Action::Show { token, moment });
                }
            }
        }
        if state.has_acted || state.rested < self.rests {
            actions.push(Action::Refresh);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Show { token, moment } => {
                state.now += self.moments[moment] - self.moments[state.moment];
                state.moment = moment;
                state.has_acted = true;
                let shown = state.thief[token];
                let child = self.refresh(&mut state.row, &shown, state.now)?;
                state.thief.push(child);
            }
            Action::Refresh => {
                state.now += self.moments.last()? - self.moments[state.moment];
                state.rested = if state.has_acted { 0 } else { state.rested + 1 };
                (state.moment, state.has_acted) = (0, false);
                match self.refresh(&mut state.row, &state.victim.clone(), state.now) {
                    Some(child) => {
                        state.victim = child;
                        state.refreshes += 1;
                    }
                    None => state.end = Some(End::Found),
                }
            }
        }
        self.tidy(&mut state);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always(FOUND, |model: &Self, state: &State| {
            state.end.is_some() || state.refreshes < model.most
        })]
    }
}

impl<D: Decide> Theft<D> {
    fn refresh(&self, row: &mut RotationState, token: &Presented, now: u64) -> Option<Presented> {
        let Decision::Mint { child, state, .. } = (self.decide)(row, token, now, WINDOW) else {
            return None;
        };
        *row = state.unwrap_or(*row);
        Some(Presented {
            generation: child.generation,
            jti: jti(FRESH),
            parent: Some(child.parent),
            issued_at: now,
        })
    }

    /// Forgets what cannot matter. A token that the rules would not forgive with all the credit
    /// there is will never be forgiven. Of two stale tokens, or of two children of the current one,
    /// the later one is as good in everything; but a child that is the victim's own is another
    /// thing than its sister.
    fn tidy(&self, state: &mut State) {
        let rich = RotationState { race_credit: RACE_CREDIT, race_charged: None, ..state.row };
        state
            .thief
            .retain(|token| (self.decide)(&rich, token, state.now, WINDOW) != Decision::Reused);
        let (current, victims) = (state.row.current_jti, state.victim.jti);
        let is_stale = |token: &Presented| token.jti != current && token.parent != Some(current);
        let is_victims = |token: &Presented| !is_stale(token) && token.jti == victims;
        // The best first: of stale ones that is the newest generation, whatever else they are.
        let rank = |token: &Presented| {
            (
                is_stale(token),
                token.jti == current,
                is_victims(token),
                std::cmp::Reverse((token.generation, token.issued_at)),
            )
        };
        state.thief.sort_by_key(rank);
        let mut kept: Vec<Presented> = Vec::new();
        for token in state.thief.drain(..) {
            let is_as_good = |other: &Presented| {
                is_stale(other) == is_stale(&token)
                    && (other.jti == current) == (token.jti == current)
                    && (is_victims(other) || !is_victims(&token))
                    && (is_victims(&token) || !is_victims(other))
                    && other.generation >= token.generation
                    && other.issued_at >= token.issued_at
            };
            if !kept.iter().any(is_as_good) {
                kept.push(token);
            }
        }
        state.thief = kept;
        if state.thief.is_empty() && state.end.is_none() {
            state.end = Some(End::Out);
        }
        let parents = |token: &mut Presented| {
            if token.parent != Some(current) {
                token.parent = None;
            }
        };
        parents(&mut state.victim);
        state.thief.iter_mut().for_each(parents);
        let State { now, row, victim, thief, .. } = state;
        let mut tokens: Vec<&mut Presented> = [victim].into_iter().chain(thief).collect();
        narrow(row, &mut tokens);
        forget(&mut [row], &mut tokens, &mut [now]);
    }
}

/// How many generations lie between two is seen only where it is one: a child is one ahead.
fn narrow(row: &mut RotationState, tokens: &mut [&mut Presented]) {
    row.race_charged = row.race_charged.filter(|&charged| charged == row.generation);
    let mut all = vec![row.generation, row.mark.generation, row.earlier_mark.generation];
    all.extend(tokens.iter().map(|token| token.generation));
    all.sort_unstable();
    all.dedup();
    let narrowed = |generation: &mut Generation| {
        let gaps = all
            .windows(2)
            .take_while(|pair| pair[1] <= *generation)
            .map(|pair| (pair[1].0 - pair[0].0).min(2));
        generation.0 = gaps.sum();
    };
    row.race_charged.iter_mut().for_each(narrowed);
    for generation in
        [&mut row.generation, &mut row.mark.generation, &mut row.earlier_mark.generation]
    {
        narrowed(generation);
    }
    tokens.iter_mut().for_each(|token| narrowed(&mut token.generation));
}

const FOUND: &str = "found within the bound";

const START: u64 = 1_000;
const HOUR: u64 = 3_600;

//! Every history of two doors that are used at once, while the password is changed, a factor comes
//! or goes, the user is deactivated, answers are lost and time passes.
//!
//! Each door is two steps, as on two nodes: it looks at the row and asks the machine, and later the
//! store commits what was decided, on its own conditions. Between the two anything may happen.

use std::time::Duration;

use countersign::sign_in::{
    Admission, FactorKind, Factors, Known, Method, Methods, Next, Pending, Proof, Rules, Scope,
    decide,
};
use jiff::Timestamp;
use stateright::{Checker, Model, Property};

#[test]
fn no_order_of_doors_and_acts_begins_a_session_that_the_policy_does_not_want() {
    let checker = Doors { store: Store::WHOLE }.checker().threads(2).spawn_bfs().join();
    checker.assert_properties();
    assert!(checker.unique_state_count() > 50_000, "{} states", checker.unique_state_count());
}

#[test]
fn the_model_finds_what_each_condition_of_the_store_is_for() {
    for (store, broken) in [
        (Store { asks_the_row: false, ..Store::WHOLE }, ON_THE_ROW),
        (Store { takes_the_pending: false, ..Store::WHOLE }, ONE_EACH),
        (Store { takes_the_step: false, ..Store::WHOLE }, ONE_EACH),
    ] {
        let checker = Doors { store }.checker().threads(2).spawn_bfs().join();
        assert!(checker.discovery(broken).is_some(), "{store:?}");
    }
}

/// On which conditions a session begins.
#[derive(Debug, Clone, Copy)]
struct Store {
    asks_the_row: bool,
    takes_the_pending: bool,
    takes_the_step: bool,
}

impl Store {
    const WHOLE: Self = Self { asks_the_row: true, takes_the_pending: true, takes_the_step: true };
}

#[derive(Clone)]
struct Doors {
    store: Store,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Row {
    /// Which password it is.
    password: u8,
    is_active: bool,
    has_totp: bool,
    /// Counts what happened to the factors.
    factors: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    row: Row,
    /// The last step of the clock whose code was taken.
    last_step: Option<u8>,
    pending: Vec<Waiting>,
    under_way: Vec<Door>,
    sessions: Vec<Session>,
    left: Left,
}

/// A sign-in that waits for a second factor; the client has its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Waiting {
    row: Row,
    proved: Methods,
    until: u8,
    is_used: bool,
}

/// A request that has looked and decided, and has not been committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Door {
    row: Row,
    admission: Admission,
    /// Which sign-in it goes on with, and the step of its code.
    factor: Option<(usize, u8)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Session {
    methods: Methods,
    scope: Scope,
    /// The row in the moment in which it began, and the password that was proved for it.
    row: Row,
    proved: u8,
    factor: Option<(usize, u8)>,
}

/// How much of each may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Left {
    passwords: u8,
    codes: u8,
    acts: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// The password that somebody knows comes in at a door.
    Password,
    /// A code comes for this sign-in; it is of the step before now, of now, or of the next.
    Code(usize, u8),
    /// The store commits what this door decided.
    Commit(usize),
    /// The request is cut before that.
    Lose(usize),
    ChangePassword,
    Deactivate,
    AddTotp,
    RemoveTotp,
    Tick,
}

impl Model for Doors {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        [false, true]
            .map(|has_totp| State {
                now: 1,
                row: Row { password: 0, is_active: true, has_totp, factors: 0 },
                last_step: None,
                pending: Vec::new(),
                under_way: Vec::new(),
                sessions: Vec::new(),
                left: Left { passwords: 3, codes: 2, acts: 2 },
            })
            .into()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let left = state.left;
        if left.passwords > 0 && state.under_way.len() < 2 && state.pending.len() < 2 {
            actions.push(Action::Password);
        }
        if left.codes > 0 && state.under_way.len() < 2 {
            for waiting in 0..state.pending.len() {
                actions.extend((state.now - 1..=state.now + 1).map(|s| Action::Code(waiting, s)));
            }
        }
        for door in 0..state.under_way.len() {
            actions.extend([Action::Commit(door), Action::Lose(door)]);
        }
        if left.acts > 0 {
            actions.push(Action::ChangePassword);
            if state.row.is_active {
                actions.push(Action::Deactivate);
            }
            actions.push(if state.row.has_totp { Action::RemoveTotp } else { Action::AddTotp });
        }
        if state.now < LAST_MOMENT {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Password => {
                state.left.passwords -= 1;
                // Whoever knows a former password is refused before the machine is asked.
                if state.row.password != KNOWN_PASSWORD {
                    return Some(state);
                }
                let known = state.known();
                match decide(&known, None, Proof::Password, Rules::default(), moment(state.now)) {
                    Next::Begin(admission) => {
                        let row = state.row;
                        state.under_way.push(Door { row, admission, factor: None });
                    }
                    Next::Ask(_) => state.pending.push(Waiting {
                        row: state.row,
                        proved: Methods::of([Method::Password]),
                        until: state.now + 2,
                        is_used: false,
                    }),
                    Next::Refuse(_) => {}
                }
            }
            Action::Code(waiting, step) => {
                state.left.codes -= 1;
                // A code that was taken is a wrong one.
                if !state.row.has_totp || state.last_step.is_some_and(|last| step <= last) {
                    return Some(state);
                }
                let of = state.pending[waiting];
                let pending = Pending {
                    proved: of.proved,
                    until: moment(of.until),
                    tries: 0,
                    is_used: of.is_used,
                    is_as_it_was: of.row == state.row,
                };
                let known = state.known();
                let now = moment(state.now);
                let next = decide(&known, Some(&pending), Proof::Totp, Rules::default(), now);
                if let Next::Begin(admission) = next {
                    let (row, factor) = (state.row, Some((waiting, step)));
                    state.under_way.push(Door { row, admission, factor });
                }
            }
            Action::Commit(door) => {
                let door = state.under_way.remove(door);
                self.commit(&mut state, door);
            }
            Action::Lose(door) => drop(state.under_way.remove(door)),
            Action::ChangePassword => {
                state.left.acts -= 1;
                state.row.password += 1;
            }
            Action::Deactivate => {
                state.left.acts -= 1;
                state.row.is_active = false;
            }
            Action::AddTotp | Action::RemoveTotp => {
                state.left.acts -= 1;
                state.row.has_totp = !state.row.has_totp;
                state.row.factors += 1;
                // Another secret, of which no code was taken.
                state.last_step = None;
            }
            Action::Tick => state.now += 1,
        }
        state.under_way.sort_by_key(|door| (door.factor, door.row.password, door.row.factors));
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ON_THE_ROW, |_, state: &State| {
                state
                    .sessions
                    .iter()
                    .all(|session| session.row.is_active && session.row.password == session.proved)
            }),
            Property::always(AS_WANTED, |_, state: &State| {
                state
                    .sessions
                    .iter()
                    .all(|session| !session.row.has_totp || session.methods.has(Method::Several))
            }),
            Property::always(ONE_EACH, |_, state: &State| {
                // A code is of a secret: after a removal it is another one.
                let of = |session: &Session| {
                    session.factor.map(|(waiting, step)| (waiting, (session.row.factors, step)))
                };
                let used: Vec<_> = state.sessions.iter().filter_map(of).collect();
                used.iter().enumerate().all(|(i, (waiting, code))| {
                    used[..i].iter().all(|(other, taken)| other != waiting && taken != code)
                })
            }),
            // So that the model is known to reach what it is about.
            Property::sometimes("two sessions begin with two factors each", |_, state: &State| {
                state.sessions.iter().filter(|session| session.factor.is_some()).count() == 2
            }),
            Property::sometimes("a door is late", |_, state: &State| {
                state.under_way.iter().any(|door| door.row != state.row)
            }),
        ]
    }
}

impl State {
    fn known(&self) -> Known {
        let enrolled =
            if self.row.has_totp { Factors::of([FactorKind::Totp]) } else { Factors::default() };
        Known { may_enter: self.row.is_active, enrolled, remembered_until: None }
    }
}

impl Doors {
    fn commit(&self, state: &mut State, door: Door) {
        if self.store.asks_the_row && door.row != state.row {
            return;
        }
        if let Some((waiting, step)) = door.factor {
            if self.store.takes_the_pending && state.pending[waiting].is_used {
                return;
            }
            if self.store.takes_the_step && state.last_step.is_some_and(|last| step <= last) {
                return;
            }
            state.pending[waiting].is_used = true;
            state.last_step = state.last_step.max(Some(step));
        }
        state.sessions.push(Session {
            methods: door.admission.methods(),
            scope: door.admission.scope(),
            row: state.row,
            proved: door.row.password,
            factor: door.factor,
        });
    }
}

fn moment(at: u8) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(30 * u64::from(at))
}

const ON_THE_ROW: &str = "a session begins on the row as it was checked";
const AS_WANTED: &str = "who has a second factor has proved it";
const ONE_EACH: &str = "a code and a waiting sign-in begin one session each";
const KNOWN_PASSWORD: u8 = 0;
const LAST_MOMENT: u8 = 4;

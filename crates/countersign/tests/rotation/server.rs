//! A server with one session: it applies a decision to its row and mints what the decision says.

use std::time::Duration;

use countersign::session::rotation::{Decision, Generation, Jti, Presented, RotationEvent, RotationState, Rule};

/// A decision under test: the real one, or a mutant.
pub(crate) trait Decide: Fn(&RotationState, &Presented, u64, Duration) -> Decision + Copy + Send + Sync + 'static {}

impl<F: Fn(&RotationState, &Presented, u64, Duration) -> Decision + Copy + Send + Sync + 'static> Decide for F {}

pub(crate) struct Server<D> {
    decide: D,
    pub(crate) row: RotationState,
    pub(crate) is_dead: bool,
    minted: u64,
    /// Races that were paid for.
    pub(crate) races: u64,
    pub(crate) rollbacks_seen: u64,
}

impl<D: Decide> Server<D> {
    /// A session that begins at `now`, in milliseconds, and its first token.
    pub(crate) fn new(decide: D, now: u64) -> (Self, Presented) {
        let first = Presented { generation: Generation::FIRST, jti: jti(0), parent: None, issued_at: now / 1_000 };
        let row = RotationState::new(first.jti, first.issued_at);
        (Self { decide, row, is_dead: false, minted: 0, races: 0, rollbacks_seen: 0 }, first)
    }

    /// A refresh at `now`, in milliseconds; `None` when it is refused.
    pub(crate) fn refresh(&mut self, token: &Presented, now: u64) -> Option<Presented> {
        if self.is_dead {
            return None;
        }
        let Decision::Mint { child, rule, state, event } = (self.decide)(&self.row, token, now / 1_000, WINDOW) else {
            self.is_dead = true;
            return None;
        };
        self.races += u64::from(rule == Rule::Race && state.is_some());
        self.rollbacks_seen += u64::from(event == Some(RotationEvent::Rollback));
        self.row = state.unwrap_or(self.row);
        self.minted += 1;
        Some(Presented { generation: child.generation, jti: jti(self.minted), parent: Some(child.parent), issued_at: now / 1_000 })
    }
}

pub(crate) fn jti(number: u64) -> Jti {
    Jti(u128::from(number).to_be_bytes())
}

pub(crate) const WINDOW: Duration = Duration::from_secs(30);

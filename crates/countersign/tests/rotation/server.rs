//! A server with one session: it applies a decision to its row and mints what the decision says.

use std::time::Duration;

use countersign::session::rotation::{
    Decision, Generation, Jti, Mark, Presented, RACE_CREDIT, RotationEvent, RotationState, Rule,
};

/// A decision under test: the real one, or a mutant.
pub(crate) trait Decide:
    Fn(&RotationState, &Presented, u64, Duration) -> Decision + Copy + Send + Sync + 'static
{
}

impl<F: Fn(&RotationState, &Presented, u64, Duration) -> Decision + Copy + Send + Sync + 'static>
    Decide for F
{
}

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
        let first = Presented {
            generation: Generation::FIRST,
            jti: jti(0),
            parent: None,
            issued_at: now / 1_000,
        };
        let row = RotationState::new(first.jti, first.issued_at);
        (Self { decide, row, is_dead: false, minted: 0, races: 0, rollbacks_seen: 0 }, first)
    }

    /// Whether a token would be refused at `now`, in milliseconds.
    pub(crate) fn would_refuse(&self, token: &Presented, now: u64) -> bool {
        self.is_dead || (self.decide)(&self.row, token, now / 1_000, WINDOW) == Decision::Reused
    }

    /// Whether a token would be refused at `now`, in milliseconds, with all the credit there is.
    pub(crate) fn is_worthless(&self, token: &Presented, now: u64) -> bool {
        let rich = RotationState { race_credit: RACE_CREDIT, race_charged: None, ..self.row };
        self.is_dead || (self.decide)(&rich, token, now / 1_000, WINDOW) == Decision::Reused
    }

    /// A program of the first version has written the row: its marks are lost.
    pub(crate) fn forget_marks(&mut self) {
        self.row.mark = RotationState::mark_of_old_row(self.row.generation, self.row.current_since);
        self.row.earlier_mark = Mark::LONG_AGO;
    }

    /// A refresh at `now`, in milliseconds; `None` when it is refused.
    pub(crate) fn refresh(&mut self, token: &Presented, now: u64) -> Option<Presented> {
        if self.is_dead {
            return None;
        }
        let Decision::Mint { child, rule, state, event } =
            (self.decide)(&self.row, token, now / 1_000, WINDOW)
        else {
            self.is_dead = true;
            return None;
        };
        self.races += u64::from(matches!(rule, Rule::Race | Rule::Restart) && state.is_some());
        self.rollbacks_seen += u64::from(event == Some(RotationEvent::Rollback));
        self.row = state.unwrap_or(self.row);
        self.minted += 1;
        Some(Presented {
            generation: child.generation,
            jti: jti(self.minted),
            parent: Some(child.parent),
            issued_at: now / 1_000,
        })
    }
}

pub(crate) fn jti(number: u64) -> Jti {
    Jti(u128::from(number).to_be_bytes())
}

pub(crate) const WINDOW: Duration = Duration::from_secs(30);

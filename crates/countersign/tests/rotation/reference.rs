//! The rules once more, straight from the text and with a switch for each: all on, they must agree with the real decision; one off, the schedules must notice.

use std::time::Duration;

use countersign::session::rotation::{Child, Decision, Generation, Presented, RotationEvent, RotationState, Rule};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Rule 2.
    pub(crate) repeated: bool,
    /// Rule 3.
    pub(crate) successor: bool,
    /// Rule 4.
    pub(crate) ahead: bool,
    /// Rule 5: by the time of presentation.
    pub(crate) by_presentation: bool,
    /// Rule 5: by the time of minting.
    pub(crate) by_minting: Minting,
    /// Rule 5: it costs.
    pub(crate) costs: bool,
    /// Rule 5: once a generation, and in each.
    pub(crate) once: Once,
    /// Rule 5: the child is the current token's, not the stale one's.
    pub(crate) joins: bool,
    /// Rule 3: it gives credit back.
    pub(crate) gives_back: bool,
    /// Rule 3: up to the full credit.
    pub(crate) capped: bool,
    /// Rule 3: the time of presentation is noted.
    pub(crate) notes_time: bool,
    /// Rule 6.
    pub(crate) refuses: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Minting {
    Near,
    NearOrLater,
    NearOrEarlier,
    Ignored,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Once {
    Generation,
    Race,
    Session,
}

impl Rules {
    pub(crate) const ALL: Self = Self {
        repeated: true,
        successor: true,
        ahead: true,
        by_presentation: true,
        by_minting: Minting::Near,
        costs: true,
        once: Once::Generation,
        joins: true,
        gives_back: true,
        capped: true,
        notes_time: true,
        refuses: true,
    };

    pub(crate) fn decide(self, row: &RotationState, token: &Presented, now: u64, window: Duration) -> Decision {
        if self.repeated && token.jti == row.current_jti {
            return mint(token, Rule::Repeated, None, None);
        }
        if self.successor && token.parent == Some(row.current_jti) {
            return mint(token, Rule::Successor, Some(self.advance(row, token, now)), None);
        }
        if self.ahead && token.generation > row.generation {
            return mint(token, Rule::AheadOfState, Some(self.advance(row, token, now)), Some(RotationEvent::Rollback));
        }
        let window = i128::from(window.as_secs());
        let since = i128::from(now) - i128::from(row.current_since);
        let later = i128::from(row.current_iat) - i128::from(token.issued_at);
        let minted_near = match self.by_minting {
            Minting::Near => later.abs() <= window,
            Minting::NearOrLater => later <= window,
            Minting::NearOrEarlier => -later <= window,
            Minting::Ignored => false,
        };
        let is_race = (self.by_presentation && since <= window) || minted_near;
        if is_race && let Some(decision) = self.race(row, token) {
            return decision;
        }
        if self.refuses { Decision::Reused } else { mint_from(row, Rule::Race, None) }
    }

    fn advance(self, row: &RotationState, token: &Presented, now: u64) -> RotationState {
        let race_credit = row.race_credit.saturating_add(u8::from(self.gives_back));
        RotationState {
            generation: token.generation,
            current_jti: token.jti,
            current_iat: token.issued_at,
            current_since: if self.notes_time { now } else { row.current_since },
            race_credit: if self.capped { race_credit.min(25) } else { race_credit },
            race_charged: row.race_charged,
        }
    }

    fn race(self, row: &RotationState, token: &Presented) -> Option<Decision> {
        let is_paid = match self.once {
            Once::Generation => row.race_charged == Some(row.generation),
            Once::Race => false,
            Once::Session => row.race_charged.is_some(),
        };
        let state = match (is_paid, self.costs) {
            (true, _) => None,
            (false, false) => Some(*row),
            (false, true) => {
                Some(RotationState { race_credit: row.race_credit.checked_sub(5)?, race_charged: Some(row.generation), ..*row })
            }
        };
        if self.joins {
            return Some(mint_from(row, Rule::Race, state));
        }
        Some(mint(token, Rule::Race, state, Some(RotationEvent::Race)))
    }
}

fn mint(parent: &Presented, rule: Rule, state: Option<RotationState>, event: Option<RotationEvent>) -> Decision {
    Decision::Mint { child: Child { parent: parent.jti, generation: Generation(parent.generation.0 + 1) }, rule, state, event }
}

fn mint_from(row: &RotationState, rule: Rule, state: Option<RotationState>) -> Decision {
    let child = Child { parent: row.current_jti, generation: Generation(row.generation.0 + 1) };
    Decision::Mint { child, rule, state, event: Some(RotationEvent::Race) }
}

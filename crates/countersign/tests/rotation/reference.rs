//! The rules once more, straight from the text and with a switch for each: all on, they must agree
//! with the real decision; one off, the schedules must notice.

use std::time::Duration;

use countersign::session::rotation::{
    Child, Decision, Generation, Mark, Presented, RotationEvent, RotationState, Rule,
};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Rule 2.
    pub(crate) repeated: bool,
    /// Rule 3.
    pub(crate) successor: bool,
    /// Rule 4.
    pub(crate) ahead: bool,
    /// Rule 5: a slow request, counted from which step past the token.
    pub(crate) slow: Past,
    /// Rule 5: a late answer.
    pub(crate) late: Late,
    /// Rule 5: a browser that died.
    pub(crate) died: Died,
    /// Rule 5: what the first two cases cost, and the third.
    pub(crate) costs: [u8; 2],
    /// Rule 5: once a generation, and in each.
    pub(crate) once: Once,
    /// Rule 5: the child is the current token's, not the stale one's.
    pub(crate) joins: bool,
    /// Advance: what gives credit back.
    pub(crate) gives_back: Earned,
    /// Advance: up to the full credit.
    pub(crate) capped: bool,
    /// Advance: a mark becomes the earlier one.
    pub(crate) remembers: bool,
    /// Advance: a mark from a clock that went back is put aside.
    pub(crate) clock_heals: bool,
    /// Rule 6.
    pub(crate) refuses: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Past {
    First,
    Last,
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Late {
    /// The lineage came no further than the window after the token was minted.
    ByTakingOver,
    /// As in the first version: both minted near each other.
    ByMinting,
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Died {
    WithinTheWindow,
    WithinTheBucket,
    Always,
    Ignored,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Once {
    Generation,
    Race,
    Session,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Earned {
    ByTime,
    ByGeneration,
    Never,
}

impl Rules {
    pub(crate) const ALL: Self = Self {
        repeated: true,
        successor: true,
        ahead: true,
        slow: Past::First,
        late: Late::ByTakingOver,
        died: Died::WithinTheWindow,
        costs: [5, 12],
        once: Once::Generation,
        joins: true,
        gives_back: Earned::ByTime,
        capped: true,
        remembers: true,
        clock_heals: true,
        refuses: true,
    };

    /// What rule 5 was in the first version.
    pub(crate) const FIRST: Self = Self {
        slow: Past::Last,
        late: Late::ByMinting,
        died: Died::Ignored,
        gives_back: Earned::ByGeneration,
        ..Self::ALL
    };

    pub(crate) fn decide(
        self,
        row: &RotationState,
        token: &Presented,
        now: u64,
        window: Duration,
    ) -> Decision {
        let window = i128::from(window.as_secs());
        if self.repeated && token.jti == row.current_jti {
            return mint(token, Rule::Repeated, None, None);
        }
        if self.successor && token.parent == Some(row.current_jti) {
            return mint(token, Rule::Successor, Some(self.advance(row, token, now, window)), None);
        }
        if self.ahead && token.generation > row.generation {
            let event = Some(RotationEvent::Rollback);
            return mint(
                token,
                Rule::AheadOfState,
                Some(self.advance(row, token, now, window)),
                event,
            );
        }
        if let Some((rule, cost)) = self.case(row, token, now, window)
            && let Some(decision) = self.race(row, token, rule, cost)
        {
            return decision;
        }
        if self.refuses { Decision::Reused } else { mint_from(row, Rule::Race, None, None) }
    }

    fn case(
        self,
        row: &RotationState,
        token: &Presented,
        now: u64,
        window: i128,
    ) -> Option<(Rule, u8)> {
        let [now, since, iat, ciat, marked, earlier] = [
            now,
            row.current_since,
            token.issued_at,
            row.current_iat,
            row.mark.since,
            row.earlier_mark.since,
        ]
        .map(i128::from);
        let (in_bucket, in_last) = (
            token.generation >= row.mark.generation,
            token.generation >= row.earlier_mark.generation,
        );
        let past = match self.slow {
            Past::First if in_bucket => Some(marked),
            Past::First if in_last => Some(earlier),
            Past::First | Past::Ignored => None,
            Past::Last => Some(since),
        };
        let is_late = match self.late {
            Late::ByTakingOver => since - iat <= window,
            Late::ByMinting => (ciat - iat).abs() <= window,
            Late::Ignored => false,
        };
        if past.is_some_and(|past| now - past <= window) || is_late {
            return Some((Rule::Race, self.costs[0]));
        }
        let died = match self.died {
            Died::WithinTheWindow => in_bucket || in_last && since - earlier <= window,
            Died::WithinTheBucket => in_bucket,
            Died::Always => true,
            Died::Ignored => false,
        };
        died.then_some((Rule::Restart, self.costs[1]))
    }

    fn advance(
        self,
        row: &RotationState,
        token: &Presented,
        now: u64,
        window: i128,
    ) -> RotationState {
        let age = i128::from(now) - i128::from(row.mark.since);
        let (is_new, is_future) = (2 * age > window, self.clock_heals && -age > window);
        let earned = match self.gives_back {
            Earned::ByTime => is_new,
            Earned::ByGeneration => true,
            Earned::Never => false,
        };
        let race_credit = row.race_credit.saturating_add(u8::from(earned));
        let mark = Mark { generation: row.generation, since: now };
        RotationState {
            generation: token.generation,
            current_jti: token.jti,
            current_iat: token.issued_at,
            current_since: now,
            race_credit: if self.capped { race_credit.min(25) } else { race_credit },
            race_charged: row.race_charged,
            mark: if is_new || is_future { mark } else { row.mark },
            earlier_mark: if (is_new || is_future) && self.remembers {
                row.mark
            } else {
                row.earlier_mark
            },
        }
    }

    fn race(
        self,
        row: &RotationState,
        token: &Presented,
        rule: Rule,
        cost: u8,
    ) -> Option<Decision> {
        let is_paid = match self.once {
            Once::Generation => row.race_charged == Some(row.generation),
            Once::Race => false,
            Once::Session => row.race_charged.is_some(),
        };
        let (price, state) = if is_paid {
            (0, None)
        } else {
            let race_credit = row.race_credit.checked_sub(cost)?;
            (cost, Some(RotationState { race_credit, race_charged: Some(row.generation), ..*row }))
        };
        let credit = state.map_or(row.race_credit, |state| state.race_credit);
        let event = RotationEvent::Race {
            price,
            is_repeated: state.is_some() && row.race_credit < 25,
            credit,
        };
        Some(if self.joins {
            mint_from(row, rule, state, Some(event))
        } else {
            mint(token, rule, state, Some(event))
        })
    }
}

fn mint(
    parent: &Presented,
    rule: Rule,
    state: Option<RotationState>,
    event: Option<RotationEvent>,
) -> Decision {
    Decision::Mint {
        child: Child { parent: parent.jti, generation: Generation(parent.generation.0 + 1) },
        rule,
        state,
        event,
    }
}

fn mint_from(
    row: &RotationState,
    rule: Rule,
    state: Option<RotationState>,
    event: Option<RotationEvent>,
) -> Decision {
    let child = Child { parent: row.current_jti, generation: Generation(row.generation.0 + 1) };
    Decision::Mint { child, rule, state, event }
}

//! What a session's row remembers of its refreshes, and how a refresh moves it on.

use std::time::Duration;

use super::token::{Generation, Jti, Presented};
use super::{Child, Decision, RACE_CREDIT, RACE_RESTORED, RotationEvent, Rule};

/// The rotation state of a session: ten columns of its row.
///
/// ```
/// use countersign::session::rotation::{Jti, RACE_CREDIT, RotationState};
///
/// let state = RotationState::new(Jti([1; 16]), 1_000);
/// assert_eq!(
///     (state.current_since, state.race_credit, state.race_charged),
///     (1_000, RACE_CREDIT, None)
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RotationState {
    /// The current token's generation.
    pub generation: Generation,
    /// The current token: the newest that a client has presented.
    pub current_jti: Jti,
    /// When it was minted, in whole seconds since 1970. No rule asks for it any more; nodes of the
    /// first version do, which may run on the same database.
    pub current_iat: u64,
    /// When it was first presented, in whole seconds since 1970.
    pub current_since: u64,
    /// What races may still cost, 0 to [`RACE_CREDIT`].
    pub race_credit: u8,
    /// The generation for which a race has been paid. Others of the same generation are free: a row
    /// of tabs is one race.
    pub race_charged: Option<Generation>,
    /// How far the lineage had come when the present bucket of half a window began.
    pub mark: Mark,
    /// The same of the bucket before.
    pub earlier_mark: Mark,
}

/// How far the lineage had come a little earlier: a token of this generation or a newer one was
/// moved past at this time or later.
///
/// ```
/// use countersign::session::rotation::{Generation, Jti, Mark, RotationState};
///
/// let state = RotationState::new(Jti([1; 16]), 1_000);
/// assert_eq!(state.mark, Mark { generation: Generation::FIRST, since: 1_000 });
/// assert_eq!(state.earlier_mark, Mark::LONG_AGO);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The generation that was current just before.
    pub generation: Generation,
    /// When its first successor was presented, in whole seconds since 1970.
    pub since: u64,
}

impl Mark {
    /// What a new session has for the bucket before its first.
    pub const LONG_AGO: Self = Self { generation: Generation::FIRST, since: 0 };
}

impl RotationState {
    /// The state of a session that begins at `now` with `first` as its first refresh token, which
    /// counts as presented.
    ///
    /// ```
    /// use countersign::session::rotation::{Generation, Jti, RotationState};
    ///
    /// let state = RotationState::new(Jti([1; 16]), 1_000);
    /// assert_eq!((state.generation, state.current_jti), (Generation::FIRST, Jti([1; 16])));
    /// ```
    pub const fn new(first: Jti, now: u64) -> Self {
        Self {
            generation: Generation::FIRST,
            current_jti: first,
            current_iat: now,
            current_since: now,
            race_credit: RACE_CREDIT,
            race_charged: None,
            mark: Mark { generation: Generation::FIRST, since: now },
            earlier_mark: Mark::LONG_AGO,
        }
    }

    /// The marks of a row that has none, because a program of the first version wrote it: the
    /// current token took over from the last few generations when it was first presented.
    ///
    /// Which of them were moved past in its half minute, such a row does not say. It is read in
    /// favour of the client, and for one refresh only: the next one sets a true mark.
    ///
    /// ```
    /// use countersign::session::rotation::{Generation, Mark, RotationState};
    ///
    /// let mark = RotationState::mark_of_old_row(Generation(9), 5_000);
    /// assert_eq!(mark, Mark { generation: Generation(7), since: 5_000 });
    /// ```
    pub const fn mark_of_old_row(generation: Generation, current_since: u64) -> Mark {
        Mark {
            generation: Generation(generation.0.saturating_sub(OLD_ROW_GENERATIONS)),
            since: current_since,
        }
    }

    pub(super) fn advanced_to(&self, token: &Presented, now: u64, window: Duration) -> Self {
        let begins_bucket = Duration::from_secs(now.saturating_sub(self.mark.since)) > window / 2;
        // A mark in the future means that our clock went back. It would stand for as long as the
        // clock was ahead; time that did not pass earns no credit.
        let clock_went_back = Duration::from_secs(self.mark.since.saturating_sub(now)) > window;
        let (mark, earlier_mark) = if begins_bucket || clock_went_back {
            (Mark { generation: self.generation, since: now }, self.mark)
        } else {
            (self.mark, self.earlier_mark)
        };
        let earned = if begins_bucket { RACE_RESTORED } else { 0 };
        Self {
            generation: token.generation,
            current_jti: token.jti,
            current_iat: token.issued_at,
            current_since: now,
            race_credit: self.race_credit.saturating_add(earned).min(RACE_CREDIT),
            race_charged: self.race_charged,
            mark,
            earlier_mark,
        }
    }

    /// Which case of rule 5 the token is. It counts from the *first* step past it: many steps
    /// of one holder do not make the other's token look fresh.
    pub(super) fn forgives(&self, token: &Presented, now: u64, window: Duration) -> Option<Rule> {
        // A time that lies in the future means that our clock went back: then it tells nothing
        // against the client.
        let within = |from: u64, to: u64| Duration::from_secs(to.saturating_sub(from)) <= window;
        let in_this_bucket = token.generation >= self.mark.generation;
        let in_the_last = token.generation >= self.earlier_mark.generation;
        let is_slow_request = match (in_this_bucket, in_the_last) {
            (true, _) => within(self.mark.since, now),
            (false, true) => within(self.earlier_mark.since, now),
            (false, false) => false,
        };
        // An answer was slow, and overwrote a newer cookie. It may have lain in the jar for hours
        // since: only the times of minting and of taking over tell.
        let is_late_answer = within(token.issued_at, self.current_since);
        if is_slow_request || is_late_answer {
            return Some(Rule::Race);
        }
        let all_within_the_window =
            in_this_bucket || (in_the_last && within(self.earlier_mark.since, self.current_since));
        all_within_the_window.then_some(Rule::Restart)
    }

    /// Forgives, if it can be paid. The child descends from the current token, so that both parties
    /// of the race meet again.
    pub(super) fn forgiven(&self, rule: Rule) -> Option<Decision> {
        if self.race_charged == Some(self.generation) {
            return Some(self.mint(
                rule,
                Some(RotationEvent::Race {
                    price: 0,
                    is_repeated: false,
                    credit: self.race_credit,
                }),
            ));
        }
        let price = rule.price();
        let race_credit = self.race_credit.checked_sub(price)?;
        let is_repeated = self.race_credit < RACE_CREDIT;
        let charged = Self { race_credit, race_charged: Some(self.generation), ..*self };
        Some(charged.mint_and_keep(
            rule,
            Some(RotationEvent::Race { price, is_repeated, credit: race_credit }),
        ))
    }

    pub(in crate::session) fn mint(&self, rule: Rule, event: Option<RotationEvent>) -> Decision {
        Decision::Mint { child: self.child(), rule, state: None, event }
    }

    pub(super) fn mint_and_keep(self, rule: Rule, event: Option<RotationEvent>) -> Decision {
        Decision::Mint { child: self.child(), rule, state: Some(self), event }
    }

    pub(super) const fn child(&self) -> Child {
        Child { parent: self.current_jti, generation: self.generation.next() }
    }
}

/// How many generations behind the current one a row of the first version may have been when its
/// current token took over.
const OLD_ROW_GENERATIONS: u64 = 2;

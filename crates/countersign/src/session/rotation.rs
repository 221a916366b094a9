//! The rotation decision: what a refresh token that is presented to a session leads to.
//!
//! One pure function, [`decide`], of the session's row, the verified token and the time. It holds
//! rules 2 to 6 of the protocol; rule 1 (the session is missing, expired or revoked) is the
//! store's, which applies the decision and the row's change as one atomic step.
//!
//! Every refresh mints a new token, the *child* of the one it was given. The row remembers the
//! newest token that a client has **presented**, the *current* one. What was minted and never came
//! back is not remembered at all: its signature proves it, its parent places it. So a lost answer
//! costs nothing, and two parties with one lineage show themselves, because only one child of the
//! current token can be the next current token.
//!
//! The row also remembers two *marks*: how far the lineage had come when the present bucket of half
//! a window began, and the one before. They tell when the lineage *first* moved past a stale token.
//! So somebody who makes generation after generation does not make an old token look as if it had
//! been replaced just now; and race credit comes back by buckets in which something happened, not
//! by generations, so that nobody can earn it by hurrying.
//!
//! All times are whole seconds since 1970-01-01 UTC, as a token's `iat` is. Seconds are enough:
//! rounding both ends of a span down never makes a span of at most `n` seconds longer than `n`, so
//! nobody honest loses by it. A request that took half a window comes at most that long after the
//! step past its token, which came at most half a window after its bucket began, each in whole
//! seconds: the sum is the window. A thief gains less than a second of a window that his credit
//! bounds anyway.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign::session::rotation::{
//!     Decision, Generation, Jti, Presented, RotationState, decide,
//! };
//!
//! // An answer that was lost for an hour does not log anybody out.
//! let state = RotationState::new(Jti([1; 16]), 1_000);
//! let token = Presented {
//!     generation: Generation::FIRST,
//!     jti: Jti([1; 16]),
//!     parent: None,
//!     issued_at: 1_000,
//! };
//! assert!(matches!(
//!     decide(&state, &token, 4_600, Duration::from_secs(30)),
//!     Decision::Mint { .. }
//! ));
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decides what `token`, presented at `now` to a live session in `state`, leads to.
///
/// `token` must have been verified: the decision believes what it says. `window` is how far apart,
/// in whole seconds, two requests of one honest client may be (30 s by default): a request and an
/// answer may each take half of it, and a browser may be that late in writing its cookies down. A
/// clock that goes back forgives for that while: it never logs anyone out by itself.
///
/// ```
/// use countersign::session::rotation::{
///     Decision, Generation, Jti, Presented, RotationState, decide,
/// };
/// use std::time::Duration;
///
/// let window = Duration::from_secs(30);
/// let first = Jti([1; 16]);
/// let state = RotationState::new(first, 1_000);
///
/// // The first refresh, and again an hour later, because its answer was lost: both mint.
/// let token =
///     Presented { generation: Generation::FIRST, jti: first, parent: None, issued_at: 1_000 };
/// for now in [1_300, 4_900] {
///     assert!(matches!(decide(&state, &token, now, window), Decision::Mint { state: None, .. }));
/// }
///
/// // Its child takes over, and the child's child; a stranger with the first token is too late.
/// let child = Presented {
///     generation: Generation(1),
///     jti: Jti([2; 16]),
///     parent: Some(first),
///     issued_at: 4_900,
/// };
/// let next = Presented {
///     generation: Generation(2),
///     jti: Jti([3; 16]),
///     parent: Some(child.jti),
///     issued_at: 5_200,
/// };
/// let Decision::Mint { state: Some(state), .. } = decide(&state, &child, 5_200, window) else {
///     unreachable!()
/// };
/// let Decision::Mint { state: Some(state), .. } = decide(&state, &next, 5_500, window) else {
///     unreachable!()
/// };
/// assert_eq!(decide(&state, &token, 8_800, window), Decision::Reused);
/// ```
pub fn decide(state: &RotationState, token: &Presented, now: u64, window: Duration) -> Decision {
    // 2. The client never got, or never used, the answer; or several tabs refresh at once. True
    //    after any delay.
    if token.jti == state.current_jti {
        return state.mint(Rule::Repeated, None);
    }
    // 3. The normal case: the answer arrived, and is used for the first time.
    if token.parent == Some(state.current_jti) {
        return state.advanced_to(token, now, window).mint_and_keep(Rule::Successor, None);
    }
    // 4. A token one generation ahead is always a child of the current one, unless our own state
    //    went back. The signature proves that we minted it.
    if token.generation > state.generation {
        return state
            .advanced_to(token, now, window)
            .mint_and_keep(Rule::AheadOfState, Some(RotationEvent::Rollback));
    }
    // 5. A stale relative that an honest client may hold, while credit lasts.
    if let Some(rule) = state.forgives(token, now, window)
        && let Some(decision) = state.forgiven(rule)
    {
        return decision;
    }
    // 6. Two parties hold this lineage.
    Decision::Reused
}

/// What a refresh leads to.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::session::rotation::{
///     Decision, Generation, Jti, Presented, RotationState, Rule, decide,
/// };
///
/// let state = RotationState::new(Jti([1; 16]), 1_000);
/// let child = Presented {
///     generation: Generation(1),
///     jti: Jti([2; 16]),
///     parent: Some(Jti([1; 16])),
///     issued_at: 1_100,
/// };
/// let Decision::Mint { rule, state: Some(state), event: None, .. } =
///     decide(&state, &child, 1_200, Duration::from_secs(30))
/// else {
///     unreachable!()
/// };
/// assert_eq!((rule, state.current_jti), (Rule::Successor, Jti([2; 16])));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Sign and send a new refresh token.
    Mint {
        /// Which token to mint.
        child: Child,
        /// The rule that says so.
        rule: Rule,
        /// The row's new state; `None` when it stays as it is and nothing need be written.
        state: Option<RotationState>,
        /// What an operator should know.
        event: Option<RotationEvent>,
    },
    /// Rule 6: revoke the session, answer `refresh_token_reused`, tell the user.
    Reused,
}

/// The place of a token that is to be minted. Its `jti` is the caller's to draw, its `iat` the time
/// of the decision.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::session::rotation::{
///     Child, Decision, Generation, Jti, Presented, RotationState, decide,
/// };
///
/// let state = RotationState::new(Jti([1; 16]), 1_000);
/// let token = Presented {
///     generation: Generation::FIRST,
///     jti: Jti([1; 16]),
///     parent: None,
///     issued_at: 1_000,
/// };
/// let Decision::Mint { child, .. } = decide(&state, &token, 1_100, Duration::from_secs(30))
/// else {
///     unreachable!()
/// };
/// assert_eq!(child, Child { parent: Jti([1; 16]), generation: Generation(1) });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Child {
    /// The token it descends from: the one presented, or after a race the current one.
    pub parent: Jti,
    /// Its own generation: the parent's and one.
    pub generation: Generation,
}

/// The rule that allowed a refresh, numbered as in the protocol.
///
/// ```
/// use countersign::session::rotation::Rule;
///
/// let rules = [Rule::Repeated, Rule::Successor, Rule::AheadOfState, Rule::Race, Rule::Restart];
/// assert_eq!(rules.map(Rule::number), [2, 3, 4, 5, 5]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Rule 2: the current token once more.
    Repeated,
    /// Rule 3: a child of the current token.
    Successor,
    /// Rule 4: a token from the row's own future.
    AheadOfState,
    /// Rule 5: a stale relative whose request or answer was slow.
    Race,
    /// Rule 5: a stale relative from the disk of a browser that died before it wrote its newest
    /// cookies.
    Restart,
}

impl Rule {
    /// Its number in the protocol.
    ///
    /// ```
    /// assert_eq!(countersign::session::rotation::Rule::Successor.number(), 3);
    /// ```
    pub const fn number(self) -> u8 {
        match self {
            Self::Repeated => 2,
            Self::Successor => 3,
            Self::AheadOfState => 4,
            Self::Race | Self::Restart => 5,
        }
    }

    /// What it costs, once a generation.
    const fn price(self) -> u8 {
        match self {
            Self::Repeated | Self::Successor | Self::AheadOfState => 0,
            Self::Race => RACE_COST,
            Self::Restart => RESTART_COST,
        }
    }
}

/// What an operator should know about a refresh that was allowed.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::session::rotation::{
///     Decision, Generation, Jti, Presented, RotationEvent, RotationState, decide,
/// };
///
/// // The row comes from a backup; the token is newer.
/// let state = RotationState::new(Jti([1; 16]), 1_000);
/// let token = Presented {
///     generation: Generation(9),
///     jti: Jti([9; 16]),
///     parent: Some(Jti([8; 16])),
///     issued_at: 9_000,
/// };
/// let decision = decide(&state, &token, 9_100, Duration::from_secs(30));
/// assert!(matches!(decision, Decision::Mint { event: Some(RotationEvent::Rollback), .. }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RotationEvent {
    /// A stale token was forgiven by rule 5.
    Race {
        /// What it cost of [`RACE_CREDIT`]; 0 when this generation's had been paid already.
        price: u8,
        /// It was paid, and an earlier one had not been earned back yet: the second in a row, or a
        /// later one. Two tabs do that now and then; a thief who keeps in step does it all the
        /// time.
        is_repeated: bool,
        /// What is left of the credit.
        credit: u8,
    },
    /// The row was older than the token: a restored backup, or a failover to a replica that lagged.
    Rollback,
}

/// A refresh token as a client presented it, signature, type and expiry verified.
///
/// ```
/// use countersign::session::rotation::{Generation, Jti, Presented};
///
/// // The first refresh token of a session that began at 1 000.
/// let first = Presented {
///     generation: Generation::FIRST,
///     jti: Jti([1; 16]),
///     parent: None,
///     issued_at: 1_000,
/// };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Presented {
    /// The claim `gen`.
    pub generation: Generation,
    /// The claim `jti`.
    pub jti: Jti,
    /// The claim `par`: the token that it was minted from; the first has none.
    pub parent: Option<Jti>,
    /// The claim `iat`: when it was minted, in whole seconds since 1970.
    pub issued_at: u64,
}

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

    fn advanced_to(&self, token: &Presented, now: u64, window: Duration) -> Self {
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

    /// Which case of rule 5 the token is. It counts from the *first* step past it: somebody who
    /// makes many steps himself does not make the token look fresh.
    fn forgives(&self, token: &Presented, now: u64, window: Duration) -> Option<Rule> {
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
    fn forgiven(&self, rule: Rule) -> Option<Decision> {
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

    fn mint(&self, rule: Rule, event: Option<RotationEvent>) -> Decision {
        Decision::Mint { child: self.child(), rule, state: None, event }
    }

    fn mint_and_keep(self, rule: Rule, event: Option<RotationEvent>) -> Decision {
        Decision::Mint { child: self.child(), rule, state: Some(self), event }
    }

    const fn child(&self) -> Child {
        Child { parent: self.current_jti, generation: self.generation.next() }
    }
}

/// How many refreshes lie between a token and the session's first.
///
/// ```
/// use countersign::session::rotation::Generation;
///
/// assert!(Generation::FIRST < Generation(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation of a session's first refresh token.
    pub const FIRST: Self = Self(0);

    const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A refresh token's id: 128 random bits, written as 22 characters of base64url. It names a token;
/// without a signature it opens nothing.
///
/// ```
/// use countersign::session::rotation::Jti;
///
/// let jti = Jti([0xff; 16]);
/// assert_eq!(jti.to_string(), "_____________________w");
/// assert_eq!("_____________________w".parse(), Ok(jti));
/// assert!("_____________________x".parse::<Jti>().is_err(), "one id has one spelling");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jti(pub [u8; 16]);

impl fmt::Display for Jti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Jti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jti({self})")
    }
}

impl FromStr for Jti {
    type Err = InvalidJti;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != JTI_TEXT_BYTES {
            return Err(InvalidJti);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidJti)?;
        bytes.try_into().map(Self).map_err(|_| InvalidJti)
    }
}

impl Serialize for Jti {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Jti {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is not 128 bits in base64url.
///
/// ```
/// use countersign::session::rotation::{InvalidJti, Jti};
///
/// assert_eq!("too short".parse::<Jti>(), Err(InvalidJti));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token id is 22 characters of base64url")]
pub struct InvalidJti;

/// The credit of a new session, and the most that it can have: five races in a row.
pub const RACE_CREDIT: u8 = 25;

/// What a slow request or a late answer costs, once a generation.
pub const RACE_COST: u8 = 5;

/// What a browser costs that died before its cookies were on the disk, once a generation.
pub const RESTART_COST: u8 = 12;

/// What a bucket of half a window gives back in which the lineage moved.
pub const RACE_RESTORED: u8 = 1;

/// How many generations behind the current one a row of the first version may have been when its
/// current token took over.
const OLD_ROW_GENERATIONS: u64 = 2;

const JTI_TEXT_BYTES: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_lost_for_a_year_does_not_log_out() {
        let state = RotationState::new(jti(0), 0);
        assert_eq!(
            decide(&state, &token(0, 0, None, 0), 31_536_000, WINDOW),
            state.mint(Rule::Repeated, None)
        );
    }

    #[test]
    fn a_child_takes_over_begins_a_bucket_and_gives_credit_back_up_to_the_full() {
        let state = RotationState { race_credit: 24, ..RotationState::new(jti(0), 100) };
        let next = RotationState {
            generation: Generation(1),
            current_jti: jti(1),
            current_iat: 200,
            current_since: 900,
            race_credit: 25,
            mark: mark(0, 900),
            earlier_mark: mark(0, 100),
            ..state
        };
        assert_eq!(
            decide(&state, &token(1, 1, Some(0), 200), 900, WINDOW),
            next.mint_and_keep(Rule::Successor, None)
        );
        let later = after(&next, &token(2, 2, Some(1), 900), 1_200);
        assert_eq!(
            (later.race_credit, later.mark, later.earlier_mark),
            (RACE_CREDIT, mark(1, 1_200), mark(0, 900))
        );
        assert_eq!(later.child(), Child { parent: jti(2), generation: Generation(3) });
    }

    #[test]
    fn a_bucket_lasts_for_half_a_window_and_gives_one_credit_however_much_happens_in_it() {
        let begun = RotationState { race_credit: 10, ..at_second_generation() };
        let busy = (3..=18).fold(begun, |state, number| {
            after(
                &state,
                &token(number, number.into(), Some(number - 1), 600),
                597 + u64::from(number),
            )
        });
        assert_eq!((busy.generation, busy.current_since), (Generation(18), 615));
        assert_eq!(
            (busy.race_credit, busy.mark, busy.earlier_mark),
            (10, begun.mark, begun.earlier_mark)
        );
        let next = after(&busy, &token(19, 19, Some(18), 615), 616);
        assert_eq!(
            (next.race_credit, next.mark, next.earlier_mark),
            (11, mark(18, 616), begun.mark)
        );
    }

    #[test]
    fn half_of_an_odd_window_is_not_rounded() {
        for (window, at, begins) in
            [(31, 615, false), (31, 616, true), (1, 600, false), (1, 601, true)]
        {
            let decision = decide(
                &at_second_generation(),
                &token(3, 3, Some(2), 600),
                at,
                Duration::from_secs(window),
            );
            assert!(
                matches!(decision, Decision::Mint { state: Some(state), .. } if (state.mark.generation == Generation(2)) == begins),
                "{window} {at}"
            );
        }
    }

    #[test]
    fn a_token_from_the_rows_own_future_is_believed_and_reported() {
        let state = RotationState::new(jti(0), 0);
        let decision = decide(&state, &token(9, 7, Some(8), 50_000), 60_000, WINDOW);
        assert!(
            matches!(decision, Decision::Mint { rule: Rule::AheadOfState, state: Some(state), event: Some(RotationEvent::Rollback), .. }
            if state.current_jti == jti(9) && state.generation == Generation(7))
        );
    }

    #[test]
    fn a_race_is_paid_once_a_generation_and_joins_the_current_line() {
        let state = RotationState { race_credit: 5, ..at_second_generation() };
        let sibling = token(22, 2, Some(1), 300);
        let charged = RotationState { race_credit: 0, race_charged: Some(Generation(2)), ..state };
        let race = |price, is_repeated| Some(RotationEvent::Race { price, is_repeated, credit: 0 });
        assert_eq!(
            decide(&state, &sibling, 620, WINDOW),
            charged.mint_and_keep(Rule::Race, race(5, true))
        );
        assert_eq!(
            decide(&charged, &sibling, 625, WINDOW),
            charged.mint(Rule::Race, race(0, false))
        );
        assert_eq!(
            decide(&charged, &sibling, 9_000, WINDOW),
            charged.mint(Rule::Restart, race(0, false)),
            "whatever it was paid for"
        );
        assert_eq!(
            decide(&RotationState { race_credit: 4, ..state }, &sibling, 620, WINDOW),
            Decision::Reused
        );
        let dear = RotationState { race_credit: 12, ..state };
        assert_eq!(
            decide(&dear, &sibling, 9_000, WINDOW),
            charged.mint_and_keep(Rule::Restart, race(12, true))
        );
        assert_eq!(
            decide(&RotationState { race_credit: 11, ..state }, &sibling, 9_000, WINDOW),
            Decision::Reused
        );
    }

    #[test]
    fn the_second_race_is_a_repeated_one_until_the_first_is_earned_back() {
        let state = at_second_generation();
        let event =
            |state: &RotationState| match decide(state, &token(22, 2, Some(1), 300), 620, WINDOW) {
                Decision::Mint { event: Some(RotationEvent::Race { is_repeated, .. }), .. } => {
                    is_repeated
                }
                other => panic!("{other:?}"),
            };
        assert!(!event(&state));
        assert!(event(&RotationState { race_credit: RACE_CREDIT - 1, ..state }));
    }

    #[test]
    fn a_request_may_be_as_late_as_the_window_after_the_first_step_past_its_token() {
        let state = RotationState {
            mark: mark(1, 600),
            earlier_mark: mark(0, 580),
            ..at_second_generation()
        };
        let rule = |number, generation, now| rule(&state, &token(number, generation, None, 0), now);
        assert_eq!(rule(22, 2, 630), Some(Rule::Race));
        assert_eq!(rule(1, 1, 630), Some(Rule::Race));
        assert_eq!(rule(1, 1, 631), Some(Rule::Restart));
        assert_eq!(rule(9, 0, 610), Some(Rule::Race), "moved past in the bucket before");
        assert_eq!(rule(9, 0, 611), Some(Rule::Restart));
    }

    #[test]
    fn an_answer_may_be_as_late_as_the_window_however_long_it_lies_in_the_jar() {
        let state = RotationState {
            mark: mark(2, 500),
            earlier_mark: mark(2, 400),
            ..at_second_generation()
        };
        let rule = |issued_at| rule(&state, &token(22, 1, Some(0), issued_at), 1_000_000);
        assert_eq!(rule(570), Some(Rule::Race));
        assert_eq!(rule(569), None);
        assert_eq!(rule(700), Some(Rule::Race), "a clock that went back");
    }

    #[test]
    fn a_browser_that_died_is_forgiven_when_all_that_moved_past_it_did_so_within_the_window() {
        let state = |earlier| RotationState {
            mark: mark(1, 600),
            earlier_mark: mark(0, earlier),
            ..at_second_generation()
        };
        let rule =
            |earlier, generation| rule(&state(earlier), &token(9, generation, None, 0), 1_000_000);
        assert_eq!(rule(570, 0), Some(Rule::Restart));
        assert_eq!(rule(569, 0), None);
        assert_eq!(rule(569, 1), Some(Rule::Restart));
    }

    #[test]
    fn who_makes_the_generations_does_not_make_her_token_look_fresh() {
        let stolen = at_second_generation();
        let hers = token(33, 3, Some(2), 600);
        let his = (3..=17).fold(stolen, |state, number| {
            after(
                &state,
                &token(number, number.into(), Some(number - 1), 600),
                300 + 20 * u64::from(number) + 300,
            )
        });
        assert_eq!(his.race_credit, RACE_CREDIT);
        assert_eq!(his.current_since, 940);
        assert_eq!(decide(&his, &hers, 941, WINDOW), Decision::Reused);
    }

    #[test]
    fn a_clock_that_goes_back_logs_nobody_out_and_its_marks_do_not_stay() {
        let state = at_second_generation();
        assert_eq!(rule(&state, &token(1, 1, Some(0), 100), 0), Some(Rule::Race));
        assert_eq!(rule(&state, &token(3, 3, Some(2), 0), 0), Some(Rule::Successor));
        let future = RotationState { race_credit: 7, mark: mark(1, 1_000_000), ..state };
        let back = after(&future, &token(3, 3, Some(2), 700), 700);
        assert_eq!(
            (back.race_credit, back.mark, back.earlier_mark),
            (7, mark(2, 700), mark(1, 1_000_000))
        );
        let again = after(&back, &token(4, 4, Some(3), 700), 1_000);
        assert_eq!(
            (again.race_credit, again.mark, again.earlier_mark),
            (8, mark(3, 1_000), mark(2, 700))
        );
        let hardly = RotationState { race_credit: 7, mark: mark(1, 730), ..state };
        assert_eq!(
            after(&hardly, &token(3, 3, Some(2), 700), 700).mark,
            mark(1, 730),
            "two clocks differ by seconds"
        );
    }

    #[test]
    fn the_ends_of_the_numbers_overflow_nothing() {
        let end = Generation(u64::MAX);
        let state = RotationState {
            generation: end,
            current_iat: u64::MAX,
            current_since: u64::MAX,
            ..RotationState::new(jti(0), 0)
        };
        for token in [
            token(0, u64::MAX, None, 0),
            token(1, u64::MAX, Some(0), u64::MAX),
            token(2, 0, Some(5), 0),
        ] {
            for now in [0, u64::MAX] {
                assert!(
                    matches!(decide(&state, &token, now, Duration::MAX), Decision::Mint { child, .. } if child.generation == end)
                );
            }
        }
    }

    #[test]
    fn a_token_id_has_one_spelling_only() {
        for bad in [
            "",
            "_____________________",
            "_____________________x",
            "_____________________w=",
            "+++++++++++++++++++++w",
            "é____________________",
        ] {
            assert_eq!(bad.parse::<Jti>(), Err(InvalidJti), "{bad:?}");
        }
        assert_eq!(serde_json::to_string(&Jti([0; 16])).unwrap(), "\"AAAAAAAAAAAAAAAAAAAAAA\"");
        assert_eq!(
            serde_json::from_str::<Jti>("\"AAAAAAAAAAAAAAAAAAAAAA\"").unwrap(),
            Jti([0; 16])
        );
        assert!(serde_json::from_str::<Jti>("\"AAAA\"").is_err());
    }

    /// Token 2, minted at 300 and first presented at 600.
    fn at_second_generation() -> RotationState {
        RotationState {
            generation: Generation(2),
            current_jti: jti(2),
            current_iat: 300,
            current_since: 600,
            mark: mark(1, 600),
            earlier_mark: mark(0, 300),
            ..RotationState::new(jti(0), 0)
        }
    }

    fn after(state: &RotationState, token: &Presented, now: u64) -> RotationState {
        match decide(state, token, now, WINDOW) {
            Decision::Mint { state: Some(state), .. } => state,
            other => panic!("{other:?}"),
        }
    }

    fn rule(state: &RotationState, token: &Presented, now: u64) -> Option<Rule> {
        match decide(state, token, now, WINDOW) {
            Decision::Mint { rule, .. } => Some(rule),
            Decision::Reused => None,
        }
    }

    const fn mark(generation: u64, since: u64) -> Mark {
        Mark { generation: Generation(generation), since }
    }

    fn token(number: u8, generation: u64, parent: Option<u8>, issued_at: u64) -> Presented {
        Presented {
            generation: Generation(generation),
            jti: jti(number),
            parent: parent.map(jti),
            issued_at,
        }
    }

    fn jti(number: u8) -> Jti {
        Jti([number; 16])
    }

    const WINDOW: Duration = Duration::from_secs(30);
}

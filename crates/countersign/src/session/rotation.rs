//! The rotation decision: what a refresh token that is presented to a session leads to.
//!
//! One pure function, [`decide`], of the session's row, the verified token and the time. It holds rules 2 to 6 of the protocol; rule 1 (the session is missing,
//! expired or revoked) is the store's, which applies the decision and the row's change as one atomic step.
//!
//! Every refresh mints a new token, the *child* of the one it was given. The row remembers the newest token that a client has **presented**, the *current* one. What was
//! minted and never came back is not remembered at all: its signature proves it, its parent places it. So a lost answer costs nothing, and two parties with one
//! lineage show themselves, because only one child of the current token can be the next current token.
//!
//! All times are whole seconds since 1970-01-01 UTC, as a token's `iat` is. Seconds are enough: rounding both ends of a span down never makes a span of at most `n`
//! seconds longer than `n`, so nobody honest loses by it, and a thief gains less than a second of a window that his credit bounds anyway.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign::session::rotation::{Decision, Generation, Jti, Presented, RotationState, decide};
//!
//! // An answer that was lost for an hour does not log anybody out.
//! let state = RotationState::new(Jti([1; 16]), 1_000);
//! let token = Presented { generation: Generation::FIRST, jti: Jti([1; 16]), parent: None, issued_at: 1_000 };
//! assert!(matches!(decide(&state, &token, 4_600, Duration::from_secs(30)), Decision::Mint { .. }));
//! ```

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Decides what `token`, presented at `now` to a live session in `state`, leads to.
///
/// `token` must have been verified: the decision believes what it says. `window` is how far apart, in whole seconds, two requests of one honest client may be
/// (30 s by default). A clock that goes back forgives for that while: it never logs anyone out by itself.
///
/// ```
/// use std::time::Duration;
/// use countersign::session::rotation::{Decision, Generation, Jti, Presented, RotationState, decide};
///
/// let window = Duration::from_secs(30);
/// let first = Jti([1; 16]);
/// let state = RotationState::new(first, 1_000);
///
/// // The first refresh, and again an hour later, because its answer was lost: both mint.
/// let token = Presented { generation: Generation::FIRST, jti: first, parent: None, issued_at: 1_000 };
/// for now in [1_300, 4_900] {
///     assert!(matches!(decide(&state, &token, now, window), Decision::Mint { state: None, .. }));
/// }
///
/// // Its child takes over; a stranger with the first token is too late by an hour.
/// let child = Presented { generation: Generation(1), jti: Jti([2; 16]), parent: Some(first), issued_at: 4_900 };
/// let Decision::Mint { state: Some(state), .. } = decide(&state, &child, 5_200, window) else { unreachable!() };
/// assert_eq!(decide(&state, &token, 8_800, window), Decision::Reused);
/// ```
pub fn decide(state: &RotationState, token: &Presented, now: u64, window: Duration) -> Decision {
    // 2. The client never got, or never used, the answer; or several tabs refresh at once. True after any delay.
    if token.jti == state.current_jti {
        return state.mint(Rule::Repeated, None);
    }
    // 3. The normal case: the answer arrived, and is used for the first time.
    if token.parent == Some(state.current_jti) {
        return state.advanced_to(token, now).mint_and_keep(Rule::Successor, None);
    }
    // 4. A token one generation ahead is always a child of the current one, unless our own state went back. The signature proves that we minted it.
    if token.generation > state.generation {
        return state.advanced_to(token, now).mint_and_keep(Rule::AheadOfState, Some(RotationEvent::Rollback));
    }
    // 5. A stale relative within the window, while credit lasts.
    if state.is_race(token, now, window)
        && let Some(decision) = state.race()
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
/// use countersign::session::rotation::{Decision, Generation, Jti, Presented, RotationState, Rule, decide};
///
/// let state = RotationState::new(Jti([1; 16]), 1_000);
/// let child = Presented { generation: Generation(1), jti: Jti([2; 16]), parent: Some(Jti([1; 16])), issued_at: 1_100 };
/// let Decision::Mint { rule, state: Some(state), event: None, .. } = decide(&state, &child, 1_200, Duration::from_secs(30)) else { unreachable!() };
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

/// The place of a token that is to be minted. Its `jti` is the caller's to draw, its `iat` the time of the decision.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::session::rotation::{Child, Decision, Generation, Jti, Presented, RotationState, decide};
///
/// let state = RotationState::new(Jti([1; 16]), 1_000);
/// let token = Presented { generation: Generation::FIRST, jti: Jti([1; 16]), parent: None, issued_at: 1_000 };
/// let Decision::Mint { child, .. } = decide(&state, &token, 1_100, Duration::from_secs(30)) else { unreachable!() };
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
/// assert_eq!([Rule::Repeated, Rule::Successor, Rule::AheadOfState, Rule::Race].map(Rule::number), [2, 3, 4, 5]);
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
            Self::Race => 5,
        }
    }
}

/// What an operator should know about a refresh that was allowed.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::session::rotation::{Decision, Generation, Jti, Presented, RotationEvent, RotationState, decide};
///
/// // The row comes from a backup; the token is newer.
/// let state = RotationState::new(Jti([1; 16]), 1_000);
/// let token = Presented { generation: Generation(9), jti: Jti([9; 16]), parent: Some(Jti([8; 16])), issued_at: 9_000 };
/// let decision = decide(&state, &token, 9_100, Duration::from_secs(30));
/// assert!(matches!(decision, Decision::Mint { event: Some(RotationEvent::Rollback), .. }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RotationEvent {
    /// A slow request or answer was forgiven.
    Race,
    /// The row was older than the token: a restored backup, or a failover to a replica that lagged.
    Rollback,
}

/// A refresh token as a client presented it, signature, type and expiry verified.
///
/// ```
/// use countersign::session::rotation::{Generation, Jti, Presented};
///
/// // The first refresh token of a session that began at 1 000.
/// let first = Presented { generation: Generation::FIRST, jti: Jti([1; 16]), parent: None, issued_at: 1_000 };
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

/// The rotation state of a session: six columns of its row.
///
/// ```
/// use countersign::session::rotation::{Jti, RACE_CREDIT, RotationState};
///
/// let state = RotationState::new(Jti([1; 16]), 1_000);
/// assert_eq!((state.current_since, state.race_credit, state.race_charged), (1_000, RACE_CREDIT, None));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RotationState {
    /// The current token's generation.
    pub generation: Generation,
    /// The current token: the newest that a client has presented.
    pub current_jti: Jti,
    /// When it was minted, in whole seconds since 1970.
    pub current_iat: u64,
    /// When it was first presented, in whole seconds since 1970.
    pub current_since: u64,
    /// What races may still cost, 0 to [`RACE_CREDIT`].
    pub race_credit: u8,
    /// The generation for which a race has been paid. Others of the same generation are free: a row of tabs is one race.
    pub race_charged: Option<Generation>,
}

impl RotationState {
    /// The state of a session that begins at `now` with `first` as its first refresh token, which counts as presented.
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
        }
    }

    fn advanced_to(&self, token: &Presented, now: u64) -> Self {
        Self {
            generation: token.generation,
            current_jti: token.jti,
            current_iat: token.issued_at,
            current_since: now,
            race_credit: self.race_credit.saturating_add(RACE_RESTORED).min(RACE_CREDIT),
            race_charged: self.race_charged,
        }
    }

    /// Its request was slow, so that another tab's came first; or its answer was slow, and overwrote a newer cookie. The second shows only in the times of
    /// *minting*: a late answer can lie in the cookie jar for hours before that cookie is next sent.
    fn is_race(&self, token: &Presented, now: u64, window: Duration) -> bool {
        // A time of presentation that lies in the future means that our clock went back: then it tells nothing against the client.
        let since_presented = Duration::from_secs(now.saturating_sub(self.current_since));
        let between_mints = Duration::from_secs(self.current_iat.abs_diff(token.issued_at));
        since_presented <= window || between_mints <= window
    }

    /// Forgives a race, if it can be paid. The child descends from the current token, so that both parties of the race meet again.
    fn race(&self) -> Option<Decision> {
        if self.race_charged == Some(self.generation) {
            return Some(self.mint(Rule::Race, Some(RotationEvent::Race)));
        }
        let race_credit = self.race_credit.checked_sub(RACE_COST)?;
        let charged = Self { race_credit, race_charged: Some(self.generation), ..*self };
        Some(charged.mint_and_keep(Rule::Race, Some(RotationEvent::Race)))
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

/// A refresh token's id: 128 random bits, written as 22 characters of base64url. It names a token; without a signature it opens nothing.
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

/// What a race costs, once a generation.
pub const RACE_COST: u8 = 5;

/// What each new generation gives back.
pub const RACE_RESTORED: u8 = 1;

const JTI_TEXT_BYTES: usize = 22;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_lost_for_a_year_does_not_log_out() {
        let state = RotationState::new(jti(0), 0);
        assert_eq!(decide(&state, &token(0, 0, None, 0), 31_536_000, WINDOW), state.mint(Rule::Repeated, None));
    }

    #[test]
    fn a_child_takes_over_and_gives_credit_back_up_to_the_full() {
        let state = RotationState { race_credit: 24, ..RotationState::new(jti(0), 100) };
        let next = RotationState {
            generation: Generation(1),
            current_jti: jti(1),
            current_iat: 200,
            current_since: 900,
            race_credit: 25,
            ..state
        };
        assert_eq!(decide(&state, &token(1, 1, Some(0), 200), 900, WINDOW), next.mint_and_keep(Rule::Successor, None));
        let Decision::Mint { state: Some(later), child, .. } = decide(&next, &token(2, 2, Some(1), 900), 1_200, WINDOW) else { panic!() };
        assert_eq!(later.race_credit, RACE_CREDIT);
        assert_eq!(child, Child { parent: jti(2), generation: Generation(3) });
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
        assert_eq!(decide(&state, &sibling, 9_000, WINDOW), charged.mint_and_keep(Rule::Race, Some(RotationEvent::Race)));
        assert_eq!(decide(&charged, &sibling, 9_000, WINDOW), charged.mint(Rule::Race, Some(RotationEvent::Race)));
        assert_eq!(decide(&RotationState { race_credit: 4, ..state }, &sibling, 9_000, WINDOW), Decision::Reused);
    }

    #[test]
    fn the_window_is_inclusive_and_either_half_is_enough() {
        let state = at_second_generation();
        let (siblings, old) = (token(22, 2, Some(1), 330), token(1, 1, Some(0), 100));
        let is_race = |token, now| matches!(decide(&state, &token, now, WINDOW), Decision::Mint { rule: Rule::Race, .. });
        assert!(is_race(siblings, 1_000_000), "minted 30 s apart");
        assert!(!is_race(token(22, 2, Some(1), 331), 1_000_000));
        assert!(is_race(token(22, 2, Some(1), 270), 1_000_000), "minted earlier, by 30 s");
        assert!(is_race(old, 630), "presented 30 s after the current one");
        assert!(!is_race(old, 631));
    }

    #[test]
    fn a_clock_that_goes_back_logs_nobody_out() {
        let state = at_second_generation();
        assert!(matches!(decide(&state, &token(1, 1, Some(0), 100), 0, WINDOW), Decision::Mint { rule: Rule::Race, .. }));
        assert!(matches!(decide(&state, &token(3, 3, Some(2), 0), 0, WINDOW), Decision::Mint { rule: Rule::Successor, .. }));
    }

    #[test]
    fn the_ends_of_the_numbers_overflow_nothing() {
        let end = Generation(u64::MAX);
        let state = RotationState { generation: end, current_iat: u64::MAX, current_since: u64::MAX, ..RotationState::new(jti(0), 0) };
        for token in [token(0, u64::MAX, None, 0), token(1, u64::MAX, Some(0), u64::MAX), token(2, 0, Some(5), 0)] {
            for now in [0, u64::MAX] {
                assert!(matches!(decide(&state, &token, now, Duration::MAX), Decision::Mint { child, .. } if child.generation == end));
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
        assert_eq!(serde_json::from_str::<Jti>("\"AAAAAAAAAAAAAAAAAAAAAA\"").unwrap(), Jti([0; 16]));
        assert!(serde_json::from_str::<Jti>("\"AAAA\"").is_err());
    }

    /// Token 2, minted at 300 and first presented at 600.
    fn at_second_generation() -> RotationState {
        RotationState {
            generation: Generation(2),
            current_jti: jti(2),
            current_iat: 300,
            current_since: 600,
            ..RotationState::new(jti(0), 0)
        }
    }

    fn token(number: u8, generation: u64, parent: Option<u8>, issued_at: u64) -> Presented {
        Presented { generation: Generation(generation), jti: jti(number), parent: parent.map(jti), issued_at }
    }

    fn jti(number: u8) -> Jti {
        Jti([number; 16])
    }

    const WINDOW: Duration = Duration::from_secs(30);
}

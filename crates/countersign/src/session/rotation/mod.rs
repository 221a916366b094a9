//! The rotation decision: what a refresh token that is presented to a session leads to.
//!
//! One pure function, [`decide`], of the session's row, the verified token and the time. It holds
//! rules 2 to 6 of the protocol; [`session::decide`](crate::session::decide) puts rules 1 and 0
//! before them (the session is missing, expired or revoked; its device has not proved itself). The
//! store applies the decision and the row's change as one atomic step.
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
//! seconds: the sum is the window. A thief gains less than a second of a window that their
//! credit bounds anyway.
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

mod state;
#[cfg(test)]
mod tests;
mod token;

use std::time::Duration;

pub use state::{Mark, RotationState};
pub use token::{Generation, InvalidJti, Jti, Presented};

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
/// let rules = [Rule::Repeated, Rule::Successor, Rule::AheadOfState, Rule::Race, Rule::OwnDevice];
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
    /// Rule 5b: a stale relative in the hands of the device that the session is bound to.
    /// [`session::decide`](crate::session::decide) says so.
    OwnDevice,
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
            Self::Race | Self::Restart | Self::OwnDevice => 5,
        }
    }

    /// What it costs, once a generation.
    pub(super) const fn price(self) -> u8 {
        match self {
            Self::Repeated | Self::Successor | Self::AheadOfState | Self::OwnDevice => 0,
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
#[non_exhaustive]
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

/// The credit of a new session, and the most that it can have: five races in a row.
pub const RACE_CREDIT: u8 = 25;

/// What a slow request or a late answer costs, once a generation.
pub const RACE_COST: u8 = 5;

/// What a browser costs that died before its cookies were on the disk, once a generation.
pub const RESTART_COST: u8 = 12;

/// What a bucket of half a window gives back in which the lineage moved.
pub const RACE_RESTORED: u8 = 1;

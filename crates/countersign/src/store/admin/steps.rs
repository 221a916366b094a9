//! The last refreshes of a session, in a column of its row: written by the statement that writes
//! the row anyway.

use jiff::Timestamp;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use super::AuditKind;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::session::rotation::{RACE_CREDIT, RotationEvent, Rule};

/// A refresh that changed a session. One that changed nothing writes nothing, here neither: a token
/// turned in again because its answer was lost, or the second of two tabs.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::SessionAdmin;
/// use countersign::session::SessionId;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let nobody = SessionId::new(7).unwrap();
/// assert!(store.session_steps(nobody).await.unwrap().is_empty());
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// When, to the second.
    pub at: Timestamp,
    /// What it was.
    pub kind: StepKind,
}

/// What a refresh was: the [`Rule`](crate::session::rotation::Rule) that granted it, or theft.
///
/// ```
/// use countersign::store::admin::StepKind;
///
/// let told = |kind| match kind {
///     StepKind::Race => "two tabs at once, or a slow answer",
///     StepKind::Theft => "somebody else had the token",
///     _ => "as always",
/// };
/// assert_eq!(told(StepKind::Rotated), "as always");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepKind {
    /// The newest token was turned in for the next.
    Rotated,
    /// A token that was no longer the newest came within moments of it: of two tabs, or with a slow
    /// answer, or from somebody who keeps in step with the client. It was forgiven.
    Race,
    /// A token that had been replaced within half a minute: of a client that died before it had
    /// kept the newest. It was forgiven.
    Restart,
    /// A token that a restored database did not know of; the chain goes on from it.
    Healed,
    /// A token that nobody honest holds any more: the session was ended.
    Theft,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl StepKind {
    const ALL: [Self; 5] = [Self::Rotated, Self::Race, Self::Restart, Self::Healed, Self::Theft];

    /// What a refresh was that this rule granted, and that changed the row.
    pub(crate) const fn of(rule: Rule) -> Self {
        match rule {
            Rule::Repeated | Rule::Successor => Self::Rotated,
            Rule::Race | Rule::OwnDevice => Self::Race,
            Rule::Restart => Self::Restart,
            Rule::AheadOfState => Self::Healed,
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Rotated => 1,
            Self::Race => 2,
            Self::Healed => 3,
            Self::Theft => 4,
            Self::Restart => 5,
        }
    }
}

/// What the audit log is told of a refresh that was granted, and the detail; `None` when it was as
/// usual. One race is nothing to tell; who keeps in step with somebody else has one after another.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn rotation_line(event: RotationEvent) -> Option<(AuditKind, String)> {
    match event {
        RotationEvent::Rollback => Some((AuditKind::RotationHealed, String::new())),
        RotationEvent::Race { price, is_repeated: true, credit } => Some((
            AuditKind::RaceRepeated,
            format!("price {price}, credit left {credit} of {RACE_CREDIT}"),
        )),
        RotationEvent::Race { is_repeated: false, .. } => None,
    }
}

/// The column after one more step.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn stepped(before: &[u8], kind: StepKind, at: Timestamp) -> Vec<u8> {
    let seconds =
        u32::try_from(at.as_second()).unwrap_or(if at.as_second() < 0 { 0 } else { u32::MAX });
    let kept = before.len().saturating_sub((STEPS_KEPT - 1) * STEP_BYTES);
    let mut after = Vec::with_capacity(STEPS_KEPT * STEP_BYTES);
    after.extend_from_slice(&before[kept..]);
    after.push(kind.code());
    after.extend_from_slice(&seconds.to_be_bytes());
    after
}

/// What the column says, the newest first. A kind that a newer program wrote is left out.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn steps_of(column: &[u8]) -> Vec<Step> {
    let read = |step: &[u8]| -> Option<Step> {
        let (code, seconds) = step.split_first()?;
        let kind = StepKind::ALL.into_iter().find(|kind| kind.code() == *code)?;
        let seconds = u32::from_be_bytes(seconds.try_into().ok()?);
        Some(Step { at: Timestamp::from_second(seconds.into()).ok()?, kind })
    };
    column.chunks_exact(STEP_BYTES).rev().filter_map(read).collect()
}

/// How many refreshes of a session are remembered.
pub const STEPS_KEPT: usize = 8;

/// A byte for the kind, four for the second since 1970: until 2106.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
const STEP_BYTES: usize = 5;

#[cfg(all(test, any(feature = "postgres", feature = "sqlite")))]
mod tests {
    use super::*;

    #[test]
    fn the_last_eight_are_kept_the_newest_first() {
        let mut column = Vec::new();
        for second in 0..20 {
            let kind = if second == 19 { StepKind::Theft } else { StepKind::Rotated };
            column =
                stepped(&column, kind, Timestamp::from_second(1_780_000_000 + second).unwrap());
        }
        let steps = steps_of(&column);
        assert_eq!(steps.len(), STEPS_KEPT);
        assert_eq!(
            steps[0],
            Step { at: Timestamp::from_second(1_780_000_019).unwrap(), kind: StepKind::Theft }
        );
        assert_eq!(steps[7].at.as_second(), 1_780_000_012);
        assert!(steps_of(b"\xff1234123").is_empty(), "a kind that is not known, and half a step");
    }
}

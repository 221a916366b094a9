//! The whole decision of a refresh: whether there is a session to speak of, whether its device has
//! proved itself, and what the token leads to.

use std::time::Duration;

use jiff::Timestamp;

use super::device::{Device, DeviceKind, DeviceStanding, Shown, Unproved};
use super::rotation::{self, Decision, Presented, RotationState, Rule};
use super::{RevokedReason, Transport};
use crate::user::UserId;

/// Decides what `token`, which came on the path of `transport` at `now` with what is `shown` of
/// the device, leads to: rules 1, 0 and 5b here, rules 2 to 6 in [`rotation::decide`]. `row` is the
/// session's, where there is one, and comes back with the decision.
///
/// Rule 0 comes before the rotation and changes nothing: a thief without the key spends nothing of
/// the session, and ends nothing. Where it is in force, rule 6 does not end the session either. A
/// stale token that comes with a proof made since the lineage last moved is the device's own, late:
/// rule 5b, free of credit, because nobody else can have proved the key since. One that comes with
/// an older proof is asked for a newer one. Where it is not in force, a thief moves the lineage
/// without a proof, and so a proof says nothing of who did: rules 5 and 6 stay as they are.
///
/// # Errors
/// Rules 1 and 0: there is no live session of this kind, or its device has not proved itself; and
/// nothing is to be done.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::session::device::Shown;
/// use countersign::session::rotation::{Decision, Generation, Jti, Presented, RotationState};
/// use countersign::session::{RefreshRefused, RevokedReason, SessionRow, Transport, decide};
/// use countersign::user::UserId;
/// use jiff::Timestamp;
///
/// let row = SessionRow {
///     user_id: UserId::new(1),
///     created_at: Timestamp::from_second(1_000).unwrap(),
///     expires_at: Timestamp::from_second(9_000).unwrap(),
///     transport: Transport::Cookie,
///     revoked: None,
///     state: RotationState::new(Jti([1; 16]), 1_000),
///     device: None,
/// };
/// let (generation, jti) = (Generation::FIRST, Jti([1; 16]));
/// let token = Presented { generation, jti, parent: None, issued_at: 1_000 };
/// let at = |row: Option<&SessionRow>, second| {
///     let now = Timestamp::from_second(second).unwrap();
///     let window = Duration::from_secs(30);
///     decide(row, &token, Transport::Cookie, &Shown::NOTHING, now, window)
///         .map(|decided| decided.decision)
/// };
/// assert!(matches!(at(Some(&row), 1_300), Ok(Decision::Mint { .. })));
/// assert_eq!(at(Some(&row), 9_000), Err(RefreshRefused::Expired));
/// assert_eq!(at(None, 1_300), Err(RefreshRefused::Unknown));
/// ```
pub fn decide<'a>(
    row: Option<&'a SessionRow>,
    token: &Presented,
    transport: Transport,
    shown: &Shown,
    now: Timestamp,
    window: Duration,
) -> Result<Decided<'a>, RefreshRefused> {
    let row = row.ok_or(RefreshRefused::Unknown)?;
    if row.transport != transport {
        return Err(RefreshRefused::WrongTransport);
    }
    if let Some(reason) = row.revoked {
        return Err(RefreshRefused::Revoked(reason));
    }
    if row.expires_at <= now {
        return Err(RefreshRefused::Expired);
    }
    let seconds = u64::try_from(now.as_second()).unwrap_or(0);
    let standing = shown.standing(row.device.as_ref(), seconds, window);
    let is_enforced = row.device.is_some_and(|device| shown.enforces(device.kind));
    if let DeviceStanding::Unproved(why) = standing
        && is_enforced
    {
        return Err(RefreshRefused::Unproved(why));
    }
    let decision = rotation::decide(&row.state, token, seconds, window);
    let is_stale = matches!(
        decision,
        Decision::Reused | Decision::Mint { rule: Rule::Race | Rule::Restart, .. }
    );
    let decision = match standing {
        DeviceStanding::Proved { at } if is_enforced && is_stale => {
            // A native client proves itself with each refresh: the proof is of now, whatever the
            // clocks of two nodes say.
            let is_of_now = row.device.is_some_and(|device| device.kind == DeviceKind::Dpop);
            if is_of_now || at >= row.state.current_since {
                row.state.mint(Rule::OwnDevice, None)
            } else if decision == Decision::Reused {
                return Err(RefreshRefused::Unproved(Unproved::Stale));
            } else {
                decision
            }
        }
        _ => decision,
    };
    Ok(Decided { row, decision, standing })
}

/// What a refresh of a live session leads to.
///
/// ```
/// use countersign::session::Decided;
/// use countersign::session::device::DeviceStanding;
///
/// fn would_be_refused(decided: &Decided<'_>) -> bool {
///     matches!(decided.standing, DeviceStanding::Unproved(_))
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided<'a> {
    /// The session's row.
    pub row: &'a SessionRow,
    /// What is to be done.
    pub decision: Decision,
    /// Where the refresh stands with the session's device.
    pub standing: DeviceStanding,
}

/// A session's row, as far as a refresh asks for it.
///
/// ```
/// use countersign::session::SessionRow;
///
/// fn is_over(row: &SessionRow, now: jiff::Timestamp) -> bool {
///     row.revoked.is_some() || row.expires_at <= now
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRow {
    /// Whose it is.
    pub user_id: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends, however busy it is.
    pub expires_at: Timestamp,
    /// How its refresh tokens travel.
    pub transport: Transport,
    /// Why it was ended, if it was.
    pub revoked: Option<RevokedReason>,
    /// How far its refresh tokens have come.
    pub state: RotationState,
    /// The device that it is bound to, or is about to be.
    pub device: Option<Device>,
}

/// Rules 1 and 0: why there is nothing to decide about.
///
/// ```
/// assert_eq!(
///     countersign::session::RefreshRefused::Expired.to_string(),
///     "the session had its time"
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RefreshRefused {
    /// There is no such session, any more.
    #[error("there is no such session")]
    Unknown,
    /// The token came on the other kind's path.
    #[error("the session is of the other kind")]
    WrongTransport,
    /// The session was ended before.
    #[error("the session was ended: {0}")]
    Revoked(RevokedReason),
    /// The session had its time.
    #[error("the session had its time")]
    Expired,
    /// The session is bound to a device, which has not proved itself.
    #[error("{0}")]
    Unproved(Unproved),
}

#[cfg(test)]
mod tests {
    use super::super::device::{DeviceBinding, KeyPrint, Ticket};
    use super::super::rotation::{Generation, Jti, Mark};
    use super::*;

    #[test]
    fn a_session_that_is_not_there_or_has_ended_is_refused_whatever_the_token_says() {
        let live = row();
        let ended = SessionRow { revoked: Some(RevokedReason::Logout), ..live };
        let cases = [
            (None, Transport::Cookie, RefreshRefused::Unknown),
            (Some(&live), Transport::Body, RefreshRefused::WrongTransport),
            (Some(&ended), Transport::Body, RefreshRefused::WrongTransport),
            (Some(&ended), Transport::Cookie, RefreshRefused::Revoked(RevokedReason::Logout)),
        ];
        for (row, transport, refused) in cases {
            // The current token, a child, a token from the future and a stranger's.
            for token in
                [token(1, 0, None), token(2, 1, Some(1)), token(9, 9, Some(8)), token(7, 0, None)]
            {
                let done = decide(row, &token, transport, &Shown::NOTHING, at(1_100), WINDOW);
                assert_eq!(done.map(|decided| decided.decision), Err(refused));
            }
        }
    }

    #[test]
    fn a_session_ends_at_its_second_and_not_before() {
        let row = row();
        let done = |second| asked(&row, &token(1, 0, None), &Shown::NOTHING, second);
        assert!(matches!(done(8_999), Ok(Decision::Mint { .. })));
        assert_eq!(done(9_000), Err(RefreshRefused::Expired));
        let ended = SessionRow { revoked: Some(RevokedReason::TokenTheft), ..row };
        let late = asked(&ended, &token(1, 0, None), &Shown::NOTHING, 9_001);
        assert_eq!(
            late,
            Err(RefreshRefused::Revoked(RevokedReason::TokenTheft)),
            "why it ended is told"
        );
    }

    #[test]
    fn a_live_session_is_decided_about_by_the_rules_of_the_rotation() {
        let row = row();
        for token in [token(1, 0, None), token(2, 1, Some(1)), token(9, 9, Some(8))] {
            assert_eq!(
                decide(Some(&row), &token, Transport::Cookie, &Shown::NOTHING, at(1_100), WINDOW),
                Ok(Decided {
                    row: &row,
                    decision: rotation::decide(&row.state, &token, 1_100, WINDOW),
                    standing: DeviceStanding::Unbound,
                })
            );
        }
    }

    #[test]
    fn a_bound_session_does_nothing_without_a_proof_whatever_the_token() {
        for (bound, binding) in [
            (bound(DeviceKind::Dbsc, true), DeviceBinding::Enforce),
            (bound(DeviceKind::Dpop, true), DeviceBinding::Observe),
        ] {
            for token in tokens() {
                for (ticket, is_skipped, why) in [
                    (None, false, Unproved::Missing),
                    (None, true, Unproved::Skipped),
                    (Some(ticket(1, 1_600)), false, Unproved::Stale),
                    (Some(ticket(2, 2_000)), false, Unproved::Stale),
                ] {
                    let shown = Shown { ticket, is_skipped, binding };
                    let refused = Err(RefreshRefused::Unproved(why));
                    assert_eq!(asked(&bound, &token, &shown, 2_000), refused);
                }
            }
        }
    }

    #[test]
    fn what_is_not_in_force_leaves_the_rotation_as_it_is() {
        for (bound, binding) in [
            (bound(DeviceKind::Dbsc, true), DeviceBinding::Off),
            (bound(DeviceKind::Dbsc, true), DeviceBinding::Observe),
            (bound(DeviceKind::Dpop, true), DeviceBinding::Off),
            (bound(DeviceKind::Dbsc, false), DeviceBinding::Enforce),
        ] {
            for token in tokens() {
                for ticket in [None, Some(ticket(1, 1_600)), Some(ticket(1, 2_000))] {
                    let shown = Shown { ticket, is_skipped: false, binding };
                    let rotated = rotation::decide(&bound.state, &token, 2_000, WINDOW);
                    assert_eq!(asked(&bound, &token, &shown, 2_000), Ok(rotated));
                }
            }
        }
    }

    #[test]
    fn a_stale_token_of_the_device_itself_costs_nothing_and_ends_nothing() {
        let bound = bound(DeviceKind::Dbsc, true);
        let done = |token: &Presented, proved_at| {
            let ticket = Some(ticket(1, proved_at));
            let shown = Shown { ticket, is_skipped: false, binding: DeviceBinding::Enforce };
            asked(&bound, token, &shown, 2_000)
        };
        let own = Ok(bound.state.mint(Rule::OwnDevice, None));
        let [current, child, ahead, race, old] = tokens();
        for token in [race, old] {
            assert_eq!(done(&token, 1_980), own, "proved since the lineage last moved");
            assert_ne!(done(&token, 1_979), own);
        }
        assert_eq!(done(&old, 1_979), Err(RefreshRefused::Unproved(Unproved::Stale)));
        assert!(matches!(done(&race, 1_979), Ok(Decision::Mint { rule: Rule::Race, .. })));
        for (token, rule) in
            [(current, Rule::Repeated), (child, Rule::Successor), (ahead, Rule::AheadOfState)]
        {
            for proved_at in [1_979, 1_980] {
                let done = done(&token, proved_at);
                assert!(matches!(done, Ok(Decision::Mint { rule: by, .. }) if by == rule));
            }
        }
    }

    #[test]
    fn a_native_client_proves_itself_with_the_refresh_whatever_the_clocks_say() {
        let bound = bound(DeviceKind::Dpop, true);
        let [.., race, old] = tokens();
        for token in [race, old] {
            // The node that moved the lineage is two minutes ahead.
            let ticket = Some(ticket(1, 1_860));
            let shown = Shown { ticket, is_skipped: false, binding: DeviceBinding::Observe };
            let own = Ok(bound.state.mint(Rule::OwnDevice, None));
            assert_eq!(asked(&bound, &token, &shown, 1_860), own);
        }
    }

    /// The current one, its child, one ahead, one of a race, and one that nobody honest has.
    fn tokens() -> [Presented; 5] {
        [
            token(1, 1, Some(0)),
            token(2, 2, Some(1)),
            token(9, 9, Some(8)),
            Presented { issued_at: 1_970, ..token(7, 1, Some(0)) },
            token(7, 0, None),
        ]
    }

    /// A session whose lineage last moved at 1,980.
    fn bound(kind: DeviceKind, confirmed: bool) -> SessionRow {
        let device = Device { kind, key: KeyPrint([1; 16]), confirmed, proof_at: at(1_000) };
        let mark = Mark { generation: Generation(1), since: 1_500 };
        let moved = RotationState {
            generation: Generation(1),
            current_since: 1_980,
            mark,
            earlier_mark: mark,
            ..row().state
        };
        SessionRow { device: Some(device), state: moved, ..row() }
    }

    const fn ticket(key: u8, proved_at: u64) -> Ticket {
        Ticket { key: KeyPrint([key; 16]), proved_at }
    }

    fn asked(
        row: &SessionRow,
        token: &Presented,
        shown: &Shown,
        second: i64,
    ) -> Result<Decision, RefreshRefused> {
        decide(Some(row), token, Transport::Cookie, shown, at(second), WINDOW)
            .map(|decided| decided.decision)
    }

    fn row() -> SessionRow {
        SessionRow {
            user_id: UserId::new(1),
            created_at: at(1_000),
            expires_at: at(9_000),
            transport: Transport::Cookie,
            revoked: None,
            state: RotationState::new(Jti([1; 16]), 1_000),
            device: None,
        }
    }

    fn token(number: u8, generation: u64, parent: Option<u8>) -> Presented {
        Presented {
            generation: Generation(generation),
            jti: Jti([number; 16]),
            parent: parent.map(|number| Jti([number; 16])),
            issued_at: 1_050,
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    const WINDOW: Duration = Duration::from_secs(30);
}

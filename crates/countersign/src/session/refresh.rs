//! The whole decision of a refresh: whether there is a session to speak of, and what the token
//! leads to.

use std::time::Duration;

use jiff::Timestamp;

use super::rotation::{self, Decision, Presented, RotationState};
use super::{RevokedReason, Transport};
use crate::user::UserId;

/// Decides what `token`, which came on the path of `transport` at `now`, leads to: rule 1 here,
/// rules 2 to 6 in [`rotation::decide`]. `row` is the session's, where there is one, and comes back
/// with the decision.
///
/// # Errors
/// Rule 1: there is no live session of this kind, and nothing is to be done.
///
/// ```
/// use std::time::Duration;
///
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
/// };
/// let (generation, jti) = (Generation::FIRST, Jti([1; 16]));
/// let token = Presented { generation, jti, parent: None, issued_at: 1_000 };
/// let at = |row: Option<&SessionRow>, second| {
///     let now = Timestamp::from_second(second).unwrap();
///     decide(row, &token, Transport::Cookie, now, Duration::from_secs(30)).map(|(_, done)| done)
/// };
/// assert!(matches!(at(Some(&row), 1_300), Ok(Decision::Mint { .. })));
/// assert_eq!(at(Some(&row), 9_000), Err(RefreshRefused::Expired));
/// assert_eq!(at(None, 1_300), Err(RefreshRefused::Unknown));
/// ```
pub fn decide<'a>(
    row: Option<&'a SessionRow>,
    token: &Presented,
    transport: Transport,
    now: Timestamp,
    window: Duration,
) -> Result<(&'a SessionRow, Decision), RefreshRefused> {
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
    Ok((row, rotation::decide(&row.state, token, seconds, window)))
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
}

/// Rule 1: why there is nothing to decide about.
///
/// ```
/// assert_eq!(
///     countersign::session::RefreshRefused::Expired.to_string(),
///     "the session had its time"
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
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
}

#[cfg(test)]
mod tests {
    use super::super::rotation::{Generation, Jti};
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
                let done = decide(row, &token, transport, at(1_100), WINDOW);
                assert_eq!(done.map(|(_, decision)| decision), Err(refused));
            }
        }
    }

    #[test]
    fn a_session_ends_at_its_second_and_not_before() {
        let row = row();
        let done =
            |second| decide(Some(&row), &token(1, 0, None), Transport::Cookie, at(second), WINDOW);
        assert!(matches!(done(8_999), Ok((_, Decision::Mint { .. }))));
        assert_eq!(done(9_000), Err(RefreshRefused::Expired));
        let ended = SessionRow { revoked: Some(RevokedReason::TokenTheft), ..row };
        let late = decide(Some(&ended), &token(1, 0, None), Transport::Cookie, at(9_001), WINDOW);
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
                decide(Some(&row), &token, Transport::Cookie, at(1_100), WINDOW),
                Ok((&row, rotation::decide(&row.state, &token, 1_100, WINDOW)))
            );
        }
    }

    fn row() -> SessionRow {
        SessionRow {
            user_id: UserId::new(1),
            created_at: at(1_000),
            expires_at: at(9_000),
            transport: Transport::Cookie,
            revoked: None,
            state: RotationState::new(Jti([1; 16]), 1_000),
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

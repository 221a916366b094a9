use std::time::Duration;

use jiff::Timestamp;

use super::pace::{Debt, Pace};
use super::table::Table;
use super::{RetryAfter, micros};
use crate::session::SessionId;

/// How many refreshes a session may have in a minute: what bounds the leniency of rotation's rules
/// 2 and 5.
///
/// ```
/// use countersign::session::SessionId;
/// use countersign::throttle::RefreshLimit;
///
/// let limit = RefreshLimit::new(120);
/// let session = SessionId::new(1).unwrap();
/// let now = "2026-01-01T00:00:00Z".parse().unwrap();
/// assert!((0..120).all(|_| limit.check(session, now).is_ok()));
/// assert_eq!(limit.check(session, now).unwrap_err().seconds(), 1);
/// ```
#[derive(Debug)]
pub struct RefreshLimit {
    pace: Option<Pace>,
    sessions: Table<SessionId, Debt>,
}

impl RefreshLimit {
    /// So many a minute; 0: no limit.
    ///
    /// ```
    /// use countersign::session::SessionId;
    /// use countersign::throttle::RefreshLimit;
    ///
    /// let no_limit = RefreshLimit::new(0);
    /// let now = "2026-01-01T00:00:00Z".parse().unwrap();
    /// assert!((0..1_000).all(|_| no_limit.check(SessionId::new(7).unwrap(), now).is_ok()));
    /// ```
    pub fn new(per_minute: u32) -> Self {
        Self { pace: Pace::new(per_minute, Duration::from_secs(60)), sessions: Table::new(0) }
    }

    /// Counts a refresh.
    ///
    /// # Errors
    /// When the session has had its share; then nothing is counted.
    ///
    /// ```
    /// use countersign::session::SessionId;
    /// use countersign::throttle::RefreshLimit;
    ///
    /// let (limit, now) = (RefreshLimit::new(1), "2026-01-01T00:00:00Z".parse().unwrap());
    /// assert!(limit.check(SessionId::new(7).unwrap(), now).is_ok());
    /// assert!(limit.check(SessionId::new(7).unwrap(), now).is_err());
    /// assert!(limit.check(SessionId::new(8).unwrap(), now).is_ok()); // another session
    /// ```
    pub fn check(&self, session: SessionId, now: Timestamp) -> Result<(), RetryAfter> {
        let Some(pace) = self.pace else { return Ok(()) };
        let now = micros(now);
        self.sessions.update(session, now, |debt| pace.take(debt, now))
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn a_session_has_its_share_a_minute_and_no_other_sessions() {
        let limit = RefreshLimit::new(120);
        let (one, other) = (SessionId::new(1).unwrap(), SessionId::new(2).unwrap());
        let start = Timestamp::UNIX_EPOCH + 1_000.hours();
        let granted = (0..3 * 60 * 10)
            .filter(|tick| limit.check(one, start + (tick * 100).milliseconds()).is_ok())
            .count();
        assert_eq!(granted, 120 + 3 * 120 - 1, "a full burst, then two a second");
        assert!(limit.check(other, start).is_ok());
    }

    #[test]
    fn a_clock_that_goes_back_costs_a_minute_at_most() {
        let limit = RefreshLimit::new(120);
        let session = SessionId::new(1).unwrap();
        let start = Timestamp::UNIX_EPOCH + 1_000.hours();
        while limit.check(session, start).is_ok() {}
        let earlier = start - 100.hours();
        assert_eq!(limit.check(session, earlier).map_err(RetryAfter::seconds), Err(1));
        assert!(limit.check(session, earlier + 60.seconds()).is_ok());
    }

    #[test]
    fn a_clock_that_goes_back_takes_no_share_away() {
        let limit = RefreshLimit::new(120);
        let session = SessionId::new(1).unwrap();
        let start = Timestamp::UNIX_EPOCH + 1_000.hours();
        assert!(limit.check(session, start).is_ok());
        let granted =
            (0..200).filter(|_| limit.check(session, start - 10.minutes()).is_ok()).count();
        assert_eq!(granted, 119, "one was spent before");
        // And back again, as when a clock is set right: what was spent is still spent.
        assert!(limit.check(session, start - 10.minutes()).is_err());
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = RefreshLimit::new(0);
        assert!(
            (0..10_000)
                .all(|_| limit.check(SessionId::new(1).unwrap(), Timestamp::UNIX_EPOCH).is_ok())
        );
    }
}

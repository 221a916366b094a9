//! Throttling: how many guesses at a password, and how many refreshes, before a client is told to
//! wait.
//!
//! Pure mechanism: the time is passed in, nothing is stored outside memory, and that memory is
//! bounded: 8 MB for logins and 1 MB for refreshes when an attack has filled every table, next to
//! nothing before. A store that several nodes share counts the failures of accounts for all of them
//! ([`shared`]); everything else each process counts for itself, and a restart forgets it.
//!
//! ```
//! use countersign::session::SessionId;
//! use countersign::throttle::{LoginThrottle, RefreshLimit, ThrottleSettings};
//!
//! let (logins, refreshes) =
//!     (LoginThrottle::new(ThrottleSettings::default()), RefreshLimit::new(120));
//! let now = "2026-01-01T00:00:00Z".parse().unwrap();
//! assert!(refreshes.check(SessionId::new(7).unwrap(), now).is_ok());
//! assert_eq!(logins.remembered(), 0);
//! ```

mod asks;
mod login;
mod pace;
mod refresh;
pub mod shared;
mod table;

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;

pub use asks::AskLimit;
pub use login::{AccountKey, Attempt, Delays, LoginThrottle};
pub use refresh::RefreshLimit;

/// How many logins may fail.
///
/// ```
/// use countersign::throttle::ThrottleSettings;
///
/// let mut patient = ThrottleSettings::default();
/// patient.account_attempts = 10;
/// assert_eq!(patient.address_attempts, 100);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThrottleSettings {
    /// Failures of one account, or of one known device with it, before delays begin: 1 s, then
    /// twice as long each time. 0: no limit.
    pub account_attempts: u32,
    /// The longest delay, and how long it takes to forgive one failure; at least a second.
    pub account_max_delay: Duration,
    /// Failures from one address in a window, whatever the accounts; an IPv6 address stands for its
    /// /64. 0: no limit.
    pub address_attempts: u32,
    /// The window of [`address_attempts`](Self::address_attempts); at least a second.
    pub address_window: Duration,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            account_attempts: 5,
            account_max_delay: Duration::from_secs(15 * 60),
            address_attempts: 100,
            address_window: Duration::from_secs(10 * 60),
        }
    }
}

/// Too many attempts: how long to wait, for the header `Retry-After`.
///
/// ```
/// use countersign::session::SessionId;
/// use countersign::throttle::RefreshLimit;
///
/// let (limit, session, now) =
///     (RefreshLimit::new(1), SessionId::new(7).unwrap(), "2026-01-01T00:00:00Z".parse().unwrap());
/// assert!(limit.check(session, now).is_ok());
/// assert_eq!(
///     limit.check(session, now).unwrap_err().to_string(),
///     "too many attempts; try again in 60 s"
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("too many attempts; try again in {0} s")]
pub struct RetryAfter(NonZeroU32);

impl RetryAfter {
    /// In whole seconds, rounded up, at least 1.
    ///
    /// ```
    /// use countersign::http::{Code, Problem};
    /// use countersign::throttle::RetryAfter;
    ///
    /// fn told(wait: RetryAfter) -> Problem {
    ///     Problem::new(Code::Throttled).retry_after(wait.seconds())
    /// }
    /// ```
    pub const fn seconds(self) -> u32 {
        self.0.get()
    }

    const fn from_micros(micros: u64) -> Self {
        let seconds = micros.div_ceil(SECOND);
        let seconds = if seconds > u32::MAX as u64 { u32::MAX } else { seconds as u32 };
        match NonZeroU32::new(seconds) {
            Some(seconds) => Self(seconds),
            None => Self(NonZeroU32::MIN),
        }
    }
}

/// Microseconds since 1970; before that, zero.
fn micros(now: Timestamp) -> u64 {
    u64::try_from(now.as_microsecond()).unwrap_or(0)
}

/// In microseconds, at least a second and at most some 30 years.
fn span(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).clamp(SECOND, 1_000_000_000 * SECOND)
}

const SECOND: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_in_whole_seconds_rounded_up_and_of_one_at_least() {
        for (micros, seconds) in
            [(0, 1), (1, 1), (SECOND, 1), (SECOND + 1, 2), (u64::MAX, u32::MAX)]
        {
            assert_eq!(RetryAfter::from_micros(micros).seconds(), seconds, "{micros}");
        }
    }
    #[test]
    fn a_span_is_of_a_second_to_a_thousand_million() {
        for (duration, seconds) in
            [(Duration::ZERO, 1), (Duration::from_secs(60), 60), (Duration::MAX, 1_000_000_000)]
        {
            assert_eq!(span(duration), seconds * SECOND, "{duration:?}");
        }
    }
}

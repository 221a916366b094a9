//! Time and randomness, passed in and never reached for.
//!
//! ```
//! use countersign::clock::{Clock, SystemClock};
//!
//! assert!(SystemClock.seconds() > 1_767_225_600); // 2026 has begun
//! ```

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Where the time comes from.
///
/// Everything that expires asks the clock it was given, so a test can live through a week in a
/// millisecond.
///
/// ```
/// use countersign::clock::Clock;
/// use jiff::Timestamp;
///
/// /// It is always midnight.
/// #[derive(Debug)]
/// struct Midnight;
///
/// impl Clock for Midnight {
///     fn now(&self) -> Timestamp {
///         "2026-01-01T00:00:00Z".parse().unwrap()
///     }
/// }
///
/// assert_eq!(Midnight.seconds(), 1_767_225_600);
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> Timestamp;

    /// The current time in whole seconds since 1970, for what is asked at every request.
    fn seconds(&self) -> u64 {
        u64::try_from(self.now().as_second()).unwrap_or(0)
    }
}

/// Whole seconds since 1970.
#[cfg(any(feature = "axum", feature = "postgres", feature = "sqlite"))]
pub(crate) fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}

/// What is said once a minute at most.
#[cfg(feature = "axum")]
#[derive(Debug, Default)]
pub(crate) struct OnceAMinute {
    /// The minute of the last time, in minutes since 1970.
    last: AtomicI64,
}

#[cfg(feature = "axum")]
impl OnceAMinute {
    /// Whether nothing was said yet in this minute; from now on it was.
    pub(crate) fn is_first(&self, now: Timestamp) -> bool {
        let (minute, last) = (now.as_second() / 60, self.last.load(Ordering::Relaxed));
        last != minute
            && self
                .last
                .compare_exchange(last, minute, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

/// The machine's clock, to the microsecond: what the stores keep, so that a time reads the same
/// before and after.
///
/// ```
/// use countersign::clock::{Clock, SystemClock};
///
/// let now = SystemClock.now();
/// assert_eq!(now.as_nanosecond() % 1_000, 0);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }

    fn seconds(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// A clock that stands still until it is told to move.
///
/// ```
/// use countersign::clock::{Clock, ManualClock};
///
/// let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
/// clock.advance(std::time::Duration::from_secs(300));
/// assert_eq!(clock.now().to_string(), "2026-01-01T00:05:00Z");
/// ```
#[derive(Debug)]
pub struct ManualClock {
    microseconds: AtomicI64,
}

impl ManualClock {
    /// A clock that shows `start`, to the microsecond.
    ///
    /// ```
    /// use countersign::clock::{Clock, ManualClock};
    ///
    /// let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
    /// assert_eq!(clock.seconds(), 1_767_225_600);
    /// ```
    pub fn at(start: Timestamp) -> Self {
        Self { microseconds: AtomicI64::new(start.as_microsecond()) }
    }

    /// Moves the clock forward.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::clock::{Clock, ManualClock};
    ///
    /// let clock = ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap());
    /// clock.advance(Duration::from_secs(7 * 86_400));
    /// assert_eq!(clock.now().to_string(), "2026-01-08T00:00:00Z");
    /// ```
    pub fn advance(&self, by: std::time::Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.microseconds.fetch_add(by, Ordering::SeqCst);
    }

    /// Sets the clock, back too: as somebody may do with any clock.
    ///
    /// ```
    /// use countersign::clock::{Clock, ManualClock};
    ///
    /// let clock = ManualClock::at("2036-01-01T00:00:00Z".parse().unwrap());
    /// clock.set("2026-01-01T00:00:00Z".parse().unwrap());
    /// assert_eq!(clock.now().to_string(), "2026-01-01T00:00:00Z");
    /// ```
    pub fn set(&self, to: Timestamp) {
        self.microseconds.store(to.as_microsecond(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.microseconds.load(Ordering::SeqCst))
            .unwrap_or(Timestamp::MAX)
    }
}

/// Where unpredictable bytes come from.
///
/// ```
/// use countersign::clock::Random;
///
/// /// For a test that wants the same ids each time; never for anything else.
/// #[derive(Debug)]
/// struct Sevens;
///
/// impl Random for Sevens {
///     fn fill(&self, bytes: &mut [u8]) {
///         bytes.fill(7);
///     }
/// }
/// ```
pub trait Random: fmt::Debug + Send + Sync + 'static {
    /// Fills `bytes` with unpredictable values.
    fn fill(&self, bytes: &mut [u8]);
}

/// The operating system's generator, through AWS-LC.
///
/// ```
/// use countersign::clock::{OsRandom, Random};
///
/// let mut bytes = [0; 32];
/// OsRandom.fill(&mut bytes);
/// assert_ne!(bytes, [0; 32]);
/// ```
#[derive(Debug, Clone, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) {
        // AWS-LC's generator would first measure the processor's jitter, for some 40 ms of every
        // start. Going on with zeroes is never an option.
        getrandom::fill(bytes).expect("the operating system gives random bytes");
    }
}

/// `N` unpredictable bytes.
pub(crate) fn random_bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

//! What the dashboard shows: counts by the hour, and how large things are.

use async_trait::async_trait;
use jiff::Timestamp;

use super::Count;
use crate::store::StoreError;

/// What is asked of a store for the dashboard.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{ActivityLog, Counted};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// store.count(now, &[(Counted::Login, 2)]).await.unwrap();
/// assert_eq!(store.counts(now).await.unwrap(), [(now, Counted::Login, 2)]);
/// # });
/// ```
#[async_trait]
pub trait ActivityLog: Send + Sync {
    /// Adds to the counts of an hour.
    async fn count(&self, hour: Timestamp, counts: &[(Counted, u64)]) -> Result<(), StoreError>;

    /// The counts of each hour since `since`, in order; hours without any are left out.
    async fn counts(&self, since: Timestamp) -> Result<Vec<(Timestamp, Counted, u64)>, StoreError>;

    /// How large things are. Cheap: estimates where counting would take long.
    async fn sizes(&self) -> Result<Sizes, StoreError>;
}

/// What is counted by the hour.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{ActivityLog, Counted};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// store.count(now, &[(Counted::Login, 2)]).await.unwrap();
/// store.count(now, &[(Counted::Login, 1)]).await.unwrap();
/// assert_eq!(store.counts(now).await.unwrap(), [(now, Counted::Login, 3)]);
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Counted {
    /// Logins.
    Login,
    /// Logins that failed.
    LoginFailed,
    /// Refreshes.
    Refresh,
    /// Thefts.
    Theft,
    /// Live sessions, once in the hour: the highest that was told counts, rather than the sum.
    ActiveSessions,
    /// Sessions that were bound to a device.
    DeviceBound,
    /// Refreshes of bound sessions without a proof of the device that were let through, because the
    /// server only observes.
    UnprovedLetIn,
    /// The same where they were refused.
    UnprovedRefused,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Counted {
    /// The number in the database.
    pub(crate) const fn code(self) -> i64 {
        match self {
            Self::Login => 1,
            Self::LoginFailed => 2,
            Self::Refresh => 3,
            Self::Theft => 4,
            Self::ActiveSessions => 5,
            Self::DeviceBound => 6,
            Self::UnprovedLetIn => 7,
            Self::UnprovedRefused => 8,
        }
    }

    /// What has this number; `None` for a newer program's.
    pub(crate) fn from_code(code: i64) -> Option<Self> {
        [
            Self::Login,
            Self::LoginFailed,
            Self::Refresh,
            Self::Theft,
            Self::ActiveSessions,
            Self::DeviceBound,
            Self::UnprovedLetIn,
            Self::UnprovedRefused,
        ]
        .into_iter()
        .find(|counted| counted.code() == code)
    }
}

/// The hour in which a moment lies, in hours since 1970.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn hour_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3_600)
}

/// Counts of hours before this one go, where ended sessions from before `sessions` go. Charts show
/// a month; a year is kept for who asks the table itself.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn first_hour_kept(sessions: Timestamp) -> i64 {
    hour_of(sessions) - HOURS_KEPT_LONGER
}

/// Than ended sessions, which are kept for thirty days.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
const HOURS_KEPT_LONGER: i64 = 335 * 24;

/// The inverse of [`hour_of`].
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn hour_began(hour: i64) -> Timestamp {
    hour.checked_mul(3_600)
        .and_then(|second| Timestamp::from_second(second).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

/// How large things are.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{ActivityLog, Count};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let sizes = store.sizes().await.unwrap();
/// assert_eq!(sizes.users, Count::Exactly(1));
/// assert!(sizes.bytes > 0);
/// # });
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Users.
    pub users: Count,
    /// Sessions, ended ones too, until they are forgotten.
    pub sessions: Count,
    /// Lines of the audit log.
    pub audit: Count,
    /// The database on the disk, in bytes.
    pub bytes: u64,
}

//! What keeps a store in order.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;

/// What keeps a store in order: forgetting what is old, agreeing on the time, telling whether it
/// works.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::Upkeep;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// store.ping().await.unwrap();
/// assert_eq!(store.prune(now, now, 1_000).await.unwrap(), 0);
/// assert!(store.trouble().is_none());
/// # });
/// ```
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Forgets changes before `changes`, sessions that ended or expired before `sessions`, and
    /// counts of hours that lie 335 days before that; at most `limit` rows of each. How many went.
    async fn prune(
        &self,
        changes: Timestamp,
        sessions: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Tells the store what time a clock shows, and learns what the store holds for it: its idea of
    /// the time follows by one `step` at most. Whoever goes by the earlier of the two forgets
    /// nothing too soon when one of them is wrong.
    async fn agree_on_time(&self, now: Timestamp, step: Duration) -> Result<Timestamp, StoreError>;

    /// Corrects what a wrong clock dated after `latest`: it happened at `now`. A session that began
    /// in another year lives for as long as others; at most `limit` rows of each table. How many
    /// were corrected.
    async fn correct_times(
        &self,
        latest: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Lets the ids of users, groups and permissions go on after a gap of a million. A backup that
    /// was restored does not know which ids were given out after it: none of them is given twice.
    async fn skip_ids(&self) -> Result<(), StoreError>;

    /// Whether the store answers and can be written: writes something small, as durably as
    /// everything else.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Brings everything into the database's own file, where some of it lies beside it: the last
    /// thing to ask of a store before the process ends. What is asked of it afterwards is done all
    /// the same.
    async fn close(&self) {}

    /// What keeps the store from its work, as far as it knows without trying: the disk was full
    /// when last it wrote, or the database's files are gone.
    fn trouble(&self) -> Option<StoreError> {
        None
    }
}

/// More ids than can be given out between a backup, or the last row that a standby got, and the end
/// of what was lost.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) const ID_GAP: i64 = 1_000_000;

/// How long rows are kept beyond their use where a row too few lets somebody in twice: a node whose
/// clock is ahead takes the store's idea of the time along by some minutes. In microseconds, half
/// an hour.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(super) const KEPT_LONGER: i64 = 30 * 60 * 1_000_000;

//! Attempts to log in, counted for all nodes.

use async_trait::async_trait;

use super::StoreError;
use crate::throttle::shared::{AttemptKey, Count, CountAttempt, CountedAttempt};

/// What is asked of a store about attempts to log in.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::AttemptStore;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// // One process has the file: it counts for itself.
/// assert!(store.shared_attempts().is_none());
/// # });
/// ```
pub trait AttemptStore: Send + Sync {
    /// Where failed logins are counted for all nodes; `None` where one process uses the store,
    /// which then counts for itself.
    fn shared_attempts(&self) -> Option<&dyn SharedAttempts> {
        None
    }
}

/// Failed logins by account, or by known device, counted for all nodes by the rules of
/// [`LoginThrottle`](crate::throttle::LoginThrottle).
///
/// ```
/// use countersign::store::{SharedAttempts, StoreError};
/// use countersign::throttle::shared::{Count, CountAttempt};
///
/// async fn may_begin(
///     attempts: &dyn SharedAttempts,
///     attempt: &CountAttempt,
/// ) -> Result<bool, StoreError> {
///     match attempts.count_attempt(attempt).await? {
///         Count::Counted(counted) => {
///             attempts.uncount_attempt(&counted).await?; // it was no guess
///             Ok(true)
///         }
///         Count::Wait(_) => Ok(false),
///     }
/// }
/// ```
#[async_trait]
pub trait SharedAttempts: Send + Sync {
    /// Counts an attempt, as one atomic step, unless it has to wait.
    async fn count_attempt(&self, attempt: &CountAttempt) -> Result<Count, StoreError>;

    /// The attempt was no guess: takes back what it added.
    async fn uncount_attempt(&self, counted: &CountedAttempt) -> Result<(), StoreError>;

    /// A guess was right: the account, or the device, begins anew.
    async fn forget_attempts(&self, key: AttemptKey) -> Result<(), StoreError>;
}

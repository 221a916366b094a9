//! Registrations that wait for their address to be proved.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::user::UserId;

/// What is asked of a store about who registered where an address must be proved before the first
/// login, and has not proved it. [`register`](super::TokenStore::register) notes them; an address
/// in the user's row, and the end of the row, end the wait.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::{RegistrationStore, WaitingRegistration};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// // Of a user in a table of the app's own.
/// let user = "account-7".parse().unwrap();
/// let waits = WaitingRegistration { user, address: "eve@example.com".to_owned(), until: now };
/// store.note_registration(waits.clone()).await.unwrap();
/// assert_eq!(store.registration_of(user).await.unwrap(), Some(waits));
/// assert_eq!(store.due_registrations(now, 10).await.unwrap(), [user]);
/// store.forget_registration(user).await.unwrap();
/// # });
/// ```
#[async_trait]
pub trait RegistrationStore: Send + Sync {
    /// Those of these users who wait.
    async fn registrations_of(
        &self,
        users: &[UserId],
    ) -> Result<Vec<WaitingRegistration>, StoreError>;

    /// The registration of a user who waits.
    async fn registration_of(
        &self,
        user: UserId,
    ) -> Result<Option<WaitingRegistration>, StoreError> {
        Ok(self.registrations_of(&[user]).await?.pop())
    }

    /// Notes that a user who lives elsewhere waits.
    async fn note_registration(&self, new: WaitingRegistration) -> Result<(), StoreError>;

    /// Notes that a user waits no more.
    async fn forget_registration(&self, user: UserId) -> Result<(), StoreError>;

    /// Users elsewhere whose time is over, the first who waited first. Those who have had a session
    /// wait no more.
    async fn due_registrations(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<UserId>, StoreError>;

    /// Deletes the store's own users whose time is over, at most `limit`: those without an address,
    /// who were never logged in, and whom no operator gave power. The others wait no more. How many
    /// are gone.
    async fn delete_due_registrations(&self, now: Timestamp, limit: u32)
    -> Result<u64, StoreError>;
}

/// A registration that waits.
///
/// ```
/// use countersign::store::WaitingRegistration;
///
/// fn is_over(waits: &WaitingRegistration, now: jiff::Timestamp) -> bool {
///     waits.until <= now
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingRegistration {
    /// Who.
    pub user: UserId,
    /// The address that is to be theirs. It may be another's.
    pub address: String,
    /// When they are deleted, unless it is proved. No link lives longer.
    pub until: Timestamp,
}

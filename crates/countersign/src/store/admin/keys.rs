//! Signing keys, as operators make and retire them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Actor, AdminError};
use crate::token::{KeyId, SealedKey};

/// What is asked of a store about signing keys for the admin site and the shell.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::clock::OsRandom;
/// use countersign::store::admin::{Actor, KeyAdmin};
/// use countersign::token::{Algorithm, SealedKey};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// let secrets = world::secrets();
/// let key = SealedKey::generate(Algorithm::EdDsa, &secrets, now, now, &OsRandom).unwrap();
/// let (id, by) = (key.id, Actor::shell("root", now));
/// store.rotate_keys(key, now, &by).await.unwrap();
/// store.end_key(id, &by).await.unwrap();
/// # });
/// ```
#[async_trait]
pub trait KeyAdmin: Send + Sync {
    /// Adds a key. The ones before it retire at `retire_others`, as with
    /// [`add_key`](crate::store::KeyStore::add_key). See
    /// [`rotate_by`](crate::key_rotation::rotate_by).
    async fn rotate_keys(
        &self,
        key: SealedKey,
        retire_others: Timestamp,
        by: &Actor,
    ) -> Result<(), AdminError>;

    /// Ends a key at once. Which one may go is the caller's business.
    ///
    /// # Errors
    /// [`AdminError::Gone`].
    async fn end_key(&self, id: KeyId, by: &Actor) -> Result<(), AdminError>;
}

//! Signing keys.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::token::{KeyId, SealedKey};

/// What is asked of a store about signing keys. A store has them sealed: it cannot sign.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::clock::OsRandom;
/// use countersign::store::KeyStore;
/// use countersign::token::{Algorithm, SealedKey};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// let secrets = world::secrets();
/// let key = SealedKey::generate(Algorithm::EdDsa, &secrets, now, now, &OsRandom).unwrap();
/// store.add_key(key.clone(), now).await.unwrap();
/// assert_eq!(store.keys().await.unwrap()[0].id, key.id);
/// # });
/// ```
#[async_trait]
pub trait KeyStore: Send + Sync {
    /// Every signing key, retired ones too, the oldest first.
    async fn keys(&self) -> Result<Vec<SealedKey>, StoreError>;

    /// Adds a key. The ones before it retire at `retire_others`; a key that retires earlier keeps
    /// its time.
    async fn add_key(&self, key: SealedKey, retire_others: Timestamp) -> Result<(), StoreError>;

    /// Ends a key at `at`. `false` when there is no such key.
    async fn retire_key(&self, id: KeyId, at: Timestamp) -> Result<bool, StoreError>;
}

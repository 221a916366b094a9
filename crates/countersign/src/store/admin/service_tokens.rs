//! What is asked of a store about service tokens.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Actor, AdminError, KnownServiceToken, NewServiceToken, ServiceTokenRow};
use crate::store::StoreError;
use crate::token::SecretHash;

/// What is asked of a store about service tokens.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use std::time::Duration;
///
/// use countersign::clock::OsRandom;
/// use countersign::store::admin::{Actor, NewServiceToken, Powers, ServiceTokenStore};
/// use countersign::token::ServiceToken;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// let (token, by) = (ServiceToken::draw(&OsRandom), Actor::shell("root", now));
/// let new = NewServiceToken {
///     name: "importer".to_owned(),
///     hash: token.hash(),
///     powers: Powers { permissions: vec!["auth.add_user".to_owned()], ..Powers::default() },
///     networks: Vec::new(),
///     expires_at: now + Duration::from_secs(3600),
/// };
/// let row = store.add_service_token(new, &by).await.unwrap();
/// let known = store.service_token(token.hash(), now).await.unwrap().unwrap();
/// assert_eq!(known.operator.permissions, ["auth.add_user"]);
/// store.revoke_service_token(row.id, &by).await.unwrap();
/// assert!(store.service_token(token.hash(), now).await.unwrap().is_none());
/// # });
/// ```
#[async_trait]
pub trait ServiceTokenStore: Send + Sync {
    /// The token of this hash, while it counts: it was not revoked, its time is not over, and its
    /// maker may still do something.
    async fn service_token(
        &self,
        hash: SecretHash,
        now: Timestamp,
    ) -> Result<Option<KnownServiceToken>, StoreError>;

    /// Up to `limit` tokens after the id `after`, in their order, whether or not they count.
    async fn service_tokens(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ServiceTokenRow>, StoreError>;

    /// Makes a token. Who makes it is its maker for ever.
    ///
    /// # Errors
    /// [`AdminError::NameTaken`] when another that was not revoked has the name,
    /// [`AdminError::NotAllowed`] where the maker does not have themselves what it is given, or is
    /// a service token, and the store's.
    async fn add_service_token(
        &self,
        new: NewServiceToken,
        by: &Actor,
    ) -> Result<ServiceTokenRow, AdminError>;

    /// Ends a token. The row stays, for who reads the audit log.
    ///
    /// # Errors
    /// [`AdminError::Gone`] when there is none or it was revoked, [`AdminError::NotAllowed`], and
    /// the store's.
    async fn revoke_service_token(&self, id: i64, by: &Actor) -> Result<(), AdminError>;

    /// Notes that a token was used, if that was not noted within the minute before `at`.
    async fn note_service_token_use(&self, id: i64, at: Timestamp) -> Result<(), StoreError>;
}

//! The link that makes the first superuser.

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::store::StoreError;
use crate::user::{NewUser, User};

/// What is asked of a store about the link that makes the first superuser.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::FirstLink;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// let made = store.make_first_link([7; 32]).await.unwrap();
/// assert_eq!(made, Some([7; 32]));
/// // Another process gets the same.
/// assert_eq!(store.make_first_link([8; 32]).await.unwrap(), made);
/// # });
/// ```
#[async_trait]
pub trait FirstLink: Send + Sync {
    /// The token of the link that makes the first superuser, while there is none: one for all
    /// processes. `fresh` becomes it where there is no link, or where the last one was used.
    async fn make_first_link(&self, fresh: [u8; 32]) -> Result<Option<[u8; 32]>, StoreError>;

    /// The token of the link that makes the first superuser, if it has not been used and there is
    /// none.
    async fn first_link(&self) -> Result<Option<[u8; 32]>, StoreError>;

    /// Makes the first superuser and closes the link, as one transaction. `None`, and nothing is
    /// done, when it is not this link's token, when it was used, or when there is a superuser,
    /// active or not. The line says that nobody did it, from `ip`: whoever has the link is nobody
    /// yet.
    ///
    /// # Errors
    /// [`StoreError::UsernameTaken`] and [`StoreError::EmailTaken`], and the link stays open; the
    /// store's.
    async fn use_first_link(
        &self,
        token: [u8; 32],
        new: NewUser,
        ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError>;
}

//! Accounts that are deleted because their owners want it.

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use super::outbox::NewMail;
use crate::password::EncodedPassword;
use crate::session::SessionId;
use crate::user::UserId;

/// What is asked of a store about users who want to be deleted.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::{DeletionAsked, DeletionStore, SelfDeletion, UserStore};
///
/// # world::run(async |world| {
/// # let (store, ada, now) = (world.auth.store(), world.ada, world::midnight());
/// # let login = world::log_in(&world.auth, countersign::session::Transport::Body).await;
/// let checked = store.password_of(ada.id).await.unwrap().unwrap();
/// let asked = SelfDeletion {
///     user: ada.id,
///     checked: checked.clone(),
///     session: login.session(),
///     at: Some(now + std::time::Duration::from_secs(60)),
///     now,
///     ip: None,
///     mails: Vec::new(),
/// };
/// assert_eq!(store.ask_deletion(asked).await.unwrap(), DeletionAsked::Done);
/// assert!(store.deletion_of(ada.id).await.unwrap().is_some());
/// assert!(store.restore_user(ada.id, &checked, now, None).await.unwrap());
/// assert_eq!(store.deletion_of(ada.id).await.unwrap(), None);
/// # });
/// ```
#[async_trait]
pub trait DeletionStore: Send + Sync {
    /// Deletes a user who asks for it, or deactivates them until the time comes; queues the mails.
    /// All of their sessions and one-time tokens end. Whoever is the last active superuser on the
    /// staff stays.
    async fn ask_deletion(&self, asked: SelfDeletion) -> Result<DeletionAsked, StoreError>;

    /// Takes the plan back and activates the user. `false`, and nothing is done, when nobody waits
    /// to be deleted, or when the password is not the one that was `checked` any more. `ip` is
    /// where the request came from, for the audit log.
    async fn restore_user(
        &self,
        user: UserId,
        checked: &EncodedPassword,
        now: Timestamp,
        ip: Option<IpAddr>,
    ) -> Result<bool, StoreError>;

    /// When a user is to be deleted who asked for it.
    async fn deletion_of(&self, user: UserId) -> Result<Option<Timestamp>, StoreError>;

    /// Deletes users whose time has come, at most `limit`, with the rows of their sessions. Each
    /// has a line in the audit log. Who cannot be deleted stays, and keeps nobody else: the next
    /// call goes on behind the ones that this one has tried. How many went.
    async fn delete_due_users(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError>;

    /// Ends the sessions of a user who is gone from a table elsewhere, and forgets all that is kept
    /// of them, in one transaction: their sessions, second factors, one-time tokens, mails, and the
    /// registration that waited. Their lines in the audit log stay. Who is in the store's own table
    /// of users needs no such call: all of it goes with the row.
    async fn forget_user(&self, user: UserId, now: Timestamp) -> Result<(), StoreError>;
}

/// A user who wants to be deleted.
///
/// ```
/// use countersign::store::SelfDeletion;
///
/// fn is_at_once(asked: &SelfDeletion) -> bool {
///     asked.at.is_none()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct SelfDeletion {
    /// Who.
    pub user: UserId,
    /// The password that was checked. Where it is another by now, nothing is done.
    pub checked: EncodedPassword,
    /// The session that asks. Where it has ended, nothing is done.
    pub session: SessionId,
    /// When they are deleted; `None` for at once.
    pub at: Option<Timestamp>,
    /// The time.
    pub now: Timestamp,
    /// Where the request came from, for the audit log.
    pub ip: Option<IpAddr>,
    /// What is queued with it.
    pub mails: Vec<NewMail>,
}

/// What became of it.
///
/// ```
/// use countersign::http::Code;
/// use countersign::store::DeletionAsked;
///
/// fn refused(asked: DeletionAsked) -> Option<Code> {
///     match asked {
///         DeletionAsked::Done => None,
///         DeletionAsked::SessionEnded => Some(Code::SessionRevoked),
///         _ => Some(Code::Conflict),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeletionAsked {
    /// The user is gone, or waits to be deleted.
    Done,
    /// The password is not the one that was checked any more. Nothing was done.
    Stale,
    /// The session that asks has ended meanwhile. Nothing was done.
    SessionEnded,
    /// Nobody would be left who can do everything. Nothing was done.
    LastSuperuser,
}

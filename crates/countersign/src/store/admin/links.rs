//! Links that operators have sent, and the mails that carry them.

use async_trait::async_trait;

use super::{Actor, AdminError};
use crate::store::{NewMail, NewToken};
use crate::user::{NewUser, User, UserId};

/// What an admin site asks of a store about links and mails. An act and its line are one
/// transaction.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, AuditKind, AuditLog, AuditSearch, LinkAdmin};
/// use countersign::store::sqlite::SqliteStore;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let store: SqliteStore = store;
/// let addresses = [(ada.id, ada.email.clone())];
/// let by = Actor::shell("root", now);
/// assert_eq!(store.mark_verified(&addresses, &by).await.unwrap(), 1);
/// let asked = AuditSearch { user: Some(ada.id), limit: 1, ..AuditSearch::default() };
/// let line = &store.audit(&asked).await.unwrap().rows[0].line;
/// assert_eq!((line.kind, line.detail.as_str()), (AuditKind::UserChanged, "email_verified"));
/// # });
/// ```
#[async_trait]
pub trait LinkAdmin: Send + Sync {
    /// Makes a user, and issues the token of their invitation, whose user is filled in; queues the
    /// mails.
    ///
    /// # Errors
    /// As for [`add_user`](super::UserAdmin::add_user).
    async fn invite_user(
        &self,
        new: NewUser,
        token: NewToken,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<User, AdminError>;

    /// Issues a token to a user and queues its mails; older ones of the same purpose end.
    ///
    /// # Errors
    /// [`AdminError::Stale`] when the user's row is not what the token was made for any more,
    /// [`AdminError::Gone`], [`AdminError::NotAllowed`], and the store's.
    async fn send_link(
        &self,
        token: NewToken,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<(), AdminError>;

    /// Takes addresses as proved: of each user the one that whoever acts has seen, if it is still
    /// theirs. How many were not proved before; those have a line each.
    ///
    /// # Errors
    /// [`AdminError::NotAllowed`], and the store's. Nothing is done then.
    async fn mark_verified(
        &self,
        addresses: &[(UserId, String)],
        by: &Actor,
    ) -> Result<u64, AdminError>;

    /// Has a mail tried again now that waits in the outbox.
    ///
    /// # Errors
    /// [`AdminError::Gone`] when no such mail waits, [`AdminError::NotAllowed`], and the store's.
    async fn retry_mail(&self, id: i64, by: &Actor) -> Result<(), AdminError>;

    /// Takes a mail out of the outbox that waits or failed. One that is being sent at this moment
    /// may arrive all the same.
    ///
    /// # Errors
    /// [`AdminError::Gone`] when there is no such mail, [`AdminError::NotAllowed`], and the
    /// store's.
    async fn forget_mail(&self, id: i64, by: &Actor) -> Result<(), AdminError>;
}

//! Sessions of users, as the admin site lists and ends them.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Actor, AdminError, Page, PageCursor, Step};
use crate::session::{RevokedReason, Session, SessionId, Transport};
use crate::store::StoreError;
use crate::user::UserId;

/// What is asked of a store about sessions of users for the admin site.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, SessionAdmin};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let by = Actor::shell("root", now);
/// assert_eq!(store.end_user_sessions(ada.id, &by).await.unwrap(), 0);
/// assert_eq!(store.count_live_sessions(now, now).await.unwrap(), 0);
/// # });
/// ```
#[async_trait]
pub trait SessionAdmin: Send + Sync {
    /// A page of sessions, the last begun first.
    async fn find_sessions(&self, asked: &SessionSearch) -> Result<Page<Session>, StoreError>;

    /// How many sessions have not ended by `now` and were begun or refreshed after `used_since`.
    /// Reads every session: for now and then.
    async fn count_live_sessions(
        &self,
        used_since: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// The last refreshes of a session, the newest first; at most
    /// [`STEPS_KEPT`](super::STEPS_KEPT).
    async fn session_steps(&self, id: SessionId) -> Result<Vec<Step>, StoreError>;

    /// Ends these sessions with the reason `admin`; how many were live.
    async fn end_sessions(&self, ids: &[SessionId], by: &Actor) -> Result<u64, AdminError>;

    /// Ends all sessions of a user with the reason `admin`, those of the admin site too. How many
    /// were live, but for those of the admin site. One line tells of it, however many there were.
    ///
    /// # Errors
    /// [`AdminError::Gone`].
    async fn end_user_sessions(&self, user: UserId, by: &Actor) -> Result<u64, AdminError>;

    /// Ends every session that began at or before `began` with the reason `admin`; how many. For a
    /// break-in. Every device is asked for a second factor again. Those of the admin site go on.
    /// The line that tells of it is written with the first of them: a large database takes them
    /// some at a time.
    async fn end_sessions_begun_by(&self, began: Timestamp, by: &Actor) -> Result<u64, AdminError>;

    /// After a backup was restored: ends what it brought back, and may have been ended or used
    /// since it was made at `backup`. These are the sessions that began by then, as
    /// [`end_sessions_begun_by`](Self::end_sessions_begun_by) ends them, those of the admin site
    /// too, and the links and codes that were mailed by then.
    ///
    /// Links that undo a change of the address are left: with them the owner of an account takes it
    /// back from whom the backup gives it to. Signing keys and service tokens are the caller's
    /// business.
    async fn after_restore(
        &self,
        backup: Timestamp,
        by: &Actor,
    ) -> Result<AfterRestore, AdminError>;
}

/// How much was ended of what a restored backup brought back.
///
/// ```
/// use countersign::store::admin::AfterRestore;
///
/// let ended = AfterRestore { sessions: 7, ..AfterRestore::default() };
/// assert_eq!((ended.sessions, ended.admin_sessions, ended.links), (7, 0, 0));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AfterRestore {
    /// Sessions of users.
    pub sessions: u64,
    /// Sessions of the admin site.
    pub admin_sessions: u64,
    /// Links and codes that were mailed.
    pub links: u64,
}

/// Which sessions, from where on.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{SessionAdmin, SessionSearch};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let asked = SessionSearch {
///     user: Some(ada.id),
///     live: Some(true),
///     now,
///     limit: 50,
///     ..SessionSearch::default()
/// };
/// assert!(store.find_sessions(&asked).await.unwrap().rows.is_empty());
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct SessionSearch {
    /// Only this user's.
    pub user: Option<UserId>,
    /// Only live ones, or only ended ones.
    pub live: Option<bool>,
    /// Only of this kind of client.
    pub transport: Option<Transport>,
    /// Only those that ended for this reason.
    pub reason: Option<RevokedReason>,
    /// The time of the request.
    pub now: Timestamp,
    /// Where the page begins.
    pub from: Option<PageCursor>,
    /// How many, at most.
    pub limit: u32,
}

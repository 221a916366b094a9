//! The feed of changes: what other processes must feel.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::session::SessionId;
use crate::user::UserId;

/// What is asked of a store about the feed of changes, by which one process learns what another
/// has done.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::{FeedStore, What};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let before = store.cursor_now().await.unwrap();
/// store.note_user_changed(ada.id, now).await.unwrap();
/// let page = store.changes(&before, 100).await.unwrap();
/// assert_eq!(page.changes[0].what, What::UserChanged(ada.id));
/// # });
/// ```
#[async_trait]
pub trait FeedStore: Send + Sync {
    /// Some `limit` changes after a cursor, up to twice as many, and how far they reach. Each comes
    /// once, but for changes of a store that went back to an earlier state.
    async fn changes(&self, after: &Cursor, limit: u32) -> Result<Changes, StoreError>;

    /// The cursor before the first change at or after `since`, where a process that starts now
    /// begins to read. `None` where more than `limit` changes have happened since. Takes no longer
    /// the more there are.
    async fn cursor_at(&self, since: Timestamp, limit: u32) -> Result<Option<Cursor>, StoreError>;

    /// The cursor after everything that has changed by now.
    async fn cursor_now(&self) -> Result<Cursor, StoreError>;

    /// Tells every process that a user's row changed, where users live in a database of the app's
    /// own. Changes of the store's own users tell themselves.
    async fn note_user_changed(&self, user: UserId, now: Timestamp) -> Result<(), StoreError>;

    /// Waits until something may have changed in the store, or for as long as one may wait before
    /// looking anyway: a tenth of a second, unless the store hears of changes by itself. Whether it
    /// did.
    async fn await_changes(&self) -> bool {
        tokio::time::sleep(Duration::from_millis(100)).await;
        false
    }
}

/// A place in the feed: numbers that mean something to the store that gave them. The default is the
/// beginning.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::{Cursor, FeedStore};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// let from_the_beginning = Cursor::default();
/// assert!(store.changes(&from_the_beginning, 100).await.unwrap().changes.is_empty());
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Cursor(pub Box<[i64]>);

/// A page of the feed.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
///
/// # world::run(async |world| {
/// # let (store, ada, now) = (world.auth.store(), world.ada, world::midnight());
/// let before = store.cursor_now().await.unwrap();
/// store.note_user_changed(ada.id, now).await.unwrap();
/// let page = store.changes(&before, 100).await.unwrap();
/// assert_eq!((page.changes.len(), page.more, page.went_back), (1, false, false));
/// assert!(store.changes(&page.cursor, 100).await.unwrap().changes.is_empty());
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// What changed.
    pub changes: Vec<Change>,
    /// How far a reader has come who has taken them.
    pub cursor: Cursor,
    /// Whether there is more to read now.
    pub more: bool,
    /// Whether the store may have gone back to an earlier state since the cursor was given: it was
    /// restored, restarted, or a standby is in its place. Then the page is the first of all that is
    /// kept, and what was read of users and keys may not be so any more.
    pub went_back: bool,
}

/// Something that other processes must feel.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::{Cursor, What};
///
/// # world::run(async |world| {
/// # let (store, ada, now) = (world.auth.store(), world.ada, world::midnight());
/// store.note_user_changed(ada.id, now).await.unwrap();
/// let page = store.changes(&Cursor::default(), 100).await.unwrap();
/// let last = page.changes.last().unwrap();
/// assert_eq!((last.what, last.at), (What::UserChanged(ada.id), now));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
}

/// What happened.
///
/// ```
/// use countersign::session::SessionId;
/// use countersign::store::What;
///
/// fn ended(what: What) -> Option<SessionId> {
///     if let What::SessionEnded(session) = what { Some(session) } else { None }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// A session was ended.
    SessionEnded(SessionId),
    /// A user's row, groups or permissions changed, or the user is gone.
    UserChanged(UserId),
    /// A group or permission that many users share changed.
    AllUsersChanged,
    /// The signing keys changed.
    KeysChanged,
}

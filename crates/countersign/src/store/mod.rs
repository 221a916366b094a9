//! The store: what the domain asks of a database, in the domain's own words.
//!
//! Every operation is one statement or one transaction, and durable when it returns. No query
//! builder leaks upward.
//!
//! ```
//! # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
//! use countersign::session::RevokedReason;
//!
//! # world::run(async |world| {
//! # let (store, ada, now) = (world.auth.store(), world.ada, world::midnight());
//! # world::log_in(&world.auth, countersign::session::Transport::Body).await;
//! // An operator's script: end every session of a user.
//! let ended = store.revoke_user_sessions(ada.id, None, RevokedReason::Admin, now).await.unwrap();
//! assert_eq!(ended, 1);
//! # });
//! ```

#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod addresses;
pub mod admin;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod agreed_time;
pub(crate) mod begin;
mod listed;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod transfer;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::password::EncodedPassword;
use crate::session::rotation::{Presented, RotationEvent};
use crate::session::{NewSession, Refused, RevokedReason, Session, SessionId, Transport};
use crate::supervise::Panicked;
use crate::throttle::shared::{AttemptKey, Count, CountAttempt, CountedAttempt};
use crate::token::{KeyId, SealedKey};
use crate::user::{LoginRow, NewUser, ProfileChange, User, UserId};
pub use begin::{Begin, Begun, PasswordChange};
pub use listed::{NoPlace, SessionPage, SessionPlace};

/// Users, sessions, signing keys and the feed of changes.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::password::EncodedPassword;
/// use countersign::store::Store;
/// use countersign::user::{NewUser, Username};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// let ada = NewUser::new(Username::parse("Ada").unwrap(), None, EncodedPassword::unusable());
/// let ada = store.create_user(ada, now).await.unwrap();
/// assert_eq!(store.user_by_login("ada").await.unwrap().unwrap().user.id, ada.id);
/// assert!(store.set_active(ada.id, false, now).await.unwrap());
/// assert!(store.user_sessions(ada.id, now).await.unwrap().is_empty());
/// assert!(store.delete_user(ada.id, now).await.unwrap());
/// assert_eq!(store.user_by_id(ada.id).await.unwrap(), None);
/// # });
/// ```
#[async_trait]
pub trait Store: std::fmt::Debug + Send + Sync + 'static {
    // Users

    /// The user with this id.
    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The user whom `login` names: the user name to the letter, else the only one that equals it
    /// after NFKC and case folding, else the only active user with that e-mail address, after
    /// [`fold_address`](crate::user::fold_address). A name shared by several finds nobody.
    async fn user_by_login(&self, login: &str) -> Result<Option<LoginRow>, StoreError>;

    /// The encoded password of a user.
    async fn password_of(&self, id: UserId) -> Result<Option<EncodedPassword>, StoreError>;

    /// Makes a user.
    ///
    /// # Errors
    /// [`StoreError::UsernameTaken`] when another user has the name after case folding, or as
    /// e-mail address; [`StoreError::EmailTaken`] when the address is another user's name, or that
    /// of another active user.
    async fn create_user(&self, new: NewUser, now: Timestamp) -> Result<User, StoreError>;

    /// Changes a user's own fields; `None` when the user is gone.
    ///
    /// # Errors
    /// As for [`create_user`](Self::create_user).
    async fn update_profile(
        &self,
        id: UserId,
        change: ProfileChange,
    ) -> Result<Option<User>, StoreError>;

    /// Sets a user's own new password in the place of `old`, which was checked, while the `session`
    /// that asks lives. Ends the user's other sessions.
    async fn change_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
        session: SessionId,
        now: Timestamp,
    ) -> Result<PasswordChange, StoreError>;

    /// Sets a password in the place of any, as an operator does, and ends all of the user's
    /// sessions. `false` when the user is gone.
    async fn reset_password(
        &self,
        id: UserId,
        new: &EncodedPassword,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces an outdated encoding of the same password. Ends nothing. `false`, and nothing is
    /// done, when the password is not `old` any more.
    async fn upgrade_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError>;

    /// Every permission as `app.codename`, sorted; the first 10,000.
    async fn permission_names(&self) -> Result<Vec<String>, StoreError>;

    /// The kinds of hash that are live, each once: the part before the salt (scrypt's block size
    /// and parallelism too) of encoded passwords that belong to active users and that a password
    /// can match.
    async fn password_kinds(&self) -> Result<Vec<String>, StoreError>;

    /// Activates a user, or deactivates her and ends her sessions. `false` when the user is gone.
    async fn set_active(
        &self,
        id: UserId,
        active: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Deletes a user and ends her sessions. `false` when there was none.
    async fn delete_user(&self, id: UserId, now: Timestamp) -> Result<bool, StoreError>;

    /// Up to `limit` users with an id above `after`, by id.
    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError>;

    // Sessions

    /// Begins a session on the user's row as it was checked, and notes the login there, as one
    /// atomic step. Whoever changes the row, and ends the user's sessions, comes before it, and
    /// then nothing begins, or after it, and then it is ended.
    async fn begin_session(&self, begin: Begin) -> Result<Begun, StoreError>;

    /// Begins a session whatever the user's row says: for an import. `false`, and nothing is done,
    /// when another session has the id.
    async fn create_session(&self, new: NewSession) -> Result<bool, StoreError> {
        Ok(self.begin_session(Begin::unchecked(new)).await? != Begun::IdTaken)
    }

    /// Applies [`decide`](crate::session::decide) to the session's row, and the decision
    /// to the row, as one atomic step.
    async fn rotate_session(&self, rotate: Rotate) -> Result<Rotation, StoreError>;

    /// The session, live or ended.
    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError>;

    /// A page of the user's live sessions, the last begun first: at most `limit`, behind the place
    /// `from`.
    async fn user_sessions_page(
        &self,
        user: UserId,
        from: Option<SessionPlace>,
        limit: u32,
        now: Timestamp,
    ) -> Result<SessionPage, StoreError>;

    /// The user's live sessions, the last begun first; the first thousand of them.
    async fn user_sessions(
        &self,
        user: UserId,
        now: Timestamp,
    ) -> Result<Vec<Session>, StoreError> {
        Ok(self.user_sessions_page(user, None, 1_000, now).await?.sessions)
    }

    /// Up to `limit` live sessions of all users, the last begun first.
    async fn live_sessions(&self, limit: u32, now: Timestamp) -> Result<Vec<Session>, StoreError>;

    /// Ends a session; `owner` must own it where given. `false` when there is no such live session.
    async fn revoke_session(
        &self,
        id: SessionId,
        owner: Option<UserId>,
        reason: RevokedReason,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends the user's sessions, all but `keep`; how many there were.
    async fn revoke_user_sessions(
        &self,
        user: UserId,
        keep: Option<SessionId>,
        reason: RevokedReason,
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// Ends every session that began at or before `began`; how many there were. For a restored
    /// backup.
    async fn revoke_sessions_begun_by(
        &self,
        began: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    // Signing keys

    /// Every signing key, retired ones too, the oldest first.
    async fn keys(&self) -> Result<Vec<SealedKey>, StoreError>;

    /// Adds a key. The ones before it retire at `retire_others`; a key that retires earlier keeps
    /// its time.
    async fn add_key(&self, key: SealedKey, retire_others: Timestamp) -> Result<(), StoreError>;

    /// Ends a key at `at`. `false` when there is no such key.
    async fn retire_key(&self, id: KeyId, at: Timestamp) -> Result<bool, StoreError>;

    // The feed

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
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        false
    }

    // Attempts to log in

    /// Where failed logins are counted for all nodes; `None` where one process uses the store,
    /// which then counts for itself.
    fn shared_attempts(&self) -> Option<&dyn SharedAttempts> {
        None
    }

    // Keeping house

    /// Forgets changes before `changes`, sessions that ended or expired before `sessions`, and
    /// counts of hours that lie 335 days before that; at most `limit` rows of each. How many went.
    async fn prune(
        &self,
        changes: Timestamp,
        sessions: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Tells the store what time a clock shows, and learns what the store holds for it: its idea of
    /// the time follows by one `step` at most. Whoever goes by the earlier of the two forgets
    /// nothing too soon when one of them is wrong.
    async fn agree_on_time(
        &self,
        now: Timestamp,
        step: std::time::Duration,
    ) -> Result<Timestamp, StoreError>;

    /// Corrects what a wrong clock dated after `latest`: it happened at `now`. A session that began
    /// in another year lives for as long as others; at most `limit` rows of each table. How many
    /// were corrected.
    async fn correct_times(
        &self,
        latest: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Whether the store answers and can be written: writes something small, as durably as
    /// everything else.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Brings everything into the database's own file, where some of it lies beside it: the last
    /// thing to ask of a store before the process ends. What is asked of it afterwards is done all
    /// the same.
    async fn close(&self) {}

    /// What keeps the store from its work, as far as it knows without trying: the disk was full
    /// when last it wrote, or the database's files are gone.
    fn trouble(&self) -> Option<StoreError> {
        None
    }
}

/// So many rows of a kind are looked at for one that a password can match.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) const KIND_ROWS: u32 = 50;

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

/// What a refresh asks of the store.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::session::rotation::{Generation, Jti, Presented};
/// use countersign::session::{SessionId, Transport};
/// use countersign::store::{Rotate, Rotation, Store};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// let rotate = Rotate {
///     session: SessionId::new(7).unwrap(),
///     token: Presented {
///         generation: Generation::FIRST,
///         jti: Jti([1; 16]),
///         parent: None,
///         issued_at: 1_000,
///     },
///     transport: Transport::Body,
///     now,
///     window: std::time::Duration::from_secs(30),
///     ip: None,
/// };
/// assert_eq!(store.rotate_session(rotate).await.unwrap(), Rotation::Unknown); // there is no such session
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Rotate {
    /// Which session.
    pub session: SessionId,
    /// The refresh token, verified.
    pub token: Presented,
    /// On which path it came; the other kind's session refuses it.
    pub transport: Transport,
    /// The time of the request.
    pub now: Timestamp,
    /// How far apart two requests of one honest client may be.
    pub window: std::time::Duration,
    /// Where the request came from, for the audit log.
    pub ip: Option<std::net::IpAddr>,
}

/// What became of a refresh.
///
/// ```
/// use countersign::http::Code;
/// use countersign::store::Rotation;
///
/// /// What a client is told of a refresh that is not granted.
/// fn refused(rotation: &Rotation) -> Option<Code> {
///     match rotation {
///         Rotation::Granted { .. } => None,
///         Rotation::Reused { .. } => Some(Code::RefreshTokenReused),
///         Rotation::Revoked(_) => Some(Code::SessionRevoked),
///         Rotation::Expired => Some(Code::SessionExpired),
///         Rotation::Unknown | Rotation::WrongTransport => Some(Code::RefreshTokenInvalid),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// Mint a child.
    Granted {
        /// Whose session it is.
        user_id: UserId,
        /// When the session began: the claim `auth_time`.
        created_at: Timestamp,
        /// When the session ends, however busy it is.
        expires_at: Timestamp,
        /// The token to mint a child of, and the child's generation.
        child: crate::session::rotation::Child,
        /// What an operator should know.
        event: Option<RotationEvent>,
    },
    /// Two parties held this lineage; the session has been ended.
    Reused {
        /// Whose session it was.
        user_id: UserId,
    },
    /// The session was ended before.
    Revoked(RevokedReason),
    /// The session had its time.
    Expired,
    /// There is no such session (any more).
    Unknown,
    /// The token came on the other kind's path.
    WrongTransport,
}

impl From<Refused> for Rotation {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Unknown => Self::Unknown,
            Refused::WrongTransport => Self::WrongTransport,
            Refused::Revoked(reason) => Self::Revoked(reason),
            Refused::Expired => Self::Expired,
        }
    }
}

/// A place in the feed: numbers that mean something to the store that gave them. The default is the
/// beginning.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::{Cursor, Store};
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
/// use countersign::store::Store;
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

impl StoreError {
    /// The database of an app's own [`Users`](crate::user::Users) failed. The text is for the log,
    /// not for clients.
    ///
    /// ```
    /// use countersign::store::StoreError;
    ///
    /// let error = StoreError::failed("the members' table is locked");
    /// assert_eq!(error.to_string(), "the store failed: the members' table is locked");
    /// ```
    pub fn failed(error: impl std::fmt::Display) -> Self {
        Self::Failed(error.to_string())
    }

    /// The same error of something that changes nothing.
    #[cfg(feature = "postgres")]
    pub(crate) fn undone(self) -> Self {
        match self {
            Self::Unknown(why) => Self::Failed(why),
            other => other,
        }
    }

    /// The same error after something has been done, or may have been.
    #[cfg(any(feature = "axum", feature = "sqlite"))]
    pub(crate) fn unknown(self) -> Self {
        match self {
            Self::Busy => Self::Unknown("the store is busy".to_owned()),
            Self::Failed(why) => Self::Unknown(why),
            other => other,
        }
    }
}

impl From<Panicked> for StoreError {
    fn from(_: Panicked) -> Self {
        Self::Failed("the operation panicked".to_owned())
    }
}

/// Why the store could not do as asked.
///
/// ```
/// use countersign::http::{Code, Problem};
/// use countersign::store::StoreError;
///
/// assert_eq!(Problem::from(StoreError::Busy).code(), Code::Unavailable);
/// assert_eq!(Problem::from(StoreError::UsernameTaken).code(), Code::ValidationError);
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another user has this name, to the letter or after case folding, or as e-mail address.
    #[error("another user has this name")]
    UsernameTaken,
    /// The address is another user's name, or that of another active user.
    #[error("another user has this address")]
    EmailTaken,
    /// The store cannot take more work now. Try again soon; nothing was done.
    #[error("the store is busy")]
    Busy,
    /// The store failed: the disk is full, the file is gone, the connection is cut. Nothing was
    /// done.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The store gave no answer to something that was under way: it may have been done, or not. To
    /// do it again is safe.
    #[error("whether it was done is not known: {0}")]
    Unknown(String),
}

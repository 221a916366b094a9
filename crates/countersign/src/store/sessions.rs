//! Sessions, and what a refresh asks and is told.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Begin, Begun, NewMail, SessionPage, SessionPlace, StoreError};
use crate::session::device::{DeviceStanding, Shown, Unproved};
use crate::session::rotation::{Child, Presented, RotationEvent};
use crate::session::{
    Authentication, DeviceName, NewSession, RefreshRefused, RevokedReason, Session, SessionId,
    SessionRow, Transport,
};
use crate::user::UserId;

/// What is asked of a store about sessions.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::session::RevokedReason;
/// use countersign::store::SessionStore;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// assert!(store.user_sessions(ada.id, now).await.unwrap().is_empty());
/// let ended = store.revoke_user_sessions(ada.id, None, RevokedReason::Admin, now).await.unwrap();
/// assert_eq!(ended, 0);
/// # });
/// ```
#[async_trait]
pub trait SessionStore: Send + Sync {
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

    /// The session as a refresh sees it, live or ended, and what it knows of its user. Nothing is
    /// written, and no mark moves.
    async fn session_row(
        &self,
        id: SessionId,
    ) -> Result<Option<(SessionRow, Authentication)>, StoreError>;

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

    /// Gives the device of a live session of `owner` another name, or takes it away. The session as
    /// it is then; `None` when there is no such live session.
    async fn name_session(
        &self,
        id: SessionId,
        owner: UserId,
        name: Option<DeviceName>,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError>;

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
    /// backup. Every device is asked for a second factor again.
    async fn revoke_sessions_begun_by(
        &self,
        began: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError>;
}

/// What a refresh asks of the store.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::session::device::Shown;
/// use countersign::session::rotation::{Generation, Jti, Presented};
/// use countersign::session::{SessionId, Transport};
/// use countersign::store::{Rotate, Rotation, SessionStore};
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
///     shown: Shown::NOTHING,
///     now,
///     window: std::time::Duration::from_secs(30),
///     ip: None,
///     theft_notice: None,
/// };
/// // There is no such session.
/// assert_eq!(store.rotate_session(rotate).await.unwrap(), Rotation::Unknown);
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
    /// What it showed of its device.
    pub shown: Shown,
    /// The time of the request.
    pub now: Timestamp,
    /// How far apart two requests of one honest client may be.
    pub window: std::time::Duration,
    /// Where the request came from, for the audit log.
    pub ip: Option<std::net::IpAddr>,
    /// What tells the user when two parties hold the session.
    pub theft_notice: Option<TheftNotice>,
}

/// Makes the mail that tells a user of a session that two parties held. It is asked in the
/// transaction that ends the session, so that no ending goes without its mail.
///
/// ```
/// use countersign::store::{Stolen, TheftNotice};
///
/// let nothing = TheftNotice::new(|_: &Stolen| None);
/// assert_eq!(format!("{nothing:?}"), "TheftNotice(..)");
/// ```
#[derive(Clone)]
pub struct TheftNotice(Arc<MakeMail>);

type MakeMail = dyn Fn(&Stolen) -> Option<NewMail> + Send + Sync;

impl TheftNotice {
    /// By this function, which does nothing slow.
    ///
    /// ```
    /// use countersign::store::{NewMail, TheftNotice};
    ///
    /// let now = jiff::Timestamp::UNIX_EPOCH;
    /// let notice =
    ///     TheftNotice::new(move |stolen| Some(NewMail::new(7, &stolen.email, Vec::new(), now)));
    /// ```
    pub fn new(make: impl Fn(&Stolen) -> Option<NewMail> + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The mail, if one is to be sent: for stores of one's own.
    ///
    /// ```
    /// use countersign::store::{NewMail, Stolen, TheftNotice};
    ///
    /// fn mail(notice: &TheftNotice, stolen: &Stolen) -> Option<NewMail> {
    ///     notice.of(stolen)
    /// }
    /// ```
    pub fn of(&self, stolen: &Stolen) -> Option<NewMail> {
        (self.0)(stolen)
    }
}

impl fmt::Debug for TheftNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TheftNotice(..)")
    }
}

/// Whose session two parties held.
///
/// ```
/// use countersign::store::Stolen;
///
/// fn may_be_told(stolen: &Stolen) -> bool {
///     stolen.is_proved && !stolen.email.is_empty()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Stolen {
    /// Whose.
    pub user: UserId,
    /// Their address, or empty.
    pub email: String,
    /// Whether it was proved.
    pub is_proved: bool,
    /// The language of their mails.
    pub language: String,
    /// What the client called itself that began the session.
    pub user_agent: String,
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
///         Rotation::Unproved(_) => Some(Code::SessionUnproved),
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
        /// When the session began.
        created_at: Timestamp,
        /// What the session knows of its user.
        authentication: Authentication,
        /// When the session ends, however busy it is.
        expires_at: Timestamp,
        /// The token to mint a child of, and the child's generation.
        child: Child,
        /// What an operator should know.
        event: Option<RotationEvent>,
        /// Where it stands with the session's device.
        standing: DeviceStanding,
    },
    /// The session is bound to a device, which has not proved itself. Nothing was done.
    Unproved(Unproved),
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

impl From<RefreshRefused> for Rotation {
    fn from(refused: RefreshRefused) -> Self {
        match refused {
            RefreshRefused::Unknown => Self::Unknown,
            RefreshRefused::WrongTransport => Self::WrongTransport,
            RefreshRefused::Revoked(reason) => Self::Revoked(reason),
            RefreshRefused::Expired => Self::Expired,
            RefreshRefused::Unproved(why) => Self::Unproved(why),
        }
    }
}

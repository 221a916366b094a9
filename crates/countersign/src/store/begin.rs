//! What a session begins on, and what a new password takes the place of: both only where the row is
//! still as it was checked.

use crate::password::EncodedPassword;
use crate::session::device::DeviceRecord;
use crate::session::{NewSession, SessionId};
use crate::sign_in::{Methods, Scope};
use crate::store::{FactorUse, NewMail};

/// A session to begin, and the row on which it may.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::password::EncodedPassword;
/// use countersign::session::rotation::Jti;
/// use countersign::session::{NewSession, SessionId, Transport};
/// use countersign::store::{Begin, Begun, SessionStore, UserStore};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// # let session = NewSession {
/// #     id: SessionId::new(7).unwrap(), user_id: ada.id, jti: Jti([1; 16]), created_at: now,
/// #     expires_at: now + std::time::Duration::from_secs(3600), transport: Transport::Body,
/// #     user_agent: String::new(), device_name: None, ip: None,
/// # };
/// let checked = store.password_of(ada.id).await.unwrap();
/// // Meanwhile an operator sets another password.
/// store.reset_password(ada.id, &EncodedPassword::unusable(), now).await.unwrap();
/// let begin = Begin { checked, ..Begin::unchecked(session) };
/// assert_eq!(store.begin_session(begin).await.unwrap(), Begun::UserChanged);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Begin {
    /// The session.
    pub session: NewSession,
    /// The encoded password that was checked: the session begins only while it is the user's and
    /// the user is active. `None` asks nothing of the store's row, where users live elsewhere.
    pub checked: Option<EncodedPassword>,
    /// Whether it begins on a device that the user had not been seen on: web hooks are told.
    pub is_new_device: bool,
    /// What is queued when it begins: that there is a new device.
    pub mails: Vec<NewMail>,
    /// The number of the user's factors, as they were checked with the password:
    /// [`UserFactors::version`](crate::store::UserFactors::version).
    pub factors: u64,
    /// What was proved: the claim `amr`.
    pub methods: Methods,
    /// What the session may be used for.
    pub scope: Scope,
    /// What it uses up: the session begins only if that serves still.
    pub factor: Option<FactorUse>,
    /// The device that a native client's session is bound to from the beginning.
    pub device: Option<DeviceRecord>,
    /// The session that the same browser had until now: it ends with the reason `replaced`.
    pub replaces: Option<SessionId>,
    /// How many live sessions the user may have, this one included: of those that are more the
    /// oldest end, at most 256 at once, with the reason `session_limit`. 0 for no limit.
    pub at_most: u32,
}

impl Begin {
    /// Begins whatever the user's row says: for an import, and for users who live elsewhere.
    ///
    /// ```
    /// use countersign::session::NewSession;
    /// use countersign::store::{Begin, Begun, Store, StoreError};
    ///
    /// async fn import(store: &dyn Store, session: NewSession) -> Result<bool, StoreError> {
    ///     Ok(matches!(store.begin_session(Begin::unchecked(session)).await?, Begun::Done { .. }))
    /// }
    /// ```
    pub fn unchecked(session: NewSession) -> Self {
        Self {
            session,
            checked: None,
            factors: 0,
            methods: Methods::of_nothing(),
            scope: Scope::Full,
            factor: None,
            device: None,
            is_new_device: false,
            mails: Vec::new(),
            replaces: None,
            at_most: 0,
        }
    }
}

/// Whether a session began.
///
/// ```
/// use countersign::store::Begun;
///
/// fn is_in(begun: Begun) -> bool {
///     matches!(begun, Begun::Done { .. })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Begun {
    /// It did.
    Done {
        /// How many others ended with it.
        ended: u64,
    },
    /// Another session has the id. Nothing was done.
    IdTaken,
    /// The user is gone, is not active, or has another password or other factors by now. Nothing
    /// was done.
    UserChanged,
    /// The sign-in that waited is over, or the proof was used already. Nothing was done.
    FactorUsed,
}

/// How many sessions end at once when a user has more than one may.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) const ENDED_AT_ONCE: u32 = 256;

/// The user's row on which somebody begins a session of the admin site, as it was checked.
///
/// ```
/// use countersign::password::EncodedPassword;
/// use countersign::store::CheckedRow;
///
/// let row = CheckedRow::new(EncodedPassword::unusable());
/// assert_eq!((row.factors, row.factor.is_none()), (0, true));
/// ```
#[derive(Debug, Clone)]
pub struct CheckedRow {
    /// The encoded password.
    pub password: EncodedPassword,
    /// The number of the user's factors.
    pub factors: u64,
    /// What the session uses up.
    pub factor: Option<FactorUse>,
}

impl CheckedRow {
    /// The row of a user who never had a factor.
    ///
    /// ```
    /// use countersign::password::EncodedPassword;
    ///
    /// assert_eq!(countersign::store::CheckedRow::new(EncodedPassword::unusable()).factors, 0);
    /// ```
    pub const fn new(password: EncodedPassword) -> Self {
        Self { password, factors: 0, factor: None }
    }
}

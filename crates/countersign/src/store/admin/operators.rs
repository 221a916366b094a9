//! Sessions of the admin site itself.

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::store::{CheckedRow, StoreError};
use crate::user::UserId;

/// What is asked of a store about the admin site's own sessions.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::OperatorSessions;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// assert!(store.admin_session([7; 32]).await.unwrap().is_none());
/// # });
/// ```
#[async_trait]
pub trait OperatorSessions: Send + Sync {
    /// Begins an admin session, while the user is active and staff and the row is as it was
    /// `checked`: `false`, and nothing is done, where that changed since, or what it uses up was
    /// used already. Its token is known by its hash only.
    async fn begin_admin_session(
        &self,
        new: &AdminSession,
        checked: &CheckedRow,
    ) -> Result<bool, StoreError>;

    /// The admin session of this hash, if it is there; its limits are the caller's business.
    async fn admin_session(&self, token_hash: [u8; 32])
    -> Result<Option<AdminSession>, StoreError>;

    /// Notes that the session was used. `false` where it has ended meanwhile.
    async fn touch_admin_session(
        &self,
        token_hash: [u8; 32],
        used_at: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Notes that its operator has proved again who they are, while the row is as it was `checked`:
    /// `false`, and nothing is done, where that changed since, what it uses up was used already, or
    /// the session has ended.
    async fn confirm_admin_session(
        &self,
        session: &AdminSession,
        checked: &CheckedRow,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Ends an admin session. They also end, by themselves, when the user becomes inactive or no
    /// longer staff, gets a new password, is deleted, logs out everywhere, or when an operator ends
    /// all of the user's sessions.
    async fn end_admin_session(&self, token_hash: [u8; 32]) -> Result<(), StoreError>;
}

/// A session of the admin site itself.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// # use countersign::password::EncodedPassword;
/// # use countersign::store::UserStore;
/// # use countersign::user::{NewUser, Username};
/// use countersign::store::CheckedRow;
/// use countersign::store::admin::{AdminSession, OperatorSessions};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// # let name = Username::parse("robin").unwrap();
/// # let mut robin = NewUser::new(name, None, EncodedPassword::unusable());
/// # robin.is_staff = true;
/// # let robin = store.create_user(robin, now).await.unwrap();
/// let token_hash = [7; 32];
/// let session = AdminSession {
///     token_hash,
///     user: robin.id,
///     created_at: now,
///     used_at: now,
///     password_at: now,
///     ip: None,
///     user_agent: String::new(),
/// };
/// let checked = CheckedRow::new(store.password_of(robin.id).await.unwrap().unwrap());
/// assert!(store.begin_admin_session(&session, &checked).await.unwrap());
/// assert_eq!(store.admin_session(token_hash).await.unwrap().unwrap().user, robin.id);
/// store.end_admin_session(token_hash).await.unwrap();
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct AdminSession {
    /// SHA-256 of the token in the cookie.
    pub token_hash: [u8; 32],
    /// Whose it is.
    pub user: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub used_at: Timestamp,
    /// When the operator last proved who they are.
    pub password_at: Timestamp,
    /// Where from.
    pub ip: Option<IpAddr>,
    /// What the browser called itself, at most 255 characters.
    pub user_agent: String,
}

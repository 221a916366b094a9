//! Users.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{NewMail, StoreError};
use crate::password::EncodedPassword;
use crate::session::SessionId;
use crate::user::{NewUser, ProfileChange, User, UserByLogin, UserId};

/// What is asked of a store about users.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::password::EncodedPassword;
/// use countersign::store::UserStore;
/// use countersign::user::{NewUser, Username};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// let ada = NewUser::new(Username::parse("Ada").unwrap(), None, EncodedPassword::unusable());
/// let ada = store.create_user(ada, now).await.unwrap();
/// assert_eq!(store.user_by_login("ada").await.unwrap().unwrap().user.id, ada.id);
/// assert!(store.set_active(ada.id, false, now).await.unwrap());
/// assert!(store.delete_user(ada.id, now).await.unwrap());
/// assert_eq!(store.user_by_id(ada.id).await.unwrap(), None);
/// # });
/// ```
#[async_trait]
pub trait UserStore: Send + Sync {
    /// The user with this id.
    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError>;

    /// The user whom `login` names: the user name to the letter, else the only one that equals it
    /// after NFKC and case folding, else the only active user with that e-mail address, after
    /// [`fold_address`](crate::user::fold_address). A name shared by several finds nobody.
    async fn user_by_login(&self, login: &str) -> Result<Option<UserByLogin>, StoreError>;

    /// The encoded password of a user.
    async fn password_of(&self, id: UserId) -> Result<Option<EncodedPassword>, StoreError>;

    /// Makes a user.
    ///
    /// # Errors
    /// [`StoreError::UsernameTaken`] when another user has the name after case folding, or as
    /// e-mail address; [`StoreError::EmailTaken`] when the address is another user's name, or that
    /// of another active user.
    async fn create_user(&self, new: NewUser, now: Timestamp) -> Result<User, StoreError>;

    /// Changes a user's own fields, whoever asks for it; `None` when the user is gone.
    ///
    /// # Errors
    /// As for [`create_user`](Self::create_user).
    async fn update_profile(
        &self,
        id: UserId,
        change: ProfileChange,
    ) -> Result<Option<User>, StoreError>;

    /// Sets a user's own new password in the place of `old`, which was checked, while the `session`
    /// that asks lives. Ends the user's other sessions, and queues `mails`.
    async fn change_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
        session: SessionId,
        now: Timestamp,
        mails: Vec<NewMail>,
    ) -> Result<PasswordChange, StoreError>;

    /// Sets a password in the place of any, as an operator does, and ends all of the user's
    /// sessions. `false` when the user is gone.
    async fn reset_password(
        &self,
        id: UserId,
        new: &EncodedPassword,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Replaces an outdated encoding of the same password. Ends nothing, no one-time token either.
    /// `false`, and nothing is done, when the password is not `old` any more.
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

    /// Activates a user, or deactivates them and ends their sessions and their one-time tokens, but
    /// for those that undo a change of the address. `false` when the user is gone.
    async fn set_active(
        &self,
        id: UserId,
        active: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Deletes a user and ends their sessions. `false` when there was none.
    async fn delete_user(&self, id: UserId, now: Timestamp) -> Result<bool, StoreError>;

    /// Up to `limit` users with an id above `after`, by id.
    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError>;
}

/// What became of a change of a user's own password.
///
/// ```
/// use countersign::http::Code;
/// use countersign::store::PasswordChange;
///
/// fn refused(change: PasswordChange) -> Option<Code> {
///     match change {
///         PasswordChange::Done => None,
///         PasswordChange::SessionEnded => Some(Code::SessionRevoked),
///         _ => Some(Code::Conflict),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordChange {
    /// It is set, and the user's other sessions are ended.
    Done,
    /// The password is not the one that was checked any more. Nothing was done.
    Stale,
    /// The session that asks has ended meanwhile. Nothing was done.
    SessionEnded,
}

/// So many rows of a kind are looked at for one that a password can match.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) const KIND_ROWS: u32 = 50;

//! Users, as the admin site lists and edits them.

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use super::fingerprint;
use super::{Actor, AdminError, Fingerprint, Grants, Page, PageCursor};
use crate::factor::FactorId;
use crate::password::EncodedPassword;
use crate::store::{NewMail, NewRecoveryCode, StoreError, StoredFactor};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::user::ProfileChange;
use crate::user::{Email, NewUser, User, UserId, Username};

/// What is asked of a store about users for the admin site.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, UserAct, UserAdmin, UserSearch};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let by = Actor::staff(ada.id, None, now);
/// assert_eq!(store.act_on_users(&[ada.id], UserAct::Deactivate, &by).await.unwrap(), 1);
/// let asked = UserSearch { active: Some(false), limit: 10, ..UserSearch::default() };
/// assert_eq!(store.find_users(&asked).await.unwrap().rows[0].username, "ada");
/// # });
/// ```
#[async_trait]
pub trait UserAdmin: Send + Sync {
    /// A page of users.
    async fn find_users(&self, asked: &UserSearch) -> Result<Page<User>, StoreError>;

    /// The names of those of these users who are still there, in no order.
    async fn usernames(&self, ids: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError>;

    /// The user with what was given to them alone, and the fingerprint of what an edit form
    /// shows.
    async fn user_record(&self, id: UserId) -> Result<Option<UserRecord>, StoreError>;

    /// Makes a user, with groups and permissions.
    async fn add_user(&self, new: NewUser, grants: &Grants, by: &Actor)
    -> Result<User, AdminError>;

    /// Changes a user, unless the row is no longer what `seen` stands for. Ends their sessions when
    /// they become inactive. The last active superuser who is staff cannot be removed.
    ///
    /// # Errors
    /// [`AdminError::Stale`], [`AdminError::LastSuperuser`], [`AdminError::Gone`], a name that is
    /// taken.
    async fn edit_user(
        &self,
        id: UserId,
        edit: &UserEdit,
        seen: Fingerprint,
        by: &Actor,
    ) -> Result<User, AdminError> {
        self.edit_user_and_tell(id, edit, seen, by, Vec::new()).await
    }

    /// The same, and queues `mails` with it.
    async fn edit_user_and_tell(
        &self,
        id: UserId,
        edit: &UserEdit,
        seen: Fingerprint,
        by: &Actor,
        mails: Vec<NewMail>,
    ) -> Result<User, AdminError>;

    /// Sets a password, or an unusable one, and ends all of the user's sessions.
    async fn set_password(
        &self,
        id: UserId,
        password: &EncodedPassword,
        by: &Actor,
    ) -> Result<(), AdminError> {
        self.set_password_and_tell(id, password, by, Vec::new()).await
    }

    /// The same, and queues `mails` with it.
    async fn set_password_and_tell(
        &self,
        id: UserId,
        password: &EncodedPassword,
        by: &Actor,
        mails: Vec<NewMail>,
    ) -> Result<(), AdminError>;

    /// Removes all second factors of a user, with their recovery codes, and ends the user's
    /// sessions: for who has lost them. Queues `mails`. How many factors there were.
    ///
    /// # Errors
    /// [`AdminError::Gone`], and [`AdminError::NotAllowed`] where the rule of `by` says so.
    async fn reset_factors(
        &self,
        id: UserId,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<u64, AdminError>;

    /// Removes one second factor of a user, and ends the user's sessions: for who has lost it. With
    /// the last one the recovery codes go. Queues `mails`.
    ///
    /// # Errors
    /// [`AdminError::Gone`] where the user has none such, and [`AdminError::NotAllowed`] where the
    /// rule of `by` says so.
    async fn remove_factor_of(
        &self,
        id: UserId,
        factor: FactorId,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<(), AdminError>;

    /// Adds second factors that a user has elsewhere, but for those that somebody has here already
    /// and for what is more than anybody may have. Recovery codes come with them for who has none.
    ///
    /// # Errors
    /// [`AdminError::Gone`], and [`AdminError::NotAllowed`] where the rule of `by` says so.
    async fn import_factors(
        &self,
        import: ImportFactors,
        by: &Actor,
    ) -> Result<FactorsImported, AdminError>;

    /// Does one thing to many users, as one transaction; how many it changed.
    ///
    /// # Errors
    /// [`AdminError::LastSuperuser`] when none would be left; nothing is done then.
    async fn act_on_users(
        &self,
        ids: &[UserId],
        act: UserAct,
        by: &Actor,
    ) -> Result<u64, AdminError>;

    /// What goes with these users when they are deleted.
    async fn what_goes_with(&self, ids: &[UserId], now: Timestamp) -> Result<WhatGoes, StoreError>;
}

/// Which users, in which order, from where on.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{UserAdmin, UserOrder, UserSearch};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let asked = UserSearch {
///     text: "ad".to_owned(),
///     order: UserOrder::Joined,
///     descending: true,
///     limit: 50,
///     ..UserSearch::default()
/// };
/// assert_eq!(store.find_users(&asked).await.unwrap().rows.len(), 1);
/// # });
/// ```
#[derive(Debug, Clone, Default)]
pub struct UserSearch {
    /// Words, parted by blanks, each of which is inside a user name, an e-mail address, a first or
    /// a last name, in any case (addresses, first and last names: of ASCII letters), or is the id.
    /// Empty for everybody. Of many words the first 16 count.
    pub text: String,
    /// Only active or only inactive ones.
    pub active: Option<bool>,
    /// Only staff or only others.
    pub staff: Option<bool>,
    /// Only superusers or only others.
    pub superuser: Option<bool>,
    /// Only those with a second factor or only those without one.
    pub second_factor: Option<bool>,
    /// Only members of this group.
    pub group: Option<i64>,
    /// Only those who joined at or after this.
    pub joined_since: Option<Timestamp>,
    /// Only those who signed in at or after this.
    pub signed_in_since: Option<Timestamp>,
    /// Only those who did not sign in since this, or never.
    pub not_signed_in_since: Option<Timestamp>,
    /// By what.
    pub order: UserOrder,
    /// Whether the greatest comes first.
    pub descending: bool,
    /// Where the page begins.
    pub from: Option<PageCursor>,
    /// How many, at most.
    pub limit: u32,
    /// What happens where some thousand rows were looked at and none fits, and further on there are
    /// some: the page begins there, and the rows between are on the page before. Without it the
    /// page is empty, and who goes on from page to page meets every row.
    pub leaps: bool,
}

/// By what users are sorted. Ties are sorted by id.
///
/// ```
/// use countersign::store::admin::UserOrder;
///
/// assert_eq!(UserOrder::default(), UserOrder::Username);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UserOrder {
    /// By user name.
    #[default]
    Username,
    /// By e-mail address.
    Email,
    /// By first name.
    FirstName,
    /// By last name.
    LastName,
    /// By the time they joined.
    Joined,
    /// By their last login; those who never did come first.
    LastLogin,
}

/// A user as an edit form shows one.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::UserAdmin;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let record = store.user_record(ada.id).await.unwrap().unwrap();
/// assert!(!record.has_usable_password && record.grants.groups.is_empty());
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct UserRecord {
    /// The row, with everything that groups give.
    pub user: User,
    /// The groups and what was given to the user alone.
    pub grants: Grants,
    /// Whether the password can be used at all.
    pub has_usable_password: bool,
    /// The kind of its hash, as in `argon2id` or `pbkdf2_sha256`; empty where there is none.
    pub password_algorithm: String,
    /// What [`UserAdmin::edit_user`] wants back.
    pub fingerprint: Fingerprint,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl UserRecord {
    pub(crate) fn new(user: User, grants: Grants, password: &EncodedPassword) -> Self {
        // Django writes the kind first, and of Argon2 the variant behind it.
        let mut parts = password.as_str().split('$');
        let kind = match (parts.next(), parts.next()) {
            (Some("argon2"), Some(variant)) => variant,
            (Some(kind), Some(_)) => kind,
            _ => "",
        };
        Self {
            fingerprint: fingerprint::of_user(&user, &grants),
            has_usable_password: password.is_usable(),
            password_algorithm: kind.to_owned(),
            user,
            grants,
        }
    }
}

/// A user as edited: all fields of the form.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, UserAdmin, UserEdit};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let seen = store.user_record(ada.id).await.unwrap().unwrap().fingerprint;
/// let edit = UserEdit {
///     username: None, email: None, first_name: "Ada".to_owned(), last_name: "Lovelace".to_owned(),
///     is_active: true, is_staff: true, is_superuser: false, grants: None, metadata: ada.metadata,
/// };
/// let by = Actor::staff(ada.id, None, now);
/// assert!(store.edit_user(ada.id, &edit, seen, &by).await.unwrap().is_staff);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct UserEdit {
    /// The login name; `None` leaves it (an imported one need not be one that is allowed today).
    pub username: Option<Username>,
    /// The e-mail address, or none.
    pub email: Option<Email>,
    /// Up to 150 characters.
    pub first_name: String,
    /// Up to 150 characters.
    pub last_name: String,
    /// Whether the user may sign in at all.
    pub is_active: bool,
    /// Whether the user may enter the admin site.
    pub is_staff: bool,
    /// Whether the user has every permission.
    pub is_superuser: bool,
    /// Groups and permissions; `None` leaves them.
    pub grants: Option<Grants>,
    /// Yours: any JSON object.
    pub metadata: Map<String, Value>,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl UserEdit {
    /// What of it differs, of the part that users may change themselves.
    pub(crate) fn profile(&self, before: &User) -> ProfileChange {
        let email = self.email.as_ref().map_or("", |email| email.as_str());
        ProfileChange {
            username: self.username.clone(),
            email: (email != before.email).then(|| self.email.clone()),
            first_name: Some(self.first_name.clone()).filter(|name| *name != before.first_name),
            last_name: Some(self.last_name.clone()).filter(|name| *name != before.last_name),
        }
    }
}

/// Second factors that a user has elsewhere, sealed for this installation.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, ImportFactors, UserAdmin};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let nothing = ImportFactors { user: ada.id, factors: Vec::new(), codes: Vec::new() };
/// let by = Actor::shell("ops", now);
/// assert_eq!(store.import_factors(nothing, &by).await.unwrap().added, 0);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct ImportFactors {
    /// Whose they are.
    pub user: UserId,
    /// The factors.
    pub factors: Vec<StoredFactor>,
    /// The recovery codes, where they are good here.
    pub codes: Vec<NewRecoveryCode>,
}

/// What was taken of them.
///
/// ```
/// assert!(!countersign::store::admin::FactorsImported::default().are_codes_new);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FactorsImported {
    /// How many factors.
    pub added: u64,
    /// Whether the recovery codes.
    pub are_codes_new: bool,
}

/// One thing done to many users.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, UserAct, UserAdmin};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let by = Actor::staff(ada.id, None, now);
/// assert_eq!(store.act_on_users(&[ada.id], UserAct::Delete, &by).await.unwrap(), 1);
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserAct {
    /// Let them sign in.
    Activate,
    /// Let them not, and end their sessions.
    Deactivate,
    /// End their sessions.
    EndSessions,
    /// Delete them, and end their sessions.
    Delete,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl UserAct {
    /// What it makes of a user.
    pub(crate) fn applied_to(self, user: &User) -> User {
        let is_active = match self {
            Self::Activate => true,
            Self::Deactivate => false,
            Self::EndSessions | Self::Delete => user.is_active,
        };
        User { is_active, ..user.clone() }
    }
}

/// What goes with users who are deleted.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{UserAdmin, WhatGoes};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let goes = store.what_goes_with(&[ada.id], now).await.unwrap();
/// assert_eq!(goes, WhatGoes { users: 1, ..WhatGoes::default() });
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WhatGoes {
    /// The users who are there.
    pub users: u64,
    /// Live sessions.
    pub sessions: u64,
    /// Memberships in groups.
    pub memberships: u64,
    /// Permissions given to them alone.
    pub permissions: u64,
}

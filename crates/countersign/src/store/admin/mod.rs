//! What an admin site asks of a store: lists that stay fast at a million rows, edits that notice
//! what happened meanwhile, and the audit log.
//!
//! A change and the line that tells of it are one transaction. Nothing here changes or removes a
//! line of the audit log but [`forget_audit`](AdminStore::forget_audit), by age.

pub(crate) mod activity;
mod audit;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod estimate;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod fingerprint;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod lists;
mod page;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod searches;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod sql;
pub(crate) mod steps;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) mod told;

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Store, StoreError};
use crate::password::EncodedPassword;
use crate::session::{RevokedReason, Session, SessionId, Transport};
use crate::token::{KeyId, SealedKey};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::user::ProfileChange;
use crate::user::{Email, NewUser, User, UserId, Username};
pub use activity::{Counted, Sizes};
pub use audit::{AuditKind, AuditLine, AuditRow, AuditSearch, Who};
pub use page::{Count, Page, Place};
pub use steps::{STEPS_KEPT, Step, StepKind};

/// The store behind an admin site. Users are the store's own.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{
///     Actor, AdminStore, AuditKind, AuditSearch, UserAct, UserSearch,
/// };
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let by = Actor::staff(ada.id, None, now);
/// assert_eq!(store.act_on_users(&[ada.id], UserAct::Deactivate, &by).await.unwrap(), 1);
/// let inactive = store
///     .find_users(&UserSearch { active: Some(false), limit: 10, ..UserSearch::default() })
///     .await
///     .unwrap();
/// assert_eq!(inactive.rows[0].username, "ada");
///
/// // The change and the line that tells of it are one transaction.
/// let asked =
///     AuditSearch { kind: Some(AuditKind::UserDeactivated), limit: 10, ..AuditSearch::default() };
/// assert_eq!(store.audit(&asked).await.unwrap().rows[0].line.user, Some(ada.id));
/// # });
/// ```
#[async_trait]
pub trait AdminStore: Store {
    // Users

    /// A page of users.
    async fn find_users(&self, asked: &UserSearch) -> Result<Page<User>, StoreError>;

    /// The names of those of these users who are still there, in no order.
    async fn usernames(&self, ids: &[UserId]) -> Result<Vec<(UserId, String)>, StoreError>;

    /// The user with what was given to her alone, and the fingerprint of what an edit form shows.
    async fn user_record(&self, id: UserId) -> Result<Option<UserRecord>, StoreError>;

    /// Makes a user, with groups and permissions.
    async fn add_user(&self, new: NewUser, grants: &Grants, by: &Actor)
    -> Result<User, AdminError>;

    /// Changes a user, unless the row is no longer what `seen` stands for. Ends her sessions when
    /// she becomes inactive. A superuser is one who can do everything as long as she is active and
    /// staff: of those the last one stays.
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
    ) -> Result<User, AdminError>;

    /// Sets a password, or an unusable one, and ends all of the user's sessions.
    async fn set_password(
        &self,
        id: UserId,
        password: &EncodedPassword,
        by: &Actor,
    ) -> Result<(), AdminError>;

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

    // The first superuser

    /// The token of the link that makes the first superuser, while there is none: one for all
    /// processes. `fresh` becomes it where there is no link, or where the last one was used.
    async fn make_first_link(&self, fresh: [u8; 32]) -> Result<Option<[u8; 32]>, StoreError>;

    /// The token of the link that makes the first superuser, if it has not been used and there is
    /// none.
    async fn first_link(&self) -> Result<Option<[u8; 32]>, StoreError>;

    /// Makes the first superuser and closes the link, as one transaction. `None`, and nothing is
    /// done, when it is not this link's token, when it was used, or when there is a superuser,
    /// active or not. The line says that nobody did it, from `ip`: whoever has the link is nobody
    /// yet.
    ///
    /// # Errors
    /// [`StoreError::UsernameTaken`] and [`StoreError::EmailTaken`], and the link stays open; the
    /// store's.
    async fn use_first_link(
        &self,
        token: [u8; 32],
        new: NewUser,
        ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError>;

    // Groups and permissions

    /// Up to `limit` groups whose name begins with `prefix`, after the name `after`, by name.
    async fn groups(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<GroupRow>, StoreError>;

    /// The group with its permissions, and the fingerprint of what its form shows.
    async fn group_record(&self, id: i64) -> Result<Option<GroupRecord>, StoreError>;

    /// Makes a group (`id` is `None`) or changes one, unless it is no longer what `seen` stands
    /// for; its id.
    async fn save_group(
        &self,
        id: Option<i64>,
        name: &str,
        permissions: &[i64],
        seen: Option<Fingerprint>,
        by: &Actor,
    ) -> Result<i64, AdminError>;

    /// Deletes a group. Its members lose what it gave.
    async fn delete_group(&self, id: i64, by: &Actor) -> Result<(), AdminError>;

    /// Every permission, by app and codename; the first 10,000.
    async fn permissions(&self) -> Result<Vec<PermissionRow>, StoreError>;

    /// Makes a permission or changes its text; its id.
    ///
    /// # Errors
    /// [`AdminError::NameTaken`] when there is another `app.codename` like it.
    async fn save_permission(
        &self,
        id: Option<i64>,
        permission: &PermissionText,
        by: &Actor,
    ) -> Result<i64, AdminError>;

    /// Deletes a permission, from users and groups too.
    async fn delete_permission(&self, id: i64, by: &Actor) -> Result<(), AdminError>;

    // Sessions of users

    /// A page of sessions, the last begun first.
    async fn find_sessions(&self, asked: &SessionSearch) -> Result<Page<Session>, StoreError>;

    /// How many sessions have not ended by `now` and were begun or refreshed after `used_since`.
    /// Reads every session: for now and then.
    async fn count_live_sessions(
        &self,
        used_since: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError>;

    /// The last refreshes of a session, the newest first; at most [`STEPS_KEPT`].
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
    /// restored backup, or for a break-in. Those of the admin site go on. The line that tells of it
    /// is written with the first of them: a large database takes them some at a time.
    async fn end_sessions_begun_by(&self, began: Timestamp, by: &Actor) -> Result<u64, AdminError>;

    // Signing keys

    /// Adds a key. The ones before it retire at `retire_others`, as with
    /// [`add_key`](Store::add_key). See [`rotate_by`](crate::key_rotation::rotate_by).
    async fn rotate_keys(
        &self,
        key: SealedKey,
        retire_others: Timestamp,
        by: &Actor,
    ) -> Result<(), AdminError>;

    /// Ends a key at once. Which one may go is the caller's business.
    ///
    /// # Errors
    /// [`AdminError::Gone`].
    async fn end_key(&self, id: KeyId, by: &Actor) -> Result<(), AdminError>;

    // The admin site's own sessions

    /// Begins an admin session, while the user is active and staff and `checked` is the user's
    /// encoded password: `false`, and nothing is done, where that changed since it was checked. Its
    /// token is known by its hash only.
    async fn begin_admin_session(
        &self,
        new: &AdminSession,
        checked: &EncodedPassword,
    ) -> Result<bool, StoreError>;

    /// The admin session of this hash, if it is there; its limits are the caller's business.
    async fn admin_session(&self, token_hash: [u8; 32])
    -> Result<Option<AdminSession>, StoreError>;

    /// Notes that the session was used, or its password entered again. `false` where it has ended
    /// meanwhile.
    async fn touch_admin_session(
        &self,
        token_hash: [u8; 32],
        used_at: Timestamp,
        password_at: Option<Timestamp>,
    ) -> Result<bool, StoreError>;

    /// Ends an admin session. They also end, by themselves, when the user becomes inactive or no
    /// longer staff, gets a new password, is deleted, logs out everywhere, or when an operator ends
    /// all of the user's sessions.
    async fn end_admin_session(&self, token_hash: [u8; 32]) -> Result<(), StoreError>;

    // The audit log

    /// Writes lines as one transaction.
    async fn note(&self, lines: &[AuditLine]) -> Result<(), StoreError>;

    /// A page of the log, the newest first.
    async fn audit(&self, asked: &AuditSearch) -> Result<Page<AuditRow>, StoreError>;

    /// Forgets lines before `before`; at most `limit`. How many went.
    async fn forget_audit(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;

    // The dashboard

    /// Adds to the counts of an hour.
    async fn count(&self, hour: Timestamp, counts: &[(Counted, u64)]) -> Result<(), StoreError>;

    /// The counts of each hour since `since`, in order; hours without any are left out.
    async fn counts(&self, since: Timestamp) -> Result<Vec<(Timestamp, Counted, u64)>, StoreError>;

    /// How large things are. Cheap: estimates where counting would take long.
    async fn sizes(&self) -> Result<Sizes, StoreError>;
}

/// Who does it, from where: for the audit log.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, AdminStore, UserAct};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let by = Actor::staff(ada.id, Some([192, 0, 2, 7].into()), now);
/// assert_eq!(store.act_on_users(&[ada.id], UserAct::Deactivate, &by).await.unwrap(), 1);
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Actor {
    /// The operator.
    pub who: Who,
    /// Where the request came from; `None` where none came.
    pub ip: Option<IpAddr>,
    /// When.
    pub now: Timestamp,
    /// Asked inside the transaction that does it, of the rows as they are then. `None` lets
    /// everything be done.
    pub may: Option<Rule>,
}

/// Whether an operator may make of a user, as they are `before`, the one that is there `after`.
/// Where nothing of the row itself changes, both are the same.
///
/// Of a user who is added, both are the new row. Of an act on no user, as on a group, both are the
/// operator's own; when a group gets permissions, `after` has them too.
///
/// ```
/// use countersign::store::admin::Rule;
///
/// let only_superusers: Rule = |operator, _before, _after| operator.is_superuser;
/// ```
pub type Rule = fn(operator: &User, before: &User, after: &User) -> bool;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl Actor {
    /// Refuses what the rule does not let this operator do; `operator` is the operator's row as it
    /// is now.
    pub(crate) fn is_let<'a>(
        &self,
        operator: Option<&User>,
        mut changes: impl Iterator<Item = (&'a User, &'a User)>,
    ) -> Result<(), AdminError> {
        let Some(may) = self.may else { return Ok(()) };
        let operator = operator.ok_or(AdminError::NotAllowed)?;
        if changes.all(|(before, after)| may(operator, before, after)) {
            Ok(())
        } else {
            Err(AdminError::NotAllowed)
        }
    }

    /// Refuses an act on no user, which gives away these permissions.
    pub(crate) fn is_let_give(
        &self,
        operator: Option<&User>,
        given: &[String],
    ) -> Result<(), AdminError> {
        let with_given = operator.cloned().map(|mut operator| {
            operator.permissions.extend_from_slice(given);
            operator
        });
        self.is_let(operator, operator.into_iter().zip(&with_given))
    }
}

impl Actor {
    /// A user with the right to it, whose request came from `ip`.
    ///
    /// ```
    /// use countersign::store::admin::{Actor, Who};
    /// use countersign::user::UserId;
    ///
    /// let by =
    ///     Actor::staff(UserId::new(7), Some([192, 0, 2, 7].into()), jiff::Timestamp::UNIX_EPOCH);
    /// assert_eq!(by.who, Who::User(UserId::new(7)));
    /// ```
    pub fn staff(user: UserId, ip: Option<IpAddr>, now: Timestamp) -> Self {
        Self { who: Who::User(user), ip, now, may: None }
    }

    /// Whoever ran a command on the server's machine, by the name of the operating system's user.
    ///
    /// ```
    /// use countersign::store::admin::Actor;
    ///
    /// let by = Actor::shell("ada", jiff::Timestamp::UNIX_EPOCH);
    /// assert_eq!(by.who.to_string(), "shell:ada");
    /// ```
    pub fn shell(os_user: &str, now: Timestamp) -> Self {
        Self { who: Who::shell(os_user), ip: None, now, may: None }
    }
}

/// Which users, in which order, from where on.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{AdminStore, UserOrder, UserSearch};
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
    pub from: Option<Place>,
    /// How many, at most.
    pub limit: u32,
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
/// use countersign::store::admin::AdminStore;
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
    /// What [`AdminStore::edit_user`] wants back.
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

/// Groups and permissions by their ids.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, AdminStore, Grants};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// # use countersign::password::EncodedPassword;
/// # use countersign::user::{NewUser, Username};
/// let by = Actor::staff(ada.id, None, now);
/// let editors = store.save_group(None, "editors", &[], None, &by).await.unwrap();
/// let bob = NewUser::new(Username::parse("bob").unwrap(), None, EncodedPassword::unusable());
/// let bob = store
///     .add_user(bob, &Grants { groups: vec![editors], permissions: vec![] }, &by)
///     .await
///     .unwrap();
/// assert_eq!(bob.groups, ["editors"]);
/// # });
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Groups, sorted.
    pub groups: Vec<i64>,
    /// Permissions given to the user alone, sorted.
    pub permissions: Vec<i64>,
}

/// What everything that a form shows comes to: equal while nobody changed it. The last login does
/// not count.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, AdminError, AdminStore, Fingerprint, UserEdit};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// # let user = ada.clone();
/// # let edit = UserEdit { username: None, email: None, first_name: "Ada".to_owned(), last_name: user.last_name, is_active: true, is_staff: false, is_superuser: false, grants: None, metadata: user.metadata };
/// let by = Actor::staff(ada.id, None, now);
/// let seen = store.user_record(ada.id).await.unwrap().unwrap().fingerprint;
/// store.edit_user(ada.id, &edit, seen, &by).await.unwrap();
/// // Whoever still has the old form overwrites nothing.
/// assert!(matches!(store.edit_user(ada.id, &edit, seen, &by).await, Err(AdminError::Stale)));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

/// A user as edited: all fields of the form.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, AdminStore, UserEdit};
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

/// One thing done to many users.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, AdminStore, UserAct};
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
/// use countersign::store::admin::{AdminStore, WhatGoes};
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

/// A group in a list.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, AdminStore};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let by = Actor::staff(ada.id, None, now);
/// store.save_group(None, "editors", &[], None, &by).await.unwrap();
/// let groups = store.groups("ed", None, 10).await.unwrap();
/// assert_eq!((groups[0].name.as_str(), groups[0].permissions), ("editors", 0));
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// Its id.
    pub id: i64,
    /// Its name, up to 150 characters.
    pub name: String,
    /// How many permissions it gives.
    pub permissions: u64,
    /// How many members it has, counted up to 1,000.
    pub members: Count,
}

/// A group as its form shows it.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, AdminStore};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let by = Actor::staff(ada.id, None, now);
/// let id = store.save_group(None, "editors", &[], None, &by).await.unwrap();
/// let group = store.group_record(id).await.unwrap().unwrap();
/// store.save_group(Some(id), "authors", &[], Some(group.fingerprint), &by).await.unwrap();
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct GroupRecord {
    /// Its id.
    pub id: i64,
    /// Its name, up to 150 characters.
    pub name: String,
    /// Its permissions, sorted.
    pub permissions: Vec<i64>,
    /// What [`AdminStore::save_group`] wants back.
    pub fingerprint: Fingerprint,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl GroupRecord {
    pub(crate) fn new(id: i64, name: String, permissions: Vec<i64>) -> Self {
        Self { id, fingerprint: fingerprint::of_group(&name, &permissions), name, permissions }
    }
}

/// A permission.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, AdminStore, PermissionText};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let text = PermissionText {
///     app: "blog".to_owned(),
///     codename: "publish".to_owned(),
///     name: "Can publish".to_owned(),
/// };
/// let id = store.save_permission(None, &text, &Actor::staff(ada.id, None, now)).await.unwrap();
/// assert_eq!(store.permissions().await.unwrap()[0].id, id);
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionRow {
    /// Its id.
    pub id: i64,
    /// What it says.
    pub text: PermissionText,
}

/// What a permission says: `app.codename`, and its name for people.
///
/// ```
/// use countersign::store::admin::PermissionText;
///
/// let text = PermissionText {
///     app: "blog".to_owned(),
///     codename: "publish".to_owned(),
///     name: "Can publish".to_owned(),
/// };
/// assert_eq!(format!("{}.{}", text.app, text.codename), "blog.publish");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermissionText {
    /// The app, up to 100 characters.
    pub app: String,
    /// The codename, up to 100 characters.
    pub codename: String,
    /// For people, up to 255 characters.
    pub name: String,
}

/// Which sessions, from where on.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{AdminStore, SessionSearch};
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
    pub from: Option<Place>,
    /// How many, at most.
    pub limit: u32,
}

/// A session of the admin site itself.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// # use countersign::password::EncodedPassword;
/// # use countersign::store::Store;
/// # use countersign::user::{NewUser, Username};
/// use countersign::store::admin::{AdminSession, AdminStore};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// # let robin = NewUser { is_staff: true, ..NewUser::new(Username::parse("robin").unwrap(), None, EncodedPassword::unusable()) };
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
/// let checked = store.password_of(robin.id).await.unwrap().unwrap();
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
    /// When the password was last entered.
    pub password_at: Timestamp,
    /// Where from.
    pub ip: Option<IpAddr>,
    /// What the browser called itself, at most 255 characters.
    pub user_agent: String,
}

/// Why a change was not made.
///
/// ```
/// use countersign::store::admin::AdminError;
///
/// assert_eq!(AdminError::LastSuperuser.to_string(), "there must be an active superuser left");
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// It was changed meanwhile, and is not overwritten.
    #[error("it was changed meanwhile")]
    Stale,
    /// It is not there any more.
    #[error("it is not there any more")]
    Gone,
    /// The operator may not do this, as things are in the transaction.
    #[error("the operator may not do this")]
    NotAllowed,
    /// Nobody would be left who can do everything.
    #[error("there must be an active superuser left")]
    LastSuperuser,
    /// Another group or permission has this name.
    #[error("another has this name")]
    NameTaken,
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

//! Groups and permissions.

use async_trait::async_trait;

use super::{Actor, AdminError, Count, Fingerprint, fingerprint};
use crate::store::StoreError;

/// What is asked of a store about groups and permissions for the admin site.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, GroupAdmin};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let by = Actor::staff(ada.id, None, now);
/// let id = store.save_group(None, "editors", &[], None, &by).await.unwrap();
/// store.delete_group(id, &by).await.unwrap();
/// assert!(store.group_record(id).await.unwrap().is_none());
/// # });
/// ```
#[async_trait]
pub trait GroupAdmin: Send + Sync {
    /// Up to `limit` groups whose name begins with `prefix`, after the name `after`, by name.
    async fn groups(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<GroupRow>, StoreError>;

    /// Which of these names groups have, each once: the ids and the names, in no order.
    async fn groups_called(&self, names: &[String]) -> Result<Vec<(i64, String)>, StoreError>;

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

    /// Makes a permission (`id` is `None`) or changes its text, unless that is no longer what
    /// `seen` stands for; its id.
    ///
    /// # Errors
    /// [`AdminError::NameTaken`] when there is another `app.codename` like it, and
    /// [`AdminError::Stale`].
    async fn save_permission(
        &self,
        id: Option<i64>,
        permission: &PermissionText,
        seen: Option<Fingerprint>,
        by: &Actor,
    ) -> Result<i64, AdminError>;

    /// Deletes a permission, from users and groups too.
    async fn delete_permission(&self, id: i64, by: &Actor) -> Result<(), AdminError>;
}

/// A group in a list.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, GroupAdmin};
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
/// use countersign::store::admin::{Actor, GroupAdmin};
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
    /// What [`GroupAdmin::save_group`] wants back.
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
/// use countersign::store::admin::{Actor, GroupAdmin, PermissionText};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// let text = PermissionText {
///     app: "blog".to_owned(),
///     codename: "publish".to_owned(),
///     name: "Can publish".to_owned(),
/// };
/// let by = Actor::staff(ada.id, None, now);
/// let id = store.save_permission(None, &text, None, &by).await.unwrap();
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

impl PermissionText {
    /// What [`GroupAdmin::save_permission`] wants back.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::store::admin::{Actor, AdminError, GroupAdmin, PermissionText};
    ///
    /// # world::block_on(async {
    /// # let (store, _, _directory) = world::place();
    /// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
    /// let by = Actor::staff(ada.id, None, now);
    /// let before = PermissionText {
    ///     app: "blog".to_owned(),
    ///     codename: "publish".to_owned(),
    ///     name: "Can publish".to_owned(),
    /// };
    /// let id = store.save_permission(None, &before, None, &by).await.unwrap();
    /// let (seen, after) = (
    ///     Some(before.fingerprint()),
    ///     PermissionText { name: "May publish".to_owned(), ..before },
    /// );
    /// store.save_permission(Some(id), &after, seen, &by).await.unwrap();
    /// // Whoever still has the old form overwrites nothing.
    /// let stale = store.save_permission(Some(id), &after, seen, &by).await;
    /// assert!(matches!(stale, Err(AdminError::Stale)));
    /// # });
    /// ```
    pub fn fingerprint(&self) -> Fingerprint {
        fingerprint::of_permission(&self.app, &self.codename, &self.name)
    }
}

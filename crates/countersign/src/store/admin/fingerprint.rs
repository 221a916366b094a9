//! What forms show, as sixteen bytes.

use aws_lc_rs::digest::{Context, SHA256};

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use super::Grants;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::user::User;

/// What everything that a form shows comes to: equal while nobody changed it. The last login does
/// not count.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{Actor, AdminError, Fingerprint, UserAdmin, UserEdit};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let (ada, now) = (world::ada_in(&store).await, world::midnight());
/// # let user = ada.clone();
/// # let edit = UserEdit {
/// #     username: None,
/// #     email: None,
/// #     first_name: "Ada".to_owned(),
/// #     last_name: user.last_name,
/// #     is_active: true,
/// #     is_staff: false,
/// #     is_superuser: false,
/// #     grants: None,
/// #     metadata: user.metadata,
/// # };
/// let by = Actor::staff(ada.id, None, now);
/// let seen = store.user_record(ada.id).await.unwrap().unwrap().fingerprint;
/// store.edit_user(ada.id, &edit, seen, &by).await.unwrap();
/// // Whoever still has the old form overwrites nothing.
/// assert!(matches!(store.edit_user(ada.id, &edit, seen, &by).await, Err(AdminError::Stale)));
/// # });
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 16]);

/// Of a user's form.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn of_user(user: &User, grants: &Grants) -> Fingerprint {
    let metadata = serde_json::Value::Object(user.metadata.clone()).to_string();
    let flags =
        [user.is_active, user.is_staff, user.is_superuser].map(|flag| if flag { "1" } else { "0" });
    let (groups, permissions) = (written(&grants.groups), written(&grants.permissions));
    of(&[
        &user.username,
        &user.email,
        &user.first_name,
        &user.last_name,
        flags[0],
        flags[1],
        flags[2],
        &user.date_joined.to_string(),
        &groups,
        &permissions,
        &metadata,
    ])
}

/// Of a group's form.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn of_group(name: &str, permissions: &[i64]) -> Fingerprint {
    of(&[name, &written(permissions)])
}

/// Of a permission's form.
pub(super) fn of_permission(app: &str, codename: &str, name: &str) -> Fingerprint {
    of(&[app, codename, name])
}

/// Each part with its length before it, so that no two lists of parts are one text.
fn of(parts: &[&str]) -> Fingerprint {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&context.finish().as_ref()[..16]);
    Fingerprint(bytes)
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
fn written(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

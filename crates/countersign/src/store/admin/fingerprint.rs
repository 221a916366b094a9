//! What forms show, as sixteen bytes.

use aws_lc_rs::digest::{Context, SHA256};

use super::{Fingerprint, Grants};
use crate::user::User;

/// Of a user's form.
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
pub(crate) fn of_group(name: &str, permissions: &[i64]) -> Fingerprint {
    of(&[name, &written(permissions)])
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

fn written(ids: &[i64]) -> String {
    ids.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}

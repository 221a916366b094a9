//! A user's row in PostgreSQL.

use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::Json;

use super::columns::{from_micros, from_timestamptz, get, unknown};
use crate::password::EncodedPassword;
use crate::store::failure::Failure;
use crate::user::{User, UserByLogin, UserId};

pub(super) fn select(rest: &str) -> String {
    format!("SELECT {COLUMNS} FROM users {rest}")
}

pub(super) fn user(row: &Row) -> Result<User, Failure> {
    let Json(metadata): Json<Value> = get(row, "metadata")?;
    Ok(User {
        id: UserId::new(get(row, "id")?),
        username: get(row, "username")?,
        email: get(row, "email")?,
        email_verified: get(row, "email_verified")?,
        first_name: get(row, "first_name")?,
        last_name: get(row, "last_name")?,
        is_active: get(row, "is_active")?,
        is_staff: get(row, "is_staff")?,
        is_superuser: get(row, "is_superuser")?,
        date_joined: from_timestamptz(get(row, "date_joined")?),
        last_login: get::<Option<_>>(row, "last_login")?.map(from_timestamptz),
        groups: names(row, "group_names")?,
        permissions: names(row, "permission_names")?,
        locale: get(row, "locale")?,
        metadata: match metadata {
            Value::Object(metadata) => metadata,
            Value::Null => Map::new(),
            other => return Err(unknown(&other.to_string()).into()),
        },
    })
}

/// The row with the password.
pub(super) fn found_user(row: &Row) -> Result<UserByLogin, Failure> {
    Ok(UserByLogin {
        user: user(row)?,
        password: EncodedPassword::from_stored(get(row, "password")?),
        deletion_at: get::<Option<i64>>(row, "deletion_at")?.map(from_micros),
    })
}

fn names(row: &Row, column: &str) -> Result<Vec<String>, Failure> {
    let mut names: Vec<String> = get(row, column)?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

const COLUMNS: &str =
    "id, username, email, first_name, last_name, password, is_active, is_staff, is_superuser,
         date_joined, last_login, metadata, email_verified, locale, deletion_at,
    ARRAY(SELECT g.name FROM user_groups ug JOIN groups g ON g.id = ug.group_id
        WHERE ug.user_id = users.id) AS group_names,
    ARRAY(SELECT p.app || '.' || p.codename FROM permissions p WHERE p.id IN (
        SELECT permission_id FROM user_permissions WHERE user_id = users.id
        UNION SELECT gp.permission_id FROM user_groups ug
            JOIN group_permissions gp ON gp.group_id = ug.group_id WHERE ug.user_id = users.id
    )) AS permission_names";

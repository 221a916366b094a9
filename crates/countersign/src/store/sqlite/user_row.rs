//! A user's row in SQLite.

use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Map;

use super::columns::{from_django_date, from_micros, unreadable, user_id};
use crate::password::EncodedPassword;
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::user::{User, UserByLogin, UserId};

pub(super) fn select(rest: &str) -> String {
    format!("SELECT {COLUMNS} FROM users {rest}")
}

pub(super) fn by_id(connection: &Connection, id: UserId) -> Result<Option<User>, Failure> {
    let mut statement = connection.prepare_cached(&select("WHERE id = ?"))?;
    Ok(statement.query_row([id.as_i64()], user).optional()?)
}

/// The row and the password in one look: neither is older than the other.
pub(super) fn with_password(
    connection: &Connection,
    id: UserId,
) -> Result<Option<UserByLogin>, Failure> {
    let mut statement = connection.prepare_cached(&select("WHERE id = ?"))?;
    Ok(statement.query_row([id.as_i64()], found_user).optional()?)
}

pub(super) fn found_user(row: &Row<'_>) -> rusqlite::Result<UserByLogin> {
    let deletion_at: Option<i64> = row.get("deletion_at")?;
    Ok(UserByLogin {
        user: user(row)?,
        password: EncodedPassword::from_stored(row.get("password")?),
        deletion_at: deletion_at.map(from_micros),
    })
}

pub(super) fn password_of(
    connection: &Connection,
    id: UserId,
) -> Result<Option<EncodedPassword>, Failure> {
    let mut statement = connection.prepare_cached(statements::PASSWORD_OF)?;
    Ok(statement
        .query_row([id.as_i64()], |row| row.get(0).map(EncodedPassword::from_stored))
        .optional()?)
}

pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let date = |text: String| from_django_date(&text);
    Ok(User {
        id: user_id(row, "id")?,
        username: row.get("username")?,
        email: row.get("email")?,
        email_verified: row.get("email_verified")?,
        first_name: row.get("first_name")?,
        last_name: row.get("last_name")?,
        is_active: row.get("is_active")?,
        is_staff: row.get("is_staff")?,
        is_superuser: row.get("is_superuser")?,
        date_joined: date(row.get("date_joined")?)?,
        last_login: row.get::<_, Option<String>>("last_login")?.map(date).transpose()?,
        groups: names(row, "group_names")?,
        permissions: names(row, "permission_names")?,
        locale: row.get("locale")?,
        metadata: serde_json::from_str::<Map<String, serde_json::Value>>(
            row.get_ref("metadata")?.as_str().map_err(unreadable)?,
        )
        .map_err(unreadable)?,
    })
}

fn names(row: &Row<'_>, column: &str) -> rusqlite::Result<Vec<String>> {
    let mut names: Vec<String> =
        serde_json::from_str(row.get_ref(column)?.as_str().map_err(unreadable)?)
            .map_err(unreadable)?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

const COLUMNS: &str =
    "id, username, email, first_name, last_name, password, is_active, is_staff, is_superuser,
         date_joined, last_login, metadata, email_verified, locale, deletion_at,
    (SELECT json_group_array(g.name) FROM user_groups ug JOIN groups g ON g.id = ug.group_id
        WHERE ug.user_id = users.id) AS group_names,
    (SELECT json_group_array(p.app || '.' || p.codename) FROM permissions p WHERE p.id IN (
        SELECT permission_id FROM user_permissions WHERE user_id = users.id
        UNION SELECT gp.permission_id FROM user_groups ug
            JOIN group_permissions gp ON gp.group_id = ug.group_id WHERE ug.user_id = users.id
    )) AS permission_names";

//! Users in SQLite. Their ids are integers: an id that is a text is `NULL` here, which no row
//! equals.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde_json::Map;

use super::columns::{django_date, from_django_date, unreadable, user_id};
use super::sessions;
use crate::password::{EncodedPassword, live_kind};
use crate::session::{RevokedReason, SessionId};
use crate::store::addresses::{folding, only_owner};
use crate::store::{KIND_ROWS, PasswordChange, StoreError};
use crate::user::{LoginRow, NewUser, ProfileChange, User, UserId, fold, fold_address, names_like};

pub(super) fn by_id(connection: &Connection, id: UserId) -> Result<Option<User>, StoreError> {
    let mut statement = connection.prepare_cached(&select("WHERE id = ?"))?;
    Ok(statement.query_row([id.as_i64()], user).optional()?)
}

/// The row that a login names. What names nobody asks the same questions, and reads a row too: the
/// time of an answer must not tell who exists, least of all where no hashing hides it.
pub(super) fn by_login(
    connection: &Connection,
    login: &str,
) -> Result<Option<LoginRow>, StoreError> {
    let unique = |sql: &str, value: &str| -> Result<Option<i64>, StoreError> {
        // Two are enough to know that the name is shared.
        let found = connection
            .prepare_cached(sql)?
            .query_map([value], |row| row.get(0))?
            .collect::<Result<Vec<i64>, _>>()?;
        Ok(if let [only] = found.as_slice() { Some(*only) } else { None })
    };
    let exact = unique("SELECT id FROM users WHERE username = ? LIMIT 2", login)?;
    let folded = unique("SELECT id FROM users WHERE username_folded = ? LIMIT 2", &fold(login))?;
    let owner = only_owner(&owners_of_address(connection, login)?);
    let id = exact.or(folded).or(owner);
    let found = connection.prepare_cached(&select(SOMEBODY))?.query_row([id], login_row).optional();
    if id.is_some() { Ok(found?) } else { Ok(None) }
}

/// The users who have an address that folds to the same, and whether each is active; twenty at
/// most. Addresses of ASCII letters alone are compared as they are, which is their folding but for
/// the case; others have it in a column of its own, and are compared again, since a foreign writer
/// may have changed the address alone.
fn owners_of_address(
    connection: &Connection,
    address: &str,
) -> Result<Vec<(i64, bool)>, StoreError> {
    if !address.contains('@') {
        return Ok(Vec::new());
    }
    let folded = fold_address(address);
    let mut statement = connection.prepare_cached(
        "SELECT id, is_active, email FROM users WHERE id IN (
             SELECT id FROM users WHERE email = ?1 COLLATE NOCASE AND email <> ''
             UNION SELECT id FROM users WHERE email = ?2 COLLATE NOCASE AND email <> ''
             UNION SELECT id FROM users WHERE email_folded = ?1
         ) LIMIT 20",
    )?;
    let rows = statement.query_map(params![folded, address], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
    })?;
    let mut owners = Vec::new();
    for row in rows {
        let (id, is_active, email) = row?;
        if fold_address(&email) == folded {
            owners.push((id, is_active));
        }
    }
    Ok(owners)
}

/// Keeps the foldings of addresses with letters beyond ASCII: after a migration, and after foreign
/// writers.
pub(super) fn fold_addresses(connection: &Connection) -> Result<(), StoreError> {
    let mut statement = connection.prepare(
        "SELECT id, email, email_folded FROM users WHERE length(CAST(email AS \
            BLOB)) <> length(email)",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    let outdated: Vec<_> = rows
        .filter(|row| row.as_ref().is_ok_and(|(_, email, kept)| folding(email) != *kept))
        .collect::<Result<_, _>>()?;
    for (id, email, _) in outdated {
        connection.execute(
            "UPDATE users SET email_folded = ? WHERE id = ?",
            params![folding(&email), id],
        )?;
    }
    Ok(())
}

pub(super) fn password_of(
    connection: &Connection,
    id: UserId,
) -> Result<Option<EncodedPassword>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT password FROM users WHERE id = ?")?;
    Ok(statement
        .query_row([id.as_i64()], |row| row.get(0).map(EncodedPassword::from_stored))
        .optional()?)
}

pub(super) fn create(
    connection: &Connection,
    new: &NewUser,
    now: Timestamp,
) -> Result<User, StoreError> {
    refuse_taken(connection, None, new.username.as_str(), &new.username.folded())?;
    refuse_taken_address(connection, None, new.email.as_ref().map_or("", |email| email.as_str()))?;
    connection
        .prepare_cached(
            "INSERT INTO users (username, username_folded, email, first_name, last_name, password, is_active, is_staff, is_superuser, date_joined, metadata, email_folded)
             VALUES (:username, :folded, :email, :first_name, :last_name, :password, :is_active, :is_staff, :is_superuser, :date_joined, :metadata, :email_folded)",
        )?
        .execute(named_params! {
            ":username": new.username.as_str(),
            ":folded": new.username.folded(),
            ":email": new.email.as_ref().map_or("", |email| email.as_str()),
            ":first_name": new.first_name,
            ":last_name": new.last_name,
            ":password": new.password.as_str(),
            ":is_active": new.is_active,
            ":is_staff": new.is_staff,
            ":is_superuser": new.is_superuser,
            ":date_joined": django_date(now),
            ":metadata": serde_json::Value::Object(new.metadata.clone()).to_string(),
            ":email_folded": new.email.as_ref().and_then(|email| folding(email.as_str())),
        })?;
    let id = UserId::new(connection.last_insert_rowid());
    by_id(connection, id)?.ok_or_else(|| StoreError::Failed("a new user is not there".to_owned()))
}

pub(super) fn update_profile(
    connection: &Connection,
    id: UserId,
    change: &ProfileChange,
) -> Result<Option<User>, StoreError> {
    let Some(before) = by_id(connection, id)? else { return Ok(None) };
    if let Some(username) = &change.username
        && username.as_str() != before.username
    {
        refuse_taken(connection, Some(id), username.as_str(), &username.folded())?;
        connection
            .prepare_cached("UPDATE users SET username = ?, username_folded = ? WHERE id = ?")?
            .execute(params![username.as_str(), username.folded(), id.as_i64()])?;
    }
    if let Some(email) = &change.email {
        let email = email.as_ref().map_or("", |email| email.as_str());
        if fold_address(email) != fold_address(&before.email) {
            refuse_taken_address(connection, Some(id), email)?;
        }
        connection
            .prepare_cached("UPDATE users SET email = ?, email_folded = ? WHERE id = ?")?
            .execute(params![email, folding(email), id.as_i64()])?;
    }
    for (column, value) in [("first_name", &change.first_name), ("last_name", &change.last_name)] {
        if let Some(value) = value {
            connection
                .prepare_cached(&format!("UPDATE users SET {column} = ? WHERE id = ?"))?
                .execute(params![value, id.as_i64()])?;
        }
    }
    by_id(connection, id)
}

pub(super) fn change_password(
    connection: &Connection,
    id: UserId,
    (old, new): (&EncodedPassword, &EncodedPassword),
    session: SessionId,
    now: Timestamp,
) -> Result<PasswordChange, StoreError> {
    if !sessions::is_live(connection, session, id, now)? {
        return Ok(PasswordChange::SessionEnded);
    }
    if !upgrade_password(connection, id, old, new)? {
        return Ok(PasswordChange::Stale);
    }
    sessions::revoke_of_user(connection, id, Some(session), RevokedReason::PasswordChanged, now)?;
    Ok(PasswordChange::Done)
}

pub(super) fn reset_password(
    connection: &Connection,
    id: UserId,
    new: &EncodedPassword,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let found = connection
        .prepare_cached("UPDATE users SET password = ? WHERE id = ?")?
        .execute(params![new.as_str(), id.as_i64()])?;
    sessions::revoke_of_user(connection, id, None, RevokedReason::PasswordChanged, now)?;
    Ok(found == 1)
}

pub(super) fn upgrade_password(
    connection: &Connection,
    id: UserId,
    old: &EncodedPassword,
    new: &EncodedPassword,
) -> Result<bool, StoreError> {
    let mut statement =
        connection.prepare_cached("UPDATE users SET password = ? WHERE id = ? AND password = ?")?;
    Ok(statement.execute(params![new.as_str(), id.as_i64(), old.as_str()])? == 1)
}

/// A step along the index for each kind, however many users share it.
pub(super) fn password_kinds(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE kinds (kind) AS (
             SELECT min(password_kind) FROM users WHERE is_active
             UNION ALL
             SELECT (SELECT min(password_kind) FROM users WHERE is_active AND password_kind > kind) FROM kinds WHERE kind IS NOT NULL
         )
         SELECT kind FROM kinds WHERE kind IS NOT NULL LIMIT 1000",
    )?;
    let kinds = statement.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT password FROM users WHERE is_active AND password_kind = ? LIMIT {KIND_ROWS}"
    ))?;
    let mut live = Vec::new();
    for kind in kinds {
        let rows = statement
            .query_map([kind], |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        live.extend(rows.iter().filter_map(|encoded| live_kind(encoded)));
    }
    live.sort_unstable();
    live.dedup();
    Ok(live)
}

pub(super) fn permission_names(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT app || '.' || codename FROM permissions ORDER BY 1 LIMIT 10000")?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

pub(super) fn set_active(
    connection: &Connection,
    id: UserId,
    active: bool,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let found = connection
        .prepare_cached("UPDATE users SET is_active = ? WHERE id = ?")?
        .execute(params![active, id.as_i64()])?;
    if !active {
        sessions::revoke_of_user(connection, id, None, RevokedReason::UserInactive, now)?;
    }
    Ok(found == 1)
}

pub(super) fn delete(
    connection: &Connection,
    id: UserId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    sessions::revoke_of_user(connection, id, None, RevokedReason::UserInactive, now)?;
    Ok(connection.prepare_cached("DELETE FROM users WHERE id = ?")?.execute([id.as_i64()])? == 1)
}

pub(super) fn list(
    connection: &Connection,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<User>, StoreError> {
    let mut statement = connection.prepare_cached(&select("WHERE id > ? ORDER BY id LIMIT ?"))?;
    let rows = statement
        .query_map(params![after.and_then(UserId::as_i64).unwrap_or(i64::MIN), limit], user)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A name is taken when another user has it after case folding, or as e-mail address: either would
/// make it ambiguous who signs in.
fn refuse_taken(
    connection: &Connection,
    own: Option<UserId>,
    name: &str,
    folded: &str,
) -> Result<(), StoreError> {
    let taken: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM users WHERE username = :name AND id IS NOT :own)
                 OR EXISTS (SELECT 1 FROM users WHERE username_folded = :folded AND id IS NOT :own)",
        )?
        .query_row(named_params! {":name": name, ":folded": folded, ":own": own.and_then(UserId::as_i64)}, |row| row.get(0))?;
    let is_address = owners_of_address(connection, name)?
        .iter()
        .any(|(id, _)| own.and_then(UserId::as_i64) != Some(*id));
    if taken || is_address { Err(StoreError::UsernameTaken) } else { Ok(()) }
}

/// The same rule from the other side: an address is taken when it is another user's name, or when
/// another active user has it.
fn refuse_taken_address(
    connection: &Connection,
    own: Option<UserId>,
    address: &str,
) -> Result<(), StoreError> {
    if address.is_empty() {
        return Ok(());
    }
    let own = own.and_then(UserId::as_i64);
    let [folded, written] = names_like(address);
    let is_name: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM users WHERE username = ?1 AND id IS NOT ?4)
                 OR EXISTS (SELECT 1 FROM users WHERE username_folded IN (?2, ?3) AND id IS NOT ?4)",
        )?
        .query_row(params![address, folded, written, own], |row| row.get(0))?;
    let is_taken = owners_of_address(connection, address)?
        .iter()
        .any(|(id, is_active)| *is_active && own != Some(*id));
    if is_name || is_taken { Err(StoreError::EmailTaken) } else { Ok(()) }
}

fn select(rest: &str) -> String {
    format!("SELECT {COLUMNS} FROM users {rest}")
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let date = |text: String| from_django_date(&text);
    Ok(User {
        id: user_id(row, "id")?,
        username: row.get("username")?,
        email: row.get("email")?,
        first_name: row.get("first_name")?,
        last_name: row.get("last_name")?,
        is_active: row.get("is_active")?,
        is_staff: row.get("is_staff")?,
        is_superuser: row.get("is_superuser")?,
        date_joined: date(row.get("date_joined")?)?,
        last_login: row.get::<_, Option<String>>("last_login")?.map(date).transpose()?,
        groups: names(row, "group_names")?,
        permissions: names(row, "permission_names")?,
        metadata: serde_json::from_str::<Map<String, serde_json::Value>>(
            row.get_ref("metadata")?.as_str().map_err(unreadable)?,
        )
        .map_err(unreadable)?,
    })
}

fn login_row(row: &Row<'_>) -> rusqlite::Result<LoginRow> {
    Ok(LoginRow { user: user(row)?, password: EncodedPassword::from_stored(row.get("password")?) })
}

fn names(row: &Row<'_>, column: &str) -> rusqlite::Result<Vec<String>> {
    let mut names: Vec<String> =
        serde_json::from_str(row.get_ref(column)?.as_str().map_err(unreadable)?)
            .map_err(unreadable)?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// The user with this id; without one, the first.
const SOMEBODY: &str = "WHERE id = coalesce(?, (SELECT id FROM users ORDER BY id LIMIT 1))";

const COLUMNS: &str =
    "id, username, email, first_name, last_name, password, is_active, is_staff, is_superuser, date_joined, last_login, metadata,
    (SELECT json_group_array(g.name) FROM user_groups ug JOIN groups g ON g.id = ug.group_id WHERE ug.user_id = users.id) AS group_names,
    (SELECT json_group_array(p.app || '.' || p.codename) FROM permissions p WHERE p.id IN (
        SELECT permission_id FROM user_permissions WHERE user_id = users.id
        UNION SELECT gp.permission_id FROM user_groups ug JOIN group_permissions gp ON gp.group_id = ug.group_id WHERE ug.user_id = users.id
    )) AS permission_names";

//! Users in PostgreSQL. Their ids are integers: an id that is a text is `NULL` here, which no row equals.

use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, ToSql};

use super::columns::{from_timestamptz, get, micros, timestamptz, unknown};
use crate::password::EncodedPassword;
use crate::session::{RevokedReason, SessionId};
use crate::store::StoreError;
use crate::user::{LoginRow, NewUser, ProfileChange, User, UserId, fold};

pub(super) async fn by_id(client: &impl GenericClient, id: UserId) -> Result<Option<User>, StoreError> {
    let statement = client.prepare_cached(&select("WHERE id = $1")).await?;
    client.query_opt(&statement, &[&id.as_i64()]).await?.as_ref().map(user).transpose()
}

pub(super) async fn by_login(client: &Object, login: &str) -> Result<Option<LoginRow>, StoreError> {
    let mut rules = vec![("username = $1", login.to_owned()), ("username_folded = $1", fold(login))];
    if login.contains('@') {
        rules.push((SAME_EMAIL, login.to_owned()));
    }
    for (condition, value) in rules {
        // PostgreSQL's texts have no NUL; neither has anybody's name.
        if value.contains('\0') {
            continue;
        }
        // Two are enough to know that the name is shared.
        let statement = client.prepare_cached(&select(&format!("WHERE {condition} LIMIT 2"))).await?;
        if let [only] = client.query(&statement, &[&value]).await?.as_slice() {
            return Ok(Some(LoginRow { user: user(only)?, password: EncodedPassword::from_stored(get(only, "password")?) }));
        }
    }
    Ok(None)
}

pub(super) async fn password_of(client: &Object, id: UserId) -> Result<Option<EncodedPassword>, StoreError> {
    let statement = client.prepare_cached("SELECT password FROM users WHERE id = $1").await?;
    let row = client.query_opt(&statement, &[&id.as_i64()]).await?;
    row.map(|row| Ok(EncodedPassword::from_stored(row.try_get(0)?))).transpose()
}

pub(super) async fn create(client: &mut Object, new: &NewUser, now: Timestamp) -> Result<User, StoreError> {
    let transaction = client.transaction().await?;
    let id = insert(&transaction, new, now).await?;
    transaction.commit().await?;
    by_id(client, id).await?.ok_or_else(|| StoreError::Failed("a new user is not there".to_owned()))
}

/// Makes a user within a transaction.
pub(super) async fn insert(transaction: &Transaction<'_>, new: &NewUser, now: Timestamp) -> Result<UserId, StoreError> {
    let email = new.email.as_ref().map_or("", |email| email.as_str());
    let (name, folded) = (new.username.as_str(), new.username.folded());
    hold_names(transaction, &[&folded, &fold(email)]).await?;
    refuse_taken(transaction, None, name, &folded).await?;
    refuse_email_that_names_another(transaction, None, email).await?;
    let id: i64 = transaction
        .query_one(
            "INSERT INTO users (username, username_folded, email, first_name, last_name, password, is_active, is_staff, is_superuser, date_joined, metadata)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) RETURNING id",
            &[
                &name,
                &folded,
                &email,
                &new.first_name,
                &new.last_name,
                &new.password.as_str(),
                &new.is_active,
                &new.is_staff,
                &new.is_superuser,
                &timestamptz(now),
                &Json(&new.metadata),
            ],
        )
        .await?
        .try_get(0)?;
    Ok(UserId::new(id))
}

pub(super) async fn update_profile(client: &mut Object, id: UserId, change: &ProfileChange) -> Result<Option<User>, StoreError> {
    let transaction = client.transaction().await?;
    let row = transaction.query_opt("SELECT username FROM users WHERE id = $1 FOR UPDATE", &[&id.as_i64()]).await?;
    let Some(before) = row.map(|row| row.try_get::<_, String>(0)).transpose()? else { return Ok(None) };
    change_profile(&transaction, id, &before, change).await?;
    transaction.commit().await?;
    by_id(client, id).await
}

/// Changes a user's own fields within a transaction that holds the row, in which the name is `before`.
pub(super) async fn change_profile(
    transaction: &Transaction<'_>,
    id: UserId,
    before: &str,
    change: &ProfileChange,
) -> Result<(), StoreError> {
    let name = change.username.as_ref().filter(|name| name.as_str() != before);
    let email = change.email.as_ref().map(|email| email.as_ref().map_or("", |email| email.as_str()));
    let folded = name.map(crate::user::Username::folded);
    hold_names(transaction, &[folded.as_deref().unwrap_or_default(), &fold(email.unwrap_or_default())]).await?;
    if let (Some(name), Some(folded)) = (name, &folded) {
        refuse_taken(transaction, Some(id), name.as_str(), folded).await?;
    }
    if let Some(email) = email {
        refuse_email_that_names_another(transaction, Some(id), email).await?;
    }
    let name = name.map(crate::user::Username::as_str);
    if name.is_some() || email.is_some() || change.first_name.is_some() || change.last_name.is_some() {
        transaction
            .execute(
                "UPDATE users SET username = coalesce($2, username), username_folded = coalesce($3, username_folded), email = coalesce($4, email),
                     first_name = coalesce($5, first_name), last_name = coalesce($6, last_name) WHERE id = $1",
                &[&id.as_i64(), &name, &folded, &email, &change.first_name, &change.last_name],
            )
            .await?;
    }
    Ok(())
}

pub(super) async fn change_password(
    client: &impl GenericClient,
    id: UserId,
    password: &EncodedPassword,
    keep: Option<SessionId>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let keep = keep.map(|id| id.get().cast_signed());
    ending_sessions(
        client,
        "UPDATE users SET password = $5 WHERE id = $1 RETURNING id",
        id,
        RevokedReason::PasswordChanged,
        now,
        &[&password.as_str(), &keep],
        "AND s.id IS DISTINCT FROM $6",
    )
    .await
}

pub(super) async fn upgrade_password(client: &Object, id: UserId, old: &EncodedPassword, new: &EncodedPassword) -> Result<(), StoreError> {
    let statement = client.prepare_cached("UPDATE users SET password = $3 WHERE id = $1 AND password = $2").await?;
    client.execute(&statement, &[&id.as_i64(), &old.as_str(), &new.as_str()]).await?;
    Ok(())
}

/// A step along the index for each kind, however many users share it.
pub(super) async fn password_kinds(client: &Object) -> Result<Vec<String>, StoreError> {
    let statement = client
        .prepare_cached(
            "WITH RECURSIVE kinds (kind) AS (
                 SELECT min(password_kind) FROM users
                 UNION ALL
                 SELECT (SELECT min(password_kind) FROM users WHERE password_kind > kind) FROM kinds WHERE kind IS NOT NULL
             )
             SELECT kind FROM kinds WHERE kind IS NOT NULL LIMIT 1000",
        )
        .await?;
    client.query(&statement, &[]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

pub(super) async fn set_active(client: &Object, id: UserId, active: bool, now: Timestamp) -> Result<bool, StoreError> {
    if active {
        let statement = client.prepare_cached("UPDATE users SET is_active = true WHERE id = $1").await?;
        return Ok(client.execute(&statement, &[&id.as_i64()]).await? == 1);
    }
    ending_sessions(client, "UPDATE users SET is_active = false WHERE id = $1 RETURNING id", id, RevokedReason::UserInactive, now, &[], "")
        .await
}

pub(super) async fn delete(client: &Object, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
    ending_sessions(client, "DELETE FROM users WHERE id = $1 RETURNING id", id, RevokedReason::UserInactive, now, &[], "").await
}

/// A change of a user's row and the end of the user's sessions, as one statement; whether there was such a user. `$1` is the row's id.
async fn ending_sessions(
    client: &impl GenericClient,
    change: &str,
    id: UserId,
    reason: RevokedReason,
    now: Timestamp,
    more: &[&(dyn ToSql + Sync)],
    but: &str,
) -> Result<bool, StoreError> {
    let sql = format!(
        "WITH own AS (
             SELECT s.id FROM sessions s WHERE s.user_id = $2 AND s.revoked_at IS NULL AND s.expires_at > $3 {but} ORDER BY s.id FOR UPDATE
         ), ended AS (
             UPDATE sessions SET revoked_at = $3, revoked_reason = $4 WHERE id IN (SELECT id FROM own)
         ), operator AS (
             DELETE FROM admin_sessions WHERE user_id = $1
         ), changed AS ({change})
         SELECT count(*) FROM changed"
    );
    let statement = client.prepare_cached(&sql).await?;
    let (row, owner, at, reason) = (id.as_i64(), id.to_string(), micros(now), reason.as_str());
    let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&row, &owner, &at, &reason];
    parameters.extend(more);
    let changed: i64 = client.query_one(&statement, &parameters).await?.try_get(0)?;
    Ok(changed == 1)
}

/// The users with these ids, in their order; those who are gone are left out.
pub(super) async fn by_ids(client: &Object, ids: &[i64]) -> Result<Vec<User>, StoreError> {
    let statement = client.prepare_cached(&select("WHERE id = ANY($1)")).await?;
    let mut found = std::collections::HashMap::new();
    for row in client.query(&statement, &[&ids]).await? {
        found.insert(get::<i64>(&row, "id")?, user(&row)?);
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

pub(super) async fn list(client: &Object, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
    let statement = client.prepare_cached(&select("WHERE id > $1 ORDER BY id LIMIT $2")).await?;
    let after = after.and_then(UserId::as_i64).unwrap_or(i64::MIN);
    client.query(&statement, &[&after, &i64::from(limit)]).await?.iter().map(user).collect()
}

/// Two transactions that would give one name away at once go one after the other: each takes the names that it looks at, in one order.
async fn hold_names(transaction: &Transaction<'_>, names: &[&str]) -> Result<(), StoreError> {
    let mut names: Vec<&str> = names.iter().copied().filter(|name| !name.is_empty()).collect();
    names.sort_unstable();
    for name in names {
        transaction.execute("SELECT pg_advisory_xact_lock(hashtextextended('countersign:' || $1, 0))", &[&name]).await?;
    }
    Ok(())
}

/// A name is taken when another user has it after case folding, or as e-mail address: either would make it ambiguous who signs in.
async fn refuse_taken(transaction: &Transaction<'_>, own: Option<UserId>, name: &str, folded: &str) -> Result<(), StoreError> {
    let taken: bool = transaction
        .query_one(
            &format!(
                "SELECT EXISTS (SELECT 1 FROM users WHERE (username = $1 OR username_folded = $2) AND id IS DISTINCT FROM $3)
                     OR EXISTS (SELECT 1 FROM users WHERE {SAME_EMAIL} AND id IS DISTINCT FROM $3)"
            ),
            &[&name, &folded, &own.and_then(UserId::as_i64)],
        )
        .await?
        .try_get(0)?;
    if taken { Err(StoreError::UsernameTaken) } else { Ok(()) }
}

/// The same rule from the other side: an address that is another user's name.
async fn refuse_email_that_names_another(transaction: &Transaction<'_>, own: Option<UserId>, email: &str) -> Result<(), StoreError> {
    if email.is_empty() {
        return Ok(());
    }
    let taken: bool = transaction
        .query_one(
            "SELECT EXISTS (SELECT 1 FROM users WHERE (username = $1 OR username_folded = $2) AND id IS DISTINCT FROM $3)",
            &[&email, &fold(email), &own.and_then(UserId::as_i64)],
        )
        .await?
        .try_get(0)?;
    if taken { Err(StoreError::EmailTaken) } else { Ok(()) }
}

fn select(rest: &str) -> String {
    format!("SELECT {COLUMNS} FROM users {rest}")
}

fn user(row: &Row) -> Result<User, StoreError> {
    let Json(metadata): Json<Value> = get(row, "metadata")?;
    Ok(User {
        id: UserId::new(get(row, "id")?),
        username: get(row, "username")?,
        email: get(row, "email")?,
        first_name: get(row, "first_name")?,
        last_name: get(row, "last_name")?,
        is_active: get(row, "is_active")?,
        is_staff: get(row, "is_staff")?,
        is_superuser: get(row, "is_superuser")?,
        date_joined: from_timestamptz(get(row, "date_joined")?),
        last_login: get::<Option<_>>(row, "last_login")?.map(from_timestamptz),
        groups: names(row, "group_names")?,
        permissions: names(row, "permission_names")?,
        metadata: match metadata {
            Value::Object(metadata) => metadata,
            Value::Null => Map::new(),
            other => return Err(unknown(&other.to_string())),
        },
    })
}

fn names(row: &Row, column: &str) -> Result<Vec<String>, StoreError> {
    let mut names: Vec<String> = get(row, column)?;
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// ASCII letters only, as SQLite's NOCASE.
const SAME_EMAIL: &str = "lower(email COLLATE \"C\") = lower($1::text COLLATE \"C\") AND email <> ''";

const COLUMNS: &str =
    "id, username, email, first_name, last_name, password, is_active, is_staff, is_superuser, date_joined, last_login, metadata,
    ARRAY(SELECT g.name FROM user_groups ug JOIN groups g ON g.id = ug.group_id WHERE ug.user_id = users.id) AS group_names,
    ARRAY(SELECT p.app || '.' || p.codename FROM permissions p WHERE p.id IN (
        SELECT permission_id FROM user_permissions WHERE user_id = users.id
        UNION SELECT gp.permission_id FROM user_groups ug JOIN group_permissions gp ON gp.group_id = ug.group_id WHERE ug.user_id = users.id
    )) AS permission_names";

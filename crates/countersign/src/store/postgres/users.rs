//! Users in PostgreSQL. Their ids are integers: an id that is a text is `NULL` here, which no row
//! equals.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::types::{Json, ToSql};

use super::columns::{get, timestamptz};
use super::endings::{change_password, delete, reset_password, set_active};
use super::names::{by_login, hold_names, refuse_taken, refuse_taken_address};
use super::user_row::{found_user, select, user};
use super::{PostgresStore, fingerprint};
use crate::password::{EncodedPassword, live_kind};
use crate::session::SessionId;
use crate::store::failure::Failure;
use crate::store::plan::names::{folding, is_other_address};
use crate::store::sql::statements;
use crate::store::{KIND_ROWS, NewMail, PasswordChange, StoreError, UserStore};
use crate::user::{
    Email, NewUser, ProfileChange, User, UserByLogin, UserId, Username, fold, fold_address,
};

#[async_trait]
impl UserStore for PostgresStore {
    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        read!(self, client => by_id(client, id))
    }

    async fn user_by_login(&self, login: &str) -> Result<Option<UserByLogin>, StoreError> {
        read!(self, client => by_login(client, login))
    }

    async fn password_of(&self, id: UserId) -> Result<Option<EncodedPassword>, StoreError> {
        read!(self, client => password_of(client, id))
    }

    async fn create_user(&self, new: NewUser, now: Timestamp) -> Result<User, StoreError> {
        write!(self, client => create(client, &new, now))
    }

    async fn update_profile(
        &self,
        id: UserId,
        change: ProfileChange,
    ) -> Result<Option<User>, StoreError> {
        write!(self, client => update_profile(client, id, &change))
    }

    async fn change_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
        session: SessionId,
        now: Timestamp,
        mails: Vec<NewMail>,
    ) -> Result<PasswordChange, StoreError> {
        write!(self, client => change_password(client, id, (old, new), session, now, &mails))
    }

    async fn reset_password(
        &self,
        id: UserId,
        new: &EncodedPassword,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        write!(self, client => reset_password(client, id, new, now))
    }

    async fn upgrade_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        write!(self, client => upgrade_password(client, id, old, new))
    }

    async fn permission_names(&self) -> Result<Vec<String>, StoreError> {
        read!(self, client => permission_names(client))
    }

    async fn password_kinds(&self) -> Result<Vec<String>, StoreError> {
        read!(self, client => password_kinds(client))
    }

    async fn set_active(
        &self,
        id: UserId,
        active: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        write!(self, client => set_active(client, id, active, now))
    }

    async fn delete_user(&self, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
        write!(self, client => delete(client, id, now))
    }

    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
        read!(self, client => list(client, after, limit))
    }
}

pub(super) async fn by_id(
    client: &impl GenericClient,
    id: UserId,
) -> Result<Option<User>, Failure> {
    let statement = client.prepare_cached(&select("WHERE id = $1")).await?;
    client.query_opt(&statement, &[&id.as_i64()]).await?.as_ref().map(user).transpose()
}

/// The row and the password in one look: neither is older than the other.
pub(super) async fn with_password(
    client: &impl GenericClient,
    id: UserId,
) -> Result<Option<UserByLogin>, Failure> {
    let statement = client.prepare_cached(&select("WHERE id = $1")).await?;
    client.query_opt(&statement, &[&id.as_i64()]).await?.as_ref().map(found_user).transpose()
}

pub(super) async fn password_of(
    client: &Object,
    id: UserId,
) -> Result<Option<EncodedPassword>, Failure> {
    let statement = client.prepare_cached(statements::PASSWORD_OF).await?;
    let row = client.query_opt(&statement, &[&id.as_i64()]).await?;
    row.map(|row| Ok(EncodedPassword::from_stored(row.try_get(0)?))).transpose()
}

pub(super) async fn create(
    client: &mut Object,
    new: &NewUser,
    now: Timestamp,
) -> Result<User, Failure> {
    let transaction = client.transaction().await?;
    let id = insert(&transaction, new, now).await?;
    transaction.commit().await?;
    let made = by_id(client, id).await?;
    Ok(made.ok_or_else(|| StoreError::Failed("a new user is not there".to_owned()))?)
}

/// Makes a user within a transaction.
pub(super) async fn insert(
    transaction: &Transaction<'_>,
    new: &NewUser,
    now: Timestamp,
) -> Result<UserId, Failure> {
    let email = new.email.as_ref().map_or("", |email| email.as_str());
    let (name, folded) = (new.username.as_str(), new.username.folded());
    hold_names_of(transaction, Some(&new.username), new.email.as_ref()).await?;
    refuse_taken(transaction, None, name, &folded).await?;
    refuse_taken_address(transaction, None, email).await?;
    let id: i64 = transaction
        .query_one(
            "INSERT INTO users (username, username_folded, email, first_name, last_name, password,
                 is_active, is_staff, is_superuser, date_joined, metadata, email_folded,
                 email_verified, locale)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id",
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
                &folding(email),
                &new.email_verified,
                &new.locale,
            ],
        )
        .await?
        .try_get(0)?;
    Ok(UserId::new(id))
}

pub(super) async fn update_profile(
    client: &mut Object,
    id: UserId,
    change: &ProfileChange,
) -> Result<Option<User>, Failure> {
    let transaction = client.transaction().await?;
    let email = change.email.as_ref().and_then(Option::as_ref);
    hold_names_of(&transaction, change.username.as_ref(), email).await?;
    let row = transaction
        .query_opt("SELECT username FROM users WHERE id = $1 FOR UPDATE", &[&id.as_i64()])
        .await?;
    let Some(before) = row.map(|row| row.try_get::<_, String>(0)).transpose()? else {
        return Ok(None);
    };
    change_profile(&transaction, id, &before, change).await?;
    transaction.commit().await?;
    by_id(client, id).await
}

/// Holds a name and an address that a user is to get, before any row is held, as everywhere: of two
/// who hold both in different orders the database ends one.
pub(super) async fn hold_names_of(
    transaction: &Transaction<'_>,
    name: Option<&Username>,
    email: Option<&Email>,
) -> Result<(), Failure> {
    let folded = name.map(Username::folded).unwrap_or_default();
    let name = name.map_or("", Username::as_str);
    let email = email.map_or("", Email::as_str);
    hold_names(transaction, &[&folded, &fold_address(name), &fold(email), &fold_address(email)])
        .await
}

/// Changes a user's own fields within a transaction that holds the new name and address, and the
/// row, in which the name is `before`.
pub(super) async fn change_profile(
    transaction: &Transaction<'_>,
    id: UserId,
    before: &str,
    change: &ProfileChange,
) -> Result<(), Failure> {
    let name = change.username.as_ref().filter(|name| name.as_str() != before);
    let email =
        change.email.as_ref().map(|email| email.as_ref().map_or("", |email| email.as_str()));
    let folded = name.map(Username::folded);
    if let (Some(name), Some(folded)) = (name, &folded) {
        refuse_taken(transaction, Some(id), name.as_str(), folded).await?;
    }
    if let Some(email) = email {
        let before: String = transaction
            .query_one("SELECT email FROM users WHERE id = $1", &[&id.as_i64()])
            .await?
            .try_get(0)?;
        if is_other_address(&before, email) {
            refuse_taken_address(transaction, Some(id), email).await?;
        }
    }
    let name = name.map(Username::as_str);
    if name.is_some()
        || email.is_some()
        || change.first_name.is_some()
        || change.last_name.is_some()
    {
        transaction
            .execute(
                "UPDATE users SET username = coalesce($2, username),
                     username_folded = coalesce($3, username_folded), email = coalesce($4, email),
                     email_folded = CASE WHEN $4::text IS NULL THEN email_folded ELSE $7 END,
                     first_name = coalesce($5, first_name), last_name = coalesce($6, last_name)
                 WHERE id = $1",
                &[
                    &id.as_i64(),
                    &name,
                    &folded,
                    &email,
                    &change.first_name,
                    &change.last_name,
                    &email.and_then(folding),
                ],
            )
            .await?;
    }
    Ok(())
}

pub(super) async fn upgrade_password(
    client: &mut Object,
    id: UserId,
    old: &EncodedPassword,
    new: &EncodedPassword,
) -> Result<bool, Failure> {
    let transaction = client.transaction().await?;
    let before = fingerprint::of_row(&transaction, id).await?;
    let statement = transaction.prepare_cached(statements::REHASH_PASSWORD).await?;
    let row = &[&new.as_str() as &(dyn ToSql + Sync), &id.as_i64(), &old.as_str()];
    if transaction.execute(&statement, row).await? == 0 {
        return Ok(false);
    }
    let after = fingerprint::of_row(&transaction, id).await?;
    if let Some((before, after)) = before.zip(after) {
        fingerprint::carry(&transaction, id, before, after).await?;
    }
    transaction.commit().await?;
    Ok(true)
}

/// A step along the index for each kind, however many users share it.
pub(super) async fn password_kinds(client: &Object) -> Result<Vec<String>, Failure> {
    let statement = client
        .prepare_cached(
            "WITH RECURSIVE kinds (kind) AS (
                 SELECT min(password_kind) FROM users WHERE is_active
                 UNION ALL
                 SELECT (SELECT min(password_kind) FROM users WHERE is_active
                     AND password_kind > kind) FROM kinds WHERE kind IS NOT NULL
             )
             SELECT found.password FROM (SELECT kind FROM kinds WHERE kind IS NOT NULL
                 LIMIT 1000) AS kinds
             CROSS JOIN LATERAL (SELECT password FROM users WHERE is_active
                 AND password_kind = kinds.kind LIMIT $1) AS found",
        )
        .await?;
    let rows = client.query(&statement, &[&i64::from(KIND_ROWS)]).await?;
    let encoded = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    let mut live: Vec<String> = encoded.iter().filter_map(|encoded| live_kind(encoded)).collect();
    live.sort_unstable();
    live.dedup();
    Ok(live)
}

pub(super) async fn permission_names(client: &Object) -> Result<Vec<String>, Failure> {
    let statement = client.prepare_cached(statements::PERMISSION_NAMES).await?;
    client.query(&statement, &[]).await?.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// The users with these ids, in their order; those who are gone are left out.
pub(super) async fn by_ids(client: &impl GenericClient, ids: &[i64]) -> Result<Vec<User>, Failure> {
    let statement = client.prepare_cached(&select("WHERE id = ANY($1)")).await?;
    let mut found = std::collections::HashMap::new();
    for row in client.query(&statement, &[&ids]).await? {
        found.insert(get::<i64>(&row, "id")?, user(&row)?);
    }
    Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
}

pub(super) async fn list(
    client: &Object,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<User>, Failure> {
    let statement = client.prepare_cached(&select("WHERE id > $1 ORDER BY id LIMIT $2")).await?;
    let after = after.and_then(UserId::as_i64).unwrap_or(i64::MIN);
    client.query(&statement, &[&after, &i64::from(limit)]).await?.iter().map(user).collect()
}

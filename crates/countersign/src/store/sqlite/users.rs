//! Users in SQLite. Their ids are integers: an id that is a text is `NULL` here, which no row
//! equals.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, named_params, params};

use super::columns::django_date;
use super::names::{by_login, refuse_taken, refuse_taken_address};
pub(super) use super::user_row::{by_id, password_of};
use super::user_row::{select, user};
use super::{SqliteStore, fingerprint, outbox, sessions};
use crate::password::{EncodedPassword, live_kind};
use crate::session::{RevokedReason, SessionId};
use crate::store::failure::Failure;
use crate::store::plan::names::{folding, is_other_address};
use crate::store::sql::statements;
use crate::store::{KIND_ROWS, MailBounds, NewMail, PasswordChange, StoreError, UserStore};
use crate::user::{NewUser, ProfileChange, User, UserByLogin, UserId};

#[async_trait]
impl UserStore for SqliteStore {
    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.readers.run(move |c| by_id(c, id)).await
    }

    async fn user_by_login(&self, login: &str) -> Result<Option<UserByLogin>, StoreError> {
        let login = login.to_owned();
        self.readers.run(move |c| by_login(c, &login)).await
    }

    async fn password_of(&self, id: UserId) -> Result<Option<EncodedPassword>, StoreError> {
        self.readers.run(move |c| password_of(c, id)).await
    }

    async fn create_user(&self, new: NewUser, now: Timestamp) -> Result<User, StoreError> {
        self.writer.run(move |c| create(c, &new, now)).await
    }

    async fn update_profile(
        &self,
        id: UserId,
        change: ProfileChange,
    ) -> Result<Option<User>, StoreError> {
        self.writer.run(move |c| update_profile(c, id, &change)).await
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
        let (old, new) = (old.clone(), new.clone());
        self.writer
            .run(move |c| {
                let change = change_password(c, id, (&old, &new), session, now)?;
                if change == PasswordChange::Done {
                    outbox::queue(c, &mails, MailBounds::OF_ACTS)?;
                }
                Ok(change)
            })
            .await
    }

    async fn reset_password(
        &self,
        id: UserId,
        new: &EncodedPassword,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let new = new.clone();
        self.writer.run(move |c| reset_password(c, id, &new, now)).await
    }

    async fn upgrade_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        let (old, new) = (old.clone(), new.clone());
        self.writer.run(move |c| upgrade_password(c, id, &old, &new)).await
    }

    async fn permission_names(&self) -> Result<Vec<String>, StoreError> {
        self.readers.run(permission_names).await
    }

    async fn password_kinds(&self) -> Result<Vec<String>, StoreError> {
        self.readers.run(password_kinds).await
    }

    async fn set_active(
        &self,
        id: UserId,
        active: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer.run(move |c| set_active(c, id, active, now)).await
    }

    async fn delete_user(&self, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
        self.writer.run(move |c| delete(c, id, now)).await
    }

    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
        self.readers.run(move |c| list(c, after, limit)).await
    }
}

pub(super) fn create(
    connection: &Connection,
    new: &NewUser,
    now: Timestamp,
) -> Result<User, Failure> {
    refuse_taken(connection, None, new.username.as_str(), &new.username.folded())?;
    refuse_taken_address(connection, None, new.email.as_ref().map_or("", |email| email.as_str()))?;
    connection
        .prepare_cached(
            "INSERT INTO users (username, username_folded, email, first_name, last_name, password,
                 is_active, is_staff, is_superuser, date_joined, metadata, email_folded,
                 email_verified, locale)
             VALUES (:username, :folded, :email, :first_name, :last_name, :password, :is_active,
                 :is_staff, :is_superuser, :date_joined, :metadata, :email_folded,
                 :email_verified, :locale)",
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
            ":email_verified": new.email_verified,
            ":locale": new.locale,
            ":email_folded": new.email.as_ref().and_then(|email| folding(email.as_str())),
        })?;
    let id = UserId::new(connection.last_insert_rowid());
    let made = by_id(connection, id)?;
    Ok(made.ok_or_else(|| StoreError::Failed("a new user is not there".to_owned()))?)
}

pub(super) fn update_profile(
    connection: &Connection,
    id: UserId,
    change: &ProfileChange,
) -> Result<Option<User>, Failure> {
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
        if is_other_address(&before.email, email) {
            refuse_taken_address(connection, Some(id), email)?;
        }
        connection.prepare_cached(statements::SET_ADDRESS)?.execute(params![
            email,
            folding(email),
            id.as_i64()
        ])?;
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
) -> Result<PasswordChange, Failure> {
    if !sessions::is_live(connection, session, id, now)? {
        return Ok(PasswordChange::SessionEnded);
    }
    let mut statement =
        connection.prepare_cached("UPDATE users SET password = ? WHERE id = ? AND password = ?")?;
    if statement.execute(params![new.as_str(), id.as_i64(), old.as_str()])? == 0 {
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
) -> Result<bool, Failure> {
    let found = connection
        .prepare_cached(statements::SET_PASSWORD)?
        .execute(params![new.as_str(), id.as_i64()])?;
    sessions::revoke_of_user(connection, id, None, RevokedReason::PasswordChanged, now)?;
    Ok(found == 1)
}

pub(super) fn upgrade_password(
    connection: &Connection,
    id: UserId,
    old: &EncodedPassword,
    new: &EncodedPassword,
) -> Result<bool, Failure> {
    let before = fingerprint::of_row(connection, id)?;
    let mut statement = connection.prepare_cached(statements::REHASH_PASSWORD)?;
    if statement.execute(params![new.as_str(), id.as_i64(), old.as_str()])? == 0 {
        return Ok(false);
    }
    let after = fingerprint::of_row(connection, id)?;
    if let Some((before, after)) = before.zip(after) {
        fingerprint::carry(connection, id, before, after)?;
    }
    Ok(true)
}

/// A step along the index for each kind, however many users share it.
pub(super) fn password_kinds(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut statement = connection.prepare_cached(
        "WITH RECURSIVE kinds (kind) AS (
             SELECT min(password_kind) FROM users WHERE is_active
             UNION ALL
             SELECT (SELECT min(password_kind) FROM users WHERE is_active AND password_kind > kind)
                 FROM kinds WHERE kind IS NOT NULL
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

pub(super) fn permission_names(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut statement = connection.prepare_cached(statements::PERMISSION_NAMES)?;
    Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

pub(super) fn set_active(
    connection: &Connection,
    id: UserId,
    active: bool,
    now: Timestamp,
) -> Result<bool, Failure> {
    let found = connection
        .prepare_cached("UPDATE users SET is_active = ? WHERE id = ?")?
        .execute(params![active, id.as_i64()])?;
    if !active {
        sessions::revoke_of_user(connection, id, None, RevokedReason::UserInactive, now)?;
    }
    Ok(found == 1)
}

pub(super) fn delete(connection: &Connection, id: UserId, now: Timestamp) -> Result<bool, Failure> {
    sessions::revoke_of_user(connection, id, None, RevokedReason::UserInactive, now)?;
    Ok(connection.prepare_cached("DELETE FROM users WHERE id = ?")?.execute([id.as_i64()])? == 1)
}

pub(super) fn list(
    connection: &Connection,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<User>, Failure> {
    let mut statement = connection.prepare_cached(&select("WHERE id > ? ORDER BY id LIMIT ?"))?;
    let rows = statement
        .query_map(params![after.and_then(UserId::as_i64).unwrap_or(i64::MIN), limit], user)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

//! Sessions of the admin site itself. What ends them with their user is in the schema, and in
//! [`revoke_of_user`](crate::store::sqlite::sessions::revoke_of_user).

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::store::admin::{AdminSession, OperatorSessions};
use crate::store::plan::audit_lines::address;
use crate::store::sql::statements;
use crate::store::sqlite::columns::{at, micros, user_id};
use crate::store::sqlite::{SqliteStore, factors};
use crate::store::{CheckedRow, StoreError};

#[async_trait]
impl OperatorSessions for SqliteStore {
    async fn begin_admin_session(
        &self,
        new: &AdminSession,
        checked: &CheckedRow,
    ) -> Result<bool, StoreError> {
        let (new, checked) = (new.clone(), checked.clone());
        self.writer.run(move |c| begin(c, &new, &checked)).await
    }

    async fn admin_session(
        &self,
        token_hash: [u8; 32],
    ) -> Result<Option<AdminSession>, StoreError> {
        self.readers.run(move |c| session(c, token_hash)).await
    }

    async fn touch_admin_session(
        &self,
        token_hash: [u8; 32],
        used_at: Timestamp,
        password_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        self.writer.run(move |c| touch(c, token_hash, used_at, password_at)).await
    }

    async fn end_admin_session(&self, token_hash: [u8; 32]) -> Result<(), StoreError> {
        self.writer.run(move |c| end(c, token_hash)).await
    }
}

pub(super) fn begin(
    connection: &Connection,
    new: &AdminSession,
    checked: &CheckedRow,
) -> Result<bool, StoreError> {
    let is_as_checked = connection
        .prepare_cached(
            "SELECT 1 FROM users
             WHERE id = ? AND is_active AND is_staff AND password = ? AND factors = ?",
        )?
        .exists(params![new.user.as_i64(), checked.password.as_str(), checked.factors])?;
    if !is_as_checked {
        return Ok(false);
    }
    if let Some(uses) = &checked.factor
        && !factors::use_up(connection, new.user, uses, new.created_at)?
    {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "INSERT INTO admin_sessions
                 (token_hash, user_id, created_at, used_at, password_at, ip, user_agent)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            new.token_hash,
            new.user.as_i64(),
            micros(new.created_at),
            micros(new.used_at),
            micros(new.password_at),
            address(new.ip),
            new.user_agent,
        ])?;
    Ok(true)
}

pub(super) fn session(
    connection: &Connection,
    token_hash: [u8; 32],
) -> Result<Option<AdminSession>, StoreError> {
    let mut statement = connection.prepare_cached(statements::ADMIN_SESSION)?;
    let row = statement.query_row([token_hash], |row| {
        Ok(AdminSession {
            token_hash,
            user: user_id(row, "user_id")?,
            created_at: at(row, "created_at")?,
            used_at: at(row, "used_at")?,
            password_at: at(row, "password_at")?,
            ip: row.get::<_, Option<String>>("ip")?.and_then(|ip| ip.parse().ok()),
            user_agent: row.get("user_agent")?,
        })
    });
    Ok(row.optional()?)
}

pub(super) fn touch(
    connection: &Connection,
    token_hash: [u8; 32],
    used_at: Timestamp,
    password_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let found = connection
        .prepare_cached(
            "UPDATE admin_sessions SET used_at = max(used_at, ?), password_at = \
            coalesce(?, password_at) WHERE token_hash = ?",
        )?
        .execute(params![micros(used_at), password_at.map(micros), token_hash])?;
    Ok(found == 1)
}

pub(super) fn end(connection: &Connection, token_hash: [u8; 32]) -> Result<(), StoreError> {
    connection.prepare_cached(statements::END_ADMIN_SESSION)?.execute([token_hash])?;
    Ok(())
}

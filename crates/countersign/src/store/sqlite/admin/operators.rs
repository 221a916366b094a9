//! Sessions of the admin site itself. What ends them with their user is in the schema, and in
//! [`revoke_of_user`](crate::store::sqlite::sessions::revoke_of_user).

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::service_token_row;
use crate::store::admin::{Actor, AdminSession, OperatorSessions, Who};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::address;
use crate::store::sql::statements;
use crate::store::sqlite::columns::{at, micros, user_id};
use crate::store::sqlite::{SqliteStore, factor_proofs, users};
use crate::store::{CheckedRow, StoreError};
use crate::user::{User, UserId};

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
    ) -> Result<bool, StoreError> {
        self.writer.run(move |c| touch(c, token_hash, used_at)).await
    }

    async fn confirm_admin_session(
        &self,
        session: &AdminSession,
        checked: &CheckedRow,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let (session, checked) = (session.clone(), checked.clone());
        self.writer.run(move |c| confirm(c, &session, &checked, now)).await
    }

    async fn end_admin_session(&self, token_hash: [u8; 32]) -> Result<(), StoreError> {
        self.writer.run(move |c| end(c, token_hash)).await
    }
}

pub(super) fn begin(
    connection: &Connection,
    new: &AdminSession,
    checked: &CheckedRow,
) -> Result<bool, Failure> {
    if !is_as_checked(connection, new.user, checked, new.created_at)? {
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

/// Whether the operator's row is as it was checked, and what that uses up serves still: it does
/// not any more.
fn is_as_checked(
    connection: &Connection,
    user: UserId,
    checked: &CheckedRow,
    now: Timestamp,
) -> Result<bool, Failure> {
    let is_same = connection
        .prepare_cached(
            "SELECT 1 FROM users
             WHERE id = ? AND is_active AND is_staff AND password = ? AND factors = ?",
        )?
        .exists(params![user.as_i64(), checked.password.as_str(), checked.factors])?;
    Ok(is_same
        && match &checked.factor {
            Some(uses) => factor_proofs::use_up(connection, user, uses, now)?,
            None => true,
        })
}

pub(super) fn session(
    connection: &Connection,
    token_hash: [u8; 32],
) -> Result<Option<AdminSession>, Failure> {
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
) -> Result<bool, Failure> {
    let found = connection
        .prepare_cached("UPDATE admin_sessions SET used_at = max(used_at, ?) WHERE token_hash = ?")?
        .execute(params![micros(used_at), token_hash])?;
    Ok(found == 1)
}

fn confirm(
    connection: &Connection,
    session: &AdminSession,
    checked: &CheckedRow,
    now: Timestamp,
) -> Result<bool, Failure> {
    let is_there = connection
        .prepare_cached("SELECT 1 FROM admin_sessions WHERE token_hash = ? AND user_id = ?")?
        .exists(params![session.token_hash, session.user.as_i64()])?;
    if !is_there || !is_as_checked(connection, session.user, checked, now)? {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "UPDATE admin_sessions SET used_at = max(used_at, ?1), password_at = ?1
             WHERE token_hash = ?2",
        )?
        .execute(params![micros(now), session.token_hash])?;
    Ok(true)
}

pub(super) fn end(connection: &Connection, token_hash: [u8; 32]) -> Result<(), Failure> {
    connection.prepare_cached(statements::END_ADMIN_SESSION)?.execute([token_hash])?;
    Ok(())
}

/// The row of who acts, where a rule asks for it.
pub(super) fn operator(connection: &Connection, by: &Actor) -> Result<Option<User>, Failure> {
    if by.may.is_none() {
        return Ok(None);
    }
    match by.who {
        Who::User(id) => users::by_id(connection, id),
        Who::Service { id, .. } => {
            let known = service_token_row::by_id(connection, id, by.now)?;
            Ok(known.map(|known| known.operator))
        }
        Who::Shell(_) => Ok(None),
    }
}

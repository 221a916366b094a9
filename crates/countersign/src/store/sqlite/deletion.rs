//! Users who want to be deleted, in SQLite.

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::admin::audit;
use super::columns::{from_micros, key, micros};
use super::writer::in_savepoint;
use super::{SqliteStore, factors, outbox, registrations, sessions, users};
use crate::password::EncodedPassword;
use crate::session::RevokedReason;
use crate::store::admin::AuditLine;
use crate::store::due::{Passed, Place, stays};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{deleted_at_last, deletion_asked, logged, restored};
use crate::store::sql::statements;
use crate::store::{DeletionAsked, DeletionStore, MailBounds, SelfDeletion, StoreError};
use crate::user::UserId;

#[async_trait]
impl DeletionStore for SqliteStore {
    async fn ask_deletion(&self, asked: SelfDeletion) -> Result<DeletionAsked, StoreError> {
        self.writer.run(move |c| ask(c, &asked)).await.map(logged)
    }

    async fn restore_user(
        &self,
        user: UserId,
        checked: &EncodedPassword,
        now: Timestamp,
        ip: Option<IpAddr>,
    ) -> Result<bool, StoreError> {
        let checked = checked.clone();
        self.writer.run(move |c| restore(c, &checked, restored(user, now, ip))).await.map(logged)
    }

    async fn deletion_of(&self, user: UserId) -> Result<Option<Timestamp>, StoreError> {
        self.readers.run(move |c| due(c, user)).await
    }

    async fn delete_due_users(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let passed = self.passed.users.clone();
        self.writer.run(move |c| delete_due(c, now, limit, &passed)).await.map(logged)
    }

    async fn forget_user(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(move |c| forget(c, user, now)).await
    }
}

/// One writes at a time: between the look and the change nothing comes.
fn ask(
    connection: &Connection,
    asked: &SelfDeletion,
) -> Result<(DeletionAsked, Vec<AuditLine>), Failure> {
    let &SelfDeletion { user, session, now, .. } = asked;
    if !sessions::is_live(connection, session, user, now)? {
        return Ok((DeletionAsked::SessionEnded, Vec::new()));
    }
    let is_as_checked = connection
        .prepare_cached("SELECT 1 FROM users WHERE id = ? AND is_active AND password = ?")?
        .exists(params![user.as_i64(), asked.checked.as_str()])?;
    if !is_as_checked {
        return Ok((DeletionAsked::Stale, Vec::new()));
    }
    if connection.prepare_cached(IS_LAST_SUPERUSER)?.exists([user.as_i64()])? {
        return Ok((DeletionAsked::LastSuperuser, Vec::new()));
    }
    match asked.at {
        Some(at) => {
            connection
                .prepare_cached("UPDATE users SET deletion_at = ?, is_active = 0 WHERE id = ?")?
                .execute(params![micros(at), user.as_i64()])?;
            // A trigger ends the links that were asked for before, but those that take a theft
            // back.
            sessions::revoke_of_user(connection, user, None, RevokedReason::UserInactive, now)?;
        }
        None => delete(connection, user, now)?,
    }
    outbox::queue(connection, &asked.mails, MailBounds::OF_ACTS)?;
    let lines = vec![deletion_asked(asked)];
    audit::note(connection, &lines)?;
    Ok((DeletionAsked::Done, lines))
}

fn restore(
    connection: &Connection,
    checked: &EncodedPassword,
    line: AuditLine,
) -> Result<(bool, Vec<AuditLine>), Failure> {
    let restored = connection
        .prepare_cached(
            "UPDATE users SET deletion_at = NULL, is_active = 1
             WHERE id = ? AND deletion_at IS NOT NULL AND NOT is_active AND password = ?",
        )?
        .execute(params![line.user.and_then(UserId::as_i64), checked.as_str()])?;
    let lines = if restored == 1 { vec![line] } else { Vec::new() };
    audit::note(connection, &lines)?;
    Ok((restored == 1, lines))
}

fn due(connection: &Connection, user: UserId) -> Result<Option<Timestamp>, Failure> {
    let at = connection
        .prepare_cached(statements::DELETION_OF)?
        .query_row([user.as_i64()], |row| row.get::<_, Option<i64>>(0))
        .optional()?;
    Ok(at.flatten().map(from_micros))
}

/// Each in a savepoint of its own: one who cannot be deleted keeps nobody else. A row of another
/// table may want them there.
fn delete_due(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
    passed: &Passed,
) -> Result<(u64, Vec<AuditLine>), Failure> {
    let after = passed.last();
    let mut statement = connection.prepare_cached(
        "SELECT deletion_at, id FROM users
         WHERE deletion_at <= ? AND NOT is_active AND (deletion_at, id) > (?, ?)
         ORDER BY deletion_at, id LIMIT ?",
    )?;
    let due = statement
        .query_map(params![micros(now), after.0, after.1, limit], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<Result<Vec<Place>, _>>()?;
    let is_full = due.len() >= limit as usize;
    let mut lines = Vec::with_capacity(due.len());
    for place in due {
        let user = UserId::new(place.1);
        passed.note(place);
        match in_savepoint::<_, StoreError>(connection, |c| delete(c, user, now))? {
            Ok(()) => lines.push(deleted_at_last(user, now)),
            Err(error) => stays(user, &error),
        }
    }
    if !is_full {
        passed.begin_again();
    }
    audit::note(connection, &lines)?;
    Ok((lines.len() as u64, lines))
}

/// The user and the rows of their sessions. Their ends are in the feed already, which outlives
/// them; a trigger takes the tokens and the mails along.
fn delete(connection: &Connection, user: UserId, now: Timestamp) -> Result<(), Failure> {
    users::delete(connection, user, now)?;
    delete_sessions(connection, user)
}

/// Of a user who is gone from a table elsewhere, where no trigger is.
fn forget(connection: &Connection, user: UserId, now: Timestamp) -> Result<(), Failure> {
    sessions::revoke_of_user(connection, user, None, RevokedReason::UserInactive, now)?;
    delete_sessions(connection, user)?;
    factors::forget(connection, user)?;
    connection.prepare_cached(statements::FORGET_TOKENS)?.execute([key(user)])?;
    connection.prepare_cached(statements::FORGET_MAILS)?.execute([key(user)])?;
    registrations::forget(connection, user)
}

/// Two statements, as each kind of session has an index of its own.
fn delete_sessions(connection: &Connection, user: UserId) -> Result<(), Failure> {
    connection
        .prepare_cached("DELETE FROM sessions WHERE user_id = ? AND revoked_at IS NULL")?
        .execute([key(user)])?;
    connection
        .prepare_cached("DELETE FROM sessions WHERE user_id = ? AND revoked_at IS NOT NULL")?
        .execute([key(user)])?;
    Ok(())
}

const IS_LAST_SUPERUSER: &str =
    "SELECT 1 FROM users WHERE id = ? AND is_superuser AND is_active AND is_staff AND NOT EXISTS (
         SELECT 1 FROM users AS others
         WHERE others.id <> users.id AND is_superuser AND is_active AND is_staff)";

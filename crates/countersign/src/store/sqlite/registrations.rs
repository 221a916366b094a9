//! Registrations that wait, in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::columns::{from_micros, key, micros, read_user_id};
use super::writer::in_savepoint;
use super::{SqliteStore, users};
use crate::store::due::{Passed, Place, stays};
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{RegistrationStore, StoreError, WaitingRegistration};
use crate::user::UserId;

#[async_trait]
impl RegistrationStore for SqliteStore {
    async fn registrations_of(
        &self,
        users: &[UserId],
    ) -> Result<Vec<WaitingRegistration>, StoreError> {
        let users = users.to_vec();
        self.readers.run(move |c| of(c, &users)).await
    }

    async fn note_registration(&self, new: WaitingRegistration) -> Result<(), StoreError> {
        self.writer.run(move |c| note(c, &new)).await
    }

    async fn forget_registration(&self, user: UserId) -> Result<(), StoreError> {
        self.writer.run(move |c| forget(c, user)).await
    }

    async fn due_registrations(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<UserId>, StoreError> {
        self.writer
            .run(move |c| {
                c.prepare_cached(statements::FORGET_USED_REGISTRATIONS)?.execute([micros(now)])?;
                let due = due(c, now, (i64::MIN, i64::MIN), limit)?;
                Ok(due.into_iter().map(|(_, user)| user).collect())
            })
            .await
    }

    async fn delete_due_registrations(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let passed = self.passed.registrations.clone();
        self.writer.run(move |c| delete_due(c, now, limit, &passed)).await
    }
}

pub(super) fn of(
    connection: &Connection,
    users: &[UserId],
) -> Result<Vec<WaitingRegistration>, Failure> {
    let mut statement = connection
        .prepare_cached("SELECT address, expires_at FROM registrations WHERE user_id = ?")?;
    let mut waiting = Vec::new();
    for user in users {
        let found = statement
            .query_row([key(*user)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?
            .map(|(address, until)| WaitingRegistration {
                user: *user,
                address,
                until: from_micros(until),
            });
        waiting.extend(found);
    }
    Ok(waiting)
}

pub(super) fn note(connection: &Connection, new: &WaitingRegistration) -> Result<(), Failure> {
    connection.prepare_cached(statements::NOTE_REGISTRATION)?.execute(params![
        key(new.user),
        new.address,
        micros(new.until)
    ])?;
    Ok(())
}

pub(super) fn forget(connection: &Connection, user: UserId) -> Result<(), Failure> {
    connection.prepare_cached(statements::FORGET_REGISTRATION)?.execute([key(user)])?;
    Ok(())
}

fn due(
    connection: &Connection,
    now: Timestamp,
    after: Place,
    limit: u32,
) -> Result<Vec<(Place, UserId)>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT expires_at, id, user_id FROM registrations
         WHERE expires_at <= ? AND (expires_at, id) > (?, ?) ORDER BY expires_at, id LIMIT ?",
    )?;
    let users = statement.query_map(params![micros(now), after.0, after.1, limit], |row| {
        Ok(((row.get(0)?, row.get(1)?), read_user_id(row.get_ref(2)?)?))
    })?;
    Ok(users.collect::<Result<_, _>>()?)
}

/// Each in a savepoint of its own, as with users who asked for it.
fn delete_due(
    connection: &Connection,
    now: Timestamp,
    limit: u32,
    passed: &Passed,
) -> Result<u64, Failure> {
    let due = due(connection, now, passed.last(), limit)?;
    let is_full = due.len() >= limit as usize;
    let mut gone = 0;
    for (place, user) in due {
        passed.note(place);
        match in_savepoint::<_, StoreError>(connection, |c| let_go(c, user, now))? {
            Ok(is_gone) => gone += u64::from(is_gone),
            Err(error) => stays(user, &error),
        }
    }
    if !is_full {
        passed.begin_again();
    }
    Ok(gone)
}

/// Whether there was somebody to delete.
fn let_go(connection: &Connection, user: UserId, now: Timestamp) -> Result<bool, Failure> {
    let is_nobody = connection
        .prepare_cached(
            "SELECT 1 FROM users WHERE id = ?1 AND email = '' AND last_login IS NULL
                 AND NOT is_staff AND NOT is_superuser",
        )?
        .exists([user.as_i64()])?;
    let is_gone = is_nobody && users::delete(connection, user, now)?;
    forget(connection, user)?;
    Ok(is_gone)
}

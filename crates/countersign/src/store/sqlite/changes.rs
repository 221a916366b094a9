//! The feed in SQLite, and keeping house.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::columns::{at, key, micros, read_user_id};
use crate::session::SessionId;
use crate::store::admin::activity::first_hour_kept;
use crate::store::{Change, Cursor, StoreError, What};
use crate::user::UserId;

pub(super) fn after(connection: &Connection, after: Cursor, limit: u32) -> Result<Vec<Change>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT cursor, at, kind, subject FROM changes WHERE cursor > ? ORDER BY cursor LIMIT ?")?;
    let rows = statement.query_map(params![after.0, limit], change)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn cursor_at(connection: &Connection, since: Timestamp) -> Result<Cursor, StoreError> {
    // Feed rows of one moment may stand in any order of `at`; the first place at or after it is the safe one.
    let first: Option<i64> = connection
        .prepare_cached("SELECT min(cursor) FROM changes WHERE at >= ?")?
        .query_row([micros(since)], |row| row.get(0))
        .optional()?
        .flatten();
    let newest = || -> Result<i64, StoreError> {
        // Rows are forgotten, numbers are not.
        let newest = connection
            .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'changes'")?
            .query_row([], |row| row.get(0))
            .optional()?;
        Ok(newest.unwrap_or(0))
    };
    Ok(Cursor(match first {
        Some(first) => first - 1,
        None => newest()?,
    }))
}

pub(super) fn prune(connection: &Connection, changes: Timestamp, sessions: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let mut gone = 0;
    for (sql, before) in [
        ("DELETE FROM changes WHERE cursor IN (SELECT cursor FROM changes WHERE at < ? LIMIT ?)", changes),
        ("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < ? LIMIT ?)", sessions),
        ("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE revoked_at < ? LIMIT ?)", sessions),
        ("DELETE FROM admin_sessions WHERE token_hash IN (SELECT token_hash FROM admin_sessions WHERE used_at < ? LIMIT ?)", sessions),
    ] {
        gone += connection.prepare_cached(sql)?.execute(params![micros(before), limit])?;
    }
    gone += connection
        .prepare_cached(
            "DELETE FROM activity WHERE (hour, kind) IN (SELECT hour, kind FROM activity WHERE hour < ? ORDER BY hour LIMIT ?)",
        )?
        .execute(params![first_hour_kept(sessions), limit])?;
    Ok(gone as u64)
}

/// A user's row changed in a database of the app's own.
pub(super) fn note_user_changed(connection: &Connection, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO changes (at, kind, subject) VALUES (?, 'user_changed', ?)")?
        .execute(params![micros(now), key(user)])?;
    Ok(())
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    let (kind, subject) = (row.get_ref("kind")?, row.get_ref("subject")?);
    let what = match kind.as_str().unwrap_or_default() {
        "session_ended" => subject.as_i64().ok().and_then(|id| SessionId::new(id.cast_unsigned())).map(What::SessionEnded),
        "user_changed" => read_user_id(subject).ok().map(What::UserChanged),
        "keys_changed" => Some(What::KeysChanged),
        _ => None,
    };
    // A kind that a newer program writes: to forget what is cached of users is the safe answer.
    let number: i64 = row.get("cursor")?;
    Ok(Change { number, cursor: Cursor(number), settled: true, at: at(row, "at")?, what: what.unwrap_or(What::AllUsersChanged) })
}

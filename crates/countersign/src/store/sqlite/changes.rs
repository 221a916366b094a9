//! The feed in SQLite, and keeping house.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::SqliteStore;
use super::columns::{at, key, micros, read_user_id};
use crate::session::SessionId;
use crate::store::admin::activity::first_hour_kept;
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{Change, Changes, Cursor, FeedStore, StoreError, What};
use crate::user::UserId;

#[async_trait]
impl FeedStore for SqliteStore {
    async fn changes(&self, after: &Cursor, limit: u32) -> Result<Changes, StoreError> {
        let after = after.clone();
        self.readers.run(move |c| page_after(c, &after, limit)).await
    }

    async fn cursor_at(&self, since: Timestamp, limit: u32) -> Result<Option<Cursor>, StoreError> {
        self.readers.run(move |c| cursor_at(c, since, limit)).await
    }

    async fn cursor_now(&self) -> Result<Cursor, StoreError> {
        self.readers.run(cursor_now).await
    }

    async fn note_user_changed(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(move |c| note_user_changed(c, user, now)).await
    }
}

pub(super) fn page_after(
    connection: &Connection,
    after: &Cursor,
    limit: u32,
) -> Result<Changes, Failure> {
    let after = after.0.first().copied().unwrap_or(0);
    let page = page(connection, after, limit)?;
    // Numbers are given out once. Where the last one is smaller than one that was seen, an earlier
    // state was restored into the file, and new changes have old numbers.
    if page.changes.is_empty() && last_number(connection)? < after {
        return Ok(Changes { went_back: true, ..self::page(connection, 0, limit)? });
    }
    Ok(page)
}

fn page(connection: &Connection, after: i64, limit: u32) -> Result<Changes, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT cursor, at, kind, subject FROM changes WHERE cursor > ? ORDER BY cursor LIMIT ?",
    )?;
    let rows =
        statement.query_map(params![after, limit], |row| Ok((row.get("cursor")?, change(row)?)))?;
    let rows: Vec<(i64, Change)> = rows.collect::<Result<_, _>>()?;
    let cursor = cursor(rows.last().map_or(after, |(cursor, _)| *cursor));
    let more = rows.len() >= limit as usize;
    Ok(Changes {
        changes: rows.into_iter().map(|(_, change)| change).collect(),
        cursor,
        more,
        went_back: false,
    })
}

pub(super) fn cursor_at(
    connection: &Connection,
    since: Timestamp,
    limit: u32,
) -> Result<Option<Cursor>, Failure> {
    // Feed rows of one moment may stand in any order of `at`; the first place at or after it is the
    // safe one.
    let (first, count): (Option<i64>, u32) = connection
        .prepare_cached(
            "SELECT min(cursor), count(*) FROM (SELECT cursor FROM changes WHERE at >= ? LIMIT ?)",
        )?
        .query_row(params![micros(since), limit.saturating_add(1)], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    match first {
        _ if count > limit => Ok(None),
        Some(first) => Ok(Some(cursor(first - 1))),
        None => cursor_now(connection).map(Some),
    }
}

/// Rows are forgotten, numbers are not.
pub(super) fn cursor_now(connection: &Connection) -> Result<Cursor, Failure> {
    Ok(cursor(last_number(connection)?))
}

fn last_number(connection: &Connection) -> Result<i64, Failure> {
    let newest = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'changes'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(newest.unwrap_or(0))
}

fn cursor(number: i64) -> Cursor {
    Cursor([number].into())
}

pub(super) fn prune(
    connection: &Connection,
    changes: Timestamp,
    sessions: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    let mut gone = 0;
    for (sql, before) in [
        (
            "DELETE FROM changes WHERE cursor IN (SELECT cursor FROM changes WHERE at < ? LIMIT ?)",
            changes,
        ),
        (
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < ? LIMIT \
             ?)",
            sessions,
        ),
        (
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE revoked_at < ? LIMIT \
             ?)",
            sessions,
        ),
        (
            "DELETE FROM admin_sessions WHERE token_hash IN (SELECT token_hash FROM admin_sessions \
             WHERE used_at < ? LIMIT ?)",
            sessions,
        ),
    ] {
        gone += connection.prepare_cached(sql)?.execute(params![micros(before), limit])?;
    }
    gone += connection
        .prepare_cached(
            "DELETE FROM activity WHERE (hour, kind) IN (SELECT hour, kind FROM activity WHERE \
             hour < ? ORDER BY hour LIMIT ?)",
        )?
        .execute(params![first_hour_kept(sessions), limit])?;
    Ok(gone as u64)
}

/// A user's row changed in a database of the app's own.
pub(super) fn note_user_changed(
    connection: &Connection,
    user: UserId,
    now: Timestamp,
) -> Result<(), Failure> {
    connection
        .prepare_cached(statements::USER_CHANGED)?
        .execute(params![micros(now), key(user)])?;
    Ok(())
}

fn change(row: &Row<'_>) -> rusqlite::Result<Change> {
    let (kind, subject) = (row.get_ref("kind")?, row.get_ref("subject")?);
    let what = match kind.as_str().unwrap_or_default() {
        "session_ended" => subject
            .as_i64()
            .ok()
            .and_then(|id| SessionId::new(id.cast_unsigned()))
            .map(What::SessionEnded),
        "user_changed" => read_user_id(subject).ok().map(What::UserChanged),
        "keys_changed" => Some(What::KeysChanged),
        _ => None,
    };
    // A kind that a newer program writes: to forget what is cached of users is the safe answer.
    Ok(Change { at: at(row, "at")?, what: what.unwrap_or(What::AllUsersChanged) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::SqliteStore;

    #[tokio::test]
    async fn a_change_after_an_earlier_state_was_restored_into_the_file_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("db");
        let store = SqliteStore::open(&file).unwrap();
        let tell = async |id| {
            store.note_user_changed(UserId::new(id), Timestamp::UNIX_EPOCH).await.unwrap();
        };
        tell(1).await;
        tell(2).await;
        tell(3).await;
        let seen = store.cursor_now().await.unwrap();
        assert!(!store.changes(&seen, 100).await.unwrap().went_back);
        // What `.restore` of a backup that was made after the first leaves.
        let earlier = "DELETE FROM changes WHERE cursor > (SELECT min(cursor) FROM changes);
            UPDATE sqlite_sequence SET seq = (SELECT max(cursor) FROM changes)
                WHERE name = 'changes'";
        Connection::open(&file).unwrap().execute_batch(earlier).unwrap();
        tell(4).await;
        let page = store.changes(&seen, 100).await.unwrap();
        assert!(
            page.went_back
                && page
                    .changes
                    .iter()
                    .any(|change| change.what == What::UserChanged(UserId::new(4)))
        );
        assert!(!store.changes(&page.cursor, 100).await.unwrap().went_back);
    }
}

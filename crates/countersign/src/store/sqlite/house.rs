//! The time as SQLite has come to know it, and what a wrong clock has left behind.

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params};

use super::columns::{from_micros, micros};
use super::{SqliteStore, changes, migrations};
use crate::store::agreed_time::Agreed;
use crate::store::failure::Failure;
use crate::store::upkeep::ID_GAP;
use crate::store::{StoreError, Upkeep};

#[async_trait]
impl Upkeep for SqliteStore {
    async fn prune(
        &self,
        changes: Timestamp,
        sessions: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.writer.run(move |c| changes::prune(c, changes, sessions, limit)).await
    }

    async fn agree_on_time(&self, now: Timestamp, step: Duration) -> Result<Timestamp, StoreError> {
        self.writer.run(move |c| agree_on_time(c, now, step)).await
    }

    async fn correct_times(
        &self,
        latest: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.writer.run(move |c| correct_times(c, latest, now, limit)).await
    }

    async fn skip_ids(&self) -> Result<(), StoreError> {
        self.writer.run(skip_ids).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.writer.run(migrations::touch).await
    }

    async fn close(&self) {
        self.writer.empty_log().await;
    }

    fn trouble(&self) -> Option<StoreError> {
        self.files.trouble()
    }
}

pub(super) fn agree_on_time(
    connection: &Connection,
    now: Timestamp,
    step: Duration,
) -> Result<Timestamp, Failure> {
    let told = connection
        .prepare_cached("SELECT time FROM house")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let known = match told {
        Some(told) => Some(told),
        // A database that has not been told yet goes by what happened last.
        None => connection
            .prepare_cached("SELECT max(at) FROM changes")?
            .query_row([], |row| row.get::<_, Option<i64>>(0))?,
    };
    let agreed = Agreed::on(known.map(from_micros), now, step);
    if agreed.is_worth_writing || told.is_none() {
        connection
            .prepare_cached(
                "INSERT INTO house (id, time) VALUES (1, ?1) ON CONFLICT DO UPDATE SET time = ?1",
            )?
            .execute([micros(agreed.time)])?;
    }
    Ok(agreed.time)
}

pub(super) fn correct_times(
    connection: &Connection,
    latest: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    let mut corrected = 0;
    for sql in [
        "UPDATE sessions SET expires_at = expires_at - (created_at - :now),
             last_used_at = min(last_used_at, :now),
             current_since = min(current_since, :now / 1000000), created_at = :now
         WHERE id IN (SELECT id FROM sessions WHERE created_at > :latest AND revoked_at IS NULL
             LIMIT :limit)",
        "UPDATE changes SET at = :now WHERE cursor IN (SELECT cursor FROM changes WHERE at > \
         :latest LIMIT :limit)",
        "UPDATE admin_sessions SET created_at = min(created_at, :now),
             password_at = min(password_at, :now), used_at = :now
         WHERE token_hash IN (SELECT token_hash FROM admin_sessions WHERE used_at > :latest
             LIMIT :limit)",
    ] {
        corrected += connection.prepare_cached(sql)?.execute(named_params! {
            ":now": micros(now),
            ":latest": micros(latest),
            ":limit": limit,
        })?;
    }
    Ok(corrected as u64)
}

/// Lets ids go on after a gap.
pub(super) fn skip_ids(connection: &Connection) -> Result<(), Failure> {
    for table in ["users", "groups", "permissions"] {
        // A table that nothing was ever written into has no row there.
        connection.execute(
            "INSERT INTO sqlite_sequence (name, seq)
             SELECT ?1, 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)",
            [table],
        )?;
        connection.execute(
            "UPDATE sqlite_sequence SET seq = seq + ?2 WHERE name = ?1",
            (table, ID_GAP),
        )?;
    }
    Ok(())
}

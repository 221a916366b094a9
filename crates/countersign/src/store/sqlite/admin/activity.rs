//! Counts by the hour, and how large things are.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::{audit, sessions, users};
use crate::store::StoreError;
use crate::store::admin::activity::{hour_began, hour_of};
use crate::store::admin::{ActivityLog, Counted, Sizes};
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::sqlite::SqliteStore;

#[async_trait]
impl ActivityLog for SqliteStore {
    async fn count(&self, hour: Timestamp, counts: &[(Counted, u64)]) -> Result<(), StoreError> {
        let counts = counts.to_vec();
        self.writer.run(move |c| count(c, hour, &counts)).await
    }

    async fn counts(&self, since: Timestamp) -> Result<Vec<(Timestamp, Counted, u64)>, StoreError> {
        self.readers.run(move |c| counts(c, since)).await
    }

    async fn sizes(&self) -> Result<Sizes, StoreError> {
        self.readers.run(sizes).await
    }
}

pub(super) fn count(
    connection: &Connection,
    hour: Timestamp,
    counts: &[(Counted, u64)],
) -> Result<(), Failure> {
    for (counted, n) in counts {
        let sum = if *counted == Counted::ActiveSessions {
            "max(n, excluded.n)"
        } else {
            "n + excluded.n"
        };
        connection
            .prepare_cached(&format!(
                "INSERT INTO activity (hour, kind, n) VALUES (?, ?, ?) ON CONFLICT (hour, kind) DO \
                 UPDATE SET n = {sum}"
            ))?
            .execute(params![hour_of(hour), counted.code(), n])?;
    }
    Ok(())
}

pub(super) fn counts(
    connection: &Connection,
    since: Timestamp,
) -> Result<Vec<(Timestamp, Counted, u64)>, Failure> {
    let mut statement = connection.prepare_cached(statements::ACTIVITY)?;
    let rows =
        statement.query_map([hour_of(since)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let mut counts = Vec::new();
    for row in rows {
        let (hour, code, n) = row?;
        counts.extend(Counted::from_code(code).map(|counted| (hour_began(hour), counted, n)));
    }
    Ok(counts)
}

pub(super) fn sizes(connection: &Connection) -> Result<Sizes, Failure> {
    let pages: u64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
    let bytes: u64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
    Ok(Sizes {
        users: users::count_all(connection)?,
        sessions: sessions::count_all(connection)?,
        audit: audit::count_all(connection)?,
        bytes: pages * bytes,
    })
}

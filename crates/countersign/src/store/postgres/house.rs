//! The time as PostgreSQL has come to know it, and what a wrong clock has left behind.

use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::Object;
use jiff::Timestamp;

use super::columns::{from_micros, get, micros};
use super::{PostgresStore, attempts, changes, history};
use crate::store::agreed_time::Agreed;
use crate::store::failure::Failure;
use crate::store::{StoreError, Upkeep};

#[async_trait]
impl Upkeep for PostgresStore {
    async fn prune(
        &self,
        changes: Timestamp,
        sessions: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let attempts = write!(self, client => attempts::prune(client, changes));
        let gone = write!(self, client => changes::prune(client, changes, sessions, limit))?;
        attempts.map(|_| gone)
    }

    async fn agree_on_time(&self, now: Timestamp, step: Duration) -> Result<Timestamp, StoreError> {
        write!(self, client => agree_on_time(client, now, step))
    }

    async fn correct_times(
        &self,
        latest: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        write!(self, client => correct_times(client, latest, now, limit))
    }

    async fn skip_ids(&self) -> Result<(), StoreError> {
        write!(self, client => history::skip_ids(client))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        write!(self, client => changes::touch(client))
    }

    fn trouble(&self) -> Option<StoreError> {
        self.health.trouble()
    }
}

pub(super) async fn agree_on_time(
    client: &Object,
    now: Timestamp,
    step: Duration,
) -> Result<Timestamp, Failure> {
    // A database that has not been told yet goes by what happened last.
    let statement = client
        .prepare_cached(
            "SELECT (SELECT time FROM house) AS told, coalesce((SELECT time FROM house), (SELECT \
             max(at) FROM changes)) AS known",
        )
        .await?;
    let row = client.query_one(&statement, &[]).await?;
    let (told, known): (Option<i64>, Option<i64>) = (get(&row, "told")?, get(&row, "known")?);
    let agreed = Agreed::on(known.map(from_micros), now, step);
    if agreed.is_worth_writing || told.is_none() {
        let statement = client
            .prepare_cached(
                "INSERT INTO house (id, time) VALUES (1, $1) ON CONFLICT (id) DO \
                UPDATE SET time = $1",
            )
            .await?;
        client.execute(&statement, &[&micros(agreed.time)]).await?;
    }
    Ok(agreed.time)
}

pub(super) async fn correct_times(
    client: &Object,
    latest: Timestamp,
    now: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    let mut corrected = 0;
    for sql in [
        "UPDATE sessions SET expires_at = expires_at - (created_at - $1),
             last_used_at = least(last_used_at, $1),
             current_since = least(current_since, $1 / 1000000), created_at = $1
         WHERE id = ANY(ARRAY(
             SELECT id FROM sessions WHERE created_at > $2 AND revoked_at IS NULL LIMIT $3
             FOR UPDATE SKIP LOCKED))",
        "UPDATE changes SET at = $1 WHERE number = ANY(ARRAY(
             SELECT number FROM changes WHERE at > $2 LIMIT $3 FOR UPDATE SKIP LOCKED))",
        "UPDATE admin_sessions SET created_at = least(created_at, $1),
             password_at = least(password_at, $1), used_at = $1
         WHERE token_hash = ANY(ARRAY(
             SELECT token_hash FROM admin_sessions WHERE used_at > $2 LIMIT $3
             FOR UPDATE SKIP LOCKED))",
    ] {
        let statement = client.prepare_cached(sql).await?;
        let corrected_now =
            client.execute(&statement, &[&micros(now), &micros(latest), &i64::from(limit)]).await?;
        corrected += corrected_now;
    }
    Ok(corrected)
}

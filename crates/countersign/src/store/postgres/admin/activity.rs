//! Counts by the hour, and how large things are.

use std::collections::HashMap;

use async_trait::async_trait;
use deadpool_postgres::Object;
use jiff::Timestamp;

use super::lists::number;
use super::{audit, sessions, users};
use crate::store::StoreError;
use crate::store::admin::activity::{hour_began, hour_of};
use crate::store::admin::{ActivityLog, Counted, Sizes};
use crate::store::failure::Failure;
use crate::store::postgres::PostgresStore;
use crate::store::postgres::columns::get;
use crate::store::postgres::sessions::signed;
use crate::store::sql::query::Sql;
use crate::store::sql::statements;

#[async_trait]
impl ActivityLog for PostgresStore {
    async fn count(&self, hour: Timestamp, counts: &[(Counted, u64)]) -> Result<(), StoreError> {
        write!(self, client => count(client, hour, counts))
    }

    async fn counts(&self, since: Timestamp) -> Result<Vec<(Timestamp, Counted, u64)>, StoreError> {
        read!(self, client => counts(client, since))
    }

    async fn sizes(&self) -> Result<Sizes, StoreError> {
        read!(self, client => sizes(client))
    }
}

/// Adds in the order of the kinds, so that two nodes cannot each wait for the other.
pub(super) async fn count(
    client: &Object,
    hour: Timestamp,
    counts: &[(Counted, u64)],
) -> Result<(), Failure> {
    let mut by_kind: HashMap<i64, i64> = HashMap::new();
    for (counted, n) in counts {
        let sum = by_kind.entry(counted.code()).or_default();
        *sum = if *counted == Counted::ActiveSessions {
            signed(*n).max(*sum)
        } else {
            signed(*n).saturating_add(*sum)
        };
    }
    if by_kind.is_empty() {
        return Ok(());
    }
    let (kinds, numbers): (Vec<i64>, Vec<i64>) = by_kind.into_iter().unzip();
    let statement = client
        .prepare_cached(
            "INSERT INTO activity AS a (hour, kind, n) SELECT $1, kind, n
                 FROM unnest($2::bigint[], $3::bigint[]) AS c (kind, n) ORDER BY kind
             ON CONFLICT (hour, kind) DO UPDATE SET n = CASE
                 WHEN a.kind = $4 THEN greatest(a.n, excluded.n) ELSE a.n + excluded.n END",
        )
        .await?;
    client
        .execute(&statement, &[&hour_of(hour), &kinds, &numbers, &Counted::ActiveSessions.code()])
        .await?;
    Ok(())
}

pub(super) async fn counts(
    client: &Object,
    since: Timestamp,
) -> Result<Vec<(Timestamp, Counted, u64)>, Failure> {
    let statement = client.prepare_cached(statements::ACTIVITY).await?;
    let mut counts = Vec::new();
    for row in client.query(&statement, &[&hour_of(since)]).await? {
        let (hour, code, n): (i64, i64, i64) =
            (get(&row, "hour")?, get(&row, "kind")?, get(&row, "n")?);
        counts.extend(
            Counted::from_code(code).map(|counted| (hour_began(hour), counted, n.unsigned_abs())),
        );
    }
    Ok(counts)
}

pub(super) async fn sizes(client: &Object) -> Result<Sizes, Failure> {
    Ok(Sizes {
        users: users::count_all(client).await?,
        sessions: sessions::count_all(client).await?,
        audit: audit::count_all(client).await?,
        bytes: number(client, &Sql::new("SELECT pg_database_size(current_database())")).await?,
    })
}

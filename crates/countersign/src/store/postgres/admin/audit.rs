//! The audit log.

use std::collections::HashMap;

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::{Client, Row};

use super::lists::{self, DIALECT, few, number};
use crate::session::SessionId;
use crate::store::StoreError;
use crate::store::admin::{
    AuditKind, AuditLine, AuditLog, AuditPlace, AuditRow, AuditSearch, Count, Page, PlacedLine, Who,
};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, address, clipped};
use crate::store::postgres::PostgresStore;
use crate::store::postgres::columns::{from_micros, get, micros};
use crate::store::sql::query::Sql;
use crate::store::sql::searches;
use crate::user::UserId;

#[async_trait]
impl AuditLog for PostgresStore {
    async fn note(&self, lines: &[AuditLine]) -> Result<(), StoreError> {
        write!(self, client => note(client, lines))
    }

    async fn audit(&self, asked: &AuditSearch) -> Result<Page<AuditRow>, StoreError> {
        read!(self, client => find(client, asked))
    }

    async fn audit_after(
        &self,
        after: Option<AuditPlace>,
        limit: u32,
    ) -> Result<Option<Vec<PlacedLine>>, StoreError> {
        read!(self, client => behind(client, after, limit))
    }

    async fn audit_before(
        &self,
        before: Option<AuditPlace>,
        limit: u32,
    ) -> Result<Vec<PlacedLine>, StoreError> {
        read!(self, client => ahead_of(client, before, limit))
    }

    async fn forget_audit(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        write!(self, client => forget(client, before, limit))
    }
}

/// Writes the lines of an act, and commits both.
pub(super) async fn noted<T, E: From<StoreError>>(
    transaction: Transaction<'_>,
    done: T,
    lines: Vec<AuditLine>,
) -> Acted<T, E> {
    note(&transaction, &lines).await.map_err(Failure::of)?;
    transaction.commit().await?;
    Ok((done, lines))
}

pub(in crate::store::postgres) async fn note(
    client: &impl GenericClient,
    lines: &[AuditLine],
) -> Result<(), Failure> {
    if lines.is_empty() {
        return Ok(());
    }
    let statement = client
        .prepare_cached(
            "INSERT INTO audit_events (at, kind, user_id, session_id, actor_id, actor, ip, detail)
             SELECT at, kind, user_id, session_id, actor_id, actor, ip, detail
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::text[],
                 $6::text[], $7::text[], $8::text[])
                 WITH ORDINALITY AS l (at, kind, user_id, session_id, actor_id, actor, ip, detail,
                     place) ORDER BY place",
        )
        .await?;
    macro_rules! column {
        ($of:expr) => {
            lines.iter().map($of).collect::<Vec<_>>()
        };
    }
    let id = |user: Option<UserId>| user.map(|id| id.to_string());
    client
        .execute(
            &statement,
            &[
                &column!(|line| micros(line.at)),
                &column!(|line| line.kind.as_str()),
                &column!(|line| id(line.user)),
                &column!(|line| line.session.map(|id| id.get().cast_signed())),
                &column!(|line| id(line.actor.as_ref().and_then(Who::user))),
                &column!(|line| line.actor.as_ref().and_then(Who::name)),
                &column!(|line| address(line.ip)),
                &column!(|line| clipped(&line.detail)),
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn find(client: &Object, asked: &AuditSearch) -> Result<Page<AuditRow>, Failure> {
    let listing = searches::audit(asked, &DIALECT);
    let listed = lists::list(client, &listing).await?;
    let count = match listing.filters {
        0 => count_all(client).await?,
        _ => lists::count(client, &listing, &listed, "audit_events").await?,
    };
    let statement = client
        .prepare_cached(&format!("SELECT {COLUMNS} FROM audit_events WHERE id = ANY($1)"))
        .await?;
    let mut found = HashMap::new();
    for row in client.query(&statement, &[&listed.ids]).await? {
        found.insert(get::<i64>(&row, "id")?, audit_row(&row)?);
    }
    let rows = listed.ids.iter().filter_map(|id| found.remove(id)).collect();
    Ok(Page { rows, next: listed.next, previous: listed.previous, count })
}

/// In the order of transactions, and only of those that none which is still open stands before.
async fn behind(
    client: &Object,
    after: Option<AuditPlace>,
    limit: u32,
) -> Result<Option<Vec<PlacedLine>>, Failure> {
    if let Some(place) = after
        && !is_there(client, place).await?
    {
        return Ok(None);
    }
    let statement = client
        .prepare_cached(&format!(
            "SELECT xid, {COLUMNS} FROM audit_events
             WHERE (xid, id) > ($1, $2)
                 AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
             ORDER BY xid, id LIMIT $3"
        ))
        .await?;
    let (batch, id) = after.map_or((-1, 0), |place| (place.batch, place.id));
    let rows = client.query(&statement, &[&batch, &id, &i64::from(limit)]).await?;
    rows.iter().map(placed).collect::<Result<_, _>>().map(Some)
}

/// The same backwards, from the last one that none which is still open stands before.
async fn ahead_of(
    client: &Object,
    before: Option<AuditPlace>,
    limit: u32,
) -> Result<Vec<PlacedLine>, Failure> {
    let statement = client
        .prepare_cached(&format!(
            "SELECT xid, {COLUMNS} FROM audit_events
             WHERE (xid, id) < ($1, $2)
                 AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
             ORDER BY xid DESC, id DESC LIMIT $3"
        ))
        .await?;
    let (batch, id) = before.map_or((i64::MAX, 0), |place| (place.batch, place.id));
    let rows = client.query(&statement, &[&batch, &id, &i64::from(limit)]).await?;
    rows.iter().map(placed).collect()
}

fn placed(row: &Row) -> Result<PlacedLine, Failure> {
    let batch = get(row, "xid")?;
    let row = audit_row(row)?;
    Ok(PlacedLine { place: AuditPlace { batch, id: row.id, at: row.line.at }, row })
}

/// Whether this log has, or had, such a line.
async fn is_there(client: &Object, place: AuditPlace) -> Result<bool, Failure> {
    let statement = client
        .prepare_cached(
            // No line has a number, or a transaction, that has not been given yet.
            "SELECT $1::bigint BETWEEN 1 AND coalesce(pg_sequence_last_value(
                     pg_get_serial_sequence('audit_events', 'id')::regclass), 0)
                 AND $2::bigint BETWEEN 0 AND pg_snapshot_xmax(pg_current_snapshot())::text::bigint
                 AND coalesce(
                     (SELECT xid = $2 AND at = $3 FROM audit_events WHERE id = $1),
                     (SELECT $3 <= min(at) FROM audit_events),
                     true) AS is_there",
        )
        .await?;
    let row = client.query_one(&statement, &[&place.id, &place.batch, &micros(place.at)]).await?;
    get(&row, "is_there")
}

/// Lines out of another cluster, brought here by a restored dump, bear ids of transactions that
/// this one has not reached: they count as written before all others.
pub(in crate::store::postgres) async fn adopt(client: &Client) -> Result<(), Failure> {
    // Not all at once: there may be millions.
    while client.execute(ADOPT, &[]).await? > 0 {}
    Ok(())
}

const ADOPT: &str = "UPDATE audit_events SET xid = 0 WHERE id IN (
     SELECT id FROM audit_events WHERE xid > pg_snapshot_xmax(pg_current_snapshot())::text::bigint
     LIMIT 10000)";

pub(super) async fn forget(client: &Object, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let statement = client
        .prepare_cached(
            "DELETE FROM audit_events WHERE id = ANY(ARRAY(
                 SELECT id FROM audit_events WHERE at < $1 ORDER BY at LIMIT $2
                 FOR UPDATE SKIP LOCKED))",
        )
        .await?;
    Ok(client.execute(&statement, &[&micros(before), &i64::from(limit)]).await?)
}

/// Lines go by age only, so that their numbers have hardly a gap.
pub(super) async fn count_all(client: &Object) -> Result<Count, Failure> {
    Ok(match few(client, "audit_events").await? {
        Some(few) => Count::Exactly(few),
        None => Count::About(
            number(client, &Sql::new("SELECT max(id) - min(id) + 1 FROM audit_events")).await?,
        ),
    })
}

pub(in crate::store::postgres) fn audit_row(row: &Row) -> Result<AuditRow, Failure> {
    // A row that a database shell wrote may name anybody.
    let user = |column: &str| {
        Ok::<_, Failure>(get::<Option<&str>>(row, column)?.and_then(|id| id.parse().ok()))
    };
    let word: String = get(row, "kind")?;
    let line = AuditLine {
        at: from_micros(get(row, "at")?),
        kind: AuditKind::from_word(&word),
        actor: match get::<Option<&str>>(row, "actor")? {
            Some(name) => Who::from_name(name),
            None => user("actor_id")?.map(Who::User),
        },
        user: user("user_id")?,
        session: get::<Option<i64>>(row, "session_id")?
            .and_then(|id| SessionId::new(id.cast_unsigned())),
        ip: get::<Option<&str>>(row, "ip")?.and_then(|ip| ip.parse().ok()),
        detail: get(row, "detail")?,
    };
    Ok(AuditRow { id: get(row, "id")?, line, word })
}

pub(in crate::store::postgres) const COLUMNS: &str =
    "id, at, kind, user_id, session_id, actor_id, actor, ip, detail";

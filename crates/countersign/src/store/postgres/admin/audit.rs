//! The audit log.

use std::collections::HashMap;

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::lists::{self, DIALECT, few, number};
use crate::session::SessionId;
use crate::store::StoreError;
use crate::store::admin::{
    AuditKind, AuditLine, AuditLog, AuditRow, AuditSearch, Count, Page, Who,
};
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
    note(&transaction, &lines).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok((done, lines))
}

pub(in crate::store::postgres) async fn note(
    client: &impl GenericClient,
    lines: &[AuditLine],
) -> Result<(), StoreError> {
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

pub(super) async fn find(
    client: &Object,
    asked: &AuditSearch,
) -> Result<Page<AuditRow>, StoreError> {
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

pub(super) async fn forget(
    client: &Object,
    before: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let statement = client
        .prepare_cached(
            "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE at < $1 ORDER \
             BY at LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .await?;
    Ok(client.execute(&statement, &[&micros(before), &i64::from(limit)]).await?)
}

/// Lines go by age only, so that their numbers have hardly a gap.
pub(super) async fn count_all(client: &Object) -> Result<Count, StoreError> {
    Ok(match few(client, "audit_events").await? {
        Some(few) => Count::Exactly(few),
        None => Count::About(
            number(client, &Sql::new("SELECT max(id) - min(id) + 1 FROM audit_events")).await?,
        ),
    })
}

pub(in crate::store::postgres) fn audit_row(row: &Row) -> Result<AuditRow, StoreError> {
    // A row that a database shell wrote may name anybody.
    let user = |column: &str| {
        Ok::<_, StoreError>(get::<Option<&str>>(row, column)?.and_then(|id| id.parse().ok()))
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

//! The audit log.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::lists::{self, DIALECT, few, number};
use crate::session::SessionId;
use crate::store::StoreError;
use crate::store::admin::{
    AuditKind, AuditLine, AuditLog, AuditPlace, AuditRow, AuditSearch, Count, Page, PlacedLine, Who,
};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, address, clipped};
use crate::store::sql::query::Sql;
use crate::store::sql::searches;
use crate::store::sql::statements;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::columns::{at, key, micros, read_user_id};
use crate::user::UserId;

#[async_trait]
impl AuditLog for SqliteStore {
    async fn note(&self, lines: &[AuditLine]) -> Result<(), StoreError> {
        let lines = lines.to_vec();
        self.writer.run(move |c| note(c, &lines)).await
    }

    async fn audit(&self, asked: &AuditSearch) -> Result<Page<AuditRow>, StoreError> {
        let asked = asked.clone();
        self.readers.run(move |c| find(c, &asked)).await
    }

    async fn audit_after(
        &self,
        after: Option<AuditPlace>,
        limit: u32,
    ) -> Result<Option<Vec<PlacedLine>>, StoreError> {
        self.readers.run(move |c| behind(c, after, limit)).await
    }

    async fn audit_before(
        &self,
        before: Option<AuditPlace>,
        limit: u32,
    ) -> Result<Vec<PlacedLine>, StoreError> {
        self.readers.run(move |c| ahead_of(c, before, limit)).await
    }

    async fn forget_audit(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.writer.run(move |c| forget(c, before, limit)).await
    }
}

/// Writes the lines of an act that is done within this transaction.
pub(super) fn noted<T, E: From<StoreError>>(
    connection: &Connection,
    done: T,
    lines: Vec<AuditLine>,
) -> Acted<T, E> {
    note(connection, &lines).map_err(Failure::of)?;
    Ok((done, lines))
}

pub(in crate::store::sqlite) fn note(
    connection: &Connection,
    lines: &[AuditLine],
) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(statements::NOTE)?;
    for line in lines {
        statement.execute(params![
            micros(line.at),
            line.kind.as_str(),
            line.user.map(key),
            line.session.map(|id| id.get().cast_signed()),
            line.actor.as_ref().and_then(Who::user).map(key),
            line.actor.as_ref().and_then(Who::name),
            address(line.ip),
            clipped(&line.detail)
        ])?;
    }
    Ok(())
}

pub(super) fn find(
    connection: &Connection,
    asked: &AuditSearch,
) -> Result<Page<AuditRow>, Failure> {
    let listing = searches::audit(asked, &DIALECT);
    let listed = lists::list(connection, &listing)?;
    let count = lists::count(connection, &listing, &listed, "audit_events", count_all)?;
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM audit_events WHERE id = ?"))?;
    let mut rows = Vec::with_capacity(listed.rows.len());
    for at in &listed.rows {
        rows.extend(statement.query_row([at.id], row).optional()?);
    }
    Ok(Page { rows, next: listed.next, previous: listed.previous, count })
}

/// One writes at a time, so that numbers come in order.
fn behind(
    connection: &Connection,
    after: Option<AuditPlace>,
    limit: u32,
) -> Result<Option<Vec<PlacedLine>>, Failure> {
    if let Some(place) = after
        && !is_there(connection, place)?
    {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM audit_events WHERE id > ? ORDER BY id LIMIT ?"
    ))?;
    let after = after.map_or(0, |place| place.id);
    let rows = statement.query_map(params![after, limit], row)?;
    Ok(Some(rows.map(|row| row.map(placed)).collect::<Result<_, _>>()?))
}

fn ahead_of(
    connection: &Connection,
    before: Option<AuditPlace>,
    limit: u32,
) -> Result<Vec<PlacedLine>, Failure> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM audit_events WHERE id < ? ORDER BY id DESC LIMIT ?"
    ))?;
    let before = before.map_or(i64::MAX, |place| place.id);
    let rows = statement.query_map(params![before, limit], row)?;
    Ok(rows.map(|row| row.map(placed)).collect::<Result<_, _>>()?)
}

fn placed(row: AuditRow) -> PlacedLine {
    PlacedLine { place: AuditPlace { batch: 0, id: row.id, at: row.line.at }, row }
}

/// Whether this log has, or had, such a line.
fn is_there(connection: &Connection, place: AuditPlace) -> Result<bool, Failure> {
    let found: Option<i64> = connection
        .prepare_cached("SELECT at FROM audit_events WHERE id = ?")?
        .query_row([place.id], |row| row.get(0))
        .optional()?;
    let is_it = match found {
        Some(at) => at == micros(place.at),
        None => {
            let oldest: Option<i64> = connection
                .prepare_cached("SELECT min(at) FROM audit_events")?
                .query_row([], |row| row.get(0))?;
            oldest.is_none_or(|oldest| micros(place.at) <= oldest)
        }
    };
    Ok(is_it && place.batch == 0 && (1..=last_number(connection)?).contains(&place.id))
}

/// The highest number that a line has, or had.
fn last_number(connection: &Connection) -> Result<i64, Failure> {
    let last = connection
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'audit_events'")?
        .query_row([], |row| row.get(0))
        .optional()?;
    Ok(last.unwrap_or(0))
}

pub(super) fn forget(
    connection: &Connection,
    before: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    let gone = connection
        .prepare_cached(
            "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events WHERE \
            at < ? ORDER BY at LIMIT ?)",
        )?
        .execute(params![micros(before), limit])?;
    Ok(gone as u64)
}

/// Lines go by age only, so that their numbers have hardly a gap.
pub(super) fn count_all(connection: &Connection) -> Result<Count, Failure> {
    let span = "SELECT (SELECT max(id) FROM audit_events) - (SELECT min(id) FROM audit_events) + 1";
    Ok(match few(connection, "audit_events")? {
        Some(few) => Count::Exactly(few),
        None => Count::About(number(connection, &Sql::new(span))?),
    })
}

pub(in crate::store::sqlite) fn row(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    let user = |column: &str| -> rusqlite::Result<Option<UserId>> {
        // A row that a database shell wrote may name anybody.
        Ok(read_user_id(row.get_ref(column)?).ok())
    };
    let word: String = row.get("kind")?;
    let line = AuditLine {
        at: at(row, "at")?,
        kind: AuditKind::from_word(&word),
        actor: match row.get::<_, Option<String>>("actor")? {
            Some(name) => Who::from_name(&name),
            None => user("actor_id")?.map(Who::User),
        },
        user: user("user_id")?,
        session: row
            .get::<_, Option<i64>>("session_id")?
            .and_then(|id| SessionId::new(id.cast_unsigned())),
        ip: row.get::<_, Option<String>>("ip")?.and_then(|ip| ip.parse().ok()),
        detail: row.get("detail")?,
    };
    Ok(AuditRow { id: row.get("id")?, line, word })
}

pub(in crate::store::sqlite) const COLUMNS: &str =
    "id, at, kind, user_id, session_id, actor_id, actor, ip, detail";

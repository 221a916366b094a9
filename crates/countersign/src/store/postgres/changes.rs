//! The feed in PostgreSQL, and keeping house.
//!
//! A cursor is a transaction's id. Ids are drawn before transactions end, so one that is smaller may become visible later. A row is *settled* when no transaction with
//! an id up to its own can still be open (it lies below the snapshot's `xmin`). The reader takes rows that are not settled at once, as a logout must not wait for somebody's
//! long transaction, but does not move its cursor past them: it sees them again until they are settled, and tells them by their numbers.

use deadpool_postgres::Object;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio_postgres::{Client, Row};

use super::columns::{from_micros, get, micros};
use crate::session::SessionId;
use crate::store::admin::activity::first_hour_kept;
use crate::store::{Change, Cursor, StoreError, What};
use crate::user::UserId;

/// Rows out of another cluster, brought here by a restored dump, have ids that this one has not reached: they count as written now.
pub(super) async fn adopt(client: &Client) -> Result<(), StoreError> {
    client
        .batch_execute(
            "UPDATE changes SET xid = pg_current_xact_id()::text::bigint
             WHERE xid > pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
        )
        .await?;
    Ok(())
}

/// The times between two starts of the server, as this process has met them. Between two of them the database may have gone back to an earlier state (a restored backup, a
/// failover to a replica that lagged), from where it gives the ids of transactions that this process has seen to other ones. So a cursor is worth something in its own
/// era only, which is in its upper bits; one of an earlier era reads from the beginning of what is kept, a few minutes.
#[derive(Debug, Default)]
pub(super) struct Eras(Mutex<Era>);

#[derive(Debug, Default, Clone, Copy)]
struct Era {
    number: i64,
    /// When the server started, as it says; unknown before the first look.
    started: Option<i64>,
}

impl Eras {
    fn now(&self) -> Era {
        *self.0.lock()
    }

    /// The era of an answer of a server that started then.
    fn of(&self, started: i64) -> Era {
        let mut era = self.0.lock();
        if era.started.is_some_and(|known| known != started) {
            era.number += 1;
        }
        era.started = Some(started);
        *era
    }
}

impl Era {
    fn cursor(self, xid: i64) -> Cursor {
        Cursor((self.number << XID_BITS) + xid.clamp(0, MAX_XID))
    }

    /// The transaction of a cursor, or before all of them for one of another era.
    fn xid(self, cursor: Cursor) -> i64 {
        if cursor.0 >> XID_BITS == self.number { cursor.0 & MAX_XID } else { 0 }
    }
}

pub(super) async fn after(client: &Object, eras: &Eras, after: Cursor, limit: u32) -> Result<Vec<Change>, StoreError> {
    // A number of the database's own would be given again after it went back, and taken for a change that is known.
    let statement = client
        .prepare_cached(
            "WITH server AS (
                 SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS settled_before,
                        pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS newest,
                        (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started
             ), bounds AS (
                 SELECT *, CASE WHEN $1 > newest OR $2 <> started THEN 0 ELSE $1 END AS after FROM server
             )
             SELECT number AS place, hashtextextended(at || ' ' || kind || ' ' || coalesce(subject, ''), number) AS number,
                 xid, at, kind, subject, settled_before, after, started
             FROM changes, bounds WHERE xid > after ORDER BY xid FETCH FIRST ($3::bigint) ROWS WITH TIES",
        )
        .await?;
    let known = eras.now();
    let rows = client.query(&statement, &[&known.xid(after), &known.started, &i64::from(limit)]).await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        changes.push((get::<i64>(row, "place")?, change(row, eras.of(get(row, "started")?))?));
    }
    changes.sort_by_key(|(place, change)| (change.cursor, *place));
    Ok(changes.into_iter().map(|(_, change)| change).collect())
}

/// The transactions that may matter begin at `since`; where there is none, at those that may still be open.
pub(super) async fn cursor_at(client: &Object, eras: &Eras, since: Timestamp) -> Result<Cursor, StoreError> {
    let statement = client
        .prepare_cached(
            "SELECT least((SELECT min(xid) FROM changes WHERE at >= $1), pg_snapshot_xmin(pg_current_snapshot())::text::bigint) - 1 AS xid,
                 (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS started",
        )
        .await?;
    let row = client.query_one(&statement, &[&micros(since)]).await?;
    Ok(eras.of(get(&row, "started")?).cursor(get(&row, "xid")?))
}

/// Writes, and changes nothing.
pub(super) async fn touch(client: &Object) -> Result<(), StoreError> {
    // A row that is always there, written with what it has: as durable as everything else, and nothing changes.
    let statement = client.prepare_cached("UPDATE schema_steps SET taken_at = taken_at WHERE number = 0").await?;
    client.execute(&statement, &[]).await?;
    Ok(())
}

pub(super) async fn note_user_changed(client: &Object, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    let statement = client.prepare_cached("INSERT INTO changes (at, kind, subject) VALUES ($1, 'user_changed', $2)").await?;
    client.execute(&statement, &[&micros(now), &user.to_string()]).await?;
    Ok(())
}

pub(super) async fn prune(client: &Object, changes: Timestamp, sessions: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let mut gone = 0;
    // Two nodes that do this at once do not wait for each other, nor for a refresh.
    for (sql, before) in [
        ("DELETE FROM changes WHERE number IN (SELECT number FROM changes WHERE at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)", changes),
        ("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)", sessions),
        ("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE revoked_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)", sessions),
        (
            "DELETE FROM admin_sessions WHERE token_hash IN (SELECT token_hash FROM admin_sessions WHERE used_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)",
            sessions,
        ),
    ] {
        let statement = client.prepare_cached(sql).await?;
        gone += client.execute(&statement, &[&micros(before), &i64::from(limit)]).await?;
    }
    let counts = client
        .prepare_cached(
            "DELETE FROM activity WHERE (hour, kind) IN
                 (SELECT hour, kind FROM activity WHERE hour < $1 ORDER BY hour LIMIT $2 FOR UPDATE SKIP LOCKED)",
        )
        .await?;
    gone += client.execute(&counts, &[&first_hour_kept(sessions), &i64::from(limit)]).await?;
    Ok(gone)
}

fn change(row: &Row, era: Era) -> Result<Change, StoreError> {
    let (kind, subject): (&str, Option<&str>) = (get(row, "kind")?, get(row, "subject")?);
    let what = match kind {
        "session_ended" => {
            let id = subject.and_then(|id| id.parse::<i64>().ok());
            id.and_then(|id| SessionId::new(id.cast_unsigned())).map(What::SessionEnded)
        }
        "user_changed" => subject.and_then(|id| id.parse().ok()).map(What::UserChanged),
        "keys_changed" => Some(What::KeysChanged),
        _ => None,
    };
    let (xid, settled_before, after): (i64, i64, i64) = (get(row, "xid")?, get(row, "settled_before")?, get(row, "after")?);
    let settled = xid < settled_before;
    Ok(Change {
        number: get(row, "number")?,
        // As far as the reader may go once it has taken this.
        cursor: era.cursor(if settled { xid } else { after.max(settled_before - 1) }),
        settled,
        at: from_micros(get(row, "at")?),
        // A kind that a newer program writes: to forget what is cached of users is the safe answer.
        what: what.unwrap_or(What::AllUsersChanged),
    })
}

/// The lower bits of a cursor: more than eight thousand years of a thousand transactions a second.
const XID_BITS: u32 = 48;

const MAX_XID: i64 = (1 << XID_BITS) - 1;

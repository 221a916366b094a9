//! The feed in PostgreSQL, and keeping house.
//!
//! A cursor is a transaction's id. Ids are drawn before transactions end, so one that is smaller may become visible later. A row is *settled* when no transaction with
//! an id up to its own can still be open (it lies below the snapshot's `xmin`). The reader takes rows that are not settled at once, as a logout must not wait for somebody's
//! long transaction, but does not move its cursor past them: it sees them again until they are settled, and tells them by their numbers.

use deadpool_postgres::Object;
use jiff::Timestamp;
use tokio_postgres::{Client, Row};

use super::columns::{from_micros, get, micros};
use crate::session::SessionId;
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

pub(super) async fn after(client: &Object, after: Cursor, limit: u32) -> Result<Vec<Change>, StoreError> {
    // A cursor beyond all transactions is from before the database was restored to an earlier state: everything is read again.
    let statement = client
        .prepare_cached(
            "WITH bounds AS (
                 SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS settled_before,
                        CASE WHEN $1 > pg_snapshot_xmax(pg_current_snapshot())::text::bigint THEN 0 ELSE $1 END AS after
             )
             SELECT number, xid, at, kind, subject, settled_before, after FROM changes, bounds
             WHERE xid > after ORDER BY xid FETCH FIRST ($2::bigint) ROWS WITH TIES",
        )
        .await?;
    let rows = client.query(&statement, &[&after.0, &i64::from(limit)]).await?;
    let mut changes = rows.iter().map(change).collect::<Result<Vec<_>, _>>()?;
    changes.sort_by_key(|change| (change.cursor, change.number));
    Ok(changes)
}

/// The transactions that may matter begin at `since`; where there is none, at those that may still be open.
pub(super) async fn cursor_at(client: &Object, since: Timestamp) -> Result<Cursor, StoreError> {
    let statement = client
        .prepare_cached(
            "SELECT least((SELECT min(xid) FROM changes WHERE at >= $1), pg_snapshot_xmin(pg_current_snapshot())::text::bigint) - 1",
        )
        .await?;
    Ok(Cursor(client.query_one(&statement, &[&micros(since)]).await?.try_get(0)?))
}

pub(super) async fn note_user_changed(client: &Object, user: UserId, now: Timestamp) -> Result<(), StoreError> {
    let statement = client.prepare_cached("INSERT INTO changes (at, kind, subject) VALUES ($1, 'user_changed', $2)").await?;
    client.execute(&statement, &[&micros(now), &user.to_string()]).await?;
    Ok(())
}

pub(super) async fn prune(client: &Object, changes: Timestamp, sessions: Timestamp, limit: u32) -> Result<u64, StoreError> {
    let mut gone = 0;
    for (sql, before) in [
        ("DELETE FROM changes WHERE number IN (SELECT number FROM changes WHERE at < $1 LIMIT $2)", changes),
        ("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2)", sessions),
        ("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE revoked_at < $1 LIMIT $2)", sessions),
    ] {
        let statement = client.prepare_cached(sql).await?;
        gone += client.execute(&statement, &[&micros(before), &i64::from(limit)]).await?;
    }
    Ok(gone)
}

fn change(row: &Row) -> Result<Change, StoreError> {
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
        cursor: Cursor(if settled { xid } else { after.max(settled_before - 1) }),
        settled,
        at: from_micros(get(row, "at")?),
        // A kind that a newer program writes: to forget what is cached of users is the safe answer.
        what: what.unwrap_or(What::AllUsersChanged),
    })
}

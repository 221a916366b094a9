//! The outbox in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::SqliteStore;
use super::columns::{from_micros, key, micros, read_user_id, unknown_word};
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{
    ClaimedMail, MailBounds, MailState, NewMail, OutboxCounts, OutboxRow, OutboxStore, StoreError,
};

#[async_trait]
impl OutboxStore for SqliteStore {
    async fn queue_mails(&self, mails: Vec<NewMail>, bounds: MailBounds) -> Result<(), StoreError> {
        self.writer.run(move |c| queue(c, &mails, bounds).map(drop)).await
    }

    async fn claim_mails(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<ClaimedMail>, StoreError> {
        self.writer.run(move |c| claim(c, now, lease_until, limit)).await
    }

    async fn next_mail(&self) -> Result<Option<Timestamp>, StoreError> {
        self.readers.run(next).await
    }

    async fn mail_sent(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(move |c| finish(c, id, MailState::Sent, now, "")).await
    }

    async fn mail_put_off(&self, id: i64, due: Timestamp, error: &str) -> Result<(), StoreError> {
        let error = error.to_owned();
        self.writer.run(move |c| put_off(c, id, due, &error)).await
    }

    async fn give_mails_back(&self, ids: &[i64], lease_until: Timestamp) -> Result<(), StoreError> {
        let ids = ids.to_vec();
        self.writer.run(move |c| give_back(c, &ids, lease_until)).await
    }

    async fn mail_failed(&self, id: i64, now: Timestamp, error: &str) -> Result<(), StoreError> {
        let error = error.to_owned();
        self.writer.run(move |c| finish(c, id, MailState::Failed, now, &error)).await
    }

    async fn outbox(
        &self,
        state: Option<MailState>,
        before: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        self.readers.run(move |c| page(c, state, before, limit)).await
    }

    async fn outbox_counts(&self) -> Result<OutboxCounts, StoreError> {
        self.readers.run(counts).await
    }

    async fn mail_due_now(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        self.writer.run(move |c| due_now(c, id, now)).await
    }

    async fn prune_mails(
        &self,
        done: Timestamp,
        failed: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.writer.run(move |c| prune(c, done, failed, limit)).await
    }
}

/// Queues mails within a transaction. One beyond the bounds of its address is void; whether none
/// was. One that is void anyway counts as any other: whoever learns whether a link of theirs ended
/// would learn from it whether somebody has the address.
pub(super) fn queue(
    connection: &Connection,
    mails: &[NewMail],
    bounds: MailBounds,
) -> Result<bool, Failure> {
    let mut lately = connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM outbox
             WHERE address = ? AND kind = ? AND created_at > ? LIMIT ?)",
    )?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO outbox (id, kind, state, user_id, address, sealed, created_at, due_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?;
    let mut are_within = true;
    for mail in mails {
        let (kind, many, created) =
            (mail.class.as_str(), bounds.of(mail.class), micros(mail.created_at));
        let since = created - HOUR;
        let so_far: u32 =
            lately.query_row(params![mail.address, kind, since, many], |row| row.get(0))?;
        let is_beyond = so_far >= many;
        let state = if mail.is_void || is_beyond { MailState::Void } else { MailState::Waiting };
        insert.execute(params![
            mail.id,
            kind,
            state.as_str(),
            mail.user.map(key),
            mail.address,
            mail.sealed,
            created,
            micros(mail.due_at),
        ])?;
        are_within &= !is_beyond;
    }
    Ok(are_within)
}

fn claim(
    connection: &Connection,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<ClaimedMail>, Failure> {
    let mut statement = connection.prepare_cached(CLAIM)?;
    let mut claimed = statement
        .query_map(
            named_params! { ":lease": micros(lease_until), ":now": micros(now), ":limit": limit },
            |row| {
                let mail = ClaimedMail {
                    id: row.get(0)?,
                    sealed: row.get(1)?,
                    tries: row.get(2)?,
                    created_at: from_micros(row.get(3)?),
                };
                Ok((row.get::<_, i64>(4)?, mail))
            },
        )?
        .collect::<Result<Vec<_>, _>>()?;
    claimed.sort_by_key(|(due, mail)| (*due, mail.id));
    Ok(claimed.into_iter().map(|(_, mail)| mail).collect())
}

fn next(connection: &Connection) -> Result<Option<Timestamp>, Failure> {
    let mut statement = connection.prepare_cached(NEXT)?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?.map(from_micros))
}

fn give_back(connection: &Connection, ids: &[i64], lease_until: Timestamp) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(
        "UPDATE outbox SET leased_until = 0
         WHERE id = ? AND leased_until = ? AND state = 'waiting'",
    )?;
    for id in ids {
        statement.execute(params![id, micros(lease_until)])?;
    }
    Ok(())
}

fn finish(
    connection: &Connection,
    id: i64,
    state: MailState,
    now: Timestamp,
    error: &str,
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE outbox SET state = ?, due_at = ?, error = ?, sealed = x'', tries = tries + 1
             WHERE id = ? AND state = 'waiting'",
        )?
        .execute(params![state.as_str(), micros(now), error, id])?;
    Ok(())
}

fn put_off(connection: &Connection, id: i64, due: Timestamp, error: &str) -> Result<(), Failure> {
    connection.prepare_cached(statements::PUT_OFF)?.execute(params![micros(due), error, id])?;
    Ok(())
}

fn page(
    connection: &Connection,
    state: Option<MailState>,
    before: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<OutboxRow>, Failure> {
    let of_state = if state.is_some() { "state = :state" } else { ":state IS NULL" };
    let sql = format!(
        "SELECT {COLUMNS} FROM outbox
         WHERE {of_state} AND (created_at, id) < (:at, :id)
         ORDER BY created_at DESC, id DESC LIMIT :limit"
    );
    let (at, id) = before.map_or((i64::MAX, i64::MAX), |(at, id)| (micros(at), id));
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(
        named_params! {
            ":state": state.map(MailState::as_str),
            ":at": at,
            ":id": id,
            ":limit": limit,
        },
        outbox_row,
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(super) fn outbox_row(row: &Row<'_>) -> rusqlite::Result<OutboxRow> {
    let word: String = row.get(1)?;
    Ok(OutboxRow {
        id: row.get(0)?,
        state: MailState::from_word(&word).ok_or_else(|| unknown_word(&word))?,
        user: match row.get_ref(2)? {
            rusqlite::types::ValueRef::Null => None,
            other => Some(read_user_id(other)?),
        },
        address: row.get(3)?,
        created_at: from_micros(row.get(4)?),
        due_at: from_micros(row.get(5)?),
        tries: row.get(6)?,
        error: row.get(7)?,
    })
}

fn counts(connection: &Connection) -> Result<OutboxCounts, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM (SELECT 1 FROM outbox WHERE state = ? LIMIT 100000)",
    )?;
    let mut of = |state: MailState| statement.query_row([state.as_str()], |row| row.get(0));
    Ok(OutboxCounts { waiting: of(MailState::Waiting)?, failed: of(MailState::Failed)? })
}

fn due_now(connection: &Connection, id: i64, now: Timestamp) -> Result<bool, Failure> {
    let changed =
        connection.prepare_cached(statements::SEND_NOW)?.execute(params![micros(now), id])?;
    Ok(changed == 1)
}

fn prune(
    connection: &Connection,
    done: Timestamp,
    failed: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    let mut gone = 0;
    for (state, before) in
        [(MailState::Sent, done), (MailState::Void, done), (MailState::Failed, failed)]
    {
        gone += connection
            .prepare_cached(
                "DELETE FROM outbox WHERE id IN (
                     SELECT id FROM outbox WHERE state = ? AND created_at < ? LIMIT ?)",
            )?
            .execute(params![state.as_str(), micros(before), limit])?;
    }
    Ok(gone as u64)
}

pub(super) const COLUMNS: &str = "id, state, user_id, address, created_at, due_at, tries, error";

// Left to itself, SQLite takes the index of states, and reads and sorts all that wait: once a
// second, on the one thread that writes.

const CLAIM: &str = "UPDATE outbox SET leased_until = :lease WHERE id IN (
         SELECT id FROM outbox INDEXED BY outbox_due
         WHERE state = 'waiting' AND due_at <= :now AND leased_until <= :now
         ORDER BY due_at LIMIT :limit)
     RETURNING id, sealed, tries, created_at, due_at";

const NEXT: &str = "SELECT max(due_at, leased_until) FROM outbox INDEXED BY outbox_due
     WHERE state = 'waiting' ORDER BY due_at LIMIT 1";

/// In microseconds.
const HOUR: i64 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worker_reads_what_is_due_and_not_what_waits() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("countersign.sqlite3");
        let _store = SqliteStore::open(&file).unwrap();
        let connection = Connection::open(file).unwrap();
        for sql in [CLAIM, NEXT] {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let mut steps = plan.raw_query();
            let mut told = String::new();
            while let Some(step) = steps.next().unwrap() {
                told += &step.get::<_, String>(3).unwrap();
                told.push('\n');
            }
            assert!(told.contains("outbox_due") && !told.contains("TEMP B-TREE"), "{told}");
        }
    }
}

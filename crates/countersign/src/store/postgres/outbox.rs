//! The outbox in PostgreSQL.

use std::collections::BTreeSet;

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::PostgresStore;
use super::columns::{from_micros, get, micros, unknown, user_id};
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{
    ClaimedMail, MailBounds, MailState, NewMail, OutboxCounts, OutboxRow, OutboxStore, StoreError,
};

#[async_trait]
impl OutboxStore for PostgresStore {
    async fn queue_mails(&self, mails: Vec<NewMail>, bounds: MailBounds) -> Result<(), StoreError> {
        write!(self, client => queue_all(client, &mails, bounds))
    }

    async fn claim_mails(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<ClaimedMail>, StoreError> {
        write!(self, client => claim(client, now, lease_until, limit))
    }

    async fn next_mail(&self) -> Result<Option<Timestamp>, StoreError> {
        read!(self, client => next(client))
    }

    async fn mail_sent(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        write!(self, client => finish(client, id, MailState::Sent, now, ""))
    }

    async fn mail_put_off(&self, id: i64, due: Timestamp, error: &str) -> Result<(), StoreError> {
        write!(self, client => put_off(client, id, due, error))
    }

    async fn give_mails_back(&self, ids: &[i64], lease_until: Timestamp) -> Result<(), StoreError> {
        write!(self, client => give_back(client, ids, lease_until))
    }

    async fn mail_failed(&self, id: i64, now: Timestamp, error: &str) -> Result<(), StoreError> {
        write!(self, client => finish(client, id, MailState::Failed, now, error))
    }

    async fn outbox(
        &self,
        state: Option<MailState>,
        before: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        read!(self, client => page(client, state, before, limit))
    }

    async fn outbox_counts(&self) -> Result<OutboxCounts, StoreError> {
        read!(self, client => counts(client))
    }

    async fn mail_due_now(&self, id: i64, now: Timestamp) -> Result<bool, StoreError> {
        write!(self, client => due_now(client, id, now))
    }

    async fn prune_mails(
        &self,
        done: Timestamp,
        failed: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        write!(self, client => prune(client, done, failed, limit))
    }
}

async fn queue_all(
    client: &mut Object,
    mails: &[NewMail],
    bounds: MailBounds,
) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    queue(&transaction, mails, bounds).await?;
    Ok(transaction.commit().await?)
}

/// Queues mails within a transaction. One beyond the bounds of its address is void; whether none
/// was. One that is void anyway counts as any other: whoever learns whether a link of theirs ended
/// would learn from it whether somebody has the address. What strangers ask for is counted one
/// after the other, whatever node queues it, before anything else is held. Notices are not: two at
/// once may be one more than there should be.
pub(super) async fn queue(
    transaction: &impl GenericClient,
    mails: &[NewMail],
    bounds: MailBounds,
) -> Result<bool, Failure> {
    if bounds.an_hour < u32::MAX {
        let asked = mails.iter().filter(|mail| mail.class.is_asked_for());
        let addresses: BTreeSet<&str> = asked.map(|mail| mail.address.as_str()).collect();
        let hold = transaction
            .prepare_cached("SELECT pg_advisory_xact_lock(hashtextextended($1, 8))")
            .await?;
        for address in addresses {
            transaction.execute(&hold, &[&address]).await?;
        }
    }
    let mut are_within = true;
    for mail in mails {
        let insert = transaction
            .prepare_cached(
                "WITH bound AS (
                     SELECT count(*) >= $5 AS is_reached FROM (
                         SELECT 1 FROM outbox
                         WHERE address = $3 AND kind = $10 AND created_at > $4 LIMIT $5
                     ) AS lately
                 ), queued AS (
                     INSERT INTO outbox
                         (id, kind, state, user_id, address, sealed, created_at, due_at)
                     SELECT $1, $10, CASE WHEN $2 OR is_reached THEN 'void' ELSE 'waiting' END,
                         $6, $3, $7, $8, $9
                     FROM bound
                 )
                 SELECT is_reached FROM bound",
            )
            .await?;
        let created = micros(mail.created_at);
        let row = transaction
            .query_one(
                &insert,
                &[
                    &mail.id,
                    &mail.is_void,
                    &mail.address,
                    &(created - HOUR),
                    &i64::from(bounds.of(mail.class)),
                    &mail.user.map(|user| user.to_string()),
                    &mail.sealed,
                    &created,
                    &micros(mail.due_at),
                    &mail.class.as_str(),
                ],
            )
            .await?;
        let is_beyond: bool = row.try_get(0)?;
        are_within &= !is_beyond;
    }
    Ok(are_within)
}

async fn claim(
    client: &Object,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<ClaimedMail>, Failure> {
    let statement = client
        .prepare_cached(
            "UPDATE outbox SET leased_until = $1 WHERE id = ANY(ARRAY(
                 SELECT id FROM outbox
                 WHERE state = 'waiting' AND due_at <= $2 AND leased_until <= $2
                 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED))
             RETURNING id, sealed, tries, created_at, due_at",
        )
        .await?;
    let rows =
        client.query(&statement, &[&micros(lease_until), &micros(now), &i64::from(limit)]).await?;
    let mut claimed = rows
        .iter()
        .map(|row| {
            let mail = ClaimedMail {
                id: get(row, "id")?,
                sealed: get(row, "sealed")?,
                tries: tries(row)?,
                created_at: from_micros(get(row, "created_at")?),
            };
            Ok((get::<i64>(row, "due_at")?, mail))
        })
        .collect::<Result<Vec<_>, Failure>>()?;
    claimed.sort_by_key(|(due, mail)| (*due, mail.id));
    Ok(claimed.into_iter().map(|(_, mail)| mail).collect())
}

async fn next(client: &Object) -> Result<Option<Timestamp>, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT greatest(due_at, leased_until) FROM outbox WHERE state = 'waiting'
             ORDER BY due_at LIMIT 1",
        )
        .await?;
    let row = client.query_opt(&statement, &[]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.map(from_micros))
}

async fn finish(
    client: &Object,
    id: i64,
    state: MailState,
    now: Timestamp,
    error: &str,
) -> Result<(), Failure> {
    let statement = client
        .prepare_cached(
            "UPDATE outbox SET state = $1, due_at = $2, error = $3, sealed = '', tries = tries + 1
             WHERE id = $4 AND state = 'waiting'",
        )
        .await?;
    client.execute(&statement, &[&state.as_str(), &micros(now), &error, &id]).await?;
    Ok(())
}

async fn put_off(client: &Object, id: i64, due: Timestamp, error: &str) -> Result<(), Failure> {
    let statement = client.prepare_cached(statements::PUT_OFF).await?;
    client.execute(&statement, &[&micros(due), &error, &id]).await?;
    Ok(())
}

async fn give_back(client: &Object, ids: &[i64], lease_until: Timestamp) -> Result<(), Failure> {
    let statement = client
        .prepare_cached(
            "UPDATE outbox SET leased_until = 0
             WHERE id = ANY($1) AND leased_until = $2 AND state = 'waiting'",
        )
        .await?;
    client.execute(&statement, &[&ids, &micros(lease_until)]).await?;
    Ok(())
}

async fn page(
    client: &Object,
    state: Option<MailState>,
    before: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<OutboxRow>, Failure> {
    let statement = client
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM outbox
             WHERE ($1::text IS NULL OR state = $1) AND (created_at, id) < ($2, $3)
             ORDER BY created_at DESC, id DESC LIMIT $4"
        ))
        .await?;
    let (at, id) = before.map_or((i64::MAX, i64::MAX), |(at, id)| (micros(at), id));
    let rows = client
        .query(&statement, &[&state.map(MailState::as_str), &at, &id, &i64::from(limit)])
        .await?;
    rows.iter().map(outbox_row).collect()
}

pub(super) fn outbox_row(row: &Row) -> Result<OutboxRow, Failure> {
    let word: String = get(row, "state")?;
    Ok(OutboxRow {
        id: get(row, "id")?,
        state: MailState::from_word(&word).ok_or_else(|| unknown(&word))?,
        user: get::<Option<String>>(row, "user_id")?.map(|id| user_id(&id)).transpose()?,
        address: get(row, "address")?,
        created_at: from_micros(get(row, "created_at")?),
        due_at: from_micros(get(row, "due_at")?),
        tries: tries(row)?,
        error: get(row, "error")?,
    })
}

fn tries(row: &Row) -> Result<u32, Failure> {
    Ok(u32::try_from(get::<i32>(row, "tries")?).unwrap_or(u32::MAX))
}

async fn counts(client: &Object) -> Result<OutboxCounts, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT (SELECT count(*) FROM (
                     SELECT 1 FROM outbox WHERE state = 'waiting' LIMIT 100000) AS w) AS waiting,
                 (SELECT count(*) FROM (
                     SELECT 1 FROM outbox WHERE state = 'failed' LIMIT 100000) AS f) AS failed",
        )
        .await?;
    let row = client.query_one(&statement, &[]).await?;
    let count = |column| Ok::<_, Failure>(get::<i64>(&row, column)?.unsigned_abs());
    Ok(OutboxCounts { waiting: count("waiting")?, failed: count("failed")? })
}

async fn due_now(client: &Object, id: i64, now: Timestamp) -> Result<bool, Failure> {
    let statement = client.prepare_cached(statements::SEND_NOW).await?;
    Ok(client.execute(&statement, &[&micros(now), &id]).await? == 1)
}

async fn prune(
    client: &Object,
    done: Timestamp,
    failed: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    let statement = client
        .prepare_cached(
            "DELETE FROM outbox WHERE id = ANY(ARRAY(
                 SELECT id FROM outbox WHERE state = $1 AND created_at < $2 LIMIT $3
                 FOR UPDATE SKIP LOCKED))",
        )
        .await?;
    let mut gone = 0;
    for (state, before) in
        [(MailState::Sent, done), (MailState::Void, done), (MailState::Failed, failed)]
    {
        gone += client
            .execute(&statement, &[&state.as_str(), &micros(before), &i64::from(limit)])
            .await?;
    }
    Ok(gone)
}

pub(super) const COLUMNS: &str = "id, state, user_id, address, created_at, due_at, tries, error";

/// In microseconds.
const HOUR: i64 = 3_600_000_000;

//! Web hooks in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::audit;
use super::operators::hold;
use crate::store::StoreError;
use crate::store::admin::{
    Actor, AdminError, ClaimedHookMessage, HookMessageRow, HookMessageState, HookState, HookStore,
    HookWants,
};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, logged, replayed};
use crate::store::postgres::PostgresStore;
use crate::store::postgres::columns::{from_micros, get, micros, user_id};
use crate::store::sql::statements;

#[async_trait]
impl HookStore for PostgresStore {
    async fn set_hooks(&self, hooks: Vec<HookWants>) -> Result<(), StoreError> {
        if read!(self, client => is_so(client, &hooks))? {
            return Ok(());
        }
        write!(self, client => set(client, &hooks))
    }

    async fn claim_hook_messages(
        &self,
        hook: &str,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<ClaimedHookMessage>, StoreError> {
        write!(self, client => claim(client, hook, now, lease_until, limit))
    }

    async fn next_hook_message(&self, hook: &str) -> Result<Option<Timestamp>, StoreError> {
        read!(self, client => next(client, hook))
    }

    async fn hook_message_sent(&self, number: i64, now: Timestamp) -> Result<(), StoreError> {
        write!(self, client => sent(client, number, now))
    }

    async fn hook_message_put_off(
        &self,
        number: i64,
        now: Timestamp,
        due: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        write!(self, client => put_off(client, number, now, due, error))
    }

    async fn hook_message_given_up(
        &self,
        number: i64,
        now: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        write!(self, client => give_up(client, number, now, error))
    }

    async fn hook_sent_since(&self, hook: &str, since: Timestamp) -> Result<bool, StoreError> {
        read!(self, client => sent_since(client, hook, since))
    }

    async fn pause_hook(
        &self,
        hook: &str,
        now: Timestamp,
        reason: &str,
    ) -> Result<bool, StoreError> {
        write!(self, client => pause(client, hook, now, reason))
    }

    async fn hook_is_back(&self, hook: &str, now: Timestamp) -> Result<(), StoreError> {
        write!(self, client => due_now(client, hook, now))
    }

    async fn replay_hook(
        &self,
        hook: &str,
        since: Option<Timestamp>,
        by: &Actor,
    ) -> Result<u64, AdminError> {
        write!(self, client => replay(client, hook, since, by)).map(logged)
    }

    async fn hooks(&self) -> Result<Vec<HookState>, StoreError> {
        read!(self, client => list(client))
    }

    async fn hook_messages(
        &self,
        hook: &str,
        state: HookMessageState,
        before: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<HookMessageRow>, StoreError> {
        read!(self, client => page(client, hook, state, before, limit))
    }

    async fn prune_hook_messages(
        &self,
        done: Timestamp,
        waiting: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        write!(self, client => prune(client, done, waiting, limit))
    }
}

/// Whether the hooks want what they are to want.
async fn is_so(client: &Object, hooks: &[HookWants]) -> Result<bool, Failure> {
    let rows = client.query("SELECT event, hook FROM hook_wants", &[]).await?;
    let pair = |row: &Row| Ok((get(row, "event")?, get(row, "hook")?));
    Ok(HookWants::are(hooks, &rows.iter().map(pair).collect::<Result<_, Failure>>()?))
}

/// Nodes that start at once do it one after the other; acts go on reading what was wanted before.
async fn set(client: &mut Object, hooks: &[HookWants]) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    transaction.batch_execute("LOCK TABLE hook_wants IN EXCLUSIVE MODE").await?;
    transaction.execute("DELETE FROM hook_wants", &[]).await?;
    for HookWants { hook, events } in hooks {
        transaction
            .execute("INSERT INTO hooks (name) VALUES ($1) ON CONFLICT DO NOTHING", &[hook])
            .await?;
        transaction
            .execute(
                "INSERT INTO hook_wants (event, hook) SELECT event, $2
                 FROM unnest($1::text[]) AS event ON CONFLICT DO NOTHING",
                &[events, hook],
            )
            .await?;
    }
    transaction
        .execute(
            "DELETE FROM hooks WHERE NOT EXISTS (SELECT 1 FROM hook_wants WHERE hook = name)",
            &[],
        )
        .await?;
    Ok(transaction.commit().await?)
}

async fn claim(
    client: &Object,
    hook: &str,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<ClaimedHookMessage>, Failure> {
    let statement = client.prepare_cached(CLAIM).await?;
    let rows = client
        .query(&statement, &[&micros(lease_until), &hook, &micros(now), &i64::from(limit)])
        .await?;
    let mut claimed = rows.iter().map(claimed).collect::<Result<Vec<_>, Failure>>()?;
    claimed.sort_by_key(|message| message.number);
    Ok(claimed)
}

fn claimed(row: &Row) -> Result<ClaimedHookMessage, Failure> {
    Ok(ClaimedHookMessage {
        number: get(row, "number")?,
        id: get(row, "id")?,
        event: get(row, "event")?,
        data: serde_json::from_str(get(row, "data")?).unwrap_or_default(),
        created_at: from_micros(get(row, "created_at")?),
        tries: u32::try_from(get::<i32>(row, "tries")?).unwrap_or(u32::MAX),
        tried_since: get::<Option<i64>>(row, "tried_since")?.map(from_micros),
    })
}

async fn next(client: &Object, hook: &str) -> Result<Option<Timestamp>, Failure> {
    let statement = client.prepare_cached(statements::HOOK_NEXT).await?;
    let row = client.query_opt(&statement, &[&hook]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.map(from_micros))
}

async fn sent(client: &mut Object, number: i64, now: Timestamp) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    let statement = transaction.prepare_cached(statements::HOOK_SENT).await?;
    transaction.execute(&statement, &[&micros(now), &number]).await?;
    let statement = transaction.prepare_cached(statements::HOOK_FORGET).await?;
    transaction.execute(&statement, &[&number]).await?;
    close_line(&transaction, number).await?;
    Ok(transaction.commit().await?)
}

/// Ends the line of a message that is done, where nobody waits in it any more. Where somebody holds
/// it, who is about to need it or looks through it, it stays: an empty one goes with its age.
async fn close_line(transaction: &Transaction<'_>, number: i64) -> Result<(), Failure> {
    let held = transaction.prepare_cached(HOLD_LINE).await?;
    if transaction.query_opt(&held, &[&number]).await?.is_some() {
        // Whoever was adding a message is through: it is seen by now.
        let statement = transaction.prepare_cached(statements::HOOK_CLOSE_LINE).await?;
        transaction.execute(&statement, &[&number]).await?;
    }
    Ok(())
}

async fn put_off(
    client: &mut Object,
    number: i64,
    now: Timestamp,
    due: Timestamp,
    error: &str,
) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    let statement = transaction.prepare_cached(statements::HOOK_PUT_OFF).await?;
    transaction.execute(&statement, &[&micros(due), &micros(now), &error, &number]).await?;
    let statement = transaction.prepare_cached(statements::HOOK_PUT_OFF_LINE).await?;
    transaction.execute(&statement, &[&micros(due), &number]).await?;
    Ok(transaction.commit().await?)
}

async fn give_up(
    client: &mut Object,
    number: i64,
    now: Timestamp,
    error: &str,
) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    let statement = transaction.prepare_cached(statements::HOOK_GIVEN_UP).await?;
    transaction.execute(&statement, &[&micros(now), &error, &number]).await?;
    close_line(&transaction, number).await?;
    Ok(transaction.commit().await?)
}

async fn sent_since(client: &Object, hook: &str, since: Timestamp) -> Result<bool, Failure> {
    let statement = client.prepare_cached(statements::HOOK_SENT_SINCE).await?;
    Ok(client.query_one(&statement, &[&hook, &micros(since)]).await?.try_get(0)?)
}

async fn pause(client: &Object, hook: &str, now: Timestamp, reason: &str) -> Result<bool, Failure> {
    let statement = client.prepare_cached(statements::HOOK_PAUSE).await?;
    Ok(client.execute(&statement, &[&micros(now), &reason, &hook]).await? == 1)
}

async fn due_now(client: &Object, hook: &str, now: Timestamp) -> Result<(), Failure> {
    // First what waits, then where it is looked for.
    for statement in [statements::HOOK_DUE_NOW, statements::HOOK_LINES_DUE_NOW] {
        let statement = client.prepare_cached(statement).await?;
        client.execute(&statement, &[&micros(now), &hook]).await?;
    }
    Ok(())
}

async fn replay(
    client: &mut Object,
    hook: &str,
    since: Option<Timestamp>,
    by: &Actor,
) -> Acted<u64> {
    let transaction = client.transaction().await?;
    by.is_let_give(hold(&transaction, &[], by).await?.as_ref(), &[])?;
    if transaction.execute(statements::HOOK_RESUME, &[&hook]).await? == 0 {
        return Err(AdminError::Gone.into());
    }
    let now = micros(by.now);
    transaction.execute(statements::HOOK_BEGIN_ANEW, &[&now, &hook]).await?;
    let since_when = since.map_or(i64::MAX, micros);
    let again = transaction.execute(statements::HOOK_AGAIN, &[&now, &hook, &since_when]).await?;
    transaction.execute(statements::HOOK_LINES_AGAIN, &[&now, &hook]).await?;
    audit::noted(transaction, again, vec![replayed(by, hook, since, again)]).await
}

async fn list(client: &Object) -> Result<Vec<HookState>, Failure> {
    let statement = client.prepare_cached(LIST).await?;
    let state = |row: &Row| {
        let since: Option<i64> = get(row, "paused_at")?;
        let reason: String = get(row, "pause_reason")?;
        let count = |column| Ok::<_, Failure>(get::<i64>(row, column)?.unsigned_abs());
        Ok(HookState {
            hook: get(row, "name")?,
            paused: since.map(|since| (from_micros(since), reason)),
            waiting: count("waiting")?,
            failed: count("failed")?,
            last_sent: get::<Option<i64>>(row, "last_sent")?.map(from_micros),
            error: get(row, "error")?,
        })
    };
    client.query(&statement, &[]).await?.iter().map(state).collect()
}

async fn page(
    client: &Object,
    hook: &str,
    state: HookMessageState,
    before: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<HookMessageRow>, Failure> {
    let (at, number) = before.map_or((i64::MAX, 0), |(at, number)| (micros(at), number));
    let statement = client.prepare_cached(statements::HOOK_MESSAGES).await?;
    let rows = client
        .query(&statement, &[&hook, &state.as_str(), &at, &number, &i64::from(limit)])
        .await?;
    rows.iter().map(message_row).collect()
}

fn message_row(row: &Row) -> Result<HookMessageRow, Failure> {
    Ok(HookMessageRow {
        number: get(row, "number")?,
        id: get(row, "id")?,
        event: get(row, "event")?,
        user: user_id(get(row, "user_id")?)?,
        created_at: from_micros(get(row, "created_at")?),
        due_at: from_micros(get(row, "due_at")?),
        tries: u32::try_from(get::<i32>(row, "tries")?).unwrap_or(u32::MAX),
        error: get(row, "error")?,
    })
}

async fn prune(
    client: &mut Object,
    done: Timestamp,
    waiting: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    let (done, waiting, limit) = (micros(done), micros(waiting), i64::from(limit));
    let transaction = client.transaction().await?;
    let gone = transaction
        .execute(
            "DELETE FROM hook_messages WHERE number = ANY(ARRAY(
                 SELECT number FROM hook_messages
                 WHERE created_at < $1 AND (state <> 'waiting' OR created_at < $2) LIMIT $3
                 FOR UPDATE SKIP LOCKED))",
            &[&done, &waiting, &limit],
        )
        .await?;
    // Those in which nobody is left. They are held first, as in `close_line`.
    let held = transaction.query(HOLD_OLD_LINES, &[&done, &limit]).await?;
    let held = held.iter().map(|row| get(row, "id")).collect::<Result<Vec<i64>, Failure>>()?;
    transaction.execute(CLOSE_OLD_LINES, &[&held]).await?;
    if gone < limit.unsigned_abs() {
        transaction.execute(statements::HOOK_MISSING_LINES, &[]).await?;
    }
    transaction.commit().await?;
    Ok(gone)
}

/// A message that an act is replacing is left for the next look: nobody waits for the act. The rows
/// are looked at once more when they are held.
///
/// What is chosen is an array, here and wherever rows are held that others are passed over for: a
/// list after `IN` may be chosen anew for each row of the table, which goes on passing over those
/// that it holds itself, so that no limit binds.
const CLAIM: &str = "UPDATE hook_messages SET leased_until = $1
     WHERE state = 'waiting' AND leased_until <= $3 AND number = ANY(ARRAY(
         SELECT first.number FROM hook_lines AS line CROSS JOIN LATERAL (
             SELECT number FROM hook_messages
             WHERE user_id = line.user_id AND hook = line.hook AND state = 'waiting'
             ORDER BY number LIMIT 1) AS m JOIN hook_messages AS first ON first.number = m.number
         WHERE line.hook = $2 AND line.due_at <= $3 AND first.state = 'waiting'
             AND first.due_at <= $3 AND first.leased_until <= $3
             AND EXISTS (SELECT 1 FROM hooks WHERE name = $2 AND paused_at IS NULL)
         ORDER BY line.due_at LIMIT $4 FOR NO KEY UPDATE OF line, first SKIP LOCKED))
     RETURNING number, id, event, data, created_at, tries, tried_since";

const HOLD_LINE: &str = "SELECT 1 FROM hook_lines
     WHERE (hook, user_id) IN (SELECT hook, user_id FROM hook_messages WHERE number = $1)
         AND NOT EXISTS (SELECT 1 FROM hook_messages AS next WHERE next.state = 'waiting'
             AND next.user_id = hook_lines.user_id AND next.hook = hook_lines.hook)
     FOR UPDATE SKIP LOCKED";

const HOLD_OLD_LINES: &str = "SELECT id FROM hook_lines
     WHERE due_at < $1 AND NOT EXISTS (SELECT 1 FROM hook_messages AS next
         WHERE next.state = 'waiting' AND next.user_id = hook_lines.user_id
             AND next.hook = hook_lines.hook)
     LIMIT $2 FOR UPDATE SKIP LOCKED";

const CLOSE_OLD_LINES: &str = "DELETE FROM hook_lines WHERE id = ANY($1)
     AND NOT EXISTS (SELECT 1 FROM hook_messages AS next WHERE next.state = 'waiting'
         AND next.user_id = hook_lines.user_id AND next.hook = hook_lines.hook)";

const LIST: &str = "SELECT name, paused_at, pause_reason,
         (SELECT count(*) FROM (SELECT 1 FROM hook_messages
             WHERE hook = name AND state = 'waiting' LIMIT 100000) AS w) AS waiting,
         (SELECT count(*) FROM (SELECT 1 FROM hook_messages
             WHERE hook = name AND state = 'failed' LIMIT 100000) AS f) AS failed,
         (SELECT max(due_at) FROM hook_messages WHERE hook = name AND state = 'sent') AS last_sent,
         coalesce((SELECT error FROM hook_messages
             WHERE hook = name AND state IN ('waiting', 'failed') AND error <> ''
             ORDER BY number DESC LIMIT 1), '') AS error
     FROM hooks ORDER BY name";

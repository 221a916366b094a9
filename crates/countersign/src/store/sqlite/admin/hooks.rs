//! Web hooks in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::audit;
use super::operators::operator;
use crate::store::StoreError;
use crate::store::admin::{
    Actor, AdminError, ClaimedHookMessage, HookMessageRow, HookMessageState, HookState, HookStore,
    HookWants,
};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, logged, replayed};
use crate::store::sql::statements;
use crate::store::sqlite::SqliteStore;
use crate::store::sqlite::columns::{from_micros, micros, read_user_id};

#[async_trait]
impl HookStore for SqliteStore {
    async fn set_hooks(&self, hooks: Vec<HookWants>) -> Result<(), StoreError> {
        let wanted = hooks.clone();
        if self.readers.run(move |c| is_so(c, &wanted)).await? {
            return Ok(());
        }
        self.writer.run(move |c| set(c, &hooks)).await
    }

    async fn claim_hook_messages(
        &self,
        hook: &str,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<ClaimedHookMessage>, StoreError> {
        let hook = hook.to_owned();
        self.writer.run(move |c| claim(c, &hook, now, lease_until, limit)).await
    }

    async fn next_hook_message(&self, hook: &str) -> Result<Option<Timestamp>, StoreError> {
        let hook = hook.to_owned();
        self.readers.run(move |c| next(c, &hook)).await
    }

    async fn hook_message_sent(&self, number: i64, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(move |c| sent(c, number, now)).await
    }

    async fn hook_message_put_off(
        &self,
        number: i64,
        now: Timestamp,
        due: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        let error = error.to_owned();
        self.writer.run(move |c| put_off(c, number, now, due, &error)).await
    }

    async fn hook_message_given_up(
        &self,
        number: i64,
        now: Timestamp,
        error: &str,
    ) -> Result<(), StoreError> {
        let error = error.to_owned();
        self.writer.run(move |c| give_up(c, number, now, &error)).await
    }

    async fn hook_sent_since(&self, hook: &str, since: Timestamp) -> Result<bool, StoreError> {
        let hook = hook.to_owned();
        self.readers
            .run(move |c| {
                let mut asked = c.prepare_cached(statements::HOOK_SENT_SINCE)?;
                Ok::<_, Failure>(asked.query_row(params![hook, micros(since)], |row| row.get(0))?)
            })
            .await
    }

    async fn pause_hook(
        &self,
        hook: &str,
        now: Timestamp,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let (hook, reason) = (hook.to_owned(), reason.to_owned());
        self.writer
            .run(move |c| {
                let paused = c.prepare_cached(statements::HOOK_PAUSE)?.execute(params![
                    micros(now),
                    reason,
                    hook
                ])?;
                Ok::<_, Failure>(paused == 1)
            })
            .await
    }

    async fn hook_is_back(&self, hook: &str, now: Timestamp) -> Result<(), StoreError> {
        let hook = hook.to_owned();
        self.writer
            .run(move |c| {
                for statement in [statements::HOOK_DUE_NOW, statements::HOOK_LINES_DUE_NOW] {
                    c.prepare_cached(statement)?.execute(params![micros(now), hook])?;
                }
                Ok::<_, Failure>(())
            })
            .await
    }

    async fn replay_hook(
        &self,
        hook: &str,
        since: Option<Timestamp>,
        by: &Actor,
    ) -> Result<u64, AdminError> {
        let (hook, by) = (hook.to_owned(), by.clone());
        self.writer.run(move |c| replay(c, &hook, since, &by)).await.map(logged)
    }

    async fn hooks(&self) -> Result<Vec<HookState>, StoreError> {
        self.readers.run(list).await
    }

    async fn hook_messages(
        &self,
        hook: &str,
        state: HookMessageState,
        before: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<HookMessageRow>, StoreError> {
        let hook = hook.to_owned();
        self.readers.run(move |c| page(c, &hook, state, before, limit)).await
    }

    async fn prune_hook_messages(
        &self,
        done: Timestamp,
        waiting: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.writer.run(move |c| prune(c, done, waiting, limit)).await
    }
}

/// Whether the hooks want what they are to want.
fn is_so(connection: &Connection, hooks: &[HookWants]) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached("SELECT event, hook FROM hook_wants")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(HookWants::are(hooks, &rows.collect::<Result<_, _>>()?))
}

fn set(connection: &Connection, hooks: &[HookWants]) -> Result<(), Failure> {
    connection.execute("DELETE FROM hook_wants", [])?;
    for HookWants { hook, events } in hooks {
        connection.execute("INSERT OR IGNORE INTO hooks (name) VALUES (?)", [hook])?;
        for event in events {
            connection.execute(
                "INSERT OR IGNORE INTO hook_wants (event, hook) VALUES (?, ?)",
                [event, hook],
            )?;
        }
    }
    connection.execute(
        "DELETE FROM hooks WHERE NOT EXISTS (SELECT 1 FROM hook_wants WHERE hook = name)",
        [],
    )?;
    Ok(())
}

fn claim(
    connection: &Connection,
    hook: &str,
    now: Timestamp,
    lease_until: Timestamp,
    limit: u32,
) -> Result<Vec<ClaimedHookMessage>, Failure> {
    let mut statement = connection.prepare_cached(CLAIM)?;
    let mut claimed = statement
        .query_map(
            named_params! {
                ":lease": micros(lease_until),
                ":hook": hook,
                ":now": micros(now),
                ":limit": limit,
            },
            |row| {
                let data: String = row.get(3)?;
                Ok(ClaimedHookMessage {
                    number: row.get(0)?,
                    id: row.get(1)?,
                    event: row.get(2)?,
                    data: serde_json::from_str(&data).unwrap_or_default(),
                    created_at: from_micros(row.get(4)?),
                    tries: row.get(5)?,
                    tried_since: row.get::<_, Option<i64>>(6)?.map(from_micros),
                })
            },
        )?
        .collect::<Result<Vec<_>, _>>()?;
    claimed.sort_by_key(|message| message.number);
    Ok(claimed)
}

fn next(connection: &Connection, hook: &str) -> Result<Option<Timestamp>, Failure> {
    let mut statement = connection.prepare_cached(statements::HOOK_NEXT)?;
    Ok(statement.query_row([hook], |row| row.get(0)).optional()?.map(from_micros))
}

fn sent(connection: &Connection, number: i64, now: Timestamp) -> Result<(), Failure> {
    connection.prepare_cached(statements::HOOK_SENT)?.execute(params![micros(now), number])?;
    connection.prepare_cached(statements::HOOK_FORGET)?.execute([number])?;
    connection.prepare_cached(statements::HOOK_CLOSE_LINE)?.execute([number])?;
    Ok(())
}

fn give_up(
    connection: &Connection,
    number: i64,
    now: Timestamp,
    error: &str,
) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(statements::HOOK_GIVEN_UP)?;
    statement.execute(params![micros(now), error, number])?;
    connection.prepare_cached(statements::HOOK_CLOSE_LINE)?.execute([number])?;
    Ok(())
}

fn put_off(
    connection: &Connection,
    number: i64,
    now: Timestamp,
    due: Timestamp,
    error: &str,
) -> Result<(), Failure> {
    connection.prepare_cached(statements::HOOK_PUT_OFF)?.execute(params![
        micros(due),
        micros(now),
        error,
        number
    ])?;
    connection
        .prepare_cached(statements::HOOK_PUT_OFF_LINE)?
        .execute(params![micros(due), number])?;
    Ok(())
}

fn replay(connection: &Connection, hook: &str, since: Option<Timestamp>, by: &Actor) -> Acted<u64> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    let again = replay_within(connection, hook, since, by.now)?.ok_or(AdminError::Gone)?;
    audit::noted(connection, again, vec![replayed(by, hook, since, again)])
}

fn replay_within(
    connection: &Connection,
    hook: &str,
    since: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<u64>, Failure> {
    if connection.prepare_cached(statements::HOOK_RESUME)?.execute([hook])? == 0 {
        return Ok(None);
    }
    let now = micros(now);
    connection.prepare_cached(statements::HOOK_BEGIN_ANEW)?.execute(params![now, hook])?;
    let again = connection.prepare_cached(statements::HOOK_AGAIN)?.execute(params![
        now,
        hook,
        since.map_or(i64::MAX, micros)
    ])?;
    connection.prepare_cached(statements::HOOK_LINES_AGAIN)?.execute(params![now, hook])?;
    Ok(Some(again as u64))
}

fn list(connection: &Connection) -> Result<Vec<HookState>, Failure> {
    let mut statement = connection.prepare_cached(LIST)?;
    let rows = statement.query_map([], |row| {
        let since: Option<i64> = row.get(1)?;
        let reason: String = row.get(2)?;
        Ok(HookState {
            hook: row.get(0)?,
            paused: since.map(|since| (from_micros(since), reason)),
            waiting: row.get(3)?,
            failed: row.get(4)?,
            last_sent: row.get::<_, Option<i64>>(5)?.map(from_micros),
            error: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn page(
    connection: &Connection,
    hook: &str,
    state: HookMessageState,
    before: Option<(Timestamp, i64)>,
    limit: u32,
) -> Result<Vec<HookMessageRow>, Failure> {
    let (at, number) = before.map_or((i64::MAX, 0), |(at, number)| (micros(at), number));
    let mut statement = connection.prepare_cached(statements::HOOK_MESSAGES)?;
    let rows = statement.query_map(params![hook, state.as_str(), at, number, limit], |row| {
        Ok(HookMessageRow {
            number: row.get(0)?,
            id: row.get(1)?,
            event: row.get(2)?,
            user: read_user_id(row.get_ref(3)?)?,
            created_at: from_micros(row.get(4)?),
            due_at: from_micros(row.get(5)?),
            tries: row.get(6)?,
            error: row.get(7)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn prune(
    connection: &Connection,
    done: Timestamp,
    waiting: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    let gone = connection
        .prepare_cached(
            "DELETE FROM hook_messages WHERE number IN (
                 SELECT number FROM hook_messages
                 WHERE created_at < ?1 AND (state <> 'waiting' OR created_at < ?2) LIMIT ?3)",
        )?
        .execute(params![micros(done), micros(waiting), limit])?;
    // Those in which nobody is left.
    connection
        .prepare_cached(
            "DELETE FROM hook_lines WHERE due_at < ?1 AND (
                 SELECT min(number) FROM hook_messages AS m WHERE m.state = 'waiting'
                     AND m.user_id = hook_lines.user_id AND m.hook = hook_lines.hook) IS NULL",
        )?
        .execute([micros(done)])?;
    if gone < limit as usize {
        connection.prepare_cached(statements::HOOK_MISSING_LINES)?.execute([])?;
    }
    Ok(gone as u64)
}

const CLAIM: &str = "UPDATE hook_messages SET leased_until = :lease WHERE number IN (
         SELECT m.number FROM hook_lines AS line INDEXED BY hook_lines_due CROSS JOIN
             hook_messages AS m ON m.number = (SELECT min(number) FROM hook_messages
                 WHERE user_id = line.user_id AND hook = line.hook AND state = 'waiting')
         WHERE line.hook = :hook AND line.due_at <= :now
             AND m.due_at <= :now AND m.leased_until <= :now
             AND EXISTS (SELECT 1 FROM hooks WHERE name = :hook AND paused_at IS NULL)
         ORDER BY line.due_at LIMIT :limit)
     RETURNING number, id, event, data, created_at, tries, tried_since";

const LIST: &str = "SELECT name, paused_at, pause_reason,
         (SELECT count(*) FROM (SELECT 1 FROM hook_messages
             WHERE hook = name AND state = 'waiting' LIMIT 100000)),
         (SELECT count(*) FROM (SELECT 1 FROM hook_messages
             WHERE hook = name AND state = 'failed' LIMIT 100000)),
         (SELECT max(due_at) FROM hook_messages WHERE hook = name AND state = 'sent'),
         coalesce((SELECT error FROM hook_messages
             WHERE hook = name AND state IN ('waiting', 'failed') AND error <> ''
             ORDER BY number DESC LIMIT 1), '')
     FROM hooks ORDER BY name";

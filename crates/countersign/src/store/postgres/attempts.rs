//! Failed logins by account, counted for all nodes: the rules of
//! [`LoginThrottle`](crate::throttle::LoginThrottle), as one statement on one row.

use async_trait::async_trait;
use deadpool_postgres::Object;
use jiff::Timestamp;

use super::PostgresStore;
use super::columns::micros;
use crate::store::failure::Failure;
use crate::store::{AttemptStore, SharedAttempts, StoreError};
use crate::throttle::shared::{AttemptKey, Count, CountAttempt, CountedAttempt};
use crate::throttle::{Delays, RetryAfter};

impl AttemptStore for PostgresStore {
    fn shared_attempts(&self) -> Option<&dyn SharedAttempts> {
        Some(self)
    }
}

#[async_trait]
impl SharedAttempts for PostgresStore {
    async fn count_attempt(&self, attempt: &CountAttempt) -> Result<Count, StoreError> {
        write!(self, client => count(client, attempt))
    }

    async fn uncount_attempt(&self, counted: &CountedAttempt) -> Result<(), StoreError> {
        write!(self, client => uncount(client, counted))
    }

    async fn forget_attempts(&self, key: AttemptKey) -> Result<(), StoreError> {
        write!(self, client => forget(client, key))
    }
}

pub(super) async fn count(client: &Object, attempt: &CountAttempt) -> Result<Count, Failure> {
    let CountAttempt { key, delays, now } = *attempt;
    let (row, now) = (key.0.as_slice(), micros(now).max(0));
    let (free, longest, most) = (
        i64::from(delays.free),
        i64::try_from(delays.longest).unwrap_or(i64::MAX),
        i64::from(delays.most),
    );
    // The condition is asked of the row as it is when it is locked, so parallel guesses go one
    // after the other. The product stays below the largest number.
    let statement = client
        .prepare_cached(
            "INSERT INTO login_attempts AS a (key, many, added, serial, last, fades_at)
                 VALUES ($1, 1, 1, 0, $2::bigint, $2::bigint + $4::bigint)
             ON CONFLICT (key) DO UPDATE SET
                 many = login_failures(a.many, a.last, $2, $4) + CASE
                     WHEN login_failures(a.many, a.last, $2, $4) < $5 THEN 1 ELSE 0 END,
                 added = CASE WHEN login_failures(a.many, a.last, $2, $4) < $5 THEN 1 ELSE 0 END,
                 serial = a.serial + 1,
                 previous = least(a.last, $2),
                 last = $2,
                 fades_at = $2 + least(login_failures(a.many, a.last, $2, $4) + 1, 9000) * $4
             WHERE login_delay(login_failures(a.many, a.last, $2, $4), $3, $4)
                 <= $2 - least(a.last, $2)
             RETURNING serial, previous, added",
        )
        .await?;
    for _ in 0..ATTEMPTS {
        if let Some(row) =
            client.query_opt(&statement, &[&row, &now, &free, &longest, &most]).await?
        {
            return Ok(Count::Counted(CountedAttempt {
                key,
                serial: row.try_get("serial")?,
                previous: row.try_get("previous")?,
                added: row.try_get("added")?,
            }));
        }
        if let Some(wait) = wait(client, key, delays, now).await? {
            return Ok(Count::Wait(wait));
        }
        // Meanwhile the owner came in, or the delay passed.
    }
    Err(StoreError::Busy.into())
}

pub(super) async fn uncount(client: &Object, counted: &CountedAttempt) -> Result<(), Failure> {
    let statement = client
        .prepare_cached(
            "UPDATE login_attempts SET many = greatest(many - $2, 0), last = CASE WHEN serial = $3 \
             THEN coalesce($4::bigint, 0) ELSE last END WHERE key = $1",
        )
        .await?;
    client
        .execute(
            &statement,
            &[&counted.key.0.as_slice(), &counted.added, &counted.serial, &counted.previous],
        )
        .await?;
    Ok(())
}

pub(super) async fn forget(client: &Object, key: AttemptKey) -> Result<(), Failure> {
    let statement = client.prepare_cached("DELETE FROM login_attempts WHERE key = $1").await?;
    client.execute(&statement, &[&key.0.as_slice()]).await?;
    Ok(())
}

/// Forgets what had faded by then. A flood of names can leave a row for each hash that it made the
/// nodes do in one longest delay, and no more.
pub(super) async fn prune(client: &Object, before: Timestamp) -> Result<u64, Failure> {
    let statement = client
        .prepare_cached(
            "DELETE FROM login_attempts WHERE key = ANY(ARRAY(
                SELECT key FROM login_attempts WHERE fades_at < $1 LIMIT 50000
                FOR UPDATE SKIP LOCKED))",
        )
        .await?;
    Ok(client.execute(&statement, &[&micros(before)]).await?)
}

/// How long the key has to wait; `None` if it need not.
async fn wait(
    client: &Object,
    key: AttemptKey,
    delays: Delays,
    now: i64,
) -> Result<Option<RetryAfter>, Failure> {
    let statement =
        client.prepare_cached("SELECT many, last FROM login_attempts WHERE key = $1").await?;
    let Some(row) = client.query_opt(&statement, &[&key.0.as_slice()]).await? else {
        return Ok(None);
    };
    let (many, last): (i64, i64) = (row.try_get("many")?, row.try_get("last")?);
    if last > now {
        // A clock that went back, or stands behind another node's, must not make anyone wait longer
        // than the delay.
        let statement = client
            .prepare_cached("UPDATE login_attempts SET last = least(last, $2) WHERE key = $1")
            .await?;
        client.execute(&statement, &[&key.0.as_slice(), &now]).await?;
    }
    let many = u32::try_from(many).unwrap_or(u32::MAX);
    Ok(delays.left(many, last.min(now).unsigned_abs(), now.unsigned_abs()).1)
}

/// So often an account may be free again when it is asked how long it has to wait.
const ATTEMPTS: usize = 5;

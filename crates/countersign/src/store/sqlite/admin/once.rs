//! What was made under a key of its caller.

use rusqlite::{Connection, OptionalExtension, params};

use crate::store::admin::{Actor, AdminError};
use crate::store::failure::Failure;
use crate::store::plan::service_power::keys_kept_since;
use crate::store::sqlite::columns::micros;
use crate::store::sqlite::users;
use crate::store::upkeep::KEPT_LONGER;
use crate::user::{User, UserId};

/// Whom this actor made before under this key; forgets a few that are old.
pub(super) fn made_before(
    connection: &Connection,
    by: &Actor,
) -> Result<Option<User>, Failure<AdminError>> {
    let Some(once) = by.once else { return Ok(None) };
    let kept_since = micros(keys_kept_since(by.now));
    let found = forget(connection, kept_since, micros(by.now)).and_then(|()| {
        connection
            .prepare_cached(
                "SELECT request_hash, user_id FROM idempotency_keys
                 WHERE key_hash = ? AND created_at >= ?",
            )?
            .query_row(params![once.key.as_bytes(), kept_since], |row| {
                Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Option<i64>>(1)?))
            })
            .optional()
    });
    match found? {
        None => Ok(None),
        Some((request, _)) if request != *once.request.as_bytes() => {
            Err(AdminError::KeyReused.into())
        }
        Some((_, id)) => {
            let user = users::by_id(connection, UserId::new(id.unwrap_or_default()))?;
            Ok(Some(user.ok_or(AdminError::Gone)?))
        }
    }
}

/// Keeps whom this actor made under this key.
pub(super) fn keep(connection: &Connection, by: &Actor, user: UserId) -> Result<(), Failure> {
    let Some(once) = by.once else { return Ok(()) };
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency_keys (key_hash, request_hash, user_id, created_at)
             VALUES (?, ?, ?, ?)",
        )?
        .execute(params![
            once.key.as_bytes(),
            once.request.as_bytes(),
            user.as_i64(),
            micros(by.now)
        ])?;
    Ok(())
}

/// A clock that is ahead forgets none that would count again when it is right: the store's idea of
/// the time has to say so too.
fn forget(connection: &Connection, before: i64, now: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM idempotency_keys WHERE key_hash IN (
                 SELECT key_hash FROM idempotency_keys
                 WHERE created_at < ? AND created_at < (SELECT time FROM house) - ? LIMIT 10)",
        )?
        .execute([before, now.saturating_sub(before).saturating_add(KEPT_LONGER)])?;
    Ok(())
}

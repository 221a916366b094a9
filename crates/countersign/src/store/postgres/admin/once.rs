//! What was made under a key of its caller.

use deadpool_postgres::Transaction;

use crate::store::admin::{Actor, AdminError};
use crate::store::failure::Failure;
use crate::store::plan::service_power::keys_kept_since;
use crate::store::postgres::columns::{get, micros};
use crate::store::postgres::users;
use crate::store::upkeep::KEPT_LONGER;
use crate::user::{User, UserId};

/// Whom this actor made before under this key, which nobody else uses until the transaction is
/// over; forgets a few that are old.
pub(super) async fn made_before(
    transaction: &Transaction<'_>,
    by: &Actor,
) -> Result<Option<User>, Failure<AdminError>> {
    let Some(once) = by.once else { return Ok(None) };
    let (key, request) = (once.key.as_bytes().as_slice(), once.request.as_bytes().as_slice());
    forget(transaction, by).await?;
    let statement = transaction
        .prepare_cached(
            "INSERT INTO idempotency_keys (key_hash, request_hash, created_at)
             VALUES ($1, $2, $3) ON CONFLICT (key_hash) DO NOTHING",
        )
        .await?;
    if transaction.execute(&statement, &[&key, &request, &micros(by.now)]).await? == 1 {
        return Ok(None);
    }
    let statement = transaction
        .prepare_cached(
            "SELECT request_hash, user_id, created_at >= $2 AS counts FROM idempotency_keys
             WHERE key_hash = $1 FOR UPDATE",
        )
        .await?;
    let kept_since = micros(keys_kept_since(by.now));
    let Some(row) = transaction.query_opt(&statement, &[&key, &kept_since]).await? else {
        return Ok(None);
    };
    if !get::<bool>(&row, "counts")? {
        // It is too old to count, and not yet gone. It is held all the same.
        return Ok(None);
    }
    if get::<&[u8]>(&row, "request_hash")? != request {
        return Err(AdminError::KeyReused.into());
    }
    let id: Option<i64> = get(&row, "user_id")?;
    let user = users::by_id(transaction, UserId::new(id.unwrap_or_default())).await?;
    Ok(Some(user.ok_or(AdminError::Gone)?))
}

/// Keeps whom this actor made under this key.
pub(super) async fn keep(
    transaction: &Transaction<'_>,
    by: &Actor,
    user: UserId,
) -> Result<(), Failure> {
    let Some(once) = by.once else { return Ok(()) };
    let statement = transaction
        .prepare_cached(
            "UPDATE idempotency_keys SET request_hash = $2, user_id = $3, created_at = $4
             WHERE key_hash = $1",
        )
        .await?;
    let (key, request) = (once.key.as_bytes().as_slice(), once.request.as_bytes().as_slice());
    transaction.execute(&statement, &[&key, &request, &user.as_i64(), &micros(by.now)]).await?;
    Ok(())
}

/// A clock that is ahead forgets none that another node would count: the store's idea of the time
/// has to say so too.
async fn forget(transaction: &Transaction<'_>, by: &Actor) -> Result<(), Failure> {
    let statement = transaction
        .prepare_cached(
            "DELETE FROM idempotency_keys WHERE key_hash = ANY(ARRAY(
                 SELECT key_hash FROM idempotency_keys
                 WHERE created_at < $1 AND created_at < (SELECT time FROM house) - $2 LIMIT 10
                 FOR UPDATE SKIP LOCKED))",
        )
        .await?;
    let before = micros(keys_kept_since(by.now));
    let kept = micros(by.now).saturating_sub(before).saturating_add(KEPT_LONGER);
    transaction.execute(&statement, &[&before, &kept]).await?;
    Ok(())
}

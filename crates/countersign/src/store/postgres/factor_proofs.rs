//! Proofs of second factors in PostgreSQL: each serves once, and the session that is proved again
//! knows of it.

use deadpool_postgres::{Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::columns::{from_micros, get, micros, unknown};
use super::outbox;
use crate::session::{Authentication, SessionId};
use crate::sign_in::{Methods, Scope};
use crate::store::{FactorProof, FactorUse, MailBounds, StepUp, SteppedUp, StoreError};
use crate::user::UserId;

/// Uses a sign-in that waited and its proof up, if both serve still. The caller holds the user's
/// row.
pub(super) async fn use_up(
    transaction: &Transaction<'_>,
    user: UserId,
    uses: &FactorUse,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let statement = transaction
        .prepare_cached("UPDATE pending_logins SET used_at = $1 WHERE id = $2 AND used_at IS NULL")
        .await?;
    let waited =
        transaction.execute(&statement, &[&micros(now), &uses.pending.as_i64()]).await? == 1;
    if !waited || !accept(transaction, user, &uses.proof, now).await? {
        return Ok(false);
    }
    outbox::queue(transaction, &uses.mails, MailBounds::OF_ACTS).await?;
    Ok(true)
}

/// Whether the proof serves: it does once.
async fn accept(
    transaction: &Transaction<'_>,
    user: UserId,
    proof: &FactorProof,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let owner = user.to_string();
    let used = match proof {
        FactorProof::Totp { id, step: at } => {
            let statement = transaction
                .prepare_cached(
                    "UPDATE factors SET last_step = $1, last_used_at = $2
                     WHERE id = $3 AND user_id = $4 AND confirmed_at IS NOT NULL
                         AND (last_step IS NULL OR last_step < $1)",
                )
                .await?;
            let params: [&(dyn tokio_postgres::types::ToSql + Sync); 4] =
                [&step(*at), &micros(now), &id.as_i64(), &owner];
            transaction.execute(&statement, &params).await?
        }
        FactorProof::RecoveryCode { hash } => {
            let statement = transaction
                .prepare_cached("DELETE FROM recovery_codes WHERE user_id = $1 AND hash = $2")
                .await?;
            transaction.execute(&statement, &[&owner, &hash.as_bytes().as_slice()]).await?
        }
    };
    Ok(used == 1)
}

/// Holds the user's row, if it is as it was checked.
pub(super) async fn hold_as_checked(
    transaction: &Transaction<'_>,
    user: UserId,
    password: &str,
    factors: u64,
) -> Result<bool, StoreError> {
    let statement = transaction
        .prepare_cached(
            "SELECT 1 FROM users WHERE id = $1 AND is_active AND password = $2 AND factors = $3
             FOR NO KEY UPDATE",
        )
        .await?;
    let factors = step(factors);
    Ok(!transaction.query(&statement, &[&user.as_i64(), &password, &factors]).await?.is_empty())
}

pub(super) async fn prove_again(
    client: &mut Object,
    again: &StepUp,
) -> Result<SteppedUp, StoreError> {
    let transaction = client.transaction().await?;
    if let Some(checked) = &again.checked
        && !hold_as_checked(&transaction, again.user, checked.as_str(), again.factors).await?
    {
        return Ok(SteppedUp::UserChanged);
    }
    if let Some(proof) = &again.proof
        && !accept(&transaction, again.user, proof, again.now).await?
    {
        return Ok(SteppedUp::Used);
    }
    let before = authentication_of(&transaction, again.session, again.user, again.now).await?;
    let Some(before) = before else { return Ok(SteppedUp::SessionEnded) };
    let authentication = before.proved_again(again.methods, again.now);
    save_authentication(&transaction, again.session, authentication).await?;
    outbox::queue(&transaction, &again.mails, MailBounds::OF_ACTS).await?;
    transaction.commit().await?;
    Ok(SteppedUp::Done(authentication))
}

/// What a live session of this user knows; its row is held.
pub(super) async fn authentication_of(
    transaction: &Transaction<'_>,
    session: SessionId,
    user: UserId,
    now: Timestamp,
) -> Result<Option<Authentication>, StoreError> {
    let statement = transaction
        .prepare_cached(
            "SELECT amr, auth_time, scope, created_at FROM sessions
             WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3 FOR UPDATE",
        )
        .await?;
    let (id, user) = (session.get().cast_signed(), user.to_string());
    let row = transaction.query_opt(&statement, &[&id, &user, &micros(now)]).await?;
    row.as_ref().map(authentication).transpose()
}

pub(super) async fn save_authentication(
    transaction: &Transaction<'_>,
    session: SessionId,
    new: Authentication,
) -> Result<(), StoreError> {
    let statement = transaction
        .prepare_cached("UPDATE sessions SET amr = $1, auth_time = $2, scope = $3 WHERE id = $4")
        .await?;
    let (amr, at) = (new.methods.to_string(), micros(new.at));
    let (scope, id) = (new.scope.as_str(), session.get().cast_signed());
    transaction.execute(&statement, &[&amr, &at, &scope, &id]).await?;
    Ok(())
}

/// Of a session's row.
pub(super) fn authentication(row: &Row) -> Result<Authentication, StoreError> {
    let at = match get::<Option<i64>>(row, "auth_time")? {
        Some(at) => at,
        None => get(row, "created_at")?,
    };
    let scope: &str = get(row, "scope")?;
    Ok(Authentication {
        at: from_micros(at),
        methods: Methods::from_words(get(row, "amr")?),
        scope: Scope::from_word(scope).ok_or_else(|| unknown(scope))?,
    })
}

/// PostgreSQL has no unsigned numbers; steps of the clock and counts stay far below the limit.
pub(super) fn step(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

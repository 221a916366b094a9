//! Proofs of second factors in PostgreSQL: each serves once, and the session that is proved again
//! knows of it.

use deadpool_postgres::{Object, Transaction};
use jiff::Timestamp;

use super::columns::micros;
pub(super) use super::enrolled::authentication;
use super::enrolled::{authentication_of, save_authentication};
use super::{outbox, passkeys};
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
    if let Some(pending) = uses.pending {
        let statement = transaction
            .prepare_cached(
                "UPDATE pending_logins SET used_at = $1 WHERE id = $2 AND used_at IS NULL",
            )
            .await?;
        if transaction.execute(&statement, &[&micros(now), &pending.as_i64()]).await? != 1 {
            return Ok(false);
        }
    }
    if !accept(transaction, user, &uses.proof, now).await? {
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
        FactorProof::Passkey { id, challenge, count, is_backed_up } => {
            let told = (*count, *is_backed_up);
            return passkeys::accept(transaction, user, (*id, *challenge), told, now).await;
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

/// PostgreSQL has no unsigned numbers; steps of the clock and counts stay far below the limit.
pub(super) fn step(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

//! Proofs of second factors in PostgreSQL: each serves once, and the session that is proved again
//! knows of it.

use deadpool_postgres::{Object, Transaction};
use jiff::Timestamp;

use super::columns::{get, micros};
pub(super) use super::enrolled::authentication;
use super::enrolled::{authentication_of, save_authentication};
use super::{factor_row, outbox, passkeys, users};
use crate::factor::FactorId;
use crate::store::failure::Failure;
use crate::store::{FactorProof, FactorUse, MailBounds, StepUp, SteppedUp, WaitingSignIn};
use crate::user::UserId;

pub(super) async fn waiting(
    client: &Object,
    user: UserId,
    pending: FactorId,
) -> Result<WaitingSignIn, Failure> {
    let factors = factor_row::of_user(client, user).await?;
    let statement = client
        .prepare_cached(
            "SELECT tries, used_at IS NOT NULL AS is_used FROM pending_logins WHERE id = $1",
        )
        .await?;
    let (tries, is_used) = match client.query_opt(&statement, &[&pending.as_i64()]).await? {
        Some(found) => (get::<i32>(&found, "tries")?.unsigned_abs(), get(&found, "is_used")?),
        None => (0, false),
    };
    let row = users::with_password(client, user).await?.map(|row| (row.password, row.user));
    Ok(WaitingSignIn { row, factors, tries, is_used })
}

/// Uses a sign-in that waited and its proof up, if both serve still. The caller holds the user's
/// row.
pub(super) async fn use_up(
    transaction: &Transaction<'_>,
    user: UserId,
    uses: &FactorUse,
    now: Timestamp,
) -> Result<bool, Failure> {
    if let Some((pending, until)) = uses.pending {
        let statement = transaction
            .prepare_cached(
                "INSERT INTO pending_logins AS p (id, tries, expires_at, used_at)
                 VALUES ($1, 0, $2, $3)
                 ON CONFLICT (id) DO UPDATE SET used_at = $3 WHERE p.used_at IS NULL",
            )
            .await?;
        let params: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
            [&pending.as_i64(), &micros(until), &micros(now)];
        if transaction.execute(&statement, &params).await? != 1 {
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
) -> Result<bool, Failure> {
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
        FactorProof::Passkey { id, challenge, until, count, is_backed_up } => {
            let (asked, told) = ((*challenge, *until), (*count, *is_backed_up));
            return passkeys::accept(transaction, user, *id, asked, told, now).await;
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
) -> Result<bool, Failure> {
    let statement = transaction
        .prepare_cached(
            "SELECT 1 FROM users WHERE id = $1 AND is_active AND password = $2 AND factors = $3
             FOR NO KEY UPDATE",
        )
        .await?;
    let factors = step(factors);
    Ok(!transaction.query(&statement, &[&user.as_i64(), &password, &factors]).await?.is_empty())
}

pub(super) async fn prove_again(client: &mut Object, again: &StepUp) -> Result<SteppedUp, Failure> {
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

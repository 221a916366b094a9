//! Proofs of second factors in SQLite: each serves once, and the session that is proved again knows
//! of it.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::columns::{key, micros};
use super::enrolled::{authentication_of, save_authentication};
use super::{factor_row, outbox, passkeys, user_row};
use crate::factor::FactorId;
use crate::sign_in::FACTOR_TRIES;
use crate::store::failure::Failure;
use crate::store::{FactorProof, FactorUse, MailBounds, StepUp, SteppedUp, WaitingSignIn};
use crate::user::UserId;

pub(super) fn waiting(
    connection: &Connection,
    user: UserId,
    pending: FactorId,
) -> Result<WaitingSignIn, Failure> {
    let factors = factor_row::of_user(connection, user)?;
    let found = connection
        .prepare_cached("SELECT tries, used_at IS NOT NULL FROM pending_logins WHERE id = ?")?
        .query_row([pending.as_i64()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (tries, is_used) = found.unwrap_or_default();
    let row = user_row::with_password(connection, user)?.map(|row| (row.password, row.user));
    Ok(WaitingSignIn { row, factors, tries, is_used })
}

pub(super) fn count_try(
    connection: &Connection,
    pending: FactorId,
    until: Timestamp,
) -> Result<bool, Failure> {
    let counted = connection
        .prepare_cached(
            "INSERT INTO pending_logins (id, tries, expires_at) VALUES (:id, 1, :until)
             ON CONFLICT (id) DO UPDATE SET tries = tries + 1
             WHERE used_at IS NULL AND tries < :most",
        )?
        .execute(named_params! {
            ":id": pending.as_i64(),
            ":until": micros(until),
            ":most": FACTOR_TRIES,
        })?;
    Ok(counted == 1)
}

/// Uses a sign-in that waited and its proof up, if both serve still.
pub(super) fn use_up(
    connection: &Connection,
    user: UserId,
    uses: &FactorUse,
    now: Timestamp,
) -> Result<bool, Failure> {
    if let Some((pending, _)) = uses.pending {
        let is_used = connection
            .prepare_cached("SELECT 1 FROM pending_logins WHERE id = ? AND used_at IS NOT NULL")?
            .exists([pending.as_i64()])?;
        if is_used {
            return Ok(false);
        }
    }
    if !accept(connection, user, &uses.proof, now)? {
        return Ok(false);
    }
    if let Some((pending, until)) = uses.pending {
        connection
            .prepare_cached(
                "INSERT INTO pending_logins (id, tries, expires_at, used_at) VALUES (?, 0, ?, ?)
                 ON CONFLICT (id) DO UPDATE SET used_at = excluded.used_at",
            )?
            .execute(params![pending.as_i64(), micros(until), micros(now)])?;
    }
    outbox::queue(connection, &uses.mails, MailBounds::OF_ACTS)?;
    Ok(true)
}

/// Whether the proof serves: it does once.
fn accept(
    connection: &Connection,
    user: UserId,
    proof: &FactorProof,
    now: Timestamp,
) -> Result<bool, Failure> {
    let used = match proof {
        FactorProof::Totp { id, step: at } => connection
            .prepare_cached(
                "UPDATE factors SET last_step = :step, last_used_at = :now
                 WHERE id = :id AND user_id = :user AND confirmed_at IS NOT NULL
                     AND (last_step IS NULL OR last_step < :step)",
            )?
            .execute(named_params! {
                ":step": step(*at),
                ":now": micros(now),
                ":id": id.as_i64(),
                ":user": key(user),
            })?,
        FactorProof::RecoveryCode { hash } => connection
            .prepare_cached("DELETE FROM recovery_codes WHERE user_id = ? AND hash = ?")?
            .execute(params![key(user), hash.as_bytes()])?,
        FactorProof::Passkey { id, challenge, until, count, is_backed_up } => {
            let (asked, told) = ((*challenge, *until), (*count, *is_backed_up));
            return passkeys::accept(connection, user, *id, asked, told, now);
        }
    };
    Ok(used == 1)
}

pub(super) fn prove_again(connection: &Connection, again: &StepUp) -> Result<SteppedUp, Failure> {
    if let Some(checked) = &again.checked {
        let is_as_checked = connection
            .prepare_cached(
                "SELECT 1 FROM users WHERE id = ? AND is_active AND password = ? AND factors = ?",
            )?
            .exists(params![again.user.as_i64(), checked.as_str(), again.factors])?;
        if !is_as_checked {
            return Ok(SteppedUp::UserChanged);
        }
    }
    let before = authentication_of(connection, again.session, again.user, again.now)?;
    let Some(before) = before else { return Ok(SteppedUp::SessionEnded) };
    if let Some(proof) = &again.proof
        && !accept(connection, again.user, proof, again.now)?
    {
        return Ok(SteppedUp::Used);
    }
    let authentication = before.proved_again(again.methods, again.now);
    save_authentication(connection, again.session, authentication)?;
    outbox::queue(connection, &again.mails, MailBounds::OF_ACTS)?;
    Ok(SteppedUp::Done(authentication))
}

/// Steps of the clock stay far below the limit.
pub(super) fn step(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

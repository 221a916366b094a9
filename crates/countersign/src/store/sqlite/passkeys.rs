//! Passkeys in SQLite, and what they sign.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::columns::{from_micros, key, micros, user_id};
use super::enrolled::{authentication_of, is_enrolled, refused};
use super::{factor_row, user_row};
use crate::factor::FactorId;
use crate::session::DeviceName;
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{AddPasskey, CHALLENGES_AT_MOST, Confirmed, PasskeyChallenge, PasskeyOwner};
use crate::user::UserId;

/// The older ones of the user go first: the new one stays, whatever was asked for in the same
/// moment.
pub(super) fn keep(connection: &Connection, new: &PasskeyChallenge) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "DELETE FROM passkey_challenges WHERE id IN (
                 SELECT id FROM passkey_challenges WHERE user_id = ?
                 ORDER BY expires_at DESC, id LIMIT -1 OFFSET ?)",
        )?
        .execute(params![key(new.user), CHALLENGES_AT_MOST - 1])?;
    connection
        .prepare_cached(
            "INSERT INTO passkey_challenges (id, user_id, state, expires_at) VALUES (?, ?, ?, ?)",
        )?
        .execute(params![new.id.as_i64(), key(new.user), new.state, micros(new.expires_at)])?;
    Ok(())
}

pub(super) fn challenge(
    connection: &Connection,
    id: FactorId,
    now: Timestamp,
) -> Result<Option<PasskeyChallenge>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT user_id, state, expires_at FROM passkey_challenges
         WHERE id = ? AND expires_at > ? AND user_id IS NOT NULL",
    )?;
    let found = statement.query_row(params![id.as_i64(), micros(now)], |row| {
        Ok(PasskeyChallenge {
            id,
            user: user_id(row, "user_id")?,
            state: row.get(1)?,
            expires_at: from_micros(row.get(2)?),
        })
    });
    Ok(found.optional()?)
}

pub(super) fn is_used(connection: &Connection, id: FactorId) -> Result<bool, Failure> {
    let mut statement = connection.prepare_cached(statements::IS_CHALLENGE_USED)?;
    Ok(statement.query_row([id.as_i64()], |row| row.get(0))?)
}

pub(super) fn owner(
    connection: &Connection,
    credential: &[u8],
) -> Result<Option<PasskeyOwner>, Failure> {
    let Some(user) = owner_id(connection, credential)? else { return Ok(None) };
    let factors = factor_row::of_user(connection, user)?;
    let row = user_row::with_password(connection, user)?;
    Ok(Some(PasskeyOwner { user, row, factors }))
}

fn owner_id(connection: &Connection, credential: &[u8]) -> Result<Option<UserId>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT user_id FROM factors WHERE credential = ?")?;
    Ok(statement.query_row([credential], |row| user_id(row, "user_id")).optional()?)
}

pub(super) fn add(connection: &Connection, add: &AddPasskey) -> Result<Confirmed, Failure> {
    let new = &add.factor;
    let (user, now) = (new.user, new.created_at);
    let Some(before) = authentication_of(connection, add.session, user, now)? else {
        return Ok(Confirmed::SessionEnded);
    };
    if owner_id(connection, &add.credential)?.is_some() {
        return Ok(Confirmed::Taken);
    }
    if let Some(refused) = refused(connection, user, before)? {
        return Ok(refused);
    }
    if !use_up(connection, add.challenge, now)? {
        return Ok(Confirmed::Unknown);
    }
    connection
        .prepare_cached(
            "INSERT INTO factors (id, user_id, kind, name, sealed, last_step, created_at,
                 confirmed_at, credential, is_backed_up)
             VALUES (:id, :user, :kind, :name, :sealed, :count, :now, :now, :credential,
                 :is_backed_up)",
        )?
        .execute(named_params! {
            ":id": new.id.as_i64(),
            ":user": key(user),
            ":kind": new.kind.as_str(),
            ":name": new.name.as_ref().map(DeviceName::as_str),
            ":sealed": new.sealed,
            ":count": add.count,
            ":now": micros(now),
            ":credential": add.credential,
            ":is_backed_up": add.is_backed_up,
        })?;
    let session = (add.session, before);
    is_enrolled(connection, user, &add.codes, session, add.methods, &add.mails, now)
}

/// Uses a challenge up that nobody has kept, and notes the count of the passkey that has signed it:
/// it must be higher than the last one, or nobody counts. Nothing is done where one of them is not
/// so.
pub(super) fn accept(
    connection: &Connection,
    user: UserId,
    id: FactorId,
    (challenge, until): (FactorId, Timestamp),
    (count, is_backed_up): (u32, bool),
    now: Timestamp,
) -> Result<bool, Failure> {
    let is_used = connection
        .prepare_cached("SELECT 1 FROM passkey_challenges WHERE id = ?")?
        .exists([challenge.as_i64()])?;
    if is_used || until <= now {
        return Ok(false);
    }
    let counted = connection
        .prepare_cached(
            "UPDATE factors SET last_step = :count, is_backed_up = :is_backed_up,
                 last_used_at = :now
             WHERE id = :id AND user_id = :user AND credential IS NOT NULL
                 AND (last_step < :count OR (last_step = 0 AND :count = 0))",
        )?
        .execute(named_params! {
            ":count": count,
            ":is_backed_up": is_backed_up,
            ":now": micros(now),
            ":id": id.as_i64(),
            ":user": key(user),
        })?;
    if counted != 1 {
        return Ok(false);
    }
    connection
        .prepare_cached(
            "INSERT INTO passkey_challenges (id, state, expires_at) VALUES (?, x'', ?)",
        )?
        .execute(params![challenge.as_i64(), micros(until)])?;
    Ok(true)
}

fn use_up(connection: &Connection, challenge: FactorId, now: Timestamp) -> Result<bool, Failure> {
    let used = connection
        .prepare_cached("DELETE FROM passkey_challenges WHERE id = ? AND expires_at > ?")?
        .execute(params![challenge.as_i64(), micros(now)])?;
    Ok(used == 1)
}

/// Forgets challenges whose time was over before `before`. How many went.
pub(super) fn prune(
    connection: &Connection,
    before: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    let gone = connection
        .prepare_cached(
            "DELETE FROM passkey_challenges WHERE id IN (
                 SELECT id FROM passkey_challenges WHERE expires_at < ? LIMIT ?)",
        )?
        .execute(params![micros(before), limit])?;
    Ok(gone as u64)
}

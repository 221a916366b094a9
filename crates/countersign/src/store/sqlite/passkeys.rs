//! Passkeys in SQLite, and what they sign.

use jiff::Timestamp;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::columns::{from_micros, key, micros, read_user_id, user_id};
use super::enrolled::{authentication_of, is_enrolled};
use crate::factor::FactorId;
use crate::session::DeviceName;
use crate::store::{AddPasskey, Confirmed, PasskeyChallenge, StoreError};
use crate::user::UserId;

pub(super) fn keep(connection: &Connection, new: &PasskeyChallenge) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO passkey_challenges (id, user_id, state, expires_at) VALUES (?, ?, ?, ?)",
        )?
        .execute(params![new.id.as_i64(), new.user.map(key), new.state, micros(new.expires_at),])?;
    Ok(())
}

pub(super) fn challenge(
    connection: &Connection,
    id: FactorId,
    now: Timestamp,
) -> Result<Option<PasskeyChallenge>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT user_id, state, expires_at FROM passkey_challenges
         WHERE id = ? AND expires_at > ?",
    )?;
    let found = statement.query_row(params![id.as_i64(), micros(now)], |row| {
        Ok(PasskeyChallenge {
            id,
            user: match row.get_ref(0)? {
                ValueRef::Null => None,
                id => Some(read_user_id(id)?),
            },
            state: row.get(1)?,
            expires_at: from_micros(row.get(2)?),
        })
    });
    Ok(found.optional()?)
}

pub(super) fn owner(
    connection: &Connection,
    credential: &[u8],
) -> Result<Option<UserId>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT user_id FROM factors WHERE credential = ?")?;
    Ok(statement.query_row([credential], |row| user_id(row, "user_id")).optional()?)
}

pub(super) fn add(connection: &Connection, add: &AddPasskey) -> Result<Confirmed, StoreError> {
    let new = &add.factor;
    let (user, now) = (new.user, new.created_at);
    let Some(before) = authentication_of(connection, add.session, user, now)? else {
        return Ok(Confirmed::SessionEnded);
    };
    if owner(connection, &add.credential)?.is_some() {
        return Ok(Confirmed::Taken);
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

/// Uses a challenge up, and notes the count of the passkey that has signed it: it must be higher
/// than the last one, or nobody counts.
pub(super) fn accept(
    connection: &Connection,
    user: UserId,
    (id, challenge): (FactorId, FactorId),
    (count, is_backed_up): (u32, bool),
    now: Timestamp,
) -> Result<bool, StoreError> {
    if !use_up(connection, challenge, now)? {
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
    Ok(counted == 1)
}

fn use_up(
    connection: &Connection,
    challenge: FactorId,
    now: Timestamp,
) -> Result<bool, StoreError> {
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
) -> Result<u64, StoreError> {
    let gone = connection
        .prepare_cached(
            "DELETE FROM passkey_challenges WHERE id IN (
                 SELECT id FROM passkey_challenges WHERE expires_at < ? LIMIT ?)",
        )?
        .execute(params![micros(before), limit])?;
    Ok(gone as u64)
}

//! Second factors in SQLite. One writes at a time: between a look and a change nothing comes.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};

use super::columns::{from_micros, key, micros, unknown_word};
pub(super) use super::enrolled::change_version;
use super::enrolled::{authentication_of, insert_codes, is_enrolled, save_authentication};
use super::{SqliteStore, outbox, passkeys};
use crate::factor::FactorId;
use crate::session::DeviceName;
use crate::sign_in::{FACTOR_TRIES, FactorKind};
use crate::store::{
    AddPasskey, ConfirmFactor, Confirmed, FactorProof, FactorStore, FactorUse, MailBounds,
    NewFactor, NewRecoveryCode, PasskeyChallenge, RemoveFactor, Removed, StepUp, SteppedUp,
    StoreError, StoredFactor, UserFactors,
};
use crate::token::SecretHash;
use crate::user::UserId;

#[async_trait]
impl FactorStore for SqliteStore {
    async fn factors_of(&self, user: UserId) -> Result<UserFactors, StoreError> {
        self.readers.run(move |c| of_user(c, user)).await
    }

    async fn offer_factor(&self, new: NewFactor) -> Result<(), StoreError> {
        self.writer.run(move |c| offer(c, &new)).await
    }

    async fn confirm_factor(&self, confirm: ConfirmFactor) -> Result<Confirmed, StoreError> {
        self.writer.run(move |c| enrol(c, &confirm)).await
    }

    async fn keep_challenge(&self, challenge: PasskeyChallenge) -> Result<(), StoreError> {
        self.writer.run(move |c| passkeys::keep(c, &challenge)).await
    }

    async fn challenge(
        &self,
        id: FactorId,
        now: Timestamp,
    ) -> Result<Option<PasskeyChallenge>, StoreError> {
        self.readers.run(move |c| passkeys::challenge(c, id, now)).await
    }

    async fn passkey_owner(&self, credential: Vec<u8>) -> Result<Option<UserId>, StoreError> {
        self.readers.run(move |c| passkeys::owner(c, &credential)).await
    }

    async fn add_passkey(&self, add: AddPasskey) -> Result<Confirmed, StoreError> {
        self.writer.run(move |c| passkeys::add(c, &add)).await
    }

    async fn name_factor(
        &self,
        user: UserId,
        id: FactorId,
        name: Option<DeviceName>,
    ) -> Result<bool, StoreError> {
        self.writer.run(move |c| set_name(c, user, id, name.as_ref())).await
    }

    async fn remove_factor(&self, remove: RemoveFactor) -> Result<Removed, StoreError> {
        self.writer.run(move |c| remove_one(c, &remove)).await
    }

    async fn set_recovery_codes(
        &self,
        user: UserId,
        codes: Vec<NewRecoveryCode>,
    ) -> Result<bool, StoreError> {
        self.writer.run(move |c| replace_codes(c, user, &codes)).await
    }

    async fn count_factor_try(
        &self,
        pending: FactorId,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer.run(move |c| count_try(c, pending, until)).await
    }

    async fn step_up(&self, step_up: StepUp) -> Result<SteppedUp, StoreError> {
        self.writer.run(move |c| prove_again(c, &step_up)).await
    }

    async fn forget_factors(&self, user: UserId) -> Result<(), StoreError> {
        self.writer.run(move |c| forget(c, user)).await
    }

    async fn prune_factors(
        &self,
        pending: Timestamp,
        offered: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.writer.run(move |c| prune(c, pending, offered, limit)).await
    }

    async fn prune_challenges(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.writer.run(move |c| passkeys::prune(c, before, limit)).await
    }
}

pub(super) fn of_user(connection: &Connection, user: UserId) -> Result<UserFactors, StoreError> {
    let owner = key(user);
    let version = connection
        .prepare_cached("SELECT version FROM factor_owners WHERE user_id = ?")?
        .query_row([&owner], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let sql = format!("SELECT {COLUMNS} FROM factors WHERE user_id = ? ORDER BY created_at, id");
    let mut statement = connection.prepare_cached(&sql)?;
    let factors = statement.query_map([&owner], factor)?.collect::<Result<_, _>>()?;
    let mut statement =
        connection.prepare_cached("SELECT hash FROM recovery_codes WHERE user_id = ?")?;
    let hash = |row: &Row<'_>| {
        let bytes: Vec<u8> = row.get(0)?;
        SecretHash::from_stored(&bytes).ok_or_else(|| unknown_word("a hash of another length"))
    };
    let recovery_codes = statement.query_map([&owner], hash)?.collect::<Result<_, _>>()?;
    Ok(UserFactors { version, factors, recovery_codes })
}

fn offer(connection: &Connection, new: &NewFactor) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM factors WHERE user_id = ? AND kind = ? AND confirmed_at IS NULL",
        )?
        .execute(params![key(new.user), new.kind.as_str()])?;
    connection
        .prepare_cached(
            "INSERT INTO factors (id, user_id, kind, name, sealed, created_at)
             VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            new.id.as_i64(),
            key(new.user),
            new.kind.as_str(),
            new.name.as_ref().map(DeviceName::as_str),
            new.sealed,
            micros(new.created_at),
        ])?;
    Ok(())
}

fn enrol(connection: &Connection, confirm: &ConfirmFactor) -> Result<Confirmed, StoreError> {
    let ConfirmFactor { id, user, session, now, .. } = *confirm;
    let is_offered = connection
        .prepare_cached(
            "SELECT 1 FROM factors
             WHERE id = ? AND user_id = ? AND confirmed_at IS NULL AND created_at > ?",
        )?
        .exists(params![id.as_i64(), key(user), micros(confirm.offered_after)])?;
    if !is_offered {
        return Ok(Confirmed::Unknown);
    }
    let Some(before) = authentication_of(connection, session, user, now)? else {
        return Ok(Confirmed::SessionEnded);
    };
    connection
        .prepare_cached("UPDATE factors SET confirmed_at = ?, last_step = ? WHERE id = ?")?
        .execute(params![micros(now), step(confirm.step), id.as_i64()])?;
    let ConfirmFactor { codes, methods, mails, .. } = confirm;
    is_enrolled(connection, user, codes, (session, before), *methods, mails, now)
}

fn set_name(
    connection: &Connection,
    user: UserId,
    id: FactorId,
    name: Option<&DeviceName>,
) -> Result<bool, StoreError> {
    let named = connection
        .prepare_cached(
            "UPDATE factors SET name = ?
             WHERE id = ? AND user_id = ? AND confirmed_at IS NOT NULL",
        )?
        .execute(params![name.map(DeviceName::as_str), id.as_i64(), key(user)])?;
    Ok(named == 1)
}

fn remove_one(connection: &Connection, remove: &RemoveFactor) -> Result<Removed, StoreError> {
    if authentication_of(connection, remove.session, remove.user, remove.now)?.is_none() {
        return Ok(Removed::SessionEnded);
    }
    let owner = key(remove.user);
    let mut ids = connection
        .prepare_cached("SELECT id FROM factors WHERE user_id = ? AND confirmed_at IS NOT NULL")?;
    let ids = ids.query_map([&owner], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    if !ids.contains(&remove.id.as_i64()) {
        return Ok(Removed::Unknown);
    }
    if ids.len() == 1 && remove.keeps_one {
        return Ok(Removed::LastOne);
    }
    connection.prepare_cached("DELETE FROM factors WHERE id = ?")?.execute([remove.id.as_i64()])?;
    if ids.len() == 1 {
        connection
            .prepare_cached("DELETE FROM recovery_codes WHERE user_id = ?")?
            .execute([&owner])?;
    }
    change_version(connection, remove.user, true)?;
    outbox::queue(connection, &remove.mails, MailBounds::OF_ACTS)?;
    Ok(Removed::Done)
}

fn replace_codes(
    connection: &Connection,
    user: UserId,
    codes: &[NewRecoveryCode],
) -> Result<bool, StoreError> {
    let has_one = connection
        .prepare_cached("SELECT 1 FROM factors WHERE user_id = ? AND confirmed_at IS NOT NULL")?
        .exists([key(user)])?;
    if !has_one {
        return Ok(false);
    }
    connection
        .prepare_cached("DELETE FROM recovery_codes WHERE user_id = ?")?
        .execute([key(user)])?;
    insert_codes(connection, user, codes)?;
    Ok(true)
}

fn count_try(
    connection: &Connection,
    pending: FactorId,
    until: Timestamp,
) -> Result<bool, StoreError> {
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
) -> Result<bool, StoreError> {
    if let Some(pending) = uses.pending {
        let waits = connection
            .prepare_cached("SELECT 1 FROM pending_logins WHERE id = ? AND used_at IS NULL")?
            .exists([pending.as_i64()])?;
        if !waits {
            return Ok(false);
        }
    }
    if !accept(connection, user, &uses.proof, now)? {
        return Ok(false);
    }
    if let Some(pending) = uses.pending {
        connection
            .prepare_cached("UPDATE pending_logins SET used_at = ? WHERE id = ?")?
            .execute(params![micros(now), pending.as_i64()])?;
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
) -> Result<bool, StoreError> {
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
        FactorProof::Passkey { id, challenge, count, is_backed_up } => {
            return passkeys::accept(
                connection,
                user,
                (*id, *challenge),
                (*count, *is_backed_up),
                now,
            );
        }
    };
    Ok(used == 1)
}

fn prove_again(connection: &Connection, again: &StepUp) -> Result<SteppedUp, StoreError> {
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

/// Removes all that a user has. How many factors were enrolled.
pub(super) fn remove_all(connection: &Connection, user: UserId) -> Result<u64, StoreError> {
    let enrolled: u64 = connection
        .prepare_cached(
            "SELECT count(*) FROM factors WHERE user_id = ? AND confirmed_at IS NOT NULL",
        )?
        .query_row([key(user)], |row| row.get(0))?;
    connection.prepare_cached("DELETE FROM factors WHERE user_id = ?")?.execute([key(user)])?;
    connection
        .prepare_cached("DELETE FROM recovery_codes WHERE user_id = ?")?
        .execute([key(user)])?;
    if enrolled > 0 {
        change_version(connection, user, true)?;
    }
    Ok(enrolled)
}

fn forget(connection: &Connection, user: UserId) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM factors WHERE user_id = ?",
        "DELETE FROM recovery_codes WHERE user_id = ?",
        "DELETE FROM factor_owners WHERE user_id = ?",
    ] {
        connection.prepare_cached(sql)?.execute([key(user)])?;
    }
    Ok(())
}

fn prune(
    connection: &Connection,
    pending: Timestamp,
    offered: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let waited = connection
        .prepare_cached(
            "DELETE FROM pending_logins WHERE id IN (
                 SELECT id FROM pending_logins WHERE expires_at < ? LIMIT ?)",
        )?
        .execute(params![micros(pending), limit])?;
    let never_proved = connection
        .prepare_cached(
            "DELETE FROM factors WHERE id IN (
                 SELECT id FROM factors WHERE confirmed_at IS NULL AND created_at < ? LIMIT ?)",
        )?
        .execute(params![micros(offered), limit])?;
    Ok((waited + never_proved) as u64)
}

pub(super) fn factor(row: &Row<'_>) -> rusqlite::Result<StoredFactor> {
    let kind = row.get_ref(1)?.as_str()?;
    Ok(StoredFactor {
        id: FactorId::new(row.get(0)?).ok_or_else(|| unknown_word("a negative id"))?,
        kind: FactorKind::from_word(kind).ok_or_else(|| unknown_word(kind))?,
        name: row.get::<_, Option<String>>(2)?.and_then(|name| DeviceName::parse(&name).ok()),
        sealed: row.get(3)?,
        last_step: row.get(4)?,
        created_at: from_micros(row.get(5)?),
        last_used_at: row.get::<_, Option<i64>>(6)?.map(from_micros),
        is_enrolled: row.get(7)?,
        credential: row.get(8)?,
        is_backed_up: row.get(9)?,
    })
}

/// Steps of the clock stay far below the limit.
fn step(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

pub(super) const COLUMNS: &str = "id, kind, name, sealed, last_step, created_at, last_used_at, \
    confirmed_at IS NOT NULL, credential, is_backed_up";

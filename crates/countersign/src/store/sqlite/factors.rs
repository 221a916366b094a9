//! Second factors in SQLite. One writes at a time: between a look and a change nothing comes.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use super::columns::{key, micros};
pub(super) use super::enrolled::change_version;
use super::enrolled::{authentication_of, insert_codes, is_enrolled, refused, save_authentication};
use super::factor_proofs::{count_try, prove_again, step, waiting};
use super::factor_row::of_user;
use super::{SqliteStore, outbox, passkeys, sessions};
use crate::factor::FactorId;
use crate::session::{Authentication, DeviceName, RevokedReason};
use crate::sign_in::{Method, Methods};
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{
    AddPasskey, CodesSet, ConfirmFactor, Confirmed, FactorStore, MailBounds, NewFactor,
    PasskeyChallenge, PasskeyOwner, RemoveFactor, Removed, SetRecoveryCodes, StepUp, SteppedUp,
    StoreError, UserFactors, WaitingSignIn,
};
use crate::token::TokenId;
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

    async fn is_challenge_used(&self, id: FactorId) -> Result<bool, StoreError> {
        self.readers.run(move |c| passkeys::is_used(c, id)).await
    }

    async fn passkey_owner(&self, credential: Vec<u8>) -> Result<Option<PasskeyOwner>, StoreError> {
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

    async fn set_recovery_codes(&self, set: SetRecoveryCodes) -> Result<CodesSet, StoreError> {
        self.writer.run(move |c| replace_codes(c, &set)).await
    }

    async fn waiting_sign_in(
        &self,
        user: UserId,
        pending: FactorId,
    ) -> Result<WaitingSignIn, StoreError> {
        self.readers.run(move |c| waiting(c, user, pending)).await
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

fn offer(connection: &Connection, new: &NewFactor) -> Result<(), Failure> {
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

fn enrol(connection: &Connection, confirm: &ConfirmFactor) -> Result<Confirmed, Failure> {
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
    if let Some(refused) = refused(connection, user, before)? {
        return Ok(refused);
    }
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
) -> Result<bool, Failure> {
    let named = connection
        .prepare_cached(
            "UPDATE factors SET name = ?
             WHERE id = ? AND user_id = ? AND confirmed_at IS NOT NULL",
        )?
        .execute(params![name.map(DeviceName::as_str), id.as_i64(), key(user)])?;
    Ok(named == 1)
}

fn remove_one(connection: &Connection, remove: &RemoveFactor) -> Result<Removed, Failure> {
    let RemoveFactor { id, user, session, now, .. } = *remove;
    let Some(known) = authentication_of(connection, session, user, now)? else {
        return Ok(Removed::SessionEnded);
    };
    let enrolled = enrolled(connection, user)?;
    if enrolled.iter().all(|(own, _)| *own != id.as_i64()) {
        return Ok(Removed::Unknown);
    }
    if !known.methods.has(Method::Several) {
        return Ok(Removed::FactorRequired);
    }
    let is_last = enrolled.len() == 1;
    if is_last && remove.keeps_one {
        return Ok(Removed::LastOne);
    }
    remove_enrolled(connection, user, id, now)?;
    // Which sessions it has begun is not known.
    sessions::revoke_of_user(connection, user, Some(session), RevokedReason::FactorRemoved, now)?;
    if is_last {
        let methods = known.methods.without_factors();
        save_authentication(connection, session, Authentication { methods, ..known })?;
    }
    outbox::queue(connection, &remove.mails, MailBounds::OF_ACTS)?;
    Ok(Removed::Done)
}

/// Removes a factor that is enrolled, and with the last one the recovery codes. What it was; `None`
/// where there is none such.
pub(super) fn remove_enrolled(
    connection: &Connection,
    user: UserId,
    id: FactorId,
    now: Timestamp,
) -> Result<Option<String>, Failure> {
    let enrolled = enrolled(connection, user)?;
    let left = enrolled.len().saturating_sub(1);
    let found = enrolled.into_iter().find(|(own, _)| *own == id.as_i64());
    let Some((_, kind)) = found else { return Ok(None) };
    connection.prepare_cached("DELETE FROM factors WHERE id = ?")?.execute([id.as_i64()])?;
    if left == 0 {
        connection
            .prepare_cached("DELETE FROM recovery_codes WHERE user_id = ?")?
            .execute([key(user)])?;
    }
    change_version(connection, user, Some(now))?;
    Ok(Some(kind))
}

/// The ids and kinds of what a user has proved.
fn enrolled(connection: &Connection, user: UserId) -> Result<Vec<(i64, String)>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT id, kind FROM factors WHERE user_id = ? AND confirmed_at IS NOT NULL",
    )?;
    let rows = statement.query_map([key(user)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn replace_codes(connection: &Connection, set: &SetRecoveryCodes) -> Result<CodesSet, Failure> {
    let known = authentication_of(connection, set.session, set.user, set.now)?;
    let Some(known) = known else { return Ok(CodesSet::SessionEnded) };
    let has_one = connection
        .prepare_cached("SELECT 1 FROM factors WHERE user_id = ? AND confirmed_at IS NOT NULL")?
        .exists([key(set.user)])?;
    if !has_one {
        return Ok(CodesSet::NoFactor);
    }
    if !known.methods.has(Method::Several) {
        return Ok(CodesSet::FactorRequired);
    }
    connection
        .prepare_cached("DELETE FROM recovery_codes WHERE user_id = ?")?
        .execute([key(set.user)])?;
    insert_codes(connection, set.user, &set.codes, set.now)?;
    outbox::queue(connection, &set.mails, MailBounds::OF_ACTS)?;
    Ok(CodesSet::Done)
}

/// Removes all that a user has. How many factors were enrolled.
pub(super) fn remove_all(
    connection: &Connection,
    user: UserId,
    now: Timestamp,
) -> Result<u64, Failure> {
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
        change_version(connection, user, Some(now))?;
    }
    Ok(enrolled)
}

/// Removes what was enrolled since a token was made or not long before, recovery codes that were
/// made then, and with the last factor all of them.
pub(super) fn remove_recent(
    connection: &Connection,
    user: UserId,
    token: TokenId,
    now: Timestamp,
) -> Result<(), Failure> {
    connection
        .prepare_cached(statements::REMOVE_RECENT_CODES)?
        .execute(params![key(user), token.as_i64()])?;
    let mut remove = connection.prepare_cached(statements::REMOVE_RECENT_FACTORS)?;
    let removed = remove.query_map(params![key(user), token.as_i64()], |row| row.get(0))?;
    if !removed.collect::<Result<Vec<bool>, _>>()?.contains(&true) {
        return Ok(());
    }
    if enrolled(connection, user)?.is_empty() {
        connection
            .prepare_cached("DELETE FROM recovery_codes WHERE user_id = ?")?
            .execute([key(user)])?;
    }
    change_version(connection, user, Some(now))
}

pub(super) fn forget(connection: &Connection, user: UserId) -> Result<(), Failure> {
    for sql in [
        "DELETE FROM factors WHERE user_id = ?",
        "DELETE FROM recovery_codes WHERE user_id = ?",
        "DELETE FROM factor_owners WHERE user_id = ?",
    ] {
        connection.prepare_cached(sql)?.execute([key(user)])?;
    }
    connection.prepare_cached(statements::NO_FACTORS)?.execute([user.as_i64()])?;
    forget_proofs(connection, user)
}

/// The user's sessions have proved no factor any more.
fn forget_proofs(connection: &Connection, user: UserId) -> Result<(), Failure> {
    let mut own = connection.prepare_cached(
        "SELECT id, amr FROM sessions WHERE user_id = ? AND revoked_at IS NULL AND amr <> ''",
    )?;
    let rows = own.query_map([key(user)], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let rows: Vec<(i64, String)> = rows.collect::<Result<_, _>>()?;
    let mut set = connection.prepare_cached("UPDATE sessions SET amr = ? WHERE id = ?")?;
    for (id, amr) in rows {
        set.execute(params![Methods::from_words(&amr).without_factors().to_string(), id])?;
    }
    Ok(())
}

fn prune(
    connection: &Connection,
    pending: Timestamp,
    offered: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
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

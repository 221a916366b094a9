//! Second factors in PostgreSQL. Whatever changes them holds the user's row first, as whatever
//! begins a session does.

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use jiff::Timestamp;

use super::columns::{get, micros};
use super::enrolled::{authentication_of, insert_codes, is_enrolled, save_authentication};
pub(super) use super::enrolled::{change_some_versions, change_version, hold};
use super::factor_proofs::{prove_again, step, waiting};
use super::factor_row::of_user;
use super::{PostgresStore, outbox, passkeys, sessions};
use crate::factor::FactorId;
use crate::session::{Authentication, DeviceName, RevokedReason};
use crate::sign_in::{FACTOR_TRIES, Method, Methods};
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
impl FactorStore for PostgresStore {
    async fn factors_of(&self, user: UserId) -> Result<UserFactors, StoreError> {
        read!(self, client => of_user(client, user))
    }

    async fn offer_factor(&self, new: NewFactor) -> Result<(), StoreError> {
        write!(self, client => offer(client, &new))
    }

    async fn confirm_factor(&self, confirm: ConfirmFactor) -> Result<Confirmed, StoreError> {
        write!(self, client => enrol(client, &confirm))
    }

    async fn keep_challenge(&self, challenge: PasskeyChallenge) -> Result<(), StoreError> {
        write!(self, client => passkeys::keep(client, &challenge))
    }

    async fn challenge(
        &self,
        id: FactorId,
        now: Timestamp,
    ) -> Result<Option<PasskeyChallenge>, StoreError> {
        read!(self, client => passkeys::challenge(client, id, now))
    }

    async fn is_challenge_used(&self, id: FactorId) -> Result<bool, StoreError> {
        read!(self, client => passkeys::is_used(client, id))
    }

    async fn passkey_owner(&self, credential: Vec<u8>) -> Result<Option<PasskeyOwner>, StoreError> {
        read!(self, client => passkeys::owner(client, &credential))
    }

    async fn add_passkey(&self, add: AddPasskey) -> Result<Confirmed, StoreError> {
        write!(self, client => passkeys::add(client, &add))
    }

    async fn name_factor(
        &self,
        user: UserId,
        id: FactorId,
        name: Option<DeviceName>,
    ) -> Result<bool, StoreError> {
        write!(self, client => set_name(client, user, id, name.as_ref()))
    }

    async fn remove_factor(&self, remove: RemoveFactor) -> Result<Removed, StoreError> {
        write!(self, client => remove_one(client, &remove))
    }

    async fn set_recovery_codes(&self, set: SetRecoveryCodes) -> Result<CodesSet, StoreError> {
        write!(self, client => replace_codes(client, &set))
    }

    async fn waiting_sign_in(
        &self,
        user: UserId,
        pending: FactorId,
    ) -> Result<WaitingSignIn, StoreError> {
        read!(self, client => waiting(client, user, pending))
    }

    async fn count_factor_try(
        &self,
        pending: FactorId,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        write!(self, client => count_try(client, pending, until))
    }

    async fn step_up(&self, step_up: StepUp) -> Result<SteppedUp, StoreError> {
        write!(self, client => prove_again(client, &step_up))
    }

    async fn forget_factors(&self, user: UserId) -> Result<(), StoreError> {
        write!(self, client => forget_all(client, user))
    }

    async fn prune_factors(
        &self,
        pending: Timestamp,
        offered: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        write!(self, client => prune(client, pending, offered, limit))
    }

    async fn prune_challenges(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        write!(self, client => passkeys::prune(client, before, limit))
    }
}

/// In one statement: the number is that of these factors.
async fn offer(client: &mut Object, new: &NewFactor) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    hold(&transaction, new.user).await?;
    let (user, kind) = (new.user.to_string(), new.kind.as_str());
    let earlier = transaction
        .prepare_cached(
            "DELETE FROM factors WHERE user_id = $1 AND kind = $2 AND confirmed_at IS NULL",
        )
        .await?;
    transaction.execute(&earlier, &[&user, &kind]).await?;
    let insert = transaction
        .prepare_cached(
            "INSERT INTO factors (id, user_id, kind, name, sealed, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .await?;
    let name = new.name.as_ref().map(DeviceName::as_str);
    let created = micros(new.created_at);
    transaction
        .execute(&insert, &[&new.id.as_i64(), &user, &kind, &name, &new.sealed, &created])
        .await?;
    Ok(transaction.commit().await?)
}

async fn enrol(client: &mut Object, confirm: &ConfirmFactor) -> Result<Confirmed, Failure> {
    let ConfirmFactor { id, user, session, now, .. } = *confirm;
    let transaction = client.transaction().await?;
    hold(&transaction, user).await?;
    let statement = transaction
        .prepare_cached(
            "UPDATE factors SET confirmed_at = $1, last_step = $2
             WHERE id = $3 AND user_id = $4 AND confirmed_at IS NULL AND created_at > $5",
        )
        .await?;
    let (owner, offered_after) = (user.to_string(), micros(confirm.offered_after));
    let enrolled = transaction
        .execute(
            &statement,
            &[&micros(now), &step(confirm.step), &id.as_i64(), &owner, &offered_after],
        )
        .await?;
    if enrolled == 0 {
        return Ok(Confirmed::Unknown);
    }
    let ConfirmFactor { codes, methods, mails, .. } = confirm;
    is_enrolled(transaction, user, codes, session, *methods, mails, now).await
}

async fn set_name(
    client: &Object,
    user: UserId,
    id: FactorId,
    name: Option<&DeviceName>,
) -> Result<bool, Failure> {
    let statement = client
        .prepare_cached(
            "UPDATE factors SET name = $1
             WHERE id = $2 AND user_id = $3 AND confirmed_at IS NOT NULL",
        )
        .await?;
    let name = name.map(DeviceName::as_str);
    Ok(client.execute(&statement, &[&name, &id.as_i64(), &user.to_string()]).await? == 1)
}

async fn remove_one(client: &mut Object, remove: &RemoveFactor) -> Result<Removed, Failure> {
    let RemoveFactor { id, user, session, now, .. } = *remove;
    let transaction = client.transaction().await?;
    hold(&transaction, user).await?;
    let enrolled = enrolled(&transaction, user).await?;
    if enrolled.iter().all(|(own, _)| *own != id.as_i64()) {
        return Ok(Removed::Unknown);
    }
    sessions::hold_of_user(&transaction, user, now).await?;
    let Some(known) = authentication_of(&transaction, session, user, now).await? else {
        return Ok(Removed::SessionEnded);
    };
    if !known.methods.has(Method::Several) {
        return Ok(Removed::FactorRequired);
    }
    let is_last = enrolled.len() == 1;
    if is_last && remove.keeps_one {
        return Ok(Removed::LastOne);
    }
    remove_enrolled(&transaction, user, id, now).await?;
    // Which sessions it has begun is not known.
    let reason = RevokedReason::FactorRemoved;
    sessions::revoke_of_user(&transaction, user, Some(session), reason, now).await?;
    if is_last {
        let methods = known.methods.without_factors();
        save_authentication(&transaction, session, Authentication { methods, ..known }).await?;
    }
    outbox::queue(&transaction, &remove.mails, MailBounds::OF_ACTS).await?;
    transaction.commit().await?;
    Ok(Removed::Done)
}

/// Removes a factor that is enrolled, and with the last one the recovery codes. What it was; `None`
/// where there is none such. The user's row is held.
pub(super) async fn remove_enrolled(
    transaction: &Transaction<'_>,
    user: UserId,
    id: FactorId,
    now: Timestamp,
) -> Result<Option<String>, Failure> {
    let enrolled = enrolled(transaction, user).await?;
    let left = enrolled.len().saturating_sub(1);
    let found = enrolled.into_iter().find(|(own, _)| *own == id.as_i64());
    let Some((_, kind)) = found else { return Ok(None) };
    let statement = transaction.prepare_cached("DELETE FROM factors WHERE id = $1").await?;
    transaction.execute(&statement, &[&id.as_i64()]).await?;
    if left == 0 {
        forget_codes(transaction, user).await?;
    }
    change_version(transaction, user, Some(now)).await?;
    Ok(Some(kind))
}

/// The ids and kinds of what a user has proved, which nobody else changes until the transaction is
/// over. In the order of their ids, as everywhere: of two who remove the last two, one waits here
/// where the user's row is elsewhere.
async fn enrolled(
    transaction: &Transaction<'_>,
    user: UserId,
) -> Result<Vec<(i64, String)>, Failure> {
    let statement = transaction
        .prepare_cached(
            "SELECT id, kind FROM factors WHERE user_id = $1 AND confirmed_at IS NOT NULL
             ORDER BY id FOR UPDATE",
        )
        .await?;
    let rows = transaction.query(&statement, &[&user.to_string()]).await?;
    rows.iter().map(|row| Ok((get(row, "id")?, get(row, "kind")?))).collect()
}

async fn replace_codes(client: &mut Object, set: &SetRecoveryCodes) -> Result<CodesSet, Failure> {
    let transaction = client.transaction().await?;
    hold(&transaction, set.user).await?;
    let statement = transaction
        .prepare_cached(
            "SELECT 1 FROM factors WHERE user_id = $1 AND confirmed_at IS NOT NULL FOR UPDATE",
        )
        .await?;
    if transaction.query(&statement, &[&set.user.to_string()]).await?.is_empty() {
        return Ok(CodesSet::NoFactor);
    }
    let known = authentication_of(&transaction, set.session, set.user, set.now).await?;
    let Some(known) = known else { return Ok(CodesSet::SessionEnded) };
    if !known.methods.has(Method::Several) {
        return Ok(CodesSet::FactorRequired);
    }
    forget_codes(&transaction, set.user).await?;
    insert_codes(&transaction, set.user, &set.codes, set.now).await?;
    outbox::queue(&transaction, &set.mails, MailBounds::OF_ACTS).await?;
    transaction.commit().await?;
    Ok(CodesSet::Done)
}

async fn forget_codes(transaction: &Transaction<'_>, user: UserId) -> Result<(), Failure> {
    let statement =
        transaction.prepare_cached("DELETE FROM recovery_codes WHERE user_id = $1").await?;
    transaction.execute(&statement, &[&user.to_string()]).await?;
    Ok(())
}

async fn count_try(client: &Object, pending: FactorId, until: Timestamp) -> Result<bool, Failure> {
    let statement = client
        .prepare_cached(
            "INSERT INTO pending_logins AS p (id, tries, expires_at) VALUES ($1, 1, $2)
             ON CONFLICT (id) DO UPDATE SET tries = p.tries + 1
             WHERE p.used_at IS NULL AND p.tries < $3",
        )
        .await?;
    let most = i32::try_from(FACTOR_TRIES).unwrap_or(i32::MAX);
    Ok(client.execute(&statement, &[&pending.as_i64(), &micros(until), &most]).await? == 1)
}

/// Removes all that a user has. How many factors were enrolled. The caller holds the user's row.
pub(super) async fn remove_all(
    transaction: &Transaction<'_>,
    user: UserId,
    now: Timestamp,
) -> Result<u64, Failure> {
    let statement = transaction
        .prepare_cached(
            "DELETE FROM factors WHERE user_id = $1
             RETURNING confirmed_at IS NOT NULL AS is_enrolled",
        )
        .await?;
    let rows = transaction.query(&statement, &[&user.to_string()]).await?;
    forget_codes(transaction, user).await?;
    let mut enrolled = 0;
    for row in &rows {
        enrolled += u64::from(get::<bool>(row, "is_enrolled")?);
    }
    if enrolled > 0 {
        change_version(transaction, user, Some(now)).await?;
    }
    Ok(enrolled)
}

/// Removes what was enrolled since a token was made or not long before, recovery codes that were
/// made then, and with the last factor all of them. The caller holds the user's row.
pub(super) async fn remove_recent(
    transaction: &Transaction<'_>,
    user: UserId,
    token: TokenId,
    now: Timestamp,
) -> Result<(), Failure> {
    let statement = transaction.prepare_cached(statements::REMOVE_RECENT_CODES).await?;
    transaction.execute(&statement, &[&user.to_string(), &token.as_i64()]).await?;
    let statement = transaction.prepare_cached(statements::REMOVE_RECENT_FACTORS).await?;
    let rows = transaction.query(&statement, &[&user.to_string(), &token.as_i64()]).await?;
    let removed: Vec<bool> =
        rows.iter().map(|row| get(row, "is_enrolled")).collect::<Result<_, _>>()?;
    if !removed.contains(&true) {
        return Ok(());
    }
    if enrolled(transaction, user).await?.is_empty() {
        forget_codes(transaction, user).await?;
    }
    change_version(transaction, user, Some(now)).await
}

async fn forget_all(client: &mut Object, user: UserId) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    forget(&transaction, user).await?;
    Ok(transaction.commit().await?)
}

pub(super) async fn forget(transaction: &Transaction<'_>, user: UserId) -> Result<(), Failure> {
    hold(transaction, user).await?;
    for sql in [
        "DELETE FROM factors WHERE user_id = $1",
        "DELETE FROM recovery_codes WHERE user_id = $1",
        "DELETE FROM factor_owners WHERE user_id = $1",
    ] {
        let statement = transaction.prepare_cached(sql).await?;
        transaction.execute(&statement, &[&user.to_string()]).await?;
    }
    let statement = transaction.prepare_cached(statements::NO_FACTORS).await?;
    transaction.execute(&statement, &[&user.as_i64()]).await?;
    forget_proofs(transaction, user).await
}

/// The user's sessions have proved no factor any more.
async fn forget_proofs(transaction: &Transaction<'_>, user: UserId) -> Result<(), Failure> {
    let own = transaction
        .prepare_cached(
            "SELECT id, amr FROM sessions
             WHERE user_id = $1 AND revoked_at IS NULL AND amr <> '' ORDER BY id FOR UPDATE",
        )
        .await?;
    let set = transaction.prepare_cached("UPDATE sessions SET amr = $1 WHERE id = $2").await?;
    for row in transaction.query(&own, &[&user.to_string()]).await? {
        let methods = Methods::from_words(get(&row, "amr")?).without_factors();
        transaction.execute(&set, &[&methods.to_string(), &get::<i64>(&row, "id")?]).await?;
    }
    Ok(())
}

async fn prune(
    client: &Object,
    pending: Timestamp,
    offered: Timestamp,
    limit: u32,
) -> Result<u64, Failure> {
    let statement = client
        .prepare_cached(
            "WITH waited AS (
                 DELETE FROM pending_logins WHERE id = ANY(ARRAY(
                     SELECT id FROM pending_logins WHERE expires_at < $1 LIMIT $3
                     FOR UPDATE SKIP LOCKED)) RETURNING id
             ), never_proved AS (
                 DELETE FROM factors WHERE id = ANY(ARRAY(
                     SELECT id FROM factors WHERE confirmed_at IS NULL AND created_at < $2 LIMIT $3
                     FOR UPDATE SKIP LOCKED)) RETURNING id
             )
             SELECT (SELECT count(*) FROM waited) + (SELECT count(*) FROM never_proved) AS gone",
        )
        .await?;
    let row = client
        .query_one(&statement, &[&micros(pending), &micros(offered), &i64::from(limit)])
        .await?;
    Ok(get::<i64>(&row, "gone")?.unsigned_abs())
}

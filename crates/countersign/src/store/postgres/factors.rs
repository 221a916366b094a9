//! Second factors in PostgreSQL. Whatever changes them holds the user's row first, as whatever
//! begins a session does.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::columns::{from_micros, get, micros, unknown};
use super::enrolled::{authentication_of, insert_codes, is_enrolled};
pub(super) use super::enrolled::{change_version, hold};
use super::factor_proofs::{prove_again, step};
use super::{PostgresStore, outbox, passkeys};
use crate::factor::FactorId;
use crate::session::DeviceName;
use crate::sign_in::{FACTOR_TRIES, FactorKind};
use crate::store::{
    AddPasskey, ConfirmFactor, Confirmed, FactorStore, MailBounds, NewFactor, NewRecoveryCode,
    PasskeyChallenge, RemoveFactor, Removed, StepUp, SteppedUp, StoreError, StoredFactor,
    UserFactors,
};
use crate::token::SecretHash;
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

    async fn passkey_owner(&self, credential: Vec<u8>) -> Result<Option<UserId>, StoreError> {
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

    async fn set_recovery_codes(
        &self,
        user: UserId,
        codes: Vec<NewRecoveryCode>,
    ) -> Result<bool, StoreError> {
        write!(self, client => replace_codes(client, user, &codes))
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
        write!(self, client => forget(client, user))
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
async fn of_user(client: &impl GenericClient, user: UserId) -> Result<UserFactors, StoreError> {
    let statement = client
        .prepare_cached(
            "SELECT (SELECT version FROM factor_owners WHERE user_id = $1) AS version,
                 ARRAY(SELECT hash FROM recovery_codes WHERE user_id = $1) AS codes,
                 f.id, f.kind, f.name, f.sealed, f.last_step, f.created_at, f.last_used_at,
                 f.confirmed_at IS NOT NULL AS is_enrolled, f.credential,
                 f.is_backed_up
             FROM (SELECT 1) AS one LEFT JOIN factors AS f ON f.user_id = $1
             ORDER BY f.created_at, f.id",
        )
        .await?;
    let rows = client.query(&statement, &[&user.to_string()]).await?;
    let Some(first) = rows.first() else { return Ok(UserFactors::default()) };
    let version = get::<Option<i64>>(first, "version")?.unwrap_or(0);
    let is_there = |row: &&Row| get::<Option<i64>>(row, "id").is_ok_and(|id| id.is_some());
    Ok(UserFactors {
        version: version.unsigned_abs(),
        recovery_codes: get::<Vec<Vec<u8>>>(first, "codes")?
            .iter()
            .map(|hash| SecretHash::from_stored(hash).ok_or_else(|| unknown("a hash")))
            .collect::<Result<_, _>>()?,
        factors: rows.iter().filter(is_there).map(factor).collect::<Result<_, _>>()?,
    })
}

async fn offer(client: &mut Object, new: &NewFactor) -> Result<(), StoreError> {
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

async fn enrol(client: &mut Object, confirm: &ConfirmFactor) -> Result<Confirmed, StoreError> {
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
) -> Result<bool, StoreError> {
    let statement = client
        .prepare_cached(
            "UPDATE factors SET name = $1
             WHERE id = $2 AND user_id = $3 AND confirmed_at IS NOT NULL",
        )
        .await?;
    let name = name.map(DeviceName::as_str);
    Ok(client.execute(&statement, &[&name, &id.as_i64(), &user.to_string()]).await? == 1)
}

async fn remove_one(client: &mut Object, remove: &RemoveFactor) -> Result<Removed, StoreError> {
    let transaction = client.transaction().await?;
    hold(&transaction, remove.user).await?;
    let owner = remove.user.to_string();
    // In the order of their ids, as everywhere: of two who remove the last two, one waits here
    // where the user's row is elsewhere.
    let statement = transaction
        .prepare_cached(
            "SELECT id FROM factors WHERE user_id = $1 AND confirmed_at IS NOT NULL
             ORDER BY id FOR UPDATE",
        )
        .await?;
    let rows = transaction.query(&statement, &[&owner]).await?;
    let ids = rows.iter().map(|row| get(row, "id")).collect::<Result<Vec<i64>, _>>()?;
    if !ids.contains(&remove.id.as_i64()) {
        return Ok(Removed::Unknown);
    }
    if ids.len() == 1 && remove.keeps_one {
        return Ok(Removed::LastOne);
    }
    let statement = transaction.prepare_cached("DELETE FROM factors WHERE id = $1").await?;
    transaction.execute(&statement, &[&remove.id.as_i64()]).await?;
    if ids.len() == 1 {
        forget_codes(&transaction, remove.user).await?;
    }
    change_version(&transaction, remove.user, true).await?;
    let lives = authentication_of(&transaction, remove.session, remove.user, remove.now).await?;
    if lives.is_none() {
        return Ok(Removed::SessionEnded);
    }
    outbox::queue(&transaction, &remove.mails, MailBounds::OF_ACTS).await?;
    transaction.commit().await?;
    Ok(Removed::Done)
}

async fn replace_codes(
    client: &mut Object,
    user: UserId,
    codes: &[NewRecoveryCode],
) -> Result<bool, StoreError> {
    let transaction = client.transaction().await?;
    hold(&transaction, user).await?;
    let statement = transaction
        .prepare_cached(
            "SELECT 1 FROM factors WHERE user_id = $1 AND confirmed_at IS NOT NULL FOR UPDATE",
        )
        .await?;
    if transaction.query(&statement, &[&user.to_string()]).await?.is_empty() {
        return Ok(false);
    }
    forget_codes(&transaction, user).await?;
    insert_codes(&transaction, user, codes).await?;
    transaction.commit().await?;
    Ok(true)
}

async fn forget_codes(transaction: &Transaction<'_>, user: UserId) -> Result<(), StoreError> {
    let statement =
        transaction.prepare_cached("DELETE FROM recovery_codes WHERE user_id = $1").await?;
    transaction.execute(&statement, &[&user.to_string()]).await?;
    Ok(())
}

async fn count_try(
    client: &Object,
    pending: FactorId,
    until: Timestamp,
) -> Result<bool, StoreError> {
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

/// Whether the user ever had a factor.
pub(super) async fn had_one(client: &impl GenericClient, user: UserId) -> Result<bool, StoreError> {
    let statement = client.prepare_cached("SELECT 1 FROM factor_owners WHERE user_id = $1").await?;
    Ok(!client.query(&statement, &[&user.to_string()]).await?.is_empty())
}

/// Removes all that a user has. How many factors were enrolled. The caller holds the user's row.
pub(super) async fn remove_all(
    transaction: &Transaction<'_>,
    user: UserId,
) -> Result<u64, StoreError> {
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
        change_version(transaction, user, true).await?;
    }
    Ok(enrolled)
}

async fn forget(client: &mut Object, user: UserId) -> Result<(), StoreError> {
    let transaction = client.transaction().await?;
    for sql in [
        "DELETE FROM factors WHERE user_id = $1",
        "DELETE FROM recovery_codes WHERE user_id = $1",
        "DELETE FROM factor_owners WHERE user_id = $1",
    ] {
        let statement = transaction.prepare_cached(sql).await?;
        transaction.execute(&statement, &[&user.to_string()]).await?;
    }
    Ok(transaction.commit().await?)
}

async fn prune(
    client: &Object,
    pending: Timestamp,
    offered: Timestamp,
    limit: u32,
) -> Result<u64, StoreError> {
    let statement = client
        .prepare_cached(
            "WITH waited AS (
                 DELETE FROM pending_logins WHERE id IN (
                     SELECT id FROM pending_logins WHERE expires_at < $1 LIMIT $3
                     FOR UPDATE SKIP LOCKED) RETURNING id
             ), never_proved AS (
                 DELETE FROM factors WHERE id IN (
                     SELECT id FROM factors WHERE confirmed_at IS NULL AND created_at < $2 LIMIT $3
                     FOR UPDATE SKIP LOCKED) RETURNING id
             )
             SELECT (SELECT count(*) FROM waited) + (SELECT count(*) FROM never_proved) AS gone",
        )
        .await?;
    let row = client
        .query_one(&statement, &[&micros(pending), &micros(offered), &i64::from(limit)])
        .await?;
    Ok(get::<i64>(&row, "gone")?.unsigned_abs())
}

pub(super) fn factor(row: &Row) -> Result<StoredFactor, StoreError> {
    let kind: &str = get(row, "kind")?;
    Ok(StoredFactor {
        id: FactorId::new(get(row, "id")?).ok_or_else(|| unknown("a negative id"))?,
        kind: FactorKind::from_word(kind).ok_or_else(|| unknown(kind))?,
        name: get::<Option<&str>>(row, "name")?.and_then(|name| DeviceName::parse(name).ok()),
        sealed: get(row, "sealed")?,
        last_step: get::<Option<i64>>(row, "last_step")?.map(i64::unsigned_abs),
        created_at: from_micros(get(row, "created_at")?),
        last_used_at: get::<Option<i64>>(row, "last_used_at")?.map(from_micros),
        is_enrolled: get(row, "is_enrolled")?,
        credential: get(row, "credential")?,
        is_backed_up: get(row, "is_backed_up")?,
    })
}

/// What [`factor`] reads.
pub(super) const COLUMNS: &str = "id, kind, name, sealed, last_step, created_at, last_used_at, \
    confirmed_at IS NOT NULL AS is_enrolled, credential, is_backed_up";

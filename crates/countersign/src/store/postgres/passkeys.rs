//! Passkeys in PostgreSQL, and what they sign.

use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;

use super::columns::{from_micros, get, micros, user_id};
use super::enrolled::{hold, is_enrolled};
use super::{factor_row, users};
use crate::factor::FactorId;
use crate::session::DeviceName;
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{AddPasskey, CHALLENGES_AT_MOST, Confirmed, PasskeyChallenge, PasskeyOwner};
use crate::user::UserId;

/// The older ones of the user go in the same statement, but for those that another one is about to
/// take away or to use: it leaves the new one, whatever was asked for at the same time.
pub(super) async fn keep(client: &Object, new: &PasskeyChallenge) -> Result<(), Failure> {
    let statement = client
        .prepare_cached(
            "WITH older AS (
                 SELECT id FROM passkey_challenges WHERE user_id = $2
                 ORDER BY expires_at DESC, id OFFSET $5
             ), gone AS (
                 DELETE FROM passkey_challenges WHERE id = ANY(ARRAY(
                     SELECT id FROM passkey_challenges WHERE id IN (SELECT id FROM older)
                     FOR UPDATE SKIP LOCKED))
             )
             INSERT INTO passkey_challenges (id, user_id, state, expires_at)
             VALUES ($1, $2, $3, $4)",
        )
        .await?;
    let (user, expires_at) = (new.user.to_string(), micros(new.expires_at));
    let others = i64::from(CHALLENGES_AT_MOST - 1);
    client
        .execute(&statement, &[&new.id.as_i64(), &user, &new.state, &expires_at, &others])
        .await?;
    Ok(())
}

pub(super) async fn challenge(
    client: &impl GenericClient,
    id: FactorId,
    now: Timestamp,
) -> Result<Option<PasskeyChallenge>, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT user_id, state, expires_at FROM passkey_challenges
             WHERE id = $1 AND expires_at > $2 AND user_id IS NOT NULL",
        )
        .await?;
    let Some(row) = client.query_opt(&statement, &[&id.as_i64(), &micros(now)]).await? else {
        return Ok(None);
    };
    Ok(Some(PasskeyChallenge {
        id,
        user: user_id(get(&row, "user_id")?)?,
        state: get(&row, "state")?,
        expires_at: from_micros(get(&row, "expires_at")?),
    }))
}

pub(super) async fn is_used(client: &impl GenericClient, id: FactorId) -> Result<bool, Failure> {
    let statement = client.prepare_cached(statements::IS_CHALLENGE_USED).await?;
    Ok(client.query_one(&statement, &[&id.as_i64()]).await?.try_get(0)?)
}

pub(super) async fn owner(
    client: &impl GenericClient,
    credential: &[u8],
) -> Result<Option<PasskeyOwner>, Failure> {
    let statement =
        client.prepare_cached("SELECT user_id FROM factors WHERE credential = $1").await?;
    let Some(row) = client.query_opt(&statement, &[&credential]).await? else { return Ok(None) };
    let user = user_id(get(&row, "user_id")?)?;
    let factors = factor_row::of_user(client, user).await?;
    let row = users::with_password(client, user).await?;
    Ok(Some(PasskeyOwner { user, row, factors }))
}

pub(super) async fn add(client: &mut Object, add: &AddPasskey) -> Result<Confirmed, Failure> {
    let new = &add.factor;
    let (user, now) = (new.user, new.created_at);
    let transaction = client.transaction().await?;
    hold(&transaction, user).await?;
    if !use_up(&transaction, add.challenge, now).await? {
        return Ok(Confirmed::Unknown);
    }
    let statement = transaction
        .prepare_cached(
            "INSERT INTO factors (id, user_id, kind, name, sealed, last_step, created_at,
                 confirmed_at, credential, is_backed_up)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9)
             ON CONFLICT (credential) WHERE credential IS NOT NULL DO NOTHING",
        )
        .await?;
    let (owner, name) = (user.to_string(), new.name.as_ref().map(DeviceName::as_str));
    let (count, at) = (i64::from(add.count), micros(now));
    let added = transaction
        .execute(
            &statement,
            &[
                &new.id.as_i64(),
                &owner,
                &new.kind.as_str(),
                &name,
                &new.sealed,
                &count,
                &at,
                &add.credential,
                &add.is_backed_up,
            ],
        )
        .await?;
    if added == 0 {
        return Ok(Confirmed::Taken);
    }
    is_enrolled(transaction, user, &add.codes, add.session, add.methods, &add.mails, now).await
}

/// Uses a challenge up, and notes the count of the passkey that has signed it: it must be higher
/// than the last one, or nobody counts.
pub(super) async fn accept(
    transaction: &Transaction<'_>,
    user: UserId,
    id: FactorId,
    (challenge, until): (FactorId, Timestamp),
    (count, is_backed_up): (u32, bool),
    now: Timestamp,
) -> Result<bool, Failure> {
    if until <= now || !note_use(transaction, challenge, until).await? {
        return Ok(false);
    }
    let statement = transaction
        .prepare_cached(
            "UPDATE factors SET last_step = $1, is_backed_up = $2, last_used_at = $3
             WHERE id = $4 AND user_id = $5 AND credential IS NOT NULL
                 AND (last_step < $1 OR (last_step = 0 AND $1 = 0))",
        )
        .await?;
    let (count, at, owner) = (i64::from(count), micros(now), user.to_string());
    let counted = transaction
        .execute(&statement, &[&count, &is_backed_up, &at, &id.as_i64(), &owner])
        .await?;
    Ok(counted == 1)
}

/// Notes that a challenge was used that nobody has kept. `false` where it was before; who notes it
/// elsewhere at once is waited for.
async fn note_use(
    transaction: &Transaction<'_>,
    challenge: FactorId,
    until: Timestamp,
) -> Result<bool, Failure> {
    let statement = transaction
        .prepare_cached(
            "INSERT INTO passkey_challenges (id, state, expires_at) VALUES ($1, '', $2)
             ON CONFLICT (id) DO NOTHING",
        )
        .await?;
    Ok(transaction.execute(&statement, &[&challenge.as_i64(), &micros(until)]).await? == 1)
}

async fn use_up(
    transaction: &Transaction<'_>,
    challenge: FactorId,
    now: Timestamp,
) -> Result<bool, Failure> {
    let statement = transaction
        .prepare_cached("DELETE FROM passkey_challenges WHERE id = $1 AND expires_at > $2")
        .await?;
    Ok(transaction.execute(&statement, &[&challenge.as_i64(), &micros(now)]).await? == 1)
}

/// Forgets challenges whose time was over before `before`. How many went.
pub(super) async fn prune(client: &Object, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let statement = client
        .prepare_cached(
            "DELETE FROM passkey_challenges WHERE id = ANY(ARRAY(
                 SELECT id FROM passkey_challenges WHERE expires_at < $1 LIMIT $2
                 FOR UPDATE SKIP LOCKED))",
        )
        .await?;
    Ok(client.execute(&statement, &[&micros(before), &i64::from(limit)]).await?)
}

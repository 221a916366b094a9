//! Registrations that wait, in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object};
use jiff::Timestamp;

use super::PostgresStore;
use super::columns::{from_micros, get, micros, user_id};
use crate::store::due::{Place, stays};
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{RegistrationStore, StoreError, WaitingRegistration};
use crate::user::UserId;

#[async_trait]
impl RegistrationStore for PostgresStore {
    async fn registrations_of(
        &self,
        users: &[UserId],
    ) -> Result<Vec<WaitingRegistration>, StoreError> {
        read!(self, client => of(client, users))
    }

    async fn note_registration(&self, new: WaitingRegistration) -> Result<(), StoreError> {
        write!(self, client => note(client, &new))
    }

    async fn forget_registration(&self, user: UserId) -> Result<(), StoreError> {
        write!(self, client => forget(client, user))
    }

    async fn due_registrations(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<UserId>, StoreError> {
        write!(self, client => unused(client, now, limit))
    }

    /// Each in a transaction of its own, as with users who asked for it.
    async fn delete_due_registrations(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let passed = &self.passed.registrations;
        let due = read!(self, client => due(client, now, passed.last(), limit))?;
        let is_full = due.len() >= limit as usize;
        let mut gone = 0;
        for (place, user) in due {
            passed.note(place);
            match write!(self, client => delete_if_due(client, user, now)) {
                Ok(is_gone) => gone += u64::from(is_gone),
                Err(error @ StoreError::Failed(_)) => stays(user, &error),
                Err(error @ StoreError::Busy) => {
                    stays(user, &error);
                    return Ok(gone);
                }
                Err(error) => return Err(error),
            }
        }
        if !is_full {
            passed.begin_again();
        }
        Ok(gone)
    }
}

pub(super) async fn of(
    client: &Object,
    users: &[UserId],
) -> Result<Vec<WaitingRegistration>, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT user_id, address, expires_at FROM registrations WHERE user_id = ANY($1)",
        )
        .await?;
    let users: Vec<String> = users.iter().map(ToString::to_string).collect();
    let rows = client.query(&statement, &[&users]).await?;
    rows.iter()
        .map(|row| {
            Ok(WaitingRegistration {
                user: user_id(&get::<String>(row, "user_id")?)?,
                address: get(row, "address")?,
                until: from_micros(get(row, "expires_at")?),
            })
        })
        .collect()
}

pub(super) async fn note(
    client: &impl GenericClient,
    new: &WaitingRegistration,
) -> Result<(), Failure> {
    let statement = client.prepare_cached(statements::NOTE_REGISTRATION).await?;
    client.execute(&statement, &[&new.user.to_string(), &new.address, &micros(new.until)]).await?;
    Ok(())
}

pub(super) async fn forget(client: &impl GenericClient, user: UserId) -> Result<(), Failure> {
    let statement = client.prepare_cached(statements::FORGET_REGISTRATION).await?;
    client.execute(&statement, &[&user.to_string()]).await?;
    Ok(())
}

async fn unused(client: &Object, now: Timestamp, limit: u32) -> Result<Vec<UserId>, Failure> {
    let statement = client.prepare_cached(statements::FORGET_USED_REGISTRATIONS).await?;
    client.execute(&statement, &[&micros(now)]).await?;
    let due = due(client, now, (i64::MIN, i64::MIN), limit).await?;
    Ok(due.into_iter().map(|(_, user)| user).collect())
}

async fn due(
    client: &Object,
    now: Timestamp,
    after: Place,
    limit: u32,
) -> Result<Vec<(Place, UserId)>, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT expires_at, id, user_id FROM registrations
             WHERE expires_at <= $1 AND (expires_at, id) > ($2, $3)
             ORDER BY expires_at, id LIMIT $4",
        )
        .await?;
    let rows =
        client.query(&statement, &[&micros(now), &after.0, &after.1, &i64::from(limit)]).await?;
    rows.iter()
        .map(|row| {
            let place = (get(row, "expires_at")?, get(row, "id")?);
            Ok((place, user_id(&get::<String>(row, "user_id")?)?))
        })
        .collect()
}

/// The user's row is held before anything is decided: who gets an address at this moment has it
/// then, or finds nobody. A row that somebody holds is left to another round.
async fn delete_if_due(client: &mut Object, user: UserId, now: Timestamp) -> Result<bool, Failure> {
    let transaction = client.transaction().await?;
    let hold = transaction
        .prepare_cached(
            "SELECT email = '' AND last_login IS NULL AND NOT is_staff AND NOT is_superuser
                 AS is_nobody
             FROM users WHERE id = $1 FOR UPDATE SKIP LOCKED",
        )
        .await?;
    let id = user.as_i64();
    let mut is_gone = false;
    match transaction.query_opt(&hold, &[&id]).await? {
        Some(row) if get(&row, "is_nobody")? => {
            // Somebody may have let them go since they were found.
            let waits = transaction
                .prepare_cached(
                    "SELECT 1 FROM registrations WHERE user_id = $1 AND expires_at <= $2",
                )
                .await?;
            let still = transaction.query_opt(&waits, &[&user.to_string(), &micros(now)]).await?;
            if still.is_none() {
                return Ok(false);
            }
            let delete = transaction.prepare_cached("DELETE FROM users WHERE id = $1").await?;
            is_gone = transaction.execute(&delete, &[&id]).await? == 1;
        }
        None => {
            let there = transaction.prepare_cached("SELECT 1 FROM users WHERE id = $1").await?;
            if transaction.query_opt(&there, &[&id]).await?.is_some() {
                return Ok(false);
            }
        }
        Some(_) => {}
    }
    forget(&transaction, user).await?;
    transaction.commit().await?;
    Ok(is_gone)
}

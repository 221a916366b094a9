//! Registrations that wait, in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object};
use jiff::Timestamp;

use super::PostgresStore;
use super::columns::{from_micros, get, micros, user_id};
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

    async fn delete_due_registrations(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        write!(self, client => delete_due(client, now, limit))
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

async fn forget(client: &impl GenericClient, user: UserId) -> Result<(), Failure> {
    let statement = client.prepare_cached(statements::FORGET_REGISTRATION).await?;
    client.execute(&statement, &[&user.to_string()]).await?;
    Ok(())
}

async fn unused(client: &Object, now: Timestamp, limit: u32) -> Result<Vec<UserId>, Failure> {
    let statement = client.prepare_cached(statements::FORGET_USED_REGISTRATIONS).await?;
    client.execute(&statement, &[&micros(now)]).await?;
    due(client, now, limit).await
}

async fn due(client: &Object, now: Timestamp, limit: u32) -> Result<Vec<UserId>, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT user_id FROM registrations WHERE expires_at <= $1
             ORDER BY expires_at, id LIMIT $2",
        )
        .await?;
    let rows = client.query(&statement, &[&micros(now), &i64::from(limit)]).await?;
    rows.iter().map(|row| user_id(&get::<String>(row, "user_id")?)).collect()
}

/// The user's row is held before anything is decided: who gets an address at this moment has it
/// then, or finds nobody. Rows that somebody holds are left to the next round.
async fn delete_due(client: &mut Object, now: Timestamp, limit: u32) -> Result<u64, Failure> {
    let due = due(client, now, limit).await?;
    let transaction = client.transaction().await?;
    let hold = transaction
        .prepare_cached(
            "SELECT email = '' AND last_login IS NULL AND NOT is_staff AND NOT is_superuser
                 AS is_nobody
             FROM users WHERE id = $1 FOR UPDATE SKIP LOCKED",
        )
        .await?;
    let there = transaction.prepare_cached("SELECT 1 FROM users WHERE id = $1").await?;
    let delete = transaction.prepare_cached("DELETE FROM users WHERE id = $1").await?;
    let mut gone = 0;
    for user in due {
        let id = user.as_i64();
        match transaction.query_opt(&hold, &[&id]).await? {
            Some(row) if get(&row, "is_nobody")? => {
                gone += transaction.execute(&delete, &[&id]).await?;
            }
            None if transaction.query_opt(&there, &[&id]).await?.is_some() => continue,
            _ => {}
        }
        forget(&transaction, user).await?;
    }
    transaction.commit().await?;
    Ok(gone)
}

//! Signing keys in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::Row;

use super::PostgresStore;
use super::columns::{from_micros, get, micros, unknown};
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{KeyStore, StoreError};
use crate::token::{KeyId, SealedKey};

#[async_trait]
impl KeyStore for PostgresStore {
    async fn keys(&self) -> Result<Vec<SealedKey>, StoreError> {
        read!(self, client => all(client))
    }

    async fn add_key(&self, key: SealedKey, retire_others: Timestamp) -> Result<(), StoreError> {
        write!(self, client => add(client, &key, retire_others))
    }

    async fn retire_key(&self, id: KeyId, at: Timestamp) -> Result<bool, StoreError> {
        write!(self, client => retire(client, id, at))
    }
}

pub(super) async fn all(client: &Object) -> Result<Vec<SealedKey>, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT id, algorithm, created_at, activates_at, retires_at, sealed FROM \
            signing_keys ORDER BY created_at, number",
        )
        .await?;
    client.query(&statement, &[]).await?.iter().map(key).collect()
}

pub(super) async fn add(
    client: &mut Object,
    key: &SealedKey,
    retire_others: Timestamp,
) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    add_in(&transaction, key, retire_others).await?;
    Ok(transaction.commit().await?)
}

/// Adds a key and retires the others. One key is added at a time: of two statements that do not see
/// each other neither would retire the other's key, and both would stay for ever.
pub(super) async fn add_in(
    client: &Transaction<'_>,
    key: &SealedKey,
    retire_others: Timestamp,
) -> Result<(), Failure> {
    client.execute("SELECT pg_advisory_xact_lock($1)", &[&ONE_AT_A_TIME]).await?;
    let statement = client
        .prepare_cached(
            "WITH retired AS (UPDATE signing_keys SET retires_at = $7
                 WHERE retires_at IS NULL OR retires_at > $7)
             INSERT INTO signing_keys (id, algorithm, created_at, activates_at, retires_at, sealed)
                 VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .await?;
    let (id, algorithm) = (key.id.0.as_slice(), key.algorithm.as_str());
    let (created, activates, retires) =
        (micros(key.created_at), micros(key.activates_at), key.retires_at.map(micros));
    client
        .execute(
            &statement,
            &[&id, &algorithm, &created, &activates, &retires, &key.sealed, &micros(retire_others)],
        )
        .await?;
    Ok(())
}

pub(super) async fn retire(
    client: &impl GenericClient,
    id: KeyId,
    at: Timestamp,
) -> Result<bool, Failure> {
    let statement = client.prepare_cached(statements::END_KEY).await?;
    Ok(client.execute(&statement, &[&micros(at), &id.0.as_slice()]).await? == 1)
}

fn key(row: &Row) -> Result<SealedKey, Failure> {
    let (id, algorithm): (&[u8], &str) = (get(row, "id")?, get(row, "algorithm")?);
    Ok(SealedKey {
        id: KeyId(id.try_into().map_err(|_| unknown("a key's id"))?),
        algorithm: algorithm.parse().map_err(|_| unknown(algorithm))?,
        created_at: from_micros(get(row, "created_at")?),
        activates_at: from_micros(get(row, "activates_at")?),
        retires_at: get::<Option<i64>>(row, "retires_at")?.map(from_micros),
        sealed: get(row, "sealed")?,
    })
}

/// A number that nobody else on this database should have chosen.
const ONE_AT_A_TIME: i64 = 0x636f_756e_6b65_7973;

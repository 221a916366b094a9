//! Signing keys in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, Row, params};

use super::SqliteStore;
use super::columns::{at, from_micros, micros, unknown_word};
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::store::{KeyStore, StoreError};
use crate::token::{KeyId, SealedKey};

#[async_trait]
impl KeyStore for SqliteStore {
    async fn keys(&self) -> Result<Vec<SealedKey>, StoreError> {
        self.readers.run(all).await
    }

    async fn add_key(&self, key: SealedKey, retire_others: Timestamp) -> Result<(), StoreError> {
        self.writer.run(move |c| add(c, &key, retire_others)).await
    }

    async fn retire_key(&self, id: KeyId, at: Timestamp) -> Result<bool, StoreError> {
        self.writer.run(move |c| retire(c, id, at)).await
    }
}

pub(super) fn all(connection: &Connection) -> Result<Vec<SealedKey>, Failure> {
    let mut statement = connection.prepare_cached(
        "SELECT id, algorithm, created_at, activates_at, retires_at, sealed FROM signing_keys \
            ORDER BY created_at, rowid",
    )?;
    Ok(statement.query_map([], key)?.collect::<Result<_, _>>()?)
}

pub(super) fn add(
    connection: &Connection,
    key: &SealedKey,
    retire_others: Timestamp,
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE signing_keys SET retires_at = ?1 WHERE retires_at IS NULL OR retires_at > ?1",
        )?
        .execute([micros(retire_others)])?;
    connection
        .prepare_cached(
            "INSERT INTO signing_keys (id, algorithm, created_at, activates_at, \
            retires_at, sealed) VALUES (?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            key.id.0,
            key.algorithm.as_str(),
            micros(key.created_at),
            micros(key.activates_at),
            key.retires_at.map(micros),
            key.sealed
        ])?;
    Ok(())
}

pub(super) fn retire(connection: &Connection, id: KeyId, at: Timestamp) -> Result<bool, Failure> {
    Ok(connection.prepare_cached(statements::END_KEY)?.execute(params![micros(at), id.0])? == 1)
}

fn key(row: &Row<'_>) -> rusqlite::Result<SealedKey> {
    let algorithm: String = row.get("algorithm")?;
    Ok(SealedKey {
        id: KeyId(row.get("id")?),
        algorithm: algorithm.parse().map_err(|_| unknown_word(&algorithm))?,
        created_at: at(row, "created_at")?,
        activates_at: at(row, "activates_at")?,
        retires_at: row.get::<_, Option<i64>>("retires_at")?.map(from_micros),
        sealed: row.get("sealed")?,
    })
}

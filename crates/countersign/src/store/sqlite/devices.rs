//! The devices of sessions in SQLite.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, Row, named_params, params};

use super::SqliteStore;
use super::columns::{from_micros, micros, unknown_word};
use crate::session::device::{DeviceKind, DeviceRecord, settled_after};
use crate::store::failure::Failure;
use crate::store::{DeviceOffer, DeviceProof, DeviceStore, StoreError};

#[async_trait]
impl DeviceStore for SqliteStore {
    async fn offer_device(&self, offer: DeviceOffer) -> Result<bool, StoreError> {
        self.writer.run_whole(move |c| keep(c, &offer)).await
    }

    async fn prove_device(&self, proof: DeviceProof) -> Result<bool, StoreError> {
        self.writer.run_whole(move |c| prove(c, &proof)).await
    }
}

fn keep(connection: &Connection, offer: &DeviceOffer) -> Result<bool, Failure> {
    let kept = connection
        .prepare_cached(
            "UPDATE sessions SET device_key = :key, device_kind = :kind,
                 device_proof_at = :challenge,
                 device_confirmed_at = CASE WHEN :confirmed THEN :now END
             WHERE id = :id AND revoked_at IS NULL AND expires_at > :now
                 AND device_confirmed_at IS NULL
                 AND (device_key IS NULL
                     OR device_key = :key AND device_proof_at <= :challenge
                     OR device_proof_at <= :earlier)",
        )?
        .execute(named_params! {
            ":key": offer.key,
            ":kind": offer.kind.as_str(),
            ":challenge": micros(offer.challenge_at),
            ":confirmed": offer.is_confirmed,
            ":now": micros(offer.now),
            ":id": offer.session.get().cast_signed(),
            ":earlier": micros(offer.challenge_at - settled_after(offer.window)),
        })?;
    Ok(kept == 1)
}

fn prove(connection: &Connection, proof: &DeviceProof) -> Result<bool, Failure> {
    let proved = connection
        .prepare_cached(
            "UPDATE sessions SET device_proof_at = :challenge,
                 device_confirmed_at = coalesce(device_confirmed_at,
                     CASE WHEN device_proof_at <= :settled THEN :now END)
             WHERE id = :id AND revoked_at IS NULL AND expires_at > :now
                 AND device_key = :key AND device_proof_at < :challenge",
        )?
        .execute(named_params! {
            ":challenge": micros(proof.challenge_at),
            ":settled": micros(proof.now - settled_after(proof.window)),
            ":now": micros(proof.now),
            ":id": proof.session.get().cast_signed(),
            ":key": proof.key,
        })?;
    Ok(proved == 1)
}

/// Confirms the key that was offered then: in the transaction of the refresh that shows it.
pub(super) fn confirm(
    connection: &Connection,
    id: i64,
    offered_at: Timestamp,
    now: Timestamp,
) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE sessions SET device_confirmed_at = ?
             WHERE id = ? AND device_proof_at = ? AND device_confirmed_at IS NULL",
        )?
        .execute(params![micros(now), id, micros(offered_at)])?;
    Ok(())
}

/// Of a session's row: the columns `device_key`, `device_kind`, `device_confirmed_at` and
/// `device_proof_at`, one after another.
pub(super) fn device(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<DeviceRecord>> {
    // What nearly every row has.
    if row.get_ref(first)?.data_type() == Type::Null {
        return Ok(None);
    }
    let kind = row.get_ref(first + 1)?.as_str()?;
    Ok(Some(DeviceRecord {
        kind: DeviceKind::from_word(kind).ok_or_else(|| unknown_word(kind))?,
        key: row.get(first)?,
        confirmed_at: row.get::<_, Option<i64>>(first + 2)?.map(from_micros),
        proof_at: from_micros(row.get(first + 3)?),
    }))
}

//! The devices of sessions in PostgreSQL.

use async_trait::async_trait;
use deadpool_postgres::Object;
use jiff::Timestamp;
use tokio_postgres::Row;

use super::PostgresStore;
use super::columns::{from_micros, get, micros, unknown};
use crate::session::device::{DeviceKind, DeviceRecord, settled_after};
use crate::store::failure::Failure;
use crate::store::{DeviceOffer, DeviceProof, DeviceStore, StoreError};

#[async_trait]
impl DeviceStore for PostgresStore {
    async fn offer_device(&self, offer: DeviceOffer) -> Result<bool, StoreError> {
        write!(self, client => keep(client, &offer))
    }

    async fn prove_device(&self, proof: DeviceProof) -> Result<bool, StoreError> {
        write!(self, client => prove(client, &proof))
    }
}

async fn keep(client: &Object, offer: &DeviceOffer) -> Result<bool, Failure> {
    let statement = client
        .prepare_cached(
            "UPDATE sessions SET device_key = $2, device_kind = $3, device_proof_at = $4,
                 device_confirmed_at = CASE WHEN $5 THEN $6::bigint END
             WHERE id = $1 AND revoked_at IS NULL AND expires_at > $6
                 AND device_confirmed_at IS NULL
                 AND (device_key IS NULL
                     OR device_key = $2 AND device_proof_at <= $4
                     OR device_proof_at <= $7)",
        )
        .await?;
    let (id, kind) = (offer.session.get().cast_signed(), offer.kind.as_str());
    let (challenge, now) = (micros(offer.challenge_at), micros(offer.now));
    let earlier = micros(offer.challenge_at - settled_after(offer.window));
    let kept = client
        .execute(
            &statement,
            &[&id, &offer.key, &kind, &challenge, &offer.is_confirmed, &now, &earlier],
        )
        .await?;
    Ok(kept == 1)
}

async fn prove(client: &Object, proof: &DeviceProof) -> Result<bool, Failure> {
    let statement = client
        .prepare_cached(
            "UPDATE sessions SET device_proof_at = $3,
                 device_confirmed_at = coalesce(device_confirmed_at,
                     CASE WHEN device_proof_at <= $4 THEN $5::bigint END)
             WHERE id = $1 AND revoked_at IS NULL AND expires_at > $5
                 AND device_key = $2 AND device_proof_at < $3",
        )
        .await?;
    let (id, challenge) = (proof.session.get().cast_signed(), micros(proof.challenge_at));
    let (settled, now) = (micros(proof.now - settled_after(proof.window)), micros(proof.now));
    let proved = client.execute(&statement, &[&id, &proof.key, &challenge, &settled, &now]).await?;
    Ok(proved == 1)
}

/// Confirms the key that was offered then: by the refresh that shows it. Where this fails, or
/// somebody holds the row, the next refresh does it: the other refreshes of a batch wait for this.
pub(super) async fn confirm(
    client: &Object,
    id: i64,
    offered_at: Timestamp,
    now: Timestamp,
) -> Result<(), Failure> {
    let statement = client
        .prepare_cached(
            "UPDATE sessions SET device_confirmed_at = $3
             WHERE id = (SELECT id FROM sessions
                 WHERE id = $1 AND device_proof_at = $2 AND device_confirmed_at IS NULL
                 FOR UPDATE SKIP LOCKED)",
        )
        .await?;
    client.execute(&statement, &[&id, &micros(offered_at), &micros(now)]).await?;
    Ok(())
}

/// Of a session's row.
pub(super) fn device(row: &Row) -> Result<Option<DeviceRecord>, Failure> {
    let Some(key) = get::<Option<&str>>(row, "device_key")? else { return Ok(None) };
    let kind: &str = get(row, "device_kind")?;
    Ok(Some(DeviceRecord {
        kind: DeviceKind::from_word(kind).ok_or_else(|| unknown(kind))?,
        key: key.to_owned(),
        confirmed_at: get::<Option<i64>>(row, "device_confirmed_at")?.map(from_micros),
        proof_at: from_micros(get(row, "device_proof_at")?),
    }))
}

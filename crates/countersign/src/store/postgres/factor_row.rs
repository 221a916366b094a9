//! Rows of second factors in PostgreSQL.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

use super::columns::{from_micros, get, unknown};
use crate::factor::FactorId;
use crate::session::DeviceName;
use crate::sign_in::FactorKind;
use crate::store::failure::Failure;
use crate::store::{StoredFactor, UserFactors};
use crate::token::SecretHash;
use crate::user::UserId;

pub(super) async fn of_user(
    client: &impl GenericClient,
    user: UserId,
) -> Result<UserFactors, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT (SELECT version FROM factor_owners WHERE user_id = $1) AS version,
                 ARRAY(SELECT hash FROM recovery_codes WHERE user_id = $1) AS codes,
                 f.id, f.kind, f.name, f.sealed, f.last_step, f.created_at, f.last_used_at,
                 f.confirmed_at IS NOT NULL AS is_enrolled, f.credential,
                 f.is_backed_up, f.handle
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

pub(super) fn factor(row: &Row) -> Result<StoredFactor, Failure> {
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
        handle: get(row, "handle")?,
    })
}

/// What [`factor`] reads.
pub(super) const COLUMNS: &str = "id, kind, name, sealed, last_step, created_at, last_used_at, \
    confirmed_at IS NOT NULL AS is_enrolled, credential, is_backed_up, handle";

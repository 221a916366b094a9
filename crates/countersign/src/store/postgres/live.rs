//! A session's row, as a rotation reads it.

use tokio_postgres::Row;

use super::columns::{from_micros, get, unknown, user_id};
use super::devices::device;
use super::factor_proofs::authentication;
use super::sessions::{revoked, transport};
use crate::session::device::DeviceRecord;
use crate::session::rotation::{Generation, Jti, Mark, RotationState};
use crate::session::{Authentication, SessionRow};
use crate::store::failure::Failure;

/// What a rotation needs of a row.
pub(super) struct Live {
    pub(super) row: SessionRow,
    /// The last refreshes.
    pub(super) steps: Vec<u8>,
    /// What the session knows of its user.
    pub(super) authentication: Authentication,
}

impl Live {
    pub(super) fn of(row: &Row) -> Result<Self, Failure> {
        let unsigned =
            |column: &str| Ok::<_, Failure>(u64::try_from(get::<i64>(row, column)?).unwrap_or(0));
        let jti: &[u8] = get(row, "current_jti")?;
        let charged: Option<i64> = get(row, "race_charged")?;
        let mark = |generation: &str, since: &str| -> Result<Option<Mark>, Failure> {
            let (generation, since): (Option<i64>, Option<i64>) =
                (get(row, generation)?, get(row, since)?);
            let unsigned = |number: i64| u64::try_from(number).unwrap_or(0);
            Ok(generation.zip(since).map(|(generation, since)| Mark {
                generation: Generation(unsigned(generation)),
                since: unsigned(since),
            }))
        };
        let (generation, current_since) =
            (Generation(unsigned("generation")?), unsigned("current_since")?);
        let live = SessionRow {
            user_id: user_id(get(row, "user_id")?)?,
            created_at: from_micros(get(row, "created_at")?),
            expires_at: from_micros(get(row, "expires_at")?),
            transport: transport(row)?,
            revoked: revoked(row)?.map(|(_, reason)| reason),
            state: RotationState {
                generation,
                current_jti: Jti(jti.try_into().map_err(|_| unknown("a token's id"))?),
                current_iat: unsigned("current_iat")?,
                current_since,
                race_credit: u8::try_from(get::<i16>(row, "race_credit")?).unwrap_or(0),
                race_charged: charged
                    .map(|generation| Generation(u64::try_from(generation).unwrap_or(0))),
                mark: mark("mark_generation", "mark_since")?
                    .unwrap_or_else(|| RotationState::mark_of_old_row(generation, current_since)),
                earlier_mark: mark("earlier_mark_generation", "earlier_mark_since")?
                    .unwrap_or(Mark::LONG_AGO),
            },
            device: device(row)?.as_ref().map(DeviceRecord::device),
        };
        let steps = get::<Option<&[u8]>>(row, "steps")?.unwrap_or_default().to_vec();
        Ok(Self { row: live, steps, authentication: authentication(row)? })
    }
}

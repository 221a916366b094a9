//! How the domain's types are written in PostgreSQL's columns.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use tokio_postgres::Row;

use crate::store::StoreError;
use crate::store::failure::Failure;
use crate::user::UserId;

/// Sessions, keys and the feed: microseconds since 1970.
pub(super) fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Users: `timestamptz`, as Django has it.
pub(super) fn timestamptz(at: Timestamp) -> SystemTime {
    let micros = at.as_microsecond();
    let distance = Duration::from_micros(micros.unsigned_abs());
    if micros < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
}

/// A moment that PostgreSQL's calendar has too, which ours begins before: from the year 1 on.
pub(super) fn calendar(at: Timestamp) -> Timestamp {
    at.max(Timestamp::from_second(YEAR_ONE).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// The inverse of [`timestamptz`].
pub(super) fn from_timestamptz(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at)
        .ok()
        .and_then(|at| Timestamp::from_microsecond(at.as_microsecond()).ok())
        .unwrap_or(Timestamp::MIN)
}

/// A user's id out of a text column.
pub(super) fn user_id(text: &str) -> Result<UserId, Failure> {
    text.parse().map_err(|_| unknown(text).into())
}

/// A word that this program does not know: a row of a newer one.
pub(super) fn unknown(word: &str) -> StoreError {
    StoreError::Failed(format!(
        "the database has {word:?} where this program knows no such word; start the newer \
         countersign"
    ))
}

/// A column; a type other than the schema's is a fault of the database.
pub(super) fn get<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    column: &str,
) -> Result<T, Failure> {
    Ok(row.try_get(column)?)
}

/// The beginning of the year 1, in seconds from 1970.
const YEAR_ONE: i64 = -62_135_596_800;

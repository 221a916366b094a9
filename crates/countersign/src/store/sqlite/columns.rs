//! How the domain's types are written in SQLite's columns.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use rusqlite::types::{Type, Value, ValueRef};
use rusqlite::{Error, Row};

use crate::user::UserId;

/// Sessions, keys and the feed: microseconds since 1970.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// The inverse of [`micros`].
pub(super) fn at(row: &Row<'_>, column: &str) -> Result<Timestamp, Error> {
    Ok(from_micros(row.get(column)?))
}

pub(super) fn from_micros(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}

/// A user's id: an integer or a text, as it is.
pub(super) fn key(id: UserId) -> Value {
    match id.as_text() {
        Some(text) => Value::Text(text.to_owned()),
        None => id.as_i64().map_or(Value::Null, Value::Integer),
    }
}

/// The inverse of [`key`].
pub(super) fn user_id(row: &Row<'_>, column: &str) -> Result<UserId, Error> {
    read_user_id(row.get_ref(column)?)
}

pub(super) fn read_user_id(value: ValueRef<'_>) -> Result<UserId, Error> {
    match value {
        ValueRef::Integer(id) => Ok(UserId::new(id)),
        other => other.as_str().map_err(unreadable)?.parse().map_err(unreadable),
    }
}

/// Users: text in UTC, as Django writes it on SQLite (`2026-01-31 12:00:00.000000`).
pub(super) fn django_date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// Reads what [`django_date`] writes, without the fraction too.
pub(super) fn from_django_date(text: &str) -> Result<Timestamp, Error> {
    let civil: DateTime = text.parse().map_err(unreadable)?;
    TimeZone::UTC.to_timestamp(civil).map_err(unreadable)
}

pub(super) fn unreadable<E: std::error::Error + Send + Sync + 'static>(error: E) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, Box::new(error))
}

/// A word that this program does not know: a row of a newer one.
pub(super) fn unknown_word(word: &str) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, format!("the unknown word {word:?}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_django_writes_them_and_read_with_or_without_a_fraction() {
        let at: Timestamp = "2026-01-31T12:34:56.000789Z".parse().unwrap();
        assert_eq!(django_date(at), "2026-01-31 12:34:56.000789");
        assert_eq!(from_django_date(&django_date(at)).unwrap(), at);
        assert_eq!(
            from_django_date("2026-01-31 12:34:56").unwrap().to_string(),
            "2026-01-31T12:34:56Z"
        );
        assert!(from_django_date("yesterday").is_err());
    }
}

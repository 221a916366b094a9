//! Rows of second factors in SQLite.

use rusqlite::{Connection, OptionalExtension, Row};

use super::columns::{from_micros, key, unknown_word};
use crate::factor::FactorId;
use crate::session::DeviceName;
use crate::sign_in::FactorKind;
use crate::store::failure::Failure;
use crate::store::{StoredFactor, UserFactors};
use crate::token::SecretHash;
use crate::user::UserId;

pub(super) fn of_user(connection: &Connection, user: UserId) -> Result<UserFactors, Failure> {
    let owner = key(user);
    let version = connection
        .prepare_cached("SELECT version FROM factor_owners WHERE user_id = ?")?
        .query_row([&owner], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    let sql = format!("SELECT {COLUMNS} FROM factors WHERE user_id = ? ORDER BY created_at, id");
    let mut statement = connection.prepare_cached(&sql)?;
    let factors = statement.query_map([&owner], factor)?.collect::<Result<_, _>>()?;
    let mut statement =
        connection.prepare_cached("SELECT hash FROM recovery_codes WHERE user_id = ?")?;
    let hash = |row: &Row<'_>| {
        let bytes: Vec<u8> = row.get(0)?;
        SecretHash::from_stored(&bytes).ok_or_else(|| unknown_word("a hash of another length"))
    };
    let recovery_codes = statement.query_map([&owner], hash)?.collect::<Result<_, _>>()?;
    Ok(UserFactors { version, factors, recovery_codes })
}

pub(super) fn factor(row: &Row<'_>) -> rusqlite::Result<StoredFactor> {
    let kind = row.get_ref(1)?.as_str()?;
    Ok(StoredFactor {
        id: FactorId::new(row.get(0)?).ok_or_else(|| unknown_word("a negative id"))?,
        kind: FactorKind::from_word(kind).ok_or_else(|| unknown_word(kind))?,
        name: row.get::<_, Option<String>>(2)?.and_then(|name| DeviceName::parse(&name).ok()),
        sealed: row.get(3)?,
        last_step: row.get(4)?,
        created_at: from_micros(row.get(5)?),
        last_used_at: row.get::<_, Option<i64>>(6)?.map(from_micros),
        is_enrolled: row.get(7)?,
        credential: row.get(8)?,
        is_backed_up: row.get(9)?,
        handle: row.get(10)?,
    })
}

pub(super) const COLUMNS: &str = "id, kind, name, sealed, last_step, created_at, last_used_at, \
    confirmed_at IS NOT NULL, credential, is_backed_up, handle";

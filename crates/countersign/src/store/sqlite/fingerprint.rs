//! What one-time tokens are tied to: a user's row as it was, in SQLite.

use rusqlite::{Connection, OptionalExtension, params};

use super::columns::key;
use crate::password::EncodedPassword;
use crate::store::failure::Failure;
use crate::store::sql::statements;
use crate::token::Fingerprint;
use crate::user::{UserId, fold_address};

pub(super) fn of_row(
    connection: &Connection,
    user: UserId,
) -> Result<Option<Fingerprint>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT password, email, is_active FROM users WHERE id = ?")?;
    let row = statement.query_row([user.as_i64()], |row| {
        let (password, email): (String, String) = (row.get(0)?, row.get(1)?);
        let password = EncodedPassword::from_stored(password);
        Ok(Fingerprint::of(&password, &fold_address(&email), row.get(2)?))
    });
    Ok(row.optional()?)
}

/// Ties what is tied to one state of the row to another.
pub(super) fn carry(
    connection: &Connection,
    user: UserId,
    before: Fingerprint,
    after: Fingerprint,
) -> Result<(), Failure> {
    connection.prepare_cached(statements::CARRY_TOKENS)?.execute(params![
        after.as_bytes(),
        key(user),
        before.as_bytes()
    ])?;
    Ok(())
}

//! Whom a login names in SQLite, and which names and addresses are taken.

use rusqlite::{Connection, OptionalExtension, named_params, params};

use super::user_row::{found_user, select};
use crate::store::failure::Failure;
use crate::store::plan::names::{folding, named_by, refuse_address, refuse_username};
use crate::user::{UserByLogin, UserId, fold, fold_address, names_like};

/// The row that a login names. What names nobody asks the same questions, and reads a row too: the
/// time of an answer must not tell who exists, least of all where no hashing hides it.
pub(super) fn by_login(
    connection: &Connection,
    login: &str,
) -> Result<Option<UserByLogin>, Failure> {
    let ids = |sql: &str, value: &str| -> Result<Vec<i64>, Failure> {
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_map([value], |row| row.get(0))?.collect::<Result<_, _>>()?)
    };
    let exact = ids("SELECT id FROM users WHERE username = ? LIMIT 2", login)?;
    let folded = ids("SELECT id FROM users WHERE username_folded = ? LIMIT 2", &fold(login))?;
    let id = named_by(&exact, &folded, &owners_of_address(connection, login)?);
    let found =
        connection.prepare_cached(&select(SOMEBODY))?.query_row([id], found_user).optional();
    if id.is_some() { Ok(found?) } else { Ok(None) }
}

/// The users who have an address that folds to the same, and whether each is active or may come
/// back; twenty at most. Addresses of ASCII letters alone are compared as they are, which is their
/// folding but for the case; others have it in a column of its own, and are compared again, since a
/// foreign writer may have changed the address alone.
pub(super) fn owners_of_address(
    connection: &Connection,
    address: &str,
) -> Result<Vec<(i64, bool)>, Failure> {
    if !address.contains('@') {
        return Ok(Vec::new());
    }
    let folded = fold_address(address);
    let mut statement = connection.prepare_cached(
        "SELECT id, is_active OR deletion_at IS NOT NULL, email FROM users WHERE id IN (
             SELECT id FROM users WHERE email = ?1 COLLATE NOCASE AND email <> ''
             UNION SELECT id FROM users WHERE email = ?2 COLLATE NOCASE AND email <> ''
             UNION SELECT id FROM users WHERE email_folded = ?1
         ) LIMIT 20",
    )?;
    let rows = statement.query_map(params![folded, address], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
    })?;
    let mut owners = Vec::new();
    for row in rows {
        let (id, is_active, email) = row?;
        if fold_address(&email) == folded {
            owners.push((id, is_active));
        }
    }
    Ok(owners)
}

/// Keeps the foldings of addresses with letters beyond ASCII: after a migration, and after foreign
/// writers.
pub(super) fn fold_addresses(connection: &Connection) -> Result<(), Failure> {
    let mut statement = connection.prepare(
        "SELECT id, email, email_folded FROM users WHERE length(CAST(email AS \
            BLOB)) <> length(email)",
    )?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?, row.get::<_, Option<String>>(2)?))
    })?;
    let outdated: Vec<_> = rows
        .filter(|row| row.as_ref().is_ok_and(|(_, email, kept)| folding(email) != *kept))
        .collect::<Result<_, _>>()?;
    for (id, email, _) in outdated {
        connection.execute(
            "UPDATE users SET email_folded = ? WHERE id = ?",
            params![folding(&email), id],
        )?;
    }
    Ok(())
}

/// Refuses a name that another user has; the rule is [`refuse_username`].
pub(super) fn refuse_taken(
    connection: &Connection,
    own: Option<UserId>,
    name: &str,
    folded: &str,
) -> Result<(), Failure> {
    let own = own.and_then(UserId::as_i64);
    let is_name: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM users WHERE username = :name AND id IS NOT :own)
                 OR EXISTS (SELECT 1 FROM users WHERE username_folded = :folded
                     AND id IS NOT :own)",
        )?
        .query_row(named_params! { ":name": name, ":folded": folded, ":own": own }, |row| {
            row.get(0)
        })?;
    Ok(refuse_username(is_name, &owners_of_address(connection, name)?, own)?)
}

/// The others whose name reads as this address, with their names.
pub(super) fn namesakes(
    connection: &Connection,
    own: UserId,
    address: &str,
) -> Result<Vec<(i64, String)>, Failure> {
    if address.is_empty() {
        return Ok(Vec::new());
    }
    let [folded, written] = names_like(address);
    let mut statement = connection.prepare_cached(
        "SELECT id, username FROM users WHERE id IN (
             SELECT id FROM users WHERE username = ?1
             UNION SELECT id FROM users WHERE username_folded IN (?2, ?3)
         ) AND id IS NOT ?4 ORDER BY id",
    )?;
    let named = statement.query_map(params![address, folded, written, own.as_i64()], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    Ok(named.collect::<Result<_, _>>()?)
}

/// Refuses an address that another user has; the rule is [`refuse_address`].
pub(super) fn refuse_taken_address(
    connection: &Connection,
    own: Option<UserId>,
    address: &str,
) -> Result<(), Failure> {
    if address.is_empty() {
        return Ok(());
    }
    let own = own.and_then(UserId::as_i64);
    let [folded, written] = names_like(address);
    let is_name: bool = connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM users WHERE username = ?1 AND id IS NOT ?4)
                 OR EXISTS (SELECT 1 FROM users WHERE username_folded IN (?2, ?3)
                     AND id IS NOT ?4)",
        )?
        .query_row(params![address, folded, written, own], |row| row.get(0))?;
    Ok(refuse_address(is_name, &owners_of_address(connection, address)?, own)?)
}

/// The user with this id; without one, the first.
const SOMEBODY: &str = "WHERE id = coalesce(?, (SELECT id FROM users ORDER BY id LIMIT 1))";

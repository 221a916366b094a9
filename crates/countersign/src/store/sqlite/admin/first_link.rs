//! The link that makes the first superuser.

use std::net::IpAddr;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::audit;
use crate::store::StoreError;
use crate::store::admin::told::{Acted, first_superuser};
use crate::store::sqlite::users;
use crate::user::{NewUser, User};

pub(super) fn make(
    connection: &Connection,
    fresh: [u8; 32],
) -> Result<Option<[u8; 32]>, StoreError> {
    connection.execute(
        "INSERT INTO first_link (place, token)
         SELECT 1, ? WHERE NOT EXISTS (SELECT 1 FROM users WHERE is_superuser)
         ON CONFLICT (place) DO UPDATE SET token = excluded.token, used = 0 WHERE used",
        [fresh],
    )?;
    open(connection)
}

pub(super) fn open(connection: &Connection) -> Result<Option<[u8; 32]>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT token FROM first_link
         WHERE NOT used AND NOT EXISTS (SELECT 1 FROM users WHERE is_superuser)",
    )?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?)
}

pub(super) fn take(
    connection: &Connection,
    token: [u8; 32],
    new: &NewUser,
    ip: Option<IpAddr>,
    now: Timestamp,
) -> Acted<Option<User>, StoreError> {
    let closed = connection.execute(
        "UPDATE first_link SET used = 1
         WHERE token = ? AND NOT used AND NOT EXISTS (SELECT 1 FROM users WHERE is_superuser)",
        [token],
    )?;
    if closed == 0 {
        return Ok((None, Vec::new()));
    }
    let user = users::create(connection, new, now)?;
    let told = first_superuser(user.id, &user.username, ip, now);
    audit::noted(connection, Some(user), vec![told])
}

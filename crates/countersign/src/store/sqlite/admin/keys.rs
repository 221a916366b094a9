//! Signing keys, as operators make and retire them.

use jiff::Timestamp;
use rusqlite::Connection;

use super::audit;
use super::users::operator;
use crate::store::admin::told::{Acted, line, rotated};
use crate::store::admin::{Actor, AdminError, AuditKind};
use crate::store::sqlite::keys;
use crate::token::{KeyId, SealedKey};

pub(super) fn rotate(
    connection: &Connection,
    key: &SealedKey,
    retire_others: Timestamp,
    by: &Actor,
) -> Acted<()> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    keys::add(connection, key, retire_others)?;
    audit::noted(connection, (), vec![rotated(key, retire_others, by)])
}

pub(super) fn end(connection: &Connection, id: KeyId, by: &Actor) -> Acted<()> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    if !keys::retire(connection, id, by.now)? {
        return Err(AdminError::Gone);
    }
    audit::noted(
        connection,
        (),
        vec![line(by, AuditKind::KeyRetired, None, None, format!("retired {id}"))],
    )
}

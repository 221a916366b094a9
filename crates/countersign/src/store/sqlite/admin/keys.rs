//! Signing keys, as operators make and retire them.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::Connection;

use super::audit;
use super::operators::operator;
use crate::store::admin::{Actor, AdminError, AuditKind, KeyAdmin};
use crate::store::plan::audit_lines::{Acted, line, logged, rotated};
use crate::store::sqlite::{SqliteStore, keys};
use crate::token::{KeyId, SealedKey};

#[async_trait]
impl KeyAdmin for SqliteStore {
    async fn rotate_keys(
        &self,
        key: SealedKey,
        retire_others: Timestamp,
        by: &Actor,
    ) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| rotate(c, &key, retire_others, &by)).await.map(logged)
    }

    async fn end_key(&self, id: KeyId, by: &Actor) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| end(c, id, &by)).await.map(logged)
    }
}

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
        return Err(AdminError::Gone.into());
    }
    audit::noted(
        connection,
        (),
        vec![line(by, AuditKind::KeyRetired, None, None, format!("retired {id}"))],
    )
}

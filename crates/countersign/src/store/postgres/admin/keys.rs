//! Signing keys, as operators make and retire them.

use async_trait::async_trait;
use deadpool_postgres::Object;
use jiff::Timestamp;

use super::audit;
use super::operators::hold;
use crate::store::admin::{Actor, AdminError, AuditKind, KeyAdmin};
use crate::store::plan::audit_lines::{Acted, line, logged, rotated};
use crate::store::postgres::{PostgresStore, keys};
use crate::token::{KeyId, SealedKey};

#[async_trait]
impl KeyAdmin for PostgresStore {
    async fn rotate_keys(
        &self,
        key: SealedKey,
        retire_others: Timestamp,
        by: &Actor,
    ) -> Result<(), AdminError> {
        write!(self, client => rotate(client, &key, retire_others, by)).map(logged)
    }

    async fn end_key(&self, id: KeyId, by: &Actor) -> Result<(), AdminError> {
        write!(self, client => end(client, id, by)).map(logged)
    }
}

pub(super) async fn rotate(
    client: &mut Object,
    key: &SealedKey,
    retire_others: Timestamp,
    by: &Actor,
) -> Acted<()> {
    let transaction = client.transaction().await?;
    by.is_let_give(hold(&transaction, &[], by).await?.as_ref(), &[])?;
    keys::add_in(&transaction, key, retire_others).await?;
    audit::noted(transaction, (), vec![rotated(key, retire_others, by)]).await
}

pub(super) async fn end(client: &mut Object, id: KeyId, by: &Actor) -> Acted<()> {
    let transaction = client.transaction().await?;
    by.is_let_give(hold(&transaction, &[], by).await?.as_ref(), &[])?;
    if !keys::retire(&transaction, id, by.now).await? {
        return Err(AdminError::Gone.into());
    }
    let entry = line(by, AuditKind::KeyRetired, None, None, format!("retired {id}"));
    audit::noted(transaction, (), vec![entry]).await
}

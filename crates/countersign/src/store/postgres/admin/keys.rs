//! Signing keys, as operators make and retire them.

use deadpool_postgres::Object;
use jiff::Timestamp;

use super::audit;
use super::users::hold;
use crate::store::admin::told::{Acted, line, rotated};
use crate::store::admin::{Actor, AdminError, AuditKind};
use crate::store::postgres::keys;
use crate::token::{KeyId, SealedKey};

pub(super) async fn rotate(
    client: &mut Object,
    key: &SealedKey,
    retire_others: Timestamp,
    by: &Actor,
) -> Acted<()> {
    let transaction = client.transaction().await?;
    by.is_let_give(hold(&transaction, &[], by).await?.as_ref(), &[])?;
    keys::add(&transaction, key, retire_others).await?;
    audit::noted(transaction, (), vec![rotated(key, retire_others, by)]).await
}

pub(super) async fn end(client: &mut Object, id: KeyId, by: &Actor) -> Acted<()> {
    let transaction = client.transaction().await?;
    by.is_let_give(hold(&transaction, &[], by).await?.as_ref(), &[])?;
    if !keys::retire(&transaction, id, by.now).await? {
        return Err(AdminError::Gone);
    }
    let told = line(by, AuditKind::KeyRetired, None, None, format!("retired {id}"));
    audit::noted(transaction, (), vec![told]).await
}

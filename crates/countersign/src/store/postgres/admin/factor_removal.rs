//! Second factors that an operator removes, for who has lost them.

use deadpool_postgres::Object;

use super::audit;
use super::operators::hold;
use crate::factor::FactorId;
use crate::session::RevokedReason;
use crate::store::admin::{Actor, AdminError, AuditKind};
use crate::store::plan::audit_lines::{Acted, line};
use crate::store::postgres::{factors, outbox, sessions, users};
use crate::store::{MailBounds, NewMail};
use crate::user::UserId;

pub(super) async fn all(
    client: &mut Object,
    id: UserId,
    mails: &[NewMail],
    by: &Actor,
) -> Acted<u64> {
    let transaction = client.transaction().await?;
    let operator = hold(&transaction, &[id], by).await?;
    let user = users::by_id(&transaction, id).await?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
    let removed = factors::remove_all(&transaction, id, by.now).await?;
    if removed == 0 {
        return audit::noted(transaction, 0, Vec::new()).await;
    }
    sessions::revoke_of_user(&transaction, id, None, RevokedReason::Admin, by.now).await?;
    outbox::queue(&transaction, mails, MailBounds::OF_ACTS).await?;
    let detail = removed.to_string();
    let told = line(by, AuditKind::FactorsReset, Some(id), None, &detail);
    audit::noted(transaction, removed, vec![told]).await
}

pub(super) async fn one(
    client: &mut Object,
    id: UserId,
    factor: FactorId,
    mails: &[NewMail],
    by: &Actor,
) -> Acted<()> {
    let transaction = client.transaction().await?;
    let operator = hold(&transaction, &[id], by).await?;
    let user = users::by_id(&transaction, id).await?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
    let kind = factors::remove_enrolled(&transaction, id, factor, by.now).await?;
    let kind = kind.ok_or(AdminError::Gone)?;
    sessions::revoke_of_user(&transaction, id, None, RevokedReason::Admin, by.now).await?;
    outbox::queue(&transaction, mails, MailBounds::OF_ACTS).await?;
    let told = line(by, AuditKind::FactorRemoved, Some(id), None, kind);
    audit::noted(transaction, (), vec![told]).await
}

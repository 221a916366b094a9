//! Second factors that an operator removes, for who has lost them.

use rusqlite::Connection;

use super::audit;
use super::operators::operator;
use crate::factor::FactorId;
use crate::session::RevokedReason;
use crate::store::admin::{Actor, AdminError, AuditKind};
use crate::store::plan::audit_lines::{Acted, line};
use crate::store::sqlite::{factors, outbox, sessions, users};
use crate::store::{MailBounds, NewMail};
use crate::user::UserId;

pub(super) fn all(
    connection: &Connection,
    id: UserId,
    mails: &[NewMail],
    by: &Actor,
) -> Acted<u64> {
    let user = users::by_id(connection, id)?.ok_or(AdminError::Gone)?;
    by.is_let(operator(connection, by)?.as_ref(), std::iter::once((&user, &user)))?;
    let removed = factors::remove_all(connection, id, by.now)?;
    if removed == 0 {
        return audit::noted(connection, 0, Vec::new());
    }
    sessions::revoke_of_user(connection, id, None, RevokedReason::Admin, by.now)?;
    outbox::queue(connection, mails, MailBounds::OF_ACTS)?;
    let detail = removed.to_string();
    audit::noted(
        connection,
        removed,
        vec![line(by, AuditKind::FactorsReset, Some(id), None, &detail)],
    )
}

pub(super) fn one(
    connection: &Connection,
    id: UserId,
    factor: FactorId,
    mails: &[NewMail],
    by: &Actor,
) -> Acted<()> {
    let user = users::by_id(connection, id)?.ok_or(AdminError::Gone)?;
    by.is_let(operator(connection, by)?.as_ref(), std::iter::once((&user, &user)))?;
    let removed = factors::remove_enrolled(connection, id, factor, by.now)?;
    let kind = removed.ok_or(AdminError::Gone)?;
    sessions::revoke_of_user(connection, id, None, RevokedReason::Admin, by.now)?;
    outbox::queue(connection, mails, MailBounds::OF_ACTS)?;
    let told = line(by, AuditKind::FactorRemoved, Some(id), None, kind);
    audit::noted(connection, (), vec![told])
}

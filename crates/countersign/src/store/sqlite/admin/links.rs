//! Links that operators have sent, and the mails that carry them.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, params};

use super::operators::operator;
use super::{audit, once};
use crate::store::admin::{Actor, AdminError, AuditKind, LinkAdmin};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, invited, line, link_line, logged, mail_line};
use crate::store::sqlite::columns::micros;
use crate::store::sqlite::{SqliteStore, fingerprint, issue, outbox, tokens, users};
use crate::store::{MailBounds, NewMail, NewToken};
use crate::user::{NewUser, User, UserId};

#[async_trait]
impl LinkAdmin for SqliteStore {
    async fn invite_user(
        &self,
        new: NewUser,
        token: NewToken,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<User, AdminError> {
        let by = by.clone();
        self.writer.run(move |c| invite(c, &new, token, mails, &by)).await.map(logged)
    }

    async fn send_link(
        &self,
        token: NewToken,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| send(c, &token, &mails, &by)).await.map(logged)
    }

    async fn mark_verified(
        &self,
        addresses: &[(UserId, String)],
        by: &Actor,
    ) -> Result<u64, AdminError> {
        let (addresses, by) = (addresses.to_vec(), by.clone());
        self.writer.run(move |c| mark(c, &addresses, &by)).await.map(logged)
    }

    async fn retry_mail(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| retry(c, id, &by)).await.map(logged)
    }

    async fn forget_mail(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| forget(c, id, &by)).await.map(logged)
    }
}

fn invite(
    connection: &Connection,
    new: &NewUser,
    token: NewToken,
    mails: Vec<NewMail>,
    by: &Actor,
) -> Acted<User> {
    if let Some(user) = once::made_before(connection, by)? {
        by.is_let(operator(connection, by)?.as_ref(), std::iter::once((&user, &user)))?;
        return Ok((user, Vec::new()));
    }
    let user = users::create(connection, new, by.now)?;
    by.is_let(operator(connection, by)?.as_ref(), std::iter::once((&user, &user)))?;
    issue::issue(connection, &NewToken { user: Some(user.id), ..token }, true)?;
    let mails: Vec<_> =
        mails.into_iter().map(|mail| NewMail { user: Some(user.id), ..mail }).collect();
    outbox::queue(connection, &mails, MailBounds::OF_ACTS)?;
    once::keep(connection, by, user.id)?;
    let told = invited(&user, by);
    audit::noted(connection, user, vec![told])
}

fn send(connection: &Connection, token: &NewToken, mails: &[NewMail], by: &Actor) -> Acted<()> {
    let id = token.user.ok_or(AdminError::Gone)?;
    let user = users::by_id(connection, id)?.ok_or(AdminError::Gone)?;
    by.is_let(operator(connection, by)?.as_ref(), std::iter::once((&user, &user)))?;
    // What was queued under the key before is on its way. A link by hand may have been lost.
    if once::made_before(connection, by)?.is_some() && !mails.is_empty() {
        return Ok(((), Vec::new()));
    }
    if fingerprint::of_row(connection, id)? != Some(token.fingerprint) {
        return Err(AdminError::Stale.into());
    }
    issue::issue(connection, token, true)?;
    outbox::queue(connection, mails, MailBounds::OF_ACTS)?;
    once::keep(connection, by, id)?;
    let told = link_line(by, id, token.purpose, !mails.is_empty());
    audit::noted(connection, (), vec![told])
}

fn mark(connection: &Connection, addresses: &[(UserId, String)], by: &Actor) -> Acted<u64> {
    let (operator, mut told) = (operator(connection, by)?, Vec::new());
    for (id, address) in addresses {
        let user = users::by_id(connection, *id)?.filter(|user| user.email == *address);
        by.is_let(operator.as_ref(), user.iter().map(|user| (user, user)))?;
        if user.is_some() && tokens::prove_address(connection, *id)? {
            told.push(line(by, AuditKind::UserChanged, Some(*id), None, "email_verified"));
        }
    }
    audit::noted(connection, told.len() as u64, told)
}

fn retry(connection: &Connection, id: i64, by: &Actor) -> Acted<()> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    let mail = mail(connection, id)?;
    let changed = connection
        .prepare_cached("UPDATE outbox SET due_at = ? WHERE id = ? AND state = 'waiting'")
        .and_then(|mut statement| statement.execute(params![micros(by.now), id]))?;
    if changed == 0 {
        return Err(AdminError::Gone.into());
    }
    audit::noted(connection, (), vec![mail_line(by, AuditKind::MailRetried, &mail)])
}

fn forget(connection: &Connection, id: i64, by: &Actor) -> Acted<()> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    let mail = mail(connection, id)?;
    let gone = connection
        .prepare_cached("DELETE FROM outbox WHERE id = ? AND state IN ('waiting', 'failed')")
        .and_then(|mut statement| statement.execute([id]))?;
    if gone == 0 {
        return Err(AdminError::Gone.into());
    }
    audit::noted(connection, (), vec![mail_line(by, AuditKind::MailForgotten, &mail)])
}

fn mail(connection: &Connection, id: i64) -> Result<crate::store::OutboxRow, Failure<AdminError>> {
    let sql = format!("SELECT {} FROM outbox WHERE id = ?", outbox::COLUMNS);
    let found = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| statement.query_row([id], outbox::outbox_row).optional())?;
    Ok(found.ok_or(AdminError::Gone)?)
}

//! Links that operators have sent, and the mails that carry them.

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};

use super::operators::hold;
use super::{audit, once};
use crate::store::admin::{Actor, AdminError, AuditKind, LinkAdmin};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, invited, line, link_line, logged, mail_line};
use crate::store::postgres::columns::micros;
use crate::store::postgres::{PostgresStore, fingerprint, issue, outbox, tokens, users};
use crate::store::{MailBounds, NewMail, NewToken, OutboxRow};
use crate::user::{NewUser, User, UserId};

#[async_trait]
impl LinkAdmin for PostgresStore {
    async fn invite_user(
        &self,
        new: NewUser,
        token: NewToken,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<User, AdminError> {
        write!(self, client => invite(client, &new, token, mails, by)).map(logged)
    }

    async fn send_link(
        &self,
        token: NewToken,
        mails: Vec<NewMail>,
        by: &Actor,
    ) -> Result<(), AdminError> {
        write!(self, client => send(client, &token, &mails, by)).map(logged)
    }

    async fn mark_verified(
        &self,
        addresses: &[(UserId, String)],
        by: &Actor,
    ) -> Result<u64, AdminError> {
        write!(self, client => mark(client, addresses, by)).map(logged)
    }

    async fn retry_mail(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        write!(self, client => retry(client, id, by)).map(logged)
    }

    async fn forget_mail(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        write!(self, client => forget(client, id, by)).map(logged)
    }
}

async fn invite(
    client: &mut Object,
    new: &NewUser,
    token: NewToken,
    mails: Vec<NewMail>,
    by: &Actor,
) -> Acted<User> {
    let transaction = client.transaction().await?;
    // Names before rows, as everywhere.
    users::hold_names_of(&transaction, Some(&new.username), new.email.as_ref()).await?;
    let operator = hold(&transaction, &[], by).await?;
    if let Some(user) = once::made_before(&transaction, by).await? {
        by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
        return Ok((user, Vec::new()));
    }
    let id = users::insert(&transaction, new, by.now).await?;
    let user = users::by_id(&transaction, id).await?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
    issue::issue(&transaction, &NewToken { user: Some(id), ..token }, true).await?;
    let mails: Vec<_> = mails.into_iter().map(|mail| NewMail { user: Some(id), ..mail }).collect();
    outbox::queue(&transaction, &mails, MailBounds::OF_ACTS).await?;
    once::keep(&transaction, by, id).await?;
    let told = invited(&user, by);
    audit::noted(transaction, user, vec![told]).await
}

async fn send(client: &mut Object, token: &NewToken, mails: &[NewMail], by: &Actor) -> Acted<()> {
    let id = token.user.ok_or(AdminError::Gone)?;
    let transaction = client.transaction().await?;
    let operator = hold(&transaction, &[id], by).await?;
    let user = users::by_id(&transaction, id).await?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
    // What was queued under the key before is on its way. A link by hand may have been lost.
    if once::made_before(&transaction, by).await?.is_some() && !mails.is_empty() {
        return Ok(((), Vec::new()));
    }
    if fingerprint::of_row(&transaction, id).await? != Some(token.fingerprint) {
        return Err(AdminError::Stale.into());
    }
    issue::issue(&transaction, token, true).await?;
    outbox::queue(&transaction, mails, MailBounds::OF_ACTS).await?;
    once::keep(&transaction, by, id).await?;
    let told = link_line(by, id, token.purpose, !mails.is_empty());
    audit::noted(transaction, (), vec![told]).await
}

async fn mark(client: &mut Object, addresses: &[(UserId, String)], by: &Actor) -> Acted<u64> {
    let transaction = client.transaction().await?;
    let ids: Vec<UserId> = addresses.iter().map(|(id, _)| *id).collect();
    let (operator, mut told) = (hold(&transaction, &ids, by).await?, Vec::new());
    for (id, address) in addresses {
        let user = users::by_id(&transaction, *id).await?.filter(|user| user.email == *address);
        by.is_let(operator.as_ref(), user.iter().map(|user| (user, user)))?;
        if user.is_some() && tokens::prove_address(&transaction, *id).await? {
            told.push(line(by, AuditKind::UserChanged, Some(*id), None, "email_verified"));
        }
    }
    audit::noted(transaction, told.len() as u64, told).await
}

async fn retry(client: &mut Object, id: i64, by: &Actor) -> Acted<()> {
    let transaction = client.transaction().await?;
    let operator = hold(&transaction, &[], by).await?;
    by.is_let_give(operator.as_ref(), &[])?;
    let mail = mail(&transaction, id).await?;
    let sql = "UPDATE outbox SET due_at = $1 WHERE id = $2 AND state = 'waiting'";
    if transaction.execute(sql, &[&micros(by.now), &id]).await? == 0 {
        return Err(AdminError::Gone.into());
    }
    let told = mail_line(by, AuditKind::MailRetried, &mail);
    audit::noted(transaction, (), vec![told]).await
}

async fn forget(client: &mut Object, id: i64, by: &Actor) -> Acted<()> {
    let transaction = client.transaction().await?;
    let operator = hold(&transaction, &[], by).await?;
    by.is_let_give(operator.as_ref(), &[])?;
    let mail = mail(&transaction, id).await?;
    let sql = "DELETE FROM outbox WHERE id = $1 AND state IN ('waiting', 'failed')";
    if transaction.execute(sql, &[&id]).await? == 0 {
        return Err(AdminError::Gone.into());
    }
    let told = mail_line(by, AuditKind::MailForgotten, &mail);
    audit::noted(transaction, (), vec![told]).await
}

/// The mail, which is held.
async fn mail(transaction: &Transaction<'_>, id: i64) -> Result<OutboxRow, Failure<AdminError>> {
    let sql = format!("SELECT {} FROM outbox WHERE id = $1 FOR UPDATE", outbox::COLUMNS);
    let row = transaction.query_opt(&sql, &[&id]).await?.ok_or(AdminError::Gone)?;
    Ok(outbox::outbox_row(&row)?)
}

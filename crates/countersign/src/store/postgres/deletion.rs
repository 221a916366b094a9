//! Users who want to be deleted, in PostgreSQL.

use std::net::IpAddr;

use async_trait::async_trait;
use deadpool_postgres::{Object, Transaction};
use jiff::Timestamp;

use super::admin::audit;
use super::admin::users::hold_superusers;
use super::columns::{from_micros, get, micros};
use super::{PostgresStore, factors, outbox, registrations, sessions};
use crate::password::EncodedPassword;
use crate::session::RevokedReason;
use crate::store::admin::AuditLine;
use crate::store::due::{Place, stays};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{deleted_at_last, deletion_asked, logged, restored};
use crate::store::sql::statements;
use crate::store::{DeletionAsked, DeletionStore, MailBounds, SelfDeletion, StoreError};
use crate::user::UserId;

#[async_trait]
impl DeletionStore for PostgresStore {
    async fn ask_deletion(&self, asked: SelfDeletion) -> Result<DeletionAsked, StoreError> {
        write!(self, client => ask(client, &asked)).map(logged)
    }

    async fn restore_user(
        &self,
        user: UserId,
        checked: &EncodedPassword,
        now: Timestamp,
        ip: Option<IpAddr>,
    ) -> Result<bool, StoreError> {
        let line = restored(user, now, ip);
        write!(self, client => restore(client, checked, line)).map(logged)
    }

    async fn deletion_of(&self, user: UserId) -> Result<Option<Timestamp>, StoreError> {
        read!(self, client => due(client, user))
    }

    /// Each in a transaction of its own: one who cannot be deleted keeps nobody else. A row of
    /// another table may want them there.
    async fn delete_due_users(&self, now: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let passed = &self.passed.users;
        let due = read!(self, client => due_users(client, now, passed.last(), limit))?;
        let is_full = due.len() >= limit as usize;
        let mut gone = 0;
        for (place, user) in due {
            passed.note(place);
            match write!(self, client => delete_if_due(client, user, now)).map(logged) {
                Ok(is_gone) => gone += u64::from(is_gone),
                Err(error @ StoreError::Failed(_)) => stays(user, &error),
                // Somebody holds what goes with them: they have their turn in another round, and
                // each that is like them would cost five seconds.
                Err(error @ StoreError::Busy) => {
                    stays(user, &error);
                    return Ok(gone);
                }
                Err(error) => return Err(error),
            }
        }
        if !is_full {
            passed.begin_again();
        }
        Ok(gone)
    }

    async fn forget_user(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        write!(self, client => forget(client, user, now))
    }
}

/// Holds the superusers, the row and the session, in the order of everybody: what comes between is
/// seen by the one or by the other.
async fn ask(
    client: &mut Object,
    asked: &SelfDeletion,
) -> Result<(DeletionAsked, Vec<AuditLine>), Failure> {
    let &SelfDeletion { user, session, now, .. } = asked;
    let transaction = client.transaction().await?;
    hold_superusers(&transaction).await?;
    let statement = transaction
        .prepare_cached(
            "SELECT password = $2 AND is_active AS is_as_checked,
                 is_superuser AND is_active AND is_staff AND NOT EXISTS (
                     SELECT 1 FROM users AS others
                     WHERE others.id <> users.id AND is_superuser AND is_active AND is_staff
                 ) AS is_last
             FROM users WHERE id = $1 FOR UPDATE",
        )
        .await?;
    let row = transaction.query_opt(&statement, &[&user.as_i64(), &asked.checked.as_str()]).await?;
    let (is_as_checked, is_last) = match &row {
        Some(row) => (get(row, "is_as_checked")?, get(row, "is_last")?),
        None => (false, false),
    };
    let statement = transaction
        .prepare_cached(
            "SELECT 1 FROM sessions
             WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > $3",
        )
        .await?;
    let session = session.get().cast_signed();
    let lives =
        transaction.query_opt(&statement, &[&session, &user.to_string(), &micros(now)]).await?;
    let refused = match (lives, is_as_checked, is_last) {
        (None, ..) => Some(DeletionAsked::SessionEnded),
        (_, false, _) => Some(DeletionAsked::Stale),
        (_, _, true) => Some(DeletionAsked::LastSuperuser),
        _ => None,
    };
    if let Some(refused) = refused {
        return Ok((refused, Vec::new()));
    }
    match asked.at {
        Some(at) => plan(&transaction, user, at, now).await?,
        None => delete(&transaction, user, now).await?,
    }
    outbox::queue(&transaction, &asked.mails, MailBounds::OF_ACTS).await?;
    let lines = vec![deletion_asked(asked)];
    audit::note(&transaction, &lines).await?;
    transaction.commit().await?;
    Ok((DeletionAsked::Done, lines))
}

async fn plan(
    transaction: &Transaction<'_>,
    user: UserId,
    at: Timestamp,
    now: Timestamp,
) -> Result<(), Failure> {
    let statement = transaction
        .prepare_cached("UPDATE users SET deletion_at = $2, is_active = false WHERE id = $1")
        .await?;
    transaction.execute(&statement, &[&user.as_i64(), &micros(at)]).await?;
    // A trigger ends the links that were asked for before, but those that take a theft back.
    sessions::revoke_of_user(transaction, user, None, RevokedReason::UserInactive, now).await?;
    Ok(())
}

async fn restore(
    client: &mut Object,
    checked: &EncodedPassword,
    line: AuditLine,
) -> Result<(bool, Vec<AuditLine>), Failure> {
    let transaction = client.transaction().await?;
    let statement = transaction
        .prepare_cached(
            "UPDATE users SET deletion_at = NULL, is_active = true
             WHERE id = $1 AND deletion_at IS NOT NULL AND NOT is_active AND password = $2",
        )
        .await?;
    let user = line.user.and_then(UserId::as_i64);
    let restored = transaction.execute(&statement, &[&user, &checked.as_str()]).await? == 1;
    let lines = if restored { vec![line] } else { Vec::new() };
    audit::note(&transaction, &lines).await?;
    transaction.commit().await?;
    Ok((restored, lines))
}

async fn due(client: &Object, user: UserId) -> Result<Option<Timestamp>, Failure> {
    let statement = client.prepare_cached(statements::DELETION_OF).await?;
    let row = client.query_opt(&statement, &[&user.as_i64()]).await?;
    let at: Option<i64> = row.map(|row| row.try_get(0)).transpose()?.flatten();
    Ok(at.map(from_micros))
}

async fn due_users(
    client: &Object,
    now: Timestamp,
    after: Place,
    limit: u32,
) -> Result<Vec<(Place, UserId)>, Failure> {
    let statement = client
        .prepare_cached(
            "SELECT deletion_at, id FROM users
             WHERE deletion_at <= $1 AND NOT is_active AND (deletion_at, id) > ($2, $3)
             ORDER BY deletion_at, id LIMIT $4",
        )
        .await?;
    let rows =
        client.query(&statement, &[&micros(now), &after.0, &after.1, &i64::from(limit)]).await?;
    rows.iter()
        .map(|row| {
            let id = row.try_get(1)?;
            Ok(((row.try_get(0)?, id), UserId::new(id)))
        })
        .collect()
}

/// A row that somebody holds is left to another round: of two nodes at once one deletes a user, and
/// who is restored at this moment stays.
async fn delete_if_due(
    client: &mut Object,
    user: UserId,
    now: Timestamp,
) -> Result<(bool, Vec<AuditLine>), Failure> {
    let transaction = client.transaction().await?;
    let statement = transaction
        .prepare_cached(
            "SELECT 1 FROM users WHERE id = $1 AND deletion_at <= $2 AND NOT is_active
             FOR UPDATE SKIP LOCKED",
        )
        .await?;
    if transaction.query_opt(&statement, &[&user.as_i64(), &micros(now)]).await?.is_none() {
        return Ok((false, Vec::new()));
    }
    delete(&transaction, user, now).await?;
    let lines = vec![deleted_at_last(user, now)];
    audit::note(&transaction, &lines).await?;
    transaction.commit().await?;
    Ok((true, lines))
}

/// The user and the rows of their sessions. Their ends are in the feed already, which outlives
/// them; a trigger takes the tokens and the mails along.
async fn delete(
    transaction: &Transaction<'_>,
    user: UserId,
    now: Timestamp,
) -> Result<(), Failure> {
    // Before the row goes: hooks are told of nothing after the deletion.
    sessions::revoke_of_user(transaction, user, None, RevokedReason::UserInactive, now).await?;
    let statement = transaction.prepare_cached("DELETE FROM users WHERE id = $1").await?;
    transaction.execute(&statement, &[&user.as_i64()]).await?;
    delete_sessions(transaction, user).await
}

/// Of a user who is gone from a table elsewhere, where no trigger is.
async fn forget(client: &mut Object, user: UserId, now: Timestamp) -> Result<(), Failure> {
    let transaction = client.transaction().await?;
    sessions::revoke_of_user(&transaction, user, None, RevokedReason::UserInactive, now).await?;
    delete_sessions(&transaction, user).await?;
    factors::forget(&transaction, user).await?;
    for sql in [statements::FORGET_TOKENS, statements::FORGET_MAILS] {
        let statement = transaction.prepare_cached(sql).await?;
        transaction.execute(&statement, &[&user.to_string()]).await?;
    }
    registrations::forget(&transaction, user).await?;
    Ok(transaction.commit().await?)
}

async fn delete_sessions(transaction: &Transaction<'_>, user: UserId) -> Result<(), Failure> {
    let statement = transaction.prepare_cached("DELETE FROM sessions WHERE user_id = $1").await?;
    transaction.execute(&statement, &[&user.to_string()]).await?;
    Ok(())
}

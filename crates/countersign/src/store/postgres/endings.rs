//! Changes of a user's row that end the user's sessions: another password, no more logins, no row.

use deadpool_postgres::{Object, Transaction};
use jiff::Timestamp;
use tokio_postgres::types::ToSql;

use super::columns::{get, micros};
use super::outbox;
use crate::password::EncodedPassword;
use crate::session::{RevokedReason, SessionId};
use crate::store::failure::Failure;
use crate::store::{MailBounds, NewMail, PasswordChange};
use crate::user::UserId;

pub(super) async fn change_password(
    client: &mut Object,
    id: UserId,
    (old, new): (&EncodedPassword, &EncodedPassword),
    session: SessionId,
    now: Timestamp,
    mails: &[NewMail],
) -> Result<PasswordChange, Failure> {
    let transaction = client.transaction().await?;
    hold(&transaction, id).await?;
    let statement = transaction
        .prepare_cached(
            "WITH own AS MATERIALIZED (
                 SELECT id FROM sessions WHERE user_id = $2 AND revoked_at IS NULL
                     AND expires_at > $3 ORDER BY id FOR UPDATE
             ), changed AS (
                 UPDATE users SET password = $6 WHERE id = $1 AND password = $5
                     AND EXISTS (SELECT 1 FROM own WHERE id = $7) RETURNING id
             ), ended AS (
                 UPDATE sessions SET revoked_at = $3, revoked_reason = $4
                 WHERE id IN (SELECT id FROM own) AND id <> $7 AND EXISTS (SELECT 1 FROM changed)
             ), operator AS (
                 DELETE FROM admin_sessions WHERE user_id = $1 AND EXISTS (SELECT 1 FROM changed)
             )
             SELECT EXISTS (SELECT 1 FROM changed) AS changed,
                 EXISTS (SELECT 1 FROM own WHERE id = $7) AS lives",
        )
        .await?;
    let (owner, reason) = (id.to_string(), RevokedReason::PasswordChanged.as_str());
    let row = transaction
        .query_one(
            &statement,
            &[
                &id.as_i64(),
                &owner,
                &micros(now),
                &reason,
                &old.as_str(),
                &new.as_str(),
                &session.get().cast_signed(),
            ],
        )
        .await?;
    let change = match (get(&row, "changed")?, get(&row, "lives")?) {
        (true, _) => PasswordChange::Done,
        (false, true) => PasswordChange::Stale,
        (false, false) => PasswordChange::SessionEnded,
    };
    if change == PasswordChange::Done {
        outbox::queue(&transaction, mails, MailBounds::OF_ACTS).await?;
    }
    transaction.commit().await?;
    Ok(change)
}

pub(super) async fn reset_password(
    client: &mut Object,
    id: UserId,
    new: &EncodedPassword,
    now: Timestamp,
) -> Result<bool, Failure> {
    let transaction = client.transaction().await?;
    let found = reset_within(&transaction, id, new, now).await?;
    transaction.commit().await?;
    Ok(found)
}

/// Sets a password in the place of any, within a transaction.
pub(super) async fn reset_within(
    transaction: &Transaction<'_>,
    id: UserId,
    new: &EncodedPassword,
    now: Timestamp,
) -> Result<bool, Failure> {
    let change = "UPDATE users SET password = $5 WHERE id = $1 RETURNING id";
    ending_sessions(transaction, change, id, RevokedReason::PasswordChanged, now, &[&new.as_str()])
        .await
}

pub(super) async fn set_active(
    client: &mut Object,
    id: UserId,
    active: bool,
    now: Timestamp,
) -> Result<bool, Failure> {
    if active {
        let statement =
            client.prepare_cached("UPDATE users SET is_active = true WHERE id = $1").await?;
        return Ok(client.execute(&statement, &[&id.as_i64()]).await? == 1);
    }
    let transaction = client.transaction().await?;
    let change = "UPDATE users SET is_active = false WHERE id = $1 RETURNING id";
    let found =
        ending_sessions(&transaction, change, id, RevokedReason::UserInactive, now, &[]).await?;
    transaction.commit().await?;
    Ok(found)
}

pub(super) async fn delete(
    client: &mut Object,
    id: UserId,
    now: Timestamp,
) -> Result<bool, Failure> {
    let transaction = client.transaction().await?;
    let nothing = "SELECT id FROM users WHERE id = $1";
    let found =
        ending_sessions(&transaction, nothing, id, RevokedReason::UserInactive, now, &[]).await?;
    // Behind the ends of the sessions: hooks are told of nothing after the deletion.
    let statement = transaction.prepare_cached("DELETE FROM users WHERE id = $1").await?;
    transaction.execute(&statement, &[&id.as_i64()]).await?;
    transaction.commit().await?;
    Ok(found)
}

/// Holds a user's row against logins. A statement of its own: the one that ends the sessions then
/// sees every session that began before.
async fn hold(transaction: &Transaction<'_>, id: UserId) -> Result<(), Failure> {
    let statement =
        transaction.prepare_cached("SELECT 1 FROM users WHERE id = $1 FOR UPDATE").await?;
    transaction.execute(&statement, &[&id.as_i64()]).await?;
    Ok(())
}

/// A change of a user's row and the end of the user's sessions; whether there was such a user. `$1`
/// is the row's id.
async fn ending_sessions(
    transaction: &Transaction<'_>,
    change: &str,
    id: UserId,
    reason: RevokedReason,
    now: Timestamp,
    more: &[&(dyn ToSql + Sync)],
) -> Result<bool, Failure> {
    hold(transaction, id).await?;
    let sql = format!(
        "WITH own AS (
             SELECT id FROM sessions WHERE user_id = $2 AND revoked_at IS NULL AND expires_at > $3
                 ORDER BY id FOR UPDATE
         ), ended AS (
             UPDATE sessions SET revoked_at = $3, revoked_reason = $4
                 WHERE id IN (SELECT id FROM own)
         ), operator AS (
             DELETE FROM admin_sessions WHERE user_id = $1
         ), changed AS ({change})
         SELECT count(*) FROM changed"
    );
    let statement = transaction.prepare_cached(&sql).await?;
    let (row, owner, at, reason) = (id.as_i64(), id.to_string(), micros(now), reason.as_str());
    let mut parameters: Vec<&(dyn ToSql + Sync)> = vec![&row, &owner, &at, &reason];
    parameters.extend(more);
    let changed: i64 = transaction.query_one(&statement, &parameters).await?.try_get(0)?;
    Ok(changed == 1)
}

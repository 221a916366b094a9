//! Sessions of the admin site itself. What ends them with their user is in the schema, and in
//! whatever ends a user's sessions.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object, Transaction};
use jiff::Timestamp;

use super::service_token_row;
use crate::store::admin::{Actor, AdminSession, OperatorSessions, Who};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::address;
use crate::store::plan::service_power::known;
use crate::store::postgres::columns::{from_micros, get, micros};
use crate::store::postgres::sessions::signed;
use crate::store::postgres::{PostgresStore, factor_proofs, factors, users};
use crate::store::sql::statements;
use crate::store::{CheckedRow, StoreError};
use crate::user::{User, UserId};

#[async_trait]
impl OperatorSessions for PostgresStore {
    async fn begin_admin_session(
        &self,
        new: &AdminSession,
        checked: &CheckedRow,
    ) -> Result<bool, StoreError> {
        write!(self, client => begin(client, new, checked))
    }

    async fn admin_session(
        &self,
        token_hash: [u8; 32],
    ) -> Result<Option<AdminSession>, StoreError> {
        read!(self, client => session(client, token_hash))
    }

    async fn touch_admin_session(
        &self,
        token_hash: [u8; 32],
        used_at: Timestamp,
    ) -> Result<bool, StoreError> {
        write!(self, client => touch(client, token_hash, used_at))
    }

    async fn confirm_admin_session(
        &self,
        session: &AdminSession,
        checked: &CheckedRow,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        write!(self, client => confirm(client, session, checked, now))
    }

    async fn end_admin_session(&self, token_hash: [u8; 32]) -> Result<(), StoreError> {
        write!(self, client => end(client, token_hash))
    }
}

/// Begins one, if the row is as it was checked. It is held, as whoever changes it holds it first.
pub(super) async fn begin(
    client: &mut Object,
    new: &AdminSession,
    checked: &CheckedRow,
) -> Result<bool, Failure> {
    let Some(uses) = &checked.factor else { return insert(client, new, checked).await };
    let transaction = client.transaction().await?;
    factors::hold(&transaction, new.user).await?;
    let begun = factor_proofs::use_up(&transaction, new.user, uses, new.created_at).await?
        && insert(&transaction, new, checked).await?;
    if begun {
        transaction.commit().await?;
    }
    Ok(begun)
}

async fn insert(
    client: &impl GenericClient,
    new: &AdminSession,
    checked: &CheckedRow,
) -> Result<bool, Failure> {
    let statement = client
        .prepare_cached(
            "INSERT INTO admin_sessions (token_hash, user_id, created_at, used_at, password_at, ip,
                 user_agent)
             SELECT $1, id, $3, $4, $5, $6, $7 FROM users
             WHERE id = $2 AND is_active AND is_staff AND password = $8 AND factors = $9 FOR SHARE",
        )
        .await?;
    let (created, used, password) =
        (micros(new.created_at), micros(new.used_at), micros(new.password_at));
    let (hash, user, ip) = (new.token_hash.as_slice(), new.user.as_i64(), address(new.ip));
    let begun = client
        .execute(
            &statement,
            &[
                &hash,
                &user,
                &created,
                &used,
                &password,
                &ip,
                &new.user_agent,
                &checked.password.as_str(),
                &signed(checked.factors),
            ],
        )
        .await?;
    Ok(begun == 1)
}

pub(super) async fn session(
    client: &Object,
    token_hash: [u8; 32],
) -> Result<Option<AdminSession>, Failure> {
    let statement = client.prepare_cached(statements::ADMIN_SESSION).await?;
    let Some(row) = client.query_opt(&statement, &[&token_hash.as_slice()]).await? else {
        return Ok(None);
    };
    Ok(Some(AdminSession {
        token_hash,
        user: UserId::new(get(&row, "user_id")?),
        created_at: from_micros(get(&row, "created_at")?),
        used_at: from_micros(get(&row, "used_at")?),
        password_at: from_micros(get(&row, "password_at")?),
        ip: get::<Option<&str>>(&row, "ip")?.and_then(|ip| ip.parse().ok()),
        user_agent: get(&row, "user_agent")?,
    }))
}

pub(super) async fn touch(
    client: &Object,
    token_hash: [u8; 32],
    used_at: Timestamp,
) -> Result<bool, Failure> {
    let statement = client
        .prepare_cached(
            "UPDATE admin_sessions SET used_at = greatest(used_at, $2) WHERE token_hash = $1",
        )
        .await?;
    Ok(client.execute(&statement, &[&token_hash.as_slice(), &micros(used_at)]).await? == 1)
}

/// The row is held first, as whoever changes it holds it.
async fn confirm(
    client: &mut Object,
    session: &AdminSession,
    checked: &CheckedRow,
    now: Timestamp,
) -> Result<bool, Failure> {
    let transaction = client.transaction().await?;
    factors::hold(&transaction, session.user).await?;
    if let Some(uses) = &checked.factor
        && !factor_proofs::use_up(&transaction, session.user, uses, now).await?
    {
        return Ok(false);
    }
    let statement = transaction
        .prepare_cached(
            "UPDATE admin_sessions SET used_at = greatest(used_at, $3), password_at = $3
             WHERE token_hash = $1 AND user_id = $2 AND EXISTS (
                 SELECT 1 FROM users
                 WHERE id = $2 AND is_active AND is_staff AND password = $4 AND factors = $5)",
        )
        .await?;
    let (hash, user, at) = (session.token_hash.as_slice(), session.user.as_i64(), micros(now));
    let (password, factors) = (checked.password.as_str(), signed(checked.factors));
    let found = transaction.execute(&statement, &[&hash, &user, &at, &password, &factors]).await?;
    if found == 1 {
        transaction.commit().await?;
    }
    Ok(found == 1)
}

pub(super) async fn end(client: &Object, token_hash: [u8; 32]) -> Result<(), Failure> {
    let statement = client.prepare_cached(statements::END_ADMIN_SESSION).await?;
    client.execute(&statement, &[&token_hash.as_slice()]).await?;
    Ok(())
}

/// Holds these users' rows, and that of who acts where a rule asks for it, in one order with
/// everybody else; the latter.
pub(super) async fn hold(
    transaction: &Transaction<'_>,
    ids: &[UserId],
    by: &Actor,
) -> Result<Option<User>, Failure> {
    let service = match by.who {
        Who::Service { id, .. } if by.may.is_some() => Some(id),
        _ => None,
    };
    // Who made a token never changes. The token's own row is held behind the users': whoever
    // revokes one holds theirs first.
    let asked = match service {
        Some(id) => {
            service_token_row::row_of(transaction, id, "").await?.and_then(|t| t.maker.user())
        }
        None => by.may.and_then(|_| by.who.user()),
    };
    let rows: Vec<i64> = ids.iter().chain(&asked).filter_map(|id| id.as_i64()).collect();
    // Many who act on nobody's row, as those who make users, need not wait for each other.
    let held = if ids.is_empty() { HOLD_OPERATOR } else { HOLD };
    let statement = transaction.prepare_cached(held).await?;
    transaction.execute(&statement, &[&rows]).await?;
    let user = match asked {
        Some(operator) => users::by_id(transaction, operator).await?,
        None => None,
    };
    let Some(id) = service else { return Ok(user) };
    let row = service_token_row::row_of(transaction, id, "FOR SHARE").await?;
    let known = row.and_then(|row| known(row, user.as_ref(), by.now));
    Ok(known.map(|known| known.operator))
}

const HOLD: &str = "SELECT 1 FROM users WHERE id = ANY($1) ORDER BY id FOR UPDATE";

const HOLD_OPERATOR: &str = "SELECT 1 FROM users WHERE id = ANY($1) ORDER BY id FOR SHARE";

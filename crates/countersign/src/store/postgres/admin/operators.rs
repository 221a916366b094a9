//! Sessions of the admin site itself. What ends them with their user is in the schema, and in
//! whatever ends a user's sessions.

use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object};
use jiff::Timestamp;

use crate::store::admin::{AdminSession, OperatorSessions};
use crate::store::plan::audit_lines::address;
use crate::store::postgres::columns::{from_micros, get, micros};
use crate::store::postgres::sessions::signed;
use crate::store::postgres::{PostgresStore, factor_proofs, factors};
use crate::store::sql::statements;
use crate::store::{CheckedRow, StoreError};
use crate::user::UserId;

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
        password_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        write!(self, client => touch(client, token_hash, used_at, password_at))
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
) -> Result<bool, StoreError> {
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
) -> Result<bool, StoreError> {
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
) -> Result<Option<AdminSession>, StoreError> {
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
    password_at: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let statement = client
        .prepare_cached(
            "UPDATE admin_sessions SET used_at = greatest(used_at, $2), password_at = coalesce($3, \
             password_at) WHERE token_hash = $1",
        )
        .await?;
    Ok(client
        .execute(&statement, &[&token_hash.as_slice(), &micros(used_at), &password_at.map(micros)])
        .await?
        == 1)
}

pub(super) async fn end(client: &Object, token_hash: [u8; 32]) -> Result<(), StoreError> {
    let statement = client.prepare_cached(statements::END_ADMIN_SESSION).await?;
    client.execute(&statement, &[&token_hash.as_slice()]).await?;
    Ok(())
}

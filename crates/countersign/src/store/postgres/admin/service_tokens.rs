//! Service tokens.

use async_trait::async_trait;
use deadpool_postgres::Object;
use jiff::Timestamp;

use super::audit;
use super::operators::hold;
use super::service_token_row::{row_of, select, service_token};
use crate::store::StoreError;
use crate::store::admin::{
    Actor, AdminError, AuditKind, KnownServiceToken, NewServiceToken, ServiceTokenRow,
    ServiceTokenStore,
};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, line, logged};
use crate::store::plan::service_power::{known, made, may_make, named, noted_before, written};
use crate::store::postgres::columns::{get, micros};
use crate::store::postgres::{PostgresStore, users};
use crate::token::SecretHash;
use crate::user::UserId;

#[async_trait]
impl ServiceTokenStore for PostgresStore {
    async fn service_token(
        &self,
        hash: SecretHash,
        now: Timestamp,
    ) -> Result<Option<KnownServiceToken>, StoreError> {
        read!(self, client => by_hash(client, hash, now))
    }

    async fn service_tokens(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ServiceTokenRow>, StoreError> {
        read!(self, client => list(client, after, limit))
    }

    async fn add_service_token(
        &self,
        new: NewServiceToken,
        by: &Actor,
    ) -> Result<ServiceTokenRow, AdminError> {
        write!(self, client => add(client, &new, by)).map(logged)
    }

    async fn revoke_service_token(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        write!(self, client => revoke(client, id, by)).map(logged)
    }

    async fn note_service_token_use(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        write!(self, client => note_use(client, id, at))
    }
}

async fn by_hash(
    client: &Object,
    hash: SecretHash,
    now: Timestamp,
) -> Result<Option<KnownServiceToken>, Failure> {
    let statement = client.prepare_cached(&select("WHERE token_hash = $1")).await?;
    let row = client.query_opt(&statement, &[&hash.as_bytes().as_slice()]).await?;
    let Some(row) = row.as_ref().map(service_token).transpose()? else { return Ok(None) };
    let maker = match row.maker.user() {
        Some(id) => users::by_id(client, id).await?,
        None => None,
    };
    Ok(known(row, maker.as_ref(), now))
}

async fn list(
    client: &Object,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<ServiceTokenRow>, Failure> {
    let statement = client.prepare_cached(&select("WHERE id > $1 ORDER BY id LIMIT $2")).await?;
    let after = after.unwrap_or(i64::MIN);
    let rows = client.query(&statement, &[&after, &i64::from(limit)]).await?;
    rows.iter().map(service_token).collect()
}

async fn add(client: &mut Object, new: &NewServiceToken, by: &Actor) -> Acted<ServiceTokenRow> {
    let transaction = client.transaction().await?;
    let operator = hold(&transaction, by.who.user().as_slice(), by).await?;
    // Asked of the maker whether or not there is a rule: what they have is what they give.
    let maker = match by.who.user() {
        Some(id) => users::by_id(&transaction, id).await?,
        None => None,
    };
    may_make(new, by, maker.as_ref())?;
    by.is_let_give(operator.as_ref(), &new.powers.permissions)?;
    let statement = transaction
        .prepare_cached(
            "INSERT INTO service_tokens (name, token_hash, maker_id, maker, permissions,
                 group_names, is_superuser, networks, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
             ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
             RETURNING id",
        )
        .await?;
    let row = transaction
        .query_opt(
            &statement,
            &[
                &new.name,
                &new.hash.as_bytes().as_slice(),
                &by.who.user().and_then(UserId::as_i64),
                &by.who.name(),
                &written(&new.powers.permissions),
                &written(&new.powers.groups),
                &new.powers.is_superuser,
                &written(&new.networks),
                &micros(by.now),
                &micros(new.expires_at),
            ],
        )
        .await?
        .ok_or(AdminError::NameTaken)?;
    let row = row_of(&transaction, get(&row, "id")?, "").await?.ok_or(AdminError::Gone)?;
    let told = line(by, AuditKind::ServiceTokenMade, None, None, made(&row));
    audit::noted(transaction, row, vec![told]).await
}

async fn revoke(client: &mut Object, id: i64, by: &Actor) -> Acted<()> {
    let transaction = client.transaction().await?;
    by.is_let_give(hold(&transaction, &[], by).await?.as_ref(), &[])?;
    let revoked = transaction
        .execute(
            "UPDATE service_tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL",
            &[&micros(by.now), &id],
        )
        .await?;
    let row = row_of(&transaction, id, "").await?.filter(|_| revoked == 1);
    let row = row.ok_or(AdminError::Gone)?;
    let told = line(by, AuditKind::ServiceTokenRevoked, None, None, named(&row));
    audit::noted(transaction, (), vec![told]).await
}

async fn note_use(client: &Object, id: i64, at: Timestamp) -> Result<(), Failure> {
    let statement = client
        .prepare_cached(
            "UPDATE service_tokens SET last_used_at = $1
             WHERE id = $2 AND (last_used_at IS NULL OR last_used_at < $3)",
        )
        .await?;
    client.execute(&statement, &[&micros(at), &id, &micros(noted_before(at))]).await?;
    Ok(())
}

//! Service tokens.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::audit;
use super::operators::operator;
use super::service_token_row::{row_of, select, service_token, with_maker};
use crate::store::StoreError;
use crate::store::admin::{
    Actor, AdminError, AuditKind, KnownServiceToken, NewServiceToken, ServiceTokenRow,
    ServiceTokenStore,
};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, line, logged};
use crate::store::plan::service_power::{made, may_make, named, noted_before, written};
use crate::store::sqlite::columns::micros;
use crate::store::sqlite::{SqliteStore, users};
use crate::token::SecretHash;
use crate::user::UserId;

#[async_trait]
impl ServiceTokenStore for SqliteStore {
    async fn service_token(
        &self,
        hash: SecretHash,
        now: Timestamp,
    ) -> Result<Option<KnownServiceToken>, StoreError> {
        self.readers.run(move |c| by_hash(c, hash, now)).await
    }

    async fn service_tokens(
        &self,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Vec<ServiceTokenRow>, StoreError> {
        self.readers.run(move |c| list(c, after, limit)).await
    }

    async fn add_service_token(
        &self,
        new: NewServiceToken,
        by: &Actor,
    ) -> Result<ServiceTokenRow, AdminError> {
        let by = by.clone();
        self.writer.run(move |c| add(c, &new, &by)).await.map(logged)
    }

    async fn revoke_service_token(&self, id: i64, by: &Actor) -> Result<(), AdminError> {
        let by = by.clone();
        self.writer.run(move |c| revoke(c, id, &by)).await.map(logged)
    }

    async fn note_service_token_use(&self, id: i64, at: Timestamp) -> Result<(), StoreError> {
        self.writer.run(move |c| note_use(c, id, at)).await
    }
}

fn by_hash(
    connection: &Connection,
    hash: SecretHash,
    now: Timestamp,
) -> Result<Option<KnownServiceToken>, Failure> {
    let row = connection
        .prepare_cached(&select("WHERE token_hash = ?"))?
        .query_row([hash.as_bytes()], service_token)
        .optional()?;
    with_maker(connection, row, now)
}

fn list(
    connection: &Connection,
    after: Option<i64>,
    limit: u32,
) -> Result<Vec<ServiceTokenRow>, Failure> {
    let mut statement = connection.prepare_cached(&select("WHERE id > ? ORDER BY id LIMIT ?"))?;
    let rows = statement.query_map(params![after.unwrap_or(i64::MIN), limit], service_token)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn add(connection: &Connection, new: &NewServiceToken, by: &Actor) -> Acted<ServiceTokenRow> {
    // Asked of the maker whether or not there is a rule: what they have is what they give.
    let maker = match by.who.user() {
        Some(id) => users::by_id(connection, id)?,
        None => None,
    };
    may_make(new, by, maker.as_ref())?;
    by.is_let_give(operator(connection, by)?.as_ref(), &new.powers.permissions)?;
    let is_taken = connection
        .prepare_cached("SELECT 1 FROM service_tokens WHERE name = ? AND revoked_at IS NULL")
        .and_then(|mut statement| statement.exists([&new.name]))?;
    if is_taken {
        return Err(AdminError::NameTaken.into());
    }
    connection
        .prepare_cached(
            "INSERT INTO service_tokens (name, token_hash, maker_id, maker, permissions,
                 group_names, is_superuser, networks, created_at, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                new.name,
                new.hash.as_bytes(),
                by.who.user().and_then(UserId::as_i64),
                by.who.name(),
                written(&new.powers.permissions),
                written(&new.powers.groups),
                new.powers.is_superuser,
                written(&new.networks),
                micros(by.now),
                micros(new.expires_at),
            ])
        })?;
    let row = row_of(connection, connection.last_insert_rowid())?.ok_or(AdminError::Gone)?;
    let told = line(by, AuditKind::ServiceTokenMade, None, None, made(&row));
    audit::noted(connection, row, vec![told])
}

fn revoke(connection: &Connection, id: i64, by: &Actor) -> Acted<()> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    let row = row_of(connection, id)?.filter(|row| row.revoked_at.is_none());
    let row = row.ok_or(AdminError::Gone)?;
    connection
        .prepare_cached("UPDATE service_tokens SET revoked_at = ? WHERE id = ?")
        .and_then(|mut statement| statement.execute(params![micros(by.now), id]))?;
    let told = line(by, AuditKind::ServiceTokenRevoked, None, None, named(&row));
    audit::noted(connection, (), vec![told])
}

fn note_use(connection: &Connection, id: i64, at: Timestamp) -> Result<(), Failure> {
    connection
        .prepare_cached(
            "UPDATE service_tokens SET last_used_at = ?
             WHERE id = ? AND (last_used_at IS NULL OR last_used_at < ?)",
        )?
        .execute(params![micros(at), id, micros(noted_before(at))])?;
    Ok(())
}

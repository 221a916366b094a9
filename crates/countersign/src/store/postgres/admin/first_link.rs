//! The link that makes the first superuser.

use std::net::IpAddr;

use async_trait::async_trait;
use deadpool_postgres::Object;
use jiff::Timestamp;

use super::audit;
use crate::store::StoreError;
use crate::store::admin::FirstLink;
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, first_superuser, logged};
use crate::store::postgres::{PostgresStore, users};
use crate::store::sql::statements;
use crate::user::{NewUser, User};

#[async_trait]
impl FirstLink for PostgresStore {
    async fn make_first_link(&self, fresh: [u8; 32]) -> Result<Option<[u8; 32]>, StoreError> {
        write!(self, client => make(client, fresh))
    }

    async fn first_link(&self) -> Result<Option<[u8; 32]>, StoreError> {
        read!(self, client => open(client))
    }

    async fn use_first_link(
        &self,
        token: [u8; 32],
        new: NewUser,
        ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        write!(self, client => take(client, token, &new, ip, now)).map(logged)
    }
}

pub(super) async fn make(client: &Object, fresh: [u8; 32]) -> Result<Option<[u8; 32]>, Failure> {
    let sql = "INSERT INTO first_link AS l (place, token)
               SELECT 1, $1 WHERE NOT EXISTS (SELECT 1 FROM users WHERE is_superuser)
               ON CONFLICT (place) DO UPDATE SET token = excluded.token, used = false WHERE l.used";
    client.execute(sql, &[&fresh.as_slice()]).await?;
    open(client).await
}

pub(super) async fn open(client: &Object) -> Result<Option<[u8; 32]>, Failure> {
    let sql = statements::OPEN_FIRST_LINK;
    let Some(row) = client.query_opt(sql, &[]).await? else { return Ok(None) };
    Ok(row.try_get::<_, &[u8]>(0)?.try_into().ok())
}

/// The row is held from the first statement on: of two who come at once, the second finds the link
/// used.
pub(super) async fn take(
    client: &mut Object,
    token: [u8; 32],
    new: &NewUser,
    ip: Option<IpAddr>,
    now: Timestamp,
) -> Acted<Option<User>, StoreError> {
    let transaction = client.transaction().await?;
    let sql = "UPDATE first_link SET used = true
               WHERE token = $1 AND NOT used
                   AND NOT EXISTS (SELECT 1 FROM users WHERE is_superuser)";
    if transaction.execute(sql, &[&token.as_slice()]).await? == 0 {
        return Ok((None, Vec::new()));
    }
    let id = users::insert(&transaction, new, now).await?;
    let user = users::by_id(&transaction, id).await?;
    audit::noted(transaction, user, vec![first_superuser(id, new.username.as_str(), ip, now)]).await
}

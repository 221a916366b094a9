//! The rows of service tokens.

use deadpool_postgres::GenericClient;
use tokio_postgres::Row;

use crate::store::admin::{Powers, ServiceTokenRow};
use crate::store::failure::Failure;
use crate::store::plan::service_power::{list_of, maker_of, networks_of};
use crate::store::postgres::columns::{from_micros, get};

/// The row of a token; `held` says how it is held.
pub(super) async fn row_of(
    client: &impl GenericClient,
    id: i64,
    held: &str,
) -> Result<Option<ServiceTokenRow>, Failure> {
    let statement = client.prepare_cached(&select(&format!("WHERE id = $1 {held}"))).await?;
    client.query_opt(&statement, &[&id]).await?.as_ref().map(service_token).transpose()
}

pub(super) fn select(rest: &str) -> String {
    format!(
        "SELECT id, name, maker_id, maker, permissions, group_names, is_superuser, networks,
             created_at, expires_at, last_used_at, revoked_at FROM service_tokens {rest}"
    )
}

pub(super) fn service_token(row: &Row) -> Result<ServiceTokenRow, Failure> {
    Ok(ServiceTokenRow {
        id: get(row, "id")?,
        name: get(row, "name")?,
        powers: Powers {
            permissions: list_of(get(row, "permissions")?)?,
            groups: list_of(get(row, "group_names")?)?,
            is_superuser: get(row, "is_superuser")?,
        },
        networks: networks_of(get(row, "networks")?)?,
        maker: maker_of(get(row, "maker_id")?, get::<Option<&str>>(row, "maker")?)?,
        created_at: from_micros(get(row, "created_at")?),
        expires_at: from_micros(get(row, "expires_at")?),
        last_used_at: get::<Option<i64>>(row, "last_used_at")?.map(from_micros),
        revoked_at: get::<Option<i64>>(row, "revoked_at")?.map(from_micros),
    })
}

//! The rows of service tokens.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::store::admin::{KnownServiceToken, Powers, ServiceTokenRow, Who};
use crate::store::failure::Failure;
use crate::store::plan::service_power::{known, list_of, maker_of, networks_of};
use crate::store::sqlite::columns::{from_micros, unreadable};
use crate::store::sqlite::users;

/// The token of this id, while it counts.
pub(super) fn by_id(
    connection: &Connection,
    id: i64,
    now: Timestamp,
) -> Result<Option<KnownServiceToken>, Failure> {
    with_maker(connection, row_of(connection, id)?, now)
}

pub(super) fn with_maker(
    connection: &Connection,
    row: Option<ServiceTokenRow>,
    now: Timestamp,
) -> Result<Option<KnownServiceToken>, Failure> {
    let Some(row) = row else { return Ok(None) };
    let maker = match row.maker.user() {
        Some(id) => users::by_id(connection, id)?,
        None => None,
    };
    Ok(known(row, maker.as_ref(), now))
}

pub(super) fn row_of(connection: &Connection, id: i64) -> Result<Option<ServiceTokenRow>, Failure> {
    let mut statement = connection.prepare_cached(&select("WHERE id = ?"))?;
    Ok(statement.query_row([id], service_token).optional()?)
}

pub(super) fn select(rest: &str) -> String {
    format!(
        "SELECT id, name, maker_id, maker, permissions, group_names, is_superuser, networks,
             created_at, expires_at, last_used_at, revoked_at FROM service_tokens {rest}"
    )
}

pub(super) fn service_token(row: &Row<'_>) -> rusqlite::Result<ServiceTokenRow> {
    let text = |column: &str| row.get::<_, String>(column);
    let at = |column: &str| {
        Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(from_micros))
    };
    let maker: Option<String> = row.get("maker")?;
    let maker: Who = maker_of(row.get("maker_id")?, maker.as_deref()).map_err(unreadable)?;
    Ok(ServiceTokenRow {
        id: row.get("id")?,
        name: text("name")?,
        powers: Powers {
            permissions: list_of(&text("permissions")?).map_err(unreadable)?,
            groups: list_of(&text("group_names")?).map_err(unreadable)?,
            is_superuser: row.get("is_superuser")?,
        },
        networks: networks_of(&text("networks")?).map_err(unreadable)?,
        maker,
        created_at: from_micros(row.get("created_at")?),
        expires_at: from_micros(row.get("expires_at")?),
        last_used_at: at("last_used_at")?,
        revoked_at: at("revoked_at")?,
    })
}

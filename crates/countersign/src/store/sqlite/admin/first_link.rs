//! The link that makes the first superuser.

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use super::audit;
use crate::store::StoreError;
use crate::store::admin::FirstLink;
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, first_superuser, logged};
use crate::store::sql::statements;
use crate::store::sqlite::{SqliteStore, users};
use crate::user::{NewUser, User};

#[async_trait]
impl FirstLink for SqliteStore {
    async fn make_first_link(&self, fresh: [u8; 32]) -> Result<Option<[u8; 32]>, StoreError> {
        self.writer.run(move |c| make(c, fresh)).await
    }

    async fn first_link(&self) -> Result<Option<[u8; 32]>, StoreError> {
        self.readers.run(open).await
    }

    async fn use_first_link(
        &self,
        token: [u8; 32],
        new: NewUser,
        ip: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<Option<User>, StoreError> {
        self.writer.run(move |c| take(c, token, &new, ip, now)).await.map(logged)
    }
}

pub(super) fn make(connection: &Connection, fresh: [u8; 32]) -> Result<Option<[u8; 32]>, Failure> {
    connection.execute(
        "INSERT INTO first_link (place, token)
         SELECT 1, ? WHERE NOT EXISTS (SELECT 1 FROM users WHERE is_superuser)
         ON CONFLICT (place) DO UPDATE SET token = excluded.token, used = 0 WHERE used",
        [fresh],
    )?;
    open(connection)
}

pub(super) fn open(connection: &Connection) -> Result<Option<[u8; 32]>, Failure> {
    let mut statement = connection.prepare_cached(statements::OPEN_FIRST_LINK)?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?)
}

pub(super) fn take(
    connection: &Connection,
    token: [u8; 32],
    new: &NewUser,
    ip: Option<IpAddr>,
    now: Timestamp,
) -> Acted<Option<User>, StoreError> {
    let closed = connection.execute(
        "UPDATE first_link SET used = 1
         WHERE token = ? AND NOT used AND NOT EXISTS (SELECT 1 FROM users WHERE is_superuser)",
        [token],
    )?;
    if closed == 0 {
        return Ok((None, Vec::new()));
    }
    let user = users::create(connection, new, now)?;
    let entry = first_superuser(user.id, &user.username, ip, now);
    audit::noted(connection, Some(user), vec![entry])
}

//! What PostgreSQL keeps about one user.

use async_trait::async_trait;
use deadpool_postgres::Object;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::PostgresStore;
use super::admin::audit;
use super::columns::{from_micros, get, micros};
use super::{factor_row, outbox, sessions, tokens};
use crate::store::failure::Failure;
use crate::store::{ExportStore, Kept, KeptAdminSession, KeptKind, KeptPlace, StoreError};
use crate::user::UserId;

#[async_trait]
impl ExportStore for PostgresStore {
    async fn kept(
        &self,
        user: UserId,
        kind: KeptKind,
        after: Option<KeptPlace>,
        limit: u32,
    ) -> Result<Vec<(KeptPlace, Kept)>, StoreError> {
        read!(self, client => kept(client, user, kind, after, limit))
    }
}

async fn kept(
    client: &Object,
    user: UserId,
    kind: KeptKind,
    after: Option<KeptPlace>,
    limit: u32,
) -> Result<Vec<(KeptPlace, Kept)>, Failure> {
    let after = after.unwrap_or(KeptPlace { at: i64::MIN, id: i64::MIN });
    let (name, limit) = (user.to_string(), i64::from(limit));
    let placed: [&(dyn ToSql + Sync); 4] = [&name, &after.at, &after.id, &limit];
    let by_id: [&(dyn ToSql + Sync); 3] = [&name, &after.id, &limit];
    match kind {
        KeptKind::Session => {
            let sql = format!(
                "SELECT {} FROM sessions WHERE user_id = $1 AND (created_at, id) > ($2, $3)
                 ORDER BY created_at, id LIMIT $4",
                sessions::COLUMNS
            );
            all(client, &sql, &placed, |row| {
                let session = sessions::session(row)?;
                let place = KeptPlace {
                    at: micros(session.created_at),
                    id: session.id.get().cast_signed(),
                };
                Ok((place, Kept::Session(Box::new(session))))
            })
            .await
        }
        KeptKind::AdminSession => {
            let own = [&user.as_i64() as &(dyn ToSql + Sync), &after.at, &after.id, &limit];
            let rows = all(client, ADMIN_SESSIONS, &own, |row| {
                let session = KeptAdminSession {
                    created_at: from_micros(get(row, "created_at")?),
                    used_at: from_micros(get(row, "used_at")?),
                    ip: get::<Option<&str>>(row, "ip")?.and_then(|ip| ip.parse().ok()),
                    user_agent: get(row, "user_agent")?,
                };
                let place = KeptPlace { at: micros(session.created_at), id: get(row, "place")? };
                Ok((place, Kept::AdminSession(session)))
            });
            rows.await
        }
        KeptKind::Factor => {
            let sql = format!(
                "SELECT {} FROM factors WHERE user_id = $1 AND (created_at, id) > ($2, $3)
                 ORDER BY created_at, id LIMIT $4",
                factor_row::COLUMNS
            );
            all(client, &sql, &placed, |row| {
                let factor = factor_row::factor(row)?;
                let place = KeptPlace { at: micros(factor.created_at), id: factor.id.as_i64() };
                Ok((place, Kept::Factor(Box::new(factor))))
            })
            .await
        }
        KeptKind::Token => {
            let sql = format!(
                "SELECT {} FROM one_time_tokens
                 WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3",
                tokens::COLUMNS
            );
            all(client, &sql, &by_id, |row| {
                let token = tokens::token(row)?;
                let place = KeptPlace { at: 0, id: token.id.as_i64() };
                Ok((place, Kept::Token(Box::new(token))))
            })
            .await
        }
        KeptKind::Mail => {
            let sql = format!(
                "SELECT {} FROM outbox WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3",
                outbox::COLUMNS
            );
            all(client, &sql, &by_id, |row| {
                let mail = outbox::outbox_row(row)?;
                Ok((KeptPlace { at: 0, id: mail.id }, Kept::Mail(Box::new(mail))))
            })
            .await
        }
        KeptKind::Line => {
            let sql = format!(
                "SELECT {} FROM audit_events WHERE user_id = $1 AND (at, id) > ($2, $3)
                 ORDER BY at, id LIMIT $4",
                audit::COLUMNS
            );
            all(client, &sql, &placed, |row| {
                let line = audit::audit_row(row)?;
                let place = KeptPlace { at: micros(line.line.at), id: line.id };
                Ok((place, Kept::Line(Box::new(line))))
            })
            .await
        }
    }
}

async fn all(
    client: &Object,
    sql: &str,
    params: &[&(dyn ToSql + Sync)],
    read: impl Fn(&Row) -> Result<(KeptPlace, Kept), Failure>,
) -> Result<Vec<(KeptPlace, Kept)>, Failure> {
    let statement = client.prepare_cached(sql).await?;
    client.query(&statement, params).await?.iter().map(read).collect()
}

/// Ordered by when they began, and by a number made of the hash.
const ADMIN_SESSIONS: &str = "SELECT created_at, used_at, ip, user_agent, place FROM (
         SELECT *, hashtextextended(encode(token_hash, 'hex'), 0) AS place
         FROM admin_sessions WHERE user_id = $1
     ) AS own WHERE (created_at, place) > ($2, $3) ORDER BY created_at, place LIMIT $4";

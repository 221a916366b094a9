//! What SQLite keeps about one user.

use async_trait::async_trait;
use rusqlite::{Connection, ToSql, named_params};

use super::SqliteStore;
use super::admin::audit;
use super::columns::{from_micros, key, micros};
use super::session_row::{LISTED, session};
use super::{factor_row, outbox, tokens};
use crate::store::failure::Failure;
use crate::store::{ExportStore, Kept, KeptAdminSession, KeptKind, KeptPlace, StoreError};
use crate::user::UserId;

#[async_trait]
impl ExportStore for SqliteStore {
    async fn kept(
        &self,
        user: UserId,
        kind: KeptKind,
        after: Option<KeptPlace>,
        limit: u32,
    ) -> Result<Vec<(KeptPlace, Kept)>, StoreError> {
        self.readers.run(move |c| kept(c, user, kind, after, limit)).await
    }
}

fn kept(
    connection: &Connection,
    user: UserId,
    kind: KeptKind,
    after: Option<KeptPlace>,
    limit: u32,
) -> Result<Vec<(KeptPlace, Kept)>, Failure> {
    let after = after.unwrap_or(KeptPlace { at: i64::MIN, id: i64::MIN });
    let user = key(user);
    let placed: &[(&str, &dyn ToSql)] = named_params! {
        ":user": user, ":at": after.at, ":id": after.id, ":limit": limit,
    };
    let by_id: &[(&str, &dyn ToSql)] =
        named_params! { ":user": user, ":id": after.id, ":limit": limit };
    match kind {
        KeptKind::Session => all(connection, &sessions(), placed, |row| {
            let session = session(row)?;
            let place =
                KeptPlace { at: micros(session.created_at), id: session.id.get().cast_signed() };
            Ok((place, Kept::Session(Box::new(session))))
        }),
        KeptKind::AdminSession => all(connection, ADMIN_SESSIONS, by_id, |row| {
            let session = KeptAdminSession {
                created_at: from_micros(row.get(1)?),
                used_at: from_micros(row.get(2)?),
                ip: row.get::<_, Option<String>>(3)?.and_then(|ip| ip.parse().ok()),
                user_agent: row.get(4)?,
            };
            Ok((KeptPlace { at: 0, id: row.get(0)? }, Kept::AdminSession(session)))
        }),
        KeptKind::Factor => {
            let sql = format!(
                "SELECT {} FROM factors WHERE user_id = :user AND (created_at, id) > (:at, :id)
                 ORDER BY created_at, id LIMIT :limit",
                factor_row::COLUMNS
            );
            all(connection, &sql, placed, |row| {
                let factor = factor_row::factor(row)?;
                let place = KeptPlace { at: micros(factor.created_at), id: factor.id.as_i64() };
                Ok((place, Kept::Factor(Box::new(factor))))
            })
        }
        KeptKind::Token => {
            let sql = format!(
                "SELECT {} FROM one_time_tokens
                 WHERE user_id = :user AND id > :id ORDER BY id LIMIT :limit",
                tokens::COLUMNS
            );
            all(connection, &sql, by_id, |row| {
                let token = tokens::token(row)?;
                let place = KeptPlace { at: 0, id: token.id.as_i64() };
                Ok((place, Kept::Token(Box::new(token))))
            })
        }
        KeptKind::Mail => {
            let sql = format!(
                "SELECT {} FROM outbox WHERE user_id = :user AND id > :id ORDER BY id LIMIT :limit",
                outbox::COLUMNS
            );
            all(connection, &sql, by_id, |row| {
                let mail = outbox::outbox_row(row)?;
                Ok((KeptPlace { at: 0, id: mail.id }, Kept::Mail(Box::new(mail))))
            })
        }
        KeptKind::Line => {
            let sql = format!(
                "SELECT {} FROM audit_events WHERE user_id = :user AND (at, id) > (:at, :id)
                 ORDER BY at, id LIMIT :limit",
                audit::COLUMNS
            );
            all(connection, &sql, placed, |row| {
                let line = audit::row(row)?;
                let place = KeptPlace { at: micros(line.line.at), id: line.id };
                Ok((place, Kept::Line(Box::new(line))))
            })
        }
    }
}

fn all(
    connection: &Connection,
    sql: &str,
    params: &[(&str, &dyn ToSql)],
    read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<(KeptPlace, Kept)>,
) -> Result<Vec<(KeptPlace, Kept)>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_map(params, read)?.collect::<Result<_, _>>()?)
}

/// Live sessions and ended ones have an index each.
fn sessions() -> String {
    let of = |index: &str, which: &str| {
        format!(
            "SELECT * FROM (
                 SELECT {LISTED} FROM sessions INDEXED BY {index}
                 WHERE user_id = :user AND revoked_at {which} AND (created_at, id) > (:at, :id)
                 ORDER BY created_at, id LIMIT :limit)"
        )
    };
    let (live, ended) = (of("sessions_live", "IS NULL"), of("sessions_ended", "IS NOT NULL"));
    format!("{live} UNION ALL {ended} ORDER BY created_at, id LIMIT :limit")
}

const ADMIN_SESSIONS: &str = "SELECT rowid, created_at, used_at, ip, user_agent FROM admin_sessions
     WHERE user_id = :user AND rowid > :id ORDER BY rowid LIMIT :limit";

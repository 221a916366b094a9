//! Sessions of users, as the admin site lists and ends them.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::audit;
use super::lists::{self, DIALECT, few};
use super::operators::operator;
use crate::session::{RevokedReason, Session, SessionId};
use crate::store::StoreError;
use crate::store::admin::steps::steps_of;
use crate::store::admin::{
    Actor, AdminError, AfterRestore, AuditKind, Count, Page, SessionAdmin, SessionSearch, Step,
};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, ended_by, line, logged, restored_backup};
use crate::store::sql::lists::COUNTED;
use crate::store::sql::searches;
use crate::store::sql::statements;
use crate::store::sqlite::columns::micros;
use crate::store::sqlite::factors::change_version;
use crate::store::sqlite::sessions::{by_id, revoke, revoke_begun_by, revoke_of_user};
use crate::store::sqlite::{SqliteStore, users};
use crate::user::UserId;

#[async_trait]
impl SessionAdmin for SqliteStore {
    async fn find_sessions(&self, asked: &SessionSearch) -> Result<Page<Session>, StoreError> {
        let asked = asked.clone();
        self.readers.run(move |c| find(c, &asked)).await
    }

    async fn count_live_sessions(
        &self,
        used_since: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.readers.run(move |c| count_live(c, used_since, now)).await
    }

    async fn session_steps(&self, id: SessionId) -> Result<Vec<Step>, StoreError> {
        self.readers.run(move |c| steps(c, id)).await
    }

    async fn end_sessions(&self, ids: &[SessionId], by: &Actor) -> Result<u64, AdminError> {
        let (ids, by) = (ids.to_vec(), by.clone());
        self.writer.run(move |c| end(c, &ids, &by)).await.map(logged)
    }

    async fn end_user_sessions(&self, user: UserId, by: &Actor) -> Result<u64, AdminError> {
        let by = by.clone();
        self.writer.run(move |c| end_of_user(c, user, &by)).await.map(logged)
    }

    async fn end_sessions_begun_by(&self, began: Timestamp, by: &Actor) -> Result<u64, AdminError> {
        let by = by.clone();
        self.writer.run(move |c| end_begun_by(c, began, &by)).await.map(logged)
    }

    async fn after_restore(
        &self,
        backup: Timestamp,
        by: &Actor,
    ) -> Result<AfterRestore, AdminError> {
        let by = by.clone();
        self.writer.run(move |c| after_restore(c, backup, &by)).await.map(logged)
    }
}

pub(super) fn find(
    connection: &Connection,
    asked: &SessionSearch,
) -> Result<Page<Session>, Failure> {
    let listing = searches::sessions(asked, &DIALECT);
    let listed = lists::list(connection, &listing)?;
    let count = lists::count(connection, &listing, &listed, "sessions", count_all)?;
    let mut rows = Vec::with_capacity(listed.rows.len());
    for at in &listed.rows {
        rows.extend(
            SessionId::new(at.id.cast_unsigned())
                .map(|id| by_id(connection, id))
                .transpose()?
                .flatten(),
        );
    }
    Ok(Page { rows, next: listed.next, previous: listed.previous, count })
}

/// Every session.
pub(super) fn count_all(connection: &Connection) -> Result<Count, Failure> {
    match few(connection, "sessions")? {
        Some(few) => Ok(Count::Exactly(few)),
        None => lists::estimate(
            connection,
            &searches::sessions(&SessionSearch::default(), &DIALECT),
            "sessions",
            COUNTED,
        ),
    }
}

pub(super) fn count_live(
    connection: &Connection,
    used_since: Timestamp,
    now: Timestamp,
) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached(statements::COUNT_LIVE_SESSIONS)?;
    Ok(statement.query_row(params![micros(now), micros(used_since)], |row| row.get(0))?)
}

pub(super) fn steps(connection: &Connection, id: SessionId) -> Result<Vec<Step>, Failure> {
    let column: Option<Option<Vec<u8>>> = connection
        .prepare_cached(statements::STEPS_OF)?
        .query_row([id.get().cast_signed()], |row| row.get(0))
        .optional()?;
    Ok(steps_of(&column.flatten().unwrap_or_default()))
}

pub(super) fn end(connection: &Connection, ids: &[SessionId], by: &Actor) -> Acted<u64> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    let mut lines = Vec::new();
    for id in ids {
        let Some(session) = by_id(connection, *id)? else { continue };
        if revoke(connection, *id, None, RevokedReason::Admin, by.now)? {
            lines.push(line(by, AuditKind::SessionsEnded, Some(session.user_id), Some(*id), ""));
        }
    }
    audit::noted(connection, lines.len() as u64, lines)
}

pub(super) fn end_of_user(connection: &Connection, id: UserId, by: &Actor) -> Acted<u64> {
    let user = users::by_id(connection, id)?.ok_or(AdminError::Gone)?;
    by.is_let(operator(connection, by)?.as_ref(), std::iter::once((&user, &user)))?;
    // Every device is asked for a factor again, as after the user's own logout everywhere.
    change_version(connection, id, None)?;
    let ended = revoke_of_user(connection, id, None, RevokedReason::Admin, by.now)?;
    audit::noted(
        connection,
        ended,
        vec![line(by, AuditKind::SessionsEnded, Some(id), None, user.username)],
    )
}

pub(super) fn end_begun_by(connection: &Connection, began: Timestamp, by: &Actor) -> Acted<u64> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    let ended = revoke_begun_by(connection, began, by.now)?;
    audit::noted(connection, ended, vec![ended_by(began, by)])
}

pub(super) fn after_restore(
    connection: &Connection,
    backup: Timestamp,
    by: &Actor,
) -> Acted<AfterRestore> {
    by.is_let_give(operator(connection, by)?.as_ref(), &[])?;
    let sessions = revoke_begun_by(connection, backup, by.now)?;
    let admin_sessions = connection
        .prepare_cached(statements::END_ADMIN_SESSIONS_BEGUN_BY)?
        .execute([micros(backup)])?;
    let links = connection
        .prepare_cached(
            "UPDATE one_time_tokens SET used_at = ?1
             WHERE created_at <= ?2 AND used_at IS NULL AND purpose <> 'undo'",
        )?
        .execute(params![micros(by.now), micros(backup)])?;
    let (admin_sessions, links) = (admin_sessions as u64, links as u64);
    let ended = AfterRestore { sessions, admin_sessions, links };
    audit::noted(connection, ended, vec![restored_backup(backup, by)])
}

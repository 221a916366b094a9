//! Sessions of users, as the admin site lists and ends them.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use super::audit;
use super::lists::{self, DIALECT, few};
use super::users::operator;
use crate::session::{RevokedReason, Session, SessionId};
use crate::store::StoreError;
use crate::store::admin::lists::COUNTED;
use crate::store::admin::searches;
use crate::store::admin::steps::steps_of;
use crate::store::admin::told::{Acted, ended_by, line};
use crate::store::admin::{Actor, AdminError, AuditKind, Count, Page, SessionSearch, Step};
use crate::store::sqlite::columns::micros;
use crate::store::sqlite::sessions::{by_id, revoke, revoke_begun_by, revoke_of_user};
use crate::store::sqlite::users;
use crate::user::UserId;

pub(super) fn find(
    connection: &Connection,
    asked: &SessionSearch,
) -> Result<Page<Session>, StoreError> {
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
pub(super) fn count_all(connection: &Connection) -> Result<Count, StoreError> {
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
) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM sessions WHERE revoked_at IS NULL AND \
            expires_at > ? AND last_used_at > ?",
    )?;
    Ok(statement.query_row(params![micros(now), micros(used_since)], |row| row.get(0))?)
}

pub(super) fn steps(connection: &Connection, id: SessionId) -> Result<Vec<Step>, StoreError> {
    let column: Option<Option<Vec<u8>>> = connection
        .prepare_cached("SELECT steps FROM sessions WHERE id = ?")?
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

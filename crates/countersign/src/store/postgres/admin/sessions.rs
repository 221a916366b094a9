//! Sessions of users, as the admin site lists and ends them.

use std::collections::HashMap;

use async_trait::async_trait;
use deadpool_postgres::Object;
use jiff::Timestamp;

use super::audit;
use super::lists::{self, DIALECT, few};
use super::operators::hold;
use super::users::end_sessions;
use crate::session::{RevokedReason, Session, SessionId};
use crate::store::StoreError;
use crate::store::admin::steps::steps_of;
use crate::store::admin::{
    Actor, AdminError, AfterRestore, AuditKind, AuditLine, Count, Page, SessionAdmin,
    SessionSearch, Step,
};
use crate::store::failure::Failure;
use crate::store::plan::audit_lines::{Acted, ended_by, line, logged, restored_backup};
use crate::store::postgres::columns::{get, micros, user_id};
use crate::store::postgres::sessions::{
    BEFORE_ALL_OWNERS, COLUMNS, raise_some_versions, revoke_some_begun_by, session,
};
use crate::store::postgres::{PostgresStore, factors, users};
use crate::store::sql::lists::COUNTED;
use crate::store::sql::searches;
use crate::store::sql::statements;
use crate::user::UserId;

#[async_trait]
impl SessionAdmin for PostgresStore {
    async fn find_sessions(&self, asked: &SessionSearch) -> Result<Page<Session>, StoreError> {
        read!(self, client => find(client, asked))
    }

    async fn count_live_sessions(
        &self,
        used_since: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        read!(self, client => count_live(client, used_since, now))
    }

    async fn session_steps(&self, id: SessionId) -> Result<Vec<Step>, StoreError> {
        read!(self, client => steps(client, id))
    }

    async fn end_sessions(&self, ids: &[SessionId], by: &Actor) -> Result<u64, AdminError> {
        write!(self, client => end(client, ids, by)).map(logged)
    }

    async fn end_user_sessions(&self, user: UserId, by: &Actor) -> Result<u64, AdminError> {
        write!(self, client => end_of_user(client, user, by)).map(logged)
    }

    async fn end_sessions_begun_by(&self, began: Timestamp, by: &Actor) -> Result<u64, AdminError> {
        self.end_all_begun_by(began, by, ended_by(began, by)).await
    }

    async fn after_restore(
        &self,
        backup: Timestamp,
        by: &Actor,
    ) -> Result<AfterRestore, AdminError> {
        let sessions = self.end_all_begun_by(backup, by, restored_backup(backup, by)).await?;
        let admin_sessions = write!(self, client => end_admin_sessions(client, backup))?;
        let (mut links, mut from) = (0, Some(BEFORE_ALL_TOKENS));
        while let Some(after) = from {
            let (more, next) =
                write!(self, client => end_some_tokens(client, after, backup, by.now))?;
            (links, from) = (links + more, next);
        }
        Ok(AfterRestore { sessions, admin_sessions, links })
    }
}

impl PostgresStore {
    /// Ends them page by page; the line comes with the first ones.
    async fn end_all_begun_by(
        &self,
        began: Timestamp,
        by: &Actor,
        entry: AuditLine,
    ) -> Result<u64, AdminError> {
        let first = write!(self, client => end_first_begun_by(client, began, by, &entry));
        let (mut ended, mut from, mut owners) = first.map(logged)?;
        while let Some(after) = owners {
            owners = write!(self, client => raise_some_versions(client, after))?;
        }
        while let Some(at) = from {
            let (more, next) =
                write!(self, client => revoke_some_begun_by(&*client, at, began, by.now))?;
            (ended, from) = (ended + more, next);
        }
        Ok(ended)
    }
}

pub(super) async fn find(client: &Object, asked: &SessionSearch) -> Result<Page<Session>, Failure> {
    let listing = searches::sessions(asked, &DIALECT);
    let listed = lists::list(client, &listing).await?;
    let count = match listing.filters {
        0 => count_all(client).await?,
        _ => lists::count(client, &listing, &listed, "sessions").await?,
    };
    let statement = client
        .prepare_cached(&format!("SELECT {COLUMNS} FROM sessions WHERE id = ANY($1)"))
        .await?;
    let mut found = HashMap::new();
    for row in client.query(&statement, &[&listed.ids]).await? {
        found.insert(get::<i64>(&row, "id")?, session(&row)?);
    }
    let rows = listed.ids.iter().filter_map(|id| found.remove(id)).collect();
    Ok(Page { rows, next: listed.next, previous: listed.previous, count })
}

/// Every session.
pub(super) async fn count_all(client: &Object) -> Result<Count, Failure> {
    match few(client, "sessions").await? {
        Some(few) => Ok(Count::Exactly(few)),
        None => {
            lists::estimate(
                client,
                &searches::sessions(&SessionSearch::default(), &DIALECT),
                "sessions",
                COUNTED,
            )
            .await
        }
    }
}

pub(super) async fn count_live(
    client: &Object,
    used_since: Timestamp,
    now: Timestamp,
) -> Result<u64, Failure> {
    let statement = client.prepare_cached(statements::COUNT_LIVE_SESSIONS).await?;
    let row = client.query_one(&statement, &[&micros(now), &micros(used_since)]).await?;
    Ok(row.try_get::<_, i64>(0)?.unsigned_abs())
}

pub(super) async fn steps(client: &Object, id: SessionId) -> Result<Vec<Step>, Failure> {
    let statement = client.prepare_cached(statements::STEPS_OF).await?;
    let row = client.query_opt(&statement, &[&id.get().cast_signed()]).await?;
    let column: Option<Vec<u8>> = row.map(|row| row.try_get(0)).transpose()?.flatten();
    Ok(steps_of(&column.unwrap_or_default()))
}

pub(super) async fn end(client: &mut Object, ids: &[SessionId], by: &Actor) -> Acted<u64> {
    let transaction = client.transaction().await?;
    by.is_let_give(hold(&transaction, &[], by).await?.as_ref(), &[])?;
    let ids: Vec<i64> = ids.iter().map(|id| id.get().cast_signed()).collect();
    let ended = transaction
        .query(
            "WITH own AS (
                 SELECT id FROM sessions WHERE id = ANY($1) AND revoked_at IS NULL
                     AND expires_at > $2 ORDER BY id FOR UPDATE
             )
             UPDATE sessions SET revoked_at = $2, revoked_reason = $3
                 WHERE id IN (SELECT id FROM own) RETURNING id, user_id",
            &[&ids, &micros(by.now), &RevokedReason::Admin.as_str()],
        )
        .await?;
    let mut lines = Vec::with_capacity(ended.len());
    for row in &ended {
        let session = SessionId::new(get::<i64>(row, "id")?.cast_unsigned());
        lines.push(line(
            by,
            AuditKind::SessionsEnded,
            Some(user_id(get(row, "user_id")?)?),
            session,
            "",
        ));
    }
    audit::noted(transaction, lines.len() as u64, lines).await
}

pub(super) async fn end_of_user(client: &mut Object, id: UserId, by: &Actor) -> Acted<u64> {
    let transaction = client.transaction().await?;
    let operator = hold(&transaction, &[id], by).await?;
    let user = users::by_id(&transaction, id).await?.ok_or(AdminError::Gone)?;
    by.is_let(operator.as_ref(), std::iter::once((&user, &user)))?;
    let ended = end_sessions(&transaction, &[id], RevokedReason::Admin, by.now).await?;
    let entry = line(by, AuditKind::SessionsEnded, Some(id), None, user.username);
    audit::noted(transaction, ended, vec![entry]).await
}

/// How many of them ended, and from where to go on: with the sessions, and with those who have a
/// second factor.
type First = (u64, Option<Timestamp>, Option<i64>);

/// Ends the first of them, and has the first devices asked for a second factor again. The line
/// comes with them.
pub(super) async fn end_first_begun_by(
    client: &mut Object,
    began: Timestamp,
    by: &Actor,
    entry: &AuditLine,
) -> Acted<First> {
    let transaction = client.transaction().await?;
    by.is_let_give(hold(&transaction, &[], by).await?.as_ref(), &[])?;
    let owners = factors::change_some_versions(&transaction, BEFORE_ALL_OWNERS).await?;
    let (ended, from) = revoke_some_begun_by(&transaction, Timestamp::MIN, began, by.now).await?;
    audit::noted(transaction, (ended, from, owners), vec![entry.clone()]).await
}

async fn end_admin_sessions(client: &Object, began: Timestamp) -> Result<u64, Failure> {
    let statement = client.prepare_cached(statements::END_ADMIN_SESSIONS_BEGUN_BY).await?;
    Ok(client.execute(&statement, &[&micros(began)]).await?)
}

/// Ends the next ones of the links that were mailed by a time, but for undos: how many, and how far
/// it came.
async fn end_some_tokens(
    client: &Object,
    after: i64,
    issued: Timestamp,
    now: Timestamp,
) -> Result<(u64, Option<i64>), Failure> {
    let statement = client
        .prepare_cached(
            "WITH next AS (
                 SELECT id FROM one_time_tokens WHERE id > $1 AND created_at <= $2
                     AND used_at IS NULL AND purpose <> 'undo' ORDER BY id LIMIT $4 FOR UPDATE
             ), ended AS (
                 UPDATE one_time_tokens SET used_at = $3 WHERE id IN (SELECT id FROM next)
                     RETURNING id
             )
             SELECT count(*) AS ended, max(id) AS reached FROM ended",
        )
        .await?;
    let row = client
        .query_one(&statement, &[&after, &micros(issued), &micros(now), &TOKENS_AT_ONCE])
        .await?;
    let ended: i64 = get(&row, "ended")?;
    Ok((ended.unsigned_abs(), get(&row, "reached")?))
}

/// No token's id is negative.
const BEFORE_ALL_TOKENS: i64 = -1;

/// A few hundredths of a second.
const TOKENS_AT_ONCE: i64 = 1_000;

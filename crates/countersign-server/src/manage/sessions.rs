//! Sessions: a user's, to list and to end.

use axum::extract::State;
use axum::response::Response;
use countersign::http::Problem;
use countersign::session::SessionId;
use countersign::store::admin::SessionSearch;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{NoQuery, Path, Query};
use super::caller::Caller;
use super::refusal::{gone, refused};
use super::shown::{ShownSession, done, shown};
use super::state::Manage;
use super::users::record;
use crate::admin::rules::{Permit, may_end_sessions};
use crate::cursor;

/// A page of sessions.
#[derive(Serialize, ToSchema)]
pub(super) struct SessionList {
    /// The sessions, the last begun first.
    sessions: Vec<ShownSession>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

/// What was ended.
#[derive(Serialize, ToSchema)]
pub(super) struct EndedSessions {
    /// How many sessions were live.
    ended: u64,
}

#[utoipa::path(
    get,
    path = "/manage/v1/users/{id}/sessions",
    tag = "sessions",
    summary = "List a user's sessions",
    params(
        ("id" = i64, Path, description = "The user's id"),
        ("live" = Option<bool>, Query, description = "Only live or only ended ones"),
        ("cursor" = Option<String>, Query, description = "Where the page begins"),
        ("limit" = Option<u32>, Query, description = "At most so many: 1 to 1,000, or 100"),
    ),
    responses(
        (status = 200, description = "A page of them", body = SessionList),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    mut query: Query,
) -> Result<Response, Problem> {
    caller.needs(Permit::ViewSession)?;
    let live = query.flag("live")?;
    let (from, limit) = query.page()?;
    query.end()?;
    let user = record(&manage, &id).await?.user;
    let now = manage.now();
    let asked =
        SessionSearch { user: Some(user.id), live, now, from, limit, ..SessionSearch::default() };
    let page = manage.services.store.find_sessions(&asked).await?;
    Ok(shown(&SessionList {
        sessions: page.rows.iter().map(ShownSession::of).collect(),
        next: page.next.as_ref().map(cursor::encode),
    }))
}

#[utoipa::path(
    delete,
    path = "/manage/v1/users/{id}/sessions",
    tag = "sessions",
    summary = "End all sessions of a user",
    params(("id" = i64, Path, description = "The user's id")),
    responses(
        (status = 200, description = "They are over, those of the admin site too", body =
            EndedSessions),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn end_all(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    caller.needs(Permit::DeleteSession)?;
    let user = record(&manage, &id).await?.user;
    let operator = caller.operator(&manage, may_end_sessions)?;
    let ended = operator.end_user_sessions(user.id).await.map_err(refused)?;
    manage.auth.catch_up().await?;
    Ok(shown(&EndedSessions { ended }))
}

#[utoipa::path(
    delete,
    path = "/manage/v1/sessions/{sid}",
    tag = "sessions",
    summary = "End a session",
    params(("sid" = String, Path, description = "The session's id")),
    responses(
        (status = 204, description = "It is over"),
        (status = 404, description = "not_found: there is no such session, or it has ended"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn end(
    State(manage): State<Manage>,
    caller: Caller,
    Path(sid): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    caller.needs(Permit::DeleteSession)?;
    let sid: SessionId = sid.parse().map_err(|_| gone())?;
    let operator = caller.operator(&manage, may_end_sessions)?;
    if operator.end_sessions(&[sid]).await.map_err(refused)? == 0 {
        return Err(gone());
    }
    manage.auth.catch_up().await?;
    Ok(done())
}

//! `/manage/v1/groups`: groups, and what each gives its members.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, ETAG};
use axum::response::{IntoResponse, Response};
use countersign::http::{Code, Problem};
use countersign::store::admin::{AdminError, Fingerprint, GroupRecord, Rule};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::asked::{NoQuery, Path, Query, if_match};
use super::caller::Caller;
use super::change::MOST_TRIES;
use super::create::wrong;
use super::grants::{permission_ids, permission_names};
use super::refusal::{gone, is_stale, refused};
use super::shown::{NO_STORE, ShownCount, done, location, shown, tag};
use super::state::Manage;
use crate::admin::rules::{
    Permit, may_add_group, may_change_group, may_rename_group, may_rename_groups, rule_of_deletion,
};

/// A page of groups.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupPage {
    /// The groups, by name.
    groups: Vec<ShownGroup>,
    /// What is `after` for the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

/// A group.
#[derive(Serialize, ToSchema)]
struct ShownGroup {
    /// The id.
    id: i64,
    /// The name.
    name: String,
    /// How many permissions it gives.
    permissions: u64,
    /// How many members it has.
    members: ShownCount,
}

/// A group, with what it gives.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GroupDetail {
    /// The id.
    #[schema(example = 3)]
    id: i64,
    /// The name.
    #[schema(example = "editors")]
    name: String,
    /// What it gives its members, as `app.codename`.
    permissions: Vec<String>,
}

/// A group as it is to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupRequest {
    /// The name, which no other group has.
    #[schema(example = "editors", max_length = 150)]
    name: String,
    /// All that it gives its members, as `app.codename`.
    permissions: Vec<String>,
}

#[utoipa::path(
    get,
    path = "/manage/v1/groups",
    tag = "groups",
    summary = "List groups",
    params(
        ("prefix" = Option<String>, Query, description = "What their names begin with"),
        ("after" = Option<String>, Query, description = "Only names behind this one"),
        ("limit" = Option<u32>, Query, description = "At most so many: 1 to 1,000, or 100"),
    ),
    responses((status = 200, description = "A page of them", body = GroupPage)),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    State(manage): State<Manage>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    caller.needs(Permit::ViewGroup)?;
    let (prefix, after) = (query.take("prefix").unwrap_or_default(), query.take("after"));
    let limit = query.limit()?;
    query.end()?;
    // One more, which tells whether there is another page.
    let mut rows =
        manage.services.store.groups(&prefix, after.as_deref(), limit.saturating_add(1)).await?;
    let goes_on = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| goes_on).map(|row| row.name.clone());
    let groups = rows.into_iter().map(|row| ShownGroup {
        id: row.id,
        name: row.name,
        permissions: row.permissions,
        members: row.members.into(),
    });
    Ok(shown(&GroupPage { groups: groups.collect(), next }))
}

#[utoipa::path(
    post,
    path = "/manage/v1/groups",
    tag = "groups",
    summary = "Make a group",
    request_body = GroupRequest,
    responses((status = 201, description = "The group; the header `Location` says where it is",
        body = GroupDetail)),
    security(("bearer" = [])),
)]
pub(super) async fn create(
    State(manage): State<Manage>,
    caller: Caller,
    _: NoQuery,
    request: Request<Body>,
) -> Result<Response, Problem> {
    caller.needs(Permit::AddGroup)?;
    let asked: GroupRequest = caller.body(&manage, request).await?;
    let id = asked.save(&manage, &caller, None, None).await?;
    let record = record(&manage, &id.to_string()).await?;
    let headers = [
        location(&format!("/manage/v1/groups/{id}")),
        (ETAG, tag(record.fingerprint)),
        (CACHE_CONTROL, NO_STORE),
    ];
    let group = GroupDetail::of(&manage, record).await?;
    Ok((StatusCode::CREATED, headers, Json(group)).into_response())
}

#[utoipa::path(
    get,
    path = "/manage/v1/groups/{id}",
    tag = "groups",
    summary = "Read a group",
    params(("id" = i64, Path, description = "The group's id")),
    responses((status = 200, description = "The group; the header `ETag` is what a change wants as \
        `If-Match`", body = GroupDetail)),
    security(("bearer" = [])),
)]
pub(super) async fn read(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    caller.needs(Permit::ViewGroup)?;
    answer(&manage, record(&manage, &id).await?).await
}

#[utoipa::path(
    put,
    path = "/manage/v1/groups/{id}",
    tag = "groups",
    summary = "Change a group",
    params(
        ("id" = i64, Path, description = "The group's id"),
        ("If-Match" = String, Header, description = "The `ETag` of what was read, or `*`"),
    ),
    request_body = GroupRequest,
    responses((status = 200, description = "The group as it is now", body = GroupDetail)),
    security(("bearer" = [])),
)]
pub(super) async fn change(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    request: Request<Body>,
) -> Result<Response, Problem> {
    caller.needs(Permit::ChangeGroup)?;
    let seen = if_match(request.headers())?;
    let asked: GroupRequest = caller.body(&manage, request).await?;
    let mut tries = 0;
    loop {
        let before = record(&manage, &id).await?;
        tries += 1;
        match asked.clone().save(&manage, &caller, Some(&before), seen).await {
            Err(problem) if is_stale(&problem) && seen.is_none() && tries < MOST_TRIES => {}
            saved => {
                saved?;
                break;
            }
        }
    }
    answer(&manage, record(&manage, &id).await?).await
}

#[utoipa::path(
    delete,
    path = "/manage/v1/groups/{id}",
    tag = "groups",
    summary = "Delete a group",
    params(("id" = i64, Path, description = "The group's id")),
    responses((status = 204, description = "It is gone, and its members have nothing by it")),
    security(("bearer" = [])),
)]
pub(super) async fn delete(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    caller.needs(Permit::DeleteGroup)?;
    let record = record(&manage, &id).await?;
    let rule = rule_of_deletion(&manage.settings.sign_in.second_factor, &record.name);
    let user = caller.user();
    if !rule(user, user, user) {
        return Err(Problem::new(Code::PermissionDenied).detail(IS_NAMED));
    }
    let operator = caller.operator(&manage, rule)?;
    operator.delete_group(record.id).await.map_err(refused)?;
    manage.auth.catch_up().await?;
    Ok(done())
}

impl GroupRequest {
    /// Makes the group, or has the one that is there become this.
    async fn save(
        self,
        manage: &Manage,
        caller: &Caller,
        before: Option<&GroupRecord>,
        seen: Option<Fingerprint>,
    ) -> Result<i64, Problem> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > NAME_MAX_CHARS || name.contains('\0') {
            let said = format!(
                "Give it a name of 1 to {NAME_MAX_CHARS} characters, none of them \
                NUL."
            );
            return Err(wrong("name", &said));
        }
        let rule: Rule = match before {
            None => may_add_group,
            Some(before) if before.name == name => may_change_group,
            Some(_) if may_rename_groups(caller.user()) => may_rename_group,
            Some(_) => return Err(Problem::new(Code::PermissionDenied).detail(RENAMES)),
        };
        let permissions = permission_ids(manage, "permissions", self.permissions).await?;
        let operator = caller.operator(manage, rule)?;
        // The rule that was chosen is for the name that was read, and so that is what was seen.
        let read = before.map(|before| before.fingerprint);
        if before.is_some() && seen.is_some() && seen != read {
            return Err(refused(AdminError::Stale));
        }
        let seen = read;
        let id = before.map(|before| before.id);
        let id = operator.save_group(id, name, &permissions, seen).await.map_err(refused)?;
        manage.auth.catch_up().await?;
        Ok(id)
    }
}

impl GroupDetail {
    async fn of(manage: &Manage, record: GroupRecord) -> Result<Self, Problem> {
        let permissions = permission_names(manage, &record.permissions).await?;
        Ok(Self { id: record.id, name: record.name, permissions })
    }
}

async fn answer(manage: &Manage, record: GroupRecord) -> Result<Response, Problem> {
    let headers = [(ETAG, tag(record.fingerprint)), (CACHE_CONTROL, NO_STORE)];
    Ok((headers, Json(GroupDetail::of(manage, record).await?)).into_response())
}

async fn record(manage: &Manage, id: &str) -> Result<GroupRecord, Problem> {
    // As it is written, and no other way: an address names one group, and a group has one.
    let id = id.parse::<i64>().ok().filter(|number| number.to_string() == id).ok_or_else(gone)?;
    manage.services.store.group_record(id).await?.ok_or_else(gone)
}

const RENAMES: &str = "Only a superuser renames a group: programs may know it by its name, and \
    with another one its members would be somebody else to them. Nothing was done.";

const IS_NAMED: &str = "Only a superuser deletes a group that the setting second_factor names: its \
    members would need no second factor any more. Nothing was done.";

/// As in Django.
const NAME_MAX_CHARS: usize = 150;

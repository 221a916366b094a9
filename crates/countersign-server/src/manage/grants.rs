//! `GET /manage/v1/permissions`; and the ids of the groups and permissions that a request names.

use std::collections::{BTreeSet, HashMap};

use axum::extract::State;
use axum::response::Response;
use countersign::http::{Code, Problem};
use countersign::store::admin::{Grants, PermissionRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::NoQuery;
use super::caller::Caller;
use super::shown::shown;
use super::state::Manage;
use crate::admin::rules::Permit;

/// Every permission.
#[derive(Serialize, ToSchema)]
pub(super) struct PermissionList {
    /// By their names.
    permissions: Vec<ShownPermission>,
}

/// A permission.
#[derive(Serialize, ToSchema)]
struct ShownPermission {
    /// The id.
    id: i64,
    /// As it is written: `app.codename`.
    #[schema(example = "auth.view_user")]
    name: String,
    /// For people.
    description: String,
}

#[utoipa::path(
    get,
    path = "/manage/v1/permissions",
    tag = "groups",
    summary = "List permissions",
    responses((status = 200, description = "All of them, up to 10,000", body = PermissionList)),
    security(("bearer" = [])),
)]
pub(super) async fn permissions(
    State(manage): State<Manage>,
    caller: Caller,
    _: NoQuery,
) -> Result<Response, Problem> {
    caller.needs(Permit::ViewPermission)?;
    let rows = manage.services.store.permissions().await?;
    let permissions = rows.into_iter().map(|row| ShownPermission {
        id: row.id,
        name: full_name(&row),
        description: row.text.name,
    });
    Ok(shown(&PermissionList { permissions: permissions.collect() }))
}

/// The ids of the groups and permissions that are named; those that are not named stay.
///
/// # Errors
/// A 400 for a name that nothing has.
pub(super) async fn grants_of(
    manage: &Manage,
    groups: Option<Vec<String>>,
    permissions: Option<Vec<String>>,
    before: &Grants,
) -> Result<Grants, Problem> {
    let store = &manage.services.store;
    let mut grants = before.clone();
    if let Some(names) = groups {
        few("groups", &names)?;
        let found = match names.as_slice() {
            [] => Vec::new(),
            names => store.groups_called(&each_once(names)).await?,
        };
        let ids = found.into_iter().map(|(id, name)| (name, id)).collect();
        grants.groups = ids_of(&names, &ids, "groups", "group")?;
    }
    if let Some(names) = permissions {
        grants.permissions = permission_ids(manage, "own_permissions", names).await?;
    }
    grants.groups.sort_unstable();
    grants.groups.dedup();
    Ok(grants)
}

/// The ids of the permissions that a field names, each once.
///
/// # Errors
/// A 400 for a name that nothing has.
pub(super) async fn permission_ids(
    manage: &Manage,
    field: &'static str,
    names: Vec<String>,
) -> Result<Vec<i64>, Problem> {
    few(field, &names)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let all = manage.services.store.permissions().await?;
    let ids = all.iter().map(|row| (full_name(row), row.id)).collect();
    ids_of(&names, &ids, field, "permission")
}

fn each_once(names: &[String]) -> Vec<String> {
    names.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

/// What these names stand for, each once; or a 400 for the first that stands for nothing.
fn ids_of(
    names: &[String],
    ids: &HashMap<String, i64>,
    field: &'static str,
    what: &str,
) -> Result<Vec<i64>, Problem> {
    let mut found = BTreeSet::new();
    for name in names {
        let id = ids.get(name).ok_or_else(|| {
            Problem::new(Code::ValidationError)
                .field(field, format!("There is no {what} {name:?}."))
        })?;
        found.insert(*id);
    }
    Ok(found.into_iter().collect())
}

/// The names of these permissions, such as those that a user was given alone.
///
/// # Errors
/// The store's.
pub(super) async fn permission_names(manage: &Manage, ids: &[i64]) -> Result<Vec<String>, Problem> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let all = manage.services.store.permissions().await?;
    Ok(all.iter().filter(|row| ids.contains(&row.id)).map(full_name).collect())
}

fn full_name(row: &PermissionRow) -> String {
    format!("{}.{}", row.text.app, row.text.codename)
}

fn few(field: &'static str, names: &[String]) -> Result<(), Problem> {
    if names.len() <= MOST_NAMES {
        return Ok(());
    }
    let said = format!("At most {MOST_NAMES}.");
    Err(Problem::new(Code::ValidationError).field(field, said))
}

const MOST_NAMES: usize = 1_000;

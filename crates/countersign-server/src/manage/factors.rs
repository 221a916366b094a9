//! `/manage/v1/users/{id}/factors`: a user's second factors, and their removal for who has lost
//! them.

use axum::extract::State;
use axum::response::Response;
use countersign::factor::FactorId;
use countersign::http::Problem;
use countersign::store::StoredFactor;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{NoQuery, Path};
use super::caller::Caller;
use super::refusal::{gone, refused};
use super::shown::{done, shown};
use super::state::Manage;
use super::users::taken_over;
use crate::admin::rules::may_set_password;

/// What a user can prove beside the first step of a login.
#[derive(Serialize, ToSchema)]
pub(super) struct FactorList {
    /// The factors, the oldest first.
    factors: Vec<ShownFactor>,
    /// How many recovery codes are left.
    recovery_codes_left: usize,
}

/// A second factor.
#[derive(Serialize, ToSchema)]
struct ShownFactor {
    /// The id.
    #[schema(example = "5f0c9e1d2b3a4857")]
    id: String,
    /// `totp` or `passkey`.
    #[schema(example = "totp")]
    kind: &'static str,
    /// What the user calls it.
    #[schema(required)]
    name: Option<String>,
    /// When it was enrolled.
    created_at: String,
    /// When it was last proved; null for never.
    #[schema(required)]
    last_used_at: Option<String>,
}

/// What was removed.
#[derive(Serialize, ToSchema)]
pub(super) struct RemovedFactors {
    /// How many factors there were.
    removed: u64,
}

impl ShownFactor {
    fn of(factor: StoredFactor) -> Self {
        Self {
            id: factor.id.to_string(),
            kind: factor.kind.as_str(),
            name: factor.name.map(|name| name.to_string()),
            created_at: factor.created_at.to_string(),
            last_used_at: factor.last_used_at.map(|at| at.to_string()),
        }
    }
}

#[utoipa::path(
    get,
    path = "/manage/v1/users/{id}/factors",
    tag = "factors",
    summary = "List a user's second factors",
    params(("id" = i64, Path, description = "The user's id")),
    responses((status = 200, description = "All of them", body = FactorList)),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let user = taken_over(&manage, &caller, &id).await?;
    let found = manage.services.store.factors_of(user.id).await?;
    let enrolled = found.factors.into_iter().filter(|factor| factor.is_enrolled);
    Ok(shown(&FactorList {
        factors: enrolled.map(ShownFactor::of).collect(),
        recovery_codes_left: found.recovery_codes.len(),
    }))
}

#[utoipa::path(
    delete,
    path = "/manage/v1/users/{id}/factors",
    tag = "factors",
    summary = "Remove every second factor of a user",
    description = "For who has lost them. The recovery codes go too, and the user is told.",
    params(("id" = i64, Path, description = "The user's id")),
    responses((status = 200, description = "They are gone, and the user's sessions are over; \
        nothing is done where there was none", body = RemovedFactors)),
    security(("bearer" = [])),
)]
pub(super) async fn remove_all(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let user = taken_over(&manage, &caller, &id).await?;
    let operator = caller.operator(&manage, may_set_password)?;
    let mails = manage.auth.factors_reset_notice(&user)?;
    let removed = operator.reset_factors(user.id, mails).await.map_err(refused)?;
    manage.auth.catch_up().await?;
    Ok(shown(&RemovedFactors { removed }))
}

#[utoipa::path(
    delete,
    path = "/manage/v1/users/{id}/factors/{factor}",
    tag = "factors",
    summary = "Remove a second factor of a user",
    description = "For who has lost it. With the last one the recovery codes go. The user is told.",
    params(
        ("id" = i64, Path, description = "The user's id"),
        ("factor" = String, Path, description = "The factor's id"),
    ),
    responses((status = 204, description = "It is gone, and the user's sessions are over")),
    security(("bearer" = [])),
)]
pub(super) async fn remove(
    State(manage): State<Manage>,
    caller: Caller,
    Path((id, factor)): Path<(String, String)>,
    _: NoQuery,
) -> Result<Response, Problem> {
    let user = taken_over(&manage, &caller, &id).await?;
    let factor: FactorId = factor.parse().map_err(|_| gone())?;
    let operator = caller.operator(&manage, may_set_password)?;
    let found = manage.services.store.factors_of(user.id).await?;
    let found = found.factors.into_iter().find(|own| own.is_enrolled && own.id == factor);
    let kind = found.ok_or_else(gone)?.kind;
    let mails = manage.auth.factor_removed_notice(&user, kind)?;
    operator.remove_factor(user.id, factor, mails).await.map_err(refused)?;
    manage.auth.catch_up().await?;
    Ok(done())
}

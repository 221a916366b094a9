//! `GET /manage/v1/users` and `GET /manage/v1/users/{id}`.

use axum::extract::State;
use axum::response::Response;
use countersign::http::Problem;
use countersign::store::admin::{AdminError, UserOrder, UserRecord, UserSearch};
use countersign::user::User;
use serde::Serialize;
use utoipa::ToSchema;

use super::asked::{NoQuery, Path, Query, user_id};
use super::caller::Caller;
use super::grants::permission_names;
use super::refusal::{gone, refused};
use super::shown::{ShownCount, ShownUser, shown, shown_user};
use super::state::Manage;
use crate::admin::rules::{Permit, may_set_password};
use crate::cursor;

/// A page of users.
#[derive(Serialize, ToSchema)]
pub(super) struct UserPage {
    /// The users. There may be none, and yet more pages, where few of many fit the filters.
    users: Vec<ShownUser>,
    /// The `cursor` of the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
    /// The `cursor` of the page before.
    #[schema(required)]
    previous: Option<String>,
    count: ShownCount,
}

#[utoipa::path(
    get,
    path = "/manage/v1/users",
    tag = "users",
    summary = "List users",
    params(
        ("q" = Option<String>, Query, description = "Words, each of which is inside a name or an \
            address, or is the id"),
        ("active" = Option<bool>, Query, description = "Only active or only inactive ones"),
        ("staff" = Option<bool>, Query, description = "Only staff or only others"),
        ("superuser" = Option<bool>, Query, description = "Only superusers or only others"),
        ("second_factor" = Option<bool>, Query, description = "Only those with one or without"),
        ("group" = Option<i64>, Query, description = "Only members of the group with this id"),
        ("joined_since" = Option<String>, Query, description = "Only who joined since (RFC 3339)"),
        ("signed_in_since" = Option<String>, Query, description = "Only who signed in since"),
        ("not_signed_in_since" = Option<String>, Query, description = "Only who did not"),
        ("order" = Option<String>, Query, description = "`username`, `email`, `first_name`, \
            `last_name`, `joined` or `last_login`; with `-` before it the greatest first"),
        ("cursor" = Option<String>, Query, description = "Where the page begins: `next` or \
            `previous` of another, with the same filters and order"),
        ("limit" = Option<u32>, Query, description = "At most so many: 1 to 1,000, or 100"),
    ),
    responses((status = 200, description = "A page of them", body = UserPage)),
    security(("bearer" = [])),
)]
pub(super) async fn list(
    State(manage): State<Manage>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    caller.needs(Permit::ViewUser)?;
    let time = |text: &str| text.parse().ok();
    let (order, descending) = query.parse("order", order)?.unwrap_or_default();
    let text = query.parse("q", |text| {
        (text.chars().count() <= SEARCH_MAX_CHARS).then(|| text.trim().to_owned())
    })?;
    let (from, limit) = query.page()?;
    let asked = UserSearch {
        text: text.unwrap_or_default(),
        active: query.flag("active")?,
        staff: query.flag("staff")?,
        superuser: query.flag("superuser")?,
        second_factor: query.flag("second_factor")?,
        group: query.parse("group", |text| text.parse().ok())?,
        joined_since: query.parse("joined_since", time)?,
        signed_in_since: query.parse("signed_in_since", time)?,
        not_signed_in_since: query.parse("not_signed_in_since", time)?,
        order,
        descending,
        from,
        limit,
        leaps: false,
    };
    query.end()?;
    let page = manage.services.store.find_users(&asked).await?;
    Ok(shown(&UserPage {
        users: page.rows.into_iter().map(ShownUser::of).collect(),
        next: page.next.as_ref().map(cursor::encode),
        previous: page.previous.as_ref().map(cursor::encode),
        count: page.count.into(),
    }))
}

#[utoipa::path(
    get,
    path = "/manage/v1/users/{id}",
    tag = "users",
    summary = "Read a user",
    params(("id" = i64, Path, description = "The user's id")),
    responses(
        (status = 200, description = "The user; the header `ETag` is what a change wants as \
            `If-Match`", body = ShownUser),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn read(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    caller.needs(Permit::ViewUser)?;
    let record = record(&manage, &id).await?;
    let own = permission_names(&manage, &record.grants.permissions).await?;
    Ok(shown_user(record, own))
}

/// The user whom a path names, of whom the caller may learn, and for whom they may do, what lets
/// somebody sign in as them.
///
/// # Errors
/// A 403 for a caller who may not set their password, and a 404 where there is none.
pub(super) async fn taken_over(
    manage: &Manage,
    caller: &Caller,
    id: &str,
) -> Result<User, Problem> {
    caller.needs(Permit::ChangeUser)?;
    let user = record(manage, id).await?.user;
    if may_set_password(caller.user(), &user, &user) {
        return Ok(user);
    }
    Err(refused(AdminError::NotAllowed))
}

/// The user whom a path names.
///
/// # Errors
/// A 404 where there is none.
pub(super) async fn record(manage: &Manage, id: &str) -> Result<UserRecord, Problem> {
    manage.services.store.user_record(user_id(id)?).await?.ok_or_else(gone)
}

fn order(text: &str) -> Option<(UserOrder, bool)> {
    let (descending, name) = match text.strip_prefix('-') {
        Some(name) => (true, name),
        None => (false, text),
    };
    let order = match name {
        "username" => UserOrder::Username,
        "email" => UserOrder::Email,
        "first_name" => UserOrder::FirstName,
        "last_name" => UserOrder::LastName,
        "joined" => UserOrder::Joined,
        "last_login" => UserOrder::LastLogin,
        _ => return None,
    };
    Some((order, descending))
}

/// As on the admin site.
const SEARCH_MAX_CHARS: usize = 254;

//! `PATCH`, `DELETE` and the acts below `/manage/v1/users/{id}`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use countersign::http::{Code, Problem};
use countersign::password::{EncodedPassword, Password, UserAttributes};
use countersign::store::admin::{AdminError, Rule, UserAct, UserEdit, UserRecord};
use countersign::user::Email;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::asked::{NoQuery, Path, Secret, if_match};
use super::caller::Caller;
use super::create::{email, hashed, metadata, name, username, wrong};
use super::grants::{grants_of, permission_names};
use super::refusal::{KeepsASuperuser, refused};
use super::shown::{done, shown_user};
use super::state::Manage;
use super::users::record;
use crate::admin::rules::{Permit, may_deactivate, may_delete, may_edit, may_set_password};

/// What becomes another. What is left out stays.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeUserRequest {
    /// The login name.
    #[schema(max_length = 150)]
    username: Option<String>,
    /// The e-mail address; empty for none.
    #[schema(max_length = 254)]
    email: Option<String>,
    /// The first name.
    #[schema(max_length = 150)]
    first_name: Option<String>,
    /// The last name.
    #[schema(max_length = 150)]
    last_name: Option<String>,
    /// Whether they may sign in at all. Their sessions end with `false`.
    is_active: Option<bool>,
    /// Whether they may enter the admin site.
    is_staff: Option<bool>,
    /// Whether they have every permission.
    is_superuser: Option<bool>,
    /// All of their groups, by name.
    groups: Option<Vec<String>>,
    /// All of the permissions for them alone, as `app.codename`.
    own_permissions: Option<Vec<String>>,
    /// All of your metadata.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
}

#[utoipa::path(
    patch,
    path = "/manage/v1/users/{id}",
    tag = "users",
    summary = "Change a user",
    params(
        ("id" = i64, Path, description = "The user's id"),
        ("If-Match" = String, Header, description = "The `ETag` of what was read, or `*`"),
    ),
    request_body = ChangeUserRequest,
    responses(
        (status = 200, description = "The user as they are now", body = super::shown::ShownUser),
        KeepsASuperuser,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn change(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    request: Request<Body>,
) -> Result<Response, Problem> {
    caller.needs(Permit::ChangeUser)?;
    let seen = if_match(request.headers())?;
    let asked: ChangeUserRequest = caller.body(&manage, request).await?;
    let (post, random) = (Some(&**manage.auth.post()), &*manage.services.random);
    let mut tries = 0;
    loop {
        let before = record(&manage, &id).await?;
        let edit = asked.clone().edit(&manage, &before).await?;
        let operator = caller.operator(&manage, may_edit)?;
        let read = seen.unwrap_or(before.fingerprint);
        let done = operator.edit_user(&before.user, &edit, read, post, random).await;
        tries += 1;
        match done {
            // What the body leaves out is to stay as the other one left it: it is read again.
            Err(AdminError::Stale) if seen.is_none() && tries < MOST_TRIES => {}
            done => {
                done.map_err(refused)?;
                break;
            }
        }
    }
    manage.auth.catch_up().await?;
    let after = record(&manage, &id).await?;
    let own = permission_names(&manage, &after.grants.permissions).await?;
    Ok(shown_user(after, own))
}

impl ChangeUserRequest {
    async fn edit(self, manage: &Manage, before: &UserRecord) -> Result<UserEdit, Problem> {
        let user = &before.user;
        let address = match self.email.as_deref() {
            Some(text) if text != user.email => email(text)?,
            _ if user.email.is_empty() => None,
            // One from elsewhere may be none that is taken today.
            _ => Some(Email::parse(&user.email).map_err(|_| {
                wrong(
                    "email",
                    &"The address that is there came from elsewhere and would not be \
                    taken today. Give another one, or an empty one.",
                )
            })?),
        };
        let login = self.username.filter(|name| *name != user.username);
        let grants = grants_of(manage, self.groups, self.own_permissions, &before.grants).await?;
        let keeps = |given: Option<String>, field, had: &String| match given {
            Some(given) => name(field, Some(given)),
            None => Ok(had.clone()),
        };
        Ok(UserEdit {
            username: login.as_deref().map(username).transpose()?,
            email: address,
            first_name: keeps(self.first_name, "first_name", &user.first_name)?,
            last_name: keeps(self.last_name, "last_name", &user.last_name)?,
            is_active: self.is_active.unwrap_or(user.is_active),
            is_staff: self.is_staff.unwrap_or(user.is_staff),
            is_superuser: self.is_superuser.unwrap_or(user.is_superuser),
            grants: Some(grants),
            metadata: metadata(self.metadata)?.unwrap_or_else(|| user.metadata.clone()),
        })
    }
}

#[utoipa::path(
    delete,
    path = "/manage/v1/users/{id}",
    tag = "users",
    summary = "Delete a user",
    params(("id" = i64, Path, description = "The user's id")),
    responses(
        (status = 204, description = "They are gone, and their sessions are over"),
        KeepsASuperuser,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn delete(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    act(&manage, &caller, &id, Permit::DeleteUser, may_delete, UserAct::Delete).await
}

#[utoipa::path(
    post,
    path = "/manage/v1/users/{id}/deactivate",
    tag = "users",
    summary = "Deactivate a user",
    params(("id" = i64, Path, description = "The user's id")),
    responses(
        (status = 204, description = "They may not sign in, and their sessions are over"),
        KeepsASuperuser,
    ),
    security(("bearer" = [])),
)]
pub(super) async fn deactivate(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    act(&manage, &caller, &id, Permit::ChangeUser, may_deactivate, UserAct::Deactivate).await
}

#[utoipa::path(
    post,
    path = "/manage/v1/users/{id}/activate",
    tag = "users",
    summary = "Activate a user",
    params(("id" = i64, Path, description = "The user's id")),
    responses(
        (status = 204, description = "They may sign in"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn activate(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    act(&manage, &caller, &id, Permit::ChangeUser, may_edit, UserAct::Activate).await
}

async fn act(
    manage: &Manage,
    caller: &Caller,
    id: &str,
    permit: Permit,
    rule: Rule,
    act: UserAct,
) -> Result<Response, Problem> {
    caller.needs(permit)?;
    let user = record(manage, id).await?.user;
    let operator = caller.operator(manage, rule)?;
    operator.act_on_users(&[user.id], act).await.map_err(refused)?;
    manage.auth.catch_up().await?;
    Ok(done())
}

/// A new password: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordRequest {
    /// A password, which the rules for new passwords are asked about.
    #[schema(value_type = Option<String>)]
    password: Option<Secret>,
    /// The hash of a password from elsewhere.
    #[schema(value_type = Option<String>)]
    password_hash: Option<Secret>,
}

#[utoipa::path(
    put,
    path = "/manage/v1/users/{id}/password",
    tag = "users",
    summary = "Set a user's password",
    params(("id" = i64, Path, description = "The user's id")),
    request_body = PasswordRequest,
    responses(
        (status = 204, description = "It is set, and the user's sessions are over"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn set_password(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
    request: Request<Body>,
) -> Result<Response, Problem> {
    caller.needs(Permit::ChangeUser)?;
    let asked: PasswordRequest = caller.body(&manage, request).await?;
    let user = record(&manage, &id).await?.user;
    let encoded = match (asked.password, asked.password_hash) {
        (Some(password), None) => {
            let password = Password::parse(password.expose().to_owned())
                .map_err(|error| wrong("password", &error))?;
            let about = UserAttributes {
                username: &user.username,
                email: &user.email,
                first_name: &user.first_name,
                last_name: &user.last_name,
            };
            hashed(&manage, &password, &about).await?
        }
        (None, Some(hash)) => EncodedPassword::from_elsewhere(hash.expose().to_owned())
            .ok_or_else(|| wrong("password_hash", &"This is no hash that can be checked here."))?,
        _ => {
            return Err(Problem::new(Code::ValidationError)
                .detail("Give either `password` or `password_hash`."));
        }
    };
    set(&manage, &caller, &user, &encoded).await
}

#[utoipa::path(
    delete,
    path = "/manage/v1/users/{id}/password",
    tag = "users",
    summary = "Forget a user's password",
    params(("id" = i64, Path, description = "The user's id")),
    responses(
        (status = 204, description = "There is none any more, and the user's sessions are over"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn forget_password(
    State(manage): State<Manage>,
    caller: Caller,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Response, Problem> {
    caller.needs(Permit::ChangeUser)?;
    let user = record(&manage, &id).await?.user;
    set(&manage, &caller, &user, &EncodedPassword::unusable()).await
}

async fn set(
    manage: &Manage,
    caller: &Caller,
    user: &countersign::user::User,
    password: &EncodedPassword,
) -> Result<Response, Problem> {
    let operator = caller.operator(manage, may_set_password)?;
    let (post, random) = (Some(&**manage.auth.post()), &*manage.services.random);
    operator.set_password(user, password, post, random).await.map_err(refused)?;
    manage.auth.catch_up().await?;
    Ok(done())
}

/// How often a change of whatever is there begins anew.
pub(super) const MOST_TRIES: u32 = 32;

//! `POST /manage/v1/users`: makes a user, with a password, with the hash of one from elsewhere, by
//! an invitation, or without.

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::ETAG;
use axum::response::{IntoResponse, Response};
use countersign::http::{Code, Problem, read_fields};
use countersign::password::{EncodedPassword, Password, UserAttributes};
use countersign::store::StoreError;
use countersign::store::admin::{AdminError, Grants, UserRecord};
use countersign::user::{Email, NAME_MAX_CHARS, NewUser, Username};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::asked::{NoQuery, Secret, idempotency_key, typed};
use super::caller::Caller;
use super::grants::{grants_of, permission_names};
use super::refusal::{gone, not_sent, refused};
use super::shown::{NO_STORE, ShownUser, location, tag};
use super::state::Manage;
use crate::admin::rules::{Permit, may_invite};
use crate::operate::people::{Invitee, NotSent, Sent};
use crate::text::holds_nul;

/// A user to be made. At most one of `password`, `password_hash` and `invite` is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUserRequest {
    /// The login name. With `invite` one is made up unless given.
    #[schema(example = "ada", max_length = 150)]
    username: Option<String>,
    /// The e-mail address.
    #[schema(example = "ada@example.com", max_length = 254)]
    email: Option<String>,
    /// Whether the address is known to be theirs: an operator's word is proof enough, unless they
    /// say `false`.
    email_verified: Option<bool>,
    /// The first name.
    #[schema(max_length = 150)]
    first_name: Option<String>,
    /// The last name.
    #[schema(max_length = 150)]
    last_name: Option<String>,
    /// The language of their mails: `en` or `de`.
    language: Option<String>,
    /// Whether they may sign in at all. They may unless this says `false`.
    is_active: Option<bool>,
    /// Whether they may enter the admin site.
    is_staff: Option<bool>,
    /// Whether they have every permission.
    is_superuser: Option<bool>,
    /// Groups, by name.
    groups: Option<Vec<String>>,
    /// Permissions for them alone, as `app.codename`.
    own_permissions: Option<Vec<String>>,
    /// Yours: any JSON object.
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    /// A password, which the rules for new passwords are asked about.
    #[schema(value_type = Option<String>)]
    password: Option<Secret>,
    /// The hash of a password from elsewhere: one that Django writes, or Argon2, bcrypt, PBKDF2 or
    /// scrypt as other programs write them.
    #[schema(value_type = Option<String>)]
    password_hash: Option<Secret>,
    /// Send them a link with which they choose a password.
    invite: Option<bool>,
}

/// The user who was made.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MadeUser {
    #[serde(flatten)]
    user: ShownUser,
    /// With `invite`: how the link travels.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ShownInvitation, required = false)]
    invitation: Option<ShownInvitation>,
}

/// How an invitation travels.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShownInvitation {
    /// Whether a mail carries it.
    mailed: bool,
    /// Where no mail is sent: the link, which whoever calls gives them. It is not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    link: Option<String>,
}

#[utoipa::path(
    post,
    path = "/manage/v1/users",
    tag = "users",
    summary = "Make a user",
    description = "A name or an address that another user has is a 400, with `invite` as without. \
        Who was invited before and has no password yet gets a new link.",
    params(("Idempotency-Key" = Option<String>, Header, description = "A request that is sent \
        again under its key within a day makes nothing twice: it gets the user whom the first one \
        made. The password is not compared")),
    request_body = NewUserRequest,
    responses(
        (status = 201, description = "The user; the header `Location` says where they are", body =
            MadeUser),
        (status = 404, description = "not_found: the user whom the first request under this \
            `Idempotency-Key` made was deleted; or this one, before the answer"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn create(
    State(manage): State<Manage>,
    caller: Caller,
    _: NoQuery,
    request: Request<Body>,
) -> Result<Response, Problem> {
    caller.needs(Permit::AddUser)?;
    let key = idempotency_key(request.headers())?.map(str::to_owned);
    let fields = read_fields(request, manage.settings.body_timeout).await?;
    caller.still(&manage).await?;
    let (record, sent) = make(&manage, &caller, fields, key.as_deref()).await?;
    let headers = [
        location(&format!("/manage/v1/users/{}", record.user.id)),
        (ETAG, tag(record.fingerprint)),
        (axum::http::header::CACHE_CONTROL, NO_STORE),
    ];
    let invitation = sent.map(|sent| match sent {
        Sent::Queued => ShownInvitation { mailed: true, link: None },
        Sent::ByHand(link) => ShownInvitation { mailed: false, link: Some(link) },
        Sent::Earlier => ShownInvitation { mailed: false, link: None },
    });
    let own = permission_names(&manage, &record.grants.permissions).await?;
    let made = MadeUser { user: ShownUser::of_record(record, own), invitation };
    Ok((StatusCode::CREATED, headers, Json(made)).into_response())
}

/// Makes the user whom these fields describe, at most once under a key.
///
/// # Errors
/// What is wrong with the fields, what the caller may not, and the store's.
pub(super) async fn make(
    manage: &Manage,
    caller: &Caller,
    fields: Map<String, Value>,
    key: Option<&str>,
) -> Result<(UserRecord, Option<Sent>), Problem> {
    // What is compared where a key comes again: all but the secrets, of which nothing is kept.
    let mut compared = fields.clone();
    compared.retain(|name, _| !["password", "password_hash"].contains(&name.as_str()));
    let compared = Value::Object(compared).to_string();
    let asked: NewUserRequest = typed(fields)?;
    let operator = caller.operator(manage, may_invite)?;
    let operator = match key {
        Some(key) => operator.once(key, &[compared.as_str()]),
        None => operator,
    };
    let wish = asked.check()?;
    if let Wish::Invitation = wish {
        let who = asked.invitee()?;
        let (services, desk) = (&manage.services, &manage.desk);
        let (user, sent) = operator.invite(services, desk, who).await.map_err(|why| match why {
            // The address in the request will not do, as for every new user.
            NotSent::HasAccount(_) => Problem::from(StoreError::EmailTaken),
            other => not_sent(other),
        })?;
        manage.auth.catch_up().await?;
        let record = manage.services.store.user_record(user.id).await?.ok_or_else(gone)?;
        return Ok((record, Some(sent)));
    }
    let (groups, own) = (asked.groups.clone(), asked.own_permissions.clone());
    let (new, grants) = asked.into_new(manage, wish).await?;
    let user = match operator.add_user(new.clone(), &grants).await {
        Err(AdminError::Gone) => {
            // A group that is gone meanwhile is one that nothing has; or another has its name now.
            let named = grants_of(manage, groups, own, &Grants::default()).await?;
            // Or all are there, and it is the user of the key who is gone.
            if named == grants {
                return Err(gone());
            }
            operator.add_user(new, &named).await
        }
        done => done,
    };
    let user = user.map_err(refused)?;
    let record = manage.services.store.user_record(user.id).await?.ok_or_else(gone)?;
    Ok((record, None))
}

/// What the user is to sign in with.
enum Wish {
    Password(Password),
    Hash(EncodedPassword),
    Invitation,
    Nothing,
}

impl NewUserRequest {
    /// What they are to sign in with, if it does.
    fn check(&self) -> Result<Wish, Problem> {
        let invites = self.invite == Some(true);
        let wishes = [self.password.is_some(), self.password_hash.is_some(), invites];
        if wishes.iter().filter(|wish| **wish).count() > 1 {
            return Err(Problem::new(Code::ValidationError)
                .detail("Give one of `password`, `password_hash` and `invite`, not several."));
        }
        if let Some(password) = &self.password {
            return Password::parse(password.expose().to_owned())
                .map(Wish::Password)
                .map_err(|error| wrong("password", &error));
        }
        if let Some(hash) = &self.password_hash {
            let hash = EncodedPassword::from_elsewhere(hash.expose().to_owned());
            return hash.map(Wish::Hash).ok_or_else(|| {
                wrong(
                    "password_hash",
                    &"This is no hash that can be checked here: its kind is not \
                    known, or its cost is out of bounds.",
                )
            });
        }
        Ok(if invites { Wish::Invitation } else { Wish::Nothing })
    }

    fn invitee(self) -> Result<Invitee, Problem> {
        let email = self
            .email()?
            .ok_or_else(|| wrong("email", &"Give the address that the invitation goes to."))?;
        let others = self.is_active.is_some()
            || self.is_staff.is_some()
            || self.is_superuser.is_some()
            || self.groups.is_some()
            || self.own_permissions.is_some()
            || self.metadata.is_some()
            || self.email_verified.is_some();
        if others {
            return Err(Problem::new(Code::ValidationError).detail(
                "An invitation takes `email`, `username`, `first_name`, `last_name` and \
                 `language`. Change the user for more.",
            ));
        }
        Ok(Invitee {
            username: self.username.as_deref().map(username).transpose()?,
            email,
            first_name: name("first_name", self.first_name)?,
            last_name: name("last_name", self.last_name)?,
            language: language(self.language)?,
        })
    }

    async fn into_new(self, manage: &Manage, wish: Wish) -> Result<(NewUser, Grants), Problem> {
        let email = self.email()?;
        let given = self.username.as_deref().unwrap_or_default();
        let username = username(given)?;
        let first_name = name("first_name", self.first_name)?;
        let last_name = name("last_name", self.last_name)?;
        let locale = language(self.language)?;
        let metadata = metadata(self.metadata)?.unwrap_or_default();
        let grants =
            grants_of(manage, self.groups, self.own_permissions, &Grants::default()).await?;
        let password = match wish {
            Wish::Password(password) => {
                let about = UserAttributes {
                    username: username.as_str(),
                    email: email.as_ref().map_or("", Email::as_str),
                    first_name: &first_name,
                    last_name: &last_name,
                };
                hashed(manage, &password, &about).await?
            }
            Wish::Hash(hash) => hash,
            Wish::Invitation | Wish::Nothing => EncodedPassword::unusable(),
        };
        let mut new = NewUser::new(username, email, password);
        // An operator's word is proof enough.
        new.email_verified = new.email.is_some() && self.email_verified.unwrap_or(true);
        new.first_name = first_name;
        new.last_name = last_name;
        new.is_active = self.is_active.unwrap_or(true);
        new.is_staff = self.is_staff.unwrap_or(false);
        new.is_superuser = self.is_superuser.unwrap_or(false);
        new.locale = locale;
        new.metadata = metadata;
        Ok((new, grants))
    }

    fn email(&self) -> Result<Option<Email>, Problem> {
        email(self.email.as_deref().unwrap_or_default())
    }
}

/// Hashes a new password that does.
///
/// # Errors
/// A 400 with what is wrong with it, and a 503 while too many wait.
pub(super) async fn hashed(
    manage: &Manage,
    password: &Password,
    about: &UserAttributes<'_>,
) -> Result<EncodedPassword, Problem> {
    let wrongs = manage.auth.judge().judge(password, about).await;
    if !wrongs.is_empty() {
        let problem = Problem::new(Code::ValidationError);
        return Err(wrongs
            .iter()
            .fold(problem, |problem, wrong| problem.field("password", wrong.to_string())));
    }
    Ok(manage.auth.passwords().hash(password).await?)
}

/// A login name.
pub(super) fn username(text: &str) -> Result<Username, Problem> {
    Username::parse(text).map_err(|error| wrong("username", &error))
}

/// An address, or none.
pub(super) fn email(text: &str) -> Result<Option<Email>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    Email::parse(text).map(Some).map_err(|error| wrong("email", &error))
}

/// A first or last name.
pub(super) fn name(field: &'static str, text: Option<String>) -> Result<String, Problem> {
    let text = text.unwrap_or_default().trim().to_owned();
    if text.chars().count() > NAME_MAX_CHARS {
        return Err(wrong(field, &format!("At most {NAME_MAX_CHARS} characters.")));
    }
    if text.contains('\0') {
        return Err(wrong(field, &"It holds a NUL character."));
    }
    Ok(text)
}

/// Metadata that every database can keep.
pub(super) fn metadata(
    given: Option<Map<String, Value>>,
) -> Result<Option<Map<String, Value>>, Problem> {
    let Some(metadata) = given else { return Ok(None) };
    let metadata = Value::Object(metadata);
    if holds_nul(&metadata) {
        return Err(wrong("metadata", &"A text in it holds a NUL character."));
    }
    match metadata {
        Value::Object(metadata) => Ok(Some(metadata)),
        _ => Ok(None),
    }
}

fn language(text: Option<String>) -> Result<String, Problem> {
    let text = text.unwrap_or_default();
    if ["", "en", "de"].contains(&text.as_str()) {
        return Ok(text);
    }
    Err(wrong("language", &"Choose `en` or `de`."))
}

pub(super) fn wrong(field: &'static str, said: &impl std::fmt::Display) -> Problem {
    Problem::new(Code::ValidationError).field(field, said.to_string())
}

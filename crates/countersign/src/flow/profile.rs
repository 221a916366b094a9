//! `GET` and `PATCH /accounts/profile`: the user, and what she may change of herself.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Request};
use axum::response::Response;
use countersign_verify::Account;
use serde::Serialize;

use super::issue::answer;
use crate::auth::Auth;
use crate::http::authenticated::Authenticated;
use crate::http::fields::Fields;
use crate::http::problem::{Code, Problem, ProblemSchema};
use crate::user::{Email, NAME_MAX_CHARS, ProfileChange, User, Username};

/// What comes back.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ProfileResponse {
    user: User,
}

/// What may be sent. Other fields are ignored.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it describes the body; the fields are read one by one")]
pub(crate) struct ProfileRequest {
    /// A new user name.
    #[schema(max_length = 150)]
    username: Option<String>,
    /// A new e-mail address; an empty text removes it.
    #[schema(max_length = 254)]
    email: Option<String>,
    /// A new first name.
    #[schema(max_length = 150)]
    first_name: Option<String>,
    /// A new last name.
    #[schema(max_length = 150)]
    last_name: Option<String>,
}

#[utoipa::path(
    get,
    path = "/accounts/profile",
    tag = "accounts",
    summary = "Who am I?",
    responses(
        (status = 200, description = "The user", body = ProfileResponse),
        (status = 401, description = "not_authenticated, token_invalid, token_expired, \
            session_revoked, user_inactive", body = ProblemSchema, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn profile(who: Authenticated) -> Response {
    // Written once for each user, not for each request: this is the hottest path of all.
    let mut response = Response::new(Body::from(who.profile()));
    // Room for what the layers above add, so that the map need not grow.
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    *response.headers_mut() = headers;
    response
}

#[utoipa::path(
    patch,
    path = "/accounts/profile",
    tag = "accounts",
    summary = "Change the profile",
    params(("X-CSRFTOKEN" = Option<String>, Header, description = "Browsers: the session's CSRF token")),
    request_body = ProfileRequest,
    responses(
        (status = 200, description = "The user as she is now", body = ProfileResponse),
        (status = 400, description = "parse_error, validation_error", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 401, description = "not_authenticated, token_invalid, token_expired, \
            session_revoked, user_inactive", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 403, description = "csrf_failed", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 503, description = "unavailable: nothing was done, or it is not known whether it \
            was; a repeat is safe", body = ProblemSchema, content_type = "application/problem+json"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn change_profile(
    State(auth): State<Auth>,
    who: Authenticated,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let change = read(Fields::read(request, auth.settings.body_timeout).await?, who.user())?;
    who.still(&auth)?;
    let user = auth
        .store
        .update_profile(who.user().id(), change)
        .await?
        .ok_or_else(|| Problem::new(Code::UserInactive))?;
    auth.users.forget(who.user().id());
    let user = auth.people.shown(user).await?;
    Ok(answer(ProfileResponse { user }, []))
}

fn read(mut fields: Fields, user: &dyn Account) -> Result<ProfileChange, Problem> {
    let mut change = ProfileChange::default();
    // A form that sends the whole profile back must not fail on an imported name that today's rules
    // would refuse.
    if let Some(text) =
        fields.text("username", NAME_MAX_CHARS).filter(|text| text != user.username())
    {
        change.username = fields.parsed("username", Username::parse(&text).map(Some));
    }
    if let Some(text) = fields.text("email", 254).filter(|text| text != user.email()) {
        change.email = if text.trim().is_empty() {
            Some(None)
        } else {
            fields.parsed("email", Email::parse(&text).map(|email| Some(Some(email))))
        };
    }
    change.first_name = fields.text("first_name", NAME_MAX_CHARS);
    change.last_name = fields.text("last_name", NAME_MAX_CHARS);
    fields.done()?;
    Ok(change)
}

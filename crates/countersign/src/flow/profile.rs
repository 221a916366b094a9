//! `GET` and `PATCH /accounts/profile`: the user, and what they may change of themselves.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use countersign_verify::Account;
use serde::Serialize;

use crate::auth::Auth;
use crate::auth::settings::AccountSettings;
use crate::entry::{asker, bounds_of_account, done};
use crate::http::answer::{Uncached, Written};
use crate::http::authenticated::Authenticated;
use crate::http::fields::{FieldErrors, body_so_far};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Text, request};
use crate::store::{MailBounds, Mailed};
use crate::user::{Email, NAME_MAX_CHARS, ProfileChange, User};

/// What comes back.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct ProfileResponse {
    user: User,
}

request! {
    /// What may be sent. Other fields are ignored.
    pub(crate) struct ProfileRequest {
        /// A new user name.
        username: Option<Text<NAME_MAX_CHARS>>,
        /// A new e-mail address; an empty text removes it.
        email: Option<Text<254>>,
        /// A new first name.
        first_name: Option<Text<NAME_MAX_CHARS>>,
        /// A new last name.
        last_name: Option<Text<NAME_MAX_CHARS>>,
    }
}

#[utoipa::path(
    get,
    path = "/accounts/profile",
    tag = "accounts",
    summary = "Who am I?",
    responses(
        (status = 200, description = "The user", body = ProfileResponse),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn profile(who: Authenticated) -> Written {
    // Written once for each user, not for each request: this is the hottest path of all.
    Written(who.profile())
}

#[utoipa::path(
    patch,
    path = "/accounts/profile",
    tag = "accounts",
    summary = "Change the profile",
    request_body = ProfileRequest,
    responses(
        (status = 200, description = "The user as they are now", body = ProfileResponse),
        (status = 409, description = "conflict: the address was changed meanwhile"),
        (status = 429, description = "throttled"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn change_profile(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
    request: Request<Body>,
) -> Result<Uncached<ProfileResponse>, Problem> {
    let (asked, errors) = body_so_far(request, auth.settings().body_timeout).await?;
    let change = change(asked, errors, who.user(), &auth.settings().accounts)?;
    let id = who.user().id();
    let mut mailed =
        Mailed { bounds: bounds_of_account(&auth, MailBounds::OF_ACTS), ..Mailed::default() };
    let mut seen = None;
    if let Some(email) = &change.email {
        // Whoever reads the mails of the address chooses a new password.
        who.logged_in_lately(&auth)?;
        let found = auth.users().candidate(id).await?.ok_or_else(gone)?;
        let to = email.as_ref().map_or("", |email| email.as_str());
        // Whoever has taken an access token of a recent login can do this: the owner hears of it.
        let told = auth.undo_of_change(&found, to, peer.place())?;
        (mailed.tokens, mailed.mails) = told.into_iter().unzip();
        seen = Some(found.user);
    }
    let asker = asker(&auth, &who, seen.as_ref());
    let (asked, user) = auth.store().change_own_profile(asker, change, mailed).await?;
    done(asked)?;
    auth.user_cache().forget(id);
    let user = auth.users().shown(user.ok_or_else(gone)?).await?;
    Ok(Uncached::new(ProfileResponse { user }))
}

fn gone() -> Problem {
    Problem::new(Code::UserInactive)
}

fn change(
    asked: Option<ProfileRequest>,
    mut errors: FieldErrors,
    user: &dyn Account,
    accounts: &AccountSettings,
) -> Result<ProfileChange, Problem> {
    let Some(asked) = asked else {
        errors.none()?;
        return Err(Problem::new(Code::ValidationError));
    };
    let text = |field: Option<Text<NAME_MAX_CHARS>>| field.map(|Text(text)| text);
    let mut change = ProfileChange::default();
    // A form that sends the whole profile back must not fail on an imported name that today's rules
    // would refuse.
    if let Some(name) = text(asked.username).filter(|name| name != user.username()) {
        change.username = errors.unless("username", accounts.chosen_name(&name));
    }
    if let Some(Text(email)) = asked.email.filter(|Text(email)| email != user.email()) {
        change.email = if email.trim().is_empty() {
            Some(None)
        } else if accounts.hides_addresses() {
            // Whether it is taken would say who has an account.
            errors.unless("email", Err(TO_BE_CONFIRMED))
        } else {
            errors.unless("email", Email::parse(&email)).map(Some)
        };
    }
    change.first_name = text(asked.first_name);
    change.last_name = text(asked.last_name);
    errors.none()?;
    Ok(change)
}

const TO_BE_CONFIRMED: &str = "Ask for another address with email/change: it must be confirmed.";

//! `GET /accounts/factors`, `PATCH` and `DELETE /accounts/factors/{id}`, and `POST
//! /accounts/factors/recovery-codes`: what a user can prove beside the first step of a login.

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::Request;
use serde::Serialize;

use crate::auth::Auth;
use crate::entry::{FactorResponse, factor_notice, recovery_codes};
use crate::factor::FactorId;
use crate::http::answer::{Created, NoContent, Uncached};
use crate::http::authenticated::{Authenticated, Enrolling};
use crate::http::fields::{FieldErrors, body};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Text, request};
use crate::mail::MailKind;
use crate::session::DeviceName;
use crate::sign_in::FactorKind;
use crate::store::{CodesSet, RemoveFactor, Removed, SetRecoveryCodes, StoredFactor, UserFactors};

/// What comes back: the factors, the oldest first.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct FactorsResponse {
    factors: Vec<FactorResponse>,
    /// How many recovery codes are left.
    recovery_codes_left: usize,
    /// Whether this user must have one.
    required: bool,
}

/// Codes that were made. They are shown this once.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RecoveryCodesResponse {
    /// Each is good once.
    recovery_codes: Vec<String>,
}

#[utoipa::path(
    get,
    path = "/accounts/factors",
    tag = "accounts",
    summary = "List the user's second factors",
    responses((status = 200, description = "All of them", body = FactorsResponse)),
    security(("bearer" = [])),
)]
pub(crate) async fn factors(
    State(auth): State<Auth>,
    Enrolling(who): Enrolling,
) -> Result<Uncached<FactorsResponse>, Problem> {
    let found = auth.store().factors_of(who.user().id()).await?;
    let recovery_codes_left = found.recovery_codes.len();
    let factors = found.factors.into_iter().filter(|factor| factor.is_enrolled);
    let factors = factors.map(FactorResponse::from).collect();
    let required = auth.settings().sign_in.of(who.user()).is_required;
    Ok(Uncached::new(FactorsResponse { factors, recovery_codes_left, required }))
}

request! {
    /// What a factor is called from now on.
    pub(crate) struct FactorRequest {
        /// What the user calls it; an empty text takes the name away.
        #[example = "Ada's phone"]
        name: Text<{ DeviceName::MAX_CHARS }>,
    }
}

#[utoipa::path(
    patch,
    path = "/accounts/factors/{id}",
    tag = "accounts",
    summary = "Name one of the user's second factors",
    params(("id" = String, Path, description = "The factor's id")),
    request_body = FactorRequest,
    responses(
        (status = 200, description = "The factor as it is now", body = FactorResponse),
        (status = 404, description = "not_found: the user has no such factor"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn name_factor(
    State(auth): State<Auth>,
    who: Authenticated,
    id: Result<Path<String>, PathRejection>,
    request: Request<Body>,
) -> Result<Uncached<FactorResponse>, Problem> {
    let FactorRequest { name: Text(text) } = body(request, auth.settings().body_timeout).await?;
    let mut errors = FieldErrors::default();
    let name =
        if text.trim().is_empty() { None } else { errors.unless("name", DeviceName::parse(&text)) };
    errors.none()?;
    let id = own(id)?;
    who.still(&auth)?;
    let user = who.user().id();
    if !auth.store().name_factor(user, id, name).await? {
        return Err(no_such_factor());
    }
    let factor = the_one(auth.store().factors_of(user).await?, id)?;
    Ok(Uncached::new(factor.into()))
}

#[utoipa::path(
    delete,
    path = "/accounts/factors/{id}",
    tag = "accounts",
    summary = "Remove one of the user's second factors",
    params(("id" = String, Path, description = "The factor's id")),
    responses(
        (status = 204, description = "It is gone, and with the last one the recovery codes; the \
            other sessions are ended"),
        (status = 401, description = "factor_required, recent_login_required"),
        (status = 404, description = "not_found: the user has no such factor"),
        (status = 409, description = "conflict: it is the last one, and this user must have one"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn remove_factor(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
    id: Result<Path<String>, PathRejection>,
) -> Result<NoContent, Problem> {
    let id = own(id)?;
    let (user, session, now) = (who.user().id(), who.claims().sid, auth.now());
    let factors = auth.store().factors_of(user).await?;
    who.may_change_factors(&auth, factors.enrolled())?;
    let factor = the_one(factors, id)?;
    let remove = RemoveFactor {
        id,
        user,
        keeps_one: auth.settings().sign_in.of(who.user()).is_required,
        session,
        now,
        mails: factor_notice(&auth, &peer, who.user(), MailKind::FactorRemoved, factor.kind)
            .await?,
    };
    match auth.store().remove_factor(remove).await? {
        Removed::Done => {}
        Removed::Unknown => return Err(no_such_factor()),
        Removed::FactorRequired => return Err(Problem::new(Code::FactorRequired)),
        Removed::LastOne => {
            let what = "This account must have a second factor. Enrol another one first.";
            return Err(Problem::new(Code::Conflict).detail(what));
        }
        Removed::SessionEnded => return Err(Problem::new(Code::SessionRevoked)),
    }
    auth.catch_up().await?;
    tracing::info!(%user, %session, factor = %id, "a second factor was removed");
    let event = peer.event(now, Some(who.user()), Some(session));
    auth.events().on_factor_removed(&event, factor.kind);
    Ok(NoContent::default())
}

#[utoipa::path(
    post,
    path = "/accounts/factors/recovery-codes",
    tag = "accounts",
    summary = "Make new recovery codes",
    responses(
        (status = 201, description = "Ten of them; the old ones are good no more",
            body = RecoveryCodesResponse),
        (status = 401, description = "factor_required, recent_login_required"),
        (status = 409, description = "conflict: without a second factor there are none"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn new_recovery_codes(
    State(auth): State<Auth>,
    who: Authenticated,
    peer: Peer,
) -> Result<Created<Uncached<RecoveryCodesResponse>>, Problem> {
    let (user, session, now) = (who.user().id(), who.claims().sid, auth.now());
    let factors = auth.store().factors_of(user).await?;
    who.may_change_factors(&auth, factors.enrolled())?;
    let (codes, shown) = recovery_codes(&auth, user);
    let mail = MailKind::RecoveryCodesMade;
    let mails = factor_notice(&auth, &peer, who.user(), mail, FactorKind::RecoveryCode).await?;
    let set = SetRecoveryCodes { user, codes, session, now, mails };
    match auth.store().set_recovery_codes(set).await? {
        CodesSet::Done => {}
        CodesSet::NoFactor => {
            let what = "Recovery codes stand in for a second factor. Enrol one first.";
            return Err(Problem::new(Code::Conflict).detail(what));
        }
        CodesSet::FactorRequired => return Err(Problem::new(Code::FactorRequired)),
        CodesSet::SessionEnded => return Err(Problem::new(Code::SessionRevoked)),
    }
    tracing::info!(%user, %session, "new recovery codes were made");
    auth.events().on_recovery_codes_made(&peer.event(now, Some(who.user()), Some(session)));
    Ok(Created::new(Uncached::new(RecoveryCodesResponse { recovery_codes: shown })))
}

/// The factor of this id, if the user has it.
fn the_one(found: UserFactors, id: FactorId) -> Result<StoredFactor, Problem> {
    let factor = found.factors.into_iter().find(|factor| factor.is_enrolled && factor.id == id);
    factor.ok_or_else(no_such_factor)
}

/// Another user's factor and a text that is no id are all the same.
fn own(id: Result<Path<String>, PathRejection>) -> Result<FactorId, Problem> {
    id.ok().and_then(|Path(id)| id.parse().ok()).ok_or_else(no_such_factor)
}

fn no_such_factor() -> Problem {
    Problem::new(Code::NotFound).detail("You have no such factor.")
}

//! `POST /accounts/passkeys/register/begin` and `…/finish`: a passkey becomes a factor.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;

use crate::auth::Auth;
use crate::entry::{
    EnrolledResponse, PasskeyPrompt, credentials, enrolled, factor_notice, no_room, recovery_codes,
    room_for_one,
};
use crate::factor::FactorId;
use crate::factor::passkey::PasskeyShown;
use crate::http::answer::Uncached;
use crate::http::authenticated::Enrolling;
use crate::http::fields::{FieldErrors, body};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem, not_found};
use crate::http::request::{Object, Text, request};
use crate::mail::MailKind;
use crate::session::DeviceName;
use crate::sign_in::{FactorKind, Proof};
use crate::store::{AddPasskey, Confirmed, NewFactor, StoredFactor};

#[utoipa::path(
    post,
    path = "/accounts/passkeys/register/begin",
    tag = "accounts",
    summary = "Begin to register a passkey",
    responses(
        (status = 200, description = "What the browser is asked to make; for five minutes",
            body = PasskeyPrompt),
        (status = 401, description = "factor_required, recent_login_required"),
        (status = 409, description = "conflict: the user has as many factors as anybody may"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn begin_passkey(
    State(auth): State<Auth>,
    Enrolling(who): Enrolling,
) -> Result<Uncached<PasskeyPrompt>, Problem> {
    let user = who.user();
    let factors = auth.store().factors_of(user.id()).await?;
    who.may_change_factors(&auth, factors.enrolled())?;
    let Some(passkeys) = auth.passkeys() else { return Err(not_found().await) };
    room_for_one(&factors)?;
    let had = credentials(&factors);
    let name = [user.username(), user.email(), "user"].into_iter().find(|name| !name.is_empty());
    let name = name.unwrap_or_default();
    let asked = passkeys.register(user.id(), name, name, had);
    Ok(Uncached::new(PasskeyPrompt::to_register(&auth, asked, user.id()).await?))
}

request! {
    /// A passkey that was made just now.
    pub(crate) struct PasskeyRequest {
        /// What `navigator.credentials.create` gave the page, as JSON.
        passkey: Object,
        /// A name for the list of factors.
        #[example = "Ada's phone"]
        name: Option<Text<{ DeviceName::MAX_CHARS }>>,
    }
}

#[utoipa::path(
    post,
    path = "/accounts/passkeys/register/finish",
    tag = "accounts",
    summary = "Register the passkey",
    request_body = PasskeyRequest,
    responses(
        (status = 200, description = "It logs in from now on, and is a second factor. The access \
            token says that it was proved in this session", body = EnrolledResponse),
        (status = 401, description = "factor_required, recent_login_required"),
        (status = 409, description = "conflict: it is registered already, or the user has as many \
            factors as anybody may"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn finish_passkey(
    State(auth): State<Auth>,
    Enrolling(who): Enrolling,
    peer: Peer,
    request: Request<Body>,
) -> Result<Uncached<EnrolledResponse>, Problem> {
    let asked: PasskeyRequest = body(request, auth.settings().body_timeout).await?;
    let mut errors = FieldErrors::default();
    let name = match asked.name {
        Some(Text(text)) if !text.trim().is_empty() => {
            errors.unless("name", DeviceName::parse(&text))
        }
        _ => None,
    };
    errors.none()?;
    let factors = auth.store().factors_of(who.user().id()).await?;
    who.may_change_factors(&auth, factors.enrolled())?;
    let Some(passkeys) = auth.passkeys() else { return Err(not_found().await) };
    let (user, session, now) = (who.user().id(), who.claims().sid, auth.now());
    let Object(json) = asked.passkey;
    let shown = PasskeyShown::read(json).ok_or_else(refused)?;
    let kept = auth.store().challenge(shown.challenge, now).await?;
    let kept = kept.filter(|kept| kept.user == user).ok_or_else(refused)?;
    let made = passkeys.made(shown, &kept.state).map_err(|error| {
        tracing::info!(%user, %error, "a passkey was not registered");
        refused()
    })?;
    let proof = Proof::Passkey {
        is_user_verified: made.signed.is_user_verified,
        is_in_hardware: made.signed.is_in_hardware,
    };
    let id = FactorId::draw(auth.random());
    let (kind, sealed) = (FactorKind::Passkey, auth.factor_seal().seal(&made.record, id, user)?);
    let factor = NewFactor { id, user, kind, name, sealed, created_at: now };
    let (codes, shown_codes) = recovery_codes(&auth, user);
    let add = AddPasskey {
        factor: factor.clone(),
        credential: made.credential,
        count: made.signed.count,
        is_backed_up: made.signed.is_backed_up,
        challenge: kept.id,
        codes,
        session,
        methods: proof.methods(),
        mails: factor_notice(&auth, &peer, who.user(), MailKind::FactorAdded, kind).await?,
    };
    who.still(&auth)?;
    let (are_codes_new, authentication) = match auth.store().add_passkey(add).await? {
        Confirmed::Done { are_codes_new, authentication } => (are_codes_new, authentication),
        Confirmed::Unknown => return Err(refused()),
        Confirmed::Taken => {
            let what = "This passkey is registered already.";
            return Err(Problem::new(Code::Conflict).detail(what));
        }
        Confirmed::TooMany => return Err(no_room()),
        Confirmed::FactorRequired => return Err(Problem::new(Code::FactorRequired)),
        Confirmed::SessionEnded => return Err(Problem::new(Code::SessionRevoked)),
    };
    tracing::info!(%user, %session, factor = %id, "a passkey was added");
    auth.events().on_factor_added(&peer.event(now, Some(who.user()), Some(session)), kind);
    let factor = StoredFactor {
        id,
        kind,
        name: factor.name,
        sealed: Vec::new(), // it is not shown
        last_step: None,
        created_at: now,
        last_used_at: None,
        is_enrolled: true,
        credential: None,
        is_backed_up: Some(made.signed.is_backed_up),
        handle: None,
    };
    let codes = are_codes_new.then_some(shown_codes);
    Ok(Uncached::new(enrolled(&auth, &who, factor, authentication, codes)?))
}

fn refused() -> Problem {
    let what = "This passkey was not accepted: it was made for another page, too long ago, or \
        without its owner's finger or number. Try again.";
    Problem::new(Code::ValidationError).field("passkey", what)
}

//! `POST /accounts/factors/totp` and `…/confirm`: an authenticator app becomes a second factor.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;
use serde::Serialize;

use crate::auth::Auth;
use crate::entry::{
    EnrolledResponse, enrolled, factor_notice, no_room, recovery_codes, room_for_one,
};
use crate::factor::FactorId;
use crate::factor::totp::{TotpCode, TotpSecret, picture};
use crate::http::answer::{Created, Uncached};
use crate::http::authenticated::Enrolling;
use crate::http::fields::{FieldErrors, body, body_if_any};
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::request::{Filled, Text, request};
use crate::mail::MailKind;
use crate::session::DeviceName;
use crate::sign_in::{FactorKind, Proof};
use crate::store::{ConfirmFactor, Confirmed, NewFactor};

request! {
    /// What the app, or the device that it is on, shall be called.
    pub(crate) struct TotpRequest {
        /// A name for the list of factors.
        #[example = "Ada's phone"]
        name: Option<Text<{ DeviceName::MAX_CHARS }>>,
    }
}

request! {
    /// That the app has it.
    pub(crate) struct ConfirmTotpRequest {
        /// The code that the app shows.
        #[example = "123 456"]
        code: Filled<32>,
    }
}

/// What the app must know. It is shown this once.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct TotpResponse {
    #[schema(example = "5f0c9e1d2b3a4857")]
    id: String,
    /// The secret, for who types it in: base32, in groups of four.
    #[schema(example = "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ")]
    secret: String,
    /// The same as a link, which opens the app on a phone.
    uri: String,
    /// The link as a picture, for the app's camera: an SVG.
    qr: String,
}

#[utoipa::path(
    post,
    path = "/accounts/factors/totp",
    tag = "accounts",
    summary = "Begin to enrol an authenticator app",
    request_body = Option<TotpRequest>,
    responses(
        (status = 201, description = "The secret for the app. It is asked of nobody before a code \
            confirms it, and forgotten after an hour", body = TotpResponse),
        (status = 401, description = "factor_required, recent_login_required"),
        (status = 409, description = "conflict: the user has as many factors as anybody may"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn offer_totp(
    State(auth): State<Auth>,
    Enrolling(who): Enrolling,
    request: Request<Body>,
) -> Result<Created<Uncached<TotpResponse>>, Problem> {
    let asked: TotpRequest = body_if_any(request, auth.settings().body_timeout).await?;
    let mut errors = FieldErrors::default();
    let name = match asked.name {
        Some(Text(text)) if !text.trim().is_empty() => {
            errors.unless("name", DeviceName::parse(&text))
        }
        _ => None,
    };
    errors.none()?;
    let user = who.user().id();
    let factors = auth.store().factors_of(user).await?;
    who.may_change_factors(&auth, factors.enrolled())?;
    room_for_one(&factors)?;
    who.still(&auth)?;
    let (id, secret) = (FactorId::draw(auth.random()), TotpSecret::draw(auth.random()));
    let site = auth.settings().public_url.host_str().unwrap_or_default();
    let account = match who.user().email() {
        "" => who.user().username(),
        address => address,
    };
    let uri = secret.uri(site, account);
    let sealed = auth.factor_seal().seal(secret.bytes(), id, user)?;
    let (kind, created_at) = (FactorKind::Totp, auth.now());
    auth.store().offer_factor(NewFactor { id, user, kind, name, sealed, created_at }).await?;
    Ok(Created::new(Uncached::new(TotpResponse {
        id: id.to_string(),
        secret: secret.spelled(),
        // A name that is longer than a picture can say is typed in.
        qr: picture(&uri).unwrap_or_default(),
        uri,
    })))
}

#[utoipa::path(
    post,
    path = "/accounts/factors/totp/confirm",
    tag = "accounts",
    summary = "Enrol the authenticator app",
    request_body = ConfirmTotpRequest,
    responses(
        (status = 200, description = "It is asked for from now on. The access token says that it \
            was proved in this session", body = EnrolledResponse),
        (status = 401, description = "factor_required, recent_login_required"),
        (status = 409, description = "conflict: nothing waits to be confirmed, or the user has as \
            many factors as anybody may"),
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn confirm_totp(
    State(auth): State<Auth>,
    Enrolling(who): Enrolling,
    peer: Peer,
    request: Request<Body>,
) -> Result<Uncached<EnrolledResponse>, Problem> {
    let asked: ConfirmTotpRequest = body(request, auth.settings().body_timeout).await?;
    let wrong = || {
        let what = "This is not the code that the app shows now. Is the clock of its device right?";
        Problem::new(Code::ValidationError).field("code", what)
    };
    let Filled(code) = &asked.code;
    let code = TotpCode::parse(code).ok_or_else(wrong)?;
    let (user, now) = (who.user().id(), auth.now());
    let offered_after = now.saturating_sub(OFFER_LASTS).unwrap_or(jiff::Timestamp::MIN);
    let factors = auth.store().factors_of(user).await?;
    who.may_change_factors(&auth, factors.enrolled())?;
    let nothing_waits = || {
        let what = "No authenticator app waits to be confirmed. Begin anew.";
        Problem::new(Code::Conflict).detail(what)
    };
    let offered = factors
        .factors
        .into_iter()
        .find(|factor| {
            !factor.is_enrolled
                && factor.kind == FactorKind::Totp
                && factor.created_at > offered_after
        })
        .ok_or_else(nothing_waits)?;
    let secret = auth.totp_secret(user, &offered).ok_or_else(nothing_waits)?;
    let step = secret.step_of(&code, auth.seconds()).ok_or_else(wrong)?;
    let (codes, shown) = recovery_codes(&auth, user);
    let confirm = ConfirmFactor {
        id: offered.id,
        user,
        step,
        offered_after,
        codes,
        session: who.claims().sid,
        methods: Proof::Totp.methods(),
        now,
        mails: factor_notice(&auth, &peer, who.user(), MailKind::FactorAdded, FactorKind::Totp)
            .await?,
    };
    let (are_codes_new, authentication) = match auth.store().confirm_factor(confirm).await? {
        Confirmed::Done { are_codes_new, authentication } => (are_codes_new, authentication),
        Confirmed::Unknown | Confirmed::Taken => return Err(nothing_waits()),
        Confirmed::TooMany => return Err(no_room()),
        Confirmed::FactorRequired => return Err(Problem::new(Code::FactorRequired)),
        Confirmed::SessionEnded => return Err(Problem::new(Code::SessionRevoked)),
    };
    let session = who.claims().sid;
    tracing::info!(%user, %session, factor = %offered.id, "a second factor was added");
    auth.events()
        .on_factor_added(&peer.event(now, Some(who.user()), Some(session)), FactorKind::Totp);
    let codes = are_codes_new.then_some(shown);
    Ok(Uncached::new(enrolled(&auth, &who, offered, authentication, codes)?))
}

/// How long a secret waits to be confirmed.
const OFFER_LASTS: Duration = Duration::from_secs(60 * 60);

//! `POST /accounts/device/start`: a browser offers a key for its session (DBSC).
//!
//! Nothing counts yet: the key is confirmed once the browser has shown that it has the answer. A
//! refusal costs the browser nothing; the session stays as it was, and is offered again.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;

use crate::auth::Auth;
use crate::http::answer::{Refusal, Uncached};
use crate::http::device::{DEVICE_REFRESH, is_of_script, proof};
use crate::http::guard;
use crate::http::problem::{Code, Problem};
use crate::http::refresh_token::{Sent, refresh_cookie};
use crate::session::device::{DeviceBinding, DeviceKind, OFFERED_FOR, TICKET_SECONDS, Ticket};
use crate::session::{SessionId, Transport};
use crate::store::DeviceOffer;
use crate::token::proof::{ChallengeFor, DBSC, DeviceJws};

/// What a browser is to do for the session from now on (DBSC, session instructions).
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DeviceInstructions {
    /// The session's id.
    #[schema(value_type = String)]
    session_identifier: SessionId,
    /// Where the browser proves its key.
    refresh_url: String,
    /// Which requests wait for a proof.
    scope: DeviceScope,
    /// The cookie that a proof renews.
    credentials: Vec<DeviceCredential>,
    /// The hosts of pages on other origins whose requests wait too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_refresh_initiators: Vec<String>,
}

/// Which requests wait for a proof.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DeviceScope {
    /// The public URL's origin.
    origin: String,
    /// Always false: no other host.
    include_site: bool,
    /// The refresh endpoint alone.
    scope_specification: Vec<DeviceRule>,
}

/// A part of a host.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DeviceRule {
    /// `include` or `exclude`.
    r#type: &'static str,
    /// The host.
    domain: String,
    /// What its paths begin with.
    path: String,
}

/// A cookie that a proof renews.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DeviceCredential {
    /// Always `cookie`.
    r#type: &'static str,
    /// Its name.
    name: String,
    /// Its attributes.
    attributes: String,
}

#[utoipa::path(
    post,
    path = "/accounts/device/start",
    tag = "accounts",
    summary = "Offer a key that the session is to be bound to",
    description = "Browsers call this by themselves, after a login that answers with \
        `Secure-Session-Registration` (Device Bound Session Credentials).",
    params(("Secure-Session-Response" = Option<String>, Header, description = "The challenge, \
        signed with the key, which is with it")),
    responses(
        (status = 200, description = "What the browser is to do from now on",
            body = DeviceInstructions),
        (status = 401, description = "device_proof_invalid, refresh_token_missing, \
            refresh_token_invalid, refresh_token_expired"),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "unavailable: nothing was done, or it is not known whether it \
            was; to repeat it is safe"),
    ),
    security(("refresh_cookie" = [])),
)]
pub(crate) async fn device_start(
    State(auth): State<Auth>,
    headers: HeaderMap,
) -> Result<Uncached<DeviceInstructions>, Refusal> {
    guard::source(&auth, &headers)?;
    let token = match refresh_cookie(&auth, &headers).await? {
        Sent::One(token) => token,
        Sent::Nothing => return Err(Problem::new(Code::RefreshTokenMissing).into()),
        // A cookie of another session is no reason to take this one's away.
        Sent::Unclear => return Err(Problem::new(Code::RefreshTokenInvalid).into()),
    };
    let session = auth.refresh_tokens().verify(token, auth.seconds())?.sid;
    let now = auth.now();
    auth.refresh_limit()
        .check(session, now)
        .map_err(|wait| Problem::new(Code::Throttled).retry_after(wait.seconds()))?;

    let invalid = || Problem::new(Code::DeviceProofInvalid);
    if auth.checked().device_binding == DeviceBinding::Off || is_of_script(&headers) {
        return Err(invalid().into());
    }
    let signed = proof(&headers)
        .and_then(|proof| <DeviceJws>::read(proof, DBSC, None))
        .ok_or_else(invalid)?;
    let challenge_at = auth
        .challenges()
        .made_at(&signed.claims.jti, ChallengeFor::Start(session), now)
        .ok_or_else(invalid)?;
    let row = auth.store().session(session).await?.ok_or_else(invalid)?;
    if row.transport != Transport::Cookie || now > row.created_at + OFFERED_FOR {
        return Err(invalid().into());
    }
    let offer = DeviceOffer {
        session,
        kind: DeviceKind::Dbsc,
        key: signed.key.to_string(),
        challenge_at,
        is_confirmed: false,
        window: auth.settings().race_window,
        now,
    };
    if !auth.store().offer_device(offer).await? {
        return Err(invalid().into());
    }
    tracing::debug!(%session, key = ?signed.key, "a device was offered");
    let ticket = Ticket { key: signed.key.print(), proved_at: auth.seconds() };
    let ticket = auth.tickets().sign(session, ticket);
    let cookie = auth.checked().cookies.set_ticket(&ticket, Duration::from_secs(TICKET_SECONDS));
    Ok(Uncached::new(instructions(&auth, session)).with_cookies([cookie]))
}

fn instructions(auth: &Auth, session: SessionId) -> DeviceInstructions {
    let settings = auth.settings();
    let host = settings.public_url.host_str().unwrap_or_default();
    let rule = |r#type, path: String| DeviceRule { r#type, domain: host.to_owned(), path };
    let base = format!("{}{}", settings.home(), settings.base_path);
    DeviceInstructions {
        session_identifier: session,
        refresh_url: format!("{base}{DEVICE_REFRESH}"),
        scope: DeviceScope {
            origin: auth.checked().public_origin.to_string(),
            include_site: false,
            scope_specification: vec![
                rule("exclude", "/".to_owned()),
                rule("include", format!("{base}/refresh")),
            ],
        },
        credentials: vec![DeviceCredential {
            r#type: "cookie",
            name: auth.checked().cookies.ticket_name().to_owned(),
            attributes: auth.checked().cookies.ticket_attributes(),
        }],
        allowed_refresh_initiators: auth.checked().allow_origins.hosts(),
    }
}

//! `POST /accounts/device/refresh`: a browser proves the key of its session (DBSC).
//!
//! It gets a challenge, signs it, and gets the ticket that its next refreshes show. Whatever goes
//! wrong, it is never told a refusal that would make it forget its key; only that there is nothing
//! to prove any more.

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;

use crate::auth::Auth;
use crate::clock::seconds;
use crate::http::device::{DeviceAnswer, proof, session_named};
use crate::http::peer::Peer;
use crate::http::refresh_token::sessions_of;
use crate::session::device::{DeviceBinding, DeviceKind, DeviceRecord, TICKET_SECONDS, Ticket};
use crate::session::{SessionId, Transport};
use crate::store::{DeviceProof, StoreError};
use crate::token::proof::{ChallengeFor, DBSC, DeviceJws, DeviceKey};

#[utoipa::path(
    post,
    path = "/accounts/device/refresh",
    tag = "accounts",
    summary = "Prove the key that the session is bound to",
    description = "Browsers call this by themselves (Device Bound Session Credentials). Any other \
        4xx would make them forget the key.",
    params(
        ("Sec-Secure-Session-Id" = Option<String>, Header, description = "The session's id"),
        ("Secure-Session-Response" = Option<String>, Header, description = "The challenge, signed"),
    ),
    responses(
        (status = 200, description = "The device has proved itself, and has a ticket; or, with \
            `\"continue\": false`, there is nothing to prove any more"),
        (status = 403, description = "device_proof_required: sign the challenge of the header \
            `Secure-Session-Challenge`"),
        (status = 503, description = "unavailable: nothing was done, or it is not known whether it \
            was; to repeat it is safe"),
    ),
    security(("refresh_cookie" = [])),
)]
pub(crate) async fn device_refresh(
    State(auth): State<Auth>,
    peer: Peer,
    headers: HeaderMap,
) -> DeviceAnswer {
    let Some(session) = session_named(&headers) else { return DeviceAnswer::Ended(None, None) };
    // The refresh cookie may be another login's by now.
    let tokens = auth.checked().cookies.refresh_of(&headers);
    if !sessions_of(&auth, &tokens).contains(&session) {
        return DeviceAnswer::Ended(Some(session), None);
    }
    match prove(&auth, &peer, session, proof(&headers)).await {
        Ok(answer) => answer,
        Err(error) => DeviceAnswer::Later(error.into()),
    }
}

async fn prove(
    auth: &Auth,
    peer: &Peer,
    session: SessionId,
    proof: Option<&str>,
) -> Result<DeviceAnswer, StoreError> {
    let Some((key, record)) = bound(auth, session).await? else {
        return Ok(ended(auth, session));
    };
    let Some(proof) = proof else { return Ok(challenge(auth, session, &record)) };
    let Some(signed) = <DeviceJws>::read(proof, DBSC, Some(&key)) else {
        tracing::info!(%session, "a device proved another key than its session's");
        return Ok(ended(auth, session));
    };
    let now = auth.now();
    let made_at = auth.challenges().made_at(&signed.claims.jti, ChallengeFor::Proof(session), now);
    let Some(challenge_at) = made_at else { return Ok(challenge(auth, session, &record)) };
    let window = auth.settings().race_window;
    let is_bound_by_it = !record.device().confirmed && record.device().is_confirmed_by(now, window);
    let proved = DeviceProof { session, key: record.key, challenge_at, window, now };
    if !auth.store().prove_device(proved).await? {
        // The challenge was used, or the session has ended meanwhile.
        return Ok(match bound(auth, session).await? {
            Some((_, record)) => challenge(auth, session, &record),
            None => ended(auth, session),
        });
    }
    if is_bound_by_it {
        tracing::info!(%session, "the session is bound to its device");
        auth.events().on_device_bound(&peer.event(now, None, Some(session)));
    }
    let ticket = Ticket { key: key.print(), proved_at: auth.seconds() };
    let ticket = auth.tickets().sign(session, ticket);
    let lifetime = Duration::from_secs(TICKET_SECONDS);
    Ok(DeviceAnswer::Proved(auth.checked().cookies.set_ticket(&ticket, lifetime)))
}

/// The key of a live session of a browser.
async fn bound(
    auth: &Auth,
    session: SessionId,
) -> Result<Option<(DeviceKey, DeviceRecord)>, StoreError> {
    let row = auth.store().session(session).await?;
    let is_live = row.as_ref().is_some_and(|row| {
        row.revoked.is_none()
            && auth.seconds() < seconds(row.expires_at)
            && row.transport == Transport::Cookie
    });
    let device = row
        .and_then(|row| row.device)
        .filter(|_| is_live && auth.checked().device_binding != DeviceBinding::Off)
        .filter(|device| device.kind == DeviceKind::Dbsc);
    Ok(device.and_then(|device| Some((device.key.parse().ok()?, device))))
}

fn ended(auth: &Auth, session: SessionId) -> DeviceAnswer {
    let is_on = auth.checked().device_binding != DeviceBinding::Off;
    DeviceAnswer::Ended(Some(session), is_on.then(|| auth.checked().cookies.clear_ticket()))
}

fn challenge(auth: &Auth, session: SessionId, record: &DeviceRecord) -> DeviceAnswer {
    let what = ChallengeFor::Proof(session);
    let challenge = auth.challenges().make(what, auth.now(), Some(record.proof_at), auth.random());
    DeviceAnswer::Challenge(session, challenge)
}

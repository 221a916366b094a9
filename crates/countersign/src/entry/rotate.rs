//! A refresh token becomes a new one and a new access token: at the endpoint, and on a page whose
//! access cookie is over.

use std::sync::Arc;

use jiff::Timestamp;

use super::issue::{Grant, Issued, new_jti};
use crate::auth::Auth;
use crate::auth::events::Event;
use crate::http::answer::Refusal;
use crate::http::device::{self, Offer};
use crate::http::dpop;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::session::device::{DeviceStanding, Shown, Unproved};
use crate::session::rotation::{Generation, Presented, RotationEvent};
use crate::session::{Authentication, SessionId, Transport};
use crate::store::{Rotate, Rotation, StoreError};
use crate::token::RefreshClaims;
use crate::user::CachedUser;

/// What a client shows.
pub(crate) struct Shows {
    /// Of the refresh token, which was verified.
    pub(crate) claims: RefreshClaims,
    pub(crate) transport: Transport,
    /// Of its device.
    pub(crate) shown: Shown,
    /// When the challenge was made that a native client has signed.
    pub(crate) proved_by: Option<Timestamp>,
}

/// What it gets.
pub(crate) struct Refreshed {
    pub(crate) issued: Issued,
    /// What it is to sign.
    pub(crate) offer: Option<Offer>,
    pub(crate) user: Arc<CachedUser>,
    pub(crate) authentication: Authentication,
    pub(crate) is_bound: bool,
}

/// Refuses who refreshes too often.
///
/// # Errors
/// `throttled`.
pub(crate) fn within_limit(
    auth: &Auth,
    session: SessionId,
    shown: Shown,
    now: Timestamp,
) -> Result<(), Problem> {
    // Who has no ticket does not use up the share of who has one: the thief's is not the victim's.
    let limit = match shown.ticket {
        Some(ticket) if ticket.is_good(auth.seconds()) => auth.proved_refresh_limit(),
        _ => auth.refresh_limit(),
    };
    limit
        .check(session, now)
        .map_err(|wait| Problem::new(Code::Throttled).retry_after(wait.seconds()))
}

/// Rotates the session, and signs what the client gets.
///
/// # Errors
/// Everything that ends a session, and what may pass.
pub(crate) async fn rotate(
    auth: &Auth,
    peer: &Peer,
    shows: Shows,
    now: Timestamp,
) -> Result<Refreshed, Refusal> {
    let Shows { claims, transport, shown, proved_by } = shows;
    let session = claims.sid;
    let rotate = Rotate {
        session,
        token: presented(&claims),
        transport,
        shown,
        now,
        window: auth.settings().race_window,
        ip: Some(peer.ip),
        theft_notice: auth.theft_notice(),
    };
    let (user_id, created_at, authentication, expires_at, child, event, standing) =
        match auth.store().rotate_session(rotate).await? {
            Rotation::Granted {
                user_id,
                created_at,
                authentication,
                expires_at,
                child,
                event,
                standing,
            } => (user_id, created_at, authentication, expires_at, child, event, standing),
            Rotation::Reused { user_id } => {
                tracing::warn!(
                    user = %user_id,
                    session = %session,
                    ip = %peer.ip,
                    event = "token_theft",
                    "two parties held one session; it was ended"
                );
                auth.session_ended(session, now);
                // A user who cannot be read now is warned without their name.
                let user = auth.user(user_id).await.ok().flatten();
                if let Some(user) = &user {
                    auth.tell_of_theft(&***user, session).await;
                }
                let event = Event {
                    user: Some(user_id),
                    ..peer.event(now, user.as_ref().map(|user| &***user), Some(session))
                };
                auth.events().on_theft(&event);
                return Err(Problem::new(Code::RefreshTokenReused).into());
            }
            Rotation::Revoked(reason) => {
                return Err(Problem::new(Code::SessionRevoked).reason(reason.as_str()).into());
            }
            Rotation::Expired | Rotation::Unknown => {
                return Err(Problem::new(Code::SessionExpired).into());
            }
            Rotation::Unproved(why) => {
                let told = peer.event(now, None, Some(session));
                auth.events().on_unproved(&told, why, true);
                return Err(unproved(auth, why));
            }
            Rotation::WrongTransport => {
                return Err(Problem::new(Code::RefreshTokenInvalid)
                    .detail(
                        "This refresh token belongs to the other kind of client: browsers send the \
                    cookie, native clients the body.",
                    )
                    .into());
            }
        };
    match event {
        Some(RotationEvent::Rollback) => {
            tracing::warn!(user = %user_id, session = %session, event = "state_rollback", "a token \
                was newer than the store: was a backup restored?");
        }
        Some(RotationEvent::Race { is_repeated: true, .. }) => {
            tracing::info!(
                user = %user_id,
                session = %session,
                ip = %peer.ip,
                event = "race_repeated",
                "a stale refresh token was forgiven again"
            );
        }
        Some(RotationEvent::Race { .. }) => {
            tracing::debug!(session = %session, "a stale refresh token was forgiven");
        }
        None => {}
    }
    let user = auth
        .user_at_refresh(user_id)
        .await
        .map_err(StoreError::unknown)?
        .filter(|user| user.is_active())
        .ok_or_else(|| Problem::new(Code::UserInactive))?;

    let is_bound =
        matches!(standing, DeviceStanding::Proved { .. } | DeviceStanding::Confirms { .. });
    let grant = Grant {
        user: &**user,
        session,
        transport,
        authentication,
        is_bound,
        expires_at,
        is_short: claims.is_short,
        generation: child.generation,
        parent: Some(child.parent),
        jti: new_jti(auth),
        now,
    };
    let issued = grant.issue(auth)?;
    let told = peer.event(now, Some(&**user), Some(session));
    auth.events().on_refresh(&told);
    if matches!(event, Some(RotationEvent::Race { price: 1.., .. })) {
        auth.events().on_race(&told);
    }
    if let DeviceStanding::Unproved(why) = standing {
        auth.events().on_unproved(&told, why, false);
    }
    if standing == DeviceStanding::Unbound && shown.ticket.is_some() {
        tracing::warn!(user = %user_id, %session, event = "device_unbound", "a ticket was shown of \
            a session that is bound to no device: was a backup restored?");
    }
    if let DeviceStanding::Confirms { .. } = standing {
        tracing::info!(user = %user_id, %session, "the session is bound to its device");
        auth.events().on_device_bound(&told);
    }
    let is_offered = transport == Transport::Cookie
        && shown.is_offered(standing, created_at, now, auth.settings().race_window);
    let offer = match proved_by {
        Some(challenge_at) => Some(dpop::next_nonce(auth, session, challenge_at)),
        None => is_offered.then(|| device::offer(auth, session)),
    };
    Ok(Refreshed { issued, offer, user, authentication, is_bound })
}

/// The cookies stay, but for a ticket that is too old: without it the browser makes a new proof.
fn unproved(auth: &Auth, why: Unproved) -> Refusal {
    match why {
        Unproved::Missing => Problem::new(Code::SessionUnproved).into(),
        Unproved::Skipped => {
            Problem::new(Code::DeviceProofSkipped).retry_after(SKIPPED_SECONDS).into()
        }
        Unproved::Stale => Refusal::clearing(
            Problem::new(Code::DeviceProofStale).retry_after(STALE_SECONDS),
            vec![auth.checked().cookies.clear_ticket()],
        ),
    }
}

fn presented(claims: &RefreshClaims) -> Presented {
    Presented {
        generation: Generation(claims.generation),
        jti: claims.jti,
        parent: claims.parent,
        issued_at: claims.iat,
    }
}

/// Until the browser may try to prove itself again.
const SKIPPED_SECONDS: u32 = 5;

/// A browser without its old ticket proves itself at once.
const STALE_SECONDS: u32 = 1;

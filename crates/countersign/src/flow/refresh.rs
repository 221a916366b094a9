//! `POST /accounts/refresh`: a refresh token becomes a new one and a new access token.
//!
//! What a token leads to is decided by [`decide`](crate::session::rotation::decide). A refusal that
//! ends the session leaves the cookies alone: another tab may have logged in meanwhile, and a late
//! answer must not take its cookies away. Only where several cookies contradict each other are all
//! of them removed.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;

use crate::auth::Auth;
use crate::auth::events::Event;
use crate::entry::{Grant, Tokens, new_jti};
use crate::http::answer::{Refusal, Uncached};
use crate::http::device;
use crate::http::guard;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::refresh_token::{RefreshRequest, Sent, refresh_cookie, token_in_body, unclear};
use crate::session::Transport;
use crate::session::device::{DeviceStanding, Shown, Unproved};
use crate::session::rotation::{Generation, Presented, RotationEvent};
use crate::store::{Rotate, Rotation, StoreError};
use crate::token::RefreshClaims;

#[utoipa::path(
    post,
    path = "/accounts/refresh",
    tag = "accounts",
    summary = "Refresh the tokens",
    params(("X-CSRFTOKEN" = Option<String>, Header, description = "With the cookie: the session's \
        CSRF token")),
    request_body(content = Option<RefreshRequest>, description = "Native clients only"),
    responses(
        (status = 200, description = "New tokens; for browsers the cookies too", body = Tokens),
        (status = 401, description = "refresh_token_missing, refresh_token_invalid, \
            refresh_token_expired, session_expired, session_revoked, refresh_token_reused, \
            session_unproved, user_inactive"),
        (status = 403, description = "csrf_failed"),
        (status = 429, description = "throttled"),
        (status = 503, description = "device_proof_stale, device_proof_skipped: nothing was done; \
            unavailable: nothing was done, or it is not known whether it was; to repeat it is \
            safe"),
    ),
    security((), ("refresh_cookie" = [])),
)]
pub(crate) async fn refresh(
    State(auth): State<Auth>,
    peer: Peer,
    request: Request<Body>,
) -> Result<Uncached<Tokens>, Refusal> {
    let now = auth.now();
    let headers = request.headers();
    if !auth.checked().cookies.refresh_of(headers).is_empty() {
        guard::source(&auth, headers)?;
    }
    let mut shown = Shown::NOTHING;
    let (claims, transport) = match refresh_cookie(&auth, headers).await? {
        Sent::Unclear => return Err(unclear(&auth)),
        Sent::One(token) => {
            let claims = auth.refresh_tokens().verify(token, auth.seconds())?;
            guard::csrf(&auth, headers, claims.sid)?;
            shown = device::shown(&auth, headers, claims.sid);
            (claims, Transport::Cookie)
        }
        Sent::Nothing => {
            let native = guard::native(&auth, headers);
            if native.is_err() {
                guard::source(&auth, headers)?;
            }
            let Some(token) = token_in_body(&auth, request).await? else {
                return Err(Problem::new(Code::RefreshTokenMissing).into());
            };
            native?;
            (auth.refresh_tokens().verify(&token, auth.seconds())?, Transport::Body)
        }
    };
    let session = claims.sid;
    // Who has no ticket does not use up the share of who has one: the thief's is not the victim's.
    let limit = match shown.ticket {
        Some(ticket) if ticket.is_good(auth.seconds()) => auth.proved_refresh_limit(),
        _ => auth.refresh_limit(),
    };
    limit
        .check(session, now)
        .map_err(|wait| Problem::new(Code::Throttled).retry_after(wait.seconds()))?;

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
                return Err(unproved(&auth, why));
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

    let grant = Grant {
        user: &**user,
        session,
        transport,
        authentication,
        expires_at,
        generation: child.generation,
        parent: Some(child.parent),
        jti: new_jti(&auth),
        now,
    };
    let issued = grant.issue(&auth)?;
    let told = peer.event(now, Some(&**user), Some(session));
    auth.events().on_refresh(&told);
    if matches!(event, Some(RotationEvent::Race { price: 1.., .. })) {
        auth.events().on_race(&told);
    }
    if let DeviceStanding::Unproved(why) = standing {
        auth.events().on_unproved(&told, why, false);
    }
    if let DeviceStanding::Confirms { .. } = standing {
        tracing::info!(user = %user_id, %session, "the session is bound to its device");
        auth.events().on_device_bound(&told);
    }
    let is_offered = transport == Transport::Cookie
        && shown.is_offered(standing, created_at, now, auth.settings().race_window);
    let offer = is_offered.then(|| device::offer(&auth, session));
    Ok(Uncached::new(issued.tokens).with_cookies(issued.cookies).offering(offer))
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

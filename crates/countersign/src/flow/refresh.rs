//! `POST /accounts/refresh`: a refresh token becomes a new one and a new access token.
//!
//! What a token leads to is decided by [`decide`](crate::session::rotation::decide), and carried
//! out in [`rotate`]. A refusal that ends the session leaves the cookies alone: another tab may
//! have logged in meanwhile, and a late answer must not take its cookies away. Only where several
//! cookies contradict each other are all of them removed.

use axum::body::Body;
use axum::extract::State;
use axum::http::Request;

use crate::auth::Auth;
use crate::entry::{
    NativeDevice, RefreshResponse, Refreshed, Shows, by_native, rotate, within_limit,
};
use crate::http::answer::{Refusal, Uncached};
use crate::http::device;
use crate::http::guard;
use crate::http::peer::Peer;
use crate::http::problem::{Code, Problem};
use crate::http::refresh_token::{RefreshRequest, Sent, token_in_body, unclear};
use crate::session::Transport;
use crate::session::device::Shown;

#[utoipa::path(
    post,
    path = "/accounts/refresh",
    tag = "accounts",
    summary = "Refresh the tokens",
    params(
        ("X-CSRFTOKEN" = Option<String>, Header, description = "With the cookie: the session's \
            CSRF token"),
        ("DPoP" = Option<String>, Header, description = "Native clients whose session is bound to \
            a key: a proof of it, with the challenge of `DPoP-Nonce` as `nonce`"),
    ),
    request_body(content = Option<RefreshRequest>, description = "Native clients only"),
    responses(
        (status = 200, description = "New tokens and the user; for browsers the cookies too",
            body = RefreshResponse),
        (status = 400, description = "parse_error, validation_error, use_dpop_nonce: nothing was \
            done; sign the challenge of the header `DPoP-Nonce`, and send it again"),
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
) -> Result<Uncached<RefreshResponse>, Refusal> {
    let now = auth.now();
    let headers = request.headers();
    if !peer.refresh_cookies.is_empty() {
        guard::source(&auth, headers)?;
    }
    let mut shown = Shown::NOTHING;
    let (claims, transport) = match peer.refresh_cookies.sent(&auth).await? {
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
    let native = match transport {
        Transport::Body => {
            shown = by_native(&auth, None);
            NativeDevice::of(&auth, &peer, session).await?
        }
        Transport::Cookie => None,
    };
    let mut proved_by = None;
    if let Some(native) = native {
        let (by_proof, challenge_at) = native.prove(&auth, &peer, now).await?;
        (shown, proved_by) = (by_proof, Some(challenge_at));
    }
    // After the proof: one that was copied is old, and is not to use up the share of its owner, who
    // may have no good challenge either.
    within_limit(&auth, session, shown, now)?;

    let shows = Shows { claims, transport, shown, proved_by };
    let Refreshed { issued, offer, user, .. } = rotate(&auth, &peer, shows, now).await?;
    let answer = RefreshResponse { tokens: issued.tokens, user };
    Ok(Uncached::new(answer).with_cookies(issued.cookies).offering(offer))
}

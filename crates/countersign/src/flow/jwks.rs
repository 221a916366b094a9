//! `GET /.well-known/jwks.json`: the public keys, for whoever verifies access tokens (RFC 7517).

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::auth::Auth;
use crate::http::answer::Cacheable;
use crate::http::problem::Problem;

#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    tag = "well-known",
    summary = "The public keys",
    responses(
        (status = 200, description = "A JWK Set; the keys to come are in it before their first \
            token", body = Object),
        (status = 304, description = "Unchanged since the `ETag` in `If-None-Match`"),
    )
)]
pub(crate) async fn jwks(
    State(auth): State<Auth>,
    headers: HeaderMap,
) -> Result<Cacheable, Problem> {
    let body = auth.ring().jwks(auth.now()).to_string();
    let hash = URL_SAFE_NO_PAD.encode(&digest(&SHA256, body.as_bytes()).as_ref()[..12]);
    Cacheable::new(&headers, &hash, "application/json", CACHED, move || Ok(body.into()))
}

/// A minute: after `keys rotate --now` no cache gives out the old key for longer.
const CACHED: &str = "public, max-age=60";

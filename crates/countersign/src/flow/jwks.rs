//! `GET /.well-known/jwks.json`: the public keys, for whoever verifies access tokens (RFC 7517).

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::auth::Auth;
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
) -> Result<Response, Problem> {
    let body = auth.ring.jwks(auth.clock.now()).to_string();
    let hash = URL_SAFE_NO_PAD.encode(&digest(&SHA256, body.as_bytes()).as_ref()[..12]);
    cacheable(&headers, &hash, "application/json", CACHED, move || Ok(body.into()))
}

/// An answer that caches may keep for a while and then ask about by its tag. The body is made only
/// for who does not have it.
pub(super) fn cacheable(
    asked: &HeaderMap,
    tag: &str,
    content_type: &'static str,
    cached: &'static str,
    body: impl FnOnce() -> Result<Bytes, Problem>,
) -> Result<Response, Problem> {
    let tag = format!("\"{tag}\"");
    let known = asked
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    let unchanged = known
        .map(|value| value.trim().trim_start_matches("W/"))
        .any(|value| value == tag || value == "*");
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    // Public, and for who verifies tokens in a page too. Where the page's origin is listed, CORS
    // says so instead.
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    // Tags are made of base64url, digits and dots.
    if let Ok(tag) = HeaderValue::try_from(tag) {
        headers.insert(ETAG, tag);
    }
    if unchanged {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok((headers, body()?).into_response())
}

/// A minute: after `keys rotate --now` no cache gives out the old key for longer.
const CACHED: &str = "public, max-age=60";

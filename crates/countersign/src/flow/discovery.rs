//! `GET /.well-known/openid-configuration` and `GET /.well-known/oauth-authorization-server`: who
//! issues the access tokens, and where its keys are, for whoever verifies them and takes no more
//! than the issuer's name (OpenID Connect Discovery 1.0, section 4; RFC 8414).
//!
//! It says what is true and no more: nobody logs in here by OAuth, so there are no endpoints for
//! it.

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::Value;

use crate::auth::Auth;
use crate::http::answer::Cacheable;
use crate::http::problem::Problem;

/// What comes back.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct DiscoveryResponse {
    /// What tokens say in `iss`.
    #[schema(example = "http://localhost:8000")]
    issuer: String,
    /// Where the key set is.
    #[schema(example = "http://localhost:8000/.well-known/jwks.json")]
    jwks_uri: String,
    /// Where the signed list of ended sessions is. Not of the standards; others pass it over.
    #[schema(example = "http://localhost:8000/.well-known/revocations")]
    revocations_uri: String,
    /// None: there is no authorization endpoint. The member is required, so it is there and empty.
    response_types_supported: [&'static str; 0],
    /// None. Without the member it would be two (RFC 8414, section 2).
    grant_types_supported: [&'static str; 0],
    /// `sub` is the same for everybody who asks.
    #[schema(example = json!(["public"]))]
    subject_types_supported: [&'static str; 1],
    /// The algorithms of the keys in the key set. There are no ID tokens; it is where verifiers of
    /// access tokens look. Not there while no key has a public half.
    #[schema(required = false, example = json!(["EdDSA"]))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    id_token_signing_alg_values_supported: Vec<String>,
}

#[utoipa::path(
    get,
    path = "/.well-known/openid-configuration",
    tag = "well-known",
    summary = "Where the keys are",
    responses(
        (status = 200, description = "What a verifier needs to know", body = DiscoveryResponse),
        (status = 304, description = "Unchanged since the `ETag` in `If-None-Match`"),
    )
)]
pub(crate) async fn openid_configuration(
    State(auth): State<Auth>,
    headers: HeaderMap,
) -> Result<Cacheable, Problem> {
    discovery(&auth, &headers)
}

#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    tag = "well-known",
    summary = "Where the keys are, under its other name",
    responses(
        (status = 200, description = "What a verifier needs to know", body = DiscoveryResponse),
        (status = 304, description = "Unchanged since the `ETag` in `If-None-Match`"),
    )
)]
pub(crate) async fn oauth_authorization_server(
    State(auth): State<Auth>,
    headers: HeaderMap,
) -> Result<Cacheable, Problem> {
    discovery(&auth, &headers)
}

fn discovery(auth: &Auth, headers: &HeaderMap) -> Result<Cacheable, Problem> {
    let public_url = auth.settings().public_url.as_str().trim_end_matches('/');
    let answer = DiscoveryResponse {
        issuer: auth.checked().issuer.clone(),
        jwks_uri: format!("{public_url}/.well-known/jwks.json"),
        revocations_uri: format!("{public_url}/.well-known/revocations"),
        response_types_supported: [],
        grant_types_supported: [],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: algorithms(&auth.ring().jwks(auth.now())),
    };
    let body = serde_json::to_vec(&answer).unwrap_or_default();
    let hash = URL_SAFE_NO_PAD.encode(&digest(&SHA256, &body).as_ref()[..12]);
    Cacheable::new(headers, &hash, "application/json", CACHED, move || Ok(body.into()))
}

/// The algorithms of a key set, each once.
fn algorithms(key_set: &Value) -> Vec<String> {
    let mut all = Vec::new();
    let named = key_set["keys"].as_array().into_iter().flatten();
    for name in named.filter_map(|key| key["alg"].as_str()) {
        if !all.iter().any(|known| known == name) {
            all.push(name.to_owned());
        }
    }
    all
}

/// A minute, as the keys.
const CACHED: &str = "public, max-age=60";

//! `GET /.well-known/webauthn`: the sites of other domains that may use the passkeys of this one
//! (WebAuthn, level 3, section 5.11).

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::auth::Auth;
use crate::http::answer::Cacheable;
use crate::http::problem::Problem;

/// What comes back.
#[derive(Serialize, utoipa::ToSchema)]
pub(crate) struct RelatedOriginsResponse {
    #[schema(example = json!(["https://shop.example"]))]
    origins: Vec<String>,
}

#[utoipa::path(
    get,
    path = "/.well-known/webauthn",
    tag = "well-known",
    summary = "The sites that may use the same passkeys",
    responses(
        (status = 200, description = "The origins of `passkey_origins`",
            body = RelatedOriginsResponse),
        (status = 304, description = "Unchanged since the `ETag` in `If-None-Match`"),
    )
)]
pub(crate) async fn related_origins(
    State(auth): State<Auth>,
    headers: HeaderMap,
) -> Result<Cacheable, Problem> {
    let answer = RelatedOriginsResponse { origins: auth.related_origins() };
    let body = serde_json::to_vec(&answer).unwrap_or_default();
    let hash = URL_SAFE_NO_PAD.encode(&digest(&SHA256, &body).as_ref()[..12]);
    Cacheable::new(&headers, &hash, "application/json", CACHED, move || Ok(body.into()))
}

impl Auth {
    /// The origins that share the passkeys. An app's own is none of a browser's affair.
    pub(super) fn related_origins(&self) -> Vec<String> {
        let is_of_a_page = |origin: &&String| origin.starts_with("http");
        let origins = self.settings().passkey_origins.iter().filter(is_of_a_page);
        origins.filter(|_| self.passkeys().is_some()).cloned().collect()
    }
}

/// A minute, as the keys.
const CACHED: &str = "public, max-age=60";

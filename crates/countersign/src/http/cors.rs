//! CORS with credentials, for the listed front ends only.

use std::time::Duration;

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, Method};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::auth::Auth;

/// The layer: the same list of origins that the CSRF check knows.
pub(crate) fn layer(auth: &Auth) -> CorsLayer {
    let auth = auth.clone();
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| {
            origin.to_str().is_ok_and(|origin| auth.checked.allow_origins.allows(origin) || auth.checked.native_origins.allows(origin))
        }))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static(countersign_verify::csrf::HEADER)])
        .expose_headers([RETRY_AFTER, WWW_AUTHENTICATE, HeaderName::from_static("x-request-id")])
        .max_age(PREFLIGHT)
}

/// How long a browser may keep the answer to a preflight; Chromium keeps none longer.
const PREFLIGHT: Duration = Duration::from_secs(7200);

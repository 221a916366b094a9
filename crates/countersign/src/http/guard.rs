//! What stands between a write and a forged one: where the request comes from, and the countersign.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_LANGUAGE;
use axum::http::request::Parts;
use countersign_verify::{Claims, csrf};

use super::problem::{Code, Problem};
use crate::auth::Auth;
use crate::session::SessionId;
use crate::web::source::{SourceRefused, check_native_source, check_source};

impl Auth {
    /// Refuses a request that a page of a foreign origin sent: for what forms on pages of an app's
    /// own send, where it logs somebody in.
    ///
    /// # Errors
    /// `csrf_failed`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::http::{HeaderMap, HeaderValue, header::ORIGIN};
    ///
    /// # world::run(async |world| {
    /// let headers = HeaderMap::from_iter([(ORIGIN, HeaderValue::from_static("https://evil.example"))]);
    /// assert_eq!(world.auth.check_origin(&headers).unwrap_err().code().as_str(), "csrf_failed");
    /// # });
    /// ```
    pub fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        source(self, headers)
    }
}

/// Refuses a request that a page of a foreign origin sent.
pub(crate) fn source(auth: &Auth, headers: &HeaderMap) -> Result<(), Problem> {
    check_source(headers, &auth.checked().public_origin, &auth.checked().allow_origins).map_err(
        |refused| {
            tell_of_a_refused_origin(auth, &refused);
            Problem::from(refused)
        },
    )
}

/// Whether a page of a foreign origin sent something that is more than a link. What follows a link
/// from elsewhere, as from another provider, has no origin and says `cross-site` all the same.
pub(crate) fn is_cross_site(auth: &Auth, parts: &Parts) -> bool {
    let (own, allowed) = (&auth.checked().public_origin, &auth.checked().allow_origins);
    !parts.method.is_safe() && check_source(&parts.headers, own, allowed).is_err()
}

/// What languages the client speaks, as it says.
pub(crate) fn languages(headers: &HeaderMap) -> &str {
    headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Refuses a page that asks for tokens in the body: what script can read, an injected script can
/// steal.
pub(crate) fn native(auth: &Auth, headers: &HeaderMap) -> Result<(), Problem> {
    check_native_source(headers, &auth.checked().native_origins).map_err(Problem::from)
}

/// Refuses a write of a cookie session without the session's CSRF token; checked with the secret.
pub(crate) fn csrf(auth: &Auth, headers: &HeaderMap, session: SessionId) -> Result<(), Problem> {
    csrf::sent(headers).and_then(|token| {
        if auth.csrf_tokens().matches(session, token) { Ok(()) } else { Err(csrf::wrong()) }
    })
}

/// Both checks for a write that carries an access token, whose claim takes the secret's place.
/// Sessions without a cookie have no such claim and need no check.
pub(crate) fn write(auth: &Auth, headers: &HeaderMap, claims: &Claims) -> Result<(), Problem> {
    let Some(claim) = &claims.csrf else { return Ok(()) };
    source(auth, headers)?;
    csrf::check(headers, claim)
}

/// Whoever set the server up has to hear of an origin that was refused, and a stranger must not
/// fill the log.
fn tell_of_a_refused_origin(auth: &Auth, refused: &SourceRefused) {
    // An app in a web view may log in as a native client, which is checked on its own.
    let SourceRefused::Origin { origin, .. } = refused else { return };
    if !auth.checked().native_origins.allows(origin) && auth.refused_origins().is_first(auth.now())
    {
        tracing::warn!(
            %origin,
            "a page of this origin was refused; if it is yours, add the origin to \
             allow_origins, which counts for CORS and CSRF alike (told once a minute at most)"
        );
    }
}

impl From<SourceRefused> for Problem {
    fn from(refused: SourceRefused) -> Self {
        Self::new(Code::CsrfFailed).detail(refused.to_string())
    }
}

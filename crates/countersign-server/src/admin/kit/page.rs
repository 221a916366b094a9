//! A page on the wire: its bytes, and the headers that keep scripts out.

use askama::Template;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, REFERRER_POLICY, SET_COOKIE,
};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::passkey_script::policy;

/// A page, which no cache keeps, no page frames and no script runs in.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (
            status,
            [
                (CONTENT_TYPE, "text/html; charset=utf-8"),
                (CACHE_CONTROL, "no-store"),
                (CONTENT_SECURITY_POLICY, POLICY),
                // Without a referrer some browsers send `Origin: null` with a form.
                (REFERRER_POLICY, "same-origin"),
                (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            ],
            html,
        )
            .into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The same with the script that takes a passkey.
pub(crate) fn page_with_passkey(status: StatusCode, template: &impl Template) -> Response {
    let mut response = page(status, template);
    // ASCII alone.
    if let Ok(policy) = HeaderValue::try_from(format!("{POLICY}; {}", policy())) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// Sends the browser to a page of ours, with GET.
pub(crate) fn redirect(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/admin/"));
    (StatusCode::SEE_OTHER, [(LOCATION, to), (CACHE_CONTROL, HeaderValue::from_static("no-store"))])
        .into_response()
}

/// With one more `Set-Cookie`.
pub(crate) fn with_cookie(response: impl IntoResponse, cookie: HeaderValue) -> Response {
    let mut response = response.into_response();
    response.headers_mut().append(SET_COOKIE, cookie);
    response
}

const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action \
    'self'; base-uri 'none'; frame-ancestors 'none'";

//! Entity tags (RFC 9110, 8.8.3): whether a client has already what it asks for.
//!
//! ```
//! use axum::http::HeaderValue;
//! use countersign::web::etag::is_known;
//!
//! let sent = [HeaderValue::from_static("\"a\", W/\"b\"")];
//! assert!(is_known(&sent, "\"a\"") && is_known(&sent, "\"b\"") && !is_known(&sent, "\"c\""));
//! ```

use axum::http::HeaderValue;

/// Whether one of these values of `If-None-Match` names `tag`, which has its quotation marks. Weak
/// tags count as the strong ones, and `*` is every tag.
///
/// ```
/// use axum::http::HeaderValue;
/// use countersign::web::etag::is_known;
///
/// assert!(is_known([&HeaderValue::from_static("*")], "\"2026\""));
/// assert!(!is_known([], "\"2026\""));
/// ```
pub fn is_known<'a>(sent: impl IntoIterator<Item = &'a HeaderValue>, tag: &str) -> bool {
    sent.into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|value| value.trim().trim_start_matches("W/"))
        .any(|value| value == tag || value == "*")
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_by_its_name_or_by_the_star_and_by_nothing_else() {
        let known = |sent: &'static str| is_known([&HeaderValue::from_static(sent)], "\"a\"");
        for sent in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(known(sent), "{sent}");
        }
        for sent in ["", "a", "\"b\"", "\"a", "**"] {
            assert!(!known(sent), "{sent}");
        }
    }
}

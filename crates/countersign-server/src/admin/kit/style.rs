//! `GET /admin/style.css` and `GET /admin/icon.svg`: the looks, kept by browsers for ever under a
//! name that changes with the content.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::text::hex;

pub(crate) async fn style(headers: HeaderMap) -> Response {
    asset(&headers, "text/css; charset=utf-8", STYLE)
}

pub(crate) async fn icon(headers: HeaderMap) -> Response {
    asset(&headers, "image/svg+xml", ICON)
}

fn asset(headers: &HeaderMap, content_type: &'static str, content: &'static str) -> Response {
    let tag = format!("\"{VERSION}\"");
    let known = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let kept = [
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (ETAG, HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))),
    ];
    if known {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, [(CONTENT_TYPE, content_type)], content).into_response()
}

/// What pages ask for the style sheet under: another one with other content.
pub(crate) const VERSION: &str = match std::str::from_utf8(&DIGITS) {
    Ok(digits) => digits,
    Err(_) => "0",
};

const DIGITS: [u8; 16] =
    hex(fnv1a(STYLE.as_bytes(), fnv1a(ICON.as_bytes(), 0xcbf2_9ce4_8422_2325)));

/// FNV-1a: it tells versions apart, it proves nothing.
const fn fnv1a(bytes: &[u8], mut hash: u64) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}

const STYLE: &str = include_str!("../../../templates/admin/style.css");
const ICON: &str = include_str!("../../../templates/admin/icon.svg");

//! The one script of pages that take a passkey, which browsers give to scripts alone.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// It stands in the page. A form with `data-passkey` is hidden until it runs.
pub(crate) const SCRIPT: &str = include_str!("../templates/passkey.js");

/// What a Content-Security-Policy says of it, and of what it asks this server for.
pub(crate) fn policy() -> String {
    let hash = STANDARD.encode(digest(&SHA256, SCRIPT.as_bytes()));
    format!("script-src 'sha256-{hash}'; connect-src 'self'")
}

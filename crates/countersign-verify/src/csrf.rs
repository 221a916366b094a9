//! The claim `csrf`: how any resource server checks `X-CSRFTOKEN` without a secret and without a call.
//!
//! The claim is the hash of the session's CSRF token. Who holds an access token in a script's memory can read the claim, but a hash gives no header away.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The header that carries the CSRF token on everything that writes, in lower case.
pub const HEADER: &str = "x-csrftoken";

/// The claim for a CSRF token: base64url, without padding, of its SHA-256.
///
/// ```
/// assert_eq!(countersign_verify::csrf::claim(b"abc"), "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0");
/// ```
pub fn claim(csrf_token: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, csrf_token))
}

/// Whether `header` is the CSRF token whose claim is `claim`, in constant time.
pub fn matches(claimed: &str, header: &[u8]) -> bool {
    verify_slices_are_equal(claimed.as_bytes(), claim(header).as_bytes()).is_ok()
}

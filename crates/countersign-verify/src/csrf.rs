//! The claim `csrf`: how any resource server checks `X-CSRFTOKEN` without a secret and without a
//! call.
//!
//! The claim is the hash of the session's CSRF token. Who holds an access token in a script's
//! memory can read the claim, but a hash gives no header away.
//!
//! ```
//! use countersign_verify::{Code, csrf};
//! use http::{HeaderMap, HeaderValue};
//!
//! let claimed = csrf::claim(b"the session's token"); // the claim `csrf` of the access token
//! let mut headers = HeaderMap::new();
//! assert_eq!(csrf::check(&headers, &claimed).unwrap_err().code(), Code::CsrfFailed);
//! headers.insert(csrf::HEADER, HeaderValue::from_static("the session's token"));
//! assert!(csrf::check(&headers, &claimed).is_ok());
//! ```

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;

use crate::problem::{Code, Problem};

/// The header that carries the CSRF token on everything that writes, in lower case.
pub const HEADER: &str = "x-csrftoken";

/// The claim for a CSRF token: base64url, without padding, of its SHA-256.
///
/// ```
/// assert_eq!(
///     countersign_verify::csrf::claim(b"abc"),
///     "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"
/// );
/// ```
pub fn claim(csrf_token: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, csrf_token))
}

/// Whether `header` is the CSRF token whose claim is `claim`, in constant time.
///
/// ```
/// use countersign_verify::csrf;
///
/// let claimed = csrf::claim(b"the session's token");
/// assert!(csrf::matches(&claimed, b"the session's token"));
/// assert!(!csrf::matches(&claimed, b"another"));
/// ```
pub fn matches(claimed: &str, header: &[u8]) -> bool {
    verify_slices_are_equal(claimed.as_bytes(), claim(header).as_bytes()).is_ok()
}

/// The CSRF token that a request brings.
///
/// # Errors
/// A 403 that says what to send, when there is none, or more than one.
///
/// ```
/// use countersign_verify::csrf;
/// use http::{HeaderMap, HeaderValue};
///
/// let mut headers = HeaderMap::new();
/// assert!(
///     csrf::sent(&headers)
///         .unwrap_err()
///         .as_detail()
///         .starts_with("The X-CSRFTOKEN header is missing.")
/// );
/// headers.append(csrf::HEADER, HeaderValue::from_static("one"));
/// assert_eq!(csrf::sent(&headers).unwrap(), b"one");
/// headers.append(csrf::HEADER, HeaderValue::from_static("two"));
/// assert!(csrf::sent(&headers).is_err());
/// ```
pub fn sent(headers: &HeaderMap) -> Result<&[u8], Problem> {
    let mut values = headers.get_all(HEADER).into_iter();
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Ok(value.as_bytes()),
        (Some(_), Some(_)) => {
            Err(Problem::new(Code::CsrfFailed).detail("Send one X-CSRFTOKEN header, not several."))
        }
        _ => Err(Problem::new(Code::CsrfFailed).detail(
            "The X-CSRFTOKEN header is missing. Send the `csrf_token` that login, refresh and csrf \
             return; the cookie alone does not count. With axios, set `withCredentials`, \
             `withXSRFToken`, `xsrfCookieName: 'csrftoken'` and `xsrfHeaderName: 'X-CSRFTOKEN'`.",
        )),
    }
}

/// Refuses a write without the CSRF token whose claim is `claimed`.
///
/// # Errors
/// A 403 that says what to send.
///
/// ```
/// use countersign_verify::csrf;
/// use http::{HeaderMap, HeaderValue};
///
/// let headers =
///     HeaderMap::from_iter([("x-csrftoken".parse().unwrap(), HeaderValue::from_static("mine"))]);
/// assert!(csrf::check(&headers, &csrf::claim(b"mine")).is_ok());
/// assert!(csrf::check(&headers, &csrf::claim(b"another")).is_err());
/// ```
pub fn check(headers: &HeaderMap, claimed: &str) -> Result<(), Problem> {
    sent(headers).and_then(|token| if matches(claimed, token) { Ok(()) } else { Err(wrong()) })
}

/// The 403 for a CSRF token that is not the session's.
///
/// ```
/// let problem = countersign_verify::csrf::wrong();
/// assert_eq!(problem.code().as_str(), "csrf_failed");
/// assert_eq!(problem.code().status(), 403);
/// ```
pub fn wrong() -> Problem {
    Problem::new(Code::CsrfFailed).detail(
        "The X-CSRFTOKEN header is not this session's token. Send the `csrf_token` of the last \
         login, or ask `GET` on the csrf endpoint for it.",
    )
}

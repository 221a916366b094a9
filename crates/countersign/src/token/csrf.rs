//! The countersign: a session's CSRF token.
//!
//! ```
//! # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
//! use countersign::token::csrf::CsrfTokens;
//! use countersign::session::SessionId;
//!
//! # let secrets = world::secrets();
//! let token = CsrfTokens::new(&secrets).token(SessionId::new(1).unwrap());
//! // What access tokens claim of it, so that any service can check it without the secret:
//! assert_eq!(countersign_verify::csrf::claim(token.as_bytes()).len(), 43);
//! ```

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::secrets::Secrets;
use crate::session::SessionId;

/// Makes and checks CSRF tokens: base64url of HMAC-SHA256 of the session's id (OWASP, signed
/// double-submit).
///
/// Being bound to the session, a cookie and header planted together by a sibling subdomain, or
/// taken from another session, fail.
///
/// ```
/// use countersign::token::csrf::CsrfTokens;
/// use countersign::session::SessionId;
/// use countersign::token::Secrets;
///
/// let tokens = CsrfTokens::new(&Secrets::from_text("0123456789abcdef0123456789abcdef").unwrap());
/// let (mine, other) = (SessionId::new(1).unwrap(), SessionId::new(2).unwrap());
/// assert!(tokens.matches(mine, tokens.token(mine).as_bytes()));
/// assert!(!tokens.matches(mine, tokens.token(other).as_bytes()));
/// ```
pub struct CsrfTokens {
    key: hmac::Key,
}

impl CsrfTokens {
    /// Tokens under the CSRF key of `secrets`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::csrf::CsrfTokens;
    ///
    /// # let secrets = world::secrets();
    /// let tokens = CsrfTokens::new(&secrets);
    /// assert_eq!(format!("{tokens:?}"), "CsrfTokens(..)");
    /// ```
    pub fn new(secrets: &Secrets) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secrets.csrf()) }
    }

    /// The session's token: 43 characters, the same for the session's whole life.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::csrf::CsrfTokens;
    /// use countersign::session::SessionId;
    ///
    /// # let tokens = CsrfTokens::new(&world::secrets());
    /// let session = SessionId::new(1).unwrap();
    /// assert_eq!(tokens.token(session).len(), 43);
    /// assert_eq!(tokens.token(session), tokens.token(session));
    /// ```
    pub fn token(&self, session: SessionId) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &session.get().to_be_bytes()))
    }

    /// Whether `header` is the session's token, in constant time.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::csrf::CsrfTokens;
    /// use countersign::session::SessionId;
    ///
    /// # let tokens = CsrfTokens::new(&world::secrets());
    /// let session = SessionId::new(1).unwrap();
    /// assert!(tokens.matches(session, tokens.token(session).as_bytes()));
    /// assert!(!tokens.matches(session, b""));
    /// ```
    pub fn matches(&self, session: SessionId, header: &[u8]) -> bool {
        verify_slices_are_equal(self.token(session).as_bytes(), header).is_ok()
    }
}

impl fmt::Debug for CsrfTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfTokens(..)")
    }
}

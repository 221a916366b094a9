//! Verify Countersign access tokens: what a resource server needs, and nothing that needs a database.
//!
//! ```
//! use countersign_verify::{bearer_token, TokenError};
//!
//! assert_eq!(bearer_token(b"Bearer abc.def.ghi"), Ok("abc.def.ghi"));
//! assert_eq!(bearer_token(b"Basic dXNlcjpwYXNz"), Err(TokenError::Malformed));
//! ```

#![warn(clippy::unwrap_used)]

mod bearer;
mod claims;
pub mod csrf;
mod keys;
mod recent;
mod revocations;
mod session_id;
mod verifier;

pub use bearer::bearer_token;
pub use claims::{Audience, Claims};
pub use jsonwebtoken::Algorithm;
pub use keys::{KeySet, VerifyingKey};
pub use recent::Recent;
pub use revocations::Revocations;
pub use session_id::{InvalidSessionId, SessionId};
pub use verifier::{ACCESS_TOKEN_TYPE, Seen, TokenError, Verified, Verifier};

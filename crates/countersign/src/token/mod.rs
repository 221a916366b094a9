//! Tokens: the secrets behind them, the ring of signing keys, and the forms of the access, the
//! refresh, the CSRF, the device and the service token.
//!
//! ```
//! # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
//! use countersign::token::{Algorithm, KeyRing, SealedKey};
//!
//! # let (secrets, now) = (world::secrets(), world::midnight());
//! let key =
//!     SealedKey::generate(Algorithm::EdDsa, &secrets, now, now, &countersign::clock::OsRandom)
//!         .unwrap();
//! let ring = KeyRing::new(&[key], &secrets, now).unwrap();
//! assert_eq!(ring.jwks(now)["keys"][0]["crv"], "Ed25519");
//! ```

mod access;
mod algorithm;
mod code;
#[cfg(feature = "axum")]
pub(crate) mod cookie_seal;
pub mod csrf;
pub mod device;
mod fingerprint;
mod key;
mod one_time;
#[cfg(feature = "axum")]
pub(crate) mod pending;
#[cfg(feature = "axum")]
pub(crate) mod proof;
mod refresh;
mod ring;
mod secrets;
mod service;
mod signer;
#[cfg(test)]
mod signing_tests;
#[cfg(test)]
mod tests;
#[cfg(feature = "axum")]
pub(crate) mod ticket;
mod ticket_id;

pub use access::{AccessGrant, ExtraClaim, UnknownClaim};
pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use code::{Code, CodeHasher};
pub use fingerprint::{Fingerprint, SecretHash};
pub use key::{KeyError, KeyId, PrivateKey, SealedKey};
pub use one_time::{OneTimeToken, Purpose, TokenId};
pub use refresh::{RefreshClaims, RefreshError, RefreshTokens};
pub use ring::KeyRing;
pub use secrets::{Secrets, SecretsError};
pub use service::ServiceToken;
pub use ticket_id::TicketId;

//! Tokens: the secrets behind them, the ring of signing keys, and the forms of the access, the
//! refresh, the CSRF and the device token.
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
pub mod csrf;
pub mod device;
mod key;
mod one_time;
#[cfg(feature = "axum")]
pub(crate) mod pending;
#[cfg(feature = "axum")]
pub(crate) mod proof;
mod refresh;
mod ring;
mod secrets;
mod signer;
#[cfg(test)]
mod signing_tests;
#[cfg(test)]
mod tests;

pub use access::{AccessGrant, ExtraClaim, UnknownClaim};
pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use key::{KeyError, KeyId, PrivateKey, SealedKey};
pub use one_time::{Code, CodeHasher, Fingerprint, OneTimeToken, Purpose, SecretHash, TokenId};
pub use refresh::{RefreshClaims, RefreshError, RefreshTokens};
pub use ring::KeyRing;
pub use secrets::{Secrets, SecretsError};

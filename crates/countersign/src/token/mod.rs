//! Tokens: the secrets behind them, the ring of signing keys, and the forms of the access and the refresh token.

mod access;
mod algorithm;
mod key;
mod refresh;
mod ring;
mod secrets;

pub use access::{AccessGrant, ExtraClaim, UnknownClaim};
pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use key::{KeyError, KeyId, PrivateKey, SealedKey};
pub use refresh::{RefreshClaims, RefreshError, RefreshTokens};
pub use ring::KeyRing;
pub use secrets::{Secrets, SecretsError};

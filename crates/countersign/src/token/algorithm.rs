use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What access tokens are signed with (RFC 7518, RFC 8037).
///
/// ```
/// use countersign::token::Algorithm;
///
/// assert_eq!("es256".parse(), Ok(Algorithm::Es256));
/// assert_eq!(Algorithm::default().to_string(), "EdDSA");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[non_exhaustive]
pub enum Algorithm {
    /// Ed25519: the default. Small, fast, and every current library verifies it.
    #[default]
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// RSA PKCS#1 v1.5 with SHA-256, 2048 bits: for verifiers that know nothing newer. Signing is
    /// thirty times slower.
    #[serde(rename = "RS256")]
    Rs256,
    /// HMAC with SHA-256: only this server can verify its tokens, and the JWKS is empty.
    #[serde(rename = "HS256")]
    Hs256,
}

impl Algorithm {
    /// The name in the header `alg`.
    ///
    /// ```
    /// assert_eq!(countersign::token::Algorithm::Rs256.as_str(), "RS256");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Hs256 => "HS256",
        }
    }

    pub(super) const fn jwt(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::EdDsa, Self::Es256, Self::Rs256, Self::Hs256]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
            .ok_or(UnknownAlgorithm)
    }
}

/// The name of no algorithm that tokens can be signed with.
///
/// ```
/// use countersign::token::{Algorithm, UnknownAlgorithm};
///
/// assert_eq!("none".parse::<Algorithm>(), Err(UnknownAlgorithm));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("choose EdDSA, ES256, RS256 or HS256")]
pub struct UnknownAlgorithm;

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use crate::keys::{KeySet, VerifyingKey};

impl KeySet {
    /// The keys of a JWK Set (RFC 7517, 5) that can verify an access token.
    ///
    /// Passed over are keys without `kid` or `alg`, of an algorithm other than `EdDSA`, `ES256` and
    /// `RS256`, on a curve that is not the algorithm's, too short ones, and those that are there
    /// for something else: `use` other than `sig`, `key_ops` without `verify`. A shared secret has
    /// no place in a set that anybody may read.
    ///
    /// # Errors
    /// [`NotAKeySet`] for a text that is no such set.
    ///
    /// ```
    /// use countersign_verify::{Algorithm, KeySet};
    ///
    /// let keys = KeySet::from_jwk_set(
    ///     r#"{"keys": [
    ///         {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k1",
    ///          "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    ///         {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "enc", "kid": "k2",
    ///          "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
    /// )
    /// .unwrap();
    /// assert_eq!(keys.get("k1").unwrap().algorithm(), Algorithm::EdDSA);
    /// assert!(keys.get("k2").is_none());
    /// ```
    pub fn from_jwk_set(text: &str) -> Result<Self, NotAKeySet> {
        let set: Set = serde_json::from_str(text).map_err(|_| NotAKeySet)?;
        // Each by itself: one that is bent takes no other along.
        let keys =
            set.keys.into_iter().filter_map(|jwk| verifying(&serde_json::from_value(jwk).ok()?));
        Ok(Self::new(keys.collect()))
    }
}

/// A text that is no JWK Set.
///
/// ```
/// use countersign_verify::{KeySet, NotAKeySet};
///
/// assert_eq!(KeySet::from_jwk_set("<html>").unwrap_err(), NotAKeySet);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no JWK Set: an object with the list `keys` (RFC 7517, 5)")]
pub struct NotAKeySet;

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// The key as it verifies, if that is what it is for.
fn verifying(jwk: &Jwk) -> Option<VerifyingKey> {
    let common = &jwk.common;
    if common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    if common
        .key_operations
        .as_ref()
        .is_some_and(|operations| !operations.contains(&KeyOperations::Verify))
    {
        return None;
    }
    let algorithm = match (common.key_algorithm?, &jwk.algorithm) {
        (KeyAlgorithm::EdDSA, AlgorithmParameters::OctetKeyPair(key))
            if key.curve == EllipticCurve::Ed25519 =>
        {
            Algorithm::EdDSA
        }
        (KeyAlgorithm::ES256, AlgorithmParameters::EllipticCurve(key))
            if key.curve == EllipticCurve::P256 =>
        {
            Algorithm::ES256
        }
        (KeyAlgorithm::RS256, AlgorithmParameters::RSA(_)) => Algorithm::RS256,
        _ => return None,
    };
    Some(VerifyingKey::new(
        common.key_id.clone()?,
        algorithm,
        DecodingKey::from_jwk(jwk).ok()?,
        u64::MAX,
    ))
}

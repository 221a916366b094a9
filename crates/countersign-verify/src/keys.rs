use std::fmt;

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};

/// The public keys that an issuer's tokens may be signed with.
///
/// ```
/// use countersign_verify::{Algorithm, KeySet, VerifyingKey};
/// use jsonwebtoken::DecodingKey;
///
/// let key = DecodingKey::from_secret(b"thirty-two bytes that nobody else knows");
/// let keys = KeySet::new(vec![VerifyingKey::new("k1".into(), Algorithm::HS256, key, u64::MAX)]);
/// assert!(keys.get("k1").is_some());
/// ```
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// A set of these keys, less those that cannot serve: a key of another kind than its
    /// algorithm's, an HMAC secret of less than 32 bytes (RFC 7518, 3.2), an RSA modulus of less
    /// than 2048 bits (3.3). The log names them.
    ///
    /// ```
    /// use countersign_verify::KeySet;
    ///
    /// // Before the issuer's keys have been fetched: no token counts.
    /// assert!(KeySet::new(Vec::new()).get("k1").is_none());
    /// ```
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
        let (keys, unfit): (Vec<_>, Vec<_>) = keys.into_iter().partition(VerifyingKey::is_fit);
        for key in unfit {
            tracing::warn!(kid = key.id, algorithm = ?key.algorithm, "a key is too short for its \
                algorithm, or of another kind, and is left out");
        }
        Self { keys }
    }

    /// The key with this id.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::Algorithm;
    ///
    /// # let keys = world::keys();
    /// assert_eq!(keys.get("k1").unwrap().algorithm(), Algorithm::HS256);
    /// assert!(keys.get("k2").is_none());
    /// ```
    pub fn get(&self, id: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.id == id)
    }
}

/// One key: its id, the one algorithm it serves, and when it stops counting.
///
/// ```
/// use countersign_verify::{Algorithm, VerifyingKey};
/// use jsonwebtoken::DecodingKey;
///
/// // Ed25519, as the `x` of a JWK has it.
/// let key =
///     DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
/// let key = VerifyingKey::new("0b5c86a9f4dd496a".into(), Algorithm::EdDSA, key, u64::MAX);
/// assert!(!format!("{key:?}").contains("11qYAYK"));
/// ```
#[derive(Clone)]
pub struct VerifyingKey {
    id: String,
    algorithm: Algorithm,
    key: DecodingKey,
    retires_at: u64,
}

impl VerifyingKey {
    /// A key that counts until `retires_at`, in whole seconds since 1970 (`u64::MAX`: for good).
    ///
    /// ```
    /// use countersign_verify::{Algorithm, VerifyingKey};
    /// use jsonwebtoken::DecodingKey;
    ///
    /// let key = DecodingKey::from_secret(b"thirty-two bytes that nobody else knows");
    /// let key = VerifyingKey::new("k1".into(), Algorithm::HS256, key, 1_300);
    /// assert_eq!(key.retires_at(), 1_300);
    /// ```
    pub fn new(id: String, algorithm: Algorithm, key: DecodingKey, retires_at: u64) -> Self {
        Self { id, algorithm, key, retires_at }
    }

    /// The one algorithm it serves.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let keys = world::keys();
    /// assert_eq!(keys.get("k1").unwrap().algorithm(), countersign_verify::Algorithm::HS256);
    /// ```
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// When it stops counting, in whole seconds since 1970.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let keys = world::keys();
    /// assert_eq!(keys.get("k1").unwrap().retires_at(), u64::MAX); // for good
    /// ```
    pub fn retires_at(&self) -> u64 {
        self.retires_at
    }

    /// Whether the key is of its algorithm's kind, and long enough.
    fn is_fit(&self) -> bool {
        let bits = match self.key.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => bytes.len() * 8,
            DecodingKeyKind::RsaModulusExponent { n, .. } => bits(n),
        };
        let (family, least) = match self.algorithm {
            Algorithm::HS256 => (AlgorithmFamily::Hmac, 256),
            Algorithm::HS384 => (AlgorithmFamily::Hmac, 384),
            Algorithm::HS512 => (AlgorithmFamily::Hmac, 512),
            Algorithm::ES256 => (AlgorithmFamily::Ec, 256),
            Algorithm::ES384 => (AlgorithmFamily::Ec, 384),
            Algorithm::EdDSA => (AlgorithmFamily::Ed, 256),
            _ => (AlgorithmFamily::Rsa, 2048),
        };
        self.key.family() == family && bits >= least
    }

    /// The key, as the JWT library takes it.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::{Algorithm, Claims};
    /// use jsonwebtoken::{Validation, decode};
    ///
    /// # let (keys, token) = (world::keys(), world::token());
    /// let mut validation = Validation::new(Algorithm::HS256);
    /// // By the machine's clock; `Verifier` takes the time that it is given.
    /// validation.validate_exp = false;
    /// let claims = decode::<Claims>(&token, keys.get("k1").unwrap().decoding_key(), &validation)
    ///     .unwrap()
    ///     .claims;
    /// assert_eq!(claims.sub, "7");
    /// ```
    pub fn decoding_key(&self) -> &DecodingKey {
        &self.key
    }
}

/// How long a big-endian number is, in bits.
fn bits(number: &[u8]) -> usize {
    let significant =
        number.iter().position(|byte| *byte != 0).map_or(&[][..], |first| &number[first..]);
    significant.first().map_or(0, |first| significant.len() * 8 - first.leading_zeros() as usize)
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With HS256 the verifying key is the secret.
        f.debug_struct("VerifyingKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

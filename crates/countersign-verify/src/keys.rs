use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey};

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
    /// A set of these keys.
    ///
    /// ```
    /// use countersign_verify::KeySet;
    ///
    /// // Before the issuer's keys have been fetched: no token counts.
    /// assert!(KeySet::new(Vec::new()).get("k1").is_none());
    /// ```
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
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
/// let key = DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
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

    /// The key, as the JWT library takes it.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::{Algorithm, Claims};
    /// use jsonwebtoken::{Validation, decode};
    ///
    /// # let (keys, token) = (world::keys(), world::token());
    /// let mut validation = Validation::new(Algorithm::HS256);
    /// validation.validate_exp = false; // by the machine's clock; `Verifier` takes the time that it is given
    /// let claims = decode::<Claims>(&token, keys.get("k1").unwrap().decoding_key(), &validation).unwrap().claims;
    /// assert_eq!(claims.sub, "7");
    /// ```
    pub fn decoding_key(&self) -> &DecodingKey {
        &self.key
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // With HS256 the verifying key is the secret.
        f.debug_struct("VerifyingKey").field("id", &self.id).field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey};

/// The public keys that an issuer's tokens may be signed with.
#[derive(Debug, Clone, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// A set of these keys.
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
        Self { keys }
    }

    /// The key with this id.
    pub fn get(&self, id: &str) -> Option<&VerifyingKey> {
        self.keys.iter().find(|key| key.id == id)
    }
}

/// One key: its id, the one algorithm it serves, and when it stops counting.
#[derive(Clone)]
pub struct VerifyingKey {
    id: String,
    algorithm: Algorithm,
    key: DecodingKey,
    retires_at: u64,
}

impl VerifyingKey {
    /// A key that counts until `retires_at`, in whole seconds since 1970 (`u64::MAX`: for good).
    pub fn new(id: String, algorithm: Algorithm, key: DecodingKey, retires_at: u64) -> Self {
        Self { id, algorithm, key, retires_at }
    }

    /// The one algorithm it serves.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// When it stops counting, in whole seconds since 1970.
    pub fn retires_at(&self) -> u64 {
        self.retires_at
    }

    /// The key, as the JWT library takes it.
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

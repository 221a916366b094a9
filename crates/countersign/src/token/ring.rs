use std::fmt;

use arc_swap::ArcSwap;
use countersign_verify::{KeySet, VerifyingKey, jws};
use jiff::Timestamp;
use jsonwebtoken::{DecodingKey, Header};
use serde::Serialize;
use serde_json::{Value, json};

use super::signer::{Signer, Unsigned};
use super::{Algorithm, KeyError, KeyId, SealedKey, Secrets};

/// The live signing keys: the newest that is active signs, all of them verify.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::clock::OsRandom;
/// use countersign::token::{Algorithm, KeyRing, SealedKey};
///
/// # let (secrets, now) = (world::secrets(), world::midnight());
/// let key = SealedKey::generate(Algorithm::EdDsa, &secrets, now, now, &OsRandom).unwrap();
/// let ring = KeyRing::new(&[key], &secrets, now).unwrap();
/// let token = ring.sign("at+jwt", &serde_json::json!({"sub": "7"}), now).unwrap();
/// assert_eq!(token.split('.').count(), 3);
/// ```
#[derive(Debug)]
pub struct KeyRing {
    keys: ArcSwap<Vec<Key>>,
}

impl KeyRing {
    /// A ring of those of `keys` that are live at `now`.
    ///
    /// # Errors
    /// [`KeyError`] when a live key cannot be opened.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::{KeyError, KeyRing};
    ///
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// let empty = KeyRing::new(&[], &secrets, now).unwrap();
    /// assert_eq!(empty.sign("at+jwt", &"", now), Err(KeyError::NoneLive));
    /// ```
    pub fn new(keys: &[SealedKey], secrets: &Secrets, now: Timestamp) -> Result<Self, KeyError> {
        Ok(Self { keys: ArcSwap::from_pointee(open(keys, secrets, now)?) })
    }

    /// Takes the keys as they are in the store now.
    ///
    /// # Errors
    /// As for [`new`](Self::new); the ring then keeps the keys it had.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::clock::OsRandom;
    /// use countersign::token::{Algorithm, KeyRing, SealedKey};
    ///
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// let ring = KeyRing::new(&[], &secrets, now).unwrap();
    /// let key = SealedKey::generate(Algorithm::Es256, &secrets, now, now, &OsRandom).unwrap();
    /// ring.replace(&[key], &secrets, now).unwrap();
    /// assert_eq!(ring.newest_algorithm(), Some(Algorithm::Es256));
    /// ```
    pub fn replace(
        &self,
        keys: &[SealedKey],
        secrets: &Secrets,
        now: Timestamp,
    ) -> Result<(), KeyError> {
        self.keys.store(open(keys, secrets, now)?.into());
        Ok(())
    }

    /// Signs `claims` as a JWT of the type `typ` with the newest active key. When none is active
    /// yet, as on a node whose clock is behind that of the node which made the first key, it is the
    /// one that comes first: everybody who knows any key knows that one.
    ///
    /// # Errors
    /// [`KeyError::NoneLive`] when no key is live at `now`, [`KeyError::Broken`] when it does not
    /// sign.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// # let key = countersign::token::SealedKey::generate(Default::default(), &secrets, now, now,
    /// #     &countersign::clock::OsRandom).unwrap();
    /// # let ring = countersign::token::KeyRing::new(&[key], &secrets, now).unwrap();
    /// // A token of a type of the app's own, which nobody can take for an access token.
    /// let invitation = ring
    ///     .sign("invitation+jwt", &serde_json::json!({"to": "bob@example.com"}), now)
    ///     .unwrap();
    /// # assert!(!invitation.is_empty());
    /// ```
    pub fn sign<T: Serialize>(
        &self,
        typ: &str,
        claims: &T,
        now: Timestamp,
    ) -> Result<String, KeyError> {
        let keys = self.keys.load();
        let key = signing(&keys, now).ok_or(KeyError::NoneLive)?;
        let mut header = Header::new(key.algorithm.jwt());
        header.typ = Some(typ.to_owned());
        header.kid = Some(key.id.to_string());
        jws::encode(&header, claims, |message| key.signer.sign(message))
            .map_err(|Unsigned| KeyError::Broken)
    }

    /// The key that signs at `now`.
    #[cfg(feature = "axum")]
    pub(crate) fn signer(&self, now: Timestamp) -> Option<KeyId> {
        signing(&self.keys.load(), now).map(|key| key.id)
    }

    /// What verifies the ring's tokens.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// # let key = countersign::token::SealedKey::generate(Default::default(), &secrets, now, now,
    /// #     &countersign::clock::OsRandom).unwrap();
    /// # let id = key.id.to_string();
    /// # let ring = countersign::token::KeyRing::new(&[key], &secrets, now).unwrap();
    /// let verifier: countersign_verify::Verifier = countersign_verify::Verifier::new(
    ///     "https://id.example.com".to_owned(),
    ///     None,
    ///     ring.key_set(),
    ///     1_000,
    /// );
    /// # assert!(ring.key_set().get(&id).is_some());
    /// ```
    pub fn key_set(&self) -> KeySet {
        let verifying = |key: &Key| {
            let retires_at =
                key.retires_at.map_or(u64::MAX, |at| u64::try_from(at.as_second()).unwrap_or(0));
            VerifyingKey::new(
                key.id.to_string(),
                key.algorithm.jwt(),
                key.verifying.clone(),
                retires_at,
            )
        };
        KeySet::new(self.keys.load().iter().map(verifying).collect())
    }

    /// The public keys as a JWK Set (RFC 7517, 5), the ones to come included, so that verifiers
    /// know them before their first token.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// # let key = countersign::token::SealedKey::generate(Default::default(), &secrets, now, now,
    /// #     &countersign::clock::OsRandom).unwrap();
    /// # let ring = countersign::token::KeyRing::new(&[key], &secrets, now).unwrap();
    /// let jwks = ring.jwks(now);
    /// assert_eq!(jwks["keys"][0]["alg"], "EdDSA");
    /// assert_eq!(jwks["keys"][0].get("d"), None); // the public half alone
    /// ```
    pub fn jwks(&self, now: Timestamp) -> Value {
        let keys = self.keys.load();
        let live = keys.iter().filter(|key| key.retires_at.is_none_or(|at| now < at));
        json!({"keys": live.filter_map(|key| key.jwk.clone()).collect::<Vec<_>>()})
    }

    /// What the newest key signs with.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::KeyRing;
    ///
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// assert_eq!(KeyRing::new(&[], &secrets, now).unwrap().newest_algorithm(), None);
    /// ```
    pub fn newest_algorithm(&self) -> Option<Algorithm> {
        self.keys.load().last().map(|key| key.algorithm)
    }
}

struct Key {
    id: KeyId,
    algorithm: Algorithm,
    activates_at: Timestamp,
    retires_at: Option<Timestamp>,
    signer: Signer,
    verifying: DecodingKey,
    jwk: Option<Value>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

fn signing(keys: &[Key], now: Timestamp) -> Option<&Key> {
    let mut live = keys.iter().filter(|key| key.retires_at.is_none_or(|at| now < at));
    let active = live.clone().rfind(|key| key.activates_at <= now);
    active.or_else(|| live.next())
}

fn open(keys: &[SealedKey], secrets: &Secrets, now: Timestamp) -> Result<Vec<Key>, KeyError> {
    keys.iter()
        .filter(|key| key.is_live(now))
        .map(|key| {
            let private = key.open(secrets)?;
            Ok(Key {
                id: key.id,
                algorithm: key.algorithm,
                activates_at: key.activates_at,
                retires_at: key.retires_at,
                signer: private.signer()?,
                verifying: private.decoding_key()?,
                jwk: private.public_jwk(key.id)?,
            })
        })
        .collect()
}

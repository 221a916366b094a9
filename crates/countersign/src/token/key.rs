use std::fmt;
use std::str::FromStr;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPublicKeyUncompressedBin, Pkcs8V1Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use pem::{EncodeConfig, LineEnding, Pem};
use secrecy::zeroize::{Zeroize, Zeroizing};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde_json::{Value, json};

use super::signer::Signer;
use super::{Algorithm, Secrets};
use crate::clock::{Random, random_bytes};

/// A signing key as the store keeps it: its public half in the open, its private half sealed
/// (AES-256-GCM under a key derived from the secret).
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::clock::OsRandom;
/// use countersign::token::{Algorithm, KeyError, SealedKey, Secrets};
///
/// # let (secrets, now) = (world::secrets(), world::midnight());
/// let key = SealedKey::generate(Algorithm::EdDsa, &secrets, now, now, &OsRandom).unwrap();
/// let another = Secrets::from_text("a secret that has sealed none of these keys").unwrap();
/// assert!(key.open(&secrets).is_ok());
/// assert_eq!(key.open(&another).unwrap_err(), KeyError::Sealed);
/// ```
#[derive(Debug, Clone)]
pub struct SealedKey {
    /// Its id: the header `kid`.
    pub id: KeyId,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs.
    pub activates_at: Timestamp,
    /// From when on nothing that it signed counts.
    pub retires_at: Option<Timestamp>,
    /// The private half, sealed: a 12-byte nonce and the cipher text.
    pub sealed: Vec<u8>,
}

impl SealedKey {
    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyError::Generate`] when the cryptographic library cannot make one.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::clock::OsRandom;
    /// use countersign::token::{Algorithm, SealedKey};
    ///
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// let soon = now + std::time::Duration::from_secs(120);
    /// let key = SealedKey::generate(Algorithm::Es256, &secrets, now, soon, &OsRandom).unwrap();
    /// assert_eq!((key.activates_at, key.retires_at), (soon, None));
    /// ```
    pub fn generate(
        algorithm: Algorithm,
        secrets: &Secrets,
        now: Timestamp,
        activates_at: Timestamp,
        random: &dyn Random,
    ) -> Result<Self, KeyError> {
        let private = PrivateKey::generate(algorithm, random)?;
        let id = KeyId(random_bytes(random));
        let sealed = private.seal(id, secrets)?;
        Ok(Self { id, algorithm, created_at: now, activates_at, retires_at: None, sealed })
    }

    /// Opens the private half.
    ///
    /// # Errors
    /// [`KeyError::Sealed`] when it was sealed under another secret.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// # let key = countersign::token::SealedKey::generate(Default::default(), &secrets, now, now,
    /// #     &countersign::clock::OsRandom).unwrap();
    /// let private = key.open(&secrets).unwrap();
    /// assert!(private.public_pem().unwrap().unwrap().starts_with("-----BEGIN PUBLIC KEY-----"));
    /// ```
    pub fn open(&self, secrets: &Secrets) -> Result<PrivateKey, KeyError> {
        let (nonce, sealed) = self.sealed.split_at_checked(NONCE_BYTES).ok_or(KeyError::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError::Sealed)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let opened = sealing_key(secrets)?
            .open_in_place(nonce, Aad::from(self.id.0), &mut bytes)
            .map_err(|_| KeyError::Sealed)?;
        Ok(PrivateKey { algorithm: self.algorithm, bytes: SecretSlice::from(opened.to_vec()) })
    }

    /// Whether it signs or verifies at `now`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// # let mut key = countersign::token::SealedKey::generate(Default::default(), &secrets, now,
    /// #     now, &countersign::clock::OsRandom).unwrap();
    /// assert!(key.is_live(now));
    /// key.retires_at = Some(now);
    /// assert!(!key.is_live(now));
    /// ```
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.retires_at.is_none_or(|at| now < at)
    }
}

/// A key's id: 64 random bits, as 16 hexadecimal digits in the header `kid`.
///
/// ```
/// use countersign::token::KeyId;
///
/// let id: KeyId = "0b5c86a9f4dd496a".parse().unwrap();
/// assert_eq!(id.to_string(), "0b5c86a9f4dd496a");
/// assert!("0b5c".parse::<KeyId>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId(pub [u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl FromStr for KeyId {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        u64::from_str_radix(text, 16)
            .ok()
            .filter(|_| is_hex)
            .map(|bits| Self(bits.to_be_bytes()))
            .ok_or(KeyError::Id)
    }
}

/// The private half of a signing key: PKCS#8, or the bare secret for HS256.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// # let (secrets, now) = (world::secrets(), world::midnight());
/// # let sealed = countersign::token::SealedKey::generate(Default::default(), &secrets, now, now,
/// #     &countersign::clock::OsRandom).unwrap();
/// let private = sealed.open(&secrets).unwrap();
/// assert_eq!(format!("{private:?}"), "PrivateKey { algorithm: EdDsa, .. }");
/// ```
pub struct PrivateKey {
    algorithm: Algorithm,
    bytes: SecretSlice<u8>,
}

impl PrivateKey {
    fn generate(algorithm: Algorithm, random: &dyn Random) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Generate;
        let mut bytes = match algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::generate()
                .and_then(|pair| pair.to_pkcs8v1())
                .map_err(failed)?
                .as_ref()
                .to_vec(),
            Algorithm::Es256 => {
                let pair =
                    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
                pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                AsDer::<Pkcs8V1Der<'static>>::as_der(&pair).map_err(failed)?.as_ref().to_vec()
            }
            Algorithm::Hs256 => random_bytes::<32>(random).to_vec(),
        };
        let key = Self { algorithm, bytes: SecretSlice::from(bytes.clone()) };
        bytes.zeroize();
        Ok(key)
    }

    /// The private key as PEM (PKCS#8), for a move to other software; for HS256 the secret as
    /// base64url.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use secrecy::ExposeSecret;
    ///
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// # let sealed = countersign::token::SealedKey::generate(Default::default(), &secrets, now,
    /// #     now, &countersign::clock::OsRandom).unwrap();
    /// let pem = sealed.open(&secrets).unwrap().to_pem();
    /// assert!(pem.expose_secret().starts_with("-----BEGIN PRIVATE KEY-----"));
    /// ```
    pub fn to_pem(&self) -> SecretString {
        let bytes = self.bytes.expose_secret();
        match self.algorithm {
            Algorithm::Hs256 => URL_SAFE_NO_PAD.encode(bytes).into(),
            _ => encode_pem("PRIVATE KEY", bytes.to_vec()).into(),
        }
    }

    /// The public key as PEM (SubjectPublicKeyInfo); `None` for HS256, which has none.
    ///
    /// # Errors
    /// [`KeyError::Broken`] when the private key is none.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::{Algorithm, SealedKey};
    ///
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// # let generate = |algorithm| SealedKey::generate(algorithm, &secrets, now, now,
    /// #     &countersign::clock::OsRandom).unwrap();
    /// # let (shared, pair) = (generate(Algorithm::Hs256), generate(Algorithm::Es256));
    /// assert!(pair.open(&secrets).unwrap().public_pem().unwrap().is_some()); // ES256
    /// assert!(shared.open(&secrets).unwrap().public_pem().unwrap().is_none()); // HS256
    /// ```
    pub fn public_pem(&self) -> Result<Option<String>, KeyError> {
        use aws_lc_rs::encoding::PublicKeyX509Der;
        let broken = |_| KeyError::Broken;
        let der = |der: Result<PublicKeyX509Der<'_>, _>| {
            der.map(|der| encode_pem("PUBLIC KEY", der.as_ref().to_vec())).map_err(broken)
        };
        Ok(Some(match self.pair()? {
            Pair::Ed(pair) => der(pair.public_key().as_der())?,
            Pair::Ec(pair) => der(AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()))?,
            Pair::Rsa(pair) => der(AsDer::<PublicKeyX509Der<'_>>::as_der(pair.public_key()))?,
            Pair::None => return Ok(None),
        }))
    }

    /// The public key as JWK (RFC 7517, with `kid`, `alg` and `use`); `None` for HS256.
    ///
    /// # Errors
    /// [`KeyError::Broken`] when the private key is none.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # let (secrets, now) = (world::secrets(), world::midnight());
    /// # let sealed = countersign::token::SealedKey::generate(Default::default(), &secrets, now,
    /// #     now, &countersign::clock::OsRandom).unwrap();
    /// let jwk = sealed.open(&secrets).unwrap().public_jwk(sealed.id).unwrap().unwrap();
    /// assert_eq!(
    ///     (&jwk["kty"], &jwk["alg"], &jwk["use"]),
    ///     (&"OKP".into(), &"EdDSA".into(), &"sig".into())
    /// );
    /// ```
    pub fn public_jwk(&self, id: KeyId) -> Result<Option<Value>, KeyError> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut jwk = match self.pair()? {
            Pair::Ed(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref())})
            }
            Pair::Ec(pair) => {
                let point: EcPublicKeyUncompressedBin<'_> =
                    pair.public_key().as_be_bytes().map_err(|_| KeyError::Broken)?;
                // 0x04, then the two coordinates of 32 bytes each (SEC 1, 2.3.3).
                let (x, y) = point
                    .as_ref()
                    .get(1..)
                    .and_then(|xy| xy.split_at_checked(32))
                    .ok_or(KeyError::Broken)?;
                json!({"kty": "EC", "crv": "P-256", "x": text(x), "y": text(y)})
            }
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                json!({
                    "kty": "RSA",
                    "n": text(public.modulus().big_endian_without_leading_zero()),
                    "e": text(public.exponent().big_endian_without_leading_zero()),
                })
            }
            Pair::None => return Ok(None),
        };
        jwk["kid"] = json!(id.to_string());
        jwk["alg"] = json!(self.algorithm.as_str());
        jwk["use"] = json!("sig");
        Ok(Some(jwk))
    }

    /// What signs with it.
    pub(super) fn signer(&self) -> Result<Signer, KeyError> {
        Ok(match self.pair()? {
            Pair::Ed(pair) => Signer::Ed(pair),
            Pair::Ec(pair) => Signer::Ec(pair),
            Pair::Rsa(pair) => Signer::Rsa(pair),
            Pair::None => Signer::hmac(self.bytes.expose_secret()),
        })
    }

    pub(super) fn decoding_key(&self) -> Result<DecodingKey, KeyError> {
        Ok(match self.pair()? {
            Pair::Ed(pair) => DecodingKey::from_ed_der(pair.public_key().as_ref()),
            Pair::Ec(pair) => DecodingKey::from_ec_der(pair.public_key().as_ref()),
            Pair::Rsa(pair) => {
                let public = pair.public_key();
                DecodingKey::from_rsa_raw_components(
                    public.modulus().big_endian_without_leading_zero(),
                    public.exponent().big_endian_without_leading_zero(),
                )
            }
            Pair::None => DecodingKey::from_secret(self.bytes.expose_secret()),
        })
    }

    fn pair(&self) -> Result<Pair, KeyError> {
        let bytes = self.bytes.expose_secret();
        let pair = match self.algorithm {
            Algorithm::EdDsa => Ed25519KeyPair::from_pkcs8(bytes).map(Pair::Ed),
            Algorithm::Es256 => {
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes).map(Pair::Ec)
            }
            Algorithm::Rs256 => RsaKeyPair::from_pkcs8(bytes).map(|pair| Pair::Rsa(Box::new(pair))),
            Algorithm::Hs256 => Ok(Pair::None),
        };
        pair.map_err(|_| KeyError::Broken)
    }

    fn seal(&self, id: KeyId, secrets: &Secrets) -> Result<Vec<u8>, KeyError> {
        let mut bytes = Zeroizing::new(self.bytes.expose_secret().to_vec());
        let nonce = sealing_key(secrets)?
            .seal_in_place_append_tag(Aad::from(id.0), &mut *bytes)
            .map_err(|_| KeyError::Generate)?;
        Ok([nonce.as_ref().as_slice(), bytes.as_slice()].concat())
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// Why a key cannot be used.
///
/// ```
/// use countersign::token::{KeyError, KeyId};
///
/// assert_eq!("not hexadecimal!".parse::<KeyId>(), Err(KeyError::Id));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The cryptographic library could not make one.
    #[error("a signing key could not be made")]
    Generate,
    /// It was sealed under another secret.
    #[error(
        "the signing keys in the store were sealed under another secret; give back the secret (the \
         file `secret` or the setting) that made them"
    )]
    Sealed,
    /// The private key is none.
    #[error(
        "a signing key in the store is broken; add a new one with `countersign keys rotate --now`"
    )]
    Broken,
    /// Not a key id.
    #[error("a key id is 16 hexadecimal digits")]
    Id,
    /// Nothing to sign with.
    #[error("there is no live signing key")]
    NoneLive,
}

enum Pair {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
    None,
}

fn sealing_key(secrets: &Secrets) -> Result<RandomizedNonceKey, KeyError> {
    RandomizedNonceKey::new(&AES_256_GCM, secrets.sealing()).map_err(|_| KeyError::Sealed)
}

fn encode_pem(label: &str, der: Vec<u8>) -> String {
    pem::encode_config(&Pem::new(label, der), EncodeConfig::new().set_line_ending(LineEnding::LF))
}

const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use countersign_verify::jws;

    use super::*;
    use crate::clock::OsRandom;

    #[test]
    fn a_key_opens_under_its_own_secret_only() {
        let (ours, theirs) = (
            Secrets::from_text(&"a".repeat(32)).unwrap(),
            Secrets::from_text(&"b".repeat(32)).unwrap(),
        );
        let now = Timestamp::UNIX_EPOCH;
        let key = SealedKey::generate(Algorithm::EdDsa, &ours, now, now, &OsRandom).unwrap();
        assert!(key.open(&ours).is_ok());
        assert_eq!(key.open(&theirs).err(), Some(KeyError::Sealed));
        let other = SealedKey { id: KeyId([1; 8]), ..key.clone() };
        assert_eq!(
            other.open(&ours).err(),
            Some(KeyError::Sealed),
            "a sealed key under another id"
        );
        let cut = SealedKey { sealed: vec![1; 5], ..key };
        assert_eq!(cut.open(&ours).err(), Some(KeyError::Sealed));
    }

    #[test]
    fn the_keys_of_the_specifications_sign_and_are_published_as_they_are_there() {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        // RFC 8037, A.1 to A.4. In PKCS#8 (RFC 8410, 7) this stands before the private key.
        let mut pkcs8 = vec![
            0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22,
            0x04, 0x20,
        ];
        pkcs8.extend(bytes("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"));
        let private = PrivateKey { algorithm: Algorithm::EdDsa, bytes: SecretSlice::from(pkcs8) };
        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signed = URL_SAFE_NO_PAD.encode(private.signer().unwrap().sign(message).unwrap());
        assert_eq!(
            signed,
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
        let jwk = private.public_jwk(KeyId([7; 8])).unwrap().unwrap();
        assert_eq!(jwk["x"], "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        let jwk: jsonwebtoken::jwk::Jwk = serde_json::from_value(jwk).unwrap();
        let thumbprint = jwk.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap();
        assert_eq!(thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

        // RFC 7515, A.1.
        let secret = bytes(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        );
        let private = PrivateKey { algorithm: Algorithm::Hs256, bytes: SecretSlice::from(secret) };
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
                       cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signed =
            URL_SAFE_NO_PAD.encode(private.signer().unwrap().sign(message.as_bytes()).unwrap());
        assert_eq!(signed, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }

    #[test]
    fn every_algorithm_signs_what_its_public_half_verifies() {
        let secrets = Secrets::from_text(&"a".repeat(32)).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256, Algorithm::Hs256] {
            let private = SealedKey::generate(algorithm, &secrets, now, now, &OsRandom)
                .unwrap()
                .open(&secrets)
                .unwrap();
            let (header, signer) =
                (jsonwebtoken::Header::new(algorithm.jwt()), private.signer().unwrap());
            let token =
                jws::encode(&header, &json!({"sub": "1"}), |message| signer.sign(message)).unwrap();
            let mut validation = jsonwebtoken::Validation::new(algorithm.jwt());
            validation.required_spec_claims.clear();
            let claims = jsonwebtoken::decode::<Value>(
                &token,
                &private.decoding_key().unwrap(),
                &validation,
            )
            .unwrap()
            .claims;
            assert_eq!(claims["sub"], "1", "{algorithm}");
            let published =
                (private.public_jwk(KeyId([7; 8])).unwrap(), private.public_pem().unwrap());
            if algorithm == Algorithm::Hs256 {
                assert_eq!(published, (None, None));
            } else {
                let jwk: jsonwebtoken::jwk::Jwk =
                    serde_json::from_value(published.0.unwrap()).unwrap();
                assert!(
                    jsonwebtoken::decode::<Value>(
                        &token,
                        &DecodingKey::from_jwk(&jwk).unwrap(),
                        &validation
                    )
                    .is_ok(),
                    "{algorithm}"
                );
                assert!(published.1.unwrap().starts_with("-----BEGIN PUBLIC KEY-----\n"));
            }
        }
    }
}

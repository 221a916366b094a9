use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::key::{DeviceKey, Jwk};

/// A signed proof (RFC 7515, compact): what it says, and the key that signed it.
#[derive(Debug)]
pub(crate) struct DeviceJws<C = ProofClaims> {
    pub(crate) key: DeviceKey,
    pub(crate) claims: C,
}

/// What a browser's proof says.
#[derive(Debug, Deserialize)]
pub(crate) struct ProofClaims {
    /// The challenge.
    pub(crate) jti: String,
}

#[derive(Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: Option<Jwk>,
    crit: Option<serde::de::IgnoredAny>,
}

impl<C: DeserializeOwned> DeviceJws<C> {
    /// Reads a proof of this type whose signature is good. `known` is the session's key, where it
    /// has one: nothing else counts, whatever the proof carries. Where there is none, the proof
    /// carries its own.
    pub(crate) fn read(text: &str, typ: &str, known: Option<&DeviceKey>) -> Option<Self> {
        if text.len() > MAX_BYTES {
            return None;
        }
        let (message, signature) = text.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let header: Header = serde_json::from_slice(&bytes(header)?).ok()?;
        if header.typ != typ || header.crit.is_some() {
            return None;
        }
        let carried = match &header.jwk {
            Some(jwk) => Some(DeviceKey::of(jwk, &header.alg)?),
            None => None,
        };
        let key = match (known, carried) {
            (Some(known), Some(carried)) if *known != carried => return None,
            (Some(known), _) => known.clone(),
            (None, carried) => carried?,
        };
        if key.algorithm() != header.alg || !key.verifies(message.as_bytes(), &bytes(signature)?) {
            return None;
        }
        let claims = serde_json::from_slice(&bytes(claims)?).ok()?;
        Some(Self { key, claims })
    }
}

fn bytes(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// The type of a browser's proof.
pub(crate) const DBSC: &str = "dbsc+jwt";

/// An RSA key of 4,096 bits and its signature take half of it.
const MAX_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::rsa::{KeyPair as RsaKey, KeySize, PublicKeyComponents};
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    };
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str, typ: &str, known: Option<&DeviceKey>) -> Option<DeviceJws> {
        DeviceJws::read(text, typ, known)
    }

    #[test]
    fn a_proof_of_each_algorithm_is_read_with_its_own_key_and_with_the_sessions() {
        for signer in Signer::all() {
            let proof = signer.proof(&signer.header(DBSC), &json!({ "jti": "a challenge" }));
            let own = read(&proof, DBSC, None).unwrap();
            assert_eq!(own.claims.jti, "a challenge");
            let spelled: DeviceKey = own.key.to_string().parse().unwrap();
            assert_eq!(spelled, own.key);
            assert_eq!(own.key.print(), spelled.print());
            assert!(read(&proof, DBSC, Some(&spelled)).is_some());
            assert!(read(&proof, "dpop+jwt", None).is_none(), "another type");

            let bare = json!({ "typ": DBSC, "alg": signer.algorithm() });
            let bare = signer.proof(&bare, &json!({ "jti": "a challenge" }));
            assert!(read(&bare, DBSC, Some(&spelled)).is_some());
            assert!(read(&bare, DBSC, None).is_none(), "it carries no key");
        }
    }

    #[test]
    fn a_thiefs_key_is_none_whatever_the_header_says() {
        let [known, thief, ed] = [Signer::ec(), Signer::ec(), Signer::ed()];
        let key =
            read(&known.proof(&known.header(DBSC), &json!({ "jti": "" })), DBSC, None).unwrap().key;
        let claims = json!({ "jti": "a challenge" });
        let mut headers = vec![
            thief.header(DBSC),
            json!({ "typ": DBSC, "alg": "ES256" }),
            json!({ "typ": DBSC, "alg": "ES256", "kid": key.to_string() }),
            json!({ "typ": DBSC, "alg": "none" }),
            json!({ "typ": DBSC, "alg": "HS256" }),
            known.header(DBSC),
        ];
        for name in ["jku", "x5u", "x5c"] {
            let mut header = json!({ "typ": DBSC, "alg": "ES256" });
            header[name] = json!("https://thief.example/key");
            headers.push(header);
        }
        for header in headers {
            let proof = thief.proof(&header, &claims);
            assert!(read(&proof, DBSC, Some(&key)).is_none(), "{header}");
        }
        let other = ed.proof(&ed.header(DBSC), &claims);
        assert!(read(&other, DBSC, Some(&key)).is_none(), "another algorithm");
        let unsigned =
            format!("{}.{}.", part(&json!({ "typ": DBSC, "alg": "none" })), part(&claims));
        for known in [None, Some(&key)] {
            assert!(read(&unsigned, DBSC, known).is_none());
        }
    }

    #[test]
    fn what_is_bent_in_any_place_is_no_proof() {
        let signer = Signer::ec();
        let proof = signer.proof(&signer.header(DBSC), &json!({ "jti": "a challenge" }));
        for place in 0..proof.len() {
            let mut bent = proof.clone().into_bytes();
            bent[place] = if bent[place] == b'A' { b'B' } else { b'A' };
            let bent = String::from_utf8(bent).unwrap();
            assert!(read(&bent, DBSC, None).is_none(), "{place}");
        }
        for bad in ["", ".", "..", "...", "a.b.c", &format!("{proof}.x"), &"A".repeat(5_000)] {
            assert!(read(bad, DBSC, None).is_none());
        }
    }

    #[test]
    fn keys_that_are_none_are_refused() {
        let signer = Signer::ec();
        let good = signer.header(DBSC);
        let zeros = URL_SAFE_NO_PAD.encode([0; 32]);
        let changes = [
            ("crv", json!("P-384")),
            ("kty", json!("RSA")),
            ("x", json!(zeros)),
            ("y", json!(zeros)),
            ("x", json!("AA")),
            ("d", json!(zeros)),
            ("k", json!(zeros)),
            ("x", json!("A".repeat(3_000))),
        ];
        for (member, value) in changes {
            let mut header = good.clone();
            header["jwk"][member] = value.clone();
            let proof = signer.proof(&header, &json!({ "jti": "" }));
            assert!(read(&proof, DBSC, None).is_none(), "{member}: {value}");
        }
        let mut critical = good.clone();
        critical["crit"] = json!(["exp"]);
        assert!(read(&signer.proof(&critical, &json!({ "jti": "" })), DBSC, None).is_none());
    }

    #[test]
    fn an_rsa_key_that_is_tiny_huge_or_bent_is_none() {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let modulus = |bytes: usize| {
            let mut modulus = vec![0xff; bytes];
            modulus[0] = 0x80;
            modulus
        };
        let (good, f4) = (modulus(256), [1, 0, 1]);
        let is_key = |n: &[u8], e: &[u8]| {
            let jwk = json!({ "kty": "RSA", "n": text(n), "e": text(e) });
            DeviceKey::of(&serde_json::from_value(jwk).unwrap(), "RS256").is_some()
        };
        assert!(is_key(&good, &f4) && is_key(&modulus(512), &[3]));
        for (n, e) in [
            (modulus(1), &f4[..]),
            (modulus(64), &f4),
            (modulus(128), &f4),
            (modulus(255), &f4),
            (modulus(513), &f4),
            (modulus(4_096), &f4),
            ([&[0], &good[..]].concat(), &f4),
            (good.clone(), &[1]),
            (good.clone(), &[0]),
            (good.clone(), &[2]),
            (good.clone(), &[]),
            (good.clone(), &[1, 0, 0, 0, 1]),
            (vec![], &f4),
        ] {
            assert!(!is_key(&n, e), "{} bytes, {e:?}", n.len());
        }
    }

    #[test]
    fn what_is_no_key_in_a_row_is_none() {
        let point = URL_SAFE_NO_PAD.encode([7; 32]);
        for bad in ["", "ES256", &format!("ES256.{point}"), &format!("ES384.{point}.{point}")] {
            assert!(bad.parse::<DeviceKey>().is_err(), "{bad}");
        }
        assert!(format!("ES256.{point}.{point}").parse::<DeviceKey>().is_ok());
        assert!(format!("ES256.{point}.{point}.x").parse::<DeviceKey>().is_err());
        assert!(format!("EdDSA.{point}=").parse::<DeviceKey>().is_err());
    }

    /// A software key.
    enum Signer {
        Ec(EcdsaKeyPair),
        Ed(Ed25519KeyPair),
        Rsa(RsaKey),
    }

    impl Signer {
        fn all() -> [Self; 3] {
            [Self::ec(), Self::ed(), Self::Rsa(RsaKey::generate(KeySize::Rsa2048).unwrap())]
        }

        fn ec() -> Self {
            Self::Ec(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
        }

        fn ed() -> Self {
            Self::Ed(Ed25519KeyPair::generate().unwrap())
        }

        const fn algorithm(&self) -> &'static str {
            match self {
                Self::Ec(_) => "ES256",
                Self::Ed(_) => "EdDSA",
                Self::Rsa(_) => "RS256",
            }
        }

        fn header(&self, typ: &str) -> Value {
            let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
            let jwk = match self {
                Self::Ec(key) => {
                    let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                    json!({ "kty": "EC", "crv": "P-256", "x": text(x), "y": text(y) })
                }
                Self::Ed(key) => {
                    json!({ "kty": "OKP", "crv": "Ed25519", "x": text(key.public_key().as_ref()) })
                }
                Self::Rsa(key) => {
                    let public: PublicKeyComponents<Vec<u8>> = key.public_key().into();
                    json!({ "kty": "RSA", "n": text(&public.n), "e": text(&public.e) })
                }
            };
            json!({ "typ": typ, "alg": self.algorithm(), "jwk": jwk })
        }

        fn proof(&self, header: &Value, claims: &Value) -> String {
            let message = format!("{}.{}", part(header), part(claims));
            let bytes = message.as_bytes();
            let signature = match self {
                Self::Ec(key) => key.sign(&SystemRandom::new(), bytes).unwrap().as_ref().to_vec(),
                Self::Ed(key) => key.sign(bytes).as_ref().to_vec(),
                Self::Rsa(key) => {
                    let mut signature = vec![0; key.public_modulus_len()];
                    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), bytes, &mut signature)
                        .unwrap();
                    signature
                }
            };
            format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
        }
    }

    fn part(value: &Value) -> String {
        URL_SAFE_NO_PAD.encode(value.to_string())
    }
}

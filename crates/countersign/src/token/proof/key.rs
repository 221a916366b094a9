use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use crate::session::device::KeyPrint;

/// A device's public key: of ES256, RS256 or EdDSA.
///
/// It has one spelling, the one in the session's row.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum DeviceKey {
    /// P-256: both coordinates.
    Es256([u8; 32], [u8; 32]),
    /// RSA: modulus and exponent, without leading zeros.
    Rs256(Vec<u8>, Vec<u8>),
    /// Ed25519.
    EdDsa([u8; 32]),
}

/// A key as a proof carries it (RFC 7517), as far as it is looked at.
#[derive(Deserialize)]
pub(crate) struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// The private half, which nobody may send.
    d: Option<serde::de::IgnoredAny>,
    /// A secret, which nobody may send.
    k: Option<serde::de::IgnoredAny>,
}

impl DeviceKey {
    /// The key of a JWK that is good for this algorithm.
    pub(crate) fn of(jwk: &Jwk, algorithm: &str) -> Option<Self> {
        if jwk.d.is_some() || jwk.k.is_some() {
            return None;
        }
        let curve = jwk.crv.as_deref();
        match (algorithm, jwk.kty.as_str(), curve) {
            (ES256, "EC", Some("P-256")) => {
                Some(Self::Es256(point(jwk.x.as_deref()?)?, point(jwk.y.as_deref()?)?))
            }
            (EDDSA, "OKP", Some("Ed25519")) => Some(Self::EdDsa(point(jwk.x.as_deref()?)?)),
            (RS256, "RSA", _) => {
                let [n, e] = [jwk.n.as_deref()?, jwk.e.as_deref()?].map(number);
                Self::rsa(n?, e?)
            }
            _ => None,
        }
    }

    /// A modulus that is long enough to be safe, and short enough to be verified in no time.
    fn rsa(n: Vec<u8>, e: Vec<u8>) -> Option<Self> {
        let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
        let is_good = RSA_BITS.contains(&bits)
            && n.last()? % 2 == 1
            && e.len() <= 4
            && e.last()? % 2 == 1
            && e != [1];
        is_good.then_some(Self::Rs256(n, e))
    }

    pub(crate) const fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(..) => ES256,
            Self::Rs256(..) => RS256,
            Self::EdDsa(_) => EDDSA,
        }
    }

    /// RSA is what browsers have where the TPM has nothing else. Native clients have a choice.
    pub(crate) const fn is_of_browsers_alone(&self) -> bool {
        matches!(self, Self::Rs256(..))
    }

    pub(crate) fn print(&self) -> KeyPrint {
        KeyPrint::of(&self.to_string())
    }

    /// Whether this is the signature of `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Es256(x, y) => {
                let point = [&[UNCOMPRESSED], &x[..], &y[..]].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
                    .verify(message, signature)
                    .is_ok()
            }
            Self::Rs256(n, e) => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            Self::EdDsa(x) => {
                UnparsedPublicKey::new(&ED25519, x).verify(message, signature).is_ok()
            }
        }
    }
}

/// The spelling in the session's row: the algorithm and the numbers, with dots between.
impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match self {
            Self::Es256(x, y) => write!(f, "{ES256}.{}.{}", text(x), text(y)),
            Self::Rs256(n, e) => write!(f, "{RS256}.{}.{}", text(n), text(e)),
            Self::EdDsa(x) => write!(f, "{EDDSA}.{}", text(x)),
        }
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", self.algorithm())
    }
}

/// What a newer program wrote is no key to this one.
impl FromStr for DeviceKey {
    type Err = NoDeviceKey;

    fn from_str(text: &str) -> Result<Self, NoDeviceKey> {
        let mut parts = text.split('.');
        let mut next = || parts.next();
        let key = match (next(), next(), next(), next()) {
            (Some(ES256), Some(x), Some(y), None) => {
                point(x).zip(point(y)).map(|(x, y)| Self::Es256(x, y))
            }
            (Some(RS256), Some(n), Some(e), None) => {
                number(n).zip(number(e)).and_then(|(n, e)| Self::rsa(n, e))
            }
            (Some(EDDSA), Some(x), None, None) => point(x).map(Self::EdDsa),
            _ => None,
        };
        key.ok_or(NoDeviceKey)
    }
}

/// A text that is no key.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no key of a device")]
pub(crate) struct NoDeviceKey;

fn point(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// A number without leading zeros, of which there is one spelling.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = (text.len() <= MAX_NUMBER).then(|| URL_SAFE_NO_PAD.decode(text).ok())??;
    (bytes.first()? != &0).then_some(bytes)
}

const ES256: &str = "ES256";
const RS256: &str = "RS256";
const EDDSA: &str = "EdDSA";

/// What a P-256 point begins with of which both coordinates are there.
const UNCOMPRESSED: u8 = 4;

const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// 4,096 bits in base64url.
const MAX_NUMBER: usize = 683;

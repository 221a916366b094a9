//! What makes signatures, read once from its key: to read an Ed25519 key takes as long as to sign.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};

/// A private key, ready to sign.
pub(super) enum Signer {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(Box<RsaKeyPair>),
    Hmac(Box<hmac::Key>),
}

impl Signer {
    /// HMAC-SHA256 under a secret.
    pub(super) fn hmac(secret: &[u8]) -> Self {
        Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// The signature of a message, as RFC 7518 writes it.
    ///
    /// # Errors
    /// When the cryptographic library cannot.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Unsigned> {
        match self {
            Self::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Self::Ec(pair) => Ok(pair.sign(&SystemRandom::new(), message)?.as_ref().to_vec()),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)?;
                Ok(signature)
            }
            Self::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
        }
    }
}

/// There is no signature.
#[derive(Debug)]
pub(super) struct Unsigned;

impl From<serde_json::Error> for Unsigned {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

impl From<Unspecified> for Unsigned {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

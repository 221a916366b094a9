//! How the secrets of factors lie in the store.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use secrecy::zeroize::Zeroizing;

use super::FactorId;
use crate::token::Secrets;
use crate::user::UserId;

/// Seals what a factor is proved with: AES-256-GCM under a key derived from the secret, for one
/// factor of one user. A copy of the database must not be a second factor.
pub(crate) struct FactorSeal {
    key: RandomizedNonceKey,
}

impl FactorSeal {
    pub(crate) fn new(secrets: &Secrets) -> Result<Self, FactorSealError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, secrets.factors());
        Ok(Self { key: key.map_err(|_| FactorSealError)? })
    }

    pub(crate) fn seal(
        &self,
        secret: &[u8],
        factor: FactorId,
        user: UserId,
    ) -> Result<Vec<u8>, FactorSealError> {
        let mut bytes = Zeroizing::new(secret.to_vec());
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(place(factor, user)), &mut *bytes)
            .map_err(|_| FactorSealError)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&bytes);
        Ok(sealed)
    }

    pub(crate) fn open(
        &self,
        sealed: &[u8],
        factor: FactorId,
        user: UserId,
    ) -> Result<Zeroizing<Vec<u8>>, FactorSealError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or(FactorSealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| FactorSealError)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(place(factor, user)), &mut bytes)
            .map_err(|_| FactorSealError)?
            .len();
        bytes.truncate(opened);
        Ok(bytes)
    }
}

impl fmt::Debug for FactorSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FactorSeal(..)")
    }
}

/// A factor that cannot be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a second factor was sealed under another secret, or for another row")]
pub(crate) struct FactorSealError;

/// What a sealed secret belongs to.
fn place(factor: FactorId, user: UserId) -> Vec<u8> {
    [&factor.as_i64().to_be_bytes(), user.to_string().as_bytes()].concat()
}

const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_under_its_own_key_for_its_own_factor_and_user_only() {
        let seal = |letter: &str| {
            FactorSeal::new(&Secrets::from_text(&letter.repeat(32)).unwrap()).unwrap()
        };
        let (ours, theirs) = (seal("a"), seal("b"));
        let (factor, ada) = (FactorId::new(7).unwrap(), UserId::new(1));
        let sealed = ours.seal(b"a secret", factor, ada).unwrap();
        assert_eq!(&**ours.open(&sealed, factor, ada).unwrap(), b"a secret");
        assert!(theirs.open(&sealed, factor, ada).is_err());
        assert!(ours.open(&sealed, FactorId::new(8).unwrap(), ada).is_err());
        assert!(ours.open(&sealed, factor, UserId::new(2)).is_err());
        for cut in 0..sealed.len() {
            assert!(ours.open(&sealed[..cut], factor, ada).is_err(), "{cut} bytes of it");
        }
    }
}

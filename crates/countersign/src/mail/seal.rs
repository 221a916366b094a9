use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use secrecy::zeroize::Zeroizing;

use super::Mail;
use crate::token::Secrets;

/// Seals mails for the outbox: AES-256-GCM under a key derived from the secret. What waits there
/// holds links and codes; a copy of the database must not be a way in.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::mail::{Mail, MailKind, MailSeal};
///
/// let seal = MailSeal::new(&world::secrets()).unwrap();
/// let sealed = seal.seal(&Mail::sample(MailKind::Reset, "en"), 7).unwrap();
/// assert_eq!(seal.open(&sealed, 7).unwrap().kind, MailKind::Reset);
/// assert!(seal.open(&sealed, 8).is_err()); // it is of another row
/// ```
pub struct MailSeal {
    key: RandomizedNonceKey,
}

impl MailSeal {
    /// Seals under the outbox key of `secrets`.
    ///
    /// # Errors
    /// [`SealError`] when the cryptographic library refuses the key, which it does not.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::mail::MailSeal;
    ///
    /// assert_eq!(format!("{:?}", MailSeal::new(&world::secrets()).unwrap()), "MailSeal(..)");
    /// ```
    pub fn new(secrets: &Secrets) -> Result<Self, SealError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, secrets.outbox()).map_err(|_| SealError)?;
        Ok(Self { key })
    }

    /// Seals a mail for the row `id` of the outbox.
    ///
    /// # Errors
    /// [`SealError`] when the cryptographic library fails.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::mail::{Mail, MailKind, MailSeal};
    ///
    /// let seal = MailSeal::new(&world::secrets()).unwrap();
    /// let mail = Mail::sample(MailKind::Test, "en");
    /// assert_ne!(seal.seal(&mail, 7).unwrap(), seal.seal(&mail, 7).unwrap());
    /// ```
    pub fn seal(&self, mail: &Mail, id: i64) -> Result<Vec<u8>, SealError> {
        let mut bytes = Zeroizing::new(serde_json::to_vec(mail).map_err(|_| SealError)?);
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(id.to_be_bytes()), &mut *bytes)
            .map_err(|_| SealError)?;
        let mut sealed = nonce.as_ref().to_vec();
        sealed.extend_from_slice(&bytes);
        Ok(sealed)
    }

    /// Opens what was sealed for the row `id`.
    ///
    /// # Errors
    /// [`SealError`] when it was sealed under another secret or for another row.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::mail::MailSeal;
    ///
    /// let seal = MailSeal::new(&world::secrets()).unwrap();
    /// assert!(seal.open(b"nonsense", 7).is_err());
    /// ```
    pub fn open(&self, sealed: &[u8], id: i64) -> Result<Mail, SealError> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES).ok_or(SealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError)?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(id.to_be_bytes()), &mut bytes)
            .map_err(|_| SealError)?;
        serde_json::from_slice(opened).map_err(|_| SealError)
    }
}

impl fmt::Debug for MailSeal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailSeal(..)")
    }
}

/// A mail that cannot be sealed or opened.
///
/// ```
/// let error = countersign::mail::SealError;
/// assert!(error.to_string().contains("secret"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a mail in the outbox was sealed under another secret, or for another row")]
pub struct SealError;

const NONCE_BYTES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::MailKind;

    #[test]
    fn a_mail_opens_under_its_own_secret_only_and_whole() {
        let seal =
            |letter: &str| MailSeal::new(&Secrets::from_text(&letter.repeat(32)).unwrap()).unwrap();
        let (ours, theirs) = (seal("a"), seal("b"));
        let sealed = ours.seal(&Mail::sample(MailKind::Code, "de"), 1).unwrap();
        let opened = ours.open(&sealed, 1).unwrap();
        assert_eq!((opened.language.as_str(), opened.values["code"].as_str()), ("de", "1234 5678"));
        assert_eq!(theirs.open(&sealed, 1).err(), Some(SealError));
        for cut in 0..sealed.len() {
            assert!(ours.open(&sealed[..cut], 1).is_err(), "{cut} bytes of it");
        }
    }
}

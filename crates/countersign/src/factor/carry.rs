//! Factors on their way from one installation to another, whose secret may be another.

use std::fmt;

use aws_lc_rs::hmac;

use super::FactorId;
use super::passkey::Handles;
use super::seal::FactorSeal;
use crate::token::Secrets;
use crate::user::UserId;

/// What the factors of an installation are sealed under.
///
/// ```
/// use countersign::factor::FactorKeys;
/// use countersign::token::Secrets;
///
/// let keys = |text: &str| FactorKeys::new(&Secrets::from_text(text).unwrap()).unwrap();
/// let old = keys("0123456789abcdef0123456789abcdef");
/// let new = keys("fedcba9876543210fedcba9876543210");
/// assert_ne!(old.mark(), new.mark());
/// ```
pub struct FactorKeys {
    seal: FactorSeal,
    handles: Handles,
    mark: String,
}

impl FactorKeys {
    /// Those of this secret.
    ///
    /// # Errors
    /// [`ResealError`] when the cryptographic library cannot.
    pub fn new(secrets: &Secrets) -> Result<Self, ResealError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secrets.handles());
        // No user's id has a NUL.
        let tag = hmac::sign(&key, b"\0the mark of a secret");
        let mark = tag.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let seal = FactorSeal::new(secrets).map_err(|_| ResealError)?;
        Ok(Self { seal, handles: Handles::new(secrets), mark })
    }

    /// By what the secret is told from another: 16 hexadecimal digits. It says nothing else of it.
    pub fn mark(&self) -> &str {
        &self.mark
    }

    /// The handle by which authenticators know the passkeys that a user registers.
    pub fn handle(&self, user: UserId) -> Vec<u8> {
        self.handles.of(user).to_vec()
    }

    /// Whether what was sealed for a factor of `owner` opens: whether it was sealed under this
    /// secret.
    pub fn opens(&self, sealed: &[u8], factor: FactorId, owner: UserId) -> bool {
        self.seal.open(sealed, factor, owner).is_ok()
    }

    /// What was sealed here for a factor of `owner`, sealed for the same factor of `new_owner`
    /// there.
    ///
    /// # Errors
    /// [`ResealError`] where it was sealed under another secret, or for another factor or user.
    pub fn reseal(
        &self,
        sealed: &[u8],
        factor: FactorId,
        owner: UserId,
        there: &Self,
        new_owner: UserId,
    ) -> Result<Vec<u8>, ResealError> {
        let opened = self.seal.open(sealed, factor, owner).map_err(|_| ResealError)?;
        there.seal.seal(&opened, factor, new_owner).map_err(|_| ResealError)
    }
}

impl fmt::Debug for FactorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FactorKeys({})", self.mark)
    }
}

/// A factor that cannot be opened or sealed.
///
/// ```
/// assert!(countersign::factor::ResealError.to_string().contains("another secret"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a second factor was sealed under another secret, or for another user")]
pub struct ResealError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_for_one_is_sealed_for_another_by_who_has_both_secrets() {
        let secrets = |letter: &str| Secrets::from_text(&letter.repeat(32)).unwrap();
        let keys = |letter: &str| FactorKeys::new(&secrets(letter)).unwrap();
        let (here, there) = (keys("a"), keys("b"));
        let (factor, ada, new) = (FactorId::new(7).unwrap(), UserId::new(1), UserId::new(2));
        let sealed = here.seal.seal(b"a secret", factor, ada).unwrap();
        let carried = here.reseal(&sealed, factor, ada, &there, new).unwrap();
        assert_eq!(&**there.seal.open(&carried, factor, new).unwrap(), b"a secret");
        assert!(here.opens(&sealed, factor, ada) && there.opens(&carried, factor, new));
        assert!(!there.opens(&sealed, factor, ada) && !here.opens(&sealed, factor, new));
        assert!(here.reseal(&sealed, factor, new, &there, new).is_err());
        assert!(there.reseal(&sealed, factor, ada, &there, new).is_err());
        assert_eq!(keys("a").mark(), here.mark());
        assert_ne!(here.mark(), there.mark());
        assert_ne!(here.handle(ada), there.handle(ada));
        assert_eq!(format!("{here:?}"), format!("FactorKeys({})", here.mark()));
    }
}

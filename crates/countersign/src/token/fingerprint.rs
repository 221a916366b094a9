//! What the store keeps in the place of secrets, and of a row that a token was made for.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;

use crate::password::EncodedPassword;

/// 32 bytes that the store keeps in the place of a secret. Compared in constant time.
///
/// ```
/// use countersign::token::SecretHash;
///
/// let hash = SecretHash::from_stored(&[7; 32]).unwrap();
/// assert_eq!(hash, SecretHash::from_stored(hash.as_bytes()).unwrap());
/// assert!(SecretHash::from_stored(&[7; 31]).is_none());
/// ```
#[derive(Clone, Copy)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// As the store has it. `None` for anything but 32 bytes.
    ///
    /// ```
    /// assert!(countersign::token::SecretHash::from_stored(&[0; 32]).is_some());
    /// ```
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The bytes for the store.
    ///
    /// ```
    /// let hash = countersign::token::SecretHash::from_stored(&[7; 32]).unwrap();
    /// assert_eq!(hash.as_bytes(), &[7; 32]);
    /// ```
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn from_digest(digest: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest); // SHA-256 has 32 bytes
        Self(bytes)
    }
}

impl PartialEq for SecretHash {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Eq for SecretHash {}

/// Without the bytes: a code could be guessed from them by whoever knows the secret.
impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

/// The user's row as a token was made for it: SHA-256 of the encoded password, the folded address
/// and whether the user is active.
///
/// ```
/// use countersign::password::EncodedPassword;
/// use countersign::token::Fingerprint;
///
/// let password = EncodedPassword::unusable();
/// let made = Fingerprint::of(&password, "ada@example.com", true);
/// assert_eq!(made, Fingerprint::of(&password, "ada@example.com", true));
/// assert_ne!(made, Fingerprint::of(&password, "ada@example.com", false));
/// assert_ne!(made, Fingerprint::of(&EncodedPassword::unusable(), "ada@example.com", true));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(SecretHash);

impl Fingerprint {
    /// Of a row. `address` is folded ([`fold_address`](crate::user::fold_address)), or empty.
    ///
    /// ```
    /// use countersign::password::EncodedPassword;
    /// use countersign::token::Fingerprint;
    ///
    /// let password = EncodedPassword::unusable();
    /// assert_ne!(Fingerprint::of(&password, "a@b", true), Fingerprint::of(&password, "", true));
    /// ```
    #[must_use]
    pub fn of(password: &EncodedPassword, address: &str, is_active: bool) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [password.as_str(), address] {
            context.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(&[u8::from(is_active)]);
        Self(SecretHash::from_digest(context.finish().as_ref()))
    }

    /// For a token that belongs to nobody: no row has it.
    ///
    /// ```
    /// use countersign::token::Fingerprint;
    ///
    /// assert_eq!(Fingerprint::of_nobody(), Fingerprint::of_nobody());
    /// ```
    #[must_use]
    pub const fn of_nobody() -> Self {
        Self(SecretHash([0; 32]))
    }

    /// As the store has it. `None` for anything but 32 bytes.
    ///
    /// ```
    /// assert!(countersign::token::Fingerprint::from_stored(&[0; 32]).is_some());
    /// ```
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        SecretHash::from_stored(bytes).map(Self)
    }

    /// The bytes for the store.
    ///
    /// ```
    /// assert_eq!(countersign::token::Fingerprint::of_nobody().as_bytes(), &[0; 32]);
    /// ```
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_that_differ_have_other_fingerprints(
            (a, b) in ("[a-c$]{0,4}", "[a-c$]{0,4}"), (c, d) in ("[a-c$]{0,4}", "[a-c$]{0,4}"),
        ) {
            let of = |password: &str, address: &str| {
                Fingerprint::of(&EncodedPassword::from_stored(password.to_owned()), address, true)
            };
            prop_assert_eq!(of(&a, &b) == of(&c, &d), (a, b) == (c, d));
        }
    }
}

//! Recovery codes: for who has lost the device that the other factors live on.

use std::fmt;

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

use crate::clock::{Random, random_bytes};
use crate::token::{SecretHash, Secrets};
use crate::user::UserId;

/// A recovery code: ten letters and digits, 50 random bits. It is not printed.
pub(crate) struct RecoveryCode(SecretString);

impl RecoveryCode {
    /// A fresh one.
    pub(crate) fn draw(random: &dyn Random) -> Self {
        let bytes: [u8; LENGTH] = random_bytes(random);
        // 256 is a multiple of 32: each letter is as likely as any other.
        let text: String =
            bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
        Self(SecretString::from(text))
    }

    /// What somebody typed: in any letter case, with blanks and hyphens wherever. `O` is read as
    /// `0`, `I` and `L` as `1`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.len() > 64 {
            return None;
        }
        let read = |c: char| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            other => other,
        };
        let text: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).map(read).collect();
        let is_one = text.len() == LENGTH && text.bytes().all(|byte| LETTERS.contains(&byte));
        is_one.then(|| Self(SecretString::from(text)))
    }

    /// As a person reads it: `abcde-fghjk`.
    pub(crate) fn grouped(&self) -> String {
        let (first, rest) = self.0.expose_secret().split_at(LENGTH / 2);
        format!("{first}-{rest}")
    }
}

impl fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryCode(..)")
    }
}

/// Hashes recovery codes: HMAC-SHA256 under a key of its own, with the user's id. 50 bits are no
/// secret from who has a copy of the database and a plain hash.
pub(crate) struct RecoveryHasher {
    key: hmac::Key,
}

impl RecoveryHasher {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secrets.recovery()) }
    }

    /// What the store keeps of a user's code.
    pub(crate) fn hash(&self, user: UserId, code: &RecoveryCode) -> SecretHash {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(user.to_string().as_bytes());
        context.update(&[0]);
        context.update(code.0.expose_secret().as_bytes());
        SecretHash::from_digest(context.sign().as_ref())
    }
}

impl fmt::Debug for RecoveryHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryHasher(..)")
    }
}

/// So many are made at once.
pub(crate) const RECOVERY_CODES: usize = 10;

const LENGTH: usize = 10;
/// Crockford's alphabet, in which nothing is mistaken for anything else.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsRandom;

    #[test]
    fn a_code_is_read_however_a_person_writes_it_down() {
        let code = RecoveryCode::parse("0123a-bcdez").unwrap();
        assert_eq!(code.grouped(), "0123a-bcdez");
        for written in ["0123abcdez", " O12 3A-BC DEZ ", "o123-abcdez", "0i23abcdez", "0L23abcdez"]
        {
            assert_eq!(RecoveryCode::parse(written).unwrap().grouped(), "0123a-bcdez", "{written}");
        }
        for wrong in ["", "0123abcde", "0123abcdezz", "0123abcdeu", "０123abcde", &"-".repeat(70)]
        {
            assert!(RecoveryCode::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_code_of_one_user_is_no_other_users() {
        let hasher = RecoveryHasher::new(&Secrets::from_text(&"r".repeat(32)).unwrap());
        let code = RecoveryCode::draw(&OsRandom);
        let again = RecoveryCode::parse(&code.grouped()).unwrap();
        let (one, other) = (UserId::new(1), UserId::new(2));
        assert_eq!(hasher.hash(one, &code), hasher.hash(one, &again));
        assert_ne!(hasher.hash(one, &code), hasher.hash(other, &code));
        assert_ne!(hasher.hash(one, &code), hasher.hash(one, &RecoveryCode::draw(&OsRandom)));
    }
}

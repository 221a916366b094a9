//! Service tokens: what a program shows that manages users.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use secrecy::{ExposeSecret, SecretString};

use super::SecretHash;
use crate::clock::{Random, random_bytes};

/// A service token as it travels: `cs_`, 32 characters with 160 random bits, and 6 characters that
/// check them, so that programs which look for secrets in texts know one when they see it.
///
/// It is not printed. The store keeps its hash.
///
/// ```
/// use countersign::clock::OsRandom;
/// use countersign::token::ServiceToken;
///
/// let token = ServiceToken::draw(&OsRandom);
/// assert!(token.expose().starts_with("cs_") && token.expose().len() == 41);
/// assert_eq!(ServiceToken::parse(token.expose()).unwrap().hash(), token.hash());
/// assert_eq!(format!("{token:?}"), "ServiceToken(..)");
/// ```
pub struct ServiceToken(SecretString);

impl ServiceToken {
    /// A fresh one.
    ///
    /// ```
    /// use countersign::clock::OsRandom;
    /// use countersign::token::ServiceToken;
    ///
    /// let (one, other) = (ServiceToken::draw(&OsRandom), ServiceToken::draw(&OsRandom));
    /// assert_ne!(one.hash(), other.hash());
    /// ```
    #[must_use]
    pub fn draw(random: &dyn Random) -> Self {
        let mut text = format!("{PREFIX}{}", base32(&random_bytes::<RANDOM_BYTES>(random)));
        let check = check_of(&text);
        text.push_str(&check);
        Self(SecretString::from(text))
    }

    /// Reads a token; `None` for what cannot be one. A typing error costs no look at the store.
    ///
    /// ```
    /// use countersign::token::ServiceToken;
    ///
    /// assert!(ServiceToken::parse("cs_nonsense").is_none());
    /// assert!(ServiceToken::parse("eyJ0eXAi.eyJpc3Mi.c2ln").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = text.len() == LENGTH
            && Self::is_meant_by(text)
            && text[PREFIX.len()..].bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'));
        let (body, check) = text.split_at_checked(LENGTH - CHECK_CHARS).filter(|_| is_one)?;
        verify_slices_are_equal(check_of(body).as_bytes(), check.as_bytes())
            .is_ok()
            .then(|| Self(SecretString::from(text.to_owned())))
    }

    /// Whether a text begins as service tokens do, good or bad. No access token does.
    ///
    /// ```
    /// assert!(countersign::token::ServiceToken::is_meant_by("cs_nonsense"));
    /// ```
    #[must_use]
    pub fn is_meant_by(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The text. Whoever has it may do what the token may.
    ///
    /// ```
    /// use countersign::clock::OsRandom;
    ///
    /// assert_eq!(countersign::token::ServiceToken::draw(&OsRandom).expose().len(), 41);
    /// ```
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What the store keeps of it: SHA-256. There is nothing to guess in 160 random bits.
    ///
    /// ```
    /// use countersign::clock::OsRandom;
    /// use countersign::token::ServiceToken;
    ///
    /// let token = ServiceToken::draw(&OsRandom);
    /// assert_eq!(token.hash().as_bytes().len(), 32);
    /// ```
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        Self::hash_of(self.expose())
    }

    /// The hash of a text that may be one: whose hash is known has been [read](Self::parse) before,
    /// and need not be read again.
    ///
    /// ```
    /// use countersign::clock::OsRandom;
    /// use countersign::token::ServiceToken;
    ///
    /// let token = ServiceToken::draw(&OsRandom);
    /// assert_eq!(ServiceToken::hash_of(token.expose()), token.hash());
    /// assert_ne!(ServiceToken::hash_of("cs_nonsense"), token.hash());
    /// ```
    #[must_use]
    pub fn hash_of(text: &str) -> SecretHash {
        SecretHash::from_digest(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
    }
}

/// Without the text.
impl fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServiceToken(..)")
    }
}

/// 30 bits of the SHA-256 of what stands before them.
fn check_of(text: &str) -> String {
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    let mut check = base32(&digest.as_ref()[..5]);
    check.truncate(CHECK_CHARS);
    check
}

/// Five bits a character (RFC 4648, 6), in small letters: whole groups of five bytes only.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 5 * 8);
    for group in bytes.chunks_exact(5) {
        let bits = group.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
        for place in (0..8).rev() {
            let five = (bits >> (place * 5)) & 31;
            text.push(char::from(ALPHABET[usize::try_from(five).unwrap_or(0)]));
        }
    }
    text
}

const PREFIX: &str = "cs_";
const RANDOM_BYTES: usize = 20;
const CHECK_CHARS: usize = 6;
const LENGTH: usize = 3 + 32 + CHECK_CHARS;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsRandom;

    #[test]
    fn a_token_comes_back_and_one_with_another_letter_does_not() {
        let token = ServiceToken::draw(&OsRandom);
        let text = token.expose().to_owned();
        assert_eq!(ServiceToken::parse(&text).unwrap().hash(), token.hash());
        for place in 0..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[place] = if bent[place] == b'q' { b'r' } else { b'q' };
            assert!(ServiceToken::parse(std::str::from_utf8(&bent).unwrap()).is_none(), "{place}");
        }
        assert!(ServiceToken::parse(&text.to_uppercase()).is_none());
        assert!(ServiceToken::parse(&text[..40]).is_none());
        assert!(ServiceToken::parse(&format!("{text}a")).is_none());
        assert!(ServiceToken::parse(&format!(" {text}")[..41]).is_none());
        assert!(ServiceToken::parse("").is_none());
        // As long as one, and in the middle of a letter where the check begins.
        assert!(ServiceToken::parse(&format!("cs_{}ää", "a".repeat(34))).is_none());
    }

    #[test]
    fn every_bit_is_drawn() {
        #[derive(Debug)]
        struct Ones;
        impl Random for Ones {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0xff);
            }
        }
        assert!(ServiceToken::draw(&Ones).expose().starts_with(&format!("cs_{}", "7".repeat(32))));
        // RFC 4648, 10.
        assert_eq!(base32(b"fooba"), "mzxw6ytb");
    }
}

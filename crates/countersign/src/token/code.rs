//! The code that a person may type where the link of a mail does not open.

use std::fmt;

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};

use super::{SecretHash, Secrets, TokenId};
use crate::clock::{Random, random_bytes};

/// A code of eight digits that a person may type where the link does not open. It is asked
/// together with the address, and dies after five wrong tries.
///
/// ```
/// use countersign::clock::OsRandom;
/// use countersign::token::Code;
///
/// let code = Code::draw(&OsRandom);
/// assert_eq!(code.expose().len(), 8);
/// assert!(Code::parse(" 1234 5678 ").is_some()); // as a person types it
/// assert!(Code::parse("1234567").is_none());
/// ```
pub struct Code(SecretString);

impl Code {
    /// A fresh one, each of the 100,000,000 as likely as any other.
    ///
    /// ```
    /// use countersign::clock::OsRandom;
    ///
    /// assert_eq!(format!("{:?}", countersign::token::Code::draw(&OsRandom)), "Code(..)");
    /// ```
    #[must_use]
    pub fn draw(random: &dyn Random) -> Self {
        // The largest multiple of 10^8 below 2^32: what lies above would favour the lower codes.
        const FAIR: u32 = u32::MAX - u32::MAX % CODES;
        loop {
            let number = u32::from_be_bytes(random_bytes(random));
            if number < FAIR {
                return Self(SecretString::from(format!("{:08}", number % CODES)));
            }
        }
    }

    /// Reads what somebody typed: eight ASCII digits, with blanks and hyphens wherever.
    ///
    /// ```
    /// use countersign::token::Code;
    ///
    /// assert_eq!(Code::parse("1234-5678").unwrap().expose(), "12345678");
    /// assert!(Code::parse("12345678 and more").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 32 {
            return None;
        }
        let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
        (digits.len() == CODE_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| Self(SecretString::from(digits)))
    }

    /// The digits. Whoever has them and the address has the token.
    ///
    /// ```
    /// assert_eq!(countersign::token::Code::parse("01234567").unwrap().expose(), "01234567");
    /// ```
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Without the digits.
impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Code(..)")
    }
}

/// Hashes codes: HMAC-SHA256 under a key of its own, with the token's id. A plain hash of eight
/// digits would be undone in a second by whoever has a copy of the database.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::token::{Code, CodeHasher, TokenId};
///
/// # let secrets = world::secrets();
/// let (hasher, code) = (CodeHasher::new(&secrets), Code::parse("01234567").unwrap());
/// let (one, two) = (TokenId::new(1).unwrap(), TokenId::new(2).unwrap());
/// assert_ne!(hasher.hash(one, &code), hasher.hash(two, &code));
/// ```
pub struct CodeHasher {
    key: hmac::Key,
}

impl CodeHasher {
    /// Hashes under the key for codes of `secrets`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::CodeHasher;
    ///
    /// assert_eq!(format!("{:?}", CodeHasher::new(&world::secrets())), "CodeHasher(..)");
    /// ```
    #[must_use]
    pub fn new(secrets: &Secrets) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secrets.codes()) }
    }

    /// What the store keeps of the code of the token `id`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::{Code, CodeHasher, TokenId};
    ///
    /// let hasher = CodeHasher::new(&world::secrets());
    /// let hash = hasher.hash(TokenId::new(1).unwrap(), &Code::parse("01234567").unwrap());
    /// assert_eq!(hash.as_bytes().len(), 32);
    /// ```
    #[must_use]
    pub fn hash(&self, id: TokenId, code: &Code) -> SecretHash {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(&id.as_i64().to_be_bytes());
        context.update(code.expose().as_bytes());
        SecretHash::from_digest(context.sign().as_ref())
    }
}

impl fmt::Debug for CodeHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeHasher(..)")
    }
}

const CODE_DIGITS: usize = 8;
const CODES: u32 = 100_000_000;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_code_that_would_be_likelier_than_others_is_drawn_again() {
        #[derive(Debug)]
        struct Fixed(Mutex<Vec<u32>>);
        impl Random for Fixed {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.0.lock().unwrap().pop().unwrap().to_be_bytes());
            }
        }
        let random = Fixed(Mutex::new(vec![4_199_999_999, 4_200_000_000, u32::MAX]));
        assert_eq!(Code::draw(&random).expose(), "99999999");
    }
}

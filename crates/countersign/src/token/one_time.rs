//! One-time tokens: what a link in a mail carries.
//!
//! The store keeps hashes only. A token belongs to one purpose, and to the user's row as it was:
//! a new password, another address or a deactivation changes the [`Fingerprint`], and every older
//! token dies by itself.
//!
//! [`Fingerprint`]: super::Fingerprint

use std::fmt;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretBox};

use super::SecretHash;
use crate::clock::{Random, random_bytes};

/// What a one-time token is for. It serves no other purpose.
///
/// ```
/// use countersign::token::Purpose;
///
/// assert_eq!(Purpose::ResetPassword.as_str(), "reset");
/// assert_eq!(Purpose::from_word("reset"), Some(Purpose::ResetPassword));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Purpose {
    /// Proves that an address is the user's.
    VerifyEmail,
    /// Sets a new password in the place of a forgotten one.
    ResetPassword,
    /// Logs in without a password.
    LoginCode,
    /// Confirms a new address.
    ChangeEmail,
    /// Takes a change of the address back.
    Undo,
    /// Sets the first password of a user whom an operator made.
    Invitation,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Self; 6] = [
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::LoginCode,
        Self::ChangeEmail,
        Self::Undo,
        Self::Invitation,
    ];

    /// The word for it, as the store and the paths of the pages have it.
    ///
    /// ```
    /// assert_eq!(countersign::token::Purpose::VerifyEmail.as_str(), "verify");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify",
            Self::ResetPassword => "reset",
            Self::LoginCode => "code",
            Self::ChangeEmail => "change",
            Self::Undo => "undo",
            Self::Invitation => "invitation",
        }
    }

    /// The purpose that a word stands for.
    ///
    /// ```
    /// assert_eq!(countersign::token::Purpose::from_word("nonsense"), None);
    /// ```
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }
}

/// The id of a one-time token: 63 random bits. It finds the row; it proves nothing.
///
/// ```
/// use countersign::token::TokenId;
///
/// assert_eq!(TokenId::new(7).unwrap().as_i64(), 7);
/// assert_eq!(TokenId::new(-1), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenId(i64);

impl TokenId {
    /// The id `number`; none is negative.
    ///
    /// ```
    /// assert!(countersign::token::TokenId::new(0).is_some());
    /// ```
    #[must_use]
    pub const fn new(number: i64) -> Option<Self> {
        if number >= 0 { Some(Self(number)) } else { None }
    }

    /// As the store keeps it.
    ///
    /// ```
    /// assert_eq!(countersign::token::TokenId::new(7).unwrap().as_i64(), 7);
    /// ```
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

/// A one-time token as it travels in a link: `ID.SECRET`, 11 and 22 characters of base64url.
///
/// The secret has 128 random bits. It is not printed.
///
/// ```
/// use countersign::clock::OsRandom;
/// use countersign::token::OneTimeToken;
///
/// let token = OneTimeToken::draw(&OsRandom);
/// let link = token.expose();
/// assert_eq!(link.len(), 34);
/// let read = OneTimeToken::parse(&link).unwrap();
/// assert_eq!((read.id(), read.hash()), (token.id(), token.hash()));
/// assert!(OneTimeToken::parse("nonsense").is_none());
/// ```
pub struct OneTimeToken {
    id: TokenId,
    secret: SecretBox<[u8; SECRET_BYTES]>,
}

impl OneTimeToken {
    /// A fresh one.
    ///
    /// ```
    /// use countersign::clock::OsRandom;
    /// use countersign::token::OneTimeToken;
    ///
    /// assert_ne!(OneTimeToken::draw(&OsRandom).id(), OneTimeToken::draw(&OsRandom).id());
    /// ```
    #[must_use]
    pub fn draw(random: &dyn Random) -> Self {
        let id = i64::from_be_bytes(random_bytes(random)) & i64::MAX;
        Self { id: TokenId(id), secret: SecretBox::new(Box::new(random_bytes(random))) }
    }

    /// Reads what a link carries. `None` for anything else than `ID.SECRET` to the letter.
    ///
    /// ```
    /// use countersign::token::OneTimeToken;
    ///
    /// assert!(OneTimeToken::parse("AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA").is_some());
    /// assert!(OneTimeToken::parse("AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAA").is_none()); // too short
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != TEXT_BYTES {
            return None;
        }
        let (id, secret) = text.split_once('.')?;
        let id: [u8; 8] = URL_SAFE_NO_PAD.decode(id).ok()?.try_into().ok()?;
        let secret: [u8; SECRET_BYTES] = URL_SAFE_NO_PAD.decode(secret).ok()?.try_into().ok()?;
        let id = TokenId::new(i64::from_be_bytes(id))?;
        Some(Self { id, secret: SecretBox::new(Box::new(secret)) })
    }

    /// The row that it names.
    ///
    /// ```
    /// use countersign::token::OneTimeToken;
    ///
    /// let token = OneTimeToken::parse("AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    /// assert_eq!(token.id().as_i64(), 7);
    /// ```
    #[must_use]
    pub const fn id(&self) -> TokenId {
        self.id
    }

    /// What the store keeps of its secret.
    ///
    /// ```
    /// use countersign::token::OneTimeToken;
    ///
    /// let token = OneTimeToken::parse("AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    /// let other = OneTimeToken::parse("AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAQ").unwrap();
    /// assert_ne!(token.hash(), other.hash());
    /// ```
    #[must_use]
    pub fn hash(&self) -> SecretHash {
        let digest = digest::digest(&digest::SHA256, self.secret.expose_secret());
        SecretHash::from_digest(digest.as_ref())
    }

    /// The text for the link. Whoever has it has the token.
    ///
    /// ```
    /// use countersign::clock::OsRandom;
    /// use countersign::token::OneTimeToken;
    ///
    /// assert_eq!(OneTimeToken::draw(&OsRandom).expose().find('.'), Some(11));
    /// ```
    #[must_use]
    pub fn expose(&self) -> String {
        let id = URL_SAFE_NO_PAD.encode(self.id.0.to_be_bytes());
        format!("{id}.{}", URL_SAFE_NO_PAD.encode(self.secret.expose_secret()))
    }
}

/// Without the secret.
impl fmt::Debug for OneTimeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneTimeToken").field("id", &self.id).finish_non_exhaustive()
    }
}

const SECRET_BYTES: usize = 16;
/// 11 characters, a dot, 22 characters.
const TEXT_BYTES: usize = 34;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Code;
    use super::*;
    use crate::clock::OsRandom;

    #[test]
    fn what_is_no_token_to_the_letter_is_none() {
        let good = OneTimeToken::draw(&OsRandom).expose();
        assert!(OneTimeToken::parse(&good).is_some());
        for bad in [
            "",
            ".",
            &good[..33],
            &format!("{good}A"),
            &format!(" {}", &good[..33]),
            &good.replace('.', "_"),
            // A negative id, padding, and bits beyond the last byte.
            "__________8.AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAA=.AAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAcé.AAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(OneTimeToken::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn no_secret_is_printed() {
        let token = OneTimeToken::draw(&OsRandom);
        let printed = format!("{token:?} {:?} {:?}", token.hash(), Code::parse("12345678"));
        let secret = token.expose().split_once('.').unwrap().1.to_owned();
        assert!(!printed.contains(&secret) && !printed.contains("12345678"), "{printed}");
    }

    #[test]
    fn purposes_have_one_word_each() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::from_word(purpose.as_str()), Some(purpose));
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parsers_panic(text in "\\PC{0,40}") {
            let _ = OneTimeToken::parse(&text);
            let _ = Code::parse(&text);
        }
    }
}

//! The two texts of this room that must never be printed: what a person typed, and what the store
//! keeps.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use unicode_normalization::UnicodeNormalization;

use super::algorithm::ParsedHash;

/// A password as a person gave it: at most [`Password::MAX_BYTES`] bytes, no NUL, otherwise any
/// text.
///
/// Parsed once at the edge. It does not print, and its memory is wiped when it is dropped.
///
/// ```
/// # use countersign::password::Password;
/// let password = Password::parse("correct horse".to_owned())?;
/// assert!(!format!("{password:?}").contains("horse"));
/// # Ok::<(), countersign::password::PasswordError>(())
/// ```
#[derive(Clone)]
pub struct Password(SecretString);

impl Password {
    /// The longest password taken, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 1024;

    /// Takes the text as it is.
    ///
    /// # Errors
    /// [`PasswordError::TooLong`] above [`Password::MAX_BYTES`] bytes; [`PasswordError::Nul`] if
    /// the text holds a NUL, at which some hash functions would stop reading.
    ///
    /// ```
    /// use countersign::password::{Password, PasswordError};
    ///
    /// assert!(Password::parse("tin kettle 14".to_owned()).is_ok());
    /// assert_eq!(Password::parse("x".repeat(1025)).unwrap_err(), PasswordError::TooLong);
    /// ```
    pub fn parse(text: String) -> Result<Self, PasswordError> {
        let text = SecretString::from(text);
        if text.expose_secret().len() > Self::MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        if text.expose_secret().contains('\0') {
            return Err(PasswordError::Nul);
        }
        Ok(Self(text))
    }

    /// The text, for [`validate`](super::validate). Do not keep it.
    ///
    /// ```
    /// use countersign::password::{Password, UserAttributes, validate};
    ///
    /// let password = Password::parse("tin kettle 14".to_owned()).unwrap();
    /// assert!(validate(password.expose(), &UserAttributes::default()).is_ok());
    /// ```
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The composed form (NFC), which is what is hashed: one keyboard sends `é` as one character,
    /// another as two.
    pub(super) fn composed(&self) -> SecretString {
        SecretString::from(self.expose().nfc().collect::<String>())
    }

    /// The texts that a login tries, in order: NFC, then the text as given if that differs.
    ///
    /// The second is for hashes made by systems that do not normalise, Django among them.
    pub(super) fn forms(&self) -> Vec<SecretString> {
        let composed = self.composed();
        if composed.expose_secret() == self.expose() {
            vec![composed]
        } else {
            vec![composed, self.0.clone()]
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Why a text is no password.
///
/// ```
/// use countersign::password::{Password, PasswordError};
///
/// assert_eq!(Password::parse("tin\0kettle".to_owned()).unwrap_err(), PasswordError::Nul);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// More than [`Password::MAX_BYTES`] bytes.
    #[error("a password has at most {} bytes; send a shorter one", Password::MAX_BYTES)]
    TooLong,
    /// It holds a NUL character.
    #[error("a password cannot contain the NUL character; send it without")]
    Nul,
}

/// A hash with its algorithm, parameters and salt in one line, as Django's column `password` holds
/// it.
///
/// Not checked when it is read: a row that makes no sense is a wrong password, at the price of one.
///
/// ```
/// use countersign::password::EncodedPassword;
///
/// let stored = EncodedPassword::from_stored("pbkdf2_sha256$870000$salt$hash".to_owned());
/// assert_eq!(format!("{stored:?}"), "EncodedPassword(…)");
/// ```
#[derive(Clone)]
pub struct EncodedPassword(SecretString);

impl EncodedPassword {
    /// Takes a line from the store.
    ///
    /// ```
    /// use countersign::password::EncodedPassword;
    ///
    /// let column = "argon2$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned();
    /// assert!(EncodedPassword::from_stored(column).is_usable());
    /// ```
    #[must_use]
    pub fn from_stored(line: String) -> Self {
        Self(SecretString::from(line))
    }

    /// Takes a line that another program made, if it is one of those that can be checked here:
    /// within the bounds of what one hash may cost, and without a NUL, which no PostgreSQL keeps.
    ///
    /// ```
    /// use countersign::password::EncodedPassword;
    ///
    /// let bcrypt = "$2b$04$tZQ8sjxTBUZwnxmnrWDHIOixnJP81.YXq7L9FsILvfibOU3cdEI.S";
    /// let foreign = EncodedPassword::from_elsewhere(bcrypt.to_owned());
    /// assert!(foreign.is_some());
    /// assert!(EncodedPassword::from_elsewhere("md5$salt$hash".to_owned()).is_none());
    /// assert!(EncodedPassword::from_elsewhere("plain text".to_owned()).is_none());
    /// ```
    #[must_use]
    pub fn from_elsewhere(line: String) -> Option<Self> {
        let is_good = !line.contains('\0') && ParsedHash::parse(&line).is_ok();
        is_good.then(|| Self::from_stored(line))
    }

    /// A line that no password matches, for a user who may not log in by password: Django's `!` and
    /// 40 random characters. It is to be kept: another one ends what the one before let in.
    ///
    /// ```
    /// use countersign::password::EncodedPassword;
    ///
    /// let nobody_knows_it = EncodedPassword::unusable();
    /// assert!(nobody_knows_it.as_str().starts_with('!'));
    /// ```
    #[must_use]
    pub fn unusable() -> Self {
        Self::from_stored(format!("{UNUSABLE}{}", random_text(UNUSABLE_RANDOM)))
    }

    /// Whether a password could match; false for [`unusable`](Self::unusable) lines.
    ///
    /// ```
    /// use countersign::password::EncodedPassword;
    ///
    /// assert!(!EncodedPassword::unusable().is_usable());
    /// ```
    #[must_use]
    pub fn is_usable(&self) -> bool {
        !self.as_str().starts_with(UNUSABLE)
    }

    /// The line, for the store.
    ///
    /// ```
    /// use countersign::password::EncodedPassword;
    ///
    /// assert_eq!(EncodedPassword::unusable().as_str().len(), 41);
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.expose_secret()
    }
}

/// A line from the store, for crates that make rows: `#[sqlx(try_from = "String")]`.
///
/// ```
/// use countersign::password::EncodedPassword;
///
/// let column = "argon2$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".to_owned();
/// assert!(EncodedPassword::from(column).is_usable());
/// ```
impl From<String> for EncodedPassword {
    fn from(line: String) -> Self {
        Self::from_stored(line)
    }
}

impl fmt::Debug for EncodedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncodedPassword(…)")
    }
}

/// Random letters and digits, 5.95 bits each, as Django makes its salts.
///
/// # Panics
/// If the operating system has no randomness: nothing safe can be done without it.
pub(super) fn random_text(length: usize) -> String {
    let mut text = String::with_capacity(length);
    let mut bytes = [0u8; 32];
    while text.len() < length {
        #[expect(
            clippy::expect_used,
            reason = "aws-lc aborts by itself when the system has no randomness; a peer has no \
                part in it"
        )]
        getrandom::fill(&mut bytes).expect("the operating system gives randomness");
        // 248 is the largest multiple of 62 in a byte: dropping the rest keeps the letters equally
        // likely.
        let letters = bytes
            .iter()
            .filter(|&&byte| byte < 248)
            .map(|&byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
        text.extend(letters.take(length - text.len()));
    }
    text
}

const UNUSABLE: char = '!';
const UNUSABLE_RANDOM: usize = 40;
const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_bounded_in_bytes_and_holds_no_nul() {
        assert!(Password::parse("é".repeat(512)).is_ok());
        assert_eq!(Password::parse("é".repeat(512) + "x").unwrap_err(), PasswordError::TooLong);
        assert_eq!(Password::parse("a\0b".to_owned()).unwrap_err(), PasswordError::Nul);
        assert!(Password::parse(String::new()).is_ok());
    }

    #[test]
    fn neither_text_prints() {
        let password = Password::parse("hunter2hunter2".to_owned()).unwrap();
        let encoded = EncodedPassword::from_stored("argon2$secret".to_owned());
        assert_eq!(format!("{password:?} {encoded:?}"), "Password(…) EncodedPassword(…)");
    }

    #[test]
    fn a_composed_text_is_tried_once_and_any_other_twice() {
        let forms = |text: &str| Password::parse(text.to_owned()).unwrap().forms().len();
        assert_eq!(forms("caf\u{e9}"), 1);
        assert_eq!(forms("cafe\u{301}"), 2);
    }

    #[test]
    fn an_unusable_line_is_djangos_and_never_twice_the_same() {
        let (one, other) = (EncodedPassword::unusable(), EncodedPassword::unusable());
        assert!(!one.is_usable());
        assert_eq!(one.as_str().len(), 41);
        assert_ne!(one.as_str(), other.as_str());
        assert!(one.as_str()[1..].bytes().all(|byte| byte.is_ascii_alphanumeric()));
    }

    #[test]
    fn every_letter_occurs_in_random_text() {
        let text = random_text(20_000);
        assert_eq!(text.len(), 20_000);
        assert!(LETTERS.iter().all(|&letter| text.contains(char::from(letter))));
    }
}

//! One-time tokens: what a link in a mail carries, and the code that a person may type instead.
//!
//! The store keeps hashes only. A token belongs to one purpose, and to the user's row as it was:
//! a new password, another address or a deactivation changes the [`Fingerprint`], and every older
//! token dies by itself.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretBox, SecretString};

use super::Secrets;
use crate::clock::{Random, random_bytes};
use crate::password::EncodedPassword;

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
        context.update(&id.0.to_be_bytes());
        context.update(code.expose().as_bytes());
        SecretHash::from_digest(context.sign().as_ref())
    }
}

impl fmt::Debug for CodeHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeHasher(..)")
    }
}

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

const SECRET_BYTES: usize = 16;
/// 11 characters, a dot, 22 characters.
const TEXT_BYTES: usize = 34;
const CODE_DIGITS: usize = 8;
const CODES: u32 = 100_000_000;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use proptest::prelude::*;

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

    #[test]
    fn purposes_have_one_word_each() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::from_word(purpose.as_str()), Some(purpose));
        }
    }

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

        #[test]
        fn no_text_makes_the_parsers_panic(text in "\\PC{0,40}") {
            let _ = OneTimeToken::parse(&text);
            let _ = Code::parse(&text);
        }
    }
}

//! What a new password must not be: Django's four validators, with its thresholds.

use std::{collections::HashMap, fmt};

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{common::is_common, digits::is_digit};

/// What is known of the user whose password it is to be. Empty means unknown.
///
/// ```
/// use countersign::password::{PasswordProblem, UserAttributes, validate};
///
/// let about =
///     UserAttributes { username: "ada", last_name: "Lovelace", ..UserAttributes::default() };
/// assert_eq!(validate("lovelace1", &about), Err(vec![PasswordProblem::TooSimilar("last name")]));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct UserAttributes<'a> {
    /// The login name.
    pub username: &'a str,
    /// The given name.
    pub first_name: &'a str,
    /// The family name.
    pub last_name: &'a str,
    /// The e-mail address.
    pub email: &'a str,
}

/// Checks a new password; for one that is merely tried at login this is the wrong door.
///
/// As Django's default `AUTH_PASSWORD_VALIDATORS`, in its order: not too similar to the user's own
/// data (0.7), at least 8 characters, not among the 20,000 commonest, not digits only. The text is
/// taken in NFC, because that is what is hashed.
///
/// # Errors
/// Everything that is wrong, each kind of problem at most once.
///
/// ```
/// # use countersign::password::{UserAttributes, validate};
/// let about = UserAttributes { username: "margaret", ..UserAttributes::default() };
/// assert!(validate("tin kettle 14", &about).is_ok());
/// let problems = validate("margaret1", &about).unwrap_err();
/// assert_eq!(problems[0].code(), "password_too_similar");
/// ```
pub fn validate(new: &str, about: &UserAttributes<'_>) -> Result<(), Vec<PasswordProblem>> {
    let new: String = new.nfc().collect();
    let lower = new.to_lowercase();
    let mut problems = Vec::new();
    problems.extend(similar_attribute(&lower, about).map(PasswordProblem::TooSimilar));
    if new.chars().count() < MIN_LENGTH {
        problems.push(PasswordProblem::TooShort);
    }
    if is_common(lower.trim_matches(is_space)) {
        problems.push(PasswordProblem::TooCommon);
    }
    if !new.is_empty() && new.chars().all(is_digit) {
        problems.push(PasswordProblem::EntirelyNumeric);
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// One thing that is wrong with a new password.
///
/// Its `Display` is a sentence for the person who chooses it; it does not repeat the password.
///
/// ```
/// use countersign::password::{PasswordProblem, UserAttributes, validate};
///
/// assert_eq!(
///     validate("dragon", &UserAttributes::default()),
///     Err(vec![PasswordProblem::TooShort, PasswordProblem::TooCommon])
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordProblem {
    /// Nearly the same letters as the attribute named here.
    TooSimilar(&'static str),
    /// Fewer than 8 characters.
    TooShort,
    /// One of the 20,000 commonest.
    TooCommon,
    /// Digits only.
    EntirelyNumeric,
    /// Found in a breach of another site.
    Breached,
}

impl PasswordProblem {
    /// Django's code of the problem, for programs; `password_breached` is our own.
    ///
    /// ```
    /// use countersign::password::PasswordProblem;
    ///
    /// assert_eq!(PasswordProblem::TooCommon.code(), "password_too_common");
    /// ```
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooSimilar(_) => "password_too_similar",
            Self::TooShort => "password_too_short",
            Self::TooCommon => "password_too_common",
            Self::EntirelyNumeric => "password_entirely_numeric",
            Self::Breached => "password_breached",
        }
    }
}

impl fmt::Display for PasswordProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSimilar(attribute) => write!(
                f,
                "Too close to your {attribute}: choose something that does not contain it."
            ),
            Self::TooShort => write!(
                f,
                "Too short: use {MIN_LENGTH} characters or more; a few words make a good password."
            ),
            Self::TooCommon => f.write_str(
                "Many people use this password, so it is guessed first: choose a rarer one.",
            ),
            Self::EntirelyNumeric => f.write_str("Only digits: add letters or words."),
            Self::Breached => f.write_str(
                "This password was stolen at another site, so it is guessed early: choose another.",
            ),
        }
    }
}

/// The first attribute that the password is too close to, as a whole or in one of its words.
fn similar_attribute(password: &str, about: &UserAttributes<'_>) -> Option<&'static str> {
    let letters = count(password);
    let length = password.chars().count();
    let too_close = |part: &str| {
        let part_length = part.chars().count();
        !is_out_of_proportion(length, part_length)
            && similarity(&letters, length, part, part_length) >= MAX_SIMILARITY
    };
    [
        ("username", about.username),
        ("first name", about.first_name),
        ("last name", about.last_name),
        ("email address", about.email),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .find(|(_, value)| {
        let value = value.nfc().collect::<String>().to_lowercase();
        words(&value).any(too_close) || too_close(&value)
    })
    .map(|(name, _)| name)
}

/// The share of characters that two texts have in common in any order, 0 to 1: twice the number of
/// common ones by the sum of the lengths. It is the upper bound that Python's `difflib` calls
/// `quick_ratio`.
fn similarity(
    letters: &HashMap<char, usize>,
    length: usize,
    other: &str,
    other_length: usize,
) -> f64 {
    if length + other_length == 0 {
        return 1.0;
    }
    let common: usize = count(other)
        .iter()
        .map(|(letter, times)| letters.get(letter).copied().unwrap_or(0).min(*times))
        .sum();
    2.0 * as_float(common) / as_float(length + other_length)
}

/// Whether the password is so much longer that the two cannot be similar; such a part is not
/// compared.
fn is_out_of_proportion(length: usize, part_length: usize) -> bool {
    length >= 10 * part_length && as_float(part_length) < MAX_SIMILARITY / 2.0 * as_float(length)
}

/// The runs of letters, digits and `_`, with an empty one wherever the text begins or ends with
/// something else, as in a split at Python's `\W+`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c == '_' || (c.is_alphanumeric() && !is_combining_mark(c));
    text.split(move |c| !is_word(c))
}

fn count(text: &str) -> HashMap<char, usize> {
    let mut letters = HashMap::new();
    for letter in text.chars() {
        *letters.entry(letter).or_insert(0) += 1;
    }
    letters
}

fn as_float(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::INFINITY, f64::from)
}

/// White space as Python's `str.strip` has it: Unicode's, and the four ASCII separators.
fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\x1c'..='\x1f').contains(&c)
}

const MIN_LENGTH: usize = 8;
const MAX_SIMILARITY: f64 = 0.7;

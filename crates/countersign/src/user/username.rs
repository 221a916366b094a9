//! User names: Django's characters, NFKC, unique after case folding.

use std::fmt;

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

/// A login name for a new or renamed user: 1 to 150 characters, letters, digits and `@.+-_`, in
/// NFKC (Django's `UnicodeUsernameValidator`).
///
/// ```
/// use countersign::user::Username;
///
/// assert_eq!(Username::parse("ａlice").unwrap().as_str(), "alice");
/// assert!(Username::parse("alice smith").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Username(String);

impl Username {
    /// Takes `text` into NFKC and checks length and characters.
    ///
    /// # Errors
    /// [`UsernameError`] says which rule was broken.
    ///
    /// ```
    /// use countersign::user::{Username, UsernameError};
    ///
    /// assert!(Username::parse("ada@example.com").is_ok());
    /// assert_eq!(Username::parse("ada lovelace"), Err(UsernameError::Characters));
    /// ```
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        // NFKC can lengthen a text eighteen-fold; what is too long before is too long after.
        if text.len() > 4 * MAX_CHARS {
            return Err(UsernameError::TooLong);
        }
        let name: String = text.nfkc().collect();
        if name.is_empty() {
            return Err(UsernameError::Empty);
        }
        if name.chars().count() > MAX_CHARS {
            return Err(UsernameError::TooLong);
        }
        if !name.chars().all(|c| c.is_alphanumeric() || "@.+-_".contains(c)) {
            return Err(UsernameError::Characters);
        }
        // Letters that nobody sees, like U+3164, would make two names look like one.
        if name.chars().any(|c| CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)) {
            return Err(UsernameError::Invisible);
        }
        Ok(Self(name))
    }

    /// The name.
    ///
    /// ```
    /// assert_eq!(countersign::user::Username::parse("Ada").unwrap().as_str(), "Ada");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two names that differ only in case, or in the form of their characters, have in common.
    ///
    /// ```
    /// assert_eq!(countersign::user::Username::parse("Straße").unwrap().folded(), "strasse");
    /// ```
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// NFKC and full case folding (Unicode 3.13, `NFKC_Casefold` but for default-ignorable characters,
/// which user names cannot hold).
///
/// ```
/// use countersign::user::fold;
///
/// assert_eq!(fold("ΣΊΣΥΦΟΣ"), fold("σίσυφος"));
/// ```
pub fn fold(text: &str) -> String {
    caseless::default_case_fold_str(&text.nfkc().collect::<String>()).nfkc().collect()
}

/// Why a text is no user name.
///
/// ```
/// use countersign::user::{Username, UsernameError};
///
/// assert_eq!(Username::parse(""), Err(UsernameError::Empty));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UsernameError {
    /// Nothing was given.
    #[error("Give a user name.")]
    Empty,
    /// More than 150 characters.
    #[error("A user name has at most {MAX_CHARS} characters.")]
    TooLong,
    /// A character that Django's validator refuses too.
    #[error("A user name may hold letters, digits and @ . + - _ only.")]
    Characters,
    /// It reads as an address where addresses belong to who proves them: whether one is taken would
    /// say who has an account.
    #[error("Choose a user name without @: an address is proved, not chosen.")]
    Address,
    /// A character that Unicode counts among those that are not shown
    /// (`Default_Ignorable_Code_Point`).
    #[error("A user name may hold no letter that nobody can see.")]
    Invisible,
}

const MAX_CHARS: usize = 150;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_compatibility_characters_becomes_the_plain_name() {
        assert_eq!(Username::parse("\u{ff41}lice").map(|name| name.0), Ok("alice".to_owned()));
    }

    #[test]
    fn a_name_with_letters_that_nobody_sees_is_refused() {
        for invisible in ['\u{3164}', '\u{115f}', '\u{1160}', '\u{ffa0}'] {
            assert!(invisible.is_alphanumeric(), "it would pass for a letter");
            for name in
                [format!("al{invisible}ice"), invisible.to_string(), format!("alice{invisible}")]
            {
                assert_eq!(Username::parse(&name), Err(UsernameError::Invisible), "{name:?}");
            }
        }
        for other in
            ['\u{ad}', '\u{200b}', '\u{200d}', '\u{2060}', '\u{fe0f}', '\u{e0041}', '\u{17b4}']
        {
            assert!(Username::parse(&format!("al{other}ice")).is_err(), "{other:?}");
        }
    }

    #[test]
    fn names_that_differ_in_case_only_fold_to_one() {
        for (one, other) in [("Alice", "aLICE"), ("STRASSE", "straße"), ("ΣΊΣΥΦΟΣ", "σίσυφος")]
        {
            assert_eq!(fold(one), fold(other));
        }
    }

    #[test]
    fn a_name_of_151_characters_or_with_a_space_or_a_nul_is_refused() {
        assert_eq!(Username::parse(&"a".repeat(151)), Err(UsernameError::TooLong));
        assert_eq!(Username::parse(&"\u{fdfa}".repeat(20)), Err(UsernameError::TooLong));
        assert_eq!(Username::parse("a b"), Err(UsernameError::Characters));
        assert_eq!(Username::parse("a\0"), Err(UsernameError::Characters));
        assert_eq!(Username::parse(""), Err(UsernameError::Empty));
        assert!(Username::parse(&"a".repeat(150)).is_ok());
    }
}

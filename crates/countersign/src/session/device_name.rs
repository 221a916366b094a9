//! What a user calls the device on which they log in: `Ada's phone`.

use std::fmt;

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

/// A device's name: 1 to 100 characters in NFC, without blanks around it, control characters, and
/// letters that nobody can see. For people to read; nothing is decided by it.
///
/// ```
/// use countersign::session::DeviceName;
///
/// assert_eq!(DeviceName::parse(" Ada's phone ").unwrap().as_str(), "Ada's phone");
/// assert!(DeviceName::parse("two\nlines").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct DeviceName(String);

impl DeviceName {
    /// The most characters that a name may have.
    pub const MAX_CHARS: usize = 100;

    /// Trims `text`, takes it into NFC and checks length and characters.
    ///
    /// # Errors
    /// [`DeviceNameError`] says which rule was broken.
    ///
    /// ```
    /// use countersign::session::{DeviceName, DeviceNameError};
    ///
    /// assert!(DeviceName::parse("Léas ❤️ Handy").is_ok());
    /// assert_eq!(DeviceName::parse("phone\u{202e}enohp"), Err(DeviceNameError::Characters));
    /// ```
    pub fn parse(text: &str) -> Result<Self, DeviceNameError> {
        let text = text.trim();
        // NFC can lengthen a text threefold; what is too long before is too long after.
        if text.chars().count() > Self::MAX_CHARS {
            return Err(DeviceNameError::TooLong);
        }
        let name: String = text.nfc().collect();
        if name.is_empty() {
            return Err(DeviceNameError::Empty);
        }
        if name.chars().count() > Self::MAX_CHARS {
            return Err(DeviceNameError::TooLong);
        }
        let invisible = CodePointSetData::new::<DefaultIgnorableCodePoint>();
        let mut before = ' ';
        for c in name.chars() {
            let is_seen = !c.is_control() && !LINE_ENDS.contains(&c) && !invisible.contains(c);
            let joins = JOINERS.contains(&c) && !before.is_ascii() && !invisible.contains(before);
            if !is_seen && !joins {
                return Err(DeviceNameError::Characters);
            }
            before = c;
        }
        Ok(Self(name))
    }

    /// The name.
    ///
    /// ```
    /// # use countersign::session::DeviceName;
    /// assert_eq!(DeviceName::parse("the kitchen's").unwrap().as_str(), "the kitchen's");
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is no device's name.
///
/// ```
/// use countersign::session::{DeviceName, DeviceNameError};
///
/// assert_eq!(DeviceName::parse("  "), Err(DeviceNameError::Empty));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceNameError {
    /// Nothing but blanks was given.
    #[error("Give the device a name.")]
    Empty,
    /// More than 100 characters.
    #[error("A device's name has at most {} characters.", DeviceName::MAX_CHARS)]
    TooLong,
    /// A control character, a line's end, or a character that Unicode counts among those that are
    /// not shown (`Default_Ignorable_Code_Point`).
    #[error("A device's name may hold no control character and no letter that nobody can see.")]
    Characters,
}

/// Ends of lines that are no control characters.
const LINE_ENDS: [char; 2] = ['\u{2028}', '\u{2029}'];

/// What joins or shapes the character before it, in Persian, Indic scripts and emoji: phones have
/// such names. Once behind each character, and not behind one of ASCII, where they do nothing.
const JOINERS: [char; 4] = ['\u{200c}', '\u{200d}', '\u{fe0e}', '\u{fe0f}'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_phones_have_are_taken() {
        for name in [
            "Ada's phone",
            "MacBook\u{a0}Pro de Léa",
            "Léas ❤\u{fe0f} Handy",
            "\u{1f469}\u{200d}\u{1f4bb} desk",
            "می\u{200c}خواهم",
            "<b>& \"quotes\" 'here'",
            "電話",
        ] {
            assert_eq!(DeviceName::parse(name).map(|name| name.0), Ok(name.to_owned()));
        }
        assert_eq!(DeviceName::parse("Le\u{301}a").unwrap().as_str(), "Léa");
    }

    #[test]
    fn what_nobody_sees_and_what_breaks_a_line_is_refused() {
        for c in [
            '\0',
            '\n',
            '\t',
            '\u{1b}',
            '\u{7f}',
            '\u{85}',
            '\u{2028}',
            '\u{2029}',
            '\u{ad}',
            '\u{200b}',
            '\u{200e}',
            '\u{202e}',
            '\u{2066}',
            '\u{3164}',
            '\u{e0041}',
            '\u{200d}',
            '\u{fe0f}',
        ] {
            let name = format!("a{c}b");
            assert_eq!(DeviceName::parse(&name), Err(DeviceNameError::Characters), "{name:?}");
        }
        let stacked = "❤\u{fe0f}\u{fe0f}";
        assert_eq!(DeviceName::parse(stacked), Err(DeviceNameError::Characters));
    }

    #[test]
    fn a_name_has_1_to_100_characters() {
        assert_eq!(DeviceName::parse(""), Err(DeviceNameError::Empty));
        assert_eq!(DeviceName::parse("\u{3000} \n"), Err(DeviceNameError::Empty));
        assert_eq!(DeviceName::parse(&"é".repeat(101)), Err(DeviceNameError::TooLong));
        // Three characters each in NFC.
        assert_eq!(DeviceName::parse(&"\u{fb2c}".repeat(50)), Err(DeviceNameError::TooLong));
        assert!(DeviceName::parse(&format!(" {} ", "é".repeat(100))).is_ok());
    }

    #[test]
    fn a_name_is_shown_as_it_is_called() {
        assert_eq!(DeviceName::parse("the kitchen's").unwrap().to_string(), "the kitchen's");
    }
}

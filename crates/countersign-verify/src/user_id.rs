use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayString;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A user's id: a 64-bit integer, or any text of 1 to [`MAX_BYTES`](Self::MAX_BYTES) bytes without
/// control characters, such as a UUID. It is what the claim `sub` says.
///
/// A text that is an integer in its usual spelling is that integer, so that an id reads the same
/// wherever it has been.
///
/// ```
/// use countersign_verify::UserId;
///
/// assert_eq!("42".parse::<UserId>().unwrap(), UserId::new(42));
/// let id: UserId = "0194f3a2-5b6c-7d8e-9f01-23456789abcd".parse().unwrap();
/// assert_eq!(id.as_i64(), None);
/// assert_eq!(id.to_string(), "0194f3a2-5b6c-7d8e-9f01-23456789abcd");
/// assert!("".parse::<UserId>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(Repr);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Repr {
    Integer(i64),
    Text(ArrayString<{ UserId::MAX_BYTES }>),
}

impl UserId {
    /// The most bytes that an id may have as text.
    pub const MAX_BYTES: usize = 62;

    /// The id with this number.
    ///
    /// ```
    /// use countersign_verify::UserId;
    ///
    /// const ADMIN: UserId = UserId::new(1);
    /// assert_eq!(ADMIN, 1.into());
    /// ```
    pub const fn new(id: i64) -> Self {
        Self(Repr::Integer(id))
    }

    /// The number; `None` for a text.
    ///
    /// ```
    /// use countersign_verify::UserId;
    ///
    /// assert_eq!(UserId::new(7).as_i64(), Some(7));
    /// assert_eq!("ada".parse::<UserId>().unwrap().as_i64(), None);
    /// ```
    pub const fn as_i64(self) -> Option<i64> {
        match self.0 {
            Repr::Integer(id) => Some(id),
            Repr::Text(_) => None,
        }
    }

    /// The text; `None` for a number.
    ///
    /// ```
    /// use countersign_verify::UserId;
    ///
    /// assert_eq!("ada".parse::<UserId>().unwrap().as_text(), Some("ada"));
    /// assert_eq!("7".parse::<UserId>().unwrap().as_text(), None);
    /// ```
    pub fn as_text(&self) -> Option<&str> {
        match &self.0 {
            Repr::Integer(_) => None,
            Repr::Text(text) => Some(text),
        }
    }
}

impl From<i64> for UserId {
    fn from(id: i64) -> Self {
        Self::new(id)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Integer(id) => id.fmt(f),
            Repr::Text(text) => text.fmt(f),
        }
    }
}

impl FromStr for UserId {
    type Err = InvalidUserId;

    fn from_str(text: &str) -> Result<Self, InvalidUserId> {
        if let Ok(number) = text.parse::<i64>()
            && number.to_string() == text
        {
            return Ok(Self::new(number));
        }
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(InvalidUserId);
        }
        ArrayString::from(text).map(|text| Self(Repr::Text(text))).map_err(|_| InvalidUserId)
    }
}

/// As a number or as text, as it is.
impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Repr::Integer(id) => serializer.serialize_i64(*id),
            Repr::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// From a number or a text, as it was written.
///
/// ```
/// use countersign_verify::UserId;
///
/// let ids: Vec<UserId> = serde_json::from_str(r#"[7, "7", "ada"]"#).unwrap();
/// assert_eq!(ids, [UserId::new(7), UserId::new(7), "ada".parse().unwrap()]);
/// assert!(serde_json::from_str::<UserId>("7.5").is_err());
/// ```
impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Id;

        impl Visitor<'_> for Id {
            type Value = UserId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer, or a text of 1 to 62 bytes")
            }

            fn visit_i64<E: Error>(self, id: i64) -> Result<UserId, E> {
                Ok(UserId::new(id))
            }

            fn visit_u64<E: Error>(self, id: u64) -> Result<UserId, E> {
                i64::try_from(id).map(UserId::new).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<UserId, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Id)
    }
}

/// A UUID in its usual spelling.
#[cfg(feature = "uuid")]
impl From<uuid::Uuid> for UserId {
    fn from(id: uuid::Uuid) -> Self {
        let mut text = ArrayString::new();
        text.push_str(id.as_hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()));
        Self(Repr::Text(text))
    }
}

/// A text that cannot be a user's id.
///
/// ```
/// use countersign_verify::{InvalidUserId, UserId};
///
/// assert_eq!("x".repeat(UserId::MAX_BYTES + 1).parse::<UserId>(), Err(InvalidUserId));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a user's id is a 64-bit integer, or a text of 1 to {} bytes without control characters",
    UserId::MAX_BYTES
)]
pub struct InvalidUserId;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "uuid")]
    #[test]
    fn a_uuid_is_the_text_that_it_is_written_as() {
        let id = uuid::Uuid::from_u128(0x0194_f3a2_5b6c_7d8e_9f01_2345_6789_abcd);
        assert_eq!(UserId::from(id), id.to_string().parse().unwrap());
    }

    #[test]
    fn an_id_reads_the_same_wherever_it_has_been() {
        for text in [
            "0",
            "-7",
            "9223372036854775807",
            "alice",
            "007",
            "+7",
            "9223372036854775808",
            "é",
            &"x".repeat(62),
        ] {
            let id: UserId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.as_i64().is_some(), id.as_text().is_none());
        }
        assert_eq!(
            "007".parse::<UserId>().unwrap().as_text(),
            Some("007"),
            "no other spelling is the number's"
        );
        for bad in ["", "a\nb", "a\0", &"x".repeat(63)] {
            assert_eq!(bad.parse::<UserId>(), Err(InvalidUserId), "{bad:?}");
        }
    }
}

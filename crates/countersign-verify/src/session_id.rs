use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A session's id: 64 bits, never all zero, written as 16 lower-case hexadecimal digits. It names a
/// session; it is no secret.
///
/// ```
/// use countersign_verify::SessionId;
///
/// let id: SessionId = "00000000000000ff".parse().unwrap();
/// assert_eq!(id.get(), 255);
/// assert!("FF".parse::<SessionId>().is_err());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(NonZeroU64);

impl SessionId {
    /// The id with these bits; `None` for zero.
    ///
    /// ```
    /// use countersign_verify::SessionId;
    ///
    /// assert_eq!(SessionId::new(255).unwrap().to_string(), "00000000000000ff");
    /// assert_eq!(SessionId::new(0), None);
    /// ```
    pub const fn new(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }

    /// The bits.
    ///
    /// ```
    /// let id: countersign_verify::SessionId = "000000000000000a".parse().unwrap();
    /// assert_eq!(id.get(), 10);
    /// ```
    pub const fn get(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

impl FromStr for SessionId {
    type Err = InvalidSessionId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let canonical =
            text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !canonical {
            return Err(InvalidSessionId);
        }
        u64::from_str_radix(text, 16).ok().and_then(Self::new).ok_or(InvalidSessionId)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is not 16 lower-case hexadecimal digits, or all of them zero.
///
/// ```
/// use countersign_verify::{InvalidSessionId, SessionId};
///
/// assert_eq!("0000000000000000".parse::<SessionId>(), Err(InvalidSessionId));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a session id is 16 lower-case hexadecimal digits, not all zero")]
pub struct InvalidSessionId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling_only() {
        assert_eq!(
            "0123456789abcdef".parse::<SessionId>().map(|id| id.to_string()),
            Ok("0123456789abcdef".to_owned())
        );
        for bad in [
            "",
            "0",
            "0000000000000000",
            "0123456789ABCDEF",
            "+123456789abcdef",
            "0123456789abcdef0",
            "0123456789abcde ",
            "é123456789abcde",
        ] {
            assert_eq!(bad.parse::<SessionId>(), Err(InvalidSessionId), "{bad:?}");
        }
    }
}

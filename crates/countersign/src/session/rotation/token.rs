//! A refresh token as the decision sees it: its place in the lineage, and its id.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A refresh token as a client presented it, signature, type and expiry verified.
///
/// ```
/// use countersign::session::rotation::{Generation, Jti, Presented};
///
/// // The first refresh token of a session that began at 1 000.
/// let first = Presented {
///     generation: Generation::FIRST,
///     jti: Jti([1; 16]),
///     parent: None,
///     issued_at: 1_000,
/// };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Presented {
    /// The claim `gen`.
    pub generation: Generation,
    /// The claim `jti`.
    pub jti: Jti,
    /// The claim `par`: the token that it was minted from; the first has none.
    pub parent: Option<Jti>,
    /// The claim `iat`: when it was minted, in whole seconds since 1970.
    pub issued_at: u64,
}

/// How many refreshes lie between a token and the session's first.
///
/// ```
/// use countersign::session::rotation::Generation;
///
/// assert!(Generation::FIRST < Generation(1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation of a session's first refresh token.
    pub const FIRST: Self = Self(0);

    pub(super) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// A refresh token's id: 128 random bits, written as 22 characters of base64url. It names a token;
/// without a signature it opens nothing.
///
/// ```
/// use countersign::session::rotation::Jti;
///
/// let jti = Jti([0xff; 16]);
/// assert_eq!(jti.to_string(), "_____________________w");
/// assert_eq!("_____________________w".parse(), Ok(jti));
/// assert!("_____________________x".parse::<Jti>().is_err(), "one id has one spelling");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jti(pub [u8; 16]);

impl fmt::Display for Jti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Jti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jti({self})")
    }
}

impl FromStr for Jti {
    type Err = InvalidJti;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != JTI_TEXT_BYTES {
            return Err(InvalidJti);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidJti)?;
        bytes.try_into().map(Self).map_err(|_| InvalidJti)
    }
}

impl Serialize for Jti {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Jti {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is not 128 bits in base64url.
///
/// ```
/// use countersign::session::rotation::{InvalidJti, Jti};
///
/// assert_eq!("too short".parse::<Jti>(), Err(InvalidJti));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a token id is 22 characters of base64url")]
pub struct InvalidJti;

const JTI_TEXT_BYTES: usize = 22;

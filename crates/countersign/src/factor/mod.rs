//! Second factors: what they are known by, codes of authenticator apps, recovery codes, and how
//! their secrets are sealed.
//!
//! ```
//! use countersign::clock::OsRandom;
//! use countersign::factor::FactorId;
//!
//! let id = FactorId::draw(&OsRandom);
//! assert_eq!(id.to_string().parse(), Ok(id));
//! ```

#[cfg(feature = "axum")]
mod carry;
#[cfg(feature = "axum")]
#[cfg_attr(
    not(feature = "passkeys"),
    expect(dead_code, reason = "nothing is a passkey where there are none")
)]
pub(crate) mod passkey;
#[cfg(feature = "axum")]
pub(crate) mod recovery;
#[cfg(feature = "axum")]
pub(crate) mod seal;
#[cfg(feature = "axum")]
pub(crate) mod totp;

use std::fmt;
use std::str::FromStr;

#[cfg(feature = "axum")]
#[doc(hidden)]
pub use carry::{FactorKeys, ResealError};

#[cfg(feature = "axum")]
use jiff::Timestamp;

use crate::clock::{Random, random_bytes};

/// The id of a factor, or of a sign-in that waits for one: 63 bits, written as 16 hexadecimal
/// digits. It proves nothing.
///
/// ```
/// use countersign::factor::FactorId;
///
/// assert_eq!(FactorId::new(255).unwrap().to_string(), "00000000000000ff");
/// assert_eq!(FactorId::new(-1), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FactorId(i64);

impl FactorId {
    /// The id `number`; none is negative.
    ///
    /// ```
    /// assert!(countersign::factor::FactorId::new(0).is_some());
    /// ```
    #[must_use]
    pub const fn new(number: i64) -> Option<Self> {
        if number >= 0 { Some(Self(number)) } else { None }
    }

    /// A fresh one.
    ///
    /// ```
    /// use countersign::clock::OsRandom;
    /// use countersign::factor::FactorId;
    ///
    /// assert_ne!(FactorId::draw(&OsRandom), FactorId::draw(&OsRandom));
    /// ```
    #[must_use]
    pub fn draw(random: &dyn Random) -> Self {
        Self(i64::from_be_bytes(random_bytes(random)) & i64::MAX)
    }

    /// A fresh one of what the store keeps for a day: the time in milliseconds that far, then 36
    /// random bits. What comes together lies together there, and is written together.
    #[cfg(feature = "axum")]
    pub(crate) fn draw_in_order(random: &dyn Random, now: Timestamp) -> Self {
        // 37 hours, after which the order begins anew.
        let time = now.as_millisecond() & ((1 << 27) - 1);
        let bits = i64::from_be_bytes(random_bytes(random)) & ((1 << 36) - 1);
        Self(time << 36 | bits)
    }

    /// As the store keeps it.
    ///
    /// ```
    /// assert_eq!(countersign::factor::FactorId::new(7).unwrap().as_i64(), 7);
    /// ```
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }
}

impl fmt::Display for FactorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for FactorId {
    type Err = NoFactorId;

    fn from_str(text: &str) -> Result<Self, NoFactorId> {
        let is_written_so = text.len() == 16
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let number = i64::from_str_radix(text, 16).ok().filter(|_| is_written_so);
        number.and_then(Self::new).ok_or(NoFactorId)
    }
}

/// Not the id of a factor.
///
/// ```
/// use countersign::factor::{FactorId, NoFactorId};
///
/// assert_eq!("FF".parse::<FactorId>(), Err(NoFactorId));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a factor has 16 hexadecimal digits")]
pub struct NoFactorId;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_way() {
        let id = FactorId::new(0x0123_4567_89ab_cdef).unwrap();
        assert_eq!(id.to_string(), "0123456789abcdef");
        assert_eq!("0123456789abcdef".parse(), Ok(id));
        for wrong in
            ["", "123456789abcdef", "0123456789ABCDEF", "+123456789abcdef", "8000000000000000"]
        {
            assert_eq!(wrong.parse::<FactorId>(), Err(NoFactorId), "{wrong}");
        }
    }
}

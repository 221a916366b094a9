//! Counts of failed logins that all nodes of a database share: what a store needs to know to keep
//! them.
//!
//! ```
//! # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
//! use countersign::throttle::AccountKey;
//! use countersign::throttle::shared::AttemptKeys;
//!
//! # let secrets = world::secrets();
//! // Two nodes with one secret name an account alike; nobody else can tell whose row it is.
//! let (one, other) = (AttemptKeys::new(&secrets), AttemptKeys::new(&secrets));
//! assert_eq!(
//!     one.of(AccountKey::Unknown("ada"), None),
//!     other.of(AccountKey::Unknown("ada"), None)
//! );
//! ```

use std::fmt;

use aws_lc_rs::hmac;
use jiff::Timestamp;

use super::login::Delays;
use super::{AccountKey, RetryAfter};
use crate::token::Secrets;
use crate::token::device::DeviceId;
use crate::user::UserId;

/// Names accounts for a table that others may read: their HMAC-SHA256, cut to 128 bits.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::throttle::shared::AttemptKeys;
///
/// # let secrets = world::secrets();
/// assert_eq!(format!("{:?}", AttemptKeys::new(&secrets)), "AttemptKeys(..)");
/// ```
pub struct AttemptKeys {
    key: hmac::Key,
}

impl AttemptKeys {
    /// Keys under a key of `secrets`, so that all nodes name an account alike.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::throttle::shared::AttemptKeys;
    ///
    /// # let secrets = world::secrets();
    /// let keys = AttemptKeys::new(&secrets);
    /// ```
    pub fn new(secrets: &Secrets) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secrets.attempts()) }
    }

    /// The key of an account, or of a known device with it. A text that names a user is called as
    /// one that names nobody.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::device::DeviceId;
    /// use countersign::throttle::{AccountKey, shared::AttemptKeys};
    /// use countersign::user::UserId;
    ///
    /// # let keys = AttemptKeys::new(&world::secrets());
    /// let ada = AccountKey::User(UserId::new(1));
    /// assert_ne!(keys.of(ada, None), keys.of(ada, Some(DeviceId(42))));
    /// ```
    pub fn of(&self, account: AccountKey<'_>, device: Option<DeviceId>) -> AttemptKey {
        let mut named = hmac::Context::with_key(&self.key);
        match (account, device) {
            (AccountKey::Unknown(name) | AccountKey::Named { by: name, .. }, None)
            | (AccountKey::Unknown(name), Some(_)) => {
                named.update(b"n");
                named.update(name.as_bytes());
            }
            (AccountKey::User(user), None) => {
                named.update(b"u");
                named.update(user.to_string().as_bytes());
            }
            (AccountKey::User(user) | AccountKey::Named { user, .. }, Some(device)) => {
                named.update(b"d");
                named.update(&device.0.to_be_bytes());
                named.update(user.to_string().as_bytes());
            }
        }
        AttemptKey::cut(&named.sign())
    }

    /// The key of all known devices of a user together.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::device::DeviceId;
    /// use countersign::throttle::{AccountKey, shared::AttemptKeys};
    /// use countersign::user::UserId;
    ///
    /// # let keys = AttemptKeys::new(&world::secrets());
    /// let ada = UserId::new(1);
    /// assert_ne!(keys.of_all_devices(ada), keys.of(AccountKey::User(ada), Some(DeviceId(42))));
    /// ```
    pub fn of_all_devices(&self, user: UserId) -> AttemptKey {
        let mut named = hmac::Context::with_key(&self.key);
        named.update(b"a");
        named.update(user.to_string().as_bytes());
        AttemptKey::cut(&named.sign())
    }
}

impl fmt::Debug for AttemptKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptKeys(..)")
    }
}

/// What an account, or a known device with it, is called where attempts are counted.
///
/// ```
/// use countersign::throttle::shared::AttemptKey;
///
/// assert_eq!(AttemptKey([7; 16]).0.len(), 16);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptKey(pub [u8; 16]);

impl AttemptKey {
    fn cut(tag: &hmac::Tag) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&tag.as_ref()[..16]);
        Self(key)
    }
}

/// An attempt to be counted.
///
/// ```
/// use countersign::throttle::shared::{AttemptKey, CountAttempt};
/// use countersign::throttle::{Delays, ThrottleSettings};
///
/// let delays = Delays::new(&ThrottleSettings::default()).unwrap();
/// let attempt = CountAttempt {
///     key: AttemptKey([7; 16]),
///     delays,
///     now: "2026-01-01T00:00:00Z".parse().unwrap(),
/// };
/// ```
#[derive(Debug, Clone, Copy)]
pub struct CountAttempt {
    /// Whose.
    pub key: AttemptKey,
    /// How long to wait after how many failures.
    pub delays: Delays,
    /// When it begins.
    pub now: Timestamp,
}

/// What a store makes of an attempt.
///
/// ```
/// use countersign::throttle::shared::Count;
///
/// fn waits(count: &Count) -> Option<u32> {
///     if let Count::Wait(wait) = count { Some(wait.seconds()) } else { None }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub enum Count {
    /// It is counted.
    Counted(CountedAttempt),
    /// It has to wait, and is not counted.
    Wait(RetryAfter),
}

/// What counting an attempt found and changed.
///
/// ```
/// use countersign::throttle::shared::{AttemptKey, CountedAttempt};
///
/// // The first failure of an account.
/// let counted = CountedAttempt { key: AttemptKey([7; 16]), serial: 0, previous: None, added: 1 };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedAttempt {
    /// Whose.
    pub key: AttemptKey,
    /// Tells it from other attempts of the same key.
    pub serial: i64,
    /// When the last attempt before it began, in microseconds since 1970.
    pub previous: Option<i64>,
    /// How many failures it added: one, or none where more would only take longer to forgive.
    pub added: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_attempts_is_not_printed() {
        let secrets = Secrets::from_text(&"s".repeat(32)).unwrap();
        assert_eq!(format!("{:?}", AttemptKeys::new(&secrets)), "AttemptKeys(..)");
    }
}

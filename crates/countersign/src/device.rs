//! Devices that have logged in before: a signed, long-lived token, so that nobody's failures lock an owner out (OWASP, device cookies).
//!
//! ```
//! # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
//! use countersign::clock::OsRandom;
//! use countersign::device::{DeviceTokens, LIFETIME_SECONDS};
//! use countersign::user::UserId;
//!
//! # let secrets = world::secrets();
//! let (devices, ada) = (DeviceTokens::new(&secrets), UserId::new(1));
//! let token = devices.issue(ada, None, 1_000, &OsRandom);
//! assert!(devices.verify(&token, ada, 1_000 + LIFETIME_SECONDS).is_some());
//! assert!(devices.verify(&token, UserId::new(2), 1_000).is_none());
//! ```

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::{Random, random_bytes};
use crate::token::Secrets;
use crate::user::UserId;

/// Makes and checks device tokens: 64 random bits, the time of issue and the user's id, with their HMAC-SHA256.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::device::DeviceTokens;
///
/// # let secrets = world::secrets();
/// assert_eq!(format!("{:?}", DeviceTokens::new(&secrets)), "DeviceTokens(..)");
/// ```
pub struct DeviceTokens {
    key: hmac::Key,
}

impl DeviceTokens {
    /// Tokens under the device key of `secrets`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::device::DeviceTokens;
    ///
    /// # let secrets = world::secrets();
    /// let devices = DeviceTokens::new(&secrets);
    /// ```
    pub fn new(secrets: &Secrets) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secrets.device()) }
    }

    /// A token for a device from which `user` has just logged in: the one it `had` under a fresh date, or a new one. `now` is in whole seconds since 1970.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::clock::OsRandom;
    /// use countersign::device::DeviceTokens;
    /// use countersign::user::UserId;
    ///
    /// # let devices = DeviceTokens::new(&world::secrets());
    /// let ada = UserId::new(1);
    /// let first = devices.issue(ada, None, 1_000, &OsRandom);
    /// let device = devices.verify(&first, ada, 2_000);
    /// let renewed = devices.issue(ada, device, 2_000, &OsRandom); // the same device, known for longer
    /// assert_eq!(devices.verify(&renewed, ada, 2_000), device);
    /// ```
    pub fn issue(&self, user: UserId, had: Option<DeviceId>, now: u64, random: &dyn Random) -> String {
        let device = had.unwrap_or_else(|| DeviceId(u64::from_be_bytes(random_bytes(random))));
        let mut bytes = Vec::with_capacity(MAX_BYTES);
        bytes.extend_from_slice(&device.0.to_be_bytes());
        bytes.extend_from_slice(&now.to_be_bytes());
        bytes.extend_from_slice(user.to_string().as_bytes());
        let tag = hmac::sign(&self.key, &bytes);
        bytes.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The device that this token names, if it was issued for this very user within the last year.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::device::DeviceTokens;
    /// use countersign::user::UserId;
    ///
    /// # let devices = DeviceTokens::new(&world::secrets());
    /// assert_eq!(devices.verify("a forgery", UserId::new(1), 1_000), None);
    /// ```
    pub fn verify(&self, token: &str, user: UserId, now: u64) -> Option<DeviceId> {
        if token.len() > 2 * MAX_BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        hmac::verify(&self.key, body, tag).ok()?;
        let (device, rest) = body.split_first_chunk()?;
        let (issued, owner) = rest.split_first_chunk()?;
        let (device, issued) = (u64::from_be_bytes(*device), u64::from_be_bytes(*issued));
        let is_hers = owner == user.to_string().as_bytes() && now.saturating_sub(issued) <= LIFETIME_SECONDS;
        is_hers.then_some(DeviceId(device))
    }
}

impl fmt::Debug for DeviceTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceTokens(..)")
    }
}

/// A device from which a user has logged in before: 64 random bits.
///
/// ```
/// use countersign::device::DeviceId;
/// use countersign::throttle::{AccountKey, LoginThrottle, ThrottleSettings};
/// use countersign::user::UserId;
///
/// let throttle = LoginThrottle::new(ThrottleSettings::default());
/// let (ada, address, now) = (AccountKey::User(UserId::new(1)), "192.0.2.1".parse().unwrap(), "2026-01-01T00:00:00Z".parse().unwrap());
/// while throttle.begin(ada, None, address, now).is_ok() {} // strangers guess
/// assert!(throttle.begin(ada, Some(DeviceId(42)), address, now).is_ok()); // she is not locked out
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceId(pub u64);

/// How long a device is known after its last login.
pub const LIFETIME_SECONDS: u64 = 365 * 24 * 60 * 60;

const TAG_BYTES: usize = 32;
const MAX_BYTES: usize = 16 + UserId::MAX_BYTES + TAG_BYTES;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::OsRandom;

    #[test]
    fn a_device_is_known_to_its_own_user_for_a_year_and_to_nobody_else() {
        let tokens = DeviceTokens::new(&Secrets::from_text(&"d".repeat(32)).unwrap());
        let others = DeviceTokens::new(&Secrets::from_text(&"e".repeat(32)).unwrap());
        let (alice, bob) = (UserId::new(1), "0194f3a2-5b6c-7d8e-9f01-23456789abcd".parse().unwrap());
        let token = tokens.issue(alice, None, 1_000, &OsRandom);
        let device = tokens.verify(&token, alice, 1_000).unwrap();
        assert_eq!(tokens.verify(&token, alice, 1_000 + LIFETIME_SECONDS), Some(device));
        assert_eq!(tokens.verify(&token, alice, 1_001 + LIFETIME_SECONDS), None);
        assert_eq!(tokens.verify(&token, bob, 1_000), None);
        assert!(tokens.verify(&tokens.issue(bob, None, 1_000, &OsRandom), bob, 1_000).is_some());
        assert_eq!(others.verify(&token, alice, 1_000), None);
        assert_eq!(tokens.verify(&tokens.issue(alice, Some(device), 2_000, &OsRandom), alice, 2_000), Some(device));
        for broken in ["", "x", &token[1..], &format!("{token}A"), &"A".repeat(5_000)] {
            assert_eq!(tokens.verify(broken, alice, 1_000), None, "{broken:?}");
        }
    }
}

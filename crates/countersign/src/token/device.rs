//! Devices that have logged in before: a signed, long-lived token, so that nobody's failures lock
//! an owner out (OWASP, device cookies).
//!
//! A token belongs to the user's encoded password as it was at the login, and dies with it: whoever
//! knew a former password is a stranger.
//!
//! ```
//! # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
//! use countersign::clock::OsRandom;
//! use countersign::token::device::{DeviceTokens, LIFETIME_SECONDS};
//! use countersign::password::EncodedPassword;
//! use countersign::user::UserId;
//!
//! # let secrets = world::secrets();
//! let (devices, ada, password) =
//!     (DeviceTokens::new(&secrets), UserId::new(1), EncodedPassword::unusable());
//! let token = devices.issue(ada, &password, None, 1_000, &OsRandom);
//! assert!(devices.verify(&token, ada, &password, 1_000 + LIFETIME_SECONDS).is_some());
//! assert!(devices.verify(&token, UserId::new(2), &password, 1_000).is_none());
//! let another = EncodedPassword::unusable();
//! assert!(devices.verify(&token, ada, &another, 1_000).is_none());
//! ```

use std::fmt;

use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::secrets::Secrets;
use crate::clock::{Random, random_bytes};
use crate::password::EncodedPassword;
use crate::user::UserId;

/// Makes and checks device tokens: 64 random bits, the time of issue and the user's id, with the
/// HMAC-SHA256 of these and of the encoded password.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::token::device::DeviceTokens;
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
    /// use countersign::token::device::DeviceTokens;
    ///
    /// # let secrets = world::secrets();
    /// let devices = DeviceTokens::new(&secrets);
    /// ```
    pub fn new(secrets: &Secrets) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secrets.device()) }
    }

    /// A token for a device from which `user` has just logged in, whose encoded password is
    /// `password` from now on: the device it `had` under a fresh date, or a new one. `now` is in
    /// whole seconds since 1970.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::clock::OsRandom;
    /// use countersign::token::device::DeviceTokens;
    /// use countersign::password::EncodedPassword;
    /// use countersign::user::UserId;
    ///
    /// # let devices = DeviceTokens::new(&world::secrets());
    /// let (ada, password) = (UserId::new(1), EncodedPassword::unusable());
    /// let first = devices.issue(ada, &password, None, 1_000, &OsRandom);
    /// let device = devices.verify(&first, ada, &password, 2_000);
    /// // The same device, known for longer:
    /// let renewed = devices.issue(ada, &password, device, 2_000, &OsRandom);
    /// assert_eq!(devices.verify(&renewed, ada, &password, 2_000), device);
    /// ```
    pub fn issue(
        &self,
        user: UserId,
        password: &EncodedPassword,
        had: Option<DeviceId>,
        now: u64,
        random: &dyn Random,
    ) -> String {
        let device = had.unwrap_or_else(|| DeviceId(u64::from_be_bytes(random_bytes(random))));
        let mut bytes = Vec::with_capacity(MAX_BYTES);
        bytes.extend_from_slice(&device.0.to_be_bytes());
        bytes.extend_from_slice(&now.to_be_bytes());
        bytes.extend_from_slice(user.to_string().as_bytes());
        let tag = hmac::sign(&self.key, &signed(&bytes, password));
        bytes.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The same token with a mark: until `until`, in whole seconds since 1970, this device does
    /// without a second factor. The mark dies with the password, as the token does, and when the
    /// user's `factors` have another number: one was added or removed, or all sessions were ended.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::clock::OsRandom;
    /// use countersign::password::EncodedPassword;
    /// use countersign::token::device::DeviceTokens;
    /// use countersign::user::UserId;
    ///
    /// # let devices = DeviceTokens::new(&world::secrets());
    /// let (ada, password) = (UserId::new(1), EncodedPassword::unusable());
    /// let token = devices.issue(ada, &password, None, 1_000, &OsRandom);
    /// let marked = devices.mark(&token, 2_000, 7);
    /// assert_eq!(devices.remembered_until(&marked, ada, &password, 7, 1_000), Some(2_000));
    /// assert_eq!(devices.remembered_until(&marked, ada, &password, 8, 1_000), None);
    /// assert_eq!(devices.remembered_until(&token, ada, &password, 7, 1_000), None);
    /// ```
    pub fn mark(&self, token: &str, until: u64, factors: u64) -> String {
        let token = token.split(MARK).next().unwrap_or(token);
        let mut bytes = until.to_be_bytes().to_vec();
        bytes.extend_from_slice(hmac::sign(&self.key, &marked(token, until, factors)).as_ref());
        format!("{token}{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Until when a token's mark says that its device does without a second factor, if the token
    /// is one of this user and password, and the mark is not past.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::password::EncodedPassword;
    /// use countersign::token::device::DeviceTokens;
    /// use countersign::user::UserId;
    ///
    /// # let devices = DeviceTokens::new(&world::secrets());
    /// let (ada, password) = (UserId::new(1), EncodedPassword::unusable());
    /// assert_eq!(devices.remembered_until("a forgery", ada, &password, 7, 1_000), None);
    /// ```
    pub fn remembered_until(
        &self,
        token: &str,
        user: UserId,
        password: &EncodedPassword,
        factors: u64,
        now: u64,
    ) -> Option<u64> {
        let (bare, mark) = token.split_once(MARK)?;
        if mark.len() > MAX_MARK {
            return None;
        }
        self.verify(bare, user, password, now)?;
        let bytes = URL_SAFE_NO_PAD.decode(mark).ok()?;
        let (until, tag) = bytes.split_first_chunk()?;
        let until = u64::from_be_bytes(*until);
        hmac::verify(&self.key, &marked(bare, until, factors), tag).ok()?;
        (until > now).then_some(until)
    }

    /// The device that this token names, if it was issued for this very user and this very encoded
    /// password within the last year.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::token::device::DeviceTokens;
    /// use countersign::password::EncodedPassword;
    /// use countersign::user::UserId;
    ///
    /// # let devices = DeviceTokens::new(&world::secrets());
    /// assert_eq!(
    ///     devices.verify("a forgery", UserId::new(1), &EncodedPassword::unusable(), 1_000),
    ///     None
    /// );
    /// ```
    pub fn verify(
        &self,
        token: &str,
        user: UserId,
        password: &EncodedPassword,
        now: u64,
    ) -> Option<DeviceId> {
        if token.len() > 2 * MAX_BYTES {
            return None;
        }
        // A mark says something else.
        let token = token.split(MARK).next()?;
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (body, tag) = bytes.split_at_checked(bytes.len().checked_sub(TAG_BYTES)?)?;
        hmac::verify(&self.key, &signed(body, password), tag).ok()?;
        let (device, rest) = body.split_first_chunk()?;
        let (issued, owner) = rest.split_first_chunk()?;
        let (device, issued) = (u64::from_be_bytes(*device), u64::from_be_bytes(*issued));
        let is_valid =
            owner == user.to_string().as_bytes() && now.saturating_sub(issued) <= LIFETIME_SECONDS;
        is_valid.then_some(DeviceId(device))
    }
}

impl fmt::Debug for DeviceTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceTokens(..)")
    }
}

/// What is signed: the token's body, then the encoded password's digest, which is not in the token.
fn signed(body: &[u8], password: &EncodedPassword) -> Vec<u8> {
    [body, digest::digest(&digest::SHA256, password.as_str().as_bytes()).as_ref()].concat()
}

/// What is signed for a mark. No token's body is so short or begins so.
fn marked(token: &str, until: u64, factors: u64) -> Vec<u8> {
    let numbers = [until.to_be_bytes(), factors.to_be_bytes()].concat();
    [b"without a second factor v1 ", &numbers[..], token.as_bytes()].concat()
}

/// A device from which a user has logged in before: 64 random bits.
///
/// ```
/// use countersign::token::device::DeviceId;
/// use countersign::throttle::{AccountKey, LoginThrottle, ThrottleSettings};
/// use countersign::user::UserId;
///
/// let throttle = LoginThrottle::new(ThrottleSettings::default());
/// let (ada, address, now) = (
///     AccountKey::User(UserId::new(1)),
///     "192.0.2.1".parse().unwrap(),
///     "2026-01-01T00:00:00Z".parse().unwrap(),
/// );
/// while throttle.begin(ada, None, address, now).is_ok() {} // strangers guess
/// assert!(throttle.begin(ada, Some(DeviceId(42)), address, now).is_ok()); // Ada is not locked out
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeviceId(pub u64);

/// How long a device is known after its last login.
pub const LIFETIME_SECONDS: u64 = 365 * 24 * 60 * 60;

/// Between a token and its mark.
const MARK: char = '.';
/// 40 bytes in base64url.
const MAX_MARK: usize = 54;
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
        let (alice, bob) =
            (UserId::new(1), "0194f3a2-5b6c-7d8e-9f01-23456789abcd".parse().unwrap());
        let password = EncodedPassword::unusable();
        let token = tokens.issue(alice, &password, None, 1_000, &OsRandom);
        let device = tokens.verify(&token, alice, &password, 1_000).unwrap();
        assert_eq!(tokens.verify(&token, alice, &password, 1_000 + LIFETIME_SECONDS), Some(device));
        assert_eq!(tokens.verify(&token, alice, &password, 1_001 + LIFETIME_SECONDS), None);
        assert_eq!(tokens.verify(&token, bob, &password, 1_000), None);
        let of_bob = tokens.issue(bob, &password, None, 1_000, &OsRandom);
        assert!(tokens.verify(&of_bob, bob, &password, 1_000).is_some());
        assert_eq!(others.verify(&token, alice, &password, 1_000), None);
        let renewed = tokens.issue(alice, &password, Some(device), 2_000, &OsRandom);
        assert_eq!(tokens.verify(&renewed, alice, &password, 2_000), Some(device));
        for broken in ["", "x", &token[1..], &format!("{token}A"), &"A".repeat(5_000)] {
            assert_eq!(tokens.verify(broken, alice, &password, 1_000), None, "{broken:?}");
        }
    }

    #[test]
    fn a_mark_is_good_with_its_own_token_until_its_moment_and_for_the_factors_as_they_were() {
        let tokens = DeviceTokens::new(&Secrets::from_text(&"d".repeat(32)).unwrap());
        let (ada, password) = (UserId::new(1), EncodedPassword::unusable());
        let token = tokens.issue(ada, &password, None, 1_000, &OsRandom);
        let other = tokens.issue(ada, &password, None, 1_000, &OsRandom);
        let marked = tokens.mark(&token, 2_000, 3);
        let until = |token: &str, password: &EncodedPassword, factors, now| {
            tokens.remembered_until(token, ada, password, factors, now)
        };
        assert_eq!(until(&marked, &password, 3, 1_999), Some(2_000));
        assert_eq!(until(&marked, &password, 3, 2_000), None);
        assert_eq!(until(&marked, &password, 4, 1_000), None);
        assert_eq!(until(&marked, &EncodedPassword::unusable(), 3, 1_000), None);
        let mark = marked.split_once('.').unwrap().1;
        for planted in [
            format!("{other}.{mark}"),
            format!("{token}.{}", &mark[1..]),
            format!("{token}.{mark}A"),
            format!("{token}.{mark}.{mark}"),
            format!("{token}."),
            format!(".{mark}"),
        ] {
            assert_eq!(until(&planted, &password, 3, 1_000), None, "{planted}");
        }
        assert_eq!(tokens.mark(&marked, 2_000, 3), marked, "a mark takes the place of another");
        let device = tokens.verify(&token, ada, &password, 1_000);
        assert_eq!(tokens.verify(&marked, ada, &password, 1_000), device);
    }

    #[test]
    fn a_device_is_a_stranger_under_another_password() {
        let tokens = DeviceTokens::new(&Secrets::from_text(&"d".repeat(32)).unwrap());
        let [old, new] = ["argon2$one", "argon2$other"]
            .map(|line| EncodedPassword::from_stored(line.to_owned()));
        let token = tokens.issue(UserId::new(1), &old, None, 1_000, &OsRandom);
        assert!(tokens.verify(&token, UserId::new(1), &old, 1_000).is_some());
        assert_eq!(tokens.verify(&token, UserId::new(1), &new, 1_000), None);
    }
}

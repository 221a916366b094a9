//! Counts of failed logins that all nodes of a database share: what a store needs to know to keep them.

use std::fmt;

use aws_lc_rs::hmac;
use jiff::Timestamp;

use super::login::Delays;
use super::{AccountKey, RetryAfter};
use crate::device::DeviceId;
use crate::token::Secrets;

/// Names accounts for a table that others may read: their HMAC-SHA256, cut to 128 bits.
pub struct AttemptKeys {
    key: hmac::Key,
}

impl AttemptKeys {
    /// Keys under a key of `secrets`, so that all nodes name an account alike.
    pub fn new(secrets: &Secrets) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, secrets.attempts()) }
    }

    /// The key of an account, or of a known device with it.
    pub fn of(&self, account: AccountKey<'_>, device: Option<DeviceId>) -> AttemptKey {
        let mut named = hmac::Context::with_key(&self.key);
        match (account, device) {
            (AccountKey::Unknown(name), _) => {
                named.update(b"n");
                named.update(name.as_bytes());
            }
            (AccountKey::User(user), None) => {
                named.update(b"u");
                named.update(user.to_string().as_bytes());
            }
            (AccountKey::User(user), Some(device)) => {
                named.update(b"d");
                named.update(&device.0.to_be_bytes());
                named.update(user.to_string().as_bytes());
            }
        }
        let mut key = [0; 16];
        key.copy_from_slice(&named.sign().as_ref()[..16]);
        AttemptKey(key)
    }
}

impl fmt::Debug for AttemptKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptKeys(..)")
    }
}

/// What an account, or a known device with it, is called where attempts are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AttemptKey(pub [u8; 16]);

/// An attempt to be counted.
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
#[derive(Debug, Clone, Copy)]
pub enum Count {
    /// It is counted.
    Counted(CountedAttempt),
    /// It has to wait, and is not counted.
    Wait(RetryAfter),
}

/// What counting an attempt found and changed.
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

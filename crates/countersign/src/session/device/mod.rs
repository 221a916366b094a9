//! A session that is bound to a device: what the device showed, and what that is worth.
//!
//! Whoever copied a refresh token does not have the device's key. So a bound session is refreshed
//! with a fresh proof only: the signature of a challenge of ours, made known by a *ticket* that we
//! sign. These are rule 0 of the rotation, which comes before all others, and rule 5b.
//!
//! A key is bound in two steps. First it is *offered*: the client signs a challenge with it. It
//! counts once it is *confirmed*, when the client has shown that the answer arrived, and when it
//! has had time to write it down and what it sent before has arrived too. Until then nothing is
//! refused for want of a proof, so that an answer that was lost locks nobody out.
//!
//! ```
//! use std::time::Duration;
//!
//! use countersign::session::device::{Device, DeviceKind, KeyPrint};
//! use jiff::Timestamp;
//!
//! let at = |second| Timestamp::from_second(second).unwrap();
//! let (own, other) = (KeyPrint::of("a key"), KeyPrint::of("another"));
//! let device = Device { kind: DeviceKind::Dbsc, key: own, confirmed: true, proof_at: at(100) };
//! assert!(device.takes_proof(own, at(101)));
//! assert!(!device.takes_proof(own, at(100)), "a challenge is good once");
//! assert!(!device.takes_proof(other, at(101)));
//! let window = Duration::from_secs(30);
//! assert!(!Device::takes_key(Some(&device), other, at(9_000), window), "never bound again");
//! ```

mod binding;
mod shown;

use std::time::Duration;

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::Serialize;

pub use binding::{DeviceBinding, UnknownDeviceBinding};
pub use shown::{DeviceStanding, Shown, TICKET_SECONDS, TICKET_SLACK_SECONDS, Ticket, Unproved};

/// The device that a session is bound to, or is about to be, as far as the rules ask for it.
///
/// ```
/// use countersign::session::device::{Device, DeviceKind, KeyPrint};
///
/// let offered = Device {
///     kind: DeviceKind::Dbsc,
///     key: KeyPrint::of("a key"),
///     confirmed: false,
///     proof_at: jiff::Timestamp::UNIX_EPOCH,
/// };
/// assert!(!offered.confirmed, "nothing is refused for want of it yet");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Device {
    /// How it proves itself.
    pub kind: DeviceKind,
    /// Its public key's print.
    pub key: KeyPrint,
    /// Whether its client has shown that it has the answer to the offer.
    pub confirmed: bool,
    /// When the challenge of the last proof was made, by our own dating: older ones are used up.
    pub proof_at: Timestamp,
}

impl Device {
    /// Whether `key` may be offered with a challenge of `challenge_at` where the session has this
    /// device already, or none.
    ///
    /// A confirmed key stays for ever. Until then another takes its place when it was challenged
    /// [so much](settled_after) later: two offers that are on their way together cannot leave the
    /// browser with one key and the row with the other. The same request once more has the same
    /// result.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::session::device::{Device, DeviceKind, KeyPrint};
    /// use jiff::Timestamp;
    ///
    /// let at = |second| Timestamp::from_second(second).unwrap();
    /// let (one, other) = (KeyPrint::of("a key"), KeyPrint::of("another"));
    /// let takes = |device: Option<&Device>, key, second| {
    ///     Device::takes_key(device, key, at(second), Duration::from_secs(30))
    /// };
    /// assert!(takes(None, one, 100));
    /// let offered =
    ///     Device { kind: DeviceKind::Dbsc, key: one, confirmed: false, proof_at: at(100) };
    /// assert!(takes(Some(&offered), one, 100));
    /// assert!(!takes(Some(&offered), other, 249) && takes(Some(&offered), other, 250));
    /// ```
    pub fn takes_key(
        device: Option<&Self>,
        key: KeyPrint,
        challenge_at: Timestamp,
        window: Duration,
    ) -> bool {
        device.is_none_or(|device| {
            !device.confirmed
                && if device.key == key {
                    challenge_at >= device.proof_at
                } else {
                    challenge_at >= device.proof_at + settled_after(window)
                }
        })
    }

    /// Whether a proof by `key` of a challenge of `challenge_at` is one.
    ///
    /// ```
    /// use countersign::session::device::{Device, DeviceKind, KeyPrint};
    /// use jiff::Timestamp;
    ///
    /// let key = KeyPrint::of("a key");
    /// let at = |second| Timestamp::from_second(second).unwrap();
    /// let device = Device { kind: DeviceKind::Dpop, key, confirmed: true, proof_at: at(100) };
    /// assert!(device.takes_proof(key, at(160)) && !device.takes_proof(key, at(40)));
    /// ```
    pub fn takes_proof(&self, key: KeyPrint, challenge_at: Timestamp) -> bool {
        key == self.key && challenge_at > self.proof_at
    }

    /// Whether a proof at `now` confirms the key: what was on its way when the client was told of
    /// it has [arrived](settled_after).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::session::device::{Device, DeviceKind, KeyPrint};
    /// use jiff::Timestamp;
    ///
    /// let at = |second| Timestamp::from_second(second).unwrap();
    /// let (key, window) = (KeyPrint::of("a key"), Duration::from_secs(30));
    /// let offered = Device { kind: DeviceKind::Dbsc, key, confirmed: false, proof_at: at(100) };
    /// assert!(!offered.is_confirmed_by(at(249), window));
    /// assert!(offered.is_confirmed_by(at(250), window));
    /// ```
    pub fn is_confirmed_by(&self, now: Timestamp, window: Duration) -> bool {
        self.confirmed || self.proof_at + settled_after(window) <= now
    }
}

/// The device of a session as the store has it.
///
/// ```
/// use countersign::session::device::{DeviceKind, DeviceRecord};
///
/// let record = DeviceRecord {
///     kind: DeviceKind::Dbsc,
///     key: "a key".to_owned(),
///     confirmed_at: None,
///     proof_at: jiff::Timestamp::UNIX_EPOCH,
/// };
/// assert!(!record.device().confirmed);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRecord {
    /// How it proves itself.
    pub kind: DeviceKind,
    /// Its public key, in the one way that a key is written.
    pub key: String,
    /// Since when it counts.
    pub confirmed_at: Option<Timestamp>,
    /// When the challenge of the last proof was made.
    pub proof_at: Timestamp,
}

impl DeviceRecord {
    /// The same as far as the rules ask for it.
    ///
    /// ```
    /// use countersign::session::device::{DeviceKind, DeviceRecord, KeyPrint};
    ///
    /// let proof_at = jiff::Timestamp::UNIX_EPOCH;
    /// let (kind, key) = (DeviceKind::Dpop, "a key".to_owned());
    /// let record = DeviceRecord { kind, key, confirmed_at: Some(proof_at), proof_at };
    /// assert_eq!(record.device().key, KeyPrint::of("a key"));
    /// ```
    pub fn device(&self) -> Device {
        Device {
            kind: self.kind,
            key: KeyPrint::of(&self.key),
            confirmed: self.confirmed_at.is_some(),
            proof_at: self.proof_at,
        }
    }
}

/// How a device proves itself.
///
/// ```
/// use countersign::session::device::DeviceKind;
///
/// assert_eq!(DeviceKind::Dbsc.as_str(), "dbsc");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DeviceKind {
    /// A browser, by Device Bound Session Credentials (a draft of the W3C): between refreshes.
    Dbsc,
    /// A native client, by DPoP (RFC 9449): with its login and each refresh.
    Dpop,
}

impl DeviceKind {
    /// The word in the database.
    ///
    /// ```
    /// assert_eq!(countersign::session::device::DeviceKind::Dpop.as_str(), "dpop");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dbsc => "dbsc",
            Self::Dpop => "dpop",
        }
    }

    /// The kind of this word.
    ///
    /// ```
    /// use countersign::session::device::DeviceKind;
    ///
    /// assert_eq!(DeviceKind::from_word("dpop"), Some(DeviceKind::Dpop));
    /// assert_eq!(DeviceKind::from_word("pigeon"), None);
    /// ```
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Dbsc, Self::Dpop].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// A public key, told apart from every other: the first 128 bits of its SHA-256.
///
/// ```
/// use countersign::session::device::KeyPrint;
///
/// assert_ne!(KeyPrint::of("a key"), KeyPrint::of("another"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyPrint(pub [u8; 16]);

impl KeyPrint {
    /// Of the key that is written so in the session's row.
    ///
    /// ```
    /// use countersign::session::device::KeyPrint;
    ///
    /// assert_eq!(KeyPrint::of("a key"), KeyPrint::of("a key"));
    /// ```
    pub fn of(key: &str) -> Self {
        let mut print = [0; 16];
        print.copy_from_slice(&digest::digest(&digest::SHA256, key.as_bytes()).as_ref()[..16]);
        Self(print)
    }
}

/// How long after its beginning a session is offered to be bound.
pub const OFFERED_FOR: Duration = Duration::from_secs(600);

/// How long a challenge may be answered: longer than two slow messages take, and two clocks differ.
/// A browser whose answers are refused five times in a row gives its session up.
pub const CHALLENGE_SECONDS: u64 = 300;

/// When what was on its way has arrived, where `window` is how far apart two requests of one client
/// may be: five times that, so that a request and its answer may take a minute each, and no longer
/// than a ticket lives.
///
/// A request that was sent before the client knew of its key carries no ticket, and so a key counts
/// no sooner. Nor does another take its place sooner.
///
/// A browser makes a new proof when its ticket is gone, and each proof dates the key anew. If this
/// were longer than a ticket lives, no ticket could confirm a key, and no proof of a browser that
/// is used all the time.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::session::device::{TICKET_SECONDS, settled_after};
///
/// assert_eq!(settled_after(Duration::from_secs(30)), Duration::from_secs(150));
/// let longest = Duration::from_secs(TICKET_SECONDS);
/// assert_eq!(settled_after(Duration::from_secs(120)), longest);
/// ```
pub const fn settled_after(window: Duration) -> Duration {
    let arrived = window.saturating_mul(5);
    // `Ord::min` is no `const fn`.
    if arrived.as_secs() < TICKET_SECONDS { arrived } else { Duration::from_secs(TICKET_SECONDS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_for_ever() {
        for (kind, word) in [(DeviceKind::Dbsc, "dbsc"), (DeviceKind::Dpop, "dpop")] {
            assert_eq!(kind.as_str(), word);
            assert_eq!(DeviceKind::from_word(word), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), word);
        }
        assert_eq!(DeviceKind::from_word("pigeon"), None);
    }

    #[test]
    fn a_print_is_of_the_whole_key_and_the_same_for_ever() {
        assert_eq!(KeyPrint::of("").0[..4], [0xe3, 0xb0, 0xc4, 0x42]);
        assert_ne!(KeyPrint::of("ES256.a.b"), KeyPrint::of("ES256.a.c"));
    }

    #[test]
    fn an_offered_key_gives_way_after_a_pause_and_a_confirmed_one_never() {
        assert!(Device::takes_key(None, OTHER, at(0), WINDOW));
        let offered = device(false);
        for (key, second, takes) in [
            (OWN, 999, false),
            (OWN, 1_000, true),
            (OWN, 1_001, true),
            (OTHER, 1_000, false),
            (OTHER, 1_149, false),
            (OTHER, 1_150, true),
        ] {
            let at = at(second);
            assert_eq!(Device::takes_key(Some(&offered), key, at, WINDOW), takes, "{second}");
            assert!(!Device::takes_key(Some(&device(true)), key, at, WINDOW));
        }
    }

    #[test]
    fn a_challenge_is_good_once_and_for_one_key() {
        for device in [device(false), device(true)] {
            assert!(device.takes_proof(OWN, at(1_001)));
            assert!(!device.takes_proof(OWN, at(1_000)));
            assert!(!device.takes_proof(OTHER, at(1_001)));
        }
    }

    #[test]
    fn a_proof_confirms_when_what_was_on_its_way_has_arrived() {
        assert!(!device(false).is_confirmed_by(at(1_149), WINDOW));
        assert!(device(false).is_confirmed_by(at(1_150), WINDOW));
        assert!(device(true).is_confirmed_by(at(0), WINDOW));
    }

    #[test]
    fn the_first_proof_after_a_tickets_life_confirms_whatever_the_window() {
        for window in [1, 30, 60, 61, 67, 120, 300, u64::MAX].map(Duration::from_secs) {
            assert!(device(false).is_confirmed_by(at(1_300), window), "{window:?}");
            assert!(Device::takes_key(Some(&device(false)), OTHER, at(1_300), window));
        }
    }

    fn device(confirmed: bool) -> Device {
        Device { kind: DeviceKind::Dbsc, key: OWN, confirmed, proof_at: at(1_000) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    const OWN: KeyPrint = KeyPrint([1; 16]);
    const OTHER: KeyPrint = KeyPrint([2; 16]);
    const WINDOW: Duration = Duration::from_secs(30);
}

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

use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::Serialize;

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
pub enum DeviceKind {
    /// A browser, by Device Bound Session Credentials (a draft of the W3C): between refreshes.
    Dbsc,
    /// A native client, by DPoP (RFC 9449): with each refresh. The rules and the stores know it; no
    /// endpoint binds one yet.
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

/// What we signed of a proof, as it comes back with a refresh: the signature is verified, the time
/// is not looked at.
///
/// ```
/// use countersign::session::device::{KeyPrint, Ticket};
///
/// let ticket = Ticket { key: KeyPrint::of("a key"), proved_at: 1_000 };
/// assert!(ticket.is_good(1_330) && !ticket.is_good(1_331));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// By which key.
    pub key: KeyPrint,
    /// When, in whole seconds since 1970.
    pub proved_at: u64,
}

impl Ticket {
    /// Whether it is good at `now`: for [`TICKET_SECONDS`] and [`TICKET_SLACK_SECONDS`]. One from
    /// the future is of a node whose clock is ahead, or a clock went back: it is good up to
    /// [`TICKET_SECONDS`] ahead, so that a clock that went back by years does not make it last.
    ///
    /// ```
    /// use countersign::session::device::{KeyPrint, Ticket};
    ///
    /// let ticket = Ticket { key: KeyPrint::of("a key"), proved_at: 1_000 };
    /// assert!(ticket.is_good(700) && !ticket.is_good(699));
    /// ```
    pub const fn is_good(&self, now: u64) -> bool {
        now <= self.proved_at.saturating_add(TICKET_SECONDS + TICKET_SLACK_SECONDS)
            && self.proved_at <= now.saturating_add(TICKET_SECONDS)
    }
}

/// What a refresh shows of its device, and how much that counts.
///
/// ```
/// use countersign::session::device::{DeviceBinding, Shown};
///
/// assert_eq!(Shown::NOTHING.binding, DeviceBinding::Off);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shown {
    /// What came with it that we signed for this session.
    pub ticket: Option<Ticket>,
    /// The browser says that it could not prove itself now: no answer of ours, or too many
    /// signatures already.
    pub is_skipped: bool,
    /// What a proof counts for.
    pub binding: DeviceBinding,
}

impl Shown {
    /// Nothing, to a server that binds nothing.
    pub const NOTHING: Self = Self { ticket: None, is_skipped: false, binding: DeviceBinding::Off };

    /// What is shown to a session with this device.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::session::device::{DeviceBinding, DeviceStanding, Shown};
    ///
    /// let shown = Shown { binding: DeviceBinding::Enforce, ..Shown::NOTHING };
    /// let standing = shown.standing(None, 1_000, Duration::from_secs(30));
    /// assert_eq!(standing, DeviceStanding::Unbound);
    /// ```
    pub fn standing(&self, device: Option<&Device>, now: u64, window: Duration) -> DeviceStanding {
        let Some(device) = device.filter(|_| self.binding != DeviceBinding::Off) else {
            return DeviceStanding::Unbound;
        };
        let good = self.ticket.filter(|ticket| ticket.key == device.key && ticket.is_good(now));
        match (good, device.confirmed) {
            (Some(ticket), true) => DeviceStanding::Proved { at: ticket.proved_at },
            (Some(ticket), false)
                if now >= ticket.proved_at.saturating_add(settled_after(window).as_secs()) =>
            {
                DeviceStanding::Confirms { offered_at: device.proof_at }
            }
            (_, false) => DeviceStanding::Offered { at: device.proof_at },
            (None, true) => DeviceStanding::Unproved(if self.ticket.is_some() {
                Unproved::Stale
            } else if self.is_skipped {
                Unproved::Skipped
            } else {
                Unproved::Missing
            }),
        }
    }

    /// Whether a browser that stands so is to be offered to bind a session that began at
    /// `created_at`: where it has no key, or one that was lost on the way.
    ///
    /// Who shows a ticket, however old, or says that it skipped a proof, has a key. Another offer
    /// would cross the proof of that.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign::session::device::{DeviceBinding, DeviceStanding, Shown};
    /// use jiff::Timestamp;
    ///
    /// let at = |second| Timestamp::from_second(second).unwrap();
    /// let shown = Shown { binding: DeviceBinding::Observe, ..Shown::NOTHING };
    /// let is_offered = |standing: DeviceStanding, second| {
    ///     shown.is_offered(standing, at(0), at(second), Duration::from_secs(30))
    /// };
    /// assert!(is_offered(DeviceStanding::Unbound, 600));
    /// assert!(!is_offered(DeviceStanding::Unbound, 601), "not a session of long ago");
    /// let offered = DeviceStanding::Offered { at: at(10) };
    /// assert!(!is_offered(offered, 159) && is_offered(offered, 160));
    /// ```
    pub fn is_offered(
        &self,
        standing: DeviceStanding,
        created_at: Timestamp,
        now: Timestamp,
        window: Duration,
    ) -> bool {
        let is_wanted = match standing {
            DeviceStanding::Unbound => true,
            DeviceStanding::Offered { at } => {
                self.ticket.is_none() && !self.is_skipped && at + settled_after(window) <= now
            }
            DeviceStanding::Confirms { .. }
            | DeviceStanding::Proved { .. }
            | DeviceStanding::Unproved(_) => false,
        };
        is_wanted && self.binding != DeviceBinding::Off && now <= created_at + OFFERED_FOR
    }

    /// Whether a want of proof is refused to a device of this kind. A native client asked for it,
    /// and so it is at once; what browsers do by themselves is watched first.
    ///
    /// ```
    /// use countersign::session::device::{DeviceBinding, DeviceKind, Shown};
    ///
    /// let watched = Shown { binding: DeviceBinding::Observe, ..Shown::NOTHING };
    /// assert!(!watched.enforces(DeviceKind::Dbsc) && watched.enforces(DeviceKind::Dpop));
    /// ```
    pub const fn enforces(&self, kind: DeviceKind) -> bool {
        match self.binding {
            DeviceBinding::Off => false,
            DeviceBinding::Observe => matches!(kind, DeviceKind::Dpop),
            DeviceBinding::Enforce => true,
        }
    }
}

/// What becomes of devices: a setting.
///
/// ```
/// use countersign::session::device::DeviceBinding;
///
/// assert_eq!("observe".parse(), Ok(DeviceBinding::Observe));
/// assert_eq!(DeviceBinding::Enforce.as_str(), "enforce");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceBinding {
    /// No session is bound, and those that are count as if they were not.
    Off,
    /// Browsers' sessions are bound, and what would be refused is counted: the default.
    #[default]
    Observe,
    /// A bound session is refreshed with a proof only.
    Enforce,
}

impl DeviceBinding {
    /// Its word.
    ///
    /// ```
    /// assert_eq!(countersign::session::device::DeviceBinding::Off.as_str(), "off");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Enforce => "enforce",
        }
    }
}

impl FromStr for DeviceBinding {
    type Err = UnknownDeviceBinding;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Off, Self::Observe, Self::Enforce]
            .into_iter()
            .find(|binding| binding.as_str().eq_ignore_ascii_case(text))
            .ok_or(UnknownDeviceBinding)
    }
}

/// Not a value of the setting.
///
/// ```
/// use countersign::session::device::{DeviceBinding, UnknownDeviceBinding};
///
/// assert_eq!("maybe".parse::<DeviceBinding>(), Err(UnknownDeviceBinding));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("choose off, observe or enforce")]
pub struct UnknownDeviceBinding;

/// Where a refresh stands with the session's device.
///
/// ```
/// use countersign::session::device::DeviceStanding;
///
/// fn is_bound(standing: DeviceStanding) -> bool {
///     matches!(standing, DeviceStanding::Proved { .. } | DeviceStanding::Confirms { .. })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceStanding {
    /// The session has no device.
    Unbound,
    /// A key was offered, and this refresh does not confirm it.
    Offered {
        /// When its last challenge was made.
        at: Timestamp,
    },
    /// A key was offered, and this refresh confirms it.
    Confirms {
        /// When its last challenge was made: whoever confirms says of which offer.
        offered_at: Timestamp,
    },
    /// The device has proved itself lately.
    Proved {
        /// When, in whole seconds since 1970.
        at: u64,
    },
    /// It has not.
    Unproved(Unproved),
}

/// Why a device counts as not proved.
///
/// ```
/// use countersign::session::device::Unproved;
///
/// assert_eq!(Unproved::Skipped.to_string(), "the device could not prove itself now");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unproved {
    /// Nothing was shown: the token is in other hands, or the device has lost its key.
    #[error("nothing shows that the device is there")]
    Missing,
    /// The browser says that it could not prove itself now.
    #[error("the device could not prove itself now")]
    Skipped,
    /// The last proof is too old for what is asked.
    #[error("the device's last proof is too old")]
    Stale,
}

impl Unproved {
    /// Its word, for counters.
    ///
    /// ```
    /// assert_eq!(countersign::session::device::Unproved::Stale.as_str(), "stale");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Skipped => "skipped",
            Self::Stale => "stale",
        }
    }
}

/// How long after its beginning a session is offered to be bound.
pub const OFFERED_FOR: Duration = Duration::from_secs(600);

/// How long a browser keeps a ticket: it signs at most six times in nine minutes for a site.
pub const TICKET_SECONDS: u64 = 300;

/// How much longer it is good: for a request that is on its way.
pub const TICKET_SLACK_SECONDS: u64 = 30;

/// How long a challenge may be answered: longer than two slow messages take, and two clocks differ.
/// A browser whose answers are refused five times in a row gives its session up.
pub const CHALLENGE_SECONDS: u64 = 300;

/// When what was on its way has arrived, where `window` is how far apart two requests of one client
/// may be: five times that, so that a request and its answer may take a minute each.
///
/// A request that was sent before the client knew of its key carries no ticket, and so a key counts
/// no sooner. Nor does another take its place sooner.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::session::device::settled_after;
///
/// assert_eq!(settled_after(Duration::from_secs(30)), Duration::from_secs(150));
/// ```
pub const fn settled_after(window: Duration) -> Duration {
    window.saturating_mul(5)
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
        for (binding, word) in [
            (DeviceBinding::Off, "off"),
            (DeviceBinding::Observe, "observe"),
            (DeviceBinding::Enforce, "enforce"),
        ] {
            assert_eq!(binding.as_str(), word);
            assert_eq!(word.to_uppercase().parse(), Ok(binding));
            assert_eq!(serde_json::to_value(binding).unwrap(), word);
        }
        assert_eq!(DeviceBinding::default(), DeviceBinding::Observe);
        assert_eq!("on".parse::<DeviceBinding>(), Err(UnknownDeviceBinding));
    }

    #[test]
    fn a_print_is_of_the_whole_key_and_the_same_for_ever() {
        assert_eq!(KeyPrint::of("").0[..4], [0xe3, 0xb0, 0xc4, 0x42]);
        assert_ne!(KeyPrint::of("ES256.a.b"), KeyPrint::of("ES256.a.c"));
    }

    #[test]
    fn a_ticket_is_good_for_its_time_and_a_little_ahead_of_it() {
        let ticket = Ticket { key: OWN, proved_at: 10_000 };
        for (now, good) in
            [(9_699, false), (9_700, true), (10_000, true), (10_330, true), (10_331, false)]
        {
            assert_eq!(ticket.is_good(now), good, "{now}");
        }
        assert!(Ticket { key: OWN, proved_at: u64::MAX }.is_good(u64::MAX));
        assert!(!Ticket { key: OWN, proved_at: u64::MAX }.is_good(10_000));
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
    fn nothing_is_refused_before_a_key_is_confirmed() {
        let ticket = |key, proved_at| Some(Ticket { key, proved_at });
        let at_start = DeviceStanding::Offered { at: at(1_000) };
        for (shown, now, standing) in [
            (None, 1_300, at_start),
            (ticket(OTHER, 1_200), 1_300, at_start),
            (ticket(OWN, 1_000), 1_149, at_start),
            (ticket(OWN, 1_000), 1_331, at_start),
            (ticket(OWN, 1_000), 1_150, DeviceStanding::Confirms { offered_at: at(1_000) }),
            (ticket(OWN, 1_000), 1_330, DeviceStanding::Confirms { offered_at: at(1_000) }),
        ] {
            for is_skipped in [false, true] {
                let shown = Shown { ticket: shown, is_skipped, binding: DeviceBinding::Enforce };
                assert_eq!(shown.standing(Some(&device(false)), now, WINDOW), standing, "{now}");
            }
        }
    }

    #[test]
    fn a_confirmed_device_is_proved_by_a_good_ticket_of_its_own_key_alone() {
        let ticket = |key, proved_at| Some(Ticket { key, proved_at });
        let unproved = DeviceStanding::Unproved;
        for (shown, is_skipped, standing) in [
            (None, false, unproved(Unproved::Missing)),
            (None, true, unproved(Unproved::Skipped)),
            (ticket(OWN, 969), false, unproved(Unproved::Stale)),
            (ticket(OWN, 969), true, unproved(Unproved::Stale)),
            (ticket(OTHER, 1_300), false, unproved(Unproved::Stale)),
            (ticket(OWN, 970), true, DeviceStanding::Proved { at: 970 }),
        ] {
            for binding in [DeviceBinding::Observe, DeviceBinding::Enforce] {
                let shown = Shown { ticket: shown, is_skipped, binding };
                assert_eq!(shown.standing(Some(&device(true)), 1_300, WINDOW), standing);
            }
            let off = Shown { ticket: shown, is_skipped, binding: DeviceBinding::Off };
            assert_eq!(off.standing(Some(&device(true)), 1_300, WINDOW), DeviceStanding::Unbound);
        }
        let shown = Shown { binding: DeviceBinding::Enforce, ..Shown::NOTHING };
        assert_eq!(shown.standing(None, 1_300, WINDOW), DeviceStanding::Unbound);
    }

    #[test]
    fn a_key_is_offered_where_there_is_none_or_one_was_lost() {
        let is_offered =
            |shown: Shown, standing, second| shown.is_offered(standing, at(0), at(second), WINDOW);
        let bare = Shown { binding: DeviceBinding::Observe, ..Shown::NOTHING };
        let lost = DeviceStanding::Offered { at: at(100) };
        assert!(is_offered(bare, lost, 250) && !is_offered(bare, lost, 249));
        assert!(is_offered(bare, lost, 600) && !is_offered(bare, lost, 601));
        let shown = Shown { ticket: Some(Ticket { key: OTHER, proved_at: 1 }), ..bare };
        assert!(!is_offered(shown, lost, 600) && is_offered(shown, DeviceStanding::Unbound, 600));
        assert!(!is_offered(Shown { is_skipped: true, ..bare }, lost, 600));
        assert!(!is_offered(Shown::NOTHING, DeviceStanding::Unbound, 0));
        for standing in [
            DeviceStanding::Confirms { offered_at: at(0) },
            DeviceStanding::Proved { at: 0 },
            DeviceStanding::Unproved(Unproved::Missing),
        ] {
            assert!(!is_offered(bare, standing, 300));
        }
    }

    #[test]
    fn what_a_native_client_asked_for_counts_while_browsers_are_watched() {
        for (binding, dbsc, dpop) in [
            (DeviceBinding::Off, false, false),
            (DeviceBinding::Observe, false, true),
            (DeviceBinding::Enforce, true, true),
        ] {
            let shown = Shown { binding, ..Shown::NOTHING };
            assert_eq!(shown.enforces(DeviceKind::Dbsc), dbsc);
            assert_eq!(shown.enforces(DeviceKind::Dpop), dpop);
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

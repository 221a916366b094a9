use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use jiff::Timestamp;

use super::pace::{Debt, Pace};
use super::table::{Fades, Table};
use super::{RetryAfter, SECOND, ThrottleSettings, micros, span};
use crate::token::device::DeviceId;
use crate::user::UserId;

/// Counts failed logins, by account and by address, and says when to wait. Wrong old passwords at a
/// password change go through the same counts.
///
/// An attempt is counted when it **begins**, before the password is hashed, so that parallel
/// guesses do not slip through. A right password takes its count back.
///
/// - **Account**: the first failures are free (5 by default); after that the next attempt has to
///   wait 1 s, 2 s, 4 s and so on up to the longest delay. One failure is forgiven for each longest
///   delay (15 minutes) that passes without an attempt, which is no faster than guessing on at the
///   pace of the delays. What is counted is the text that was typed, so a user's name and their
///   address are counted apart, as two texts are that name nobody: throttling tells neither who
///   exists nor which name and which address are one user's. A name that nobody has is in a table
///   of its own, so that invented names push out nobody's count.
/// - **Known device** (OWASP, "device cookies"): a login from a device that has logged in to this
///   very account before is counted apart from strangers' guesses: by account *and* device, by all
///   known devices of the account together (four times as many are free), and by address among
///   known devices. What strangers do to the account, or from the same address, does not lock the
///   owner out. Their own failures can.
/// - **Address**: failures of all accounts together (100 in 10 minutes by default), evenly given
///   back; those of known devices by themselves.
///
/// An attempt that is refused is not counted: hammering at a closed door does not keep it closed.
///
/// ```
/// use countersign::throttle::{AccountKey, LoginThrottle, ThrottleSettings};
/// use countersign::user::UserId;
///
/// let throttle = LoginThrottle::new(ThrottleSettings::default());
/// let (alice, address) = (AccountKey::User(UserId::new(1)), "192.0.2.1".parse().unwrap());
/// let now = "2026-01-01T00:00:00Z".parse().unwrap();
/// for _wrong_password in 0..5 {
///     assert!(throttle.begin(alice, None, address, now).is_ok());
/// }
/// assert_eq!(throttle.begin(alice, None, address, now).unwrap_err().seconds(), 1);
/// ```
#[derive(Debug)]
pub struct LoginThrottle {
    delays: Option<Delays>,
    pace: Option<Pace>,
    users: Table<Key, Failures>,
    names: Table<Key, Failures>,
    devices: Table<Key, Failures>,
    addresses: Table<AddressKey, Debt>,
    hasher: RandomState,
}

impl LoginThrottle {
    /// A throttle that has counted nothing yet.
    ///
    /// ```
    /// use countersign::throttle::{LoginThrottle, ThrottleSettings};
    ///
    /// let throttle = LoginThrottle::new(ThrottleSettings::default());
    /// assert_eq!(throttle.remembered(), 0);
    /// ```
    pub fn new(settings: ThrottleSettings) -> Self {
        let fade = span(settings.account_max_delay);
        Self {
            delays: Delays::new(&settings),
            pace: Pace::new(settings.address_attempts, settings.address_window),
            users: Table::new(fade),
            names: Table::new(fade),
            devices: Table::new(fade),
            addresses: Table::new(0),
            hasher: RandomState::new(),
        }
    }

    /// Counts an attempt, before the password is looked at. Afterwards say
    /// [`succeeded`](Self::succeeded) or [`cancelled`](Self::cancelled), or drop the attempt: then
    /// it was a failure, and the count stands.
    ///
    /// `device` is one that the caller has verified to belong to this very account. `address` is
    /// the client's, behind trusted proxies.
    ///
    /// # Errors
    /// When the account, the device or the address has to wait; then nothing is counted.
    ///
    /// ```
    /// use countersign::throttle::{AccountKey, LoginThrottle, ThrottleSettings};
    ///
    /// let mut settings = ThrottleSettings::default();
    /// settings.account_attempts = 1;
    /// let throttle = LoginThrottle::new(settings);
    /// let (nobody, address, now) = (
    ///     AccountKey::Unknown("nobody"),
    ///     "192.0.2.1".parse().unwrap(),
    ///     "2026-01-01T00:00:00Z".parse().unwrap(),
    /// );
    /// drop(throttle.begin(nobody, None, address, now).unwrap()); // a wrong password
    /// assert_eq!(throttle.begin(nobody, None, address, now).unwrap_err().seconds(), 1);
    /// ```
    pub fn begin(
        &self,
        account: AccountKey<'_>,
        device: Option<DeviceId>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Attempt, RetryAfter> {
        let known = account.user().filter(|_| device.is_some());
        let mut attempt = self.begin_of_address(known.is_some(), address, now)?;
        let Some(delays) = self.delays else { return Ok(attempt) };
        let counted =
            self.count(self.slot(account, device), delays, attempt.now).and_then(|counted| {
                attempt.counted = Some(counted);
                let Some(user) = known else { return Ok(()) };
                attempt.of_all_devices = Some(self.count(
                    self.slot_of_devices(user),
                    delays.of_all_devices(),
                    attempt.now,
                )?);
                Ok(())
            });
        match counted {
            Ok(()) => Ok(attempt),
            Err(wait) => {
                self.cancelled(attempt);
                Err(wait)
            }
        }
    }

    /// The password was right: the account, or the known device, begins anew. The address, and the
    /// account's known devices together, get their attempt back.
    ///
    /// ```
    /// use countersign::throttle::{AccountKey, LoginThrottle, ThrottleSettings};
    /// use countersign::user::UserId;
    ///
    /// let mut settings = ThrottleSettings::default();
    /// settings.account_attempts = 1;
    /// let throttle = LoginThrottle::new(settings);
    /// let (ada, address, now) = (
    ///     AccountKey::User(UserId::new(1)),
    ///     "192.0.2.1".parse().unwrap(),
    ///     "2026-01-01T00:00:00Z".parse().unwrap(),
    /// );
    /// for _right_password in 0..10 {
    ///     throttle.succeeded(throttle.begin(ada, None, address, now).unwrap());
    /// }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "an attempt ends once")]
    pub fn succeeded(&self, attempt: Attempt) {
        let Attempt { counted, of_all_devices, address, now } = attempt;
        if let Some((slot, _)) = counted {
            self.table(slot).update(slot.key, now, |failures| *failures = None);
        }
        self.uncount(of_all_devices, now);
        self.refund_address(address, now);
    }

    /// The password was never checked, because the hashing queue was full or the store was down: it
    /// was no guess, and everything is as before.
    ///
    /// ```
    /// use countersign::throttle::{AccountKey, LoginThrottle, ThrottleSettings};
    /// use countersign::user::UserId;
    ///
    /// let mut settings = ThrottleSettings::default();
    /// settings.account_attempts = 1;
    /// let throttle = LoginThrottle::new(settings);
    /// let (ada, address, now) = (
    ///     AccountKey::User(UserId::new(1)),
    ///     "192.0.2.1".parse().unwrap(),
    ///     "2026-01-01T00:00:00Z".parse().unwrap(),
    /// );
    /// for _full_queue in 0..10 {
    ///     throttle.cancelled(throttle.begin(ada, None, address, now).unwrap());
    /// }
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "an attempt ends once")]
    pub fn cancelled(&self, attempt: Attempt) {
        let Attempt { counted, of_all_devices, address, now } = attempt;
        self.uncount(counted, now);
        self.uncount(of_all_devices, now);
        self.refund_address(address, now);
    }

    /// As [`begin`](Self::begin), but only by address: the account, or the known device, is counted
    /// elsewhere, by [`delays`](Self::delays).
    ///
    /// # Errors
    /// When the address has to wait; then nothing is counted.
    ///
    /// ```
    /// use countersign::throttle::{LoginThrottle, ThrottleSettings};
    ///
    /// let mut settings = ThrottleSettings::default();
    /// settings.address_attempts = 1;
    /// let throttle = LoginThrottle::new(settings);
    /// let (address, now) =
    ///     ("192.0.2.1".parse().unwrap(), "2026-01-01T00:00:00Z".parse().unwrap());
    /// drop(throttle.begin_of_address(false, address, now).unwrap()); // a wrong password
    /// assert!(throttle.begin_of_address(false, address, now).is_err());
    /// // Known devices are counted by themselves.
    /// assert!(throttle.begin_of_address(true, address, now).is_ok());
    /// ```
    pub fn begin_of_address(
        &self,
        is_known_device: bool,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Attempt, RetryAfter> {
        let now = micros(now);
        let address = self
            .pace
            .map(|pace| self.charge_address(pace, AddressKey::new(is_known_device, address), now));
        Ok(Attempt { counted: None, of_all_devices: None, address: address.transpose()?, now })
    }

    /// How long an account has to wait after how many failures; `None` without a limit.
    ///
    /// ```
    /// use countersign::throttle::{LoginThrottle, ThrottleSettings};
    ///
    /// let mut unlimited = ThrottleSettings::default();
    /// unlimited.account_attempts = 0;
    /// assert_eq!(LoginThrottle::new(unlimited).delays(), None);
    /// ```
    pub const fn delays(&self) -> Option<Delays> {
        self.delays
    }

    /// How many accounts, names, devices and addresses are remembered now: at most 229,376.
    ///
    /// ```
    /// use countersign::throttle::{AccountKey, LoginThrottle, ThrottleSettings};
    ///
    /// let throttle = LoginThrottle::new(ThrottleSettings::default());
    /// let (address, now) =
    ///     ("192.0.2.1".parse().unwrap(), "2026-01-01T00:00:00Z".parse().unwrap());
    /// drop(throttle.begin(AccountKey::Unknown("nobody"), None, address, now).unwrap());
    /// assert_eq!(throttle.remembered(), 2); // the name and the address
    /// ```
    pub fn remembered(&self) -> usize {
        self.users.len() + self.names.len() + self.devices.len() + self.addresses.len()
    }

    fn count(&self, slot: Slot, delays: Delays, now: u64) -> Result<(Slot, Before), RetryAfter> {
        let before =
            self.table(slot).update(slot.key, now, |failures| delays.count(failures, now))?;
        Ok((slot, before))
    }

    fn uncount(&self, counted: Option<(Slot, Before)>, now: u64) {
        if let Some((slot, before)) = counted {
            self.table(slot).update(slot.key, now, |failures| before.restore(failures));
        }
    }

    /// Where an attempt is counted.
    fn slot(&self, account: AccountKey<'_>, device: Option<DeviceId>) -> Slot {
        let (counter, key) = match (account, device) {
            (AccountKey::User(user) | AccountKey::Named { user, .. }, Some(device)) => {
                (Counter::Devices, (self.hasher.hash_one(user), device.0))
            }
            (AccountKey::User(user), None) => (Counter::Users, (self.hasher.hash_one(user), 0)),
            (AccountKey::Named { by, .. }, None) => (Counter::Users, (0, self.hasher.hash_one(by))),
            (AccountKey::Unknown(name), _) => (Counter::Names, (0, self.hasher.hash_one(name))),
        };
        Slot { counter, key }
    }

    /// Where the attempts from all known devices of a user are counted.
    fn slot_of_devices(&self, user: UserId) -> Slot {
        Slot { counter: Counter::Devices, key: (0, self.hasher.hash_one(user)) }
    }

    const fn table(&self, slot: Slot) -> &Table<Key, Failures> {
        match slot.counter {
            Counter::Users => &self.users,
            Counter::Names => &self.names,
            Counter::Devices => &self.devices,
        }
    }

    fn charge_address(
        &self,
        pace: Pace,
        key: AddressKey,
        now: u64,
    ) -> Result<AddressKey, RetryAfter> {
        self.addresses.update(key, now, |debt| pace.take(debt, now))?;
        Ok(key)
    }

    fn refund_address(&self, key: Option<AddressKey>, now: u64) {
        if let (Some(pace), Some(key)) = (self.pace, key) {
            self.addresses.update(key, now, |debt| *debt = debt.map(|debt| pace.give_back(debt)));
        }
    }
}

/// Whose password is tried.
///
/// ```
/// use countersign::throttle::AccountKey;
/// use countersign::user::{UserId, fold};
///
/// let (ada, typed) = (UserId::new(1), fold("Ada"));
/// assert_eq!(AccountKey::Unknown(&typed), AccountKey::Unknown("ada"));
/// assert_eq!(AccountKey::Named { user: ada, by: &typed }.user(), Some(ada));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AccountKey<'a> {
    /// A user's, named by their user name or e-mail address, folded: counted by this text, as if it
    /// named nobody.
    Named {
        /// Who it is.
        user: UserId,
        /// The folded text.
        by: &'a str,
    },
    /// A user's, named by anything else; counted once, however many spellings an app knows.
    User(UserId),
    /// A name that nobody has, folded.
    Unknown(&'a str),
}

impl AccountKey<'_> {
    /// The user, if it is one.
    ///
    /// ```
    /// use countersign::throttle::AccountKey;
    ///
    /// assert_eq!(AccountKey::Unknown("nobody").user(), None);
    /// ```
    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::Named { user, .. } | Self::User(user) => Some(user),
            Self::Unknown(_) => None,
        }
    }
}

/// A counted attempt whose end is not known yet. Dropped, it is a failure.
///
/// ```
/// use countersign::throttle::{AccountKey, Attempt, LoginThrottle, ThrottleSettings};
///
/// let throttle = LoginThrottle::new(ThrottleSettings::default());
/// let (address, now) = ("192.0.2.1".parse().unwrap(), "2026-01-01T00:00:00Z".parse().unwrap());
/// let attempt: Attempt =
///     throttle.begin(AccountKey::Unknown("nobody"), None, address, now).unwrap();
/// drop(attempt); // a failure
/// ```
#[derive(Debug)]
#[must_use = "a right password must be told, or it counts as a failure"]
pub struct Attempt {
    counted: Option<(Slot, Before)>,
    of_all_devices: Option<(Slot, Before)>,
    address: Option<AddressKey>,
    now: u64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    counter: Counter,
    key: Key,
}

#[derive(Debug, Clone, Copy)]
enum Counter {
    Users,
    Names,
    Devices,
}

/// User and device, or zero and the hash of a name (of the user, for all their devices), under a
/// key that nobody outside knows.
type Key = (u64, u64);

/// An address as it is counted, for strangers and for known devices apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct AddressKey {
    is_known_device: bool,
    network: Network,
}

/// A household or a host. One IPv6 subscriber has a /64 at least, so anything longer would be free
/// to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Network {
    V4([u8; 4]),
    V6([u8; 8]),
}

impl AddressKey {
    fn new(is_known_device: bool, address: IpAddr) -> Self {
        let network = match address.to_canonical() {
            IpAddr::V4(v4) => Network::V4(v4.octets()),
            IpAddr::V6(v6) => {
                let [a, b, c, d, e, f, g, h, ..] = v6.octets();
                Network::V6([a, b, c, d, e, f, g, h])
            }
        };
        Self { is_known_device, network }
    }
}

/// The failures of one account or device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failures {
    many: u32,
    /// Changes with each attempt, so that the last one can be told from others.
    serial: u32,
    /// When the last attempt began, in microseconds since 1970.
    last: u64,
}

impl Fades for Failures {
    fn fades_at(&self, fade: u64) -> u64 {
        self.last.saturating_add(fade.saturating_mul(u64::from(self.many)))
    }
}

/// What an attempt found and changed.
#[derive(Debug, Clone, Copy)]
struct Before {
    last: Option<u64>,
    serial: u32,
    added: u32,
}

impl Before {
    /// Takes back what the attempt added. The time of the last attempt goes back too, unless there
    /// has been another since.
    fn restore(self, failures: &mut Option<Failures>) {
        let Some(now) = failures else { return };
        now.many = now.many.saturating_sub(self.added);
        if now.serial == self.serial {
            match self.last {
                Some(last) => now.last = last,
                None => *failures = None,
            }
        }
    }
}

/// How long to wait after how many failures.
///
/// ```
/// use countersign::throttle::{Delays, LoginThrottle, ThrottleSettings};
///
/// let settings = ThrottleSettings::default();
/// assert_eq!(LoginThrottle::new(settings).delays(), Delays::new(&settings));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delays {
    pub(crate) free: u32,
    /// In microseconds.
    pub(crate) longest: u64,
    /// Failures are not counted beyond this: there the delay is the longest, and more would only
    /// take longer to forgive.
    pub(crate) most: u32,
}

impl Delays {
    /// As the settings have it; `None` without a limit.
    ///
    /// ```
    /// use countersign::throttle::{Delays, ThrottleSettings};
    ///
    /// let mut settings = ThrottleSettings::default();
    /// assert!(Delays::new(&settings).is_some());
    /// settings.account_attempts = 0;
    /// assert_eq!(Delays::new(&settings), None);
    /// ```
    pub fn new(settings: &ThrottleSettings) -> Option<Self> {
        let (free, longest) = (settings.account_attempts, span(settings.account_max_delay));
        let doublings = longest.div_ceil(SECOND).next_power_of_two().ilog2();
        (free > 0).then(|| Self { free, longest, most: free.saturating_add(doublings) })
    }

    /// For all known devices of an account together: one that was stolen, and guesses as fast as it
    /// may, does not lock out the others.
    pub(crate) const fn of_all_devices(self) -> Self {
        let free = self.free.saturating_mul(4);
        Self { free, longest: self.longest, most: free.saturating_add(self.most - self.free) }
    }

    /// The failures that are left of so `many`, and how long to wait yet, when the last attempt
    /// began at `last` and no later than `now`: microseconds since 1970 all.
    pub(crate) fn left(self, many: u32, last: u64, now: u64) -> (u32, Option<RetryAfter>) {
        let passed = now - last;
        let forgiven = u32::try_from(passed / self.longest).unwrap_or(u32::MAX);
        let many = many.saturating_sub(forgiven);
        let wait = self.after(many).saturating_sub(passed);
        (many, (wait > 0).then(|| RetryAfter::from_micros(wait)))
    }

    fn after(self, failures: u32) -> u64 {
        match failures.checked_sub(self.free) {
            None => 0,
            Some(doublings) => {
                2_u64.saturating_pow(doublings).saturating_mul(SECOND).min(self.longest)
            }
        }
    }

    fn count(self, failures: &mut Option<Failures>, now: u64) -> Result<Before, RetryAfter> {
        let Some(found) = failures else {
            *failures = Some(Failures { many: 1, serial: 0, last: now });
            return Ok(Before { last: None, serial: 0, added: 1 });
        };
        // A clock that went back must not make anyone wait longer than the delay.
        found.last = found.last.min(now);
        let (many, wait) = self.left(found.many, found.last, now);
        if let Some(wait) = wait {
            return Err(wait);
        }
        let added = u32::from(many < self.most);
        let before = Before { last: Some(found.last), serial: found.serial.wrapping_add(1), added };
        *found = Failures { many: many + added, serial: before.serial, last: now };
        Ok(before)
    }
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;

//! What a refresh shows of its device, and where it stands by that.

use std::time::Duration;

use jiff::Timestamp;

use super::{Device, DeviceBinding, DeviceKind, KeyPrint, OFFERED_FOR, settled_after};

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
#[non_exhaustive]
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

/// How long a browser keeps a ticket: it signs at most six times in nine minutes for a site.
pub const TICKET_SECONDS: u64 = 300;

/// How much longer it is good: for a request that is on its way.
pub const TICKET_SLACK_SECONDS: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

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

//! A server with one session that may be bound, and the rules once more with a switch for each: one
//! off, somebody must notice.

use std::time::Duration;

use countersign::session::device::{
    CHALLENGE_SECONDS, Device, DeviceBinding, DeviceKind, DeviceStanding, KeyPrint, Shown, Ticket,
    Unproved,
};
use countersign::session::rotation::{
    Decision, Generation, Jti, Presented, RotationState, Rule, decide as rotate,
};
use countersign::session::{RefreshRefused, SessionRow, Transport, decide};
use countersign::user::UserId;
use jiff::Timestamp;

use crate::server::{WINDOW, jti};

/// What the server does, and whether it binds at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// Offers to bind a session.
    pub(crate) binds: bool,
    /// Rule 0 is in force.
    pub(crate) enforces: bool,
    /// A ticket is good for its time only.
    pub(crate) tickets_end: bool,
    /// Rule 5b.
    pub(crate) own_device: bool,
    /// Rule 6 asks for a newer proof of a bound session, and does not end it.
    pub(crate) spares: bool,
    /// A key counts once its client has shown that it has the answer.
    pub(crate) waits: bool,
}

impl Rules {
    pub(crate) const ALL: Self = Self {
        binds: true,
        enforces: true,
        tickets_end: true,
        own_device: true,
        spares: true,
        waits: true,
    };

    pub(crate) const UNBOUND: Self = Self { binds: false, ..Self::ALL };
}

/// The session's row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    pub(crate) state: RotationState,
    pub(crate) device: Option<Device>,
    pub(crate) is_dead: bool,
    began: u64,
    minted: u64,
}

/// What a refresh is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    /// A token, and the challenge of an offer to bind.
    Granted(Presented, Option<Timestamp>),
    /// 503: come back; the old ticket is removed.
    Stale,
    /// 503: come back.
    Skipped,
    /// 401.
    Refused,
}

/// What a proof is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Proof {
    Ticket(Ticket),
    /// 403 with a new challenge.
    Again(Timestamp),
    /// There is nothing to prove.
    Ended,
}

impl Server {
    /// A session that begins at `now`, in milliseconds, its first token, and what it is offered.
    pub(crate) fn new(rules: Rules, now: u64) -> (Self, Presented, Option<Timestamp>) {
        let first = Presented {
            generation: Generation::FIRST,
            jti: jti(0),
            parent: None,
            issued_at: now / 1_000,
        };
        let state = RotationState::new(first.jti, first.issued_at);
        let server = Self { state, device: None, is_dead: false, began: now, minted: 0 };
        let offer = rules.binds.then(|| server.challenge(now));
        (server, first, offer)
    }

    /// The row as a copy has it; what was minted since stays minted.
    pub(crate) fn rolled_back(&self, copy: &Self) -> Self {
        Self { minted: self.minted, ..copy.clone() }
    }

    fn offer(
        &self,
        rules: Rules,
        shown: &Shown,
        standing: DeviceStanding,
        now: u64,
    ) -> Option<Timestamp> {
        let is_wanted = shown.is_offered(standing, at(self.began), at(now), WINDOW);
        (rules.binds && is_wanted).then(|| self.challenge(now))
    }

    /// A challenge as it is made at `now`.
    pub(crate) fn challenge(&self, now: u64) -> Timestamp {
        let after = |device: Device| device.proof_at + Duration::from_micros(1);
        self.device.map_or(at(now), |device| at(now).max(after(device)))
    }

    /// Offers a key that signed a challenge.
    pub(crate) fn start(
        &mut self,
        rules: Rules,
        key: KeyPrint,
        challenge: Timestamp,
        now: u64,
    ) -> Option<Ticket> {
        let is_old = at(now) > challenge + Duration::from_secs(CHALLENGE_SECONDS);
        let takes = Device::takes_key(self.device.as_ref(), key, challenge, WINDOW);
        if self.is_dead || is_old || !takes || !rules.binds {
            return None;
        }
        let kind = DeviceKind::Dbsc;
        let confirmed = !rules.waits;
        self.device = Some(Device { kind, key, confirmed, proof_at: challenge });
        Some(Ticket { key, proved_at: now / 1_000 })
    }

    /// Proves a key.
    pub(crate) fn prove(&mut self, key: KeyPrint, challenge: Timestamp, now: u64) -> Proof {
        let Some(device) = self.device.filter(|device| !self.is_dead && device.key == key) else {
            return Proof::Ended;
        };
        let is_old = at(now) > challenge + Duration::from_secs(CHALLENGE_SECONDS);
        if is_old || !device.takes_proof(key, challenge) {
            return Proof::Again(self.challenge(now));
        }
        let confirmed = device.is_confirmed_by(at(now), WINDOW);
        let proof_at = challenge.max(device.proof_at);
        self.device = Some(Device { confirmed, proof_at, ..device });
        Proof::Ticket(Ticket { key, proved_at: now / 1_000 })
    }

    /// A refresh at `now`, in milliseconds.
    pub(crate) fn refresh(
        &mut self,
        rules: Rules,
        token: &Presented,
        ticket: Option<Ticket>,
        is_skipped: bool,
        now: u64,
    ) -> Reply {
        if self.is_dead {
            return Reply::Refused;
        }
        let seconds = now / 1_000;
        let ticket = ticket.map(|ticket| Ticket {
            proved_at: if rules.tickets_end { ticket.proved_at } else { seconds },
            ..ticket
        });
        let binding = if rules.enforces { DeviceBinding::Enforce } else { DeviceBinding::Observe };
        let row = SessionRow {
            user_id: UserId::new(1),
            created_at: at(self.began),
            expires_at: Timestamp::MAX,
            transport: Transport::Cookie,
            revoked: None,
            state: self.state,
            device: self.device.filter(|_| rules.binds),
        };
        let shown = Shown { ticket, is_skipped, binding };
        let decided = decide(Some(&row), token, Transport::Cookie, &shown, at(now), WINDOW);
        let rotated = rotate(&self.state, token, seconds, WINDOW);
        let standing = decided.map_or(DeviceStanding::Unbound, |decided| decided.standing);
        let decision = match decided {
            Err(RefreshRefused::Unproved(Unproved::Stale))
                if !rules.spares
                    && ticket.is_some_and(|ticket| ticket.is_good(seconds))
                    && rotated == Decision::Reused =>
            {
                rotated
            }
            Ok(decided) => match decided.decision {
                Decision::Mint { rule: Rule::OwnDevice, .. } if !rules.own_device => {
                    if rotated == Decision::Reused && rules.spares {
                        return Reply::Stale;
                    }
                    rotated
                }
                decision => {
                    if let DeviceStanding::Confirms { .. } = decided.standing
                        && decision != Decision::Reused
                    {
                        self.device =
                            self.device.map(|device| Device { confirmed: true, ..device });
                    }
                    decision
                }
            },
            Err(RefreshRefused::Unproved(Unproved::Stale)) => return Reply::Stale,
            Err(RefreshRefused::Unproved(Unproved::Skipped)) => return Reply::Skipped,
            Err(_) => return Reply::Refused,
        };
        let Decision::Mint { child, state, .. } = decision else {
            self.is_dead = true;
            return Reply::Refused;
        };
        self.state = state.unwrap_or(self.state);
        self.minted += 1;
        let child = Presented {
            generation: child.generation,
            jti: Jti(u128::from(self.minted).to_be_bytes()),
            parent: Some(child.parent),
            issued_at: seconds,
        };
        Reply::Granted(child, self.offer(rules, &shown, standing, now))
    }
}

pub(crate) fn at(millis: u64) -> Timestamp {
    Timestamp::from_millisecond(millis.cast_signed()).unwrap()
}

pub(crate) const fn key(number: u8) -> KeyPrint {
    KeyPrint([number; 16])
}

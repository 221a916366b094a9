//! When more sessions ended at once than a process can take in: which live is then asked of the
//! store, session by session, as their tokens come.
//!
//! A token that was issued before that moment may be of a session that ended; it is let in when the
//! store says that its session lives, and that is remembered. Endings after the moment come by the
//! feed, as always. An access-token lifetime later no such token is left, and nothing is asked any
//! more.

use std::sync::atomic::{AtomicU64, Ordering};

use countersign_verify::Recent;

use crate::session::SessionId;

/// Which tokens are in doubt, and which sessions were found alive since.
pub(crate) struct Doubt {
    /// Tokens issued at or before this are, in whole seconds since 1970; none are at 0.
    until: AtomicU64,
    /// Counts the times, so that what was asked before one is not believed after it.
    moment: AtomicU64,
    alive: Recent<SessionId, u64>,
}

impl Doubt {
    /// Whether the store must be asked about a session before a token that was issued at `issued`,
    /// in whole seconds since 1970, is believed.
    pub(crate) fn is_in(&self, session: SessionId, issued: u64) -> bool {
        issued <= self.until.load(Ordering::Acquire)
            && self.alive.get(&session) != Some(self.moment())
    }

    /// From here on tokens issued at or before `until` are in doubt.
    pub(crate) fn begin(&self, until: u64) {
        self.moment.fetch_add(1, Ordering::AcqRel);
        self.until.fetch_max(until, Ordering::AcqRel);
    }

    /// Tokens issued after `at` are not in doubt: a clock was ahead, and has come back.
    pub(crate) fn nothing_after(&self, at: u64) {
        self.until.fetch_min(at, Ordering::AcqRel);
    }

    /// A number that every beginning makes larger. To be asked before the store is, and given back
    /// to [`lives`](Self::lives).
    pub(crate) fn moment(&self) -> u64 {
        self.moment.load(Ordering::Acquire)
    }

    /// The store said, when it was asked at `moment`, that this session lives.
    pub(crate) fn lives(&self, session: SessionId, moment: u64) {
        self.alive.insert(session, moment);
    }
}

impl Default for Doubt {
    fn default() -> Self {
        Self {
            until: AtomicU64::new(0),
            moment: AtomicU64::new(0),
            alive: Recent::new(SESSIONS_REMEMBERED),
        }
    }
}

/// Some 50 bytes each; one that is forgotten is asked for again.
const SESSIONS_REMEMBERED: usize = 262_144;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_from_before_is_asked_about_once_and_again_after_the_next_time() {
        let (doubt, session) = (Doubt::default(), SessionId::new(7).unwrap());
        assert!(!doubt.is_in(session, 1000), "there is none in the beginning");
        doubt.begin(1000);
        assert!(doubt.is_in(session, 1000) && !doubt.is_in(session, 1001));
        let moment = doubt.moment();
        doubt.lives(session, moment);
        assert!(!doubt.is_in(session, 1000));
        doubt.begin(1100);
        assert!(doubt.is_in(session, 1000));
        doubt.lives(session, moment);
        assert!(doubt.is_in(session, 1000), "what the store said before is not believed");
    }
}

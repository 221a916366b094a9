//! What the endpoints share, and the service tokens that were seen lately.

use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwap;
use axum::extract::FromRef;
use countersign::http::{Code, Problem};
use countersign::store::admin::KnownServiceToken;
use countersign::token::SecretHash;
use countersign::{Auth, Settings};
use foldhash::fast::RandomState;
use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use crate::command_error::CommandError;
use crate::operate::people::Desk;
use crate::services::Services;

/// The management API.
#[derive(Clone)]
pub(crate) struct Manage(Arc<Inner>);

/// What its endpoints share.
pub(crate) struct Inner {
    pub(super) auth: Auth,
    pub(super) services: Services,
    pub(super) settings: Settings,
    pub(super) desk: Desk,
    /// Becomes true when the server stops.
    pub(super) stopping: watch::Receiver<bool>,
    /// Room for those who follow the audit log.
    pub(super) followers: Arc<Semaphore>,
    /// By hash. Whoever asks waits for nobody.
    known: ArcSwap<HashMap<[u8; 32], Arc<Seen>, RandomState>>,
}

/// A token as it was read.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) token: KnownServiceToken,
    /// What had changed by then.
    moment: u64,
    /// When its use was last noted, in seconds since 1970.
    noted: AtomicI64,
}

impl Seen {
    /// Whether its use was noted within this minute.
    fn is_noted(&self, now: Timestamp) -> bool {
        let noted = self.noted.load(Ordering::Relaxed);
        (noted..noted.saturating_add(60)).contains(&now.as_second())
    }
}

impl Manage {
    /// The API of this server.
    ///
    /// # Errors
    /// A secret that cannot be used.
    pub(crate) async fn new(
        auth: Auth,
        services: Services,
        settings: &Settings,
        stopping: watch::Receiver<bool>,
    ) -> Result<Self, CommandError> {
        let desk = Desk::with(&services, settings, auth.can_mail()).await?;
        let (settings, known) = (settings.clone(), ArcSwap::default());
        let followers = Arc::new(Semaphore::new(FOLLOWERS));
        let inner = Inner { auth, services, settings, desk, stopping, followers, known };
        Ok(Self(Arc::new(inner)))
    }

    /// Now.
    pub(super) fn now(&self) -> Timestamp {
        self.services.clock.now()
    }

    /// The token with this hash, if it counts at this moment, and who acts by it. Its use is noted.
    ///
    /// # Errors
    /// A 401 for one that does not, and the store's.
    pub(super) async fn token(&self, hash: SecretHash) -> Result<Arc<Seen>, Problem> {
        let now = self.now();
        // Before the row is read: what changes meanwhile is not missed.
        let moment = self.auth.moment()?;
        let seen = match self.seen(&hash, moment) {
            Some(seen) => seen,
            None => {
                let token = self.services.store.service_token(hash, now).await?;
                let token = token.ok_or_else(not_good)?;
                let noted = token.row.last_used_at.map_or(0, Timestamp::as_second);
                let seen = Arc::new(Seen { token, moment, noted: AtomicI64::new(noted) });
                self.remember(*hash.as_bytes(), &seen);
                seen
            }
        };
        if seen.token.row.expires_at <= now {
            return Err(not_good());
        }
        self.note_use(&seen, now).await;
        Ok(seen)
    }

    /// The same of a token that was seen before, if nothing is to be read or noted.
    ///
    /// # Errors
    /// A 503 where the store has not been heard of for too long.
    pub(super) fn token_at_hand(&self, hash: &SecretHash) -> Result<Option<Arc<Seen>>, Problem> {
        let now = self.now();
        let seen = self.seen(hash, self.auth.moment()?);
        Ok(seen.filter(|seen| seen.token.row.expires_at > now && seen.is_noted(now)))
    }

    /// Whether nothing has changed since, and its time is not over.
    ///
    /// # Errors
    /// A 503 where the store has not been heard of for too long.
    pub(super) fn is_fresh(&self, seen: &Seen) -> Result<bool, Problem> {
        Ok(self.is_unchanged(seen)? && seen.token.row.expires_at > self.now())
    }

    /// Whether nothing has changed since.
    ///
    /// # Errors
    /// A 503 where the store has not been heard of for too long.
    pub(super) fn is_unchanged(&self, seen: &Seen) -> Result<bool, Problem> {
        Ok(self.auth.moment()? == seen.moment)
    }

    fn seen(&self, hash: &SecretHash, moment: u64) -> Option<Arc<Seen>> {
        let known = self.known.load();
        known.get(hash.as_bytes()).filter(|seen| seen.moment == moment).map(Arc::clone)
    }

    fn remember(&self, hash: [u8; 32], seen: &Arc<Seen>) {
        self.known.rcu(|known| {
            let mut known =
                if known.len() < TOKENS_KEPT { (**known).clone() } else { HashMap::default() };
            known.insert(hash, Arc::clone(seen));
            known
        });
    }

    /// Once a minute. A use that cannot be noted is a use all the same.
    async fn note_use(&self, seen: &Seen, now: Timestamp) {
        if seen.is_noted(now) {
            return;
        }
        let (noted, second) = (seen.noted.load(Ordering::Relaxed), now.as_second());
        let order = Ordering::Relaxed;
        if seen.noted.compare_exchange(noted, second, order, order).is_ok()
            && let Err(error) =
                self.services.store.note_service_token_use(seen.token.row.id, now).await
        {
            tracing::warn!(%error, token = seen.token.row.id, "the use of a token was not noted");
        }
    }
}

/// Nobody is told whether there ever was such a token.
pub(super) fn not_good() -> Problem {
    Problem::new(Code::TokenInvalid)
        .detail("This service token is none, is over, or was revoked; or its maker may nothing.")
}

impl Deref for Manage {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl FromRef<Manage> for Auth {
    fn from_ref(manage: &Manage) -> Self {
        manage.auth.clone()
    }
}

impl fmt::Debug for Manage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manage").finish_non_exhaustive()
    }
}

/// Who follow the audit log at a time.
const FOLLOWERS: usize = 16;

/// More than any installation has at work.
const TOKENS_KEPT: usize = 1_000;

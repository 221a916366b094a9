//! Attempts to log in, counted before the password is looked at: by account where every node sees it, by address in this process.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::device::DeviceId;
use crate::store::{Store, StoreError};
use crate::throttle::shared::{AttemptKeys, Count, CountAttempt, CountedAttempt};
use crate::throttle::{AccountKey, Attempt, LoginThrottle, RetryAfter, ThrottleSettings};
use crate::token::Secrets;

/// Counts attempts. The rules are [`LoginThrottle`]'s, wherever the counts are.
#[derive(Debug)]
pub(crate) struct Attempts {
    here: LoginThrottle,
    keys: AttemptKeys,
}

impl Attempts {
    pub(crate) fn new(settings: ThrottleSettings, secrets: &Secrets) -> Self {
        Self { here: LoginThrottle::new(settings), keys: AttemptKeys::new(secrets) }
    }

    /// Counts an attempt. Afterwards say [`succeeded`](Self::succeeded) or [`cancelled`](Self::cancelled), or drop it: then it was a failure.
    ///
    /// # Errors
    /// When the account, the device or the address has to wait, or the store does not answer; then nothing is counted.
    pub(crate) async fn begin(
        &self,
        store: &dyn Store,
        account: AccountKey<'_>,
        device: Option<DeviceId>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Begun, Refused> {
        let (Some(delays), Some(shared)) = (self.here.delays(), store.shared_attempts()) else {
            return Ok(Begun { here: self.here.begin(account, device, address, now)?, shared: None });
        };
        let is_known_device = device.is_some() && matches!(account, AccountKey::User(_));
        // The address first: what may not try any more asks nothing of the store.
        let here = self.here.begin_of_address(is_known_device, address, now)?;
        let refused = match shared.count_attempt(&CountAttempt { key: self.keys.of(account, device), delays, now }).await {
            Ok(Count::Counted(counted)) => return Ok(Begun { here, shared: Some(counted) }),
            Ok(Count::Wait(wait)) => wait.into(),
            Err(error) => error.into(),
        };
        self.here.cancelled(here);
        Err(refused)
    }

    /// The password was right.
    ///
    /// # Errors
    /// The store's; then the attempt stands as a failure.
    pub(crate) async fn succeeded(&self, store: &dyn Store, begun: Begun) -> Result<(), StoreError> {
        self.here.succeeded(begun.here);
        match begun.shared.zip(store.shared_attempts()) {
            Some((counted, shared)) => shared.forget_attempts(counted.key).await,
            None => Ok(()),
        }
    }

    /// The password was never checked: it was no guess.
    pub(crate) async fn cancelled(&self, store: &dyn Store, begun: Begun) {
        self.here.cancelled(begun.here);
        if let Some((counted, shared)) = begun.shared.zip(store.shared_attempts())
            && let Err(error) = shared.uncount_attempt(&counted).await
        {
            tracing::warn!(%error, "an attempt that was no guess stays counted");
        }
    }
}

/// A counted attempt whose end is not known yet. Dropped, it is a failure.
#[derive(Debug)]
#[must_use = "a right password must be told, or it counts as a failure"]
pub(crate) struct Begun {
    here: Attempt,
    shared: Option<CountedAttempt>,
}

/// Why an attempt may not be made now.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It has to wait.
    Wait(RetryAfter),
    /// The store does not answer.
    Store(StoreError),
}

impl From<RetryAfter> for Refused {
    fn from(wait: RetryAfter) -> Self {
        Self::Wait(wait)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

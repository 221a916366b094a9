//! Attempts to log in, counted before the password is looked at: by account where every node sees
//! it, by address in this process.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::password::Gone;
use crate::store::{AttemptStore, SharedAttempts, StoreError};
use crate::throttle::shared::{AttemptKeys, Count, CountAttempt, CountedAttempt};
use crate::throttle::{AccountKey, Attempt, LoginThrottle, RetryAfter, ThrottleSettings};
use crate::token::Secrets;
use crate::token::device::DeviceId;

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

    /// Counts an attempt. Afterwards say [`succeeded`](Self::succeeded) or
    /// [`cancelled`](Self::cancelled), or drop it: then it was a failure.
    ///
    /// # Errors
    /// When the account, the device or the address has to wait, or the store does not answer; then
    /// nothing is counted.
    pub(crate) async fn begin(
        &self,
        store: &dyn AttemptStore,
        account: AccountKey<'_>,
        device: Option<DeviceId>,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Begun, AttemptRefused> {
        let (Some(delays), Some(shared)) = (self.here.delays(), store.shared_attempts()) else {
            return Ok(Begun {
                here: self.here.begin(account, device, address, now)?,
                shared: None,
                of_all_devices: None,
            });
        };
        let known = account.user().filter(|_| device.is_some());
        // The address first: what may not try any more asks nothing of the store.
        let here = self.here.begin_of_address(known.is_some(), address, now)?;
        let mut begun = Begun { here, shared: None, of_all_devices: None };
        let own = CountAttempt { key: self.keys.of(account, device), delays, now };
        let counted = match count(shared, &own, &mut begun.shared).await {
            Ok(()) => match known.map(|user| self.keys.of_all_devices(user)) {
                Some(key) => {
                    let all = CountAttempt { key, delays: delays.of_all_devices(), now };
                    count(shared, &all, &mut begun.of_all_devices).await
                }
                None => Ok(()),
            },
            refused => refused,
        };
        match counted {
            Ok(()) => Ok(begun),
            Err(refused) => {
                self.cancelled(store, begun).await;
                Err(refused)
            }
        }
    }

    /// The password was right.
    ///
    /// # Errors
    /// The store's; then the attempt stands as a failure.
    pub(crate) async fn succeeded(
        &self,
        store: &dyn AttemptStore,
        begun: Begun,
    ) -> Result<(), StoreError> {
        self.here.succeeded(begun.here);
        let Some(shared) = store.shared_attempts() else { return Ok(()) };
        if let Some(counted) = begun.shared {
            shared.forget_attempts(counted.key).await?;
        }
        if let Some(counted) = begun.of_all_devices {
            shared.uncount_attempt(&counted).await?;
        }
        Ok(())
    }

    /// The password was never checked: it was no guess. Whoever went away before that is counted
    /// all the same, or they could fill the queue of the hashes again and again.
    pub(crate) async fn cancelled(&self, store: &dyn AttemptStore, begun: Begun) {
        if Gone::here().is_some_and(|client| client.is_so()) {
            return;
        }
        self.here.cancelled(begun.here);
        let Some(shared) = store.shared_attempts() else { return };
        for counted in [begun.shared, begun.of_all_devices].into_iter().flatten() {
            if let Err(error) = shared.uncount_attempt(&counted).await {
                tracing::warn!(%error, "an attempt that was no guess stays counted");
            }
        }
    }
}

async fn count(
    shared: &dyn SharedAttempts,
    attempt: &CountAttempt,
    counted: &mut Option<CountedAttempt>,
) -> Result<(), AttemptRefused> {
    match shared.count_attempt(attempt).await? {
        Count::Counted(done) => {
            *counted = Some(done);
            Ok(())
        }
        Count::Wait(wait) => Err(wait.into()),
    }
}

/// A counted attempt whose end is not known yet. Dropped, it is a failure.
#[derive(Debug)]
#[must_use = "a right password must be told, or it counts as a failure"]
pub(crate) struct Begun {
    here: Attempt,
    shared: Option<CountedAttempt>,
    of_all_devices: Option<CountedAttempt>,
}

/// Why an attempt may not be made now.
#[derive(Debug)]
pub(crate) enum AttemptRefused {
    /// It has to wait.
    Wait(RetryAfter),
    /// The store does not answer.
    Store(StoreError),
}

impl From<RetryAfter> for AttemptRefused {
    fn from(wait: RetryAfter) -> Self {
        Self::Wait(wait)
    }
}

impl From<StoreError> for AttemptRefused {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::user::UserId;

    struct Nowhere;

    impl AttemptStore for Nowhere {}

    async fn begin(attempts: &Attempts) -> Result<Begun, AttemptRefused> {
        let (account, here) = (AccountKey::User(UserId::new(1)), IpAddr::V4(Ipv4Addr::LOCALHOST));
        attempts.begin(&Nowhere, account, None, here, Timestamp::UNIX_EPOCH).await
    }

    #[tokio::test]
    async fn who_goes_away_before_the_password_is_checked_is_counted_all_the_same() {
        let secrets = Secrets::from_text("only for tests, only for tests, only").unwrap();
        let attempts = Attempts::new(ThrottleSettings::default(), &secrets);
        for _ in 0..100 {
            let begun = begin(&attempts).await.unwrap();
            attempts.cancelled(&Nowhere, begun).await;
        }
        let client = Gone::default();
        client.note();
        client
            .of(async {
                for _ in 0..5 {
                    let begun = begin(&attempts).await.unwrap();
                    attempts.cancelled(&Nowhere, begun).await;
                }
            })
            .await;
        assert!(begin(&attempts).await.is_err());
    }
}

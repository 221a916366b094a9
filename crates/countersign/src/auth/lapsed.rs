//! Registrations that nobody went on with: who did not prove their address in time is deleted, and
//! the name is free again.

use std::sync::Weak;
use std::time::Duration;

use super::maintenance::BETWEEN_ROUNDS;
use super::{Auth, Inner};
use crate::store::StoreError;

/// Now and then lets go whose time is over. A task of its own: an app's own table may stand still.
/// Ends with the last [`Auth`].
pub(super) async fn let_registrations_go(auth: Weak<Inner>) {
    loop {
        tokio::time::sleep(BETWEEN_ROUNDS).await;
        let Some(auth) = auth.upgrade().map(Auth) else { return };
        if let Err(error) = delete_lapsed(&auth).await {
            tracing::warn!(%error, "registrations that lapsed could not be deleted; trying again");
        }
    }
}

/// Deletes whose time is over by this clock and by the store's idea of the time. How many.
async fn delete_lapsed(auth: &Auth) -> Result<u64, StoreError> {
    let now = auth.now();
    let early = now.min(auth.store().agree_on_time(now, Duration::ZERO).await?);
    let mut gone = 0;
    for _ in 0..ROUNDS {
        let deleted =
            auth.users().delete_due_registrations(&**auth.store(), early, AT_ONCE).await?;
        gone += deleted;
        if deleted < u64::from(AT_ONCE) {
            break;
        }
    }
    if gone > 0 {
        tracing::info!(users = gone, "deleted users who did not prove their address in time");
        auth.catch_up().await?;
    }
    Ok(gone)
}

/// In one transaction.
const AT_ONCE: u32 = 50;
/// As many users as maintenance deletes in a round.
const ROUNDS: u32 = 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::clock::{Clock, ManualClock, OsRandom, SystemClock};
    use crate::password::EncodedPassword;
    use crate::store::sqlite::SqliteStore;
    use crate::store::{NewMail, NewToken, Register};
    use crate::token::{OneTimeToken, Purpose, Secrets};
    use crate::user::{Email, NewUser, Username};

    #[tokio::test]
    async fn who_did_not_prove_an_address_goes_when_both_clocks_say_so() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("test.sqlite3")).unwrap();
        let now = SystemClock.now();
        let clock = Arc::new(ManualClock::at(now));
        let secrets = Secrets::from_text(&"a".repeat(32)).unwrap();
        let auth =
            Auth::builder(store).secrets(secrets).clock(clock.clone()).build().await.unwrap();
        let hour = |hours: i64| now + SignedDuration::from_hours(hours);
        let ada = auth.store().register(waiting(now, hour(2))).await.unwrap();
        let is_there = async || auth.store().user_by_id(ada.id).await.unwrap().is_some();
        auth.store().agree_on_time(now, Duration::ZERO).await.unwrap();

        assert_eq!(delete_lapsed(&auth).await.unwrap(), 0);
        // A clock that is ahead for a while deletes nobody.
        clock.set(hour(3));
        assert_eq!(delete_lapsed(&auth).await.unwrap(), 0);
        assert!(is_there().await);
        auth.store().agree_on_time(hour(3), Duration::from_secs(3 * 60 * 60)).await.unwrap();
        assert_eq!(delete_lapsed(&auth).await.unwrap(), 1);
        assert!(!is_there().await);
    }

    fn waiting(now: Timestamp, until: Timestamp) -> Register {
        let (token, password) = (OneTimeToken::draw(&OsRandom), EncodedPassword::unusable());
        let mail = NewMail::new(1, "ada@example.com", vec![1], now);
        Register {
            user: NewUser::new(Username::parse("ada").unwrap(), None, password),
            claims: Email::parse("ada@example.com").unwrap(),
            waits_until: Some(until),
            token: NewToken::new(&token, Purpose::VerifyEmail, now, until),
            mail: mail.clone(),
            taken: mail,
            bounds: crate::store::MailBounds::default(),
            now,
        }
    }
}

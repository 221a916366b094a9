//! Keeping house by clocks that may be wrong: what is forgotten only when two of them agree, and
//! what is remembered again when one comes back.

use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::{Auth, Inner};
use crate::store::StoreError;

/// Now and then forgets what nobody needs. Ends with the last [`Auth`].
pub(super) async fn maintain(auth: Weak<Inner>) {
    let mut next_after = BETWEEN_ROUNDS;
    loop {
        tokio::time::sleep(next_after.max(AT_LEAST_BETWEEN)).await;
        let Some(auth) = auth.upgrade().map(Auth) else { return };
        // Rounds that follow at once are one.
        let step = if next_after.is_zero() { Duration::ZERO } else { STEP };
        next_after = match prune(&auth, step).await {
            // Where more rows come than one round takes, the next one follows soon.
            Ok(gone) if gone >= u64::from(PRUNED_AT_ONCE) => Duration::ZERO,
            Ok(_) => BETWEEN_ROUNDS,
            Err(error) => {
                tracing::warn!(%error, "what nobody needs could not be forgotten; trying again");
                BETWEEN_ROUNDS
            }
        };
    }
}

/// Forgets what nobody needs, up to a bound; how many rows went, or what failed first, when every
/// part has had its turn. Nothing goes from the store but by this clock and the store's own idea of
/// the time, which follows it by a `step` at most.
pub(super) async fn prune(auth: &Auth, step: Duration) -> Result<u64, StoreError> {
    auth.forget_old_endings();
    let now = auth.0.clock.now();
    let agreed = auth.0.store.agree_on_time(now, step).await?;
    let (early, late) = (now.min(agreed), now.max(agreed));
    // Far enough that a clock which is years behind for some rounds corrects nothing.
    let latest = late.saturating_add(FEED_KEPT_LONGER).unwrap_or(Timestamp::MAX);
    let corrected = auth.0.store.correct_times(latest, late, PRUNED_AT_ONCE).await;
    if let Ok(rows @ 1..) = corrected {
        tracing::warn!(rows, now = %late, "rows were dated in the future by a wrong clock; they \
            count as written now");
    }
    let before = |kept| early.saturating_sub(kept).unwrap_or(Timestamp::MIN);
    let (store, tokens) = (&auth.0.store, before(TOKENS_KEPT));
    // Every part has its turn, whatever becomes of those before it.
    let changes = before(auth.endings_kept() + FEED_KEPT_LONGER);
    let parts = [
        store.prune(changes, before(ENDED_SESSIONS_KEPT), PRUNED_AT_ONCE).await,
        delete_users(auth, early).await,
        store.prune_tokens(tokens, PRUNED_AT_ONCE).await,
        store.prune_factors(tokens, tokens, PRUNED_AT_ONCE).await,
        store.prune_challenges(tokens, PRUNED_AT_ONCE).await,
        store.prune_mails(before(MAILS_KEPT), before(FAILED_MAILS_KEPT), PRUNED_AT_ONCE).await,
    ];
    let mut gone = 0;
    let mut failed = corrected.err();
    for part in parts {
        match part {
            Ok(rows) => gone += rows,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if gone > 0 {
        tracing::debug!(rows = gone, "forgot old changes, sessions, tokens and mails");
    }
    failed.map_or(Ok(gone), Err)
}

/// Deletes users who asked for it and whose time to come back is over, some at a time: each takes
/// other rows along, and others write meanwhile.
async fn delete_users(auth: &Auth, now: Timestamp) -> Result<u64, StoreError> {
    let mut gone = 0;
    while gone < u64::from(PRUNED_AT_ONCE) {
        let deleted = auth.0.store.delete_due_users(now, DELETED_AT_ONCE).await?;
        gone += deleted;
        if deleted < u64::from(DELETED_AT_ONCE) {
            break;
        }
    }
    if gone > 0 {
        tracing::info!(users = gone, "deleted users who had asked for it");
        auth.catch_up().await?;
    }
    Ok(gone)
}

/// What this process has forgotten.
#[derive(Debug, Default)]
pub(crate) struct Forgotten {
    /// Endings before this are not in memory any more, in whole seconds since 1970.
    forgotten: AtomicU64,
}

impl Forgotten {
    /// Notes that the endings before `at` are forgotten.
    pub(crate) fn forgot_before(&self, at: u64) {
        self.forgotten.fetch_max(at, Ordering::Relaxed);
    }

    /// Whether endings since `at` are needed that were forgotten: the clock was ahead, and has come
    /// back.
    pub(crate) fn has_forgotten(&self, at: u64) -> bool {
        at < self.forgotten.load(Ordering::Relaxed)
    }

    /// Notes that the endings since `at` are in memory again.
    pub(crate) fn remembers_since(&self, at: u64) {
        self.forgotten.store(at, Ordering::Relaxed);
    }
}

/// How far the store's idea of the time follows a clock in one round of keeping house, half a
/// minute: what a wrong clock can do in that time.
pub(crate) const STEP: Duration = Duration::from_secs(5 * 60);

/// Rows of the feed are kept for so long beyond their use, so that a node whose clock is ahead
/// takes nothing from the others.
pub(crate) const FEED_KEPT_LONGER: Duration = Duration::from_secs(30 * 60);

pub(super) const BETWEEN_ROUNDS: Duration = Duration::from_secs(30);

/// Rounds of pruning that follow each other leave the store to others for so long.
const AT_LEAST_BETWEEN: Duration = Duration::from_millis(100);

/// So that "why was I logged out?" can be answered for a while.
const ENDED_SESSIONS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// One-time tokens and sign-ins that waited, after they have expired, and factors that were never
/// confirmed.
const TOKENS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Mails that were sent. How many an address got is counted by them for an hour.
const MAILS_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// Mails that could not be sent, for the operator.
const FAILED_MAILS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const PRUNED_AT_ONCE: u32 = 1000;

/// Users who are deleted in one transaction.
const DELETED_AT_ONCE: u32 = 50;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use jiff::ToSpan;

    use super::*;
    use crate::Auth;
    use crate::clock::{Clock, ManualClock, SystemClock, seconds};
    use crate::http::Peer;
    use crate::password::EncodedPassword;
    use crate::session::{RevokedReason, Session, SessionId, Transport};
    use crate::store::sqlite::SqliteStore;
    use crate::store::{DeletionAsked, MailBounds, NewMail, SelfDeletion, StoreError};
    use crate::token::Secrets;
    use crate::user::{FoundUser, NewUser, User, UserId, Username, Users};

    /// A server of one user, and its clock, which is right at first: the database dates some rows
    /// by the machine's.
    struct Fixture {
        auth: Auth,
        clock: Arc<ManualClock>,
        right: Timestamp,
        user: UserId,
        directory: tempfile::TempDir,
    }

    impl Fixture {
        async fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(&directory.path().join("test.sqlite3")).unwrap();
            let right = SystemClock.now();
            let clock = Arc::new(ManualClock::at(right));
            let secrets = Secrets::from_text(&"a".repeat(32)).unwrap();
            let auth =
                Auth::builder(store).secrets(secrets).clock(clock.clone()).build().await.unwrap();
            let ada =
                NewUser::new(Username::parse("ada").unwrap(), None, EncodedPassword::unusable());
            let user = auth.store().create_user(ada, right).await.unwrap().id;
            Self { auth, clock, right, user, directory }
        }

        async fn log_in(&self) -> SessionId {
            let before: Vec<SessionId> =
                self.sessions().await.into_iter().map(|session| session.id).collect();
            self.auth.log_in(self.user, Transport::Body, &Peer::local()).await.unwrap();
            self.sessions()
                .await
                .into_iter()
                .map(|session| session.id)
                .find(|id| !before.contains(id))
                .unwrap()
        }

        async fn sessions(&self) -> Vec<Session> {
            self.auth.store().user_sessions(self.user, Timestamp::UNIX_EPOCH).await.unwrap()
        }

        /// Forty seconds under a clock that shows this: two rounds of keeping house.
        async fn under(&self, wrong: Timestamp) {
            self.clock.set(wrong);
            for _ in 0..2 {
                prune(&self.auth, STEP).await.unwrap();
                self.auth.catch_up().await.unwrap();
            }
        }

        async fn comes_back(&self) {
            self.clock.set(self.right);
            self.auth.catch_up().await.unwrap();
        }

        fn listed(&self) -> Vec<SessionId> {
            self.auth.0.feed.ended().after(None).map(|(_, id)| id).collect()
        }
    }

    #[tokio::test]
    async fn a_clock_that_runs_ahead_and_comes_back_brings_no_ended_session_back() {
        for ahead in [10.minutes(), 1_500.hours()] {
            let fixture = Fixture::new().await;
            let ended = fixture.log_in().await;
            fixture
                .auth
                .store()
                .revoke_session(ended, None, RevokedReason::Logout, fixture.right)
                .await
                .unwrap();
            fixture.auth.catch_up().await.unwrap();
            assert!(fixture.auth.revocations().contains(ended));
            fixture.under(fixture.right + ahead).await;
            assert!(
                !fixture.auth.revocations().contains(ended),
                "by that clock its tokens have expired"
            );
            fixture.comes_back().await;
            assert!(fixture.auth.revocations().contains(ended), "{ahead:?}");
            assert!(fixture.listed().contains(&ended), "and resource servers hear of it again");
        }
    }

    #[tokio::test]
    async fn what_ended_by_a_clock_that_is_behind_is_remembered_while_its_tokens_count_here() {
        for behind in [10.minutes(), 1_500.hours()] {
            let fixture = Fixture::new().await;
            let ended = fixture.log_in().await;
            let then = fixture.right - behind;
            let store = fixture.auth.store();
            store.revoke_session(ended, None, RevokedReason::Logout, then).await.unwrap();
            fixture.auth.catch_up().await.unwrap();
            prune(&fixture.auth, STEP).await.unwrap();
            assert!(fixture.auth.revocations().contains(ended), "{behind:?}");
            assert!(fixture.listed().contains(&ended), "and resource servers hear of it");
            fixture.clock.set(fixture.right + 10.minutes());
            prune(&fixture.auth, STEP).await.unwrap();
            assert!(fixture.auth.revocations().is_empty() && fixture.listed().is_empty());
        }
    }

    #[tokio::test]
    async fn mails_that_were_sent_are_forgotten_after_a_day_and_those_that_wait_are_not() {
        let fixture = Fixture::new().await;
        let store = fixture.auth.store();
        let mail = |id| NewMail::new(id, "ada@example.com", vec![1], fixture.right);
        store.queue_mails(vec![mail(1), mail(2)], MailBounds::default()).await.unwrap();
        store.mail_sent(1, fixture.right).await.unwrap();
        fixture.clock.advance(Duration::from_secs(25 * 60 * 60));
        // The store's idea of the time follows by five minutes a round.
        for _ in 0..301 {
            prune(&fixture.auth, STEP).await.unwrap();
        }
        let left = fixture.auth.store().outbox(None, None, 10).await.unwrap();
        assert_eq!(left.iter().map(|row| row.id).collect::<Vec<_>>(), [2]);
    }

    #[tokio::test]
    async fn a_part_that_fails_keeps_no_other_from_its_turn() {
        let fixture = Fixture::new().await;
        let store = fixture.auth.store();
        let mail = NewMail::new(1, "ada@example.com", vec![1], fixture.right);
        store.queue_mails(vec![mail], MailBounds::default()).await.unwrap();
        store.mail_sent(1, fixture.right).await.unwrap();
        let file = fixture.directory.path().join("test.sqlite3");
        let shell = rusqlite::Connection::open(file).unwrap();
        shell.execute_batch("ALTER TABLE pending_logins RENAME TO elsewhere").unwrap();
        let later = fixture.right + 48.hours();
        fixture.clock.set(later);
        let two_days = Duration::from_secs(48 * 60 * 60);
        store.agree_on_time(later, two_days).await.unwrap();
        assert!(prune(&fixture.auth, STEP).await.is_err());
        assert!(store.outbox(None, None, 10).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn who_asked_to_be_deleted_goes_when_both_clocks_say_so() {
        let fixture = Fixture::new().await;
        let store = fixture.auth.store();
        let session = fixture.log_in().await;
        let asked = SelfDeletion {
            user: fixture.user,
            checked: store.password_of(fixture.user).await.unwrap().unwrap(),
            session,
            at: Some(fixture.right + 24.hours()),
            now: fixture.right,
            ip: None,
            mails: Vec::new(),
        };
        assert_eq!(store.ask_deletion(asked).await.unwrap(), DeletionAsked::Done);
        // A clock that is months ahead for a while deletes nobody.
        fixture.under(fixture.right + 1_500.hours()).await;
        fixture.comes_back().await;
        assert!(store.user_by_id(fixture.user).await.unwrap().is_some());
        fixture.clock.advance(Duration::from_secs(25 * 60 * 60));
        // The store's idea of the time follows by five minutes a round.
        for _ in 0..301 {
            prune(&fixture.auth, STEP).await.unwrap();
        }
        assert!(store.user_by_id(fixture.user).await.unwrap().is_none());
        assert!(store.session(session).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_ended_before_a_start_is_remembered_when_the_clock_was_ahead_at_the_start() {
        let fixture = Fixture::new().await;
        let ended = fixture.log_in().await;
        fixture
            .auth
            .store()
            .revoke_session(ended, None, RevokedReason::Logout, fixture.right)
            .await
            .unwrap();
        let clock = Arc::new(ManualClock::at(fixture.right + 1_500.hours()));
        let secrets = Secrets::from_text(&"a".repeat(32)).unwrap();
        let store = Arc::clone(fixture.auth.store());
        let auth =
            Auth::builder_on(store).secrets(secrets).clock(clock.clone()).build().await.unwrap();
        assert!(!auth.revocations().contains(ended), "by that clock its tokens have expired");
        clock.set(fixture.right);
        auth.catch_up().await.unwrap();
        assert!(auth.revocations().contains(ended));
    }

    #[tokio::test]
    async fn what_was_too_much_to_list_while_the_clock_was_ahead_refuses_nobody_for_months() {
        let fixture = Fixture::new().await;
        fixture.clock.set(fixture.right + 1_500.hours());
        fixture.auth.doubt_what_is_known();
        prune(&fixture.auth, STEP).await.unwrap();
        fixture.comes_back().await;
        let now = seconds(fixture.right);
        let uncounted = fixture.auth.0.feed.ended().uncounted;
        assert!(
            uncounted.is_some_and(|at| at <= now),
            "resource servers refuse what was issued by then: {uncounted:?}"
        );
        let session = SessionId::new(7).unwrap();
        assert!(
            fixture.auth.0.doubt.is_in(session, now)
                && !fixture.auth.0.doubt.is_in(session, now + 61)
        );
    }

    /// Users of an app whose database stands still from the second time on that it is asked about
    /// passwords.
    #[derive(Debug, Default)]
    struct Still {
        was_asked: AtomicBool,
        is_asked_again: tokio::sync::Notify,
    }

    #[async_trait::async_trait]
    impl Users for Arc<Still> {
        type User = User;

        async fn by_login(&self, _: &str) -> Result<Option<FoundUser<User>>, StoreError> {
            Ok(None)
        }

        async fn by_id(&self, _: UserId) -> Result<Option<FoundUser<User>>, StoreError> {
            Ok(None)
        }

        async fn set_password(
            &self,
            _: UserId,
            _: &EncodedPassword,
            _: &EncodedPassword,
        ) -> Result<bool, StoreError> {
            Ok(false)
        }

        async fn note_login(&self, _: UserId, _: Timestamp) -> Result<(), StoreError> {
            Ok(())
        }

        async fn password_kinds(&self) -> Result<Vec<String>, StoreError> {
            if self.was_asked.swap(true, Ordering::Relaxed) {
                self.is_asked_again.notify_one();
                std::future::pending::<()>().await;
            }
            Ok(Vec::new())
        }
    }

    #[tokio::test]
    async fn users_of_an_app_that_stand_still_keep_nobody_from_keeping_house() {
        let fixture = Fixture::new().await;
        let still = Arc::new(Still::default());
        let secrets = Secrets::from_text(&"a".repeat(32)).unwrap();
        let store = Arc::clone(fixture.auth.store());
        let auth = Auth::builder_on(store)
            .secrets(secrets)
            .users(Arc::clone(&still))
            .build()
            .await
            .unwrap();
        tokio::select! {
            done = prune(&auth, STEP) => assert!(done.is_ok()),
            () = still.is_asked_again.notified() => panic!("it waits for the app's users"),
        }
    }

    #[tokio::test]
    async fn what_ended_while_the_clock_was_ahead_is_not_remembered_for_months() {
        let fixture = Fixture::new().await;
        let ahead = fixture.right + 1_500.hours();
        fixture.clock.set(ahead);
        let ended = fixture.log_in().await;
        fixture
            .auth
            .store()
            .revoke_session(ended, None, RevokedReason::Logout, ahead)
            .await
            .unwrap();
        fixture.auth.catch_up().await.unwrap();
        fixture.under(ahead).await;
        fixture.comes_back().await;
        assert!(fixture.auth.revocations().contains(ended));
        prune(&fixture.auth, STEP).await.unwrap();
        fixture.clock.set(fixture.right + 10.minutes());
        prune(&fixture.auth, STEP).await.unwrap();
        assert!(fixture.auth.revocations().is_empty() && fixture.listed().is_empty());
    }

    #[tokio::test]
    async fn a_clock_that_is_months_ahead_for_a_while_deletes_no_session() {
        let fixture = Fixture::new().await;
        let session = fixture.log_in().await;
        fixture.under(fixture.right + 1_500.hours()).await;
        fixture.comes_back().await;
        assert!(fixture.auth.store().session(session).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_right_clock_deletes_what_nobody_needs() {
        let fixture = Fixture::new().await;
        let session = fixture.log_in().await;
        let later = fixture.right + 1_500.hours();
        fixture.clock.set(later);
        // The server was off for two months, and the store comes to know it.
        for _day in 0..63 {
            fixture
                .auth
                .store()
                .agree_on_time(later, Duration::from_secs(24 * 60 * 60))
                .await
                .unwrap();
        }
        prune(&fixture.auth, STEP).await.unwrap();
        assert_eq!(fixture.auth.store().session(session).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_session_that_was_born_in_another_year_lives_no_longer_than_others() {
        let fixture = Fixture::new().await;
        fixture.under(fixture.right + 87_600.hours()).await;
        let born_then = fixture.log_in().await;
        fixture.comes_back().await;
        prune(&fixture.auth, STEP).await.unwrap();
        let session = fixture.auth.store().session(born_then).await.unwrap().unwrap();
        let latest = fixture.right + (2 * STEP + Duration::from_secs(1));
        assert!(session.created_at <= latest && session.last_used_at <= latest, "{session:?}");
        assert_eq!(
            session.created_at.duration_until(session.expires_at),
            jiff::SignedDuration::from_hours(30 * 24)
        );
    }

    #[tokio::test]
    async fn a_node_whose_clock_is_years_behind_moves_no_session_of_others() {
        let fixture = Fixture::new().await;
        let session = fixture.log_in().await;
        prune(&fixture.auth, STEP).await.unwrap();
        let before = fixture.auth.store().session(session).await.unwrap().unwrap();
        fixture.under(fixture.right - 175_200.hours()).await;
        assert_eq!(fixture.auth.store().session(session).await.unwrap(), Some(before));
    }
}

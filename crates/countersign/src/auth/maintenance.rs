//! Keeping house by clocks that may be wrong: what is forgotten only when two of them agree, and
//! what is remembered again when one comes back.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// What this process has forgotten.
#[derive(Debug, Default)]
pub(crate) struct House {
    /// Endings before this are not in memory any more, in whole seconds since 1970.
    forgotten: AtomicU64,
}

impl House {
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

/// Watches a clock beside one that nobody sets.
#[derive(Debug)]
pub(crate) struct Watch {
    seen: (Instant, Timestamp),
}

/// A clock that jumped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Jump {
    /// What it should have shown.
    pub(crate) expected: Timestamp,
    /// What it shows.
    pub(crate) shown: Timestamp,
}

impl Watch {
    /// Watches a clock that shows `now`.
    pub(crate) fn new(tick: Instant, now: Timestamp) -> Self {
        Self { seen: (tick, now) }
    }

    /// Looks again: a jump of more than a minute since the last look, whichever way.
    pub(crate) fn look(&mut self, tick: Instant, now: Timestamp) -> Option<Jump> {
        let (then, was) = std::mem::replace(&mut self.seen, (tick, now));
        let expected =
            was.saturating_add(tick.saturating_duration_since(then)).unwrap_or(Timestamp::MAX);
        (expected.duration_until(now).unsigned_abs() > WORTH_A_WORD)
            .then_some(Jump { expected, shown: now })
    }
}

/// How far the store's idea of the time follows a clock in one round of keeping house, half a
/// minute: what a wrong clock can do in that time.
pub(crate) const STEP: Duration = Duration::from_secs(5 * 60);

/// Rows of the feed are kept for so long beyond their use, so that a node whose clock is ahead
/// takes nothing from the others.
pub(crate) const FEED_KEPT_LONGER: Duration = Duration::from_secs(30 * 60);

const WORTH_A_WORD: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use jiff::ToSpan;

    use super::*;
    use crate::Auth;
    use crate::auth::prune;
    use crate::clock::{Clock, ManualClock, SystemClock};
    use crate::http::Peer;
    use crate::password::EncodedPassword;
    use crate::session::{RevokedReason, Session, SessionId, Transport};
    use crate::store::StoreError;
    use crate::store::sqlite::SqliteStore;
    use crate::token::Secrets;
    use crate::user::{FoundUser, NewUser, User, UserId, Username, Users};

    /// A server of one user, and its clock, which is right at first: the database dates some rows
    /// by the machine's.
    struct World {
        auth: Auth,
        clock: Arc<ManualClock>,
        right: Timestamp,
        user: UserId,
        _directory: tempfile::TempDir,
    }

    impl World {
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
            Self { auth, clock, right, user, _directory: directory }
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
            self.auth.feed.ended().after(None).map(|(_, id)| id).collect()
        }
    }

    #[tokio::test]
    async fn a_clock_that_runs_ahead_and_comes_back_brings_no_ended_session_back() {
        for ahead in [10.minutes(), 1_500.hours()] {
            let world = World::new().await;
            let ended = world.log_in().await;
            world
                .auth
                .store()
                .revoke_session(ended, None, RevokedReason::Logout, world.right)
                .await
                .unwrap();
            world.auth.catch_up().await.unwrap();
            assert!(world.auth.revocations.contains(ended));
            world.under(world.right + ahead).await;
            assert!(
                !world.auth.revocations.contains(ended),
                "by that clock its tokens have expired"
            );
            world.comes_back().await;
            assert!(world.auth.revocations.contains(ended), "{ahead:?}");
            assert!(world.listed().contains(&ended), "and resource servers hear of it again");
        }
    }

    #[tokio::test]
    async fn what_ended_before_a_start_is_remembered_when_the_clock_was_ahead_at_the_start() {
        let world = World::new().await;
        let ended = world.log_in().await;
        world
            .auth
            .store()
            .revoke_session(ended, None, RevokedReason::Logout, world.right)
            .await
            .unwrap();
        let clock = Arc::new(ManualClock::at(world.right + 1_500.hours()));
        let secrets = Secrets::from_text(&"a".repeat(32)).unwrap();
        let store = Arc::clone(world.auth.store());
        let auth =
            Auth::builder_on(store).secrets(secrets).clock(clock.clone()).build().await.unwrap();
        assert!(!auth.revocations.contains(ended), "by that clock its tokens have expired");
        clock.set(world.right);
        auth.catch_up().await.unwrap();
        assert!(auth.revocations.contains(ended));
    }

    #[tokio::test]
    async fn what_was_too_much_to_list_while_the_clock_was_ahead_refuses_nobody_for_months() {
        let world = World::new().await;
        world.clock.set(world.right + 1_500.hours());
        world.auth.doubt_what_is_known();
        prune(&world.auth, STEP).await.unwrap();
        world.comes_back().await;
        let now = crate::auth::seconds(world.right);
        let uncounted = world.auth.feed.ended().uncounted;
        assert!(
            uncounted.is_some_and(|at| at <= now),
            "resource servers refuse what was issued by then: {uncounted:?}"
        );
        let session = SessionId::new(7).unwrap();
        assert!(world.auth.doubt.is_in(session, now) && !world.auth.doubt.is_in(session, now + 61));
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
        let world = World::new().await;
        let still = Arc::new(Still::default());
        let secrets = Secrets::from_text(&"a".repeat(32)).unwrap();
        let store = Arc::clone(world.auth.store());
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
        let world = World::new().await;
        let ahead = world.right + 1_500.hours();
        world.clock.set(ahead);
        let ended = world.log_in().await;
        world.auth.store().revoke_session(ended, None, RevokedReason::Logout, ahead).await.unwrap();
        world.auth.catch_up().await.unwrap();
        world.under(ahead).await;
        world.comes_back().await;
        assert!(world.auth.revocations.contains(ended));
        prune(&world.auth, STEP).await.unwrap();
        world.clock.set(world.right + 10.minutes());
        prune(&world.auth, STEP).await.unwrap();
        assert!(world.auth.revocations.is_empty() && world.listed().is_empty());
    }

    #[tokio::test]
    async fn a_clock_that_is_months_ahead_for_a_while_deletes_no_session() {
        let world = World::new().await;
        let session = world.log_in().await;
        world.under(world.right + 1_500.hours()).await;
        world.comes_back().await;
        assert!(world.auth.store().session(session).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_right_clock_deletes_what_nobody_needs() {
        let world = World::new().await;
        let session = world.log_in().await;
        let later = world.right + 1_500.hours();
        world.clock.set(later);
        // The server was off for two months, and the store comes to know it.
        for _day in 0..63 {
            world
                .auth
                .store()
                .agree_on_time(later, Duration::from_secs(24 * 60 * 60))
                .await
                .unwrap();
        }
        prune(&world.auth, STEP).await.unwrap();
        assert_eq!(world.auth.store().session(session).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_session_that_was_born_in_another_year_lives_no_longer_than_others() {
        let world = World::new().await;
        world.under(world.right + 87_600.hours()).await;
        let born_then = world.log_in().await;
        world.comes_back().await;
        prune(&world.auth, STEP).await.unwrap();
        let session = world.auth.store().session(born_then).await.unwrap().unwrap();
        let latest = world.right + (2 * STEP + Duration::from_secs(1));
        assert!(session.created_at <= latest && session.last_used_at <= latest, "{session:?}");
        assert_eq!(
            session.created_at.duration_until(session.expires_at),
            jiff::SignedDuration::from_hours(30 * 24)
        );
    }

    #[tokio::test]
    async fn a_node_whose_clock_is_years_behind_moves_no_session_of_others() {
        let world = World::new().await;
        let session = world.log_in().await;
        prune(&world.auth, STEP).await.unwrap();
        let before = world.auth.store().session(session).await.unwrap().unwrap();
        world.under(world.right - 175_200.hours()).await;
        assert_eq!(world.auth.store().session(session).await.unwrap(), Some(before));
    }

    #[test]
    fn a_jump_of_more_than_a_minute_is_told_with_both_times_whichever_way() {
        let (start, noon) = (Instant::now(), "2026-06-01T12:00:00Z".parse::<Timestamp>().unwrap());
        let mut watch = Watch::new(start, noon);
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        assert_eq!(watch.look(after(10), noon + 10.seconds()), None);
        assert_eq!(watch.look(after(20), noon + 80.seconds()), None, "a minute, and no more");
        let ahead = noon + 1_500.hours();
        assert_eq!(
            watch.look(after(30), ahead),
            Some(Jump { expected: noon + 90.seconds(), shown: ahead })
        );
        assert_eq!(watch.look(after(40), ahead + 10.seconds()), None, "told once");
        let back = watch.look(after(50), noon + 50.seconds());
        assert_eq!(back, Some(Jump { expected: ahead + 20.seconds(), shown: noon + 50.seconds() }));
    }
}

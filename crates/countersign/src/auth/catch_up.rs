//! Following the feed of changes: what was changed in the store is taken in here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::clock_watch::{Jump, Watch};
use super::settings::WhenStale;
use super::{Auth, Inner};
use crate::clock::seconds;
use crate::session::{RevokedReason, SessionId};
use crate::store::{Change, Cursor, Store, StoreError, What};
use crate::user::UserId;

impl Auth {
    /// Takes in what has just been changed in the store, so that it holds in this process at once.
    /// Without it, it holds within a second: for whoever changes the store itself, and answers only
    /// when it is felt.
    ///
    /// # Errors
    /// The store's, as [`StoreError::Unknown`]: what was changed before stands, and here it is felt
    /// later.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let (auth, ada, now) = (world.auth, world.ada, world::midnight());
    /// auth.store().set_active(ada.id, false, now).await.unwrap();
    /// auth.catch_up().await.unwrap(); // from here on nobody is let in as Ada, in this process
    /// # });
    /// ```
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        // What was changed before stands, whatever goes wrong here.
        self.0
            .feed
            .read(async |position| self.read_on(position).await)
            .await
            .map_err(StoreError::unknown)
    }

    /// Ends all of a user's sessions, at once; how many there were. The clients learn the `reason`.
    ///
    /// # Errors
    /// The store's.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::session::{RevokedReason, Transport};
    ///
    /// # world::run(async |world| {
    /// # let (auth, ada) = (world.auth, world.ada);
    /// # for _ in 0..2 { world::log_in(&auth, Transport::Body).await; }
    /// // Ada is logged in twice.
    /// assert_eq!(auth.end_sessions(ada.id, RevokedReason::Admin).await.unwrap(), 2);
    /// # });
    /// ```
    pub async fn end_sessions(
        &self,
        user: UserId,
        reason: RevokedReason,
    ) -> Result<u64, StoreError> {
        let ended =
            self.0.store.revoke_user_sessions(user, None, reason, self.0.clock.now()).await?;
        self.catch_up().await?;
        Ok(ended)
    }

    /// Takes in at once, in this process, that a session ended at `at`: for whoever ended it. The
    /// others hear of it by the feed.
    pub(crate) fn session_ended(&self, session: SessionId, at: Timestamp) {
        self.0.feed.note_ended(&self.0.revocations, [(session, seconds(at))]);
    }

    /// Whether a session lives, as the store says now; for tokens in
    /// [`Doubt`](super::doubt::Doubt).
    pub(crate) async fn lives(&self, session: SessionId) -> Result<bool, StoreError> {
        let (moment, now) = (self.0.doubt.moment(), self.0.clock.now());
        let lives = self
            .0
            .store
            .session(session)
            .await?
            .is_some_and(|session| session.revoked.is_none() && session.expires_at > now);
        if lives {
            self.0.doubt.lives(session, moment);
        } else {
            self.session_ended(session, now);
        }
        Ok(lives)
    }

    /// Whether nobody may be let in, since sessions may have been ended long ago that this process
    /// knows nothing of.
    pub(crate) fn is_too_stale(&self) -> bool {
        self.0.settings.when_stale == WhenStale::Refuse && self.is_stale()
    }

    /// Whether it has been too long since the store told what changed. Asked at each request, since
    /// a process that was frozen must not answer with what it knew before.
    pub(super) fn is_stale(&self) -> bool {
        self.0.lag.ago() > self.0.settings.max_staleness
    }

    /// Reads the feed to its end, a page at a time; where that is too far, skips the rest and
    /// doubts what is known. What is read twice does no harm.
    async fn read_on(&self, position: &mut Cursor) -> Result<(), StoreError> {
        let (asked, now) = (self.0.lag.tick(), self.seconds());
        if self.0.lag.of(now) > self.endings_kept() {
            self.begin_after_a_gap().await?;
        }
        if self.0.forgotten.has_forgotten(seconds(self.forgotten_before())) {
            self.remember_again(position).await?;
        }
        let mut read = 0;
        loop {
            let page = self.0.store.changes(position, FEED_PAGE).await?;
            if page.went_back {
                self.begin_anew().await?;
            }
            self.apply(&page.changes).await?;
            *position = page.cursor;
            read += page.changes.len();
            if !page.more {
                break;
            }
            if read >= READ_AT_ONCE as usize {
                let end = self.0.store.cursor_now().await?;
                self.doubt_what_is_known();
                self.load_keys().await?;
                *position = end;
                break;
            }
        }
        self.0.lag.applied_until(asked, now);
        Ok(())
    }

    /// Nothing was heard for so long that the feed may be pruned beyond where this process stands:
    /// keys may have been rotated, users changed and sessions ended that it does not tell of any
    /// more. It still has the endings whose access tokens count.
    async fn begin_after_a_gap(&self) -> Result<(), StoreError> {
        self.load_keys().await?;
        self.0.user_cache.forget_all();
        self.0.revocations.doubt_all();
        let settings = &self.0.settings;
        if settings.when_stale == WhenStale::GoOn || settings.max_staleness > self.endings_kept() {
            // Its lists went on for long, so that who followed them noticed no gap.
            self.0.feed.note_uncounted(self.seconds());
        }
        tracing::info!("nothing was heard for long; what was remembered is read anew");
        Ok(())
    }

    /// The clock was ahead, and has come back: tokens count again whose sessions' ends were
    /// forgotten. The feed still has them.
    async fn remember_again(&self, position: &mut Cursor) -> Result<(), StoreError> {
        let (now, from) = (self.0.clock.now(), self.forgotten_before());
        match self.0.store.cursor_at(from, READ_AT_ONCE).await? {
            Some(earlier) => *position = earlier,
            None => self.doubt_what_is_known(),
        }
        self.0.revocations.nothing_after(seconds(now));
        self.0.feed.nothing_after(seconds(now));
        self.0.doubt.nothing_after(seconds(now) + CLOCKS_APART.as_secs());
        self.0.forgotten.remembers_since(seconds(from));
        Ok(())
    }

    /// The database may live in another history than before, and have lost keys, users and
    /// sessions: tokens that were issued before are asked about once.
    async fn begin_anew(&self) -> Result<(), StoreError> {
        self.load_keys().await?;
        self.0.doubt.begin(self.seconds() + CLOCKS_APART.as_secs());
        self.0.revocations.doubt_all();
        self.0.user_cache.forget_all();
        Ok(())
    }

    async fn apply(&self, changes: &[Change]) -> Result<(), StoreError> {
        // By our clock, whatever the one of the node that ended them shows: dated by one that is
        // behind, they would be forgotten while their tokens count here; by one that is ahead, they
        // would be remembered until that time.
        let now = self.seconds();
        let ended = changes.iter().filter_map(|change| match change.what {
            What::SessionEnded(id) => Some((id, now)),
            _ => None,
        });
        self.0.feed.note_ended(&self.0.revocations, ended);
        for change in changes {
            if let What::UserChanged(id) = change.what {
                self.0.user_cache.forget(id);
            }
        }
        if changes.iter().any(|change| change.what == What::AllUsersChanged) {
            self.0.user_cache.forget_all();
        }
        if changes.iter().any(|change| change.what == What::KeysChanged) {
            self.load_keys().await?;
        }
        Ok(())
    }

    /// More has changed than is read one by one: forgets what is remembered of users, and asks the
    /// store about the sessions of tokens that were issued by now.
    pub(crate) fn doubt_what_is_known(&self) {
        let now = self.seconds();
        tracing::warn!(
            "more changed at once than is read one by one; what was remembered is read anew"
        );
        // Another node's clock may be ahead.
        self.0.doubt.begin(now + CLOCKS_APART.as_secs());
        self.0.revocations.doubt_all();
        self.0.feed.note_uncounted(now);
        self.0.user_cache.forget_all();
    }

    /// Sessions that ended before this have no living access token any more.
    pub(crate) fn forgotten_before(&self) -> Timestamp {
        self.0.clock.now().saturating_sub(self.endings_kept()).unwrap_or(Timestamp::MIN)
    }

    /// Forgets the sessions whose last access token has expired.
    pub(super) fn forget_old_endings(&self) {
        let before = seconds(self.forgotten_before());
        self.0.revocations.forget_before(before);
        self.0.feed.forget_before(before);
        self.0.forgotten.forgot_before(before);
    }

    /// How long an ending is told of.
    pub(crate) fn endings_kept(&self) -> Duration {
        self.0.settings.access_lifetime + CLOCKS_APART
    }
}

/// Follows the feed. Ends with the last [`Auth`].
pub(super) async fn follow(auth: Weak<Inner>, store: Arc<dyn Store>) {
    let (mut watch, mut was_stale) = (None, false);
    loop {
        {
            let Some(auth) = auth.upgrade().map(Auth) else { return };
            let (tick, now) = (Instant::now(), auth.0.clock.now());
            if let Some(Jump { expected, shown }) =
                watch.get_or_insert_with(|| Watch::new(tick, now)).look(tick, now)
            {
                tracing::warn!(%expected, %shown, "the clock of this machine jumped, or the \
                    machine slept");
            }
            let done = auth.catch_up().await;
            let is_stale = auth.is_stale();
            match (was_stale, is_stale) {
                (true, false) => tracing::info!("the store tells again what changed"),
                (false, true) => {
                    let settings = &auth.0.settings;
                    let (longest, then) = (settings.max_staleness, settings.when_stale);
                    tracing::error!(
                        max_staleness = ?longest,
                        ?then,
                        "nothing has been heard of changes for too long"
                    );
                }
                _ => {}
            }
            was_stale = is_stale;
            if let Err(error) = done {
                tracing::warn!(%error, "the store does not answer; trying again");
            }
        }
        store.await_changes().await;
    }
}

/// Until when everything that changed in the store is known here.
pub(super) struct FeedLag {
    born: Instant,
    /// Milliseconds after it was born, on a clock that nobody sets and that runs while the process
    /// is frozen.
    until: AtomicU64,
    /// The same by the clock, in whole seconds since 1970: it runs while the machine sleeps.
    read_at: AtomicU64,
}

impl FeedLag {
    pub(super) fn beginning(now: u64) -> Self {
        Self { born: Instant::now(), until: AtomicU64::new(0), read_at: AtomicU64::new(now) }
    }

    fn tick(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn applied_until(&self, tick: u64, now: u64) {
        self.until.fetch_max(tick, Ordering::Relaxed);
        self.read_at.store(now, Ordering::Relaxed);
    }

    /// How long ago that was, by whichever clock says more. `now` is in whole seconds since 1970.
    fn of(&self, now: u64) -> Duration {
        let by_the_clock = now.abs_diff(self.read_at.load(Ordering::Relaxed));
        self.ago().max(Duration::from_secs(by_the_clock))
    }

    fn ago(&self) -> Duration {
        Duration::from_millis(self.tick().saturating_sub(self.until.load(Ordering::Relaxed)))
    }
}

/// What the clocks of several machines may differ by.
pub(super) const CLOCKS_APART: Duration = Duration::from_secs(60);

/// A few megabytes, and a few hundredths of a second.
const FEED_PAGE: u32 = 10_000;

/// How many changes are read one by one: a second, and 10 MB of sessions that ended.
pub(super) const READ_AT_ONCE: u32 = 100_000;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::clock::{Clock, ManualClock, OsRandom, SystemClock};
    use crate::http::Peer;
    use crate::password::EncodedPassword;
    use crate::session::Transport;
    use crate::store::KeyStore;
    use crate::store::sqlite::SqliteStore;
    use crate::token::{Algorithm, SealedKey, Secrets};
    use crate::user::{NewUser, Username};

    #[tokio::test]
    async fn who_was_cut_off_for_longer_than_the_feed_is_sure_to_reach_reads_everything_anew() {
        for (more, is_anew) in [(Duration::ZERO, false), (Duration::from_secs(1), true)] {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("test.sqlite3");
            let now = SystemClock.now();
            let clock = Arc::new(ManualClock::at(now));
            let secrets = || Secrets::from_text(&"a".repeat(32)).unwrap();
            let builder = Auth::builder(SqliteStore::open(&file).unwrap());
            let auth = builder.secrets(secrets()).clock(clock.clone()).build().await.unwrap();
            let stream = auth.0.revocations.ended(SessionId::new(7).unwrap());
            let moment = auth.0.user_cache.moment();
            let key = SealedKey::generate(Algorithm::EdDsa, &secrets(), now, now, &OsRandom);
            let key = key.unwrap();
            let id = key.id.to_string();
            // Another process rotates the keys, and the feed is pruned. Nothing else runs on this
            // thread meanwhile, and what follows the feed does not either.
            let elsewhere = || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let store = SqliteStore::open(&file).unwrap();
                runtime.block_on(store.add_key(key, now)).unwrap();
                let connection = rusqlite::Connection::open(&file).unwrap();
                connection.execute_batch("DELETE FROM changes").unwrap();
            };
            std::thread::scope(|scope| scope.spawn(elsewhere).join().unwrap());
            clock.advance(auth.endings_kept() + more);
            auth.catch_up().await.unwrap();
            assert_eq!(auth.0.ring.key_set().get(&id).is_some(), is_anew, "the keys");
            assert_eq!(stream.now_or_never().is_some(), is_anew, "who streams");
            assert_eq!(auth.0.user_cache.moment() > moment, is_anew, "the users");
        }
    }

    #[tokio::test]
    async fn who_begins_to_wait_after_all_were_told_that_they_may_have_ended_is_told_too() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("test.sqlite3")).unwrap();
        let secrets = Secrets::from_text(&"a".repeat(32)).unwrap();
        let auth = Auth::builder(store).secrets(secrets).build().await.unwrap();
        let ada = NewUser::new(Username::parse("ada").unwrap(), None, EncodedPassword::unusable());
        let ada = auth.store().create_user(ada, SystemClock.now()).await.unwrap().id;
        let login = auth.log_in(ada, Transport::Body, &Peer::local()).await.unwrap();
        // A request passed, and its handler has something to do before it streams.
        let passed = auth.verify(login.access_token()).await.unwrap();
        auth.doubt_what_is_known();
        assert!(passed.ended().now_or_never().is_some());
        let later = auth.verify(login.access_token()).await.unwrap();
        assert!(later.ended().now_or_never().is_none(), "it was asked about after that");
    }
}

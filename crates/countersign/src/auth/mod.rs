//! [`Auth`]: everything a flow needs, in one place that is cheap to share.

pub(crate) mod attempts;
pub(crate) mod builder;
pub(crate) mod doubt;
pub mod events;
pub(crate) mod feed;
pub(crate) mod maintenance;
pub(crate) mod revocation_list;
pub mod settings;

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use countersign_verify::{Revocations, Verifier};
use jiff::Timestamp;

use crate::auth::attempts::Attempts;
use crate::auth::builder::{AuthBuilder, Parts};
use crate::auth::doubt::Doubt;
use crate::auth::events::Events;
use crate::auth::feed::Feed;
use crate::auth::maintenance::{FEED_KEPT_LONGER, House, Jump, STEP, Watch};
use crate::auth::revocation_list::RevocationList;
use crate::auth::settings::{Checked, Settings, SettingsError, WhenStale};
use crate::clock::{Clock, OnceAMinute, Random, random_bytes, seconds};
use crate::key_rotation::{RotateError, rotate};
use crate::password::{HashSettingsError, Passwords};
use crate::session::{RevokedReason, SessionId};
use crate::store::{Change, Cursor, Store, StoreError, What};
use crate::supervise::kept_up;
use crate::throttle::RefreshLimit;
use crate::token::csrf::CsrfTokens;
use crate::token::device::DeviceTokens;
use crate::token::{KeyError, KeyRing, RefreshTokens, Secrets, SecretsError};
use crate::user::{Attached, Directory, KnownUser, UserCache, UserId};

/// First-party login, ready to be mounted.
///
/// ```
/// use countersign::store::sqlite::SqliteStore;
/// use countersign::token::Secrets;
/// use countersign::Auth;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let directory = tempfile::tempdir().unwrap();
/// let store = SqliteStore::open(&directory.path().join("countersign.sqlite3")).unwrap();
/// let secrets = Secrets::from_text("a secret of at least thirty-two characters").unwrap();
/// let auth = Auth::builder(store).secrets(secrets).build().await.unwrap();
/// let app: axum::Router = axum::Router::new().merge(auth.routes());
/// # });
/// ```
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

/// What [`Auth`] shares. Open to the crate's own rooms only.
pub struct Inner {
    pub(crate) settings: Settings,
    pub(crate) checked: Checked,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) people: Directory,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) passwords: Passwords,
    pub(crate) attempts: Attempts,
    pub(crate) refresh_limit: RefreshLimit,
    pub(crate) csrf: CsrfTokens,
    pub(crate) devices: DeviceTokens,
    pub(crate) refresh_tokens: RefreshTokens,
    pub(crate) ring: KeyRing,
    pub(crate) verifier: Verifier<Attached>,
    pub(crate) revocations: Revocations,
    pub(crate) doubt: Doubt,
    pub(crate) users: UserCache,
    pub(crate) feed: Feed,
    pub(crate) revocation_list: RevocationList,
    pub(crate) refused_origins: OnceAMinute,
    pub(crate) house: House,
    heard: Heard,
    pulse: Pulse,
    secrets: Secrets,
}

impl Auth {
    /// What to build it from. The store keeps the sessions, and the users unless you keep them
    /// yourself.
    ///
    /// ```
    /// use countersign::store::sqlite::SqliteStore;
    /// use countersign::token::Secrets;
    /// use countersign::Auth;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let directory = tempfile::tempdir().unwrap();
    /// # let path = directory.path().join("app.sqlite3");
    /// let auth = Auth::builder(SqliteStore::open(&path).unwrap())
    ///     .secrets(Secrets::from_text("a secret of at least thirty-two characters").unwrap())
    ///     .public_url("https://app.example.com")
    ///     .build()
    ///     .await
    ///     .unwrap();
    /// let app: axum::Router = auth.routes();
    /// # });
    /// ```
    pub fn builder(store: impl Store) -> AuthBuilder {
        Self::builder_on(Arc::new(store))
    }

    /// As [`builder`](Self::builder), on a store that others use too.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::sync::Arc;
    ///
    /// use countersign::Auth;
    /// use countersign::store::Store;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let store: Arc<dyn Store> = Arc::new(store);
    /// let auth = Auth::builder_on(Arc::clone(&store)).secrets(secrets).build().await.unwrap();
    /// assert!(store.users(None, 10).await.unwrap().is_empty());
    /// # });
    /// ```
    pub fn builder_on(store: Arc<dyn Store>) -> AuthBuilder {
        AuthBuilder::new(store)
    }

    pub(crate) async fn start(parts: Parts) -> Result<Self, StartError> {
        let Parts { settings, secrets, store, users, events, clock, random } = parts;
        let checked = settings.check()?;
        let now = clock.now();
        // Read before the keys and the users, so that whatever changes meanwhile is read again.
        let since = now.saturating_sub(settings.access_lifetime + CLOCKS_APART)?;
        let (cursor, is_doubtful) = match store.cursor_at(since, READ_AT_ONCE).await? {
            Some(cursor) => (cursor, false),
            None => (store.cursor_now().await?, true),
        };
        let ring = open_ring(&settings, &secrets, &*store, &*clock, &*random).await?;
        let verifier =
            Verifier::new(checked.issuer.clone(), settings.audience.clone(), ring.key_set(), 0)
                .within(settings.token_cache_bytes, |_| 0)
                .no_longer_than(settings.access_lifetime.as_secs());
        let refresh_tokens = refresh_tokens(&settings, &checked, &secrets);
        let auth = Self(Arc::new(Inner {
            passwords: Passwords::new(settings.hash)?,
            attempts: Attempts::new(settings.throttle, &secrets),
            refresh_limit: RefreshLimit::new(settings.session_refreshes_per_minute),
            csrf: CsrfTokens::new(&secrets),
            devices: DeviceTokens::new(&secrets),
            refresh_tokens,
            revocations: Revocations::default(),
            doubt: Doubt::default(),
            users: UserCache::new(USERS_REMEMBERED),
            feed: Feed::starting_at(cursor, u64::from_be_bytes(random_bytes(&*random))),
            revocation_list: RevocationList::default(),
            refused_origins: OnceAMinute::default(),
            house: House::default(),
            heard: Heard::now(),
            pulse: Pulse::default(),
            people: users.map_or_else(|| Directory::Own(Arc::clone(&store)), Directory::Custom),
            events,
            settings,
            checked,
            store,
            clock,
            random,
            ring,
            verifier,
            secrets,
        }));
        // Where the clock is ahead now and comes back, there was more to read than was read.
        auth.house.forgot_before(seconds(since));
        if is_doubtful {
            auth.doubt_what_is_known();
        }
        auth.catch_up().await?;
        auth.passwords.note_kinds(&auth.people.password_kinds().await?);
        // Each on its own: an ending must not wait for what deletes old rows, nor that for an app's
        // own users.
        let (inner, store) = (Arc::downgrade(&auth.0), Arc::clone(&auth.store));
        tokio::spawn(async move {
            kept_up("following the feed", || follow(inner.clone(), Arc::clone(&store))).await;
        });
        let inner = Arc::downgrade(&auth.0);
        tokio::spawn(async move { kept_up("keeping house", || keep_house(inner.clone())).await });
        let inner = Arc::downgrade(&auth.0);
        tokio::spawn(async move {
            kept_up("looking at passwords", || look_at_passwords(inner.clone())).await;
        });
        Ok(auth)
    }

    /// The store.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::password::EncodedPassword;
    /// use countersign::user::{NewUser, Username};
    ///
    /// # world::run(async |world| {
    /// # let (auth, now) = (world.auth, world::midnight());
    /// let bob = NewUser::new(Username::parse("bob").unwrap(), None, EncodedPassword::unusable());
    /// let bob = auth.store().create_user(bob, now).await.unwrap();
    /// assert_eq!(auth.store().user_by_id(bob.id).await.unwrap(), Some(bob));
    /// # });
    /// ```
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.0.store
    }

    /// The hashing pool.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::password::Password;
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let password = Password::parse("tin kettle 14".to_owned()).unwrap();
    /// let stored = auth.passwords().hash(&password).await.unwrap(); // for your own table
    /// assert!(stored.as_str().starts_with("argon2$argon2id$"));
    /// # });
    /// ```
    pub fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    /// Whether the store answers and can be written. It is written for this once a second at most,
    /// however often it is asked; whoever asks meanwhile shares the answer.
    ///
    /// # Errors
    /// The store's.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, http::StatusCode, routing::get};
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let health = get(move || {
    ///     let auth = auth.clone();
    ///     async move {
    ///         if auth.ready().await.is_ok() {
    ///             StatusCode::OK
    ///         } else {
    ///             StatusCode::SERVICE_UNAVAILABLE
    ///         }
    ///     }
    /// });
    /// let app: Router = Router::new().route("/healthz", health);
    /// # assert_eq!(world::get(&app, "/healthz", None).await.0, 200);
    /// # });
    /// ```
    pub async fn ready(&self) -> Result<(), StoreError> {
        if self.is_stale() {
            return Err(StoreError::Failed(
                "nothing was heard of changes for longer than max_staleness".to_owned(),
            ));
        }
        if let Some(trouble) = self.store.trouble() {
            return Err(trouble);
        }
        self.pulse.feel(&*self.store).await
    }

    /// The last thing before the process ends: brings everything into the database's own file,
    /// where the store keeps a log beside it. A copy of that file is then whole.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// // axum::serve(listener, app).with_graceful_shutdown(signal).await
    /// auth.close().await;
    /// # });
    /// ```
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Whether nobody may be let in, since sessions may have been ended long ago that this process
    /// knows nothing of.
    pub(crate) fn is_too_stale(&self) -> bool {
        self.settings.when_stale == WhenStale::Refuse && self.is_stale()
    }

    /// Whether it has been too long since the store told what changed. Asked at each request, since
    /// a process that was frozen must not answer with what it knew before.
    fn is_stale(&self) -> bool {
        self.heard.ago() > self.settings.max_staleness
    }

    /// Figures for metrics.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::session::RevokedReason;
    ///
    /// # world::run(async |world| {
    /// # let (auth, ada) = (world.auth, world.ada);
    /// # world::log_in(&auth, countersign::session::Transport::Body).await;
    /// auth.end_sessions(ada.id, RevokedReason::Admin).await.unwrap();
    /// assert_eq!(auth.stats().sessions_revoked, 1);
    /// # });
    /// ```
    pub fn stats(&self) -> Stats {
        Stats {
            hash_queue: self.passwords.queue_len(),
            users_cached: self.users.len(),
            tokens_cached: self.verifier.remembered(),
            sessions_revoked: self.revocations.len(),
        }
    }

    /// Tells every process that a row of the app's own [`Users`](crate::user::Users) changed: this
    /// one at once, the others within a second. A user who became inactive is refused from then on;
    /// to end the sessions for good, [`end_sessions`](Self::end_sessions) too.
    ///
    /// # Errors
    /// The store's.
    ///
    /// ```
    /// use countersign::Auth;
    /// use countersign::store::StoreError;
    /// use countersign::user::UserId;
    ///
    /// async fn promote(auth: &Auth, member: UserId) -> Result<(), StoreError> {
    ///     // UPDATE members SET is_staff = true WHERE …
    ///     auth.user_changed(member).await
    /// }
    /// ```
    pub async fn user_changed(&self, user: UserId) -> Result<(), StoreError> {
        self.store.note_user_changed(user, self.clock.now()).await?;
        self.users.forget(user);
        Ok(())
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
        let ended = self.store.revoke_user_sessions(user, None, reason, self.clock.now()).await?;
        self.catch_up().await?;
        Ok(ended)
    }

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
        self.feed
            .read(async |position| self.read_on(position).await)
            .await
            .map_err(StoreError::unknown)
    }

    /// Reads the feed to its end, a page at a time; where that is too far, skips the rest and
    /// doubts what is known. What is read twice does no harm.
    async fn read_on(&self, position: &mut Cursor) -> Result<(), StoreError> {
        let asked = self.heard.tick();
        if self.house.has_forgotten(seconds(self.forgotten_before())) {
            self.remember_again(position).await?;
        }
        let mut read = 0;
        loop {
            let page = self.store.changes(position, FEED_PAGE).await?;
            if page.went_back {
                self.begin_anew().await?;
            }
            self.take(&page.changes).await?;
            *position = page.cursor;
            read += page.changes.len();
            if !page.more {
                break;
            }
            if read >= READ_AT_ONCE as usize {
                let end = self.store.cursor_now().await?;
                self.doubt_what_is_known();
                self.load_keys().await?;
                *position = end;
                break;
            }
        }
        self.heard.all_until(asked);
        Ok(())
    }

    /// The clock was ahead, and has come back: tokens count again whose sessions' ends were
    /// forgotten. The feed still has them.
    async fn remember_again(&self, position: &mut Cursor) -> Result<(), StoreError> {
        let (now, from) = (self.clock.now(), self.forgotten_before());
        match self.store.cursor_at(from, READ_AT_ONCE).await? {
            Some(earlier) => *position = earlier,
            None => self.doubt_what_is_known(),
        }
        self.revocations.nothing_after(seconds(now));
        self.feed.nothing_after(seconds(now));
        self.doubt.nothing_after(seconds(now) + CLOCKS_APART.as_secs());
        self.house.remembers_since(seconds(from));
        Ok(())
    }

    /// The database may live in another history than before, and have lost keys, users and
    /// sessions: tokens that were issued before are asked about once.
    async fn begin_anew(&self) -> Result<(), StoreError> {
        self.load_keys().await?;
        self.doubt.begin(self.seconds() + CLOCKS_APART.as_secs());
        self.users.forget_all();
        Ok(())
    }

    async fn take(&self, changes: &[Change]) -> Result<(), StoreError> {
        // Dated by a clock that is ahead, they would be remembered until that time.
        let now = self.seconds();
        let ended = changes.iter().filter_map(|change| match change.what {
            What::SessionEnded(id) => Some((id, seconds(change.at).min(now))),
            _ => None,
        });
        self.feed.note_ended(&self.revocations, ended);
        for change in changes {
            if let What::UserChanged(id) = change.what {
                self.users.forget(id);
            }
        }
        if changes.iter().any(|change| change.what == What::AllUsersChanged) {
            self.users.forget_all();
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
        self.doubt.begin(now + CLOCKS_APART.as_secs());
        self.feed.note_uncounted(now);
        self.users.forget_all();
    }

    /// Takes in at once, in this process, that a session ended at `at`: for whoever ended it. The
    /// others hear of it by the feed.
    pub(crate) fn session_ended(&self, session: SessionId, at: Timestamp) {
        self.feed.note_ended(&self.revocations, [(session, seconds(at))]);
    }

    /// Whether a session lives, as the store says now; for tokens in [`Doubt`].
    pub(crate) async fn lives(&self, session: SessionId) -> Result<bool, StoreError> {
        let (moment, now) = (self.doubt.moment(), self.clock.now());
        let lives = self
            .store
            .session(session)
            .await?
            .is_some_and(|session| session.revoked.is_none() && session.expires_at > now);
        if lives {
            self.doubt.lives(session, moment);
        } else {
            self.session_ended(session, now);
        }
        Ok(lives)
    }

    /// The user with this id, from the cache if it is there and not old.
    pub(crate) async fn user(&self, id: UserId) -> Result<Option<Arc<KnownUser>>, StoreError> {
        let known = self.users.get(id);
        let age = known.as_ref().map_or(u64::MAX, |user| user.age(self.seconds()));
        if age < self.read_again_after() {
            return Ok(known);
        }
        match self.user_as_is(id).await {
            // Nobody is turned away before the row is too old, nor after it by those who were told
            // to go on.
            Err(error)
                if known.is_some()
                    && (age < self.row_lifetime()
                        || self.settings.when_stale == WhenStale::GoOn) =>
            {
                tracing::debug!(%error, user = %id, "a user's row could not be read again; the one \
                    from before goes on");
                Ok(known)
            }
            read => read,
        }
    }

    /// The user with this id as the row is now; what was known before is forgotten.
    async fn user_as_is(&self, id: UserId) -> Result<Option<Arc<KnownUser>>, StoreError> {
        let (moment, now) = (self.users.moment(), self.seconds());
        let user = self.people.by_id(id).await?.map(|user| Arc::new(user.dated(now)));
        let before = self.users.get(id);
        match (&user, before) {
            // Whoever changed the row did not say so. Tokens that remember the old one forget it
            // too.
            (None, Some(_)) => self.users.forget(id),
            (Some(user), Some(before)) if !before.has_rights_of(user) => self.users.forget(id),
            (Some(user), _) => self.users.keep(Arc::clone(user), moment),
            (None, None) => {}
        }
        Ok(user)
    }

    /// The user whose session is refreshed. Changes of the store's own rows tell themselves,
    /// whoever makes them; an app's own row is read, since a writer that knows nothing of us says
    /// nothing.
    pub(crate) async fn user_at_refresh(
        &self,
        id: UserId,
    ) -> Result<Option<Arc<KnownUser>>, StoreError> {
        if self.people.tells_of_changes() { self.user(id).await } else { self.user_as_is(id).await }
    }

    /// For how many seconds a row counts at most: as long as an access token, which says the same
    /// for as long.
    pub(crate) fn row_lifetime(&self) -> u64 {
        self.settings.access_lifetime.as_secs()
    }

    /// The age in seconds from which on a row is read again, by one request while the others go on
    /// with it.
    pub(crate) fn read_again_after(&self) -> u64 {
        self.row_lifetime() - self.row_lifetime() / 4
    }

    /// Sessions that ended before this have no living access token any more.
    pub(crate) fn forgotten_before(&self) -> Timestamp {
        self.clock.now().saturating_sub(self.endings_kept()).unwrap_or(Timestamp::MIN)
    }

    /// Forgets the sessions whose last access token has expired.
    fn forget_old_endings(&self) {
        let before = seconds(self.forgotten_before());
        self.revocations.forget_before(before);
        self.feed.forget_before(before);
        self.house.forgot_before(before);
    }

    /// How long an ending is told of.
    pub(crate) fn endings_kept(&self) -> Duration {
        self.settings.access_lifetime + CLOCKS_APART
    }

    /// Reads the signing keys again.
    pub(crate) async fn load_keys(&self) -> Result<(), StoreError> {
        let keys = self.store.keys().await?;
        if let Err(error) = self.ring.replace(&keys, &self.secrets, self.clock.now()) {
            tracing::error!(%error, "the signing keys changed and cannot be read; the old ones go \
                on");
            return Ok(());
        }
        self.verifier.set_keys(&self.ring.key_set());
        Ok(())
    }
}

impl Deref for Auth {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("issuer", &self.checked.issuer)
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl Inner {
    /// The time, in whole seconds since 1970.
    pub(crate) fn seconds(&self) -> u64 {
        self.clock.seconds()
    }
}

/// Figures for metrics.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// # world::run(async |world| {
/// # let auth = world.auth;
/// let stats = auth.stats();
/// assert_eq!((stats.hash_queue, stats.tokens_cached, stats.sessions_revoked), (0, 0, 0));
/// # });
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Stats {
    /// Hashes that wait for a thread.
    pub hash_queue: usize,
    /// Users in the cache.
    pub users_cached: usize,
    /// Verified tokens in the cache.
    pub tokens_cached: usize,
    /// Sessions that ended within the last access-token lifetime.
    pub sessions_revoked: usize,
}

/// Why it does not start.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::Auth;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// let error = Auth::builder(store).build().await.unwrap_err();
/// assert!(
///     error.to_string().starts_with(
///         "no secret was given: keep at least 32 random characters out of the source"
///     )
/// );
/// # });
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting cannot stand.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Hashing cannot be done as asked.
    #[error(transparent)]
    Hash(#[from] HashSettingsError),
    /// No secret was given.
    #[error(
        "no secret was given: keep at least 32 random characters out of the source, and give them \
         to secrets() or secret_file()"
    )]
    NoSecret,
    /// The secret cannot be used.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signing keys cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The first signing key could not be made.
    #[error(transparent)]
    Rotate(#[from] RotateError),
    /// The clock is beyond all calendars.
    #[error("the clock cannot be right: {0}")]
    Clock(#[from] jiff::Error),
}

/// Until when everything that changed in the store is known here.
struct Heard {
    born: Instant,
    /// Milliseconds after it was born, on a clock that nobody sets and that runs while the process
    /// is frozen.
    until: AtomicU64,
}

impl Heard {
    fn now() -> Self {
        Self { born: Instant::now(), until: AtomicU64::new(0) }
    }

    fn tick(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn all_until(&self, tick: u64) {
        self.until.fetch_max(tick, Ordering::Relaxed);
    }

    fn ago(&self) -> Duration {
        Duration::from_millis(self.tick().saturating_sub(self.until.load(Ordering::Relaxed)))
    }
}

/// Whether the store could be written when last it was tried.
#[derive(Default)]
struct Pulse(tokio::sync::Mutex<Option<Beat>>);

struct Beat {
    at: Instant,
    fate: Result<(), StoreError>,
}

impl Pulse {
    async fn feel(&self, store: &dyn Store) -> Result<(), StoreError> {
        let asked = Instant::now();
        let mut last = self.0.lock().await;
        if let Some(beat) = &*last
            && (beat.at >= asked || (beat.fate.is_ok() && beat.at.elapsed() < BETWEEN_BEATS))
        {
            return beat.fate.clone();
        }
        let fate = store.ping().await;
        *last = Some(Beat { at: Instant::now(), fate: fate.clone() });
        fate
    }
}

/// The refresh tokens of this instance.
fn refresh_tokens(settings: &Settings, checked: &Checked, secrets: &Secrets) -> RefreshTokens {
    match settings.instance.as_deref() {
        Some("") => RefreshTokens::new(secrets),
        Some(name) => RefreshTokens::of_instance(secrets, name),
        None => {
            let name = settings
                .audience
                .iter()
                .fold(checked.issuer.clone(), |name, audience| name + " " + audience);
            RefreshTokens::of_instance(secrets, &name).or_nameless(secrets)
        }
    }
}

async fn open_ring(
    settings: &Settings,
    secrets: &Secrets,
    store: &dyn Store,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<KeyRing, StartError> {
    let ring = KeyRing::new(&store.keys().await?, secrets, clock.now())?;
    let Some(algorithm) = ring.newest_algorithm() else {
        rotate(
            store,
            secrets,
            settings.signing_algorithm,
            settings.access_lifetime,
            true,
            clock,
            random,
        )
        .await?;
        return Ok(KeyRing::new(&store.keys().await?, secrets, clock.now())?);
    };
    if algorithm != settings.signing_algorithm {
        rotate(
            store,
            secrets,
            settings.signing_algorithm,
            settings.access_lifetime,
            false,
            clock,
            random,
        )
        .await?;
        return Ok(KeyRing::new(&store.keys().await?, secrets, clock.now())?);
    }
    Ok(ring)
}

/// Follows the feed. Ends with the last [`Auth`].
async fn follow(auth: Weak<Inner>, store: Arc<dyn Store>) {
    let (mut watch, mut was_stale) = (None, false);
    loop {
        {
            let Some(auth) = auth.upgrade().map(Auth) else { return };
            let (tick, now) = (Instant::now(), auth.clock.now());
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
                    tracing::error!(max_staleness = ?auth.settings.max_staleness, then = ?auth.settings.when_stale, "nothing has been heard of changes for too long");
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

/// Now and then forgets what nobody needs. Ends with the last [`Auth`].
async fn keep_house(auth: Weak<Inner>) {
    let mut next_after = BETWEEN_PRUNES;
    loop {
        tokio::time::sleep(next_after.max(BETWEEN_ROUNDS)).await;
        let Some(auth) = auth.upgrade().map(Auth) else { return };
        // Rounds that follow at once are one.
        let step = if next_after.is_zero() { Duration::ZERO } else { STEP };
        next_after = match prune(&auth, step).await {
            // Where more rows come than one round takes, the next one follows soon.
            Ok(gone) if gone >= u64::from(PRUNED_AT_ONCE) => Duration::ZERO,
            Ok(_) => BETWEEN_PRUNES,
            Err(error) => {
                tracing::warn!(%error, "what nobody needs could not be forgotten; trying again");
                BETWEEN_PRUNES
            }
        };
    }
}

/// Now and then asks which kinds of hashes are live: a login of nobody costs what theirs do. Ends
/// with the last [`Auth`].
async fn look_at_passwords(auth: Weak<Inner>) {
    loop {
        tokio::time::sleep(BETWEEN_PRUNES).await;
        let Some(auth) = auth.upgrade().map(Auth) else { return };
        match auth.people.password_kinds().await {
            Ok(kinds) => auth.passwords.note_kinds(&kinds),
            Err(error) => {
                tracing::warn!(%error, "the kinds of the users' passwords are not known now; \
                    trying again");
            }
        }
    }
}

/// Forgets what nobody needs, up to a bound; how many rows went. Nothing goes from the store but by
/// this clock and the store's own idea of the time, which follows it by a `step` at most.
pub(crate) async fn prune(auth: &Auth, step: Duration) -> Result<u64, StoreError> {
    auth.forget_old_endings();
    let now = auth.clock.now();
    let agreed = auth.store.agree_on_time(now, step).await?;
    let (early, late) = (now.min(agreed), now.max(agreed));
    // Far enough that a clock which is years behind for some rounds corrects nothing.
    let latest = late.saturating_add(FEED_KEPT_LONGER).unwrap_or(Timestamp::MAX);
    let corrected = auth.store.correct_times(latest, late, PRUNED_AT_ONCE).await?;
    if corrected > 0 {
        tracing::warn!(rows = corrected, now = %late, "rows were dated in the future by a wrong \
            clock; they count as written now");
    }
    let before = |kept| early.saturating_sub(kept).unwrap_or(Timestamp::MIN);
    let gone = auth
        .store
        .prune(
            before(auth.endings_kept() + FEED_KEPT_LONGER),
            before(ENDED_SESSIONS_KEPT),
            PRUNED_AT_ONCE,
        )
        .await?;
    if gone > 0 {
        tracing::debug!(rows = gone, "forgot old changes and sessions");
    }
    Ok(gone)
}

/// What the clocks of several machines may differ by.
const CLOCKS_APART: Duration = Duration::from_secs(60);

/// Who asks whether the store can be written must not become a load on it.
const BETWEEN_BEATS: Duration = Duration::from_secs(1);

/// A few megabytes, and a few hundredths of a second.
const FEED_PAGE: u32 = 10_000;

/// How many changes are read one by one: a second, and 10 MB of sessions that ended.
const READ_AT_ONCE: u32 = 100_000;

const BETWEEN_PRUNES: Duration = Duration::from_secs(30);

/// Rounds of pruning that follow each other leave the store to others for so long.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(100);

/// So that "why was I logged out?" can be answered for a while.
const ENDED_SESSIONS_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

const PRUNED_AT_ONCE: u32 = 1000;

/// About 500 bytes each.
const USERS_REMEMBERED: usize = 65_536;

//! [`Auth`]: everything a flow needs, in one place that is cheap to share.

mod account_settings;
pub(crate) mod attempts;
pub(crate) mod builder;
mod builder_settings;
mod builder_sign_in;
mod catch_up;
mod clock_watch;
pub(crate) mod doubt;
pub mod events;
pub(crate) mod factor_tries;
pub(crate) mod feed;
mod keys;
mod lapsed;
mod maintenance;
mod notices;
pub(crate) mod post;
mod readiness;
pub mod registration;
pub(crate) mod revocation_list;
pub(crate) mod schemas;
pub mod settings;
mod start;
pub(crate) mod unattended;
mod users;
mod words;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use countersign_verify::{Revocations, Verifier};
use jiff::Timestamp;
use tokio::sync::watch;

use attempts::Attempts;
use builder::AuthBuilder;
use catch_up::FeedLag;
use doubt::Doubt;
use events::Events;
use factor_tries::FactorTries;
use feed::Feed;
use maintenance::Forgotten;
use post::Post;
use readiness::Pulse;
use registration::RegistrationHooks;
use revocation_list::RevocationList;
use schemas::Schemas;
use settings::{Checked, Settings, SettingsError};
use unattended::Unattended;

use crate::clock::{Clock, OnceAMinute, Random};
use crate::factor::passkey::Passkeys;
use crate::factor::recovery::RecoveryHasher;
use crate::factor::seal::FactorSeal;
use crate::key_rotation::RotateError;
use crate::mail::SealError;
use crate::mail::worker::STOP_WITHIN;
use crate::password::{HashSettingsError, Judge, Passwords};
use crate::store::{Store, StoreError};
use crate::throttle::{AskLimit, RefreshLimit};
use crate::token::csrf::CsrfTokens;
use crate::token::device::DeviceTokens;
use crate::token::pending::PendingTokens;
use crate::token::proof::{Challenges, Tickets};
use crate::token::ticket::TicketTokens;
use crate::token::{CodeHasher, KeyError, KeyRing, RefreshTokens, Secrets, SecretsError};
use crate::user::{Attached, UserCache};
use crate::user_directory::UserDirectory;

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

/// What [`Auth`] shares.
struct Inner {
    settings: Settings,
    checked: Checked,
    store: Arc<dyn Store>,
    users: UserDirectory,
    events: Arc<dyn Events>,
    registration: Arc<dyn RegistrationHooks>,
    judge: Judge,
    user_schemas: Option<Schemas>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    passwords: Passwords,
    attempts: Attempts,
    refresh_limit: RefreshLimit,
    /// Of sessions whose device has proved itself.
    proved_refresh_limit: RefreshLimit,
    csrf_tokens: CsrfTokens,
    device_tokens: DeviceTokens,
    tickets: Tickets,
    ticket_tokens: TicketTokens,
    ticket_limit: RefreshLimit,
    challenges: Challenges,
    refresh_tokens: RefreshTokens,
    ring: KeyRing,
    verifier: Verifier<Attached>,
    revocations: Revocations,
    doubt: Doubt,
    user_cache: UserCache,
    feed: Feed,
    revocation_list: RevocationList,
    refused_origins: OnceAMinute,
    /// Whether it has been told that where clients come from is not known.
    unknown_clients: AtomicBool,
    forgotten: Forgotten,
    lag: FeedLag,
    pulse: Pulse,
    /// Tells who sends mail that the process stops.
    stops_mail: watch::Sender<bool>,
    secrets: Secrets,
    post: Arc<Post>,
    /// What mails are written in, English first.
    languages: Vec<String>,
    code_hasher: CodeHasher,
    pending_tokens: PendingTokens,
    factor_tries: FactorTries,
    recovery_hasher: RecoveryHasher,
    factor_seal: FactorSeal,
    passkeys: Option<Passkeys>,
    asks: AskLimit,
    prompts: AskLimit,
    unattended: Unattended,
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

    /// Who judges new passwords: the validators, and the lists of breached ones that the builder
    /// was given.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::password::{Password, UserAttributes};
    ///
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// let about = UserAttributes { username: "ada", ..UserAttributes::default() };
    /// let new = Password::parse("12345678".to_owned()).unwrap();
    /// let problems = auth.judge().judge(&new, &about).await;
    /// assert_eq!(problems.len(), 2); // a common one, and nothing but digits
    /// # });
    /// ```
    pub fn judge(&self) -> &Judge {
        &self.0.judge
    }

    /// The last thing before the process ends. The mail that is under way is sent, for ten seconds
    /// at most; those that this process has taken, and not tried, are given back, so that another
    /// node sends them at once. No more are sent here. Then everything is brought into the
    /// database's own file, where the store keeps a log beside it: a copy of that file is whole.
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
        self.finish_mail().await;
        self.0.store.close().await;
    }

    /// The part of [`close`](Self::close) that is about mail, for who has other things to end
    /// before the store. No promise.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// # world::run(async |world| {
    /// # let auth = world.auth;
    /// auth.finish_mail().await;
    /// # });
    /// ```
    #[doc(hidden)]
    pub async fn finish_mail(&self) {
        self.0.stops_mail.send_replace(true);
        // Whoever sends holds the other end until it is done.
        let done = self.0.stops_mail.closed();
        if tokio::time::timeout(STOP_WITHIN, done).await.is_err() {
            tracing::warn!("the outbox could not be left in order; its mails wait for ten minutes");
        }
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
            hash_queue: self.0.passwords.queue_len(),
            users_cached: self.0.user_cache.len(),
            tokens_cached: self.0.verifier.remembered(),
            sessions_revoked: self.0.revocations.len(),
            mails_sent: self.0.post.tally.sent.load(Ordering::Relaxed),
            mails_put_off: self.0.post.tally.put_off.load(Ordering::Relaxed),
            mails_failed: self.0.post.tally.failed.load(Ordering::Relaxed),
        }
    }
}

/// What the rooms above reach for: each flow says what it touches.
impl Auth {
    /// The time.
    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The time, in whole seconds since 1970.
    pub(crate) fn seconds(&self) -> u64 {
        self.0.clock.seconds()
    }

    pub(crate) fn random(&self) -> &dyn Random {
        &*self.0.random
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What the settings come to.
    pub(crate) fn checked(&self) -> &Checked {
        &self.0.checked
    }

    /// Where the users live.
    pub(crate) fn users(&self) -> &UserDirectory {
        &self.0.users
    }

    /// The users that were seen lately.
    pub(crate) fn user_cache(&self) -> &UserCache {
        &self.0.user_cache
    }

    /// The app's hook.
    pub(crate) fn events(&self) -> &dyn Events {
        &*self.0.events
    }

    /// How the document describes the app's own users.
    pub(crate) fn user_schemas(&self) -> Option<&Schemas> {
        self.0.user_schemas.as_ref()
    }

    /// The app's hooks around a registration.
    pub(crate) fn registration(&self) -> &Arc<dyn RegistrationHooks> {
        &self.0.registration
    }

    /// The requests whose clients have gone.
    pub(crate) fn unattended(&self) -> &Unattended {
        &self.0.unattended
    }

    pub(crate) fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }

    /// How much may be asked for that makes mails or users.
    pub(crate) fn asks(&self) -> &AskLimit {
        &self.0.asks
    }

    /// How often strangers may ask what to sign with a passkey.
    pub(crate) fn prompts(&self) -> &AskLimit {
        &self.0.prompts
    }

    pub(crate) fn code_hasher(&self) -> &CodeHasher {
        &self.0.code_hasher
    }

    pub(crate) fn pending_tokens(&self) -> &PendingTokens {
        &self.0.pending_tokens
    }

    pub(crate) fn recovery_hasher(&self) -> &RecoveryHasher {
        &self.0.recovery_hasher
    }

    pub(crate) fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    pub(crate) fn factor_seal(&self) -> &FactorSeal {
        &self.0.factor_seal
    }

    /// Tries at sign-ins that wait for a second factor.
    pub(crate) fn factor_tries(&self) -> &FactorTries {
        &self.0.factor_tries
    }

    /// Passkeys, where there can be any.
    pub(crate) fn passkeys(&self) -> Option<&Passkeys> {
        self.0.passkeys.as_ref()
    }

    pub(crate) fn refresh_limit(&self) -> &RefreshLimit {
        &self.0.refresh_limit
    }

    pub(crate) fn proved_refresh_limit(&self) -> &RefreshLimit {
        &self.0.proved_refresh_limit
    }

    pub(crate) fn csrf_tokens(&self) -> &CsrfTokens {
        &self.0.csrf_tokens
    }

    pub(crate) fn device_tokens(&self) -> &DeviceTokens {
        &self.0.device_tokens
    }

    pub(crate) fn tickets(&self) -> &Tickets {
        &self.0.tickets
    }

    pub(crate) fn ticket_tokens(&self) -> &TicketTokens {
        &self.0.ticket_tokens
    }

    pub(crate) fn ticket_limit(&self) -> &RefreshLimit {
        &self.0.ticket_limit
    }

    pub(crate) fn challenges(&self) -> &Challenges {
        &self.0.challenges
    }

    pub(crate) fn refresh_tokens(&self) -> &RefreshTokens {
        &self.0.refresh_tokens
    }

    /// The signing keys.
    pub(crate) fn ring(&self) -> &KeyRing {
        &self.0.ring
    }

    pub(crate) fn verifier(&self) -> &Verifier<Attached> {
        &self.0.verifier
    }

    /// The sessions that ended lately.
    pub(crate) fn revocations(&self) -> &Revocations {
        &self.0.revocations
    }

    pub(crate) fn doubt(&self) -> &Doubt {
        &self.0.doubt
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.0.feed
    }

    pub(crate) fn revocation_list(&self) -> &RevocationList {
        &self.0.revocation_list
    }

    /// Whether this is the first client of whom nobody says where it comes from.
    pub(crate) fn has_first_unknown_client(&self) -> bool {
        !self.0.unknown_clients.swap(true, Ordering::Relaxed)
    }

    /// When an origin that was refused has been told of.
    pub(crate) fn refused_origins(&self) -> &OnceAMinute {
        &self.0.refused_origins
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("issuer", &self.0.checked.issuer)
            .field("store", &self.0.store)
            .finish_non_exhaustive()
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
    /// Mails that this process has sent.
    pub mails_sent: u64,
    /// How often a mail could not be sent, and is tried again.
    pub mails_put_off: u64,
    /// Mails that this process has given up.
    pub mails_failed: u64,
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
    /// Mail cannot be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The first signing key could not be made.
    #[error(transparent)]
    Rotate(#[from] RotateError),
    /// The clock is beyond all calendars.
    #[error("the clock cannot be right: {0}")]
    Clock(String),
}

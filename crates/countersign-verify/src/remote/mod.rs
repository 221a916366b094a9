//! A service that verifies tokens by itself: it fetches the issuer's keys, hears of endings within
//! a second, and asks nobody at a request.

mod fetch;
mod list;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Uri;
use http::request::Parts;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use crate::permission::Permission;
use crate::protect::{Authenticator, Found};
use crate::{
    Code, Identity, KeySet, Problem, Protect, Revocations, TokenError, TokenUser, Verified,
    Verifier, bearer, csrf, unread_bearer, weight,
};
use fetch::Fetcher;
use list::{List, ListError};

/// A service that verifies Countersign's access tokens: the issuer's keys, the sessions that ended
/// lately, and the layers for axum, tonic or bare tower.
///
/// The keys come from `/.well-known/jwks.json`, again every minute, when the issuer's list of
/// endings is signed with a key that is not among them, and when a token names such a key, at most
/// every ten seconds. So a key that was cut off counts for some seconds, and one that retired for a
/// minute. The endings come from `/.well-known/revocations`, every second. While the issuer cannot
/// be reached, what is known goes on to count for
/// [`max_staleness`](ResourceServerBuilder::max_staleness); after that every request gets a 503,
/// since nobody could tell a session that has ended.
///
/// Cheap to clone. The polling ends with the last clone.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use countersign_verify::ResourceServer;
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let auth = ResourceServer::builder("https://auth.example.com").build()?;
/// let app: Router = Router::new().route("/orders", get(|| async { "yours" })).layer(auth.layer());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ResourceServer(Arc<Shared>);

struct Shared {
    fetcher: Fetcher,
    /// The configured issuer; else the one that the newest list names.
    issuer: Option<String>,
    audience: Option<String>,
    max_staleness: u64,
    poll_interval: Duration,
    token_cache_bytes: usize,
    /// What the members of a group may, beyond what their tokens say.
    groups: HashMap<String, Vec<String>>,
    now: Box<dyn Fn() -> u64 + Send + Sync>,
    taken: arc_swap::ArcSwapOption<Taken>,
    revocations: Revocations,
    /// Tokens issued at or before this, in whole seconds since 1970, are asked to be renewed: more
    /// sessions had ended than the issuer's list names.
    issued_after: AtomicU64,
    /// When keys and endings were last known to be right, in whole seconds since 1970.
    good_at: AtomicU64,
    keys: Mutex<Keys>,
    ready: watch::Sender<bool>,
}

/// What verifies tokens, and what the issuer's list said of them.
struct Taken {
    issuer: String,
    kept: u64,
    verifier: Verifier<TokenUser>,
}

#[derive(Default)]
struct Keys {
    set: KeySet,
    /// When they were last asked for.
    asked: Option<Instant>,
    /// When they were last had: on a clock that nobody sets, and on the one that tokens expire by.
    had: Option<(Instant, u64)>,
}

impl ResourceServer {
    /// A service that takes the tokens of the Countersign at `url`, such as
    /// `https://auth.example.com`.
    ///
    /// ```no_run
    /// use countersign_verify::ResourceServer;
    ///
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let auth = ResourceServer::builder("https://auth.example.com").audience("shop").build()?;
    /// # Ok(()) }
    /// ```
    pub fn builder(url: impl Into<String>) -> ResourceServerBuilder {
        ResourceServerBuilder {
            url: url.into(),
            issuer: None,
            audience: None,
            max_staleness: Duration::from_secs(300),
            poll_interval: Duration::from_secs(1),
            token_cache_bytes: TOKEN_CACHE_BYTES,
            groups: HashMap::new(),
            now: Box::new(|| {
                SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
            }),
        }
    }

    /// The layer that lets only users in.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, routing::get};
    /// use countersign_verify::{CurrentUser, ResourceServer, TokenUser};
    ///
    /// # world::block_on(async {
    /// let auth = ResourceServer::builder("https://auth.example.com").build().unwrap();
    /// let app: Router = Router::new()
    ///     .route(
    ///         "/orders",
    ///         get(|me: CurrentUser<TokenUser>| async move {
    ///             format!("The orders of {}.", me.username)
    ///         }),
    ///     )
    ///     .layer(auth.layer());
    /// # });
    /// ```
    pub fn layer(&self) -> Protect<Self> {
        Protect::new(self.clone())
    }

    /// The layer that lets in who has `permission`.
    ///
    /// # Panics
    /// When the parts of the permission contradict each other.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, routing::get};
    /// use countersign_verify::{Identity, ResourceServer, permission::IsAuthenticatedOrReadOnly};
    ///
    /// # world::block_on(async {
    /// let auth = ResourceServer::builder("https://auth.example.com").build().unwrap();
    /// let app: Router = Router::new()
    ///     .route(
    ///         "/shop",
    ///         get(|who: Option<Identity>| async move {
    ///             if who.is_some() { "welcome back" } else { "welcome" }
    ///         }),
    ///     )
    ///     .layer(auth.layer_with(IsAuthenticatedOrReadOnly));
    /// # });
    /// ```
    pub fn layer_with<P: Permission>(&self, permission: P) -> Protect<Self, P> {
        Protect::with(self.clone(), permission)
    }

    /// Waits until keys and endings have been fetched once. Not needed before serving: until then
    /// requests get a 503.
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use countersign_verify::ResourceServer;
    ///
    /// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
    /// let auth = ResourceServer::builder("https://auth.example.com").build()?;
    /// if tokio::time::timeout(Duration::from_secs(10), auth.ready()).await.is_err() {
    ///     println!("the issuer is not there yet; every request gets a 503 until it is");
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn ready(&self) {
        let mut ready = self.0.ready.subscribe();
        let _ = ready.wait_for(|ready| *ready).await;
    }

    /// Whether keys and endings are known, and not staler than they may be.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, http::StatusCode, routing::get};
    /// use countersign_verify::ResourceServer;
    ///
    /// # world::block_on(async {
    /// let auth = ResourceServer::builder("https://auth.example.com").build().unwrap();
    /// assert!(!auth.is_ready()); // nothing has been fetched yet
    /// let health = get(move || async move {
    ///     if auth.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
    /// });
    /// let app: Router = Router::new().route("/healthz", health);
    /// # });
    /// ```
    pub fn is_ready(&self) -> bool {
        self.0.is_fresh()
    }

    /// Who holds this access token: for a token that did not come in an HTTP header. The CSRF token
    /// of a write is the caller's to check, with [`csrf::check`](crate::csrf::check).
    ///
    /// # Errors
    /// A 401 for a token that does not count (any more), a 503 while the issuer cannot be reached.
    ///
    /// ```no_run
    /// use countersign_verify::{Identity, Problem, ResourceServer};
    ///
    /// /// The first message on a WebSocket is the access token.
    /// async fn opened(auth: &ResourceServer, first_message: &str) -> Result<Identity, Problem> {
    ///     auth.verify(first_message).await
    /// }
    /// ```
    pub async fn verify(&self, token: &str) -> Result<Identity, Problem> {
        match self.0.known(token.as_bytes()) {
            Some(known) => known,
            None => self.0.check(token).await,
        }
    }
}

impl Authenticator for ResourceServer {
    fn known(&self, request: &Parts) -> Option<Found> {
        let found = match unread_bearer(&request.headers).and_then(|token| self.0.known(token)) {
            Some(known) => known.map(Some),
            None => match bearer(&request.headers) {
                Ok(None) => Ok(None),
                Ok(Some(_)) => return None,
                Err(problem) => Err(problem),
            },
        };
        Some(found.and_then(|who| guarded(request, who)))
    }

    async fn identify(&self, request: &Parts) -> Found {
        let Some(token) = bearer(&request.headers)? else { return Ok(None) };
        let who = self.verify(token).await?;
        guarded(request, Some(who))
    }
}

/// A write of a cookie session needs the session's CSRF token.
fn guarded(request: &Parts, who: Option<Identity>) -> Found {
    if let Some(who) = &who
        && let Some(claimed) = &who.claims().csrf
        && !request.method.is_safe()
    {
        csrf::check(&request.headers, claimed)?;
    }
    Ok(who)
}

impl Shared {
    fn is_fresh(&self) -> bool {
        let good_at = self.good_at.load(Ordering::Acquire);
        // A clock that went back by more is as good as one that went on.
        good_at > 0 && (self.now)().abs_diff(good_at) <= self.max_staleness
    }

    /// The answer for a token that was verified before.
    fn known(&self, token: &[u8]) -> Option<Result<Identity, Problem>> {
        if !self.is_fresh() {
            return Some(Err(Problem::new(Code::Unavailable)
                .detail(
                    "The login service cannot be reached, so nobody can be let in. Try again soon.",
                )
                .retry_after(1)));
        }
        let now = (self.now)();
        let seen = self.taken.load().as_ref()?.verifier.seen(token, now)?;
        if self.revocations.contains(seen.claims.sid) {
            return Some(Err(Problem::new(Code::SessionRevoked)));
        }
        if seen.claims.iat <= self.issued_after.load(Ordering::Acquire) {
            return Some(Err(TokenError::Expired.into()));
        }
        Some(Ok(Identity::new(seen, now)))
    }

    async fn check(&self, token: &str) -> Result<Identity, Problem> {
        let unavailable = || Problem::new(Code::Unavailable).retry_after(1);
        let mut taken = self.taken.load_full().ok_or_else(unavailable)?;
        let now = (self.now)();
        let verified = match taken.verifier.check(token, now) {
            Err(TokenError::UnknownKey) => {
                self.fetch_keys(KEYS_FLOOR).await;
                taken = self.taken.load_full().ok_or_else(unavailable)?;
                taken.verifier.check(token, now)?
            }
            other => other?,
        };
        if let Verified { expired: true, .. } = verified {
            return Err(TokenError::Expired.into());
        }
        if self.revocations.contains(verified.claims.sid) {
            return Err(Problem::new(Code::SessionRevoked));
        }
        if verified.claims.iat <= self.issued_after.load(Ordering::Acquire) {
            return Err(TokenError::Expired.into());
        }
        let mut user = TokenUser::of(&verified.claims).ok_or(TokenError::Invalid)?;
        let by_group = user.groups.iter().filter_map(|group| self.groups.get(group)).flatten();
        let more: Vec<String> =
            by_group.filter(|permission| !user.permissions.contains(permission)).cloned().collect();
        user.permissions.extend(more);
        Ok(Identity::new(taken.verifier.remember(token, verified, user), now))
    }

    /// Fetches the keys again, unless they were asked for within `floor`. Many may ask at once; one
    /// fetches, the others wait for it.
    async fn fetch_keys(&self, floor: Duration) {
        let mut keys = self.keys.lock().await;
        if keys.asked.is_none_or(|asked| asked.elapsed() >= floor)
            && let Err(error) = self.fetch_into(&mut keys).await
        {
            tracing::warn!(%error, "the issuer's keys cannot be had; the old ones go on");
        }
    }

    /// Fetches the keys again when they are a minute old: a key that retired goes.
    async fn renew_keys(&self) -> Result<(), String> {
        let mut keys = self.keys.lock().await;
        let now = (self.now)();
        if keys.had.is_some_and(|(had, at)| {
            had.elapsed() < KEYS_EVERY && now.abs_diff(at) < KEYS_EVERY.as_secs()
        }) {
            return Ok(());
        }
        self.fetch_into(&mut keys).await.map_err(|error| format!("the keys: {error}"))
    }

    async fn fetch_into(&self, keys: &mut Keys) -> Result<(), String> {
        keys.asked = Some(Instant::now());
        let now = (self.now)();
        let body = self
            .fetcher
            .get("/.well-known/jwks.json", None)
            .await?
            .body
            .ok_or("they were not asked about, and are said to be the same")?;
        keys.set = KeySet::from_jwk_set(&body).map_err(|error| error.to_string())?;
        keys.had = Some((Instant::now(), now));
        if let Some(taken) = &*self.taken.load() {
            taken.verifier.set_keys(&keys.set);
        }
        Ok(())
    }

    /// Takes in what ended since the last time.
    async fn poll(&self, known: &mut Known) -> Result<(), String> {
        let now = (self.now)();
        if now < known.at {
            // What was forgotten while the clock was ahead is read again.
            *known = Known::default();
            self.revocations.nothing_after(now);
        }
        let path = match &known.list {
            Some((cursor, _)) => format!("/.well-known/revocations?since={cursor}"),
            None => "/.well-known/revocations".to_owned(),
        };
        known.at = now;
        // A list whose time is over may be a cache's: then the whole is asked for.
        let tag =
            known.tag.as_deref().filter(|_| known.list.as_ref().is_some_and(|(_, exp)| now < *exp));
        let fetched = self.fetcher.get(&path, tag).await?;
        let Some(body) = fetched.body else {
            return if tag.is_some() {
                Ok(())
            } else {
                Err("the issuer says that nothing changed, and was not asked".to_owned())
            };
        };
        let list = self.read_list(&body, now).await.map_err(|error| error.to_string())?;
        self.revocations.insert_all(list.sessions().map(|session| (session, now)));
        if let Some(before) = list.issued_after {
            self.issued_after.fetch_max(before, Ordering::AcqRel);
        }
        let kept = list.kept();
        self.revocations.forget_before(now.saturating_sub(kept));
        self.take(list.iss.clone(), kept).await;
        known.tag = fetched.tag;
        known.list = Some((list.cursor, list.exp));
        Ok(())
    }

    /// Verifies by what the newest list says: another issuer's tokens, and longer ones, do not
    /// count from here on.
    async fn take(&self, listed: String, kept: u64) {
        let issuer = self.issuer.clone().unwrap_or(listed);
        // No other keys may come between.
        let keys = self.keys.lock().await;
        let old = self.taken.load_full();
        if old.as_ref().is_some_and(|old| old.issuer == issuer && old.kept == kept) {
            return;
        }
        if let Some(old) = old.filter(|old| old.issuer != issuer) {
            tracing::warn!(
                before = old.issuer,
                now = issuer,
                "the issuer has another name; set `issuer` to take no other than the one you expect"
            );
        }
        let verifier = Verifier::new(issuer.clone(), self.audience.clone(), keys.set.clone(), 0)
            .within(self.token_cache_bytes, weight::of_user)
            .no_longer_than(kept);
        self.taken.store(Some(Arc::new(Taken { issuer, kept, verifier })));
    }

    async fn read_list(&self, body: &str, now: u64) -> Result<List, ListError> {
        let set = self.keys.lock().await.set.clone();
        match List::read(body, &set, self.issuer.as_deref(), now) {
            Err(ListError::UnknownKey) => {
                // The list comes from the issuer itself, so this is no stranger's invention: the
                // keys were rotated at once.
                self.fetch_keys(LIST_FLOOR).await;
                let set = self.keys.lock().await.set.clone();
                List::read(body, &set, self.issuer.as_deref(), now)
            }
            other => other,
        }
    }
}

/// What the poller remembers from one time to the next.
#[derive(Default)]
struct Known {
    /// When it was last asked for.
    at: u64,
    tag: Option<String>,
    /// The last list's cursor and `exp`.
    list: Option<(String, u64)>,
}

/// Follows the issuer until the last [`ResourceServer`] is gone.
async fn follow(shared: Weak<Shared>, interval: Duration) {
    let mut known = Known::default();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut is_down = false;
    loop {
        ticks.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let keys = shared.renew_keys().await;
        let list = shared.poll(&mut known).await;
        if list.is_err() {
            // Whatever was known may be the reason: the next list is read from its beginning.
            known = Known::default();
        }
        match keys.and(list) {
            Ok(()) => {
                shared.good_at.store((shared.now)(), Ordering::Release);
                shared.ready.send_replace(true);
                if is_down {
                    tracing::info!("the issuer answers again");
                }
                is_down = false;
            }
            Err(error) => {
                if !is_down {
                    tracing::warn!(%error, max_staleness = shared.max_staleness, "the issuer's \
                        keys, or its list of ended sessions, cannot be had; trying again");
                }
                is_down = true;
            }
        }
    }
}

/// What a [`ResourceServer`] is made of.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use std::time::Duration;
///
/// use countersign_verify::ResourceServer;
///
/// # world::block_on(async {
/// let auth = ResourceServer::builder("http://auth.internal:8000")
///     .issuer("https://auth.example.com")
///     .audience("shop")
///     .max_staleness(Duration::from_secs(60))
///     .build()
///     .unwrap();
/// # });
/// ```
pub struct ResourceServerBuilder {
    url: String,
    issuer: Option<String>,
    audience: Option<String>,
    max_staleness: Duration,
    poll_interval: Duration,
    token_cache_bytes: usize,
    groups: HashMap<String, Vec<String>>,
    now: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl ResourceServerBuilder {
    /// The claim `iss` that tokens must have. Without it, what the issuer's own signed list says,
    /// fetched from the URL: the newest one, so that an issuer which gets another name is followed,
    /// with a warning in the log.
    ///
    /// ```
    /// use countersign_verify::ResourceServer;
    ///
    /// // Fetched within the cluster, issued under the public name.
    /// let builder =
    ///     ResourceServer::builder("http://auth.internal:8000").issuer("https://auth.example.com");
    /// ```
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// The name that must be in the claim `aud`; none unless chosen.
    ///
    /// ```
    /// use countersign_verify::ResourceServer;
    ///
    /// let builder = ResourceServer::builder("https://auth.example.com").audience("shop");
    /// ```
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// How long what is known goes on to count while the issuer cannot be reached: 5 minutes, as
    /// long as access tokens live, unless chosen otherwise. A session that ends meanwhile is found
    /// out that much later.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign_verify::{ResourceServer, ResourceServerError};
    ///
    /// let builder =
    ///     ResourceServer::builder("https://auth.example.com").max_staleness(Duration::ZERO);
    /// assert_eq!(builder.build().unwrap_err(), ResourceServerError::Staleness);
    /// ```
    #[must_use]
    pub fn max_staleness(mut self, staleness: Duration) -> Self {
        self.max_staleness = staleness;
        self
    }

    /// How often the list of endings is asked for: every second unless chosen otherwise.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use countersign_verify::{ResourceServer, ResourceServerError};
    ///
    /// let builder = ResourceServer::builder("https://auth.example.com")
    ///     .poll_interval(Duration::from_millis(1));
    /// assert_eq!(builder.build().unwrap_err(), ResourceServerError::PollInterval);
    /// ```
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// How many bytes the tokens that were verified may take in memory: 64 MiB unless chosen
    /// otherwise. A token that is not remembered is verified again, for some tens of microseconds.
    ///
    /// ```
    /// use countersign_verify::ResourceServer;
    ///
    /// let builder =
    ///     ResourceServer::builder("https://auth.example.com").token_cache_bytes(8 * 1024 * 1024);
    /// ```
    #[must_use]
    pub fn token_cache_bytes(mut self, bytes: usize) -> Self {
        self.token_cache_bytes = bytes;
        self
    }

    /// What the members of a group may, in this service. So a token names a few groups
    /// (`extra_claims = ["groups"]`) in place of hundreds of permissions, which find no room in its
    /// 8 KiB.
    ///
    /// ```
    /// use countersign_verify::ResourceServer;
    ///
    /// let builder = ResourceServer::builder("https://auth.example.com")
    ///     .group("editors", ["articles.add", "articles.publish"])
    ///     .group("support", ["orders.view"]);
    /// ```
    #[must_use]
    pub fn group<T: Into<String>>(
        mut self,
        name: impl Into<String>,
        permissions: impl IntoIterator<Item = T>,
    ) -> Self {
        self.groups.entry(name.into()).or_default().extend(permissions.into_iter().map(Into::into));
        self
    }

    /// Another clock than the machine's, in whole seconds since 1970: for tests.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// use countersign_verify::ResourceServer;
    ///
    /// let now = Arc::new(AtomicU64::new(1_767_225_600));
    /// let clock = Arc::clone(&now);
    /// let builder = ResourceServer::builder("http://127.0.0.1:8000")
    ///     .clock(move || clock.load(Ordering::Relaxed));
    /// now.fetch_add(300, Ordering::Relaxed); // five minutes later
    /// ```
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        self.now = Box::new(now);
        self
    }

    /// Begins to follow the issuer, on the current Tokio runtime. The issuer need not be there yet.
    ///
    /// # Errors
    /// [`ResourceServerError`] when a setting cannot stand, with what to do about it.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    ///
    /// ```
    /// use countersign_verify::ResourceServer;
    ///
    /// let error = ResourceServer::builder("auth.example.com").build().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     r#""auth.example.com" is not where an issuer can be: give its public URL with scheme and host, like https://auth.example.com"#
    /// );
    /// ```
    pub fn build(self) -> Result<ResourceServer, ResourceServerError> {
        let is_web = self.url.starts_with("https://") || self.url.starts_with("http://");
        let base: Uri = self
            .url
            .trim_end_matches('/')
            .parse()
            .map_err(|_| ResourceServerError::Url(self.url.clone()))?;
        if !is_web
            || base.authority().is_none()
            || base.query().is_some()
            || base.authority().is_some_and(|who| who.as_str().contains('@'))
        {
            return Err(ResourceServerError::Url(self.url));
        }
        if self.max_staleness < Duration::from_secs(1) || self.max_staleness < self.poll_interval {
            return Err(ResourceServerError::Staleness);
        }
        if self.poll_interval < Duration::from_millis(50) {
            return Err(ResourceServerError::PollInterval);
        }
        let shared = Arc::new(Shared {
            fetcher: Fetcher::new(base).map_err(ResourceServerError::Tls)?,
            issuer: self.issuer,
            audience: self.audience,
            max_staleness: self.max_staleness.as_secs(),
            poll_interval: self.poll_interval,
            token_cache_bytes: self.token_cache_bytes,
            groups: self.groups,
            now: self.now,
            taken: arc_swap::ArcSwapOption::empty(),
            revocations: Revocations::default(),
            issued_after: AtomicU64::new(0),
            good_at: AtomicU64::new(0),
            keys: Mutex::default(),
            ready: watch::Sender::new(false),
        });
        tokio::spawn(follow(Arc::downgrade(&shared), shared.poll_interval));
        Ok(ResourceServer(shared))
    }
}

/// A setting of a resource server that cannot stand.
///
/// ```
/// use countersign_verify::{ResourceServer, ResourceServerError};
///
/// let error = ResourceServer::builder("ftp://auth.example.com").build().unwrap_err();
/// assert_eq!(error, ResourceServerError::Url("ftp://auth.example.com".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceServerError {
    /// Not a URL.
    #[error(
        "{0:?} is not where an issuer can be: give its public URL with scheme and host, like \
         https://auth.example.com"
    )]
    Url(String),
    /// Nothing would count for long enough to be used.
    #[error("max_staleness must be at least a second, and at least the poll interval")]
    Staleness,
    /// A load for the issuer, and no gain.
    #[error("the poll interval must be at least 50 ms")]
    PollInterval,
    /// The machine's certificates cannot be read.
    #[error("no certificate authority to trust was found: {0}; install ca-certificates")]
    Tls(String),
}

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServer")
            .field("issuer", &self.0.issuer)
            .field("is_ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ResourceServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServerBuilder")
            .field("url", &self.url)
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

/// So often at most, however many tokens name keys that do not exist.
const KEYS_FLOOR: Duration = Duration::from_secs(10);

/// As often when the issuer's own list is signed with a key that is not known.
const LIST_FLOOR: Duration = Duration::from_secs(1);

/// As long as the issuer lets caches keep its keys.
const KEYS_EVERY: Duration = Duration::from_secs(60);

/// Some 40,000 tokens without extra claims.
const TOKEN_CACHE_BYTES: usize = 64 * 1024 * 1024;

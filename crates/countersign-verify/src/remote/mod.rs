//! A service that verifies tokens by itself: it fetches the issuer's keys, hears of endings within
//! a second, and asks nobody at a request.

mod builder;
mod fetch;
mod follow;
mod list;

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use crate::bearer::{bearer, unread_bearer};
use crate::csrf;
use crate::identity::Identity;
use crate::permission::Permission;
use crate::problem::{Code, Problem};
use crate::protect::Protect;
use crate::protect::{Authenticator, Found};
use crate::session_id::SessionId;
use follow::Issuer;

pub use builder::{ResourceServerBuilder, ResourceServerError};

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
pub struct ResourceServer(Arc<Issuer>);

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
        ResourceServerBuilder::new(url.into())
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

    /// Whether no end of this session has been heard of within the life of an access token: for
    /// what goes on for longer than a request, beside [`Identity::ended`]. No session is said to
    /// live while nothing is heard of endings for longer than
    /// [`max_staleness`](ResourceServerBuilder::max_staleness).
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::{ResourceServer, SessionId};
    ///
    /// # world::block_on(async {
    /// let auth = ResourceServer::builder("https://auth.example.com").build().unwrap();
    /// assert!(!auth.is_live(SessionId::new(7).unwrap())); // nothing has been fetched yet
    /// # });
    /// ```
    pub fn is_live(&self, session: SessionId) -> bool {
        self.0.is_fresh() && !self.0.revocations.contains(session)
    }

    /// Who holds this access token: for a token that did not come in an HTTP header. The CSRF token
    /// of a write is the caller's to check, with [`csrf::check`](crate::csrf::check).
    ///
    /// # Errors
    /// A 401 for a token that does not count (any more), a 403 `enrolment_required` for one with
    /// which a second factor may be enrolled and nothing else, a 503 while the issuer cannot be
    /// reached.
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
        let who = match self.0.known(token.as_bytes()) {
            Some(known) => known?,
            None => self.0.check(token).await?,
        };
        match who.claims().scope {
            Some(_) => Err(Problem::new(Code::EnrolmentRequired)),
            None => Ok(who),
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

impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServer")
            .field("issuer", &self.0.settings.issuer)
            .field("is_ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}

//! The builder of [`ResourceServer`].

use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Uri;

use super::ResourceServer;
use super::fetch::Fetcher;
use super::follow::{Issuer, Settings};

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
    settings: Settings,
}

impl ResourceServerBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            settings: Settings {
                issuer: None,
                audience: None,
                max_staleness: Duration::from_secs(300),
                poll_interval: Duration::from_secs(1),
                token_cache_bytes: TOKEN_CACHE_BYTES,
                groups: HashMap::new(),
                now: Box::new(|| {
                    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
                }),
            },
        }
    }

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
        self.settings.issuer = Some(issuer.into());
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
        self.settings.audience = Some(audience.into());
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
        self.settings.max_staleness = staleness;
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
        self.settings.poll_interval = interval;
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
        self.settings.token_cache_bytes = bytes;
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
        let may = self.settings.groups.entry(name.into()).or_default();
        may.extend(permissions.into_iter().map(Into::into));
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
        self.settings.now = Box::new(now);
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
        let Self { url, settings } = self;
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        let base: Uri =
            url.trim_end_matches('/').parse().map_err(|_| ResourceServerError::Url(url.clone()))?;
        if !is_web
            || base.authority().is_none()
            || base.query().is_some()
            || base.authority().is_some_and(|who| who.as_str().contains('@'))
        {
            return Err(ResourceServerError::Url(url));
        }
        if settings.max_staleness < settings.poll_interval.max(Duration::from_secs(1)) {
            return Err(ResourceServerError::Staleness);
        }
        if settings.poll_interval < Duration::from_millis(50) {
            return Err(ResourceServerError::PollInterval);
        }
        let fetcher = Fetcher::new(base).map_err(ResourceServerError::Tls)?;
        Ok(ResourceServer(Issuer::follow(settings, fetcher)))
    }
}

impl fmt::Debug for ResourceServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceServerBuilder")
            .field("url", &self.url)
            .field("issuer", &self.settings.issuer)
            .finish_non_exhaustive()
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

/// Some 40,000 tokens without extra claims.
const TOKEN_CACHE_BYTES: usize = 64 * 1024 * 1024;

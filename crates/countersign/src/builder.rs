//! The builder of [`Auth`].

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::auth::{Auth, StartError};
use crate::clock::{Clock, OsRandom, Random, SystemClock};
use crate::events::{Events, Silence};
use crate::http::cookies::CookieSettings;
use crate::password::HashSettings;
use crate::settings::{Settings, SettingsError};
use crate::store::Store;
use crate::throttle::ThrottleSettings;
use crate::token::{Algorithm, ExtraClaim, Secrets};
use crate::user::{AnyUsers, Users};

/// Builds an [`Auth`]. Every setting has the default of the binary; [`Settings`] documents each.
pub struct AuthBuilder {
    settings: Settings,
    wrong: Option<SettingsError>,
    secret: Option<Secret>,
    store: Arc<dyn Store>,
    users: Option<Box<dyn AnyUsers>>,
    events: Arc<dyn Events>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

enum Secret {
    Given(Secrets),
    File(PathBuf),
}

/// What [`Auth`] starts from.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) secrets: Secrets,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) users: Option<Box<dyn AnyUsers>>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl AuthBuilder {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            settings: Settings::default(),
            wrong: None,
            secret: None,
            store,
            users: None,
            events: Arc::new(Silence),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
        }
    }

    /// The secret from which the keys of refresh, CSRF and device tokens are derived, and under which the signing keys are sealed in the store.
    #[must_use]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.secret = Some(Secret::Given(secrets));
        self
    }

    /// The secret in this file, which the first start makes (mode 0600).
    #[must_use]
    pub fn secret_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.secret = Some(Secret::File(path.into()));
        self
    }

    /// All settings at once. What was set before is gone.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self.wrong = None;
        self
    }

    /// Where clients find this app: decides the issuer, the names of cookies, and whether they are `Secure`. `http://localhost:8000` unless chosen.
    #[must_use]
    pub fn public_url(mut self, url: impl AsRef<str>) -> Self {
        match Url::parse(url.as_ref()) {
            Ok(url) => self.settings.public_url = url,
            Err(error) => {
                let wrong = SettingsError::PublicUrl(format!("{:?}: {error}; write it like https://app.example.com", url.as_ref()));
                self.wrong.get_or_insert(wrong);
            }
        }
        self
    }

    /// The path that the endpoints stand under.
    #[must_use]
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.settings.base_path = path.into();
        self
    }

    /// The claim `iss`.
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.settings.issuer = Some(issuer.into());
        self
    }

    /// The claim `aud`.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audience = Some(audience.into());
        self
    }

    /// What access tokens are signed with.
    #[must_use]
    pub fn signing_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.settings.signing_algorithm = algorithm;
        self
    }

    /// How long an access token lives.
    #[must_use]
    pub fn access_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.access_lifetime = lifetime;
        self
    }

    /// How long a session lives without a refresh, and at most.
    #[must_use]
    pub fn session_lifetime(mut self, idle: Duration, absolute: Duration) -> Self {
        (self.settings.session_idle, self.settings.session_absolute) = (idle, absolute);
        self
    }

    /// The front ends on other origins, for CORS and CSRF alike: `https://app.example.com`, `https://*.example.com`.
    #[must_use]
    pub fn allow_origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.settings.allow_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// The origins of packaged apps that may ask for the native transport: `capacitor://localhost`.
    #[must_use]
    pub fn native_origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.settings.native_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// The cookies' names and attributes.
    #[must_use]
    pub fn cookies(mut self, cookies: CookieSettings) -> Self {
        self.settings.cookies = cookies;
        self
    }

    /// What access tokens say beyond the usual.
    #[must_use]
    pub fn extra_claims(mut self, claims: impl IntoIterator<Item = ExtraClaim>) -> Self {
        self.settings.extra_claims = claims.into_iter().collect();
        self
    }

    /// How failed logins are slowed down.
    #[must_use]
    pub fn throttle(mut self, throttle: ThrottleSettings) -> Self {
        self.settings.throttle = throttle;
        self
    }

    /// How new passwords are hashed, and by how many threads.
    #[must_use]
    pub fn hash(mut self, hash: HashSettings) -> Self {
        self.settings.hash = hash;
        self
    }

    /// Users in a table of the app's own, in place of the store's.
    #[must_use]
    pub fn users(mut self, users: impl Users) -> Self {
        self.users = Some(Box::new(users));
        self
    }

    /// Who wants to hear of logins, logouts, thefts.
    #[must_use]
    pub fn events(mut self, events: impl Events) -> Self {
        self.events = Arc::new(events);
        self
    }

    /// Another clock than the machine's: for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another source of randomness than the operating system's: for tests.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Checks the settings, makes the first signing key where there is none, reads the feed, and begins to follow it, on the current Tokio runtime.
    ///
    /// # Errors
    /// [`StartError`], with a sentence that says what to do.
    pub async fn build(self) -> Result<Auth, StartError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong.into());
        }
        let secrets = match self.secret {
            Some(Secret::Given(secrets)) => secrets,
            Some(Secret::File(path)) => Secrets::load_or_create(&path, &*self.random)?,
            None => return Err(StartError::NoSecret),
        };
        let Self { settings, store, users, events, clock, random, .. } = self;
        Auth::start(Parts { settings, secrets, store, users, events, clock, random }).await
    }
}

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder")
            .field("settings", &self.settings)
            .field("store", &self.store)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}

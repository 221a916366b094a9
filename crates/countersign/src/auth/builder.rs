//! The builder of [`Auth`].

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::events::{Events, NoEvents};
use super::settings::{Settings, SettingsError};
use super::start::{Start, start};
use super::{Auth, StartError};
use crate::clock::{Clock, OsRandom, Random, SystemClock};
use crate::mail::{MailTemplates, Mailer};
use crate::password::HashSettings;
use crate::store::Store;
use crate::throttle::ThrottleSettings;
use crate::token::{Algorithm, ExtraClaim, Secrets};
use crate::user::{AnyUsers, Users};
use crate::web::cookies::CookieSettings;

/// Builds an [`Auth`]. Every setting has the default of the binary; [`Settings`] documents each.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use std::time::Duration;
///
/// use countersign::Auth;
///
/// # world::block_on(async {
/// # let (store, secrets, _directory) = world::place();
/// let auth = Auth::builder(store)
///     .secrets(secrets)
///     .public_url("https://api.example.com")
///     .allow_origins(["https://app.example.com"])
///     .session_lifetime(Duration::from_secs(7 * 86_400), Duration::from_secs(90 * 86_400))
///     .build()
///     .await
///     .unwrap();
/// # });
/// ```
pub struct AuthBuilder {
    settings: Settings,
    wrong: Option<SettingsError>,
    secret: Option<Secret>,
    store: Arc<dyn Store>,
    users: Option<Box<dyn AnyUsers>>,
    events: Arc<dyn Events>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    mailer: Option<Arc<dyn Mailer>>,
    mail_templates: MailTemplates,
}

enum Secret {
    Given(Secrets),
    File(PathBuf),
}

impl AuthBuilder {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self {
            settings: Settings::default(),
            wrong: None,
            secret: None,
            store,
            users: None,
            events: Arc::new(NoEvents),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            mailer: None,
            mail_templates: MailTemplates::built_in(),
        }
    }

    /// The secret from which the keys of refresh, CSRF and device tokens are derived, and under
    /// which the signing keys are sealed in the store.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::token::Secrets;
    ///
    /// # let (store, _, _directory) = world::place();
    /// # let from_the_vault = "0123456789abcdef0123456789abcdef";
    /// let builder = Auth::builder(store).secrets(Secrets::from_text(from_the_vault).unwrap());
    /// ```
    #[must_use]
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.secret = Some(Secret::Given(secrets));
        self
    }

    /// The secret in this file, which the first start makes (mode 0600).
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, _, directory) = world::place();
    /// let secret = directory.path().join("secret");
    /// let auth = Auth::builder(store).secret_file(&secret).build().await.unwrap();
    /// assert!(secret.exists());
    /// # });
    /// ```
    #[must_use]
    pub fn secret_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.secret = Some(Secret::File(path.into()));
        self
    }

    /// All settings at once. What was set before is gone.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::{Auth, Settings};
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let settings = Settings { session_refreshes_per_minute: 0, ..Settings::default() };
    /// let auth = Auth::builder(store).secrets(secrets).settings(settings).build().await.unwrap();
    /// # });
    /// ```
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self.wrong = None;
        self
    }

    /// Where clients find this app: decides the issuer, the names of cookies, and whether they are
    /// `Secure`. `http://localhost:8000` unless chosen.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let error = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .public_url("app.example.com")
    ///     .build()
    ///     .await
    ///     .unwrap_err();
    /// assert!(error.to_string().ends_with("write it like https://app.example.com"));
    /// # });
    /// ```
    #[must_use]
    pub fn public_url(mut self, url: impl AsRef<str>) -> Self {
        match Url::parse(url.as_ref()) {
            Ok(url) => self.settings.public_url = url,
            Err(error) => {
                let wrong = SettingsError::PublicUrl(format!(
                    "{:?}: {error}; write it like https://app.example.com",
                    url.as_ref()
                ));
                self.wrong.get_or_insert(wrong);
            }
        }
        self
    }

    /// The path that the endpoints stand under.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let auth = Auth::builder(store).secrets(secrets).base_path("/auth").build().await.unwrap();
    /// # let app = auth.routes();
    /// # let profile = world::get(&app, "/auth/profile", None).await;
    /// assert_eq!(profile.0, 401); // GET /auth/profile
    /// # });
    /// ```
    #[must_use]
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.settings.base_path = path.into();
        self
    }

    /// The claim `iss`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let auth = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .issuer("https://id.example.com")
    ///     .build()
    ///     .await
    ///     .unwrap();
    /// # let claims = world::claims(&auth).await;
    /// assert_eq!(claims["iss"], "https://id.example.com"); // in every access token
    /// # });
    /// ```
    #[must_use]
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.settings.issuer = Some(issuer.into());
        self
    }

    /// The claim `aud`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let auth = Auth::builder(store).secrets(secrets).audience("shop").build().await.unwrap();
    /// # let claims = world::claims(&auth).await;
    /// assert_eq!(claims["aud"], "shop");
    /// # });
    /// ```
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.settings.audience = Some(audience.into());
        self
    }

    /// Which of several [`Auth`] on one store this is, so that none takes the refresh tokens of
    /// another. The issuer, with the audience, unless chosen.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::sync::Arc;
    ///
    /// use countersign::Auth;
    /// use countersign::store::Store;
    ///
    /// # world::block_on(async {
    /// # let (store, _, _directory) = world::place();
    /// # let secrets = world::secrets;
    /// let store: Arc<dyn Store> = Arc::new(store);
    /// let acme = Auth::builder_on(Arc::clone(&store))
    ///     .secrets(secrets())
    ///     .instance("acme")
    ///     .issuer("https://acme.example.com");
    /// let other = Auth::builder_on(store)
    ///     .secrets(secrets())
    ///     .instance("other")
    ///     .issuer("https://other.example.com");
    /// # acme.build().await.unwrap();
    /// # other.build().await.unwrap();
    /// # });
    /// ```
    #[must_use]
    pub fn instance(mut self, name: impl Into<String>) -> Self {
        self.settings.instance = Some(name.into());
        self
    }

    /// What access tokens are signed with.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::token::Algorithm;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let auth = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .signing_algorithm(Algorithm::Es256)
    ///     .build()
    ///     .await
    ///     .unwrap();
    /// # let login = world::log_in(&auth, countersign::session::Transport::Body).await;
    /// # let header = world::read(&login).0;
    /// assert_eq!(header["alg"], "ES256");
    /// # });
    /// ```
    #[must_use]
    pub fn signing_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.settings.signing_algorithm = algorithm;
        self
    }

    /// How long an access token lives.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::time::Duration;
    ///
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let auth = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .access_lifetime(Duration::from_secs(60))
    ///     .build()
    ///     .await
    ///     .unwrap();
    /// # let claims = world::claims(&auth).await;
    /// assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
    /// # });
    /// ```
    #[must_use]
    pub fn access_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.access_lifetime = lifetime;
        self
    }

    /// How long a session lives without a refresh, and at most.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::time::Duration;
    ///
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let (idle, absolute) = (Duration::from_secs(3600), Duration::from_secs(60));
    /// let error = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .session_lifetime(idle, absolute)
    ///     .build()
    ///     .await
    ///     .unwrap_err();
    /// assert!(error.to_string().starts_with("session_idle is longer than session_absolute"));
    /// # });
    /// ```
    #[must_use]
    pub fn session_lifetime(mut self, idle: Duration, absolute: Duration) -> Self {
        (self.settings.session_idle, self.settings.session_absolute) = (idle, absolute);
        self
    }

    /// The front ends on other origins, for CORS and CSRF alike: `https://app.example.com`,
    /// `https://*.example.com`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let error = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .allow_origins(["app.example.com"])
    ///     .build()
    ///     .await
    ///     .unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "allow_origins: the origin `app.example.com` has no scheme: write `https://app.example.com`"
    /// );
    /// # });
    /// ```
    #[must_use]
    pub fn allow_origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.settings.allow_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// The origins of packaged apps that may ask for the native transport: `capacitor://localhost`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .native_origins(["capacitor://localhost", "tauri://localhost"]);
    /// ```
    #[must_use]
    pub fn native_origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.settings.native_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// The cookies' names and attributes.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::web::cookies::{CookieSettings, SameSite};
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let cookies = CookieSettings { same_site: SameSite::None, ..CookieSettings::default() };
    /// let error =
    ///     Auth::builder(store).secrets(secrets).cookies(cookies).build().await.unwrap_err();
    /// assert!(error.to_string().starts_with("same_site = none needs https"));
    /// # });
    /// ```
    #[must_use]
    pub fn cookies(mut self, cookies: CookieSettings) -> Self {
        self.settings.cookies = cookies;
        self
    }

    /// What access tokens say beyond the usual.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::token::ExtraClaim;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let auth = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .extra_claims([ExtraClaim::Email, ExtraClaim::IsStaff])
    ///     .build()
    ///     .await
    ///     .unwrap();
    /// # let claims = world::claims(&auth).await;
    /// assert_eq!(
    ///     (claims["email"].as_str(), claims["is_staff"].as_bool()),
    ///     (Some("ada@example.com"), Some(false))
    /// );
    /// # });
    /// ```
    #[must_use]
    pub fn extra_claims(mut self, claims: impl IntoIterator<Item = ExtraClaim>) -> Self {
        self.settings.extra_claims = claims.into_iter().collect();
        self
    }

    /// How failed logins are slowed down.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::throttle::ThrottleSettings;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let three_guesses = ThrottleSettings { account_attempts: 3, ..ThrottleSettings::default() };
    /// let builder = Auth::builder(store).secrets(secrets).throttle(three_guesses);
    /// ```
    #[must_use]
    pub fn throttle(mut self, throttle: ThrottleSettings) -> Self {
        self.settings.throttle = throttle;
        self
    }

    /// How new passwords are hashed, and by how many threads.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::password::HashSettings;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder = Auth::builder(store).secrets(secrets).hash(HashSettings {
    ///     memory_kib: 65_536,
    ///     threads: 2,
    ///     ..HashSettings::default()
    /// });
    /// ```
    #[must_use]
    pub fn hash(mut self, hash: HashSettings) -> Self {
        self.settings.hash = hash;
        self
    }

    /// Users in a table of the app's own, in place of the store's.
    ///
    /// ```
    /// use countersign::store::Store;
    /// use countersign::user::Users;
    /// use countersign::{Auth, AuthBuilder};
    ///
    /// /// `members` asks the app's own table; `store` keeps sessions, keys and the feed.
    /// fn on_our_table(store: impl Store, members: impl Users) -> AuthBuilder {
    ///     Auth::builder(store).users(members)
    /// }
    /// ```
    #[must_use]
    pub fn users(mut self, users: impl Users) -> Self {
        self.users = Some(Box::new(users));
        self
    }

    /// Who wants to hear of logins, logouts, thefts.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::events::{Event, Events};
    ///
    /// #[derive(Debug)]
    /// struct Audit;
    ///
    /// impl Events for Audit {
    ///     fn on_login(&self, event: &Event<'_>) {
    ///         println!("{} {:?} logged in from {}", event.at, event.user, event.ip);
    ///     }
    /// }
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder = Auth::builder(store).secrets(secrets).events(Audit);
    /// ```
    #[must_use]
    pub fn events(mut self, events: impl Events) -> Self {
        self.events = Arc::new(events);
        self
    }

    /// Who sends mails. Without one nothing that needs a mail is mounted: forgotten passwords,
    /// codes, changes of the address.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use countersign::mail::Mailer;
    /// use countersign::store::Store;
    /// use countersign::{Auth, AuthBuilder};
    ///
    /// fn with_mail(store: impl Store, mailer: Arc<dyn Mailer>) -> AuthBuilder {
    ///     Auth::builder(store).mailer(mailer)
    /// }
    /// ```
    #[must_use]
    pub fn mailer(mut self, mailer: Arc<dyn Mailer>) -> Self {
        self.mailer = Some(mailer);
        self
    }

    /// The texts of mails, in the place of the built-in ones.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::mail::MailTemplates;
    ///
    /// # let (store, secrets, directory) = world::place();
    /// # let folder = directory.path().join("mails");
    /// # std::fs::create_dir(&folder).unwrap();
    /// let templates = MailTemplates::read(&folder).unwrap();
    /// let builder = Auth::builder(store).mail_templates(templates);
    /// ```
    #[must_use]
    pub fn mail_templates(mut self, templates: MailTemplates) -> Self {
        self.mail_templates = templates;
        self
    }

    /// Another clock than the machine's: for tests.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// use countersign::Auth;
    /// use countersign::clock::ManualClock;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let clock = Arc::new(ManualClock::at("2026-01-01T00:00:00Z".parse().unwrap()));
    /// let auth =
    ///     Auth::builder(store).secrets(secrets).clock(clock.clone()).build().await.unwrap();
    /// clock.advance(Duration::from_secs(300)); // access tokens have expired
    /// # });
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Another source of randomness than the operating system's: for tests.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::sync::Arc;
    ///
    /// use countersign::Auth;
    /// use countersign::clock::OsRandom;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// // What it is unless chosen:
    /// let builder = Auth::builder(store).secrets(secrets).random(Arc::new(OsRandom));
    /// ```
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = random;
        self
    }

    /// Checks the settings, makes the first signing key where there is none, reads the feed, and
    /// begins to follow it, on the current Tokio runtime.
    ///
    /// # Errors
    /// [`StartError`], with a sentence that says what to do.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::{Auth, SettingsError, StartError};
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let error =
    ///     Auth::builder(store).secrets(secrets).base_path("accounts/").build().await.unwrap_err();
    /// assert!(matches!(error, StartError::Settings(SettingsError::BasePath)));
    /// # });
    /// ```
    pub async fn build(self) -> Result<Auth, StartError> {
        if let Some(wrong) = self.wrong {
            return Err(wrong.into());
        }
        let secrets = match self.secret {
            Some(Secret::Given(secrets)) => secrets,
            Some(Secret::File(path)) => Secrets::load_or_create(&path, &*self.random)?,
            None => return Err(StartError::NoSecret),
        };
        let Self { settings, store, users, events, clock, random, mailer, mail_templates, .. } =
            self;
        start(Start {
            settings,
            secrets,
            store,
            users,
            events,
            clock,
            random,
            mailer,
            mail_templates,
        })
        .await
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

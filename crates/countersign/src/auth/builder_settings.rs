//! The builder's methods for settings, one for each: whatever [`settings`](AuthBuilder::settings)
//! says, what they choose counts.

use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use super::builder::AuthBuilder;
use super::settings::{AccountSettings, SettingsError, WhenStale};
use crate::password::HashSettings;
use crate::session::device::DeviceBinding;
use crate::throttle::ThrottleSettings;
use crate::token::{Algorithm, ExtraClaim};
use crate::web::cookies::CookieSettings;

impl AuthBuilder {
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
            Ok(url) => self.choose(move |settings| settings.public_url = url.clone()),
            Err(error) => {
                let wrong = SettingsError::PublicUrl(format!(
                    "{:?}: {error}; write it like https://app.example.com",
                    url.as_ref()
                ));
                self.wrong.get_or_insert(wrong);
                self
            }
        }
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
    pub fn base_path(self, path: impl Into<String>) -> Self {
        let chosen = path.into();
        self.choose(move |settings| settings.base_path = chosen.clone())
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
    pub fn issuer(self, issuer: impl Into<String>) -> Self {
        let chosen = Some(issuer.into());
        self.choose(move |settings| settings.issuer = chosen.clone())
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
    pub fn audience(self, audience: impl Into<String>) -> Self {
        let chosen = Some(audience.into());
        self.choose(move |settings| settings.audience = chosen.clone())
    }

    /// Which of several [`Auth`](crate::Auth) on one store this is, so that none takes the refresh
    /// tokens of another. The issuer, with the audience, unless chosen.
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
    pub fn instance(self, name: impl Into<String>) -> Self {
        let chosen = Some(name.into());
        self.choose(move |settings| settings.instance = chosen.clone())
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
    pub fn signing_algorithm(self, algorithm: Algorithm) -> Self {
        self.choose(move |settings| settings.signing_algorithm = algorithm)
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
    pub fn access_lifetime(self, lifetime: Duration) -> Self {
        self.choose(move |settings| settings.access_lifetime = lifetime)
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
    pub fn session_lifetime(self, idle: Duration, absolute: Duration) -> Self {
        self.choose(move |settings| {
            (settings.session_idle, settings.session_absolute) = (idle, absolute);
        })
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
    pub fn allow_origins<T: Into<String>>(self, origins: impl IntoIterator<Item = T>) -> Self {
        let origins: Vec<String> = origins.into_iter().map(Into::into).collect();
        self.choose(move |settings| settings.allow_origins = origins.clone())
    }

    /// Headers of the app's own that those front ends may send, and may read of an answer.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .allow_origins(["https://app.example.com"])
    ///     .cors_headers(["Idempotency-Key"], ["X-Total-Count"]);
    /// ```
    #[must_use]
    pub fn cors_headers<T: Into<String>, U: Into<String>>(
        self,
        sent: impl IntoIterator<Item = T>,
        read: impl IntoIterator<Item = U>,
    ) -> Self {
        let sent: Vec<String> = sent.into_iter().map(Into::into).collect();
        let read: Vec<String> = read.into_iter().map(Into::into).collect();
        self.choose(move |settings| {
            (settings.allow_headers, settings.expose_headers) = (sent.clone(), read.clone());
        })
    }

    /// Whether CORS headers are added for those front ends: no, where a layer of the app's own does
    /// it.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .allow_origins(["https://app.example.com"])
    ///     .cors(false);
    /// ```
    #[must_use]
    pub fn cors(self, adds_headers: bool) -> Self {
        self.choose(move |settings| settings.cors = adds_headers)
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
    pub fn native_origins<T: Into<String>>(self, origins: impl IntoIterator<Item = T>) -> Self {
        let origins: Vec<String> = origins.into_iter().map(Into::into).collect();
        self.choose(move |settings| settings.native_origins = origins.clone())
    }

    /// What the names of schemas in the OpenAPI document begin with.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # world::block_on(async {
    /// # let (store, secrets, _directory) = world::place();
    /// let auth =
    ///     Auth::builder(store).secrets(secrets).openapi_prefix("Auth").build().await.unwrap();
    /// let document = serde_json::to_value(auth.openapi()).unwrap();
    /// assert!(document["components"]["schemas"].get("AuthUser").is_some());
    /// # });
    /// ```
    #[must_use]
    pub fn openapi_prefix(self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        self.choose(move |settings| settings.openapi_prefix.clone_from(&prefix))
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
    /// let mut cookies = CookieSettings::default();
    /// cookies.same_site = SameSite::None;
    /// let error =
    ///     Auth::builder(store).secrets(secrets).cookies(cookies).build().await.unwrap_err();
    /// assert!(error.to_string().starts_with("same_site = none needs https"));
    /// # });
    /// ```
    #[must_use]
    pub fn cookies(self, cookies: CookieSettings) -> Self {
        self.choose(move |settings| settings.cookies = cookies.clone())
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
    pub fn extra_claims(self, claims: impl IntoIterator<Item = ExtraClaim>) -> Self {
        let claims: Vec<ExtraClaim> = claims.into_iter().collect();
        self.choose(move |settings| settings.extra_claims = claims.clone())
    }

    /// How failed logins are slowed down.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::throttle::ThrottleSettings;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let mut three_guesses = ThrottleSettings::default();
    /// three_guesses.account_attempts = 3;
    /// let builder = Auth::builder(store).secrets(secrets).throttle(three_guesses);
    /// ```
    #[must_use]
    pub fn throttle(self, throttle: ThrottleSettings) -> Self {
        self.choose(move |settings| settings.throttle = throttle)
    }

    /// How new passwords are hashed, and by how many threads.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::password::HashSettings;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let mut hash = HashSettings::default();
    /// hash.memory_kib = 65_536;
    /// hash.threads = 2;
    /// let builder = Auth::builder(store).secrets(secrets).hash(hash);
    /// ```
    #[must_use]
    pub fn hash(self, hash: HashSettings) -> Self {
        self.choose(move |settings| settings.hash = hash)
    }

    /// Sign-up, addresses, forgotten passwords and mail.
    ///
    /// ```
    /// use countersign::settings::{AccountSettings, Registration};
    /// use countersign::store::Store;
    /// use countersign::{Auth, AuthBuilder};
    ///
    /// fn with_sign_up(store: impl Store) -> AuthBuilder {
    ///     let mut accounts = AccountSettings::default();
    ///     accounts.registration = Registration::Open;
    ///     Auth::builder(store).accounts(accounts)
    /// }
    /// ```
    #[must_use]
    pub fn accounts(self, accounts: AccountSettings) -> Self {
        self.choose(move |settings| settings.accounts = accounts.clone())
    }

    /// How long a session lives at most whose user says at login that it is not to outlive the
    /// browser (`remember: false`): never longer than other sessions.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::time::Duration;
    ///
    /// use countersign::Auth;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let hour = Duration::from_secs(3600);
    /// let builder = Auth::builder(store).secrets(secrets).session_short(hour);
    /// ```
    #[must_use]
    pub fn session_short(self, at_most: Duration) -> Self {
        self.choose(move |settings| settings.session_short = at_most)
    }

    /// How many live sessions a user may have; of more the oldest end. 0 for no limit.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let one_at_a_time = Auth::builder(store).secrets(secrets).sessions_per_user(1);
    /// ```
    #[must_use]
    pub fn sessions_per_user(self, sessions: u32) -> Self {
        self.choose(move |settings| settings.sessions_per_user = sessions)
    }

    /// How far apart two requests of one honest client may be.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::time::Duration;
    ///
    /// use countersign::Auth;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let slow_network = Duration::from_secs(60);
    /// let builder = Auth::builder(store).secrets(secrets).race_window(slow_network);
    /// ```
    #[must_use]
    pub fn race_window(self, window: Duration) -> Self {
        self.choose(move |settings| settings.race_window = window)
    }

    /// What becomes of browsers that can bind their session to the device. It takes https.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    /// use countersign::session::device::DeviceBinding;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder =
    ///     Auth::builder(store).secrets(secrets).device_binding(DeviceBinding::Enforce);
    /// ```
    #[must_use]
    pub fn device_binding(self, binding: DeviceBinding) -> Self {
        self.choose(move |settings| settings.device_binding = binding)
    }

    /// The proxies whose word on the client's address counts.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .trusted_proxies(["10.0.0.0/8".parse().unwrap()]);
    /// ```
    #[must_use]
    pub fn trusted_proxies(self, proxies: impl IntoIterator<Item = IpNet>) -> Self {
        let proxies: Vec<IpNet> = proxies.into_iter().collect();
        self.choose(move |settings| settings.trusted_proxies = proxies.clone())
    }

    /// How many bytes the access tokens that were verified may take in memory.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder = Auth::builder(store).secrets(secrets).token_cache_bytes(8 * 1024 * 1024);
    /// ```
    #[must_use]
    pub fn token_cache_bytes(self, bytes: usize) -> Self {
        self.choose(move |settings| settings.token_cache_bytes = bytes)
    }

    /// How long a client may take to send a body.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::time::Duration;
    ///
    /// use countersign::Auth;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder =
    ///     Auth::builder(store).secrets(secrets).body_timeout(Duration::from_secs(30));
    /// ```
    #[must_use]
    pub fn body_timeout(self, timeout: Duration) -> Self {
        self.choose(move |settings| settings.body_timeout = timeout)
    }

    /// How long this process may go on without hearing from the store what changed, and what it
    /// does after that.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use std::time::Duration;
    ///
    /// use countersign::Auth;
    /// use countersign::settings::WhenStale;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder = Auth::builder(store)
    ///     .secrets(secrets)
    ///     .staleness(Duration::from_secs(10), WhenStale::Refuse);
    /// ```
    #[must_use]
    pub fn staleness(self, most: Duration, then: WhenStale) -> Self {
        self.choose(move |settings| (settings.max_staleness, settings.when_stale) = (most, then))
    }

    /// Refreshes of one session in a minute; 0 for no limit.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::Auth;
    ///
    /// # let (store, secrets, _directory) = world::place();
    /// let builder = Auth::builder(store).secrets(secrets).session_refreshes_per_minute(30);
    /// ```
    #[must_use]
    pub fn session_refreshes_per_minute(self, refreshes: u32) -> Self {
        self.choose(move |settings| settings.session_refreshes_per_minute = refreshes)
    }
}

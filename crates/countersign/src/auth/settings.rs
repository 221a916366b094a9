//! Settings: plain data with the defaults of the binary, checked once before anything starts.
//!
//! ```
//! use countersign::Settings;
//!
//! let mut settings = Settings::default();
//! settings.public_url = "https://app.example.com".parse().unwrap();
//! assert_eq!(settings.check().unwrap().issuer, "https://app.example.com");
//! ```

use std::time::Duration;

use axum::http::HeaderValue;
use ipnet::IpNet;
use url::Url;

pub use super::account_settings::{
    AccountSettings, EmailVerification, Registration, RegistrationField,
};
pub use super::words::UnknownWord;
use crate::password::HashSettings;
use crate::session::device::DeviceBinding;
use crate::sign_in::{Policy, SecondFactorError};
use crate::throttle::ThrottleSettings;
use crate::token::{Algorithm, ExtraClaim};
use crate::web::cookies::{CookieError, CookieSettings, Cookies};
use crate::web::header_list::{ALLOWED, EXPOSED, header_list};
use crate::web::origin::{Origin, OriginError, Origins};

/// What can be chosen. [`Default`] is what the binary does without configuration.
///
/// ```
/// use std::time::Duration;
///
/// use countersign::Settings;
///
/// let settings = Settings::default();
/// assert_eq!(
///     (settings.base_path.as_str(), settings.access_lifetime),
///     ("/accounts", Duration::from_secs(300))
/// );
/// assert_eq!(settings.session_idle, Duration::from_secs(7 * 86_400));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// Where clients find this server: decides the issuer, the names of cookies and whether they
    /// are `Secure`.
    pub public_url: Url,
    /// The path that the endpoints stand under, `/accounts` unless chosen otherwise.
    pub base_path: String,
    /// The claim `iss`; the public URL's origin unless chosen otherwise.
    pub issuer: Option<String>,
    /// The claim `aud`; none unless chosen, so that verifiers need no setting.
    pub audience: Option<String>,
    /// Which of several `Auth` on one store this is: a refresh token is good at the one that issued
    /// it, and at no other.
    ///
    /// The issuer, with the audience if there is one, unless chosen; refresh tokens that an earlier
    /// version issued are then good too. Empty for the only `Auth` of its store, whose tokens are
    /// then good whatever its issuer becomes: so the binary has it. A changed name ends nothing,
    /// but clients have to log in again.
    pub instance: Option<String>,
    /// What access tokens are signed with.
    pub signing_algorithm: Algorithm,
    /// How long an access token lives: 5 minutes, at least 1 second and at most 1 day.
    pub access_lifetime: Duration,
    /// How long a session lives without a refresh: 7 days.
    pub session_idle: Duration,
    /// How long a session lives at most: 30 days.
    pub session_absolute: Duration,
    /// How long a session lives at most whose user says at login that it is not to outlive the
    /// browser: 12 hours, and never longer than `session_absolute`.
    pub session_short: Duration,
    /// How many live sessions a user may have: 100; of more the oldest end. 1 for one at a time, 0
    /// for no limit.
    pub sessions_per_user: u32,
    /// How far apart two requests of one honest client may be: 30 seconds, at most 5 minutes.
    pub race_window: Duration,
    /// The front ends on other origins, for CORS and CSRF alike: `https://app.example.com`,
    /// `https://*.example.com`.
    pub allow_origins: Vec<String>,
    /// Whether CORS headers are added for those origins: yes. No where a CORS layer of the app's
    /// own does it; what the origins may then write is checked as ever.
    pub cors: bool,
    /// Headers of the app's own that front ends on other origins may send, beside `Authorization`,
    /// `Content-Type`, `DPoP`, `X-CSRFTOKEN`, and what libraries add by themselves: `Baggage`,
    /// `Cache-Control`, `Sentry-Trace`, `Traceparent`, `Tracestate` and `X-Requested-With`.
    pub allow_headers: Vec<String>,
    /// Headers of the app's own that they may read, beside those that the endpoints answer with.
    pub expose_headers: Vec<String>,
    /// The origins of packaged apps that may ask for the native transport: `capacitor://localhost`.
    pub native_origins: Vec<String>,
    /// What the names of schemas in the OpenAPI document begin with, so that they collide with none
    /// of the app's own after a merge: nothing. The ids of operations begin with it in lower case,
    /// and `_`.
    pub openapi_prefix: String,
    /// The cookies' names and attributes.
    pub cookies: CookieSettings,
    /// The proxies whose word on the client's address counts.
    pub trusted_proxies: Vec<IpNet>,
    /// What access tokens say beyond the usual.
    pub extra_claims: Vec<ExtraClaim>,
    /// How many bytes the access tokens that were verified may take in memory: 64 MiB, some 50,000
    /// tokens without extra claims. One that is not remembered is verified again, for some tens of
    /// microseconds. The users behind them are remembered besides, 65,536 at most.
    pub token_cache_bytes: usize,
    /// How long a client may take to send a body: 10 seconds.
    pub body_timeout: Duration,
    /// How long this process may go on without hearing from the store what changed: 1 minute, at
    /// least 1 second.
    pub max_staleness: Duration,
    /// What it does after that.
    pub when_stale: WhenStale,
    /// How failed logins are slowed down.
    pub throttle: ThrottleSettings,
    /// Refreshes of one session in a minute; 0 for no limit.
    pub session_refreshes_per_minute: u32,
    /// How new passwords are hashed, and by how many threads.
    pub hash: HashSettings,
    /// Sign-up, addresses, forgotten passwords and mail.
    pub accounts: AccountSettings,
    /// What becomes of browsers that can bind their session to the device: observed. Only where the
    /// public URL is https.
    pub device_binding: DeviceBinding,
    /// Who must have a second factor, and how long a device may do without.
    pub sign_in: Policy,
    /// The domain that passkeys belong to: the public URL's, unless a domain above it is chosen. A
    /// passkey is good below its own domain, and nowhere else for ever.
    pub passkey_rp_id: Option<String>,
    /// Origins beside the public URL's, and beside those of `allow_origins` that are below the same
    /// domain, whose pages and apps may use its passkeys. Browsers read those of other domains at
    /// `/.well-known/webauthn`.
    pub passkey_origins: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            public_url: Url::parse("http://localhost:8000").expect("a URL"),
            base_path: "/accounts".to_owned(),
            issuer: None,
            audience: None,
            instance: None,
            signing_algorithm: Algorithm::default(),
            access_lifetime: Duration::from_secs(5 * 60),
            session_idle: Duration::from_secs(7 * DAY),
            session_absolute: Duration::from_secs(30 * DAY),
            session_short: Duration::from_secs(12 * 60 * 60),
            sessions_per_user: 100,
            race_window: Duration::from_secs(30),
            allow_origins: Vec::new(),
            cors: true,
            allow_headers: Vec::new(),
            expose_headers: Vec::new(),
            native_origins: Vec::new(),
            openapi_prefix: String::new(),
            device_binding: DeviceBinding::default(),
            cookies: CookieSettings::default(),
            trusted_proxies: Vec::new(),
            extra_claims: Vec::new(),
            token_cache_bytes: 64 * 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            max_staleness: Duration::from_secs(60),
            when_stale: WhenStale::default(),
            throttle: ThrottleSettings::default(),
            session_refreshes_per_minute: 120,
            hash: HashSettings::default(),
            accounts: AccountSettings::default(),
            sign_in: Policy::default(),
            passkey_rp_id: None,
            passkey_origins: Vec::new(),
        }
    }
}

impl Settings {
    /// Checks the settings against each other and turns them into what the flows use.
    ///
    /// # Errors
    /// [`SettingsError`] says which setting is wrong and what to do about it.
    ///
    /// ```
    /// use countersign::{Settings, SettingsError};
    ///
    /// let mut settings = Settings::default();
    /// settings.access_lifetime = std::time::Duration::ZERO;
    /// assert!(settings.check().is_err());
    /// ```
    pub fn check(&self) -> Result<Checked, SettingsError> {
        let public_origin = Origin::of(&self.public_url)
            .map_err(|error| SettingsError::PublicUrl(error.to_string()))?;
        if !matches!(self.public_url.scheme(), "http" | "https") {
            return Err(SettingsError::PublicUrl(
                "it must begin with http:// or https://".to_owned(),
            ));
        }
        if !self.public_url.username().is_empty()
            || self.public_url.query().is_some()
            || self.public_url.fragment().is_some()
        {
            return Err(SettingsError::PublicUrl("leave out user, query and fragment".to_owned()));
        }
        if !self.home().is_empty() && !is_good_path(self.home()) {
            return Err(SettingsError::PublicUrl(
                "its path may hold letters, digits, `-`, `_`, `.` and `~` between single slashes"
                    .to_owned(),
            ));
        }
        if !is_good_path(&self.base_path) {
            return Err(SettingsError::BasePath);
        }
        for (name, text) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if text.as_deref() == Some("") {
                return Err(SettingsError::Empty { name });
            }
        }
        for (name, lifetime, least, most) in [
            ("access_lifetime", self.access_lifetime, 1, DAY),
            ("session_idle", self.session_idle, 60, 400 * DAY),
            ("session_absolute", self.session_absolute, 60, 400 * DAY),
            ("session_short", self.session_short, 60, 400 * DAY),
            ("race_window", self.race_window, 1, 300),
            ("body_timeout", self.body_timeout, 1, 600),
            ("max_staleness", self.max_staleness, 1, DAY),
            ("remember_device", self.sign_in.remember_device, 0, 365 * DAY),
        ] {
            if lifetime < Duration::from_secs(least) || lifetime > Duration::from_secs(most) {
                return Err(SettingsError::Lifetime { name, least, most });
            }
        }
        if self.session_idle > self.session_absolute {
            return Err(SettingsError::IdleBeyondAbsolute);
        }
        if self.access_lifetime > self.session_idle {
            return Err(SettingsError::AccessBeyondIdle);
        }
        let origins = |name, list: &[String]| {
            Origins::parse(list.iter().map(String::as_str))
                .map_err(|error| SettingsError::Origin { name, error })
        };
        let headers = |name, own, more: &[String]| {
            header_list(own, more).map_err(|header| SettingsError::Header { name, header })
        };
        self.hash.validate().map_err(|error| SettingsError::Hash(error.to_string()))?;
        self.sign_in.second_factor.check().map_err(SettingsError::SecondFactor)?;
        if let Some((name, what)) = self.accounts.fault() {
            return Err(SettingsError::Account { name, what });
        }
        let passkey_rp_id = self.rp_id()?;
        Ok(Checked {
            passkey_origins: self.origins_of_passkeys(passkey_rp_id.as_deref())?,
            passkey_rp_id,
            issuer: self
                .issuer
                .clone()
                .unwrap_or_else(|| format!("{public_origin}{}", self.home())),
            allow_origins: origins("allow_origins", &self.allow_origins)?,
            native_origins: origins("native_origins", &self.native_origins)?,
            allow_headers: headers("cors_headers", ALLOWED, &self.allow_headers)?,
            expose_headers: headers("cors_headers", EXPOSED, &self.expose_headers)?,
            cookies: Cookies::new(&self.public_url, &self.base_path, &self.cookies)?,
            device_binding: match self.public_url.scheme() {
                "https" => self.device_binding,
                _ => DeviceBinding::Off,
            },
            public_origin,
        })
    }
}

impl Settings {
    /// The path of the public URL, below which everything stands for clients: without a slash at
    /// its end, and empty where there is none.
    ///
    /// ```
    /// use countersign::Settings;
    ///
    /// let mut settings = Settings::default();
    /// assert_eq!(settings.home(), "");
    /// settings.public_url = "https://example.org/auth/".parse().unwrap();
    /// assert_eq!(settings.home(), "/auth");
    /// ```
    #[must_use]
    pub fn home(&self) -> &str {
        self.public_url.path().trim_end_matches('/')
    }

    /// What tells this server from others on the same store or secret, which may have users of
    /// their own under the same ids: the issuer, and the names of what it serves.
    pub(crate) fn server_name(&self, issuer: &str) -> String {
        let parts = [self.instance.as_deref(), self.audience.as_deref()];
        parts.into_iter().flatten().fold(issuer.to_owned(), |name, part| name + " " + part)
    }

    /// The domain of the passkeys. `None` where the public URL has none, but an address.
    fn rp_id(&self) -> Result<Option<String>, SettingsError> {
        let domain = self.public_url.domain();
        let Some(chosen) = &self.passkey_rp_id else { return Ok(domain.map(str::to_owned)) };
        if domain.is_some_and(|domain| is_below(domain, chosen)) {
            return Ok(Some(chosen.clone()));
        }
        let what = "choose the domain of public_url, or one above it".to_owned();
        Err(SettingsError::Account { name: "passkey_rp_id", what })
    }

    /// The origins beside the public URL's whose pages and apps may use them.
    fn origins_of_passkeys(&self, rp_id: Option<&str>) -> Result<Vec<Url>, SettingsError> {
        let mut origins = Vec::new();
        for text in &self.passkey_origins {
            let origin =
                Url::parse(text).ok().filter(|_| !text.ends_with('/')).ok_or_else(|| {
                    let what = "write origins like https://shop.example".to_owned();
                    SettingsError::Account { name: "passkey_origins", what }
                })?;
            origins.push(origin);
        }
        let front_ends = self.allow_origins.iter().filter(|text| !text.contains('*'));
        let front_ends = front_ends.filter_map(|text| Url::parse(text).ok());
        origins.extend(front_ends.filter(|origin| {
            let domains = origin.domain().zip(rp_id);
            domains.is_some_and(|(domain, rp_id)| is_below(domain, rp_id))
        }));
        Ok(origins)
    }
}

/// Whether it begins with a slash, does not end with one, and holds what no proxy writes otherwise.
fn is_good_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() > 1
        && !path.ends_with('/')
        && !path.contains("//")
        && path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-_.~".contains(&b))
}

/// Whether a domain is this one, or is below it.
fn is_below(domain: &str, above: &str) -> bool {
    let rest = domain.strip_suffix(above);
    rest.is_some_and(|rest| !above.is_empty() && (rest.is_empty() || rest.ends_with('.')))
}

/// What a process does when it has not heard from the store for longer than it may: sessions may
/// have been ended that it knows nothing of.
///
/// ```
/// use countersign::settings::WhenStale;
///
/// assert_eq!("refuse".parse(), Ok(WhenStale::Refuse));
/// assert_eq!(WhenStale::default(), WhenStale::Refuse);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhenStale {
    /// Answers every request that needs a user with 503 and `Retry-After`, until it hears again.
    #[default]
    Refuse,
    /// Goes on: access tokens count until they expire.
    GoOn,
}

impl std::str::FromStr for WhenStale {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "go-on" => Ok(Self::GoOn),
            _ => Err(UnknownWord("choose refuse or go-on")),
        }
    }
}

/// What the settings come to.
///
/// ```
/// use countersign::Settings;
///
/// let checked = Settings::default().check().unwrap();
/// assert_eq!(checked.issuer, "http://localhost:8000");
/// assert_eq!(checked.cookies.refresh_name(), "refreshtoken");
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Checked {
    /// The claim `iss`.
    pub issuer: String,
    /// The origin of the public URL.
    pub public_origin: Origin,
    /// The front ends on other origins.
    pub allow_origins: Origins,
    /// The packaged apps.
    pub native_origins: Origins,
    /// What front ends on other origins may send.
    pub allow_headers: HeaderValue,
    /// What they may read.
    pub expose_headers: HeaderValue,
    /// The cookies.
    pub cookies: Cookies,
    /// What becomes of devices: nothing without https.
    pub device_binding: DeviceBinding,
    /// The domain of passkeys, where there can be any.
    pub passkey_rp_id: Option<String>,
    /// The origins beside the public URL's whose pages and apps may use them.
    pub passkey_origins: Vec<Url>,
}

/// A setting that cannot stand.
///
/// ```
/// use countersign::{Settings, SettingsError};
///
/// let mut settings = Settings::default();
/// settings.base_path = "accounts".to_owned();
/// assert_eq!(settings.check().unwrap_err(), SettingsError::BasePath);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// Not a URL that clients can reach.
    #[error("public_url is not usable: {0}")]
    PublicUrl(String),
    /// Not a path.
    #[error(
        "base_path must begin with a slash, not end with one, and hold letters, digits, `-`, `_`, \
         `.` and `~` only, like `/accounts`"
    )]
    BasePath,
    /// A name without a letter: tokens that name nobody, and that verifiers refuse.
    #[error("{name} is empty; leave it out, or give it a value")]
    Empty {
        /// The setting.
        name: &'static str,
    },
    /// Too short or too long.
    #[error("{name} must be between {least} and {most} seconds")]
    Lifetime {
        /// The setting.
        name: &'static str,
        /// In seconds.
        least: u64,
        /// In seconds.
        most: u64,
    },
    /// A session that may idle for longer than it lives.
    #[error("session_idle is longer than session_absolute; raise the latter or lower the former")]
    IdleBeyondAbsolute,
    /// An access token that outlives its session.
    #[error(
        "access_lifetime is longer than session_idle; access tokens are meant to live for minutes"
    )]
    AccessBeyondIdle,
    /// Not an origin.
    #[error("{name}: {error}")]
    Origin {
        /// The setting.
        name: &'static str,
        /// What is wrong.
        error: OriginError,
    },
    /// Not the name of a header.
    #[error("{name}: {header:?} is not the name of a header")]
    Header {
        /// The setting.
        name: &'static str,
        /// What was given.
        header: String,
    },
    /// Cookies that browsers would refuse, or that would not be safe.
    #[error(transparent)]
    Cookie(#[from] CookieError),
    /// Something about accounts or mail that cannot stand.
    #[error("{name}: {what}")]
    Account {
        /// The setting.
        name: &'static str,
        /// What to do.
        what: String,
    },
    /// Hashing that is too weak or too heavy.
    #[error("{0}")]
    Hash(String),
    /// A list of those who must have a second factor, with a word that stands alone.
    #[error("second_factor: {0}")]
    SecondFactor(SecondFactorError),
}

const DAY: u64 = 24 * 60 * 60;

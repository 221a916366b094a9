//! From texts to what the library and the listener take.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use countersign::Settings;
use countersign::password::HashSettings;
use countersign::throttle::ThrottleSettings;
use countersign::token::Secrets;
use countersign::web::cookies::CookieSettings;
use ipnet::IpNet;
use url::Url;

use super::{Config, ConfigError, Hook, network};

/// Where the data is.
pub(crate) enum Database {
    /// In a file on this machine.
    Sqlite(PathBuf),
    /// In a PostgreSQL database, for any number of nodes.
    Postgres {
        /// Its URL, which may have a password in it.
        url: String,
        /// How many connections this node keeps at most.
        connections: usize,
    },
}

/// What `serve` needs.
#[derive(Debug)]
pub(crate) struct ServeConfig {
    /// The library's settings, checked.
    pub(crate) settings: Settings,
    /// The listener's.
    pub(crate) options: Options,
    /// The admin site's, if there is to be one.
    pub(crate) admin: Option<AdminConfig>,
    /// Whether to serve the management API.
    pub(crate) manage: bool,
    /// How long lines of the audit log are kept; zero for ever.
    pub(crate) audit_keep: Duration,
    /// Whether to serve the demo page.
    pub(crate) demo: bool,
    /// The web hooks.
    pub(crate) hooks: Vec<Hook>,
}

/// How to serve.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// Where to listen. Port 0 takes a free one.
    pub(crate) listen: SocketAddr,
    /// Where to serve `/metrics`; nowhere unless chosen, since figures are nobody else's business.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Where to serve the management API, if not where everything else is.
    pub(crate) manage_listen: Option<SocketAddr>,
    /// How long a client may take to send a request's head, and how long an idle connection is
    /// kept.
    pub(crate) header_timeout: Duration,
    /// Connections at a time; the next ones wait to be accepted.
    pub(crate) max_connections: usize,
    /// Connections of one client address at a time; zero for no limit.
    pub(crate) max_connections_per_address: usize,
    /// How long requests that have begun may go on after the signal to stop.
    pub(crate) shutdown_grace: Duration,
    /// The proxies whose request ids count.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Whether clients come over https.
    pub(crate) https: bool,
    /// The path of the public URL; empty where there is none.
    pub(crate) home: String,
    /// Whether to serve `/openapi.json` and `/docs`.
    pub(crate) docs: bool,
}

/// What the admin site needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AdminConfig {
    /// How long a session lives without a request.
    pub(crate) idle: Duration,
    /// How long a session lives at most.
    pub(crate) absolute: Duration,
}

impl Config {
    /// Everything that `serve` needs.
    ///
    /// # Errors
    /// The first setting that does not do, alone or with the others.
    pub(crate) fn serve(&self) -> Result<ServeConfig, ConfigError> {
        let settings = self.settings()?;
        self.database()?;
        self.secret()?;
        self.log()?;
        settings.check().map_err(|error| ConfigError::Together(error.to_string()))?;
        let options = Options {
            listen: self.listen()?,
            metrics_listen: self.optional::<Address>("metrics_listen")?.map(|address| address.0),
            manage_listen: self.manage_listen()?,
            header_timeout: self.duration("header_timeout")?,
            max_connections: self.number("max_connections")?,
            max_connections_per_address: self.number("max_connections_per_address")?,
            shutdown_grace: self.duration("shutdown_grace")?,
            trusted_proxies: settings.trusted_proxies.clone(),
            https: settings.public_url.scheme() == "https",
            home: settings.home().to_owned(),
            docs: self.switch("docs")?,
        };
        let (admin, demo) = (self.admin(&settings)?, self.demo(&settings)?);
        let (manage, audit_keep) = (self.manage(&settings)?, self.duration("audit_keep")?);
        let hooks = self.hooks()?;
        Ok(ServeConfig { settings, options, admin, manage, audit_keep, demo, hooks })
    }

    /// Unless chosen, where the public URL says that this is a developer's machine.
    pub(super) fn demo(&self, settings: &Settings) -> Result<bool, ConfigError> {
        match self.text("demo").unwrap_or("auto") {
            "auto" => Ok(is_local(&settings.public_url)),
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            other => Err(self.wrong("demo", other, "choose on, off or auto".to_owned())),
        }
    }

    fn admin(&self, settings: &Settings) -> Result<Option<AdminConfig>, ConfigError> {
        let (idle, absolute) = (self.duration("admin_idle")?, self.duration("admin_absolute")?);
        if absolute < idle {
            let reason = "choose no less than admin_idle".to_owned();
            return Err(self.wrong(
                "admin_absolute",
                self.text("admin_absolute").unwrap_or_default(),
                reason,
            ));
        }
        if !self.switch("admin")? {
            return Ok(None);
        }
        if settings.base_path == "/admin" || settings.base_path.starts_with("/admin/") {
            let reason =
                "the admin site is there; choose another path, or admin = \"off\"".to_owned();
            return Err(self.wrong("base_path", &settings.base_path, reason));
        }
        Ok(Some(AdminConfig { idle, absolute }))
    }

    fn manage(&self, settings: &Settings) -> Result<bool, ConfigError> {
        let is_on = self.switch("manage")?;
        let path = &settings.base_path;
        if is_on && (path == "/manage" || path.starts_with("/manage/")) {
            let reason = "the management API is there; choose another path, or manage = \"off\"";
            return Err(self.wrong("base_path", path, reason.to_owned()));
        }
        Ok(is_on)
    }

    fn manage_listen(&self) -> Result<Option<SocketAddr>, ConfigError> {
        let address = self.optional::<Address>("manage_listen")?.map(|address| address.0);
        if let Some(address) = address
            && !self.switch("manage")?
        {
            let reason = "the management API is not served; set manage = \"on\", or leave it out";
            return Err(self.wrong("manage_listen", &address.to_string(), reason.to_owned()));
        }
        Ok(address)
    }

    /// The library's settings.
    ///
    /// # Errors
    /// The first setting that cannot be read.
    pub(crate) fn settings(&self) -> Result<Settings, ConfigError> {
        let mut settings = Settings::default();
        settings.public_url = self.public_url()?;
        settings.base_path = self.base_path()?;
        settings.issuer = self.optional("issuer")?;
        settings.audience = self.optional("audience")?;
        // One server has one store for itself: whatever becomes of its issuer, nobody is logged
        // out.
        settings.instance = Some(String::new());
        settings.signing_algorithm = self.required("signing_algorithm")?;
        settings.access_lifetime = self.duration("access_lifetime")?;
        settings.session_idle = self.duration("session_idle")?;
        settings.session_absolute = self.duration("session_absolute")?;
        settings.session_short = self.duration("session_short")?;
        settings.sessions_per_user = self.number("sessions_per_user")?;
        settings.race_window = self.duration("race_window")?;
        settings.allow_origins = self.list("allow_origins")?;
        settings.native_origins = self.list("native_origins")?;
        settings.allow_headers = self.list("cors_headers")?;
        settings.cookies = self.cookies()?;
        settings.trusted_proxies =
            self.list::<Network>("trusted_proxies")?.into_iter().map(|network| network.0).collect();
        settings.extra_claims = self.list("extra_claims")?;
        settings.token_cache_bytes = self.number("token_cache_bytes")?;
        settings.body_timeout = self.duration("body_timeout")?;
        settings.max_staleness = self.duration("max_staleness")?;
        settings.when_stale = self.required("when_stale")?;
        settings.throttle = self.throttle()?;
        settings.session_refreshes_per_minute = self.number("throttle_session_refreshes")?;
        settings.hash = self.hash(settings.hash)?;
        settings.accounts = self.accounts()?;
        settings.device_binding = self.required("device_binding")?;
        settings.sign_in.second_factor = self.required("second_factor")?;
        settings.sign_in.remember_device = self.duration("remember_device")?;
        settings.passkey_rp_id = self.optional("passkey_rp_id")?;
        settings.passkey_origins = self.list("passkey_origins")?;
        Ok(settings)
    }

    fn cookies(&self) -> Result<CookieSettings, ConfigError> {
        let mut cookies = CookieSettings::default();
        cookies.same_site = self.required("same_site")?;
        cookies.partitioned = self.switch("partitioned")?;
        cookies.refresh = self.optional("refresh_cookie")?;
        cookies.csrf = self.required("csrf_cookie")?;
        cookies.device = self.required("device_cookie")?;
        cookies.domain = self.optional("cookie_domain")?;
        Ok(cookies)
    }

    fn throttle(&self) -> Result<ThrottleSettings, ConfigError> {
        let mut throttle = ThrottleSettings::default();
        throttle.account_attempts = self.number("throttle_account_attempts")?;
        throttle.account_max_delay = self.duration("throttle_account_max_delay")?;
        throttle.address_attempts = self.number("throttle_address_attempts")?;
        throttle.address_window = self.duration("throttle_address_window")?;
        Ok(throttle)
    }

    /// How passwords are hashed.
    pub(crate) fn hash(&self, defaults: HashSettings) -> Result<HashSettings, ConfigError> {
        let mut hash = defaults;
        let threads: usize = self.number("hash_threads")?;
        if threads != 0 {
            hash.threads = threads;
        }
        hash.queue = self.number("hash_queue")?;
        hash.memory_kib = self.number("hash_memory_kib")?;
        hash.passes = self.number("hash_passes")?;
        hash.lanes = self.number("hash_lanes")?;
        Ok(hash)
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> PathBuf {
        PathBuf::from(self.text("data_dir").unwrap_or("./data"))
    }

    /// The database.
    ///
    /// # Errors
    /// A URL of another kind.
    pub(crate) fn database(&self) -> Result<Database, ConfigError> {
        let Some(url) = self.text("database_url") else {
            return Ok(Database::Sqlite(self.data_dir().join("countersign.sqlite3")));
        };
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let connections: usize = self.number("database_connections")?;
            return Ok(Database::Postgres { url: url.to_owned(), connections });
        }
        match url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => {
                Ok(Database::Sqlite(PathBuf::from(path.strip_prefix("//").unwrap_or(path))))
            }
            _ => Err(self.wrong(
                "database_url",
                url,
                "write sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE".to_owned(),
            )),
        }
    }

    /// How many file descriptors the database takes at most.
    ///
    /// # Errors
    /// As [`database`](Self::database).
    pub(crate) fn database_descriptors(&self) -> Result<usize, ConfigError> {
        Ok(match self.database()? {
            Database::Sqlite(_) => SQLITE_DESCRIPTORS,
            Database::Postgres { connections, .. } => connections,
        })
    }

    /// The secret, if it is configured rather than in its file.
    ///
    /// # Errors
    /// A secret that is too short.
    pub(crate) fn secret(&self) -> Result<Option<Secrets>, ConfigError> {
        let text = self.text("secret");
        text.map(|text| {
            Secrets::from_text(text).map_err(|error| self.wrong("secret", "", error.to_string()))
        })
        .transpose()
    }

    pub(super) fn public_url(&self) -> Result<Url, ConfigError> {
        let url = match self.text("public_url") {
            Some(url) => url.to_owned(),
            None => format!("http://localhost:{}", self.listen()?.port()),
        };
        let how = "write it with its scheme, such as https://auth.example.com";
        let parsed = url
            .parse::<Url>()
            .map_err(|error| self.wrong("public_url", &url, format!("{error}; {how}")))?;
        let first = |path: &str| path.split('/').nth(1).unwrap_or_default().to_owned();
        let (above, base) = (first(parsed.path()), first(self.text("base_path").unwrap_or("")));
        if !above.is_empty() && (above == base || OWN_PATHS.contains(&above.as_str())) {
            let reason = format!(
                "its path begins with /{above}, as paths of this server's own do. Name only what a \
                 proxy has put before them, and choose another word for it"
            );
            return Err(self.wrong("public_url", &url, reason));
        }
        Ok(parsed)
    }

    /// Where the endpoints are. The admin site and the management API are looked at where they are
    /// served.
    fn base_path(&self) -> Result<String, ConfigError> {
        let path: String = self.required("base_path")?;
        let first = path.split('/').nth(1).unwrap_or_default();
        if OWN_PATHS.contains(&first) && !["admin", "manage"].contains(&first) {
            let reason = format!("paths of this server's own begin with /{first}; choose another");
            return Err(self.wrong("base_path", &path, reason));
        }
        Ok(path)
    }

    /// Whether clients are on this machine: a developer's.
    ///
    /// # Errors
    /// A public URL that cannot be read.
    pub(crate) fn is_on_localhost(&self) -> Result<bool, ConfigError> {
        Ok(is_local(&self.public_url()?))
    }

    fn listen(&self) -> Result<SocketAddr, ConfigError> {
        Ok(self.required::<Address>("listen")?.0)
    }
}

fn is_local(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// What paths of this server begin with, besides the base path.
const OWN_PATHS: [&str; 10] = [
    ".well-known",
    "account",
    "admin",
    "demo",
    "docs",
    "healthz",
    "manage",
    "metrics",
    "openapi.json",
    "readyz",
];

/// Three for each connection to the database's file.
const SQLITE_DESCRIPTORS: usize = 100;

/// An address and a port.
struct Address(SocketAddr);

impl std::str::FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse()
            .map(Self)
            .map_err(|_| "write an address and a port, such as 127.0.0.1:8000 or [::1]:8000")
    }
}

/// A network, or one address.
struct Network(IpNet);

impl std::str::FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        network(text).map(Self).ok_or("write an address or a network, such as 10.0.0.0/8")
    }
}

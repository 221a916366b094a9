//! The table of settings: what each is called, what it is unless chosen, and what it is for. File,
//! environment, flags, `config` and its example all read it.

use super::value::without_password;

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The key in the file; the flag has `-` for `_`, the environment variable capitals and
    /// `COUNTERSIGN_` before them.
    pub(crate) name: &'static str,
    /// What it is unless chosen, as it would be written; empty for nothing.
    pub(crate) default: &'static str,
    /// What a value looks like.
    pub(crate) value: &'static str,
    /// What it is for.
    pub(crate) help: &'static str,
    /// Whether it may be given several times.
    pub(crate) list: bool,
    /// Whether its value is never shown.
    pub(crate) secret: bool,
}

impl Setting {
    /// The flag, without its dashes.
    pub(crate) fn flag(&self) -> String {
        self.name.replace('_', "-")
    }

    /// The flag for one entry of a list: `--allow-origin` beside `--allow-origins`.
    pub(crate) fn singular(&self) -> Option<String> {
        let flag = self.flag();
        let singular = flag
            .strip_suffix("ies")
            .map(|stem| format!("{stem}y"))
            .or_else(|| flag.strip_suffix('s').map(str::to_owned));
        singular.filter(|_| self.list)
    }

    /// A value as it may be shown: no secret, and no password in a URL.
    pub(crate) fn shown(&self, text: &str) -> String {
        if self.secret && !text.is_empty() {
            "(not shown)".to_owned()
        } else {
            without_password(text)
        }
    }

    /// The environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.name.to_ascii_uppercase())
    }
}

/// What every environment variable of a setting begins with.
pub(crate) const PREFIX: &str = "COUNTERSIGN_";

const fn one(
    name: &'static str,
    default: &'static str,
    value: &'static str,
    help: &'static str,
) -> Setting {
    Setting { name, default, value, help, list: false, secret: false }
}

const fn several(name: &'static str, value: &'static str, help: &'static str) -> Setting {
    Setting { name, default: "", value, help, list: true, secret: false }
}

/// Every setting, in the order in which a reader wants them.
#[rustfmt::skip]
pub(crate) const SETTINGS: &[Setting] = &[
    one("listen", "127.0.0.1:8000", "ADDRESS:PORT", "Where to listen. Port 0 takes a free one."),
    one("data_dir", "./data", "DIRECTORY", "Where the secret and the database are."),
    one("database_url", "", "URL", "The database: sqlite:PATH, or \
        postgres://USER:PASSWORD@HOST/DATABASE. Unless chosen, countersign.sqlite3 in the data \
        directory."),
    one("database_connections", "16", "NUMBER", "Connections to PostgreSQL that this node keeps at \
        most; SQLite needs none."),
    Setting { name: "secret", default: "", value: "TEXT", help: "The secret that all keys are \
        derived from, at least 32 characters. Unless chosen, the file `secret` in the data \
        directory, which the first start makes.", list: false, secret: true },
    one("public_url", "", "URL", "Where clients find this server. Unless chosen, http://localhost \
        and the port of `listen`."),
    several("allow_origins", "ORIGIN", "Front ends on other origins, for CORS and CSRF alike: \
        https://app.example.com, https://*.example.com."),
    several("native_origins", "ORIGIN", "Origins of packaged apps that may have the refresh token \
        in the body: capacitor://localhost."),
    one("base_path", "/accounts", "PATH", "The path that the endpoints stand under."),
    one("issuer", "", "TEXT", "The claim `iss`. Unless chosen, the origin of public_url."),
    one("audience", "", "TEXT", "The claim `aud`. Unless chosen, none."),
    one("signing_algorithm", "EdDSA", "EdDSA|ES256|RS256|HS256", "What access tokens are signed \
        with: EdDSA, ES256, RS256 or HS256."),
    several("extra_claims", "CLAIM", "What access tokens say beyond the usual: username, email, \
        first_name, last_name, is_staff, is_superuser, groups, permissions."),
    one("token_cache_bytes", "67108864", "BYTES", "Memory for access tokens that were verified; 0 \
        verifies each one each time."),
    one("access_lifetime", "5m", "DURATION", "How long an access token lives."),
    one("session_idle", "7d", "DURATION", "How long a session lives without a refresh."),
    one("session_absolute", "30d", "DURATION", "How long a session lives at most."),
    one("sessions_per_user", "100", "NUMBER", "Live sessions of one user, of more the oldest end; \
        0 for no limit."),
    one("race_window", "30s", "DURATION", "How far apart two requests of one honest client may be."),
    one("same_site", "lax", "lax|strict|none", "The cookies' SameSite: lax, strict, or none for a \
        front end on another site."),
    one("refresh_cookie", "", "NAME", "The refresh cookie's name. Unless chosen, \
        __Host-refreshtoken on https and refreshtoken on http."),
    one("csrf_cookie", "csrftoken", "NAME", "The CSRF cookie's name."),
    one("device_cookie", "devicetoken", "NAME", "The device cookie's name."),
    one("cookie_domain", "", "DOMAIN", "The cookies' Domain. Unless chosen, none, so that no other \
        host ever gets them."),
    several("trusted_proxies", "NETWORK", "Proxies whose word on the client's address counts: \
        10.0.0.0/8, 127.0.0.1."),
    one("max_staleness", "1m", "DURATION", "How long a node may go on without hearing from the \
        database what changed."),
    one("when_stale", "refuse", "refuse|go-on", "What it does after that: refuse (503), or go-on, \
        and then ended sessions count until their access tokens expire."),
    one("throttle_account_attempts", "5", "NUMBER", "Failed logins of one account before delays \
        begin; 0 for no limit."),
    one("throttle_account_max_delay", "15m", "DURATION", "The longest of those delays."),
    one("throttle_address_attempts", "100", "NUMBER", "Failed logins of one client address within \
        the window; 0 for no limit."),
    one("throttle_address_window", "10m", "DURATION", "That window."),
    one("throttle_session_refreshes", "120", "NUMBER", "Refreshes of one session in a minute; 0 \
        for no limit."),
    one("hash_threads", "0", "NUMBER", "Threads that hash passwords; 0 for as many as there are \
        cores."),
    one("hash_queue", "256", "NUMBER", "Hashes that may wait; more are answered with 503."),
    one("hash_memory_kib", "19456", "KIB", "Memory of a new argon2id hash."),
    one("hash_passes", "2", "NUMBER", "Passes of a new argon2id hash."),
    one("hash_lanes", "1", "NUMBER", "Lanes of a new argon2id hash."),
    one("header_timeout", "10s", "DURATION", "How long a client may take to send a request's head; \
        idle connections are closed after it."),
    one("body_timeout", "10s", "DURATION", "How long a client may take to send a body."),
    one("max_connections", "10000", "NUMBER", "Connections at a time; when they are all taken, \
        those that wait for their client go first, and the next ones wait."),
    one("max_connections_per_address", "500", "NUMBER", "Connections of one client address (IPv6: \
        /64) at a time, trusted proxies aside; 0 for no limit."),
    one("shutdown_grace", "30s", "DURATION", "How long requests that have begun may go on after \
        the signal to stop."),
    one("metrics_listen", "", "ADDRESS:PORT", "Where to serve /metrics for Prometheus. Unless \
        chosen, nowhere."),
    one("docs", "on", "on|off", "Whether to serve /docs and /openapi.json."),
    one("demo", "auto", "on|off|auto", "Whether to serve the demo page at /. auto: only if \
        public_url is on localhost, 127.0.0.1 or [::1]."),
    one("admin", "on", "on|off", "Whether to serve the admin site at /admin/."),
    one("admin_idle", "30m", "DURATION", "How long a session of the admin site lives without a \
        request."),
    one("admin_absolute", "12h", "DURATION", "How long a session of the admin site lives at most."),
    one("audit_keep", "365d", "DURATION", "How long lines of the audit log are kept; 0s for ever."),
    one("log_format", "auto", "text|json|auto", "text, json, or auto: text on a terminal, JSON \
        elsewhere."),
    one("log_level", "info", "FILTER", "error, warn, info, debug, trace, or a filter such as \
        countersign=debug."),
];

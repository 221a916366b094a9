//! The table of settings: what each is called, what it is unless chosen, and what it is for. File,
//! environment, flags, `config` and its example all read it.

use std::time::Duration;

use super::value::without_password;
use crate::text::{length_in_words, thousands};

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// The key in the file; the flag has `-` for `_`, the environment variable capitals and
    /// `COUNTERSIGN_` before them.
    pub(crate) name: &'static str,
    /// What it is unless chosen, as it would be written; empty for nothing.
    pub(crate) default: &'static str,
    /// What a value is, and within which bounds.
    pub(crate) kind: Kind,
    /// What it is for.
    pub(crate) help: &'static str,
    /// Whether it may be given several times.
    pub(crate) list: bool,
    /// Whether its value is never shown.
    pub(crate) secret: bool,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A text, which is called so.
    Text(&'static str),
    /// One of these words, with `|` between them.
    Choice(&'static str),
    /// A whole number of such a unit, within bounds that belong to it.
    Number { unit: &'static str, least: u64, most: u64 },
    /// A length of time in seconds, within bounds that belong to it; `or_zero`: or none.
    Duration { least: u64, most: u64, or_zero: bool },
}

impl Kind {
    /// What a value is called: `NUMBER`, `on|off`.
    pub(crate) const fn placeholder(self) -> &'static str {
        match self {
            Self::Text(name) | Self::Choice(name) => name,
            Self::Number { unit, .. } => unit,
            Self::Duration { .. } => "DURATION",
        }
    }

    /// Whether the bounds let a number, or a length of time in seconds, through.
    pub(super) fn takes(self, n: u64) -> bool {
        match self {
            Self::Text(_) | Self::Choice(_) => true,
            Self::Number { least, most, .. } => (least..=most).contains(&n),
            Self::Duration { least, most, or_zero } => {
                (least..=most).contains(&n) || (or_zero && n == 0)
            }
        }
    }

    /// The bounds in words; empty where there are none.
    pub(crate) fn bounds(self) -> String {
        let (least, most, in_words): (_, _, fn(u64) -> String) = match self {
            Self::Text(_) | Self::Choice(_) => return String::new(),
            Self::Number { least, most, .. } => (least, most, thousands),
            Self::Duration { least, most, .. } => {
                (least, most, |seconds| length_in_words(Duration::from_secs(seconds)))
            }
        };
        let bounds = match (least, most) {
            (0, ANY) => return String::new(),
            (_, ANY) => format!("{} or more", in_words(least)),
            _ => format!("{} to {}", in_words(least), in_words(most)),
        };
        match self {
            Self::Duration { or_zero: true, .. } => format!("{bounds}, or 0s"),
            _ => bounds,
        }
    }
}

impl Setting {
    /// What it is for, and its bounds.
    pub(crate) fn description(&self) -> String {
        match self.kind.bounds() {
            bounds if bounds.is_empty() => self.help.to_owned(),
            bounds => format!("{} {bounds}.", self.help),
        }
    }

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

const fn one(name: &'static str, default: &'static str, kind: Kind, help: &'static str) -> Setting {
    Setting { name, default, kind, help, list: false, secret: false }
}

const fn several(name: &'static str, kind: &'static str, help: &'static str) -> Setting {
    Setting { name, default: "", kind: Kind::Text(kind), help, list: true, secret: false }
}

const fn number(least: u64, most: u64) -> Kind {
    Kind::Number { unit: "NUMBER", least, most }
}

const fn duration(least: u64, most: u64) -> Kind {
    Kind::Duration { least, most, or_zero: false }
}

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

/// No upper bound.
const ANY: u64 = u64::MAX;
const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

/// Every setting, in the order in which a reader wants them.
#[rustfmt::skip]
pub(crate) const SETTINGS: &[Setting] = &[
    one("listen", "127.0.0.1:8000", Kind::Text("ADDRESS:PORT"),
        "Where to listen. Port 0 takes a free one."),
    one("data_dir", "./data", Kind::Text("DIRECTORY"),
        "Where the secret and the database are."),
    one("database_url", "", Kind::Text("URL"),
        "The database: sqlite:PATH, or postgres://USER:PASSWORD@HOST/DATABASE. Unless chosen, \
         countersign.sqlite3 in the data directory."),
    one("database_connections", "16", number(2, 1_000),
        "Connections to PostgreSQL that this node keeps at most; SQLite needs none."),
    Setting {
        name: "secret",
        default: "",
        kind: Kind::Text("TEXT"),
        help: "The secret that all keys are derived from, at least 32 characters. Unless chosen, \
         the file `secret` in the data directory, which the first start makes.",
        list: false,
        secret: true,
    },
    one("public_url", "", Kind::Text("URL"),
        "Where clients find this server, with the path that a proxy puts it below. Unless chosen, \
         http://localhost and the port of `listen`."),
    several("allow_origins", "ORIGIN",
        "Front ends on other origins, for CORS and CSRF alike: https://app.example.com, \
         https://*.example.com."),
    several("cors_headers", "HEADER",
        "Request headers that those front ends may send besides, as a tracing library adds them: \
         X-Trace. The usual ones are allowed."),
    several("native_origins", "ORIGIN",
        "Origins of packaged apps that may have the refresh token in the body: \
         capacitor://localhost."),
    one("base_path", "/accounts", Kind::Text("PATH"),
        "The path that the endpoints stand under."),
    one("issuer", "", Kind::Text("TEXT"),
        "The claim `iss`. Unless chosen, public_url, without a slash at its end."),
    one("audience", "", Kind::Text("TEXT"),
        "The claim `aud`. Unless chosen, none."),
    one("signing_algorithm", "EdDSA", Kind::Choice("EdDSA|ES256|RS256|HS256"),
        "What access tokens are signed with: EdDSA, ES256, RS256 or HS256."),
    several("extra_claims", "CLAIM",
        "What access tokens say beyond the usual: username, email, first_name, last_name, \
         is_staff, is_superuser, groups, permissions, dvb (whether the session is bound to a \
         device)."),
    one("token_cache_bytes", "67108864", Kind::Number { unit: "BYTES", least: 0, most: ANY },
        "Memory for access tokens that were verified; 0 verifies each one each time."),
    one("access_lifetime", "5m", duration(1, DAY),
        "How long an access token lives."),
    one("session_idle", "7d", duration(MINUTE, 400 * DAY),
        "How long a session lives without a refresh."),
    one("session_absolute", "30d", duration(MINUTE, 400 * DAY),
        "How long a session lives at most."),
    one("session_short", "12h", duration(MINUTE, 400 * DAY),
        "How long a session lives at most whose user says at login that it is not to outlive the \
         browser; never longer than session_absolute."),
    one("sessions_per_user", "100", number(0, ANY),
        "Live sessions of one user, of more the oldest end; 0 for no limit."),
    one("race_window", "30s", duration(1, 5 * MINUTE),
        "How far apart two requests of one honest client may be."),
    one("device_binding", "observe", Kind::Choice("off|observe|enforce"),
        "Browsers that can bind their session to the device (DBSC), with https only: off, observe \
         counts what would be refused, enforce refuses it."),
    one("same_site", "lax", Kind::Choice("lax|strict|none"),
        "The cookies' SameSite: lax, strict, or none for a front end on another site."),
    one("partitioned", "off", Kind::Choice("on|off"),
        "Whether the cookies are Partitioned, for a front end that other sites embed in a frame; \
         needs https, and none as same_site."),
    one("refresh_cookie", "", Kind::Text("NAME"),
        "The refresh cookie's name. Unless chosen, __Host-refreshtoken on https and \
         refreshtoken on http."),
    one("csrf_cookie", "csrftoken", Kind::Text("NAME"),
        "The CSRF cookie's name."),
    one("device_cookie", "devicetoken", Kind::Text("NAME"),
        "The device cookie's name."),
    one("cookie_domain", "", Kind::Text("DOMAIN"),
        "The cookies' Domain. Unless chosen, none, so that no other host ever gets them."),
    several("trusted_proxies", "NETWORK",
        "Proxies whose word on the client's address counts: 10.0.0.0/8, 127.0.0.1."),
    one("max_staleness", "1m", duration(1, DAY),
        "How long a node may go on without hearing from the database what changed."),
    one("when_stale", "refuse", Kind::Choice("refuse|go-on"),
        "What it does after that: refuse (503), or go-on, and then ended sessions count until \
         their access tokens expire."),
    one("throttle_account_attempts", "5", number(0, ANY),
        "Failed logins of one account before delays begin; 0 for no limit."),
    one("throttle_account_max_delay", "15m", duration(1, ANY),
        "The longest of those delays."),
    one("throttle_address_attempts", "100", number(0, ANY),
        "Failed logins of one client address within the window; 0 for no limit."),
    one("throttle_address_window", "10m", duration(1, ANY),
        "That window."),
    one("throttle_session_refreshes", "120", number(0, ANY),
        "Refreshes of one session in a minute; 0 for no limit."),
    one("hash_threads", "0", number(0, 256),
        "Threads that hash passwords; 0 for as many as there are cores."),
    one("hash_queue", "256", number(1, 65_536),
        "Hashes that may wait; more are answered with 503."),
    one("hash_memory_kib", "19456", Kind::Number { unit: "KIB", least: 8, most: 262_144 },
        "Memory of a new argon2id hash."),
    one("hash_passes", "2", number(1, 32),
        "Passes of a new argon2id hash."),
    one("hash_lanes", "1", number(1, 64),
        "Lanes of a new argon2id hash."),
    one("breached_passwords", "", Kind::Text("FILE"),
        "A file of passwords that were found in breaches, which nobody may choose; \
         `countersign passwords build-filter` makes it. Unless chosen, none."),
    one("breached_passwords_url", "", Kind::Text("URL"),
        "A service that is asked about new passwords by the first five digits of their SHA-1: \
         https://api.pwnedpasswords.com/range/. Unless chosen, none."),
    one("second_factor", "optional", Kind::Text("WHO"),
        "Who must have a second factor: optional, nobody; required, everybody; or staff, superuser \
         and names of groups in one text, with commas. Who has one is always asked for it."),
    one("remember_device", "30d", Kind::Duration { least: MINUTE, most: 365 * DAY, or_zero: true },
        "How long a device does without the second factor when its user says so at login; not for \
         staff; 0s for never."),
    one("passkey_rp_id", "", Kind::Text("DOMAIN"),
        "The domain that passkeys belong to: unless chosen, that of public_url. Choose one above it \
         before the first passkey is made: with another domain nobody's is good any more."),
    several("passkey_origins", "ORIGIN",
        "Origins beside public_url whose pages or apps may use the passkeys, on other domains too; \
         browsers read them at /.well-known/webauthn."),
    one("registration", "closed", Kind::Choice("closed|invite|open"),
        "Who may register: closed, nobody but by an operator; invite, whoever was invited, by the \
         app's own page; open, everybody."),
    several("registration_fields", "FIELD",
        "What a registration must say: username, email, password, first_name, last_name. Unless \
         chosen, the first three."),
    one("email_verification", "optional", Kind::Choice("required|optional|none"),
        "What an address that is not proved is good for: required, nobody logs in before theirs \
         is; optional, it becomes the user's when it is proved; none, it is believed."),
    one("verify_lifetime", "3d", duration(60, 30 * DAY),
        "How long a link that proves an address works."),
    one("reset_lifetime", "1h", duration(60, 30 * DAY),
        "How long a link for a new password works."),
    one("login_code", "off", Kind::Choice("on|off"),
        "Whether users may log in with a code that is mailed to them, without a password."),
    one("code_lifetime", "10m", duration(60, 30 * DAY),
        "How long such a code works, and the link beside it."),
    one("change_lifetime", "1d", duration(60, 30 * DAY),
        "How long a link that confirms a new address works."),
    one("undo_lifetime", "7d", duration(60, 30 * DAY),
        "How long the link works that takes a change of the address back; no less than \
         change_lifetime."),
    one("invitation_lifetime", "7d", duration(60, 30 * DAY),
        "How long an operator's invitation works."),
    one("notices", "on", Kind::Choice("on|off"),
        "Whether users are told by mail of new devices, changed passwords and stolen sessions."),
    one("mails_per_address", "5", number(1, 1_000),
        "Mails of one kind that one address gets in an hour by what anybody may ask for."),
    one("asks_per_address", "60", number(0, ANY),
        "Registrations, resets and codes of one client address in an hour; 0 for no limit."),
    one("asks_per_hour", "10000", number(0, ANY),
        "The same of all clients together; 0 for no limit."),
    one("deletion_grace", "14d", duration(0, 365 * DAY),
        "How long users who asked to be deleted may come back; 0s deletes them at once."),
    one("recent_login", "15m", duration(60, DAY),
        "How old the login may be for what is dangerous: a deletion, an export, the removal of a \
         second factor."),
    one("verify_url", "", Kind::Text("URL"),
        "The app's own page for the link that proves an address, with {token} in it. Unless \
         chosen, /account/verify."),
    one("reset_url", "", Kind::Text("URL"),
        "The app's own page for the link to a new password, with {token} in it. Unless chosen, \
         /account/reset."),
    one("code_url", "", Kind::Text("URL"),
        "The app's own page for the link that logs in, with {token} in it. Unless chosen, \
         /account/code."),
    one("change_url", "", Kind::Text("URL"),
        "The app's own page for the link that confirms a new address, with {token} in it. Unless \
         chosen, /account/change."),
    one("undo_url", "", Kind::Text("URL"),
        "The app's own page for the link that takes a change of the address back, with {token} \
         in it. Unless chosen, /account/undo."),
    one("invitation_url", "", Kind::Text("URL"),
        "The app's own page for an invitation's link, with {token} in it. Unless chosen, \
         /account/invitation."),
    one("restore_url", "", Kind::Text("URL"),
        "The app's own page on which users who asked to be deleted come back. Unless chosen, \
         /account/restore."),
    one("mail_url", "", Kind::Text("URL"),
        "How mail is sent: smtp://USER:PASSWORD@HOST:587 with STARTTLS, \
         smtps://USER:PASSWORD@HOST:465, file:FOLDER, console: (printed), or none. Unless chosen, \
         console: if public_url is on localhost, 127.0.0.1 or [::1], else none."),
    one("mail_from", "", Kind::Text("ADDRESS"),
        "Whom mails come from: Example <noreply@example.com>. Unless chosen, noreply@ and the \
         host of public_url."),
    one("mail_reply_to", "", Kind::Text("ADDRESS"),
        "Where answers to mails go. Unless chosen, to mail_from."),
    one("mail_templates", "", Kind::Text("DIRECTORY"),
        "A folder of mails in the place of the built-in ones: en/reset.txt, de/verify.html, \
         layout.html."),
    one("header_timeout", "10s", duration(1, ANY),
        "How long a client may take to send a request's head; idle connections are closed \
         after it."),
    one("body_timeout", "10s", duration(1, 10 * MINUTE),
        "How long a client may take to send a body."),
    one("max_connections", "10000", number(1, 1_000_000),
        "Connections at a time; when they are all taken, those that wait for their client go \
         first, and the next ones wait."),
    one("max_connections_per_address", "500", number(0, ANY),
        "Connections of one client address (IPv6: /64) at a time, trusted proxies aside; 0 \
         for no limit."),
    one("shutdown_grace", "30s", duration(0, ANY),
        "How long requests that have begun may go on after the signal to stop."),
    one("metrics_listen", "", Kind::Text("ADDRESS:PORT"),
        "Where to serve /metrics for Prometheus. Unless chosen, nowhere."),
    one("docs", "on", Kind::Choice("on|off"),
        "Whether to serve /docs and /openapi.json."),
    one("demo", "auto", Kind::Choice("on|off|auto"),
        "Whether to serve the demo page at /. auto: only if public_url is on localhost, \
         127.0.0.1 or [::1]."),
    one("admin", "on", Kind::Choice("on|off"),
        "Whether to serve the admin site at /admin/."),
    one("admin_idle", "30m", duration(MINUTE, DAY),
        "How long a session of the admin site lives without a request."),
    one("admin_absolute", "12h", duration(MINUTE, 30 * DAY),
        "How long a session of the admin site lives at most."),
    one("manage", "off", Kind::Choice("on|off"),
        "Whether to serve the management API at /manage/v1/, for programs with a service token and \
         for staff."),
    one("manage_listen", "", Kind::Text("ADDRESS:PORT"),
        "Where to serve the management API, and nothing else. Unless chosen, where everything else \
         is served."),
    one("audit_keep", "365d", Kind::Duration { least: DAY, most: ANY, or_zero: true },
        "How long lines of the audit log are kept; 0s for ever."),
    one("log_format", "auto", Kind::Choice("text|json|auto"),
        "text, json, or auto: text on a terminal, JSON elsewhere."),
    one("log_level", "info", Kind::Text("FILTER"),
        "error, warn, info, debug, trace, or a filter such as countersign=debug."),
];

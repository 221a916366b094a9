//! Looks at everything that can be wrong with a server, and says what to change: what
//! `countersign check` prints and the dashboard shows.

mod devices;
mod factors;
mod hooks;
mod mail;
mod second_factor;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use countersign::clock::Random;
use countersign::store::postgres::PostgresStore;
use countersign::store::sqlite::SqliteStore;
use countersign::token::{Algorithm, Secrets, SecretsError};
use jiff::Timestamp;
pub(crate) use mail::nobody_registers;
pub(crate) use second_factor::{missing_groups, nobody_is_in};

use crate::command_error::CommandError;
use crate::config::{Config, Database};
use crate::services::{Context, Services, Wanted, is_there};
use crate::text::to_the_second;

/// Looks at everything, and reads the whole database.
///
/// # Errors
/// A database setting that makes no sense, or a database that cannot be opened.
pub(crate) async fn look_at_all(
    context: &Context,
    listener: &mut dyn Listener,
) -> Result<(), CommandError> {
    let mut look = Look { listener, secret_is_bad: false, is_thorough: true };
    look.configuration(&context.config);
    look.clock(context.clock.now());
    look.files(&context.config)?;
    look.secret(&context.config, &*context.random);
    look.breached_passwords(&context.config);
    look.database(context).await
}

/// The same for a server that runs on this store, without reading the whole database.
///
/// # Errors
/// A database setting that makes no sense, or a store that does not answer.
pub(crate) async fn look(services: &Services) -> Result<Vec<(Verdict, String)>, CommandError> {
    let mut found = Vec::new();
    let mut look = Look { listener: &mut found, secret_is_bad: false, is_thorough: false };
    look.configuration(&services.config);
    look.clock(services.clock.now());
    look.files(&services.config)?;
    look.secret(&services.config, &*services.random);
    look.answers(services).await?;
    Ok(found)
}

/// Hears what is found, as it is found.
pub(crate) trait Listener: Send {
    /// Something was found.
    fn found(&mut self, verdict: Verdict, what: &str);

    /// What comes next takes long; `None` when it is over.
    fn busy(&mut self, _: Option<&'static str>) {}
}

impl Listener for Vec<(Verdict, String)> {
    fn found(&mut self, verdict: Verdict, what: &str) {
        self.push((verdict, what.to_owned()));
    }
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and could be better.
    Warn,
    /// It must be changed.
    Fail,
}

/// One look.
struct Look<'a> {
    listener: &'a mut dyn Listener,
    /// What is wrong with the secret is said once.
    secret_is_bad: bool,
    /// Whether there is time to look at everybody.
    is_thorough: bool,
}

impl Look<'_> {
    fn ok(&mut self, what: &str) {
        self.listener.found(Verdict::Ok, what);
    }

    fn warn(&mut self, what: &str) {
        self.listener.found(Verdict::Warn, what);
    }

    fn fail(&mut self, what: &str) {
        self.listener.found(Verdict::Fail, what);
    }

    /// Reads the whole file, as the start does.
    fn breached_passwords(&mut self, config: &Config) {
        match config.check_breached_file() {
            Ok(None) => {}
            Ok(Some(many)) => {
                self.ok(&format!("breached_passwords: {} passwords", crate::text::thousands(many)));
            }
            Err(error) => self.fail(&error.to_string()),
        }
    }

    fn configuration(&mut self, config: &Config) {
        let parts = match config.serve() {
            Ok(parts) => parts,
            Err(error) => return self.fail(&format!("configuration: {error}")),
        };
        self.ok("configuration: every setting can stand");
        let local = parts
            .settings
            .public_url
            .host_str()
            .is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"));
        if !parts.options.https && !local {
            self.warn(
                "public_url is http:// and not on this machine: cookies travel in the clear; \
                put https before the server and set public_url to it",
            );
        }
        if parts.options.https && parts.settings.trusted_proxies.is_empty() {
            self.warn(
                "public_url is https, so a proxy stands before the server, but \
                trusted_proxies is empty: every client looks like the proxy to the throttle; set \
                trusted_proxies to the proxy's address",
            );
        }
        if !parts.options.https
            && local
            && !(parts.settings.trusted_proxies.is_empty()
                && parts.options.listen.ip().is_loopback())
        {
            self.warn(
                "public_url is http://localhost, but listen or trusted_proxies says that \
                clients come from elsewhere; set public_url to the https:// address that they use",
            );
        }
        let room = config.database_descriptors().ok().and_then(crate::descriptors::room);
        match room.filter(|room| *room < parts.options.max_connections) {
            Some(room) => self.warn(&format!(
                "max_connections is {}, but the limit of open files here has room for {room}, and \
                 the server takes no more; raise the limit (LimitNOFILE= in a unit, ulimit -Hn in \
                 a shell), or lower max_connections",
                parts.options.max_connections
            )),
            None => self.ok(&format!(
                "max_connections: there is room for {}",
                parts.options.max_connections
            )),
        }
        if parts.settings.signing_algorithm == Algorithm::Hs256 {
            self.warn(
                "signing_algorithm is HS256: nobody else can verify access tokens, and the \
                JWKS is empty; EdDSA, ES256 and RS256 have public keys",
            );
        }
        if parts.settings.trusted_proxies.iter().any(|proxy| proxy.prefix_len() == 0) {
            self.fail(
                "trusted_proxies trusts everybody: any client can choose its own address; \
                name the proxy's network only",
            );
        }
        if let Some(address) =
            parts.options.metrics_listen.filter(|address| !address.ip().is_loopback())
        {
            self.warn(&format!(
                "metrics_listen {address} is reachable from other machines; keep it \
                inside your network"
            ));
        }
        if parts.settings.throttle.account_attempts == 0
            || parts.settings.throttle.address_attempts == 0
        {
            self.warn(
                "a login throttle is off: passwords can be guessed at full speed; set \
                throttle_account_attempts and throttle_address_attempts",
            );
        }
        if parts.settings.hash.memory_kib < 19_456 || parts.settings.hash.passes < 2 {
            self.warn(
                "hash_memory_kib or hash_passes is below OWASP's 19456 KiB and 2 passes: \
                stolen hashes are cheaper to guess",
            );
        }
        self.mail(config, &parts.settings.accounts);
    }

    fn clock(&mut self, now: Timestamp) {
        // A clock that stands before this program was written is wrong; every token would be
        // refused elsewhere.
        if now < "2026-01-01T00:00:00Z".parse().unwrap_or(Timestamp::MIN) {
            self.fail(
                "the clock is years behind; tokens would be refused everywhere; set the \
                clock, and keep it with NTP",
            );
        } else {
            self.ok(&format!("clock: {}", to_the_second(now)));
        }
    }

    fn files(&mut self, config: &Config) -> Result<(), CommandError> {
        if let Some((path, what)) = config.secret_file() {
            self.mode_of(path, 0o640, &format!("{what} in "));
        }
        let directory = config.data_dir();
        match is_there(&directory) {
            Ok(true) => {}
            Ok(false) => {
                self.warn(&format!(
                    "there is no data directory {} yet; the first start makes it",
                    directory.display()
                ));
                return Ok(());
            }
            Err(failure) => {
                self.fail(failure.sentence());
                return Ok(());
            }
        }
        self.mode(&directory, 0o700);
        self.owner(&directory);
        let mut files = vec![directory.join("secret")];
        if let Database::Sqlite(database) = config.database()? {
            let log = |suffix: &str| {
                database.with_file_name(format!(
                    "{}{suffix}",
                    database.file_name().unwrap_or_default().to_string_lossy()
                ))
            };
            files.extend([database.clone(), log("-wal"), log("-shm")]);
        }
        for file in files {
            match is_there(&file) {
                Ok(true) => self.mode(&file, 0o600),
                Ok(false) => {}
                Err(failure) => {
                    // So it is with the rest.
                    self.fail(failure.sentence());
                    break;
                }
            }
        }
        Ok(())
    }

    fn secret(&mut self, config: &Config, random: &dyn Random) {
        let path = config.data_dir().join("secret");
        let error = match config.secret() {
            // Told with the rest of the configuration.
            Err(_) => {
                self.secret_is_bad = true;
                return;
            }
            Ok(None) => match is_there(&path) {
                Ok(true) => Secrets::load_or_create(&path, random).err(),
                Ok(false) => return,
                // Told with the files.
                Err(_) => {
                    self.secret_is_bad = true;
                    return;
                }
            },
            Ok(Some(_)) => None,
        };
        match error {
            None => self.ok("secret: long enough"),
            Some(error) => {
                self.secret_is_bad = true;
                // The mode has been told with the other files' modes.
                if !matches!(error, SecretsError::Readable { .. }) {
                    self.fail(&format!("secret: {error}"));
                }
            }
        }
    }

    /// The server may be unable to read files that another user makes in the directory.
    fn owner(&mut self, directory: &Path) {
        let owner = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.uid());
        if let (Ok(theirs), Ok(ours)) = (owner(directory), owner(Path::new("/proc/self")))
            && theirs != ours
        {
            self.warn(&format!(
                "{}: belongs to the user with the id {theirs}, and you are {ours}; run the server \
                 and every command as one user",
                directory.display()
            ));
        }
    }

    fn mode(&mut self, path: &Path, most: u32) {
        self.mode_of(path, most, "");
    }

    /// `what`: what of the file others must not read, where that is not the whole.
    fn mode_of(&mut self, path: &Path, most: u32, what: &str) {
        let mode = match std::fs::metadata(path) {
            Ok(metadata) => metadata.permissions().mode() & 0o777,
            Err(error) => return self.fail(&format!("{}: {error}", path.display())),
        };
        let around = if path.is_dir() { Some(path) } else { path.parent() };
        let keeps_others_out = |path: &Path| {
            std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o007 == 0)
        };
        if mode & !most == 0 {
            self.ok(&format!("{what}{}: mode {mode:04o}", path.display()));
        } else if keeps_others_out(path) && around.is_some_and(keeps_others_out) {
            // As in a volume of Kubernetes with `fsGroup`, where no `chmod` lasts.
            self.warn(&format!(
                "{what}{0}: mode {mode:04o} lets its group in; `chmod {most:04o} {0}` where the \
                 volume keeps modes",
                path.display()
            ));
        } else {
            self.fail(&format!(
                "{what}{0}: mode {mode:04o} lets others in; run `chmod {most:04o} {0}`",
                path.display()
            ));
        }
    }

    async fn database(&mut self, context: &Context) -> Result<(), CommandError> {
        let config = &context.config;
        let pending = match config.database()? {
            Database::Sqlite(path) => match is_there(&path) {
                Ok(true) => SqliteStore::pending_migrations(&path),
                Ok(false) => {
                    self.warn(&format!(
                        "there is no database {} yet; the first start makes it",
                        path.display()
                    ));
                    return Ok(());
                }
                Err(failure) => {
                    // Told with the files, where these were looked at.
                    if !is_there(&config.data_dir()).unwrap_or(true) {
                        self.fail(failure.sentence());
                    }
                    return Ok(());
                }
            },
            Database::Postgres { url, .. } => PostgresStore::pending_migrations(&url).await,
        };
        match pending {
            Ok(pending) if pending.is_empty() => self.ok("database: the schema is up to date"),
            Ok(pending) => {
                self.fail(&format!(
                    "database: {} migrations to do; run `countersign migrate`",
                    pending.len()
                ));
                return Ok(());
            }
            Err(error) => {
                self.fail(&format!("database: {error}"));
                return Ok(());
            }
        }
        if let Database::Sqlite(path) = config.database()? {
            self.integrity(&path);
        }
        self.answers(&Services::open(context, Wanted::There).await?).await
    }

    async fn answers(&mut self, services: &Services) -> Result<(), CommandError> {
        match services.store.ping().await {
            Ok(()) => self.ok("database: can be written"),
            Err(error) => self.fail(&format!("database: cannot be written: {error}")),
        }
        self.outbox(services).await?;
        self.hooks(services).await?;
        self.devices(services).await?;
        self.second_factor(services).await?;
        self.keys(services).await
    }

    fn integrity(&mut self, path: &Path) {
        self.listener.busy(Some("reading the whole database"));
        let faults = SqliteStore::integrity(path);
        self.listener.busy(None);
        match faults {
            Ok(faults) if faults.is_empty() => self.ok("database: sound"),
            Ok(faults) => self.fail(&format!("database: {}; restore a backup", faults.join("; "))),
            Err(error) => self.fail(&format!("database: {error}")),
        }
    }

    async fn keys(&mut self, services: &Services) -> Result<(), CommandError> {
        let keys = services.store.keys().await?;
        if keys.is_empty() {
            self.warn("keys: there is none yet; the first start makes one");
            return Ok(());
        }
        let secrets = match services.secrets().await {
            Ok(secrets) => secrets,
            Err(_) if self.secret_is_bad => return Ok(()),
            Err(failure) => {
                self.fail(failure.sentence());
                return Ok(());
            }
        };
        let now = services.clock.now();
        if let Some(key) =
            keys.iter().filter(|key| key.created_at > now).max_by_key(|key| key.created_at)
        {
            self.fail(&format!(
                "the clock went back: a key was made at {}; set the clock, and keep it with NTP",
                to_the_second(key.created_at)
            ));
        }
        let live: Vec<_> = keys.iter().filter(|key| key.is_live(now)).collect();
        match live.iter().find_map(|key| key.open(&secrets).err()) {
            Some(error) => self.fail(&format!("keys: {error}")),
            None if live.is_empty() => {
                self.fail("keys: none is live; run `countersign keys rotate --now`");
            }
            None => {
                self.ok(&format!("keys: {} live, all open with the secret", live.len()));
                // Under a secret that is not the right one it would say nothing.
                self.factors(services, &secrets).await?;
            }
        }
        Ok(())
    }
}

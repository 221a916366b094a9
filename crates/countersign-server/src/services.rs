//! The things that an act works on: the secret, the database and the hashing pool of the
//! configured data directory.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use countersign::Post;
use countersign::clock::{Clock, Random};
use countersign::password::{Judge, Passwords};
use countersign::store::admin::AdminStore;
use countersign::store::postgres::PostgresStore;
use countersign::store::sqlite::SqliteStore;
use countersign::token::Secrets;
use countersign::user::User;

use crate::command_error::CommandError;
use crate::config::{Config, Database, MailWay};
use crate::marker::Marker;

/// Which database will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// One that is there.
    There,
    /// The same, or a new one: for commands that may come before the first start.
    ThereOrNew,
    /// The same, or one of an older program, which is brought up to date; `anew`: a new one also
    /// where there was one before.
    UpToDate { anew: bool },
}

/// The circumstances of a command: the settings, the time and the randomness.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Context {
    /// Who judges new passwords.
    ///
    /// # Errors
    /// A list of breached passwords that cannot be used.
    pub(crate) fn judge(&self) -> Result<Judge, CommandError> {
        Ok(Judge::asking(self.config.breached_lists()?))
    }
}

/// Opens, and on the first start makes, what lies in the data directory.
#[derive(Debug, Clone)]
pub(crate) struct Services {
    pub(crate) config: Config,
    pub(crate) store: Arc<dyn AdminStore>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
}

impl Services {
    /// Opens the database. A file must be there unless it is to be made: a command on a mistyped
    /// directory must not leave an empty one behind. A PostgreSQL database must be there; its
    /// tables are made.
    ///
    /// # Errors
    /// A database that cannot be opened, or is not there; one of an older program, which a command
    /// does not change under a server that may run on it; an empty one where there was one before.
    pub(crate) async fn open(context: &Context, wanted: Wanted) -> Result<Self, CommandError> {
        let config = &context.config;
        let database = config.database()?;
        let make = wanted != Wanted::There;
        refuse_lost(config, &database, wanted)?;
        if !matches!(wanted, Wanted::UpToDate { .. }) {
            refuse_older(&database).await?;
        }
        if make {
            let directory = config.data_dir();
            DirBuilder::new().recursive(true).mode(0o700).create(&directory).map_err(|error| {
                CommandError::new(format!(
                    "cannot make the data directory {}: {error}",
                    directory.display()
                ))
            })?;
        }
        let store: Arc<dyn AdminStore> = match database {
            Database::Sqlite(path) if !make && !path.exists() => {
                return Err(CommandError::new(format!(
                    "there is no database at {}; start the server once, run `countersign migrate`, \
                     or name the right directory with --data-dir",
                    path.display()
                )));
            }
            Database::Sqlite(path) => Arc::new(SqliteStore::open(&path)?),
            Database::Postgres { url, connections } => {
                let anew = wanted == Wanted::UpToDate { anew: true };
                let marker = Marker::of(config);
                if !anew
                    && marker.exists()
                    && is_new(&PostgresStore::pending_migrations(&url).await?)
                {
                    return Err(marker.refused());
                }
                let store = PostgresStore::connect(&url, connections).await?;
                marker.compare(&store, anew).await?;
                if make && config.secret()?.is_none() {
                    marker.keep(&store.installation().await?);
                }
                Arc::new(store)
            }
        };
        Ok(Self {
            config: config.clone(),
            store,
            clock: Arc::clone(&context.clock),
            random: Arc::clone(&context.random),
        })
    }

    /// The secret: the configured one, or the one in its file, which the first start makes.
    ///
    /// # Errors
    /// A secret that is too short, a file that cannot be read, or one that is gone although the
    /// database holds keys that were sealed under it: a new secret would open none of them, and
    /// would stand in the way of the old one.
    pub(crate) async fn secrets(&self) -> Result<Secrets, CommandError> {
        if let Some(secrets) = self.config.secret()? {
            return Ok(secrets);
        }
        let path = self.config.data_dir().join("secret");
        if !path.exists() && !self.store.keys().await?.is_empty() {
            return Err(CommandError::new(format!(
                "the secret {} is gone, but the database has keys that were sealed under it; put \
                 the file back, or set COUNTERSIGN_SECRET to what it held",
                path.display()
            )));
        }
        Ok(Secrets::load_or_create(&path, &*self.random)?)
    }

    /// Who makes the mails, as the settings have it; nobody where none are sent, and where no
    /// server has made a secret yet.
    ///
    /// # Errors
    /// Settings that do not do, and as for [`secrets`](Self::secrets).
    pub(crate) async fn post(&self) -> Result<Option<Post>, CommandError> {
        let has_secret =
            self.config.secret()?.is_some() || self.config.data_dir().join("secret").exists();
        if !has_secret || matches!(self.config.mail_way()?, MailWay::Nowhere) {
            return Ok(None);
        }
        let post = Post::new(&self.secrets().await?, &self.config.settings()?, true);
        post.map(Some).map_err(|error| CommandError::new(error.to_string()))
    }

    /// A hashing pool of one thread.
    ///
    /// # Errors
    /// Hash settings that do not do.
    pub(crate) fn passwords(&self) -> Result<Passwords, CommandError> {
        let mut hash = self.config.hash(countersign::password::HashSettings::default())?;
        hash.threads = 1;
        Ok(Passwords::new(hash)?)
    }

    /// The user of a name, an e-mail address or an id.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn user(&self, named: &str) -> Result<User, CommandError> {
        if let Some(found) = self.store.user_by_login(named).await? {
            return Ok(found.user);
        }
        let by_id = match named.parse() {
            Ok(id) => self.store.user_by_id(id).await?,
            Err(_) => None,
        };
        by_id.ok_or_else(|| {
            CommandError::new(format!(
                "there is no user {named:?}; `countersign user list` shows them all"
            ))
        })
    }
}

/// A secret without its database: the file was lost, or another directory was meant. An empty one
/// in its place would look as if all users were gone, and SQLite would throw away what the log
/// beside it still holds.
fn refuse_lost(config: &Config, database: &Database, wanted: Wanted) -> Result<(), CommandError> {
    let (Database::Sqlite(path), secret) = (database, config.data_dir().join("secret")) else {
        return Ok(());
    };
    if matches!(wanted, Wanted::There | Wanted::UpToDate { anew: true })
        || config.secret()?.is_some()
        || !secret.exists()
    {
        return Ok(());
    }
    if path.exists() && !is_new(&SqliteStore::pending_migrations(path)?) {
        return Ok(());
    }
    let what = if path.exists() { "is empty" } else { "is not there" };
    Err(CommandError::new(format!(
        "the database {} {what}, but there is a secret of an installation beside it, {}; put the \
         database back, with its -wal file if there is one, or restore a backup; to begin with an \
         empty database and this secret, run `countersign serve --new`",
        path.display(),
        secret.display()
    )))
}

async fn refuse_older(database: &Database) -> Result<(), CommandError> {
    let pending = match database {
        Database::Sqlite(path) if !path.exists() => return Ok(()),
        Database::Sqlite(path) => SqliteStore::pending_migrations(path)?,
        Database::Postgres { url, .. } => PostgresStore::pending_migrations(url).await?,
    };
    if pending.is_empty() || is_new(&pending) {
        return Ok(());
    }
    Err(CommandError::new(format!(
        "the database was made by an older countersign, and needs {} first; a server of the older \
         version may be running on it: stop it, run `countersign migrate`, and start the new one",
        pending.join(", ")
    )))
}

/// Whether no step has been taken yet.
fn is_new(pending: &[&str]) -> bool {
    pending.contains(&"0001_initial")
}

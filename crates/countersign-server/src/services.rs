//! The things that an act works on: the secret, the database and the hashing pool of the
//! configured data directory.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use countersign::Post;
use countersign::clock::{Clock, Random};
use countersign::password::{Judge, Passwords};
use countersign::store::admin::AdminStore;
use countersign::store::postgres::PostgresStore;
use countersign::store::sqlite::SqliteStore;
use countersign::token::Secrets;
use countersign::user::{User, UserId};

use crate::command_error::CommandError;
use crate::config::{Config, Database, MailWay, without_password};
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
    /// Whether the database was begun when it was opened.
    is_new: bool,
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
        let begins = match wanted {
            Wanted::UpToDate { .. } => false,
            Wanted::There | Wanted::ThereOrNew => refuse_older(&database).await? && make,
        };
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
            Database::Sqlite(path) if !make && !is_there(&path)? => {
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
            is_new: begins,
        })
    }

    /// Where somebody was made: `in PATH`. A database that was begun for them is said to be new,
    /// since it may be in a directory that was not meant.
    ///
    /// # Errors
    /// A database setting that makes no sense.
    pub(crate) fn place(&self) -> Result<String, CommandError> {
        let named = match self.config.database()? {
            Database::Sqlite(path) => path.canonicalize().unwrap_or(path).display().to_string(),
            Database::Postgres { url, .. } => {
                without_password(url.split('?').next().unwrap_or(&url))
            }
        };
        Ok(match self.is_new {
            true => format!("in a new database, begun just now: {named}"),
            false => format!("in {named}"),
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
        if !is_there(&path)? && !self.store.keys().await?.is_empty() {
            return Err(CommandError::new(format!(
                "the secret {} is gone, but the database has keys that were sealed under it; put \
                 the file back, or set COUNTERSIGN_SECRET to what it held",
                path.display()
            )));
        }
        Ok(Secrets::load_or_create(&path, &*self.random)?)
    }

    /// Whether there is a secret, or the first who asks for it would make it.
    ///
    /// # Errors
    /// A secret that is too short, a directory that we are not let to see into.
    pub(crate) fn has_secret(&self) -> Result<bool, CommandError> {
        Ok(self.config.secret()?.is_some() || is_there(&self.config.data_dir().join("secret"))?)
    }

    /// Who makes the mails, as the settings have it; nobody where none are sent, and where no
    /// server has made a secret yet.
    ///
    /// # Errors
    /// Settings that do not do, and as for [`secrets`](Self::secrets).
    pub(crate) async fn post(&self) -> Result<Option<Post>, CommandError> {
        if !self.has_secret()? || matches!(self.config.mail_way()?, MailWay::Nowhere) {
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

    /// The user of a name, an e-mail address or an id; `id:7` is an id whatever names there are.
    ///
    /// # Errors
    /// When there is none. When the text is the id of one user and the name of another: strangers
    /// choose names, and none may stand before somebody's id.
    pub(crate) async fn user(&self, named: &str) -> Result<User, CommandError> {
        let is_nobody = || {
            CommandError::new(format!(
                "there is no user {named:?}; `countersign user list` shows them all"
            ))
        };
        if let Some(id) = named.strip_prefix(ID) {
            let id = id.parse().map(UserId::new).map_err(|_| is_nobody())?;
            return self.store.user_by_id(id).await?.ok_or_else(is_nobody);
        }
        let by_name = self.store.user_by_login(named).await?.map(|found| found.user);
        let by_id = match named.parse::<i64>() {
            Ok(id) => self.store.user_by_id(UserId::new(id)).await?,
            Err(_) => None,
        };
        match (by_name, by_id) {
            (Some(one), Some(other)) if one.id != other.id => Err(CommandError::new(format!(
                "there are two users {named:?}: {}, and {}; write {ID}{} or {ID}{}",
                called(&one),
                called(&other),
                one.id,
                other.id
            ))),
            (Some(user), _) | (None, Some(user)) => Ok(user),
            (None, None) => Err(is_nobody()),
        }
    }
}

/// A user in a sentence, by the name and the id: names may look like ids of others.
pub(crate) fn called(user: &User) -> String {
    format!("{} (id {})", user.username, user.id)
}

/// What stands before an id that is to be taken for nothing else. No name has a colon.
const ID: &str = "id:";

/// A secret without its database: the file was lost, or another directory was meant. An empty one
/// in its place would look as if all users were gone, and SQLite would throw away what the log
/// beside it still holds.
fn refuse_lost(config: &Config, database: &Database, wanted: Wanted) -> Result<(), CommandError> {
    let (Database::Sqlite(path), secret) = (database, config.data_dir().join("secret")) else {
        return Ok(());
    };
    if matches!(wanted, Wanted::There | Wanted::UpToDate { anew: true })
        || config.secret()?.is_some()
        || !is_there(&secret)?
    {
        return Ok(());
    }
    let is_here = is_there(path)?;
    if is_here && !is_new(&SqliteStore::pending_migrations(path)?) {
        return Ok(());
    }
    let what = if is_here { "is empty" } else { "is not there" };
    Err(CommandError::new(format!(
        "the database {} {what}, but there is a secret of an installation beside it, {}; put the \
         database back, with its -wal file if there is one, or restore a backup; to begin with an \
         empty database and this secret, run `countersign serve --new`",
        path.display(),
        secret.display()
    )))
}

/// Whether anybody can be in the database. A look begins none.
///
/// # Errors
/// As [`Services::open`].
pub(crate) async fn is_begun(config: &Config) -> Result<bool, CommandError> {
    Ok(!refuse_older(&config.database()?).await?)
}

/// Refuses the database of an older program; whether there is none yet.
async fn refuse_older(database: &Database) -> Result<bool, CommandError> {
    let pending = match database {
        Database::Sqlite(path) if !is_there(path)? => return Ok(true),
        Database::Sqlite(path) => SqliteStore::pending_migrations(path)?,
        Database::Postgres { url, .. } => PostgresStore::pending_migrations(url).await?,
    };
    if pending.is_empty() || is_new(&pending) {
        return Ok(is_new(&pending));
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

/// Whether a file is there. One that we are not let to see is not one that is missing: another in
/// its place would be wrong, and so would be what is said of it.
///
/// # Errors
/// A directory that we are not let to see into, and whatever else hinders the look.
pub(crate) fn is_there(path: &Path) -> Result<bool, CommandError> {
    path.try_exists().map_err(|error| CommandError::new(cannot_see(path, &error)))
}

fn cannot_see(path: &Path, error: &io::Error) -> String {
    // The innermost directory that can be looked at is the one that hinders us.
    let above = path.ancestors().skip(1).map(|above| match above.as_os_str().is_empty() {
        true => Path::new("."),
        false => above,
    });
    let closed = above.filter_map(|above| Some((above, above.metadata().ok()?))).next();
    match closed.filter(|_| error.kind() == io::ErrorKind::PermissionDenied) {
        Some((directory, metadata)) => format!(
            "cannot look into {}: {error}; run this as its owner: sudo -u {} countersign …",
            directory.display(),
            name_of(metadata.uid())
        ),
        None => format!("cannot look at {}: {error}", path.display()),
    }
}

/// The name of a user of this machine, or the number as `sudo` takes it.
fn name_of(id: u32) -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(id)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("'#{id}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_are_not_let_to_see_is_told_with_whose_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(is_there(&file).ok(), Some(true));
        assert_eq!(is_there(&directory.path().join("other")).ok(), Some(false));
        let said = is_there(&file.join("below")).unwrap_err();
        assert!(said.sentence().contains("Not a directory"), "{said:?}");
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let said = cannot_see(&directory.path().join("a/b"), &denied);
        let whose = name_of(directory.path().metadata().unwrap().uid());
        let place = format!("cannot look into {}: ", directory.path().display());
        assert!(said.starts_with(&place) && said.contains(&format!("sudo -u {whose} ")), "{said}");
        assert_eq!(
            (name_of(0).as_str(), name_of(4_294_000_000).as_str()),
            ("root", "'#4294000000'")
        );
    }
}

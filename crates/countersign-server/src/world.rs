//! What a command works on: the secret, the database and the hashing pool of the configured data directory.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use countersign::clock::OsRandom;
use countersign::password::Passwords;
use countersign::store::Store;
use countersign::store::sqlite::SqliteStore;
use countersign::token::Secrets;
use countersign::user::User;

use crate::config::Config;
use crate::failure::Failure;

/// Opens, and on the first start makes, what lies in the data directory.
#[derive(Debug)]
pub(crate) struct World<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: Arc<dyn Store>,
}

impl<'a> World<'a> {
    /// Opens the database, which must be there unless `make` says to make it: a command on a mistyped directory must not leave an empty one behind.
    ///
    /// # Errors
    /// A database that cannot be opened, or is not there.
    pub(crate) fn open(config: &'a Config, make: bool) -> Result<Self, Failure> {
        let path = config.database()?;
        if make {
            let directory = config.data_dir();
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&directory)
                .map_err(|error| Failure::new(format!("cannot make the data directory {}: {error}", directory.display())))?;
        } else if !path.exists() {
            return Err(Failure::new(format!(
                "there is no database at {}; start the server once, run `countersign migrate`, or name the right directory with --data-dir",
                path.display()
            )));
        }
        Ok(Self { config, store: Arc::new(SqliteStore::open(&path)?) })
    }

    /// The secret: the configured one, or the one in its file, which is made if it is not there.
    ///
    /// # Errors
    /// A secret that is too short, or a file that cannot be read.
    pub(crate) fn secrets(&self) -> Result<Secrets, Failure> {
        match self.config.secret()? {
            Some(secrets) => Ok(secrets),
            None => Ok(Secrets::load_or_create(&self.config.data_dir().join("secret"), &OsRandom)?),
        }
    }

    /// A hashing pool of one thread.
    ///
    /// # Errors
    /// Hash settings that do not do.
    pub(crate) fn passwords(&self) -> Result<Passwords, Failure> {
        let hash = self.config.hash(&countersign::password::HashSettings::default())?;
        Ok(Passwords::new(countersign::password::HashSettings { threads: 1, ..hash })?)
    }

    /// The user of a name, an e-mail address or an id.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) async fn user(&self, named: &str) -> Result<User, Failure> {
        if let Some(found) = self.store.user_by_login(named).await? {
            return Ok(found.user);
        }
        let by_id = match named.parse() {
            Ok(id) => self.store.user_by_id(id).await?,
            Err(_) => None,
        };
        by_id.ok_or_else(|| Failure::new(format!("there is no user {named:?}; `countersign user list` shows them all")))
    }
}

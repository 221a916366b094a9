//! The store on SQLite: one file, one thread that writes, a few that read.
//!
//! Write-ahead log with `synchronous=FULL`: what an operation has answered is on the disk.

mod admin;
mod changes;
mod columns;
mod files;
mod house;
mod keys;
mod migrations;
mod readers;
mod sessions;
mod transfer;
mod users;
mod writer;

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags};

use super::{
    Begin, Begun, Changes, Cursor, PasswordChange, Rotate, Rotation, SessionPage, SessionPlace,
    Store, StoreError,
};
use crate::password::EncodedPassword;
use crate::session::{RevokedReason, Session, SessionId};
use crate::token::{KeyId, SealedKey};
use crate::user::{LoginRow, NewUser, ProfileChange, User, UserId};
use files::Files;
use readers::Readers;
pub use transfer::SqliteTransfer;
use writer::Writer;

/// The store on one SQLite file.
///
/// Other processes may use the file at the same time; the command line does.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::Auth;
/// use countersign::store::sqlite::SqliteStore;
///
/// # world::block_on(async {
/// # let directory = tempfile::tempdir().unwrap();
/// let file = directory.path().join("countersign.sqlite3");
/// let store = SqliteStore::open(&file).unwrap();
/// let auth = Auth::builder(store).secrets(world::secrets()).build().await.unwrap();
/// # });
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    files: Arc<Files>,
}

impl SqliteStore {
    /// Opens the file, makes it (mode 0600) where there is none, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be opened or written, or comes from a newer
    /// program.
    ///
    /// ```
    /// use countersign::store::sqlite::SqliteStore;
    ///
    /// let directory = tempfile::tempdir().unwrap();
    /// SqliteStore::open(&directory.path().join("countersign.sqlite3")).unwrap();
    /// ```
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = open_writer(path)?;
        super::transfer::refuse_unfinished(transfer::unfinished(&connection)?)?;
        let readers = (0..READERS)
            .map(|_| connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY))
            .collect::<Result<Vec<_>, _>>()?;
        let thread = |error: std::io::Error| {
            StoreError::Failed(format!("cannot start a database thread: {error}"))
        };
        let files = Files::of(path).map_err(|error| {
            StoreError::Failed(format!("cannot look at {}: {error}", path.display()))
        })?;
        let files = Arc::new(files);
        Ok(Self {
            writer: Writer::start(connection, Arc::clone(&files)).map_err(thread)?,
            readers: Readers::start(readers, Some(Arc::clone(&files))).map_err(thread)?,
            files,
        })
    }

    /// The names of the migrations that the file still needs; all of them where there is no file.
    /// Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read or comes from a newer program.
    ///
    /// ```
    /// use countersign::store::sqlite::SqliteStore;
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// let file = directory.path().join("countersign.sqlite3");
    /// assert!(!SqliteStore::pending_migrations(&file).unwrap().is_empty());
    /// SqliteStore::open(&file).unwrap();
    /// assert!(SqliteStore::pending_migrations(&file).unwrap().is_empty());
    /// ```
    pub fn pending_migrations(path: &Path) -> Result<Vec<&'static str>, StoreError> {
        let connection = if path.exists() {
            connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?
        } else {
            Connection::open_in_memory()?
        };
        // The first question is the first look at the file.
        connection
            .query_row("PRAGMA schema_version", [], |_| Ok(()))
            .map_err(|error| at(path, &error))?;
        Ok(migrations::pending(&connection)?.iter().map(|(name, _)| *name).collect())
    }

    /// What SQLite's own check finds wrong with the file, a line each; nothing for a sound one.
    /// Reads the whole file.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read.
    ///
    /// ```
    /// use countersign::store::sqlite::SqliteStore;
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// let file = directory.path().join("countersign.sqlite3");
    /// SqliteStore::open(&file).unwrap();
    /// assert!(SqliteStore::integrity(&file).unwrap().is_empty());
    /// ```
    pub fn integrity(path: &Path) -> Result<Vec<String>, StoreError> {
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let mut statement = connection.prepare("PRAGMA quick_check(10)")?;
        let lines = statement
            .query_map([], |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn user_by_id(&self, id: UserId) -> Result<Option<User>, StoreError> {
        self.readers.run(move |c| users::by_id(c, id)).await
    }

    async fn user_by_login(&self, login: &str) -> Result<Option<LoginRow>, StoreError> {
        let login = login.to_owned();
        self.readers.run(move |c| users::by_login(c, &login)).await
    }

    async fn password_of(&self, id: UserId) -> Result<Option<EncodedPassword>, StoreError> {
        self.readers.run(move |c| users::password_of(c, id)).await
    }

    async fn create_user(&self, new: NewUser, now: Timestamp) -> Result<User, StoreError> {
        self.writer.run(move |c| users::create(c, &new, now)).await
    }

    async fn update_profile(
        &self,
        id: UserId,
        change: ProfileChange,
    ) -> Result<Option<User>, StoreError> {
        self.writer.run(move |c| users::update_profile(c, id, &change)).await
    }

    async fn change_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
        session: SessionId,
        now: Timestamp,
    ) -> Result<PasswordChange, StoreError> {
        let (old, new) = (old.clone(), new.clone());
        self.writer.run(move |c| users::change_password(c, id, (&old, &new), session, now)).await
    }

    async fn reset_password(
        &self,
        id: UserId,
        new: &EncodedPassword,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let new = new.clone();
        self.writer.run(move |c| users::reset_password(c, id, &new, now)).await
    }

    async fn upgrade_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        let (old, new) = (old.clone(), new.clone());
        self.writer.run(move |c| users::upgrade_password(c, id, &old, &new)).await
    }

    async fn permission_names(&self) -> Result<Vec<String>, StoreError> {
        self.readers.run(users::permission_names).await
    }

    async fn password_kinds(&self) -> Result<Vec<String>, StoreError> {
        self.readers.run(users::password_kinds).await
    }

    async fn set_active(
        &self,
        id: UserId,
        active: bool,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer.run(move |c| users::set_active(c, id, active, now)).await
    }

    async fn delete_user(&self, id: UserId, now: Timestamp) -> Result<bool, StoreError> {
        self.writer.run(move |c| users::delete(c, id, now)).await
    }

    async fn users(&self, after: Option<UserId>, limit: u32) -> Result<Vec<User>, StoreError> {
        self.readers.run(move |c| users::list(c, after, limit)).await
    }

    async fn begin_session(&self, begin: Begin) -> Result<Begun, StoreError> {
        self.writer.run(move |c| sessions::begin(c, &begin)).await
    }

    async fn rotate_session(&self, rotate: Rotate) -> Result<Rotation, StoreError> {
        self.writer.run(move |c| sessions::rotate(c, &rotate)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        self.readers.run(move |c| sessions::by_id(c, id)).await
    }

    async fn user_sessions_page(
        &self,
        user: UserId,
        from: Option<SessionPlace>,
        limit: u32,
        now: Timestamp,
    ) -> Result<SessionPage, StoreError> {
        self.readers.run(move |c| sessions::of_user(c, user, from, limit, now)).await
    }

    async fn live_sessions(&self, limit: u32, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        self.readers.run(move |c| sessions::live(c, limit, now)).await
    }

    async fn revoke_session(
        &self,
        id: SessionId,
        owner: Option<UserId>,
        reason: RevokedReason,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        self.writer.run(move |c| sessions::revoke(c, id, owner, reason, now)).await
    }

    async fn revoke_user_sessions(
        &self,
        user: UserId,
        keep: Option<SessionId>,
        reason: RevokedReason,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.writer.run(move |c| sessions::revoke_of_user(c, user, keep, reason, now)).await
    }

    async fn revoke_sessions_begun_by(
        &self,
        began: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.writer.run(move |c| sessions::revoke_begun_by(c, began, now)).await
    }

    async fn keys(&self) -> Result<Vec<SealedKey>, StoreError> {
        self.readers.run(keys::all).await
    }

    async fn add_key(&self, key: SealedKey, retire_others: Timestamp) -> Result<(), StoreError> {
        self.writer.run(move |c| keys::add(c, &key, retire_others)).await
    }

    async fn retire_key(&self, id: KeyId, at: Timestamp) -> Result<bool, StoreError> {
        self.writer.run(move |c| keys::retire(c, id, at)).await
    }

    async fn changes(&self, after: &Cursor, limit: u32) -> Result<Changes, StoreError> {
        let after = after.clone();
        self.readers.run(move |c| changes::after(c, &after, limit)).await
    }

    async fn cursor_at(&self, since: Timestamp, limit: u32) -> Result<Option<Cursor>, StoreError> {
        self.readers.run(move |c| changes::cursor_at(c, since, limit)).await
    }

    async fn cursor_now(&self) -> Result<Cursor, StoreError> {
        self.readers.run(changes::cursor_now).await
    }

    async fn note_user_changed(&self, user: UserId, now: Timestamp) -> Result<(), StoreError> {
        self.writer.run(move |c| changes::note_user_changed(c, user, now)).await
    }

    async fn prune(
        &self,
        changes: Timestamp,
        sessions: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.writer.run(move |c| changes::prune(c, changes, sessions, limit)).await
    }

    async fn agree_on_time(&self, now: Timestamp, step: Duration) -> Result<Timestamp, StoreError> {
        self.writer.run(move |c| house::agree_on_time(c, now, step)).await
    }

    async fn correct_times(
        &self,
        latest: Timestamp,
        now: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.writer.run(move |c| house::correct_times(c, latest, now, limit)).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.writer.run(migrations::touch).await
    }

    fn trouble(&self) -> Option<StoreError> {
        self.files.trouble()
    }

    async fn close(&self) {
        self.writer.empty_log().await;
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::Busy
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Opens the file for writing, makes it where there is none, and brings its schema up to date.
fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    // SQLite gives its log the mode of the database file.
    std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| StoreError::Failed(format!("cannot open {}: {error}", path.display())))?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(|error| at(path, &error))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    migrations::migrate(&mut connection)?;
    users::fold_addresses(&connection)?;
    Ok(connection)
}

fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, StoreError> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(connection)
    };
    open().map_err(|error| at(path, &error))
}

/// Why the file at `path` cannot be used.
fn at(path: &Path, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::NotADatabase) => StoreError::Failed(format!(
            "{} is no SQLite database; is data_dir or database_url the right one? Otherwise \
             restore a backup",
            path.display()
        )),
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            StoreError::Busy
        }
        _ => StoreError::Failed(format!("cannot open {}: {error}", path.display())),
    }
}

/// How long one process waits for another that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const READERS: usize = 2;

/// The writer's page cache, in KiB, filled only as far as the database is large: the inner pages of
/// every index of a million users fit.
const WRITER_CACHE_KIB: i64 = 32 * 1024;

/// A reader's page cache, in KiB, filled only as far as the database is large.
const CACHE_KIB: i64 = 16 * 1024;

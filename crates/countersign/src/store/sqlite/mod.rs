//! The store on SQLite: one file, one thread that writes, a few that read.
//!
//! Write-ahead log with `synchronous=FULL`: what an operation has answered is on the disk.

mod admin;
mod changes;
mod columns;
mod deletion;
mod devices;
mod enrolled;
mod export;
mod factor_proofs;
mod factor_row;
mod factors;
mod files;
mod fingerprint;
mod house;
mod issue;
mod keys;
mod memory;
mod migrations;
mod names;
mod outbox;
mod own_changes;
mod passkeys;
mod readers;
mod registrations;
mod rotations;
mod session_row;
mod sessions;
mod tickets;
mod tokens;
mod transfer;
mod user_row;
mod users;
mod writer;

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};

use super::{AttemptStore, StoreError};
use crate::store::due::Passed;
use crate::store::failure::Failure;
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
    passed: PassedRows,
}

/// How far the rounds of deletions have come.
#[derive(Debug, Default)]
struct PassedRows {
    users: Passed,
    registrations: Passed,
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
        let writer = open_writer(path)?;
        super::transfer::refuse_unfinished(transfer::unfinished(&writer)?)?;
        let files = Files::of(path).map_err(|error| {
            StoreError::Failed(format!("cannot look at {}: {error}", path.display()))
        })?;
        Self::start(writer, files, || connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY))
    }

    fn start(
        writer: Connection,
        files: Files,
        reader: impl Fn() -> Result<Connection, Failure>,
    ) -> Result<Self, StoreError> {
        let readers = (0..READERS).map(|_| reader()).collect::<Result<Vec<_>, Failure>>()?;
        let thread = |error: io::Error| {
            StoreError::Failed(format!("cannot start a database thread: {error}"))
        };
        let files = Arc::new(files);
        Ok(Self {
            writer: Writer::start(writer, Arc::clone(&files)).map_err(thread)?,
            readers: Readers::start(readers, Some(Arc::clone(&files))).map_err(thread)?,
            files,
            passed: PassedRows::default(),
        })
    }

    /// The names of the migrations that the file still needs; all of them where there is no file.
    /// Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the file cannot be read or comes from a newer program, and where
    /// nobody lets us see whether there is one.
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
        let connection = if is_there(path)? {
            connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?
        } else {
            Connection::open_in_memory().map_err(|error| store_error(&error))?
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
        Ok(quick_check(&connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?)?)
    }
}

/// What SQLite finds wrong in the whole of a file.
fn quick_check(connection: &Connection) -> Result<Vec<String>, Failure> {
    let mut statement = connection.prepare("PRAGMA quick_check(10)")?;
    let lines =
        statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}

/// One process writes the file, and counts for itself.
impl AttemptStore for SqliteStore {}

impl<E: From<StoreError>> From<rusqlite::Error> for Failure<E> {
    fn from(error: rusqlite::Error) -> Self {
        store_error(&error).into()
    }
}

/// What an error of SQLite says of an operation.
fn store_error(error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            StoreError::Busy
        }
        _ => StoreError::Failed(error.to_string()),
    }
}

/// Whether there is a file. One that we are not let to see is not one that is missing: what was
/// said of it, or made in its place, would be wrong.
fn is_there(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(|error| {
        StoreError::Failed(format!("cannot see whether there is {}: {error}", path.display()))
    })
}

/// Opens the file for writing, makes it where there is none, and brings its schema up to date.
fn open_writer(path: &Path) -> Result<Connection, Failure> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| unusable(path, &error))?;
    // What is begun here is nobody else's from its beginning. SQLite gives its log the mode of the
    // database file.
    if file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
        close_to_others(&file, path)?;
    }
    // Before SQLite has it: who closes a file gives up every lock that the process has on it.
    drop(file);
    prepared(path, connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?)
}

/// Takes a file from everybody but its owner.
fn close_to_others(file: &File, path: &Path) -> Result<(), StoreError> {
    let mode = |file: &File| file.metadata().map(|metadata| metadata.permissions().mode());
    let closed = || -> io::Result<bool> {
        if mode(file)? & 0o077 == 0 {
            return Ok(true);
        }
        let changed = file.set_permissions(Permissions::from_mode(0o600));
        // A volume may give its group to every file, and keep that.
        if mode(file)? & 0o007 == 0 {
            return Ok(true);
        }
        changed.map(|()| false)
    };
    let why = match closed() {
        Ok(true) => return Ok(()),
        Ok(false) => "its mode does not change".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(StoreError::Failed(format!(
        "{0} can be read by others, and cannot be taken from them: {why}; run `chmod 600 {0}`",
        path.display()
    )))
}

/// The connection that writes, with the schema up to date.
fn prepared(path: &Path, mut connection: Connection) -> Result<Connection, Failure> {
    connection.pragma_update(None, "journal_mode", "WAL").map_err(|error| at(path, &error))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    migrations::migrate(&mut connection)?;
    names::fold_addresses(&connection)?;
    Ok(connection)
}

fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, Failure> {
    let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_handler(Some(look_again))?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.set_prepared_statement_cache_capacity(64);
        // Without this promise a statement with `LIMIT ?` is prepared anew each time that it runs.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        Ok(connection)
    };
    open().map_err(|error| at(path, &error).into())
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
        // SQLite does not say what hinders it. Asked without opening the file: closing it again
        // would give up the locks that other connections of this process have on it.
        _ => match access(path, Access::READ_OK | Access::WRITE_OK) {
            Err(hindrance) => unusable(path, &hindrance.into()),
            Ok(()) => StoreError::Failed(format!("cannot open {}: {error}", path.display())),
        },
    }
}

/// Why the operating system does not let us use the file at `path`, and whose it is.
fn unusable(path: &Path, error: &io::Error) -> StoreError {
    let owner = std::fs::metadata(path).map(|metadata| metadata.uid());
    let what_to_do = match (error.kind(), owner) {
        (io::ErrorKind::PermissionDenied, Ok(owner)) => format!(
            "; it belongs to the user with the id {owner}: run this as that user, or give it to \
             the one who runs the server, with `chown`"
        ),
        _ => String::new(),
    };
    StoreError::Failed(format!("cannot open {}: {error}{what_to_do}", path.display()))
}

/// Whether a process goes on waiting for another that writes: for five seconds at least. SQLite by
/// itself would look ten times a second, and each time find a writer without pause at work.
fn look_again(looks: i32) -> bool {
    std::thread::sleep(Duration::from_millis(1));
    looks < MOST_LOOKS
}

const MOST_LOOKS: i32 = 5_000;

const READERS: usize = 2;

/// The writer's page cache, in KiB, filled only as far as the database is large: the inner pages of
/// every index of a million users fit.
const WRITER_CACHE_KIB: i64 = 32 * 1024;

/// A reader's page cache, in KiB, filled only as far as the database is large.
const CACHE_KIB: i64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn an_empty_file_that_others_may_read_is_closed_to_them_before_anything_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        for (name, is_target) in [("moved", true), ("begun", false)] {
            let path = directory.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
            if is_target {
                drop(SqliteTransfer::target(&path).unwrap());
            } else {
                drop(SqliteStore::open(&path).unwrap());
            }
            assert_eq!(mode(&path), 0o600, "{name}");
        }
    }

    #[test]
    fn a_file_that_we_are_not_let_to_see_is_not_one_that_is_missing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        // A file where a folder should be: that holds for root too.
        let below = file.join("countersign.sqlite3");
        let said = SqliteStore::pending_migrations(&below).unwrap_err().to_string();
        assert!(said.contains("cannot see whether") && said.contains("Not a directory"), "{said}");
        let said = SqliteTransfer::source(&below).unwrap_err().to_string();
        assert!(said.contains("Not a directory"), "{said}");
    }

    #[test]
    fn a_file_that_cannot_be_used_is_told_by_what_hinders_it() {
        let directory = tempfile::tempdir().unwrap();
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let said = unusable(directory.path(), &denied).to_string();
        let owner = std::fs::metadata(directory.path()).unwrap().uid();
        assert!(said.contains(&format!("the id {owner}: run this as that user")), "{said}");
    }

    #[test]
    fn what_a_statement_is_bound_to_does_not_prepare_it_anew() {
        let memory = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = connect(Path::new(":memory:"), memory).unwrap();
        connection.execute_batch("CREATE TABLE numbers (n INTEGER)").unwrap();
        let mut statement = connection.prepare("SELECT n FROM numbers ORDER BY n LIMIT ?").unwrap();
        for limit in [1, 10, 100] {
            assert!(statement.query([limit]).unwrap().next().unwrap().is_none());
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }
}

//! A SQLite file as a side of a move. It is held under an exclusive lock, which a file that anybody
//! else has open does not grant: nobody changes it meanwhile.

use std::fmt::Write;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params_from_iter};

use super::admin::audit::note;
use super::columns::{
    django_date, from_django_date, from_micros, key, micros, read_user_id, unreadable,
};
use super::readers::Readers;
use super::{close_to_others, connect, is_there, migrations, open_writer, unusable};
use crate::store::StoreError;
use crate::store::admin::AuditLine;
use crate::store::failure::Failure;
use crate::store::transfer::{
    FEED, Kind, Row, Source, TABLES, Table, Target, TransferError, UNFINISHED, Value,
};
use crate::user::UserId;

/// A SQLite file that is moved, or moved into.
///
/// ```
/// use countersign::store::sqlite::{SqliteStore, SqliteTransfer};
///
/// # let directory = tempfile::tempdir().unwrap();
/// let file = directory.path().join("countersign.sqlite3");
/// drop(SqliteStore::open(&file).unwrap());
/// let source = SqliteTransfer::source(&file).unwrap();
/// let target = SqliteTransfer::target(&directory.path().join("moved.sqlite3")).unwrap();
/// ```
#[derive(Debug)]
pub struct SqliteTransfer {
    thread: Thread,
}

impl SqliteTransfer {
    /// Opens a file to be read. Nothing is written into it.
    ///
    /// # Errors
    /// [`TransferError::Missing`], [`TransferError::InUse`], [`TransferError::Outdated`], and
    /// SQLite's.
    ///
    /// ```
    /// use countersign::store::sqlite::SqliteTransfer;
    ///
    /// assert!(SqliteTransfer::source("nowhere.sqlite3".as_ref()).is_err());
    /// ```
    pub fn source(path: &Path) -> Result<Self, TransferError> {
        if !is_there(path)? {
            return Err(TransferError::Missing { place: path.display().to_string() });
        }
        let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        hold(&connection, path)?;
        if !migrations::pending(&connection)?.is_empty() {
            return Err(TransferError::Outdated { place: path.display().to_string() });
        }
        crate::store::transfer::refuse_unfinished(unfinished(&connection)?)?;
        connection.pragma_update(None, "query_only", true).map_err(Failure::from)?;
        Self::on(connection)
    }

    /// Opens a file to be filled, or makes it. Nobody but its owner may read it (mode 0600),
    /// whatever mode it had before.
    ///
    /// # Errors
    /// [`TransferError::InUse`], and SQLite's.
    ///
    /// ```
    /// use countersign::store::sqlite::SqliteTransfer;
    ///
    /// # let directory = tempfile::tempdir().unwrap();
    /// let target = SqliteTransfer::target(&directory.path().join("new.sqlite3")).unwrap();
    /// ```
    pub fn target(path: &Path) -> Result<Self, TransferError> {
        // Everything that is secret is about to be in them.
        for suffix in ["", "-wal", "-shm"] {
            let mut beside = path.as_os_str().to_owned();
            beside.push(suffix);
            let beside = Path::new(&beside);
            if is_there(beside)? {
                let file = File::options().append(true).open(beside);
                close_to_others(&file.map_err(|error| unusable(beside, &error))?, beside)?;
            }
        }
        let connection = open_writer(path)?;
        hold(&connection, path)?;
        Self::on(connection)
    }

    fn on(connection: Connection) -> Result<Self, TransferError> {
        let thread = Readers::start(vec![connection], None).map_err(StoreError::failed)?;
        Ok(Self { thread: Thread(Some(thread)) })
    }
}

/// The thread that has the connection, until it is dropped.
#[derive(Debug)]
struct Thread(Option<Readers>);

impl Thread {
    async fn run<T, F>(&self, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        match &self.0 {
            Some(thread) => thread.run(operation).await,
            None => Err(StoreError::Failed("the database is closed".to_owned())),
        }
    }
}

/// Whoever looks at the file next finds everything in it, and nothing beside it: SQLite empties its
/// log when the last connection is closed, which a process that ends does not do.
impl Drop for Thread {
    fn drop(&mut self) {
        if let Some(thread) = self.0.take() {
            thread.close();
        }
    }
}

#[async_trait]
impl Source for SqliteTransfer {
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError> {
        self.thread.run(move |c| count(c, table)).await
    }

    async fn page(
        &mut self,
        table: &'static Table,
        after: Option<Vec<i64>>,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError> {
        self.thread.run(move |c| page(c, table, after, limit)).await
    }

    async fn last_number(&mut self, table: &'static Table) -> Result<i64, StoreError> {
        self.thread.run(move |c| last_number(c, table)).await
    }
}

#[async_trait]
impl Target for SqliteTransfer {
    async fn last_key(&mut self, table: &'static Table) -> Result<Option<Vec<i64>>, StoreError> {
        self.thread.run(move |c| last_key(c, table)).await
    }

    async fn add(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), StoreError> {
        self.thread.run(move |c| in_transaction(c, |c| add(c, table, rows))).await
    }

    async fn skip_to_number(
        &mut self,
        table: &'static Table,
        number: i64,
    ) -> Result<(), StoreError> {
        self.thread.run(move |c| in_transaction(c, |c| skip_to_number(c, table, number))).await
    }

    async fn unfinished(&mut self) -> Result<Option<String>, StoreError> {
        self.thread.run(unfinished).await
    }

    async fn mark(&mut self, from: &str) -> Result<(), StoreError> {
        let from = from.to_owned();
        self.thread
            .run(move |c| {
                in_transaction(c, |c| {
                    c.execute_batch(&format!(
                        "CREATE TABLE {UNFINISHED} (source TEXT NOT NULL) STRICT"
                    ))?;
                    c.execute(&format!("INSERT INTO {UNFINISHED} VALUES (?)"), [from])?;
                    Ok(())
                })
            })
            .await
    }

    async fn clear(&mut self) -> Result<(), StoreError> {
        self.thread
            .run(|c| {
                in_transaction(c, |c| {
                    for table in TABLES.iter().rev() {
                        c.execute_batch(&format!("DELETE FROM {}", table.name))?;
                    }
                    c.execute_batch(&format!(
                        "DELETE FROM {FEED}; DELETE FROM sqlite_sequence; DROP TABLE {UNFINISHED}"
                    ))?;
                    Ok(())
                })
            })
            .await
    }

    async fn finish(&mut self, line: &AuditLine) -> Result<(), StoreError> {
        let line = line.clone();
        self.thread
            .run(move |c| {
                // Before the end as well: what has no room there is told while the move can go on.
                empty_log(c)?;
                in_transaction(c, |c| {
                    note(c, &[line])?;
                    Ok(c.execute_batch(&format!("DROP TABLE {UNFINISHED}"))?)
                })?;
                c.execute_batch("PRAGMA optimize")?;
                empty_log(c)
            })
            .await
    }
}

/// Brings everything into the file itself, so that it may be copied alone.
fn empty_log(connection: &Connection) -> Result<(), Failure> {
    let is_kept_from_it: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_kept_from_it {
        return Err(StoreError::Failed(
            "the database's log, the file with -wal behind its name, could not be brought into \
             the database's own file: somebody reads it. Keep the two together"
                .to_owned(),
        )
        .into());
    }
    Ok(())
}

/// From where the move comes that fills this file, if it is not finished.
pub(super) fn unfinished(connection: &Connection) -> Result<Option<String>, Failure> {
    let there: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?)",
        [UNFINISHED],
        |row| row.get(0),
    )?;
    if !there {
        return Ok(None);
    }
    Ok(connection
        .query_row(&format!("SELECT source FROM {UNFINISHED}"), [], |row| row.get(0))
        .optional()?)
}

/// Takes the exclusive lock, and keeps it until the connection is closed.
fn hold(connection: &Connection, path: &Path) -> Result<(), TransferError> {
    let held = || -> Result<(), Failure> {
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        // The mode alone takes nothing: the next transaction does.
        connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
        Ok(())
    };
    match held() {
        Err(Failure(StoreError::Busy)) => {
            Err(TransferError::InUse { place: path.display().to_string() })
        }
        other => Ok(other?),
    }
}

fn in_transaction<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let transaction = connection.unchecked_transaction()?;
    let done = work(&transaction)?;
    transaction.commit()?;
    Ok(done)
}

fn count(connection: &Connection, table: &Table) -> Result<u64, Failure> {
    Ok(connection
        .query_row(&format!("SELECT count(*) FROM {}", table.name), [], |row| row.get(0))?)
}

fn page(
    connection: &Connection,
    table: &Table,
    after: Option<Vec<i64>>,
    limit: u32,
) -> Result<Vec<Row>, Failure> {
    let (names, key) = (names(table, table.columns.len()), names(table, table.key));
    let behind = after
        .as_ref()
        .map_or_else(String::new, |_| format!("WHERE ({key}) > ({})", places(table.key)));
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {names} FROM {} {behind} ORDER BY {key} LIMIT {limit}",
        table.name
    ))?;
    let mut rows = statement.query(params_from_iter(after.into_iter().flatten()))?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let values =
            table.columns.iter().enumerate().map(|(i, column)| read(row.get_ref(i)?, column.kind));
        page.push(values.collect::<rusqlite::Result<Row>>()?);
    }
    Ok(page)
}

fn last_key(connection: &Connection, table: &Table) -> Result<Option<Vec<i64>>, Failure> {
    let mut order = String::new();
    for column in &table.columns[..table.key] {
        let _ =
            write!(order, "{}{} DESC", if order.is_empty() { "" } else { ", " }, column.in_sqlite);
    }
    let sql =
        format!("SELECT {} FROM {} ORDER BY {order} LIMIT 1", names(table, table.key), table.name);
    Ok(connection
        .query_row(&sql, [], |row| (0..table.key).map(|i| row.get(i)).collect())
        .optional()?)
}

fn add(connection: &Connection, table: &Table, rows: Vec<Row>) -> Result<(), Failure> {
    let columns = table.columns.len();
    let mut statement = connection.prepare_cached(&format!(
        "INSERT INTO {} ({}) VALUES ({})",
        table.name,
        names(table, columns),
        places(columns)
    ))?;
    for row in rows {
        let cells =
            row.into_iter().zip(table.columns).map(|(value, column)| write(value, column.kind));
        let cells = cells.collect::<Result<Vec<_>, Failure>>()?;
        statement
            .execute(params_from_iter(cells))
            .map_err(|error| StoreError::Failed(format!("{}: {error}", table.name)))?;
    }
    if table.name != FEED {
        // What the triggers have written is no news to anybody, and the feed's own rows come last.
        connection.execute_batch(&format!("DELETE FROM {FEED}"))?;
    }
    Ok(())
}

/// Of tables without `AUTOINCREMENT` the highest number there is: they give it out again anyway.
fn last_number(connection: &Connection, table: &Table) -> Result<i64, Failure> {
    let given: Option<i64> = connection
        .query_row("SELECT seq FROM sqlite_sequence WHERE name = ?", [table.name], |row| row.get(0))
        .optional()?;
    let highest: i64 = connection.query_row(
        &format!("SELECT coalesce(max({}), 0) FROM {}", names(table, 1), table.name),
        [],
        |row| row.get(0),
    )?;
    Ok(given.unwrap_or(0).max(highest))
}

fn skip_to_number(connection: &Connection, table: &Table, number: i64) -> Result<(), Failure> {
    let remembers: bool = connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? AND sql LIKE \
         '%AUTOINCREMENT%')",
        [table.name],
        |row| row.get(0),
    )?;
    if remembers && number > last_number(connection, table)? {
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", [table.name])?;
        connection.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)",
            (table.name, number),
        )?;
    }
    Ok(())
}

fn read(cell: ValueRef<'_>, kind: Kind) -> rusqlite::Result<Value> {
    if matches!(cell, ValueRef::Null) {
        return Ok(Value::Null);
    }
    Ok(match kind {
        Kind::Integer => Value::Integer(cell.as_i64().map_err(unreadable)?),
        Kind::Boolean => Value::Boolean(cell.as_i64().map_err(unreadable)? != 0),
        Kind::Text => Value::Text(cell.as_str().map_err(unreadable)?.to_owned()),
        Kind::Json => Value::Json(cell.as_str().map_err(unreadable)?.to_owned()),
        Kind::Bytes => Value::Bytes(cell.as_blob().map_err(unreadable)?.to_vec()),
        Kind::Date => Value::Integer(micros(from_django_date(cell.as_str().map_err(unreadable)?)?)),
        Kind::Id => Value::Text(read_user_id(cell)?.to_string()),
    })
}

fn write(value: Value, kind: Kind) -> Result<Cell, Failure> {
    Ok(match (value, kind) {
        (Value::Null, _) => Cell::Null,
        (Value::Integer(at), Kind::Date) => Cell::Text(django_date(from_micros(at))),
        (Value::Integer(number), _) => Cell::Integer(number),
        (Value::Boolean(truth), _) => Cell::Integer(i64::from(truth)),
        (Value::Text(id), Kind::Id) => key(id.parse::<UserId>().map_err(StoreError::failed)?),
        (Value::Text(text) | Value::Json(text), _) => Cell::Text(text),
        (Value::Bytes(bytes), _) => Cell::Blob(bytes),
    })
}

/// The first columns, as they are called in SQLite.
fn names(table: &Table, many: usize) -> String {
    table.columns[..many].iter().map(|column| column.in_sqlite).collect::<Vec<_>>().join(", ")
}

fn places(many: usize) -> String {
    vec!["?"; many].join(", ")
}

/// How long a program that is about to end may take to let go.
const PATIENCE: Duration = Duration::from_secs(2);

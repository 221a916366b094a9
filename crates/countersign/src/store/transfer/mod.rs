//! From one store into another: rows by table, in pages, in the order of their keys, then compared.
//!
//! What is in the target says how far a move has come, so one that was killed goes on where it was.
//! Until it is finished, the target is marked, and no server starts on it.
//!
//! ```
//! # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
//! use countersign::store::admin::Actor;
//! use countersign::store::sqlite::SqliteTransfer;
//! use countersign::store::transfer::{begin, compare, copy, moved};
//!
//! # world::block_on(async {
//! # let directory = tempfile::tempdir().unwrap();
//! # let (old, new) = (directory.path().join("old.sqlite3"), directory.path().join("new.sqlite3"));
//! # countersign::store::sqlite::SqliteStore::open(&old).unwrap();
//! use countersign::store::transfer::Target;
//!
//! let (mut source, mut target) =
//!     (SqliteTransfer::source(&old).unwrap(), SqliteTransfer::target(&new).unwrap());
//! begin(&mut target, "old.sqlite3", false).await.unwrap();
//! copy(&mut source, &mut target, &mut |_| ()).await.unwrap();
//! let same = compare(&mut source, &mut target, &mut |_| ()).await.unwrap();
//! let line = moved("sqlite:old.sqlite3", &Actor::shell("ada", jiff::Timestamp::now()));
//! target.finish(&line).await.unwrap(); // from here on a server may start on it
//! assert!(!same.is_empty());
//! # });
//! ```

mod tables;

use std::fmt::Write;

use async_trait::async_trait;
use aws_lc_rs::digest::{Context, SHA256};

use super::StoreError;
use super::admin::{Actor, AuditKind, AuditLine};
#[cfg(feature = "sqlite")]
pub(crate) use tables::FEED;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use tables::UNFINISHED;
pub use tables::{COLUMNS_NOT_MOVED, Column, Kind, NOT_MOVED, Row, TABLES, Table, Value};

/// A store that is read. Nobody else changes it meanwhile.
///
/// ```
/// use countersign::store::StoreError;
/// use countersign::store::transfer::{Source, TABLES};
///
/// async fn rows(source: &mut dyn Source) -> Result<u64, StoreError> {
///     let mut rows = 0;
///     for table in TABLES {
///         rows += source.count(table).await?;
///     }
///     Ok(rows)
/// }
/// ```
#[async_trait]
pub trait Source: Send {
    /// How many rows a table has.
    async fn count(&mut self, table: &'static Table) -> Result<u64, StoreError>;

    /// The first `limit` rows behind `after`, in the order of their keys.
    async fn page(
        &mut self,
        table: &'static Table,
        after: Option<Vec<i64>>,
        limit: u32,
    ) -> Result<Vec<Row>, StoreError>;

    /// The highest number that a table's sequence has given out, to rows that are gone too.
    async fn last_number(&mut self, table: &'static Table) -> Result<i64, StoreError>;
}

/// A store that is filled. Nobody else uses it meanwhile.
///
/// ```
/// use countersign::store::StoreError;
/// use countersign::store::transfer::Target;
///
/// async fn give_up(target: &mut dyn Target) -> Result<(), StoreError> {
///     if target.unfinished().await?.is_some() {
///         target.clear().await?;
///     }
///     Ok(())
/// }
/// ```
#[async_trait]
pub trait Target: Source {
    /// The key of a table's last row.
    async fn last_key(&mut self, table: &'static Table) -> Result<Option<Vec<i64>>, StoreError>;

    /// Adds rows, all or none, and tells nobody of it: the feed has no more rows afterwards than
    /// came with the move.
    async fn add(&mut self, table: &'static Table, rows: Vec<Row>) -> Result<(), StoreError>;

    /// Lets a table's sequence go on behind `number`.
    async fn skip_to_number(
        &mut self,
        table: &'static Table,
        number: i64,
    ) -> Result<(), StoreError>;

    /// From where a move comes that is not finished.
    async fn unfinished(&mut self) -> Result<Option<String>, StoreError>;

    /// Marks the store as one that a move from `from` fills.
    async fn mark(&mut self, from: &str) -> Result<(), StoreError>;

    /// Removes every row that may have come with a move.
    async fn clear(&mut self) -> Result<(), StoreError>;

    /// Writes the line that tells of the move, and removes the mark with it: the store may be used.
    async fn finish(&mut self, line: &AuditLine) -> Result<(), StoreError>;
}

/// How far a move has come.
///
/// ```
/// use countersign::store::transfer::{Phase, Progress};
///
/// let progress = Progress { phase: Phase::Copying, table: "users", done: 10_000, of: 1_000_000 };
/// assert_eq!(100 * progress.done / progress.of, 1);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// What it does.
    pub phase: Phase,
    /// With which table.
    pub table: &'static str,
    /// Rows that are done.
    pub done: u64,
    /// Rows that the source has.
    pub of: u64,
}

/// What a move does.
///
/// ```
/// use countersign::store::transfer::Phase;
///
/// assert_eq!(format!("{:?}", Phase::Comparing), "Comparing");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Rows are copied.
    Copying,
    /// Rows are read from both sides, and compared.
    Comparing,
}

/// A table that is the same on both sides.
///
/// ```
/// use countersign::store::transfer::Compared;
///
/// fn line(same: &Compared) -> String {
///     format!("{:<24} {:>10} rows  {}", same.table, same.rows, &same.checksum[..16])
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 of all its rows, in the order of their keys, in hexadecimal.
    pub checksum: String,
}

/// The line that tells of a move from `from`, which [`finish`](Target::finish) wants.
///
/// ```
/// use countersign::store::admin::{Actor, AuditKind};
/// use countersign::store::transfer::moved;
///
/// let line = moved("sqlite:old.sqlite3", &Actor::shell("ada", jiff::Timestamp::UNIX_EPOCH));
/// assert_eq!(
///     (line.kind, line.detail.as_str()),
///     (AuditKind::StoreMoved, "from sqlite:old.sqlite3")
/// );
/// ```
pub fn moved(from: &str, by: &Actor) -> AuditLine {
    let (actor, detail) = (Some(by.who.clone()), format!("from {from}"));
    AuditLine {
        at: by.now,
        kind: AuditKind::StoreMoved,
        actor,
        user: None,
        session: None,
        ip: by.ip,
        detail,
    }
}

/// Makes sure that the target is empty, or the unfinished rest of a move from the same place, and
/// marks it. With `anew`, an unfinished move is begun again. Whether rows are there already.
///
/// # Errors
/// [`TransferError::NotEmpty`], [`TransferError::AnotherMove`], and the store's.
///
/// ```
/// use countersign::store::transfer::{Target, TransferError, begin};
///
/// /// Goes on with a move that was cut off; begins it where there was none.
/// async fn go_on(target: &mut dyn Target) -> Result<(), TransferError> {
///     if begin(target, "sqlite:old.sqlite3", false).await? {
///         println!("some rows are there already");
///     }
///     Ok(())
/// }
/// ```
pub async fn begin(target: &mut dyn Target, from: &str, anew: bool) -> Result<bool, TransferError> {
    match target.unfinished().await? {
        Some(_) if anew => target.clear().await?,
        Some(other) if other != from => return Err(TransferError::AnotherMove { from: other }),
        Some(_) => return Ok(true),
        None => {}
    }
    for table in TABLES {
        let rows = target.count(table).await?;
        if rows > 0 {
            return Err(TransferError::NotEmpty { table: table.name, rows });
        }
    }
    target.mark(from).await?;
    Ok(false)
}

/// Copies what the target has not got yet, page by page, each one transaction.
///
/// # Errors
/// The stores'.
///
/// ```
/// use countersign::store::transfer::{Source, Target, TransferError, copy};
///
/// async fn copy_aloud(
///     source: &mut dyn Source,
///     target: &mut dyn Target,
/// ) -> Result<(), TransferError> {
///     copy(source, target, &mut |progress| {
///         println!("{}: {} of {}", progress.table, progress.done, progress.of)
///     })
///     .await
/// }
/// ```
pub async fn copy(
    source: &mut dyn Source,
    target: &mut dyn Target,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<(), TransferError> {
    for table in TABLES {
        let (of, mut done, after) =
            (source.count(table).await?, target.count(table).await?, target.last_key(table).await?);
        let mut report =
            |done| progress(Progress { phase: Phase::Copying, table: table.name, done, of });
        report(done);
        let mut rows = source.page(table, after, PAGE).await?;
        while let Some(last) = rows.last() {
            let (last, many) = (table.key_of(last), rows.len() as u64);
            // The next page is read while this one is written.
            let (added, next) =
                tokio::join!(target.add(table, rows), source.page(table, Some(last), PAGE));
            added?;
            rows = next?;
            done += many;
            report(done);
        }
        if table.numbered {
            target.skip_to_number(table, source.last_number(table).await?).await?;
        }
    }
    Ok(())
}

/// Reads every table on both sides and compares them row by row.
///
/// # Errors
/// [`TransferError::Differs`] at the first row that is not the same, and the stores'.
///
/// ```
/// use countersign::store::transfer::{Source, Target, TransferError, compare};
///
/// async fn proved(
///     source: &mut dyn Source,
///     target: &mut dyn Target,
/// ) -> Result<u64, TransferError> {
///     let same = compare(source, target, &mut |_| ()).await?;
///     Ok(same.iter().map(|table| table.rows).sum())
/// }
/// ```
pub async fn compare(
    source: &mut dyn Source,
    target: &mut dyn Target,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Vec<Compared>, TransferError> {
    let mut compared = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let (of, mut after) = (source.count(table).await?, None);
        let (mut sum, mut rows) = (Context::new(&SHA256), 0);
        loop {
            progress(Progress { phase: Phase::Comparing, table: table.name, done: rows, of });
            let (wanted, found) = tokio::join!(
                source.page(table, after.clone(), PAGE),
                target.page(table, after, PAGE)
            );
            let (wanted, found) = (wanted?, found?);
            same(table, &wanted, &found, &mut sum)?;
            rows += wanted.len() as u64;
            match wanted.last() {
                Some(last) => after = Some(table.key_of(last)),
                None => break,
            }
        }
        let mut checksum = String::with_capacity(64);
        for byte in sum.finish().as_ref() {
            let _ = write!(checksum, "{byte:02x}");
        }
        compared.push(Compared { table: table.name, rows, checksum });
    }
    Ok(compared)
}

fn same(
    table: &'static Table,
    wanted: &[Row],
    found: &[Row],
    sum: &mut Context,
) -> Result<(), TransferError> {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    for i in 0..wanted.len().max(found.len()) {
        let differs =
            |row: &Row| TransferError::Differs { table: table.name, key: table.key_of(row) };
        match (wanted.get(i), found.get(i)) {
            (Some(wanted), Some(found)) => {
                one.clear();
                other.clear();
                Table::encode(wanted, &mut one)?;
                Table::encode(found, &mut other)?;
                if one != other {
                    return Err(differs(wanted));
                }
                sum.update(&one);
            }
            (Some(row), None) | (None, Some(row)) => return Err(differs(row)),
            (None, None) => {}
        }
    }
    Ok(())
}

/// Why a move cannot be made.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::sqlite::SqliteTransfer;
/// use countersign::store::transfer::TransferError;
///
/// let error = SqliteTransfer::source("nowhere.sqlite3".as_ref()).unwrap_err();
/// assert!(matches!(error, TransferError::Missing { .. }));
/// assert_eq!(error.to_string(), "there is no database at nowhere.sqlite3");
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// Somebody else uses a store, and might change it.
    #[error(
        "{place} is in use by another program; stop every server on it, close database shells, and \
         run this again"
    )]
    InUse {
        /// Which store.
        place: String,
    },
    /// The source's schema is not this program's.
    #[error("{place} has an older schema; run `countersign migrate` on it, and then this again")]
    Outdated {
        /// Which store.
        place: String,
    },
    /// There is no source.
    #[error("there is no database at {place}")]
    Missing {
        /// Which store.
        place: String,
    },
    /// The target has something in it already.
    #[error(
        "the target is not empty: {table} has {rows} rows; move into a new database (a server that \
         was started on it once has made a signing key there)"
    )]
    NotEmpty {
        /// The first table that is not empty.
        table: &'static str,
        /// How many rows it has.
        rows: u64,
    },
    /// The target has the beginning of another move.
    #[error(
        "the target has the beginning of a move from {from}; finish that one, or add --anew, which \
         empties the target first"
    )]
    AnotherMove {
        /// From where.
        from: String,
    },
    /// A row is not the same on both sides.
    #[error(
        "{table}: the row {key:?} is not the same on both sides; either side was changed since the \
         move began. Nothing is lost: the source is as it was. Run this again with --anew, which \
         empties the target first"
    )]
    Differs {
        /// In which table.
        table: &'static str,
        /// Which row.
        key: Vec<i64>,
    },
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a store says that holds the beginning of a move.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn refuse_unfinished(from: Option<String>) -> Result<(), StoreError> {
    match from {
        None => Ok(()),
        Some(from) => Err(StoreError::Failed(format!(
            "the database holds the beginning of a move from {from}; run that `countersign move` \
             again to finish it, or start on {from}"
        ))),
    }
}

/// Rows that are read and written at once: what bounds the memory, and one transaction.
const PAGE: u32 = 10_000;

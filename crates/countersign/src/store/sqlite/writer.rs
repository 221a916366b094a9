//! The one thread that writes: it commits whatever is waiting as one transaction (group commit), so
//! that many callers share one `fsync`.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::files::Files;
use super::{look_again, store_error};
use crate::store::StoreError;
use crate::store::failure::Failure;
use crate::supervise::caught;

/// Hands operations to the writing thread. Dropping it waits for the work begun.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    /// Who waits until everything is in the database's own file.
    closing: Arc<Mutex<Vec<oneshot::Sender<()>>>>,
}

impl Writer {
    /// A thread that writes for as long as these files are where they were.
    pub(super) fn start(connection: Connection, files: Arc<Files>) -> std::io::Result<Self> {
        let (jobs, waiting) = bounded(QUEUE);
        let closing = Arc::new(Mutex::new(Vec::new()));
        let writer = WriterThread { connection, files, waiting, closing: Arc::clone(&closing) };
        let thread = thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || writer.write_until_closed())?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), closing })
    }

    /// Waits until everything has been moved out of SQLite's log, if that can be.
    pub(super) async fn empty_log(&self) {
        let (done, is_done) = oneshot::channel();
        self.closing.lock().unwrap_or_else(PoisonError::into_inner).push(done);
        let _: Result<(), StoreError> = self.run(|_| Ok(())).await;
        let _ = is_done.await;
    }

    /// Applies `operation` in the next transaction. When this returns `Ok`, the change is on disk;
    /// when it returns `Err`, nothing of it is, but for [`StoreError::Unknown`].
    pub(super) async fn run<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure<E>> + Send + 'static,
    {
        self.hand_over(operation, true).await
    }

    /// The same for an operation that leaves nothing behind when it fails, such as one statement:
    /// it needs no savepoint around it.
    pub(super) async fn run_whole<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure<E>> + Send + 'static,
    {
        self.hand_over(operation, false).await
    }

    async fn hand_over<T, E, F>(&self, operation: F, in_savepoint: bool) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure<E>> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Operation {
            operation: Some(operation),
            in_savepoint,
            result: Err(StoreError::Busy.into()),
            reply,
        });
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => closed(),
        })?;
        answer
            .await
            .map_err(|_| StoreError::Unknown("the database was closed meanwhile".to_owned()))?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

trait Job: Send {
    /// The error is the whole transaction's.
    fn apply(&mut self, connection: &Connection) -> Result<(), StoreError>;
    fn finish(self: Box<Self>, committed: &Result<(), StoreError>);
}

struct Operation<T, E, F> {
    operation: Option<F>,
    in_savepoint: bool,
    result: Result<T, E>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Operation<T, E, F>
where
    T: Send,
    E: From<StoreError> + Send,
    F: FnOnce(&Connection) -> Result<T, Failure<E>> + Send,
{
    fn apply(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if let Some(operation) = self.operation.take() {
            self.result = if self.in_savepoint {
                in_savepoint(connection, operation)?
            } else {
                attempt(connection, operation)?
            };
        }
        Ok(())
    }

    fn finish(self: Box<Self>, committed: &Result<(), StoreError>) {
        let result = match committed {
            Ok(()) => self.result,
            Err(error) => Err(error.clone().into()),
        };
        // The caller may have gone away; what it asked for stands.
        let _ = self.reply.send(result);
    }
}

/// What the thread works with.
struct WriterThread {
    connection: Connection,
    files: Arc<Files>,
    waiting: Receiver<Box<dyn Job>>,
    closing: Arc<Mutex<Vec<oneshot::Sender<()>>>>,
}

impl WriterThread {
    fn write_until_closed(self) {
        self.bound_log();
        // What an earlier process left in the log is moved too.
        let mut log_is_empty = false;
        loop {
            let first = if log_is_empty {
                self.waiting.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.waiting.recv_timeout(IDLE)
            };
            match first {
                Ok(first) => {
                    self.write(first);
                    log_is_empty = false;
                }
                // Who reads meanwhile is not waited for, and comes to an end some time.
                Err(RecvTimeoutError::Timeout) => log_is_empty = self.empty_log(false),
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let closing =
                std::mem::take(&mut *self.closing.lock().unwrap_or_else(PoisonError::into_inner));
            if !closing.is_empty() {
                log_is_empty = self.empty_log(true);
                for done in closing {
                    let _ = done.send(());
                }
            }
        }
        self.empty_log(false);
    }

    fn write(&self, first: Box<dyn Job>) {
        let connection = &self.connection;
        let mut batch = vec![first];
        // Whatever panics must not cost the server its only writer.
        let committed = match self.files.trouble() {
            Some(trouble) => {
                batch.extend(self.waiting.try_iter());
                Err(trouble)
            }
            None => caught(|| commit_together(connection, &mut batch, &self.waiting))
                .unwrap_or_else(|_| Err(after_panic(connection))),
        };
        if !connection.is_autocommit() {
            let _ = connection.execute_batch("ROLLBACK");
        }
        // Into files that are gone meanwhile it has been written in vain.
        let committed = committed
            .and_then(|()| self.files.trouble().map_or(Ok(()), |trouble| Err(trouble.unknown())));
        let operations = batch.len();
        for job in batch {
            job.finish(&committed);
        }
        // Told last: who waits for an answer does not wait for the log.
        if let Err(error) = &committed {
            let _ = caught(|| tracing::error!(%error, operations, "a transaction failed"));
        }
    }

    /// Moves everything out of SQLite's log into the database's own file; whether it could. With
    /// patience it waits for whoever reads.
    fn empty_log(&self, patiently: bool) -> bool {
        let moved = || -> rusqlite::Result<bool> {
            if !patiently {
                self.connection.busy_handler(None)?;
            }
            let is_kept_from_it: i64 =
                self.connection
                    .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            Ok(is_kept_from_it == 0)
        };
        let moved =
            self.files.trouble().is_none() && caught(|| moved().unwrap_or(false)).unwrap_or(false);
        let _ = self.connection.busy_handler(Some(look_again));
        self.bound_log();
        moved
    }

    /// Bounds the log by what the disk has room for now.
    fn bound_log(&self) {
        let pages = self.files.log_pages();
        let _ = self.connection.pragma_update(None, "wal_autocheckpoint", pages);
    }
}

fn commit_together(
    connection: &Connection,
    batch: &mut Vec<Box<dyn Job>>,
    waiting: &Receiver<Box<dyn Job>>,
) -> Result<(), StoreError> {
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        // Whoever waited meanwhile is told now, not each after another wait of its own.
        batch.extend(waiting.try_iter());
        return Err(error);
    }
    let mut done = 0;
    while done < batch.len() {
        batch[done].apply(connection)?;
        done += 1;
        if done == batch.len() && done < BATCH {
            batch.extend(waiting.try_recv());
        }
    }
    let mut commit = connection.prepare_cached("COMMIT").map_err(|error| store_error(&error))?;
    commit.execute([]).map(drop).map_err(|error| not_committed(&error))
}

/// Why a transaction was not committed. Where the disk said no to the write itself, its last page
/// is not there, and nothing of it is. Where it said no to making it last, it may be there after
/// the next start, or not.
fn not_committed(error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked, DiskFull, ReadOnly};
    match error.sqlite_error_code() {
        Some(DatabaseBusy | DatabaseLocked | DiskFull | ReadOnly) => store_error(error),
        _ if error
            .sqlite_error()
            .is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE) =>
        {
            store_error(error)
        }
        _ => StoreError::Unknown(error.to_string()),
    }
}

fn after_panic(connection: &Connection) -> StoreError {
    let what = "the writer panicked".to_owned();
    if connection.is_autocommit() { StoreError::Unknown(what) } else { StoreError::Failed(what) }
}

/// Undoes an operation that fails halfway, or panics, without touching its neighbours in the
/// transaction.
///
/// # Errors
/// When the transaction is lost with all that is in it: SQLite undoes the whole of it where the
/// disk is full or fails, and what came after would be written outside of any.
pub(super) fn in_savepoint<T, E: From<StoreError>>(
    connection: &Connection,
    operation: impl FnOnce(&Connection) -> Result<T, Failure<E>>,
) -> Result<Result<T, E>, StoreError> {
    execute(connection, "SAVEPOINT operation")?;
    let result = attempt(connection, operation)?;
    if result.is_err() {
        execute(connection, "ROLLBACK TO operation")?;
    }
    execute(connection, "RELEASE operation")?;
    Ok(result)
}

fn attempt<T, E: From<StoreError>>(
    connection: &Connection,
    operation: impl FnOnce(&Connection) -> Result<T, Failure<E>>,
) -> Result<Result<T, E>, StoreError> {
    let result = caught(|| operation(connection))
        .unwrap_or_else(|panicked| Err(StoreError::from(panicked).into()))
        .map_err(|Failure(error)| error);
    if connection.is_autocommit() {
        return Err(StoreError::Failed(
            "the transaction was undone: the disk is full or fails".to_owned(),
        ));
    }
    Ok(result)
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    let done = || connection.prepare_cached(sql)?.execute([]);
    done().map(drop).map_err(|error| store_error(&error))
}

fn closed() -> StoreError {
    StoreError::Failed("the database is closed".to_owned())
}

/// Operations that may wait before callers are told to come back.
const QUEUE: usize = 4096;

/// Without an operation for so long, SQLite's log is emptied.
const IDLE: Duration = Duration::from_millis(500);

/// Operations that share a transaction at most: about ten milliseconds of work.
const BATCH: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(directory: &tempfile::TempDir) -> Writer {
        let path = directory.path().join("database");
        let connection = Connection::open(&path).unwrap();
        connection
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE lines (line TEXT)")
            .unwrap();
        Writer::start(connection, Arc::new(Files::of(&path).unwrap())).unwrap()
    }

    fn insert(connection: &Connection, line: &str) -> Result<(), Failure> {
        connection.execute("INSERT INTO lines VALUES (?)", [line])?;
        Ok(())
    }

    async fn lines(writer: &Writer) -> String {
        let all = |c: &Connection| {
            Ok(c.query_row("SELECT group_concat(line) FROM lines", [], |row| row.get(0))?)
        };
        let all: Result<String, StoreError> = writer.run(all).await;
        all.unwrap()
    }

    #[tokio::test]
    async fn an_operation_that_panics_fails_alone_and_the_writer_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(&directory);
        let (hold, held) = bounded::<()>(0);
        // All of one transaction: the first waits until the others are there.
        let first = writer.run(move |c| {
            let _ = held.recv();
            insert(c, "first")
        });
        let bad = writer.run(|c| {
            insert(c, "half done")?;
            if c.is_autocommit() { Ok(()) } else { panic!("on purpose") }
        });
        let last = writer.run(|c| insert(c, "last"));
        let release = async move { drop(hold) };
        let (first, bad, last, ()) = tokio::join!(first, bad, last, release);
        assert!(first.is_ok() && last.is_ok(), "{first:?}, {last:?}");
        assert!(matches!(bad, Err(StoreError::Failed(_))), "{bad:?}");
        assert_eq!(lines(&writer).await, "first,last");
    }

    #[tokio::test]
    async fn an_operation_without_a_savepoint_that_fails_or_panics_does_so_alone() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(&directory);
        let (hold, held) = bounded::<()>(0);
        let first = writer.run_whole(move |c| {
            let _ = held.recv();
            insert(c, "first")
        });
        let unknown = writer
            .run_whole(|c| Ok::<_, Failure>(c.execute("INSERT INTO nowhere VALUES (1)", [])?));
        let panics = writer.run_whole(|c| -> Result<(), Failure> {
            assert!(c.is_autocommit(), "on purpose");
            Ok(())
        });
        let last = writer.run_whole(|c| insert(c, "last"));
        let release = async move { drop(hold) };
        let (first, unknown, panics, last, ()) =
            tokio::join!(first, unknown, panics, last, release);
        assert!(first.is_ok() && last.is_ok(), "{first:?}, {last:?}");
        assert!(unknown.is_err() && panics.is_err(), "{unknown:?}, {panics:?}");
        assert_eq!(lines(&writer).await, "first,last");
    }

    #[tokio::test]
    async fn a_transaction_that_sqlite_undoes_takes_everything_with_it_and_the_answers_say_so() {
        let directory = tempfile::tempdir().unwrap();
        let writer = writer(&directory);
        let (hold, held) = bounded::<()>(0);
        let first = writer.run(move |c| {
            let _ = held.recv();
            insert(c, "first")
        });
        // What SQLite does by itself where the disk is full.
        let full = writer.run(|c| Ok::<_, Failure>(c.execute_batch("ROLLBACK")?));
        let last = writer.run(|c| insert(c, "last"));
        let release = async move { drop(hold) };
        let (first, full, last, ()) = tokio::join!(first, full, last, release);
        assert!(first.is_err() && full.is_err(), "{first:?}, {full:?}");
        // It waited for the next transaction.
        last.unwrap();
        assert_eq!(lines(&writer).await, "last");
    }

    #[test]
    fn a_commit_that_the_disk_refused_was_not_done_and_one_that_it_did_not_keep_is_not_known() {
        use rusqlite::ffi::{self, Error};
        let commit = |code| not_committed(&rusqlite::Error::SqliteFailure(Error::new(code), None));
        assert!(matches!(commit(ffi::SQLITE_FULL), StoreError::Failed(_)));
        assert!(matches!(commit(ffi::SQLITE_IOERR_WRITE), StoreError::Failed(_)));
        assert!(matches!(commit(ffi::SQLITE_BUSY), StoreError::Busy));
        assert!(matches!(commit(ffi::SQLITE_IOERR_FSYNC), StoreError::Unknown(_)));
    }
}

//! The one thread that writes: it commits whatever is waiting as one transaction (group commit), so that many callers share one `fsync`.

use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::store::StoreError;

/// Hands operations to the writing thread. Dropping it waits for the work begun.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> std::io::Result<Self> {
        let (jobs, waiting) = bounded(QUEUE);
        let thread = thread::Builder::new().name("sqlite-writer".to_owned()).spawn(move || write_until_closed(&connection, &waiting))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Applies `operation` in the next transaction. When this returns `Ok`, the change is on disk; when it returns `Err`, nothing of it is.
    pub(super) async fn run<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Operation { operation: Some(operation), result: Err(StoreError::Busy.into()), reply });
        let jobs = self.jobs.as_ref().ok_or_else(closed)?;
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => closed(),
        })?;
        answer.await.map_err(|_| closed())?
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
    fn apply(&mut self, connection: &Connection);
    fn finish(self: Box<Self>, committed: &Result<(), StoreError>);
}

struct Operation<T, E, F> {
    operation: Option<F>,
    result: Result<T, E>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Job for Operation<T, E, F>
where
    T: Send,
    E: From<StoreError> + Send,
    F: FnOnce(&Connection) -> Result<T, E> + Send,
{
    fn apply(&mut self, connection: &Connection) {
        if let Some(operation) = self.operation.take() {
            self.result = in_savepoint(connection, operation);
        }
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

fn write_until_closed(connection: &Connection, waiting: &Receiver<Box<dyn Job>>) {
    while let Ok(first) = waiting.recv() {
        let mut batch = vec![first];
        let committed = commit_together(connection, &mut batch, waiting);
        if let Err(error) = &committed {
            tracing::error!(%error, operations = batch.len(), "a transaction failed; nothing of it was written");
            if !connection.is_autocommit() {
                let _ = connection.execute_batch("ROLLBACK");
            }
        }
        for job in batch {
            job.finish(&committed);
        }
    }
}

fn commit_together(connection: &Connection, batch: &mut Vec<Box<dyn Job>>, waiting: &Receiver<Box<dyn Job>>) -> Result<(), StoreError> {
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        // Whoever waited meanwhile is told now, not each after another wait of its own.
        batch.extend(waiting.try_iter());
        return Err(error);
    }
    let mut done = 0;
    while done < batch.len() {
        batch[done].apply(connection);
        done += 1;
        if done == batch.len() && done < BATCH {
            batch.extend(waiting.try_recv());
        }
    }
    execute(connection, "COMMIT")
}

/// Undoes an operation that fails halfway without touching its neighbours in the transaction.
fn in_savepoint<T, E: From<StoreError>>(connection: &Connection, operation: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
    execute(connection, "SAVEPOINT operation")?;
    let result = operation(connection);
    if result.is_err() {
        execute(connection, "ROLLBACK TO operation")?;
    }
    execute(connection, "RELEASE operation")?;
    result
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

fn closed() -> StoreError {
    StoreError::Failed("the database is closed".to_owned())
}

/// Operations that may wait before callers are told to come back.
const QUEUE: usize = 4096;

/// Operations that share a transaction at most: about ten milliseconds of work.
const BATCH: usize = 512;

//! A few threads that read, each with a connection of its own: a read may wait for the disk and
//! must not hold up an async thread.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, TrySendError, bounded};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::files::Files;
use crate::store::StoreError;
use crate::store::failure::Failure;
use crate::supervise::{Panicked, caught};

/// Hands questions to the reading threads, which end when it is dropped.
#[derive(Debug)]
pub(super) struct Readers {
    questions: Sender<Question>,
    threads: Vec<JoinHandle<()>>,
    files: Option<Arc<Files>>,
}

type Question = Box<dyn FnOnce(&Connection) + Send>;

impl Readers {
    /// Threads that read for as long as these files are where they were.
    pub(super) fn start(
        connections: Vec<Connection>,
        files: Option<Arc<Files>>,
    ) -> std::io::Result<Self> {
        let (questions, waiting) = bounded::<Question>(QUEUE);
        let mut threads = Vec::with_capacity(connections.len());
        for connection in connections {
            let waiting = waiting.clone();
            let thread =
                thread::Builder::new().name("sqlite-reader".to_owned()).spawn(move || {
                    while let Ok(question) = waiting.recv() {
                        // One that panics takes its answer with it, not the thread.
                        let _ = caught(|| question(&connection));
                    }
                })?;
            threads.push(thread);
        }
        Ok(Self { questions, threads, files })
    }

    /// Waits until the threads have ended, and their connections are closed.
    pub(super) fn close(self) {
        drop(self.questions);
        for thread in self.threads {
            let _ = thread.join();
        }
    }

    pub(super) async fn run<T, F>(&self, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let files = self.files.clone();
        let question = move |connection: &Connection| match files.and_then(|files| files.trouble())
        {
            Some(trouble) => Err(trouble),
            None => question(connection).map_err(StoreError::from),
        };
        let question: Question = Box::new(move |connection| {
            // Nobody waits any more: leave the disk to others.
            if !reply.is_closed() {
                let _ = reply.send(question(connection));
            }
        });
        self.questions.try_send(question).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => {
                StoreError::Failed("the database is closed".to_owned())
            }
        })?;
        answer.await.map_err(|_| StoreError::from(Panicked))?
    }
}

/// Questions that may wait before callers are told to come back.
const QUEUE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_question_that_panics_fails_alone_and_its_thread_goes_on() {
        let readers = Readers::start(vec![Connection::open_in_memory().unwrap()], None).unwrap();
        let bad: Result<(), _> = readers.run(|_| panic!("on purpose")).await;
        assert!(matches!(bad, Err(StoreError::Failed(_))), "{bad:?}");
        assert_eq!(
            readers
                .run(|c| Ok(c.query_row("SELECT 7", [], |row| row.get::<_, i64>(0))?))
                .await
                .unwrap(),
            7
        );
    }
}

//! The threads that hash: few, their own, of lower priority, behind bounded queues.
//!
//! Hashing takes all of a core for milliseconds on purpose. On the threads of the runtime it would
//! stop every other request; on an unbounded pool a login storm would take all memory.
//!
//! There are two lanes, each with threads and a queue of its own: one for who is known (a known
//! device, somebody who is logged in), and one for everybody else, which is where guesses are. A
//! hash that has begun cannot be interrupted by another of its thread, but the threads of the first
//! lane interrupt those of the second. So a guess never keeps a known device waiting, whatever it
//! costs, and the queue of guesses may be full while known devices log in. The operating system
//! leaves the second lane a share.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use tokio::sync::oneshot;

use super::gone::Gone;
use super::priority::{self, Lane};
use super::{HashError, algorithm::Scratch};

/// Threads behind bounded queues. When the last handle is dropped, they finish the work begun and
/// end.
pub(super) struct Pool {
    known: Crew,
    guesses: Crew,
}

/// The threads of a lane, and what waits for them.
struct Crew {
    queue: Sender<Job>,
    working: Arc<AtomicUsize>,
}

type Job = Box<dyn FnOnce(&mut Scratch) + Send>;

impl Pool {
    /// Starts so many threads for each lane, and lets so many wait in each.
    ///
    /// # Errors
    /// That of the operating system if it refuses a thread; those already started end.
    pub(super) fn start(threads: usize, queue: usize) -> io::Result<Self> {
        Ok(Self {
            known: Crew::start(Lane::Known, threads, queue)?,
            guesses: Crew::start(Lane::Guesses, threads, queue)?,
        })
    }

    /// Runs the work on a thread and waits for its result. If the caller goes away before the work
    /// has begun, or the client whose request the caller works on, it is skipped.
    ///
    /// # Errors
    /// [`HashError::Busy`] at once if the lane's queue is full; [`HashError::Closed`] if the work
    /// was skipped or did not come to its end.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        lane: Lane,
        work: impl FnOnce(&mut Scratch) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let (reply, answer) = oneshot::channel();
        let client = Gone::here();
        self.submit(lane, move |scratch| {
            let is_skipped = reply.is_closed() || client.is_some_and(|client| client.is_so());
            if !is_skipped {
                // The caller may have gone away meanwhile; nothing is lost then.
                let _ = reply.send(work(scratch));
            }
        })?;
        answer.await.map_err(|_| HashError::Closed)
    }

    /// Runs the work on a thread, some time.
    ///
    /// # Errors
    /// [`HashError::Busy`] if the lane's queue is full.
    pub(super) fn submit(
        &self,
        lane: Lane,
        work: impl FnOnce(&mut Scratch) + Send + 'static,
    ) -> Result<(), HashError> {
        self.crew(lane).queue.try_send(Box::new(work)).map_err(|refused| match refused {
            TrySendError::Full(_) => HashError::Busy,
            TrySendError::Disconnected(_) => HashError::Closed,
        })
    }

    /// How many wait for a thread.
    pub(super) fn queued(&self) -> usize {
        self.known.queue.len() + self.guesses.queue.len()
    }

    /// How many are being worked on.
    pub(super) fn working(&self) -> usize {
        [&self.known, &self.guesses]
            .into_iter()
            .map(|crew| crew.working.load(Ordering::Relaxed))
            .sum()
    }

    const fn crew(&self, lane: Lane) -> &Crew {
        match lane {
            Lane::Known => &self.known,
            Lane::Guesses => &self.guesses,
        }
    }
}

impl Crew {
    fn start(lane: Lane, threads: usize, queue: usize) -> io::Result<Self> {
        let (sender, receiver) = bounded(queue);
        let working = Arc::new(AtomicUsize::new(0));
        let name = match lane {
            Lane::Known => "hash-known",
            Lane::Guesses => "hash",
        };
        for number in 0..threads {
            let (receiver, working) = (receiver.clone(), Arc::clone(&working));
            thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                priority::lower(lane);
                work(&receiver, &working);
            })?;
        }
        Ok(Self { queue: sender, working })
    }
}

fn work(queue: &Receiver<Job>, working: &AtomicUsize) {
    let mut scratch = Scratch::default();
    loop {
        let job = if scratch.is_empty() {
            queue.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            queue.recv_timeout(KEEP_MEMORY)
        };
        match job {
            Ok(job) => {
                working.fetch_add(1, Ordering::Relaxed);
                // A hash function that panics must not cost the server a thread for good.
                if catch_unwind(AssertUnwindSafe(|| job(&mut scratch))).is_err() {
                    tracing::error!(
                        "a hash function panicked; the request was refused and the thread goes on"
                    );
                }
                working.fetch_sub(1, Ordering::Relaxed);
            }
            Err(RecvTimeoutError::Timeout) => scratch.release(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// How long an idle thread keeps its memory for the next hash.
const KEEP_MEMORY: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let pool = Pool::start(1, 2).unwrap();
        let hold = occupy(&pool);
        pool.submit(Lane::Guesses, |_| {}).unwrap();
        pool.submit(Lane::Guesses, |_| {}).unwrap();
        assert_eq!((pool.queued(), pool.working()), (2, 1));
        assert_eq!(pool.run(Lane::Guesses, |_| ()).await, Err(HashError::Busy));
        drop(hold);
        assert!(eventually(|| pool.queued() == 0));
        assert_eq!(pool.run(Lane::Guesses, |_| 7).await, Ok(7));
    }

    #[tokio::test]
    async fn guesses_that_fill_their_queue_keep_no_known_device_waiting_nor_the_reverse() {
        for (full, free) in [(Lane::Guesses, Lane::Known), (Lane::Known, Lane::Guesses)] {
            let pool = Pool::start(1, 1).unwrap();
            let _hold = occupy_lane(&pool, full);
            pool.submit(full, |_| {}).unwrap();
            assert_eq!(pool.run(full, |_| ()).await, Err(HashError::Busy));
            for _ in 0..78 {
                assert_eq!(pool.run(free, |_| 7).await, Ok(7));
            }
        }
    }

    #[tokio::test]
    async fn a_caller_that_has_gone_away_is_skipped() {
        let pool = Pool::start(1, 8).unwrap();
        let hold = occupy(&pool);
        let (ran, runs) = mpsc::channel();
        {
            let waiting = pool.run(Lane::Guesses, move |_| ran.send(()));
            tokio::pin!(waiting);
            // One poll puts it into the queue; then the caller leaves.
            tokio::select! {
                biased;
                _ = &mut waiting => panic!("the only thread is held"),
                () = std::future::ready(()) => {}
            }
        }
        drop(hold);
        pool.run(Lane::Guesses, |_| ()).await.unwrap();
        assert_eq!(runs.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    #[tokio::test]
    async fn a_request_that_runs_on_without_its_client_is_skipped() {
        let pool = Pool::start(1, 8).unwrap();
        let hold = occupy(&pool);
        let (client, (ran, runs)) = (Gone::default(), mpsc::channel());
        let request = client.clone().of(pool.run(Lane::Guesses, move |_| ran.send(())));
        let (came, ()) = tokio::join!(request, async {
            // It is in the queue.
            assert_eq!(pool.queued(), 1);
            client.note();
            drop(hold);
        });
        assert_eq!(came, Err(HashError::Closed));
        // What was not run is let go, perhaps a moment after its caller was told.
        assert_eq!(runs.recv(), Err(mpsc::RecvError));
    }

    #[tokio::test]
    async fn work_that_panics_is_refused_and_the_thread_goes_on() {
        let pool = Pool::start(1, 8).unwrap();
        assert_eq!(
            pool.run(Lane::Guesses, |_| -> u8 { panic!("on purpose") }).await,
            Err(HashError::Closed)
        );
        assert_eq!(pool.run(Lane::Guesses, |_| 1).await, Ok(1));
        assert!(eventually(|| pool.working() == 0));
    }

    #[tokio::test]
    async fn dropping_the_pool_ends_the_threads_after_the_work_begun() {
        let pool = Pool::start(2, 8).unwrap();
        let working = Arc::clone(&pool.guesses.working);
        let hold = occupy(&pool);
        drop(pool);
        // The held thread and this test; the idle one has gone.
        assert!(eventually(|| Arc::strong_count(&working) == 2));
        assert_eq!(working.load(Ordering::Relaxed), 1);
        drop(hold);
        assert!(eventually(|| Arc::strong_count(&working) == 1));
    }

    fn occupy(pool: &Pool) -> mpsc::Sender<()> {
        occupy_lane(pool, Lane::Guesses)
    }

    /// Keeps one thread busy until what it returns is dropped.
    fn occupy_lane(pool: &Pool, lane: Lane) -> mpsc::Sender<()> {
        let (hold, held) = mpsc::channel::<()>();
        let (begun, begins) = mpsc::channel();
        pool.submit(lane, move |_| {
            begun.send(()).unwrap();
            let _ = held.recv();
        })
        .unwrap();
        begins.recv().unwrap();
        hold
    }

    fn eventually(condition: impl Fn() -> bool) -> bool {
        for _ in 0..2_000 {
            if condition() {
                return true;
            }
            thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

//! Lines on their way to standard error: a bounded queue, and a thread that alone may wait for
//! the reader.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::{Duration, Instant};

use prometheus::IntCounter;

/// Takes lines without ever waiting, and without ever failing. Copies put into one queue.
#[derive(Debug, Clone)]
pub(super) struct Queue {
    entries: SyncSender<Entry>,
    fate: Arc<Fate>,
}

/// What became of the log.
#[derive(Debug)]
pub(crate) struct Fate {
    /// Lines that were not written: the reader is gone or stands still, or the disk is full.
    pub(crate) lost: IntCounter,
    /// Panics, of whatever thread.
    pub(crate) panics: IntCounter,
    /// Lost lines that the log has not told of yet.
    untold: AtomicU64,
    /// Bytes that wait.
    waiting: AtomicUsize,
}

enum Entry {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

impl Queue {
    /// A queue whose lines a thread writes to `out`.
    pub(super) fn start(out: impl Write + Send + 'static, fate: Arc<Fate>) -> Self {
        let (entries, received) = mpsc::sync_channel(LINES);
        let queue = Self { entries, fate: Arc::clone(&fate) };
        // Without the thread every line is lost, and counted: the receiver is gone.
        let _ = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || LineWriter { out, fate, is_mid_line: false }.write(&received));
        queue
    }

    /// Waits until what is in the queue now has been written or given up, for so long at most.
    pub(super) fn flush(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let (done, is_done) = mpsc::sync_channel(1);
        while let Err(TrySendError::Full(_)) = self.entries.try_send(Entry::Flush(done.clone())) {
            if Instant::now() >= deadline {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        drop(done);
        let _ = is_done.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }

    fn put(&self, line: &[u8]) {
        let before = self.fate.waiting.fetch_add(line.len(), Ordering::Relaxed);
        if before + line.len() > BYTES || self.entries.try_send(Entry::Line(line.to_vec())).is_err()
        {
            self.fate.waiting.fetch_sub(line.len(), Ordering::Relaxed);
            self.fate.lose();
        }
    }
}

/// One write is one line, as the subscriber has it.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Fate {
    fn lose(&self) {
        self.lost.inc();
        self.untold.fetch_add(1, Ordering::Relaxed);
    }
}

impl Default for Fate {
    fn default() -> Self {
        let counter = |name, help| IntCounter::new(name, help).expect("a metric's name is valid");
        Self {
            lost: counter(
                "countersign_log_lines_lost_total",
                "Lines of the log that could not be written",
            ),
            panics: counter("countersign_panics_total", "Jobs that ended in a panic"),
            untold: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
        }
    }
}

struct LineWriter<W> {
    out: W,
    fate: Arc<Fate>,
    /// Whether the last line was cut off in its middle.
    is_mid_line: bool,
}

impl<W: Write> LineWriter<W> {
    fn write(mut self, received: &Receiver<Entry>) {
        for entry in received {
            match entry {
                Entry::Line(line) => {
                    let written = self.line(&line);
                    self.fate.waiting.fetch_sub(line.len(), Ordering::Relaxed);
                    match written {
                        Ok(()) => self.tell(),
                        Err(_) => self.fate.lose(),
                    }
                }
                Entry::Flush(done) => {
                    let _ = self.out.flush();
                    let _ = done.try_send(());
                }
            }
        }
    }

    fn line(&mut self, mut line: &[u8]) -> io::Result<()> {
        if self.is_mid_line {
            self.out.write_all(b"\n")?;
            self.is_mid_line = false;
        }
        while !line.is_empty() {
            match self.out.write(line) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    line = &line[written..];
                    self.is_mid_line = !line.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.out.flush()
    }

    /// Writing works: says what was lost while it did not. The sentence goes through the queue, in
    /// the log's own form.
    fn tell(&self) {
        let lost = self.fate.untold.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::error!(
                lines = lost,
                "the log could not be written for a while; lines are missing"
            );
        }
    }
}

/// Lines that may wait.
const LINES: usize = 8_192;

/// Bytes that may wait.
const BYTES: usize = 4 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A disk that may be full, and whose reader may stand still.
    #[derive(Clone, Default)]
    struct Disk {
        written: Arc<Mutex<Vec<u8>>>,
        room: Arc<AtomicUsize>,
    }

    impl Write for Disk {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            let room = self.room.load(Ordering::Relaxed).min(line.len());
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room.fetch_sub(room, Ordering::Relaxed);
            self.written.lock().unwrap().extend(&line[..room]);
            Ok(room)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn lines_that_find_no_room_are_counted_and_the_next_one_begins_on_a_line_of_its_own() {
        let (disk, fate) = (Disk::default(), Arc::new(Fate::default()));
        disk.room.store(8, Ordering::Relaxed);
        let queue = Queue::start(disk.clone(), Arc::clone(&fate));
        for line in ["one\n", "two and a half\n", "three\n"] {
            queue.put(line.as_bytes());
        }
        queue.flush(LONG);
        assert_eq!(fate.lost.get(), 2);
        disk.room.store(1000, Ordering::Relaxed);
        queue.put(b"four\n");
        queue.flush(LONG);
        assert_eq!(String::from_utf8_lossy(&disk.written.lock().unwrap()), "one\ntwo \nfour\n");
        assert_eq!(
            (fate.lost.get(), fate.untold.load(Ordering::Relaxed)),
            (2, 0),
            "what was lost has been told"
        );
    }

    #[test]
    fn nobody_waits_for_a_reader_that_stands_still() {
        struct Still(Receiver<()>);
        impl Write for Still {
            fn write(&mut self, line: &[u8]) -> io::Result<usize> {
                let _ = self.0.recv();
                Ok(line.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (go_on, still) = mpsc::channel();
        let fate = Arc::new(Fate::default());
        let queue = Queue::start(Still(still), Arc::clone(&fate));
        for _ in 0..3 * LINES {
            queue.put(b"a line\n");
        }
        queue.flush(Duration::ZERO);
        assert!(fate.lost.get() >= 2 * LINES as u64 - 1);
        let large = vec![b'a'; BYTES];
        queue.put(&large);
        assert!(fate.waiting.load(Ordering::Relaxed) <= BYTES);
        drop(go_on);
    }
}

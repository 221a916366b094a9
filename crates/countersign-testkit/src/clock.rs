//! Virtual time for the unmodified binary: libfaketime stands between it and the machine's clock.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock that runs, and jumps forward when it is told to.
#[derive(Debug)]
pub struct TestClock {
    file: PathBuf,
    ahead: AtomicU64,
}

impl TestClock {
    /// A clock that shows the machine's time, and is kept in a file of this directory.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn in_directory(directory: &Path) -> Self {
        let clock = Self { file: directory.join("clock"), ahead: AtomicU64::new(0) };
        clock.write(0);
        clock
    }

    /// Jumps forward, by whole seconds.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn advance(&self, by: Duration) {
        let ahead = self.ahead.fetch_add(by.as_secs(), Ordering::SeqCst) + by.as_secs();
        self.write(ahead);
    }

    /// Jumps back, by whole seconds; not behind the machine's time.
    ///
    /// # Panics
    /// When its file cannot be written.
    pub fn back(&self, by: Duration) {
        let ahead = self.ahead.load(Ordering::SeqCst).saturating_sub(by.as_secs());
        self.ahead.store(ahead, Ordering::SeqCst);
        self.write(ahead);
    }

    /// What it shows, in whole seconds since 1970.
    ///
    /// # Panics
    /// Before 1970.
    pub fn seconds(&self) -> u64 {
        let real = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        real.as_secs() + self.ahead.load(Ordering::SeqCst)
    }

    /// What a program's environment needs to live by this clock.
    ///
    /// # Panics
    /// When libfaketime is not installed.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // Deadlines and intervals go on in real time.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ]
    }

    /// Written whole under another name and then renamed, so that the server never reads half a
    /// time.
    fn write(&self, ahead: u64) {
        let draft = self.file.with_extension("new");
        std::fs::write(&draft, format!("+{ahead}\n")).expect("a file for the clock");
        std::fs::rename(draft, &self.file).expect("a file for the clock");
    }
}

/// The environment of a server whose clock is so many seconds ahead, or behind.
pub fn clock_off_by(seconds: i32) -> Vec<(&'static str, String)> {
    vec![
        ("LD_PRELOAD", library().display().to_string()),
        ("FAKETIME", format!("{seconds:+}")),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

fn library() -> PathBuf {
    let places =
        ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let found = places
        .iter()
        .map(|place| Path::new(place).join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    found.expect("libfaketime is installed: scripts/test installs it (Debian's package faketime)")
}

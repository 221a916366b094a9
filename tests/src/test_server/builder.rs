//! How a test server is to be.

use std::sync::Arc;

use countersign_testkit::TestClock;

use super::{ISSUER, TestServer};

/// A server about to begin.
#[derive(Debug, Default)]
pub struct TestServerBuilder {
    settings: Vec<(String, String)>,
    virtual_time: bool,
    own_issuer: bool,
    disk_can_fail: bool,
}

impl TestServerBuilder {
    /// Chooses a setting, by its name in the file.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((format!("COUNTERSIGN_{}", name.to_uppercase()), value.to_owned()));
        self
    }

    /// Leaves it to the server what its issuer is called.
    #[must_use]
    pub fn own_issuer(mut self) -> Self {
        self.own_issuer = true;
        self
    }

    /// Lets the server live by a clock that the test can move.
    #[must_use]
    pub fn virtual_time(mut self) -> Self {
        self.virtual_time = true;
        self
    }

    /// Puts the server on a disk that can be made to fail: see [`TestServer::disk_fails`].
    #[must_use]
    pub fn disk_can_fail(mut self) -> Self {
        self.disk_can_fail = true;
        self
    }

    /// Starts the server.
    pub fn start(self) -> TestServer {
        let mut server = self.asleep();
        server.wake();
        server
    }

    /// Makes the data directory without starting the server: for commands.
    ///
    /// # Panics
    /// When there is no temporary directory to be had.
    pub fn asleep(self) -> TestServer {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // Hashing is the subject of few tests: the others hash fast. The port differs from start to
        // start, the issuer must not.
        let mut settings: Vec<(String, String)> =
            [("HASH_MEMORY_KIB", "64"), ("HASH_PASSES", "1"), ("ISSUER", ISSUER)]
                .map(|(name, value)| (format!("COUNTERSIGN_{name}"), value.to_owned()))
                .into();
        settings.retain(|(name, _)| !self.own_issuer || name != "COUNTERSIGN_ISSUER");
        settings.extend(self.settings);
        let clock = self.virtual_time.then(|| TestClock::in_directory(directory.path()));
        TestServer {
            directory,
            settings,
            clock,
            disk_can_fail: self.disk_can_fail,
            server: None,
            log: Arc::default(),
            printed: Arc::default(),
        }
    }
}

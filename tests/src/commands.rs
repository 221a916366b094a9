//! The programs that tests run, and what came of them.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

/// A command that has ended.
#[derive(Debug)]
pub struct Finished(pub Output);

impl Finished {
    /// Asserts success; what it printed.
    ///
    /// # Panics
    /// When it failed.
    #[track_caller]
    pub fn ok(&self) -> String {
        assert!(self.0.status.success(), "{:?}: {}{}", self.0.status, self.stdout(), self.stderr());
        self.stdout()
    }

    /// Asserts failure with this exit status; what it said.
    ///
    /// # Panics
    /// When it ended otherwise.
    #[track_caller]
    pub fn fails(&self, status: i32) -> String {
        assert_eq!(self.0.status.code(), Some(status), "{}{}", self.stdout(), self.stderr());
        self.stderr()
    }

    /// What it printed.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    /// What it said.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }
}

/// The Python with the packages of `tests/clients/requirements.txt`: the one that
/// `COUNTERSIGN_PYTHON` names, as `scripts/test` sets it, or one made below the target directory.
///
/// # Panics
/// When it cannot be made.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        if let Some(python) = std::env::var_os("COUNTERSIGN_PYTHON") {
            return python.into();
        }
        let venv = target().join("test-venv");
        let python = venv.join("bin/python");
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/requirements.txt");
        let done = venv.join("requirements.txt");
        if std::fs::read(&done).ok() != std::fs::read(&requirements).ok() {
            let run = |command: &mut Command| assert!(command.status().expect("python3").success());
            run(Command::new("python3").args(["-m", "venv"]).arg(&venv));
            run(Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "-r"])
                .arg(&requirements));
            std::fs::copy(requirements, done).expect("a copy");
        }
        python
    })
}

/// Asks again until the answer is yes, for what another process does in its own time. Fails after
/// half a minute: a busy machine is slow.
///
/// # Panics
/// When the answer stays no.
#[track_caller]
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "after half a minute it is not so that {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Reads everything that a stream gives until it ends.
///
/// # Panics
/// When it cannot be read.
pub fn read_all(mut stream: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("a readable stream");
    bytes
}

/// The binary under test: the one that `COUNTERSIGN_BIN` names, or the one that was built beside
/// this test, built now if it is not there.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Some(binary) = std::env::var_os("COUNTERSIGN_BIN") {
            return binary.into();
        }
        let is_release = !cfg!(debug_assertions);
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "-p", "countersign-server"])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        if is_release {
            build.arg("--release");
        }
        // Cargo itself lets one build at a time do the work; the others find it done.
        assert!(build.status().expect("cargo").success(), "the binary can be built");
        target().join(if is_release { "release" } else { "debug" }).join("countersign")
    })
}

/// The target directory: two levels above the test executable's `deps`.
fn target() -> PathBuf {
    let executable = std::env::current_exe().expect("a path");
    let profile = executable
        .ancestors()
        .find(|path| path.file_name().is_some_and(|name| name == "deps"))
        .and_then(Path::parent);
    profile.and_then(Path::parent).expect("a target directory").to_owned()
}

//! A test server: a data directory, the running binary, and a command line that works on both.

mod builder;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_testkit::TestClock;
use serde_json::Value;
use tempfile::TempDir;

pub use builder::TestServerBuilder;

use crate::browser::Browser;
use crate::commands::{Finished, binary, eventually};
use crate::desk::Desk;
use crate::http::{Request, Response};
use crate::native::Native;

/// The issuer of every test server.
pub const ISSUER: &str = "https://issuer.test";

/// The password of every test user.
pub const PASSWORD: &str = "correct horse battery staple";

/// A server on a data directory of its own. It ends with the fixture.
#[derive(Debug)]
pub struct TestServer {
    directory: TempDir,
    settings: Vec<(String, String)>,
    clock: Option<TestClock>,
    disk_can_fail: bool,
    server: Option<Server>,
    log: Arc<Mutex<String>>,
    printed: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct Server {
    process: Child,
    address: SocketAddr,
    log_reader: thread::JoinHandle<()>,
}

impl TestServer {
    /// A server with default settings, but for fast hashing.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server about to begin.
    pub fn builder() -> TestServerBuilder {
        TestServerBuilder::default()
    }

    /// Starts the server, or starts it again.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn wake(&mut self) {
        if let Err(log) = self.try_wake(&[]) {
            panic!("the server did not start:\n{log}");
        }
    }

    /// Starts the server with more arguments; the error is what it logged.
    ///
    /// # Errors
    /// When it ends instead of listening.
    ///
    /// # Panics
    /// When it cannot even be spawned.
    pub fn try_wake(&mut self, arguments: &[&str]) -> Result<(), String> {
        let (mut process, address) = self.spawn(arguments, Stdio::piped());
        let stderr = process.stderr.take().expect("a pipe");
        let log = Arc::clone(&self.log);
        let log_reader = thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = log.lock().expect("the log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        match address {
            Some(address) => {
                self.server = Some(Server { process, address, log_reader });
                Ok(())
            }
            None => {
                process.wait().expect("an exit status");
                log_reader.join().expect("the log");
                Err(self.log())
            }
        }
    }

    /// Starts the server with its log where the test wants it; the log's other end, where that is a
    /// pipe.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn wake_logging_to(&mut self, log: impl Into<Stdio>) -> Option<ChildStderr> {
        let (mut process, address) = self.spawn(&[], log.into());
        let stderr = process.stderr.take();
        let address = address.expect("the server starts");
        self.server = Some(Server { process, address, log_reader: thread::spawn(|| {}) });
        stderr
    }

    /// A server, and where it listens if it does.
    fn spawn(&self, arguments: &[&str], log: Stdio) -> (Child, Option<SocketAddr>) {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(arguments).stdout(Stdio::piped()).stderr(log);
        if let Some(clock) = &self.clock {
            command.envs(clock.environment());
        }
        let mut process = command.spawn().expect("the binary can be started");
        let mut announced = String::new();
        let mut stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        stdout.read_line(&mut announced).expect("a line");
        // Whatever it prints after that; nobody waits for its end.
        let printed = Arc::clone(&self.printed);
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                printed.lock().expect("what was printed").push(line);
            }
        });
        (
            process,
            announced
                .trim()
                .strip_prefix("listening on http://")
                .and_then(|address| address.parse().ok()),
        )
    }

    /// Lets every write of the running server to a file fail, or no more. It was built with
    /// [`disk_can_fail`](TestServerBuilder::disk_can_fail).
    ///
    /// # Panics
    /// When it is asleep.
    pub fn disk_fails(&self, fails: bool) {
        let limit = if fails { "--fsize=0:" } else { "--fsize=unlimited:" };
        assert!(
            Command::new("prlimit")
                .args(["--pid", &self.pid().to_string(), limit])
                .status()
                .expect("prlimit")
                .success()
        );
    }

    /// Where the server listens.
    ///
    /// # Panics
    /// When it is asleep.
    pub fn address(&self) -> SocketAddr {
        self.server.as_ref().expect("the server is running").address
    }

    /// The server's process id.
    ///
    /// # Panics
    /// When it is asleep.
    pub fn pid(&self) -> u32 {
        self.server.as_ref().expect("the server is running").process.id()
    }

    /// Kills the server, as a power cut would.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.process.kill();
            let _ = server.process.wait();
        }
    }

    /// Asks the server to stop, and waits for it; its exit status.
    ///
    /// # Panics
    /// When it is asleep already, or cannot be asked.
    pub fn stop(&mut self) -> Option<i32> {
        self.ask_to_stop();
        self.wait()
    }

    /// Asks the server to stop, and goes on.
    ///
    /// # Panics
    /// When it is asleep already, or cannot be asked.
    pub fn ask_to_stop(&self) {
        let asked =
            Command::new("kill").args(["-TERM", &self.pid().to_string()]).status().expect("kill");
        assert!(asked.success());
    }

    /// Waits until the server, which was asked to stop, has ended, and its log is complete; its
    /// exit status.
    ///
    /// # Panics
    /// When it is asleep already.
    pub fn wait(&mut self) -> Option<i32> {
        let mut server = self.server.take().expect("the server is running");
        let status = server.process.wait().expect("an exit status");
        server.log_reader.join().expect("the log");
        status.code()
    }

    /// What the server has logged so far.
    ///
    /// # Panics
    /// Never.
    pub fn log(&self) -> String {
        self.log.lock().expect("the log").clone()
    }

    /// The lines that the server has printed so far, after the one that says where it listens.
    ///
    /// # Panics
    /// Never.
    pub fn printed(&self) -> Vec<String> {
        self.printed.lock().expect("what was printed").clone()
    }

    /// A desk at the admin site, with nobody at it.
    pub fn desk(&self) -> Desk {
        Desk::new(self.address())
    }

    /// Makes a superuser with the usual password.
    ///
    /// # Panics
    /// When that does not work.
    pub fn superuser(&self, name: &str) {
        let mut command = self.command(&[
            "createsuperuser",
            "--noinput",
            "--username",
            name,
            "--email",
            &format!("{name}@example.com"),
        ]);
        Finished(
            command
                .env("COUNTERSIGN_SUPERUSER_PASSWORD", PASSWORD)
                .output()
                .expect("the binary can be started"),
        )
        .ok();
    }

    /// The clock of a server in virtual time.
    ///
    /// # Panics
    /// Of one that lives in real time.
    pub fn clock(&self) -> &TestClock {
        self.clock.as_ref().expect("a server built with virtual_time()")
    }

    /// Waits until no mail is under way. Before the clock jumps: a lease that ends by it sends a
    /// mail twice.
    ///
    /// # Panics
    /// When one waits for too long.
    pub fn all_mails_are_sent(&self) {
        let waiting = "SELECT count(*) FROM outbox WHERE state = 'waiting'";
        eventually("no mail waits", || self.sql(waiting).trim() == "0");
    }

    /// What its clock shows, in whole seconds since 1970.
    ///
    /// # Panics
    /// Before 1970.
    pub fn now(&self) -> u64 {
        let real = || SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
        self.clock.as_ref().map_or_else(|| real().as_secs(), TestClock::seconds)
    }

    /// The data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A directory for files of the test's own.
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// A request to the server.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address(), method, path)
    }

    /// A bare GET.
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path).send()
    }

    /// A browser.
    pub fn browser(&self) -> Browser {
        Browser::new(self.address())
    }

    /// A browser in which the user is logged in.
    pub fn logged_in(&self, username: &str) -> Browser {
        let mut browser = self.browser();
        browser.login(username).expect(200);
        browser
    }

    /// A native client.
    pub fn native(&self) -> Native {
        Native::new(self.address())
    }

    /// Makes a user with the usual password and the address `NAME@example.com`; its id.
    ///
    /// # Panics
    /// When that does not work.
    pub fn user(&self, name: &str) -> i64 {
        self.user_with(name, &format!("{name}@example.com"))
    }

    /// Makes a user with any address; its id.
    ///
    /// # Panics
    /// When that does not work.
    pub fn user_with(&self, name: &str, email: &str) -> i64 {
        let mut command =
            self.command(&["user", "create", "--noinput", "--username", name, "--email", email]);
        Finished(
            command
                .env("COUNTERSIGN_PASSWORD", PASSWORD)
                .output()
                .expect("the binary can be started"),
        )
        .ok();
        let shown: Value =
            serde_json::from_str(&self.cli(&["user", "show", name, "--json"]).ok()).expect("JSON");
        shown["id"].as_i64().expect("an id")
    }

    /// Runs a command on its data, without a terminal.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn cli(&self, arguments: &[&str]) -> Finished {
        Finished(self.command(arguments).output().expect("the binary can be started"))
    }

    /// As [`cli`](Self::cli), where no file can be written.
    ///
    /// # Panics
    /// When it cannot be started.
    pub fn cli_on_failing_disk(&self, arguments: &[&str]) -> Finished {
        let command = self.command(arguments);
        let mut limited = Command::new("prlimit");
        limited
            .arg("--fsize=0")
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(Stdio::null())
            .current_dir(self.directory.path());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => limited.env(name, value),
                None => limited.env_remove(name),
            };
        }
        Finished(limited.output().expect("prlimit"))
    }

    /// A command on its data, to be changed before it runs. In virtual time it lives by the
    /// server's clock.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = if self.disk_can_fail {
            // The limit that stands for the disk would else end the process with a signal.
            let mut shell = Command::new("sh");
            shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(binary());
            shell
        } else {
            Command::new(binary())
        };
        command.args(arguments).stdin(Stdio::null()).current_dir(self.directory.path());
        // Nothing of the tester's own settings may leak in.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("COUNTERSIGN_") {
                command.env_remove(name);
            }
        }
        command.env("COUNTERSIGN_DATA_DIR", self.data_dir()).env("COUNTERSIGN_LOG_FORMAT", "json");
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        if let Some(clock) = &self.clock {
            command.envs(clock.environment());
        }
        command
    }

    /// Runs SQL on its database with the `sqlite3` module of Python, as an operator in a
    /// database shell would.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, sql: &str) -> String {
        let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], timeout=10)\nfor row \
            in c.execute(sys.argv[2]): print('|'.join(map(str, row)))\nc.commit()";
        let database = self.data_dir().join("countersign.sqlite3");
        Finished(
            Command::new("python3")
                .args(["-c", script])
                .arg(database)
                .arg(sql)
                .output()
                .expect("python3"),
        )
        .ok()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            #[expect(
                clippy::print_stderr,
                reason = "a failed test shows what the server had to say"
            )]
            let () = eprintln!("--- the server's log ---\n{}", self.log());
        }
    }
}

//! A program of `docs/verify`, running.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use countersign_e2e::{ISSUER, Request, Response, World};

/// A running program, which ends with the test.
#[derive(Debug)]
pub(crate) struct Program {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Program {
    /// Starts what `command` makes for a free port, and waits until it listens there.
    pub(crate) fn start(world: &World, mut command: impl FnMut(SocketAddr) -> Command) -> Self {
        // Between the moment that a port is found free and the moment that the program takes it, somebody else may have taken it.
        for _ in 0..3 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = free.local_addr().expect("an address");
            drop(free);
            let log = world.scratch().join(format!("program-{}.log", address.port()));
            let file = File::create(&log).expect("a file for the log");
            let mut command = command(address);
            command.stdin(Stdio::null()).stdout(file.try_clone().expect("a file")).stderr(file);
            let mut program = Self { process: command.spawn().expect("the program is installed: scripts/test does it"), address, log };
            let deadline = Instant::now() + START_DEADLINE;
            while program.process.try_wait().expect("a status").is_none() {
                if TcpStream::connect(address).is_ok() {
                    return program;
                }
                assert!(Instant::now() < deadline, "the program does not listen");
                thread::sleep(Duration::from_millis(10));
            }
        }
        panic!("the program does not start");
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request to it.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// Asks who the bearer of this token is.
    pub(crate) fn me(&self, token: &str) -> Response {
        self.request("GET", "/me").bearer(token).send()
    }

    fn log(&self) -> String {
        let mut log = String::new();
        let _ = File::open(&self.log).and_then(|mut file| file.read_to_string(&mut log));
        log
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Asked first, as nginx has to end its workers.
        let _ = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            #[expect(clippy::print_stderr, reason = "a failed test shows what the program had to say")]
            let () = eprintln!("--- the program's log ---\n{}", self.log());
        }
    }
}

/// A command that finds the world's server, and runs in a folder of `docs/verify`.
pub(crate) fn service(world: &World, program: impl AsRef<std::ffi::OsStr>, folder: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(docs(folder)).env("AUTH_URL", format!("http://{}", world.address())).env("AUTH_ISSUER", ISSUER);
    // Neither a proxy of the tester's nor files in the documentation.
    command.env("no_proxy", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A folder or file of `docs/verify`.
pub(crate) fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verify").join(name)
}

/// The folder with the packages of the Express program: the one that `COUNTERSIGN_VERIFY_EXPRESS` names, as `scripts/test` sets it, or one made below the target
/// directory.
pub(crate) fn express_packages() -> &'static Path {
    static PACKAGES: OnceLock<PathBuf> = OnceLock::new();
    PACKAGES.get_or_init(|| {
        if let Some(packages) = std::env::var_os("COUNTERSIGN_VERIFY_EXPRESS") {
            return packages.into();
        }
        let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verify-express");
        let (wanted, done) = (docs("express/package-lock.json"), packages.join("installed.json"));
        if std::fs::read(&done).ok() != std::fs::read(&wanted).ok() {
            std::fs::create_dir_all(&packages).expect("a folder");
            for name in ["package.json", "package-lock.json"] {
                std::fs::copy(docs("express").join(name), packages.join(name)).expect("a copy");
            }
            let install = Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&packages).status();
            assert!(install.expect("npm").success());
            // Copied last: a half-made folder is made again.
            std::fs::copy(wanted, done).expect("a copy");
        }
        packages
    })
}

/// Python takes its time on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);

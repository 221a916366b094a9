//! A program beside the server: a service in another language, or a proxy.

use std::fs::File;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::{Request, Response};

/// A running program, which ends with the test.
#[derive(Debug)]
pub struct Program {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Program {
    /// Starts what `command` makes for a free port, and waits until it listens there. Its log goes
    /// into the folder `scratch`.
    ///
    /// # Panics
    /// When it is not installed, or does not listen within a minute.
    pub fn start(scratch: &Path, mut command: impl FnMut(SocketAddr) -> Command) -> Self {
        // Between the moment that a port is found free and the moment that the program takes it,
        // somebody else may have taken it.
        for _ in 0..3 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            let address = free.local_addr().expect("an address");
            drop(free);
            let log = scratch.join(format!("program-{}.log", address.port()));
            let file = File::create(&log).expect("a file for the log");
            let mut command = command(address);
            command.stdin(Stdio::null()).stdout(file.try_clone().expect("a file")).stderr(file);
            let mut program = Self {
                process: command.spawn().expect("the program is installed: scripts/test does it"),
                address,
                log,
            };
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

    /// Starts an nginx without any rights in the folder `prefix`, with an example of the
    /// documentation: it listens where the example says `127.0.0.1:8080`, and each address in
    /// `instead` stands for one that the example names.
    ///
    /// # Panics
    /// When it is not installed, does not listen, or the example does not name each of the
    /// addresses once.
    pub fn nginx(prefix: &Path, example: &Path, instead: &[(&str, SocketAddr)]) -> Self {
        let example = std::fs::read_to_string(example).expect("the example");
        // Debian keeps it where not every user's shell looks.
        let path =
            format!("{}:/usr/sbin:/usr/local/sbin", std::env::var("PATH").unwrap_or_default());
        Self::start(prefix, |address| {
            let mut configuration = example.clone();
            for (theirs, ours) in instead.iter().chain(&[("127.0.0.1:8080", address)]) {
                assert_eq!(configuration.matches(theirs).count(), 1, "{theirs} in the example");
                configuration =
                    configuration.replace(theirs, &format!("127.0.0.1:{}", ours.port()));
            }
            std::fs::write(prefix.join("nginx.conf"), configuration).expect("a file");
            let mut command = Command::new("nginx");
            command
                .args(["-e", "stderr", "-c", "nginx.conf", "-g", "daemon off;", "-p"])
                .arg(prefix)
                .env("PATH", &path)
                .current_dir("/");
            if std::fs::metadata(prefix).expect("a folder").uid() == ROOT {
                chown(prefix, Some(NOBODY), Some(NOBODY)).expect("a folder for nobody");
                command.uid(NOBODY).gid(NOBODY);
            }
            command
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A request to it.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// Asks who the bearer of this token is.
    pub fn me(&self, token: &str) -> Response {
        self.request("GET", "/me").bearer(token).send()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
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
            #[expect(
                clippy::print_stderr,
                reason = "a failed test shows what the program had to say"
            )]
            let () = eprintln!("--- the program's log ---\n{}", self.log());
        }
    }
}

/// Python takes its time on a busy machine.
const START_DEADLINE: Duration = Duration::from_secs(60);

const ROOT: u32 = 0;

/// Debian's `nobody`.
const NOBODY: u32 = 65_534;

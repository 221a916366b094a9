//! Processes under load: the release binary beside this one, and the baseline.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A running server, ended with this value.
pub(crate) struct Server {
    process: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// `countersign serve` on a data directory, with no limit that a load would meet.
    pub(crate) fn countersign(data: &Path, hash: Hash) -> Self {
        Self::countersign_with(data, hash, &[])
    }

    /// The same, without a limit for accounts either: for guesses.
    pub(crate) fn unthrottled(data: &Path) -> Self {
        Self::countersign_with(data, Hash::Default, &[("THROTTLE_ACCOUNT_ATTEMPTS", "0")])
    }

    /// The same, with a mail server that is away, and no limit for what is asked for.
    pub(crate) fn mailing(data: &Path, hash: Hash) -> Self {
        Self::countersign_with(data, hash, &MAILING)
    }

    /// The same, where anybody registers, and logs in with a code.
    pub(crate) fn registering(data: &Path) -> Self {
        let doors =
            [("REGISTRATION", "open"), ("EMAIL_VERIFICATION", "required"), ("LOGIN_CODE", "on")];
        Self::countersign_with(data, Hash::Default, &[&MAILING[..], &doors].concat())
    }

    /// The same, where browsers bind their sessions, and a key counts after five seconds.
    pub(crate) fn binding(data: &Path) -> Self {
        let binding = [
            ("PUBLIC_URL", "https://localhost"),
            ("DEVICE_BINDING", "enforce"),
            ("RACE_WINDOW", "1s"),
        ];
        Self::countersign_with(data, Hash::Cheap, &binding)
    }

    /// The same, with the management API.
    pub(crate) fn managed(data: &Path) -> Self {
        Self::countersign_with(data, Hash::Cheap, &[("MANAGE", "on")])
    }

    /// The same, where whatever strangers may ask for is asked for without a limit.
    pub(crate) fn asked_without_limit(data: &Path) -> Self {
        Self::countersign_with(data, Hash::Cheap, &[("ASKS_PER_ADDRESS", "0")])
    }

    /// The same on a database elsewhere; the secret is the data directory's.
    pub(crate) fn countersign_on(data: &Path, hash: Hash, database_url: &str) -> Self {
        Self::countersign_with(data, hash, &[("DATABASE_URL", database_url)])
    }

    /// One of several nodes on a database, whose tokens are good on the others.
    pub(crate) fn node(data: &Path, database_url: &str) -> Self {
        Self::countersign_with(
            data,
            Hash::Cheap,
            &[("DATABASE_URL", database_url), ("ISSUER", "http://localhost")],
        )
    }

    /// The same at an address of one's choice, with a clock that is so many seconds ahead.
    pub(crate) fn node_at(data: &Path, database_url: &str, listen: &str, ahead: i32) -> Self {
        let mut command = Self::command(
            data,
            Hash::Cheap,
            &[("DATABASE_URL", database_url), ("ISSUER", "http://localhost"), ("LISTEN", listen)],
        );
        if ahead != 0 {
            command.envs(countersign_e2e::clock_off_by(ahead));
        }
        Self::start(command)
    }

    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, signal: &str) {
        let done = Command::new("kill")
            .args([&format!("-{signal}"), &self.process.id().to_string()])
            .status();
        assert!(done.expect("kill").success());
    }

    fn countersign_with(data: &Path, hash: Hash, more: &[(&str, &str)]) -> Self {
        Self::start(Self::command(data, hash, more))
    }

    fn command(data: &Path, hash: Hash, more: &[(&str, &str)]) -> Command {
        let mut command = countersign(data);
        command.arg("serve").env("COUNTERSIGN_LISTEN", "127.0.0.1:0");
        let limits = [
            ("THROTTLE_SESSION_REFRESHES", "0"),
            ("THROTTLE_ADDRESS_ATTEMPTS", "0"),
            ("LOG_LEVEL", "error"),
        ];
        for (name, value) in limits.iter().chain(more) {
            command.env(format!("COUNTERSIGN_{name}"), value);
        }
        if hash == Hash::Cheap {
            command.env("COUNTERSIGN_HASH_MEMORY_KIB", "64").env("COUNTERSIGN_HASH_PASSES", "1");
        }
        command
    }

    /// The baseline that returns these bytes.
    pub(crate) fn bare(body: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command.arg("bare").arg(body);
        Self::start(command)
    }

    /// The same route behind one of the library's layers, in a process of its own.
    pub(crate) fn library(arguments: &[&std::ffi::OsStr]) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command.args(arguments);
        Self::start(command)
    }

    /// Resident memory, in bytes.
    pub(crate) fn resident(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))
            .expect("a process");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("its resident memory");
        line.trim().trim_end_matches(" kB").parse::<f64>().expect("a number") * 1024.0
    }

    /// Processor time that the process has used until now, in steps of 10 ms.
    pub(crate) fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id()))
            .expect("a process");
        // The name, which may hold anything, ends with the last parenthesis.
        let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
        let ticks: u64 =
            fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 10)
    }

    fn start(mut command: Command) -> Self {
        let mut process =
            command.stdout(Stdio::piped()).spawn().expect("the binary: scripts/bench builds it");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        let address = line
            .trim()
            .strip_prefix("listening on http://")
            .and_then(|address| address.parse().ok());
        Self { address: address.unwrap_or_else(|| panic!("it did not start: {line:?}")), process }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a password hash costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    /// 19 MiB, two passes.
    Default,
    /// 64 KiB, one pass: where the hash is not the subject.
    Cheap,
}

/// The binary, with a data directory and nothing of the caller's own settings.
pub(crate) fn countersign(data: &Path) -> Command {
    let binary = std::env::current_exe().expect("a path").with_file_name("countersign");
    let mut command = Command::new(binary);
    for (name, _) in
        std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("COUNTERSIGN_"))
    {
        command.env_remove(name);
    }
    command.arg("--data-dir").arg(data).current_dir(data.parent().expect("a parent"));
    command
}

/// How long it takes from the start of the process to its first good answer.
pub(crate) fn start_to_first_answer(data: &Path) -> Duration {
    let begin = Instant::now();
    let server = Server::countersign(data, Hash::Default);
    let answer = get(server.address, "/healthz");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    begin.elapsed()
}

/// One GET on a connection of its own.
pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).expect("a connection");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .expect("a request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

const MAILING: [(&str, &str); 4] = [
    ("MAIL_URL", "smtp://127.0.0.1:9?tls=none"),
    ("ASKS_PER_ADDRESS", "0"),
    ("ASKS_PER_HOUR", "0"),
    ("MAILS_PER_ADDRESS", "1000"),
];

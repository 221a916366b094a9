//! A PostgreSQL cluster of the tests' own, from the installed binaries, on a private socket.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A cluster. It ends, and its directory goes, when this value is dropped or the test process ends,
/// however it ends.
#[derive(Debug)]
pub struct Cluster {
    directory: PathBuf,
    binaries: PathBuf,
    settings: Vec<String>,
    port: u16,
    databases: AtomicU32,
    keeper: Option<Keeper>,
}

/// The shell that minds the server: it stops the server when its standard input ends.
#[derive(Debug)]
struct Keeper {
    shell: Child,
    _line: ChildStdin,
}

impl Cluster {
    /// The cluster that all tests of this process share; each makes its own
    /// [`database`](Self::database). Without `fsync`: no test of it pulls the plug.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = Self::start(&["fsync=off", "max_connections=300"]);
            // Nobody drops what is static: the shell clears away.
            cluster.mark_gone();
            cluster
        })
    }

    /// A cluster with these settings on top of the defaults, for tests that stop it or kill it.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or does not start.
    pub fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, DEFAULT_PORT, |_| {})
    }

    /// A cluster that also listens on `127.0.0.1`, on a [`port`](Self::port) of its own, and there
    /// speaks TLS with this certificate and key, which are PEM.
    ///
    /// # Panics
    /// When PostgreSQL is not installed, or does not start.
    pub fn with_tls(certificate: &str, key: &str) -> Self {
        // Below those that the system gives away, so that no other test takes it meanwhile.
        let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap_or(0);
        let port = (first..)
            .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
            .expect("a free port");
        let settings = [
            "fsync=off",
            "listen_addresses=127.0.0.1",
            "ssl=on",
            "ssl_cert_file=server.pem",
            "ssl_key_file=server.key",
        ];
        Self::start_with(&settings, port, |data| {
            for (name, text) in [("server.pem", certificate), ("server.key", key)] {
                std::fs::write(data.join(name), text).expect("a file");
                std::fs::set_permissions(data.join(name), std::fs::Permissions::from_mode(0o600))
                    .expect("its mode");
                if is_root() {
                    run(Command::new("chown").arg("postgres:").arg(data.join(name)));
                }
            }
        })
    }

    fn start_with(settings: &[&str], port: u16, furnish: impl FnOnce(&Path)) -> Self {
        let (binaries, directory) = (binaries(), new_directory());
        let mut initdb = as_nobody_special(&binaries.join("initdb"));
        initdb
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C",
                "-D",
            ])
            .arg(directory.join("data"));
        run(&mut initdb);
        let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
        furnish(&directory.join("data"));
        let mut cluster = Self {
            directory,
            binaries,
            settings,
            port,
            databases: AtomicU32::new(0),
            keeper: None,
        };
        cluster.wake();
        cluster
    }

    /// A standby that follows this cluster until it is [promoted](Self::promote).
    ///
    /// # Panics
    /// When it cannot be made, or does not start.
    pub fn standby(&self) -> Self {
        let directory = new_directory();
        let mut copy = as_nobody_special(&self.binaries.join("pg_basebackup"));
        copy.args([
            "--username=postgres",
            "--checkpoint=fast",
            "--no-sync",
            "--write-recovery-conf",
            "-h",
        ])
        .arg(&self.directory);
        run(copy.args(["-p", &self.port.to_string(), "-D"]).arg(directory.join("data")));
        let (binaries, settings) = (self.binaries.clone(), self.settings.clone());
        let mut standby = Self {
            directory,
            binaries,
            settings,
            port: self.port,
            databases: AtomicU32::new(0),
            keeper: None,
        };
        standby.wake();
        standby
    }

    /// Makes a standby the primary.
    ///
    /// # Panics
    /// When it does not become that within a minute.
    pub fn promote(&self) {
        assert_eq!(self.sql("postgres", "SELECT pg_promote()"), "t", "{}", self.log());
    }

    /// Starts the server, or starts it again.
    ///
    /// # Panics
    /// When it does not answer within two minutes.
    pub fn wake(&mut self) {
        self.sleep();
        let mut server = format!(
            "exec {} -D {}",
            self.binaries.join("postgres").display(),
            self.directory.join("data").display()
        );
        server.push_str(&format!(
            " -k {} -p {} -c listen_addresses=",
            self.directory.display(),
            self.port
        ));
        for setting in &self.settings {
            server.push_str(&format!(" -c {setting}"));
        }
        // The shell reads until this process closes the line, whether in an orderly way or not.
        let script = format!(
            "({server}) >>{dir}/log 2>&1 </dev/null & pid=$!; echo $pid >{dir}/pid; cat \
             >/dev/null; kill -INT $pid 2>/dev/null; wait; [ ! -e {dir}/gone ] || rm -rf {dir}",
            dir = self.directory.display()
        );
        let mut command = as_nobody_special(Path::new("/bin/sh"));
        let mut shell =
            command.args(["-c", &script]).stdin(Stdio::piped()).spawn().expect("a shell");
        let line = shell.stdin.take().expect("a pipe");
        self.keeper = Some(Keeper { shell, _line: line });
        let deadline = Instant::now() + START_DEADLINE;
        while !self.answers() {
            assert!(Instant::now() < deadline, "PostgreSQL does not start:\n{}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Stops the server, if it runs; connections are cut.
    pub fn sleep(&mut self) {
        if let Some(Keeper { mut shell, _line: line }) = self.keeper.take() {
            drop(line);
            let _ = shell.wait();
        }
    }

    /// Keeps a copy of everything as it is now: a standby that hears no more. Connections are cut.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn keep_copy(&mut self) {
        self.sleep();
        run(Command::new("cp")
            .arg("-a")
            .arg(self.directory.join("data"))
            .arg(self.directory.join("copy")));
        self.wake();
    }

    /// Loses everything since [`keep_copy`](Self::keep_copy): the server is gone, and the copy is
    /// promoted in its place, to a timeline of its own.
    ///
    /// # Panics
    /// When there is no copy, or it does not start.
    pub fn fail_over_to_copy(&mut self) {
        self.sleep();
        let data = self.directory.join("data");
        std::fs::remove_dir_all(&data).expect("the server's files");
        std::fs::rename(self.directory.join("copy"), &data).expect("a copy");
        let signal = data.join("standby.signal");
        std::fs::write(&signal, "").expect("a file");
        if is_root() {
            run(Command::new("chown").arg("postgres:").arg(&signal));
        }
        self.wake();
        self.sql("postgres", "SELECT pg_promote()");
    }

    /// A new, empty database: its URL.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn database(&self) -> String {
        let name = format!("test{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(&name)
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        let host = self.directory.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{host}/{database}")
    }

    /// The port, of the name of its socket too.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs a statement in a database, and returns what it prints, without headings.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, database: &str, statement: &str) -> String {
        let mut psql = Command::new(self.binaries.join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-h"])
            .arg(&self.directory)
            .env("PGPORT", self.port.to_string());
        run(psql.args(["-d", database, "-c", statement]))
    }

    /// The file of its socket.
    pub fn socket(&self) -> PathBuf {
        self.directory.join(format!(".s.PGSQL.{}", self.port))
    }

    /// The directory of its socket, for programs that take one in place of a host.
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    /// The folder of PostgreSQL's programs.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// Sends the server's first process a signal, such as `KILL` or `STOP`; with `KILL` all of its
    /// processes.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.directory.join("pid")).expect("it runs");
        if signal == "KILL" {
            // So that it begins no new process when it sees the others end: one that outlives it
            // would keep the next server from starting.
            run(Command::new("kill").args(["-STOP", pid.trim()]));
        }
        let children = Command::new("pgrep")
            .args(["-P", pid.trim()])
            .output()
            .map(|output| output.stdout)
            .unwrap_or_default();
        if signal == "KILL" || signal == "STOP" || signal == "CONT" {
            let _ = Command::new("pkill").args([&format!("-{signal}"), "-P", pid.trim()]).status();
        }
        run(Command::new("kill").args([&format!("-{signal}"), pid.trim()]));
        if signal == "KILL" {
            // On a busy machine they take their time to die, and hold the memory until then.
            let deadline = Instant::now() + START_DEADLINE;
            for child in String::from_utf8_lossy(&children).lines().chain([pid.trim()]) {
                let lives = || {
                    std::fs::read_to_string(format!("/proc/{child}/stat"))
                        .is_ok_and(|stat| !stat.contains(") Z "))
                };
                while lives() && Instant::now() < deadline {
                    thread::sleep(Duration::from_millis(5));
                }
            }
        }
    }

    /// Whether its first process is there, frozen or not.
    pub fn is_awake(&self) -> bool {
        std::fs::read_to_string(self.directory.join("pid"))
            .is_ok_and(|pid| Path::new("/proc").join(pid.trim()).exists())
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Lets the directory go when the server has ended: for a cluster in a `static`, which nobody
    /// drops.
    pub fn mark_gone(&self) {
        let _ = std::fs::File::create(self.directory.join("gone"));
    }

    fn answers(&self) -> bool {
        let mut ready = Command::new(self.binaries.join("pg_isready"));
        ready
            .arg("-q")
            .arg("-h")
            .arg(&self.directory)
            .env("PGPORT", self.port.to_string())
            .stdout(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.mark_gone();
        self.sleep();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A folder in which the server may work, whoever it runs as.
fn new_directory() -> PathBuf {
    let directory = tempfile::Builder::new()
        .prefix("pg")
        .tempdir_in("/tmp")
        .expect("a temporary directory")
        .keep();
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    if is_root() {
        run(Command::new("chown").arg("postgres:").arg(&directory));
    }
    directory
}

/// Where Debian, or the path, has PostgreSQL's programs.
fn binaries() -> PathBuf {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    versions.sort();
    let on_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let found =
        versions.into_iter().rev().chain(on_path).find(|folder| folder.join("initdb").exists());
    found.expect("PostgreSQL is not installed; run scripts/test, or apt-get install postgresql")
}

/// PostgreSQL refuses to run as root.
fn as_nobody_special(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
        .arg(program)
        .current_dir("/");
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn run(command: &mut Command) -> String {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

const DEFAULT_PORT: u16 = 5432;

/// After a kill it reads its log first, and a busy disk takes its time.
const START_DEADLINE: Duration = Duration::from_secs(120);

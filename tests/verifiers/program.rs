//! The programs of `docs/verify`, and of the folder `gateways`: where they are, and what they need.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;

use countersign_e2e::{ISSUER, Program, TestServer};

/// A command that finds the world's server, and runs in a folder of `docs/verify`.
pub(crate) fn service(
    world: &TestServer,
    program: impl AsRef<std::ffi::OsStr>,
    folder: &str,
) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(docs(folder))
        .env("AUTH_URL", format!("http://{}", world.address()))
        .env("AUTH_ISSUER", ISSUER);
    // Neither a proxy of the tester's nor files in the documentation.
    command.env("no_proxy", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// A program of Node's that is told the issuer and no more, and finds everything by it.
pub(crate) fn told_the_issuer(
    world: &TestServer,
    program: &Path,
    issuer: &str,
    audience: &str,
) -> Program {
    let folder = beside_its_packages(world, program);
    Program::start(world.scratch(), |address| {
        let mut command = Command::new("node");
        command
            .arg(program.file_name().expect("a file"))
            .current_dir(&folder)
            .env_remove("AUTH_URL")
            .env("AUTH_ISSUER", issuer)
            .env("AUTH_AUDIENCE", audience)
            .env("PORT", address.port().to_string());
        command
    })
}

/// A folder of the world's with a copy of this program of Node's, beside the packages of the
/// project.
pub(crate) fn beside_its_packages(world: &TestServer, program: &Path) -> PathBuf {
    let folder = world.scratch().join("javascript");
    if !folder.exists() {
        std::fs::create_dir(&folder).expect("a folder");
        symlink(projects().join("javascript/node_modules"), folder.join("node_modules"))
            .expect("a link");
    }
    let name = program.file_name().expect("a file");
    std::fs::copy(program, folder.join(name)).expect("a copy");
    folder
}

/// A folder or file of `docs/verify`.
pub(crate) fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verify").join(name)
}

/// A program of the folder `gateways`.
pub(crate) fn gateway(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("verifiers/gateways").join(name)
}

/// The Python into which `countersign-verify` is installed, as it would be published.
pub(crate) fn python() -> PathBuf {
    projects().join("python/bin/python")
}

/// The fresh projects with the verifying packages, as `tests/verifiers/install` makes them: where
/// `COUNTERSIGN_VERIFIERS` says, as `scripts/test` sets it, or below the target directory.
fn projects() -> &'static Path {
    static PROJECTS: OnceLock<PathBuf> = OnceLock::new();
    PROJECTS.get_or_init(|| {
        if let Some(projects) = std::env::var_os("COUNTERSIGN_VERIFIERS") {
            return projects.into();
        }
        let projects = Path::new(env!("CARGO_TARGET_TMPDIR")).join("verifiers");
        let install = Path::new(env!("CARGO_MANIFEST_DIR")).join("verifiers/install");
        assert!(Command::new(install).arg(&projects).status().expect("bash").success());
        projects
    })
}

/// An address that is known before the server begins, and leads to it afterwards: so the server can
/// be told its own name.
pub(crate) struct Front(TcpListener);

impl Front {
    pub(crate) fn new() -> Self {
        Self(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"))
    }

    /// The URL at which the server will be found.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().expect("an address"))
    }

    pub(crate) fn lead_to(self, server: SocketAddr) {
        thread::spawn(move || {
            for client in self.0.incoming().map_while(Result::ok) {
                thread::spawn(move || join(&client, server));
            }
        });
    }
}

fn join(client: &TcpStream, server: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(server)?;
    let (mut from_server, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || {
        let copied = io::copy(&mut from_server, &mut to_client);
        // The other direction may wait for more, which nobody would answer.
        to_client.shutdown(Shutdown::Both).and(copied)
    });
    let (mut from_client, mut to_server) = (client, &server);
    io::copy(&mut from_client, &mut to_server)?;
    server.shutdown(Shutdown::Write)?;
    back.join().expect("no panic").map(|_| ())
}

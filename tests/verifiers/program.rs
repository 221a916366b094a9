//! The programs of `docs/verify`: where they are, and what they need.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use countersign_e2e::{ISSUER, TestServer};

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

/// A folder or file of `docs/verify`.
pub(crate) fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verify").join(name)
}

/// The folder with the packages of the Express program: the one that `COUNTERSIGN_VERIFY_EXPRESS`
/// names, as `scripts/test` sets it, or one made below the target directory.
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
            let install = Command::new("npm")
                .args(["ci", "--silent", "--no-audit", "--no-fund"])
                .current_dir(&packages)
                .status();
            assert!(install.expect("npm").success());
            // Copied last: a half-made folder is made again.
            std::fs::copy(wanted, done).expect("a copy");
        }
        packages
    })
}

//! The programs of `docs/hooks.md`: the libraries of Standard Webhooks verify what comes.

use std::io::Write;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use countersign_e2e::{Program, TestServer, eventually};

use super::program::{beside_its_packages, python};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[test]
fn the_library_for_python_takes_what_is_signed_for_it_and_nothing_else() {
    takes_what_is_signed_for_it(|_| {
        let mut command = Command::new(python());
        command.arg(docs("receive.py")).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    });
}

#[test]
fn the_library_for_javascript_takes_what_is_signed_for_it_and_nothing_else() {
    takes_what_is_signed_for_it(|world| {
        let mut command = Command::new("node");
        command.arg("receive.mjs");
        command.current_dir(beside_its_packages(world, &docs("receive.mjs")));
        command
    });
}

fn takes_what_is_signed_for_it(command: impl Fn(&TestServer) -> Command) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countersign.toml");
    let builder = TestServer::builder().set("config", &file.display().to_string());
    let mut world = builder.set("hook_secret_crm", SECRET).asleep();
    let program = Program::start(world.scratch(), |address| {
        let mut command = command(&world);
        command.env("PORT", address.port().to_string()).env("HOOK_SECRET", SECRET);
        command
    });
    // Somebody goes in mid-body.
    let mut cut = TcpStream::connect(program.address()).unwrap();
    cut.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{").unwrap();
    drop(cut);
    let hook = format!(
        "[[hook]]\nname = \"crm\"\nurl = \"http://{}/\"\nevents = \"*\"\nprivate = true\n",
        program.address()
    );
    std::fs::write(&file, hook).unwrap();
    world.wake();
    world.cli(&["hook", "test", "crm"]).ok();
    world.user_with("jürgen", "juergen@example.com");
    eventually("it is taken", || program.log().contains("user.created jürgen"));
    // Signed with another secret, and so by somebody else.
    let mut other = world.command(&["hook", "test", "crm"]);
    other.env("COUNTERSIGN_HOOK_SECRET_CRM", format!("whsec_{}", "A".repeat(32)));
    let refused = countersign_e2e::Finished(other.output().unwrap()).fails(1);
    assert!(refused.contains("it answers 400"), "{refused}");
}

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/hooks").join(name)
}

//! What becomes of results that cannot be written.

use std::fs::File;
use std::process::Stdio;

use countersign_e2e::{Finished, TestServer};
use serde_json::Value;

/// Runs a command whose output has no room.
fn on_a_full_disk(world: &TestServer, arguments: &[&str]) -> String {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut command = world.command(arguments);
    Finished(command.stdout(full).stderr(Stdio::piped()).output().unwrap()).fails(1)
}

/// Runs one whose reader is gone.
fn without_a_reader(world: &TestServer, arguments: &[&str]) -> String {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = world.command(arguments);
    Finished(command.stdout(writer).stderr(Stdio::piped()).output().unwrap()).fails(1)
}

#[test]
fn a_result_that_cannot_be_written_is_told_but_to_a_reader_who_has_read_enough() {
    let world = TestServer::start();
    world.user("alice");
    let keys: Value = serde_json::from_str(&world.cli(&["keys", "list", "--json"]).ok()).unwrap();
    let kid = keys[0]["kid"].as_str().unwrap();
    for arguments in [
        &["user", "list", "--json"][..],
        &["user", "list"],
        &["factor", "export"],
        &["keys", "export", kid, "--private"],
    ] {
        let said = on_a_full_disk(&world, arguments);
        assert!(
            said.contains("error: the output cannot be written: No space left on device"),
            "{arguments:?}: {said}"
        );
    }
    assert_eq!(without_a_reader(&world, &["user", "list"]), "");
}

#[test]
fn a_token_that_nobody_has_got_is_told_with_how_to_end_it() {
    let world = TestServer::start();
    for (n, run) in [on_a_full_disk, without_a_reader].into_iter().enumerate() {
        let name = format!("t{n}");
        let said = run(&world, &["token", "create", &name, "--superuser"]);
        assert!(said.contains(&format!("The token {name} (id {}) is made", n + 1)), "{said}");
        assert!(said.contains(&format!("`countersign token revoke {}`", n + 1)), "{said}");
        assert!(!said.contains("cs_"), "{said}");
        world.cli(&["token", "revoke", &(n + 1).to_string()]).ok();
    }
}

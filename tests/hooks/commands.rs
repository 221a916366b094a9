//! `countersign hook test|list|replay`, and what the configuration says of hooks.

use std::time::Duration;

use countersign_e2e::receiver::{REFUSED, Received, Receiver, SECRET};
use countersign_e2e::{TestServer, eventually};

use super::{World, world};

#[test]
fn a_test_is_sent_at_once_and_says_what_the_hook_answers() {
    let receiver = Receiver::start();
    let World { server, _folder } = world(&receiver.hook("crm", "[\"user.deleted\"]"), |s| s);
    let said = server.cli(&["hook", "test", "crm"]).ok();
    let told = receiver.wait_for(1).remove(0);
    assert_eq!((told.event(), &told.body["data"]["hook"]), ("hook.test", &"crm".into()));
    assert!(said.contains(&told.id) && !said.contains("s3cret-path"), "{said}");
    receiver.answer(|_| REFUSED);
    assert!(server.cli(&["hook", "test", "crm"]).fails(1).contains("it answers 500"));
    assert!(server.cli(&["hook", "test", "nobody"]).fails(1).contains("there is no web hook"));
}

#[test]
fn what_was_taken_is_sent_again_since_a_time_with_the_ids_that_it_had() {
    let receiver = Receiver::start();
    let World { server, _folder } = world(&receiver.hook("crm", "\"*\""), |s| s);
    server.user("alice");
    server.user("bob");
    let first = receiver.wait_for(2);
    eventually("both are noted as taken", || {
        server.sql("SELECT count(*) FROM hook_messages WHERE state = 'sent'").trim() == "2"
    });
    let said = server.cli(&["hook", "replay", "crm", "--since", "2026-01-01T00:00:00Z"]).ok();
    assert!(said.contains("2 messages are sent once more"), "{said}");
    let again = receiver.wait_for(4);
    let ids = |some: &[Received]| {
        let mut ids: Vec<_> = some.iter().map(|one| one.id.clone()).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&again[2..]), ids(&first));
    assert!(server.cli(&["hook", "replay", "crm"]).ok().contains("0 messages"));
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(receiver.received().len(), 4);
    let lines = server.sql("SELECT detail FROM audit_events WHERE kind = 'hook_replayed'");
    assert_eq!(lines.lines().count(), 2, "{lines}");
}

#[test]
fn no_command_shows_the_secret_or_the_path_of_a_hook() {
    let receiver = Receiver::start();
    let World { server, _folder } = world(&receiver.hook("crm", "\"*\""), |s| s);
    for command in [&["hook", "list"][..], &["hook", "list", "--json"], &["config"], &["check"]] {
        let said = server.cli(command);
        let said = said.stdout() + &said.stderr();
        assert!(said.contains("crm"), "{command:?}: {said}");
        assert!(
            !said.contains("s3cret-path") && !said.contains(&SECRET[6..]),
            "{command:?}: {said}"
        );
    }
}

#[test]
fn a_secret_comes_from_the_environment_and_a_hook_without_one_stops_the_start() {
    let receiver = Receiver::start();
    let hook = receiver.hook("crm", "\"*\"");
    let without: String = hook
        .lines()
        .filter(|l| !l.starts_with("secret"))
        .fold(String::new(), |all, l| all + l + "\n");
    let World { server, _folder } = world(&without, |s| s.set("hook_secret_crm", SECRET));
    server.user("alice");
    receiver.wait_for(1);
    drop(server);

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("countersign.toml");
    std::fs::write(&file, without).unwrap();
    let mut server = TestServer::builder().set("config", &file.display().to_string()).asleep();
    let refused = server.try_wake(&[]).unwrap_err();
    assert!(refused.contains("COUNTERSIGN_HOOK_SECRET_CRM"), "{refused}");
}

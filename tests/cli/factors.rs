//! `countersign factor export` and `import`.

use countersign_e2e::{Cluster, Enrolled, Finished, SoftKey, TestServer};
use serde_json::{Value, json};

use crate::terminal::on_a_terminal;

const SECRET: &str = "of the old house, of the old house";

fn old_house() -> TestServer {
    TestServer::builder().virtual_time().set("secret", SECRET).start()
}

/// Alice with an app and a passkey.
fn alice_of(world: &TestServer) -> (Enrolled, SoftKey) {
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let alice = world.enrol(&mut browser);
    let (key, _) = world.passkey(&mut browser);
    (alice, key)
}

fn exported(world: &TestServer) -> std::path::PathBuf {
    let file = world.scratch().join("factors.jsonl");
    std::fs::write(&file, world.cli(&["factor", "export"]).ok()).unwrap();
    file
}

fn lets_in(world: &TestServer, alice: &Enrolled, key: &mut SoftKey) {
    world.next_code();
    let mut browser = world.browser();
    let token = browser.first_step("alice");
    browser.second_step(&token, &json!({"code": world.code_of(alice)})).expect(200);
    let login = login_with_passkey(world, key).expect(200);
    assert_eq!(login.json()["user"]["username"], "alice");
}

fn login_with_passkey(world: &TestServer, key: &mut SoftKey) -> countersign_e2e::Response {
    key.origin = format!("http://localhost:{}", world.address().port());
    world.browser().login_with_passkey(key)
}

#[test]
fn factors_let_in_where_another_secret_and_other_ids_are_on_either_store() {
    let old = old_house();
    let (alice, mut key) = alice_of(&old);
    let file = exported(&old);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    let line: Value = serde_json::from_str(text.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        (&line["username"], line["factors"].as_array().unwrap().len()),
        (&json!("alice"), 2)
    );
    let old_secret = old.scratch().join("secret-of-old");
    std::fs::write(&old_secret, SECRET).unwrap();
    let (file, old_secret) = (file.to_str().unwrap(), old_secret.to_str().unwrap());

    for new in [
        TestServer::builder().virtual_time().start(),
        TestServer::builder()
            .virtual_time()
            .set("database_url", &Cluster::shared().database())
            .set("secret", "of the new house, of the new house")
            .start(),
    ] {
        new.user("bob");
        let id = new.user("alice");
        assert_ne!(json!(id), line["id"], "another id");
        let refused = new.cli(&["factor", "import", file]).fails(1);
        assert!(refused.contains("--secret-file"), "{refused}");
        new.browser().login("alice").expect(200);
        let import = || new.cli(&["factor", "import", file, "--secret-file", old_secret]).ok();
        let said = import();
        assert!(said.contains("Took 2 second factors of 1 user."), "{said}");
        assert!(said.contains("1 user has no recovery codes"), "{said}");
        lets_in(&new, &alice, &mut key);
        // A second one that is registered here is found beside it.
        let mut browser = new.browser();
        let token = browser.first_step("alice");
        new.next_code();
        browser.second_step(&token, &json!({"code": new.code_of(&alice)})).expect(200);
        let (mut newer, _) = new.passkey(&mut browser);
        login_with_passkey(&new, &mut newer).expect(200);
        login_with_passkey(&new, &mut key).expect(200);
        let again = import();
        assert!(again.contains("Took 0 second factors of 0 users."), "{again}");
        assert!(again.contains("2 factors were there already"), "{again}");
        // And on from here: what came from elsewhere goes on.
        let file = exported(&new);
        assert!(std::fs::read_to_string(file).unwrap().contains("alice"));
    }
}

#[test]
fn with_the_same_secret_and_ids_the_recovery_codes_come_along() {
    let old = old_house();
    let (alice, mut key) = alice_of(&old);
    let file = exported(&old);
    let new = old_house();
    new.user("alice");
    let said = new.cli(&["factor", "import", file.to_str().unwrap()]).ok();
    assert_eq!(said.trim(), "Took 2 second factors of 1 user.");
    lets_in(&new, &alice, &mut key);
    let mut browser = new.browser();
    let token = browser.first_step("alice");
    browser.second_step(&token, &json!({"recovery_code": alice.codes[0]})).expect(200);
    let line = "SELECT user_id, detail FROM audit_events WHERE kind = 'factors_imported'";
    assert_eq!(new.sql(line).trim(), "1|2");
}

#[test]
fn what_cannot_be_taken_is_said_and_a_bent_file_gives_nothing() {
    let old = old_house();
    alice_of(&old);
    let file = exported(&old);
    let text = std::fs::read_to_string(&file).unwrap();
    let new = old_house();
    new.user("bob");
    let said = new.cli(&["factor", "import", file.to_str().unwrap()]);
    assert!(said.ok().contains("1 user is not here"), "{}", said.stdout());
    assert!(said.stderr().contains("There is no user alice"), "{}", said.stderr());

    // Alice's factors under Bob's name are sealed for another.
    for (bent, told) in [
        (
            text.replace("\"alice\"", "\"bob\"").replace("\"id\":1,\"user", "\"id\":2,\"user"),
            "another secret",
        ),
        (text.replace("\"alice\"", "7"), "line 2 is none of"),
        (String::new(), "it is empty"),
        (text.replace("\"countersign_factors\":2", "\"countersign_factors\":3"), "newer"),
    ] {
        std::fs::write(&file, &bent).unwrap();
        let refused = new.cli(&["factor", "import", file.to_str().unwrap()]).fails(1);
        assert!(refused.contains(told), "{refused}");
    }
    assert_eq!(new.sql("SELECT count(*) FROM factors").trim(), "0");
}

#[test]
fn a_file_that_was_cut_off_is_not_taken_for_a_whole_one() {
    let old = old_house();
    alice_of(&old);
    let file = exported(&old);
    let text = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<_> = text.lines().map(|line| format!("{line}\n")).collect();
    let new = old_house();
    new.user("alice");
    let import = |text: &str| {
        std::fs::write(&file, text).unwrap();
        new.cli(&["factor", "import", file.to_str().unwrap()])
    };
    let cut = import(&lines[..2].concat());
    assert!(cut.fails(1).contains("it is not whole"), "{}", cut.stderr());
    assert!(cut.stdout().contains("Took 2 second factors"), "{}", cut.stdout());
    assert!(import(&lines[..1].concat()).fails(1).contains("it is not whole"));
    assert!(
        import(&[&lines[0], &lines[2]].map(String::as_str).concat()).fails(1).contains("whole")
    );
    assert!(import(&[&text, lines[1].as_str()].concat()).fails(1).contains("behind its end"));
    // What the first format has, which knew no end.
    let earlier =
        lines[..2].concat().replace("\"countersign_factors\":2", "\"countersign_factors\":1");
    let taken = import(&earlier);
    taken.ok();
    assert!(taken.stderr().contains("look whether 1 user"), "{}", taken.stderr());
}

#[test]
fn what_a_file_says_neither_moves_the_cursor_of_who_imports_it_nor_names_the_secrets_file_in_vain()
{
    let world = old_house();
    alice_of(&world);
    let file = exported(&world);
    let text = std::fs::read_to_string(&file).unwrap();
    let name = "x\\u001b]0;owned\\u0007\\u001b[2J\\nerror: y";
    std::fs::write(&file, text.replace("alice", name)).unwrap();
    let file = file.to_str().unwrap();
    let said = world.cli(&["factor", "import", file]).stderr();
    let line = "There is no user x\u{fffd}]0;owned\u{fffd}\u{fffd}[2J\u{fffd}error: y: left out.";
    assert_eq!(said.trim_end(), line);
    let said = world.cli(&["factor", "import", file, "--secret-file", "nope"]).fails(1);
    assert!(said.contains("nope: No such file"), "{said}");
}

#[test]
fn factors_that_went_with_a_lost_secret_are_told_and_removed_together() {
    let mut world = TestServer::builder().virtual_time().start();
    let (alice, _) = alice_of(&world);
    world.user("bob");
    let mut browser = world.logged_in("bob");
    world.enrol(&mut browser);
    assert!(world.cli(&["check"]).ok().contains("second factors: those of 2 users open"));
    assert!(world.cli(&["factor", "reset", "--unreadable"]).ok().contains("Every second factor"));

    // As the page of operations has it.
    world.stop();
    let secret = world.data_dir().join("secret");
    std::fs::remove_file(&secret).unwrap();
    world.sql("DELETE FROM signing_keys");
    let early = world.cli(&["factor", "reset", "--unreadable", "--noinput"]).fails(1);
    assert!(early.contains("start the server once"), "{early}");
    assert!(!secret.exists(), "the start makes it");
    world.wake();
    world.user("carol");
    let mut browser = world.logged_in("carol");
    world.enrol(&mut browser);
    world.next_code();
    let mut browser = world.browser();
    let token = browser.first_step("alice");
    browser
        .second_step(&token, &json!({"code": world.code_of(&alice)}))
        .expect_problem(401, "factor_invalid");
    let look = world.cli(&["check"]);
    look.fails(1);
    assert!(look.stdout().contains("second factors: 2 of 3 users"), "{}", look.stdout());
    let listed = world.cli(&["factor", "list", "alice"]).ok();
    assert!(listed.contains("None of them can be used"), "{listed}");
    let usable = |name: &str| {
        let listed = world.cli(&["factor", "list", name, "--json"]).ok();
        serde_json::from_str::<Value>(&listed).unwrap()["factors"][0]["is_usable"].clone()
    };
    assert_eq!((usable("alice"), usable("carol")), (json!(false), json!(true)));

    // Under a wrong secret everybody's would seem to be so.
    let reset = ["factor", "reset", "--unreadable", "--noinput"];
    let mut wrong = world.command(&reset);
    let wrong = Finished(wrong.env("COUNTERSIGN_SECRET", SECRET).output().unwrap()).fails(1);
    assert!(wrong.contains("another secret"), "{wrong}");
    assert!(world.cli(&reset[..3]).fails(1).contains("--noinput"), "nobody is there to ask");
    assert_eq!(world.sql("SELECT count(DISTINCT user_id) FROM factors").trim(), "3");
    let seen = on_a_terminal(&world, &reset[..3], &[], &[("[y/N]", "y")]).ok();
    assert!(seen.contains("factors of 2 users that were sealed under another secret?"), "{seen}");
    assert!(seen.contains("Removed 3 second factors of 2 users."), "{seen}");

    world.browser().login("alice").expect(200);
    world.browser().login("bob").expect(200);
    world.browser().first_step("carol");
    assert!(world.cli(&["check"]).ok().contains("second factors: those of 1 user open"));
    let lines = "SELECT count(*) FROM audit_events WHERE kind = 'factors_reset'";
    assert_eq!(world.sql(lines).trim(), "2");
    world.cli(&["factor", "reset"]).fails(2);
    world.cli(&["factor", "reset", "alice", "--unreadable"]).fails(2);
}

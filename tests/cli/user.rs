use countersign_e2e::{PASSWORD, TestServer, eventually};
use serde_json::Value;

#[test]
fn users_are_made_listed_shown_and_deleted() {
    let world = TestServer::builder().asleep();
    let mut create = world.command(&[
        "user",
        "create",
        "--username",
        "alice",
        "--email",
        "Alice@Example.COM",
        "--first-name",
        "Alice",
        "--noinput",
    ]);
    assert!(create.env("COUNTERSIGN_PASSWORD", PASSWORD).status().unwrap().success());
    let listed: Value = serde_json::from_str(&world.cli(&["user", "list", "--json"]).ok()).unwrap();
    assert_eq!(listed[0]["email"], "Alice@example.com");
    assert_eq!(listed[0]["first_name"], "Alice");
    assert_eq!(listed[0]["is_staff"], false);
    let table = world.cli(&["user", "list"]).ok();
    assert!(table.contains("USERNAME") && table.contains("alice"), "{table}");
    for named in ["alice", "ALICE", "alice@example.com", "1"] {
        assert!(world.cli(&["user", "show", named]).ok().contains("Alice@example.com"), "{named}");
    }
    world.cli(&["user", "delete", "alice", "--noinput"]).ok();
    assert!(world.cli(&["user", "show", "alice"]).fails(1).contains("there is no user"));
}

#[test]
fn weak_passwords_taken_names_and_missing_answers_are_refused_with_a_reason() {
    let world = TestServer::builder().asleep();
    world.user("alice");
    let create = |arguments: &[&str], password: Option<&str>| {
        let mut command = world.command(&[&["user", "create"], arguments].concat());
        if let Some(password) = password {
            command.env("COUNTERSIGN_PASSWORD", password);
        }
        countersign_e2e::Finished(command.output().unwrap()).fails(1)
    };
    assert!(
        create(&["--username", "bob", "--noinput"], Some("password"))
            .contains("Many people use this password")
    );
    assert!(create(&["--username", "bob", "--noinput"], Some("short")).contains('8'));
    assert!(create(&["--username", "ALICE", "--noinput"], Some(PASSWORD)).contains("name"));
    assert!(
        create(&["--username", "alice@example.com", "--noinput"], Some(PASSWORD)).contains("name")
    );
    assert!(create(&["--username", "a b", "--noinput"], Some(PASSWORD)).contains("letters"));
    assert!(create(&["--username", "bob", "--noinput"], None).contains("COUNTERSIGN_PASSWORD"));
    assert!(create(&["--noinput"], Some(PASSWORD)).contains("--username"));
    assert!(
        create(&["--username", "bob"], Some(PASSWORD)).contains("--noinput"),
        "without a terminal nobody can be asked"
    );
    assert!(world.cli(&["user", "show", "bob"]).fails(1).contains("bob"));
}

#[test]
fn a_deactivation_is_felt_by_a_running_server_at_once_and_an_activation_too() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    browser.get("/accounts/profile").expect(200);
    world.cli(&["user", "deactivate", "alice"]).ok();
    eventually("the access token is dead", || {
        browser.get("/accounts/profile").problem_code().as_deref() == Some("user_inactive")
    });
    let refused = browser.refresh().expect_problem(401, "session_revoked");
    assert_eq!(refused.json()["reason"], "user_inactive");
    world.browser().login("alice").expect_problem(401, "invalid_credentials");
    world.cli(&["user", "activate", "alice"]).ok();
    world.browser().login("alice").expect(200);
    browser.refresh().expect_problem(401, "session_revoked");
}

#[test]
fn a_deleted_user_is_out_at_once() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.cli(&["user", "delete", "alice", "--noinput"]).ok();
    eventually("the access token is dead", || {
        browser.get("/accounts/profile").problem_code().as_deref() == Some("user_inactive")
    });
    browser.refresh().expect_problem(401, "session_revoked");
    browser.login("alice").expect_problem(401, "invalid_credentials");
}

#[test]
fn a_command_on_a_mistyped_directory_leaves_nothing_behind() {
    let world = TestServer::builder().asleep();
    let nowhere = world.scratch().join("nowhere");
    let said = world.cli(&["user", "list", "--data-dir", nowhere.to_str().unwrap()]).fails(1);
    assert!(said.contains("there is no database"), "{said}");
    assert!(!nowhere.exists());
}

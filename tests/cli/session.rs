use countersign_e2e::{TestServer, eventually};
use serde_json::Value;

#[test]
fn a_session_that_is_revoked_is_dead_in_the_running_server_at_once() {
    let world = TestServer::start();
    world.user("alice");
    let (mut first, second) = (world.logged_in("alice"), world.logged_in("alice"));
    let sid = countersign_e2e::claims_of(&first.access_token)["sid"].as_str().unwrap().to_owned();
    let listed: Value =
        serde_json::from_str(&world.cli(&["session", "list", "--user", "alice", "--json"]).ok())
            .unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(listed[0]["device_name"].is_null());
    let path = format!("/accounts/sessions/{sid}");
    let name = serde_json::json!({"device_name": "the kitchen's"});
    second.request("PATCH", &path).json(&name).send().expect(200);
    assert!(world.cli(&["session", "list"]).ok().contains("the kitchen's ("));
    assert!(world.cli(&["session", "list", "--json"]).ok().contains(r#""the kitchen's""#));
    assert!(world.cli(&["session", "list"]).ok().contains(&sid));
    world.cli(&["session", "revoke", &sid]).ok();
    eventually("the access token is dead", || {
        first.get("/accounts/profile").problem_code().as_deref() == Some("session_revoked")
    });
    assert_eq!(first.refresh().expect_problem(401, "session_revoked").json()["reason"], "admin");
    second.get("/accounts/profile").expect(200);
    assert!(world.cli(&["session", "revoke", &sid]).fails(1).contains("no live session"));
    assert!(world.cli(&["session", "revoke", "--user", "alice"]).ok().contains('1'));
    eventually("the other one is dead too", || second.get("/accounts/profile").status == 401);
}

#[test]
fn what_is_no_session_is_a_usage_error() {
    let world = TestServer::builder().asleep();
    for arguments in [
        &["session", "revoke", "xyz"][..],
        &["session", "revoke"],
        &["session", "revoke", "0000000000000001", "--user", "alice"],
    ] {
        world.cli(arguments).fails(2);
    }
}

#[test]
fn after_a_restored_backup_its_sessions_can_be_ended_at_the_start() {
    let mut world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.stop();
    world.try_wake(&["--after-restore", "2999-01-01T00:00:00Z"]).unwrap();
    browser.move_to(world.address());
    browser.get("/accounts/profile").expect_problem(401, "session_revoked");
    assert_eq!(browser.refresh().expect_problem(401, "session_revoked").json()["reason"], "admin");
    world.stop();
    let mut later = {
        world.wake();
        world.logged_in("alice")
    };
    world.stop();
    world.try_wake(&["--after-restore", "2001-01-01T00:00:00Z"]).unwrap();
    later.move_to(world.address());
    later.refresh().expect(200);
}

#[test]
fn after_a_restored_backup_no_id_is_given_twice() {
    let mut world = TestServer::start();
    world.user("alice");
    world.stop();
    let database = world.data_dir().join("countersign.sqlite3");
    let backup = world.scratch().join("backup");
    std::fs::copy(&database, &backup).unwrap();
    world.wake();
    // Whom the backup does not know.
    let lost = world.user("bob");
    world.stop();
    std::fs::copy(&backup, &database).unwrap();
    world.try_wake(&["--after-restore", "2999-01-01T00:00:00Z"]).unwrap();
    let carol = world.user("carol");
    assert!(carol > lost + 1_000, "{carol} after {lost}");
    world.stop();
    world.wake();
    assert_eq!(world.user("dave"), carol + 1);
}

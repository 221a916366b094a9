use countersign_e2e::{Mailbox, PASSWORD, TestServer, claims_of, eventually};
use serde_json::{Value, json};

#[test]
fn a_session_that_is_revoked_is_dead_in_the_running_server_at_once() {
    let world = TestServer::start();
    world.user("alice");
    let (mut first, second) = (world.logged_in("alice"), world.logged_in("alice"));
    let sid = claims_of(&first.access_token)["sid"].as_str().unwrap().to_owned();
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
    browser.get("/accounts/profile").expect_problem(401, "token_invalid");
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

#[test]
fn what_was_cut_off_since_the_backup_stays_cut_off() {
    let mailbox = Mailbox::new();
    let mut world = TestServer::builder()
        .set("manage", "on")
        .set("mail_url", &mailbox.url())
        .virtual_time()
        .start();
    world.superuser("root");
    world.user("alice");
    let leaked = {
        let listed: Value =
            serde_json::from_str(&world.cli(&["keys", "list", "--json"]).ok()).unwrap();
        let kid = listed[0]["kid"].as_str().unwrap().to_owned();
        (kid.clone(), world.cli(&["keys", "export", &kid, "--private"]).ok())
    };
    let token = world.cli(&["token", "create", "importer", "--superuser"]).ok();
    let mut desk = world.desk();
    desk.sign_in("root").sends_to("/admin/");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let mut device = world.browser();
    let pending = device.first_step("alice");
    let code = json!({"code": world.code_of(&alice), "remember_device": true});
    device.second_step(&pending, &code).expect(200);
    world.next_code();
    let claims = claims_of(&world.logged_in("root").access_token);
    let ask = json!({"email": "alice@example.com"});
    world.request("POST", "/accounts/password/reset").json(&ask).send().expect(202);
    let mail = mailbox.wait_with("alice@example.com", "Choose a new password");
    world.all_mails_are_sent();
    world.stop();
    let database = world.data_dir().join("countersign.sqlite3");
    let backup = world.scratch().join("backup");
    std::fs::copy(&database, &backup).unwrap();

    // Whoever has the key makes a session of their own, which no list of ended ones names.
    let forged = |world: &TestServer| {
        let mut claims = claims.clone();
        claims["sid"] = json!("0123456789abcdef");
        claims["jti"] = json!("AAAAAAAAAAAAAAAAAAAAAA");
        claims["iat"] = json!(world.clock().seconds() - 1);
        claims["exp"] = json!(world.clock().seconds() + 200);
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::EdDSA);
        (header.kid, header.typ) = (Some(leaked.0.clone()), Some("at+jwt".to_owned()));
        let key = jsonwebtoken::EncodingKey::from_ed_pem(leaked.1.as_bytes()).unwrap();
        let forged = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        world.request("GET", "/accounts/profile").bearer(&forged).send()
    };
    let as_program =
        |world: &TestServer| world.request("GET", "/manage/v1/users").bearer(token.trim()).send();
    let resets = |world: &TestServer| {
        let body = json!({"token": mail.token(), "new_password": "an entirely new passphrase"});
        world.request("POST", "/accounts/password/reset/confirm").json(&body).send()
    };
    // What the backup brings back, as it is: the test would else show nothing.
    let restored = |world: &mut TestServer, arguments: &[&str]| {
        std::fs::copy(&backup, &database).unwrap();
        world.try_wake(arguments).unwrap();
    };
    restored(&mut world, &[]);
    forged(&world).expect(200);
    as_program(&world).expect(200);
    resets(&world).expect(204);
    world.stop();

    restored(&mut world, &["--after-restore", "2999-01-01T00:00:00Z"]);
    forged(&world).expect_problem(401, "token_invalid");
    resets(&world).expect_problem(400, "link_invalid");
    let mut again = world.desk();
    again.browser.cookies.clone_from(&desk.browser.cookies);
    assert_eq!(again.get("/admin/users/").status, 303, "the operator signs in again");
    device.move_to(world.address());
    device.first_step("alice");
    // Nobody knows whether it was revoked; a program would stand still.
    as_program(&world).expect(200);
    let log = world.log();
    assert!(log.contains("service tokens of the restored backup count again"), "{log}");
    assert!(log.contains("service:1:importer"), "{log}");
    world.cli(&["token", "revoke", "importer"]).ok();
    world.browser().login_with("root", PASSWORD).expect(200);
    let told = world.sql("SELECT detail FROM audit_events WHERE kind = 'sessions_ended'");
    assert!(told.contains("after a restored backup") && told.contains("undos"), "{told}");
}

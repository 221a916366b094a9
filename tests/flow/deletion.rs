//! `DELETE /accounts/profile`, and coming back.

use std::time::Duration;

use countersign_e2e::{Browser, Mailbox, PASSWORD, Response, TestServer};
use serde_json::{Value, json};

const NEW: &str = "an entirely new passphrase";

fn delete(browser: &Browser) -> Response {
    delete_with(browser, PASSWORD)
}

fn delete_with(browser: &Browser, password: &str) -> Response {
    browser.request("DELETE", "/accounts/profile").json(&json!({"password": password})).send()
}

fn login(world: &TestServer, body: &Value) -> Response {
    world.request("POST", "/accounts/login").json(body).send()
}

fn deletion_at(world: &TestServer) -> String {
    world.sql("SELECT is_active, deletion_at IS NOT NULL FROM users WHERE username = 'alice'")
}

#[test]
fn who_deletes_their_account_is_out_everywhere_at_once_and_may_come_back() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).set("notices", "off").start();
    world.user("alice");
    let (here, mut there) = (world.logged_in("alice"), world.logged_in("alice"));
    delete(&here).expect(204);
    for browser in [&here, &there] {
        browser.get("/accounts/profile").expect_problem(401, "user_inactive");
    }
    there.refresh().expect_problem(401, "session_revoked");
    let mail = mailbox.wait_for("alice@example.com", 1);
    assert_eq!(mail.subject(), "Your account will be deleted");
    assert!(mail.whole.contains("/account/restore"), "{}", mail.whole);

    for name in ["alice", "alice@example.com"] {
        let asked = json!({"username": name, "password": PASSWORD});
        let told = login(&world, &asked).expect_problem(403, "deletion_planned").json();
        assert!(told["deletion_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{told}");
        let no = json!({"username": name, "password": PASSWORD, "restore": false});
        login(&world, &no).expect_problem(403, "deletion_planned");
    }
    let yes = json!({"username": "alice@example.com", "password": PASSWORD, "restore": true});
    let back = login(&world, &yes).expect(200).json();
    assert_eq!(back["user"]["is_active"], true);
    assert_eq!(deletion_at(&world).trim(), "1|0");
    // Who does not wait logs in as ever, whatever they say.
    login(&world, &yes).expect(200);
    let lines = world.sql("SELECT kind FROM audit_events WHERE kind LIKE '%e%ed' ORDER BY id");
    assert!(lines.contains("deletion_asked") && lines.contains("user_restored"), "{lines}");
}

#[test]
fn nobody_who_does_not_know_the_password_learns_that_an_account_waits() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("registration", "open")
        .set("email_verification", "required")
        .start();
    for name in ["alice", "inactive"] {
        world.user(name);
    }
    world.cli(&["user", "deactivate", "inactive"]).ok();
    delete(&world.logged_in("alice")).expect(204);
    let answers = ["alice", "inactive", "nobody"].map(|name| {
        let body = json!({"username": name, "password": "wrong", "restore": true});
        let answer = login(&world, &body).expect_problem(401, "invalid_credentials");
        (answer.headers_but(&["date", "x-request-id"]), answer.text())
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    // A new password is not to be had by mail, and the address is not to be taken.
    let reset = json!({"email": "alice@example.com"});
    world.request("POST", "/accounts/password/reset").json(&reset).send().expect(202);
    let eve = json!({"username": "eve", "email": "alice@example.com", "password": NEW});
    world.request("POST", "/accounts/register").json(&eve).send().expect(202);
    mailbox.wait_for("alice@example.com", 2);
    let void = world.sql("SELECT kind FROM outbox WHERE state = 'void'");
    assert_eq!(void.trim(), "reset");
    let mut subjects: Vec<String> =
        mailbox.to("alice@example.com").iter().map(|mail| mail.subject().to_owned()).collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["You already have an account", "Your account will be deleted"]);
    assert_eq!(deletion_at(&world).trim(), "0|1");
}

#[test]
fn only_a_recent_login_with_the_right_password_deletes_and_nothing_else_does() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    world.user("bob");
    let mut alice = world.logged_in("alice");
    let wrong = delete_with(&alice, "not the right one").expect_problem(400, "validation_error");
    assert!(wrong.json()["errors"]["password"].is_array());
    let bare = alice.bare("DELETE", "/accounts/profile").bearer(&alice.access_token);
    bare.json(&json!({"password": PASSWORD})).send().expect_problem(403, "csrf_failed");
    world.clock().advance(Duration::from_secs(16 * 60));
    alice.refresh().expect(200);
    delete(&alice).expect_problem(401, "recent_login_required");
    assert_eq!(deletion_at(&world).trim(), "1|0");
    alice.login("alice").expect(200);
    delete(&alice).expect(204);
    assert_eq!(deletion_at(&world).trim(), "0|1");
    world.logged_in("bob").get("/accounts/profile").expect(200);
}

#[test]
fn with_no_time_to_come_back_the_account_is_gone_at_once() {
    let mailbox = Mailbox::new();
    let world =
        TestServer::builder().set("mail_url", &mailbox.url()).set("deletion_grace", "0s").start();
    let id = world.user("alice");
    let here = world.logged_in("alice");
    delete(&here).expect(204);
    here.get("/accounts/profile").expect_problem(401, "user_inactive");
    let body = json!({"username": "alice", "password": PASSWORD, "restore": true});
    login(&world, &body).expect_problem(401, "invalid_credentials");
    let mail = mailbox.wait_for("alice@example.com", 1);
    assert_eq!(mail.subject(), "Your account was deleted");
    assert!(!mail.whole.contains("/account/restore"));
    assert_eq!(
        world.sql(&format!("SELECT count(*) FROM sessions WHERE user_id = {id}")).trim(),
        "0"
    );
    assert_ne!(world.user("alice"), id, "the name is free, the number is not");
}

#[test]
fn the_last_superuser_stays() {
    let world = TestServer::start();
    world.superuser("alice");
    let alice = world.logged_in("alice");
    delete(&alice).expect_problem(409, "conflict");
    alice.get("/accounts/profile").expect(200);
    world.superuser("bob");
    delete(&alice).expect(204);
}

#[test]
fn of_many_who_come_back_at_once_all_do_and_once() {
    let world = TestServer::builder().set("throttle_account_attempts", "0").start();
    world.user("alice");
    delete(&world.logged_in("alice")).expect(204);
    let body = json!({"username": "alice", "password": PASSWORD, "restore": true});
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let logins: Vec<_> = (0..8).map(|_| scope.spawn(|| login(&world, &body).status)).collect();
        logins.into_iter().map(|login| login.join().unwrap()).collect()
    });
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let lines = "SELECT count(*) FROM audit_events WHERE kind = 'user_restored'";
    assert_eq!(world.sql(lines).trim(), "1");
}

#[test]
fn what_goes_on_while_an_account_is_deleted_leaves_nobody_in() {
    let world = TestServer::builder().set("throttle_account_attempts", "0").start();
    for round in 0..6 {
        let name = format!("user{round}");
        world.user(&name);
        let here = world.logged_in(&name);
        let mut other = world.logged_in(&name);
        let change = here
            .request("POST", "/accounts/password")
            .json(&json!({"old_password": PASSWORD, "new_password": NEW}));
        let credentials = json!({"username": name, "password": PASSWORD});
        let (deleted, changed, begun, refreshed) = std::thread::scope(|scope| {
            let deleted = scope.spawn(|| delete(&here));
            let changed = scope.spawn(|| change.send());
            let begun = scope.spawn(|| login(&world, &credentials));
            let refreshed = scope.spawn(|| other.refresh());
            let join = |one: std::thread::ScopedJoinHandle<'_, Response>| one.join().unwrap();
            (join(deleted), join(changed), join(begun), join(refreshed))
        });
        for answer in [&deleted, &changed, &begun, &refreshed] {
            assert!(answer.status < 500, "{answer:?}");
        }
        if deleted.status == 204 {
            assert_ne!(changed.status, 204, "one of the two was first");
            let live = format!(
                "SELECT count(*) FROM sessions s JOIN users u ON u.id = s.user_id
                 WHERE u.username = '{name}' AND s.revoked_at IS NULL"
            );
            assert_eq!(world.sql(&live).trim(), "0");
            for answer in [&begun, &refreshed] {
                let Some(token) = answer.json()["access_token"].as_str().map(str::to_owned) else {
                    continue;
                };
                let refused = world.request("GET", "/accounts/profile").bearer(&token).send();
                refused.expect_problem(401, "user_inactive");
            }
        }
    }
}

#[test]
fn a_deletion_that_was_answered_survives_a_power_cut() {
    let mut world = TestServer::builder().set("mail_url", "none").start();
    world.user("alice");
    let here = world.logged_in("alice");
    delete(&here).expect(204);
    world.kill();
    world.wake();
    let body = json!({"username": "alice", "password": PASSWORD});
    login(&world, &body).expect_problem(403, "deletion_planned");
}

#[test]
fn the_page_of_the_mail_restores_when_its_form_is_sent() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    delete(&world.logged_in("alice")).expect(204);
    let form = |body: &str| {
        let kind = "application/x-www-form-urlencoded";
        world.request("POST", "/account/restore").body(kind, body).send()
    };
    world.get("/account/restore").expect(200);
    for wrong in ["login=alice&password=wrong", "login=nobody&password=wrong", "", "login=alice"] {
        let refused = form(wrong).expect(400).text();
        assert!(refused.contains("The name or the password is wrong."), "{refused}");
    }
    assert_eq!(deletion_at(&world).trim(), "0|1");
    let body = format!("login=alice&password={}", PASSWORD.replace(' ', "+"));
    assert!(form(&body).expect(200).text().contains("Your account is kept"));
    world.logged_in("alice").get("/accounts/profile").expect(200);
}

#[test]
fn who_comes_back_is_asked_for_the_second_factor() {
    let world = TestServer::builder().virtual_time().set("mail_url", "none").start();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let enrolled = world.enrol(&mut alice);
    delete(&alice).expect(204);
    let yes = json!({
        "username": "alice", "password": PASSWORD, "transport": "body", "restore": true,
    });
    let asked = login(&world, &yes).expect_problem(401, "second_factor_required").json();
    assert!(asked["access_token"].is_null() && asked["refresh_token"].is_null(), "{asked}");
    let second = json!({
        "pending_token": asked["pending_token"], "code": world.code_of(&enrolled),
    });
    let back = world.request("POST", "/accounts/login/factor").json(&second).send();
    assert_eq!(back.expect(200).json()["user"]["is_active"], true);
}

#[test]
fn an_operator_who_activates_ends_the_plan() {
    let world = TestServer::start();
    world.user("alice");
    delete(&world.logged_in("alice")).expect(204);
    world.cli(&["user", "activate", "alice"]).ok();
    assert_eq!(deletion_at(&world).trim(), "1|0");
    world.logged_in("alice").get("/accounts/profile").expect(200);
}

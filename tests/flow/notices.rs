//! Notices: what happened to an account, told to its owner by mail.

use std::time::Duration;

use countersign_e2e::{Mailbox, PASSWORD, Request, TestServer};
use serde_json::json;

const ALICE: &str = "alice@example.com";
const NEW_DEVICE: &str = "A new device logged in to your account";
const CHANGED: &str = "Your password was changed";
const STOLEN: &str = "We ended a session: two parties held it";
const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

fn world(notices: &str) -> (TestServer, Mailbox) {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("notices", notices)
        .virtual_time()
        .start();
    world.user("alice");
    (world, mailbox)
}

fn login(world: &TestServer, agent: &str) -> Request {
    let body = json!({"username": "alice", "password": PASSWORD});
    world.request("POST", "/accounts/login").header("User-Agent", agent).json(&body)
}

#[test]
fn a_login_from_a_device_that_was_not_known_is_told_and_one_from_a_known_one_is_not() {
    let (world, mailbox) = world("on");
    let mut first = world.logged_in("alice");
    let request = first.bare("POST", "/accounts/login");
    let again = json!({"username": "alice", "password": PASSWORD});
    first.send(&request.json(&again)).expect(200);
    login(&world, FIREFOX).send().expect(200);
    let mail = mailbox.wait_with(ALICE, NEW_DEVICE).whole;
    assert!(mail.contains("Firefox, Linux") && mail.contains("127.0.0.1"), "{mail}");
    assert!(mail.contains("/account/reset"), "{mail}");
    let told = world.sql("SELECT count(*) FROM outbox");
    assert_eq!(told.trim(), "1", "neither the first login nor the known device");
}

#[test]
fn what_a_device_calls_itself_is_not_put_into_a_mail() {
    let (world, mailbox) = world("on");
    world.logged_in("alice");
    login(&world, "Win money at https://evil.example\u{202e}").send().expect(200);
    let mail = mailbox.wait_with(ALICE, NEW_DEVICE).whole;
    assert!(mail.contains("a device that does not say what it is"), "{mail}");
    assert!(!mail.contains("evil"), "{mail}");
}

#[test]
fn a_session_that_was_ended_because_two_held_it_is_told() {
    let (world, mailbox) = world("on");
    world.logged_in("alice");
    let request = login(&world, FIREFOX);
    let mut browser = world.browser();
    browser.send(&request).expect(200);
    let mut thief = browser.clone();
    for _ in 0..3 {
        world.clock().advance(Duration::from_secs(300));
        browser.refresh().expect(200);
    }
    world.clock().advance(Duration::from_secs(60));
    thief.refresh().expect_problem(401, "refresh_token_reused");
    let mail = mailbox.wait_with(ALICE, STOLEN).whole;
    assert!(mail.contains("It belonged to Firefox, Linux"), "{mail}");
    // Whoever comes after it is told nothing more.
    browser.refresh().expect_problem(401, "session_revoked");
    thief.refresh().expect_problem(401, "session_revoked");
    let told = world.sql("SELECT count(*) FROM outbox WHERE kind = 'notice'");
    assert_eq!(told.trim(), "2", "the new device, and the theft");
}

#[test]
fn a_new_password_is_told_whoever_sets_it() {
    let (world, mailbox) = world("on");
    let browser = world.logged_in("alice");
    let body = json!({"old_password": PASSWORD, "new_password": "an entirely new passphrase"});
    let change = browser.request("POST", "/accounts/password").header("User-Agent", FIREFOX);
    change.json(&body).send().expect(204);
    let mail = mailbox.wait_with(ALICE, CHANGED).whole;
    assert!(mail.contains("from 127.0.0.1 (Firefox, Linux)"), "{mail}");
}

#[test]
fn a_password_that_was_not_changed_is_told_to_nobody() {
    let (world, _mailbox) = world("on");
    let browser = world.logged_in("alice");
    let body = json!({"old_password": "not it", "new_password": "an entirely new passphrase"});
    browser.request("POST", "/accounts/password").json(&body).send().expect(400);
    assert_eq!(world.sql("SELECT count(*) FROM outbox").trim(), "0");
}

#[test]
fn notices_can_be_turned_off_and_go_to_no_address_that_nobody_proved() {
    for (notices, proved) in [("off", "1"), ("on", "0")] {
        let (world, _mailbox) = world(notices);
        world.sql(&format!("UPDATE users SET email_verified = {proved}"));
        let mut browser = world.logged_in("alice");
        login(&world, FIREFOX).send().expect(200);
        let body = json!({"old_password": PASSWORD, "new_password": "an entirely new passphrase"});
        let request = browser.request("POST", "/accounts/password").json(&body);
        browser.send(&request).expect(204);
        assert_eq!(world.sql("SELECT count(*) FROM outbox").trim(), "0", "{notices} {proved}");
    }
}

#[test]
fn an_address_gets_twenty_notices_an_hour_whatever_strangers_ask_for() {
    let (world, mailbox) = world("on");
    for _ in 0..8 {
        let body = json!({"email": ALICE});
        world.request("POST", "/accounts/password/reset").json(&body).send().expect(202);
    }
    world.logged_in("alice");
    for _ in 0..23 {
        login(&world, FIREFOX).send().expect(200);
    }
    let told =
        world.sql("SELECT kind, state = 'void', count(*) FROM outbox GROUP BY 1, 2 ORDER BY 1, 2");
    assert_eq!(told.trim(), "notice|0|20\nnotice|1|3\nreset|0|5\nreset|1|3");
    mailbox.wait_for(ALICE, 25);
}

#[test]
fn an_address_that_is_changed_in_the_profile_is_told_with_a_way_back() {
    let (world, mailbox) = world("off");
    let mut thief = world.logged_in("alice");
    let body = json!({"email": "thief@example.net"});
    let request = thief.request("PATCH", "/accounts/profile").json(&body);
    thief.send(&request).expect(200);
    let mail = mailbox.wait_with(ALICE, "The e-mail address of your account is changing");
    assert!(mail.whole.contains("thief@example.net"));
    let reset = json!({"email": "thief@example.net"});
    world.request("POST", "/accounts/password/reset").json(&reset).send().expect(202);
    let token = mailbox.wait_for("thief@example.net", 1).token();
    let body = json!({"token": token, "new_password": "the passphrase of a thief"});
    world.request("POST", "/accounts/password/reset/confirm").json(&body).send().expect(204);
    let undo = json!({"token": mail.token()});
    world.request("POST", "/accounts/undo").json(&undo).send().expect(204);
    let mut browser = world.browser();
    browser
        .login_with("alice", "the passphrase of a thief")
        .expect_problem(401, "invalid_credentials");
    assert_eq!(world.sql("SELECT email FROM users").trim(), ALICE);
}

#[test]
fn a_new_password_by_an_operator_is_told_without_a_place() {
    let (world, mailbox) = world("on");
    let mut change = world.command(&["changepassword", "alice", "--noinput"]);
    let done = change.env("COUNTERSIGN_PASSWORD", "an entirely new passphrase").status().unwrap();
    assert!(done.success());
    let mail = mailbox.wait_with(ALICE, CHANGED).whole;
    assert!(mail.contains("by those who run localhost"), "{mail}");
}

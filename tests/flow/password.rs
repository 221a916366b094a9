//! `POST /accounts/password`.

use countersign_e2e::{Browser, PASSWORD, Response, TestServer};
use serde_json::json;

const NEW: &str = "an entirely new passphrase";

fn change(browser: &Browser, old: &str, new: &str) -> Response {
    browser
        .request("POST", "/accounts/password")
        .json(&json!({"old_password": old, "new_password": new}))
        .send()
}

#[test]
fn a_new_password_ends_the_other_sessions_and_their_access_tokens_and_keeps_this_one() {
    let world = TestServer::start();
    world.user("alice");
    let (mut here, mut there) = (world.logged_in("alice"), world.logged_in("alice"));
    change(&here, PASSWORD, NEW).expect(204);
    there.get("/accounts/profile").expect_problem(401, "session_revoked");
    assert_eq!(
        there.refresh().expect_problem(401, "session_revoked").json()["reason"],
        "password_changed"
    );
    here.get("/accounts/profile").expect(200);
    here.refresh().expect(200);
    world.browser().login("alice").expect_problem(401, "invalid_credentials");
    world.browser().login_with("alice", NEW).expect(200);
}

#[test]
fn the_old_password_must_be_right_and_guesses_are_counted_with_failed_logins() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    browser.cookies.remove("devicetoken");
    for _ in 0..5 {
        let refused = change(&browser, "wrong", NEW).expect_problem(400, "validation_error");
        assert!(refused.json()["errors"]["old_password"].is_array());
    }
    change(&browser, "wrong", NEW).expect_problem(429, "throttled");
    world.browser().login("alice").expect_problem(429, "throttled");
}

#[test]
fn what_strangers_guess_does_not_keep_the_owner_from_changing_it_on_a_known_device() {
    let world = TestServer::start();
    world.user("alice");
    let owner = world.logged_in("alice");
    let mut stranger = owner.clone();
    stranger.cookies.remove("devicetoken");
    for _ in 0..6 {
        change(&stranger, "wrong", NEW);
    }
    change(&stranger, PASSWORD, NEW).expect_problem(429, "throttled");
    change(&owner, PASSWORD, NEW).expect(204);
}

#[test]
fn what_strangers_guess_does_not_keep_the_owner_from_changing_it_in_an_app() {
    let world = TestServer::start();
    world.user("alice");
    let mut app = world.native();
    let device = app.login("alice").expect(200).json()["device_token"].as_str().unwrap().to_owned();
    for _ in 0..6 {
        world.browser().login_with("alice", "wrong");
    }
    let change = |device: Option<&str>| {
        let body = json!({"old_password": PASSWORD, "new_password": NEW,
            "device_token": device.unwrap_or("a forgery")});
        app.request("POST", "/accounts/password").json(&body).send()
    };
    change(None).expect_problem(429, "throttled");
    change(Some(&device)).expect(204);
}

#[test]
fn a_weak_new_password_is_refused_with_every_reason() {
    let world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    for (weak, reasons) in
        [("12345", 3), ("password", 1), ("alice@example.com", 1), ("84629173", 1), ("short", 1)]
    {
        let errors = change(&browser, PASSWORD, weak)
            .expect_problem(400, "validation_error")
            .json()["errors"]["new_password"]
            .clone();
        assert_eq!(errors.as_array().map(Vec::len), Some(reasons), "{weak}: {errors}");
    }
    world.logged_in("alice");
}

#[test]
fn failed_logins_leave_no_guesses_at_the_old_password() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    browser.cookies.remove("devicetoken");
    for _ in 0..5 {
        world.browser().login_with("alice", "wrong").expect_problem(401, "invalid_credentials");
    }
    let refused = change(&browser, PASSWORD, NEW).expect_problem(429, "throttled");
    let wait = refused.header("retry-after").unwrap().parse().unwrap();
    world.clock().advance(std::time::Duration::from_secs(wait));
    change(&browser, PASSWORD, NEW).expect(204);
}

#[test]
fn a_change_that_is_refused_changes_nothing() {
    let world = TestServer::start();
    world.user("alice");
    let (here, there) = (world.logged_in("alice"), world.logged_in("alice"));
    let before = world.sql("SELECT password FROM users");
    let long = "x".repeat(1025);
    for (body, fields) in [
        (json!({}), &["new_password", "old_password"][..]),
        (json!({"old_password": PASSWORD}), &["new_password"]),
        (json!({"old_password": PASSWORD, "new_password": 5}), &["new_password"]),
        (json!({"old_password": PASSWORD, "new_password": ""}), &["new_password"]),
        (
            json!({"old_password": PASSWORD, "new_password": "a nul\u{0} in the middle"}),
            &["new_password"],
        ),
        (json!({"old_password": PASSWORD, "new_password": long}), &["new_password"]),
        (json!({"old_password": "wrong", "new_password": NEW}), &["old_password"]),
    ] {
        let refused = here
            .request("POST", "/accounts/password")
            .json(&body)
            .send()
            .expect_problem(400, "validation_error");
        assert_eq!(
            refused.json()["errors"].as_object().unwrap().keys().collect::<Vec<_>>(),
            fields,
            "{body}"
        );
    }
    assert_eq!(world.sql("SELECT password FROM users"), before);
    there.get("/accounts/profile").expect(200);
}

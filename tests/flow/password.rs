//! `POST /accounts/password`.

use countersign_e2e::{Browser, PASSWORD, Response, World};
use serde_json::json;

const NEW: &str = "an entirely new passphrase";

fn change(browser: &Browser, old: &str, new: &str) -> Response {
    browser.request("POST", "/accounts/password").json(&json!({"old_password": old, "new_password": new})).send()
}

#[test]
fn a_new_password_ends_the_other_sessions_and_their_access_tokens_and_keeps_this_one() {
    let world = World::start();
    world.user("alice");
    let (mut here, mut there) = (world.logged_in("alice"), world.logged_in("alice"));
    change(&here, PASSWORD, NEW).expect(204);
    there.get("/accounts/profile").expect_problem(401, "session_revoked");
    assert_eq!(there.refresh().expect_problem(401, "session_revoked").json()["reason"], "password_changed");
    here.get("/accounts/profile").expect(200);
    here.refresh().expect(200);
    world.browser().login("alice").expect_problem(401, "invalid_credentials");
    world.browser().login_with("alice", NEW).expect(200);
}

#[test]
fn the_old_password_must_be_right_and_guesses_are_counted_with_failed_logins() {
    let world = World::start();
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
    let world = World::start();
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
fn a_weak_new_password_is_refused_with_every_reason() {
    let world = World::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    for (weak, reasons) in [("12345", 3), ("password", 1), ("alice@example.com", 1), ("84629173", 1), ("short", 1)] {
        let errors = change(&browser, PASSWORD, weak).expect_problem(400, "validation_error").json()["errors"]["new_password"].clone();
        assert_eq!(errors.as_array().map(Vec::len), Some(reasons), "{weak}: {errors}");
    }
    world.logged_in("alice");
}

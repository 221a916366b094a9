//! `POST /accounts/logout`.

use std::time::Duration;

use countersign_e2e::{Forge, TestServer};
use serde_json::json;

#[test]
fn a_logout_kills_both_tokens_at_once_and_clears_the_cookies() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let mut kept = browser.clone();
    let answer = browser.logout().expect(204);
    assert!(answer.set_cookie("refreshtoken").unwrap().contains("Max-Age=0"));
    assert!(answer.set_cookie("csrftoken").unwrap().contains("Max-Age=0"));
    assert!(answer.set_cookie("devicetoken").is_none(), "the device stays known");
    kept.get("/accounts/profile").expect_problem(401, "session_revoked");
    assert_eq!(kept.refresh().expect_problem(401, "session_revoked").json()["reason"], "logout");
}

#[test]
fn a_logout_clears_the_cookies_in_every_form_that_other_settings_may_have_left() {
    let world = TestServer::builder().set("public_url", "https://id.example.com").start();
    let answer = world.request("POST", "/accounts/logout").send().expect(204);
    for form in [
        "__Host-refreshtoken=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
        "refreshtoken=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure",
        "refreshtoken=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure; Domain=example.com",
        "csrftoken=; Path=/; Max-Age=0; SameSite=Lax; Secure; Domain=id.example.com",
    ] {
        assert!(answer.all("set-cookie").any(|line| line == form), "{form}");
    }
}

#[test]
fn either_token_is_enough_even_when_it_has_expired() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    for hours in [0, 1, 8 * 24] {
        let by_cookie = world.logged_in("alice");
        let by_bearer = world.logged_in("alice");
        world.clock().advance(Duration::from_secs(hours * 3600));
        by_cookie
            .bare("POST", "/accounts/logout")
            .header("X-CSRFTOKEN", &by_cookie.csrf_token)
            .send()
            .expect(204);
        world
            .request("POST", "/accounts/logout")
            .bearer(&by_bearer.access_token)
            .send()
            .expect(204);
        assert_eq!(
            world.sql("SELECT count(*) FROM sessions WHERE revoked_at IS NULL").trim(),
            "0",
            "after {hours} hours"
        );
    }
}

#[test]
fn a_logout_is_idempotent() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let again = browser.clone();
    browser.logout().expect(204);
    browser.logout().expect(204);
    again
        .bare("POST", "/accounts/logout")
        .header("X-CSRFTOKEN", &again.csrf_token)
        .send()
        .expect(204);
    world.request("POST", "/accounts/logout").send().expect(204);
    world
        .request("POST", "/accounts/logout")
        .header("Cookie", "refreshtoken=garbage")
        .send()
        .expect(204);
}

#[test]
fn a_stale_header_beside_a_good_cookie_does_not_keep_the_session_alive() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let request = browser
        .bare("POST", "/accounts/logout")
        .bearer("stale")
        .header("X-CSRFTOKEN", &browser.csrf_token);
    request.send().expect(204);
    browser.refresh().expect_problem(401, "session_revoked");
}

#[test]
fn a_forged_token_ends_nothing() {
    let world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    let forge = Forge::of(&world);
    let claims = countersign_e2e::claims_of(&browser.access_token);
    world
        .request("POST", "/accounts/logout")
        .bearer(&forge.hs256(&claims, forge.public_key()))
        .send()
        .expect_problem(401, "token_invalid");
    world
        .request("POST", "/accounts/logout")
        .json(&json!({"refresh_token": "a.b.c"}))
        .send()
        .expect_problem(401, "refresh_token_invalid");
    browser.get("/accounts/profile").expect(200);
}

#[test]
fn a_form_of_another_site_clears_no_cookies() {
    let world = TestServer::start();
    world.user("alice");
    let refused =
        world.request("POST", "/accounts/logout").header("Origin", "https://evil.example").send();
    assert_eq!(refused.all("set-cookie").count(), 0);
    refused.expect_problem(403, "csrf_failed");
}

#[test]
fn a_logout_ends_this_session_and_no_other() {
    let world = TestServer::start();
    world.user("alice");
    world.user("bob");
    let (mut here, mut there, bob) =
        (world.logged_in("alice"), world.logged_in("alice"), world.logged_in("bob"));
    let mut native = world.native();
    native.login("alice").expect(200);
    here.logout().expect(204);
    there.get("/accounts/profile").expect(200);
    there.refresh().expect(200);
    bob.get("/accounts/profile").expect(200);
    native.refresh().expect(200);
}

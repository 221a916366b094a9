//! `POST /accounts/step-up`: the user proves again who they are, and the session goes on.

use std::time::Duration;

use countersign_e2e::{Browser, PASSWORD, Response, TestServer, claims_of};
use serde_json::{Value, json};

fn world() -> TestServer {
    TestServer::builder().virtual_time().start()
}

fn step_up(browser: &mut Browser, body: &Value) -> Response {
    let request = browser.request("POST", "/accounts/step-up").json(body);
    browser.send(&request)
}

#[test]
fn the_password_makes_a_session_as_new_as_a_login_without_another() {
    let world = world();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let before = claims_of(&alice.access_token);
    world.clock().advance(Duration::from_secs(3_600));
    alice.refresh().expect(200);
    assert_eq!(claims_of(&alice.access_token)["auth_time"], before["auth_time"]);
    let refresh_token = alice.refresh_token().to_owned();
    let answer = step_up(&mut alice, &json!({"password": PASSWORD})).expect(200);
    assert!(answer.json().get("refresh_token").is_none());
    let claims = claims_of(&alice.access_token);
    assert_eq!((&claims["sid"], &claims["amr"]), (&before["sid"], &json!(["pwd"])));
    assert!(claims["auth_time"].as_u64().unwrap() >= before["auth_time"].as_u64().unwrap() + 3_600);
    assert_eq!(alice.refresh_token(), refresh_token, "the refresh token stays as it is");
    alice.get("/accounts/profile").expect(200);
    alice.refresh().expect(200);
    assert_eq!(claims_of(&alice.access_token)["auth_time"], claims["auth_time"]);
    assert_eq!(world.sql("SELECT count(*) FROM sessions").trim(), "1");
}

#[test]
fn a_factor_adds_what_was_proved_to_what_was() {
    let world = world();
    world.user("alice");
    let enrolled = world.enrol(&mut world.logged_in("alice"));
    let mut device = world.browser();
    let token = device.first_step("alice");
    let body = json!({"code": world.code_of(&enrolled), "remember_device": true});
    device.second_step(&token, &body).expect(200);
    world.next_code();
    device.login("alice").expect(200);
    assert_eq!(claims_of(&device.access_token)["amr"], json!(["pwd"]));
    step_up(&mut device, &json!({"code": world.code_of(&enrolled)})).expect(200);
    assert_eq!(claims_of(&device.access_token)["amr"], json!(["pwd", "otp", "mfa"]));
    let again = json!({"code": world.code_of(&enrolled)});
    step_up(&mut device, &again).expect_problem(400, "validation_error");
    step_up(&mut device, &json!({"recovery_code": enrolled.codes[0]})).expect(200);
    let used = json!({"recovery_code": enrolled.codes[0]});
    step_up(&mut device, &used).expect_problem(400, "validation_error");
}

#[test]
fn the_password_is_no_way_around_a_factor_that_is_there() {
    let world = world();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let enrolled = world.enrol(&mut alice);
    let password = json!({"password": PASSWORD});
    step_up(&mut alice, &password).expect_problem(401, "factor_required");

    // What a device that is remembered begins has proved no factor, however new it is.
    let mut device = world.browser();
    let token = device.first_step("alice");
    let body = json!({"code": world.code_of(&enrolled), "remember_device": true});
    device.second_step(&token, &body).expect(200);
    world.next_code();
    device.login("alice").expect(200);
    let place = format!("/accounts/factors/{}", enrolled.id);
    for (method, path) in [
        ("DELETE", place.as_str()),
        ("POST", "/accounts/factors/recovery-codes"),
        ("POST", "/accounts/factors/totp"),
        ("POST", "/accounts/passkeys/register/begin"),
    ] {
        device.request(method, path).send().expect_problem(401, "factor_required");
    }
    let code = json!({"code": "123456"});
    let request = device.request("POST", "/accounts/factors/totp/confirm").json(&code);
    device.send(&request).expect_problem(401, "factor_required");
    step_up(&mut device, &password).expect_problem(401, "factor_required");
    step_up(&mut device, &json!({"code": world.code_of(&enrolled)})).expect(200);
    device.request("POST", "/accounts/factors/totp").send().expect(201);
    device.request("DELETE", &place).send().expect(204);
    step_up(&mut device, &password).expect(200);
}

#[test]
fn a_password_makes_no_old_factor_new() {
    let world = world();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let enrolled = world.enrol(&mut alice);
    let place = format!("/accounts/factors/{}", enrolled.id);
    alice.request("DELETE", &place).send().expect(204);
    world.clock().advance(Duration::from_secs(3_600));
    alice.refresh().expect(200);
    step_up(&mut alice, &json!({"password": PASSWORD})).expect(200);
    assert_eq!(claims_of(&alice.access_token)["amr"], json!(["pwd"]));
    // The one that is enrolled elsewhere is not to be gone around.
    world.passkey(&mut world.logged_in("alice"));
    for path in ["/accounts/factors/totp", "/accounts/passkeys/register/begin"] {
        alice.request("POST", path).send().expect_problem(401, "factor_required");
    }
}

#[test]
fn a_passkey_proves_again_who_it_is_once_for_each_challenge() {
    let world = world();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let (mut key, _) = world.passkey(&mut alice);
    world.clock().advance(Duration::from_secs(901));
    alice.refresh().expect(200);
    alice
        .request("GET", "/accounts/profile/export")
        .send()
        .expect_problem(401, "recent_login_required");
    let body = json!({"passkey": key.sign(&alice.passkey_options())});
    step_up(&mut alice, &body).expect(200);
    alice.request("GET", "/accounts/profile/export").send().expect(200);
    step_up(&mut alice, &body).expect_problem(400, "validation_error");
    // Somebody else's is none of theirs.
    world.user("bob");
    let (mut of_bob, _) = world.passkey(&mut world.logged_in("bob"));
    let body = json!({"passkey": of_bob.sign(&alice.passkey_options())});
    step_up(&mut alice, &body).expect_problem(400, "validation_error");
}

#[test]
fn wrong_proofs_are_counted_and_prove_nothing() {
    let world = world();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let before = claims_of(&alice.access_token)["auth_time"].clone();
    world.clock().advance(Duration::from_secs(60));
    for body in [
        json!({"password": "wrong"}),
        json!({"code": "123456"}),
        json!({"recovery_code": "abcde-fgh12"}),
        json!({}),
        json!({"password": PASSWORD, "code": "123456"}),
    ] {
        step_up(&mut alice, &body).expect_problem(400, "validation_error");
    }
    alice.refresh().expect(200);
    assert_eq!(claims_of(&alice.access_token)["auth_time"], before);
    for _ in 0..3 {
        step_up(&mut alice, &json!({"password": "wrong"})).expect_problem(400, "validation_error");
    }
    step_up(&mut alice, &json!({"password": "wrong"})).expect_problem(400, "validation_error");
    step_up(&mut alice, &json!({"password": PASSWORD})).expect_problem(429, "throttled");
}

#[test]
fn it_is_a_write_and_needs_the_countersign() {
    let world = world();
    world.user("alice");
    let alice = world.logged_in("alice");
    let body = json!({"password": PASSWORD});
    let bare = alice.bare("POST", "/accounts/step-up").bearer(&alice.access_token).json(&body);
    bare.send().expect_problem(403, "csrf_failed");
    world
        .request("POST", "/accounts/step-up")
        .json(&body)
        .send()
        .expect_problem(401, "not_authenticated");
}

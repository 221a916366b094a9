//! `POST /accounts/passkeys/register/begin` and `…/finish`.

use std::time::Duration;

use countersign_e2e::{Mailbox, SoftKey, TestServer, claims_of, eventually};
use serde_json::{Value, json};

/// Bends what a device says.
type Bend = fn(&mut SoftKey);

fn world() -> TestServer {
    TestServer::builder().virtual_time().start()
}

/// What the browser is told to make.
fn options(browser: &countersign_e2e::Browser) -> Value {
    let begun = browser.request("POST", "/accounts/passkeys/register/begin").send().expect(200);
    assert_eq!(begun.header("cache-control"), Some("no-store"));
    begun.json()["options"].clone()
}

fn finish(browser: &countersign_e2e::Browser, passkey: &Value) -> countersign_e2e::Response {
    let request = browser.request("POST", "/accounts/passkeys/register/finish");
    request.json(&json!({"passkey": passkey})).send()
}

#[test]
fn a_passkey_is_registered_named_and_brings_recovery_codes() {
    let world = world();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let asked = options(&browser);
    assert_eq!(asked["rp"]["id"], "localhost");
    assert_eq!(asked["attestation"], "none");
    assert_eq!(asked["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(asked["timeout"], 300_000);
    let (_, made) = world.passkey(&mut browser);
    assert_eq!(made["factor"]["kind"], "passkey");
    assert_eq!(made["factor"]["name"], "a key");
    assert_eq!(made["factor"]["is_backed_up"], false);
    assert_eq!(made["recovery_codes"].as_array().unwrap().len(), 10);
    let claims = claims_of(&browser.access_token);
    assert_eq!(claims["amr"], json!(["pwd", "hwk", "mfa"]));
    // A second one is no second first one, and the first is not asked for again.
    let (key, second) = world.passkey(&mut browser);
    assert!(second.get("recovery_codes").is_none());
    let asked = options(&browser);
    assert_eq!(asked["excludeCredentials"].as_array().unwrap().len(), 2);
    assert_eq!(asked["user"]["id"], key.handle());
    let listed = browser.get("/accounts/factors").expect(200).json();
    assert_eq!(listed["factors"].as_array().unwrap().len(), 2);
    assert_eq!(listed["recovery_codes_left"], 10);
}

#[test]
fn the_handle_says_nothing_of_the_user_and_is_another_for_another() {
    let world = world();
    world.user("alice");
    world.user("bob");
    let of = |name: &str| options(&world.logged_in(name))["user"]["id"].clone();
    let (alice, bob) = (of("alice"), of("bob"));
    assert_ne!(alice, bob);
    assert_eq!(alice, of("alice"));
    assert_eq!(alice.as_str().unwrap().len(), 22, "16 bytes");
}

#[test]
fn a_passkey_of_another_page_or_domain_or_without_a_finger_is_not_registered() {
    let world = world();
    world.user("alice");
    let browser = world.logged_in("alice");
    let bent: [(&str, Bend); 4] = [
        ("another page", |key| key.origin = "https://evil.example".to_owned()),
        ("another port", |key| key.origin = "http://localhost:1".to_owned()),
        ("another domain", |key| key.rp_id = Some("evil.example".to_owned())),
        ("without a finger", |key| key.verifies_user = false),
    ];
    for (what, bend) in bent {
        let mut key = SoftKey::new(&world);
        bend(&mut key);
        let asked = options(&browser);
        let refused = finish(&browser, &key.make(&asked));
        refused.expect_problem(400, "validation_error");
        assert_eq!(browser.get("/accounts/factors").json()["factors"], json!([]), "{what}");
        // It was the device, and not the challenge.
        finish(&browser, &SoftKey::new(&world).make(&asked)).expect(200);
        world.sql("DELETE FROM factors");
    }
    for nonsense in [json!({}), json!({"id": "AQID", "rawId": "AQID"})] {
        finish(&browser, &nonsense).expect_problem(400, "validation_error");
    }
}

#[test]
fn a_challenge_registers_one_passkey_for_five_minutes_and_for_who_asked() {
    let world = world();
    world.user("alice");
    world.user("bob");
    let (mut alice, bob) = (world.logged_in("alice"), world.logged_in("bob"));
    let asked = options(&alice);
    let key = |asked: &Value| SoftKey::new(&world).make(asked);
    finish(&bob, &key(&asked)).expect_problem(400, "validation_error");
    finish(&alice, &key(&asked)).expect(200);
    // Who has a factor now says so.
    alice.refresh().expect(200);
    finish(&alice, &key(&asked)).expect_problem(400, "validation_error");
    let late = options(&alice);
    world.clock().advance(Duration::from_secs(300));
    finish(&alice, &key(&late)).expect_problem(401, "token_expired");
    alice.refresh().expect(200);
    finish(&alice, &key(&late)).expect_problem(400, "validation_error");
    // What a login signs registers nothing.
    let for_a_login = world.browser().passkey_options();
    finish(&alice, &key(&for_a_login)).expect_problem(400, "validation_error");
}

#[test]
fn who_begins_again_and_again_leaves_no_more_than_a_few_challenges() {
    let world = world();
    world.user("alice");
    world.user("bob");
    let (alice, bob) = (world.logged_in("alice"), world.logged_in("bob"));
    let of_bob = options(&bob);
    let asked: Vec<Value> = (0..30).map(|_| options(&alice)).collect();
    let count = "SELECT count(*) FROM passkey_challenges WHERE user_id = 1";
    assert_eq!(world.sql(count).trim(), "4");
    finish(&alice, &SoftKey::new(&world).make(&asked[0])).expect_problem(400, "validation_error");
    finish(&alice, &SoftKey::new(&world).make(&asked[29])).expect(200);
    finish(&bob, &SoftKey::new(&world).make(&of_bob)).expect(200);
}

#[test]
fn a_passkey_that_somebody_has_is_not_registered_again() {
    let world = world();
    world.user("alice");
    world.user("bob");
    let mut key = SoftKey::new(&world);
    world.logged_in("alice").register(&mut key, "mine").expect(200);
    world.logged_in("bob").register(&mut key, "mine").expect_problem(409, "conflict");
    let listed = world.logged_in("bob").get("/accounts/factors").expect(200).json();
    assert_eq!(listed["factors"], json!([]));
}

#[test]
fn who_logged_in_long_ago_proves_again_who_it_is() {
    let world = world();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.clock().advance(Duration::from_secs(901));
    browser.refresh().expect(200);
    for path in ["begin", "finish"] {
        let path = format!("/accounts/passkeys/register/{path}");
        let asked = browser.request("POST", &path).json(&json!({"passkey": {}})).send();
        asked.expect_problem(401, "recent_login_required");
    }
}

#[test]
fn a_new_passkey_is_told_of_by_mail_and_in_the_audit_log() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().virtual_time().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    world.passkey(&mut world.logged_in("alice"));
    mailbox.wait_with("alice@example.com", "A second factor was added to your account");
    eventually("it is in the audit log", || {
        let lines = "SELECT kind, detail FROM audit_events WHERE kind = 'factor_added'";
        world.sql(lines).trim() == "factor_added|passkey"
    });
}

#[test]
fn who_must_have_a_factor_may_enrol_a_passkey() {
    let world = TestServer::builder().virtual_time().set("second_factor", "required").start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    browser.get("/accounts/profile").expect_problem(403, "enrolment_required");
    let (mut key, _) = world.passkey(&mut browser);
    browser.get("/accounts/profile").expect(200);
    world.browser().login_with_passkey(&mut key).expect(200);
    let id = browser.get("/accounts/factors").json()["factors"][0]["id"].clone();
    let path = format!("/accounts/factors/{}", id.as_str().unwrap());
    browser.request("DELETE", &path).send().expect_problem(409, "conflict");
}

#[test]
fn a_server_that_has_an_address_and_no_domain_has_no_passkeys() {
    let world = TestServer::builder().set("public_url", "http://127.0.0.1:8000").start();
    for path in ["/accounts/login/passkey/begin", "/accounts/login/passkey/finish"] {
        world.request("POST", path).json(&json!({})).send().expect_problem(404, "not_found");
    }
    world.get("/.well-known/webauthn").expect_problem(404, "not_found");
}

//! `POST /accounts/factors/totp` and `…/confirm`.

use std::time::Duration;

use countersign_e2e::{Authenticator, Mailbox, TestServer, eventually};
use serde_json::json;

fn world() -> TestServer {
    TestServer::builder().virtual_time().start()
}

#[test]
fn an_app_reads_the_secret_from_the_text_the_link_or_the_picture() {
    let world = world();
    world.user("alice");
    let browser = world.logged_in("alice");
    let body = json!({"name": "Alice's phone"});
    let offered = browser.request("POST", "/accounts/factors/totp").json(&body).send().expect(201);
    assert_eq!(offered.header("cache-control"), Some("no-store"));
    let json = offered.json();
    let (secret, uri) = (offered.text_at("secret"), offered.text_at("uri"));
    assert!(uri.starts_with("otpauth://totp/localhost:alice%40example.com?secret="), "{uri}");
    assert!(uri.contains(&secret.replace(' ', "")), "{uri}");
    assert!(json["qr"].as_str().unwrap().starts_with("<svg "));
    // Nobody is asked for it before it is confirmed.
    assert_eq!(browser.get("/accounts/factors").expect(200).json()["factors"], json!([]));
    world.browser().login("alice").expect(200);
    let app = Authenticator::offered(&offered);
    let code = json!({"code": app.code(world.clock().seconds())});
    let enrolled = browser.request("POST", "/accounts/factors/totp/confirm").json(&code).send();
    let enrolled = enrolled.expect(200).json();
    assert_eq!(enrolled["factor"]["name"], "Alice's phone");
    assert_eq!(enrolled["factor"]["id"], json["id"]);
    assert_eq!(enrolled["recovery_codes"].as_array().unwrap().len(), 10);
    world.browser().first_step("alice");
}

#[test]
fn a_wrong_code_enrols_nothing_and_the_right_one_does_still() {
    let world = world();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let before = browser.clone();
    let confirm = |code: &str| {
        let request = before.request("POST", "/accounts/factors/totp/confirm");
        request.json(&json!({"code": code})).send()
    };
    confirm("123456").expect_problem(409, "conflict");
    let offered = browser.request("POST", "/accounts/factors/totp").send().expect(201);
    let app = Authenticator::offered(&offered);
    let now = world.clock().seconds();
    let right = app.code(now);
    for wrong in [app.code(now + 90), app.code(now - 90), "abc".to_owned()] {
        if wrong != right {
            confirm(&wrong).expect_problem(400, "validation_error");
        }
    }
    world.browser().login("alice").expect(200);
    let enrolled = confirm(&right).expect(200);
    confirm(&right).expect_problem(401, "factor_required");
    browser.access_token = enrolled.text_at("access_token");
    let again = browser.request("POST", "/accounts/factors/totp/confirm");
    again.json(&json!({"code": right})).send().expect_problem(409, "conflict");
}

#[test]
fn the_code_that_enrolled_logs_nobody_in() {
    let world = world();
    world.user("alice");
    let browser = world.logged_in("alice");
    let offered = browser.request("POST", "/accounts/factors/totp").send().expect(201);
    let app = Authenticator::offered(&offered);
    let code = json!({"code": app.code(world.clock().seconds())});
    browser.request("POST", "/accounts/factors/totp/confirm").json(&code).send().expect(200);
    let mut other = world.browser();
    let token = other.first_step("alice");
    other.second_step(&token, &code).expect_problem(401, "factor_invalid");
}

#[test]
fn a_secret_waits_for_an_hour_and_a_newer_one_takes_its_place() {
    let world = TestServer::builder().virtual_time().set("recent_login", "1d").start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let offer = |browser: &countersign_e2e::Browser| {
        let offered = browser.request("POST", "/accounts/factors/totp").send();
        Authenticator::offered(&offered.expect(201))
    };
    let confirm = |browser: &countersign_e2e::Browser, app: &Authenticator| {
        let code = json!({"code": app.code(world.clock().seconds())});
        browser.request("POST", "/accounts/factors/totp/confirm").json(&code).send()
    };
    let (first, second) = (offer(&browser), offer(&browser));
    confirm(&browser, &first).expect_problem(400, "validation_error");
    world.clock().advance(Duration::from_secs(3_601));
    browser.refresh().expect(200);
    confirm(&browser, &second).expect_problem(409, "conflict");
    let third = offer(&browser);
    confirm(&browser, &third).expect(200);
}

#[test]
fn who_logged_in_long_ago_proves_again_who_it_is() {
    let world = world();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.clock().advance(Duration::from_secs(901));
    browser.refresh().expect(200);
    for path in ["/accounts/factors/totp", "/accounts/factors/totp/confirm"] {
        let asked = browser.request("POST", path).json(&json!({"code": "123456"})).send();
        let asked = asked.expect_problem(401, "recent_login_required");
        assert!(asked.header("www-authenticate").unwrap().contains("max_age=900"));
    }
}

#[test]
fn a_new_factor_is_told_of_by_mail_and_in_the_audit_log() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().virtual_time().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    world.enrol(&mut world.logged_in("alice"));
    let mail = mailbox.wait_for("alice@example.com", 1);
    assert_eq!(mail.subject(), "A second factor was added to your account");
    eventually("it is in the audit log", || {
        let lines = "SELECT kind, detail FROM audit_events WHERE kind = 'factor_added'";
        world.sql(lines).trim() == "factor_added|totp"
    });
}

#[test]
fn no_secret_lies_in_the_database_as_it_is() {
    let world = world();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let alice = world.enrol(&mut browser);
    let rows = world.sql("SELECT hex(sealed), last_step FROM factors");
    let codes = world.sql("SELECT hex(hash) FROM recovery_codes");
    assert_eq!(codes.lines().count(), 10);
    assert!(rows.len() > 60);
    let spelled: String =
        alice.codes[0].replace('-', "").bytes().map(|b| format!("{b:02X}")).collect();
    assert!(!codes.contains(&spelled));
}

#[test]
fn a_user_has_twenty_factors_and_no_more() {
    let world = world();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    for _ in 0..20 {
        world.enrol(&mut browser);
    }
    for path in ["factors/totp", "passkeys/register/begin"] {
        let request = browser.request("POST", &format!("/accounts/{path}"));
        let refused = request.send().expect_problem(409, "conflict");
        assert!(refused.text().contains("You have 20 second factors."), "{}", refused.text());
    }
}

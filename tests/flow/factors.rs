//! `GET /accounts/factors`, `PATCH` and `DELETE /accounts/factors/{id}`, and `POST
//! /accounts/factors/recovery-codes`.

use std::time::Duration;

use countersign_e2e::{Mailbox, TestServer, eventually};
use serde_json::json;

fn world() -> TestServer {
    TestServer::builder().virtual_time().start()
}

#[test]
fn a_user_sees_and_names_their_own_factors_and_nobody_elses() {
    let world = world();
    world.user("alice");
    world.user("bob");
    let (mut alice, mut bob) = (world.logged_in("alice"), world.logged_in("bob"));
    let of_alice = world.enrol(&mut alice);
    world.enrol(&mut bob);
    let listed = alice.get("/accounts/factors").expect(200).json();
    assert_eq!(listed["factors"].as_array().unwrap().len(), 1);
    assert_eq!(listed["factors"][0]["kind"], "totp");
    assert_eq!((&listed["recovery_codes_left"], &listed["required"]), (&json!(10), &json!(false)));
    let place = format!("/accounts/factors/{}", of_alice.id);
    let name = |name: &str| json!({"name": name});
    let named = alice.request("PATCH", &place).json(&name("Alice's phone")).send().expect(200);
    assert_eq!(named.json()["name"], "Alice's phone");
    let taken_away = alice.request("PATCH", &place).json(&name("")).send().expect(200);
    assert_eq!(taken_away.json()["name"], json!(null));
    bob.request("PATCH", &place).json(&name("mine")).send().expect_problem(404, "not_found");
    bob.request("DELETE", &place).send().expect_problem(404, "not_found");
    for id in ["0000000000000007", "nonsense", "%00", "../totp"] {
        let place = format!("/accounts/factors/{id}");
        let refused = alice.request("DELETE", &place).send();
        assert!([404, 405].contains(&refused.status), "{id}: {}", refused.status);
    }
    alice.request("PATCH", &place).json(&name(&"a".repeat(300))).send().expect(400);
}

#[test]
fn with_the_last_factor_the_recovery_codes_go_and_the_password_is_enough_again() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().virtual_time().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let (first, second) = (world.enrol(&mut alice), world.enrol(&mut alice));
    assert!(second.codes.is_empty(), "the codes are those of the first");
    let remove = |id: &str| alice.request("DELETE", &format!("/accounts/factors/{id}")).send();
    remove(&first.id).expect(204);
    remove(&first.id).expect_problem(404, "not_found");
    let listed = alice.get("/accounts/factors").expect(200).json();
    assert_eq!(listed["recovery_codes_left"], 10);
    let mut browser = world.browser();
    let token = browser.first_step("alice");
    let of_the_first = json!({"code": world.code_of(&first)});
    browser.second_step(&token, &of_the_first).expect_problem(401, "factor_invalid");
    browser.second_step(&token, &json!({"code": world.code_of(&second)})).expect(200);
    remove(&second.id).expect(204);
    let listed = alice.get("/accounts/factors").expect(200).json();
    assert_eq!((&listed["factors"], &listed["recovery_codes_left"]), (&json!([]), &json!(0)));
    world.browser().login("alice").expect(200);
    let removed = "A second factor was removed from your account";
    eventually("each removal is told", || {
        mailbox.to("alice@example.com").iter().filter(|mail| mail.subject() == removed).count() == 2
    });
}

#[test]
fn who_must_have_one_keeps_the_last() {
    let world = TestServer::builder().virtual_time().set("second_factor", "required").start();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let (first, second) = (world.enrol(&mut alice), world.enrol(&mut alice));
    let remove = |id: &str| alice.request("DELETE", &format!("/accounts/factors/{id}")).send();
    remove(&first.id).expect(204);
    remove(&second.id).expect_problem(409, "conflict");
    assert_eq!(alice.get("/accounts/factors").expect(200).json()["factors"][0]["id"], second.id);
}

#[test]
fn a_list_of_staff_and_groups_must_have_one_and_the_others_need_not() {
    let world = TestServer::builder().virtual_time().set("second_factor", "staff").start();
    world.superuser("root");
    world.user("alice");
    let scope = |name: &str| {
        let login = world.browser().login(name).expect(200);
        countersign_e2e::claims_of(&login.text_at("access_token")).get("scope").cloned()
    };
    assert_eq!((scope("root"), scope("alice")), (Some(json!("enrol")), None));
}

#[test]
fn new_recovery_codes_end_the_old_ones() {
    let world = world();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let renew = |browser: &countersign_e2e::Browser| {
        browser.request("POST", "/accounts/factors/recovery-codes").send()
    };
    renew(&alice).expect_problem(409, "conflict");
    let enrolled = world.enrol(&mut alice);
    let new = renew(&alice).expect(201).json();
    let new = new["recovery_codes"].as_array().unwrap();
    assert_eq!(new.len(), 10);
    let mut browser = world.browser();
    let token = browser.first_step("alice");
    let old = json!({"recovery_code": enrolled.codes[0]});
    browser.second_step(&token, &old).expect_problem(401, "factor_invalid");
    browser.second_step(&token, &json!({"recovery_code": new[0]})).expect(200);
}

#[test]
fn what_is_dangerous_needs_a_login_of_the_last_minutes() {
    let world = world();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let enrolled = world.enrol(&mut alice);
    world.clock().advance(Duration::from_secs(901));
    alice.refresh().expect(200);
    let place = format!("/accounts/factors/{}", enrolled.id);
    alice.request("DELETE", &place).send().expect_problem(401, "recent_login_required");
    alice
        .request("POST", "/accounts/factors/recovery-codes")
        .send()
        .expect_problem(401, "recent_login_required");
    // To read and to name is not dangerous.
    alice.get("/accounts/factors").expect(200);
    let code = json!({"code": world.code_of(&enrolled)});
    let request = alice.request("POST", "/accounts/step-up").json(&code);
    alice.send(&request).expect(200);
    alice.request("DELETE", &place).send().expect(204);
}

#[test]
fn who_is_deleted_leaves_no_factor_behind() {
    let world = world();
    world.user("alice");
    world.enrol(&mut world.logged_in("alice"));
    world.cli(&["user", "delete", "alice", "--noinput"]).ok();
    for table in ["factors", "recovery_codes", "factor_owners"] {
        assert_eq!(world.sql(&format!("SELECT count(*) FROM {table}")).trim(), "0", "{table}");
    }
}

//! `GET /accounts/factors`, `PATCH` and `DELETE /accounts/factors/{id}`, and `POST
//! /accounts/factors/recovery-codes`.

use std::time::Duration;

use countersign_e2e::{Authenticator, Mailbox, SoftKey, TestServer, claims_of, eventually};
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
fn a_session_that_a_removed_passkey_began_enrols_no_other() {
    let world = world();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let (mut stolen, made) = world.passkey(&mut alice);
    world.passkey(&mut alice);
    let mut thief = world.browser();
    thief.login_with_passkey(&mut stolen).expect(200);
    let begin = "/accounts/passkeys/register/begin";
    let asked = thief.request("POST", begin).send().expect(200).json();
    let another = json!({"passkey": SoftKey::new(&world).make(&asked["options"])});
    let place = format!("/accounts/factors/{}", made["factor"]["id"].as_str().unwrap());
    alice.request("DELETE", &place).send().expect(204);
    for path in [begin, "/accounts/factors/totp", "/accounts/factors/recovery-codes"] {
        thief.request("POST", path).send().expect_problem(401, "session_revoked");
    }
    let finish = thief.request("POST", "/accounts/passkeys/register/finish").json(&another);
    finish.send().expect_problem(401, "session_revoked");
    let ended = thief.refresh().expect_problem(401, "session_revoked").json();
    assert_eq!(ended["reason"], "factor_removed");
    alice.get("/accounts/profile").expect(200);
    alice.refresh().expect(200);
}

#[test]
fn a_token_that_names_a_factor_that_is_gone_changes_none() {
    let world = world();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let lost = world.enrol(&mut alice);
    let offered = alice.request("POST", "/accounts/factors/totp").send().expect(201);
    let place = format!("/accounts/factors/{}", lost.id);
    alice.request("DELETE", &place).send().expect(204);
    let mut other = world.logged_in("alice");
    let (_, made) = world.passkey(&mut other);
    // For the five minutes of its life the token says what was.
    assert_eq!(claims_of(&alice.access_token)["amr"], json!(["pwd", "otp", "mfa"]));
    let app = Authenticator::offered(&offered);
    let code = json!({"code": app.code(world.clock().seconds())});
    let confirm = alice.request("POST", "/accounts/factors/totp/confirm").json(&code);
    confirm.send().expect_problem(401, "factor_required");
    let codes = alice.request("POST", "/accounts/factors/recovery-codes").send();
    codes.expect_problem(401, "factor_required");
    let place = format!("/accounts/factors/{}", made["factor"]["id"].as_str().unwrap());
    alice.request("DELETE", &place).send().expect_problem(401, "factor_required");
    alice.refresh().expect(200);
    assert_eq!(claims_of(&alice.access_token)["amr"], json!(["pwd"]));
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
        claims_of(&login.text_at("access_token")).get("scope").cloned()
    };
    assert_eq!((scope("root"), scope("alice")), (Some(json!("enrol")), None));
}

#[test]
fn who_has_lost_the_phone_is_helped_by_a_code_and_by_operators_and_each_is_told_and_written_down() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().virtual_time().set("mail_url", &mailbox.url()).start();
    world.superuser("root");
    let alice = world.user("alice");
    let told = |subject: &str, many: usize| {
        eventually(&format!("{many} mails say {subject:?}"), || {
            let mails = mailbox.to("alice@example.com");
            mails.iter().filter(|mail| mail.subject() == subject).count() == many
        });
    };
    let written_down = |what: &str, by: &str| {
        eventually(&format!("{what} by {by} is in the audit log"), || {
            let lines = format!(
                "SELECT count(*) FROM audit_events WHERE kind = '{what}' AND user_id = {alice} \
                 AND {by}"
            );
            world.sql(&lines).trim() == "1"
        });
    };
    let lost = world.enrol(&mut world.logged_in("alice"));

    // By themselves.
    let mut browser = world.browser();
    let token = browser.first_step("alice");
    browser.second_step(&token, &json!({"recovery_code": lost.codes[0]})).expect(200);
    told("A recovery code of your account was used", 1);
    written_down("recovery_code_used", "actor IS NULL");
    let place = format!("/accounts/factors/{}", lost.id);
    browser.request("DELETE", &place).send().expect(204);
    told("A second factor was removed from your account", 1);
    written_down("factor_removed", "actor IS NULL");
    world.enrol(&mut browser);

    // By whoever has a shell.
    world.cli(&["factor", "reset", "alice", "--noinput"]).ok();
    told("A second factor was removed from your account", 2);
    written_down("factors_reset", "actor LIKE 'shell%'");
    browser.get("/accounts/profile").expect_problem(401, "session_revoked");
    let mut browser = world.logged_in("alice");
    world.enrol(&mut browser);

    // By whoever is at the admin site.
    let mut desk = world.desk();
    desk.sign_in("root").sends_to("/admin/");
    let page = format!("/admin/users/{alice}/factors");
    desk.get(&page).says(200, "Recovery codes left: 10.");
    desk.post(&page, &[]).sends_to(&format!("/admin/users/{alice}/?said=factors"));
    told("A second factor was removed from your account", 3);
    written_down("factors_reset", "actor IS NULL AND actor_id = 1");
    world.logged_in("alice");
}

#[test]
fn new_recovery_codes_end_the_old_ones_and_the_user_is_told() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().virtual_time().set("mail_url", &mailbox.url()).start();
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
    mailbox.wait_with("alice@example.com", "New recovery codes were made for your account");
    eventually("it is in the audit log", || {
        let lines = "SELECT count(*) FROM audit_events WHERE kind = 'recovery_codes_made'";
        world.sql(lines).trim() == "1"
    });
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

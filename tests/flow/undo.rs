//! `POST /accounts/undo`, and the page `/account/undo`.

use countersign_e2e::{Browser, Mailbox, PASSWORD, Response, TestServer};
use serde_json::{Value, json};

const OLD: &str = "alice@example.com";
const TO_NEW: &str = "Confirm your new e-mail address";
const TO_OLD: &str = "The e-mail address of your account is changing";
const NEW: &str = "an entirely new passphrase";

fn world(verification: &str) -> (TestServer, Mailbox) {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("registration", "open")
        .set("email_verification", verification)
        .start();
    world.user("alice");
    (world, mailbox)
}

fn undo(world: &TestServer, token: &str) -> Response {
    world.request("POST", "/accounts/undo").json(&json!({"token": token})).send()
}

/// Asks for another address and confirms it.
fn change(browser: &mut Browser, mailbox: &Mailbox, email: &str) {
    let body = json!({"email": email, "password": PASSWORD});
    let request = browser.request("POST", "/accounts/email/change").json(&body);
    browser.send(&request).expect(202);
    let body = json!({"token": mailbox.wait_with(email, TO_NEW).token()});
    let request = browser.bare("POST", "/accounts/email/change/confirm").json(&body);
    browser.send(&request).expect(204);
}

fn reset(world: &TestServer, mailbox: &Mailbox) {
    let body = json!({"email": OLD});
    world.request("POST", "/accounts/password/reset").json(&body).send().expect(202);
    let token = mailbox.wait_with(OLD, "Choose a new password").token();
    let body = json!({"token": token, "new_password": NEW});
    world.request("POST", "/accounts/password/reset/confirm").json(&body).send().expect(204);
}

fn user(world: &TestServer, password: &str) -> Value {
    world.browser().login_with("alice", password).expect(200).json()["user"].clone()
}

#[test]
fn whoever_took_the_address_and_the_password_too_is_out_and_the_owner_has_both_again() {
    let (world, mailbox) = world("optional");
    let mut thief = world.logged_in("alice");
    change(&mut thief, &mailbox, "thief@example.net");
    let stolen = json!({"old_password": PASSWORD, "new_password": "the passphrase of a thief"});
    let request = thief.request("POST", "/accounts/password").json(&stolen);
    thief.send(&request).expect(204);
    undo(&world, &mailbox.wait_with(OLD, TO_OLD).token()).expect(204);
    thief.get("/accounts/profile").expect_problem(401, "session_revoked");
    for password in [PASSWORD, "the passphrase of a thief"] {
        let mut browser = world.browser();
        browser.login_with("alice", password).expect_problem(401, "invalid_credentials");
    }
    reset(&world, &mailbox);
    let user = user(&world, NEW);
    assert_eq!((&user["email"], &user["email_verified"]), (&json!(OLD), &json!(true)));
}

#[test]
fn a_factor_of_the_thief_goes_and_one_that_the_owner_has_had_for_longer_stays() {
    for had_own in [false, true] {
        let mailbox = Mailbox::new();
        let world = TestServer::builder().set("mail_url", &mailbox.url()).virtual_time().start();
        world.user("alice");
        world.sql("UPDATE users SET email_verified = 1");
        let mut thief = world.logged_in("alice");
        if had_own {
            world.enrol(&mut thief);
            world.sql("UPDATE factors SET confirmed_at = confirmed_at - 8 * 24 * 3600 * 1000000");
        }
        world.enrol(&mut thief);
        change(&mut thief, &mailbox, "thief@example.net");
        undo(&world, &mailbox.wait_with(OLD, TO_OLD).token()).expect(204);
        reset(&world, &mailbox);
        let login = world.browser().login_with("alice", NEW);
        match had_own {
            true => drop(login.expect_problem(401, "second_factor_required")),
            false => drop(login.expect(200)),
        }
        let left = world.sql("SELECT count(*) FROM factors");
        assert_eq!(left.trim(), if had_own { "1" } else { "0" });
    }
}

#[test]
fn recovery_codes_that_a_thief_made_go() {
    for are_made in [true, false] {
        let mailbox = Mailbox::new();
        let world = TestServer::builder().set("mail_url", &mailbox.url()).virtual_time().start();
        world.user("alice");
        world.sql("UPDATE users SET email_verified = 1");
        let mut thief = world.logged_in("alice");
        let owners = world.enrol(&mut thief);
        world.sql("UPDATE factors SET confirmed_at = confirmed_at - 8 * 24 * 3600 * 1000000");
        let mut code = owners.codes[0].clone();
        if are_made {
            let made = thief.request("POST", "/accounts/factors/recovery-codes").send();
            made.expect(201).json()["recovery_codes"][0].as_str().unwrap().clone_into(&mut code);
        } else {
            world.sql("UPDATE recovery_codes SET made_at = made_at - 8 * 24 * 3600 * 1000000");
        }
        change(&mut thief, &mailbox, "thief@example.net");
        undo(&world, &mailbox.wait_with(OLD, TO_OLD).token()).expect(204);
        let left = world.sql("SELECT count(*) FROM recovery_codes");
        assert_eq!(left.trim(), if are_made { "0" } else { "10" });
        reset(&world, &mailbox);
        let mut browser = world.browser();
        let asked = browser.login_with("alice", NEW).expect_problem(401, "second_factor_required");
        let token = asked.text_at("pending_token");
        let entered = browser.second_step(&token, &json!({"recovery_code": code}));
        if are_made {
            entered.expect_problem(401, "factor_invalid");
            browser.second_step(&token, &json!({"code": world.code_of(&owners)})).expect(200);
        } else {
            entered.expect(200);
        }
    }
}

#[test]
fn a_second_change_and_its_undo_do_not_keep_the_owner_out() {
    let (world, mailbox) = world("optional");
    let mut thief = world.logged_in("alice");
    change(&mut thief, &mailbox, "one@example.net");
    change(&mut thief, &mailbox, "two@example.net");
    let owners = mailbox.wait_with(OLD, TO_OLD).token();
    let thiefs = mailbox.wait_with("one@example.net", TO_OLD).token();
    undo(&world, &thiefs).expect(204);
    undo(&world, &owners).expect(204);
    undo(&world, &owners).expect_problem(400, "link_invalid");
    reset(&world, &mailbox);
    assert_eq!(user(&world, NEW)["email"], OLD);
}

#[test]
fn the_owners_undo_ends_what_the_thief_could_undo() {
    let (world, mailbox) = world("optional");
    let mut thief = world.logged_in("alice");
    change(&mut thief, &mailbox, "one@example.net");
    change(&mut thief, &mailbox, "two@example.net");
    undo(&world, &mailbox.wait_with(OLD, TO_OLD).token()).expect(204);
    let thiefs = mailbox.wait_with("one@example.net", TO_OLD).token();
    undo(&world, &thiefs).expect_problem(400, "link_invalid");
}

#[test]
fn an_undo_before_the_change_is_confirmed_ends_it() {
    let (world, mailbox) = world("optional");
    let mut thief = world.logged_in("alice");
    let body = json!({"email": "thief@example.net", "password": PASSWORD});
    let request = thief.request("POST", "/accounts/email/change").json(&body);
    thief.send(&request).expect(202);
    let token = mailbox.wait_with("thief@example.net", TO_NEW).token();
    undo(&world, &mailbox.wait_with(OLD, TO_OLD).token()).expect(204);
    let body = json!({"token": token, "password": PASSWORD});
    let request = thief.bare("POST", "/accounts/email/change/confirm").json(&body);
    thief.send(&request).expect_problem(400, "link_invalid");
}

#[test]
fn who_put_the_former_address_into_a_row_of_their_own_without_a_proof_does_not_keep_it() {
    let (world, mailbox) = world("required");
    let mut thief = world.logged_in("alice");
    change(&mut thief, &mailbox, "thief@example.net");
    let body =
        json!({"username": "eve", "email": "ALICE@example.com", "password": "tin kettle 14"});
    world.request("POST", "/accounts/register").json(&body).send().expect(202);
    let of_eve = "SELECT email FROM users WHERE username = 'eve'";
    assert_eq!(world.sql(of_eve).trim(), "", "it is in no row before the proof");
    // By a program that writes rows of its own.
    world.sql("UPDATE users SET email = 'ALICE@example.com' WHERE username = 'eve'");
    undo(&world, &mailbox.wait_with(OLD, TO_OLD).token()).expect(204);
    assert_eq!(world.sql(of_eve).trim(), "");
    assert_eq!(world.sql("SELECT email FROM users WHERE username = 'alice'").trim(), OLD);
}

#[test]
fn a_flood_of_requests_for_the_old_address_does_not_keep_the_notice_from_it() {
    let (world, mailbox) = world("optional");
    for _ in 0..8 {
        let body = json!({"email": OLD});
        world.request("POST", "/accounts/password/reset").json(&body).send().expect(202);
    }
    let mut thief = world.logged_in("alice");
    change(&mut thief, &mailbox, "thief@example.net");
    undo(&world, &mailbox.wait_with(OLD, TO_OLD).token()).expect(204);
}

#[test]
fn an_address_that_nobody_had_proved_is_no_way_back() {
    let (world, mailbox) = world("optional");
    world.sql("UPDATE users SET email_verified = 0");
    let mut browser = world.logged_in("alice");
    change(&mut browser, &mailbox, "right@example.com");
    let rows = world.sql("SELECT count(*) FROM one_time_tokens WHERE purpose = 'undo'");
    assert_eq!(rows.trim(), "0");
    assert_eq!(
        world.sql("SELECT count(*) FROM outbox").trim(),
        "1",
        "the one that asks to confirm"
    );
}

#[test]
fn of_fifty_who_undo_at_once_one_does() {
    let (world, mailbox) = world("optional");
    let mut thief = world.logged_in("alice");
    change(&mut thief, &mailbox, "thief@example.net");
    let token = mailbox.wait_with(OLD, TO_OLD).token();
    let done: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..50)
            .map(|_| scope.spawn(|| usize::from(undo(&world, &token).status == 204)))
            .collect();
        tries.into_iter().map(|tried| tried.join().unwrap()).sum()
    });
    assert_eq!(done, 1);
}

#[test]
fn the_page_of_the_link_undoes_when_its_form_is_sent_and_not_before() {
    let (world, mailbox) = world("optional");
    let mut thief = world.logged_in("alice");
    change(&mut thief, &mailbox, "thief@example.net");
    let token = mailbox.wait_with(OLD, TO_OLD).token();
    for method in ["GET", "HEAD", "GET"] {
        world.request(method, &format!("/account/undo?token={token}")).send().expect(200);
    }
    thief.get("/accounts/profile").expect(200);
    let form = || {
        let kind = "application/x-www-form-urlencoded";
        world.request("POST", "/account/undo").body(kind, format!("token={token}"))
    };
    form().header("Origin", "https://evil.example").send().expect(403);
    let done = form().send().expect(200).text();
    assert!(done.contains("It is undone") && done.contains("/account/reset"), "{done}");
    assert!(form().send().expect(400).text().contains("This link does not work"));
    thief.get("/accounts/profile").expect_problem(401, "session_revoked");
}

/// Where nobody registers the profile takes an address, and names may read as one.
fn closed() -> (TestServer, Mailbox) {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    (world, mailbox)
}

#[test]
fn a_thief_who_patches_in_a_loop_does_not_undo_the_undo() {
    let (world, mailbox) = closed();
    let thief = world.logged_in("alice");
    let patch = |email: &str| {
        thief.request("PATCH", "/accounts/profile").json(&json!({"email": email})).send()
    };
    patch("thief@example.net").expect(200);
    let token = mailbox.wait_with(OLD, TO_OLD).token();
    std::thread::scope(|scope| {
        let patch = &patch;
        for number in 0..6 {
            scope.spawn(move || {
                for time in 0..10_000 {
                    let answer = patch(&format!("thief{number}.{time}@example.net"));
                    match answer.status {
                        // Of two at once one finds the address changed.
                        200 | 409 => {}
                        _ => return drop(answer.expect_problem(401, "session_revoked")),
                    }
                }
                panic!("after the undo the thief still changes the address");
            });
        }
        undo(&world, &token).expect(204);
    });
    let row = world.sql("SELECT email FROM users WHERE email_verified = 1");
    assert_eq!(row.trim(), OLD);
    reset(&world, &mailbox);
    assert_eq!(user(&world, NEW)["email"], OLD);
}

#[test]
fn who_calls_themselves_by_the_former_address_does_not_keep_it() {
    let (world, mailbox) = closed();
    let bob = world.user("bob");
    let thief = world.logged_in("alice");
    let body = json!({"email": "thief@example.net"});
    thief.request("PATCH", "/accounts/profile").json(&body).send().expect(200);
    let second = world.logged_in("bob");
    let body = json!({"username": OLD});
    second.request("PATCH", "/accounts/profile").json(&body).send().expect(200);
    undo(&world, &mailbox.wait_with(OLD, TO_OLD).token()).expect(204);
    thief.get("/accounts/profile").expect_problem(401, "session_revoked");
    // The address names its owner alone: a new password, and a login.
    reset(&world, &mailbox);
    let login = world.browser().login_with(OLD, NEW).expect(200).json();
    assert_eq!(login["user"]["username"], "alice");
    let name = world.sql("SELECT username FROM users WHERE username <> 'alice'");
    assert!(name.starts_with(&format!("renamed-{bob}-")), "{name}");
    let line = world.sql("SELECT detail FROM audit_events WHERE kind = 'user_changed'");
    assert!(line.starts_with(&format!("username: {OLD} to renamed-")), "{line}");
    world.browser().login("bob@example.com").expect(200);
}

//! Second factors at the admin site: its own sign-in asks for them, and an operator removes those
//! of who has lost them.

use std::time::Duration;

use countersign_e2e::{Desk, Enrolled, Mailbox, PASSWORD, TestServer};
use serde_json::json;

use super::office::{edit, furnish, grant, operator, permission};

fn world() -> TestServer {
    TestServer::builder().virtual_time().start()
}

/// A superuser with an app.
fn enrolled(world: &TestServer, name: &str) -> Enrolled {
    world.superuser(name);
    world.enrol(&mut world.logged_in(name))
}

fn second_step(desk: &mut Desk, code: &str) -> countersign_e2e::Response {
    desk.post("/admin/sign-in/factor", &[("code", code), ("next", "/admin/users/")])
}

#[test]
fn the_sign_in_asks_for_the_code_and_begins_with_both_only() {
    let world = world();
    let root = enrolled(&world, "root");
    let mut desk = world.desk();
    let asked = desk.sign_in("root");
    asked.says(200, "Of your authenticator app, or one of your recovery codes.");
    assert!(asked.set_cookie("countersign_admin").is_none(), "nobody is in yet");
    let cookie = asked.set_cookie("countersign_admin_factor").unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    desk.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
    desk.sign_in("root");
    second_step(&mut desk, "no code").says(403, "This code is wrong");
    let code = world.code_of(&root);
    second_step(&mut desk, &code).sends_to("/admin/users/");
    assert!(!desk.browser.cookies.contains_key("countersign_admin_factor"));
    desk.get("/admin/users/").expect(200);
    // The code is used, here and at the endpoints.
    let mut browser = world.browser();
    let token = browser.first_step("root");
    browser.second_step(&token, &json!({"code": code})).expect_problem(401, "factor_invalid");
}

#[test]
fn a_recovery_code_lets_in_once_and_leaves_a_line() {
    let world = world();
    let root = enrolled(&world, "root");
    for is_good in [true, false] {
        let mut desk = world.desk();
        desk.sign_in("root");
        let answer = second_step(&mut desk, &root.codes[0]);
        if is_good {
            answer.sends_to("/admin/users/");
        } else {
            answer.says(403, "This code is wrong");
        }
    }
    world.clock().advance(Duration::from_secs(5));
    countersign_e2e::eventually("the line is written", || {
        let lines =
            world.sql("SELECT count(*) FROM audit_events WHERE kind = 'recovery_code_used'");
        lines.trim() == "1"
    });
}

#[test]
fn without_the_first_step_or_with_another_browsers_there_is_no_second() {
    let world = world();
    let root = enrolled(&world, "root");
    let code = world.code_of(&root);
    let mut stranger = world.desk();
    stranger.get("/admin/sign-in").expect(200);
    second_step(&mut stranger, &code).says(403, "Begin anew");
    // A token of the endpoints opens no page.
    let token = world.browser().first_step("root");
    stranger.browser.cookies.insert("countersign_admin_factor".to_owned(), token);
    second_step(&mut stranger, &code).says(403, "Begin anew");
    // Five minutes, and what changes the account, end it.
    let mut late = world.desk();
    late.sign_in("root");
    world.clock().advance(Duration::from_secs(301));
    second_step(&mut late, &world.code_of(&root)).says(403, "Begin anew");
    let mut demoted = world.desk();
    demoted.sign_in("root");
    world.superuser("other");
    let mut other = world.desk();
    other.sign_in("other").sends_to("/admin/");
    let id = world.sql("SELECT id FROM users WHERE username = 'root'");
    world.cli(&["user", "deactivate", "root"]).ok();
    assert!(!id.trim().is_empty());
    second_step(&mut demoted, &world.code_of(&root)).says(403, "Begin anew");
}

#[test]
fn wrong_codes_are_counted_and_end_the_sign_in() {
    let world = world();
    enrolled(&world, "root");
    let mut desk = world.desk();
    desk.sign_in("root");
    for _ in 0..5 {
        second_step(&mut desk, "000000");
    }
    second_step(&mut desk, "000000").expect(429);
}

#[test]
fn a_passkey_is_the_second_step_too_and_the_first_without_another() {
    let world = world();
    world.superuser("root");
    let (mut key, _) = world.passkey(&mut world.logged_in("root"));
    let mut signed = || key.sign(&world.browser().passkey_options()).to_string();
    let mut desk = world.desk();
    let asked = desk.sign_in("root");
    asked.says(200, "Use your passkey");
    let policy = asked.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
    let passkey = signed();
    let second = [("passkey", passkey.as_str()), ("next", "/admin/users/")];
    desk.post("/admin/sign-in/factor", &second).sends_to("/admin/users/");
    desk.get("/admin/users/").expect(200);
    // Alone, once.
    let mut alone = world.desk();
    alone.get("/admin/sign-in").says(200, "Sign in with a passkey");
    let passkey = signed();
    let first = [("passkey", passkey.as_str()), ("next", "/admin/users/")];
    alone.post("/admin/sign-in/passkey", &first).sends_to("/admin/users/");
    alone.get("/admin/users/").expect(200);
    for again in [passkey.as_str(), "{}", "nonsense", ""] {
        let mut stranger = world.desk();
        stranger.get("/admin/sign-in").expect(200);
        let post = stranger.post("/admin/sign-in/passkey", &[("passkey", again)]);
        post.says(403, "This passkey was not accepted");
    }
}

#[test]
fn a_passkey_of_who_is_no_staff_opens_nothing_here() {
    let world = world();
    world.user("alice");
    let (mut key, _) = world.passkey(&mut world.logged_in("alice"));
    let passkey = key.sign(&world.browser().passkey_options()).to_string();
    let mut desk = world.desk();
    desk.get("/admin/sign-in").expect(200);
    let post = desk.post("/admin/sign-in/passkey", &[("passkey", &passkey)]);
    post.says(403, "This passkey was not accepted");
    countersign_e2e::eventually("the line is written", || {
        let lines = "SELECT user_id FROM audit_events WHERE kind = 'admin_login_failed'";
        world.sql(lines).trim() == "1"
    });
    // At the endpoints it is good still: nothing was used up.
    world.browser().finish_passkey(&serde_json::from_str(&passkey).unwrap()).expect(200);
}

#[test]
fn who_must_have_one_and_has_none_is_sent_to_enrol() {
    let world = TestServer::builder().virtual_time().set("second_factor", "staff").start();
    world.superuser("root");
    world.desk().sign_in("root").says(403, "must have a second factor");
    world.desk().sign_in_with("root", "wrong").says(403, "The user name or the password is wrong");
}

/// A superuser with an app, signed in for so long that they are asked who they are.
fn at_work_for_long(world: &TestServer) -> (Enrolled, Desk) {
    let root = enrolled(world, "root");
    let mut desk = world.desk();
    desk.sign_in("root");
    second_step(&mut desk, &world.code_of(&root)).sends_to("/admin/users/");
    world.clock().advance(Duration::from_secs(601));
    desk.get("/admin/users/").expect(200);
    (root, desk)
}

const ADD: &str = "/admin/groups/add";

#[test]
fn is_it_you_asks_for_the_code_after_the_password() {
    let world = world();
    let (root, mut desk) = at_work_for_long(&world);
    let groups = || world.sql("SELECT count(*) FROM groups").trim().to_owned();
    let code = world.code_of(&root);
    // The code without the password, and the password without the code, do nothing.
    desk.post(ADD, &[("name", "team"), ("own_code", code.as_str())])
        .says(403, "Begin with your password");
    let asked = desk.post(ADD, &[("name", "team"), ("own_password", PASSWORD)]);
    asked.says(403, "You have a second factor");
    asked.says(403, "name=\"name\" value=\"team\"");
    desk.post(ADD, &[("name", "team"), ("own_password", PASSWORD)]).expect(403);
    desk.post(ADD, &[("name", "team"), ("own_code", "no code")]).says(403, "This code is wrong");
    desk.post(ADD, &[("name", "team"), ("own_code", "000000")]).says(403, "This code is wrong");
    assert_eq!(groups(), "0");
    desk.post(ADD, &[("name", "team"), ("own_code", code.as_str())]).expect(303);
    assert_eq!(groups(), "1");
    // For ten minutes that is enough; then the same code does not do again.
    desk.post(ADD, &[("name", "another")]).expect(303);
    world.sql("UPDATE admin_sessions SET password_at = 0");
    desk.post(ADD, &[("name", "more"), ("own_password", PASSWORD)]).expect(403);
    desk.post(ADD, &[("name", "more"), ("own_code", code.as_str())])
        .says(403, "This code is wrong");
    world.next_code();
    let next = world.code_of(&root);
    desk.post(ADD, &[("name", "more"), ("own_code", next.as_str())]).expect(303);
    countersign_e2e::eventually("the wrong ones leave their lines", || {
        let kind = "kind = 'admin_login_failed'";
        world.sql(&format!("SELECT count(*) FROM audit_events WHERE {kind}")).trim() == "2"
    });
}

#[test]
fn who_has_a_second_factor_adds_a_user_once_they_were_asked() {
    let world = world();
    let (root, mut desk) = at_work_for_long(&world);
    let fields = [
        ("username", "mallory"),
        ("password1", PASSWORD),
        ("password2", PASSWORD),
        ("is_staff", "on"),
        ("own_password", PASSWORD),
    ];
    let asked = desk.post("/admin/users/add", &fields);
    asked.says(403, "You have a second factor");
    // The page brings no password of anybody back; the form that follows asks for one.
    assert!(!asked.text().contains("password1"), "{}", asked.text());
    let code = world.code_of(&root);
    let answer = [("username", "mallory"), ("is_staff", "on"), ("own_code", code.as_str())];
    desk.post("/admin/users/add", &answer).says(400, "Give a password");
    desk.post("/admin/users/add", &fields[..4]).expect(303);
}

#[test]
fn is_it_you_takes_a_recovery_code_which_leaves_a_line_and_a_mail() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().virtual_time().set("mail_url", &mailbox.url()).start();
    let (root, mut desk) = at_work_for_long(&world);
    desk.post(ADD, &[("name", "team"), ("own_password", PASSWORD)]).expect(403);
    desk.post(ADD, &[("name", "team"), ("own_code", root.codes[0].as_str())]).expect(303);
    mailbox.wait_with("root@example.com", "A recovery code of your account was used");
    countersign_e2e::eventually("the line is written", || {
        let kind = "kind = 'recovery_code_used'";
        world.sql(&format!("SELECT count(*) FROM audit_events WHERE {kind}")).trim() == "1"
    });
    let left = world.cli(&["factor", "list", "root", "--json"]).ok();
    let left: serde_json::Value = serde_json::from_str(&left).unwrap();
    assert_eq!(left["recovery_codes_left"], 9);
}

#[test]
fn is_it_you_takes_a_passkey_of_the_operators_own_in_the_place_of_both() {
    let world = world();
    world.superuser("root");
    world.superuser("other");
    let (mut key, _) = world.passkey(&mut world.logged_in("root"));
    let (mut of_other, _) = world.passkey(&mut world.logged_in("other"));
    let signed = |key: &mut countersign_e2e::SoftKey| {
        key.sign(&world.browser().passkey_options()).to_string()
    };
    let mut desk = world.desk();
    desk.get("/admin/sign-in").expect(200);
    desk.post("/admin/sign-in/passkey", &[("passkey", signed(&mut key).as_str())])
        .sends_to("/admin/");
    world.clock().advance(Duration::from_secs(601));
    desk.get("/admin/users/").expect(200);
    let asked = desk.post(ADD, &[("name", "team")]);
    asked.says(403, "Use your passkey");
    let policy = asked.header("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'sha256-"), "{policy}");
    let foreign = signed(&mut of_other);
    for wrong in [foreign.as_str(), "{}", "nonsense"] {
        let fields = [("name", "team"), ("passkey", wrong)];
        desk.post(ADD, &fields).says(403, "This passkey was not accepted");
    }
    let passkey = signed(&mut key);
    desk.post(ADD, &[("name", "team"), ("passkey", passkey.as_str())]).expect(303);
    world.sql("UPDATE admin_sessions SET password_at = 0");
    let again = desk.post(ADD, &[("name", "more"), ("passkey", passkey.as_str())]);
    again.says(403, "This passkey was not accepted");
    assert_eq!(world.sql("SELECT count(*) FROM groups").trim(), "1");
}

#[test]
fn wrong_codes_at_is_it_you_are_counted_and_a_new_password_does_not_forgive_them() {
    let world = world();
    let (root, mut desk) = at_work_for_long(&world);
    for _ in 0..5 {
        desk.post(ADD, &[("name", "team"), ("own_password", PASSWORD)]).expect(403);
        desk.post(ADD, &[("name", "team"), ("own_code", "000000")]);
    }
    desk.post(ADD, &[("name", "team"), ("own_password", PASSWORD)]).expect(403);
    let code = world.code_of(&root);
    let refused = desk.post(ADD, &[("name", "team"), ("own_code", code.as_str())]);
    refused.says(429, "Too many attempts have failed");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(world.sql("SELECT count(*) FROM groups").trim(), "0");
}

#[test]
fn an_operator_removes_the_factors_of_who_has_lost_them_and_the_user_is_told() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().virtual_time().set("mail_url", &mailbox.url()).start();
    world.superuser("root");
    let alice = world.user("alice");
    let mut browser = world.logged_in("alice");
    world.enrol(&mut browser);
    mailbox.wait_for("alice@example.com", 1);
    let mut desk = world.desk();
    desk.sign_in("root").sends_to("/admin/");
    let page = format!("/admin/users/{alice}/factors");
    desk.get(&page).says(200, "Recovery codes left: 10.");
    desk.post(&page, &[]).sends_to(&format!("/admin/users/{alice}/?said=factors"));
    desk.get(&page).says(200, "This user has no second factor.");
    browser.get("/accounts/profile").expect_problem(401, "session_revoked");
    world.browser().login("alice").expect(200);
    mailbox.wait_with("alice@example.com", "A second factor was removed from your account");
    let line = world.sql("SELECT detail FROM audit_events WHERE kind = 'factors_reset'");
    assert_eq!(line.trim(), "1");
}

#[test]
fn an_operator_removes_no_factors_of_staff_nor_of_who_may_more_than_they() {
    let (world, mut root) = furnish(world());
    let [alice, colleague, vip] = ["alice", "colleague", "vip"].map(|name| {
        let id = world.user(name);
        world.enrol(&mut world.logged_in(name));
        id
    });
    edit(&mut root, colleague, &[("is_staff", "on")]).expect(303);
    let keys = permission(&mut root, "countersign.change_key").to_string();
    grant(&mut root, vip, &[("permissions", &keys)]).expect(303);
    let mut desk = operator(&world, &mut root, "operator", &["auth.view_user", "auth.change_user"]);
    desk.get("/admin/users/").expect(200);
    let enrolled = || world.sql("SELECT count(*) FROM factors").trim().to_owned();
    let before = enrolled();
    let mut reset = |user: i64| desk.post(&format!("/admin/users/{user}/factors"), &[]);
    reset(colleague).says(403, "whose second factors only a superuser may remove");
    reset(vip).says(403, "countersign.change_key");
    assert_eq!(enrolled(), before);
    reset(alice).expect(303);
    assert_ne!(enrolled(), before);
}

#[test]
fn the_shell_lists_and_removes_them_too() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().virtual_time().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    world.enrol(&mut world.logged_in("alice"));
    let list = world.cli(&["factor", "list", "alice", "--json"]).ok();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    assert_eq!(
        (&list["factors"][0]["kind"], &list["recovery_codes_left"]),
        (&json!("totp"), &json!(10))
    );
    let done = world.cli(&["factor", "reset", "alice", "--noinput"]).ok();
    assert!(done.contains("Removed the second factor of alice (id 1)."), "{done}");
    mailbox.wait_with("alice@example.com", "A second factor was removed from your account");
    let done = world.cli(&["factor", "reset", "alice", "--noinput"]).ok();
    assert!(done.contains("alice (id 1) has no second factor."), "{done}");
    world.browser().login("alice").expect(200);

    // Who has never proved the address may not be whose mailbox it is.
    world.enrol(&mut world.logged_in("alice"));
    world.sql("UPDATE users SET email_verified = 0");
    let told = || world.sql("SELECT count(*) FROM outbox WHERE kind = 'notice'");
    let before = told();
    world.cli(&["factor", "reset", "alice", "--noinput"]).ok();
    assert_eq!(told(), before);
}

//! `remember` at whatever begins a session: `false` on a device of others.

use std::time::Duration;

use countersign_e2e::{Browser, Mailbox, PASSWORD, Response, TestServer, claims_of};
use serde_json::{Value, json};

const COOKIES: [&str; 3] = ["refreshtoken", "csrftoken", "devicetoken"];

/// What an answer says of each cookie's life: `None` for one that goes with the browser.
fn lives(answer: &Response, names: &[&str]) -> Vec<Option<u64>> {
    let life = |name: &&str| {
        let cookie = answer.set_cookie(name).unwrap_or_else(|| panic!("no {name}: {answer:?}"));
        cookie.split("; ").find_map(|part| part.strip_prefix("Max-Age=")?.parse().ok())
    };
    names.iter().map(life).collect()
}

fn goes_with_the_browser(answer: &Response) {
    assert_eq!(lives(answer, &COOKIES), [None, None, None]);
}

fn post(browser: &mut Browser, path: &str, body: &Value) -> Response {
    let request = browser.bare("POST", path).json(body);
    browser.send(&request)
}

fn login(browser: &mut Browser, remember: bool) -> Response {
    let body = json!({"username": "alice", "password": PASSWORD, "remember": remember});
    post(browser, "/accounts/login", &body)
}

#[test]
fn a_session_that_is_not_remembered_goes_with_the_browser_whatever_it_refreshes() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.browser();
    goes_with_the_browser(&login(&mut browser, false).expect(200));
    for _ in 0..3 {
        let answer = browser.refresh().expect(200);
        assert_eq!(lives(&answer, &COOKIES[..2]), [None, None]);
    }
    let answer = browser.bare("GET", "/accounts/csrf").send().expect(200);
    assert_eq!(lives(&answer, &["csrftoken"]), [None]);
    let change = json!({"old_password": PASSWORD, "new_password": "tin kettle 14"});
    let request = browser.request("POST", "/accounts/password").json(&change);
    assert_eq!(lives(&request.send().expect(204), &["devicetoken"]), [None]);
    // A cookie that removes another needs a life of nothing, or it would not.
    let cleared = browser.logout().expect(204);
    assert_eq!(lives(&cleared, &COOKIES[..2]), [Some(0), Some(0)]);
}

#[test]
fn it_ends_after_session_short_however_often_it_refreshes_and_others_do_not() {
    let hour = Duration::from_secs(60 * 60);
    let world = TestServer::builder().set("session_short", "2h").virtual_time().start();
    world.user("alice");
    let (mut short, mut long) = (world.browser(), world.browser());
    login(&mut short, false).expect(200);
    let answer = login(&mut long, true).expect(200);
    let (week, year) = (7 * 86_400, 365 * 86_400);
    assert_eq!(lives(&answer, &COOKIES), [Some(week), Some(week), Some(year)]);
    let body = json!({"username": "alice", "password": PASSWORD, "transport": "body",
        "remember": false});
    let native = world.request("POST", "/accounts/login").json(&body).send().expect(200);
    let token = native.text_at("refresh_token");
    let refresh = claims_of(&token);
    assert_eq!(refresh["exp"].as_u64().unwrap() - refresh["iat"].as_u64().unwrap(), 7_200);

    world.clock().advance(hour);
    short.refresh().expect(200);
    let claims = claims_of(short.refresh_token());
    // An hour less the time that the test took before, in whole seconds.
    let left = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert!((3_540..=3_600).contains(&left), "{left}");
    world.clock().advance(hour);
    short.refresh().expect_problem(401, "refresh_token_expired");
    let body = json!({"refresh_token": token});
    let native = world.request("POST", "/accounts/refresh").json(&body).send();
    native.expect_problem(401, "refresh_token_expired");
    long.refresh().expect(200);
}

#[test]
fn it_lives_no_longer_than_any_session_may() {
    let world =
        TestServer::builder().set("session_absolute", "1h").set("session_idle", "1h").start();
    world.user("alice");
    let mut browser = world.browser();
    login(&mut browser, false).expect(200);
    let claims = claims_of(browser.refresh_token());
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 3_600);
}

#[test]
fn what_was_said_at_the_first_step_counts_after_the_second() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    let mut browser = world.browser();
    let asked = login(&mut browser, false).expect_problem(401, "second_factor_required");
    let code = json!({"code": world.code_of(&alice), "remember_device": true});
    let entered = browser.second_step(&asked.text_at("pending_token"), &code).expect(200);
    goes_with_the_browser(&entered);
    world.next_code();
    let mut browser = world.browser();
    let pending = browser.first_step("alice");
    let code = json!({"code": world.code_of(&alice)});
    let entered = browser.second_step(&pending, &code).expect(200);
    assert!(lives(&entered, &COOKIES).iter().all(Option::is_some));
}

#[test]
fn a_passkey_and_a_mailed_code_take_the_same_word() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).set("login_code", "on");
    let world = world.virtual_time().start();
    world.user("alice");
    let email = "alice@example.com";
    post(&mut world.browser(), "/accounts/login/code", &json!({"email": email})).expect(202);
    let code = mailbox.wait_for(email, 1).code();
    let body = json!({"email": email, "code": code, "remember": false});
    let mut browser = world.browser();
    goes_with_the_browser(&post(&mut browser, "/accounts/login/code/confirm", &body).expect(200));

    let (mut key, _) = world.passkey(&mut browser);
    let mut browser = world.browser();
    let passkey = key.sign(&browser.passkey_options());
    let body = json!({"passkey": passkey, "remember": false});
    goes_with_the_browser(&post(&mut browser, "/accounts/login/passkey/finish", &body).expect(200));
    let remembered = world.browser().login_with_passkey(&mut key).expect(200);
    assert!(lives(&remembered, &COOKIES).iter().all(Option::is_some));
}

#[test]
fn whoever_registers_on_a_device_of_others_is_not_remembered_there() {
    for verification in ["optional", "required"] {
        let mailbox = Mailbox::new();
        let world = TestServer::builder()
            .set("mail_url", &mailbox.url())
            .set("registration", "open")
            .set("email_verification", verification)
            .start();
        let mut browser = world.browser();
        let email = "alice@example.com";
        let body = json!({"username": "alice", "email": email, "password": PASSWORD,
            "remember": false});
        let answer = post(&mut browser, "/accounts/register", &body);
        let begun = if verification == "required" {
            // By the link of the mail, which knows what was said.
            let token = mailbox.wait_for(email, 1).token();
            post(&mut browser, "/accounts/email/verify", &json!({"token": token})).expect(200)
        } else {
            answer.expect(201)
        };
        goes_with_the_browser(&begun);
    }
}

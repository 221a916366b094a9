//! `POST /accounts/email/change` and `…/confirm`, and the page `/account/change`.

use countersign_e2e::{Browser, Mailbox, PASSWORD, Response, TestServer};
use serde_json::{Value, json};

const OLD: &str = "alice@example.com";
const NEW: &str = "alice@example.org";
const TO_NEW: &str = "Confirm your new e-mail address";
const TO_OLD: &str = "The e-mail address of your account is changing";

fn world() -> (TestServer, Mailbox) {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    (world, mailbox)
}

fn ask(browser: &mut Browser, email: &str) -> Response {
    ask_with(browser, &json!({"email": email, "password": PASSWORD}))
}

fn ask_with(browser: &mut Browser, body: &Value) -> Response {
    let request = browser.request("POST", "/accounts/email/change").json(body);
    browser.send(&request)
}

fn confirm(browser: &mut Browser, body: &Value) -> Response {
    let request = browser.bare("POST", "/accounts/email/change/confirm").json(body);
    browser.send(&request)
}

fn address(browser: &Browser) -> Value {
    let user = browser.get("/accounts/profile").expect(200).json()["user"].clone();
    json!([user["email"], user["email_verified"]])
}

#[test]
fn an_address_changes_when_the_new_mailbox_confirms_it_and_the_old_one_is_told_before() {
    let (world, mailbox) = world();
    let mut browser = world.logged_in("alice");
    ask(&mut browser, NEW).expect(202);
    let told = mailbox.wait_with(OLD, TO_OLD).whole;
    assert!(told.contains(NEW) && told.contains("/account/undo?token="), "{told}");
    let mail = mailbox.wait_with(NEW, TO_NEW);
    assert_eq!(address(&browser), json!([OLD, true]), "nothing has changed yet");
    confirm(&mut browser, &json!({"token": mail.token()})).expect(204);
    assert_eq!(address(&browser), json!([NEW, true]), "the session goes on");
    world.browser().login(NEW).expect(200);
    world.browser().login(OLD).expect_problem(401, "invalid_credentials");
    confirm(&mut browser, &json!({"token": mail.token()})).expect_problem(400, "link_invalid");
}

#[test]
fn the_code_does_what_the_link_does() {
    let (world, mailbox) = world();
    let mut browser = world.logged_in("alice");
    ask(&mut browser, NEW).expect(202);
    let code = mailbox.wait_with(NEW, TO_NEW).code();
    let wrong = if code == "0000 0000" { "0000 0001" } else { "0000 0000" };
    let with = |code: &str| json!({"email": "Alice@EXAMPLE.org", "code": code});
    confirm(&mut browser, &with(wrong)).expect_problem(400, "link_invalid");
    confirm(&mut browser, &with(&code)).expect(204);
    assert_eq!(address(&browser), json!([NEW, true]));
}

#[test]
fn another_browser_needs_the_password_so_that_nobody_confirms_for_somebody_else() {
    let (world, mailbox) = world();
    world.user_with("eve", "eve@example.net");
    let mut eve = world.logged_in("eve");
    // Eve asks for the address of somebody who has no account, and who opens the link.
    ask(&mut eve, "victim@example.com").expect(202);
    let token = mailbox.wait_with("victim@example.com", TO_NEW).token();
    let mut victim = world.browser();
    let refused = confirm(&mut victim, &json!({"token": token}));
    let refused = refused.expect_problem(400, "validation_error").json();
    assert_eq!(refused["errors"]["password"], json!(["This field is required."]));
    let guess = json!({"token": token, "password": "not the one of eve"});
    confirm(&mut victim, &guess).expect_problem(400, "validation_error");
    assert_eq!(address(&eve), json!(["eve@example.net", true]));
    // It is eve, on a phone.
    confirm(&mut victim, &json!({"token": token, "password": PASSWORD})).expect(204);
    assert_eq!(address(&eve), json!(["victim@example.com", true]));
}

#[test]
fn an_address_that_is_taken_gets_no_mail_and_the_asker_the_same_answer() {
    let (world, mailbox) = world();
    world.user("bob");
    let mut answers = Vec::new();
    let mut browser = world.logged_in("alice");
    for email in ["BOB@example.com", "nobody@example.com"] {
        let answer = ask(&mut browser, email).expect(202);
        answers.push((answer.headers_but(&["date", "x-request-id"]), answer.text()));
        let rows = world.sql("SELECT kind FROM outbox ORDER BY created_at, kind");
        assert_eq!(rows.lines().count(), 2 * answers.len(), "{rows}");
    }
    assert_eq!(answers[0], answers[1]);
    mailbox.wait_with("nobody@example.com", TO_NEW);
    // The old address is told either way; no other mail is ever sent.
    mailbox.wait_for(OLD, 2);
    let states = world.sql("SELECT state = 'void', count(*) FROM outbox GROUP BY 1 ORDER BY 1");
    assert_eq!(states.trim(), "0|3\n1|1");
    assert!(mailbox.to("bob@example.com").is_empty() && mailbox.to("BOB@example.com").is_empty());
}

#[test]
fn who_does_not_know_the_password_or_shows_no_countersign_changes_nothing() {
    let (world, _mailbox) = world();
    let mut browser = world.logged_in("alice");
    let wrong = json!({"email": NEW, "password": "not the password"});
    let refused = ask_with(&mut browser, &wrong).expect_problem(400, "validation_error").json();
    assert!(refused["errors"]["password"].is_array(), "{refused}");
    let mut forged = browser.clone();
    forged.csrf_token = "x".to_owned();
    ask(&mut forged, NEW).expect_problem(403, "csrf_failed");
    let body = json!({"email": NEW, "password": PASSWORD});
    let bare = world.request("POST", "/accounts/email/change").json(&body).send();
    bare.expect_problem(401, "not_authenticated");
    for email in ["a@example.com, b@example.com", "a@example.com\r\nBcc: c@example.com", "@", OLD] {
        let refused = ask(&mut browser, email).expect_problem(400, "validation_error").json();
        assert!(refused["errors"]["email"].is_array(), "{email:?} {refused}");
    }
    assert_eq!(world.sql("SELECT count(*) FROM outbox").trim(), "0");
}

#[test]
fn a_link_dies_with_a_newer_one_with_the_password_and_with_the_user() {
    let (world, mailbox) = world();
    let mut browser = world.logged_in("alice");
    let asked = |browser: &mut Browser, email: &str, password: &str| {
        ask_with(browser, &json!({"email": email, "password": password})).expect(202);
        mailbox.wait_with(email, TO_NEW).token()
    };
    let first = asked(&mut browser, "one@example.org", PASSWORD);
    let second = asked(&mut browser, "two@example.org", PASSWORD);
    confirm(&mut browser, &json!({"token": first})).expect_problem(400, "link_invalid");
    let between = "a passphrase in between";
    let change = json!({"old_password": PASSWORD, "new_password": between});
    browser.request("POST", "/accounts/password").json(&change).send().expect(204);
    confirm(&mut browser, &json!({"token": second})).expect_problem(400, "link_invalid");
    let third = asked(&mut browser, "three@example.org", between);
    world.cli(&["user", "deactivate", "alice"]).ok();
    confirm(&mut browser, &json!({"token": third})).expect_problem(400, "link_invalid");
}

#[test]
fn who_asks_for_the_same_new_address_takes_no_code_away() {
    let (world, mailbox) = world();
    world.user_with("eve", "eve@example.net");
    let (mut browser, mut eve) = (world.logged_in("alice"), world.logged_in("eve"));
    ask(&mut browser, NEW).expect(202);
    let code = mailbox.wait_with(NEW, TO_NEW).code();
    ask(&mut eve, NEW).expect(202);
    mailbox.wait_for(NEW, 2);
    confirm(&mut browser, &json!({"email": NEW, "code": code})).expect(204);
    assert_eq!(address(&browser), json!([NEW, true]));
    assert_eq!(address(&eve), json!(["eve@example.net", true]));
}

#[test]
fn what_strangers_guess_does_not_keep_the_owner_from_confirming() {
    let (world, mailbox) = world();
    let mut app = world.native();
    app.login("alice").expect(200);
    let device = app.device_token.clone().unwrap();
    let mut phone = world.logged_in("alice");
    let stranger = |token: &str, device: Option<&str>| {
        let body = json!({"token": token, "password": PASSWORD, "device_token": device});
        world.request("POST", "/accounts/email/change/confirm").json(&body).send()
    };
    for to in [NEW, "alice@example.net"] {
        let body = json!({"email": to, "password": PASSWORD, "device_token": device});
        app.request("POST", "/accounts/email/change").json(&body).send().expect(202);
        let token = mailbox.wait_with(to, TO_NEW).token();
        for _ in 0..8 {
            world.browser().login_with("alice", "wrong");
        }
        stranger(&token, Some("a forgery")).expect_problem(429, "throttled");
        if to == NEW {
            // Apps have no cookie by which they would be known: they always send the password.
            stranger(&token, Some(&device)).expect(204);
        } else {
            confirm(&mut phone, &json!({"token": token, "password": PASSWORD})).expect(204);
        }
    }
}

#[test]
fn one_account_asks_for_five_addresses_an_hour() {
    let (world, mailbox) = world();
    let mut browser = world.logged_in("alice");
    for n in 0..5 {
        ask(&mut browser, &format!("a{n}@example.org")).expect(202);
    }
    let refused = ask(&mut browser, "a5@example.org").expect_problem(429, "throttled");
    assert!(refused.header("retry-after").is_some());
    // What was asked for last is as good as before.
    let token = mailbox.wait_with("a4@example.org", TO_NEW).token();
    confirm(&mut browser, &json!({"token": token})).expect(204);
    // Five to new addresses and five to the old one: none to the sixth.
    assert_eq!(world.sql("SELECT count(*) FROM outbox").trim(), "10");
}

#[test]
fn of_fifty_confirmations_at_once_one_changes_the_address() {
    let (world, mailbox) = world();
    let mut browser = world.logged_in("alice");
    ask(&mut browser, NEW).expect(202);
    let body = json!({"token": mailbox.wait_with(NEW, TO_NEW).token()});
    let done: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..50)
            .map(|_| {
                let (mut tab, body) = (browser.clone(), &body);
                scope.spawn(move || usize::from(confirm(&mut tab, body).status == 204))
            })
            .collect();
        tries.into_iter().map(|tried| tried.join().unwrap()).sum()
    });
    assert_eq!(done, 1);
}

#[test]
fn an_address_that_somebody_took_meanwhile_is_refused_to_who_has_the_mailbox() {
    let (world, mailbox) = world();
    let mut browser = world.logged_in("alice");
    ask(&mut browser, "bob@example.com").expect(202);
    let token = mailbox.wait_with("bob@example.com", TO_NEW).token();
    world.user("bob");
    let refused = confirm(&mut browser, &json!({"token": token}));
    let refused = refused.expect_problem(400, "validation_error").json();
    assert!(refused["errors"]["email"].is_array(), "{refused}");
    assert_eq!(address(&browser), json!([OLD, true]));
}

#[test]
fn the_page_of_the_link_confirms_when_its_form_is_sent_and_not_before() {
    let (world, mailbox) = world();
    let mut browser = world.logged_in("alice");
    ask(&mut browser, NEW).expect(202);
    let token = mailbox.wait_with(NEW, TO_NEW).token();
    for method in ["GET", "HEAD", "GET"] {
        browser.bare(method, &format!("/account/change?token={token}")).send().expect(200);
    }
    let form = |browser: &Browser, body: String| {
        let kind = "application/x-www-form-urlencoded";
        browser.bare("POST", "/account/change").body(kind, body).send()
    };
    let elsewhere = form(&world.browser(), format!("token={token}")).expect(400).text();
    assert!(elsewhere.contains("Write your password."), "{elsewhere}");
    let wrong = form(&world.browser(), format!("token={token}&password=wrong")).expect(400).text();
    assert!(wrong.contains("This is not the password."), "{wrong}");
    let done = form(&browser, format!("token={token}")).expect(200).text();
    assert!(done.contains("Your address is changed"));
    form(&browser, format!("token={token}")).expect(400);
    assert_eq!(address(&browser), json!([NEW, true]));
}

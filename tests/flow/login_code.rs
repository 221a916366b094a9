//! `POST /accounts/login/code` and `…/confirm`, and the page `/account/code`.

use countersign_e2e::{Browser, Mailbox, PASSWORD, ReadMail, Response, TestServer};
use serde_json::{Value, json};

const ALICE: &str = "alice@example.com";

fn world() -> (TestServer, Mailbox) {
    world_with(&[])
}

fn world_with(settings: &[(&str, &str)]) -> (TestServer, Mailbox) {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).set("login_code", "on");
    let world = settings.iter().fold(world, |world, (name, value)| world.set(name, value)).start();
    world.user("alice");
    (world, mailbox)
}

fn ask(browser: &mut Browser, email: &str) -> Response {
    let request = browser.bare("POST", "/accounts/login/code").json(&json!({"email": email}));
    browser.send(&request)
}

fn confirm(browser: &mut Browser, body: &Value) -> Response {
    let request = browser.bare("POST", "/accounts/login/code/confirm").json(body);
    browser.send(&request)
}

fn code_of(mailbox: &Mailbox, many: usize) -> String {
    mailbox.wait_for(ALICE, many).code()
}

#[test]
fn there_is_no_such_path_unless_the_setting_says_so() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).start();
    ask(&mut world.browser(), ALICE).expect_problem(404, "not_found");
    confirm(&mut world.browser(), &json!({"token": "x"})).expect_problem(404, "not_found");
    world.get("/account/code").expect(404);
    let document = world.get("/openapi.json").expect(200).json();
    assert!(document["paths"].get("/accounts/login/code").is_none());
}

#[test]
fn the_code_logs_in_anywhere_and_once() {
    let (world, mailbox) = world();
    ask(&mut world.browser(), "Alice@EXAMPLE.com").expect(202);
    let mail = mailbox.wait_for(ALICE, 1);
    assert_eq!(mail.subject(), format!("Your code: {}", mail.code()));
    let body = json!({"email": ALICE, "code": mail.code()});
    let mut phone = world.browser();
    let login = confirm(&mut phone, &body).expect(200).json();
    assert_eq!(login["user"]["username"], "alice");
    phone.get("/accounts/profile").expect(200);
    phone.refresh().expect(200);
    confirm(&mut world.browser(), &body).expect_problem(400, "link_invalid");
    world.browser().login("alice").expect(200);
}

#[test]
fn the_link_logs_in_in_the_browser_that_asked_and_in_no_other() {
    let (world, mailbox) = world();
    let mut asked = world.browser();
    ask(&mut asked, ALICE).expect(202);
    let body = json!({"token": mailbox.wait_for(ALICE, 1).token()});
    confirm(&mut world.browser(), &body).expect_problem(400, "link_invalid");
    let mut other = world.browser();
    ask(&mut other, "nobody@example.com").expect(202);
    confirm(&mut other, &body).expect_problem(400, "link_invalid");
    confirm(&mut asked, &body).expect(200);
    asked.get("/accounts/profile").expect(200);
}

#[test]
fn the_code_of_who_has_a_second_factor_is_the_first_step_and_begins_nothing() {
    let mailbox = Mailbox::new();
    let builder = TestServer::builder().virtual_time().set("login_code", "on");
    let world = builder.set("mail_url", &mailbox.url()).start();
    world.user("alice");
    let alice = world.enrol(&mut world.logged_in("alice"));
    mailbox.wait_with(ALICE, "A second factor was added to your account");
    let mut phone = world.browser();
    ask(&mut phone, ALICE).expect(202);
    let pending = confirm(&mut phone, &json!({"email": ALICE, "code": code_of(&mailbox, 2)}))
        .expect_problem(401, "second_factor_required")
        .text_at("pending_token");
    phone.get("/accounts/profile").expect(401);
    phone.second_step(&pending, &json!({"recovery_code": alice.codes[0]})).expect(200);
    phone.get("/accounts/profile").expect(200);
}

#[test]
fn a_native_client_has_its_tokens_in_the_body() {
    let (world, mailbox) = world();
    ask(&mut world.browser(), ALICE).expect(202);
    let body = json!({"email": ALICE, "code": code_of(&mailbox, 1), "transport": "body",
        "device_name": "a phone"});
    let path = "/accounts/login/code/confirm";
    let page = world.request("POST", path).header("sec-fetch-site", "same-origin").json(&body);
    page.send().expect_problem(403, "csrf_failed");
    let login = world.request("POST", path).json(&body).send().expect(200);
    assert!(login.json()["refresh_token"].is_string());
    assert_eq!(login.all("set-cookie").count(), 0);
}

#[test]
fn nobody_learns_from_the_answer_who_exists() {
    let (world, mailbox) = world();
    world.user("inactive");
    world.cli(&["user", "deactivate", "inactive"]).ok();
    let asked = [ALICE, "inactive@example.com", "nobody@example.com", "alice", "'; --"];
    let answers = asked.map(|email| {
        let answer = ask(&mut world.browser(), email).expect(202);
        // The cookie's secret differs, whoever asks.
        let cookie =
            answer.set_cookie("signintoken").unwrap().split_once(';').unwrap().1.to_owned();
        let headers = answer.headers_but(&["date", "x-request-id", "set-cookie"]);
        (headers, cookie, answer.text())
    });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    mailbox.wait_for(ALICE, 1);
    let written = world.sql("SELECT count(*), sum(state = 'void') FROM outbox");
    assert_eq!(written.trim(), "5|4", "as many rows for nobody as for somebody");
    assert_eq!(world.sql("SELECT count(*) FROM one_time_tokens").trim(), "5");
    // Nor from what is said of a code.
    let refused = [ALICE, "inactive@example.com", "nobody@example.com"].map(|email| {
        let body = json!({"email": email, "code": "00000000"});
        let answer = confirm(&mut world.browser(), &body).expect_problem(400, "link_invalid");
        (answer.headers_but(&["date", "x-request-id"]), answer.text())
    });
    assert!(refused.iter().all(|answer| *answer == refused[0]), "{refused:?}");
}

#[test]
fn a_code_dies_after_five_wrong_tries_and_with_a_newer_one() {
    let (world, mailbox) = world();
    let with = |code: &str| confirm(&mut world.browser(), &json!({"email": ALICE, "code": code}));
    ask(&mut world.browser(), ALICE).expect(202);
    let code = code_of(&mailbox, 1);
    let wrong = if code == "0000 0000" { "0000 0001" } else { "0000 0000" };
    for _ in 0..5 {
        with(wrong).expect_problem(400, "link_invalid");
    }
    with(&code).expect_problem(400, "link_invalid");
    ask(&mut world.browser(), ALICE).expect(202);
    let second = code_of(&mailbox, 2);
    ask(&mut world.browser(), ALICE).expect(202);
    let third = code_of(&mailbox, 3);
    if second != third {
        with(&second).expect_problem(400, "link_invalid");
    }
    with(&third).expect(200);
}

#[test]
fn a_flood_of_requests_takes_no_code_away_that_was_sent() {
    let (world, mailbox) = world();
    for _ in 0..9 {
        ask(&mut world.browser(), ALICE).expect(202);
    }
    mailbox.wait_for(ALICE, 5);
    let states = world.sql("SELECT state = 'void', count(*) FROM outbox GROUP BY 1 ORDER BY 1");
    assert_eq!(states.trim(), "0|5\n1|4");
    // The last of those that were sent, whichever of the files it is.
    let is_taken = |mail: &ReadMail| {
        let body = json!({"email": ALICE, "code": mail.code()});
        confirm(&mut world.browser(), &body).status == 200
    };
    assert!(mailbox.to(ALICE).iter().any(is_taken));
}

#[test]
fn a_flood_of_codes_does_not_keep_a_new_password_from_its_owner() {
    let (world, mailbox) = world();
    for _ in 0..9 {
        ask(&mut world.browser(), ALICE).expect(202);
    }
    let reset = json!({"email": ALICE});
    world.request("POST", "/accounts/password/reset").json(&reset).send().expect(202);
    mailbox.wait_with(ALICE, "Choose a new password");
}

#[test]
fn a_code_dies_with_the_password_with_the_address_and_with_the_user() {
    for (change, sql) in [
        ("password", "UPDATE users SET password = '!'"),
        ("address", "UPDATE users SET email = 'other@example.com'"),
        ("user", "UPDATE users SET is_active = 0"),
    ] {
        let (world, mailbox) = world();
        ask(&mut world.browser(), ALICE).expect(202);
        let body = json!({"email": ALICE, "code": code_of(&mailbox, 1)});
        world.sql(sql);
        let answer = confirm(&mut world.browser(), &body);
        assert_eq!(answer.problem_code().as_deref(), Some("link_invalid"), "{change}");
    }
}

#[test]
fn who_put_somebody_elses_address_into_their_row_has_nothing_when_they_log_in_with_a_code() {
    let (world, mailbox) = world_with(&[("email_verification", "required")]);
    world.user_with("eve", "victim@example.com");
    world.sql("UPDATE users SET email_verified = 0 WHERE username = 'eve'");
    ask(&mut world.browser(), "victim@example.com").expect(202);
    let code = mailbox.wait_for("victim@example.com", 1).code();
    let body = json!({"email": "victim@example.com", "code": code});
    let login = confirm(&mut world.browser(), &body).expect(200).json();
    assert_eq!(login["user"]["email_verified"], true);
    world.browser().login("eve").expect_problem(401, "invalid_credentials");
}

#[test]
fn a_code_that_is_asked_for_takes_nothing_from_the_browser_that_registered() {
    let (world, mailbox) =
        world_with(&[("registration", "open"), ("email_verification", "required")]);
    let mut browser = world.browser();
    let body = json!({"username": "bob", "email": "bob@example.com", "password": "tin kettle 14"});
    let request = browser.bare("POST", "/accounts/register").json(&body);
    browser.send(&request).expect(202);
    let token = mailbox.wait_for("bob@example.com", 1).token();
    ask(&mut browser, "nobody@example.com").expect(202);
    let request = browser.bare("POST", "/accounts/email/verify").json(&json!({"token": token}));
    browser.send(&request).expect(200);
    world.browser().login_with("bob", "tin kettle 14").expect(200);
}

#[test]
fn of_fifty_who_show_one_code_at_once_one_is_in() {
    let (world, mailbox) = world();
    let mut browser = world.browser();
    ask(&mut browser, ALICE).expect(202);
    let body = json!({"token": mailbox.wait_for(ALICE, 1).token()});
    let done: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..50)
            .map(|_| {
                let (mut tab, body) = (browser.clone(), &body);
                scope.spawn(move || usize::from(confirm(&mut tab, body).status == 200))
            })
            .collect();
        tries.into_iter().map(|tried| tried.join().unwrap()).sum()
    });
    assert_eq!((done, world.sql("SELECT count(*) FROM sessions").trim()), (1, "1"));
}

#[test]
fn a_token_of_another_purpose_is_no_code_and_a_code_no_other_token() {
    let (world, mailbox) = world();
    let mut browser = world.browser();
    let reset = json!({"email": ALICE});
    world.request("POST", "/accounts/password/reset").json(&reset).send().expect(202);
    let mail = mailbox.wait_for(ALICE, 1);
    confirm(&mut browser, &json!({"token": mail.token()})).expect_problem(400, "link_invalid");
    let body = json!({"email": ALICE, "code": mail.code()});
    confirm(&mut browser, &body).expect_problem(400, "link_invalid");
    ask(&mut browser, ALICE).expect(202);
    let token = mailbox.wait_for(ALICE, 2).token();
    for (path, body) in [
        ("/accounts/password/reset/confirm", json!({"new_password": "an entirely new passphrase"})),
        ("/accounts/email/verify", json!({})),
        ("/accounts/email/change/confirm", json!({"password": PASSWORD})),
        ("/accounts/undo", json!({})),
    ] {
        let mut body = body;
        body["token"] = token.clone().into();
        let request = browser.bare("POST", path).json(&body);
        browser.send(&request).expect_problem(400, "link_invalid");
    }
    confirm(&mut browser, &json!({"token": token})).expect(200);
}

#[test]
fn a_page_of_another_site_logs_nobody_in_as_somebody_else() {
    let (world, mailbox) = world();
    ask(&mut world.browser(), ALICE).expect(202);
    let code = code_of(&mailbox, 1);
    let forged = world
        .request("POST", "/accounts/login/code/confirm")
        .header("Origin", "https://evil.example")
        .json(&json!({"email": ALICE, "code": code}))
        .send();
    forged.expect_problem(403, "csrf_failed");
    let form = format!("login={ALICE}&code={}", code.replace(' ', ""));
    let forged = world
        .request("POST", "/account/code")
        .header("Origin", "https://evil.example")
        .body("application/x-www-form-urlencoded", form)
        .send();
    assert_eq!(forged.expect(403).all("set-cookie").count(), 0);
}

#[test]
fn the_page_sends_a_code_takes_it_and_opens_the_link_where_it_was_asked_for() {
    let (world, mailbox) = world();
    let form = |browser: &mut Browser, body: &str| {
        let kind = "application/x-www-form-urlencoded";
        let request = browser.bare("POST", "/account/code").body(kind, body);
        browser.send(&request)
    };
    let mut browser = world.browser();
    assert!(browser.get("/account/code").expect(200).text().contains("Send the code"));
    let page = form(&mut browser, &format!("login={ALICE}")).expect(200).text();
    assert!(page.contains("one-time-code") && page.contains(ALICE), "{page}");
    let code = code_of(&mailbox, 1).replace(' ', "");
    let wrong = if code == "00000000" { "00000001" } else { "00000000" };
    let again = form(&mut browser, &format!("login={ALICE}&code={wrong}")).expect(400).text();
    assert!(again.contains("This code does not work"), "{again}");
    let done = form(&mut browser, &format!("login={ALICE}&code={code}")).expect(200);
    assert!(done.text().contains("You are logged in"));
    // The app goes on with the cookies.
    browser.csrf_token = browser.cookies["csrftoken"].clone();
    browser.refresh().expect(200);
    let mut other = world.browser();
    form(&mut other, &format!("login={ALICE}")).expect(200);
    let token = mailbox.wait_for(ALICE, 2).token();
    for method in ["GET", "HEAD"] {
        other.bare(method, &format!("/account/code?token={token}")).send().expect(200);
    }
    let elsewhere = form(&mut world.browser(), &format!("token={token}")).expect(400);
    assert!(elsewhere.text().contains("This link does not work here"));
    form(&mut other, &format!("token={token}")).expect(200);
    assert!(other.cookies.contains_key("refreshtoken"));
}

#[test]
fn the_page_tells_who_has_a_second_factor_where_to_log_in() {
    let mailbox = Mailbox::new();
    let builder = TestServer::builder().virtual_time().set("login_code", "on");
    let world = builder.set("mail_url", &mailbox.url()).start();
    world.user("alice");
    world.enrol(&mut world.logged_in("alice"));
    mailbox.wait_with(ALICE, "A second factor was added to your account");
    let mut browser = world.browser();
    ask(&mut browser, ALICE).expect(202);
    let code = code_of(&mailbox, 2).replace(' ', "");
    let kind = "application/x-www-form-urlencoded";
    let request = browser.bare("POST", "/account/code");
    let request = request.body(kind, format!("login={ALICE}&code={code}"));
    let page = browser.send(&request).expect(401).text();
    assert!(page.contains("Your account has a second factor"), "{page}");
    assert!(!browser.cookies.contains_key("refreshtoken"));
}

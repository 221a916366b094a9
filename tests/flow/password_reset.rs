//! `POST /accounts/password/reset` and `…/confirm`, and the page `/account/reset`.

use countersign_e2e::{Browser, Mailbox, PASSWORD, ReadMail, Response, TestServer, Wire};
use serde_json::{Value, json};

const NEW: &str = "an entirely new passphrase";

fn world() -> (TestServer, Mailbox) {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).start();
    (world, mailbox)
}

fn ask(world: &TestServer, body: &Value) -> Response {
    world.request("POST", "/accounts/password/reset").json(body).send()
}

fn confirm(world: &TestServer, body: &Value) -> Response {
    world.request("POST", "/accounts/password/reset/confirm").json(body).send()
}

fn form(world: &TestServer, page: &str, body: &str) -> Response {
    let kind = "application/x-www-form-urlencoded";
    world.request("POST", page).body(kind, body).send()
}

#[test]
fn who_has_the_mailbox_chooses_a_new_password_and_every_session_ends() {
    let (world, mailbox) = world();
    world.user("alice");
    let there = world.logged_in("alice");
    ask(&world, &json!({"email": "alice@example.com"})).expect(202);
    let mail = mailbox.wait_for("alice@example.com", 1);
    assert_eq!(mail.subject(), "Choose a new password");
    confirm(&world, &json!({"token": mail.token(), "new_password": NEW})).expect(204);
    there.get("/accounts/profile").expect_problem(401, "session_revoked");
    world.browser().login("alice").expect_problem(401, "invalid_credentials");
    let login = world.browser().login_with("alice", NEW).expect(200).json();
    assert_eq!(login["user"]["email_verified"], true, "the mailbox proves the address");
    mailbox.wait_with("alice@example.com", "Your password was changed");
    let again = json!({"token": mail.token(), "new_password": "yet another passphrase"});
    confirm(&world, &again).expect_problem(400, "link_invalid");
}

#[test]
fn the_code_does_what_the_link_does_and_dies_after_five_wrong_tries() {
    let (world, mailbox) = world();
    world.user("alice");
    ask(&world, &json!({"username": "alice"})).expect(202);
    let code = mailbox.wait_for("alice@example.com", 1).code();
    let with = |code: &str| {
        confirm(&world, &json!({"email": "Alice@EXAMPLE.com", "code": code, "new_password": NEW}))
    };
    let wrong = if code == "0000 0000" { "0000 0001" } else { "0000 0000" };
    for _ in 0..4 {
        with(wrong).expect_problem(400, "link_invalid");
    }
    with(&code).expect(204);
    // The notice of the change comes first.
    mailbox.wait_for("alice@example.com", 2);
    ask(&world, &json!({"username": "alice"})).expect(202);
    let code = mailbox.wait_for("alice@example.com", 3).code();
    for _ in 0..5 {
        with("0000 0000").expect_problem(400, "link_invalid");
    }
    with(&code).expect_problem(400, "link_invalid");
}

#[test]
fn nobody_learns_from_the_answer_who_exists() {
    let (world, mailbox) = world();
    world.user("alice");
    world.user("inactive");
    world.cli(&["user", "deactivate", "inactive"]).ok();
    let answers = ["alice", "inactive", "nobody", "alice@example.com", "no@example.com", "'; --"]
        .map(|name| {
            let answer = ask(&world, &json!({"username": name})).expect(202);
            let headers: Vec<String> =
                answer.headers_but(&["date", "x-request-id"]).into_iter().collect();
            (headers, answer.text())
        });
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    mailbox.wait_for("alice@example.com", 2);
    let written = world.sql("SELECT count(*), sum(state = 'void') FROM outbox");
    assert_eq!(written.trim(), "6|4", "as many rows for nobody as for somebody");
}

#[test]
fn a_weak_password_is_refused_and_the_link_works_on() {
    let (world, mailbox) = world();
    world.user("alice");
    ask(&world, &json!({"email": "alice@example.com"})).expect(202);
    let token = mailbox.wait_for("alice@example.com", 1).token();
    let weak = confirm(&world, &json!({"token": token, "new_password": "alice1"}));
    let weak = weak.expect_problem(400, "validation_error").json();
    assert!(weak["errors"]["new_password"].is_array());
    confirm(&world, &json!({"token": token, "new_password": NEW})).expect(204);
}

#[test]
fn a_link_dies_with_a_newer_one_with_the_password_and_with_the_user() {
    let (world, mailbox) = world();
    world.user("alice");
    let asked = |many: usize| {
        ask(&world, &json!({"email": "alice@example.com"})).expect(202);
        mailbox.wait_for("alice@example.com", many).token()
    };
    let refused = |token: &str| {
        confirm(&world, &json!({"token": token, "new_password": NEW}))
            .expect_problem(400, "link_invalid");
    };
    let (first, second) = (asked(1), asked(2));
    refused(&first);
    let owner = world.logged_in("alice");
    owner
        .request("POST", "/accounts/password")
        .json(&json!({"old_password": PASSWORD, "new_password": "a passphrase in between"}))
        .send()
        .expect(204);
    refused(&second);
    mailbox.wait_with("alice@example.com", "Your password was changed");
    let third = asked(4);
    world.cli(&["user", "deactivate", "alice"]).ok();
    refused(&third);
}

#[test]
fn whatever_host_a_request_names_the_link_is_below_the_public_url() {
    let (world, mailbox) = world();
    world.user("alice");
    let asked = world
        .request("POST", "/accounts/password/reset")
        .header("x-forwarded-host", "evil.example")
        .json(&json!({"email": "alice@example.com"}))
        .send();
    asked.expect(202);
    let body = json!({"email": "alice@example.com"}).to_string();
    let named = format!(
        "POST /accounts/password/reset HTTP/1.1\r\nHost: evil.example\r\nContent-Type: \
         application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    Wire::to(world.address()).send(named).answer().expect(202);
    mailbox.wait_for("alice@example.com", 2);
    let link = format!("http://localhost:{}/account/reset?token=", world.address().port());
    for mail in mailbox.to("alice@example.com") {
        assert!(!mail.whole.contains("evil.example"));
        assert!(mail.whole.contains(&link), "{}", mail.whole);
    }
}

#[test]
fn one_mailbox_gets_five_mails_an_hour_and_the_answers_stay_the_same() {
    let (world, mailbox) = world();
    world.user("alice");
    for _ in 0..8 {
        ask(&world, &json!({"email": "alice@example.com"})).expect(202);
    }
    mailbox.wait_for("alice@example.com", 5);
    let states = world.sql("SELECT state, count(*) FROM outbox GROUP BY state ORDER BY state");
    assert!(states.contains("void|3"), "{states}");
}

#[test]
fn a_flood_of_requests_takes_no_link_away_that_was_sent() {
    let (world, mailbox) = world();
    world.user("alice");
    for _ in 0..8 {
        ask(&world, &json!({"email": "alice@example.com"})).expect(202);
    }
    mailbox.wait_for("alice@example.com", 5);
    // The last of those that were sent, whichever of the files it is.
    let is_taken = |mail: &ReadMail| {
        confirm(&world, &json!({"token": mail.token(), "new_password": NEW})).status == 204
    };
    assert!(mailbox.to("alice@example.com").iter().any(is_taken));
}

#[test]
fn a_client_that_asks_too_much_is_told_to_wait_before_any_work() {
    let mailbox = Mailbox::new();
    let world =
        TestServer::builder().set("mail_url", &mailbox.url()).set("asks_per_address", "3").start();
    for _ in 0..3 {
        ask(&world, &json!({"email": "nobody@example.com"})).expect(202);
    }
    ask(&world, &json!({"email": "nobody@example.com"})).expect_problem(429, "throttled");
    assert_eq!(world.sql("SELECT count(*) FROM outbox").trim(), "3");
}

#[test]
fn all_clients_together_are_told_to_wait_too() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("mail_url", &mailbox.url())
        .set("asks_per_hour", "3")
        .set("trusted_proxies", "127.0.0.1")
        .start();
    let ask = |client: u8| {
        let request = world.request("POST", "/accounts/password/reset");
        let request = request.header("X-Forwarded-For", format!("192.0.2.{client}"));
        request.json(&json!({"email": format!("nobody{client}@example.com")})).send()
    };
    for client in 0..3 {
        ask(client).expect(202);
    }
    ask(3).expect_problem(429, "throttled");
    assert_eq!(world.sql("SELECT count(*) FROM outbox").trim(), "3");
}

#[test]
fn fifty_confirmations_of_one_link_at_once_change_the_password_once() {
    let (world, mailbox) = world();
    world.user("alice");
    ask(&world, &json!({"email": "alice@example.com"})).expect(202);
    let token = mailbox.wait_for("alice@example.com", 1).token();
    let done: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..50)
            .map(|n| {
                let body = json!({"token": token, "new_password": format!("{NEW} {n}")});
                let world = &world;
                scope.spawn(move || confirm(world, &body).status == 204)
            })
            .collect();
        tries.into_iter().map(|tried| usize::from(tried.join().unwrap())).sum()
    });
    assert_eq!(done, 1);
}

#[test]
fn the_page_of_the_link_uses_nothing_up_until_its_form_is_sent() {
    let (world, mailbox) = world();
    world.user("alice");
    let page = world.get("/account/reset").expect(200);
    assert!(page.text().contains("E-mail address or user name"));
    form(&world, "/account/reset", "login=alice").expect(200);
    let token = mailbox.wait_for("alice@example.com", 1).token();
    for _ in 0..3 {
        let page = world.get(&format!("/account/reset?token={token}")).expect(200);
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
        assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
        world.request("HEAD", &format!("/account/reset?token={token}")).send();
    }
    let passwords = |one: &str, other: &str| {
        let body = format!("token={token}&password={one}&again={other}").replace(' ', "+");
        form(&world, "/account/reset", &body)
    };
    let differ = passwords(NEW, "another").expect(400).text();
    assert!(differ.contains("The two passwords differ."));
    let weak = passwords("alice1", "alice1").expect(400).text();
    assert!(weak.contains("Too short"), "{weak}");
    assert!(passwords(NEW, NEW).expect(200).text().contains("Your password is changed"));
    let used = passwords(NEW, NEW).expect(400).text();
    assert!(used.contains("This link does not work"));
    world.browser().login_with("alice", NEW).expect(200);
}

#[test]
fn without_mail_there_is_no_such_path() {
    let world = TestServer::builder().set("mail_url", "none").start();
    ask(&world, &json!({"email": "alice@example.com"})).expect_problem(404, "not_found");
    world.get("/account/reset").expect(404);
    let document = world.get("/openapi.json").expect(200).json();
    assert!(document["paths"].get("/accounts/password/reset").is_none());
    let browser: Browser = world.browser();
    browser.get("/accounts/email/verify").expect(404);
}

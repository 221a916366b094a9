//! `POST /accounts/tickets`, and `GET /accounts/verify?ticket=…`.

use std::thread;
use std::time::Duration;

use countersign_e2e::{Browser, Response, TestServer};
use serde_json::{Value, json};

fn ask(browser: &Browser, body: &Value) -> Response {
    browser.request("POST", "/accounts/tickets").json(body).send()
}

/// A ticket for this.
fn ticket(browser: &Browser, purpose: &str) -> String {
    ask(browser, &json!({"for": purpose})).expect(200).text_at("ticket")
}

/// What a proxy asks that protects something of this purpose.
fn show(world: &TestServer, ticket: &str, purpose: &str) -> Response {
    world.get(&format!("/accounts/verify?ticket={ticket}&for={purpose}"))
}

#[test]
fn a_ticket_is_good_once_for_what_it_was_made_for() {
    let world = TestServer::start();
    let id = world.user("alice");
    let browser = world.logged_in("alice");
    let answer = ask(&browser, &json!({"for": "chat/7"})).expect(200);
    assert_eq!(answer.json()["expires_in"], 30);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let made = answer.text_at("ticket");
    for other in ["", "chat", "chat%2F8"] {
        show(&world, &made, other).expect_problem(401, "token_invalid");
    }
    let shown = show(&world, &made, "chat%2F7").expect(204);
    assert_eq!(shown.header("x-auth-user-id"), Some(id.to_string().as_str()));
    assert_eq!(shown.header("x-auth-username"), Some("alice"));
    show(&world, &made, "chat%2F7").expect_problem(401, "token_invalid");

    // For nothing, where nothing is said.
    let made = browser.request("POST", "/accounts/tickets").send().expect(200).text_at("ticket");
    world.get(&format!("/accounts/verify?ticket={made}")).expect(204);
    for bad in ["", "x", &"A".repeat(64), &"A".repeat(9_000)] {
        world.get(&format!("/accounts/verify?ticket={bad}")).expect_problem(401, "token_invalid");
    }
}

#[test]
fn it_is_too_old_after_thirty_seconds() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let browser = world.logged_in("alice");
    let (early, late) = (ticket(&browser, "chat"), ticket(&browser, "chat"));
    world.clock().advance(Duration::from_secs(15));
    show(&world, &early, "chat").expect(204);
    world.clock().advance(Duration::from_secs(16));
    show(&world, &late, "chat").expect_problem(401, "token_invalid");
}

#[test]
fn it_ends_with_its_session_and_with_no_other() {
    let world = TestServer::start();
    world.user("alice");
    let (mut mine, other) = (world.logged_in("alice"), world.logged_in("alice"));
    let (dead, alive) = (ticket(&mine, "chat"), ticket(&other, "chat"));
    mine.logout().expect(204);
    show(&world, &dead, "chat").expect_problem(401, "session_revoked");
    show(&world, &alive, "chat").expect(204);
    let dead = ticket(&other, "chat");
    world.cli(&["user", "deactivate", "alice"]).ok();
    let refused = show(&world, &dead, "chat");
    assert_eq!(refused.status, 401, "{}", refused.text());
}

#[test]
fn whoever_asks_for_one_needs_what_every_write_needs() {
    let world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    let asked = world.request("POST", "/accounts/tickets");
    asked.send().expect_problem(401, "not_authenticated");
    let bare = browser.bare("POST", "/accounts/tickets").bearer(&browser.access_token);
    bare.send().expect_problem(403, "csrf_failed");
    let long =
        ask(&browser, &json!({"for": "x".repeat(201)})).expect_problem(400, "validation_error");
    assert!(long.json()["errors"]["for"][0].is_string());
    ask(&browser, &json!({"for": "é".repeat(200)})).expect(200);
    let mut native = world.native();
    native.login("alice").expect(200);
    let made = native.request("POST", "/accounts/tickets").send().expect(200).text_at("ticket");
    show(&world, &made, "").expect(204);
}

#[test]
fn a_request_with_a_ticket_and_a_token_or_with_two_tickets_is_refused() {
    let world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    let (one, other) = (ticket(&browser, ""), ticket(&browser, ""));
    let both = world.request("GET", &format!("/accounts/verify?ticket={one}"));
    both.bearer(&browser.access_token).send().expect_problem(401, "token_invalid");
    let two = world.get(&format!("/accounts/verify?ticket={one}&ticket={other}"));
    two.expect_problem(401, "token_invalid");
    // Neither was used up by it.
    show(&world, &one, "").expect(204);
    show(&world, &other, "").expect(204);
    // No ticket is an access token, and no access token a ticket.
    let made = ticket(&browser, "");
    world
        .request("GET", "/accounts/profile")
        .bearer(&made)
        .send()
        .expect_problem(401, "token_invalid");
    show(&world, &browser.access_token, "").expect_problem(401, "token_invalid");
}

#[test]
fn of_twenty_who_show_it_at_once_one_is_let_in() {
    let world = TestServer::start();
    world.user("alice");
    let made = ticket(&world.logged_in("alice"), "chat");
    let let_in = thread::scope(|scope| {
        let shown: Vec<_> =
            (0..20).map(|_| scope.spawn(|| show(&world, &made, "chat").status)).collect();
        shown.into_iter().map(|one| one.join().unwrap()).filter(|status| *status == 204).count()
    });
    assert_eq!(let_in, 1);
}

#[test]
fn what_was_used_stays_used_when_the_server_is_killed() {
    let mut world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    let (used, unused) = (ticket(&browser, "chat"), ticket(&browser, "chat"));
    show(&world, &used, "chat").expect(204);
    world.kill();
    world.wake();
    show(&world, &used, "chat").expect_problem(401, "token_invalid");
    show(&world, &unused, "chat").expect(204);
}

#[test]
fn a_session_gets_so_many_in_a_minute_and_another_is_not_held_up() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let (browser, other) = (world.logged_in("alice"), world.logged_in("alice"));
    // A few more than 120 on a slow machine, where the minute goes on meanwhile.
    let mut asked = (0..600).map(|number| (number, ask(&browser, &json!({}))));
    let (given, refused) = asked.find(|(_, answer)| answer.status != 200).expect("a refusal");
    assert!(given >= 120, "{given}");
    refused.expect_problem(429, "throttled");
    ticket(&other, "");
    world.clock().advance(Duration::from_secs(2));
    ticket(&browser, "");
}

use std::thread;
use std::time::Duration;

use countersign_e2e::{Browser, Wire, claims_of, eventually};
use serde_json::{Value, json};

use super::*;

fn ticket(browser: &Browser, purpose: &str) -> String {
    let asked = browser.request("POST", "/accounts/tickets").json(&json!({"for": purpose}));
    asked.send().expect(200).text_at("ticket")
}

fn redeem(world: &TestServer, token: &str, body: &Value) -> Value {
    post(world, token, "/tickets/redeem", body).expect(200).json()
}

fn renderer(world: &TestServer) -> String {
    token(world, "renderer", &["countersign.introspect"])
}

#[test]
fn a_ticket_says_who_shows_it_once_and_for_what_it_was_made_for() {
    let world = managed();
    let id = world.user("alice");
    let (token, browser) = (renderer(&world), world.logged_in("alice"));
    let made = ticket(&browser, "chat 7");
    let none = json!({"active": false});
    for wrong in [json!({"ticket": made}), json!({"ticket": made, "for": "chat 8"})] {
        assert_eq!(redeem(&world, &token, &wrong), none);
    }
    let asked = json!({"ticket": made, "for": "chat 7"});
    let answer = post(&world, &token, "/tickets/redeem", &asked).expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.json(),
        json!({
            "active": true, "sub": id.to_string(), "username": "alice", "token_use": "ticket",
            "sid": claims_of(&browser.access_token)["sid"], "is_staff": false,
            "is_superuser": false, "groups": [], "permissions": [],
        })
    );
    assert_eq!(redeem(&world, &token, &asked), none, "it was used");
    let made = ticket(&browser, "");
    assert_eq!(redeem(&world, &token, &json!({"ticket": made}))["active"], true);
    for bad in ["", "nonsense", &"A".repeat(64), &browser.access_token, &token] {
        assert_eq!(redeem(&world, &token, &json!({"ticket": bad})), none);
    }
    for bad in [json!({}), json!({"ticket": 5}), json!({"ticket": "a", "purpose": "b"})] {
        let refused = post(&world, &token, "/tickets/redeem", &bad);
        refused.expect_problem(400, "validation_error");
    }
}

#[test]
fn who_may_not_look_at_tokens_uses_no_ticket_up() {
    let world = managed();
    world.user("alice");
    let browser = world.logged_in("alice");
    let asked = json!({"ticket": ticket(&browser, "")});
    let other = token(&world, "reader", &["auth.view_user"]);
    post(&world, &other, "/tickets/redeem", &asked).expect_problem(403, "permission_denied");
    let bare = world.request("POST", "/manage/v1/tickets/redeem").json(&asked);
    bare.send().expect_problem(401, "not_authenticated");
    post(&world, &browser.access_token, "/tickets/redeem", &asked)
        .expect_problem(403, "permission_denied");
    assert_eq!(redeem(&world, &renderer(&world), &asked)["active"], true);
}

#[test]
fn a_token_that_may_no_more_while_a_body_travels_uses_no_ticket_up() {
    let world = managed();
    world.superuser("root");
    world.user("alice");
    let (theirs, other) = (token(&world, "theirs", &["countersign.introspect"]), renderer(&world));
    // As if somebody of the staff had made it.
    world.sql("UPDATE service_tokens SET maker = NULL, maker_id = 1 WHERE name = 'theirs'");
    let asked = json!({"ticket": ticket(&world.logged_in("alice"), "")});
    let request = ask(&world, &theirs, "POST", "/tickets/redeem").json(&asked).to_bytes();
    let (begun, rest) = request.split_at(request.len() - 5);
    let mut wire = Wire::to(world.address()).send(begun);
    assert_eq!(redeem(&world, &theirs, &json!({"ticket": "a"}))["active"], false);
    world.sql("UPDATE users SET is_superuser = 0 WHERE username = 'root'");
    eventually("the maker may it no more", || {
        post(&world, &theirs, "/tickets/redeem", &json!({"ticket": "a"})).status == 403
    });
    wire.push(rest);
    wire.answer().expect_problem(403, "permission_denied");
    assert_eq!(redeem(&world, &other, &asked)["active"], true, "it was used up");
}

#[test]
fn a_ticket_is_nobodys_once_its_time_its_session_or_its_user_is_over() {
    let world = TestServer::builder().set("manage", "on").virtual_time().start();
    world.user("alice");
    let token = renderer(&world);
    let is_good =
        |ticket: &str| redeem(&world, &token, &json!({"ticket": ticket}))["active"].clone();
    let browser = world.logged_in("alice");
    let late = ticket(&browser, "");
    world.clock().advance(Duration::from_secs(32));
    assert_eq!(is_good(&late), false, "too old");
    let mut out = world.logged_in("alice");
    let made = ticket(&out, "");
    out.logout();
    assert_eq!(is_good(&made), false, "logged out");
    let made = ticket(&browser, "");
    world.cli(&["user", "deactivate", "alice"]).ok();
    assert_eq!(is_good(&made), false, "inactive");
}

#[test]
fn of_many_who_redeem_a_ticket_at_once_on_two_nodes_one_is_told_who_it_is() {
    let nodes = two_nodes();
    nodes[0].user("alice");
    let (token, browser) = (renderer(&nodes[0]), nodes[0].logged_in("alice"));
    let asked = json!({"ticket": ticket(&browser, "chat"), "for": "chat"});
    let told = thread::scope(|scope| {
        let (nodes, token, asked) = (&nodes, &token, &asked);
        let all: Vec<_> = (0..16)
            .map(|number| scope.spawn(move || redeem(&nodes[number % 2], token, asked)))
            .collect();
        let told = all.into_iter().map(|one| one.join().unwrap());
        told.filter(|told| told["active"] == true).count()
    });
    assert_eq!(told, 1);
    for node in &nodes {
        assert_eq!(redeem(node, &token, &asked), json!({"active": false}));
    }
}

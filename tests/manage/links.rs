use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_e2e::Mailbox;
use serde_json::json;

use super::*;

fn link(world: &TestServer, token: &str, id: i64, kind: &str, send: bool) -> Response {
    post(world, token, &format!("/users/{id}/links"), &json!({"kind": kind, "send": send}))
}

/// Chooses a password on the page that a link leads to.
fn choose(world: &TestServer, page: &str, token: &str) -> Response {
    let body = format!("token={token}&password=tin+kettle+14&again=tin+kettle+14");
    world.request("POST", page).body("application/x-www-form-urlencoded", body).send()
}

fn token_of(link: &str) -> &str {
    link.split_once("token=").unwrap().1
}

fn links_are_made(world: &TestServer, mailbox: &Mailbox) {
    let token = token(world, "helpdesk", &["auth.change_user", "auth.add_user"]);
    let id = world.user("alice");
    let sent = link(world, &token, id, "reset", true).expect(201);
    assert_eq!(sent.json(), json!({"mailed": true, "to": "alice@example.com"}));
    let mailed = mailbox.wait_for("alice@example.com", 1).token();
    let given = link(world, &token, id, "reset", false).expect(201);
    assert_eq!(given.header("cache-control"), Some("no-store"));
    let given = given.json();
    assert_eq!((&given["mailed"], given.get("to")), (&json!(false), None));
    let given = given["link"].as_str().unwrap();
    assert!(given.contains("/account/reset?token="), "{given}");
    // The newest alone is good, and once.
    choose(world, "/account/reset", &mailed).expect(400);
    choose(world, "/account/reset", token_of(given)).expect(200);
    choose(world, "/account/reset", token_of(given)).expect(400);
    world.browser().login_with("alice", "tin kettle 14").expect(200);
    let invited = json!({"username": "bob", "email": "bob@example.com", "email_verified": false});
    let bob = post(world, &token, "/users", &invited).expect(201).json()["id"].as_i64().unwrap();
    let given = link(world, &token, bob, "invitation", false).expect(201).json();
    choose(world, "/account/invitation", token_of(given["link"].as_str().unwrap())).expect(200);
    world.browser().login_with("bob", "tin kettle 14").expect(200);

    link(world, &token, id, "verify", false).expect_problem(409, "conflict");
    link(world, &token, id, "invitation", true).expect_problem(409, "conflict");
    let nowhere = post(world, &token, "/users", &json!({"username": "carol"})).expect(201).json();
    let nowhere = nowhere["id"].as_i64().unwrap();
    link(world, &token, nowhere, "reset", false).expect_problem(409, "conflict");
    let path = format!("/users/{id}/deactivate");
    ask(world, &token, "POST", &path).send().expect(204);
    link(world, &token, id, "reset", false).expect_problem(409, "conflict");
}

#[test]
fn a_link_is_sent_by_mail_or_given_once_and_the_log_says_which() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("manage", "on").set("mail_url", &mailbox.url()).start();
    links_are_made(&world, &mailbox);
    let lines = world.sql(
        "SELECT detail FROM audit_events WHERE actor = 'service:1:helpdesk'
         AND kind = 'link_sent' ORDER BY id",
    );
    assert_eq!(
        lines.lines().collect::<Vec<_>>(),
        ["reset", "reset, given to whoever asked", "invitation, given to whoever asked"]
    );
    assert!(!world.log().contains("token="), "no link is in the log");
}

#[test]
fn links_are_the_same_on_postgresql() {
    let mailbox = Mailbox::new();
    let world = node(&Cluster::shared().database());
    links_are_made(&world.set("mail_url", &mailbox.url()).start(), &mailbox);
}

fn a_link_is_made_while_the_user_changes(world: &TestServer) {
    let (id, token) = (world.user("alice"), super_token(world));
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0.. {
                let address = json!({"email": format!("alice{number}@example.com")});
                let path = format!("/users/{id}");
                let request = ask(world, &token, "PATCH", &path).header("If-Match", "*");
                request.json(&address).send().expect(200);
                if is_done.load(Ordering::Relaxed) {
                    break;
                }
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        let statuses: Vec<_> =
            (0..60).map(|_| link(world, &token, id, "reset", false).status).collect();
        is_done.store(true, Ordering::Relaxed);
        assert!(statuses.iter().all(|status| *status == 201), "{statuses:?}");
    });
}

#[test]
fn a_user_who_changes_meanwhile_gets_a_link_all_the_same() {
    a_link_is_made_while_the_user_changes(&managed());
    let url = Cluster::shared().database();
    a_link_is_made_while_the_user_changes(&node(&url).start());
}

#[test]
fn where_no_mail_is_sent_none_is_promised() {
    let world = TestServer::builder().set("manage", "on").set("mail_url", "none").start();
    let id = world.user("alice");
    let token = super_token(&world);
    link(&world, &token, id, "reset", true).expect_problem(409, "conflict");
    assert_eq!(link(&world, &token, id, "reset", false).expect(201).json()["mailed"], false);
    assert_eq!(world.sql("SELECT count(*) FROM outbox").trim(), "0");
}

#[test]
fn nobody_gets_a_link_into_the_account_of_who_may_more_than_they() {
    let world = managed();
    world.superuser("root");
    let alice = world.user("alice");
    world.sql(
        "INSERT INTO user_permissions (user_id, permission_id)
         SELECT 2, id FROM permissions WHERE codename = 'delete_user'",
    );
    let weak = token(&world, "weak", &["auth.change_user"]);
    for id in [1, alice] {
        for kind in ["verify", "reset", "invitation"] {
            for send in [true, false] {
                let refused = link(&world, &weak, id, kind, send);
                let refused = refused.expect_problem(403, "permission_denied");
                assert!(!refused.text().contains("token="));
            }
        }
    }
    let viewer = token(&world, "viewer", &["auth.view_user"]);
    link(&world, &viewer, alice, "reset", false).expect_problem(403, "permission_denied");
    link(&world, &viewer, 4711, "reset", false).expect_problem(403, "permission_denied");
    link(&world, &weak, 4711, "reset", false).expect_problem(404, "not_found");
    let all = super_token(&world);
    for bad in [
        json!({}),
        json!({"kind": "reset"}),
        json!({"kind": "email_change", "send": true}),
        json!({"kind": "reset", "send": "yes"}),
        json!({"kind": "reset", "send": true, "to": "eve@example.com"}),
    ] {
        let refused = post(&world, &all, "/users/2/links", &bad);
        refused.expect_problem(400, "validation_error");
    }
    assert_eq!(world.sql("SELECT count(*) FROM one_time_tokens").trim(), "0");
}

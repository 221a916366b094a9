//! `/account/invitation`, and `POST /accounts/register` with `invitation`.

use countersign_e2e::{Mailbox, PASSWORD, Response, TestServer};
use serde_json::{Value, json};

const NEW: &str = "an entirely new passphrase";

fn world(registration: &str) -> TestServer {
    TestServer::builder().set("mail_url", "none").set("registration", registration).start()
}

fn invited(world: &TestServer, address: &str) -> String {
    let link = world.cli(&["user", "invite", address]).ok();
    link.trim().split_once("token=").expect("a link").1.to_owned()
}

fn register(world: &TestServer, body: &Value) -> Response {
    world.request("POST", "/accounts/register").json(body).send()
}

#[test]
fn whoever_was_invited_registers_with_the_link_and_is_logged_in() {
    for registration in ["invite", "open"] {
        let world = TestServer::builder()
            .set("mail_url", "console:")
            .set("registration", registration)
            .asleep();
        let mut world = world;
        world.wake();
        world.user("bob");
        // By hand, as an operator without mail does.
        let mut by_hand =
            world.command(&["user", "invite", "ada@example.com", "--mail-url", "none"]);
        let link = countersign_e2e::Finished(by_hand.output().unwrap()).ok();
        let token = link.trim().split_once("token=").unwrap().1.to_owned();
        let body = |name: &str, password: &str| {
            json!({"invitation": token, "username": name, "password": password,
                "first_name": "Ada", "email": "other@example.com"})
        };
        let taken = register(&world, &body("BOB", NEW)).expect_problem(400, "validation_error");
        assert!(taken.json()["errors"]["username"].is_array(), "{}", taken.text());
        let weak = register(&world, &body("ada", "ada12")).expect_problem(400, "validation_error");
        assert!(weak.json()["errors"]["password"].is_array(), "{}", weak.text());
        let login = register(&world, &body("ada", NEW)).expect(201).json();
        assert_eq!(login["user"]["username"], "ada");
        assert_eq!(login["user"]["first_name"], "Ada");
        assert_eq!(login["user"]["email"], "ada@example.com");
        assert_eq!(login["user"]["email_verified"], true);
        let profile = world
            .request("GET", "/accounts/profile")
            .bearer(login["access_token"].as_str().unwrap())
            .send();
        profile.expect(200);
        register(&world, &body("ada2", NEW)).expect_problem(400, "link_invalid");
        world.browser().login_with("ada", NEW).expect(200);
        let kinds = world.sql("SELECT kind FROM audit_events ORDER BY id");
        assert!(kinds.contains("user_invited"), "{kinds}");
        countersign_e2e::eventually("the registration has its line", || {
            world.sql("SELECT count(*) FROM audit_events WHERE kind = 'registered'").trim() == "1"
        });
    }
}

#[test]
fn whoever_joins_ends_the_session_that_the_browser_had() {
    let world = world("invite");
    world.user("bob");
    let mut browser = world.logged_in("bob");
    let mut late = browser.clone();
    let token = invited(&world, "ada@example.com");
    let body = json!({"invitation": token, "username": "ada", "password": NEW,
        "device_name": "Ada's phone"});
    let request = browser.request("POST", "/accounts/register").json(&body);
    browser.send(&request).expect(201);
    let listed = browser.get("/accounts/sessions").expect(200).json();
    assert_eq!(listed["sessions"][0]["device_name"], "Ada's phone");
    assert_eq!(late.refresh().expect_problem(401, "session_revoked").json()["reason"], "replaced");
    browser.refresh().expect(200);
}

#[test]
fn without_an_invitation_nobody_registers_where_one_is_asked_for() {
    let world = world("invite");
    let stranger = json!({"username": "eve", "email": "eve@example.com", "password": NEW});
    let refused = register(&world, &stranger).expect_problem(400, "validation_error").json();
    assert!(refused["errors"]["invitation"].is_array(), "{refused}");
    for token in ["", "nonsense", "AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA"] {
        let body = json!({"invitation": token, "password": NEW});
        register(&world, &body).expect_problem(400, "link_invalid");
    }
    let nothing = json!({"invitation": "AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA"});
    let refused = register(&world, &nothing).expect_problem(400, "validation_error").json();
    assert!(refused["errors"]["password"].is_array(), "{refused}");
    assert_eq!(world.sql("SELECT count(*) FROM users").trim(), "0");
}

#[test]
fn an_invitation_dies_with_the_user_and_with_a_deactivation() {
    let world = world("invite");
    for (address, act) in [("ada@example.com", "deactivate"), ("bob@example.com", "delete")] {
        let token = invited(&world, address);
        let more: &[&str] = if act == "delete" { &["--noinput"] } else { &[] };
        world.cli(&[&["user", act, address], more].concat()).ok();
        let body = json!({"invitation": token, "password": NEW});
        register(&world, &body).expect_problem(400, "link_invalid");
        if act == "deactivate" {
            world.cli(&["user", "activate", address]).ok();
            register(&world, &body).expect_problem(400, "link_invalid");
        }
    }
    // A token of another purpose is none.
    let mailbox = Mailbox::new();
    let other =
        TestServer::builder().set("mail_url", &mailbox.url()).set("registration", "invite").start();
    other.user("alice");
    let reset = json!({"email": "alice@example.com"});
    other.request("POST", "/accounts/password/reset").json(&reset).send().expect(202);
    let token = mailbox.wait_for("alice@example.com", 1).token();
    let body = json!({"invitation": token, "password": NEW});
    register(&other, &body).expect_problem(400, "link_invalid");
    other.browser().login_with("alice", PASSWORD).expect(200);
}

#[test]
fn fifty_who_come_with_one_link_at_once_are_one() {
    let world = world("invite");
    let token = invited(&world, "ada@example.com");
    let done: usize = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..50)
            .map(|n| {
                let body = json!({"invitation": token, "password": format!("{NEW} {n}")});
                let world = &world;
                scope.spawn(move || register(world, &body).status == 201)
            })
            .collect();
        tries.into_iter().map(|tried| usize::from(tried.join().unwrap())).sum()
    });
    assert_eq!(done, 1);
}

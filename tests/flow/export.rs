//! `GET /accounts/profile/export`.

use std::time::Duration;

use countersign_e2e::{PASSWORD, TestServer, Wire};
use serde_json::{Value, json};

#[test]
fn a_user_gets_everything_about_themselves_and_nothing_that_opens_anything() {
    let world = TestServer::builder().set("mail_url", "console:").start();
    let id = world.user("alice");
    world.user("bob");
    let (alice, mut ended, bob) =
        (world.logged_in("alice"), world.logged_in("alice"), world.logged_in("bob"));
    ended.logout().expect(204);
    let reset = json!({"email": "alice@example.com"});
    world.request("POST", "/accounts/password/reset").json(&reset).send().expect(202);
    world.browser().login_with("alice", "wrong").expect(401);
    let said = "SELECT count(*) FROM audit_events WHERE kind = 'login_failed'";
    countersign_e2e::eventually("the line is written", || world.sql(said).trim() == "1");

    let answer = alice.get("/accounts/profile/export").expect(200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("content-disposition").unwrap().starts_with("attachment"));
    let text = answer.text();
    let export: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(export["user"]["id"], id);
    assert_eq!(export["user"], alice.get("/accounts/profile").json()["user"]);
    let sessions = export["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|session| session["reason"] == "logout").count(), 1);
    assert_eq!(export["links"][0]["purpose"], "reset");
    assert_eq!(export["mails"][0]["address"], "alice@example.com");
    let audit = export["audit"].as_array().unwrap();
    let kinds: Vec<&str> = audit.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    for kind in ["user_added", "login", "logout", "login_failed"] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let added = audit.iter().find(|line| line["kind"] == "user_added").unwrap();
    assert_eq!((&added["by"], &added["ip"]), (&"operator".into(), &Value::Null));

    let hash = world.sql("SELECT password FROM users WHERE username = 'alice'");
    for secret in [hash.trim(), &alice.access_token, alice.refresh_token(), "argon2", "secret"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(!text.contains("bob"), "{text}");
    let of_bob = bob.get("/accounts/profile/export").expect(200).text();
    assert!(!of_bob.contains("alice"), "{of_bob}");
}

#[test]
fn a_long_history_comes_whole_and_each_line_once() {
    let world = TestServer::start();
    let id = world.user("alice");
    world.sql(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1750)
         INSERT INTO audit_events (at, kind, user_id, detail)
         SELECT 1000 + i / 7, 'login', {id}, 'line ' || i FROM n"
    ));
    let export = world.logged_in("alice").get("/accounts/profile/export").expect(200).json();
    let mut lines: Vec<&str> = export["audit"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|line| line["detail"].as_str().filter(|detail| detail.starts_with("line ")))
        .collect();
    assert_eq!(lines.len(), 1750);
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 1750);
}

#[test]
fn second_factors_are_told_without_what_they_are_proved_with() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    let enrolled = world.enrol(&mut alice);
    let text = alice.get("/accounts/profile/export").expect(200).text();
    let export: Value = serde_json::from_str(&text).unwrap();
    let factors = export["factors"].as_array().unwrap();
    assert_eq!((factors.len(), &factors[0]["kind"]), (1, &"totp".into()));
    assert_eq!(factors[0]["is_enrolled"], true);
    assert_eq!(export["recovery_codes_left"], enrolled.codes.len());
    assert!(enrolled.codes.iter().all(|code| !text.contains(code.as_str())), "{text}");
    assert!(!text.contains("sealed"), "{text}");
}

#[test]
fn an_export_needs_a_recent_login() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    world
        .request("GET", "/accounts/profile/export")
        .send()
        .expect_problem(401, "not_authenticated");
    world.clock().advance(Duration::from_secs(16 * 60));
    alice.refresh().expect(200);
    let refused = alice.get("/accounts/profile/export");
    let refused = refused.expect_problem(401, "recent_login_required");
    assert!(refused.header("www-authenticate").unwrap().contains("max_age=900"));
    alice.login_with("alice", PASSWORD).expect(200);
    alice.get("/accounts/profile/export").expect(200);
}

#[test]
fn exports_are_counted_as_what_is_asked_for() {
    let world = TestServer::builder().set("asks_per_address", "2").start();
    world.user("alice");
    let alice = world.logged_in("alice");
    for _ in 0..2 {
        alice.get("/accounts/profile/export").expect(200);
    }
    alice.get("/accounts/profile/export").expect_problem(429, "throttled");
}

#[test]
fn an_export_does_not_tell_whether_somebody_has_an_address() {
    let world = TestServer::builder()
        .set("mail_url", "console:")
        .set("registration", "open")
        .set("asks_per_address", "0")
        .start();
    world.user("alice");
    let exports = ["alice@example.com", "nobody@example.com"].map(|email| {
        let (name, _) = email.split_once('@').unwrap();
        let mut eve = world.browser();
        let body = json!({
            "username": format!("eve-{name}"), "email": email, "password": PASSWORD,
        });
        let request = eve.request("POST", "/accounts/register").json(&body);
        eve.send(&request).expect(201);
        let change = json!({"email": email, "password": PASSWORD});
        let request = eve.request("POST", "/accounts/email/change").json(&change);
        eve.send(&request).expect(202);
        let export = eve.get("/accounts/profile/export").expect(200).json();
        json!([export["links"], export["mails"]])
    });
    assert_eq!(exports, [json!([[], []]), json!([[], []])]);
}

#[test]
fn whoever_exports_is_counted_by_the_address_that_they_come_from() {
    let mut world = TestServer::start();
    world.user("alice");
    let token = format!("Authorization: Bearer {}", world.logged_in("alice").access_token);
    let asked = ["GET /accounts/profile/export HTTP/1.1", "Host: localhost", &token, "\r\n"];
    let mut elsewhere = Wire::from_address([127, 0, 0, 2], world.address());
    elsewhere.push(asked.join("\r\n"));
    elsewhere.answer().expect(200);
    world.stop();
    let log = world.log();
    let line = log.lines().find(|line| line.contains("a user exports")).expect("a line");
    assert!(line.contains("127.0.0.2"), "{line}");
}

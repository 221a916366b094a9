//! The audit log: everything that it should tell is in it, nothing that it should not, and all of
//! it comes out.

use std::thread;
use std::time::{Duration, Instant};

use countersign_e2e::{Desk, TestServer, Wire, eventually};
use serde_json::json;

use crate::office::{edit, furnish, group, office};

fn kinds(world: &TestServer) -> Vec<String> {
    let all = world.sql(
        "SELECT kind FROM audit_events WHERE kind <> 'permission_added' AND actor \
        IS NULL ORDER BY id",
    );
    all.lines().map(str::to_owned).collect()
}

fn lines(desk: &mut Desk, query: &str) -> usize {
    desk.get(&format!("/admin/audit/?{query}"))
        .expect(200)
        .text()
        .matches("<td data-of=\"When\">")
        .count()
}

#[test]
fn what_users_do_is_written_down_but_no_refresh_and_no_name_that_was_typed() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.browser();
    browser.login_with("alice", "wrong-password-typed").expect(401);
    browser.login_with("wrong-name-typed", "x").expect(401);
    browser.login("alice").expect(200);
    let mut thief = browser.clone();
    for _ in 0..5 {
        browser.refresh().expect(200);
        world.clock().advance(Duration::from_secs(60));
    }
    let change = browser.request("POST", "/accounts/password").json(
        &json!({"old_password": countersign_e2e::PASSWORD, "new_password": "another kettle 15"}),
    );
    let answer = browser.send(&change);
    assert!([200, 204].contains(&answer.status), "{}", answer.text());
    thief.refresh().expect_problem(401, "refresh_token_reused");
    browser.login_with("alice", "another kettle 15").expect(200);
    browser.logout().expect(204);
    eventually("everything is in the log", || kinds(&world).len() == 7);
    let mut seen = kinds(&world);
    seen.sort();
    assert_eq!(
        seen,
        [
            "login",
            "login",
            "login_failed",
            "login_failed",
            "logout",
            "password_changed",
            "token_theft"
        ]
    );
    let dump = world.sql("SELECT * FROM audit_events");
    for secret in ["wrong-password-typed", "wrong-name-typed", "kettle"] {
        assert!(!dump.contains(secret), "{secret} in {dump}");
    }
    eventually("refreshes are counted", || {
        world.sql("SELECT sum(n) FROM activity WHERE n = 5").trim() == "5"
    });
}

#[test]
fn what_operators_do_is_written_down_with_who_to_whom_and_from_where() {
    let (world, mut root) = office();
    let alice = world.user("alice");
    edit(&mut root, alice, &[("first_name", "Alice")]).expect(303);
    let team = group(&mut root, "team", &[]);
    root.post(&format!("/admin/groups/{team}/delete"), &[]).expect(303);
    root.post(&format!("/admin/users/{alice}/password"), &[("act", "unusable")]).expect(303);
    root.post("/admin/keys/rotate", &[("how", "gently")]).expect(303);
    root.post("/admin/users/act", &[("act", "deactivate"), ("ids", &alice.to_string())])
        .expect(303);
    root.post(
        "/admin/users/act",
        &[("act", "delete"), ("ids", &alice.to_string()), ("sure", "yes")],
    )
    .expect(303);
    world.desk().sign_in_with("root", "wrong").expect(403);
    root.post("/admin/sign-out", &[]).expect(303);
    eventually("everything is in the log", || kinds(&world).len() >= 10);
    let mut seen = kinds(&world);
    seen.sort();
    let expected = [
        "admin_login",
        "admin_login_failed",
        "admin_logout",
        "group_added",
        "group_deleted",
        "keys_rotated",
        "password_set",
        "user_changed",
        "user_deactivated",
        "user_deleted",
    ];
    assert_eq!(seen, expected);
    let from = world.sql(
        "SELECT DISTINCT actor_id, ip FROM audit_events WHERE actor IS NULL AND kind NOT IN \
         ('permission_added', 'admin_login_failed')",
    );
    assert_eq!(from.trim(), "1|127.0.0.1");
    // Of somebody who is gone the line stays, and says so.
    root.sign_in("root").sends_to("/admin/");
    root.get("/admin/audit/?kind=user-deleted").says(200, &format!("user {alice}, gone"));
    assert_eq!(
        lines(&mut root, &format!("user={alice}")),
        5,
        "that they were made in the shell too"
    );
    assert_eq!(lines(&mut root, "by=root&kind=keys-rotated"), 1);
    assert_eq!(lines(&mut root, "by=root@example.com&kind=keys-rotated&ip=127.0.0.1"), 1);
    assert_eq!(lines(&mut root, "kind=keys-rotated&ip=192.0.2.1"), 0);
    assert_eq!(lines(&mut root, "until=2020-01-01"), 0);
    assert_eq!(lines(&mut root, "since=2100-01-01"), 0);
}

#[test]
fn the_export_has_every_line_and_only_those_of_the_filters() {
    let (world, mut root) = furnish(TestServer::start());
    world.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) \
         INSERT INTO audit_events (at, kind, user_id, ip, detail) SELECT i * 1000000,
         CASE i % 2 WHEN 0 THEN 'login' ELSE 'logout' END, 1, '192.0.2.9',
         'number ' || i || ' \"quoted\"' FROM n",
    );
    let answer = root.get("/admin/audit.csv?ip=192.0.2.9&kind=login").expect(200);
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"audit.csv\""));
    let csv = answer.text();
    let rows: Vec<&str> = csv.trim_end().split("\r\n").collect();
    assert_eq!(rows.len(), 1 + 1500);
    for i in 1..=3000 {
        assert_eq!(csv.contains(&format!("\"number {i} \"\"quoted\"\"\"")), i % 2 == 0, "{i}");
    }
    assert!(
        rows[1].contains("\"1970-01-01T00:50:00Z\",\"Signed in\"") && rows[1].contains("\"root\""),
        "{}",
        rows[1]
    );
    // Pages of the list come one after the other, forwards and back.
    let mut path = "/admin/audit/?ip=192.0.2.9&kind=logout".to_owned();
    let mut seen = 0;
    while seen < 1500 {
        let page = root.get(&path).expect(200).text();
        seen += page.matches("<td data-of=\"When\">").count();
        let Some((before, _)) = page.split_once("\" rel=\"next\"") else { break };
        path = format!(
            "/admin/audit/{}",
            before.rsplit_once("href=\"").unwrap().1.replace("&#38;", "&").replace("&amp;", "&")
        );
    }
    assert_eq!(seen, 1500);
}

#[test]
fn a_download_is_not_cut_off_however_long_its_reader_takes() {
    let (world, root) = furnish(TestServer::builder().set("header_timeout", "1s").start());
    world.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) \
         INSERT INTO audit_events (at, kind, user_id, ip, detail) SELECT i * 1000000, 'login', 1,
         '192.0.2.9', hex(zeroblob(300)) FROM n",
    );
    let mut slow = Wire::to(world.address())
        .send(root.request("GET", "/admin/audit.csv?ip=192.0.2.9").to_bytes());
    let begun = Instant::now();
    let mut read = Vec::new();
    loop {
        // Some 28 MB in some 4 seconds: more than any buffer on the way takes, and four times the
        // deadline.
        let pace = begun.elapsed().as_millis() * 7_000;
        if (read.len() as u128) < pace {
            let sip = slow.sip(65_536).expect("the rest");
            if sip.is_empty() {
                break;
            }
            read.extend(sip);
        } else {
            thread::sleep(Duration::from_millis(10));
        }
    }
    let text = String::from_utf8_lossy(&read);
    assert!(text.ends_with("\r\n0\r\n\r\n"), "cut off after {} bytes", read.len());
    assert!(text.contains("1970-01-01T11:06:40Z"), "the last row");
}

#[test]
fn what_happened_is_in_the_log_after_the_server_has_stopped() {
    let mut world = TestServer::start();
    for i in 0..5 {
        world.user(&format!("u{i}"));
    }
    for i in 0..5 {
        world.native().login(&format!("u{i}")).expect(200);
    }
    assert_eq!(world.stop(), Some(0));
    assert_eq!(world.sql("SELECT count(*) FROM audit_events WHERE kind = 'login'").trim(), "5");
    assert_eq!(world.sql("SELECT sum(n) FROM activity WHERE n = 5").trim(), "5");
}

#[test]
fn old_lines_are_forgotten_and_others_kept() {
    let mut world = TestServer::builder().set("audit_keep", "30d").start();
    world.stop();
    let days = |n: i64| format!("(strftime('%s', 'now') - {n} * 86400) * 1000000");
    for n in [1, 29, 31, 400] {
        world.sql(&format!(
            "INSERT INTO audit_events (at, kind, detail) VALUES ({}, 'login', 'old {n}')",
            days(n)
        ));
    }
    world.sql(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) INSERT \
         INTO audit_events (at, kind) SELECT {}, 'logout' FROM n",
        days(60)
    ));
    world.wake();
    eventually("old lines are gone", || {
        world.sql("SELECT count(*) FROM audit_events WHERE kind = 'logout'").trim() == "0"
    });
    eventually("and only they", || {
        world.sql("SELECT group_concat(detail) FROM audit_events WHERE detail LIKE 'old%'").trim()
            == "old 1,old 29"
    });
}

//! What people write of themselves is text on every page, and no formula in a spreadsheet.

use countersign_e2e::{TestServer, eventually};

use crate::office::{furnish, group};

const SCRIPT: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>";

#[test]
fn script_in_names_is_text_on_every_page_and_in_the_export() {
    let (world, mut root) = furnish(TestServer::start());
    let alice = world.user("alice");
    // A client may call its device what it likes.
    let agent = world.request("POST", "/accounts/login").header("User-Agent", SCRIPT);
    let password = countersign_e2e::PASSWORD;
    let body = serde_json::json!({
        "username": "alice", "password": password, "transport": "body", "device_name": SCRIPT,
    });
    agent.json(&body).send().expect(200);
    let session: i64 = world.sql("SELECT id FROM sessions").trim().parse().unwrap();
    let team = group(&mut root, SCRIPT, &[]);
    root.post("/admin/permissions/", &[("app", "shop"), ("codename", "sell"), ("name", SCRIPT)])
        .expect(303);
    let quoted = SCRIPT.replace('\'', "''");
    // Rows that came from elsewhere may have any name.
    world.sql(&format!(
        "UPDATE users SET username = '{quoted}', username_folded = NULL, first_name = '{quoted}', \
         last_name = '{quoted}', email = '{quoted}', \
         metadata = json_object('a', '</textarea>{quoted}') WHERE id = {alice}"
    ));
    let permission = world.sql("SELECT id FROM permissions WHERE app = 'shop'").trim().to_owned();
    eventually("the login is in the audit log", || {
        world.sql("SELECT count(*) FROM audit_events WHERE kind = 'login'").trim() == "1"
    });
    for path in [
        "/admin/".to_owned(),
        "/admin/users/".to_owned(),
        "/admin/users/?q=%3Cscript%3Ealert%281%29%3C%2Fscript%3E%22%3E".to_owned(),
        format!("/admin/users/{alice}/"),
        format!("/admin/users/{alice}/access"),
        format!("/admin/users/{alice}/password"),
        "/admin/groups/".to_owned(),
        format!("/admin/groups/{team}/"),
        "/admin/permissions/".to_owned(),
        format!("/admin/permissions/{permission}/"),
        "/admin/sessions/".to_owned(),
        format!("/admin/sessions/{session:016x}/"),
        "/admin/audit/".to_owned(),
        "/admin/audit/?by=%3Cscript%3E".to_owned(),
        "/admin/groups/?q=%3Cscript%3E%22%3E".to_owned(),
        "/admin/permissions/?q=%3Cscript%3E%22%3E".to_owned(),
        "/admin/sign-in?next=/admin/%22%3E%3Cscript%3E".to_owned(),
    ] {
        let page = root.get(&path);
        assert!([200, 303, 404].contains(&page.status), "{path}: {}", page.status);
        let html = page.text();
        for bad in ["<script", "<img", "onerror=alert(2)>"] {
            assert!(!html.contains(bad), "{bad} on {path}: {html}");
        }
    }
    root.post("/admin/users/act", &[("act", "delete"), ("ids", &alice.to_string())])
        .says(200, "&#60;script");
    // A stale form and a form with mistakes show what was typed.
    let answer = root.post(
        &format!("/admin/users/{alice}/"),
        &[("seen", "0"), ("username", SCRIPT), ("first_name", SCRIPT), ("metadata", SCRIPT)],
    );
    assert!(!answer.text().contains("<script"), "{}", answer.text());
    let csv = root.get("/admin/audit.csv").expect(200);
    assert!(csv.header("content-type").unwrap().starts_with("text/csv"));
    assert!(csv.text().contains(&format!("\"{}\"", SCRIPT.replace('"', "\"\""))), "{}", csv.text());
}

#[test]
fn no_cell_of_the_export_is_a_formula() {
    let (world, mut root) = furnish(TestServer::start());
    for (i, start) in ["=", "+", "-", "@", "\t", "\r"].into_iter().enumerate() {
        let id = world.user(&format!("u{i}"));
        world.sql(&format!(
            "UPDATE users SET username = '{start}cmd|''/c calc''!A{i}', \
            username_folded = NULL WHERE id = {id}"
        ));
        world.sql(&format!(
            "INSERT INTO audit_events (at, kind, user_id, detail) VALUES (0, \
            'login', {id}, '{start}1+1')"
        ));
    }
    let csv = root.get("/admin/audit.csv").expect(200).text();
    for start in ["=", "+", "-", "@", "\t", "\r"] {
        assert!(
            csv.contains(&format!("\"'{start}cmd|")) && csv.contains(&format!("\"'{start}1+1\"")),
            "{start:?} in {csv}"
        );
        assert!(
            !csv.contains(&format!(",\"{start}")) && !csv.contains(&format!(",{start}")),
            "{start:?} in {csv}"
        );
    }
}

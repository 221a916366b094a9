//! Service tokens: made, shown once, and revoked; never for more than their maker has.

use std::time::Duration;

use countersign_e2e::{Desk, PASSWORD, Response, TestServer, eventually};

use crate::office::{furnish, operator, permission};

fn world() -> (TestServer, Desk) {
    furnish(TestServer::builder().set("manage", "on").virtual_time().start())
}

/// Makes a token on the page, which shows it.
fn make(desk: &mut Desk, fields: &[(&str, &str)]) -> String {
    let page = desk.post("/admin/tokens/add", fields).expect(200);
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let text = page.text();
    let (_, rest) = text.split_once("<code>cs_").unwrap_or_else(|| panic!("{text}"));
    format!("cs_{}", rest.split('<').next().unwrap())
}

fn users(world: &TestServer, token: &str) -> Response {
    world.request("GET", "/manage/v1/users").bearer(token).send()
}

#[test]
fn a_token_is_made_shown_once_and_revoked_and_each_has_its_line() {
    let (world, mut root) = world();
    root.get("/admin/tokens/").says(200, "no service token yet");
    let view = permission(&mut root, "auth.view_user").to_string();
    root.get("/admin/tokens/add").says(200, "It may everything");
    let fields = [("name", "importer"), ("expires_in", "30d"), ("permissions", view.as_str())];
    let token = make(&mut root, &fields);
    users(&world, &token).expect(200);
    let list = root.get("/admin/tokens/").expect(200).text();
    for part in ["importer", "auth.view_user", "everywhere", "<b>good</b>", "root"] {
        assert!(list.contains(part), "{part}: {list}");
    }
    assert!(!list.contains(&token[..10]), "it is shown once");
    root.post("/admin/tokens/add", &fields).says(400, "that was not revoked");
    root.post("/admin/tokens/1/revoke", &[]).sends_to("/admin/tokens/?said=token-revoked");
    users(&world, &token).expect_problem(401, "token_invalid");
    root.post("/admin/tokens/1/revoke", &[]).says(404, "no such token");
    for path in ["0", "x", "-9223372036854775808", "4711"] {
        root.post(&format!("/admin/tokens/{path}/revoke"), &[]).says(404, "no such token");
    }
    root.get("/admin/tokens/").says(200, "<b>revoked</b>");
    let lines = world.sql(
        "SELECT kind FROM audit_events WHERE kind LIKE 'service_token%' AND actor_id = 1
         ORDER BY id",
    );
    let kinds: Vec<&str> = lines.lines().collect();
    assert_eq!(kinds, ["service_token_made", "service_token_revoked"]);
    let everywhere = world.sql("SELECT group_concat(detail) FROM audit_events");
    assert!(!everywhere.contains(&token) && !world.log().contains(&token));
}

#[test]
fn a_token_has_the_networks_the_time_and_the_groups_that_were_chosen() {
    let (world, mut root) = world();
    world.sql("INSERT INTO groups (name) VALUES ('editors')");
    let fields = [
        ("name", "far"),
        ("expires_in", "1h"),
        ("is_superuser", "on"),
        ("networks", "10.0.0.0/8\r\n 192.0.2.1 \r\n"),
        ("group_names", "editors"),
    ];
    let far = make(&mut root, &fields);
    users(&world, &far).expect_problem(403, "permission_denied");
    let list = root.get("/admin/tokens/").expect(200).text();
    assert!(list.contains("10.0.0.0/8, 192.0.2.1/32") && list.contains("everything"), "{list}");
    assert!(list.contains("group editors"), "{list}");
    let near = make(&mut root, &[("name", "near"), ("expires_in", "1h"), ("is_superuser", "on")]);
    users(&world, &near).expect(200);
    for (field, value, said) in [
        ("name", "", "1 to 100 characters"),
        ("name", "7", "is no number"),
        ("name", "a:b", "colons"),
        ("expires_in", "soon", "not a"),
        ("expires_in", "1s", "a minute to ten years"),
        ("expires_in", "4000d", "a minute to ten years"),
        ("networks", "10.0.0.0/33", "Write a network"),
        ("group_names", "nobodies", "no group"),
    ] {
        let mut fields = vec![("name", "other"), ("expires_in", "1h")];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, value));
        let refused = root.post("/admin/tokens/add", &fields);
        assert_eq!(refused.status, 400, "{field} {value}: {}", refused.text());
        assert!(
            field == "expires_in" && value == "soon" || refused.text().contains(said),
            "{said}"
        );
    }
    root.post("/admin/tokens/add", &[("name", "x"), ("expires_in", "1h"), ("permissions", "999")])
        .says(404, "no permission");
    assert_eq!(world.sql("SELECT count(*) FROM service_tokens").trim(), "2");
    world.clock().advance(Duration::from_secs(3_600));
    users(&world, &near).expect_problem(401, "token_invalid");
}

#[test]
fn nobody_gives_a_token_more_than_they_have_or_revokes_somebody_elses() {
    let (world, mut root) = world();
    let may = ["countersign.change_servicetoken", "auth.view_user"];
    let mut desk = operator(&world, &mut root, "olga", &may);
    let [view, delete] =
        ["auth.view_user", "auth.delete_user"].map(|name| permission(&mut root, name).to_string());
    let all = make(&mut root, &[("name", "all"), ("expires_in", "1d"), ("is_superuser", "on")]);
    let form = desk.get("/admin/tokens/add").expect(200).text();
    assert!(!form.contains("It may everything"), "that is for superusers");
    let asked = |extra: (&'static str, String)| {
        vec![("name", "mine".to_owned()), ("expires_in", "1d".to_owned()), extra]
    };
    for extra in [("permissions", delete), ("is_superuser", "on".to_owned())] {
        let fields = asked(extra);
        let fields: Vec<_> = fields.iter().map(|(name, text)| (*name, text.as_str())).collect();
        desk.post("/admin/tokens/add", &fields).expect(403);
    }
    world.sql("INSERT INTO groups (name) VALUES ('admins')");
    desk.post(
        "/admin/tokens/add",
        &[("name", "mine"), ("expires_in", "1d"), ("group_names", "admins")],
    )
    .expect(403);
    let mine = make(&mut desk, &[("name", "mine"), ("expires_in", "1d"), ("permissions", &view)]);
    users(&world, &mine).expect(200);
    desk.post("/admin/tokens/1/revoke", &[]).says(403, "Only a superuser revokes");
    users(&world, &all).expect(200);
    // Who is demoted takes theirs with them.
    world.sql("DELETE FROM user_permissions WHERE user_id = 2");
    eventually("the maker may nothing", || users(&world, &mine).status == 403);
    root.post("/admin/tokens/2/revoke", &[]).expect(303);
}

#[test]
fn a_token_whose_maker_may_nothing_is_not_called_good() {
    let (world, mut root) = world();
    let may = ["countersign.change_servicetoken", "auth.view_user"];
    let mut desk = operator(&world, &mut root, "olga", &may);
    let view = permission(&mut root, "auth.view_user").to_string();
    let mine = make(&mut desk, &[("name", "mine"), ("expires_in", "1d"), ("permissions", &view)]);
    let mut says = |state: &str, status: u16| {
        eventually(state, || users(&world, &mine).status == status);
        root.get("/admin/tokens/").says(200, &format!("<b>{state}</b>"));
        let listed = world.cli(&["token", "list", "--json"]).ok();
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed[0]["state"], state);
    };
    says("good", 200);
    world.cli(&["user", "deactivate", "olga"]).ok();
    says("no maker", 401);
    world.cli(&["user", "activate", "olga"]).ok();
    says("good", 200);
    world.cli(&["user", "set", "olga", "--staff", "off"]).ok();
    says("no maker", 401);
    world.cli(&["user", "delete", "olga", "--noinput"]).ok();
    says("no maker", 401);
}

#[test]
fn who_signed_in_long_ago_is_asked_whether_it_is_they() {
    let (world, mut root) = world();
    make(&mut root, &[("name", "old"), ("expires_in", "1d"), ("is_superuser", "on")]);
    world.clock().advance(Duration::from_secs(11 * 60));
    let fields = [("name", "new"), ("expires_in", "1d"), ("is_superuser", "on")];
    let asked = root.post("/admin/tokens/add", &fields).expect(403);
    assert!(!asked.text().contains("<code>cs_"), "{}", asked.text());
    root.post("/admin/tokens/1/revoke", &[]).expect(403);
    assert_eq!(world.sql("SELECT count(*) FROM service_tokens").trim(), "1");
    assert_eq!(world.sql("SELECT count(revoked_at) FROM service_tokens").trim(), "0");
    root.post("/admin/tokens/1/revoke", &[("own_password", PASSWORD)])
        .sends_to("/admin/tokens/?said=token-revoked");
}

use std::time::Duration;

use countersign_e2e::eventually;
use serde_json::json;

use super::*;

#[test]
fn nothing_is_there_unless_the_setting_says_so() {
    let world = TestServer::start();
    let token = super_token(&world);
    get(&world, &token, "/users").expect_problem(404, "not_found");
    world.get("/manage/v1/openapi.json").expect(404);
}

#[test]
fn only_a_bearer_gets_in_and_a_cookie_is_nobody() {
    let world = managed();
    world.superuser("root");
    let (mut desk, browser) = (world.desk(), world.logged_in("root"));
    desk.sign_in("root");
    world.get("/manage/v1/users").expect_problem(401, "not_authenticated");
    // A page that sends what the browser has.
    desk.request("GET", "/manage/v1/users").send().expect_problem(401, "not_authenticated");
    browser
        .bare("POST", "/manage/v1/users")
        .json(&json!({"username": "eve"}))
        .send()
        .expect_problem(401, "not_authenticated");
    for shown in ["cs_nonsense", "nonsense", "", "a.b.c", &format!("cs_{}", "a".repeat(38))] {
        get(&world, shown, "/users").expect_problem(401, "token_invalid");
    }
    let twice = world.request("GET", "/manage/v1/users").bearer("a").bearer("b");
    twice.send().expect_problem(401, "token_invalid");
    // Another origin is not let in.
    let token = super_token(&world);
    let elsewhere = ask(&world, &token, "GET", "/users").header("origin", "https://evil.example");
    let answer = elsewhere.send().expect(200);
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[test]
fn staff_get_in_by_their_access_token_as_far_as_their_permissions_go() {
    let world = managed();
    world.superuser("root");
    world.user("alice");
    let (root, alice) = (world.logged_in("root"), world.logged_in("alice"));
    get(&world, &root.access_token, "/users").expect(200);
    get(&world, &alice.access_token, "/users").expect_problem(403, "permission_denied");
    world.sql("UPDATE users SET is_staff = 1 WHERE username = 'alice'");
    eventually("alice is staff", || {
        get(&world, &alice.access_token, "/users").text().contains("auth.view_user")
    });
    world.sql("UPDATE users SET is_active = 0 WHERE username = 'root'");
    eventually("root is out", || get(&world, &root.access_token, "/users").status == 401);
}

#[test]
fn staff_who_must_enrol_a_second_factor_get_in_when_they_have() {
    for builder in [TestServer::builder(), node(&Cluster::shared().database())] {
        let world =
            builder.set("manage", "on").set("second_factor", "required").virtual_time().start();
        world.superuser("root");
        let mut root = world.logged_in("root");
        get(&world, &root.access_token, "/users").expect_problem(403, "enrolment_required");
        let eve = json!({"username": "eve", "password": "tin-kettle-1499", "is_superuser": true});
        post(&world, &root.access_token, "/users", &eve).expect_problem(403, "enrolment_required");
        world.enrol(&mut root);
        get(&world, &root.access_token, "/users").expect(200);
    }
}

#[test]
fn somebody_of_the_staff_writes_only_after_a_recent_login() {
    let world = TestServer::builder().set("manage", "on").virtual_time().start();
    world.superuser("root");
    let mut root = world.logged_in("root");
    post(&world, &root.access_token, "/users", &json!({"username": "ada"})).expect(201);
    world.clock().advance(Duration::from_secs(16 * 60));
    root.refresh().expect(200);
    get(&world, &root.access_token, "/users").expect(200);
    let refused = post(&world, &root.access_token, "/users", &json!({"username": "bob"}));
    refused.expect_problem(401, "recent_login_required");
}

#[test]
fn a_token_ends_with_its_time_its_revocation_and_its_makers_power() {
    let world = TestServer::builder().set("manage", "on").virtual_time().start();
    world.superuser("root");
    let short = world.cli(&["token", "create", "short", "--superuser", "--expires-in", "10m"]);
    let short = short.ok().trim_end().to_owned();
    let revoked = super_token(&world);
    let made = world.cli(&["token", "create", "made", "--superuser"]).ok().trim_end().to_owned();
    // As if somebody of the staff had made it.
    world.sql("UPDATE service_tokens SET maker = NULL, maker_id = 1 WHERE name = 'made'");
    for token in [&short, &revoked, &made] {
        get(&world, token, "/users").expect(200);
    }
    world.cli(&["token", "revoke", "everything"]).ok();
    eventually("it is over", || get(&world, &revoked, "/users").status == 401);
    get(&world, &revoked, "/users").expect_problem(401, "token_invalid");
    // The clock runs: a slow machine takes its time on the way.
    world.clock().advance(Duration::from_secs(500));
    get(&world, &short, "/users").expect(200);
    world.clock().advance(Duration::from_secs(100));
    get(&world, &short, "/users").expect_problem(401, "token_invalid");

    world.sql("UPDATE users SET is_superuser = 0 WHERE id = 1");
    eventually("the maker is no superuser", || get(&world, &made, "/users").status == 403);
    post(&world, &made, "/users", &json!({"username": "eve", "is_superuser": true}))
        .expect_problem(403, "permission_denied");
    world.sql("UPDATE users SET is_active = 0 WHERE id = 1");
    eventually("the maker is out", || get(&world, &made, "/users").status == 401);
}

#[test]
fn a_token_is_good_in_its_networks_alone_and_its_use_is_noted() {
    let world = managed();
    let elsewhere =
        world.cli(&["token", "create", "elsewhere", "--superuser", "--network", "10.0.0.0/8"]);
    let here = world.cli(&["token", "create", "here", "--superuser", "--network", "127.0.0.0/8"]);
    get(&world, elsewhere.ok().trim_end(), "/users").expect_problem(403, "permission_denied");
    // Nobody is believed who says where they come from.
    ask(&world, elsewhere.ok().trim_end(), "GET", "/users")
        .header("x-forwarded-for", "10.0.0.1")
        .send()
        .expect_problem(403, "permission_denied");
    get(&world, here.ok().trim_end(), "/users").expect(200);
    let used = world.sql("SELECT last_used_at IS NOT NULL FROM service_tokens ORDER BY id");
    assert!(used.contains('1'), "{used}");
    assert!(world.log().contains("was it stolen"), "{}", world.log());
}

#[test]
fn a_query_that_nothing_reads_is_refused_at_every_endpoint() {
    let world = managed();
    world.superuser("root");
    let token = super_token(&world);
    let document = world.get("/manage/v1/openapi.json").expect(200).json();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let at = path.replace("{id}", "1").replace("{sid}", "1").replace("{factor}", "1");
            let asked = world.request(&method.to_uppercase(), &format!("{at}?nobody=reads"));
            let refused = asked.bearer(&token).send().expect_problem(400, "bad_request");
            assert!(refused.text().contains("nobody"), "{method} {path}: {}", refused.text());
        }
    }
    assert_eq!(world.sql("SELECT count(*) FROM users").trim(), "1");
}

#[test]
fn the_document_names_every_endpoint() {
    let world = managed();
    let document = world.get("/manage/v1/openapi.json").expect(200).json();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 18, "{:?}", paths.keys());
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            let at = path.replace("{id}", "1").replace("{sid}", "1").replace("{factor}", "1");
            let bare = world.request(&method.to_uppercase(), &at).send();
            bare.expect_problem(401, "not_authenticated");
            assert_eq!(operation["security"][0]["bearer"], json!([]), "{method} {path}");
        }
    }
    let public = world.get("/openapi.json").expect(200).text();
    assert!(!public.contains("/manage/"), "that of front ends says nothing of it");
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/manage-openapi.json");
    let text = format!("{}\n", serde_json::to_string_pretty(&document).unwrap());
    if std::env::var_os("RENEW_OPENAPI").is_some() {
        std::fs::write(file, &text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(file).unwrap(), text, "RENEW_OPENAPI=1 writes it anew");
}

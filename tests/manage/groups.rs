use std::thread;

use serde_json::json;

use super::*;

const GROUPS: &[&str] = &["auth.add_group", "auth.change_group", "auth.delete_group"];

fn change(world: &TestServer, token: &str, path: &str, tag: &str, body: &Value) -> Response {
    ask(world, token, "PUT", path).header("if-match", tag).json(body).send()
}

fn a_group_is_made_read_changed_and_deleted(world: &TestServer) {
    let token = super_token(world);
    let body = json!({"name": " editors ", "permissions": ["auth.view_user", "auth.view_user"]});
    let made = post(world, &token, "/groups", &body).expect(201);
    let id = made.json()["id"].as_i64().unwrap();
    let path = format!("/groups/{id}");
    assert_eq!(made.header("location"), Some(format!("/manage/v1{path}").as_str()));
    let shown = json!({"id": id, "name": "editors", "permissions": ["auth.view_user"]});
    assert_eq!(made.json(), shown);
    let read = get(world, &token, &path).expect(200);
    assert_eq!((read.json(), read.header("etag")), (shown, made.header("etag")));
    assert_eq!(read.header("cache-control"), Some("no-store"));
    let tag = read.header("etag").unwrap().to_owned();
    post(world, &token, "/groups", &body).expect_problem(400, "validation_error");

    let wanted = json!({"name": "writers", "permissions": ["auth.add_user"]});
    let bare = ask(world, &token, "PUT", &path).json(&wanted).send();
    bare.expect_problem(428, "precondition_required");
    let changed = change(world, &token, &path, &tag, &wanted).expect(200);
    assert_eq!(
        changed.json(),
        json!({"id": id, "name": "writers", "permissions": ["auth.add_user"]})
    );
    change(world, &token, &path, &tag, &wanted).expect_problem(412, "precondition_failed");
    change(world, &token, &path, "*", &wanted).expect(200);

    let member = json!({"username": "ada", "groups": ["writers"]});
    let ada = post(world, &token, "/users", &member).expect(201).json();
    assert_eq!(ada["permissions"], json!(["auth.add_user"]));
    ask(world, &token, "DELETE", &path).send().expect(204);
    for method in ["GET", "DELETE"] {
        ask(world, &token, method, &path).send().expect_problem(404, "not_found");
    }
    change(world, &token, &path, "*", &wanted).expect_problem(404, "not_found");
    let ada = get(world, &token, &format!("/users/{}", ada["id"])).expect(200).json();
    assert_eq!((&ada["groups"], &ada["permissions"]), (&json!([]), &json!([])));
}

#[test]
fn a_group_is_made_read_changed_and_deleted_and_every_act_has_its_line() {
    let world = managed();
    a_group_is_made_read_changed_and_deleted(&world);
    let lines = world.sql(
        "SELECT kind || ' ' || detail FROM audit_events WHERE actor = 'service:1:everything'
         AND kind LIKE 'group%' ORDER BY id",
    );
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], "group_added editors; permissions: added auth.view_user");
    assert!(lines[1].starts_with("group_changed editors to writers; permissions:"), "{lines:?}");
    assert!(lines.last().unwrap().starts_with("group_deleted writers"), "{lines:?}");
}

#[test]
fn groups_are_the_same_on_postgresql() {
    a_group_is_made_read_changed_and_deleted(&two_nodes()[0]);
}

#[test]
fn nobody_has_a_group_give_what_they_do_not_have_and_only_a_superuser_renames_one() {
    let world = managed();
    let all = super_token(&world);
    let mut has = GROUPS.to_vec();
    has.push("auth.view_user");
    let token = token(&world, "office", &has);
    let body = |name: &str, gives: &[&str]| json!({"name": name, "permissions": gives});
    post(&world, &token, "/groups", &body("evil", &["auth.delete_user"]))
        .expect_problem(403, "permission_denied");
    let made = post(&world, &token, "/groups", &body("readers", &["auth.view_user"])).expect(201);
    let path = format!("/groups/{}", made.json()["id"]);
    for wanted in [
        body("readers", &["auth.view_user", "auth.delete_user"]),
        body("writers", &["auth.view_user"]),
    ] {
        change(&world, &token, &path, "*", &wanted).expect_problem(403, "permission_denied");
    }
    // What somebody else gave stays, and may be taken away.
    let more = body("readers", &["auth.view_user", "auth.delete_user"]);
    change(&world, &all, &path, "*", &more).expect(200);
    change(&world, &token, &path, "*", &more).expect(200);
    change(&world, &token, &path, "*", &body("readers", &[])).expect(200);
    let viewer = super::token(&world, "viewer", &["auth.view_group"]);
    get(&world, &viewer, &path).expect(200);
    for (method, path) in [("POST", "/groups"), ("PUT", &path), ("DELETE", &path)] {
        let asked = ask(&world, &viewer, method, path).header("if-match", "*");
        asked.json(&body("x", &[])).send().expect_problem(403, "permission_denied");
    }
    let nobody = super::token(&world, "nobody", &["auth.view_user"]);
    get(&world, &nobody, &path).expect_problem(403, "permission_denied");
    get(&world, &nobody, "/groups/4711").expect_problem(403, "permission_denied");
}

#[test]
fn only_a_superuser_deletes_a_group_that_must_have_a_second_factor() {
    let world = TestServer::builder().set("manage", "on").set("second_factor", "watched").start();
    let (all, token) = (super_token(&world), token(&world, "office", GROUPS));
    for name in ["watched", "team"] {
        let body = json!({"name": name, "permissions": []});
        let made = post(&world, &all, "/groups", &body).expect(201);
        let path = format!("/groups/{}", made.json()["id"]);
        let deleted = ask(&world, &token, "DELETE", &path).send();
        if name == "team" {
            deleted.expect(204);
        } else {
            let refused = deleted.expect_problem(403, "permission_denied").json();
            assert!(refused["detail"].as_str().unwrap().contains("second_factor"), "{refused}");
            ask(&world, &all, "DELETE", &path).send().expect(204);
        }
    }
}

#[test]
fn of_two_who_change_a_group_at_once_one_is_told_so() {
    let nodes = two_nodes();
    let token = super_token(&nodes[0]);
    let body = json!({"name": "editors", "permissions": []});
    let made = post(&nodes[0], &token, "/groups", &body).expect(201);
    let (tag, path) = (made.header("etag").unwrap(), format!("/groups/{}", made.json()["id"]));
    let answers: Vec<u16> = thread::scope(|scope| {
        let (nodes, token, path) = (&nodes, &token, &path);
        let all: Vec<_> = (0..8)
            .map(|number| {
                let wanted = json!({"name": format!("editors{number}"), "permissions": []});
                scope.spawn(move || change(&nodes[number % 2], token, path, tag, &wanted).status)
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 412].contains(status)), "{answers:?}");
}

#[test]
fn what_is_no_group_is_refused() {
    let world = managed();
    let token = super_token(&world);
    for bad in [
        json!({}),
        json!({"name": "x"}),
        json!({"permissions": []}),
        json!({"name": "", "permissions": []}),
        json!({"name": "  ", "permissions": []}),
        json!({"name": "x\u{0}y", "permissions": []}),
        json!({"name": "x".repeat(151), "permissions": []}),
        json!({"name": "x", "permissions": ["auth.nothing"]}),
        json!({"name": "x", "permissions": "auth.view_user"}),
        json!({"name": "x", "permissions": [7]}),
        json!({"name": "x", "permissions": [], "members": []}),
        json!({"name": "x", "permissions": vec!["auth.view_user"; 1_001]}),
    ] {
        post(&world, &token, "/groups", &bad).expect_problem(400, "validation_error");
    }
    for path in
        ["/groups/x", "/groups/-1", "/groups/+1", "/groups/01", "/groups/9999999999999999999"]
    {
        get(&world, &token, path).expect_problem(404, "not_found");
    }
    get(&world, &token, "/groups/1?x=1").expect_problem(400, "bad_request");
    let long = "ß".repeat(150);
    post(&world, &token, "/groups", &json!({"name": long, "permissions": []})).expect(201);
}

use std::thread;

use countersign_e2e::{Cluster, Mailbox};
use serde_json::json;

use super::*;

fn factors(world: &TestServer, token: &str, id: i64) -> Vec<Value> {
    let list = get(world, token, &format!("/users/{id}/factors")).expect(200).json();
    list["factors"].as_array().unwrap().clone()
}

#[test]
fn an_operator_removes_one_factor_or_all_and_the_user_is_told() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder()
        .set("manage", "on")
        .set("mail_url", &mailbox.url())
        .virtual_time()
        .start();
    let id = world.user("alice");
    let token = token(&world, "helpdesk", &["auth.change_user"]);
    let path = format!("/users/{id}/factors");
    assert_eq!(
        get(&world, &token, &path).expect(200).json(),
        json!({"factors": [], "recovery_codes_left": 0})
    );
    let mut browser = world.logged_in("alice");
    world.enrol(&mut browser);
    world.next_code();
    world.passkey(&mut browser);
    let listed = get(&world, &token, &path).expect(200);
    assert_eq!(listed.header("cache-control"), Some("no-store"));
    assert_eq!(listed.json()["recovery_codes_left"], 10);
    let has = factors(&world, &token, id);
    let kinds: Vec<_> = has.iter().map(|factor| factor["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["totp", "passkey"]);
    assert!(!listed.text().contains("sealed") && !listed.text().contains("secret"));

    let one = format!("{path}/{}", has[0]["id"].as_str().unwrap());
    ask(&world, &token, "DELETE", &one).send().expect(204);
    browser.get("/accounts/profile").expect_problem(401, "session_revoked");
    let mail =
        mailbox.wait_with("alice@example.com", "A second factor was removed from your account");
    assert!(mail.whole.contains("TOTP"), "{}", mail.whole);
    ask(&world, &token, "DELETE", &one).send().expect_problem(404, "not_found");
    assert_eq!(factors(&world, &token, id).len(), 1);
    let all = ask(&world, &token, "DELETE", &path).send().expect(200).json();
    assert_eq!(all, json!({"removed": 1}));
    let none = ask(&world, &token, "DELETE", &path).send().expect(200).json();
    assert_eq!(none, json!({"removed": 0}));
    assert_eq!(get(&world, &token, &path).json()["recovery_codes_left"], 0);
    world.browser().login("alice").expect(200);
    let lines = world.sql(
        "SELECT kind || ' ' || detail FROM audit_events WHERE actor = 'service:1:helpdesk'
         ORDER BY id",
    );
    assert_eq!(lines.lines().collect::<Vec<_>>(), ["factor_removed totp", "factors_reset 1"]);
}

#[test]
fn nobody_removes_factors_of_who_may_more_than_they_or_learns_of_them() {
    let world = TestServer::builder().set("manage", "on").virtual_time().start();
    world.superuser("root");
    let [alice, root] = [world.user("alice"), 1];
    world.enrol(&mut world.logged_in("alice"));
    world.sql(
        "INSERT INTO user_permissions (user_id, permission_id)
         SELECT 2, id FROM permissions WHERE codename = 'delete_user'",
    );
    let weak = token(&world, "weak", &["auth.change_user"]);
    let strong = token(&world, "strong", &["auth.change_user", "auth.delete_user"]);
    let factor = factors(&world, &strong, alice)[0]["id"].as_str().unwrap().to_owned();
    for id in [alice, root] {
        for (method, path) in [
            ("GET", format!("/users/{id}/factors")),
            ("DELETE", format!("/users/{id}/factors")),
            ("DELETE", format!("/users/{id}/factors/{factor}")),
        ] {
            ask(&world, &weak, method, &path).send().expect_problem(403, "permission_denied");
        }
    }
    let viewer = token(&world, "viewer", &["auth.view_user"]);
    let path = format!("/users/{alice}/factors");
    get(&world, &viewer, &path).expect_problem(403, "permission_denied");
    get(&world, &viewer, "/users/4711/factors").expect_problem(403, "permission_denied");
    // A factor of somebody else, and what is none.
    let bob = world.user("bob");
    for path in [
        format!("/users/{bob}/factors/{factor}"),
        format!("/users/{alice}/factors/nonsense"),
        "/users/4711/factors".to_owned(),
        "/users/x/factors".to_owned(),
    ] {
        ask(&world, &strong, "DELETE", &path).send().expect_problem(404, "not_found");
    }
    assert_eq!(factors(&world, &strong, alice).len(), 1);
}

#[test]
fn of_two_who_remove_the_same_factor_at_once_one_does_it() {
    let url = Cluster::shared().database();
    let nodes = [(); 2].map(|()| node(&url).virtual_time().start());
    let id = nodes[0].user("alice");
    nodes[0].enrol(&mut nodes[0].logged_in("alice"));
    let token = super_token(&nodes[0]);
    let factor = factors(&nodes[1], &token, id)[0]["id"].as_str().unwrap().to_owned();
    let path = format!("/users/{id}/factors/{factor}");
    let answers: Vec<u16> = thread::scope(|scope| {
        let (nodes, token, path) = (&nodes, &token, &path);
        let all: Vec<_> = (0..8)
            .map(|number| {
                scope.spawn(move || ask(&nodes[number % 2], token, "DELETE", path).send().status)
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(answers.iter().filter(|status| **status == 204).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [204, 404].contains(status)), "{answers:?}");
    nodes[1].browser().login("alice").expect(200);
}

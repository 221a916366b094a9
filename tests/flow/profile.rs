//! `GET` and `PATCH /accounts/profile`.

use std::time::Duration;

use countersign_e2e::{Mailbox, TestServer, eventually};
use serde_json::{Value, json};

fn patch(world: &TestServer, body: &Value) -> countersign_e2e::Response {
    world.logged_in("alice").request("PATCH", "/accounts/profile").json(body).send()
}

#[test]
fn the_profile_has_the_fields_of_djangos_user() {
    let world = TestServer::start();
    let id = world.user("alice");
    let user = world.logged_in("alice").get("/accounts/profile").expect(200).json()["user"].clone();
    let mut fields: Vec<&str> = user.as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    let expected = [
        "date_joined",
        "email",
        "email_verified",
        "first_name",
        "groups",
        "id",
        "is_active",
        "is_staff",
        "is_superuser",
        "last_login",
        "last_name",
        "locale",
        "metadata",
        "permissions",
        "username",
    ];
    assert_eq!(fields, expected);
    assert_eq!(
        (&user["id"], &user["username"], &user["email"]),
        (&json!(id), &json!("alice"), &json!("alice@example.com"))
    );
}

#[test]
fn whatever_way_a_profile_is_asked_for_the_answer_is_one() {
    let app = "https://app.example.com";
    let world = TestServer::builder().set("allow_origins", app).start();
    world.user("alice");
    let mut browser = world.browser();
    browser.login("alice").expect(200);
    let shown = |response: countersign_e2e::Response| {
        let mut headers = response.headers_but(&["date", "x-request-id"]);
        headers.retain(|header| !header.starts_with("access-control-"));
        headers.sort_unstable();
        (response.text(), headers)
    };
    // The token is checked for the first of them, and known to all others.
    let first = shown(browser.get("/accounts/profile").expect(200));
    for path in ["/accounts/profile", "/accounts/profile/", "/accounts/profile?fields=all"] {
        assert_eq!(shown(browser.get(path).expect(200)), first, "{path}");
        let page = browser.request("GET", path).header("origin", app).send().expect(200);
        assert_eq!(page.header("access-control-allow-origin"), Some(app), "{path}");
        assert_eq!(shown(page), first, "{path}");
        let (body, headers) = shown(browser.request("HEAD", path).send().expect(200));
        assert_eq!((body.as_str(), headers), ("", first.1.clone()), "{path}");
    }
    let hosts = browser.request("GET", "/accounts/profile").header("host", "a, b").send();
    hosts.expect_problem(400, "bad_request");
    browser.get("/accounts//profile").expect_problem(404, "not_found");
    browser.request("DELETE", "/profile").send().expect_problem(404, "not_found");
    let known = browser.request("GET", "/accounts/profile");
    browser.logout().expect(204);
    known.send().expect_problem(401, "session_revoked");
}

#[test]
fn a_superusers_profile_lists_every_permission_there_is_and_the_token_what_was_given() {
    let world = TestServer::builder().set("extra_claims", "permissions,is_superuser").start();
    world.superuser("root");
    world.user("alice");
    let every: Vec<String> = world
        .sql("SELECT app || '.' || codename FROM permissions ORDER BY 1")
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(every.contains(&"auth.change_user".to_owned()), "{every:?}");
    let mut browser = world.browser();
    let login = browser.login("root").expect(200).json();
    let profile = browser.get("/accounts/profile").expect(200).json();
    let patched = browser
        .request("PATCH", "/accounts/profile")
        .json(&json!({"first_name": "R"}))
        .send()
        .expect(200)
        .json();
    let again = browser.get("/accounts/profile").expect(200).json();
    for shown in [&login, &profile, &patched, &again] {
        assert_eq!(shown["user"]["permissions"], json!(every));
    }
    let claims = countersign_e2e::claims_of(&browser.access_token);
    assert_eq!((&claims["permissions"], &claims["is_superuser"]), (&json!([]), &json!(true)));
    let alice = world.logged_in("alice").get("/accounts/profile").expect(200).json();
    assert_eq!(alice["user"]["permissions"], json!([]));
}

#[test]
fn own_fields_change_and_others_never() {
    let world = TestServer::start();
    world.user("alice");
    let answer = patch(
        &world,
        &json!({"first_name": "Alíce", "last_name": "L", "email": "New@Example.com",
            "is_staff": true, "is_superuser": true, "is_active": false, "id": 99, "password": "x",
            "groups": ["admins"], "permissions": ["a.b"], "date_joined": "2000-01-01",
            "nonsense": 1}),
    );
    let user = answer.expect(200).json()["user"].clone();
    assert_eq!((&user["first_name"], &user["email"]), (&json!("Alíce"), &json!("New@example.com")));
    assert_eq!(
        (&user["is_staff"], &user["is_superuser"], &user["is_active"]),
        (&json!(false), &json!(false), &json!(true))
    );
    assert_eq!(user["groups"], json!([]));
    assert_eq!(
        world.logged_in("alice").get("/accounts/profile").json()["user"]["first_name"],
        "Alíce"
    );
}

#[test]
fn what_is_wrong_with_each_field_is_told_at_once() {
    let world = TestServer::start();
    world.user("alice");
    world.user("bob");
    let long = "x".repeat(151);
    for (body, fields) in [
        (
            json!({"first_name": long, "last_name": 5, "username": "a b", "email": "nonsense"}),
            &["email", "first_name", "last_name", "username"][..],
        ),
        (json!({"username": "BOB"}), &["username"]),
        (json!({"username": "bob@example.com"}), &["username"]),
        (json!({"username": ""}), &["username"]),
        (json!({"first_name": null}), &["first_name"]),
        (json!({"first_name": "a\u{0}b"}), &["first_name"]),
    ] {
        let errors =
            patch(&world, &body).expect_problem(400, "validation_error").json()["errors"].clone();
        assert_eq!(
            errors.as_object().unwrap().keys().collect::<Vec<_>>(),
            fields,
            "{body}: {errors}"
        );
    }
    assert_eq!(patch(&world, &json!({})).expect(200).json()["user"]["username"], "alice");
}

#[test]
fn a_new_name_signs_in_and_the_old_one_does_not() {
    let world = TestServer::start();
    world.user("alice");
    patch(&world, &json!({"username": "Älice"})).expect(200);
    world.browser().login("älice").expect(200);
    world.browser().login("alice").expect_problem(401, "invalid_credentials");
}

#[test]
fn a_change_by_an_operator_is_felt_in_the_next_moment() {
    let world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    browser.get("/accounts/profile").expect(200);
    world.sql("UPDATE users SET is_staff = 1, first_name = 'Changed'");
    eventually("the row is read again", || {
        browser.get("/accounts/profile").json()["user"]["first_name"] == "Changed"
    });
    world.sql("INSERT INTO groups (name) VALUES ('editors')");
    world.sql("INSERT INTO permissions (app, codename) VALUES ('blog', 'add_post')");
    world.sql("INSERT INTO user_groups SELECT users.id, groups.id FROM users, groups");
    eventually("the group is known", || {
        browser.get("/accounts/profile").json()["user"]["groups"] == json!(["editors"])
    });
    world.sql(
        "INSERT INTO group_permissions SELECT groups.id, permissions.id FROM groups, \
        permissions WHERE app = 'blog'",
    );
    eventually("the permission is known", || {
        browser.get("/accounts/profile").json()["user"]["permissions"] == json!(["blog.add_post"])
    });
}

#[test]
fn a_user_whom_an_operator_turns_out_is_out_in_the_next_moment() {
    for command in [&["user", "deactivate", "alice"][..], &["user", "delete", "alice", "--noinput"]]
    {
        let world = TestServer::start();
        world.user("alice");
        world.user("bob");
        let (browser, bob) = (world.logged_in("alice"), world.logged_in("bob"));
        browser.get("/accounts/profile").expect(200);
        world.cli(command).ok();
        eventually(&format!("{command:?} is felt"), || {
            browser.get("/accounts/profile").status == 401
        });
        let code = browser.get("/accounts/profile").problem_code();
        assert!(
            matches!(code.as_deref(), Some("session_revoked" | "user_inactive")),
            "{command:?}: {code:?}"
        );
        world.browser().login("alice").expect_problem(401, "invalid_credentials");
        bob.get("/accounts/profile").expect(200);
    }
}

#[test]
fn an_address_is_changed_by_who_has_logged_in_lately() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut alice = world.logged_in("alice");
    world.clock().advance(Duration::from_secs(16 * 60));
    alice.refresh().expect(200);
    let change = |body: Value| alice.request("PATCH", "/accounts/profile").json(&body).send();
    change(json!({"first_name": "Alice"})).expect(200);
    for email in ["alice@example.org", ""] {
        change(json!({"email": email})).expect_problem(401, "recent_login_required");
    }
    // The whole profile back is no change of the address.
    change(json!({"email": "alice@example.com", "last_name": "L"})).expect(200);
}

#[test]
fn an_address_that_changes_its_case_is_told_to_nobody() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    let alice = world.logged_in("alice");
    let change = |email: &str| {
        let body = json!({"email": email});
        alice.request("PATCH", "/accounts/profile").json(&body).send().expect(200).json()
    };
    for _ in 0..5 {
        for email in ["Alice@example.com", "alice@example.com"] {
            assert_eq!(change(email)["user"]["email"], email);
        }
    }
    let written = "SELECT count(*) FROM outbox WHERE kind = 'assured'";
    assert_eq!(world.sql(written).trim(), "0");
    assert_eq!(world.sql("SELECT count(*) FROM one_time_tokens").trim(), "0");
    assert_eq!(world.sql("SELECT email_verified FROM users").trim(), "1");
    // One that is only alike is another mailbox.
    world.sql("UPDATE users SET email = 'straße@example.com'");
    world.sql("UPDATE users SET email_verified = 1");
    change("strasse@example.com");
    assert_eq!(world.sql(written).trim(), "1");
    mailbox.wait_for("straße@example.com", 1);
}

#[test]
fn one_account_changes_its_address_so_many_times_an_hour() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).virtual_time().start();
    world.user("alice");
    let alice = world.logged_in("alice");
    let change = |number: u32| {
        // Proved each time, so that there is somebody to be told.
        world.sql("UPDATE users SET email_verified = 1");
        let body = json!({"email": format!("alice{number}@example.com")});
        alice.request("PATCH", "/accounts/profile").json(&body).send()
    };
    for number in 0..5 {
        change(number).expect(200);
    }
    let refused = change(5).expect_problem(429, "throttled");
    assert_eq!(refused.header("retry-after"), Some("3600"));
    assert_eq!(world.sql("SELECT email FROM users").trim(), "alice4@example.com");
    assert_eq!(world.sql("SELECT count(*) FROM outbox WHERE kind = 'assured'").trim(), "5");
    // Nor by the other way.
    let body = json!({"email": "alice6@example.com", "password": countersign_e2e::PASSWORD});
    let request = alice.request("POST", "/accounts/email/change").json(&body);
    request.send().expect_problem(429, "throttled");
    // What is told to nobody is not counted.
    world.sql("UPDATE users SET email_verified = 0");
    let body = json!({"email": "alice7@example.com"});
    alice.request("PATCH", "/accounts/profile").json(&body).send().expect(200);
}

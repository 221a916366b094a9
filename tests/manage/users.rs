use std::time::Duration;

use countersign_e2e::{Mailbox, PASSWORD};
use serde_json::{Value, json};

use super::*;

#[test]
fn a_user_is_made_read_changed_and_deleted_and_every_act_has_its_line() {
    let world = managed();
    let token = token(&world, "importer", USERS);
    let made = post(
        &world,
        &token,
        "/users",
        &json!({
            "username": "ada", "email": "ada@example.com", "first_name": "Ada",
            "metadata": {"plan": "pro"}, "password": "a long and winding road",
        }),
    )
    .expect(201);
    let id = made.json()["id"].as_i64().unwrap();
    assert_eq!(made.header("location"), Some(format!("/manage/v1/users/{id}").as_str()));
    assert_eq!(made.json()["metadata"]["plan"], "pro");
    assert!(!made.text().contains("argon2$"), "no hash is given out: {}", made.text());
    let path = format!("/users/{id}");
    let read = get(&world, &token, &path).expect(200);
    assert_eq!(read.json()["password_algorithm"], "argon2id");
    assert_eq!(read.header("etag"), made.header("etag"));
    assert_eq!(read.header("cache-control"), Some("no-store"));
    let tag = read.header("etag").unwrap().to_owned();

    let change = |tag: Option<&str>, body: &Value| {
        let request = ask(&world, &token, "PATCH", &path).json(body);
        match tag {
            Some(tag) => request.header("if-match", tag).send(),
            None => request.send(),
        }
    };
    change(None, &json!({"first_name": "A"})).expect_problem(428, "precondition_required");
    change(Some("nonsense"), &json!({})).expect_problem(400, "bad_request");
    let changed = change(Some(&tag), &json!({"first_name": "Augusta", "email": ""})).expect(200);
    assert_eq!(changed.json()["first_name"], "Augusta");
    assert_eq!(changed.json()["email"], "");
    assert_eq!(changed.json()["metadata"]["plan"], "pro", "what is left out stays");
    change(Some(&tag), &json!({"first_name": "A"})).expect_problem(412, "precondition_failed");
    change(Some("*"), &json!({"last_name": "Lovelace"})).expect(200);

    let mut browser = world.browser();
    browser.login_with("ada", "a long and winding road").expect(200);
    ask(&world, &token, "POST", &format!("{path}/deactivate")).send().expect(204);
    browser.get("/accounts/profile").expect_problem(401, "user_inactive");
    assert_eq!(get(&world, &token, &path).json()["is_active"], false);
    ask(&world, &token, "POST", &format!("{path}/activate")).send().expect(204);
    let set = || ask(&world, &token, "PUT", &format!("{path}/password"));
    set().json(&json!({"password": "12345"})).send().expect_problem(400, "validation_error");
    set().json(&json!({"password": "another long road"})).send().expect(204);
    browser.login_with("ada", "another long road").expect(200);
    ask(&world, &token, "DELETE", &format!("{path}/password")).send().expect(204);
    browser.get("/accounts/profile").expect_problem(401, "session_revoked");
    assert_eq!(get(&world, &token, &path).json()["has_password"], false);

    ask(&world, &token, "DELETE", &path).send().expect(204);
    get(&world, &token, &path).expect_problem(404, "not_found");
    ask(&world, &token, "DELETE", &path).send().expect_problem(404, "not_found");
    let lines = world.sql(
        "SELECT kind FROM audit_events WHERE actor = 'service:1:importer' AND ip = '127.0.0.1'
         ORDER BY id",
    );
    assert_eq!(
        lines.lines().collect::<Vec<_>>(),
        [
            "user_added",
            "user_changed",
            "user_changed",
            "user_deactivated",
            "user_activated",
            "password_set",
            "password_set",
            "user_deleted",
        ]
    );
}

#[test]
fn a_user_with_a_hash_from_elsewhere_signs_in_and_a_bad_hash_is_none() {
    let world = managed();
    let token = token(&world, "importer", USERS);
    let bob = json!({"username": "bob", "password_hash": BCRYPT});
    post(&world, &token, "/users", &bob).expect(201);
    world.browser().login_with("bob", "correct horse").expect(200);
    for bad in [
        "plain text",
        "md5$salt$hash",
        "!",
        "",
        "$2b$31$abcdefghijklmnopqrstuuuuuuuuuuuuuuuuuuuuuuuuuuuuuuu",
        // PostgreSQL keeps no NUL.
        "pbkdf2_sha256$1$a\0$eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg=",
    ] {
        let refused =
            post(&world, &token, "/users", &json!({"username": "eve", "password_hash": bad}));
        refused.expect_problem(400, "validation_error");
    }
    let both = json!({"username": "eve", "password_hash": "x", "password": "a long road home"});
    post(&world, &token, "/users", &both).expect_problem(400, "validation_error");
}

#[test]
fn nobody_is_invited_again_who_has_come() {
    let world = managed();
    let id = world.user("alice");
    world.logged_in("alice");
    let token = token(&world, "inviter", &["auth.add_user"]);
    let alice = json!({"email": "alice@example.com", "invite": true});
    ask(&world, &super_token(&world), "DELETE", &format!("/users/{id}/password"))
        .send()
        .expect(204);
    let refused = post(&world, &token, "/users", &alice).expect_problem(400, "validation_error");
    assert!(!refused.text().contains("link"), "{}", refused.text());
    // Nor who has proved the address, and never logged in here.
    world.sql("UPDATE users SET last_login = NULL, email_verified = 1");
    post(&world, &token, "/users", &alice).expect_problem(400, "validation_error");
    world.sql("UPDATE users SET email_verified = 0");
    post(&world, &token, "/users", &alice).expect(201);
}

#[test]
fn an_invited_user_gets_a_link_and_where_no_mail_is_sent_the_caller_gets_it() {
    let world = TestServer::builder()
        .set("manage", "on")
        .set("mail_url", "none")
        .set("registration", "invite")
        .start();
    let token = token(&world, "inviter", &["auth.add_user"]);
    let invited =
        post(&world, &token, "/users", &json!({"email": "ada@example.com", "invite": true}))
            .expect(201);
    let link = invited.json()["invitation"]["link"].as_str().unwrap().to_owned();
    assert!(link.contains("/account/invitation"), "{link}");
    assert_eq!(invited.json()["invitation"]["mailed"], false);
    let more = json!({"email": "b@example.com", "invite": true, "is_staff": true});
    post(&world, &token, "/users", &more).expect_problem(400, "validation_error");
    post(&world, &token, "/users", &json!({"invite": true}))
        .expect_problem(400, "validation_error");
    // An answer that was lost: the link of the second is good, and of the first no more.
    let once = || {
        let body = json!({"email": "carl@example.com", "invite": true});
        let request = ask(&world, &token, "POST", "/users").header("idempotency-key", "carl");
        request.json(&body).send().expect(201).json()
    };
    let (first, second) = (once(), once());
    assert_eq!(first["id"], second["id"]);
    let join = |answer: &Value| {
        let link = answer["invitation"]["link"].as_str().unwrap();
        let token = link.split("token=").nth(1).unwrap();
        let body = json!({"username": "carl", "password": PASSWORD, "invitation": token});
        world.request("POST", "/accounts/register").json(&body).send()
    };
    join(&first).expect_problem(400, "link_invalid");
    join(&second).expect(201);
    // Who has come meanwhile is whom the first request made.
    let third = once();
    assert_eq!((&third["id"], &third["invitation"]["link"]), (&first["id"], &Value::Null));
    // Who has not come yet gets another link; who has an account is refused as anywhere.
    post(&world, &token, "/users", &json!({"email": "ada@example.com", "invite": true}))
        .expect(201);
    let eve = json!({"username": "eve", "email": "eve@example.com", "password": PASSWORD});
    post(&world, &token, "/users", &eve).expect(201);
    let refusals = [true, false].map(|invite| {
        let again = json!({"username": "eva", "email": "eve@example.com", "invite": invite});
        post(&world, &token, "/users", &again).expect_problem(400, "validation_error").json()
    });
    assert_eq!(refusals[0], refusals[1]);
    assert!(refusals[0]["errors"]["email"].is_array(), "{}", refusals[0]);
}

#[test]
fn a_list_is_walked_by_its_cursor_and_its_filters_hold() {
    let world = managed();
    let token = token(&world, "reader", &["auth.view_user", "auth.add_user"]);
    for number in 0..7 {
        let body = json!({"username": format!("user{number}"), "is_active": number != 3});
        post(&world, &token, "/users", &body).expect(201);
    }
    let (mut met, mut path) = (Vec::new(), "/users?limit=3".to_owned());
    loop {
        let page = get(&world, &token, &path).expect(200).json();
        for user in page["users"].as_array().unwrap() {
            met.push(user["username"].as_str().unwrap().to_owned());
            assert!(user.get("password_algorithm").is_none());
        }
        assert_eq!(page["count"]["exactly"], 7);
        match page["next"].as_str() {
            Some(next) => path = format!("/users?limit=3&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(met, (0..7).map(|number| format!("user{number}")).collect::<Vec<_>>());
    let names = |path: &str| -> Vec<String> {
        let page = get(&world, &token, path).expect(200).json();
        let users = page["users"].as_array().unwrap().clone();
        users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/users?active=false"), ["user3"]);
    assert_eq!(names("/users?q=ser5"), ["user5"]);
    assert_eq!(names("/users?order=-username&limit=1"), ["user6"]);
    for (bad, code) in [
        ("/users?limit=0", "validation_error"),
        ("/users?limit=1001", "validation_error"),
        ("/users?cursor=nonsense", "validation_error"),
        ("/users?active=perhaps", "validation_error"),
        ("/users?order=password", "validation_error"),
        ("/users?actve=true", "bad_request"),
        ("/users?limit=1&limit=2", "bad_request"),
        ("/users?q=%ff", "bad_request"),
    ] {
        get(&world, &token, bad).expect_problem(400, code);
    }
}

#[test]
fn groups_and_permissions_are_set_by_name_and_only_those_that_the_caller_has() {
    let world = managed();
    world.sql("INSERT INTO groups (name) VALUES ('editors'), ('admins')");
    world.sql(
        "INSERT INTO permissions (app, codename, name)
         VALUES ('shop', 'sell', ''), ('shop', 'refund', '')",
    );
    let mut arguments = vec!["token", "create", "shop", "--group", "editors"];
    for permission in USERS.iter().chain(&["shop.sell", "auth.view_group", "auth.view_permission"])
    {
        arguments.extend(["--permission", permission]);
    }
    let token = world.cli(&arguments).ok().trim_end().to_owned();
    let made = post(
        &world,
        &token,
        "/users",
        &json!({"username": "ada", "groups": ["editors"], "own_permissions": ["shop.sell"]}),
    )
    .expect(201)
    .json();
    assert_eq!(
        (&made["groups"], &made["own_permissions"]),
        (&json!(["editors"]), &json!(["shop.sell"]))
    );
    for (body, status, code) in [
        (json!({"username": "e1", "groups": ["admins"]}), 403, "permission_denied"),
        (json!({"username": "e2", "own_permissions": ["shop.refund"]}), 403, "permission_denied"),
        (json!({"username": "e3", "is_staff": true}), 403, "permission_denied"),
        (json!({"username": "e4", "is_superuser": true}), 403, "permission_denied"),
        (json!({"username": "e5", "groups": ["nobodies"]}), 400, "validation_error"),
        (json!({"username": "e6", "own_permissions": ["shop.nothing"]}), 400, "validation_error"),
    ] {
        post(&world, &token, "/users", &body).expect_problem(status, code);
    }
    let path = format!("/users/{}", made["id"]);
    let change = |body: &Value| {
        ask(&world, &token, "PATCH", &path).header("if-match", "*").json(body).send()
    };
    change(&json!({"groups": ["editors", "admins"]})).expect_problem(403, "permission_denied");
    change(&json!({"own_permissions": ["shop.refund"]})).expect_problem(403, "permission_denied");
    change(&json!({"is_superuser": true})).expect_problem(403, "permission_denied");
    let bare = change(&json!({"groups": [], "own_permissions": []})).expect(200).json();
    assert_eq!((&bare["groups"], &bare["own_permissions"]), (&json!([]), &json!([])));
    assert_eq!(world.sql("SELECT count(*) FROM users WHERE username LIKE 'e_'").trim(), "0");

    let groups = get(&world, &token, "/groups?limit=1").expect(200).json();
    assert_eq!(
        (&groups["groups"][0]["name"], &groups["next"]),
        (&json!("admins"), &json!("admins"))
    );
    let rest = get(&world, &token, "/groups?after=admins").expect(200).json();
    assert_eq!((rest["groups"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
    let all = get(&world, &token, "/permissions").expect(200).text();
    assert!(all.contains("shop.refund") && all.contains("countersign.introspect"), "{all}");
}

fn what_a_group_gives_is_given_by_who_has_it(world: &TestServer) {
    let root = super_token(world);
    let body = json!({"name": "payers", "permissions": ["countersign.change_key"]});
    let group = post(world, &root, "/groups", &body).expect(201).json();
    assert_eq!(group["name"], "payers");
    let body = json!({"username": "ada", "groups": ["payers"]});
    let path = format!("/users/{}", post(world, &root, "/users", &body).expect(201).json()["id"]);
    let desk = token(world, "desk", &["auth.view_user", "auth.change_user"]);
    let change = |token: &str, body: &Value| {
        ask(world, token, "PATCH", &path).header("if-match", "*").json(body).send()
    };
    for body in [
        json!({"own_permissions": ["countersign.change_key"]}),
        json!({"own_permissions": ["countersign.change_key"], "groups": []}),
    ] {
        change(&desk, &body).expect_problem(403, "permission_denied");
    }
    change(&desk, &json!({"first_name": "Ada"})).expect(200);
    let bare = change(&root, &json!({"groups": []})).expect(200).json();
    assert_eq!((&bare["own_permissions"], &bare["permissions"]), (&json!([]), &json!([])));
    // Whoever has it gives it.
    let both = ["auth.change_user", "countersign.change_key"];
    let body = json!({"own_permissions": ["countersign.change_key"]});
    change(&token(world, "keys", &both), &body).expect(200);
}

#[test]
fn nobody_gives_a_permission_they_lack_to_who_has_it_by_a_group() {
    what_a_group_gives_is_given_by_who_has_it(&managed());
    what_a_group_gives_is_given_by_who_has_it(&node(&Cluster::shared().database()).start());
}

#[test]
fn numbers_in_metadata_come_back_as_they_were_given() {
    for builder in [TestServer::builder().set("manage", "on"), node(&Cluster::shared().database())]
    {
        let world = builder.start();
        let token = token(&world, "importer", USERS);
        let numbers = [f64::MAX, f64::MIN, 1.234567890123456e25, 0.123_456_789_012_345_68];
        let body = json!({"username": "ada", "metadata": {"n": numbers}});
        let made = post(&world, &token, "/users", &body).expect(201).json();
        let path = format!("/users/{}", made["id"]);
        let change = ask(&world, &token, "PATCH", &path).header("if-match", "*");
        let changed = change.json(&json!({"metadata": {"n": numbers}})).send().expect(200).json();
        for shown in [made, changed, get(&world, &token, &path).expect(200).json()] {
            let shown = shown["metadata"]["n"].as_array().unwrap().clone();
            let shown: Vec<_> = shown.iter().map(|number| number.as_f64().unwrap()).collect();
            assert_eq!(shown, numbers);
        }
    }
}

fn an_invitation_is_sent_again_once(world: &TestServer, mailbox: &Mailbox) {
    let token = token(world, "inviter", &["auth.add_user"]);
    let invite = |key: &str, body: &Value| {
        ask(world, &token, "POST", "/users").header("idempotency-key", key).json(body).send()
    };
    let body = json!({"email": "ada@example.com", "invite": true});
    let first = invite("first", &body).expect(201).json();
    mailbox.wait_for("ada@example.com", 1);
    let again = invite("again", &body).expect(201).json();
    assert_eq!((&again["id"], &again["invitation"]["mailed"]), (&first["id"], &json!(true)));
    let link = mailbox.wait_for("ada@example.com", 2).token();
    assert_eq!(invite("again", &body).expect(201).json()["id"], first["id"]);
    let other = json!({"email": "bob@example.com", "invite": true});
    invite("again", &other).expect_problem(422, "idempotency_key_reused");
    // The second mail's link is good still: no third one has ended it.
    let body = json!({"username": "ada", "password": PASSWORD, "invitation": link});
    world.request("POST", "/accounts/register").json(&body).send().expect(201);
    assert_eq!(mailbox.to("ada@example.com").len(), 2);
}

#[test]
fn an_invitation_that_is_repeated_under_its_key_is_mailed_once() {
    let set = |builder: TestServerBuilder, mailbox: &Mailbox| {
        builder
            .set("manage", "on")
            .set("registration", "invite")
            .set("mail_url", &mailbox.url())
            .start()
    };
    let mailbox = Mailbox::new();
    an_invitation_is_sent_again_once(&set(TestServer::builder(), &mailbox), &mailbox);
    let mailbox = Mailbox::new();
    let nodes = node(&Cluster::shared().database());
    an_invitation_is_sent_again_once(&set(nodes, &mailbox), &mailbox);
}

#[test]
fn a_users_sessions_are_listed_and_ended() {
    let world = managed();
    let id = world.user("alice");
    let token = token(&world, "helpdesk", &["countersign.delete_session"]);
    let (one, other) = (world.logged_in("alice"), world.logged_in("alice"));
    let path = format!("/users/{id}/sessions");
    let listed = get(&world, &token, &format!("{path}?live=true")).expect(200).json();
    let sessions = listed["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    let sid = sessions[1]["id"].as_str().unwrap();
    ask(&world, &token, "DELETE", &format!("/sessions/{sid}")).send().expect(204);
    one.get("/accounts/profile").expect_problem(401, "session_revoked");
    ask(&world, &token, "DELETE", &format!("/sessions/{sid}"))
        .send()
        .expect_problem(404, "not_found");
    ask(&world, &token, "DELETE", "/sessions/xyz").send().expect_problem(404, "not_found");
    let ended = ask(&world, &token, "DELETE", &path).send().expect(200).json();
    assert_eq!(ended["ended"], 1);
    other.get("/accounts/profile").expect_problem(401, "session_revoked");
    // What it was not given it may not.
    get(&world, &token, &format!("/users/{id}")).expect_problem(403, "permission_denied");
}

#[test]
fn a_request_that_is_sent_again_under_its_key_makes_one_user() {
    let world = managed();
    let token = token(&world, "importer", USERS);
    let send = |key: &str, body: &Value| {
        ask(&world, &token, "POST", "/users").header("idempotency-key", key).json(body).send()
    };
    let body = json!({"username": "ada", "password": "a long and winding road"});
    let first = send("k-1", &body).expect(201).json();
    assert_eq!(send("k-1", &body).expect(201).json()["id"], first["id"]);
    send("k-1", &json!({"username": "eve"})).expect_problem(422, "idempotency_key_reused");
    send("k-2", &body).expect_problem(400, "validation_error");
    for bad in ["", "two words", "ü"] {
        send(bad, &body).expect_problem(400, "bad_request");
    }
    assert_eq!(world.sql("SELECT count(*) FROM users").trim(), "1");
    let document = world.get("/manage/v1/openapi.json").expect(200).json();
    let answers = &document["paths"]["/manage/v1/users"]["post"]["responses"];
    let path = format!("/users/{}", first["id"]);
    ask(&world, &token, "DELETE", &path).send().expect(204);
    send("k-1", &body).expect_problem(404, "not_found");
    assert!(answers["404"]["description"].as_str().unwrap().contains("Idempotency-Key"));
    let kept = world.sql("SELECT hex(request_hash) FROM idempotency_keys");
    assert_eq!(kept.lines().count(), 1);
}

fn a_group_that_is_deleted_meanwhile_is_unknown(world: &TestServer) {
    let token = super_token(world);
    for number in 0..40 {
        let group = format!("group {number}");
        let made = post(world, &token, "/groups", &json!({"name": group, "permissions": []}));
        let path = format!("/groups/{}", made.expect(201).json()["id"]);
        let user = json!({
            "username": format!("user{number}"),
            "groups": [group],
            // Hashed after the group was looked up.
            "password": "a long and winding road",
        });
        let answer = std::thread::scope(|scope| {
            let making = scope.spawn(|| post(world, &token, "/users", &user));
            std::thread::sleep(Duration::from_micros(number * 150));
            ask(world, &token, "DELETE", &path).header("If-Match", "*").send();
            making.join().unwrap()
        });
        if answer.status != 201 {
            let answer = answer.expect_problem(400, "validation_error");
            assert!(answer.text().contains(&group), "{}", answer.text());
        }
    }
}

#[test]
fn who_is_made_in_a_group_that_is_deleted_meanwhile_is_told_that_it_is_unknown() {
    a_group_that_is_deleted_meanwhile_is_unknown(&managed());
    let url = Cluster::shared().database();
    a_group_that_is_deleted_meanwhile_is_unknown(&node(&url).start());
}

#[test]
fn a_change_of_whatever_is_there_is_done_however_many_change_it_at_once() {
    let world = managed();
    let token = super_token(&world);
    let id = world.user("ada");
    let groups = json!({"name": "editors", "permissions": []});
    post(&world, &token, "/groups", &groups).expect(201);
    let change = |method, path: &str, body: &Value| {
        let request = ask(&world, &token, method, path).header("If-Match", "*");
        request.json(body).send().expect(200);
    };
    std::thread::scope(|scope| {
        for number in 0..8 {
            scope.spawn(move || {
                let name = json!({"first_name": format!("Ada {number}")});
                change("PATCH", &format!("/users/{id}"), &name);
                let given = if number % 2 == 0 { json!([]) } else { json!(["auth.view_user"]) };
                change("PUT", "/groups/1", &json!({"name": "editors", "permissions": given}));
            });
        }
    });
}

#[test]
fn what_a_request_says_wrong_is_told_and_never_repeated() {
    let world = managed();
    let token = token(&world, "importer", USERS);
    let raw =
        |kind: &str, body: &str| ask(&world, &token, "POST", "/users").body(kind, body).send();
    raw("application/json", "{").expect_problem(400, "parse_error");
    raw("application/json", "[]").expect_problem(400, "parse_error");
    raw("application/json", r#"{"username":"a","username":"b"}"#)
        .expect_problem(400, "parse_error");
    raw("text/plain", "{}").expect_problem(415, "unsupported_media_type");
    let deep = format!("{{\"metadata\":{}{}}}", "[".repeat(500), "]".repeat(500));
    raw("application/json", &deep).expect_problem(400, "parse_error");
    raw("application/json", &format!(r#"{{"username":"{}"}}"#, "a".repeat(70_000)))
        .expect_problem(413, "payload_too_large");
    let typo =
        raw("application/json", r#"{"usrname":"a"}"#).expect_problem(400, "validation_error");
    assert!(typo.text().contains("usrname"), "{}", typo.text());
    for body in [
        json!({"username": "ada", "password": {"x": "hunter2hunter2"}}),
        json!({"username": "ada", "is_staff": "hunter2hunter2"}),
        json!({"username": "ada", "is_staff": "x, expected hunter2hunter2"}),
        json!({"username": "ada", "password": "hunter2hunter2", "password_hash": "hunter2hunter2"}),
    ] {
        let refused = post(&world, &token, "/users", &body).expect_problem(400, "validation_error");
        assert!(!refused.text().contains("hunter2"), "{}", refused.text());
    }
    let nul = json!({"username": "ada", "metadata": {"a": "\u{0}"}});
    post(&world, &token, "/users", &nul).expect_problem(400, "validation_error");
    post(&world, &token, "/users", &json!({"username": ""}))
        .expect_problem(400, "validation_error");
    post(&world, &token, "/users", &json!({})).expect_problem(400, "validation_error");
    for path in ["/users/x", "/users/0x1", "/users/99999999999999999999", "/users/-1", "/users/%ff"]
    {
        get(&world, &token, path).expect_problem(404, "not_found");
    }
    get(&world, &token, "/nowhere").expect_problem(404, "not_found");
    ask(&world, &token, "PUT", "/users").send().expect_problem(405, "method_not_allowed");
    assert_eq!(world.sql("SELECT count(*) FROM users").trim(), "0");
}

/// Of `correct horse`, as other programs write it.
const BCRYPT: &str = "$2b$04$tZQ8sjxTBUZwnxmnrWDHIOixnJP81.YXq7L9FsILvfibOU3cdEI.S";

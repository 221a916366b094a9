use std::time::Duration;

use countersign_e2e::{Browser, DeviceKey, PASSWORD, Phone, Wire, claims_of, eventually};
use serde_json::{Value, json};

use super::*;

fn look(world: &TestServer, token: &str, body: &Value) -> Value {
    post(world, token, "/introspect", body).expect(200).json()
}

fn introspector(world: &TestServer) -> String {
    token(world, "renderer", &["countersign.introspect"])
}

#[test]
fn an_access_token_and_a_refresh_token_say_whose_they_are() {
    let world = managed();
    let id = world.user("alice");
    let (token, browser) = (introspector(&world), world.logged_in("alice"));
    let claims = claims_of(&browser.access_token);
    let access = look(&world, &token, &json!({"token": browser.access_token}));
    assert_eq!(access["active"], true);
    assert_eq!(access["sub"], id.to_string());
    assert_eq!((&access["sid"], &access["exp"]), (&claims["sid"], &claims["exp"]));
    assert_eq!((&access["username"], &access["token_use"]), (&json!("alice"), &json!("access")));
    assert!(access.get("access_token").is_none());
    let refresh = look(&world, &token, &json!({"token": browser.refresh_token()}));
    assert_eq!((&refresh["sid"], &refresh["token_use"]), (&claims["sid"], &json!("refresh")));
    let cookie = browser.cookie_header().unwrap();
    assert_eq!(look(&world, &token, &json!({"cookie": cookie})), refresh);
    // As RFC 7662 has it.
    let form = ask(&world, &token, "POST", "/introspect").body(
        "application/x-www-form-urlencoded",
        format!("token={}&token_type_hint=access_token", browser.access_token),
    );
    assert_eq!(form.send().expect(200).json(), access);
    for bad in ["", "nonsense", "a.b.c", &token] {
        assert_eq!(look(&world, &token, &json!({"token": bad})), json!({"active": false}));
    }
    assert_eq!(look(&world, &token, &json!({"cookie": "theme=dark"})), json!({"active": false}));
    for bad in [
        json!({}),
        json!({"token": 5}),
        json!({"token": "a", "cookie": "b"}),
        json!({"token": "a", "access": "x"}),
    ] {
        post(&world, &token, "/introspect", &bad).expect_problem(400, "validation_error");
    }
    let other = super::token(&world, "reader", &["auth.view_user"]);
    post(&world, &other, "/introspect", &json!({"token": "a"}))
        .expect_problem(403, "permission_denied");
}

#[test]
fn what_is_said_of_a_token_follows_its_user() {
    let world = managed();
    let id = world.user("alice");
    let (token, browser) = (introspector(&world), world.logged_in("alice"));
    let body = json!({"token": browser.access_token});
    let before = look(&world, &token, &body);
    assert_eq!(look(&world, &token, &body), before);
    assert_eq!((&before["is_staff"], &before["permissions"]), (&json!(false), &json!([])));
    let change = json!({"username": "ada", "is_staff": true});
    ask(&world, &super_token(&world), "PATCH", &format!("/users/{id}"))
        .header("if-match", "*")
        .json(&change)
        .send()
        .expect(200);
    eventually("the change is heard of", || {
        let after = look(&world, &token, &body);
        (&after["username"], &after["is_staff"]) == (&json!("ada"), &json!(true))
    });
    let after = look(&world, &token, &body);
    assert_eq!((&after["exp"], &after["sid"]), (&before["exp"], &before["sid"]));
}

#[test]
fn a_session_that_may_only_enrol_a_second_factor_is_not_good() {
    let world = TestServer::builder()
        .set("manage", "on")
        .set("second_factor", "required")
        .virtual_time()
        .start();
    world.user("alice");
    let (token, mut browser) = (introspector(&world), world.logged_in("alice"));
    let shown = |browser: &Browser| {
        [
            json!({"token": browser.access_token}),
            json!({"token": browser.refresh_token()}),
            json!({"cookie": browser.cookie_header().unwrap(), "access": true}),
        ]
    };
    for body in shown(&browser) {
        assert_eq!(look(&world, &token, &body), json!({"active": false}), "{body}");
    }
    world.enrol(&mut browser);
    for body in shown(&browser) {
        assert_eq!(look(&world, &token, &body)["active"], true, "{body}");
    }
}

#[test]
fn a_token_ends_when_the_server_says_and_not_later() {
    let mut world = TestServer::builder().set("manage", "on").virtual_time().start();
    world.user("alice");
    let (token, browser) = (introspector(&world), world.logged_in("alice"));
    let claims = claims_of(&browser.access_token);
    let body = json!({"token": browser.access_token});
    assert_eq!(look(&world, &token, &body)["exp"], claims["exp"]);
    world.stop();
    world.try_wake(&["--access-lifetime", "1m"]).unwrap();
    let exp = look(&world, &token, &body)["exp"].as_u64().unwrap();
    assert_eq!(exp, claims["iat"].as_u64().unwrap() + 60);
    world.clock().advance(Duration::from_secs(62));
    assert_eq!(look(&world, &token, &body), json!({"active": false}));
}

#[test]
fn a_body_that_is_no_object_or_says_a_thing_twice_is_refused() {
    let world = managed();
    let token = introspector(&world);
    let send = |kind: &str, body: &str| {
        ask(&world, &token, "POST", "/introspect").body(kind, body.to_owned()).send()
    };
    for bad in [
        "",
        "[]",
        r#"["token"]"#,
        r#""token""#,
        "null",
        r#"{"token": "a""#,
        r#"{"token": "a", "token": "b"}"#,
        r#"{"token": "a", "tok\u0065n": "b"}"#,
        "{\"token\": \"a\u{1}\"}",
        r#"{"other": 1, "other": 2, "token": "a"}"#,
        r#"{"other": 1e999, "token": "a"}"#,
        &format!("{{\"other\": {}{}, \"token\": \"a\"}}", "[".repeat(200), "]".repeat(200)),
    ] {
        send("application/json", bad).expect_problem(400, "parse_error");
    }
    let form = "application/x-www-form-urlencoded";
    for bad in ["token=a&token=b", "token=%ff", "%ff=a&token=b", "a=1&a=2&token=b"] {
        send(form, bad).expect_problem(400, "parse_error");
    }
    for bad in [r#"{"token": ["a"]}"#, r#"{"token": {"a": 1}}"#, r#"{"token": true}"#, "{}"] {
        send("application/json", bad).expect_problem(400, "validation_error");
    }
    for good in [r#"{"tok\u0065n": "a", "other": [1, {}], "cookie": null}"#, r#"{"token": ""}"#] {
        assert_eq!(send("application/json", good).expect(200).json(), json!({"active": false}));
    }
    assert_eq!(send(form, "token=a&access=true").expect(200).json(), json!({"active": false}));
}

#[test]
fn a_token_that_ends_while_a_body_travels_learns_nothing_by_it() {
    let world = managed();
    world.user("alice");
    let (token, browser) = (introspector(&world), world.logged_in("alice"));
    let body = json!({"token": browser.access_token});
    let request = ask(&world, &token, "POST", "/introspect").json(&body).to_bytes();
    let (begun, rest) = request.split_at(request.len() - 5);
    let mut wire = Wire::to(world.address()).send(begun);
    assert_eq!(look(&world, &token, &body)["active"], true);
    world.cli(&["token", "revoke", "renderer"]).ok();
    eventually("the token is over", || post(&world, &token, "/introspect", &body).status == 401);
    wire.push(rest);
    wire.answer().expect_problem(401, "token_invalid");
}

#[test]
fn to_look_at_a_refresh_token_rotates_nothing_and_moves_no_mark() {
    let world = TestServer::builder().set("manage", "on").virtual_time().start();
    world.user("alice");
    let (token, mut browser) = (introspector(&world), world.logged_in("alice"));
    let row = || {
        world.sql(
            "SELECT generation, hex(current_jti), current_iat, current_since, race_credit,
                 race_charged, mark_generation, mark_since, earlier_mark_generation,
                 earlier_mark_since, last_used_at, hex(steps), revoked_at FROM sessions",
        )
    };
    world.clock().advance(Duration::from_secs(40));
    browser.refresh().expect(200);
    let fresh = browser.refresh_token().to_owned();
    let before = row();
    for _ in 0..20 {
        assert_eq!(look(&world, &token, &json!({"token": fresh}))["active"], true);
        world.clock().advance(Duration::from_secs(60));
    }
    assert_eq!(row(), before);
    browser.refresh().expect(200);
}

#[test]
fn a_copy_that_would_end_the_session_is_not_good_and_ends_nothing() {
    let world = TestServer::builder().set("manage", "on").virtual_time().start();
    world.user("alice");
    let (token, mut browser) = (introspector(&world), world.logged_in("alice"));
    let old = browser.refresh_token().to_owned();
    for _ in 0..3 {
        world.clock().advance(Duration::from_secs(600));
        browser.refresh().expect(200);
    }
    for _ in 0..5 {
        assert_eq!(look(&world, &token, &json!({"token": old})), json!({"active": false}));
    }
    browser.refresh().expect(200);
    browser.get("/accounts/profile").expect(200);
}

#[test]
fn a_token_of_a_native_client_is_no_cookie_with_a_key_or_without() {
    let world = managed();
    world.user("alice");
    let token = introspector(&world);
    let login = json!({"username": "alice", "password": PASSWORD, "transport": "body"});
    let plain: Value =
        world.request("POST", "/accounts/login").json(&login).send().expect(200).json();
    let mut phone =
        Phone::new(DeviceKey::new(), &format!("http://localhost:{}", world.address().port()));
    phone.login(&world, "alice").expect(200);
    for copied in [plain["refresh_token"].as_str().unwrap(), &phone.refresh_token] {
        let body = json!({"cookie": format!("refreshtoken={copied}"), "access": true});
        assert_eq!(look(&world, &token, &body), json!({"active": false}));
    }
}

#[test]
fn what_has_ended_is_not_good_whatever_ended_it() {
    let world = TestServer::builder().set("manage", "on").virtual_time().start();
    let id = world.user("alice");
    let (token, admin) = (introspector(&world), super_token(&world));
    let is_good = |token_of_user: &str| {
        look(&world, &token, &json!({"token": token_of_user}))["active"].as_bool().unwrap()
    };
    let mut out = world.logged_in("alice");
    let (access, refresh) = (out.access_token.clone(), out.refresh_token().to_owned());
    assert!(is_good(&access) && is_good(&refresh));
    out.logout();
    assert!(!is_good(&access) && !is_good(&refresh), "logged out");

    let inactive = world.logged_in("alice");
    let path = format!("/users/{id}/deactivate");
    ask(&world, &admin, "POST", &path).send().expect(204);
    assert!(!is_good(&inactive.access_token) && !is_good(inactive.refresh_token()), "inactive");
    ask(&world, &admin, "POST", &format!("/users/{id}/activate")).send().expect(204);
    assert!(!is_good(&inactive.access_token) && !is_good(inactive.refresh_token()), "still");

    let old = world.logged_in("alice");
    world.clock().advance(Duration::from_secs(301));
    assert!(!is_good(&old.access_token) && is_good(old.refresh_token()), "access expires first");
    world.clock().advance(Duration::from_secs(8 * 24 * 60 * 60));
    assert!(!is_good(old.refresh_token()), "idle");

    let gone = world.logged_in("alice");
    ask(&world, &admin, "DELETE", &format!("/users/{id}")).send().expect(204);
    assert!(!is_good(&gone.access_token) && !is_good(gone.refresh_token()), "deleted");
}

#[test]
fn a_backend_gets_an_access_token_for_one_minute_and_no_more() {
    let world = TestServer::builder().set("manage", "on").virtual_time().start();
    world.user("alice");
    let (token, browser) = (introspector(&world), world.logged_in("alice"));
    let cookie = browser.cookie_header().unwrap();
    let found = look(&world, &token, &json!({"cookie": cookie, "access": true}));
    assert_eq!(found["expires_in"], 60);
    let glance = found["access_token"].as_str().unwrap();
    let claims = claims_of(glance);
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
    assert_eq!(claims["sid"], claims_of(&browser.access_token)["sid"]);
    assert_eq!(claims["csrf"], claims_of(&browser.access_token)["csrf"]);
    let profile = || world.request("GET", "/accounts/profile").bearer(glance).send();
    profile().expect(200);
    // An access token is not made longer so.
    let of_access = json!({"token": browser.access_token, "access": true});
    assert!(look(&world, &token, &of_access).get("access_token").is_none());
    world.clock().advance(Duration::from_secs(61));
    profile().expect_problem(401, "token_expired");
}

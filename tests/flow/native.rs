//! Native clients: the refresh token in the body, and never in a cookie.

use countersign_e2e::{PASSWORD, TestServer, claims_of};
use serde_json::json;

#[test]
fn a_native_client_lives_without_cookies_and_without_csrf() {
    let world = TestServer::start();
    world.user("alice");
    let mut native = world.native();
    let answer = native.login("alice").expect(200);
    assert_eq!(answer.all("set-cookie").count(), 0);
    assert!(answer.json().get("csrf_token").is_none());
    assert!(claims_of(&native.access_token).get("csrf").is_none());
    native
        .request("PATCH", "/accounts/profile")
        .json(&json!({"first_name": "A"}))
        .send()
        .expect(200);
    let first = native.refresh_token.clone();
    let answer = native.refresh().expect(200);
    assert_eq!(answer.all("set-cookie").count(), 0);
    assert_ne!(native.refresh_token, first);
    let sessions =
        native.request("GET", "/accounts/sessions").send().expect(200).json()["sessions"].clone();
    assert_eq!(sessions[0]["transport"], "body");
    let logout = world
        .request("POST", "/accounts/logout")
        .json(&json!({"refresh_token": native.refresh_token}));
    logout.send().expect(204);
    native.request("GET", "/accounts/profile").send().expect_problem(401, "session_revoked");
    native.refresh().expect_problem(401, "session_revoked");
}

#[test]
fn a_token_of_one_kind_is_refused_on_the_others_path() {
    let world = TestServer::start();
    world.user("alice");
    let mut native = world.native();
    native.login("alice").expect(200);
    let mut browser = world.logged_in("alice");
    let own = browser.clone();
    browser.cookies.insert("refreshtoken".to_owned(), native.refresh_token.clone());
    browser.refresh().expect_problem(403, "csrf_failed");
    browser.bare("GET", "/accounts/csrf").send().expect_problem(401, "refresh_token_invalid");
    let as_native = world
        .request("POST", "/accounts/refresh")
        .json(&json!({"refresh_token": own.refresh_token()}));
    as_native.send().expect_problem(401, "refresh_token_invalid");
    native.refresh().expect(200);
    let mut own = own;
    own.refresh().expect(200);
}

#[test]
fn a_page_cannot_ask_for_the_native_kind_unless_its_origin_is_a_packaged_apps() {
    let world = TestServer::builder()
        .set("native_origins", "capacitor://localhost")
        .set("allow_origins", "https://app.example.com")
        .start();
    world.user("alice");
    let login = |transport: &str| {
        world
            .request("POST", "/accounts/login")
            .json(&json!({"username": "alice", "password": PASSWORD, "transport": transport}))
    };
    let own = format!("http://localhost:{}", world.address().port());
    for (header, value) in [
        ("Origin", own.as_str()),
        ("Origin", "https://app.example.com"),
        ("Sec-Fetch-Site", "same-origin"),
    ] {
        login("body").header(header, value).send().expect_problem(403, "csrf_failed");
        login("cookie").header(header, value).send().expect(200);
    }
    let answer = login("body")
        .header("Origin", "capacitor://localhost")
        .header("Sec-Fetch-Site", "cross-site")
        .send()
        .expect(200);
    login("cookie")
        .header("Origin", "capacitor://localhost")
        .send()
        .expect_problem(403, "csrf_failed");
    let refresh = |origin: &str| {
        let body = json!({"refresh_token": answer.text_at("refresh_token")});
        world.request("POST", "/accounts/refresh").header("Origin", origin).json(&body).send()
    };
    refresh("https://app.example.com").expect_problem(403, "csrf_failed");
    refresh("capacitor://localhost").expect(200);
    login("nonsense").send().expect_problem(400, "validation_error");
}

#[test]
fn a_device_token_speaks_for_its_own_user_only_and_a_bad_one_does_no_harm() {
    let world = TestServer::start();
    world.user("alice");
    world.user("bob");
    let mut native = world.native();
    native.login("alice").expect(200);
    assert!(native.device_token.is_some());
    for name in ["alice", "bob"] {
        for _ in 0..6 {
            world.browser().login_with(name, "wrong");
        }
    }
    native.clone().login("bob").expect_problem(429, "throttled");
    native.clone().login("alice").expect(200);
    for bad in ["nonsense", "", "AAAA"] {
        let mut stranger = world.native();
        stranger.device_token = Some(bad.to_owned());
        stranger.login("alice").expect_problem(429, "throttled");
    }
}

//! `POST /accounts/login`.

use std::time::Duration;

use countersign_e2e::{PASSWORD, TestServer};
use serde_json::Value;

#[test]
fn a_login_gives_tokens_and_the_user_and_sets_three_cookies() {
    let world = TestServer::start();
    let id = world.user("alice");
    let response = world.browser().login("alice").expect(200);
    let json = response.json();
    assert_eq!(json["token_type"], "Bearer");
    assert_eq!(json["expires_in"], 300);
    assert_eq!(json["user"]["id"], id);
    assert_eq!(json["csrf_token"], response.cookie("csrftoken").unwrap());
    assert!(json.get("refresh_token").is_none());
    let refresh = response.set_cookie("refreshtoken").unwrap();
    assert!(
        refresh.contains("; HttpOnly")
            && refresh.contains("; SameSite=Lax")
            && refresh.contains("; Path=/;"),
        "{refresh}"
    );
    assert!(!response.set_cookie("csrftoken").unwrap().contains("HttpOnly"));
    assert_eq!(response.header("cache-control"), Some("no-store"));
}

#[test]
fn an_access_token_dies_after_five_minutes() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.clock().advance(Duration::from_secs(290));
    browser.get("/accounts/profile").expect(200);
    world.clock().advance(Duration::from_secs(20));
    browser.get("/accounts/profile").expect_problem(401, "token_expired");
    browser.refresh().expect(200);
    browser.get("/accounts/profile").expect(200);
}

#[test]
fn a_name_is_found_whatever_its_case_and_form_and_by_the_address_that_only_one_user_has() {
    let world = TestServer::start();
    world.user("Alice");
    world.user_with("bob", "shared@example.com");
    // Two have one address, as after an import.
    world.cli(&["user", "deactivate", "bob"]).ok();
    world.user_with("carol", "shared@example.com");
    world.cli(&["user", "activate", "bob"]).ok();
    for name in [
        "Alice",
        "alice",
        "ALICE",
        "ａlice",
        "alice ",
        "alice@example.com",
        " ALICE@EXAMPLE.COM\u{a0}",
    ] {
        assert_eq!(
            world.browser().login(name).expect(200).json()["user"]["username"],
            "Alice",
            "{name}"
        );
    }
    for name in ["shared@example.com", "alic", "al ice", " ", "'", "%"] {
        world.browser().login(name).expect_problem(401, "invalid_credentials");
    }
}

#[test]
fn a_wrong_name_a_wrong_password_and_an_inactive_user_get_one_answer() {
    let world = TestServer::start();
    world.user("alice");
    world.user("gone");
    world.user("locked");
    world.cli(&["user", "deactivate", "gone"]).ok();
    world.sql("UPDATE users SET password = '!unusable' WHERE username = 'locked'");
    let mut bodies: Vec<String> = [
        ("nobody", PASSWORD),
        ("alice", "wrong"),
        ("gone", PASSWORD),
        ("gone", "wrong"),
        ("locked", "!unusable"),
    ]
    .map(|(name, password)| {
        let answer =
            world.browser().login_with(name, password).expect_problem(401, "invalid_credentials");
        assert_eq!(answer.all("set-cookie").count(), 0);
        let headers =
            answer.headers.iter().filter(|(name, _)| name != "x-request-id" && name != "date");
        format!("{headers:?} {}", answer.text(), headers = headers.collect::<Vec<_>>())
    })
    .to_vec();
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:#?}");
}

#[test]
fn a_form_is_taken_like_json() {
    let world = TestServer::start();
    world.user("alice");
    let form = format!("username=alice&password={}", PASSWORD.replace(' ', "+"));
    let post = || {
        world
            .request("POST", "/accounts/login")
            .body("application/x-www-form-urlencoded; charset=utf-8", form.clone())
    };
    post().send().expect(200);
    post()
        .header("Origin", format!("http://localhost:{}", world.address().port()))
        .send()
        .expect(200);
    post().header("Sec-Fetch-Site", "same-origin").send().expect(200);
    post().header("Sec-Fetch-Site", "cross-site").send().expect_problem(403, "csrf_failed");
    post().header("Origin", "https://evil.example").send().expect_problem(403, "csrf_failed");
    post().header("Origin", "null").send().expect_problem(403, "csrf_failed");
}

#[test]
fn a_password_is_the_same_in_either_normal_form() {
    let world = TestServer::start();
    let mut create = world.command(&["user", "create", "--username", "zoe", "--noinput"]);
    assert!(
        create
            .env("COUNTERSIGN_PASSWORD", "pa\u{df}wort caf\u{e9} \u{1f511}")
            .status()
            .unwrap()
            .success()
    );
    for password in ["pa\u{df}wort caf\u{e9} \u{1f511}", "pa\u{df}wort cafe\u{301} \u{1f511}"] {
        world.browser().login_with("zoe", password).expect(200);
    }
    world
        .browser()
        .login_with("zoe", "pa\u{df}wort cafe \u{1f511}")
        .expect_problem(401, "invalid_credentials");
}

#[test]
fn over_https_the_cookies_are_secure_and_the_refresh_cookie_is_the_hosts_own() {
    let world = TestServer::builder().set("public_url", "https://id.example.com").start();
    world.user("alice");
    let answer = world.browser().login("alice").expect(200);
    for name in ["__Host-refreshtoken", "csrftoken", "devicetoken"] {
        assert!(answer.set_cookie(name).unwrap().contains("; Secure"), "{name}");
    }
    assert!(!answer.set_cookie("__Host-refreshtoken").unwrap().contains("Domain"));
    let cookie = format!("__Host-refreshtoken={}", answer.cookie("__Host-refreshtoken").unwrap());
    let refresh = world
        .request("POST", "/accounts/refresh")
        .header("Cookie", cookie)
        .header("X-CSRFTOKEN", answer.text_at("csrf_token"));
    refresh.header("Origin", "https://id.example.com").send().expect(200);
}

#[test]
fn tokens_say_what_the_settings_ask_for_and_no_more() {
    let world = TestServer::builder()
        .set("audience", "api")
        .set("extra_claims", "username,email,is_staff,groups")
        .start();
    world.user("alice");
    let browser = world.logged_in("alice");
    let claims = countersign_e2e::claims_of(&browser.access_token);
    let mut names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "amr",
            "aud",
            "auth_time",
            "csrf",
            "email",
            "exp",
            "groups",
            "iat",
            "is_staff",
            "iss",
            "sid",
            "sub",
            "username"
        ]
    );
    assert_eq!(claims["aud"], "api");
    browser.get("/accounts/profile").expect(200);
}

#[test]
fn the_last_login_is_remembered_and_a_refused_one_is_not_one() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let first = world.browser().login("alice").expect(200).json()["user"]["last_login"].clone();
    assert!(first.is_string(), "{first}");
    world.clock().advance(Duration::from_secs(3600));
    world.browser().login_with("alice", "wrong").expect_problem(401, "invalid_credentials");
    let mut browser = world.browser();
    let stored = || world.sql("SELECT last_login FROM users");
    let before = stored();
    let second = browser.login("alice").expect(200).json()["user"]["last_login"].clone();
    assert!(second.as_str() > first.as_str(), "{first}, {second}");
    assert_ne!(stored(), before);
    assert_eq!(browser.get("/accounts/profile").json()["user"]["last_login"], second);
}

#[test]
fn a_password_that_django_wrote_lets_in_and_is_hashed_anew() {
    let written: Value = serde_json::from_str(include_str!(
        "../../crates/countersign/tests/data/django_passwords.json"
    ))
    .unwrap();
    let world = TestServer::start();
    world.user("alice");
    let stored = || world.sql("SELECT password FROM users").trim().to_owned();
    for algorithm in ["pbkdf2_sha256", "pbkdf2_sha1", "bcrypt_sha256", "bcrypt", "scrypt"] {
        let of_django = |hash: &&Value| {
            hash["algorithm"] == algorithm
                && hash["cost"] == "cheap"
                && hash["password"] == PASSWORD
        };
        let encoded =
            written["hashes"].as_array().unwrap().iter().find(of_django).unwrap()["encoded"]
                .as_str()
                .unwrap();
        world.sql(&format!("UPDATE users SET password = '{encoded}'"));
        world.browser().login_with("alice", "wrong").expect_problem(401, "invalid_credentials");
        assert_eq!(stored(), encoded, "{algorithm}: a wrong password changes nothing");
        let browser = world.logged_in("alice");
        assert!(
            stored().starts_with("argon2$argon2id$v=19$m=64,t=1,p=1$"),
            "{algorithm}: {}",
            stored()
        );
        browser.get("/accounts/profile").expect(200);
        let anew = stored();
        world.logged_in("alice");
        assert_eq!(stored(), anew, "{algorithm}: once is enough");
    }
}

#[test]
fn a_login_ends_the_session_that_the_browser_had() {
    let world = TestServer::start();
    world.user("alice");
    world.user("bob");
    let mut browser = world.logged_in("alice");
    let mut elsewhere = world.logged_in("alice");
    let mut late = browser.clone();
    browser.login("bob").expect(200);
    late.get("/accounts/profile").expect_problem(401, "session_revoked");
    assert_eq!(late.refresh().expect_problem(401, "session_revoked").json()["reason"], "replaced");
    assert_eq!(browser.get("/accounts/profile").expect(200).json()["user"]["username"], "bob");
    elsewhere.refresh().expect(200);
    // As the same user again, and by a native login beside it, which has no cookie.
    let mut before = browser.clone();
    browser.login("bob").expect(200);
    assert_eq!(
        before.refresh().expect_problem(401, "session_revoked").json()["reason"],
        "replaced"
    );
    world.native().login("bob").expect(200);
    browser.refresh().expect(200);
}

#[test]
fn a_login_that_is_refused_ends_nothing() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    browser.clone().login_with("alice", "wrong").expect_problem(401, "invalid_credentials");
    browser.refresh().expect(200);
}

#[test]
fn two_logins_at_once_in_one_browser_are_both_good() {
    let world = TestServer::start();
    world.user("alice");
    for before in [world.browser(), world.logged_in("alice")] {
        let logins = std::thread::scope(|scope| {
            let logins: Vec<_> = (0..2)
                .map(|_| {
                    let mut tab = before.clone();
                    scope.spawn(move || {
                        tab.login("alice").expect(200);
                        tab
                    })
                })
                .collect();
            logins.into_iter().map(|login| login.join().unwrap()).collect::<Vec<_>>()
        });
        for mut tab in logins {
            tab.get("/accounts/profile").expect(200);
            tab.refresh().expect(200);
        }
    }
}

//! `GET /accounts/session`, and the user in the answer of a refresh: one request a page.

use countersign_e2e::{Browser, Response, TestServer};
use serde_json::{Value, json};

fn ask(browser: &Browser) -> Response {
    browser.bare("GET", "/accounts/session").send()
}

fn nobody(code: &str) -> Value {
    json!({"user": null, "code": code})
}

#[test]
fn a_visitor_without_a_session_is_refused_nothing_and_gets_no_cookie() {
    let world = TestServer::start();
    let answer = ask(&world.browser()).expect(200);
    assert_eq!(answer.json(), nobody("refresh_token_missing"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.all("set-cookie").count(), 0);
}

#[test]
fn what_a_refresh_needs_is_told_and_nothing_else_and_nothing_is_rotated() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let before = world.sql("SELECT generation, hex(current_jti), last_used_at FROM sessions");
    let answer = ask(&browser).expect(200);
    assert_eq!(answer.json(), json!({"csrf_token": browser.csrf_token}));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.cookie("csrftoken").as_deref(), Some(browser.csrf_token.as_str()));
    assert!(answer.set_cookie("refreshtoken").is_none());
    let after = world.sql("SELECT generation, hex(current_jti), last_used_at FROM sessions");
    assert_eq!(before, after);

    // All that a page needs after a reload is in the one answer to its refresh.
    let refreshed = browser.refresh().expect(200).json();
    let profile = browser.get("/accounts/profile").expect(200).json();
    assert_eq!(refreshed["user"], profile["user"]);
    let change = json!({"first_name": "Ada"});
    browser.request("PATCH", "/accounts/profile").json(&change).send().expect(200);
    assert_eq!(browser.refresh().expect(200).json()["user"]["first_name"], "Ada");
}

#[test]
fn a_native_refresh_says_who_it_is_too() {
    let world = TestServer::start();
    world.user("alice");
    let mut native = world.native();
    native.login("alice").expect(200);
    assert_eq!(native.refresh().expect(200).json()["user"]["username"], "alice");
}

#[test]
fn whatever_is_over_is_nobody_and_says_what_a_refresh_would_have_said() {
    let world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    let other = world.logged_in("alice");
    other.request("POST", "/accounts/logout-all").json(&json!({"keep_current": true})).send();
    let ended = ask(&browser).expect(200);
    let said = json!({"user": null, "code": "session_revoked", "reason": "logout_all"});
    assert_eq!(ended.json(), said);
    assert_eq!(ended.all("set-cookie").count(), 0, "another tab may have logged in meanwhile");

    let with = |cookie: &str| {
        let mut browser = world.browser();
        browser.cookies.insert("refreshtoken".to_owned(), cookie.to_owned());
        ask(&browser)
    };
    assert_eq!(with("a.b.c").expect(200).json(), nobody("refresh_token_invalid"));
    let mut native = world.native();
    native.login("alice").expect(200);
    let answer = with(&native.refresh_token).expect(200);
    assert_eq!(answer.json(), nobody("refresh_token_invalid"), "of the other kind of client");
    let request = world.request("GET", "/accounts/session");
    let several = request.header("Cookie", "refreshtoken=a.b.c; refreshtoken=d.e.f").send();
    assert_eq!(several.json(), nobody("refresh_token_invalid"));
    assert_eq!(several.cookie("refreshtoken").as_deref(), Some(""), "so that nobody is stuck");
}

#[test]
fn a_page_of_a_foreign_origin_learns_nothing_not_even_whether_there_is_a_session() {
    let world = TestServer::builder().set("allow_origins", "https://app.example.com").start();
    world.user("alice");
    let browser = world.logged_in("alice");
    for browser in [&browser, &world.browser()] {
        let from = |name: &str, value: &str| {
            browser.bare("GET", "/accounts/session").header(name, value).send()
        };
        for (name, value) in [("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")]
        {
            let refused = from(name, value).expect_problem(403, "csrf_failed");
            assert_eq!(refused.header("access-control-allow-origin"), None);
            assert_eq!(refused.all("set-cookie").count(), 0);
        }
        from("Sec-Fetch-Site", "same-origin").expect(200);
        let listed = from("Origin", "https://app.example.com").expect(200);
        assert_eq!(listed.header("access-control-allow-origin"), Some("https://app.example.com"));
        assert!(listed.all("vary").any(|vary| vary.eq_ignore_ascii_case("origin")));
    }
}

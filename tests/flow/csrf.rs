//! The countersign: `GET /accounts/csrf`, and the check on everything that writes.

use countersign_e2e::{Browser, Request, TestServer};
use serde_json::json;

/// Every unsafe endpoint of a cookie session, as a page would call it but for the CSRF header.
fn writes(browser: &Browser) -> Vec<(&'static str, Request)> {
    let bearer =
        |method: &str, path: &str| browser.bare(method, path).bearer(&browser.access_token);
    vec![
        ("refresh", browser.bare("POST", "/accounts/refresh")),
        ("logout by cookie", browser.bare("POST", "/accounts/logout")),
        ("logout-all", bearer("POST", "/accounts/logout-all")),
        ("profile", bearer("PATCH", "/accounts/profile").json(&json!({"first_name": "A"}))),
        (
            "password",
            bearer("POST", "/accounts/password")
                .json(&json!({"old_password": "x", "new_password": "y"})),
        ),
        ("sessions", bearer("DELETE", "/accounts/sessions/0000000000000001")),
    ]
}

#[test]
fn a_write_without_this_sessions_token_in_the_header_is_refused_and_told_what_to_send() {
    let world = TestServer::start();
    world.user("alice");
    world.user("bob");
    let browser = world.logged_in("alice");
    let other = world.logged_in("bob");
    let second = world.logged_in("alice");
    for (name, request) in writes(&browser) {
        let missing = request.send().expect_problem(403, "csrf_failed");
        assert!(
            missing.text_at("detail").contains("X-CSRFTOKEN header is missing"),
            "{name}: {}",
            missing.text()
        );
        for (what, token) in [
            ("wrong", "x".repeat(43)),
            ("another user's", other.csrf_token.clone()),
            ("another session's of the same user", second.csrf_token.clone()),
            ("cut", browser.csrf_token[1..].to_owned()),
            ("longer", format!("{}A", browser.csrf_token)),
        ] {
            let refused = request.clone().header("X-CSRFTOKEN", token).send();
            assert_eq!(
                (refused.status, refused.problem_code().as_deref()),
                (403, Some("csrf_failed")),
                "{name}, {what}"
            );
        }
        request.clone().header("X-CSRFTOKEN", "").send().expect_problem(403, "csrf_failed");
        let twice = request
            .clone()
            .header("X-CSRFTOKEN", &browser.csrf_token)
            .header("X-CSRFTOKEN", &browser.csrf_token);
        twice.send().expect_problem(403, "csrf_failed");
    }
    browser.get("/accounts/profile").expect(200);
}

#[test]
fn a_cookie_and_a_header_planted_together_fail() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    browser.cookies.insert("csrftoken".to_owned(), "planted".to_owned());
    for (name, request) in writes(&browser) {
        let refused = request.header("X-CSRFTOKEN", "planted").send();
        assert_eq!(refused.problem_code().as_deref(), Some("csrf_failed"), "{name}");
    }
}

#[test]
fn the_header_alone_decides() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    browser.cookies.remove("csrftoken");
    let request =
        browser.bare("POST", "/accounts/refresh").header("X-CSRFTOKEN", &browser.csrf_token);
    browser.send(&request).expect(200);
}

#[test]
fn a_page_of_a_foreign_origin_writes_nothing_even_with_the_token() {
    let world = TestServer::builder()
        .set("allow_origins", "https://app.example.com,https://*.example.org")
        .start();
    world.user("alice");
    let own = format!("http://localhost:{}", world.address().port());
    let look_alikes = [
        "null",
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://xapp.example.com",
        "https://app.example.com@evil.example",
        "https://app.example.com/",
        "https://example.org",
        "https://a.example.org.evil.example",
        "https://aexample.org",
        "http://localhost",
        "",
    ];
    for origin in look_alikes {
        let browser = world.logged_in("alice");
        for (name, request) in writes(&browser) {
            let refused =
                request.header("X-CSRFTOKEN", &browser.csrf_token).header("Origin", origin).send();
            assert_eq!(
                refused.problem_code().as_deref(),
                Some("csrf_failed"),
                "{name} from {origin:?}: {}",
                refused.text()
            );
            assert!(
                refused.text_at("detail").contains("rigin"),
                "{name} from {origin:?}: {}",
                refused.text()
            );
        }
        let login = world.request("POST", "/accounts/login").header("Origin", origin);
        login
            .json(&json!({"username": "alice", "password": countersign_e2e::PASSWORD}))
            .send()
            .expect_problem(403, "csrf_failed");
    }
    for origin in [
        own.as_str(),
        "https://app.example.com",
        "https://a.example.org",
        "https://a.b.example.org",
    ] {
        let mut browser = world.logged_in("alice");
        let request = browser
            .bare("POST", "/accounts/refresh")
            .header("X-CSRFTOKEN", &browser.csrf_token)
            .header("Origin", origin);
        browser.send(&request).expect(200);
    }
}

#[test]
fn without_an_origin_the_browsers_word_on_the_site_counts() {
    let world = TestServer::start();
    world.user("alice");
    for (site, status) in
        [("cross-site", 403), ("same-origin", 200), ("same-site", 200), ("none", 200)]
    {
        let browser = world.logged_in("alice");
        let request =
            browser.bare("POST", "/accounts/refresh").header("X-CSRFTOKEN", &browser.csrf_token);
        let answer = request.header("Sec-Fetch-Site", site).send();
        assert_eq!(answer.status, status, "{site}");
    }
}

#[test]
fn the_check_runs_before_the_body_is_read() {
    let world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    let request = browser.bare("PATCH", "/accounts/profile").bearer(&browser.access_token);
    request.body("text/plain", vec![b'x'; 100_000]).send().expect_problem(403, "csrf_failed");
}

#[test]
fn a_reloaded_page_asks_for_the_token_and_gets_its_cookie_again() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let answer = browser.bare("GET", "/accounts/csrf").send().expect(200);
    assert_eq!(answer.json()["csrf_token"], browser.csrf_token);
    assert_eq!(answer.cookie("csrftoken"), Some(browser.csrf_token.clone()));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    world.get("/accounts/csrf").expect_problem(401, "refresh_token_missing");
    let ended = browser.clone();
    browser.logout().expect(204);
    ended.bare("GET", "/accounts/csrf").send().expect_problem(401, "session_revoked");
}

#[test]
fn a_page_of_an_allowed_origin_writes_everywhere_with_the_token() {
    let world = TestServer::builder()
        .set("allow_origins", "https://app.example.com,https://*.example.org")
        .start();
    world.user("alice");
    let own = format!("http://localhost:{}", world.address().port());
    let pages = [
        ("Origin", own.as_str()),
        ("Origin", "https://app.example.com"),
        ("Origin", "https://a.example.org"),
        ("Sec-Fetch-Site", "same-origin"),
    ];
    for (header, value) in pages {
        // Each request gets a session of its own: some of them end it.
        for row in 0..writes(&world.browser()).len() {
            let browser = world.logged_in("alice");
            let (name, request) = writes(&browser).swap_remove(row);
            let answer =
                request.header("X-CSRFTOKEN", &browser.csrf_token).header(header, value).send();
            let expected = match name {
                "refresh" | "profile" => 200,
                "logout by cookie" | "logout-all" => 204,
                "password" => 400,
                _ => 404,
            };
            assert_eq!(answer.status, expected, "{name} with {header}: {value}: {}", answer.text());
        }
    }
}

#[test]
fn a_refusal_says_which_check_failed() {
    let world = TestServer::start();
    world.user("alice");
    let browser = world.logged_in("alice");
    let token = browser.csrf_token.as_str();
    for (headers, words) in [
        (&[][..], "X-CSRFTOKEN header is missing"),
        (&[("X-CSRFTOKEN", "wrong")], "not this session's token"),
        (&[("X-CSRFTOKEN", token), ("X-CSRFTOKEN", token)], "one X-CSRFTOKEN header"),
        (
            &[("X-CSRFTOKEN", token), ("Origin", "https://evil.example")],
            "`https://evil.example` is not allowed",
        ),
        (&[("X-CSRFTOKEN", token), ("Origin", "null")], "Origin is `null`"),
        (
            &[("X-CSRFTOKEN", token), ("Sec-Fetch-Site", "cross-site")],
            "Sec-Fetch-Site is `cross-site`",
        ),
    ] {
        for (name, request) in writes(&browser) {
            let request =
                headers.iter().fold(request, |request, (name, value)| request.header(name, value));
            let detail = request.send().expect_problem(403, "csrf_failed").text_at("detail");
            assert!(detail.contains(words), "{name} with {headers:?}: {detail}");
        }
    }
}

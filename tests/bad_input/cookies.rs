//! Every shape of bad cookies, at the endpoints that read them and at those that must not.

mod shapes;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_e2e::{Browser, Request, TestServer, segments};
use serde_json::json;
use shapes::shapes;

use crate::{Access, ENDPOINTS, assert_unharmed, world};

#[test]
fn a_bad_refresh_cookie_is_refused_and_leaves_the_session_and_its_cookies_alone() {
    let world = world();
    let mut browser = world.logged_in("alice");
    let mut wrong = Vec::new();
    for shape in shapes(&world, &browser) {
        let ask = |method, path| {
            let request = world.request(method, path).header("X-CSRFTOKEN", &browser.csrf_token);
            shape.cookies.iter().fold(request, |request, line| request.header("Cookie", line))
        };
        let logged_out = if shape.logout == 204 { None } else { Some(shape.code) };
        for (request, status, code) in [
            (ask("POST", "/accounts/refresh"), 401, Some(shape.code)),
            (ask("GET", "/accounts/csrf"), 401, Some(shape.code)),
            (ask("POST", "/accounts/logout"), shape.logout, logged_out),
        ] {
            let answer = request.send();
            let cookies = if status == 204 { EVERY_FORM } else { 0 };
            let seen = (answer.status, answer.problem_code(), answer.all("set-cookie").count());
            if seen == (status, code.map(str::to_owned), cookies) {
                code.map(|code| answer.expect_problem(status, code));
            } else {
                wrong.push(format!(
                    "{request:?}: {}: {seen:?} instead of {status} {code:?}",
                    shape.name
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    browser.refresh().expect(200);
    assert_unharmed(world);
}

#[test]
fn cookies_around_a_good_one_do_no_harm() {
    let world = world();
    let mut browser = world.logged_in("alice");
    for pattern in [
        "refreshtoken=GOOD",
        "refreshtoken=\"GOOD\"",
        "  refreshtoken=GOOD  ",
        "refreshtoken=GOOD;",
        ";;refreshtoken=GOOD",
        "a=b;refreshtoken=GOOD;c=d",
        "a; =b; ==; refreshtoken=GOOD",
        "xrefreshtoken=x; Refreshtoken=x; refreshtoken2=x; refreshtoken=GOOD",
        "__Host-refreshtoken=x; __Secure-refreshtoken=x; refreshtoken=GOOD",
        "csrftoken=planted; devicetoken=planted; refreshtoken=GOOD",
        "csrftoken=a; csrftoken=b; devicetoken=a; devicetoken=b; refreshtoken=GOOD",
        "a=\"; refreshtoken=GOOD; b=\"",
        "a={\"json\": [1, 2]}; refreshtoken=GOOD",
    ] {
        let cookies = pattern.replace("GOOD", browser.refresh_token());
        let refresh = world
            .request("POST", "/accounts/refresh")
            .header("X-CSRFTOKEN", &browser.csrf_token)
            .header("Cookie", cookies);
        let answer = browser.send(&refresh);
        assert_eq!(answer.status, 200, "{pattern}: {}", answer.text());
    }
    // HTTP/2 may split the header (RFC 9113, 8.2.3), and a proxy may hand it on in pieces.
    let refresh = world
        .request("POST", "/accounts/refresh")
        .header("X-CSRFTOKEN", &browser.csrf_token)
        .header("Cookie", "a=b");
    let refresh = refresh
        .header("Cookie", format!("refreshtoken={}", browser.refresh_token()))
        .header("Cookie", "c=d");
    browser.send(&refresh).expect(200);
    let long =
        world.request("POST", "/accounts/refresh").header("X-CSRFTOKEN", &browser.csrf_token);
    let long = long.header(
        "Cookie",
        format!("a={}; refreshtoken={}", "x".repeat(60_000), browser.refresh_token()),
    );
    browser.send(&long).expect(200);
    assert_unharmed(world);
}

#[test]
fn a_neighbours_cookie_in_any_encoding_changes_nothing() {
    let world = world();
    let mut browser = world.logged_in("alice");
    for neighbour in [
        "greeting=Olá".as_bytes(),
        b"greeting=Ol\xe1",
        b"\xff\xfe=\x80",
        b"\xff",
        "\u{1f36a}=\u{1f36a}".as_bytes(),
    ] {
        let with = |request: Request, good: &Browser| {
            let own =
                format!("refreshtoken={0}; csrftoken={1}", good.refresh_token(), good.csrf_token);
            request
                .header("X-CSRFTOKEN", &good.csrf_token)
                .header("Cookie", [neighbour, b"; ", own.as_bytes(), b"; ", neighbour].concat())
        };
        with(world.request("GET", "/accounts/csrf"), &browser).send().expect(200);
        browser.send(&with(world.request("POST", "/accounts/refresh"), &browser)).expect(200);
        let mut leaving = world.logged_in("alice");
        with(world.request("POST", "/accounts/logout"), &leaving).send().expect(204);
        leaving.refresh().expect_problem(401, "session_revoked");
    }
    browser.refresh().expect(200);
    assert_unharmed(world);
}

#[test]
fn of_several_refresh_cookies_the_one_counts_whose_signature_and_session_are_good() {
    let world = world();
    let mut browser = world.logged_in("alice");
    let (mut ended, mut native) = (world.logged_in("alice"), world.native());
    let dead = ended.refresh_token().to_owned();
    ended.logout().expect(204);
    native.login("alice").expect(200);
    let before = browser.refresh_token().to_owned();
    browser.refresh().expect(200);
    for pattern in [
        "refreshtoken=GOOD; refreshtoken=GOOD",
        "refreshtoken=GOOD; refreshtoken=",
        "refreshtoken=; refreshtoken=GOOD",
        "refreshtoken=planted; a=b; refreshtoken=GOOD",
        "refreshtoken=GOOD; a=b; refreshtoken=planted",
        "refreshtoken=\"GOOD\"; refreshtoken=GOOD",
        "refreshtoken=DEAD; refreshtoken=GOOD",
        "refreshtoken=GOOD; refreshtoken=DEAD",
        "refreshtoken=NATIVE; refreshtoken=GOOD",
        // What the browser had under another cookie_domain, from before the last refresh.
        "refreshtoken=BEFORE; refreshtoken=GOOD",
        "refreshtoken=GOOD; refreshtoken=BEFORE",
    ] {
        let cookies = |browser: &Browser| {
            let cookies = pattern.replace("GOOD", browser.refresh_token()).replace("DEAD", &dead);
            cookies.replace("NATIVE", &native.refresh_token).replace("BEFORE", &before)
        };
        let csrf =
            world.request("GET", "/accounts/csrf").header("Cookie", cookies(&browser)).send();
        assert_eq!(csrf.status, 200, "{pattern}: {}", csrf.text());
        let refresh =
            world.request("POST", "/accounts/refresh").header("X-CSRFTOKEN", &browser.csrf_token);
        let answer = browser.send(&refresh.header("Cookie", cookies(&browser)));
        assert_eq!(answer.status, 200, "{pattern}: {}", answer.text());
        let halves =
            world.request("POST", "/accounts/refresh").header("X-CSRFTOKEN", &browser.csrf_token);
        let halves = cookies(&browser)
            .split("; ")
            .fold(halves, |request, pair| request.header("Cookie", pair));
        assert_eq!(browser.send(&halves).status, 200, "{pattern}, in two headers");
    }
    browser.refresh().expect(200);
    native.refresh().expect(200);
    assert_unharmed(world);
}

#[test]
fn refresh_cookies_of_which_none_alone_is_good_are_all_removed_so_that_nobody_is_stuck() {
    let world = world();
    let (mut browser, mut other) = (world.logged_in("alice"), world.logged_in("alice"));
    let two =
        format!("refreshtoken={}; refreshtoken={}", browser.refresh_token(), other.refresh_token());
    let many = (0..100).map(|i| format!("refreshtoken=planted{i}")).collect::<Vec<_>>().join("; ");
    for cookies in [two.as_str(), "refreshtoken=a; refreshtoken=b", &many] {
        for (method, path) in [("POST", "/accounts/refresh"), ("GET", "/accounts/csrf")] {
            let refused = world
                .request(method, path)
                .header("X-CSRFTOKEN", &browser.csrf_token)
                .header("Cookie", cookies)
                .send();
            let cleared: Vec<_> = refused.all("set-cookie").collect();
            assert!(
                cleared.len() == EVERY_FORM
                    && cleared.iter().all(|line| line.contains("Max-Age=0")),
                "{cleared:?}"
            );
            assert_eq!(refused.header("cache-control"), Some("no-store"));
            refused.expect_problem(401, "refresh_token_invalid");
        }
        let elsewhere = world
            .request("POST", "/accounts/refresh")
            .header("Origin", "https://evil.example")
            .header("Cookie", cookies)
            .send();
        assert_eq!(
            elsewhere.all("set-cookie").count(),
            0,
            "a page of another site removes nothing"
        );
        elsewhere.expect_problem(403, "csrf_failed");
    }
    let halves = world
        .request("POST", "/accounts/logout")
        .header("X-CSRFTOKEN", &other.csrf_token)
        .header("Cookie", &two)
        .send();
    assert_eq!(halves.expect(204).all("set-cookie").count(), EVERY_FORM);
    other.refresh().expect_problem(401, "session_revoked");
    browser.refresh().expect(200);
    assert_unharmed(world);
}

#[test]
fn another_sessions_csrf_token_and_planted_pairs_are_refused_at_every_write() {
    let world = world();
    world.user("mallory");
    let victim = world.logged_in("alice");
    let own_other = world.logged_in("alice");
    let mallory = world.logged_in("mallory");
    let mut wrong = Vec::new();
    for (name, write) in writes(&world, &victim) {
        for (what, header, cookie) in [
            ("no header, the right cookie", None, victim.csrf_token.as_str()),
            (
                "the attacker's header and the right cookie",
                Some(mallory.csrf_token.as_str()),
                &victim.csrf_token,
            ),
            ("a pair of the attacker's", Some(&mallory.csrf_token), &mallory.csrf_token),
            (
                "a pair of the user's other session",
                Some(&own_other.csrf_token),
                &own_other.csrf_token,
            ),
            (
                "a pair that was made up",
                Some("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq"),
                "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq",
            ),
            ("a pair of empty ones", Some(""), ""),
            ("a pair of nulls", Some("null"), "null"),
            (
                "the session's id",
                Some(
                    countersign_e2e::claims_of(&victim.access_token)["sid"]
                        .as_str()
                        .expect("an id"),
                ),
                "x",
            ),
            (
                "what the access token says of it",
                Some(
                    countersign_e2e::claims_of(&victim.access_token)["csrf"]
                        .as_str()
                        .expect("a hash"),
                ),
                "x",
            ),
            ("the refresh token", Some(victim.refresh_token()), "x"),
        ] {
            let request = write.clone().header(
                "Cookie",
                format!("refreshtoken={}; csrftoken={cookie}", victim.refresh_token()),
            );
            let answer = header
                .into_iter()
                .fold(request, |request, header| request.header("X-CSRFTOKEN", header))
                .send();
            let seen = (answer.status, answer.problem_code(), answer.all("set-cookie").count());
            if seen == (403, Some("csrf_failed".to_owned()), 0) {
                answer.expect_problem(403, "csrf_failed");
            } else {
                wrong.push(format!("{name}: {what}: {seen:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The other way round: a refresh cookie that was planted beside the victim's own CSRF token.
    let planted =
        world.request("POST", "/accounts/refresh").header("X-CSRFTOKEN", &victim.csrf_token);
    planted
        .header("Cookie", format!("refreshtoken={}", mallory.refresh_token()))
        .send()
        .expect_problem(403, "csrf_failed");
    for mut browser in [victim, own_other, mallory] {
        browser.get("/accounts/profile").expect(200);
        browser.refresh().expect(200);
    }
    assert_unharmed(world);
}

#[test]
fn no_cookie_opens_what_needs_a_bearer_token() {
    let world = world();
    let browser = world.logged_in("alice");
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.access == Access::Bearer) {
        for cookies in [
            browser.cookie_header().expect("cookies"),
            format!("access_token={0}; token={0}; Authorization=Bearer {0}", browser.access_token),
            format!("refreshtoken={}", browser.access_token),
            format!("refreshtoken={0}; refreshtoken={0}", browser.refresh_token()),
        ] {
            let request = endpoint
                .request(&world)
                .header("X-CSRFTOKEN", &browser.csrf_token)
                .header("Cookie", &cookies);
            let answer = request.send();
            assert_eq!(
                answer.problem_code().as_deref(),
                Some("not_authenticated"),
                "{}: {cookies}",
                endpoint.name()
            );
            answer.expect_problem(401, "not_authenticated");
        }
    }
    assert_unharmed(world);
}

#[test]
fn cookies_change_nothing_where_a_bearer_token_speaks() {
    let world = world();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.access == Access::Bearer) {
        for cookies in [
            "refreshtoken=garbage",
            "refreshtoken=a; refreshtoken=b",
            "csrftoken=planted",
            "\u{e9}",
            ";=;=;",
        ] {
            let browser = world.logged_in("alice");
            let request = endpoint
                .request(&world)
                .bearer(&browser.access_token)
                .header("X-CSRFTOKEN", &browser.csrf_token);
            let answer = request.header("Cookie", cookies).send();
            assert_eq!(
                answer.status,
                endpoint.good,
                "{}: {cookies}: {}",
                endpoint.name(),
                answer.text()
            );
        }
    }
    assert_unharmed(world);
}

#[test]
fn a_token_of_one_kind_of_client_is_refused_on_the_others_path() {
    let world = world();
    let mut browser = world.logged_in("alice");
    let mut native = world.native();
    native.login("alice").expect(200);

    let with_cookie = |method, path, token: &str| {
        world.request(method, path).header("Cookie", format!("refreshtoken={token}"))
    };
    with_cookie("GET", "/accounts/csrf", &native.refresh_token)
        .send()
        .expect_problem(401, "refresh_token_invalid");
    for path in ["/accounts/refresh", "/accounts/logout"] {
        // There is no CSRF token of a native session to send.
        let answer = with_cookie("POST", path, &native.refresh_token)
            .header("X-CSRFTOKEN", &browser.csrf_token)
            .send();
        answer.expect_problem(403, "csrf_failed");
    }
    for path in ["/accounts/refresh", "/accounts/logout"] {
        let body = json!({"refresh_token": browser.refresh_token()});
        let answer = world.request("POST", path).json(&body).send();
        let seen = (answer.status, answer.problem_code());
        assert_eq!(
            seen,
            (401, Some("refresh_token_invalid".to_owned())),
            "a browser's token in the body of {path}"
        );
    }
    native.refresh().expect(200);
    browser.refresh().expect(200);
    assert_unharmed(world);
}

#[test]
fn a_bad_refresh_token_in_the_body_is_refused_like_one_in_the_cookie() {
    let world = world();
    let mut native = world.native();
    native.login("alice").expect(200);
    let [header, payload, signature] = segments(&native.refresh_token);
    for (name, token) in [
        ("garbage", "x".to_owned()),
        ("dots", "..".to_owned()),
        ("an access token", native.access_token.clone()),
        ("no signature", format!("{header}.{payload}.")),
        (
            "alg none",
            format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"typ":"rt+jwt","alg":"none"}"#)),
        ),
        (
            "a bent signature",
            format!("{header}.{payload}.{}", signature.chars().rev().collect::<String>()),
        ),
        ("letters after it", format!("{}A", native.refresh_token)),
        ("a space before it", format!(" {}", native.refresh_token)),
        ("a line feed after it", format!("{}\n", native.refresh_token)),
        ("not ASCII", "é".repeat(1000)),
        ("the device token", native.device_token.clone().expect("a device token")),
    ] {
        for path in ["/accounts/refresh", "/accounts/logout"] {
            let answer = world.request("POST", path).json(&json!({"refresh_token": token})).send();
            assert_eq!(
                answer.problem_code().as_deref(),
                Some("refresh_token_invalid"),
                "{path}: {name}"
            );
            answer.expect_problem(401, "refresh_token_invalid");
        }
    }
    native.refresh().expect(200);
    assert_unharmed(world);
}

/// Every write of a cookie session, with everything but cookies and CSRF token.
fn writes(world: &TestServer, browser: &Browser) -> Vec<(String, Request)> {
    let mut writes = vec![
        ("refresh".to_owned(), world.request("POST", "/accounts/refresh")),
        ("logout".to_owned(), world.request("POST", "/accounts/logout")),
    ];
    for endpoint in ENDPOINTS
        .iter()
        .filter(|endpoint| endpoint.access == Access::Bearer && endpoint.method != "GET")
    {
        writes.push((endpoint.name(), endpoint.request(world).bearer(&browser.access_token)));
    }
    writes
}

/// Both cookies, under `/` and under `/accounts`: a host without a parent has no more.
const EVERY_FORM: usize = 4;

//! CORS with credentials, for the listed front ends only.

use std::time::Duration;

use countersign_e2e::{PASSWORD, Response, TestServer, eventually};
use serde_json::json;

fn world() -> TestServer {
    TestServer::builder()
        .set("allow_origins", "https://app.example.com,https://*.example.org")
        .set("native_origins", "capacitor://localhost")
        .start()
}

fn allowed(answer: &Response) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[test]
fn listed_origins_may_read_every_answer_errors_too() {
    let world = world();
    for origin in ["https://app.example.com", "https://a.b.example.org", "capacitor://localhost"] {
        for (method, path) in [
            ("GET", "/accounts/profile"),
            ("POST", "/accounts/login"),
            ("POST", "/accounts/refresh"),
            ("DELETE", "/accounts/profile"),
            ("GET", "/accounts/nothing-here"),
            ("GET", "/.well-known/jwks.json"),
        ] {
            let answer = world.request(method, path).header("Origin", origin).send();
            assert_eq!(allowed(&answer), Some(origin), "{method} {path}");
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            assert!(
                answer.all("vary").any(|vary| vary.to_ascii_lowercase().contains("origin")),
                "{method} {path}"
            );
            let exposed =
                answer.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
            assert!(
                exposed.contains("retry-after") && exposed.contains("www-authenticate"),
                "{exposed}"
            );
        }
    }
}

#[test]
fn other_origins_may_read_nothing() {
    let world = world();
    for origin in [
        "https://evil.example",
        "null",
        "https://example.org",
        "http://app.example.com",
        "https://app.example.com.evil.example",
    ] {
        for method in ["GET", "OPTIONS"] {
            let answer = world
                .request(method, "/accounts/profile")
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "GET")
                .send();
            assert_eq!(allowed(&answer), None, "{method} from {origin}");
            let told = answer
                .headers
                .iter()
                .filter(|(name, _)| name.starts_with("access-control-"))
                .count();
            assert_eq!(told, 0, "{method} from {origin}: {answer:?}");
        }
    }
}

#[test]
fn what_is_public_any_page_may_read() {
    for world in [world(), TestServer::start()] {
        for path in ["/.well-known/jwks.json", "/.well-known/revocations"] {
            let answer = world
                .request("GET", path)
                .header("Origin", "https://any.example")
                .send()
                .expect(200);
            assert_eq!(
                (allowed(&answer), answer.header("access-control-allow-credentials")),
                (Some("*"), None),
                "{path}"
            );
            let tag = answer.header("etag").unwrap().to_owned();
            let unchanged = world
                .request("GET", path)
                .header("Origin", "https://any.example")
                .header("If-None-Match", tag)
                .send();
            assert_eq!((unchanged.status, allowed(&unchanged)), (304, Some("*")), "{path}");
            assert_eq!(allowed(&world.get(path)), Some("*"), "for a cache, too");
        }
    }
}

#[test]
fn a_developers_page_on_the_same_machine_can_read_why_it_is_refused_and_nothing_else() {
    let world = TestServer::builder().set("public_url", "http://localhost:8000").start();
    world.user("alice");
    for origin in ["http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:8080"] {
        let asked = world
            .request("OPTIONS", "/accounts/login")
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST");
        assert_eq!(allowed(&asked.send()), Some(origin));
        let login = world.request("POST", "/accounts/login").header("Origin", origin);
        let refused = login
            .json(&json!({"username": "alice", "password": PASSWORD}))
            .send()
            .expect_problem(403, "csrf_failed");
        assert_eq!(
            (allowed(&refused), refused.header("access-control-allow-credentials")),
            (Some(origin), Some("true"))
        );
        assert!(refused.text_at("detail").contains("allow_origins"));
        for path in ["/accounts/profile", "/accounts/csrf"] {
            assert_eq!(
                allowed(&world.request("GET", path).header("Origin", origin).send()),
                None,
                "{path}"
            );
        }
    }
    for origin in [
        "https://evil.example",
        "http://localhost.evil.example",
        "http://evil.example:8000",
        "null",
    ] {
        let refused = world
            .request("POST", "/accounts/login")
            .header("Origin", origin)
            .send()
            .expect_problem(403, "csrf_failed");
        assert_eq!(allowed(&refused), None, "{origin}");
    }
    let abroad = TestServer::builder().set("public_url", "https://id.example.com").start();
    let refused = abroad
        .request("POST", "/accounts/login")
        .header("Origin", "http://localhost:5173")
        .send()
        .expect(403);
    assert_eq!(allowed(&refused), None);
}

#[test]
fn a_refused_origin_leaves_one_warning_that_names_the_setting() {
    let world = TestServer::builder().virtual_time().start();
    let warnings = || world.log().matches("add the origin to allow_origins").count();
    for _ in 0..20 {
        let refused = world
            .request("POST", "/accounts/login")
            .header("Origin", "https://app.example.com")
            .send();
        refused.expect_problem(403, "csrf_failed");
    }
    eventually("there is a warning", || warnings() > 0);
    assert!(world.log().contains("https://app.example.com"));
    world.clock().advance(Duration::from_secs(120));
    world
        .request("POST", "/accounts/refresh")
        .header("Origin", "https://other.example")
        .send()
        .expect_problem(403, "csrf_failed");
    eventually("there is another", || world.log().contains("https://other.example"));
    assert_eq!(warnings(), 2);
}

#[test]
fn an_options_request_that_is_no_preflight_is_a_method_like_another() {
    let world = world();
    let options =
        |path: &str| world.request("OPTIONS", path).header("Origin", "https://app.example.com");
    let answer = options("/accounts/login").send().expect_problem(405, "method_not_allowed");
    assert_eq!(
        (allowed(&answer), answer.header("allow")),
        (Some("https://app.example.com"), Some("POST"))
    );
    assert_eq!(answer.header("access-control-allow-methods"), None);
    options("/accounts/profile").send().expect_problem(401, "not_authenticated");
    options("/accounts/profile").header("Access-Control-Request-Method", "GET").send().expect(200);
}

#[test]
fn a_preflight_allows_what_the_contract_needs_and_is_kept() {
    let world = world();
    let preflight = world
        .request("OPTIONS", "/accounts/profile")
        .header("Origin", "https://app.example.com")
        .header("Access-Control-Request-Method", "PATCH")
        .header("Access-Control-Request-Headers", "authorization,content-type,x-csrftoken")
        .send()
        .expect(200);
    assert_eq!(allowed(&preflight), Some("https://app.example.com"));
    let header = |name: &str| preflight.header(name).unwrap_or_default().to_ascii_lowercase();
    for method in ["get", "post", "put", "patch", "delete"] {
        assert!(header("access-control-allow-methods").contains(method), "{method}");
    }
    for name in ["authorization", "content-type", "x-csrftoken"] {
        assert!(header("access-control-allow-headers").contains(name), "{name}");
    }
    assert!(header("access-control-max-age").parse::<u32>().unwrap() >= 600);
}

#[test]
fn a_page_may_send_what_tracing_adds_and_what_the_setting_names_and_nothing_else() {
    let preflight = |world: &TestServer| {
        let request = world
            .request("OPTIONS", "/accounts/login")
            .header("Origin", "https://app.example.com")
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "x-anything");
        let answer = request.send().expect(200);
        let list = answer.header("access-control-allow-headers").unwrap().to_owned();
        list.split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    let usual = [
        "authorization",
        "baggage",
        "cache-control",
        "content-type",
        "dpop",
        "sentry-trace",
        "traceparent",
        "tracestate",
        "x-csrftoken",
        "x-requested-with",
    ];
    assert_eq!(preflight(&world()), usual);
    let chosen = TestServer::builder()
        .set("allow_origins", "https://app.example.com")
        .set("cors_headers", "X-Trace,Idempotency-Key")
        .start();
    assert_eq!(preflight(&chosen)[usual.len()..], ["x-trace", "idempotency-key"]);
}

#[test]
fn a_cache_is_told_that_the_answer_depends_on_the_origin_whoever_asks() {
    let world = world();
    for origin in [None, Some("https://evil.example"), Some("https://app.example.com")] {
        let request = world.request("GET", "/.well-known/jwks.json");
        let answer =
            origin.map_or(request.clone(), |origin| request.header("Origin", origin)).send();
        assert!(
            answer.all("vary").any(|vary| vary.to_ascii_lowercase().contains("origin")),
            "{origin:?}"
        );
    }
}

//! CORS with credentials, for the listed front ends only.

use countersign_e2e::{Response, World};

fn world() -> World {
    World::builder()
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
            assert!(answer.all("vary").any(|vary| vary.to_ascii_lowercase().contains("origin")), "{method} {path}");
            let exposed = answer.header("access-control-expose-headers").unwrap().to_ascii_lowercase();
            assert!(exposed.contains("retry-after") && exposed.contains("www-authenticate"), "{exposed}");
        }
    }
}

#[test]
fn other_origins_may_read_nothing() {
    let world = world();
    for origin in ["https://evil.example", "null", "https://example.org", "http://app.example.com", "https://app.example.com.evil.example"]
    {
        for method in ["GET", "OPTIONS"] {
            let answer =
                world.request(method, "/accounts/profile").header("Origin", origin).header("Access-Control-Request-Method", "GET").send();
            assert_eq!(allowed(&answer), None, "{method} from {origin}");
            let told = answer.headers.iter().filter(|(name, _)| name.starts_with("access-control-")).count();
            assert_eq!(told, 0, "{method} from {origin}: {answer:?}");
        }
    }
}

#[test]
fn what_is_public_any_page_may_read() {
    for world in [world(), World::start()] {
        for path in ["/.well-known/jwks.json", "/.well-known/revocations"] {
            let answer = world.request("GET", path).header("Origin", "https://any.example").send().expect(200);
            assert_eq!((allowed(&answer), answer.header("access-control-allow-credentials")), (Some("*"), None), "{path}");
            let tag = answer.header("etag").unwrap().to_owned();
            let unchanged = world.request("GET", path).header("Origin", "https://any.example").header("If-None-Match", tag).send();
            assert_eq!((unchanged.status, allowed(&unchanged)), (304, Some("*")), "{path}");
            assert_eq!(allowed(&world.get(path)), Some("*"), "for a cache, too");
        }
    }
}

#[test]
fn an_options_request_that_is_no_preflight_is_a_method_like_another() {
    let world = world();
    let options = |path: &str| world.request("OPTIONS", path).header("Origin", "https://app.example.com");
    let answer = options("/accounts/login").send().expect_problem(405, "method_not_allowed");
    assert_eq!((allowed(&answer), answer.header("allow")), (Some("https://app.example.com"), Some("POST")));
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
fn a_cache_is_told_that_the_answer_depends_on_the_origin_whoever_asks() {
    let world = world();
    for origin in [None, Some("https://evil.example"), Some("https://app.example.com")] {
        let request = world.request("GET", "/.well-known/jwks.json");
        let answer = origin.map_or(request.clone(), |origin| request.header("Origin", origin)).send();
        assert!(answer.all("vary").any(|vary| vary.to_ascii_lowercase().contains("origin")), "{origin:?}");
    }
}

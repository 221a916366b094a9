//! Foreign, `null` and look-alike origins.

use countersign_e2e::{Request, TestServer};
use serde_json::json;

use crate::{Access, Body, ENDPOINTS, assert_unharmed, unthrottled};

#[test]
fn no_foreign_or_look_alike_origin_writes_even_with_every_right_token() {
    let world = world();
    let mut wrong = Vec::new();
    let mut browser = world.logged_in("alice");
    for (name, write, _) in writes(&world) {
        for origins in refused() {
            let answer = from(&write, &origins).send();
            let seen = (answer.status, answer.problem_code(), answer.all("set-cookie").count());
            let readable = answer.header("access-control-allow-origin").is_some();
            if seen == (403, Some("csrf_failed".to_owned()), 0) && (!readable || origins.len() > 1)
            {
                assert!(
                    answer.text_at("detail").starts_with("origin check failed"),
                    "{name} from {}: {}",
                    shown(&origins),
                    answer.text()
                );
                answer.expect_problem(403, "csrf_failed");
            } else {
                wrong.push(format!(
                    "{name} from {}: {seen:?}, readable: {readable}",
                    shown(&origins)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    browser.refresh().expect(200);
    assert_unharmed(world);
}

#[test]
fn the_servers_own_origin_and_the_listed_ones_write() {
    let world = world();
    for origin in [
        "https://id.example.com",
        "https://app.example.com",
        "https://a.example.org",
        "https://a.b-c.example.org",
        "https://xn--bcher-kva.example",
    ] {
        for (name, write, good) in writes(&world) {
            let answer = from(&write, &[origin.as_bytes().to_vec()])
                .header("Sec-Fetch-Site", "cross-site")
                .send();
            assert_eq!(answer.status, good, "{name} from {origin}: {}", answer.text());
        }
    }
    assert_unharmed(world);
}

#[test]
fn what_another_site_makes_a_browser_send_without_an_origin_is_refused() {
    let world = world();
    for (name, write, _) in writes(&world) {
        for site in ["cross-site", "Cross-Site", "CROSS-SITE"] {
            let answer = write.clone().header("Sec-Fetch-Site", site).send();
            assert_eq!(answer.problem_code().as_deref(), Some("csrf_failed"), "{name}: {site}");
            answer.expect_problem(403, "csrf_failed");
        }
        let twice = write
            .clone()
            .header("Sec-Fetch-Site", "same-origin")
            .header("Sec-Fetch-Site", "cross-site")
            .send();
        assert_eq!(twice.problem_code().as_deref(), Some("csrf_failed"), "{name}");
    }
    assert_unharmed(world);
}

#[test]
fn a_page_cannot_ask_for_the_native_kind() {
    let world = world();
    let mut native = world.native();
    native.login("alice").expect(200);
    let login =
        json!({"username": "alice", "password": countersign_e2e::PASSWORD, "transport": "body"});
    let refresh = json!({"refresh_token": native.refresh_token});
    for (path, body) in [
        ("/accounts/login", login),
        ("/accounts/refresh", refresh.clone()),
        ("/accounts/logout", refresh),
    ] {
        for (header, value) in [
            ("Origin", "https://id.example.com"),
            ("Origin", "https://app.example.com"),
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Origin", ""),
            ("Origin", "capacitor://localhost.evil.example"),
            ("Origin", "Capacitor://localhost"),
            ("Sec-Fetch-Site", "same-origin"),
            ("Sec-Fetch-Site", "same-site"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "none"),
            ("Sec-Fetch-Site", ""),
        ] {
            let answer = world.request("POST", path).json(&body).header(header, value).send();
            assert_eq!(
                answer.problem_code().as_deref(),
                Some("csrf_failed"),
                "{path}: {header}: {value:?}: {}",
                answer.text()
            );
            answer.expect_problem(403, "csrf_failed");
        }
    }
    let listed = world
        .request("POST", "/accounts/refresh")
        .json(&json!({"refresh_token": native.refresh_token}));
    listed.header("Origin", "capacitor://localhost").send().expect(200);
    assert_unharmed(world);
}

#[test]
fn reading_asks_nobody_where_it_comes_from_but_once_and_lets_no_foreign_page_see() {
    let world = world();
    let browser = world.logged_in("alice");
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.method == "GET") {
        for origins in refused().into_iter().filter(|origins| origins.len() == 1) {
            let request = match endpoint.access {
                Access::Bearer => world.request("GET", endpoint.path).bearer(&browser.access_token),
                Access::Public | Access::Any => world.request("GET", endpoint.path),
            };
            let answer = from(&request, &origins).send();
            // Which would tell by its time and its size whether somebody is signed in.
            let is_asked = endpoint.path == "/accounts/session";
            assert_eq!(
                answer.status,
                if is_asked { 403 } else { endpoint.good },
                "{} from {}: {}",
                endpoint.path,
                shown(&origins),
                answer.text()
            );
            let public = endpoint.path.starts_with("/.well-known/").then_some("*");
            assert_eq!(
                answer.header("access-control-allow-origin"),
                public,
                "{} from {}",
                endpoint.path,
                shown(&origins)
            );
        }
    }
    assert_unharmed(world);
}

fn world() -> TestServer {
    let builder = unthrottled()
        .set("public_url", "https://id.example.com")
        .set("native_origins", "capacitor://localhost");
    let world = builder
        .set(
            "allow_origins",
            "https://app.example.com,https://*.example.org,https://bücher.example",
        )
        .start();
    world.user("alice");
    world
}

/// Each a header value, or several headers.
fn refused() -> Vec<Vec<Vec<u8>>> {
    let single = [
        "https://evil.example",
        "null",
        "NULL",
        "",
        "*",
        // The scheme.
        "http://id.example.com",
        "http://app.example.com",
        "ws://id.example.com",
        "ftp://id.example.com",
        "capacitor://id.example.com",
        "id.example.com",
        "//id.example.com",
        "https:id.example.com",
        "https:/id.example.com",
        "https:///id.example.com",
        "https:\\\\id.example.com",
        "https://",
        "file://",
        "chrome-extension://abcdefghijklmnop",
        // The port.
        "https://id.example.com:444",
        "https://id.example.com:80",
        "https://id.example.com:443",
        "https://id.example.com:",
        "https://id.example.com:0443",
        "https://app.example.com:8443",
        "https://a.example.org:8443",
        // Before and behind.
        "https://evilid.example.com",
        "https://evil-id.example.com",
        "https://evil.id.example.com",
        "https://example.com",
        "https://id.example.com.evil.example",
        "https://id.example.comevil.example",
        "https://id.example.co",
        "https://id.example.com.",
        "https://id.example.com..",
        "https://id-example.com",
        "https://idXexample.com",
        "https://user@id.example.com",
        "https://id.example.com@evil.example",
        "https://id.example.com:x@evil.example",
        "https://evil.example#id.example.com",
        "https://evil.example?id.example.com",
        "https://evil.example/https://id.example.com",
        "https://evil.example\\id.example.com",
        "https://id.example.com/",
        "https://id.example.com/accounts",
        "https://id.example.com?",
        "https://id.example.com#",
        "https://id.example.com, https://id.example.com",
        "https://id.example.com https://evil.example",
        "https://evil.example https://id.example.com",
        "https://id%2Eexample.com",
        "https://id.example.com%00.evil.example",
        // What stands below a wildcard and what does not.
        "https://example.org",
        "https://.example.org",
        "https://a..example.org",
        "https://evilexample.org",
        "https://*.example.org",
        "https://a.example.org.evil.example",
        "https://a.example.org.",
        "http://a.example.org",
        "https://evil.example/.example.org",
        "https://evil.example#.example.org",
        "https://evil.example\\.example.org",
        "https://a@b.example.org",
        "https://a:b.example.org",
        "https://A.example.org",
        "https://a b.example.org",
        // Browsers send the normal form and no other.
        "HTTPS://id.example.com",
        "https://ID.EXAMPLE.COM",
        "https://Id.example.com",
        "https://іd.example.com",
        "https://xn--d-rga.example.com",
        "https://bücher.example",
        "https://xn--bcher-kva.example.evil.example",
        "https://ｉｄ.example.com",
        "https://id。example.com",
        "https://127.0.0.1",
        "https://[::1]",
        "https://[",
    ];
    let mut origins: Vec<Vec<Vec<u8>>> =
        single.iter().map(|origin| vec![origin.as_bytes().to_vec()]).collect();
    origins.push(vec![b"https://id.example.com\xff".to_vec()]);
    origins.push(vec![b"https://id.example.com".repeat(2_000)]);
    origins.push(vec![format!("https://{}.example.org", "a.".repeat(20_000)).into_bytes()]);
    let own = || b"https://id.example.com".to_vec();
    origins.push(vec![own(), own()]);
    origins.push(vec![own(), b"https://evil.example".to_vec()]);
    origins.push(vec![b"https://evil.example".to_vec(), own()]);
    origins.push(vec![own(), b"null".to_vec()]);
    origins.push(vec![own(), Vec::new()]);
    origins
}

fn from(request: &Request, origins: &[Vec<u8>]) -> Request {
    origins.iter().fold(request.clone(), |request, origin| request.header("Origin", origin))
}

fn shown(origins: &[Vec<u8>]) -> String {
    let origins: Vec<String> = origins
        .iter()
        .map(|origin| String::from_utf8_lossy(&origin[..origin.len().min(80)]).into_owned())
        .collect();
    format!("{origins:?}")
}

/// Every write, each with a session of its own that begins when it is its turn, everything right
/// but where it comes from, and what is answered when that is right too.
fn writes(world: &TestServer) -> impl Iterator<Item = (String, Request, u16)> {
    let form = format!("username=alice&password={}", countersign_e2e::PASSWORD.replace(' ', "+"));
    let form =
        world.request("POST", "/accounts/login").body("application/x-www-form-urlencoded", form);
    let endpoints = ENDPOINTS.iter().filter(|endpoint| endpoint.method != "GET").map(|endpoint| {
        let request = world.logged_in("alice").request(endpoint.method, endpoint.path);
        let request = match endpoint.body {
            Body::Required(json) | Body::Optional(json) => request.body("application/json", json),
            Body::None => request,
        };
        // With its cookie a refresh succeeds.
        let good = if endpoint.path == "/accounts/refresh" { 200 } else { endpoint.good };
        (endpoint.name(), request, good)
    });
    endpoints.chain([("POST /accounts/login, a form".to_owned(), form, 200)])
}

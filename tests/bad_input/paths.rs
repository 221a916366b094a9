//! Methods that a path has not, paths that are not, and what can stand in those that are.

use std::collections::BTreeSet;

use countersign_e2e::Response;

use crate::body::{credentials, fresh};
use crate::{Access, Body, ENDPOINTS, assert_unharmed, world};

#[test]
fn a_method_that_a_path_has_not_is_told_those_that_it_has() {
    let world = world();
    let client = fresh(&world);
    let paths: BTreeSet<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.path).collect();
    let mut wrong = Vec::new();
    for path in paths {
        let mut has: BTreeSet<&str> = ENDPOINTS
            .iter()
            .filter(|endpoint| endpoint.path == path)
            .map(|endpoint| endpoint.method)
            .collect();
        if has.contains("GET") {
            has.insert("HEAD");
        }
        for method in METHODS.iter().filter(|method| !has.contains(*method)) {
            let answer = world
                .request(method, path)
                .bearer(&client.access_token)
                .body("application/json", "{")
                .send();
            let allow: BTreeSet<&str> =
                answer.header("allow").unwrap_or_default().split(',').map(str::trim).collect();
            if answer.status != 405
                || allow != has
                || !is_problem(&answer, method, "method_not_allowed")
            {
                wrong.push(format!(
                    "{method} {path}: {} {allow:?} {}",
                    answer.status,
                    answer.text()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_unharmed(world);
}

#[test]
fn a_private_path_asks_who_is_there_before_it_tells_its_methods() {
    let world = world();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.access == Access::Bearer) {
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            world.request(method, endpoint.path).send().expect_problem(401, "not_authenticated");
            world
                .request(method, endpoint.path)
                .bearer("x")
                .send()
                .expect_problem(401, "token_invalid");
        }
    }
    assert_unharmed(world);
}

#[test]
fn every_endpoint_takes_a_trailing_slash() {
    let world = world();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| !endpoint.path.contains('?')) {
        let client = fresh(&world);
        let request = world.request(endpoint.method, &format!("{}/", endpoint.path));
        let request = credentials(&client, endpoint, request);
        let answer = match endpoint.body {
            Body::None => request.send(),
            Body::Optional(json) | Body::Required(json) => {
                request.body("application/json", json).send()
            }
        };
        assert_eq!(answer.status, endpoint.good, "{}/: {}", endpoint.name(), answer.text());
        let twice = credentials(
            &client,
            endpoint,
            world.request(endpoint.method, &format!("{}//", endpoint.path)),
        )
        .send();
        assert!([401, 404, 405].contains(&twice.status), "{}//: {}", endpoint.name(), twice.status);
    }
    assert_unharmed(world);
}

#[test]
fn a_path_where_nothing_is_is_a_404_for_every_method() {
    let world = world();
    let browser = world.logged_in("alice");
    let long = format!("/accounts/{}", "a/".repeat(20_000));
    let mut wrong = Vec::new();
    for path in [
        "/",
        "/nothing",
        "/favicon.ico",
        "/robots.txt",
        "/metrics",
        "/login",
        "/profile",
        "/accounts",
        "/accounts/",
        "/accounts/nothing",
        "/accounts/login/x",
        "/accounts/LOGIN",
        "/Accounts/login",
        "/accounts/login;x",
        "/accounts/login%20",
        "/accounts/login%00",
        "/accounts/%ff",
        "/accounts/..",
        "/accounts/../accounts/login",
        "/accounts/sessions/a/b",
        "/.well-known",
        "/.well-known/",
        "/.well-known/jwks",
        "/.well-known/openid-configuration.json",
        "/.git/config",
        "/.env",
        "/docs/../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%",
        "/%zz",
        "*",
        long.as_str(),
    ] {
        for method in METHODS {
            let answer = browser
                .bare(method, path)
                .bearer(&browser.access_token)
                .header("X-CSRFTOKEN", &browser.csrf_token)
                .send();
            if answer.status != 404 || !is_problem(&answer, method, "not_found") {
                let path = &path[..path.len().min(60)];
                wrong.push(format!("{method} {path}: {} {}", answer.status, answer.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_unharmed(world);
}

#[test]
fn no_session_id_in_a_path_makes_anything_but_a_404() {
    let world = world();
    let client = fresh(&world);
    let long = "a".repeat(8_000);
    for id in [
        "x",
        "0000000000000000",
        "1",
        "ffffffffffffffff",
        "FFFFFFFFFFFFFFFF",
        "00000000000000001",
        "%00",
        "%ff",
        "%c3%28",
        "%2e%2e",
        "..%2f..",
        "%27%20OR%201=1%20--",
        "'",
        "%",
        "%zz",
        "%2",
        "{id}",
        "*",
        "-1",
        "%F0%9F%94%91",
        long.as_str(),
    ] {
        let answer = client.request("DELETE", &format!("/accounts/sessions/{id}")).send();
        assert_eq!(
            (answer.status, answer.problem_code().as_deref()),
            (404, Some("not_found")),
            "{id}: {}",
            answer.text()
        );
        answer.expect_problem(404, "not_found");
    }
    client.request("GET", "/accounts/profile").send().expect(200);
    assert_unharmed(world);
}

#[test]
fn a_query_changes_nothing() {
    let world = world();
    for endpoint in ENDPOINTS.iter().filter(|endpoint| !endpoint.path.contains('?')) {
        for query in [
            "?",
            "?access_token=x",
            "?since=%ff",
            "?since=1&since=2",
            "?since=-1",
            "?since=99999999999999999999",
            "?a[]=1&%",
        ] {
            let client = fresh(&world);
            let request = world.request(endpoint.method, &format!("{}{query}", endpoint.path));
            let (Body::Optional(json) | Body::Required(json)) = endpoint.body else {
                let answer = credentials(&client, endpoint, request).send();
                assert_eq!(
                    answer.status,
                    endpoint.good,
                    "{} with {query:?}: {}",
                    endpoint.name(),
                    answer.text()
                );
                continue;
            };
            let answer =
                credentials(&client, endpoint, request).body("application/json", json).send();
            assert_eq!(
                answer.status,
                endpoint.good,
                "{} with {query:?}: {}",
                endpoint.name(),
                answer.text()
            );
        }
    }
    assert_unharmed(world);
}

/// The answer to `HEAD` has no body that could be a problem document.
fn is_problem(answer: &Response, method: &str, code: &str) -> bool {
    let is_typed = answer.header("content-type") == Some("application/problem+json");
    is_typed && (method == "HEAD" || answer.problem_code().as_deref() == Some(code))
}

const METHODS: [&str; 12] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "get", "BREW",
    "PRI",
];

//! Requests that are refused before their body was read, through the nginx of the documentation.

use std::fmt::Write as _;

use countersign_e2e::{Program, Response, Wire};

use super::balanced::balancer;
use super::two_nodes;

/// Every endpoint, with what refuses a body there before a byte of it is read.
const ENDPOINTS: [(&str, &str); 20] = [
    ("POST", "/accounts/login"),
    ("POST", "/accounts/refresh"),
    ("GET", "/accounts/csrf"),
    ("POST", "/accounts/logout"),
    ("POST", "/accounts/logout-all"),
    ("GET", "/accounts/profile"),
    ("PATCH", "/accounts/profile"),
    ("PUT", "/accounts/profile"),
    ("POST", "/accounts/password"),
    ("POST", "/accounts/sessions"),
    ("DELETE", "/accounts/sessions/0000000000000001"),
    ("POST", "/accounts/verify"),
    ("POST", "/accounts/nothing"),
    ("POST", "/.well-known/jwks.json"),
    ("POST", "/.well-known/revocations"),
    ("POST", "/healthz"),
    ("POST", "/nothing"),
    ("POST", "/admin/sign-in"),
    ("POST", "/admin/users/act"),
    ("POST", "/admin/nothing"),
];

const SMALL: usize = 20_000;
const LARGE: usize = 1_000_000;

/// More than the proxy lets through.
const TOO_LARGE: usize = 1_500_000;

#[test]
fn a_refusal_before_the_body_arrives_through_a_proxy_and_no_node_is_dropped() {
    let nodes = two_nodes();
    let prefix = tempfile::tempdir().unwrap();
    let nginx = balancer(&nodes, prefix.path());
    let mut wrong = String::new();
    for size in [SMALL, LARGE, TOO_LARGE] {
        for (method, path) in ENDPOINTS {
            for body in [lengthed(size), chunked(size)] {
                // Twice on one connection, so that what is left of the first body is no request.
                let mut kept = Wire::to(nginx.address());
                for _ in 0..2 {
                    kept.push(post(method, path, &body));
                    match kept.try_answer() {
                        Ok(answer) if is_refusal(&answer) => {}
                        Ok(answer) => {
                            writeln!(wrong, "{method} {path}, {size}: {}", answer.status).unwrap();
                        }
                        Err(error) => writeln!(wrong, "{method} {path}, {size}: {error}").unwrap(),
                    }
                    if size == TOO_LARGE {
                        break;
                    }
                }
            }
            canary(&nginx, &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    for sign in ["failed (32", "failed (104", "prematurely closed", "no live upstreams"] {
        assert!(!nginx.log().contains(sign), "{sign:?} in the proxy's log");
    }
}

#[test]
fn a_slow_client_gets_its_refusal_through_a_proxy_that_does_not_wait_for_the_body() {
    let nodes = two_nodes();
    let prefix = tempfile::tempdir().unwrap();
    let example = std::fs::read_to_string(super::balanced::example()).unwrap();
    let unbuffered = example.replace(
        "proxy_http_version 1.1;",
        "proxy_http_version 1.1;\n        proxy_request_buffering off;",
    );
    let path = prefix.path().join("unbuffered");
    std::fs::write(&path, unbuffered).unwrap();
    let ports = [("127.0.0.1:8001", nodes[0].address()), ("127.0.0.1:8002", nodes[1].address())];
    let nginx = Program::nginx(prefix.path(), &path, &ports);
    let mut wrong = String::new();
    for (method, path) in ENDPOINTS {
        let (head, body) = lengthed(SMALL);
        let mut slow = Wire::to(nginx.address()).send(post(method, path, &(head, String::new())));
        for piece in body.as_bytes().chunks(1000) {
            slow.push(piece);
        }
        match slow.try_answer() {
            Ok(answer) if is_refusal(&answer) => {}
            answer => writeln!(wrong, "{method} {path}: {answer:?}").unwrap(),
        }
        canary(&nginx, &mut wrong);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The admin site sends those who are not signed in to its door.
fn is_refusal(answer: &Response) -> bool {
    (400..500).contains(&answer.status) || answer.status == 303
}

fn canary(nginx: &Program, wrong: &mut String) {
    for _ in 0..2 {
        let status = nginx.request("GET", "/healthz").send().status;
        if status != 200 {
            writeln!(wrong, "the canary: {status}").unwrap();
        }
    }
}

/// A body with its length, and the header that says so.
fn lengthed(size: usize) -> (String, String) {
    (format!("Content-Length: {size}"), "x".repeat(size))
}

/// A body in chunks.
fn chunked(size: usize) -> (String, String) {
    let mut body = format!("{:x}\r\n{}\r\n", 1000, "x".repeat(1000)).repeat(size / 1000);
    body.push_str("0\r\n\r\n");
    ("Transfer-Encoding: chunked".to_owned(), body)
}

fn post(method: &str, path: &str, (header, body): &(String, String)) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
         text/plain\r\n{header}\r\n\r\n{body}"
    )
}

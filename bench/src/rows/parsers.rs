//! What a stranger may send, at its largest and at a tenth of that: no parser takes more than its
//! share of time for what it reads.

use std::time::{Duration, Instant};

use countersign_e2e::{Request, TestServer};

use crate::table::{Row, aside};

pub(super) fn measure() -> Vec<Row> {
    let world = TestServer::builder()
        .set("trusted_proxies", "127.0.0.1")
        .set("throttle_account_attempts", "0")
        .set("throttle_address_attempts", "0")
        .set("throttle_session_refreshes", "0")
        .start();
    let of_each = CASES.map(|(name, request)| {
        let growth = per_byte(&world, request, LARGEST) / per_byte(&world, request, LARGEST / 10);
        aside(&format!("{name}: time per byte grows to {growth:.2} times"));
        (name, growth)
    });
    let (name, worst) = of_each
        .into_iter()
        .fold(("", 0.0), |worst: (&str, f64), one| if one.1 > worst.1 { one } else { worst });
    vec![Row {
        what: "time per byte of what a stranger sends, the worst of 15 parsers",
        measured: format!("{name}, {} KB", LARGEST / 1000),
        baseline: "a tenth of it".to_owned(),
        ratio: format!("{worst:.2}"),
        bar: "≤ 3",
        cleared: worst <= 3.0,
    }]
}

/// The shortest time of several, in seconds for each byte.
fn per_byte(world: &TestServer, request: fn(&TestServer, usize) -> Request, size: usize) -> f64 {
    let request = request(world, size);
    let shortest = (0..RUNS).map(|_| {
        let begun = Instant::now();
        let status = request.send().status;
        let took = begun.elapsed();
        assert!(status < 500, "{status}");
        took
    });
    shortest.min().unwrap_or(Duration::MAX).as_secs_f64() / size as f64
}

type Case = (&'static str, fn(&TestServer, usize) -> Request);

const CASES: [Case; 15] = [
    ("names in an address", |world, size| {
        world.request("GET", &format!("/admin/sign-in?{}", numbered(size, "", "&")))
    }),
    ("one name in an address", |world, size| {
        world.request("GET", &format!("/admin/sign-in?{}", repeated(size, "ids=1&")))
    }),
    ("a cursor", |world, size| {
        world.request("GET", &format!("/.well-known/revocations?since={}", repeated(size, "9")))
    }),
    ("names in a form", |world, size| form(world, &numbered(size, "", "=&"))),
    ("escapes in a form", |world, size| form(world, &format!("a={}", repeated(size, "%41+")))),
    ("names in JSON", |world, size| {
        json(world, &format!("{{{}\"z\":0}}", numbered(size, "\"", "\":0,")))
    }),
    ("levels in JSON", |world, size| json(world, &format!("{{\"a\":{}", repeated(size, "[")))),
    ("digits in JSON", |world, size| json(world, &format!("{{\"a\":{}}}", repeated(size, "9")))),
    ("escapes in JSON", |world, size| {
        json(world, &format!("{{\"username\":\"{}\"}}", repeated(size, "\\ufdfa")))
    }),
    ("letters that fold", |world, size| {
        json(
            world,
            &format!("{{\"username\":\"{}\",\"password\":\"x\"}}", repeated(size, "\u{fdfa}")),
        )
    }),
    ("cookies", |world, size| {
        world.request("GET", "/accounts/csrf").header("Cookie", numbered(size, "", "=x; "))
    }),
    ("a token", |world, size| {
        world.request("GET", "/accounts/profile").bearer(&repeated(size, "a."))
    }),
    ("X-Forwarded-For", |world, size| {
        json(world, "{}").header("X-Forwarded-For", repeated(size, "127.0.0.1, "))
    }),
    ("Forwarded", |world, size| {
        json(world, "{}")
            .header("Forwarded", format!("{}for=127.0.0.1", repeated(size, "for=127.0.0.1, ")))
    }),
    ("If-None-Match", |world, size| {
        world
            .request("GET", "/.well-known/jwks.json")
            .header("If-None-Match", repeated(size, "\"a\", "))
    }),
];

fn form(world: &TestServer, body: &str) -> Request {
    world.request("POST", "/accounts/login").body("application/x-www-form-urlencoded", body)
}

fn json(world: &TestServer, body: &str) -> Request {
    world.request("POST", "/accounts/login").body("application/json", body)
}

fn repeated(size: usize, piece: &str) -> String {
    piece.repeat(size / piece.len())
}

/// Names that are all different, each between `before` and `after`.
fn numbered(size: usize, before: &str, after: &str) -> String {
    let mut text = String::new();
    let mut number = 0;
    while text.len() + 16 < size {
        text.push_str(&format!("{before}{number:x}{after}"));
        number += 1;
    }
    text
}

/// Just below the bounds of a head and a body.
const LARGEST: usize = 60_000;

const RUNS: usize = 30;

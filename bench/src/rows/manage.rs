//! The management API: introspection against the profile, the list of a million users by cursor,
//! and a hundred thousand users made in bulk.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use serde_json::Value;

use super::admin::{PEOPLE, fill};
use super::{CONNECTIONS, RUN, RUNS, TOKENS};
use crate::load::{Client, Reader, rate};
use crate::server::{Hash, Server, countersign};
use crate::stock::{Stock, issuer, run};
use crate::table::{Row, aside, median, median_ratio, per_second, percent};

/// Users made in bulk.
const MADE: usize = 100_000;

/// Users a request.
const LINES: usize = 1_000;

/// How much more memory the second half of a bulk may leave behind and still be flat, in bytes. The
/// database's own cache, which has a bound, is full after the first half.
const FLAT: f64 = 4.0 * 1024.0 * 1024.0;

pub(super) fn measure() -> Vec<Row> {
    vec![introspection(), list(), bulk()]
}

/// Both on one server, in turns.
fn introspection() -> Row {
    let stock = Stock::of(TOKENS, Hash::Cheap);
    let server = Server::managed(&stock.data());
    let secret = service_token(&stock.data());
    let tokens = stock.access_tokens(TOKENS, &issuer(&server));
    let (_, mut readers) = rate(server.address, Reader::shared_out(&tokens, CONNECTIONS), RUN);
    let (_, mut askers) = rate(server.address, Asker::shared_out(&tokens, &secret), RUN);
    let (mut base, mut own) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let measured;
        (measured, readers) = rate(server.address, readers, RUN);
        base.push(measured);
        let measured;
        (measured, askers) = rate(server.address, askers, RUN);
        own.push(measured);
    }
    let ratio = median_ratio(&own, &base);
    Row {
        what: "`POST /manage/v1/introspect` of access tokens, 64 connections",
        measured: per_second(median(own)),
        baseline: format!("`GET /accounts/profile` with the same: {}", per_second(median(base))),
        ratio: percent(ratio),
        bar: "≥ 90 %",
        cleared: ratio >= 0.9,
    }
}

/// The slowest of the first page, the second and the one after fifty, in every order.
fn list() -> Row {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    run(countersign(&data).arg("migrate"));
    fill(&data.join("countersign.sqlite3"), PEOPLE).expect("rows");
    let server = Server::managed(&data);
    let secret = service_token(&data);
    let mut times = Vec::new();
    for order in ["username", "-username", "email", "first_name", "-joined", "-last_login"] {
        for filter in
            ["", "&q=maria.jones12", "&active=false", "&group=1&joined_since=2026-01-01T00:00:00Z"]
        {
            let asked = format!("/manage/v1/users?limit=100&order={order}{filter}");
            let mut cursor = String::new();
            for page in 0..50 {
                let path = format!("{asked}{cursor}");
                let (time, next) = page_time(server.address, &path, &secret);
                if page < 2 || page == 49 {
                    times.push((time, format!("page {}: {asked}", page + 1)));
                }
                let Some(next) = next else { break };
                cursor = format!("&cursor={next}");
            }
        }
    }
    times.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    for (time, what) in times.iter().take(5) {
        aside(&format!("{time:.1} ms: {what}"));
    }
    let (time, what) = times.first().cloned().expect("a time");
    Row {
        what: "`GET /manage/v1/users`, 1,000,000 users, by cursor, 100 a page",
        measured: format!("{time:.1} ms"),
        baseline: format!("the slowest of {}: {what}", times.len()),
        ratio: String::new(),
        bar: "≤ 30 ms",
        cleared: time <= 30.0,
    }
}

/// The middle one of three askings of a page, in milliseconds, and the cursor of the next.
fn page_time(address: SocketAddr, path: &str, secret: &str) -> (f64, Option<String>) {
    let mut next = None;
    let times = (0..3).map(|_| {
        let begin = Instant::now();
        let body = ask(address, "GET", path, secret, "", "");
        let time = begin.elapsed().as_secs_f64() * 1000.0;
        let page: Value = serde_json::from_str(&body).expect("JSON");
        next = page["next"].as_str().map(str::to_owned);
        time
    });
    (median(times.collect()), next)
}

fn bulk() -> Row {
    let stock = Stock::of(1, Hash::Cheap);
    let server = Server::managed(&stock.data());
    let secret = service_token(&stock.data());
    let make = |request: usize| {
        let lines = (0..LINES).map(|line| {
            let number = request * LINES + line;
            format!(
                "{{\"username\":\"made{number}\",\"email\":\"made{number}@example.org\",\
                 \"password_hash\":\"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$\
                 dGhpcnR5LXR3byBieXRlcyBvZiBhIGhhc2ggaGVyZSE\"}}\n"
            )
        });
        let body: String = lines.collect();
        let answer = ask(server.address, "POST", "/manage/v1/users/bulk", &secret, NDJSON, &body);
        let made = answer.matches("\"status\":201").count();
        assert_eq!(made, LINES, "an answer a line: {}", answer.lines().next().unwrap_or_default());
    };
    let begin = Instant::now();
    let half = MADE / LINES / 2;
    (0..half).for_each(make);
    let early = server.resident();
    (half..MADE / LINES).for_each(make);
    let time = begin.elapsed().as_secs_f64();
    let grown = server.resident() - early;
    let mebibytes = |bytes: f64| bytes / (1024.0 * 1024.0);
    Row {
        what: "100,000 users made in bulk with given hashes, 1,000 a request, an answer a line",
        measured: format!("{time:.1} s"),
        baseline: format!(
            "resident memory after half of them {:.1} MB, at the end {:+.1} MB",
            mebibytes(early),
            mebibytes(grown)
        ),
        ratio: String::new(),
        bar: "≤ 30 s, memory flat",
        cleared: time <= 30.0 && grown <= FLAT,
    }
}

const NDJSON: &str = "application/x-ndjson";

/// Asks whose one token after the other is.
struct Asker {
    requests: Vec<Vec<u8>>,
    next: usize,
}

impl Asker {
    fn shared_out(tokens: &[String], secret: &str) -> Vec<Self> {
        let request = |token: &String| {
            let body = format!("{{\"token\":\"{token}\"}}");
            request("POST", "/manage/v1/introspect", secret, "application/json", &body)
        };
        (0..CONNECTIONS)
            .map(|number| Self {
                requests: tokens.iter().skip(number).step_by(CONNECTIONS).map(request).collect(),
                next: 0,
            })
            .collect()
    }
}

impl Client for Asker {
    fn request(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.requests.len();
        &self.requests[self.next]
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        let active = body.windows(13).any(|part| part == b"\"active\":true");
        assert!(
            head.starts_with(b"HTTP/1.1 200") && active,
            "{}{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(body)
        );
    }
}

fn service_token(data: &std::path::Path) -> String {
    let made = run(countersign(data).args(["token", "create", "bench", "--superuser"]));
    made.trim().to_owned()
}

fn request(method: &str, path: &str, secret: &str, content_type: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \
         {secret}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One request on a connection of its own, and the body of its good answer.
fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    secret: &str,
    content_type: &str,
    body: &str,
) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let whole = request(method, path, secret, content_type, body);
    let text = String::from_utf8(whole).expect("text").replacen(
        "Host: localhost\r\n",
        "Host: localhost\r\nConnection: close\r\n",
        1,
    );
    stream.write_all(text.as_bytes()).expect("a request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

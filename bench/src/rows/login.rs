//! Logins against the raw hash.

use std::thread;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::{CONNECTIONS, RUNS};
use crate::load::{Client, header, rate};
use crate::server::{Hash, Server};
use crate::stock::{PASSWORD, Stock};
use crate::table::{Row, median, median_ratio, per_second, percent};

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(10_000, Hash::Default);
    let server = Server::countersign(&stock.data(), Hash::Default);
    let mut clients = Login::spread(&stock, 0);
    let (mut own, mut raw) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        raw.push(raw_hashes(RUN));
        let measured;
        (measured, clients) = rate(server.address, clients, RUN);
        own.push(measured);
    }
    let ratio = median_ratio(&own, &raw);
    let (own, raw) = (median(own), median(raw));
    vec![Row {
        what: "`POST /accounts/login`, 64 clients",
        measured: per_second(own),
        baseline: format!("argon2id on every core, nothing else: {}", per_second(raw)),
        ratio: percent(ratio),
        bar: "≥ 90 %",
        cleared: ratio >= 0.9,
    }]
}

/// Logs in as one user after the other.
pub(crate) struct Login {
    requests: Vec<Vec<u8>>,
    next: usize,
    cookies: Option<(String, String)>,
}

impl Login {
    /// A client for these users.
    pub(crate) fn of(names: &[String]) -> Self {
        let request = |name: &String| {
            let body = format!("{{\"username\":\"{name}\",\"password\":\"{PASSWORD}\"}}");
            format!(
                "POST /accounts/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
                 application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        };
        Self { requests: names.iter().map(request).collect(), next: 0, cookies: None }
    }

    /// As many clients as connections, each with users of its own, spread over all.
    pub(crate) fn spread(stock: &Stock, shift: u64) -> Vec<Self> {
        let names = stock.names(1_000, shift);
        (0..CONNECTIONS)
            .map(|number| {
                Self::of(
                    &names.iter().skip(number).step_by(CONNECTIONS).cloned().collect::<Vec<_>>(),
                )
            })
            .collect()
    }

    /// What it sends, for another generator.
    pub(super) fn into_requests(self) -> Vec<Vec<u8>> {
        self.requests
    }

    /// The refresh and the CSRF cookie of the last login.
    pub(crate) fn cookies(self) -> (String, String) {
        self.cookies.expect("a login")
    }
}

impl Client for Login {
    fn request(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.requests.len();
        &self.requests[self.next]
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        assert!(
            head.starts_with(b"HTTP/1.1 200"),
            "{}{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(body)
        );
        let cookie = |name: &[u8]| {
            header(head, name)
                .and_then(|cookie| cookie.split(';').next())
                .expect("a cookie")
                .to_owned()
        };
        self.cookies =
            Some((cookie(b"set-cookie: refreshtoken="), cookie(b"set-cookie: csrftoken=")));
    }
}

/// Hashes a second on every core, with the memory kept between them.
pub(crate) fn raw_hashes(duration: Duration) -> f64 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let begin = Instant::now();
    let hashed: u64 = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..cores).map(|_| scope.spawn(|| hash_until(begin + duration))).collect();
        threads.into_iter().map(|thread| thread.join().expect("hashes")).sum()
    });
    hashed as f64 / begin.elapsed().as_secs_f64()
}

fn hash_until(end: Instant) -> u64 {
    let params = Params::new(19_456, 2, 1, Some(32)).expect("parameters");
    let mut memory = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut out = [0; 32];
    let mut hashed = 0;
    while Instant::now() < end {
        argon2
            .hash_password_into_with_memory(
                PASSWORD.as_bytes(),
                b"a salt of twenty-two by",
                &mut out,
                &mut memory,
            )
            .expect("a hash");
        hashed += 1;
    }
    hashed
}

/// Longer than elsewhere: a second has a hundred hashes only.
const RUN: Duration = Duration::from_secs(4);

//! Sessions that are bound to a device: their proofs, and what their refreshes cost more.

use std::time::Duration;

use countersign_e2e::{Browser, DeviceKey, claims_of, offer};

use super::{CONNECTIONS, RUN, RUNS};
use crate::load::{Client, header, rate};
use crate::server::{Hash, Server};
use crate::stock::{PASSWORD, Stock};
use crate::table::{Row, median, median_ratio, per_second, percent};

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(1_000, Hash::Cheap);
    let server = Server::binding(&stock.data());
    let names = stock.names(3 * CONNECTIONS as u64, 0);
    let sessions: Vec<_> = names.iter().map(|name| BoundSession::begun(&server, name)).collect();
    // Until a key counts.
    std::thread::sleep(Duration::from_secs(6));
    let (mut provers, mut bound, mut unbound) = (Vec::new(), Vec::new(), Vec::new());
    for (number, session) in sessions.into_iter().enumerate() {
        match number % 3 {
            0 => provers.push(Prover::of(session.confirmed())),
            1 => bound.push(BoundRefresher::of(session.confirmed().browser)),
            _ => {
                let mut browser = Browser::new(server.address);
                browser.login_with(&names[number], PASSWORD).expect(200);
                unbound.push(BoundRefresher::of(browser));
            }
        }
    }
    let (mut proofs, mut with, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let measured;
        (measured, provers) = rate(server.address, provers, RUN);
        // Two requests a proof: one is answered with the challenge.
        proofs.push(measured / 2.0);
        let measured;
        (measured, bound) = rate(server.address, bound, RUN);
        with.push(measured);
        let measured;
        (measured, unbound) = rate(server.address, unbound, RUN);
        without.push(measured);
    }
    assert!(provers.iter().all(|client| client.proved > 0), "a client has proved nothing");
    let ratio = median_ratio(&with, &without);
    let (proofs, with, without) = (median(proofs), median(with), median(without));
    vec![
        Row {
            what: "proofs of a session's key: challenge, verification, conditional update, \
                durable; 64 clients, two requests each",
            measured: per_second(proofs),
            baseline: "the load generator signs them".to_owned(),
            ratio: String::new(),
            bar: "≥ 5,000/s",
            cleared: proofs >= 5_000.0,
        },
        Row {
            what: "`POST /accounts/refresh` of sessions that are bound, with their ticket",
            measured: per_second(with),
            baseline: format!("of sessions that are not: {}", per_second(without)),
            ratio: percent(ratio),
            bar: "≥ 95 %",
            cleared: ratio >= 0.95,
        },
    ]
}

/// A session of a browser that has offered a key.
struct BoundSession {
    browser: Browser,
    key: DeviceKey,
}

impl BoundSession {
    fn begun(server: &Server, name: &str) -> Self {
        let mut browser = Browser::new(server.address);
        let login = browser.login_with(name, PASSWORD).expect(200);
        let key = DeviceKey::new();
        browser.device_start(&key, &offer(&login).expect("an offer")).expect(200);
        Self { browser, key }
    }

    /// With its key in force.
    fn confirmed(mut self) -> Self {
        self.browser.refresh().expect(200);
        let mut bare = self.browser.clone();
        bare.cookies.remove(TICKET);
        bare.refresh().expect_problem(401, "session_unproved");
        self
    }

    fn cookies(&self) -> String {
        self.browser.cookie_header().expect("cookies")
    }
}

/// A browser that does nothing but prove its key.
struct Prover {
    session: BoundSession,
    id: String,
    challenge: Option<String>,
    request: Vec<u8>,
    proved: u64,
}

impl Prover {
    fn of(session: BoundSession) -> Self {
        let claims = claims_of(&session.browser.access_token);
        let id = claims["sid"].as_str().expect("a session").to_owned();
        Self { session, id, challenge: None, request: Vec::new(), proved: 0 }
    }
}

impl Client for Prover {
    fn request(&mut self) -> &[u8] {
        let proof = self.challenge.take().map_or_else(String::new, |challenge| {
            let proof = self.session.key.proof(&challenge, false);
            format!("Secure-Session-Response: {proof}\r\n")
        });
        self.request = format!(
            "POST /accounts/device/refresh HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\
             Sec-Secure-Session-Id: \"{}\"\r\n{proof}Content-Length: 0\r\n\r\n",
            self.session.cookies(),
            self.id
        )
        .into_bytes();
        &self.request
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        if head.starts_with(b"HTTP/1.1 403") {
            let header = header(head, b"secure-session-challenge: ").expect("a challenge");
            self.challenge = header.split('"').nth(1).map(str::to_owned);
            return;
        }
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(head));
        assert!(body.is_empty(), "{}", String::from_utf8_lossy(body));
        assert!(header(head, b"set-cookie: __Host-device=").is_some(), "no ticket");
        self.proved += 1;
    }
}

/// A browser that does nothing but refresh, over https.
struct BoundRefresher {
    request: Vec<u8>,
    csrf: String,
    refresh: String,
    /// The ticket's cookie, where there is one.
    ticket: String,
}

impl BoundRefresher {
    fn of(browser: Browser) -> Self {
        let ticket = browser.cookies.get(TICKET);
        Self {
            request: Vec::new(),
            refresh: browser.cookies[REFRESH].clone(),
            ticket: ticket.map_or_else(String::new, |ticket| format!("; {TICKET}={ticket}")),
            csrf: browser.csrf_token,
        }
    }
}

impl Client for BoundRefresher {
    fn request(&mut self) -> &[u8] {
        let Self { csrf, refresh, ticket, .. } = self;
        self.request = format!(
            "POST /accounts/refresh HTTP/1.1\r\nHost: localhost\r\n\
             Cookie: {REFRESH}={refresh}; csrftoken={csrf}{ticket}\r\n\
             X-CSRFTOKEN: {csrf}\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes();
        &self.request
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        assert!(
            head.starts_with(b"HTTP/1.1 200"),
            "{}{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(body)
        );
        let cookie = header(head, b"set-cookie: __Host-refreshtoken=").expect("a refresh cookie");
        cookie.split(';').next().expect("a value").clone_into(&mut self.refresh);
    }
}

const TICKET: &str = "__Host-device";
const REFRESH: &str = "__Host-refreshtoken";

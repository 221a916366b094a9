//! Rotations, durable, over HTTP; and what the store does by itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::session::rotation::{Generation, Jti, Presented};
use countersign::session::{NewSession, SessionId, Transport};
use countersign::store::sqlite::SqliteStore;
use countersign::store::{Rotate, Rotation, SessionStore};
use countersign::user::UserId;
use jiff::Timestamp;

use super::{CONNECTIONS, RUN, RUNS};
use crate::load::{Client, header, rate};
use crate::server::{Hash, Server};
use crate::stock::Stock;
use crate::table::{Row, median, median_ratio, per_second, percent};

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(1_000, Hash::Cheap);
    let server = Server::countersign(&stock.data(), Hash::Cheap);
    let mut clients = Refresher::logged_in(server.address, &stock.names(CONNECTIONS as u64, 0));
    let (mut own, mut alone, mut micros) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let (before, acknowledged) = (server.cpu_time(), acknowledged_by(&clients));
        let measured;
        (measured, clients) = rate(server.address, clients, RUN);
        own.push(measured);
        let refreshes = (acknowledged_by(&clients) - acknowledged) as f64;
        micros.push((server.cpu_time() - before).as_secs_f64() * 1e6 / refreshes);
        alone.push(store_alone(RUN));
    }
    for client in &clients {
        client.check_chain();
    }
    let ratio = median_ratio(&own, &alone);
    let (own, alone, micros) = (median(own), median(alone), median(micros));
    let durable = Row {
        what: "`POST /accounts/refresh`, 64 clients each on its own chain, durable, every answer \
            checked",
        measured: per_second(own),
        baseline: format!("the store alone: {}", per_second(alone)),
        ratio: percent(ratio),
        bar: "≥ 28,000/s",
        cleared: own >= 28_000.0,
    };
    let cpu = Row {
        what: "processor time of the server for each refresh",
        measured: format!("{micros:.1} µs"),
        baseline: "user and system, of all its threads".to_owned(),
        ratio: String::new(),
        bar: "≤ 32 µs",
        cleared: micros <= 32.0,
    };
    vec![durable, cpu]
}

fn acknowledged_by(clients: &[Refresher]) -> u64 {
    clients.iter().map(|client| client.acknowledged).sum()
}

/// A browser that does nothing but refresh.
pub(crate) struct Refresher {
    request: Vec<u8>,
    csrf: String,
    refresh: String,
    first_generation: u64,
    acknowledged: u64,
}

impl Refresher {
    /// One for each name, logged in.
    pub(crate) fn logged_in(address: SocketAddr, names: &[String]) -> Vec<Self> {
        let logins: Vec<_> = names
            .iter()
            .map(|name| crate::rows::login::Login::of(std::slice::from_ref(name)))
            .collect();
        let (_, logins) = rate(address, logins, Duration::from_millis(1));
        logins
            .into_iter()
            .map(|login| {
                let (refresh, csrf) = login.cookies();
                let mut client = Self {
                    request: Vec::new(),
                    csrf,
                    refresh,
                    first_generation: 0,
                    acknowledged: 0,
                };
                client.first_generation = client.generation();
                client
            })
            .collect()
    }

    /// Whether the chain is as long as the answers were many.
    pub(crate) fn check_chain(&self) {
        assert!(self.acknowledged > 0, "a client had no answer");
        assert_eq!(self.generation(), self.first_generation + self.acknowledged);
    }

    fn generation(&self) -> u64 {
        let payload = URL_SAFE_NO_PAD
            .decode(self.refresh.split('.').nth(1).expect("a JWT"))
            .expect("base64url");
        let claims: serde_json::Value = serde_json::from_slice(&payload).expect("JSON");
        claims["gen"].as_u64().expect("a generation")
    }
}

impl Client for Refresher {
    fn request(&mut self) -> &[u8] {
        self.request = format!(
            "POST /accounts/refresh HTTP/1.1\r\nHost: localhost\r\nCookie: refreshtoken={}; \
             csrftoken={}\r\nX-CSRFTOKEN: {}\r\nContent-Length: 0\r\n\r\n",
            self.refresh, self.csrf, self.csrf
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
        assert!(body.starts_with(b"{\"access_token\":\"ey"), "no access token");
        let cookie = header(head, b"set-cookie: refreshtoken=").expect("a refresh cookie");
        let refresh = cookie.split(';').next().expect("a value");
        assert_ne!(refresh, self.refresh, "an old token");
        refresh.clone_into(&mut self.refresh);
        self.acknowledged += 1;
    }
}

/// Rotations a second without HTTP, signatures and load generator: 64 tasks on the same store.
fn store_alone(duration: Duration) -> f64 {
    store_beside(duration, |_| async {})
}

/// The same, with something else going on beside it on the same store.
pub(super) fn store_beside<F: Future<Output = ()> + Send + 'static>(
    duration: Duration,
    beside: impl FnOnce(Arc<SqliteStore>) -> F,
) -> f64 {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let store = Arc::new(
        SqliteStore::open(&directory.path().join("countersign.sqlite3")).expect("a store"),
    );
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let beside = tokio::spawn(beside(Arc::clone(&store)));
        let begin = Instant::now();
        let tasks: Vec<_> = (1..=CONNECTIONS as u64)
            .map(|id| tokio::spawn(rotate_on(Arc::clone(&store), id, begin + duration)))
            .collect();
        let mut rotated = 0;
        for task in tasks {
            rotated += task.await.expect("rotations");
        }
        let rotated = rotated as f64 / begin.elapsed().as_secs_f64();
        beside.abort();
        rotated
    })
}

async fn rotate_on(store: Arc<SqliteStore>, id: u64, end: Instant) -> u64 {
    let session = SessionId::new(id).expect("not zero");
    let now = Timestamp::now();
    let jti = |number: u64| Jti((u128::from(id) << 64 | u128::from(number)).to_be_bytes());
    let new = NewSession {
        id: session,
        user_id: UserId::new(1),
        jti: jti(0),
        created_at: now,
        expires_at: now + jiff::SignedDuration::from_hours(1),
        transport: Transport::Cookie,
        user_agent: String::new(),
        device_name: None,
        ip: None,
    };
    store.create_session(new).await.expect("a session");
    let mut number = 0;
    while Instant::now() < end {
        number += 1;
        let token = Presented {
            generation: Generation(number),
            jti: jti(number),
            parent: Some(jti(number - 1)),
            issued_at: now.as_second().unsigned_abs(),
        };
        let rotate = Rotate {
            session,
            token,
            transport: Transport::Cookie,
            shown: countersign::session::device::Shown::NOTHING,
            now,
            window: Duration::from_secs(30),
            ip: None,
            theft_notice: None,
        };
        assert!(matches!(store.rotate_session(rotate).await, Ok(Rotation::Granted { .. })));
    }
    number
}

//! Logouts on PostgreSQL: beside logins, near and far from the database, and behind a transaction
//! that is held open; and a feed of ten million changes.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use countersign_e2e::{Browser, Cluster, Road};

use super::CONNECTIONS;
use super::login::Login;
use super::postgres::cluster;
use crate::load::{Client, rate};
use crate::server::{Hash, Server, get};
use crate::stock::{Stock, issuer};
use crate::table::{Row, median, per_second, percent};

pub(super) fn measure() -> Vec<Row> {
    let cluster = cluster();
    let mut rows: Vec<Row> = NEAR_AND_FAR
        .iter()
        .map(|(milliseconds, what)| beside_logins(&cluster, *milliseconds, what))
        .collect();
    rows.push(behind_an_open_transaction(&cluster));
    rows
}

/// Logouts against logins whose hash costs next to nothing.
fn beside_logins(cluster: &Cluster, milliseconds: u64, what: &'static str) -> Row {
    let site = Site::start(cluster, milliseconds);
    let mut logouts = site.logouts();
    let mut logins = Login::spread(&site.stock, 0);
    let (mut own, mut base) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let measured;
        (measured, logins) = rate(site.server.address, logins, RUN);
        base.push(measured);
        let measured;
        (measured, logouts) = rate(site.server.address, logouts, RUN);
        own.push(measured);
    }
    let (own, base) = (median(own), median(base));
    Row {
        what,
        measured: per_second(own),
        baseline: format!("logins whose hash costs nothing: {}", per_second(base)),
        ratio: percent(own / base),
        bar: "≥ 50 %",
        cleared: own >= base * 0.5,
    }
}

fn behind_an_open_transaction(cluster: &Cluster) -> Row {
    let site = Site::start(cluster, 0);
    let mut logouts = site.logouts();
    let calm;
    (calm, logouts) = rate(site.server.address, logouts, RUN);
    let _open = Open::begin(cluster);
    let ended = format!(
        "UPDATE sessions SET revoked_at = {NOW}, revoked_reason = 'admin' WHERE id > {TOKENS} AND \
         id <= {}",
        TOKENS + 40_000
    );
    cluster.sql(&site.database, &ended);
    let (own, _) = rate(site.server.address, logouts, RUN);
    Row {
        what: "logouts on PostgreSQL with 40,000 endings behind a transaction that is held open",
        measured: per_second(own),
        baseline: format!("without: {}", per_second(calm)),
        ratio: percent(own / calm),
        bar: "≥ 1,000/s",
        cleared: own >= 1_000.0,
    }
}

/// Ten million endings in one transaction, while somebody reads a profile and refreshes. Afterwards
/// a session ends as another node would end it.
pub(super) fn measure_flood() -> Vec<Row> {
    let cluster = cluster();
    let site = Site::start(&cluster, 0);
    let [mut stays, leaves] = [0, 1].map(|number| site.browser(number));
    let before = site.server.resident();
    let (mut longest, mut highest, mut bad_since) = (Duration::ZERO, before, None::<Instant>);
    thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let rows = format!(
                "SELECT {NOW}, 'session_ended', n::text FROM generate_series(1, {FLOOD}) n"
            );
            cluster.sql(&site.database, &format!("INSERT INTO changes (at, kind, subject) {rows}"));
        });
        let mut after = None::<Instant>;
        while after.is_none_or(|after| after.elapsed() < AFTERWARDS) {
            if flood.is_finished() {
                after.get_or_insert_with(Instant::now);
            }
            let profile = stays.get("/accounts/profile").status;
            let refresh = stays
                .bare("POST", "/accounts/refresh")
                .header("X-CSRFTOKEN", &stays.csrf_token)
                .send();
            if refresh.status == 200 {
                stays.take(&refresh);
            }
            match (profile, refresh.status) {
                (200, 200) => bad_since = None,
                (200 | 503, 200 | 503) => {
                    longest = longest.max(bad_since.get_or_insert_with(Instant::now).elapsed());
                }
                other => panic!("{other:?}"),
            }
            highest = highest.max(site.server.resident());
            thread::sleep(Duration::from_millis(50));
        }
    });
    let is_past = site.is_past_the_flood(&cluster);
    let felt = site.ends_elsewhere(&cluster, &leaves);
    assert_eq!(stays.get("/accounts/profile").status, 200, "whoever stays, stays");
    let start = Instant::now();
    drop(Server::countersign_on(&site.stock.data(), Hash::Cheap, &site.url));
    let (start, more) = (start.elapsed(), (highest - before) / 1e6);
    let (longest, felt) = (longest.as_secs_f64(), felt.as_secs_f64());
    let noticed = if is_past { "" } else { ", the flood not noticed" };
    vec![Row {
        what: "ten million endings in one transaction: the longest time of 503, the memory, and \
            until a logout elsewhere is felt afterwards",
        measured: format!("{longest:.1} s, + {more:.0} MB, {felt:.2} s{noticed}"),
        baseline: format!("a node that starts afterwards: {:.1} s", start.as_secs_f64()),
        ratio: String::new(),
        bar: "≤ 5 s, + 100 MB, 1.5 s",
        cleared: is_past && longest <= 5.0 && more <= 100.0 && felt <= 1.5,
    }]
}

/// A node so far from its database.
struct Site {
    stock: Stock,
    server: Server,
    database: String,
    url: String,
    _road: Road,
}

impl Site {
    fn start(cluster: &Cluster, milliseconds: u64) -> Self {
        let stock = Stock::of(10_000, Hash::Cheap);
        let url = stock.moved_to(cluster);
        let database = url.rsplit('/').next().expect("a name").to_owned();
        let sessions = format!(
            "INSERT INTO sessions (id, user_id, generation, current_jti, current_iat, current_since,
             race_credit, created_at, last_used_at, expires_at, transport)
             SELECT n, '1', 0, '\\x00112233445566778899aabbccddeeff', 0, 0, 25, {NOW}, {NOW},
             {NOW} + 86400000000, 'cookie'
             FROM generate_series(1, {TOKENS} + 40000) n ON CONFLICT DO NOTHING"
        );
        cluster.sql(&database, &sessions);
        let road = Road::to(&cluster.socket());
        road.takes(Duration::from_millis(milliseconds));
        let url = if milliseconds == 0 {
            url
        } else {
            format!("postgres://postgres@127.0.0.1:{}/{database}", road.port())
        };
        let server = Server::countersign_on(&stock.data(), Hash::Cheap, &url);
        Self { stock, server, database, url, _road: road }
    }

    /// Somebody who has logged in, and whose token the server knows.
    fn browser(&self, number: usize) -> Browser {
        let mut browser = Browser::new(self.server.address);
        let name = &self.stock.names(1 + number as u64, 0)[number];
        let login = serde_json::json!({"username": name, "password": crate::stock::PASSWORD});
        let answer = browser.bare("POST", "/accounts/login").json(&login).send();
        browser.take(&answer);
        assert_eq!(browser.get("/accounts/profile").status, 200);
        browser
    }

    /// Whether the server has gone past the flood, whose rows must be there: its list of ended
    /// sessions names a time instead of all of them.
    fn is_past_the_flood(&self, cluster: &Cluster) -> bool {
        let rows = cluster.sql(&self.database, "SELECT count(*) FROM changes");
        assert!(rows.parse::<u64>().expect("a number") >= FLOOD, "{rows} rows");
        let answer = get(self.server.address, "/.well-known/revocations");
        let list = answer.split_once("\r\n\r\n").expect("a body").1;
        countersign_e2e::claims_of(list)["issued_after"].is_u64()
    }

    /// Ends a session in the database, and returns how long its access token was still taken.
    fn ends_elsewhere(&self, cluster: &Cluster, browser: &Browser) -> Duration {
        let claims = countersign_e2e::claims_of(&browser.access_token);
        let session = claims["sid"].as_str().expect("a session");
        let session = u64::from_str_radix(session, 16).expect("its number").cast_signed();
        let ended = format!(
            "UPDATE sessions SET revoked_at = {NOW}, revoked_reason = 'logout' WHERE id = {session}"
        );
        assert_eq!(browser.get("/accounts/profile").status, 200, "it was good until then");
        cluster.sql(&self.database, &ended);
        let begin = Instant::now();
        while browser.get("/accounts/profile").status != 401 {
            assert!(begin.elapsed() < Duration::from_secs(30), "a logout is not felt");
            thread::sleep(Duration::from_millis(2));
        }
        begin.elapsed()
    }

    fn logouts(&self) -> Vec<Logout> {
        let tokens = self.stock.access_tokens(TOKENS, &issuer(&self.server));
        (0..CONNECTIONS)
            .map(|number| Logout {
                requests: tokens
                    .iter()
                    .skip(number)
                    .step_by(CONNECTIONS)
                    .map(|token| Logout::of(token))
                    .collect(),
                next: 0,
            })
            .collect()
    }
}

/// Ends one session after the other, each once.
struct Logout {
    requests: Vec<Vec<u8>>,
    next: usize,
}

impl Logout {
    fn of(token: &str) -> Vec<u8> {
        format!(
            "POST /accounts/logout HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \
            {token}\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes()
    }
}

impl Client for Logout {
    fn request(&mut self) -> &[u8] {
        self.next += 1;
        self.requests.get(self.next - 1).expect("sessions enough for the time")
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        assert!(
            head.starts_with(b"HTTP/1.1 204"),
            "{}{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(body)
        );
    }
}

/// A transaction that somebody holds open.
struct Open(Child);

impl Open {
    fn begin(cluster: &Cluster) -> Self {
        let mut psql = Command::new(cluster.binaries().join("psql"));
        psql.args([
            "-X",
            "-U",
            "postgres",
            "-d",
            "postgres",
            "-c",
            "SELECT pg_current_xact_id(), pg_sleep(600)",
            "-h",
        ])
        .arg(cluster.socket_directory());
        let child = psql.stdout(Stdio::null()).spawn().expect("psql");
        let is_open = "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND \
            query LIKE '%pg_sleep(600)' AND pid <> pg_backend_pid()";
        while cluster.sql("postgres", is_open) != "1" {
            thread::sleep(Duration::from_millis(20));
        }
        Self(child)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const NEAR_AND_FAR: [(u64, &str); 3] = [
    (0, "logouts on PostgreSQL, 64 clients"),
    (1, "logouts on PostgreSQL 1 ms away"),
    (20, "logouts on PostgreSQL 20 ms away"),
];

const NOW: &str = "(extract(epoch FROM now()) * 1000000)::bigint";

const PAIRS: usize = 3;

const RUN: Duration = Duration::from_secs(2);

/// Sessions that are logged out: more than there is time for.
const TOKENS: u64 = 60_000;

/// Changes in one transaction.
const FLOOD: u64 = 10_000_000;

/// How long is looked on when the flood is there.
const AFTERWARDS: Duration = Duration::from_secs(20);

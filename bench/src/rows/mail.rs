//! Mail: how fast it is queued, and what a full outbox costs the others.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use countersign::clock::{OsRandom, Random};
use countersign::store::sqlite::SqliteStore;
use countersign::store::{MailBounds, NewMail, NewToken, TokenStore};
use countersign::token::{OneTimeToken, Purpose};
use jiff::Timestamp;

use super::login::Login;
use super::refresh::Refresher;
use super::{CONNECTIONS, RUN, RUNS};
use crate::load::{Client, rate};
use crate::server::{Hash, Server};
use crate::stock::Stock;
use crate::table::{Row, median, median_ratio, per_second, percent};

/// Requests for a new password while the mail server is away: each a token and a mail, durable.
pub(super) fn measure_reset() -> Vec<Row> {
    let stock = Stock::of(10_000, Hash::Cheap);
    let server = Server::mailing(&stock.data(), Hash::Cheap);
    let mut clients = Forgetful::spread(&stock);
    let (mut own, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let measured;
        (measured, clients) = rate(server.address, clients, RUN);
        own.push(measured);
        alone.push(queued_alone(RUN));
    }
    let answered: u64 = clients.iter().map(|client| client.answered).sum();
    drop(server);
    assert_eq!(in_outbox(&stock.data()), answered, "a mail for each answer, and no other");
    let ratio = median_ratio(&own, &alone);
    let (own, alone) = (median(own), median(alone));
    vec![Row {
        what: "`POST /accounts/password/reset`, 64 clients, a token and a mail each, durable, the \
            mail server away",
        measured: per_second(own),
        baseline: format!("the store alone: {}", per_second(alone)),
        ratio: percent(ratio),
        bar: "≥ 2,000/s",
        cleared: own >= 2_000.0,
    }]
}

/// Refreshes and logins with 100,000 mails that were put off, against an empty outbox.
pub(super) fn measure_outbox() -> Vec<Row> {
    let (empty, full) = (Stock::of(1_000, Hash::Cheap), Stock::of(1_000, Hash::Cheap));
    fill(&full.data());
    let [without, with] = [&empty, &full].map(|stock| Server::mailing(&stock.data(), Hash::Cheap));
    let refreshers = |stock: &Stock, server: &Server| {
        Refresher::logged_in(server.address, &stock.names(CONNECTIONS as u64, 0))
    };
    let refresh =
        compare((&without, refreshers(&empty, &without)), (&with, refreshers(&full, &with)), RUN);
    let login =
        compare((&without, Login::spread(&empty, 0)), (&with, Login::spread(&full, 0)), RUN);
    drop(with);
    assert!(in_outbox(&full.data()) >= WAITING, "they still wait");
    [
        ("`POST /accounts/refresh` with 100,000 mails waiting", refresh),
        ("`POST /accounts/login` (a cheap hash) with 100,000 mails waiting", login),
    ]
    .map(|(what, (measured, baseline, ratio))| Row {
        what,
        measured: per_second(measured),
        baseline: format!("with none: {}", per_second(baseline)),
        ratio: percent(ratio),
        bar: "≥ 97 %",
        cleared: ratio >= 0.97,
    })
    .into()
}

/// The middle rates of the second and of the first, and the middle ratio of the pairs.
fn compare<C: Client + 'static>(
    (without, mut others): (&Server, Vec<C>),
    (with, mut clients): (&Server, Vec<C>),
    run: Duration,
) -> (f64, f64, f64) {
    let (mut own, mut base) = (Vec::new(), Vec::new());
    for turn in 0..RUNS {
        // Each is first in its turn: what one leaves to the disk, the next would pay for.
        for is_own in [turn % 2 == 0, turn % 2 == 1] {
            let measured;
            if is_own {
                (measured, clients) = rate(with.address, clients, run);
                own.push(measured);
            } else {
                (measured, others) = rate(without.address, others, run);
                base.push(measured);
            }
        }
    }
    let ratio = median_ratio(&own, &base);
    (median(own), median(base), ratio)
}

/// Asks for a new password of one user after the other.
struct Forgetful {
    requests: Vec<Vec<u8>>,
    next: usize,
    answered: u64,
}

impl Forgetful {
    fn spread(stock: &Stock) -> Vec<Self> {
        let names = stock.names(10_000, 0);
        let request = |name: &String| {
            let body = format!("{{\"email\":\"{name}@example.com\"}}");
            format!(
                "POST /accounts/password/reset HTTP/1.1\r\nHost: localhost\r\nContent-Type: \
                 application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes()
        };
        (0..CONNECTIONS)
            .map(|number| Self {
                requests: names.iter().skip(number).step_by(CONNECTIONS).map(request).collect(),
                next: 0,
                answered: 0,
            })
            .collect()
    }
}

impl Client for Forgetful {
    fn request(&mut self) -> &[u8] {
        self.next = (self.next + 1) % self.requests.len();
        &self.requests[self.next]
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        assert!(
            head.starts_with(b"HTTP/1.1 202"),
            "{}{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(body)
        );
        self.answered += 1;
    }
}

/// Tokens with mails a second without HTTP, seals and load generator: 64 tasks on the same store.
fn queued_alone(duration: Duration) -> f64 {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("countersign.sqlite3");
    let store = Arc::new(SqliteStore::open(&file).expect("a store"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let begin = Instant::now();
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|task| tokio::spawn(queue_until(Arc::clone(&store), task, begin + duration)))
            .collect();
        let mut queued = 0;
        for task in tasks {
            queued += task.await.expect("mails");
        }
        queued as f64 / begin.elapsed().as_secs_f64()
    })
}

async fn queue_until(store: Arc<SqliteStore>, task: usize, end: Instant) -> u64 {
    let mut queued = 0;
    while Instant::now() < end {
        let (token, now) = (OneTimeToken::draw(&OsRandom), Timestamp::now());
        let address = format!("user{task}-{queued}@example.com");
        let mut id = [0; 8];
        OsRandom.fill(&mut id);
        let id = i64::from_be_bytes(id) & i64::MAX;
        let mail = NewMail::new(id, &address, vec![7; 400], now);
        let until = now + Duration::from_secs(3_600);
        let new = NewToken { address, ..NewToken::new(&token, Purpose::ResetPassword, now, until) };
        let bounds = MailBounds::default();
        store.issue_token(new, vec![mail], bounds).await.expect("a mail is queued");
        queued += 1;
    }
    queued
}

/// Mails that a mail server put off until some hours from now.
fn fill(data: &Path) {
    let database = rusqlite::Connection::open(data.join("countersign.sqlite3"));
    let filled = database.expect("the database").execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
         INSERT INTO outbox (id, state, address, sealed, created_at, due_at, tries, error)
         SELECT i, 'waiting', 'user' || i || '@example.org', randomblob(400),
             unixepoch() * 1000000 - i, (unixepoch() + 20000) * 1000000 + i, 5, 'connection refused'
         FROM n",
        [WAITING],
    );
    assert_eq!(filled.expect("mails") as u64, WAITING);
}

fn in_outbox(data: &Path) -> u64 {
    let database = rusqlite::Connection::open(data.join("countersign.sqlite3"));
    let count =
        database.expect("the database").query_row("SELECT count(*) FROM outbox", [], |r| r.get(0));
    count.expect("a count")
}

const WAITING: u64 = 100_000;

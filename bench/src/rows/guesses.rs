//! The price of a wrong password, whatever kinds of hash are stored, and what guessers do to who is
//! known.

use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use countersign::password::{EncodedPassword, HashSettings, Password, Passwords};

use crate::load::{Client, rate};
use crate::server::{Hash, Server};
use crate::stock::{PASSWORD, Stock};
use crate::table::{Row, aside, median};

pub(super) fn measure() -> Vec<Row> {
    [(STORES[0], &KINDS[..0]), (STORES[1], &KINDS[..1]), (STORES[2], &KINDS[..])]
        .into_iter()
        .flat_map(|(texts, kinds)| of_store(texts, kinds))
        .collect()
}

/// A store with a user of each kind besides those with argon2id.
fn of_store([failure, spread, honest]: [&'static str; 3], kinds: &[&str]) -> Vec<Row> {
    let stock = Stock::of(100, Hash::Default);
    let database =
        rusqlite::Connection::open(stock.data().join("countersign.sqlite3")).expect("the database");
    for (number, encoded) in kinds.iter().enumerate() {
        let user = format!("user{}", number + 10);
        database
            .execute("UPDATE users SET password = ?2 WHERE username = ?1", [user.as_str(), encoded])
            .expect("a user");
    }
    drop(database);
    let costliest = kinds.iter().copied().chain([ARGON2ID]).map(one_hash).fold(0.0, f64::max);
    let server = Server::unthrottled(&stock.data());
    // What is live is found out, and measured, in the background.
    thread::sleep(Duration::from_secs(3));

    let names: Vec<String> = ["nobody".to_owned(), "user1".to_owned()]
        .into_iter()
        .chain((0..kinds.len()).map(|number| format!("user{}", number + 10)))
        .collect();
    let mut took = vec![Vec::new(); names.len()];
    for _ in 0..SAMPLES {
        for (name, took) in names.iter().zip(&mut took) {
            took.push(timed(server.address, &login(name, "a guess", None), 401).0);
        }
    }
    let medians: Vec<f64> = took.into_iter().map(median).collect();
    let (least, most) = (
        medians.iter().copied().fold(f64::INFINITY, f64::min),
        medians.iter().copied().fold(0.0, f64::max),
    );
    aside(&format!(
        "{failure}: {}",
        names
            .iter()
            .zip(&medians)
            .map(|(name, ms)| format!("{name} {ms:.1} ms"))
            .collect::<Vec<_>>()
            .join(", ")
    ));

    let device = timed(server.address, &login("user2", PASSWORD, None), 200).1;
    let device: serde_json::Value =
        serde_json::from_str(device.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    let known = login("user2", PASSWORD, device["device_token"].as_str());
    let sample = |_| timed(server.address, &known, 200).0;
    let calm = median((0..SAMPLES).map(sample).collect());
    let guessed = thread::scope(|scope| {
        let guessers = (0..GUESSERS)
            .map(|number| Guesser(login(&format!("nobody{number}"), "a guess", None)))
            .collect();
        let guessing = scope.spawn(|| rate(server.address, guessers, Duration::from_secs(15)));
        thread::sleep(Duration::from_secs(2));
        let guessed = median((0..SAMPLES).map(sample).collect());
        aside(&format!("{honest}: {:.1} guesses a second", guessing.join().expect("guessers").0));
        guessed
    });
    vec![
        row(
            failure,
            most,
            format!("one hash of the costliest kind: {costliest:.1} ms"),
            most / costliest,
            "≤ 1.2 ×",
            1.2,
        ),
        row(
            spread,
            most,
            format!("the quickest of them: {least:.1} ms"),
            most / least,
            "≤ 1.05 ×",
            1.05,
        ),
        row(honest, guessed, format!("calm: {calm:.1} ms"), guessed / calm, "≤ 3 ×", 3.0),
    ]
}

pub(super) fn row(
    what: &'static str,
    milliseconds: f64,
    baseline: String,
    ratio: f64,
    bar: &'static str,
    most: f64,
) -> Row {
    Row {
        what,
        measured: format!("{milliseconds:.1} ms"),
        baseline,
        ratio: format!("{ratio:.2} ×"),
        bar,
        cleared: ratio <= most,
    }
}

/// Milliseconds of a right password, which is checked once and not made up.
fn one_hash(encoded: &str) -> f64 {
    let mut settings = HashSettings::default();
    settings.threads = 1;
    let passwords = Passwords::new(settings).expect("threads");
    let password = Password::parse(PASSWORD.to_owned()).expect("a password");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let encoded = match encoded {
        ARGON2ID => runtime.block_on(passwords.hash(&password)).expect("a hash"),
        encoded => EncodedPassword::from_stored(encoded.to_owned()),
    };
    let hash = |_| {
        let begin = Instant::now();
        assert!(
            black_box(runtime.block_on(passwords.verify(Some(&encoded), &password)))
                .expect("a verdict")
                .matches
        );
        begin.elapsed().as_secs_f64() * 1e3
    };
    median((0..SAMPLES).map(hash).collect())
}

pub(super) fn login(username: &str, password: &str, device_token: Option<&str>) -> Vec<u8> {
    let mut body =
        serde_json::json!({"username": username, "password": password, "transport": "body"});
    if let Some(token) = device_token {
        body["device_token"] = token.into();
    }
    post("/accounts/login", &body, "")
}

/// A request with more lines of its head, each with its line break.
pub(super) fn post(path: &str, body: &serde_json::Value, more: &str) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{more}Content-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Milliseconds until the answer, and the answer.
pub(super) fn timed(address: SocketAddr, request: &[u8], status: u16) -> (f64, String) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let mut buffer = [0; 16 * 1024];
    let begin = Instant::now();
    stream.write_all(request).expect("a request is taken");
    let length = stream.read(&mut buffer).expect("an answer");
    let took = begin.elapsed().as_secs_f64() * 1e3;
    let answer = String::from_utf8_lossy(&buffer[..length]).into_owned();
    assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    (took, answer)
}

struct Guesser(Vec<u8>);

impl Client for Guesser {
    fn request(&mut self) -> &[u8] {
        &self.0
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        assert!(
            head.starts_with(b"HTTP/1.1 401"),
            "{}{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(body)
        );
    }
}

const STORES: [[&str; 3]; 3] = [
    [
        "a failed login, argon2id alone",
        "failed logins among themselves, argon2id alone",
        "a known device's login while 20 guess, argon2id alone",
    ],
    [
        "a failed login, one PBKDF2 row of Django 5.2 besides",
        "failed logins among themselves, PBKDF2 besides",
        "a known device's login while 20 guess, PBKDF2 besides",
    ],
    [
        "a failed login, kinds of all families",
        "failed logins among themselves, all families",
        "a known device's login while 20 guess, all families",
    ],
];

/// What `Stock` writes.
const ARGON2ID: &str = "argon2id";

/// What Django 5.2 writes for `PASSWORD`.
const KINDS: [&str; 5] = [
    "pbkdf2_sha256$1000000$RjUDzFrlH1IYkWz1fIilOy$vzT4VWML3+r+EgGn+Zw9v7LR965SiPvO7vsnMXRsHG8=",
    "pbkdf2_sha1$1000000$cKD0GdztzHOVS2mQ0cjKHF$nip5PGVxhn44rcgZWghi/SCcoWY=",
    "argon2$argon2id$v=19$m=102400,t=2,p=8$TWcxTWc5TlQ5a0VIV1J1djFOUFRocw$n/iEeOEoofT+0x+XaH3gwHsOfEuhZO6zI9SF5AbVpLw",
    "bcrypt_sha256$$2b$12$iRLXuEqpwJ33AsxjKVNfHuGXGV4aEfFNJBXpmMuEQ9uov2GkmYuI6",
    "scrypt$16384$6CObTsqnCkiN3WpBlnZ5Ws$8$5$zWyYflboT46aCdhPBL0afw6x6RYtn7vAN0m3wIsV7LKPCp9Z3cHu6Z8meiFXkWzR9GroULAhgxxp0tFSHhn7ZQ==",
];

pub(super) const SAMPLES: usize = 24;
const GUESSERS: usize = 20;

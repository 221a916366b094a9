//! The second step of a login, with a code of an authenticator app.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use countersign_e2e::Authenticator;
use serde_json::{Value, json};

use super::asks::{HASHING, compare};
use super::guesses::{SAMPLES, login, timed};
use super::login::Login;
use super::{CONNECTIONS, RUN};
use crate::load::{Client, rate};
use crate::server::{Hash, Server};
use crate::stock::{PASSWORD, Stock};
use crate::table::{Row, median, per_second, percent};

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(10_000, Hash::Cheap);
    let server = Server::countersign(&stock.data(), Hash::Cheap);
    let (logins, _) = rate(server.address, Login::spread(&stock, 0), RUN);
    let names = stock.names(USERS, 0);
    let clients = (0..CONNECTIONS)
        .map(|number| {
            Enrolling::of(names.iter().skip(number).step_by(CONNECTIONS).cloned().collect())
        })
        .collect();
    let (_, enrolled) = rate(server.address, clients, LONG);

    let now = within_a_step(10);
    let clients: Vec<_> =
        enrolled.into_iter().map(|client| Second::of(&client.enrolled, now)).collect();
    let steps: usize = clients.iter().map(|client| client.requests.len()).sum();
    assert_eq!(steps as u64, USERS * LOGINS);
    let (own, _) = rate(server.address, clients, LONG);
    let second = Row {
        what: "`POST /accounts/login/factor`, 64 clients, a code of an app each, durable",
        measured: per_second(own),
        baseline: format!("a login without one, with a cheap hash: {}", per_second(logins)),
        ratio: percent(own / logins),
        bar: "≥ 5,000/s",
        cleared: own >= 5_000.0,
    };
    vec![second, wrong_passwords()]
}

/// Whether the time of a wrong password tells who has a second factor.
fn wrong_passwords() -> Row {
    let stock = Stock::of(10, Hash::Default);
    let server = Server::unthrottled(&stock.data());
    // What is live is found out, and measured, in the background.
    std::thread::sleep(Duration::from_secs(3));
    enrol(&server, "user1");
    let guess = |name| timed(server.address, &login(name, "a guess", None), 401).0;
    let of_nobody = median((0..SAMPLES).map(|_| guess("nobody")).collect());
    compare(of_nobody, (WRONG_PASSWORD, "who has none"), HASHING, |has_one, _| {
        guess(if has_one { "user1" } else { "user2" })
    })
}

/// Enrols an app for a user.
fn enrol(server: &Server, name: &str) {
    let ask = |request: &[u8], status| timed(server.address, request, status).1;
    // The beginning of an answer is enough: a picture may come behind it.
    let text = |answer: String, field: &str| {
        let behind = answer.split_once(&format!("\"{field}\":\"")).expect("the field").1;
        behind.split('"').next().expect("a text").to_owned()
    };
    let token = text(ask(&login(name, PASSWORD, None), 200), "access_token");
    let offered = ask(&post("/accounts/factors/totp", Some(&token), &json!({})), 201);
    let app = Authenticator::typed(&text(offered, "secret"));
    let code = json!({"code": app.code(within_a_step(1))});
    ask(&post("/accounts/factors/totp/confirm", Some(&token), &code), 200);
    ask(&login(name, PASSWORD, None), 401);
}

/// A user whose logins wait for a code.
struct Enrolled {
    app: Authenticator,
    pending: Vec<String>,
}

/// What comes next for the user whose turn it is.
enum Stage {
    LogIn,
    Begin { token: String },
    Confirm { token: String, app: Authenticator },
    Wait(Enrolled),
}

/// Enrols one user after the other, and lets logins of theirs wait.
struct Enrolling {
    names: VecDeque<String>,
    stage: Stage,
    request: Vec<u8>,
    enrolled: Vec<Enrolled>,
}

impl Enrolling {
    fn of(names: VecDeque<String>) -> Self {
        Self { names, stage: Stage::LogIn, request: Vec::new(), enrolled: Vec::new() }
    }
}

impl Client for Enrolling {
    fn request(&mut self) -> &[u8] {
        let log_in = json!({"username": self.names[0], "password": PASSWORD, "transport": "body"});
        self.request = match &self.stage {
            Stage::LogIn | Stage::Wait(_) => post("/accounts/login", None, &log_in),
            Stage::Begin { token } => post("/accounts/factors/totp", Some(token), &json!({})),
            Stage::Confirm { token, app } => {
                // The step before that of now: the logins take the two that are left.
                let code = json!({"code": app.code(within_a_step(1) - 30)});
                post("/accounts/factors/totp/confirm", Some(token), &code)
            }
        };
        &self.request
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        let answer: Value = serde_json::from_slice(body).expect("JSON");
        let text = |name: &str| {
            let head = String::from_utf8_lossy(head);
            answer[name].as_str().unwrap_or_else(|| panic!("{head}{answer}")).to_owned()
        };
        let stage = std::mem::replace(&mut self.stage, Stage::LogIn);
        self.stage = match stage {
            Stage::LogIn => Stage::Begin { token: text("access_token") },
            Stage::Begin { token } => {
                Stage::Confirm { token, app: Authenticator::typed(&text("secret")) }
            }
            Stage::Confirm { app, .. } => {
                text("access_token");
                Stage::Wait(Enrolled { app, pending: Vec::new() })
            }
            Stage::Wait(mut user) => {
                user.pending.push(text("pending_token"));
                if user.pending.len() as u64 == LOGINS {
                    self.names.pop_front();
                    self.enrolled.push(user);
                    Stage::LogIn
                } else {
                    Stage::Wait(user)
                }
            }
        };
    }

    fn is_done(&self) -> bool {
        self.names.is_empty()
    }
}

/// Ends the logins that wait.
struct Second {
    requests: Vec<Vec<u8>>,
    next: usize,
}

impl Second {
    fn of(users: &[Enrolled], now: u64) -> Self {
        let of_turn = |turn: usize| {
            users.iter().map(move |user| {
                let code = user.app.code(now + 30 * turn as u64);
                let body = json!({"pending_token": user.pending[turn], "code": code});
                post("/accounts/login/factor", None, &body)
            })
        };
        // All of the step of now first, and then those of the next: a step counts once.
        let requests = (0..LOGINS as usize).flat_map(of_turn).collect();
        Self { requests, next: 0 }
    }
}

impl Client for Second {
    fn request(&mut self) -> &[u8] {
        self.next += 1;
        &self.requests[self.next - 1]
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        assert!(
            head.starts_with(b"HTTP/1.1 200"),
            "{}{}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(body)
        );
    }

    fn is_done(&self) -> bool {
        self.next == self.requests.len()
    }
}

pub(super) fn post(path: &str, token: Option<&str>, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\n{}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        token.unwrap_or_default(),
        body.len()
    )
    .into_bytes()
}

/// Seconds since 1970, once so many are left of the step of now.
fn within_a_step(left: u64) -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970");
    let now = since.as_secs();
    if now % 30 + left < 30 {
        return now;
    }
    std::thread::sleep(Duration::from_secs(30 - now % 30));
    now - now % 30 + 30
}

const WRONG_PASSWORD: &str = "a wrong password, of who has a second factor and of who has none";

const USERS: u64 = 6_400;

/// Of each user, with the two steps that are left once one was taken to enrol.
const LOGINS: u64 = 2;

/// Long enough for all of it on any machine: the clients stop by themselves.
const LONG: Duration = Duration::from_secs(120);

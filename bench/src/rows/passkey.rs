//! Logins with a passkey, without the time that its authenticator takes.

use std::collections::VecDeque;
use std::time::Duration;

use countersign_e2e::SoftKey;
use serde_json::{Value, json};

use super::factor::post;
use super::login::Login;
use super::{CONNECTIONS, RUN};
use crate::load::{Client, rate};
use crate::server::{Hash, Server};
use crate::stock::{PASSWORD, Stock};
use crate::table::{Row, per_second, percent};

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(10_000, Hash::Cheap);
    let server = Server::asked_without_limit(&stock.data());
    let (logins, _) = rate(server.address, Login::spread(&stock, 0), RUN);
    let origin = format!("http://localhost:{}", server.address.port());
    let names = stock.names(USERS, 0);
    let clients = (0..CONNECTIONS)
        .map(|number| {
            let names = names.iter().skip(number).step_by(CONNECTIONS).cloned().collect();
            Registering::of(names, &origin)
        })
        .collect();
    let (_, registered) = rate(server.address, clients, LONG);

    let clients = registered.into_iter().map(|client| Asking::of(client.keys)).collect();
    let (asked, clients) = rate(server.address, clients, LONG);
    // Between the two the authenticators sign, and no clock runs.
    let clients = clients.into_iter().map(Asking::signed).collect();
    let (finished, _) = rate(server.address, clients, LONG);
    let own = 1.0 / (1.0 / asked + 1.0 / finished);
    vec![Row {
        what: "`POST /accounts/login/passkey/begin` and `finish`, 64 clients, durable",
        measured: format!(
            "{}: {} begun, {} finished",
            per_second(own),
            per_second(asked),
            per_second(finished)
        ),
        baseline: format!("a login with a password, with a cheap hash: {}", per_second(logins)),
        ratio: percent(own / logins),
        bar: "≥ 2,000/s",
        cleared: own >= 2_000.0,
    }]
}

/// What comes next for the user whose turn it is.
enum Stage {
    LogIn,
    Begin { token: String },
    Finish { token: String, options: Value },
}

/// Registers a passkey for one user after the other.
struct Registering {
    names: VecDeque<String>,
    origin: String,
    stage: Stage,
    request: Vec<u8>,
    keys: Vec<SoftKey>,
}

impl Registering {
    fn of(names: VecDeque<String>, origin: &str) -> Self {
        let (origin, stage) = (origin.to_owned(), Stage::LogIn);
        Self { names, origin, stage, request: Vec::new(), keys: Vec::new() }
    }
}

impl Client for Registering {
    fn request(&mut self) -> &[u8] {
        self.request = match &self.stage {
            Stage::LogIn => {
                let body = json!({
                    "username": self.names[0],
                    "password": PASSWORD,
                    "transport": "body",
                });
                post("/accounts/login", None, &body)
            }
            Stage::Begin { token } => {
                post("/accounts/passkeys/register/begin", Some(token), &json!({}))
            }
            Stage::Finish { token, options } => {
                let mut key = SoftKey::at(&self.origin);
                let body = json!({"passkey": key.make(options)});
                self.keys.push(key);
                post("/accounts/passkeys/register/finish", Some(token), &body)
            }
        };
        &self.request
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        let answer = good(head, body);
        let text = |name: &str| answer[name].as_str().expect("a text").to_owned();
        self.stage = match std::mem::replace(&mut self.stage, Stage::LogIn) {
            Stage::LogIn => Stage::Begin { token: text("access_token") },
            Stage::Begin { token } => Stage::Finish { token, options: answer["options"].clone() },
            Stage::Finish { .. } => {
                self.names.pop_front();
                Stage::LogIn
            }
        };
    }

    fn is_done(&self) -> bool {
        self.names.is_empty()
    }
}

/// Asks what to sign, for each passkey as often as it shall log in.
struct Asking {
    keys: Vec<SoftKey>,
    options: Vec<Value>,
    request: Vec<u8>,
}

impl Asking {
    fn of(keys: Vec<SoftKey>) -> Self {
        let request = post("/accounts/login/passkey/begin", None, &json!({}));
        Self { keys, options: Vec::new(), request }
    }

    /// What logs in with them: the first time of all, and then the next, as they count.
    fn signed(mut self) -> Finishing {
        let many = self.keys.len();
        let requests = self.options.iter().enumerate().map(|(number, options)| {
            let passkey = self.keys[number % many].sign(options);
            let body = json!({"passkey": passkey, "transport": "body"});
            post("/accounts/login/passkey/finish", None, &body)
        });
        Finishing { requests: requests.collect() }
    }
}

impl Client for Asking {
    fn request(&mut self) -> &[u8] {
        &self.request
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        self.options.push(good(head, body)["options"].take());
    }

    fn is_done(&self) -> bool {
        self.options.len() == self.keys.len() * LOGINS
    }
}

/// Sends what was signed.
struct Finishing {
    requests: VecDeque<Vec<u8>>,
}

impl Client for Finishing {
    fn request(&mut self) -> &[u8] {
        &self.requests[0]
    }

    fn answer(&mut self, head: &[u8], body: &[u8]) {
        good(head, body);
        self.requests.pop_front();
    }

    fn is_done(&self) -> bool {
        self.requests.is_empty()
    }
}

/// The body of an answer, which is a good one.
fn good(head: &[u8], body: &[u8]) -> Value {
    let head = String::from_utf8_lossy(head);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}{}", String::from_utf8_lossy(body));
    serde_json::from_slice(body).expect("JSON")
}

const USERS: u64 = 3_200;

/// Of each.
const LOGINS: usize = 2;

/// Long enough for all of it on any machine: the clients stop by themselves.
const LONG: Duration = Duration::from_secs(120);

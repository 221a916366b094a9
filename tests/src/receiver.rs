//! A program that listens to a web hook: it writes down what comes, and answers as it is told.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::commands::eventually;

/// The secret of every hook of the tests.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What came in one request.
#[derive(Debug, Clone)]
pub struct Received {
    /// The message's id.
    pub id: String,
    /// When it was sent, by its header, in seconds.
    pub at: i64,
    /// The request line and the headers.
    pub headers: String,
    /// What it says.
    pub body: Value,
}

impl Received {
    /// The event.
    ///
    /// # Panics
    /// When the message names none.
    pub fn event(&self) -> &str {
        self.body["type"].as_str().unwrap()
    }

    /// Whom it is about; empty for nobody.
    pub fn username(&self) -> &str {
        self.body["data"]["user"]["username"].as_str().unwrap_or_default()
    }
}

/// What it answers: a status line, more headers, and how long it takes.
#[derive(Debug, Clone)]
pub struct Answer(pub &'static str, pub Duration);

/// It took the message.
pub const TAKEN: Answer = Answer("204 No Content", Duration::ZERO);
/// It cannot now.
pub const REFUSED: Answer = Answer("500 Internal Server Error", Duration::ZERO);

type Answers = dyn Fn(&Received) -> Answer + Send + Sync;

/// The program. Every signature is checked.
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    answers: Arc<Mutex<Arc<Answers>>>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Receiver {
    /// One that takes everything.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
            answers: Arc::new(Mutex::new(Arc::new(|_: &Received| TAKEN))),
        };
        let (received, answers) = (Arc::clone(&receiver.received), Arc::clone(&receiver.answers));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (received, answers) = (Arc::clone(&received), Arc::clone(&answers));
                thread::spawn(move || serve(stream, &received, &answers));
            }
        });
        receiver
    }

    /// From now on it answers so.
    ///
    /// # Panics
    /// When it found a wrong signature.
    pub fn answer(&self, answers: impl Fn(&Received) -> Answer + Send + Sync + 'static) {
        *self.answers.lock().unwrap() = Arc::new(answers);
    }

    /// What came so far.
    ///
    /// # Panics
    /// When it found a wrong signature.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The events that came so far.
    pub fn events(&self) -> Vec<String> {
        self.received().iter().map(|one| one.event().to_owned()).collect()
    }

    /// Waits until so many have come, and has them.
    pub fn wait_for(&self, many: usize) -> Vec<Received> {
        eventually(&format!("{many} messages come"), || self.received().len() >= many);
        self.received()
    }

    /// A `[[hook]]` for it.
    pub fn hook(&self, name: &str, events: &str) -> String {
        format!(
            "[[hook]]\nname = \"{name}\"\nurl = \"http://{}/in/s3cret-path\"\nevents = {events}\n\
             secret = \"{SECRET}\"\nprivate = true\n",
            self.address
        )
    }
}

fn serve(
    stream: std::net::TcpStream,
    received: &Mutex<Vec<Received>>,
    answers: &Mutex<Arc<Answers>>,
) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head).unwrap_or(0) == 0 {
                return;
            }
        }
        let header = |name: &str| {
            head.lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(own, _)| own.eq_ignore_ascii_case(name))
                .map_or("", |(_, value)| value.trim())
                .to_owned()
        };
        let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let (id, at) = (header("webhook-id"), header("webhook-timestamp"));
        assert_eq!(header("webhook-signature"), signature(&id, &at, &body));
        let one = Received {
            id,
            at: at.parse().unwrap(),
            body: serde_json::from_slice(&body).unwrap(),
            headers: head,
        };
        let answers = Arc::clone(&answers.lock().unwrap());
        let Answer(status, after) = answers(&one);
        received.lock().unwrap().push(one);
        thread::sleep(after);
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn signature(id: &str, at: &str, body: &[u8]) -> String {
    let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = [format!("{id}.{at}.").as_bytes(), body].concat();
    format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
}

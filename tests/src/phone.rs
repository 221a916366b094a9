//! A native client with a key of its own: it binds its session, and proves itself with each refresh
//! (DPoP, RFC 9449).

use std::cell::Cell;

use serde_json::{Value, json};

use crate::device_key::DeviceKey;
use crate::http::{Request, Response};
use crate::test_server::{PASSWORD, TestServer};

/// The client. Its fields are the test's to change.
#[derive(Debug)]
pub struct Phone {
    /// Its key.
    pub key: DeviceKey,
    /// What its proofs say of the address before the path: the public URL.
    pub origin: String,
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
    /// The challenge that it signs next.
    pub nonce: Option<String>,
    /// How many proofs it has made, for their ids.
    made: Cell<u32>,
}

impl Phone {
    /// One of a server whose public URL is this.
    pub fn new(key: DeviceKey, origin: &str) -> Self {
        Self {
            key,
            origin: origin.to_owned(),
            access_token: String::new(),
            refresh_token: String::new(),
            nonce: None,
            made: Cell::new(0),
        }
    }

    /// What a proof says of a POST to this path.
    pub fn claims(&self, path: &str, now: u64) -> Value {
        self.made.set(self.made.get() + 1);
        let mut claims = json!({
            "jti": format!("proof {}", self.made.get()),
            "htm": "POST",
            "htu": format!("{}{path}", self.origin),
            "iat": now,
        });
        if let Some(nonce) = &self.nonce {
            claims["nonce"] = json!(nonce);
        }
        claims
    }

    /// The proof of a POST to this path.
    pub fn proof(&self, path: &str, now: u64) -> String {
        self.key.dpop(&self.claims(path, now))
    }

    /// A POST with a proof.
    pub fn post(&self, world: &TestServer, path: &str, body: &Value, now: u64) -> Request {
        world.request("POST", path).json(body).header("DPoP", self.proof(path, now))
    }

    /// Sends a POST with a proof, and once more where another challenge is to be signed.
    pub fn ask(&mut self, world: &TestServer, path: &str, body: &Value) -> Response {
        let now = world.now();
        let mut answer = self.post(world, path, body, now).send();
        self.take(&answer);
        if answer.problem_code().as_deref() == Some("use_dpop_nonce") {
            answer = self.post(world, path, body, now).send();
            self.take(&answer);
        }
        answer
    }

    /// Logs in with the password of every test user.
    pub fn login(&mut self, world: &TestServer, username: &str) -> Response {
        let body = json!({"username": username, "password": PASSWORD, "transport": "body"});
        self.ask(world, "/accounts/login", &body)
    }

    /// Refreshes.
    pub fn refresh(&mut self, world: &TestServer) -> Response {
        let body = json!({"refresh_token": self.refresh_token});
        self.ask(world, "/accounts/refresh", &body)
    }

    /// Keeps what an answer brings.
    pub fn take(&mut self, answer: &Response) {
        if let Some(nonce) = answer.header("dpop-nonce") {
            self.nonce = Some(nonce.to_owned());
        }
        let Ok(json) = serde_json::from_slice::<Value>(&answer.body) else { return };
        for (name, place) in
            [("access_token", &mut self.access_token), ("refresh_token", &mut self.refresh_token)]
        {
            if let Some(token) = json[name].as_str() {
                token.clone_into(place);
            }
        }
    }
}

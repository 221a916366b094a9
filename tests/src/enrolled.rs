//! Users with an authenticator app, in a world in virtual time.

use std::time::Duration;

use serde_json::{Value, json};

use crate::authenticator::Authenticator;
use crate::browser::Browser;
use crate::http::Response;
use crate::soft_key::SoftKey;
use crate::test_server::TestServer;

/// A user's app and recovery codes.
#[derive(Debug, Clone)]
pub struct Enrolled {
    /// The app.
    pub app: Authenticator,
    /// The recovery codes.
    pub codes: Vec<String>,
    /// The factor's id.
    pub id: String,
}

impl TestServer {
    /// Enrols an app for the user of this browser. The clock goes on to the next code.
    ///
    /// # Panics
    /// When that does not work.
    pub fn enrol(&self, browser: &mut Browser) -> Enrolled {
        let offered = browser.request("POST", "/accounts/factors/totp").send().expect(201);
        let app = Authenticator::offered(&offered);
        let code = json!({"code": app.code(self.clock().seconds())});
        let request = browser.request("POST", "/accounts/factors/totp/confirm").json(&code);
        let enrolled = browser.send(&request).expect(200).json();
        let codes = enrolled["recovery_codes"].as_array().into_iter().flatten();
        let codes = codes.map(|code| code.as_str().expect("a code").to_owned()).collect();
        self.next_code();
        Enrolled { app, codes, id: offered.text_at("id") }
    }

    /// Registers a passkey for the user of this browser, on a new device: what the server says.
    ///
    /// # Panics
    /// When that does not work.
    pub fn passkey(&self, browser: &mut Browser) -> (SoftKey, Value) {
        let mut key = SoftKey::new(self);
        let answer = browser.register(&mut key, "a key").expect(200).json();
        (key, answer)
    }

    /// Goes on to the next code of every app.
    pub fn next_code(&self) {
        self.clock().advance(Duration::from_secs(30));
    }

    /// What the app shows now.
    pub fn code_of(&self, enrolled: &Enrolled) -> String {
        enrolled.app.code(self.clock().seconds())
    }
}

impl Browser {
    /// Registers the passkey of this device for the user who is logged in.
    pub fn register(&mut self, key: &mut SoftKey, name: &str) -> Response {
        let begun = self.request("POST", "/accounts/passkeys/register/begin").send().expect(200);
        let body = json!({"passkey": key.make(&begun.json()["options"]), "name": name});
        let request = self.request("POST", "/accounts/passkeys/register/finish").json(&body);
        self.send(&request)
    }

    /// What a page is told to ask the browser for, at a login.
    ///
    /// # Panics
    /// When it is told nothing.
    pub fn passkey_options(&self) -> Value {
        let begun = self.bare("POST", "/accounts/login/passkey/begin").send();
        begun.expect(200).json()["options"].clone()
    }

    /// Logs in with the passkey of this device.
    pub fn login_with_passkey(&mut self, key: &mut SoftKey) -> Response {
        let passkey = key.sign(&self.passkey_options());
        self.finish_passkey(&passkey)
    }

    /// The second half of it.
    pub fn finish_passkey(&mut self, passkey: &Value) -> Response {
        let request = self.bare("POST", "/accounts/login/passkey/finish");
        self.send(&request.json(&json!({"passkey": passkey})))
    }

    /// Logs in with the usual password, where a second factor is asked for: the pending token.
    ///
    /// # Panics
    /// When none is asked for.
    pub fn first_step(&mut self, username: &str) -> String {
        self.login(username).expect_problem(401, "second_factor_required").text_at("pending_token")
    }

    /// The second step with this in the body beside the pending token.
    pub fn second_step(&mut self, pending: &str, factor: &Value) -> Response {
        let mut body = factor.clone();
        body["pending_token"] = json!(pending);
        let request = self.bare("POST", "/accounts/login/factor").json(&body);
        self.send(&request)
    }
}

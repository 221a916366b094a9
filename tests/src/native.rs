//! A mobile, desktop or command-line client: no cookies, the refresh token in the body.

use std::net::SocketAddr;

use serde_json::json;

use crate::http::{Request, Response};
use crate::test_server::PASSWORD;

/// A native client. Its fields are the test's to change.
#[derive(Debug, Clone)]
pub struct Native {
    address: SocketAddr,
    /// The access token.
    pub access_token: String,
    /// The refresh token, in the device's secure storage.
    pub refresh_token: String,
    /// The device token, in the device's secure storage.
    pub device_token: Option<String>,
}

impl Native {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            access_token: String::new(),
            refresh_token: String::new(),
            device_token: None,
        }
    }

    /// Finds the server at another address, after it was started again.
    pub fn move_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// Logs in with the password of every test user.
    pub fn login(&mut self, username: &str) -> Response {
        let mut body = json!({"username": username, "password": PASSWORD, "transport": "body"});
        if let Some(token) = &self.device_token {
            body["device_token"] = json!(token);
        }
        let response = Request::new(self.address, "POST", "/accounts/login").json(&body).send();
        self.take(&response);
        response
    }

    /// Refreshes.
    pub fn refresh(&mut self) -> Response {
        let body = json!({"refresh_token": self.refresh_token});
        let response = Request::new(self.address, "POST", "/accounts/refresh").json(&body).send();
        self.take(&response);
        response
    }

    /// A request with the access token.
    pub fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path).bearer(&self.access_token)
    }

    fn take(&mut self, response: &Response) {
        let Ok(json) = serde_json::from_slice::<serde_json::Value>(&response.body) else { return };
        for (name, place) in
            [("access_token", &mut self.access_token), ("refresh_token", &mut self.refresh_token)]
        {
            if let Some(token) = json[name].as_str() {
                token.clone_into(place);
            }
        }
        if let Some(token) = json["device_token"].as_str() {
            self.device_token = Some(token.to_owned());
        }
    }
}

//! A browser: it keeps cookies, remembers what script would remember, and sends what a page would
//! send.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde_json::json;

use crate::http::{Request, Response};
use crate::test_server::PASSWORD;

/// A browser with one page of the server's own origin open. Its fields are the test's to change.
#[derive(Debug, Clone)]
pub struct Browser {
    address: SocketAddr,
    /// The cookie jar.
    pub cookies: BTreeMap<String, String>,
    /// What script keeps in memory.
    pub access_token: String,
    /// What script sends as `X-CSRFTOKEN` when it writes.
    pub csrf_token: String,
}

impl Browser {
    /// A browser with an empty cookie jar, in front of the server at this address.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            cookies: BTreeMap::new(),
            access_token: String::new(),
            csrf_token: String::new(),
        }
    }

    /// Finds the server at another address, after it was started again.
    pub fn move_to(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// Logs in with the password of every test user.
    pub fn login(&mut self, username: &str) -> Response {
        self.login_with(username, PASSWORD)
    }

    /// Logs in with any password.
    pub fn login_with(&mut self, username: &str, password: &str) -> Response {
        let request = self
            .bare("POST", "/accounts/login")
            .json(&json!({"username": username, "password": password}));
        self.send(&request)
    }

    /// Refreshes.
    pub fn refresh(&mut self) -> Response {
        let request =
            self.bare("POST", "/accounts/refresh").header("X-CSRFTOKEN", &self.csrf_token);
        self.send(&request)
    }

    /// Logs out.
    pub fn logout(&mut self) -> Response {
        let request = self.request("POST", "/accounts/logout");
        self.send(&request)
    }

    /// Reads.
    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path).send()
    }

    /// A request with everything a page sends: cookies, the access token, and the CSRF token where
    /// it writes.
    pub fn request(&self, method: &str, path: &str) -> Request {
        let request = self.bare(method, path).bearer(&self.access_token);
        if method == "GET" { request } else { request.header("X-CSRFTOKEN", &self.csrf_token) }
    }

    /// A request with the cookies alone.
    pub fn bare(&self, method: &str, path: &str) -> Request {
        let request = Request::new(self.address, method, path);
        match self.cookie_header() {
            Some(cookies) => request.header("Cookie", cookies),
            None => request,
        }
    }

    /// Sends a request and takes in what the answer says: cookies and tokens.
    pub fn send(&mut self, request: &Request) -> Response {
        let response = request.send();
        self.take(&response);
        response
    }

    /// Takes in what an answer says.
    pub fn take(&mut self, response: &Response) {
        for cookie in response.all("set-cookie") {
            let (name, rest) = cookie.split_once('=').unwrap_or_default();
            let value = rest.split(';').next().unwrap_or_default();
            if rest.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&response.body) {
            if let Some(token) = json["access_token"].as_str() {
                token.clone_into(&mut self.access_token);
            }
            if let Some(token) = json["csrf_token"].as_str() {
                token.clone_into(&mut self.csrf_token);
            }
        }
    }

    /// The refresh token in the jar.
    ///
    /// # Panics
    /// When there is none.
    pub fn refresh_token(&self) -> &str {
        &self.cookies["refreshtoken"]
    }

    /// The `Cookie` header.
    pub fn cookie_header(&self) -> Option<String> {
        let pairs: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { None } else { Some(pairs.join("; ")) }
    }
}

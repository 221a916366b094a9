//! A desk at the admin site: a browser that shows pages and sends forms, as an operator's does,
//! without any script.

use std::net::SocketAddr;

use crate::browser::Browser;
use crate::http::{Request, Response};
use crate::test_server::PASSWORD;

/// A browser at the admin site. Its fields are the test's to change.
#[derive(Debug, Clone)]
pub struct Desk {
    address: SocketAddr,
    /// The browser, with its cookies.
    pub browser: Browser,
    /// What the forms of the page carry that was loaded last.
    pub csrf: String,
}

impl Desk {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, browser: Browser::new(address), csrf: String::new() }
    }

    /// Loads a page.
    pub fn get(&mut self, path: &str) -> Response {
        let request = self.browser.bare("GET", path);
        let response = self.browser.send(&request);
        if let Some(csrf) = input(&response.text(), "csrf") {
            self.csrf = csrf;
        }
        response
    }

    /// Sends a form with these fields and the token of the page that was loaded last.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.form(path, fields);
        self.browser.send(&request)
    }

    /// The request of a form, to be changed before it is sent.
    pub fn form(&self, path: &str, fields: &[(&str, &str)]) -> Request {
        let with_token =
            [("csrf", self.csrf.as_str())].iter().chain(fields).copied().collect::<Vec<_>>();
        self.bare_form(path).body(FORM, encode(&with_token))
    }

    /// A form that comes from a page of the site, but for its body.
    pub fn bare_form(&self, path: &str) -> Request {
        self.browser
            .bare("POST", path)
            .header("Origin", format!("http://{}", self.address))
            .header("Sec-Fetch-Site", "same-origin")
    }

    /// A request without a form, to be changed before it is sent.
    pub fn request(&self, method: &str, path: &str) -> Request {
        self.browser.bare(method, path)
    }

    /// Asks with any method, without a form.
    pub fn request_of(&self, method: &str, path: &str) -> Response {
        self.browser.bare(method, path).send()
    }

    /// Signs in with the password of every test user.
    pub fn sign_in(&mut self, name: &str) -> Response {
        self.sign_in_with(name, PASSWORD)
    }

    /// Signs in with any password.
    pub fn sign_in_with(&mut self, name: &str, password: &str) -> Response {
        self.get("/admin/sign-in").expect(200);
        let answer = self.post(
            "/admin/sign-in",
            &[("username", name), ("password", password), ("next", "/admin/")],
        );
        if answer.status == 303 {
            self.get("/admin/").expect(200);
        }
        answer
    }
}

impl Response {
    /// Asserts that a form was taken, and that the browser is sent to this page.
    ///
    /// # Panics
    /// When it was not.
    #[track_caller]
    pub fn sends_to(&self, path: &str) {
        assert_eq!((self.status, self.header("location")), (303, Some(path)), "{}", self.text());
    }

    /// Asserts the status of a page of the admin site, and that it says this.
    ///
    /// # Panics
    /// When it is another, or says something else.
    #[track_caller]
    pub fn says(&self, status: u16, text: &str) {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(self.text().contains(text), "no {text:?} in {}", self.text());
    }
}

/// The value of the first input of this name on a page.
pub fn input(html: &str, name: &str) -> Option<String> {
    let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\""))?;
    rest.split('"').next().map(str::to_owned)
}

/// Fields as a form sends them.
fn encode(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| {
        text.bytes()
            .map(|b| {
                if b.is_ascii_alphanumeric() {
                    char::from(b).to_string()
                } else {
                    format!("%{b:02X}")
                }
            })
            .collect::<String>()
    };
    fields
        .iter()
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect::<Vec<_>>()
        .join("&")
}

const FORM: &str = "application/x-www-form-urlencoded";

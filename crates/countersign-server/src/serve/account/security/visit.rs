//! A request to the page: its session, its cookies, its form; and what the endpoints answer.

use std::collections::HashMap;
use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::body::{Body, to_bytes};
use axum::extract::FromRequestParts;
use axum::http::header::{
    AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, FORWARDED, LOCATION, SET_COOKIE,
    USER_AGENT,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign::http::whole_body;
use countersign::web::cookies::values;
use serde_json::{Value, json};
use tower::ServiceExt;
use url::form_urlencoded;

use super::super::language::Language;
use super::super::{MOST_FIELDS, PATIENCE};
use super::Desk;
use super::page::Page;

/// One request to the page: who it is from, and what its cookies become.
pub(super) struct Visit {
    headers: HeaderMap,
    extensions: axum::http::Extensions,
    pub(super) language: Language,
    pub(super) refresh: Option<String>,
    /// Whether the browser sent a session, good or not.
    brings_session: bool,
    device: Option<String>,
    access: Option<String>,
    /// What the user may prove, once it is known.
    pub(super) kinds: String,
}

impl FromRequestParts<Desk> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, desk: &Desk) -> Result<Self, Self::Rejection> {
        let mut headers = HeaderMap::new();
        for name in [USER_AGENT, FORWARDED, FORWARDED_FOR] {
            for value in parts.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        let session = cookie(&parts.headers, &session_cookie(desk));
        Ok(Self {
            brings_session: session.is_some(),
            refresh: session.and_then(|sealed| desk.pages.auth.open_for_page(&sealed, PAGE)),
            device: cookie(&parts.headers, DEVICE),
            access: None,
            kinds: String::new(),
            extensions: parts.extensions.clone(),
            language: Language::of(&parts.headers),
            headers,
        })
    }
}

impl Visit {
    /// Asks an endpoint, as the user where one is logged in here.
    pub(super) async fn ask(
        &mut self,
        desk: &Desk,
        method: Method,
        path: &str,
        json: Option<Value>,
    ) -> Answer {
        let body = json.map_or(Body::empty(), |json| Body::from(json.to_string()));
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = format!("{}{path}", desk.base).parse().unwrap_or_default();
        *request.headers_mut() = self.headers.clone();
        *request.extensions_mut() = self.extensions.clone();
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(CONTENT_TYPE, json);
        if let Some(bearer) = self
            .access
            .as_ref()
            .and_then(|access| HeaderValue::try_from(format!("Bearer {access}")).ok())
        {
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        let Ok(response) = desk.endpoints.clone().oneshot(request).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), ANSWER_LIMIT).await.unwrap_or_default();
        Answer { status, json: serde_json::from_slice(&body).unwrap_or_default() }
    }

    /// Goes on with the session of the cookie. Whether there is one.
    pub(super) async fn resume(&mut self, desk: &Desk) -> bool {
        let Some(refresh) = self.refresh.clone() else { return false };
        let json = json!({"refresh_token": refresh});
        let answer = self.ask(desk, Method::POST, "/refresh", Some(json)).await;
        if answer.is_good() {
            self.keep(&answer.json);
            let factors = self.ask(desk, Method::GET, "/factors", None).await.json;
            let listed = factors["factors"].as_array().into_iter().flatten();
            let mut kinds: Vec<_> = listed.filter_map(|one| one["kind"].as_str()).collect();
            kinds.dedup();
            self.kinds = kinds.join(" ");
            return true;
        }
        // Where the store does not answer, the session may be there still.
        if matches!(answer.status, 400 | 401) {
            self.refresh = None;
        }
        false
    }

    /// Keeps the tokens of an answer.
    pub(super) fn keep(&mut self, json: &Value) {
        let token = |name: &str| json[name].as_str().map(str::to_owned);
        self.access = token("access_token").or(self.access.take());
        self.refresh = token("refresh_token").or(self.refresh.take());
        self.device = token("device_token").or(self.device.take());
    }

    pub(super) fn add_device(&self, json: &mut Value) {
        if let Some(device) = &self.device {
            json["device_token"] = device.as_str().into();
        }
    }

    /// Leads back to the page, where a reload does nothing again.
    pub(super) fn back(self, desk: &Desk, done: &str) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        let to = format!("{}/account/security?done={done}", desk.pages.home);
        if let Ok(to) = HeaderValue::try_from(to) {
            response.headers_mut().insert(LOCATION, to);
        }
        self.leave(desk, response.headers_mut());
        response
    }

    pub(super) fn show(self, desk: &Desk, status: StatusCode, page: &Page<'_>) -> Response {
        let html = page.render().unwrap_or_default();
        let content_type = [(CONTENT_TYPE, "text/html; charset=utf-8")];
        let mut response = (status, content_type, html).into_response();
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, desk.policy.clone());
        self.leave(desk, response.headers_mut());
        response
    }

    /// The cookies, as they are now.
    pub(super) fn leave(&self, desk: &Desk, headers: &mut HeaderMap) {
        let secure = if desk.is_https { "; Secure" } else { "" };
        let path = format!("{}/account/security", desk.pages.home);
        let mut set = |name: &str, value: &str, path: &str, age: Duration| {
            let age = age.as_secs();
            let line = format!(
                "{name}={value}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
            );
            headers.extend(HeaderValue::try_from(line).ok().map(|line| (SET_COOKIE, line)));
        };
        // What the browser keeps is of use on this page alone: it is no refresh token.
        let auth = &desk.pages.auth;
        let sealed = |token: &String| auth.seal_for_page(token, PAGE, SESSION_LASTS);
        let name = session_cookie(desk);
        let own = if desk.is_https { "/" } else { &path };
        match self.refresh.as_ref().and_then(sealed) {
            Some(sealed) => set(&name, &sealed, own, SESSION_LASTS),
            // A link from another site comes without the session that the browser has: that one
            // stays.
            None if self.brings_session => set(&name, "", own, Duration::ZERO),
            None => {}
        }
        if let Some(device) = &self.device {
            set(DEVICE, device, &path, DEVICE_LASTS);
        }
    }
}

/// What an endpoint has answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) json: Value,
}

impl Answer {
    pub(super) const fn is_good(&self) -> bool {
        self.status < 300
    }

    pub(super) fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// What is wrong, for people: most of what endpoints say is, and the rest is for programs.
    pub(super) fn said(&self, language: Language) -> String {
        let sentence = match self.code() {
            "deletion_planned" => {
                "This account is to be deleted. Go to /account/restore to keep it."
            }
            "email_not_verified" => "Confirm your e-mail address first, by the link in the mail.",
            "enrolment_required" => "This account must have a second factor. Enrol one first.",
            "throttled" => "Too many attempts. Wait a while, and try again.",
            "unavailable" | "internal_error" => NOT_NOW,
            _ => "",
        };
        if !sentence.is_empty() {
            return language.say(sentence).to_owned();
        }
        let errors = self.json["errors"].as_object().into_iter().flatten();
        let said: Vec<String> = errors
            .flat_map(|(_, said)| texts(said))
            .map(|said| language.say(&said).to_owned())
            .collect();
        match said.is_empty() {
            false => said.join(" "),
            true => language.say(self.json["detail"].as_str().unwrap_or(NOT_NOW)).to_owned(),
        }
    }
}

/// What a form sends.
pub(super) struct Form(HashMap<String, String>);

impl Form {
    /// One that arrives in time and is no larger than a form is. Else an empty one.
    pub(super) async fn arrive(body: Body) -> Self {
        let bytes = whole_body(body, FORM_LIMIT, PATIENCE).await.unwrap_or_default();
        let pairs = form_urlencoded::parse(&bytes).take(MOST_FIELDS);
        // No text of the database has a NUL.
        Self(pairs.map(|(name, value)| (name.into_owned(), value.replace('\0', ""))).collect())
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// What the script has put into a field.
    pub(super) fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.text(name)).ok().filter(Value::is_object).unwrap_or(json!({}))
    }

    /// The password, a code of an app, a recovery code, or a passkey.
    pub(super) fn proof(&self) -> Value {
        let code = self.text("code");
        let is_of_an_app = code.chars().all(|c| c.is_ascii_digit() || c == ' ');
        if !self.text("passkey").is_empty() {
            json!({"passkey": self.json("passkey")})
        } else if !self.text("password").is_empty() {
            json!({"password": self.text("password")})
        } else if is_of_an_app {
            json!({"code": code})
        } else {
            json!({"recovery_code": code})
        }
    }
}

pub(super) fn texts(json: &Value) -> Vec<String> {
    json.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    values(headers, name).next().filter(|value| !value.is_empty()).map(str::to_owned)
}

/// The cookie of who is logged in here. No other host can plant one over https; and servers below
/// paths of one host, whose cookies have no path then, have names of their own.
fn session_cookie(desk: &Desk) -> String {
    if desk.is_https {
        format!("__Host-accountsession{}", desk.pages.home.replace('/', "-"))
    } else {
        "accountsession".to_owned()
    }
}

const NOT_NOW: &str = "This cannot be done now. Try again in a minute.";
/// What the cookie is sealed for.
const PAGE: &str = "security";
const DEVICE: &str = "accountdevice";
/// As long as nobody does anything here; the session itself ends as any other does.
const SESSION_LASTS: Duration = Duration::from_secs(30 * 60);
const DEVICE_LASTS: Duration = Duration::from_secs(365 * 24 * 60 * 60);
const FORWARDED_FOR: axum::http::HeaderName =
    axum::http::HeaderName::from_static("x-forwarded-for");
/// The largest form: what a passkey has signed, each letter of it encoded.
const FORM_LIMIT: usize = 64 * 1024;
/// A list of 100 sessions is a tenth of it.
const ANSWER_LIMIT: usize = 1024 * 1024;

//! `/account/security`: the password, the second factors, the passkeys and the sessions of a user.
//!
//! The one page with a script, which passkeys need; everything else goes without. The page is a
//! client of the endpoints as any other is: its own session, whose refresh token lies in a cookie
//! that no script reads and no other path gets. So every rule is the endpoints'.

use std::collections::HashMap;

use askama::Template;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, RawQuery, State};
use axum::http::header::{
    AUTHORIZATION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, FORWARDED, LOCATION, SET_COOKIE,
    USER_AGENT,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use countersign::{Auth, Settings};
use serde_json::{Value, json};
use tower::ServiceExt;
use url::form_urlencoded;

use super::{PATIENCE, POLICY, Place};
use crate::passkey_script;

/// The page, with what is the same for every visit.
pub(super) fn routes(auth: &Auth, settings: &Settings, place: Place) -> Router {
    let policy = format!("{POLICY}; {}", passkey_script::policy());
    let desk = Desk {
        endpoints: auth.same_origin_routes(),
        base: settings.base_path.clone(),
        is_https: settings.public_url.scheme() == "https",
        // Base64 and ASCII fit a header.
        policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("")),
        place,
    };
    Router::new().route("/account/security", get(look).post(act)).with_state(desk)
}

#[derive(Debug, Clone)]
struct Desk {
    place: Place,
    endpoints: Router,
    base: String,
    is_https: bool,
    policy: HeaderValue,
}

async fn look(State(desk): State<Desk>, RawQuery(query): RawQuery, visit: Visit) -> Response {
    let done = form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "done")
        .and_then(|(_, word)| DONE.iter().find(|(known, _)| *known == word))
        .map_or("", |(_, said)| said);
    let mut visit = visit;
    if visit.resume(&desk).await {
        account(&desk, visit, done, "").await
    } else {
        sign_in(&desk, visit, "")
    }
}

async fn act(State(desk): State<Desk>, visit: Visit, headers: HeaderMap, body: Body) -> Response {
    if let Err(problem) = desk.place.auth.check_origin(&headers) {
        let said = "This form came from another place. Send it from this page.";
        let page = Page { problem: said, ..Page::new(&desk, "sign-in") };
        return visit.show(&desk, problem.code().status(), &page);
    }
    let (mut visit, form) = (visit, Form::arrive(body).await);
    match form.text("do") {
        "options" => options(&desk, visit, &form).await,
        "login" => {
            let mut json = json!({
                "username": form.text("name"),
                "password": form.text("password"),
                "transport": "body",
            });
            visit.add_device(&mut json);
            let answer = visit.ask(&desk, Method::POST, "/login", Some(json)).await;
            entered(&desk, visit, &answer)
        }
        "login-passkey" => {
            let mut json = json!({"passkey": form.json("passkey"), "transport": "body"});
            visit.add_device(&mut json);
            let answer = visit.ask(&desk, Method::POST, "/login/passkey/finish", Some(json)).await;
            entered(&desk, visit, &answer)
        }
        "factor" => {
            let mut json = form.proof();
            json["pending_token"] = form.text("token").into();
            let answer = visit.ask(&desk, Method::POST, "/login/factor", Some(json)).await;
            if answer.code() == "factor_invalid" {
                let (token, kinds) = (form.text("token"), form.text("kinds"));
                return second_step(&desk, visit, token, kinds, &answer.said());
            }
            entered(&desk, visit, &answer)
        }
        what => {
            if !visit.resume(&desk).await {
                return sign_in(&desk, visit, "You were logged out. Log in again.");
            }
            act_as_user(&desk, visit, what, &form).await
        }
    }
}

/// What somebody does who is logged in here.
async fn act_as_user(desk: &Desk, mut visit: Visit, what: &str, form: &Form) -> Response {
    let id = form.text("id");
    let id: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    let named = || Some(json!({"name": form.text("name")}));
    let factor = format!("/factors/{id}");
    let (method, path, body, done) = match what {
        "step-up" => {
            let mut json = form.proof();
            visit.add_device(&mut json);
            (Method::POST, "/step-up", Some(json), "proved")
        }
        "password" if form.text("new") != form.text("again") => {
            return account(desk, visit, "", "The two passwords differ.").await;
        }
        "password" => {
            let mut json = json!({
                "old_password": form.text("old"),
                "new_password": form.text("new"),
            });
            visit.add_device(&mut json);
            (Method::POST, "/password", Some(json), "password")
        }
        "totp" => {
            let answer = visit.ask(desk, Method::POST, "/factors/totp", named()).await;
            if !answer.is_good() {
                return refused(desk, visit, &answer).await;
            }
            return totp(desk, visit, &answer, "");
        }
        "totp-confirm" => {
            let json = json!({"code": form.text("code")});
            let answer = visit.ask(desk, Method::POST, "/factors/totp/confirm", Some(json)).await;
            return enrolled(desk, visit, &answer).await;
        }
        "register" => {
            let json = json!({"passkey": form.json("passkey"), "name": form.text("name")});
            let path = "/passkeys/register/finish";
            let answer = visit.ask(desk, Method::POST, path, Some(json)).await;
            return enrolled(desk, visit, &answer).await;
        }
        "codes" => {
            let answer = visit.ask(desk, Method::POST, "/factors/recovery-codes", None).await;
            return enrolled(desk, visit, &answer).await;
        }
        "name" => (Method::PATCH, factor.as_str(), named(), "named"),
        "remove" => (Method::DELETE, factor.as_str(), None, "removed"),
        "end" => {
            let path = format!("/sessions/{id}");
            let answer = visit.ask(desk, Method::DELETE, &path, None).await;
            return finished(desk, visit, &answer, "ended").await;
        }
        "end-others" => (Method::POST, "/logout-all", Some(json!({"keep_current": true})), "ended"),
        "logout" => {
            let json = json!({"refresh_token": visit.refresh});
            visit.ask(desk, Method::POST, "/logout", Some(json)).await;
            visit.refresh = None;
            return visit.back(desk, "out");
        }
        _ => return account(desk, visit, "", "This cannot be done.").await,
    };
    let answer = visit.ask(desk, method, path, body).await;
    finished(desk, visit, &answer, done).await
}

/// What the script hands to the browser.
async fn options(desk: &Desk, mut visit: Visit, form: &Form) -> Response {
    let answer = if form.text("for") == "create" {
        visit.resume(desk).await;
        visit.ask(desk, Method::POST, "/passkeys/register/begin", None).await
    } else {
        visit.ask(desk, Method::POST, "/login/passkey/begin", None).await
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let options = json!({"options": answer.json["options"]});
    let mut response = (status, axum::Json(options)).into_response();
    visit.leave(desk, response.headers_mut());
    response
}

/// After whatever logs in.
fn entered(desk: &Desk, mut visit: Visit, answer: &Answer) -> Response {
    if answer.is_good() {
        visit.keep(&answer.json);
        return visit.back(desk, "in");
    }
    if let Some(token) = answer.json["pending_token"].as_str() {
        let kinds = answer.json["factors"].as_array().into_iter().flatten();
        let kinds = kinds.filter_map(Value::as_str).collect::<Vec<_>>().join(" ");
        return second_step(desk, visit, token, &kinds, "");
    }
    sign_in(desk, visit, &answer.said())
}

/// After whatever is done without something to show.
async fn finished(desk: &Desk, visit: Visit, answer: &Answer, done: &str) -> Response {
    if answer.is_good() { visit.back(desk, done) } else { refused(desk, visit, answer).await }
}

/// After whatever may bring recovery codes.
async fn enrolled(desk: &Desk, visit: Visit, answer: &Answer) -> Response {
    if !answer.is_good() {
        return refused(desk, visit, answer).await;
    }
    let codes = texts(&answer.json["recovery_codes"]);
    if codes.is_empty() {
        return visit.back(desk, "added");
    }
    visit.show(desk, StatusCode::OK, &Page { codes: &codes, ..Page::new(desk, "codes") })
}

async fn refused(desk: &Desk, visit: Visit, answer: &Answer) -> Response {
    if ["recent_login_required", "factor_required"].contains(&answer.code()) {
        let kinds = visit.kinds.clone();
        let page = Page { kinds: &kinds, ..Page::new(desk, "step-up") };
        return visit.show(desk, StatusCode::UNAUTHORIZED, &page);
    }
    account(desk, visit, "", &answer.said()).await
}

fn sign_in(desk: &Desk, visit: Visit, problem: &str) -> Response {
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    visit.show(desk, status, &Page { problem, ..Page::new(desk, "sign-in") })
}

fn second_step(desk: &Desk, visit: Visit, token: &str, kinds: &str, problem: &str) -> Response {
    let page = Page { problem, token, kinds, ..Page::new(desk, "factor") };
    visit.show(desk, StatusCode::UNAUTHORIZED, &page)
}

fn totp(desk: &Desk, visit: Visit, answer: &Answer, problem: &str) -> Response {
    let text = |name: &str| answer.json[name].as_str().unwrap_or_default();
    let (secret, uri, qr) = (text("secret"), text("uri"), text("qr"));
    let page = Page { problem, secret, uri, qr, ..Page::new(desk, "totp") };
    visit.show(desk, StatusCode::OK, &page)
}

async fn account(desk: &Desk, mut visit: Visit, done: &str, problem: &str) -> Response {
    let factors = visit.ask(desk, Method::GET, "/factors", None).await.json;
    let profile = visit.ask(desk, Method::GET, "/profile", None).await.json;
    let sessions = visit.ask(desk, Method::GET, "/sessions", None).await.json;
    let user = &profile["user"];
    let name = user["email"].as_str().filter(|address| !address.is_empty());
    let listed = factors["factors"].as_array().into_iter().flatten().map(Factor::of).collect();
    let live = sessions["sessions"].as_array().into_iter().flatten().map(Live::of).collect();
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = Page {
        done,
        problem,
        user: name.or(user["username"].as_str()).unwrap_or_default(),
        must_enrol: profile["code"] == "enrolment_required",
        factors: listed,
        codes_left: factors["recovery_codes_left"].as_u64().unwrap_or(0),
        sessions: live,
        ..Page::new(desk, "account")
    };
    visit.show(desk, status, &page)
}

/// One request to the page: who it is from, and what its cookies become.
struct Visit {
    headers: HeaderMap,
    extensions: axum::http::Extensions,
    refresh: Option<String>,
    device: Option<String>,
    access: Option<String>,
    /// What the user may prove, once it is known.
    kinds: String,
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let mut headers = HeaderMap::new();
        for name in [USER_AGENT, FORWARDED, FORWARDED_FOR] {
            for value in parts.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        Ok(Self {
            refresh: cookie(&parts.headers, SESSION),
            device: cookie(&parts.headers, DEVICE),
            access: None,
            kinds: String::new(),
            extensions: parts.extensions.clone(),
            headers,
        })
    }
}

impl Visit {
    /// Asks an endpoint, as the user where one is logged in here.
    async fn ask(
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
    async fn resume(&mut self, desk: &Desk) -> bool {
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
    fn keep(&mut self, json: &Value) {
        let token = |name: &str| json[name].as_str().map(str::to_owned);
        self.access = token("access_token").or(self.access.take());
        self.refresh = token("refresh_token").or(self.refresh.take());
        self.device = token("device_token").or(self.device.take());
    }

    fn add_device(&self, json: &mut Value) {
        if let Some(device) = &self.device {
            json["device_token"] = device.as_str().into();
        }
    }

    /// Leads back to the page, where a reload does nothing again.
    fn back(self, desk: &Desk, done: &str) -> Response {
        let mut response = StatusCode::SEE_OTHER.into_response();
        let to = format!("{}/account/security?done={done}", desk.place.home);
        if let Ok(to) = HeaderValue::try_from(to) {
            response.headers_mut().insert(LOCATION, to);
        }
        self.leave(desk, response.headers_mut());
        response
    }

    fn show(self, desk: &Desk, status: StatusCode, page: &Page<'_>) -> Response {
        let html = page.render().unwrap_or_default();
        let content_type = [(CONTENT_TYPE, "text/html; charset=utf-8")];
        let mut response = (status, content_type, html).into_response();
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, desk.policy.clone());
        self.leave(desk, response.headers_mut());
        response
    }

    /// The cookies, as they are now.
    fn leave(&self, desk: &Desk, headers: &mut HeaderMap) {
        let secure = if desk.is_https { "; Secure" } else { "" };
        let path = format!("{}/account/security", desk.place.home);
        let mut set = |name: &str, value: &str, age: u64| {
            let line = format!(
                "{name}={value}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"
            );
            headers.extend(HeaderValue::try_from(line).ok().map(|line| (SET_COOKIE, line)));
        };
        match &self.refresh {
            Some(token) => set(SESSION, token, SESSION_LASTS),
            None => set(SESSION, "", 0),
        }
        if let Some(device) = &self.device {
            set(DEVICE, device, DEVICE_LASTS);
        }
    }
}

/// What an endpoint has answered.
struct Answer {
    status: u16,
    json: Value,
}

impl Answer {
    const fn is_good(&self) -> bool {
        self.status < 300
    }

    fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// What is wrong, for people.
    fn said(&self) -> String {
        if self.code() == "deletion_planned" {
            return "This account is to be deleted. Go to /account/restore to keep it.".to_owned();
        }
        let errors = self.json["errors"].as_object().into_iter().flatten();
        let said: Vec<String> = errors.flat_map(|(_, said)| texts(said)).collect();
        match (said.is_empty(), self.json["detail"].as_str()) {
            (false, _) => said.join(" "),
            (true, Some(detail)) => detail.to_owned(),
            (true, None) => "This cannot be done now. Try again in a minute.".to_owned(),
        }
    }
}

/// What a form sends.
struct Form(HashMap<String, String>);

impl Form {
    /// One that arrives in time and is no larger than a form is. Else an empty one.
    async fn arrive(body: Body) -> Self {
        let arrived = tokio::time::timeout(PATIENCE, to_bytes(body, FORM_LIMIT)).await;
        let bytes = arrived.ok().and_then(Result::ok).unwrap_or_default();
        let pairs = form_urlencoded::parse(&bytes).take(super::MOST_FIELDS);
        // No text of the database has a NUL.
        Self(pairs.map(|(name, value)| (name.into_owned(), value.replace('\0', ""))).collect())
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// What the script has put into a field.
    fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.text(name)).ok().filter(Value::is_object).unwrap_or(json!({}))
    }

    /// The password, a code of an app, a recovery code, or a passkey.
    fn proof(&self) -> Value {
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

/// The page.
#[derive(Template, Default)]
#[template(path = "account/security.html")]
struct Page<'a> {
    site: &'a str,
    home: &'a str,
    script: &'static str,
    /// Which of its states: `sign-in`, `factor`, `step-up`, `account`, `totp` or `codes`.
    state: &'static str,
    /// What was done just now.
    done: &'a str,
    /// What was wrong.
    problem: &'a str,
    user: &'a str,
    must_enrol: bool,
    factors: Vec<Factor>,
    codes_left: u64,
    sessions: Vec<Live>,
    /// What a login goes on with, and what may be proved: words with blanks between.
    token: &'a str,
    kinds: &'a str,
    secret: &'a str,
    uri: &'a str,
    qr: &'a str,
    codes: &'a [String],
}

impl<'a> Page<'a> {
    fn new(desk: &'a Desk, state: &'static str) -> Self {
        let Place { site, home, .. } = &desk.place;
        Self { site, home, script: passkey_script::SCRIPT, state, ..Self::default() }
    }

    fn may(&self, kind: &str) -> bool {
        self.kinds.split(' ').any(|known| known == kind)
    }
}

struct Factor {
    id: String,
    name: String,
    what: &'static str,
    said: String,
}

impl Factor {
    fn of(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default();
        let is_passkey = json["kind"] == "passkey";
        let used = match json["last_used_at"].as_str() {
            Some(at) => format!("last used on {}", day(at)),
            None => "never used".to_owned(),
        };
        let copy = match json["is_backed_up"].as_bool() {
            Some(true) => ", its provider has a copy",
            Some(false) => ", on one device alone",
            None => "",
        };
        Self {
            id: text("id").to_owned(),
            name: text("name").to_owned(),
            what: if is_passkey { "Passkey" } else { "Authenticator app" },
            said: format!("since {}, {used}{copy}", day(text("created_at"))),
        }
    }
}

struct Live {
    id: String,
    what: String,
    said: String,
    is_current: bool,
}

impl Live {
    fn of(json: &Value) -> Self {
        let text = |name: &str| json[name].as_str().unwrap_or_default();
        let name = Some(text("device_name")).filter(|name| !name.is_empty());
        Self {
            id: text("id").to_owned(),
            what: name.unwrap_or(text("device")).to_owned(),
            said: format!(
                "since {}, last used on {}",
                day(text("created_at")),
                day(text("last_used_at"))
            ),
            is_current: json["current"] == true,
        }
    }
}

fn texts(json: &Value) -> Vec<String> {
    json.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The day of a time in RFC 3339.
fn day(at: &str) -> &str {
    at.split('T').next().unwrap_or_default()
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|one| one.split_once('='));
    let found = pairs.find(|(known, _)| known.trim() == name)?.1.trim();
    Some(found.to_owned()).filter(|value| !value.is_empty())
}

/// What is said of what was done.
const DONE: &[(&str, &str)] = &[
    ("added", "It is added."),
    ("ended", "It is logged out."),
    ("named", "It has its name."),
    ("password", "Your password is changed. Other devices were logged out."),
    ("proved", "Thank you. Now do it again."),
    ("removed", "It is removed."),
];

const SESSION: &str = "accountsession";
const DEVICE: &str = "accountdevice";
/// As long as nobody does anything here; the session itself ends as any other does.
const SESSION_LASTS: u64 = 30 * 60;
const DEVICE_LASTS: u64 = 365 * 24 * 60 * 60;
const FORWARDED_FOR: axum::http::HeaderName =
    axum::http::HeaderName::from_static("x-forwarded-for");
/// The largest form: what a passkey has signed, each letter of it encoded.
const FORM_LIMIT: usize = 64 * 1024;
/// A list of 100 sessions is a tenth of it.
const ANSWER_LIMIT: usize = 1024 * 1024;

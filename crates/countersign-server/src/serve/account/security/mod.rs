//! `/account/security`: the password, the second factors, the passkeys and the sessions of a user.
//!
//! The one page with a script, which passkeys need; everything else goes without. The page is a
//! client of the endpoints as any other is: its own session, whose refresh token lies in a cookie
//! that no script reads, sealed for this page alone. So every rule is the endpoints'.

mod german;
mod page;
mod visit;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use countersign::{Auth, Settings};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{AccountPages, POLICY};
use crate::passkey_script;
pub(super) use german::GERMAN;
use page::{Factor, Live, Page};
use visit::{Answer, Form, Visit, texts};

/// The page, with what is the same for every visit.
pub(super) fn routes(auth: &Auth, settings: &Settings, pages: AccountPages) -> Router {
    let policy = format!("{POLICY}; {}", passkey_script::policy());
    let desk = Desk {
        endpoints: auth.same_origin_routes(),
        base: settings.base_path.clone(),
        is_https: settings.public_url.scheme() == "https",
        // Base64 and ASCII fit a header.
        policy: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("")),
        pages,
    };
    Router::new().route("/account/security", get(look).post(act)).with_state(desk)
}

#[derive(Debug, Clone)]
struct Desk {
    pages: AccountPages,
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
    if let Err(problem) = desk.pages.auth.check_origin(&headers) {
        let said = "This form came from another place. Send it from this page.";
        let page = Page { problem: said, ..Page::new(&desk, visit.language, "sign-in") };
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
                let said = answer.said(visit.language);
                return second_step(&desk, visit, token, kinds, &said);
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
            return totp(desk, visit, &answer.json, "");
        }
        "totp-confirm" => {
            let json = json!({"code": form.text("code")});
            let answer = visit.ask(desk, Method::POST, "/factors/totp/confirm", Some(json)).await;
            if answer.code() == "validation_error" {
                // The app has the secret by now, and is asked for its code alone.
                let said = answer.said(visit.language);
                return totp(desk, visit, &Value::Null, &said);
            }
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
    let is_for_user = form.text("for") == "create";
    let answer = if is_for_user {
        visit.resume(desk).await;
        visit.ask(desk, Method::POST, "/passkeys/register/begin", None).await
    } else {
        visit.ask(desk, Method::POST, "/login/passkey/begin", None).await
    };
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let options = json!({"options": answer.json["options"]});
    let mut response = (status, axum::Json(options)).into_response();
    if is_for_user {
        visit.leave(desk, response.headers_mut());
    }
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
    let said = answer.said(visit.language);
    sign_in(desk, visit, &said)
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
    let page = Page { codes: &codes, ..Page::new(desk, visit.language, "codes") };
    visit.show(desk, StatusCode::OK, &page)
}

async fn refused(desk: &Desk, visit: Visit, answer: &Answer) -> Response {
    if ["recent_login_required", "factor_required"].contains(&answer.code()) {
        let kinds = visit.kinds.clone();
        let page = Page { kinds: &kinds, ..Page::new(desk, visit.language, "step-up") };
        return visit.show(desk, StatusCode::UNAUTHORIZED, &page);
    }
    let said = answer.said(visit.language);
    account(desk, visit, "", &said).await
}

fn sign_in(desk: &Desk, visit: Visit, problem: &str) -> Response {
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    let page = Page { problem, ..Page::new(desk, visit.language, "sign-in") };
    visit.show(desk, status, &page)
}

fn second_step(desk: &Desk, visit: Visit, token: &str, kinds: &str, problem: &str) -> Response {
    let page = Page { problem, token, kinds, ..Page::new(desk, visit.language, "factor") };
    visit.show(desk, StatusCode::UNAUTHORIZED, &page)
}

/// What the app is told, or nothing of it, and the question for its code.
fn totp(desk: &Desk, visit: Visit, offered: &Value, problem: &str) -> Response {
    let text = |name: &str| offered[name].as_str().unwrap_or_default();
    let (secret, uri, qr) = (text("secret"), text("uri"), text("qr"));
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = Page { problem, secret, uri, qr, ..Page::new(desk, visit.language, "totp") };
    visit.show(desk, status, &page)
}

async fn account(desk: &Desk, mut visit: Visit, done: &str, problem: &str) -> Response {
    let factors = visit.ask(desk, Method::GET, "/factors", None).await.json;
    let profile = visit.ask(desk, Method::GET, "/profile", None).await.json;
    let sessions = visit.ask(desk, Method::GET, "/sessions", None).await.json;
    let (user, language) = (&profile["user"], visit.language);
    let name = user["email"].as_str().filter(|address| !address.is_empty());
    let listed = factors["factors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| Factor::of(one, language))
        .collect();
    let live = sessions["sessions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|one| Live::of(one, language))
        .collect();
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    let page = Page {
        done,
        problem,
        user: name.or(user["username"].as_str()).unwrap_or_default(),
        must_enrol: profile["code"] == "enrolment_required",
        factors: listed,
        codes_left: factors["recovery_codes_left"].as_u64().unwrap_or(0),
        sessions: live,
        ..Page::new(desk, visit.language, "account")
    };
    visit.show(desk, status, &page)
}

/// What is said of what was done.
const DONE: &[(&str, &str)] = &[
    ("added", "It is added."),
    ("ended", "It is logged out."),
    ("named", "It has its name."),
    ("password", "Your password is changed. Other devices were logged out."),
    ("proved", "Thank you. Now do it again."),
    ("removed", "It is removed. Other devices were logged out."),
];

//! `POST /demo/jar`: the whole cookie jar, copied to another program.
//!
//! No page can read its own jar, so the server, which the browser sends it to, plays the thief: it
//! sends the cookies on as `curl` would, to its own endpoints. No token leaves the server, and
//! nothing of the answers is kept.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue, Method, Request};
use axum::response::{IntoResponse, Response};
use countersign::http::{Code, Problem};
use countersign::web::origin::Origins;
use countersign::web::source::check_source;
use serde::Serialize;

use super::Demo;
use super::stage::{CSRF, DemoStep, Stage};

/// What happened, in its order.
#[derive(Serialize)]
struct CopyStory {
    steps: Vec<DemoStep>,
}

/// Refreshes with a copy of the request's cookies: with all of them, where there is a ticket among
/// them, and without the ticket, as the copy is once that is too old.
pub(super) async fn jar(State(demo): State<Demo>, request: Request<Body>) -> Response {
    if let Err(refused) = check_source(request.headers(), &demo.origin, &Origins::default()) {
        return Problem::new(Code::CsrfFailed).detail(refused.to_string()).into_response();
    }
    let (parts, _) = request.into_parts();
    let (csrf, all) = (parts.headers.get(CSRF).cloned(), cookies(&parts.headers));
    let ticket = demo.ticket.clone();
    let mut stage = Stage::new(demo, &parts.headers, parts.extensions, "curl in the demo");
    let is_ticket = |cookie: &&str| cookie.split('=').next() == Some(ticket.as_str());
    if all.iter().any(|cookie| is_ticket(&cookie.as_str())) {
        copied(&mut stage, "the whole jar, with its ticket", &all.join("; "), csrf.as_ref()).await;
    }
    let rest: Vec<_> = all.iter().map(String::as_str).filter(|cookie| !is_ticket(cookie)).collect();
    copied(&mut stage, "the jar without a ticket", &rest.join("; "), csrf.as_ref()).await;
    Json(CopyStory { steps: stage.steps }).into_response()
}

async fn copied(stage: &mut Stage, what: &str, cookies: &str, csrf: Option<&HeaderValue>) {
    let mut request = stage.request(Method::POST, "/refresh", Body::empty());
    let cookies = HeaderValue::from_str(cookies).ok();
    for (name, value) in [(COOKIE, cookies), (CSRF, csrf.cloned())] {
        if let Some(value) = value {
            request.headers_mut().insert(name, value);
        }
    }
    stage.send("curl", what, request).await;
}

/// Each cookie of the request.
fn cookies(headers: &HeaderMap) -> Vec<String> {
    let values = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).map(|cookie| cookie.trim().to_owned()).collect()
}

//! What plays on the server for the demo page: clients that are no page, over the server's own
//! endpoints.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, ORIGIN,
    TRANSFER_ENCODING, USER_AGENT,
};
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, response};
use countersign::http::BODY_LIMIT;
use serde::Serialize;
use serde_json::Value;
use tower::Service;

use super::Demo;

/// One request and its answer.
#[derive(Serialize)]
pub(super) struct DemoStep {
    /// `phone`, `thief` or `curl`.
    who: &'static str,
    method: &'static str,
    path: String,
    /// Which token went along: `the first refresh token`.
    token: String,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Where it is played.
pub(super) struct Stage {
    endpoints: Router,
    base_path: String,
    /// What says where the client is, for the throttle.
    headers: HeaderMap,
    extensions: Extensions,
    pub(super) steps: Vec<DemoStep>,
}

impl Stage {
    /// For a client that calls itself so.
    pub(super) fn new(
        demo: Demo,
        headers: &HeaderMap,
        extensions: Extensions,
        agent: &'static str,
    ) -> Self {
        let mut headers = headers.clone();
        for name in [
            ORIGIN,
            COOKIE,
            AUTHORIZATION,
            CONTENT_TYPE,
            CONTENT_LENGTH,
            TRANSFER_ENCODING,
            HOST,
            CONNECTION,
        ] {
            headers.remove(name);
        }
        let by_the_browser: Vec<_> =
            headers.keys().filter(|name| name.as_str().starts_with("sec-")).cloned().collect();
        for name in by_the_browser {
            headers.remove(name);
        }
        headers.insert(USER_AGENT, HeaderValue::from_static(agent));
        Self {
            endpoints: demo.auth.same_origin_routes(),
            base_path: demo.base_path,
            headers,
            extensions,
            steps: Vec::new(),
        }
    }

    pub(super) fn request(&self, method: Method, path: &str, body: Body) -> Request<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        // A base path has no character that a URI could not have.
        *request.uri_mut() = format!("{}{path}", self.base_path).parse().unwrap_or_default();
        *request.headers_mut() = self.headers.clone();
        *request.extensions_mut() = self.extensions.clone();
        request
    }

    pub(super) async fn send(
        &mut self,
        who: &'static str,
        token: &str,
        request: Request<Body>,
    ) -> DemoReply {
        let method = if request.method() == Method::GET { "GET" } else { "POST" };
        let path = request.uri().path().to_owned();
        let response = match self.endpoints.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (head, body) = response.into_parts();
        // The endpoints' answers are small, and made here.
        let body = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        let answer = DemoReply { head, body, json };
        let (status, code, reason) =
            (answer.head.status.as_u16(), answer.text("code"), answer.text("reason"));
        self.steps.push(DemoStep {
            who,
            method,
            path,
            token: token.to_owned(),
            status,
            code,
            reason,
        });
        answer
    }
}

/// What an endpoint said.
pub(super) struct DemoReply {
    pub(super) head: response::Parts,
    pub(super) body: Bytes,
    json: Value,
}

impl DemoReply {
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.json[name].as_str().map(str::to_owned)
    }
}

pub(super) const CSRF: HeaderName = HeaderName::from_static("x-csrftoken");

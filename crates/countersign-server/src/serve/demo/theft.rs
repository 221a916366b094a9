//! `POST /demo/theft`: a stolen refresh token, from the theft to its end.
//!
//! A page cannot have a refresh token, by design: the server refuses it one in the body, and script
//! cannot read the cookie. So the phone that is robbed here, and the thief, are played by the
//! server itself, over its own endpoints. The page sends a name and a password and gets the story;
//! no token leaves the server.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign::http::{Code, Problem};
use countersign::web::origin::Origins;
use countersign::web::source::check_source;
use serde::Serialize;
use serde_json::json;

use super::Demo;
use super::stage::{CSRF, DemoReply, DemoStep, Stage};

/// What happened, in its order.
#[derive(Serialize)]
struct Story {
    steps: Vec<DemoStep>,
}

/// Logs a phone in with what the body says (`transport` has to be `body`), lets a thief copy its
/// first refresh token, and plays until the server has found out.
pub(super) async fn theft(State(demo): State<Demo>, request: Request<Body>) -> Response {
    // As at a login: what a foreign page sends is not even read.
    if let Err(refused) = check_source(request.headers(), &demo.origin, &Origins::default()) {
        return Problem::new(Code::CsrfFailed).detail(refused.to_string()).into_response();
    }
    let (parts, body) = request.into_parts();
    let mut stage = Stage::new(demo, &parts.headers, parts.extensions, "A phone in the demo");
    let answer = stage.login(&parts.headers, body).await;
    if answer.head.status != StatusCode::OK {
        // The login's own refusal, as it is.
        return Response::from_parts(answer.head, Body::from(answer.body));
    }
    let Some(access) = answer.text("access_token") else {
        return Problem::new(Code::Unavailable).retry_after(1).into_response();
    };
    let Some(stolen) = answer.text("refresh_token") else {
        stage.log_out(&access, &answer.text("csrf_token").unwrap_or_default()).await;
        return Problem::new(Code::ValidationError)
            .field("transport", "Choose body.")
            .into_response();
    };
    stage.play(stolen, access).await;
    Json(Story { steps: stage.steps }).into_response()
}

impl Stage {
    /// The page's own body goes through as it comes, so that the login's limits and deadlines hold
    /// for it.
    async fn login(&mut self, given: &HeaderMap, body: Body) -> DemoReply {
        let mut request = self.request(Method::POST, "/login", body);
        for name in [CONTENT_TYPE, CONTENT_LENGTH] {
            if let Some(value) = given.get(&name) {
                request.headers_mut().insert(name, value.clone());
            }
        }
        self.send("phone", "a password", request).await
    }

    /// Ends a session that was begun by mistake, with a cookie that nobody gets.
    async fn log_out(&mut self, access: &str, csrf: &str) {
        let mut request = self.request(Method::POST, "/logout", Body::empty());
        for (name, value) in [(AUTHORIZATION, format!("Bearer {access}")), (CSRF, csrf.to_owned())]
        {
            if let Ok(value) = HeaderValue::from_str(&value) {
                request.headers_mut().insert(name, value);
            }
        }
        self.send("phone", "its access token", request).await;
    }

    /// The phone goes on as always, and after each of its refreshes the thief comes with the copy.
    /// Right after a refresh it might be a slow second request of the phone's: that is forgiven as
    /// long as there is credit for it.
    async fn play(&mut self, stolen: String, mut access: String) {
        let mut own = stolen.clone();
        for round in 1..=ROUNDS {
            let token = if round == 1 {
                "its first refresh token".to_owned()
            } else {
                format!("its refresh token no. {round}")
            };
            let answer = self.refresh("phone", &token, &own).await;
            let (Some(next), Some(new)) =
                (answer.text("refresh_token"), answer.text("access_token"))
            else {
                break;
            };
            (own, access) = (next, new);
            let answer = self.refresh("thief", "the phone's first refresh token", &stolen).await;
            if answer.head.status != StatusCode::OK {
                break;
            }
        }
        let mut request = self.request(Method::GET, "/profile", Body::empty());
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {access}")) {
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        self.send("phone", "its newest access token, not yet expired", request).await;
        self.refresh("phone", "its newest refresh token", &own).await;
    }

    async fn refresh(&mut self, who: &'static str, token: &str, refresh_token: &str) -> DemoReply {
        let mut request = self.request(
            Method::POST,
            "/refresh",
            Body::from(json!({ "refresh_token": refresh_token }).to_string()),
        );
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(who, token, request).await
    }
}

/// More than the race credit ever lasts: a thief who follows each refresh at once is found at the
/// seventh.
const ROUNDS: usize = 12;

//! Login routes of the app's own have the protection of ours.

use axum::extract::State;
use axum::routing::{get, post as on_post};
use countersign::LoggedIn;
use countersign::http::{Peer, Problem};
use countersign::session::Transport;

use super::*;

async fn cookie(State(auth): State<Auth>, client: Peer) -> Result<LoggedIn, Problem> {
    auth.log_in(UserId::new(41), Transport::Cookie, &client).await
}

async fn body(State(auth): State<Auth>, client: Peer) -> Result<LoggedIn, Problem> {
    auth.log_in(UserId::new(41), Transport::Body, &client).await
}

async fn app() -> (Router, tempfile::TempDir) {
    let (builder, directory, _) = builder();
    let auth = builder
        .users(Members::with(cheap(), &["41"]).await)
        .native_origins(["capacitor://localhost"])
        .build()
        .await
        .unwrap();
    let app = Router::new()
        .route("/cookie", on_post(cookie).get(cookie))
        .route("/body", on_post(body))
        .with_state(auth.clone());
    let letters = Router::new().route("/letters", on_post(|| async {}).get(|| async {}));
    (app.merge(auth.check_origins(letters)).merge(auth.routes()), directory)
}

async fn status(app: &Router, method: &str, path: &str, headers: &[(&str, &str)]) -> u16 {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_foreign_page_logs_nobody_in_and_a_link_that_was_followed_does() {
    let (app, _directory) = app().await;
    let (own, foreign) = ("http://localhost:8000", "https://evil.example.com");
    let fetched = ("sec-fetch-site", "cross-site");
    for (method, path, headers, wanted) in [
        ("POST", "/cookie", &[("origin", own)][..], 200),
        ("POST", "/cookie", &[], 200),
        ("POST", "/cookie", &[("origin", foreign)], 403),
        ("POST", "/cookie", &[fetched], 403),
        // As a provider sends its user back.
        ("GET", "/cookie", &[fetched], 200),
        ("POST", "/body", &[], 200),
        ("POST", "/body", &[("origin", "capacitor://localhost")], 200),
        ("POST", "/body", &[("origin", own)], 403),
        ("POST", "/letters", &[("origin", own)], 200),
        ("POST", "/letters", &[("origin", foreign)], 403),
        ("POST", "/letters", &[fetched], 403),
        ("GET", "/letters", &[("origin", foreign)], 200),
    ] {
        let answer = status(&app, method, path, headers).await;
        assert_eq!(answer, wanted, "{method} {path} {headers:?}");
    }
}

#[tokio::test]
async fn a_login_at_a_door_of_the_apps_own_ends_the_session_that_the_browser_had() {
    let (app, _directory) = app().await;
    let enter = async |path: &str, cookie: &str| {
        let request = Request::post(path).header("cookie", cookie).body(Body::empty()).unwrap();
        let answer = app.clone().oneshot(request).await.unwrap();
        let cookies = answer.headers().get_all("set-cookie").into_iter();
        let cookie = cookies
            .filter_map(|line| line.to_str().unwrap().split(';').next())
            .find(|pair| pair.starts_with("refreshtoken="))
            .unwrap_or_default()
            .to_owned();
        (cookie, read(answer).await.1)
    };
    let refresh = async |(cookie, told): &(String, Value)| {
        let mut request = post("/accounts/refresh", &json!({}));
        request.headers_mut().insert("cookie", cookie.parse().unwrap());
        request.headers_mut().insert("x-csrftoken", text(told, "csrf_token").parse().unwrap());
        send(&app, request).await
    };
    let first = enter("/cookie", "").await;
    let other = enter("/cookie", "").await;
    // A native client's login is no browser's, whatever comes with it.
    enter("/body", &first.0).await;
    assert_eq!(refresh(&first).await.0, StatusCode::OK);
    let second = enter("/cookie", &first.0).await;
    let (status, refused) = refresh(&first).await;
    assert_eq!((status, &refused["reason"]), (StatusCode::UNAUTHORIZED, &json!("replaced")));
    for alive in [second, other] {
        assert_eq!(refresh(&alive).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn cors_takes_headers_of_the_app_or_leaves_all_to_the_apps_layer() {
    let settle = async |adds: bool| {
        let (builder, directory, _) = builder();
        let auth = builder
            .users(Members::with(cheap(), &["41"]).await)
            .allow_origins(["https://app.example.com"])
            .cors_headers(["Idempotency-Key"], ["X-Total-Count"])
            .cors(adds)
            .build()
            .await
            .unwrap();
        let private = Router::new().route("/orders", get(|| async {}));
        (auth.protect(private).merge(auth.routes()), directory)
    };
    for (adds, path) in [(true, "/orders"), (true, "/accounts/profile"), (false, "/orders")] {
        let (app, _directory) = settle(adds).await;
        let preflight = Request::builder()
            .method("OPTIONS")
            .uri(path)
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "GET")
            .body(Body::empty())
            .unwrap();
        let allowed = app.clone().oneshot(preflight).await.unwrap();
        let read = Request::get(path).header("origin", "https://app.example.com");
        let refused = app.oneshot(read.body(Body::empty()).unwrap()).await.unwrap();
        let of = |answer: &Response<Body>, name: &str| {
            answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned())
        };
        let allow = of(&allowed, "access-control-allow-headers");
        let expose = of(&refused, "access-control-expose-headers");
        if adds {
            assert_eq!(
                allow.as_deref(),
                Some(
                    "authorization, baggage, cache-control, content-type, dpop, sentry-trace, \
                     traceparent, tracestate, x-csrftoken, x-requested-with, idempotency-key"
                )
            );
            assert!(expose.unwrap().ends_with(", x-total-count"));
        } else {
            assert_eq!((allow, expose), (None, None));
            assert!(of(&refused, "access-control-allow-origin").is_none());
        }
    }
    let (builder, _directory, _) = builder();
    let wrong = builder.cors_headers(["no header"], Vec::<String>::new()).build().await;
    let said = wrong.unwrap_err().to_string();
    assert_eq!(said, "cors_headers: \"no header\" is not the name of a header");
}

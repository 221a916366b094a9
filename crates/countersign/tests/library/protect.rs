use axum::routing::{get, post as on_post};
use countersign::http::Peer;
use countersign::permission::{AllowAny, IsStaff, Permission, RecentLogin};
use countersign::session::{RevokedReason, Transport};
use countersign::{Identity, require};

use super::*;

async fn world() -> (Auth, Router, Arc<ManualClock>, tempfile::TempDir) {
    let (builder, directory, clock) = builder();
    let members = Members::with(cheap(), &["41"]).await;
    let auth =
        builder.users(members).allow_origins(["https://app.example.com"]).build().await.unwrap();
    let private = Router::new()
        .route("/read", get(|| async {}))
        .route("/write", on_post(|| async {}))
        .route("/danger", on_post(|| async {}).layer(require(RecentLogin(2))))
        .fallback(|| async { "the private part was reached" });
    let open = auth.protect_with(
        AllowAny,
        Router::new().route(
            "/maybe",
            get(|who: Option<Identity>| async move { axum::Json(json!(who.is_some())) }),
        ),
    );
    let app =
        Router::new().nest("/private", auth.protect(private)).merge(open).merge(auth.routes());
    (auth, app, clock, directory)
}

#[tokio::test]
async fn everything_inside_is_private_even_what_was_forgotten() {
    let (auth, app, _, _directory) = world().await;
    for path in ["/private/read", "/private/nowhere"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(send(&app, request).await.1["code"], "not_authenticated", "{path}");
    }
    let login = auth.log_in(UserId::new(41), Transport::Body, &Peer::local()).await.unwrap();
    assert_eq!(
        send(&app, with_token("GET", "/private/read", login.access_token())).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_cookie_sessions_write_needs_token_and_origin_and_a_native_one_neither() {
    let (auth, app, _, _directory) = world().await;
    let page = auth.log_in(UserId::new(41), Transport::Cookie, &Peer::local()).await.unwrap();
    let write = |headers: &[(&'static str, &str)]| {
        let mut request = with_token("POST", "/private/write", page.access_token());
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    };
    let token = page.csrf_token().unwrap();
    for bad in [
        vec![],
        vec![("x-csrftoken", "wrong")],
        vec![("x-csrftoken", token), ("origin", "https://evil.example.com")],
        vec![("x-csrftoken", token), ("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(send(&app, write(&bad)).await.1["code"], "csrf_failed", "{bad:?}");
    }
    for good in [
        vec![("x-csrftoken", token)],
        vec![("x-csrftoken", token), ("origin", "https://app.example.com")],
    ] {
        assert_eq!(send(&app, write(&good)).await.0, StatusCode::OK, "{good:?}");
    }
    assert_eq!(
        send(&app, with_token("GET", "/private/read", page.access_token())).await.0,
        StatusCode::OK,
        "reading needs none of it"
    );
    let app_on_a_phone =
        auth.log_in(UserId::new(41), Transport::Body, &Peer::local()).await.unwrap();
    assert_eq!(
        send(&app, with_token("POST", "/private/write", app_on_a_phone.access_token())).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_front_end_on_an_allowed_origin_gets_its_cors_headers_on_refusals_too() {
    let (_, app, _, _directory) = world().await;
    let request = Request::get("/private/read")
        .header("origin", "https://app.example.com")
        .body(Body::empty())
        .unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example.com");
    assert_eq!(response.headers()["access-control-allow-credentials"], "true");
    let preflight = Request::builder()
        .method("OPTIONS")
        .uri("/private/write")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,x-csrftoken")
        .body(Body::empty())
        .unwrap();
    let response = app.clone().oneshot(preflight).await.unwrap();
    assert_eq!(
        response.status(),
        StatusCode::OK,
        "a preflight carries no token, and is no request of a user"
    );
    let foreign = Request::get("/private/read")
        .header("origin", "https://evil.example.com")
        .body(Body::empty())
        .unwrap();
    assert!(
        !app.oneshot(foreign).await.unwrap().headers().contains_key("access-control-allow-origin")
    );
}

#[tokio::test]
async fn an_ended_session_is_out_at_once() {
    let (auth, app, _, _directory) = world().await;
    let login = auth.log_in(UserId::new(41), Transport::Body, &Peer::local()).await.unwrap();
    let read = || send(&app, with_token("GET", "/private/read", login.access_token()));
    assert_eq!(read().await.0, StatusCode::OK);
    assert_eq!(auth.end_sessions(UserId::new(41), RevokedReason::Admin).await.unwrap(), 1);
    assert_eq!(read().await.1["code"], "session_revoked");
    assert!(
        auth.log_in(UserId::new(42), Transport::Body, &Peer::local()).await.is_err(),
        "there is no such user"
    );
}

#[tokio::test]
async fn where_anybody_may_come_a_bad_token_is_still_refused() {
    let (auth, app, _, _directory) = world().await;
    assert_eq!(
        send(&app, Request::get("/maybe").body(Body::empty()).unwrap()).await.1,
        json!(false)
    );
    let login = auth.log_in(UserId::new(41), Transport::Body, &Peer::local()).await.unwrap();
    assert_eq!(send(&app, with_token("GET", "/maybe", login.access_token())).await.1, json!(true));
    assert_eq!(send(&app, with_token("GET", "/maybe", "bent")).await.1["code"], "token_invalid");
}

#[tokio::test]
async fn a_refresh_is_no_fresh_login() {
    let (auth, app, clock, _directory) = world().await;
    let login = auth.log_in(UserId::new(41), Transport::Body, &Peer::local()).await.unwrap();
    assert_eq!(
        send(&app, with_token("POST", "/private/danger", login.access_token())).await.0,
        StatusCode::OK
    );
    clock.advance(3 * MINUTE);
    let (_, refreshed) = send(
        &app,
        post("/accounts/refresh", &json!({"refresh_token": login.refresh_token().unwrap()})),
    )
    .await;
    let (status, problem) =
        send(&app, with_token("POST", "/private/danger", text(&refreshed, "access_token"))).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::UNAUTHORIZED, &json!("recent_login_required"))
    );
}

#[tokio::test]
#[should_panic(expected = "contradict each other")]
async fn permissions_that_contradict_each_other_stop_the_start() {
    let (auth, _, _, _directory) = world().await;
    let _: Router = auth.protect_with(IsStaff.and(IsStaff.not()), Router::new());
}

//! Extractors in an app with a state of its own, and what a mistake with them says.

use axum::extract::FromRef;
use axum::routing::get;
use countersign::http::Peer;
use countersign::{CurrentUser, Identity};

use super::*;

/// An app's own state, in which the auth is one thing among others.
#[derive(Clone)]
struct App {
    auth: Auth,
}

impl FromRef<App> for Auth {
    fn from_ref(app: &App) -> Self {
        app.auth.clone()
    }
}

async fn whence(client: Peer) -> String {
    client.ip.to_string()
}

#[tokio::test]
async fn the_client_is_known_in_any_state_that_has_the_auth() {
    let (builder, _directory, _) = builder();
    let auth = builder
        .users(Members::with(cheap(), &["41"]).await)
        .trusted_proxies(["127.0.0.1/32".parse().unwrap()])
        .build()
        .await
        .unwrap();
    let app = Router::new().route("/whence", get(whence)).with_state(App { auth });
    let ask = async || {
        let request = Request::get("/whence").header("x-forwarded-for", "192.0.2.7");
        let answer = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        to_bytes(answer.into_body(), 100).await.unwrap()
    };
    assert_eq!(ask().await, "192.0.2.7");
}

#[tokio::test]
async fn a_route_behind_no_layer_says_so_and_one_that_is_open_to_all_does_not() {
    let (builder, _directory, _) = builder();
    let auth = builder.users(Members::with(cheap(), &["41"]).await).build().await.unwrap();
    let hello = || get(|me: CurrentUser<Member>| async move { me.nickname.clone() });
    let open = Router::new().route("/open", hello());
    let app = auth
        .protect_with(countersign::permission::AllowAny, open)
        .route("/forgotten", hello())
        .route("/maybe", get(|who: Option<Identity>| async move { who.is_some().to_string() }))
        .merge(auth.routes());
    let token = log_in(&app, "nick-41").await;
    let token = text(&token, "access_token");
    let (status, problem) = send(&app, with_token("GET", "/forgotten", token)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("not_authenticated")));
    assert!(problem["detail"].as_str().unwrap().contains("not behind `protect`"), "{problem}");
    let nobody = send(&app, Request::get("/open").body(Body::empty()).unwrap()).await;
    assert!(!nobody.1["detail"].as_str().unwrap().contains("protect"), "{}", nobody.1);
    let me = app.clone().oneshot(with_token("GET", "/open", token)).await.unwrap();
    assert_eq!(to_bytes(me.into_body(), 100).await.unwrap(), "nick-41");
}

//! A session that begins at a door of the app's own, for a user of its own table, is bound to the
//! key that a native client shows (DPoP, RFC 9449).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use axum::extract::State;
use axum::routing::post as on_post;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::LoggedIn;
use countersign::http::{Peer, Problem};
use countersign::session::Transport;

use super::*;

async fn enter(State(auth): State<Auth>, client: Peer) -> Result<LoggedIn, Problem> {
    assert!(client.dpop.is_some());
    auth.log_in(UserId::new(41), Transport::Body, &client).await
}

#[tokio::test]
async fn a_door_of_the_apps_own_binds_too_wherever_it_is_mounted() {
    let (builder, _directory, _) = builder();
    let members = Members::with(cheap(), &["41"]).await;
    let auth = builder.users(members).build().await.unwrap();
    let doors = Router::new().route("/enter", on_post(enter)).with_state(auth.clone());
    let app = Router::new().nest("/app", doors).merge(auth.routes());
    let key = Ed25519KeyPair::generate().unwrap();
    for path in ["/app/enter", "/accounts/login"] {
        let body = json!({"username": "nick-41", "password": PASSWORD, "transport": "body"});
        let asked = ask(&app, &key, path, &body, None).await;
        assert_eq!(asked.0, 400, "{}", asked.1);
        let (status, login, nonce) = ask(&app, &key, path, &body, asked.2).await;
        assert_eq!((status, &login["user"]["id"]), (200, &json!(41)), "{login}");
        let token = json!({"refresh_token": text(&login, "refresh_token")});
        let bare = post("/accounts/refresh", &token);
        assert_eq!(send(&app, bare).await.1["code"], "session_unproved");
        let (status, refreshed, next) =
            ask(&app, &key, "/accounts/refresh", &token, nonce.clone()).await;
        assert_eq!(status, 200, "{refreshed}");
        assert!(next.is_some() && next != nonce);
        let other = Ed25519KeyPair::generate().unwrap();
        let (status, refused, _) = ask(&app, &other, "/accounts/refresh", &token, next).await;
        assert_eq!((status, &refused["code"]), (401, &json!("session_unproved")));
    }
}

/// Sends a proof of this key with the request: the status, the body, and the next challenge.
async fn ask(
    app: &Router,
    key: &Ed25519KeyPair,
    path: &str,
    body: &Value,
    nonce: Option<String>,
) -> (u16, Value, Option<String>) {
    let mut request = post(path, body);
    let proof = proof(key, path, nonce.as_deref());
    request.headers_mut().insert("dpop", proof.parse().unwrap());
    let answer = app.clone().oneshot(request).await.unwrap();
    let nonce = answer.headers().get("dpop-nonce").map(|nonce| nonce.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    let body = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap(), nonce)
}

fn proof(key: &Ed25519KeyPair, path: &str, nonce: Option<&str>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let x = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": x});
    let noon: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    let mut claims = json!({
        "jti": "one", "htm": "POST", "htu": format!("http://localhost:8000{path}"),
        "iat": noon.as_second(),
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    let header = part(&json!({"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk}));
    let message = format!("{header}.{}", part(&claims));
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())))
}

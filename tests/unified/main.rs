//! What an app turns on in crates that ours use too must not take our feet away.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use countersign::Auth;
use countersign::password::{HashSettings, Password, Passwords};
use countersign::store::UserStore;
use countersign::store::postgres::PostgresStore;
use countersign::store::sqlite::SqliteStore;
use countersign::token::{Algorithm, ExtraClaim, Secrets};
use countersign::user::{NewUser, Username};
use countersign_verify::{CurrentUser, ResourceServer, TokenUser};
use serde_json::{Value, json};
use tower::ServiceExt;

#[tokio::test]
async fn an_app_with_two_providers_of_cryptography_logs_in_refreshes_and_verifies_by_every_algorithm()
 {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256, Algorithm::Hs256] {
        let directory = tempfile::tempdir().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let store = SqliteStore::open(&directory.path().join("app.sqlite3")).unwrap();
        let mut hash = HashSettings::default();
        hash.memory_kib = 64;
        hash.passes = 1;
        hash.threads = 1;
        let password = Password::parse("tin kettle 14".to_owned()).unwrap();
        let encoded = Passwords::new(hash).unwrap().hash(&password).await.unwrap();
        let ada = NewUser::new(Username::parse("ada").unwrap(), None, encoded);
        store.create_user(ada, "2026-01-01T00:00:00Z".parse().unwrap()).await.unwrap();
        let auth = Auth::builder(store)
            .secrets(Secrets::from_text("only for tests, only for tests, only").unwrap())
            .hash(hash)
            .public_url(&url)
            .signing_algorithm(algorithm)
            .extra_claims([ExtraClaim::Username])
            .build()
            .await
            .unwrap();
        let app = auth.routes();
        tokio::spawn(async move { axum::serve(listener, app).await });
        let app = auth.routes();

        let login = json!({"username": "ada", "password": "tin kettle 14", "transport": "body"});
        let login = post(&app, "/accounts/login", &login).await;
        let refreshed =
            post(&app, "/accounts/refresh", &json!({"refresh_token": login["refresh_token"]}))
                .await;
        let token = refreshed["access_token"].as_str().unwrap();
        assert_eq!(get(&app, "/accounts/profile", token).await.0, StatusCode::OK, "{algorithm}");
        if algorithm == Algorithm::Hs256 {
            continue; // its key is nobody else's to know
        }

        let elsewhere = ResourceServer::builder(&url).build().unwrap();
        let hello =
            axum::routing::get(|me: CurrentUser<TokenUser>| async move { me.username.clone() });
        let service: Router = Router::new().route("/hello", hello).layer(elsewhere.layer());
        let mut answer = get(&service, "/hello", token).await;
        while answer.0 == StatusCode::SERVICE_UNAVAILABLE {
            // It has not fetched the keys yet.
            tokio::task::yield_now().await;
            answer = get(&service, "/hello", token).await;
        }
        assert_eq!(answer, (StatusCode::OK, "ada".to_owned()), "{algorithm}");
    }
}

#[tokio::test]
async fn tls_is_set_up_whatever_providers_there_are() {
    assert!(ResourceServer::builder("https://localhost:1").build().is_ok());
    for mode in ["require", "verify-ca", "verify-full"] {
        let refused = PostgresStore::connect(
            &format!("postgres://nobody@127.0.0.1:1/nothing?sslmode={mode}"),
            1,
        )
        .await;
        assert!(refused.is_err(), "nobody listens there");
    }
}

async fn post(app: &Router, path: &str, body: &Value) -> Value {
    let request = Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 65_536).await.unwrap();
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

async fn get(app: &Router, path: &str, token: &str) -> (StatusCode, String) {
    let request = Request::get(path)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status();
    (
        status,
        String::from_utf8(to_bytes(response.into_body(), 65_536).await.unwrap().into()).unwrap(),
    )
}

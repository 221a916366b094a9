// What the examples in the documentation of this crate take for granted, out of the reader's sight:
// a store in a directory that goes away, a clock that stands, and Ada.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::clock::{Clock, ManualClock};
use countersign::http::Peer;
use countersign::password::EncodedPassword;
use countersign::session::Transport;
use countersign::store::Store;
use countersign::store::sqlite::SqliteStore;
use countersign::token::Secrets;
use countersign::user::{Email, NewUser, User, UserId, Username};
use countersign::{Auth, LoggedIn};

/// An app's place, with one user.
pub struct Example {
    pub auth: Auth,
    pub clock: Arc<ManualClock>,
    pub ada: User,
    _directory: tempfile::TempDir,
}

/// Runs an example in it.
pub fn run(example: impl AsyncFnOnce(Example)) {
    block_on(async {
        let (store, secrets, directory) = place();
        let clock = Arc::new(ManualClock::at(midnight()));
        let auth =
            Auth::builder(store).secrets(secrets).clock(clock.clone()).build().await.unwrap();
        let ada = ada_of(&auth).await;
        example(Example { auth, clock, ada, _directory: directory }).await;
    });
}

/// What a builder needs, and the directory that it lives in.
pub fn place() -> (SqliteStore, Secrets, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&directory.path().join("countersign.sqlite3")).unwrap();
    (store, secrets(), directory)
}

/// A secret.
pub fn secrets() -> Secrets {
    Secrets::from_text("0123456789abcdef0123456789abcdef").unwrap()
}

/// The time of all examples.
pub fn midnight() -> jiff::Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// Ada, who is made where there is no Ada yet.
pub async fn ada_of(auth: &Auth) -> User {
    ada_in(&**auth.store()).await
}

/// The same in a store.
pub async fn ada_in(store: &dyn Store) -> User {
    if let Some(found) = store.user_by_login("ada").await.unwrap() {
        return found.user;
    }
    let email = Email::parse("ada@example.com").unwrap();
    let ada =
        NewUser::new(Username::parse("ada").unwrap(), Some(email), EncodedPassword::unusable());
    store.create_user(ada, midnight()).await.unwrap()
}

/// A session of Ada's.
pub async fn log_in(auth: &Auth, transport: Transport) -> LoggedIn {
    let ada = ada_of(auth).await.id;
    auth.log_in(ada, transport, &Peer::local()).await.unwrap()
}

/// The header and the claims of an access token, unverified.
pub fn read(login: &LoggedIn) -> (serde_json::Value, serde_json::Value) {
    let mut parts = login
        .access_token()
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap_or_default());
    let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (next(), next())
}

/// What a new session's access token claims.
pub async fn claims(auth: &Auth) -> serde_json::Value {
    read(&log_in(auth, Transport::Body).await).1
}

/// The status and the body of a `GET`.
pub async fn get(app: &Router, path: &str, login: Option<&LoggedIn>) -> (u16, String) {
    let mut request = Request::get(path);
    if let Some(login) = login {
        request = request.header("authorization", format!("Bearer {}", login.access_token()));
    }
    let answer = tower::ServiceExt::oneshot(app.clone(), request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let status = answer.status().as_u16();
    (
        status,
        String::from_utf8(to_bytes(answer.into_body(), 1 << 20).await.unwrap().to_vec()).unwrap(),
    )
}

/// Waits for an answer.
pub fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

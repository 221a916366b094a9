//! What the library promises an app that mounts it: users of its own, events, protection, and
//! mistakes that are told at the start.

mod builder;
mod check_password;
mod clients_gone;
mod custom_users;
mod events;
mod extractors;
mod factors;
mod instances;
mod log;
mod mails;
mod native_devices;
mod openapi;
mod own_addresses;
mod own_login;
mod pages;
mod protect;
mod registers;
mod registration_hooks;
mod sockets;
mod staleness;
mod streams;

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use countersign::clock::ManualClock;
use countersign::password::{EncodedPassword, HashSettings, Password};
use countersign::store::sqlite::SqliteStore;
use countersign::store::{Store, StoreError};
use countersign::token::Secrets;
use countersign::user::{Account, FoundUser, UserId, Users};
use countersign::{Auth, AuthBuilder};
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt;

const PASSWORD: &str = "tin kettle 14";

/// A builder with everything that a test needs, and the directory and clock of its world.
fn builder() -> (AuthBuilder, tempfile::TempDir, Arc<ManualClock>) {
    builder_on(|directory| SqliteStore::open(&directory.join("test.sqlite3")).unwrap())
}

/// The same on a store of the test's own.
fn builder_on<S: Store>(
    open: impl FnOnce(&Path) -> S,
) -> (AuthBuilder, tempfile::TempDir, Arc<ManualClock>) {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-01-01T12:00:00Z".parse().unwrap()));
    let builder = Auth::builder(open(directory.path()))
        .secrets(Secrets::from_text("only for tests, only for tests, only").unwrap())
        .hash(cheap())
        .clock(clock.clone());
    (builder, directory, clock)
}

fn cheap() -> HashSettings {
    let mut hash = HashSettings::default();
    hash.memory_kib = 64;
    hash.passes = 1;
    hash.threads = 1;
    hash
}

/// A member of an app's own table.
#[derive(Debug, Clone, serde::Serialize)]
struct Member {
    id: UserId,
    nickname: String,
    plan: &'static str,
    #[serde(skip)]
    closed: bool,
}

impl Account for Member {
    fn id(&self) -> UserId {
        self.id
    }
    fn username(&self) -> &str {
        &self.nickname
    }
    fn is_active(&self) -> bool {
        !self.closed
    }
    fn claims(&self) -> serde_json::Map<String, Value> {
        json!({"plan": self.plan, "exp": 1, "sid": "0000000000000001"}).as_object().unwrap().clone()
    }
}

/// The table.
#[derive(Debug, Clone, Default)]
struct Members(Arc<Mutex<Table>>);

#[derive(Debug, Default)]
struct Table {
    rows: HashMap<UserId, (Member, EncodedPassword)>,
    logins: Vec<(UserId, Timestamp)>,
    /// How often a row was asked for by its id.
    reads: usize,
    is_down: bool,
    /// What the app does to every row, once, while a login or a change of the password is under
    /// way.
    meanwhile: Option<fn(&mut (Member, EncodedPassword))>,
}

impl Table {
    fn happens(&mut self) {
        if let Some(meanwhile) = self.meanwhile.take() {
            self.rows.values_mut().for_each(meanwhile);
        }
    }
}

impl Members {
    async fn with(auth_hash: HashSettings, ids: &[&str]) -> Self {
        let passwords = countersign::password::Passwords::new(auth_hash).unwrap();
        let encoded = passwords.hash(&Password::parse(PASSWORD.to_owned()).unwrap()).await.unwrap();
        let members = Self::default();
        for id in ids {
            let id: UserId = id.parse().unwrap();
            let member = Member { id, nickname: format!("nick-{id}"), plan: "gold", closed: false };
            members.0.lock().unwrap().rows.insert(id, (member, encoded.clone()));
        }
        members
    }

    fn change(&self, id: UserId, change: impl FnOnce(&mut Member)) {
        change(&mut self.0.lock().unwrap().rows.get_mut(&id).unwrap().0);
    }

    fn find(
        &self,
        is_it: impl Fn(&Member) -> bool,
    ) -> Result<Option<FoundUser<Member>>, StoreError> {
        let table = self.0.lock().unwrap();
        if table.is_down {
            return Err(StoreError::failed("the table is down"));
        }
        let found = table.rows.values().find(|(member, _)| is_it(member));
        Ok(found
            .map(|(user, password)| FoundUser { user: user.clone(), password: password.clone() }))
    }
}

#[async_trait::async_trait]
impl Users for Members {
    type User = Member;

    async fn by_login(&self, login: &str) -> Result<Option<FoundUser<Member>>, StoreError> {
        self.find(|member| member.nickname == login)
    }

    async fn by_id(&self, id: UserId) -> Result<Option<FoundUser<Member>>, StoreError> {
        self.0.lock().unwrap().reads += 1;
        self.find(|member| member.id == id)
    }

    async fn set_password(
        &self,
        id: UserId,
        old: &EncodedPassword,
        new: &EncodedPassword,
    ) -> Result<bool, StoreError> {
        let mut table = self.0.lock().unwrap();
        table.happens();
        let Some((_, password)) =
            table.rows.get_mut(&id).filter(|(_, password)| password.as_str() == old.as_str())
        else {
            return Ok(false);
        };
        *password = new.clone();
        Ok(true)
    }

    async fn note_login(&self, id: UserId, at: Timestamp) -> Result<(), StoreError> {
        let mut table = self.0.lock().unwrap();
        table.happens();
        table.logins.push((id, at));
        Ok(())
    }
}

async fn send(app: &Router, request: Request<Body>) -> (StatusCode, Value) {
    read(app.clone().oneshot(request).await.unwrap()).await
}

/// As [`send`], with the request for its own.
fn send_owned(
    app: &Router,
    request: Request<Body>,
) -> impl Future<Output = (StatusCode, Value)> + use<> {
    let app = app.clone();
    async move { send(&app, request).await }
}

async fn read(response: Response<Body>) -> (StatusCode, Value) {
    let status = response.status();
    let body = to_bytes(response.into_body(), 65_536).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

fn post(path: &str, body: &Value) -> Request<Body> {
    Request::post(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

fn with_token(method: &str, path: &str, token: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap()
}

/// A native login; the answer.
async fn log_in(app: &Router, name: &str) -> Value {
    let (status, answer) = send(
        app,
        post(
            "/accounts/login",
            &json!({"username": name, "password": PASSWORD, "transport": "body"}),
        ),
    )
    .await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    answer
}

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
}

const MINUTE: Duration = Duration::from_secs(60);

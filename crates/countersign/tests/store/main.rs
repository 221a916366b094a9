//! One conformance suite for every store: each test is a promise of the trait, run against a fresh
//! store of each kind.

mod admin;
mod begin;
mod faults;
mod feed;
mod files;
mod foreign_writers;
mod keys;
mod migrations;
mod postgres;
mod sessions;
mod throttle;
mod time;
mod transfer;
mod users;

use std::sync::Arc;

use countersign::password::EncodedPassword;
use countersign::session::rotation::Jti;
use countersign::session::{NewSession, SessionId, Transport};
use countersign::store::Store;
use countersign::store::postgres::PostgresStore;
use countersign::store::sqlite::SqliteStore;
use countersign::user::{Email, NewUser, User, UserId, Username};
use countersign_testkit::Cluster;
use jiff::{SignedDuration, Timestamp};

/// Runs a promise against each kind of store.
fn on_every_store<F: Future<Output = ()>>(promise: impl Fn(Arc<dyn Store>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let sqlite = SqliteStore::open(&directory.path().join("countersign.sqlite3")).unwrap();
    runtime.block_on(promise(Arc::new(sqlite)));

    let url = Cluster::shared().database();
    runtime.block_on(async {
        let postgres = PostgresStore::connect(&url, 4).await.unwrap();
        promise(Arc::new(postgres)).await;
    });
}

/// The moment at which every test begins.
fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// So many seconds after noon.
fn after(seconds: i64) -> Timestamp {
    noon() + SignedDuration::from_secs(seconds)
}

fn new_user(name: &str, email: &str) -> NewUser {
    let email = (!email.is_empty()).then(|| Email::parse(email).unwrap());
    NewUser::new(
        Username::parse(name).unwrap(),
        email,
        EncodedPassword::from_stored("argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA".to_owned()),
    )
}

async fn make_user(store: &dyn Store, name: &str) -> User {
    store.create_user(new_user(name, &format!("{name}@example.com")), noon()).await.unwrap()
}

fn new_session(id: u64, user: UserId) -> NewSession {
    NewSession {
        id: session_id(id),
        user_id: user,
        jti: Jti([u8::try_from(id).unwrap(); 16]),
        created_at: noon(),
        expires_at: after(30 * 24 * 60 * 60),
        transport: Transport::Cookie,
        user_agent: "a browser".to_owned(),
        ip: Some("192.0.2.1".parse().unwrap()),
    }
}

fn session_id(id: u64) -> SessionId {
    SessionId::new(id).unwrap()
}

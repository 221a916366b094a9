//! The store on PostgreSQL: the promises of every store, its own, and what it has in common with
//! the one on SQLite. It starts a PostgreSQL of its own, which must be installed.

mod audit;
mod faults;
mod filled;
mod foreign_writers;
mod migrations;
mod postgres;
mod schema;
mod throttle;
mod transfer;

use std::sync::Arc;

use countersign::password::EncodedPassword;
use countersign::session::{NewSession, Transport};
use countersign::store::admin::AdminStore;
use countersign::store::conformance::Database;
use countersign::store::conformance::fixtures::{
    after, make_user, new_session, new_user, noon, session_id,
};
use countersign::store::conformance::sessions;
use countersign::store::postgres::PostgresStore;
use countersign::store::sqlite::SqliteStore;
use countersign::store::{FeedStore, KeyStore, SessionStore, Store, Upkeep, UserStore};
use countersign::user::UserId;
use countersign_testkit::Cluster;
use jiff::{SignedDuration, Timestamp};

countersign::store_tests!(open);

/// A new database, and so many nodes on it.
async fn open(nodes: usize) -> Database {
    filled_with(nodes, &[]).await
}

/// The same, after a shell has done something to the database.
async fn filled_with(nodes: usize, sql: &[&str]) -> Database {
    let url = Cluster::shared().database();
    let mut stores: Vec<Arc<dyn AdminStore>> = Vec::new();
    for _ in 0..nodes {
        stores.push(Arc::new(PostgresStore::connect(&url, 4 * nodes).await.unwrap()));
    }
    if !sql.is_empty() {
        let shell = postgres::shell(&url).await;
        for sql in sql {
            shell.batch_execute(sql).await.unwrap();
        }
    }
    Database { nodes: stores, keep: Box::new(()) }
}

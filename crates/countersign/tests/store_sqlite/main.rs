//! The store on SQLite: the promises of every store, and its own. It needs no PostgreSQL.

mod files;
mod filled;
mod foreign;

use std::sync::Arc;

use countersign::store::admin::AdminStore;
use countersign::store::conformance::Database;
use countersign::store::sqlite::SqliteStore;

countersign::store_tests!(open);

/// A new file, and so many processes on it.
async fn open(nodes: usize) -> Database {
    filled_with(nodes, &[])
}

/// The same, after a shell has done something to the file.
fn filled_with(nodes: usize, sql: &[&str]) -> Database {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("countersign.sqlite3");
    let node = |_| -> Arc<dyn AdminStore> { Arc::new(SqliteStore::open(&file).unwrap()) };
    let nodes = (0..nodes).map(node).collect();
    let shell = rusqlite::Connection::open(&file).unwrap();
    for sql in sql {
        shell.execute_batch(sql).unwrap();
    }
    Database { nodes, keep: Box::new(directory) }
}

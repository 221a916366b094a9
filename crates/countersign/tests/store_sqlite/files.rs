//! What lies where, in the store on SQLite.

use countersign::store::conformance::fixtures::make_user;
use countersign::store::{Upkeep, UserStore};

use super::*;

#[test]
fn a_store_that_was_closed_is_whole_in_its_own_file_and_goes_on_if_it_is_asked() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) =
        (directory.path().join("countersign.sqlite3"), directory.path().join("copy.sqlite3"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(&path).unwrap();
        let alice = make_user(&store, "alice").await;
        store.close().await;
        std::fs::copy(&path, &copy).unwrap();
        assert_eq!(
            SqliteStore::open(&copy).unwrap().user_by_id(alice.id).await.unwrap().unwrap().username,
            "alice"
        );
        make_user(&store, "bob").await;
    });
}

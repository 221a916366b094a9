//! Promises that need a database filled by hand.

use countersign::store::conformance::admin::{acts, large};
use countersign::store::conformance::{begin, on_one, on_two};

use super::*;

async fn large(nodes: usize) -> Database {
    let series = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)";
    filled_with(nodes, &[&large::users(series, ""), &large::sessions(series, "zeroblob(16)")])
}

#[test]
fn few_who_fit_among_many_who_do_not_are_found_page_by_page() {
    on_one(large, large::few_who_fit_among_many_who_do_not_are_found_page_by_page);
}

#[test]
fn the_first_page_of_a_search_that_many_fit_shows_some_of_them() {
    on_one(large, large::the_first_page_of_a_search_that_many_fit_shows_some_of_them);
}

#[test]
fn counts_are_exact_of_few_and_about_right_of_many() {
    on_one(large, large::counts_are_exact_of_few_and_about_right_of_many);
}

#[test]
fn a_hundred_thousand_sessions_of_one_user_are_read_in_pages_and_end_some_at_a_time() {
    let many = async |nodes| {
        let series =
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)";
        filled_with(nodes, &[&begin::many_sessions(series, "1", "zeroblob(16)")])
    };
    on_two(
        many,
        begin::a_hundred_thousand_sessions_of_one_user_are_read_in_pages_and_end_some_at_a_time,
    );
}

#[tokio::test]
async fn where_the_line_cannot_be_written_the_act_is_not_done() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("countersign.sqlite3");
    let store = SqliteStore::open(&file).unwrap();
    let shell = rusqlite::Connection::open(&file).unwrap();
    let no_line = "CREATE TRIGGER no_line BEFORE INSERT ON audit_events BEGIN SELECT \
        RAISE(ABORT, 'no line'); END";
    let spoil = || shell.execute_batch(no_line).unwrap();
    acts::where_the_line_cannot_be_written_the_act_is_not_done(&store, spoil).await;
}

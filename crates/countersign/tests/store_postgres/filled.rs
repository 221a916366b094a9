//! Promises that need a database filled by hand.

use countersign::store::conformance::admin::{acts, large};
use countersign::store::conformance::{begin, on_one, on_two};

use super::*;

async fn large(nodes: usize) -> Database {
    let series = "WITH n (i) AS (SELECT i::bigint FROM generate_series(1, 30000) i)";
    let users = large::users(series, "::timestamptz");
    let sessions = large::sessions(series, "decode(repeat('00', 16), 'hex')");
    filled_with(nodes, &[&users, &sessions, "ANALYZE users"]).await
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
        let series = "WITH n (i) AS (SELECT i::bigint FROM generate_series(1, 100000) i)";
        let sessions = begin::many_sessions(series, "'1'", "decode(repeat('00', 16), 'hex')");
        filled_with(nodes, &[&sessions]).await
    };
    on_two(
        many,
        begin::a_hundred_thousand_sessions_of_one_user_are_read_in_pages_and_end_some_at_a_time,
    );
}

#[test]
fn where_the_line_cannot_be_written_the_act_is_not_done() {
    postgres::run(async |url| {
        let store = PostgresStore::connect(&url, 2).await.unwrap();
        let no_line = "ALTER TABLE audit_events ADD CONSTRAINT no_line CHECK (false) NOT VALID";
        let spoil = || drop(Cluster::shared().sql(url.rsplit('/').next().unwrap(), no_line));
        acts::where_the_line_cannot_be_written_the_act_is_not_done(&store, spoil).await;
    });
}

//! A file that is another program's.

use countersign::store::sqlite::SqliteStore;

#[test]
fn another_programs_file_is_refused_whatever_it_counts_and_its_own_tables_may_stand_beside_ours() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let made = |name: &str, sql: &str| {
        rusqlite::Connection::open(file(name)).unwrap().execute_batch(sql).unwrap();
        SqliteStore::open(&file(name)).map(drop).map_err(|error| error.to_string())
    };
    // Steps of an app of its own, fewer and more than ours.
    for version in [1, 7, 1_000] {
        let sql = format!("CREATE TABLE members (id); PRAGMA user_version = {version}");
        let said = made(&format!("{version}.sqlite3"), &sql).unwrap_err();
        assert!(said.contains("a file of its own"), "{said}");
    }
    let said = made("signed.sqlite3", "PRAGMA application_id = 7").unwrap_err();
    assert!(said.contains("application_id 7"), "{said}");
    made("beside.sqlite3", "CREATE TABLE members (id)").unwrap();
    let said = made("taken.sqlite3", "CREATE TABLE users (id)").unwrap_err();
    assert!(said.contains("users") && said.len() < 300, "{said}");
}

#[test]
fn a_file_is_signed_also_one_of_an_earlier_program() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ours.sqlite3");
    let id = || -> i32 {
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.pragma_query_value(None, "application_id", |row| row.get(0)).unwrap()
    };
    SqliteStore::open(&file).unwrap();
    let signed = id();
    assert_ne!(signed, 0);
    let earlier = rusqlite::Connection::open(&file).unwrap();
    earlier.pragma_update(None, "application_id", 0).unwrap();
    drop(earlier);
    SqliteStore::open(&file).unwrap();
    assert_eq!(id(), signed);
}

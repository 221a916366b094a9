//! Writers that know nothing of Countersign: what they change in its tables is felt, and the SQL of
//! docs/library/users.md makes felt what they change in theirs.

use countersign::store::admin::HookWants;
use countersign::store::{WaitingRegistration, What};

use super::postgres::{run, shell};
use super::*;

const OWN_ROW: &str = "UPDATE users SET is_active = false WHERE username = 'alice'";

/// The n-th piece of SQL on the page.
fn sql_of_the_page(n: usize) -> &'static str {
    let page = include_str!("../../../../docs/library/users.md");
    page.split("```sql\n").skip(1).map(|piece| piece.split("```").next().unwrap()).nth(n).unwrap()
}

async fn told(store: &dyn Store, before: countersign::store::Cursor) -> Vec<What> {
    store
        .changes(&before, 1000)
        .await
        .unwrap()
        .changes
        .into_iter()
        .map(|change| change.what)
        .collect()
}

#[test]
fn on_postgresql_a_row_of_ours_or_of_theirs_that_anybody_changes_is_in_the_feed() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 2).await.unwrap();
        let alice = make_user(&store, "alice").await;
        let shell = shell(&url).await;
        shell
            .batch_execute(
                "CREATE TABLE members (id bigint PRIMARY KEY, closed boolean); INSERT \
                INTO members VALUES (41, false)",
            )
            .await
            .unwrap();
        let member = What::UserChanged(UserId::new(41));
        shell.batch_execute(OWN_ROW).await.unwrap();
        assert!(told(&store, Default::default()).await.contains(&What::UserChanged(alice.id)));
        assert!(!told(&store, Default::default()).await.contains(&member));
        shell.batch_execute(sql_of_the_page(0)).await.unwrap();
        assert!(told(&store, Default::default()).await.contains(&member), "by the statement");
        store.prune(after(1_000_000_000), after(0), 1000).await.unwrap();
        assert!(!told(&store, Default::default()).await.contains(&member));
        shell.batch_execute(sql_of_the_page(1)).await.unwrap();
        shell.batch_execute("UPDATE members SET closed = true").await.unwrap();
        assert!(told(&store, Default::default()).await.contains(&member), "by the trigger");
    });
}

#[test]
fn on_postgresql_a_start_folds_whatever_addresses_others_wrote() {
    run(async |url| {
        drop(PostgresStore::connect(&url, 2).await.unwrap());
        let shell = shell(&url).await;
        shell
            .batch_execute(
                "INSERT INTO users (username, username_folded, email, password, is_active, \
                 is_staff, is_superuser, date_joined)
                 SELECT 'u' || i, 'u' || i, 'ÄDA' || i || '@example.com', '!', true, false, false, \
                 now() FROM generate_series(1, 2500) i",
            )
            .await
            .unwrap();
        let store = PostgresStore::connect(&url, 2).await.unwrap();
        let unfolded = "SELECT count(*) FROM users WHERE email_folded IS DISTINCT FROM 'äda' || \
            substr(username, 2) || '@example.com'";
        let unfolded: i64 = shell.query_one(unfolded, &[]).await.unwrap().get(0);
        assert_eq!(unfolded, 0);
        let last = store.user_by_login("äda2500@example.com").await.unwrap().unwrap();
        assert_eq!(last.user.username, "u2500");
    });
}

#[tokio::test]
async fn on_sqlite_a_row_of_ours_or_of_theirs_that_anybody_changes_is_in_the_feed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("countersign.sqlite3");
    let store = SqliteStore::open(&path).unwrap();
    let alice = make_user(&store, "alice").await;
    let shell = rusqlite::Connection::open(&path).unwrap();
    shell
        .execute_batch(
            "CREATE TABLE members (id INTEGER PRIMARY KEY, closed INTEGER); INSERT \
        INTO members VALUES (41, 0)",
        )
        .unwrap();
    let member = What::UserChanged(UserId::new(41));
    shell.execute_batch(OWN_ROW).unwrap();
    assert_eq!(told(&store, Default::default()).await, [What::UserChanged(alice.id)]);
    shell.execute_batch(sql_of_the_page(2)).unwrap();
    assert_eq!(
        told(&store, Default::default()).await,
        [What::UserChanged(alice.id), member],
        "by the statement"
    );
    shell.execute_batch(sql_of_the_page(3)).unwrap();
    shell.execute_batch("UPDATE members SET closed = 1; DELETE FROM members").unwrap();
    assert_eq!(
        told(&store, Default::default()).await,
        [What::UserChanged(alice.id), member, member, member],
        "by the triggers"
    );
}

/// A table of an app's own in which a row wants its user to stay.
const ORDERS: &str = "CREATE TABLE orders (id bigint PRIMARY KEY, owner bigint NOT NULL REFERENCES \
    users (id))";

/// Six users who are to be deleted, by themselves or because they proved no address; the first four
/// have orders.
async fn those_with_orders_stay_and_the_others_go(
    store: &dyn AdminStore,
    shell: impl AsyncFn(&str),
) {
    shell(ORDERS).await;
    let mut users = Vec::new();
    for n in 0..6_i64 {
        let user = make_user(store, &format!("user{n}")).await;
        let id = user.id.as_i64().unwrap();
        shell(&format!(
            "UPDATE users SET is_active = false, deletion_at = {} WHERE id = {id}",
            after(n).as_microsecond()
        ))
        .await;
        if n < 4 {
            shell(&format!("INSERT INTO orders VALUES ({n}, {id})")).await;
        }
        users.push(user.id);
    }
    let mut gone = 0;
    for _ in 0..4 {
        gone += store.delete_due_users(after(60), 2).await.unwrap();
    }
    assert_eq!(gone, 2);
    let mut waiting = Vec::new();
    for n in 0..6_i64 {
        let user = make_user(store, &format!("waits{n}")).await;
        let id = user.id.as_i64().unwrap();
        shell(&format!("UPDATE users SET email = '' WHERE id = {id}")).await;
        let until = after(n);
        let address = format!("waits{n}@example.com");
        store
            .note_registration(WaitingRegistration { user: user.id, address, until })
            .await
            .unwrap();
        if n < 4 {
            shell(&format!("INSERT INTO orders VALUES (1{n}, {id})")).await;
        }
        waiting.push(user.id);
    }
    let mut gone = 0;
    for _ in 0..4 {
        gone += store.delete_due_registrations(after(60), 2).await.unwrap();
    }
    assert_eq!(gone, 2);
    for all in [&users, &waiting] {
        for (n, user) in all.iter().enumerate() {
            let is_there = store.user_by_id(*user).await.unwrap().is_some();
            assert_eq!(is_there, n < 4, "{n}");
        }
    }
    // Once nothing wants them there, they go.
    shell("DELETE FROM orders").await;
    let mut gone = 0;
    for _ in 0..6 {
        gone += store.delete_due_users(after(60), 2).await.unwrap();
        gone += store.delete_due_registrations(after(60), 2).await.unwrap();
    }
    assert_eq!(gone, 8);
}

#[test]
fn on_postgresql_a_user_whom_an_apps_table_keeps_keeps_no_other_from_being_deleted() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 2).await.unwrap();
        let client = shell(&url).await;
        let shell = async |sql: &str| client.batch_execute(sql).await.unwrap();
        those_with_orders_stay_and_the_others_go(&store, shell).await;
    });
}

#[tokio::test]
async fn on_sqlite_a_user_whom_an_apps_table_keeps_keeps_no_other_from_being_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("countersign.sqlite3");
    let store = SqliteStore::open(&path).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let shell = async |sql: &str| connection.execute_batch(sql).unwrap();
    those_with_orders_stay_and_the_others_go(&store, shell).await;
}

/// What a shell moves, and whom the feed has to tell of.
async fn what_a_shell_moves_is_told(store: &dyn AdminStore, shell: impl AsyncFn(&str)) {
    let (ada, bob) = (make_user(store, "ada").await, make_user(store, "bob").await);
    let (ada_id, bob_id) = (ada.id.as_i64().unwrap(), bob.id.as_i64().unwrap());
    shell("INSERT INTO groups (id, name) VALUES (1, 'one'), (2, 'two')").await;
    shell(
        "INSERT INTO permissions (id, app, codename, name) VALUES (1, 'a', 'b', ''), \
        (2, 'a', 'c', '')",
    )
    .await;
    shell(&format!("INSERT INTO user_groups (user_id, group_id) VALUES ({ada_id}, 1)")).await;
    shell(&format!("INSERT INTO user_permissions (user_id, permission_id) VALUES ({ada_id}, 1)"))
        .await;
    shell("INSERT INTO group_permissions (group_id, permission_id) VALUES (1, 1)").await;
    let wants = HookWants { hook: "all".to_owned(), events: vec!["user.changed".to_owned()] };
    store.set_hooks(vec![wants]).await.unwrap();

    let (of_ada, of_bob) = (What::UserChanged(ada.id), What::UserChanged(bob.id));
    let expected = [
        ("UPDATE user_groups SET group_id = 2".to_owned(), vec![of_ada]),
        (format!("UPDATE user_groups SET user_id = {bob_id}"), vec![of_ada, of_bob]),
        ("UPDATE user_permissions SET permission_id = 2".to_owned(), vec![of_ada]),
        (format!("UPDATE user_permissions SET user_id = {bob_id}"), vec![of_ada, of_bob]),
        ("UPDATE group_permissions SET group_id = 2".to_owned(), vec![What::AllUsersChanged]),
    ];
    for (sql, expected) in expected {
        let before = store.cursor_now().await.unwrap();
        shell(&sql).await;
        let told = store.changes(&before, 1000).await.unwrap().changes;
        let told: Vec<What> = told.into_iter().map(|change| change.what).collect();
        assert!(expected.iter().all(|what| told.contains(what)), "{sql}: {told:?}");
        assert_eq!(told.len(), expected.len(), "{sql}: {told:?}");
    }
    let soon = Timestamp::now() + SignedDuration::from_mins(1);
    let waiting = store.claim_hook_messages("all", soon, soon, 10).await.unwrap();
    let told: Vec<i64> =
        waiting.iter().filter_map(|message| message.data["user"]["id"].as_i64()).collect();
    assert!(told.contains(&ada_id) && told.contains(&bob_id), "{told:?}");
}

#[test]
fn on_postgresql_what_a_shell_moves_between_groups_and_users_is_told() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 2).await.unwrap();
        let client = shell(&url).await;
        let shell = async |sql: &str| client.batch_execute(sql).await.unwrap();
        what_a_shell_moves_is_told(&store, shell).await;
    });
}

#[tokio::test]
async fn on_sqlite_what_a_shell_moves_between_groups_and_users_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("countersign.sqlite3");
    let store = SqliteStore::open(&path).unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let shell = async |sql: &str| connection.execute_batch(sql).unwrap();
    what_a_shell_moves_is_told(&store, shell).await;
}

/// Addresses that somebody wrote into the table without us, and what signs their owners in after
/// the next start.
const IMPORTED: &str = "INSERT INTO users (username, email, password, date_joined) VALUES
    ('one', 'Straße@example.com', '!', '2026-01-01 00:00:00'), 
    ('two', 'TWO@Example.com', '!', '2026-01-01 00:00:00')";
const CHANGED: &str = "UPDATE users SET email = 'ÉVA@example.com' WHERE username = 'one'";

async fn signs_in(store: &dyn Store, address: &str) -> Option<String> {
    store.user_by_login(address).await.unwrap().map(|row| row.user.username)
}

#[test]
fn on_postgresql_addresses_that_were_imported_are_compared_by_their_folding_after_the_next_start() {
    run(async |url| {
        PostgresStore::connect(&url, 2).await.unwrap();
        let shell = shell(&url).await;
        shell.batch_execute(IMPORTED).await.unwrap();
        let store = PostgresStore::connect(&url, 2).await.unwrap();
        assert_eq!(signs_in(&store, "STRASSE@EXAMPLE.COM").await.as_deref(), Some("one"));
        assert_eq!(signs_in(&store, "two@example.com").await.as_deref(), Some("two"));
        shell.batch_execute(CHANGED).await.unwrap();
        assert_eq!(
            signs_in(&store, "strasse@example.com").await,
            None,
            "the address that is gone names nobody"
        );
        let store = PostgresStore::connect(&url, 2).await.unwrap();
        assert_eq!(signs_in(&store, "éva@example.com").await.as_deref(), Some("one"));
    });
}

#[tokio::test]
async fn on_sqlite_addresses_that_were_imported_are_compared_by_their_folding_after_the_next_start()
{
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("countersign.sqlite3");
    drop(SqliteStore::open(&path).unwrap());
    let shell = rusqlite::Connection::open(&path).unwrap();
    shell.execute_batch(IMPORTED).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(signs_in(&store, "STRASSE@EXAMPLE.COM").await.as_deref(), Some("one"));
    assert_eq!(signs_in(&store, "two@example.com").await.as_deref(), Some("two"));
    shell.execute_batch(CHANGED).unwrap();
    assert_eq!(
        signs_in(&store, "strasse@example.com").await,
        None,
        "the address that is gone names nobody"
    );
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(signs_in(&store, "éva@example.com").await.as_deref(), Some("one"));
}

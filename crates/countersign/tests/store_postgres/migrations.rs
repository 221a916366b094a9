//! Databases of earlier programs: they open, and nobody is logged out by it.

use countersign::session::rotation::RotationEvent;
use countersign::store::Rotation;

use super::postgres::{run, shell};
use super::sessions::{rotate, token};
use super::*;

#[test]
fn sessions_of_a_program_without_marks_go_on_in_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("countersign.sqlite3");
    let old = rusqlite::Connection::open(&file).unwrap();
    for step in [
        include_str!("../../src/store/sqlite/migrations/0001_initial.sql"),
        include_str!("../../src/store/sqlite/migrations/0002_admin.sql"),
        include_str!("../../src/store/sqlite/migrations/0003_one_index_less.sql"),
    ] {
        old.execute_batch(step).unwrap();
    }
    old.pragma_update(None, "user_version", 3).unwrap();
    old.execute_batch(&live_sessions("x'", "'")).unwrap();
    drop(old);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { each_goes_on(&SqliteStore::open(&file).unwrap()).await });
}

#[test]
fn sessions_of_a_program_without_marks_go_on_in_postgresql_while_it_still_runs() {
    run(async |url| {
        let shell = shell(&url).await;
        earlier(&shell, "0002_throttle", true).await;
        shell.batch_execute(&live_sessions("'\\x", "'::bytea")).await.unwrap();
        let store = PostgresStore::connect(&url, 2).await.unwrap();
        each_goes_on(&store).await;

        // A node of the earlier program begins a session, rotates it, and rotates one that has
        // marks by now.
        shell.batch_execute(&session(9, 0, "'\\x", "'::bytea", noon())).await.unwrap();
        let first = rotate(&store, 9, token(9, 0, None, noon()), after(1)).await;
        assert!(matches!(first, Rotation::Granted { event: None, .. }), "{first:?}");
        for (id, at) in [(9_i64, 300), (1, 10_000)] {
            let rotated = format!(
                "UPDATE sessions SET generation = generation + 1, current_jti = '\\x{}'::bytea, \
                 current_iat = {at}, current_since = {at} WHERE id = {id}",
                "77".repeat(16),
                at = after(at).as_second()
            );
            shell.execute(&rotated, &[]).await.unwrap();
            let generation: i64 = shell
                .query_one("SELECT generation FROM sessions WHERE id = $1", &[&id])
                .await
                .unwrap()
                .get(0);
            let child = token(0x78, generation.cast_unsigned() + 1, Some(0x77), after(at));
            let late = token(0x79, generation.cast_unsigned(), Some(0x55), after(at - 300));
            let (tab, next) = (
                rotate(&store, id.cast_unsigned(), late, after(at + 5)).await,
                rotate(&store, id.cast_unsigned(), child, after(at + 300)).await,
            );
            assert!(
                matches!(tab, Rotation::Granted { event: Some(RotationEvent::Race { .. }), .. }),
                "{tab:?}"
            );
            assert!(matches!(next, Rotation::Granted { event: None, .. }), "{next:?}");
        }
    });
}

#[test]
fn a_database_whose_steps_have_their_earlier_names_opens() {
    for is_admin_there in [false, true] {
        run(async |url| {
            let shell = shell(&url).await;
            earlier(&shell, "0003_throttle", is_admin_there).await;
            shell.batch_execute(&live_sessions("'\\x", "'::bytea")).await.unwrap();
            let store = PostgresStore::connect(&url, 2).await.unwrap();
            assert!(PostgresStore::pending_migrations(&url).await.unwrap().is_empty());
            each_goes_on(&store).await;
        });
    }
}

#[test]
fn a_migration_that_waits_for_a_table_lets_others_go_on_and_tries_again() {
    run(async |url| {
        drop(PostgresStore::connect(&url, 2).await.unwrap());
        let (mut backup, node) = (shell(&url).await, shell(&url).await);
        // One step is undone. A backup that reads the table holds up whoever would change it.
        node.batch_execute(
            "ALTER TABLE sessions DROP COLUMN device_name;
             DELETE FROM schema_steps WHERE name = '0015_device_name'",
        )
        .await
        .unwrap();
        let dump = backup.transaction().await.unwrap();
        dump.batch_execute("LOCK TABLE sessions IN ACCESS SHARE MODE").await.unwrap();
        let start = tokio::spawn({
            let url = url.clone();
            async move { PostgresStore::connect(&url, 2).await.map(drop) }
        });
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted \
            AND relation = 'sessions'::regclass";
        while node.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        // As long as a node waits for a statement.
        node.batch_execute("SET statement_timeout = '5s'").await.unwrap();
        let read = node.query("SELECT id FROM sessions", &[]).await;
        assert!(read.is_ok(), "a refresh waits behind the migration: {read:?}");
        assert!(!start.is_finished(), "it does not give up");
        dump.commit().await.unwrap();
        start.await.unwrap().unwrap();
        assert!(PostgresStore::pending_migrations(&url).await.unwrap().is_empty());
    });
}

/// Makes a database as a program did that called the step for the throttle so.
async fn earlier(shell: &tokio_postgres::Client, throttle: &str, is_admin_there: bool) {
    let mut steps = vec![
        ("0001_initial", include_str!("../../src/store/postgres/migrations/0001_initial.sql")),
        (throttle, include_str!("../../src/store/postgres/migrations/0002_throttle.sql")),
    ];
    if is_admin_there {
        steps.push((
            "0003_admin",
            include_str!("../../src/store/postgres/migrations/0003_admin.sql"),
        ));
    }
    let table = "CREATE TABLE schema_steps (number integer PRIMARY KEY, name text NOT NULL, \
        taken_at timestamptz NOT NULL DEFAULT now())";
    shell.batch_execute(table).await.unwrap();
    for (number, (name, sql)) in (0_i32..).zip(steps) {
        shell.batch_execute(sql).await.unwrap();
        shell
            .execute("INSERT INTO schema_steps (number, name) VALUES ($1, $2)", &[&number, &name])
            .await
            .unwrap();
    }
}

/// A session at its first token, one in the middle of its life, and one whose last refresh was just
/// now.
fn live_sessions(quote: &str, unquote: &str) -> String {
    [(1, 0, noon()), (2, 40, after(-300)), (3, 40, after(-10))]
        .map(|(id, generation, since)| session(id, generation, quote, unquote, since))
        .concat()
}

/// The current token of each is called like the session.
fn session(id: u8, generation: u64, quote: &str, unquote: &str, since: Timestamp) -> String {
    format!(
        "INSERT INTO sessions (id, user_id, generation, current_jti, current_iat, current_since,
         race_credit, created_at, last_used_at, expires_at, transport)
         VALUES ({id}, '1', {generation}, {quote}{}{unquote}, {}, {}, 20, {}, {}, {}, 'cookie');",
        format!("{id:02x}").repeat(16),
        since.as_second() - 300,
        since.as_second(),
        after(-100_000).as_microsecond(),
        since.as_microsecond(),
        after(1_000_000).as_microsecond()
    )
}

/// Whatever an honest client may hold of them is good.
async fn each_goes_on(store: &dyn Store) {
    for (id, generation) in [(1_u8, 0), (2, 40), (3, 40)] {
        // The answer was lost, before the program changed.
        let again =
            rotate(store, id.into(), token(id, generation, None, after(-600)), noon()).await;
        assert!(matches!(again, Rotation::Granted { event: None, .. }), "{id}: {again:?}");
        if generation > 0 {
            // Another tab has the token that was replaced, or its sibling.
            for (own, behind) in [(50, 1), (51, 0)] {
                let stale = token(own, generation - behind, Some(49), after(-900));
                let forgiven = rotate(store, id.into(), stale, after(1)).await;
                assert!(
                    matches!(
                        forgiven,
                        Rotation::Granted { event: Some(RotationEvent::Race { .. }), .. }
                    ),
                    "{id}: {forgiven:?}"
                );
            }
        }
        // And the chain goes on.
        for (own, at) in [(100, 300), (101, 600), (102, 900)] {
            let parent = if own == 100 { id } else { own - 1 };
            let next = token(own, generation + u64::from(own) - 99, Some(parent), after(at - 300));
            let granted = rotate(store, id.into(), next, after(at)).await;
            assert!(
                matches!(granted, Rotation::Granted { event: None, .. }),
                "{id} at {at}: {granted:?}"
            );
        }
        // A copy of its past is good for nothing any more, as before.
        if id > 1 {
            assert!(matches!(
                rotate(
                    store,
                    id.into(),
                    token(200, generation - 5, Some(60), after(-9_000)),
                    after(901)
                )
                .await,
                Rotation::Reused { .. }
            ));
        }
    }
}

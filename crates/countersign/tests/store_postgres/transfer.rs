//! Moving from one store into another.

use std::collections::BTreeSet;
use std::path::Path;

use countersign::clock::OsRandom;
use countersign::session::RevokedReason;
use countersign::store::admin::{Actor, AuditLine};
use countersign::store::postgres::PostgresTransfer;
use countersign::store::sqlite::SqliteTransfer;
use countersign::store::transfer::{
    COLUMNS_NOT_MOVED, Compared, NOT_MOVED, Source, TABLES, Target, TransferError, begin, compare,
    copy, moved,
};
use countersign::token::{Algorithm, SealedKey, Secrets};

use super::*;

#[test]
fn every_table_and_column_of_either_schema_is_moved_or_named_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("countersign.sqlite3");
    drop(SqliteStore::open(&file).unwrap());
    let sqlite = sqlite_shell(&file);
    let in_sqlite = columns_of(
        &sqlite,
        "SELECT t.name, c.name FROM pragma_table_list t, pragma_table_xinfo(t.name) c
         WHERE t.schema = 'main' AND t.type = 'table' AND t.name <> 'sqlite_schema' AND 
         c.hidden = 0",
    );
    let url = Cluster::shared().database();
    on_runtime(async {
        drop(PostgresStore::connect(&url, 2).await.unwrap());
    });
    let listed = Cluster::shared().sql(
        url.rsplit('/').next().unwrap(),
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = \
         'public' AND is_generated = 'NEVER'",
    );
    let in_postgres: BTreeSet<_> = listed
        .lines()
        .map(|line| {
            line.split_once('|')
                .map(|(table, column)| (table.to_owned(), column.to_owned()))
                .unwrap()
        })
        .collect();

    let moved = |name: &str| TABLES.iter().find(|table| table.name == name);
    let is_left = |table: &str, column: &str| {
        NOT_MOVED.iter().any(|(name, _)| *name == table)
            || COLUMNS_NOT_MOVED.iter().any(|(name, own, _)| (*name, *own) == (table, column))
    };
    for (schema, is_sqlite) in [(&in_sqlite, true), (&in_postgres, false)] {
        for (table, column) in schema {
            let is_moved = moved(table).is_some_and(|moved| {
                moved
                    .columns
                    .iter()
                    .any(|own| (if is_sqlite { own.in_sqlite } else { own.name }) == column)
            });
            assert!(
                is_moved ^ is_left(table, column),
                "{table}.{column}: add it to TABLES, or to what is not moved, with the reason"
            );
        }
        for table in TABLES {
            for column in table.columns {
                let name = if is_sqlite { column.in_sqlite } else { column.name };
                assert!(
                    name == "rowid" || schema.contains(&(table.name.to_owned(), name.to_owned())),
                    "{}.{name} is not there",
                    table.name
                );
            }
        }
    }
}

#[test]
fn everything_is_the_same_there_and_back_again() {
    let directory = tempfile::tempdir().unwrap();
    let (first, last) =
        (directory.path().join("first.sqlite3"), directory.path().join("last.sqlite3"));
    on_runtime(async {
        furnish(&first).await;
        let url = Cluster::shared().database();
        let there = {
            let mut source = SqliteTransfer::source(&first).unwrap();
            let mut target = PostgresTransfer::target(&url, "there").await.unwrap();
            whole(&mut source, &mut target).await.unwrap()
        };
        let on_postgres = PostgresStore::connect(&url, 2).await.unwrap();
        let on_sqlite = SqliteStore::open(&first).unwrap();
        for store in [&on_postgres as &dyn Store, &on_sqlite] {
            assert_eq!(
                store.users(None, 10).await.unwrap(),
                on_sqlite.users(None, 10).await.unwrap()
            );
            assert_eq!(
                store.session(session_id(1 << 63 | 5)).await.unwrap(),
                on_sqlite.session(session_id(1 << 63 | 5)).await.unwrap()
            );
            let since = store.cursor_at(noon(), 100).await.unwrap().unwrap();
            let ended = store.changes(&since, 100).await.unwrap().changes;
            assert!(
                ended
                    .iter()
                    .any(|change| change.what
                        == countersign::store::What::SessionEnded(session_id(2))),
                "{ended:?}"
            );
            let newcomer = make_user(store, "newcomer").await;
            assert_eq!(
                newcomer.id,
                UserId::new(5),
                "the id of a user who is gone is given to nobody else"
            );
        }
        drop((on_postgres, on_sqlite));

        // What was done on the first since is not on the second: the way back starts from there.
        let back = {
            let mut source = PostgresTransfer::source(&url, "there").await.unwrap();
            let mut target = SqliteTransfer::target(&last).unwrap();
            whole(&mut source, &mut target).await.unwrap()
        };
        for (there, back) in there.iter().zip(&back) {
            let is_as_it_was = there.checksum == back.checksum;
            let came = ["users", "audit_events"].contains(&there.table);
            assert_eq!(
                is_as_it_was, !came,
                "{}: one user came meanwhile, and the line of the move",
                there.table
            );
        }
        for (moved, back) in sums(&last).await.iter().zip(&back) {
            assert_eq!(
                moved == back,
                back.table != "audit_events",
                "{}: the line of the move back is behind it",
                back.table
            );
        }
        for (file, moves) in [(&first, 0), (&last, 2)] {
            let lines = sqlite_shell(file)
                .query_row(
                    "SELECT count(*) FROM audit_events WHERE kind = 'store_moved' AND actor = \
                     'shell:ada' AND detail = 'from here'",
                    [],
                    |row| row.get::<_, i64>(0),
                )
                .unwrap();
            assert_eq!(lines, moves, "each move has its line, in the target");
        }
    });
}

#[test]
fn a_row_that_changed_in_the_target_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("countersign.sqlite3");
    on_runtime(async {
        furnish(&file).await;
        for (damage, table, key) in [
            ("UPDATE sessions SET generation = generation + 1 WHERE id = 2", "sessions", vec![2]),
            ("UPDATE users SET metadata = '{\"plan\": \"gold\"}' WHERE id = 1", "users", vec![1]),
            ("DELETE FROM user_groups", "user_groups", vec![1, 1]),
            ("INSERT INTO permissions (app, codename) VALUES ('x', 'y')", "permissions", vec![2]),
            (
                "UPDATE users SET last_login = last_login + interval '1 microsecond' WHERE \
                 last_login IS NOT NULL",
                "users",
                vec![1],
            ),
        ] {
            let url = Cluster::shared().database();
            let mut source = SqliteTransfer::source(&file).unwrap();
            let mut target = PostgresTransfer::target(&url, "there").await.unwrap();
            begin(&mut target, "here", false).await.unwrap();
            copy(&mut source, &mut target, &mut |_| ()).await.unwrap();
            Cluster::shared().sql(url.rsplit('/').next().unwrap(), damage);
            match compare(&mut source, &mut target, &mut |_| ()).await {
                Err(TransferError::Differs { table: found, key: at }) => {
                    assert_eq!((found, at), (table, key));
                }
                other => panic!("{damage}: {other:?}"),
            }
        }
    });
}

#[test]
fn a_target_that_is_not_empty_is_refused_and_an_unfinished_one_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    let (here, there) =
        (directory.path().join("here.sqlite3"), directory.path().join("there.sqlite3"));
    on_runtime(async {
        furnish(&here).await;
        let url = Cluster::shared().database();
        let (mut to_postgres, mut to_sqlite) = (
            PostgresTransfer::target(&url, "there").await.unwrap(),
            SqliteTransfer::target(&there).unwrap(),
        );
        let targets: [&mut dyn Target; 2] = [&mut to_postgres, &mut to_sqlite];
        for target in targets {
            let mut source = SqliteTransfer::source(&here).unwrap();
            assert!(!begin(target, "here", false).await.unwrap());
            copy(&mut source, target, &mut |_| ()).await.unwrap();
            assert!(begin(target, "here", false).await.unwrap(), "the same move goes on");
            let another = begin(target, "elsewhere", false).await.unwrap_err();
            assert!(
                matches!(&another, TransferError::AnotherMove { from } if from == "here"),
                "{another}"
            );
        }
        drop((to_postgres, to_sqlite));
        let refused =
            [PostgresStore::connect(&url, 2).await.map(drop), SqliteStore::open(&there).map(drop)];
        for refused in refused {
            let refused = refused.unwrap_err().to_string();
            assert!(refused.contains("the beginning of a move from here"), "{refused}");
        }
        let half = [
            PostgresTransfer::source(&url, "there").await.map(drop),
            SqliteTransfer::source(&there).map(drop),
        ];
        assert!(half.iter().all(Result::is_err), "and moved on to nowhere");

        let (mut to_postgres, mut to_sqlite) = (
            PostgresTransfer::target(&url, "there").await.unwrap(),
            SqliteTransfer::target(&there).unwrap(),
        );
        let targets: [&mut dyn Target; 2] = [&mut to_postgres, &mut to_sqlite];
        for target in targets {
            let mut source = SqliteTransfer::source(&here).unwrap();
            assert!(!begin(target, "elsewhere", true).await.unwrap(), "anew, from wherever");
            copy(&mut source, target, &mut |_| ()).await.unwrap();
            compare(&mut source, target, &mut |_| ()).await.unwrap();
            target.finish(&line()).await.unwrap();
            let refused = begin(target, "here", true).await.unwrap_err();
            assert!(
                matches!(refused, TransferError::NotEmpty { table: "users", rows: 3 }),
                "a finished one is never emptied: {refused}"
            );
        }
        drop((to_postgres, to_sqlite));
        PostgresStore::connect(&url, 2).await.unwrap();
        SqliteStore::open(&there).unwrap();
    });
}

#[test]
fn a_store_that_somebody_uses_is_not_moved_and_one_that_is_moved_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("countersign.sqlite3");
    let url = Cluster::shared().database();
    on_runtime(async {
        let on_sqlite = SqliteStore::open(&file).unwrap();
        assert!(matches!(
            SqliteTransfer::source(&file).map(drop),
            Err(TransferError::InUse { .. })
        ));
        assert!(matches!(
            SqliteTransfer::target(&file).map(drop),
            Err(TransferError::InUse { .. })
        ));
        drop(on_sqlite);
        let source = SqliteTransfer::source(&file).unwrap();
        assert!(SqliteStore::open(&file).is_err());
        drop(source);
        SqliteStore::open(&file).unwrap();

        let on_postgres = PostgresStore::connect(&url, 2).await.unwrap();
        on_postgres.ping().await.unwrap();
        assert!(matches!(
            PostgresTransfer::source(&url, "there").await.map(drop),
            Err(TransferError::InUse { .. })
        ));
        drop(on_postgres);
        let source = PostgresTransfer::source(&url, "there").await.unwrap();
        let meanwhile = std::process::Command::new(Cluster::shared().binaries().join("psql"))
            .args([
                "-X",
                "-c",
                "SET lock_timeout = 100; INSERT INTO groups (name) VALUES ('g')",
                &url,
            ])
            .output()
            .unwrap();
        assert!(!meanwhile.status.success(), "nobody writes into what is read");
        drop(source);
    });
}

/// A file with something in every table.
async fn furnish(file: &Path) {
    let store = SqliteStore::open(file).unwrap();
    let mut alice = new_user("alice", "alice@example.com");
    alice.metadata =
        serde_json::json!({"plan": "silver", "n": [1, 2.5, 100000.0], "a": {"ü": null}})
            .as_object()
            .unwrap()
            .clone();
    let alice = store.create_user(alice, noon()).await.unwrap();
    for name in ["bob", "carol", "dave"] {
        make_user(&store, name).await;
    }
    store.delete_user(UserId::new(4), after(1)).await.unwrap();
    for id in [1, 2, 3] {
        store.create_session(new_session(id, alice.id)).await.unwrap();
    }
    // An id with its highest bit set, and a user who lives in an app's own table.
    let elsewhere: UserId = "0194f3a2-5b6c-7d8e-9f01-23456789abcd".parse().unwrap();
    store
        .create_session(NewSession {
            id: session_id(1 << 63 | 5),
            ip: None,
            ..new_session(5, elsewhere)
        })
        .await
        .unwrap();
    store.revoke_session(session_id(2), None, RevokedReason::Logout, after(2)).await.unwrap();
    store.note_user_changed(elsewhere, after(3)).await.unwrap();
    let secrets = Secrets::from_text("a secret of more than thirty-two characters").unwrap();
    for _ in 0..2 {
        let key =
            SealedKey::generate(Algorithm::EdDsa, &secrets, noon(), noon(), &OsRandom).unwrap();
        store.add_key(key, after(60)).await.unwrap();
    }
    drop(store);
    sqlite_shell(file)
        .execute_batch(
            "INSERT INTO groups (name) VALUES ('staff');
             INSERT INTO permissions (app, codename) VALUES ('news', 'write');
             INSERT INTO user_groups VALUES (1, 1);
             INSERT INTO user_permissions VALUES (2, 1);
             INSERT INTO group_permissions VALUES (1, 1);
             UPDATE sessions SET steps = x'016a000000026a00000a', device_name = 'Ada''s phone'
             WHERE id = 1;
             INSERT INTO activity VALUES (494000, 1, 12), (494000, 3, 700);
             INSERT INTO audit_events (at, kind, user_id, session_id) 
             VALUES (1, 'token_theft', 1, 2), (2, 'state_rollback', 'x-1', -3);
             INSERT INTO audit_events (at, kind, actor_id, ip, detail) 
             VALUES (3, 'user_added', 1, '2001:db8::1', 'alice'), (4, 'login', 'x-2', NULL, '');
             INSERT INTO audit_events (at, kind, actor) VALUES (5, 'keys_rotated', 'shell:eve');
             UPDATE users SET email_verified = 1, locale = 'de', deletion_at = 9 WHERE id = 2;
             UPDATE users SET factors = 3 WHERE id = 1;
             UPDATE sessions SET amr = 'pwd otp mfa', auth_time = 8, scope = 'enrol' WHERE id = 3;
             INSERT INTO factor_owners (user_id, version) VALUES (1, 3), ('x-1', 1);
             INSERT INTO factors (id, user_id, kind, name, sealed, last_step, created_at,
                 confirmed_at, last_used_at)
             VALUES (7, 1, 'totp', 'a phone', x'0a00', 56, 1, 2, 3),
                 (8, 'x-1', 'totp', NULL, x'0b', NULL, 4, NULL, NULL);
             INSERT INTO factors (id, user_id, kind, sealed, last_step, created_at, confirmed_at,
                 credential, is_backed_up)
             VALUES (11, 1, 'passkey', x'0e', 5, 6, 6, x'0f00', 1);
             INSERT INTO recovery_codes (id, user_id, hash, made_at)
             VALUES (9, 1, x'0c', NULL), (10, 'x-1', x'0d', 5);
             INSERT INTO one_time_tokens (id, purpose, user_id, secret_hash, code_hash, fingerprint,
                 created_at, expires_at)
             VALUES (7, 'reset', 1, x'01', NULL, x'02', 1, 2),
                 (8, 'code', 'x-1', x'03', x'04', x'05', 3, 4);
             INSERT INTO outbox (id, state, user_id, sealed, created_at, due_at)
             VALUES (7, 'waiting', 1, x'0900', 1, 2);
             UPDATE users SET rehashes = 2 WHERE id = 1;
             UPDATE sessions SET new_device = 1 WHERE id = 1;
             INSERT INTO hook_messages (number, hook, id, event, user_id, data, state, created_at,
                 due_at, tries, tried_since, error)
             VALUES (7, 'crm', 'msg_1', 'user.created', '1', '{\"user\": {}}', 'waiting', 1, 2, 3,
                 4, 'it answers 500'),
                 (8, 'crm', 'msg_2', 'session.ended', 'x-1', '{}', 'sent', 5, 6, 1, NULL, '');
             INSERT INTO hook_lines (id, hook, user_id, due_at) VALUES (7, 'crm', '1', 2);
             INSERT INTO registrations (id, user_id, address, expires_at)
             VALUES (7, 1, 'ada@example.com', 5), (8, 'x-1', 'eve@example.com', 6);
             INSERT INTO passkey_challenges (id, user_id, state, expires_at)
             VALUES (7, NULL, x'', 5), (8, 1, x'7b7d', 6), (9, 'x-1', x'7b7d', 7);
             INSERT INTO service_tokens (id, name, token_hash, maker_id, maker, permissions,
                 group_names, is_superuser, networks, created_at, expires_at, last_used_at,
                 revoked_at)
             VALUES (7, 'importer', x'01', 1, NULL, '[\"auth.add_user\"]', '[]', 0,
                 '[\"10.0.0.0/8\"]', 1, 2, 3, 4),
                 (8, 'importer', x'02', NULL, 'shell:eve', '[]', '[\"staff\"]', 1, '[]', 5, 6, NULL,
                 NULL);",
        )
        .unwrap();
}

/// The line of a move.
fn line() -> AuditLine {
    moved("here", &Actor::shell("ada", after(9)))
}

async fn whole(
    source: &mut dyn Source,
    target: &mut dyn Target,
) -> Result<Vec<Compared>, TransferError> {
    begin(target, "here", false).await?;
    copy(source, target, &mut |_| ()).await?;
    let compared = compare(source, target, &mut |_| ()).await?;
    target.finish(&line()).await?;
    assert!(compared.iter().all(|table| table.rows > 0), "{compared:?}");
    Ok(compared)
}

/// The checksums of a file, compared with a copy of it.
async fn sums(file: &Path) -> Vec<Compared> {
    let mut source = SqliteTransfer::source(file).unwrap();
    let mut target = SqliteTransfer::target(&file.with_extension("copy")).unwrap();
    begin(&mut target, "here", false).await.unwrap();
    copy(&mut source, &mut target, &mut |_| ()).await.unwrap();
    compare(&mut source, &mut target, &mut |_| ()).await.unwrap()
}

pub(super) fn sqlite_shell(file: &Path) -> rusqlite::Connection {
    let shell = rusqlite::Connection::open(file).unwrap();
    shell.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    shell.pragma_update(None, "foreign_keys", true).unwrap();
    shell
}

fn columns_of(shell: &rusqlite::Connection, sql: &str) -> BTreeSet<(String, String)> {
    let mut statement = shell.prepare(sql).unwrap();
    statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap()
}

fn on_runtime(promise: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(promise);
}

//! What a store on PostgreSQL has to promise when things go wrong: a server that freezes, is
//! restored, or is at work on something else.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use countersign::session::RevokedReason;
use countersign::store::{Cursor, Rotation, StoreError, What};

use super::postgres::{hears, run, shell, until_it_is_quiet};
use super::*;

/// Far beyond every limit of the store's own: who is not answered by then is never answered.
const NEVER: Duration = Duration::from_secs(45);

fn on<F: Future<Output = ()>>(promise: F) {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(promise);
}

/// Waits until a statement waits for somebody else's lock.
async fn until_somebody_waits(client: &tokio_postgres::Client) {
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND \
        wait_event_type = 'Lock'";
    while client.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_server_that_freezes_keeps_nobody_waiting_for_ever_and_is_used_again_when_it_thaws() {
    let cluster = Cluster::start(&["fsync=off"]);
    let url = cluster.database();
    on(async {
        let store = Arc::new(PostgresStore::connect(&url, 4).await.unwrap());
        let alice = make_user(&*store, "alice").await;
        for id in 1..=100 {
            store.create_session(new_session(id, alice.id)).await.unwrap();
        }
        cluster.signal("STOP");
        let mut waiting: Vec<_> = (1..=100)
            .map(|id| {
                let store = Arc::clone(&store);
                tokio::spawn(async move {
                    let token = sessions::token(u8::try_from(id).unwrap(), 0, None, noon());
                    let rotate = countersign::store::Rotate {
                        session: session_id(id),
                        token,
                        transport: Transport::Cookie,
                        shown: countersign::session::device::Shown::NOTHING,
                        now: after(1),
                        window: Duration::from_secs(30),
                        ip: None,
                        theft_notice: None,
                    };
                    store.rotate_session(rotate).await.map(drop)
                })
            })
            .collect();
        for _ in 0..3 {
            let (reader, writer, feed) =
                (Arc::clone(&store), Arc::clone(&store), Arc::clone(&store));
            waiting.push(tokio::spawn(async move { reader.user_by_id(alice.id).await.map(drop) }));
            waiting.push(tokio::spawn(async move {
                writer.set_active(alice.id, true, noon()).await.map(drop)
            }));
            waiting.push(tokio::spawn(async move {
                feed.changes(&Cursor::default(), 10).await.map(drop)
            }));
        }
        let answers = tokio::time::timeout(NEVER, async {
            for answer in waiting {
                assert!(answer.await.unwrap().is_err(), "nobody can have been there to answer");
            }
        })
        .await;
        cluster.signal("CONT");
        assert!(answers.is_ok(), "somebody is kept waiting for as long as the server is frozen");
        let again = async {
            while store.ping().await.is_err() {}
            store.user_by_id(alice.id).await.unwrap().unwrap()
        };
        assert_eq!(tokio::time::timeout(NEVER, again).await.expect("it thawed").id, alice.id);
    });
}

#[test]
fn a_server_that_is_killed_and_started_again_is_used_again() {
    let mut cluster = Cluster::start(&["fsync=off"]);
    let url = cluster.database();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = runtime.block_on(PostgresStore::connect(&url, 4)).unwrap();
    let alice = runtime.block_on(make_user(&store, "alice"));
    assert!(
        runtime
            .block_on(store.revoke_session(session_id(1), None, RevokedReason::Logout, noon()))
            .is_ok_and(|ended| !ended)
    );
    cluster.signal("KILL");
    assert!(runtime.block_on(store.user_by_id(alice.id)).is_err());
    std::thread::sleep(Duration::from_millis(300));
    cluster.wake();
    let found = runtime
        .block_on(store.user_by_id(alice.id))
        .expect("the first operation after the restart");
    assert_eq!(found.unwrap().username, "alice");
    runtime.block_on(store.set_active(alice.id, true, noon())).unwrap();
}

#[test]
fn a_change_after_the_database_went_back_is_not_taken_for_an_old_one() {
    let mut cluster = Cluster::start(&["fsync=off"]);
    let url = cluster.database();
    let data = cluster.socket_directory().join("data");
    let backup = cluster.socket_directory().join("backup");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = runtime.block_on(PostgresStore::connect(&url, 4)).unwrap();
    runtime.block_on(async {
        let alice = make_user(&store, "alice").await;
        for id in 1..=3 {
            store.create_session(new_session(id, alice.id)).await.unwrap();
        }
    });
    stop(&cluster);
    copy(&data, &backup);
    cluster.wake();
    // The future that will not have been: this node reads of it.
    let cursor = runtime.block_on(async {
        for _ in 0..20 {
            let users = store.users(None, 1).await.unwrap();
            store.set_active(users[0].id, true, noon()).await.unwrap();
        }
        let page = store.changes(&Cursor::default(), 1000).await.unwrap();
        assert!(page.changes.len() >= 20);
        page.cursor
    });
    stop(&cluster);
    std::fs::remove_dir_all(&data).unwrap();
    copy(&backup, &data);
    cluster.wake();
    // Before this node looks again, another is so busy that transactions have the numbers of those
    // that were.
    let news = runtime.block_on(async {
        let other = PostgresStore::connect(&url, 2).await.unwrap();
        assert!(
            other
                .revoke_session(session_id(2), None, RevokedReason::Admin, after(5))
                .await
                .unwrap()
        );
        for _ in 0..50 {
            let users = other.users(None, 1).await.unwrap();
            other.set_active(users[0].id, true, noon()).await.unwrap();
        }
        store.changes(&cursor, 1000).await.unwrap()
    });
    assert!(
        news.went_back
            && news.changes.iter().any(|change| change.what == What::SessionEnded(session_id(2))),
        "a session that was ended is let in"
    );
}

fn stop(cluster: &Cluster) {
    cluster.signal("INT");
    let lock = cluster.socket_directory().join("data/postmaster.pid");
    let deadline = Instant::now() + Duration::from_secs(30);
    while lock.exists() {
        assert!(Instant::now() < deadline, "it does not stop");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

#[test]
fn what_is_announced_while_nobody_waits_is_heard_by_the_next_who_does() {
    run(async |url| {
        let (here, there) = (
            PostgresStore::connect(&url, 2).await.unwrap(),
            PostgresStore::connect(&url, 2).await.unwrap(),
        );
        let user = make_user(&here, "alice").await;
        until_it_is_quiet(&here).await;
        for active in [false, true, false] {
            there.set_active(user.id, active, noon()).await.unwrap();
            // The announcement comes while this node is still at work on the one before.
            tokio::time::sleep(Duration::from_millis(300)).await;
            hears(&here).await;
        }
    });
}

#[test]
fn whoever_ends_many_sessions_locks_them_in_one_order() {
    run(async |url| {
        let store = Arc::new(PostgresStore::connect(&url, 4).await.unwrap());
        for (number, end) in (1..).zip(["revoke", "deactivate", "password", "delete", "begun"]) {
            let user = make_user(&*store, end).await;
            // As they stand in the table and in its indexes, they are the wrong way round.
            let (low, high) = (number * 10, number * 10 + 1);
            for id in [high, low] {
                assert!(store.create_session(new_session(id, user.id)).await.unwrap());
            }
            let (mut holder, watcher) = (shell(&url).await, shell(&url).await);
            let holding = holder.transaction().await.unwrap();
            holding
                .execute(
                    "UPDATE sessions SET last_used_at = last_used_at + 1 WHERE id = $1",
                    &[&low.cast_signed()],
                )
                .await
                .unwrap();
            let ending = tokio::spawn({
                let store = Arc::clone(&store);
                async move {
                    match end {
                        "revoke" => store
                            .revoke_user_sessions(user.id, None, RevokedReason::LogoutAll, after(1))
                            .await
                            .map(drop),
                        "deactivate" => store.set_active(user.id, false, after(1)).await.map(drop),
                        "password" => {
                            let password = EncodedPassword::from_stored("!".to_owned());
                            store.reset_password(user.id, &password, after(1)).await.map(drop)
                        }
                        "delete" => store.delete_user(user.id, after(1)).await.map(drop),
                        _ => store.revoke_sessions_begun_by(noon(), after(1)).await.map(drop),
                    }
                }
            });
            until_somebody_waits(&watcher).await;
            let free = holding
                .execute(
                    "SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE NOWAIT",
                    &[&high.cast_signed()],
                )
                .await;
            assert!(free.is_ok(), "{end}: two that wait for each other");
            holding.commit().await.unwrap();
            ending.await.unwrap().unwrap();
            for id in [low, high] {
                assert!(
                    store.session(session_id(id)).await.unwrap().unwrap().revoked.is_some(),
                    "{end}"
                );
            }
        }
    });
}

#[test]
fn a_column_that_a_newer_program_adds_does_not_disturb_a_running_one() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 2).await.unwrap();
        let alice = make_user(&store, "alice").await;
        store.create_session(new_session(1, alice.id)).await.unwrap();
        let uses = async || -> Result<(), StoreError> {
            store.session(session_id(1)).await?;
            store.user_sessions(alice.id, noon()).await?;
            store.live_sessions(10, noon()).await?;
            store.keys().await?;
            store.users(None, 10).await?;
            store.changes(&Cursor::default(), 10).await?;
            sessions::rotate(&store, 1, sessions::token(1, 0, None, noon()), after(1)).await;
            Ok(())
        };
        uses().await.unwrap();
        let shell = shell(&url).await;
        for table in ["users", "sessions", "signing_keys", "changes"] {
            shell
                .batch_execute(&format!("ALTER TABLE {table} ADD COLUMN newer integer"))
                .await
                .unwrap();
        }
        uses().await.unwrap();
    });
}

#[test]
fn the_many_sessions_of_a_restored_backup_end_though_no_statement_may_take_long() {
    run(async |url| {
        let store =
            PostgresStore::connect(&format!("{url}?options=-c%20statement_timeout%3D500"), 2)
                .await
                .unwrap();
        shell(&url)
            .await
            .batch_execute(
                "INSERT INTO sessions (id, user_id, generation, current_jti, current_iat,
                 current_since, race_credit, created_at, last_used_at, expires_at, transport)
                 SELECT id, '1', 0, '\\x00', 0, 0, 25, id, id, 9e15, 'cookie'
                 FROM generate_series(1, 60000) AS id",
            )
            .await
            .unwrap();
        let ended = store
            .revoke_sessions_begun_by(Timestamp::from_microsecond(50_000).unwrap(), noon())
            .await
            .unwrap();
        assert_eq!(ended, 50_000);
        assert_eq!(store.live_sessions(100_000, noon()).await.unwrap().len(), 10_000);
    });
}

#[test]
fn a_row_that_cannot_be_read_fails_its_own_session_alone() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = Cluster::shared().database();
        let store = PostgresStore::connect(&url, 2).await.unwrap();
        let alice = make_user(&store, "alice").await;
        for id in 1..=2 {
            store.create_session(new_session(id, alice.id)).await.unwrap();
        }
        shell(&url)
            .await
            .batch_execute(
                "ALTER TABLE sessions DROP CONSTRAINT sessions_transport_check;
                 UPDATE sessions SET transport = 'carrier pigeon' WHERE id = 1",
            )
            .await
            .unwrap();
        let rotate = |id: u64| countersign::store::Rotate {
            session: session_id(id),
            token: sessions::token(u8::try_from(id).unwrap(), 0, None, noon()),
            transport: Transport::Cookie,
            shown: countersign::session::device::Shown::NOTHING,
            now: after(1),
            window: Duration::from_secs(30),
            ip: None,
            theft_notice: None,
        };
        let (newer, known) =
            tokio::join!(store.rotate_session(rotate(1)), store.rotate_session(rotate(2)));
        assert!(newer.is_err());
        assert!(matches!(known, Ok(Rotation::Granted { .. })), "{known:?}");
    });
}

#[test]
fn a_name_that_another_program_takes_at_the_same_moment_is_taken() {
    run(async |url| {
        let store = Arc::new(PostgresStore::connect(&url, 2).await.unwrap());
        let (mut other, watcher) = (shell(&url).await, shell(&url).await);
        let transaction = other.transaction().await.unwrap();
        transaction
            .execute(
                "INSERT INTO users (username, password, date_joined) VALUES ('bob', '!', now())",
                &[],
            )
            .await
            .unwrap();
        let making = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.create_user(new_user("bob", ""), noon()).await }
        });
        until_somebody_waits(&watcher).await;
        transaction.commit().await.unwrap();
        assert!(matches!(making.await.unwrap(), Err(StoreError::UsernameTaken)));
    });
}

#[test]
fn an_ending_is_in_the_feed_whatever_schema_a_database_shell_looks_at_first() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 2).await.unwrap();
        let alice = make_user(&store, "alice").await;
        store.create_session(new_session(1, alice.id)).await.unwrap();
        shell(&url)
            .await
            .batch_execute(
                "CREATE SCHEMA elsewhere; SET search_path = elsewhere; 
                 CREATE TABLE changes (LIKE public.changes INCLUDING ALL);
                 UPDATE public.sessions SET revoked_at = 1 WHERE id = 1",
            )
            .await
            .unwrap();
        let changes = store.changes(&Cursor::default(), 10).await.unwrap().changes;
        assert!(changes.iter().any(|change| change.what == What::SessionEnded(session_id(1))));
    });
}

#[test]
fn what_was_under_way_when_the_connection_was_cut_is_not_known_and_what_was_never_sent_was_not_done()
 {
    let cluster = Cluster::start(&["fsync=off"]);
    let url = cluster.database();
    on(async {
        let store = Arc::new(PostgresStore::connect(&url, 4).await.unwrap());
        let alice = make_user(&*store, "alice").await;
        let (mut client, other) = (shell(&url).await, shell(&url).await);
        let lock = client.transaction().await.unwrap();
        lock.execute("SELECT * FROM users FOR UPDATE", &[]).await.unwrap();
        let setting = tokio::spawn({
            let store = Arc::clone(&store);
            async move { store.set_active(alice.id, false, noon()).await }
        });
        until_somebody_waits(&other).await;
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = \
            current_database() AND wait_event_type = 'Lock'";
        other.execute(cut, &[]).await.unwrap();
        let cut_off = setting.await.unwrap();
        assert!(matches!(cut_off, Err(StoreError::Unknown(_))), "{cut_off:?}");
        drop(lock);
        assert!(store.set_active(alice.id, false, noon()).await.unwrap(), "to do it again is safe");

        // Nobody is there to be told.
        cluster.signal("KILL");
        let _ = store.user_by_id(alice.id).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let nobody = PostgresStore::connect(&url, 4).await.map(drop);
        assert!(matches!(nobody, Err(StoreError::Failed(_))), "{nobody:?}");
        let question = store.user_by_id(alice.id).await;
        assert!(
            matches!(question, Err(StoreError::Failed(_))),
            "a question changes nothing: {question:?}"
        );
    });
}

#[test]
fn a_database_without_room_for_sessions_is_in_trouble_although_a_small_write_works() {
    let url = Cluster::shared().database();
    on(async {
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        let alice = make_user(&store, "alice").await;
        assert!(store.trouble().is_none());
        // What PostgreSQL says where a table cannot grow.
        let no_room = "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN RAISE 'no space left' USING ERRCODE = '53100'; END $$;
            CREATE TRIGGER no_room BEFORE INSERT ON sessions 
            FOR EACH ROW EXECUTE FUNCTION no_room()";
        shell(&url).await.batch_execute(no_room).await.unwrap();
        let refused = store.create_session(new_session(1, alice.id)).await;
        assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
        store.ping().await.unwrap();
        let trouble = store.trouble().expect("the last write found no room").to_string();
        assert!(trouble.contains("no space left"), "{trouble}");
    });
}

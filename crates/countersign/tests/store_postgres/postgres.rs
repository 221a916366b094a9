//! What PostgreSQL alone has to promise: many nodes, and transactions that end out of order.

use std::time::Duration;

use countersign::session::RevokedReason;
use countersign::session::device::{
    DeviceBinding, DeviceKind, DeviceStanding, KeyPrint, Shown, Ticket,
};
use countersign::store::admin::{Actor, HookStore, HookWants, UserEdit};
use countersign::store::{Cursor, DeviceOffer, DeviceStore, Rotate, Rotation, What};

use super::*;
use countersign::user::{Email, ProfileChange};

pub(super) fn run<F: Future<Output = ()>>(promise: impl FnOnce(String) -> F) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(promise(Cluster::shared().database()));
}

pub(super) async fn shell(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[test]
fn a_change_whose_transaction_ends_late_is_neither_skipped_nor_does_it_hold_others_back() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        let (early, late) = (make_user(&store, "early").await, make_user(&store, "late").await);
        let mut cursor = store.cursor_now().await.unwrap();
        let mut news = async || {
            let page = store.changes(&cursor, 1000).await.unwrap();
            cursor = page.cursor;
            page.changes.into_iter().map(|change| change.what).collect::<Vec<_>>()
        };
        news().await;

        let mut shell = shell(&url).await;
        let transaction = shell.transaction().await.unwrap();
        transaction
            .execute("UPDATE users SET first_name = 'x' WHERE id = $1", &[&late.id.as_i64()])
            .await
            .unwrap();
        store.set_active(early.id, false, after(1)).await.unwrap();
        assert_eq!(
            news().await,
            [What::UserChanged(early.id)],
            "a logout does not wait for somebody's open transaction"
        );
        assert_eq!(news().await, [], "and is told once");
        store.set_active(early.id, true, after(2)).await.unwrap();
        assert_eq!(news().await, [What::UserChanged(early.id)]);
        transaction.commit().await.unwrap();
        assert_eq!(
            news().await,
            [What::UserChanged(late.id)],
            "its number is the smallest, and it became visible last"
        );
        assert_eq!(news().await, []);
    });
}

#[test]
fn what_stands_behind_an_open_transaction_is_told_once_and_not_read_again() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        let (alice, bob) = (make_user(&store, "alice").await, make_user(&store, "bob").await);
        let mut shell = shell(&url).await;
        let open = shell.transaction().await.unwrap();
        open.execute("UPDATE users SET first_name = 'x' WHERE id = $1", &[&bob.id.as_i64()])
            .await
            .unwrap();
        let ended = async |ids: std::ops::Range<u64>| {
            for id in ids {
                store.create_session(new_session(id, alice.id)).await.unwrap();
                store
                    .revoke_session(session_id(id), None, RevokedReason::Logout, after(1))
                    .await
                    .unwrap();
            }
        };
        let before = store.cursor_now().await.unwrap();
        ended(1..30).await;
        let first = store.changes(&before, 1000).await.unwrap();
        assert_eq!(first.changes.len(), 29);
        ended(30..32).await;
        let second = store.changes(&first.cursor, 1000).await.unwrap();
        assert_eq!(second.changes.len(), 2, "only what is new");
        open.commit().await.unwrap();
        assert_eq!(
            store.changes(&second.cursor, 1000).await.unwrap().changes[0].what,
            What::UserChanged(bob.id)
        );
        // A page that ends before the transaction does.
        let (mut cursor, mut told) = (before, 0);
        for _ in 0..20 {
            let page = store.changes(&cursor, 3).await.unwrap();
            (cursor, told) = (page.cursor, told + page.changes.len());
        }
        assert_eq!(told, 32);
    });
}

#[test]
fn a_cursor_from_before_the_database_went_back_reads_everything_again() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        let user = make_user(&store, "alice").await;
        store.set_active(user.id, false, after(1)).await.unwrap();
        let now = store.cursor_now().await.unwrap();
        assert!(!store.changes(&now, 1000).await.unwrap().went_back);
        // Of a transaction that has not begun yet, and of another server.
        for (place, number) in [(1, i64::MAX - 1), (0, 1)] {
            let mut numbers = now.0.clone();
            numbers[place] = number;
            let page = store.changes(&Cursor(numbers), 1000).await.unwrap();
            assert!(
                page.went_back
                    && page.changes.iter().any(|change| change.what == What::UserChanged(user.id))
            );
            assert!(!store.changes(&page.cursor, 1000).await.unwrap().went_back);
        }
    });
}

#[test]
fn rows_of_another_cluster_are_read_and_do_not_stand_in_the_way() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        shell(&url)
            .await
            .batch_execute(
                "INSERT INTO changes (xid, at, kind) VALUES (4000000000000, 1, 'keys_changed')",
            )
            .await
            .unwrap();
        drop(store);
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        let cursor = store.cursor_now().await.unwrap();
        let user = make_user(&store, "alice").await;
        store.set_active(user.id, false, after(1)).await.unwrap();
        assert!(
            store
                .changes(&cursor, 1000)
                .await
                .unwrap()
                .changes
                .iter()
                .any(|change| change.what == What::UserChanged(user.id))
        );
    });
}

/// The listener notifies once when it is ready; from then on only for changes.
pub(super) async fn until_it_is_quiet(store: &PostgresStore) {
    hears(store).await;
    while store.await_changes().await {}
}

pub(super) async fn hears(store: &PostgresStore) {
    for _ in 0..30 {
        if store.await_changes().await {
            return;
        }
    }
    panic!("it would be found by looking, but it is not heard");
}

#[test]
fn a_node_hears_of_a_change_that_another_makes() {
    run(async |url| {
        let (here, there) = (
            PostgresStore::connect(&url, 2).await.unwrap(),
            PostgresStore::connect(&url, 2).await.unwrap(),
        );
        let user = make_user(&here, "alice").await;
        until_it_is_quiet(&here).await;
        there.set_active(user.id, false, noon()).await.unwrap();
        hears(&here).await;
    });
}

#[test]
fn nodes_that_start_together_make_one_schema() {
    run(async |url| {
        assert_eq!(PostgresStore::pending_migrations(&url).await.unwrap()[0], "0001_initial");
        let starts = (0..6).map(|_| {
            tokio::spawn({
                let url = url.clone();
                async move { PostgresStore::connect(&url, 2).await.map(drop) }
            })
        });
        for start in starts.collect::<Vec<_>>() {
            start.await.unwrap().unwrap();
        }
        assert!(PostgresStore::pending_migrations(&url).await.unwrap().is_empty());
        shell(&url)
            .await
            .batch_execute(
                "INSERT INTO schema_steps VALUES (1007, 'of the future'), (1008, 'and more')",
            )
            .await
            .unwrap();
        let refused = PostgresStore::connect(&url, 2).await.unwrap_err().to_string();
        assert!(refused.contains("start the newer countersign"), "{refused}");
    });
}

#[test]
fn an_index_that_is_missing_or_was_never_finished_is_made_at_the_next_start() {
    run(async |url| {
        drop(PostgresStore::connect(&url, 2).await.unwrap());
        let shell = shell(&url).await;
        let valid = "SELECT string_agg(c.relname, ' ' ORDER BY c.relname)
            FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
             WHERE i.indisvalid AND pg_table_is_visible(c.oid) AND c.relname NOT LIKE 'pg_%'";
        let before: String = shell.query_one(valid, &[]).await.unwrap().get(0);
        assert!(before.contains("users_by_last_login") && before.contains("audit_ip"), "{before}");
        shell.batch_execute("DROP INDEX users_by_last_login, sessions_reason").await.unwrap();
        shell
            .batch_execute(
                "UPDATE pg_index SET indisvalid = false WHERE indexrelid IN \
                ('audit_ip'::regclass, 'users_staff'::regclass)",
            )
            .await
            .unwrap();
        drop(PostgresStore::connect(&url, 2).await.unwrap());
        assert_eq!(shell.query_one(valid, &[]).await.unwrap().get::<_, String>(0), before);
    });
}

#[test]
fn a_table_that_another_program_holds_does_not_stop_a_start_that_makes_indexes() {
    run(async |url| {
        drop(PostgresStore::connect(&url, 2).await.unwrap());
        let (shell, holder) = (shell(&url).await, shell(&url).await);
        shell.batch_execute("DROP INDEX sessions_reason").await.unwrap();
        // What the database's own care of a table takes, and whoever makes an index of it.
        holder
            .batch_execute("BEGIN; LOCK TABLE users IN SHARE UPDATE EXCLUSIVE MODE")
            .await
            .unwrap();
        drop(PostgresStore::connect(&url, 2).await.unwrap());
        let made = "SELECT to_regclass('sessions_reason') IS NOT NULL";
        assert!(shell.query_one(made, &[]).await.unwrap().get::<_, bool>(0));
        holder.batch_execute("ROLLBACK").await.unwrap();
    });
}

#[test]
fn of_nodes_that_start_together_one_makes_the_indexes_and_the_others_go_on() {
    run(async |url| {
        drop(PostgresStore::connect(&url, 2).await.unwrap());
        let shell = shell(&url).await;
        for _ in 0..4 {
            shell.batch_execute("DROP INDEX users_words, users_staff, audit_ip").await.unwrap();
            let starts = (0..6).map(|_| {
                tokio::spawn({
                    let url = url.clone();
                    async move { PostgresStore::connect(&url, 2).await.map(drop) }
                })
            });
            for start in starts.collect::<Vec<_>>() {
                start.await.unwrap().unwrap();
            }
            let broken = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
            assert_eq!(shell.query_one(broken, &[]).await.unwrap().get::<_, i64>(0), 0);
            let made = "SELECT to_regclass('users_words') IS NOT NULL";
            assert!(shell.query_one(made, &[]).await.unwrap().get::<_, bool>(0));
        }
    });
}

#[test]
fn two_nodes_rotate_one_chain_and_nothing_is_lost() {
    run(async |url| {
        let nodes = [
            PostgresStore::connect(&url, 3).await.unwrap(),
            PostgresStore::connect(&url, 3).await.unwrap(),
        ];
        let alice = make_user(&nodes[0], "alice").await;
        nodes[0].create_session(new_session(1, alice.id)).await.unwrap();
        let nodes = nodes.map(Arc::new);
        let first = sessions::token(1, 0, None, noon());
        let mut waiting = Vec::new();
        for i in 0..60 {
            let node = Arc::clone(&nodes[i % 2]);
            waiting.push(tokio::spawn(async move {
                sessions::rotate(&*node, 1, first, after(1)).await
            }));
        }
        for rotation in waiting {
            let rotation = rotation.await.unwrap();
            assert!(matches!(rotation, Rotation::Granted { .. }), "{rotation:?}");
        }
    });
}

#[test]
fn sessions_that_somebody_holds_keep_no_other_from_its_refresh() {
    run(async |url| {
        let store = Arc::new(PostgresStore::connect(&url, 4).await.unwrap());
        let alice = make_user(&*store, "alice").await;
        for id in 1..=3 {
            store.create_session(new_session(id, alice.id)).await.unwrap();
        }
        let (mut holder, watcher) = (shell(&url).await, shell(&url).await);
        let open = holder.transaction().await.unwrap();
        open.execute("UPDATE sessions SET ip = ip WHERE id < 3", &[]).await.unwrap();
        let rotate = |id: u8| {
            sessions::rotate(
                &*store,
                id.into(),
                sessions::token(100 + id, 1, Some(id), after(1)),
                after(2),
            )
        };
        // The first waits for its row before the second is asked for, so that no task is left where
        // each of them waits.
        let held = async {
            let is_waiting = async {
                let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = \
                    current_database() AND wait_event_type = 'Lock'";
                while watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
            };
            let mut first = std::pin::pin!(rotate(1));
            tokio::select! {
                done = &mut first => panic!("it did not wait: {done:?}"),
                () = is_waiting => {}
            }
            let mut second = std::pin::pin!(rotate(2));
            tokio::select! {
                biased;
                done = &mut first => panic!("it waited for nobody: {done:?}"),
                done = &mut second => panic!("it did not wait: {done:?}"),
                done = rotate(3) => {
                    assert!(matches!(done, Rotation::Granted { .. }), "{done:?}");
                }
            }
            open.commit().await.unwrap();
            tokio::join!(first, second)
        };
        let (first, second) = held.await;
        for done in [first, second] {
            assert!(matches!(done, Rotation::Granted { .. }), "{done:?}");
        }
    });
}

#[test]
fn a_key_that_is_confirmed_in_a_row_that_somebody_holds_keeps_no_other_from_its_refresh() {
    run(async |url| {
        let store = Arc::new(PostgresStore::connect(&url, 4).await.unwrap());
        let alice = make_user(&*store, "alice").await;
        for id in 1..=3 {
            store.create_session(new_session(id, alice.id)).await.unwrap();
        }
        for id in 1..=2 {
            let offer = DeviceOffer {
                session: session_id(id),
                kind: DeviceKind::Dbsc,
                key: "a key".to_owned(),
                challenge_at: noon(),
                is_confirmed: false,
                window: WINDOW,
                now: noon(),
            };
            assert!(store.offer_device(offer).await.unwrap());
        }
        let (mut holder, watcher) = (shell(&url).await, shell(&url).await);
        let open = holder.transaction().await.unwrap();
        open.execute("UPDATE sessions SET ip = ip WHERE id < 3", &[]).await.unwrap();
        let rotate = async |id: u8, ticket: Option<Ticket>| {
            let rotate = Rotate {
                session: session_id(id.into()),
                token: sessions::token(100 + id, 1, Some(id), after(1)),
                transport: Transport::Cookie,
                shown: Shown { ticket, is_skipped: false, binding: DeviceBinding::Enforce },
                now: after(200),
                window: WINDOW,
                ip: None,
                theft_notice: None,
            };
            store.rotate_session(rotate).await
        };
        let proved_at = noon().as_second().unsigned_abs();
        let ticket = Some(Ticket { key: KeyPrint::of("a key"), proved_at });
        let is_waiting = async {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = \
                current_database() AND wait_event_type = 'Lock'";
            while watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
        };
        let mut first = std::pin::pin!(rotate(1, ticket));
        tokio::select! {
            done = &mut first => panic!("it did not wait: {done:?}"),
            () = is_waiting => {}
        }
        let mut second = std::pin::pin!(rotate(2, ticket));
        // PostgreSQL itself gives a statement up after five seconds.
        let third = tokio::time::timeout(Duration::from_secs(4), rotate(3, None));
        tokio::select! {
            biased;
            done = &mut first => panic!("it waited for nobody: {done:?}"),
            done = &mut second => panic!("it did not wait: {done:?}"),
            done = third => {
                assert!(matches!(done, Ok(Ok(Rotation::Granted { .. }))), "{done:?}");
            }
        }
        open.commit().await.unwrap();
        let (first, second) = tokio::join!(first, second);
        for (id, done) in [(1, first), (2, second)] {
            let Ok(Rotation::Granted { standing, .. }) = done else { panic!("{done:?}") };
            assert_eq!(standing, DeviceStanding::Confirms { offered_at: noon() });
            let device = store.session(session_id(id)).await.unwrap().unwrap().device.unwrap();
            assert_eq!(device.confirmed_at, Some(after(200)));
        }
    });
}

#[test]
fn a_url_that_cannot_be_used_says_why() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refusal =
        |url: &str| runtime.block_on(PostgresStore::connect(url, 2)).unwrap_err().to_string();
    assert!(
        refusal("postgres://x/y?sslmode=maybe")
            .contains("choose disable, prefer, require, verify-ca or verify-full")
    );
    assert!(
        refusal("postgres://x/y?sslmode=verify-full&sslrootcert=/nowhere.pem")
            .contains("/nowhere.pem")
    );
    assert!(refusal("postgres://127.0.0.1:1/y").contains("the store failed"));
}

#[test]
fn a_database_whose_feed_does_not_tell_of_a_logout_is_refused() {
    // Triggers that are switched off, and triggers that run on another machine, whose transactions
    // have numbers of their own.
    let elsewhere = "CREATE FUNCTION elsewhere() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN NEW.xid := NEW.xid + 1000000; RETURN NEW; END $$;
         CREATE TRIGGER elsewhere BEFORE INSERT ON changes 
         FOR EACH ROW EXECUTE FUNCTION elsewhere()";
    let broken = [
        ("ALTER TABLE sessions DISABLE TRIGGER session_ended", "session_ended"),
        ("ALTER TABLE users DISABLE TRIGGER ALL", "user_changed"),
        ("ALTER TABLE groups DISABLE TRIGGER ALL", "all_users_changed"),
        ("ALTER TABLE signing_keys DISABLE TRIGGER ALL", "keys_changed"),
        (elsewhere, "session_ended, user_changed, all_users_changed, keys_changed"),
    ];
    for (how, what) in broken {
        run(async |url| {
            drop(PostgresStore::connect(&url, 2).await.unwrap());
            let shell = shell(&url).await;
            shell.batch_execute(how).await.unwrap();
            let refused = PostgresStore::connect(&url, 2).await.unwrap_err().to_string();
            assert!(refused.contains(&format!("nothing is told of: {what})")), "{how}: {refused}");
        });
    }
}

#[test]
fn trying_the_feed_leaves_nothing_behind_and_wakes_nobody() {
    run(async |url| {
        let here = PostgresStore::connect(&url, 2).await.unwrap();
        until_it_is_quiet(&here).await;
        drop(PostgresStore::connect(&url, 2).await.unwrap());
        assert!(!here.await_changes().await, "it is told to nobody");
        let rows = "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM sessions) + \
            (SELECT count(*) FROM changes)";
        assert_eq!(shell(&url).await.query_one(rows, &[]).await.unwrap().get::<_, i64>(0), 0);
    });
}

#[test]
fn a_database_that_cannot_hold_every_name_is_refused_before_anything_is_made() {
    run(async |url| {
        let (server, name) = url.rsplit_once('/').unwrap();
        let latin = format!("{name}_latin1");
        let create =
            format!("CREATE DATABASE {latin} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
        shell(&url).await.batch_execute(&create).await.unwrap();
        let refused =
            PostgresStore::connect(&format!("{server}/{latin}"), 2).await.unwrap_err().to_string();
        assert!(
            refused.contains("encoded in LATIN1") && refused.contains("ENCODING 'UTF8'"),
            "{refused}"
        );
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        let there = shell(&format!("{server}/{latin}")).await;
        assert_eq!(there.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 0);
    });
}

#[test]
fn an_account_that_somebody_holds_does_not_keep_the_rest_from_being_forgotten() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        let mut shell = shell(&url).await;
        let row = "INSERT INTO login_attempts (key, many, added, serial, last, fades_at) VALUES \
            ($1, 1, 1, 0, 0, 0)";
        for key in [b"held", b"free"] {
            shell.execute(row, &[&&key[..]]).await.unwrap();
        }
        let open = shell.transaction().await.unwrap();
        open.execute("UPDATE login_attempts SET many = 2 WHERE key = $1", &[&&b"held"[..]])
            .await
            .unwrap();
        store.prune(after(1), after(1), 100).await.unwrap();
        open.commit().await.unwrap();
        let left: i64 =
            shell.query_one("SELECT count(*) FROM login_attempts", &[]).await.unwrap().get(0);
        assert_eq!(left, 1);
    });
}

/// Whoever waits for a name holds no row meanwhile: another has the name, and may want the row.
#[test]
fn a_name_is_held_before_the_row_whoever_changes_it() {
    run(async |url| {
        let store: Arc<dyn AdminStore> = Arc::new(PostgresStore::connect(&url, 4).await.unwrap());
        let alice = make_user(&*store, "alice").await;
        let seen = store.user_record(alice.id).await.unwrap().unwrap().fingerprint;
        let (mut other, node) = (shell(&url).await, shell(&url).await);
        let email = Email::parse("new@example.com").unwrap();
        for by_an_operator in [false, true] {
            let name = other.transaction().await.unwrap();
            name.batch_execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('countersign:new@example.com', 0))",
            )
            .await
            .unwrap();
            let (store, email) = (Arc::clone(&store), email.clone());
            let edit = UserEdit {
                username: None,
                email: Some(email.clone()),
                first_name: String::new(),
                last_name: String::new(),
                is_active: true,
                is_staff: false,
                is_superuser: false,
                grants: None,
                metadata: alice.metadata.clone(),
            };
            let id = alice.id;
            let change = tokio::spawn(async move {
                if by_an_operator {
                    let root = Actor::shell("root", noon());
                    store.edit_user(id, &edit, seen, &root).await.is_ok()
                } else {
                    let mut change = ProfileChange::default();
                    change.email = Some(Some(email));
                    store.update_profile(id, change).await.is_ok()
                }
            });
            let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            while node.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            let row = node
                .query("SELECT 1 FROM users WHERE id = $1 FOR UPDATE NOWAIT", &[&id.as_i64()])
                .await;
            assert!(row.is_ok(), "by an operator: {by_an_operator}: {row:?}");
            name.rollback().await.unwrap();
            change.await.unwrap();
        }
    });
}

const WINDOW: Duration = Duration::from_secs(30);

#[test]
fn a_limit_binds_where_the_statistics_are_of_an_empty_table() {
    run(async |url| {
        let store = PostgresStore::connect(&url, 4).await.unwrap();
        let wants = HookWants { hook: "all".to_owned(), events: vec!["user.created".to_owned()] };
        store.set_hooks(vec![wants]).await.unwrap();
        let shell = shell(&url).await;
        for table in ["hook_lines", "hook_messages"] {
            shell.batch_execute(&format!("VACUUM ANALYZE {table}")).await.unwrap();
        }
        for number in 0..300 {
            make_user(&store, &format!("user{number}")).await;
        }
        // The database says when they are due.
        let soon = Timestamp::now() + SignedDuration::from_mins(1);
        let lease = soon + SignedDuration::from_mins(1);
        for _ in 0..3 {
            let claimed = store.claim_hook_messages("all", soon, lease, 8).await.unwrap();
            assert_eq!(claimed.len(), 8);
        }
    });
}

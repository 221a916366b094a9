//! What the pages of the admin site ask of SQLite, with a million users and sessions and five
//! million lines in the audit log; and its list of users on PostgreSQL.

use std::time::Instant;

use countersign::session::{RevokedReason, Transport};
use countersign::store::StoreError;
use countersign::store::admin::{
    ActivityLog, AdminStore, AuditKind, AuditSearch, Page, PageCursor, SessionSearch, UserOrder,
    UserSearch, Who,
};
use countersign::store::postgres::PostgresStore;
use countersign::store::sqlite::SqliteStore;
use countersign::user::UserId;
use jiff::{SignedDuration, Timestamp};

use super::postgres::cluster;
use crate::table::{Row, aside, median};

pub(super) fn measure() -> Vec<Row> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("countersign.sqlite3");
    drop(SqliteStore::open(&file).expect("a store"));
    fill(&file, &format!("{PEOPLE}{TRACES}")).expect("rows");
    let store = SqliteStore::open(&file).expect("a store");
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        vec![
            users(&store).await.row(
                "the admin site's users, in every order, under every filter, first and last pages",
            ),
            sessions(&store).await.row("its sessions, likewise"),
            audit(&store).await.row("its audit log, likewise"),
            dashboard(&store).await.row("its dashboard's figures"),
        ]
    })
}

/// Most of it is the search, by the trigrams of `pg_trgm`.
pub(super) fn measure_on_postgres() -> Vec<Row> {
    let cluster = cluster();
    let url = cluster.database();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        drop(PostgresStore::connect(&url, 2).await.expect("a store"));
        let name = url.rsplit('/').next().expect("a name");
        for statement in FILL_POSTGRES.split(';').filter(|part| !part.trim().is_empty()) {
            cluster.sql(name, statement);
        }
        let store = PostgresStore::connect(&url, 2).await.expect("a store");
        let trigrams = "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%gin_trgm_ops%'";
        assert_eq!(cluster.sql(name, trigrams).trim(), "1", "the search has its index");
        vec![users(&store).await.row(
            "the admin site's users on PostgreSQL, in every order, under every filter, first and \
             last pages",
        )]
    })
}

/// The times of several questions, each the middle one of several runs.
#[derive(Default)]
struct Times(Vec<(String, f64)>);

impl Times {
    async fn add<T, F: Future<Output = Result<T, StoreError>>>(
        &mut self,
        what: String,
        ask: impl Fn() -> F,
    ) -> T {
        let (mut times, mut last) = (Vec::new(), None);
        for _ in 0..5 {
            let begin = Instant::now();
            last = Some(ask().await.expect("an answer"));
            times.push(begin.elapsed().as_secs_f64() * 1000.0);
        }
        self.0.push((what, median(times)));
        last.expect("an answer")
    }

    /// The first page, the one behind it, and the last.
    async fn pages<T, F: Future<Output = Result<Page<T>, StoreError>>>(
        &mut self,
        what: &str,
        ask: impl Fn(Option<PageCursor>) -> F,
    ) {
        let first = self.add(format!("{what}, first page"), || ask(None)).await;
        if let Some(next) = first.next {
            self.add(format!("{what}, second page"), || ask(Some(next.clone()))).await;
        }
        let end = PageCursor { key: "\u{10FFFF}".to_owned(), id: i64::MAX, backwards: true };
        self.add(format!("{what}, at the far end"), || ask(Some(end.clone()))).await;
    }

    fn row(mut self, what: &'static str) -> Row {
        self.0.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        for (what, time) in self.0.iter().take(8) {
            aside(&format!("{time:.1} ms: {what}"));
        }
        let (slowest, time) = self.0.first().cloned().unwrap_or_default();
        Row {
            what,
            measured: format!("{time:.1} ms"),
            baseline: format!("the slowest of {}: {slowest}", self.0.len()),
            ratio: String::new(),
            bar: "≤ 30 ms",
            cleared: time <= 30.0,
        }
    }
}

async fn users(store: &impl Owned) -> Times {
    let mut times = Times::default();
    let ago = |days: i64| Timestamp::now() - SignedDuration::from_hours(24 * days);
    let all = UserSearch { limit: 100, ..UserSearch::default() };
    let filters = [
        ("all", all.clone()),
        ("staff", UserSearch { staff: Some(true), ..all.clone() }),
        ("not staff", UserSearch { staff: Some(false), ..all.clone() }),
        ("superusers", UserSearch { superuser: Some(true), ..all.clone() }),
        ("inactive", UserSearch { active: Some(false), ..all.clone() }),
        ("active", UserSearch { active: Some(true), ..all.clone() }),
        ("a large group", UserSearch { group: Some(1), ..all.clone() }),
        ("a small group", UserSearch { group: Some(2), ..all.clone() }),
        ("joined in a month", UserSearch { joined_since: Some(ago(30)), ..all.clone() }),
        ("signed in in a day", UserSearch { signed_in_since: Some(ago(1)), ..all.clone() }),
        (
            "not signed in in a year",
            UserSearch { not_signed_in_since: Some(ago(365)), ..all.clone() },
        ),
        ("a letter", UserSearch { text: "s".to_owned(), ..all.clone() }),
        ("a name", UserSearch { text: "maria.jones12".to_owned(), ..all.clone() }),
        ("a common name", UserSearch { text: "maria".to_owned(), ..all.clone() }),
        ("two words", UserSearch { text: "jones 12".to_owned(), ..all.clone() }),
        ("nobody", UserSearch { text: "xyzzy".to_owned(), ..all.clone() }),
        (
            "a letter, inactive, large group",
            UserSearch { text: "s".to_owned(), active: Some(false), group: Some(1), ..all.clone() },
        ),
        (
            "inactive, joined in a month",
            UserSearch { active: Some(false), joined_since: Some(ago(30)), ..all.clone() },
        ),
    ];
    let orders = [
        UserOrder::Username,
        UserOrder::Email,
        UserOrder::FirstName,
        UserOrder::LastName,
        UserOrder::Joined,
        UserOrder::LastLogin,
    ];
    for (name, filter) in filters {
        for order in orders {
            for descending in [false, true] {
                let asked = UserSearch { order, descending, ..filter.clone() };
                let what =
                    format!("{name}, by {order:?}{}", if descending { " descending" } else { "" });
                times
                    .pages(&what, |from| {
                        store.find_users_owned(UserSearch { from, ..asked.clone() })
                    })
                    .await;
            }
        }
    }
    times
}

async fn sessions(store: &SqliteStore) -> Times {
    let mut times = Times::default();
    let all = SessionSearch { limit: 100, now: Timestamp::now(), ..SessionSearch::default() };
    for (name, asked) in [
        ("all", all.clone()),
        ("a user's", SessionSearch { user: Some(UserId::new(5)), ..all.clone() }),
        ("live", SessionSearch { live: Some(true), ..all.clone() }),
        ("ended", SessionSearch { live: Some(false), ..all.clone() }),
        ("of apps", SessionSearch { transport: Some(Transport::Body), ..all.clone() }),
        (
            "of browsers, live",
            SessionSearch { transport: Some(Transport::Cookie), live: Some(true), ..all.clone() },
        ),
        ("stolen", SessionSearch { reason: Some(RevokedReason::TokenTheft), ..all.clone() }),
        (
            "logged out, of apps",
            SessionSearch {
                reason: Some(RevokedReason::Logout),
                transport: Some(Transport::Body),
                ..all.clone()
            },
        ),
    ] {
        times
            .pages(name, |from| store.find_sessions_owned(SessionSearch { from, ..asked.clone() }))
            .await;
    }
    times
}

async fn audit(store: &SqliteStore) -> Times {
    let mut times = Times::default();
    let ago = |hours: i64| Some(Timestamp::now() - SignedDuration::from_hours(hours));
    let all = AuditSearch { limit: 100, ..AuditSearch::default() };
    for (name, asked) in [
        ("all", all.clone()),
        ("logins", AuditSearch { kind: Some(AuditKind::Login), ..all.clone() }),
        ("thefts", AuditSearch { kind: Some(AuditKind::TokenTheft), ..all.clone() }),
        ("a user's", AuditSearch { user: Some(UserId::new(5)), ..all.clone() }),
        ("an operator's", AuditSearch { actor: Some(Who::User(UserId::new(1))), ..all.clone() }),
        ("an address's", AuditSearch { ip: Some([10, 0, 0, 1].into()), ..all.clone() }),
        ("a day a week ago", AuditSearch { since: ago(8 * 24), until: ago(7 * 24), ..all.clone() }),
        (
            "an address's thefts",
            AuditSearch {
                ip: Some([10, 0, 0, 1].into()),
                kind: Some(AuditKind::TokenTheft),
                ..all.clone()
            },
        ),
        (
            "an address's failures in a week",
            AuditSearch {
                ip: Some([10, 0, 0, 1].into()),
                kind: Some(AuditKind::LoginFailed),
                since: ago(7 * 24),
                ..all.clone()
            },
        ),
        (
            "an operator's logins",
            AuditSearch {
                actor: Some(Who::User(UserId::new(1))),
                kind: Some(AuditKind::Login),
                ..all.clone()
            },
        ),
    ] {
        times.pages(name, |from| store.audit_owned(AuditSearch { from, ..asked.clone() })).await;
    }
    times
}

async fn dashboard(store: &SqliteStore) -> Times {
    let mut times = Times::default();
    let month = Timestamp::now() - SignedDuration::from_hours(24 * 31);
    times.add("counts of a month".to_owned(), || store.counts(month)).await;
    times.add("sizes".to_owned(), || store.sizes()).await;
    times
}

/// The questions with what they ask in them, so that a closure can ask again.
trait Owned: AdminStore {
    async fn find_users_owned(
        &self,
        asked: UserSearch,
    ) -> Result<Page<countersign::user::User>, StoreError> {
        self.find_users(&asked).await
    }

    async fn find_sessions_owned(
        &self,
        asked: SessionSearch,
    ) -> Result<Page<countersign::session::Session>, StoreError> {
        self.find_sessions(&asked).await
    }

    async fn audit_owned(
        &self,
        asked: AuditSearch,
    ) -> Result<Page<countersign::store::admin::AuditRow>, StoreError> {
        self.audit(&asked).await
    }
}

impl Owned for SqliteStore {}
impl Owned for PostgresStore {}

/// Fills the tables, and makes the indexes again behind that: so it takes a minute rather than ten.
pub(super) fn fill(file: &std::path::Path, with: &str) -> rusqlite::Result<()> {
    let database = rusqlite::Connection::open(file)?;
    let indexes: Vec<(String, String)> = database
        .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    database.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000; BEGIN")?;
    for (name, _) in &indexes {
        database.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    database.execute_batch(with)?;
    for (_, sql) in &indexes {
        database.execute_batch(sql)?;
    }
    database.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")
}

/// Names of some variety, whose order has nothing to do with that of ids.
pub(super) const PEOPLE: &str = "
    CREATE TEMP TABLE first (place INTEGER PRIMARY KEY, name TEXT);
    INSERT INTO first (name) VALUES ('Maria'), ('John'), ('Wei'), ('Fatima'), ('Olga'), ('Sam'),
    ('Zoe'), ('Adam'), ('Élodie'), ('Kofi');
    CREATE TEMP TABLE last (place INTEGER PRIMARY KEY, name TEXT);
    INSERT INTO last (name) VALUES ('Smith'), ('Jones'), ('Chen'), ('Khan'), ('Ivanova'),
    ('Okafor'), ('Garcia'), ('Larsen'), ('Tanaka'), ('');
    INSERT INTO groups (id, name) VALUES (1, 'everybody'), (2, 'editors');

    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
    INSERT INTO users (username, username_folded, email, first_name, last_name, password, is_active,
    is_staff, is_superuser, date_joined, last_login)
    SELECT f.name || '.' || l.name || i, lower(f.name || '.' || l.name || i),
        CASE WHEN i % 10 = 0 THEN '' ELSE lower(f.name) || i || '@example.com' END, f.name, l.name,
        'argon2$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA',
        i % 50 <> 0, i % 20000 = 0, i % 200000 = 0,
        strftime('%Y-%m-%d %H:%M:%f000', unixepoch() - (1000000 - i) * 100, 'unixepoch'),
        CASE WHEN i % 3 = 0 THEN NULL ELSE strftime('%Y-%m-%d %H:%M:%f000',
        unixepoch() - (i * 7919 % 1000000) * 60, 'unixepoch') END
    FROM n JOIN first f ON f.place = (i * 7919) % 10 + 1
    JOIN last l ON l.place = (i * 104729 / 10) % 10 + 1;
    INSERT INTO user_groups (user_id, group_id) SELECT id, 1 FROM users WHERE id % 2 = 0;
    INSERT INTO user_groups (user_id, group_id) SELECT id, 2 FROM users WHERE id % 1000 = 7;
";

/// Their sessions, of which a fifth are ended, and the log, of which half is of one address.
const TRACES: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
    INSERT INTO sessions (id, user_id, generation, current_jti, current_iat, current_since,
    race_credit, created_at, last_used_at, expires_at, transport,
        user_agent, ip, revoked_at, revoked_reason, steps)
    SELECT ((unixepoch() - (1000000 - i) * 5 / 2) << 32) | (abs(random()) >> 31),
        1 + i * 7919 % 1000000, 30, randomblob(16), unixepoch(), unixepoch(), 25,
        (unixepoch() - (1000000 - i) * 5 / 2) * 1000000, unixepoch() * 1000000,
        (unixepoch() + 2592000 - (1000000 - i) * 5 / 2) * 1000000,
        CASE WHEN i % 5 = 0 THEN 'body' ELSE 'cookie' END,
        'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) '
        || 'Chrome/130.0 Safari/537.36',
        '10.0.' || i % 200 || '.' || i % 250, CASE WHEN i % 5 = 1 THEN unixepoch() * 1000000 END,
        CASE WHEN i % 5 = 1 THEN CASE WHEN i % 100001 = 1 THEN 'token_theft' ELSE 'logout' END END,
        randomblob(40)
    FROM n;

    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000000)
    INSERT INTO audit_events (at, kind, user_id, session_id, actor_id, ip, detail)
    SELECT (unixepoch() - (5000000 - i)) * 1000000,
        CASE WHEN i % 500000 = 1 THEN 'token_theft' WHEN i % 1000 = 7 THEN 'user_changed'
        WHEN i % 3 = 0 THEN 'login_failed' ELSE 'login' END,
        1 + i * 7919 % 1000000, i, CASE WHEN i % 1000 = 7 THEN 1 END,
        CASE WHEN i % 2 = 0 THEN '10.0.0.1' ELSE '10.' || i % 250 || '.7.' || i % 199 END, ''
    FROM n;
    INSERT INTO activity SELECT unixepoch() / 3600 - i / 5, i % 5 + 1, i FROM (
        WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) SELECT i
        FROM n);
";

/// The users of [`PEOPLE`].
const FILL_POSTGRES: &str = "
    INSERT INTO groups (id, name) VALUES (1, 'everybody'), (2, 'editors');

    INSERT INTO users (username, username_folded, email, first_name, last_name, password, is_active,
        is_staff, is_superuser, date_joined, last_login)
    SELECT f || '.' || l || i, lower(f || '.' || l || i),
        CASE WHEN i % 10 = 0 THEN '' ELSE lower(f) || i || '@example.com' END, f, l,
            'argon2$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA',
        i % 50 <> 0, i % 20000 = 0, i % 200000 = 0,
        now() - (1000000 - i) * interval '100 seconds',
        CASE WHEN i % 3 <> 0 THEN now() - (i * 7919 % 1000000) * interval '1 minute' END
    FROM (
        SELECT i, (ARRAY['Maria', 'John', 'Wei', 'Fatima', 'Olga', 'Sam', 'Zoe', 'Adam', 'Élodie',
            'Kofi'])[(i * 7919) % 10 + 1] AS f,
            (ARRAY['Smith', 'Jones', 'Chen', 'Khan', 'Ivanova', 'Okafor', 'Garcia', 'Larsen',
                'Tanaka', ''])[(i * 104729 / 10) % 10 + 1] AS l
        FROM generate_series(1, 1000000::bigint) AS n (i)
    ) AS people;

    INSERT INTO user_groups (user_id, group_id) SELECT id, 1 FROM users WHERE id % 2 = 0;

    INSERT INTO user_groups (user_id, group_id) SELECT id, 2 FROM users WHERE id % 1000 = 7;

    VACUUM ANALYZE;
";

//! Lists with more rows than one gathers, counts or looks at for a page.

use super::*;
use crate::store::admin::{AuditKind, Count, SessionSearch, UserOrder, UserSearch};

/// Thirty thousand users for a store on SQL: every third is staff, from 10,001 to 22,000 each is a
/// superuser but for some of the staff. `series` has the numbers as `n (i)`, `date` is what stands
/// behind a date.
pub fn users(series: &str, date: &str) -> String {
    format!(
        "{series} INSERT INTO users (id, username, username_folded, email, first_name, password,
         is_staff, is_superuser, is_active, date_joined)
         SELECT i, 'user' || (100000 + i * 7919 % 30011), 'user' || (100000 + i * 7919 % 30011), '',
         'Ada', '!', i % 3 = 0,
             i > 10000 AND i <= 22000 AND (i % 3 <> 0 OR i % 600 = 0), true,
             '2026-01-01 00:00:00'{date} FROM n"
    )
}

/// Thirty thousand sessions; every fourth is ended. `jti` is a text of sixteen bytes.
pub fn sessions(series: &str, jti: &str) -> String {
    format!(
        "{series} INSERT INTO sessions (id, user_id, generation, current_jti, current_iat,
         current_since, race_credit, created_at, last_used_at, expires_at,
             transport, revoked_at, revoked_reason)
         SELECT i * 1000, '5', 0, {jti}, 0, 0, 25, i / 7, 0, 4000000000000000,
         CASE WHEN i > 15000 THEN 'body' ELSE 'cookie' END,
             CASE WHEN i % 4 = 0 THEN 1 END, CASE WHEN i % 4 = 0 THEN 'logout' END FROM n"
    )
}

pub async fn few_who_fit_among_many_who_do_not_are_found_page_by_page(store: Arc<dyn AdminStore>) {
    for order in [UserOrder::FirstName, UserOrder::Username, UserOrder::LastLogin] {
        for descending in [false, true] {
            let asked = UserSearch {
                staff: Some(true),
                superuser: Some(true),
                order,
                descending,
                limit: 7,
                ..UserSearch::default()
            };
            let (there, back) = walk(async |from| {
                store.find_users(&UserSearch { from, ..asked.clone() }).await.unwrap()
            })
            .await;
            let mut ids: Vec<_> = there.iter().map(|user| user.id.as_i64().unwrap()).collect();
            ids.sort_unstable();
            assert_eq!(
                ids,
                (1..=30_000)
                    .filter(|id| id % 600 == 0 && *id > 10_000 && *id <= 22_000)
                    .collect::<Vec<_>>()
            );
            assert_eq!(there, back);
            let first = store.find_users(&asked).await.unwrap();
            if order != UserOrder::Username && !descending {
                assert!(
                    first.rows.is_empty() && first.next.is_some(),
                    "the first ten thousand are none of them: {first:?}"
                );
            }
        }
    }
}

pub async fn the_first_page_of_a_search_that_many_fit_shows_some_of_them(
    store: Arc<dyn AdminStore>,
) {
    // The first twenty thousand user names hold neither text.
    for (text, descending) in [("user12", false), ("ser12", false), ("user10", true)] {
        let asked =
            UserSearch { text: text.to_owned(), descending, limit: 1_000, ..UserSearch::default() };
        let (all, _) = walk(async |from| {
            store.find_users(&UserSearch { from, ..asked.clone() }).await.unwrap()
        })
        .await;
        assert!(all.len() > 9_000 && all.iter().all(|user| user.username.contains(text)));
        let empty = store.find_users(&asked).await.unwrap();
        assert!(empty.rows.is_empty() && empty.next.is_some() && empty.previous.is_none());

        let leaps = UserSearch { leaps: true, ..asked };
        let first = store.find_users(&leaps).await.unwrap();
        assert_eq!(first.rows.len(), 1_000);
        let begins = all.iter().position(|user| user.id == first.rows[0].id).unwrap();
        assert_eq!(first.rows, all[begins..begins + 1_000]);
        if text.starts_with("user") {
            assert_eq!(begins, 0, "the keys that begin with it are sought");
        }
        let (mut before, mut from) = (Vec::new(), first.previous);
        assert!(from.is_some());
        while let Some(place) = from {
            let mut met =
                store.find_users(&UserSearch { from: Some(place), ..leaps.clone() }).await.unwrap();
            met.rows.append(&mut before);
            (before, from) = (met.rows, met.previous);
        }
        assert_eq!(before, all[..begins], "what was leapt over is on the pages before");
    }
}

pub async fn counts_are_exact_of_few_and_about_right_of_many(store: Arc<dyn AdminStore>) {
    let count = async |asked: UserSearch| {
        store.find_users(&UserSearch { limit: 3, ..asked }).await.unwrap().count
    };
    let about = |count: Count, right: u64| match count {
        Count::About(n) => n.abs_diff(right) < right / 10,
        _ => false,
    };
    let all = UserSearch::default;
    let everybody = count(all()).await;
    assert!(about(everybody, 30_000), "{everybody:?}");
    let staff = count(UserSearch { staff: Some(true), ..all() }).await;
    assert!(about(staff, 10_000), "{staff:?}");
    assert_eq!(
        count(UserSearch { staff: Some(true), active: Some(false), ..all() }).await,
        Count::Exactly(0)
    );
    assert_eq!(
        count(UserSearch { text: "user1000".to_owned(), ..all() }).await,
        Count::Exactly(99)
    );
    let rare = count(UserSearch { text: "ser1000".to_owned(), ..all() }).await;
    assert_eq!(rare, Count::Exactly(99));
    for text in ["u", "user", "ser 1"] {
        let many = count(UserSearch { text: text.to_owned(), ..all() }).await;
        assert!(matches!(many, Count::About(_)), "{text}: {many:?}");
    }

    let count = async |asked: SessionSearch| {
        store.find_sessions(&SessionSearch { limit: 3, now: noon(), ..asked }).await.unwrap().count
    };
    let all = SessionSearch::default;
    for (asked, right) in [
        (all(), 30_000),
        (SessionSearch { live: Some(true), ..all() }, 22_500),
        (SessionSearch { live: Some(false), ..all() }, 7_500),
        (SessionSearch { transport: Some(Transport::Body), ..all() }, 15_000),
    ] {
        let count = count(asked.clone()).await;
        assert!(about(count, right), "{asked:?}: {count:?}");
    }
    let sizes = store.sizes().await.unwrap();
    assert!(about(sizes.users, 30_000) && about(sizes.sessions, 30_000), "{sizes:?}");
}

pub async fn a_long_log_is_read_to_its_end_under_two_filters(store: Arc<dyn AdminStore>) {
    // Failures are many and this address is in many lines; both together are few, and old.
    let line = |number: i64| AuditLine {
        at: after(number),
        kind: if number % 2 == 0 { AuditKind::LoginFailed } else { AuditKind::Login },
        actor: None,
        user: Some(UserId::new(number)),
        session: None,
        ip: Some(if number % 2 == 1 || number < 10 {
            "192.0.2.1".parse().unwrap()
        } else {
            "192.0.2.2".parse().unwrap()
        }),
        detail: String::new(),
    };
    store.note(&(0..24_000).map(line).collect::<Vec<_>>()).await.unwrap();
    let asked = AuditSearch {
        kind: Some(AuditKind::LoginFailed),
        ip: Some("192.0.2.1".parse().unwrap()),
        limit: 3,
        ..AuditSearch::default()
    };
    let (there, back) =
        walk(async |from| store.audit(&AuditSearch { from, ..asked.clone() }).await.unwrap()).await;
    assert_eq!(lines(&there), [8, 6, 4, 2, 0].map(line).iter().collect::<Vec<_>>());
    assert_eq!(there, back);
    let all = store.audit(&AuditSearch { limit: 3, ..AuditSearch::default() }).await.unwrap();
    assert_eq!(all.count, Count::About(24_000));
    let failed = store
        .audit(&AuditSearch {
            kind: Some(AuditKind::LoginFailed),
            limit: 3,
            ..AuditSearch::default()
        })
        .await
        .unwrap();
    assert!(
        matches!(failed.count, Count::About(n) if n.abs_diff(12_000) < 600),
        "{:?}",
        failed.count
    );
    let recent = AuditSearch {
        since: Some(after(23_000)),
        kind: Some(AuditKind::Login),
        limit: 3,
        ..AuditSearch::default()
    };
    assert_eq!(store.audit(&recent).await.unwrap().count, Count::Exactly(500));
}

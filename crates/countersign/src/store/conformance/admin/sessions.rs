//! Sessions of users.

use super::*;
use crate::session::RevokedReason;
use crate::store::admin::{AuditKind, Count, Counted, STEPS_KEPT, SessionSearch, Step, StepKind};
use crate::store::conformance::sessions::{rotate, token};

pub async fn each_session_comes_once_there_and_back_and_every_filter_holds(
    store: Arc<dyn AdminStore>,
) {
    let (alice, bob) = (make_user(&*store, "alice").await, make_user(&*store, "bob").await);
    let text: UserId = "0194f3a2-5b6c-7d8e-9f01-23456789abcd".parse().unwrap();
    for number in 1..=24_u64 {
        let user = [alice.id, bob.id, text][(number % 3) as usize];
        let transport = if number % 4 == 0 { Transport::Body } else { Transport::Cookie };
        let created_at = after(i64::try_from(number / 5).unwrap());
        let expires_at = if number % 6 == 0 { after(100) } else { after(1_000) };
        store
            .create_session(NewSession {
                transport,
                created_at,
                expires_at,
                ..new_session(number, user)
            })
            .await
            .unwrap();
    }
    store.revoke_session(session_id(3), None, RevokedReason::Logout, after(50)).await.unwrap();
    store.revoke_session(session_id(4), None, RevokedReason::Admin, after(50)).await.unwrap();
    let all = SessionSearch { now: after(100), limit: 5, ..SessionSearch::default() };
    type Filter = (SessionSearch, fn(u64) -> bool);
    let filters: [Filter; 9] = [
        (all.clone(), |_| true),
        (SessionSearch { user: Some(bob.id), ..all.clone() }, |number| number % 3 == 1),
        (SessionSearch { user: Some(text), ..all.clone() }, |number| number % 3 == 2),
        (SessionSearch { live: Some(true), ..all.clone() }, |number| {
            number % 6 != 0 && number != 3 && number != 4
        }),
        (SessionSearch { live: Some(false), ..all.clone() }, |number| {
            number % 6 == 0 || number == 3 || number == 4
        }),
        (SessionSearch { transport: Some(Transport::Body), ..all.clone() }, |number| {
            number % 4 == 0
        }),
        (SessionSearch { reason: Some(RevokedReason::Logout), ..all.clone() }, |number| {
            number == 3
        }),
        (
            SessionSearch { live: Some(false), transport: Some(Transport::Cookie), ..all.clone() },
            |number| [3, 6, 18].contains(&number),
        ),
        (SessionSearch { live: Some(true), user: Some(alice.id), ..all.clone() }, |number| {
            number % 3 == 0 && number % 6 != 0 && number != 3
        }),
    ];
    for (asked, passes) in filters {
        let (there, back) = walk(async |from| {
            store.find_sessions(&SessionSearch { from, ..asked.clone() }).await.unwrap()
        })
        .await;
        let mut expected: Vec<u64> = (1..=24).filter(|number| passes(*number)).collect();
        expected.sort_by_key(|number| std::cmp::Reverse((number / 5, *number)));
        assert_eq!(
            there.iter().map(|session| session.id.get()).collect::<Vec<_>>(),
            expected,
            "{asked:?}"
        );
        assert_eq!(there, back);
        assert_eq!(
            store.find_sessions(&asked).await.unwrap().count,
            Count::Exactly(expected.len() as u64),
            "{asked:?}"
        );
    }
    for key in ["", "x", "99999999999999999999", "-1"] {
        let from = Some(PageCursor { key: key.to_owned(), id: 7, backwards: true });
        store.find_sessions(&SessionSearch { from, ..all.clone() }).await.unwrap();
    }
}

pub async fn sessions_that_ended_or_were_left_idle_are_not_counted_as_live(
    store: Arc<dyn AdminStore>,
) {
    let alice = make_user(&*store, "alice").await;
    for number in 1..=8_u64 {
        let created_at = after(i64::try_from(number).unwrap());
        let expires_at = if number == 8 { after(100) } else { after(1_000) };
        store
            .create_session(NewSession { created_at, expires_at, ..new_session(number, alice.id) })
            .await
            .unwrap();
    }
    store.revoke_session(session_id(7), None, RevokedReason::Logout, after(50)).await.unwrap();
    assert_eq!(store.count_live_sessions(after(0), after(99)).await.unwrap(), 7);
    assert_eq!(store.count_live_sessions(after(0), after(100)).await.unwrap(), 6);
    assert_eq!(store.count_live_sessions(after(4), after(100)).await.unwrap(), 2);
    assert_eq!(store.count_live_sessions(after(8), after(100)).await.unwrap(), 0);
}

pub async fn the_last_refreshes_of_a_session_tell_why_it_ended(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    let steps = async || store.session_steps(session_id(1)).await.unwrap();
    assert_eq!(steps().await, []);
    assert_eq!(store.session_steps(session_id(99)).await.unwrap(), []);
    rotate(&*store, 1, token(1, 0, None, noon()), after(1)).await;
    assert_eq!(steps().await, [], "a refresh that changes nothing writes nothing");
    for number in 2..=12_u8 {
        rotate(
            &*store,
            1,
            token(number, u64::from(number) - 1, Some(number - 1), after(i64::from(number))),
            after(i64::from(number) * 100),
        )
        .await;
    }
    assert_eq!(steps().await.len(), STEPS_KEPT);
    assert_eq!(steps().await[0], Step { at: after(1_200), kind: StepKind::Rotated });
    rotate(&*store, 1, token(11, 10, Some(10), after(11)), after(1_201)).await;
    rotate(&*store, 1, token(60, 70, Some(59), after(1_300)), after(1_400)).await;
    rotate(&*store, 1, token(1, 0, None, noon()), after(9_000)).await;
    let expected = [
        (9_000, StepKind::Theft),
        (1_400, StepKind::Healed),
        (1_201, StepKind::Race),
        (1_200, StepKind::Rotated),
    ];
    assert_eq!(steps().await[..4], expected.map(|(at, kind)| Step { at: after(at), kind }));
    let rows = log(&*store).await;
    assert_eq!(
        lines(&rows).iter().map(|line| line.kind).collect::<Vec<_>>(),
        [AuditKind::TokenTheft, AuditKind::RotationHealed]
    );
    assert!(
        rows.iter()
            .all(|row| row.line.session == Some(session_id(1)) && row.line.user == Some(alice.id))
    );
    let ip = Some("198.51.100.7".parse().unwrap());
    assert!(rows.iter().all(|row| row.line.ip == ip), "each line says from where: {rows:?}");
}

pub async fn races_are_told_of_from_the_second_in_a_row_and_say_from_where(
    store: Arc<dyn AdminStore>,
) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    let refresh = async |number: u8, at: i64| {
        rotate(
            &*store,
            1,
            token(number, u64::from(number) - 1, Some(number - 1), after(at - 1)),
            after(at),
        )
        .await;
    };
    let race = async |number: u8, at: i64| {
        rotate(
            &*store,
            1,
            token(number, u64::from(number) - 1, Some(number - 1), after(0)),
            after(at),
        )
        .await;
    };
    refresh(2, 300).await;
    race(1, 301).await;
    assert_eq!(log(&*store).await, [], "one is nothing");
    refresh(3, 600).await;
    race(2, 601).await;
    race(2, 602).await;
    let rows = log(&*store).await;
    assert_eq!(
        lines(&rows).iter().map(|line| line.kind).collect::<Vec<_>>(),
        [AuditKind::RaceRepeated],
        "told once a generation"
    );
    let line = &rows[0].line;
    assert_eq!(
        (line.session, line.user, line.ip),
        (Some(session_id(1)), Some(alice.id), Some("198.51.100.7".parse().unwrap()))
    );
    assert_eq!(line.detail, "price 5, credit left 16 of 25");
    // Five calm refreshes earn each of them back.
    for number in 4..=13 {
        refresh(number, i64::from(number) * 300).await;
    }
    race(12, 13 * 300 + 1).await;
    assert_eq!(log(&*store).await.len(), 1);
}

pub async fn counts_of_hours_are_forgotten_after_a_year(store: Arc<dyn AdminStore>) {
    let day = 24 * 60 * 60;
    for days in [0, 30, 364, 366, 800] {
        store
            .count(after(-days * day), &[(Counted::Login, 1), (Counted::Refresh, 2)])
            .await
            .unwrap();
    }
    let counts = async || store.counts(after(-2_000 * day)).await.unwrap().len();
    assert_eq!(counts().await, 10);
    let prune = async |limit| store.prune(after(-day), after(-30 * day), limit).await.unwrap();
    assert_eq!(prune(3).await, 3, "no more than the limit");
    assert_eq!(prune(100).await, 1);
    assert_eq!(counts().await, 6);
}

pub async fn an_operator_ends_sessions_and_each_is_told_of_once(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    for id in 1..=3 {
        store.create_session(new_session(id, alice.id)).await.unwrap();
    }
    store.revoke_session(session_id(3), None, RevokedReason::Logout, after(1)).await.unwrap();
    let ids = [3, 2, 99, 1, 2].map(session_id);
    assert_eq!(store.end_sessions(&ids, &root()).await.unwrap(), 2);
    assert_eq!(store.end_sessions(&ids, &root()).await.unwrap(), 0);
    for (id, reason) in
        [(1, RevokedReason::Admin), (2, RevokedReason::Admin), (3, RevokedReason::Logout)]
    {
        assert_eq!(
            store.session(session_id(id)).await.unwrap().unwrap().revoked.unwrap().1,
            reason
        );
    }
    let rows = log(&*store).await;
    let mut done: Vec<_> = lines(&rows)
        .iter()
        .map(|line| (line.kind, line.session.unwrap().get(), line.user))
        .collect();
    done.sort_by_key(|(_, id, _)| *id);
    assert_eq!(
        done,
        [
            (AuditKind::SessionsEnded, 1, Some(alice.id)),
            (AuditKind::SessionsEnded, 2, Some(alice.id))
        ]
    );
}

//! The audit log, counts by the hour, and sizes.

use super::*;
use crate::store::admin::{AuditKind, AuditPlace, Count, Counted};

fn line(number: i64) -> AuditLine {
    let even = number % 2 == 0;
    AuditLine {
        at: after(number / 3),
        kind: if number % 5 == 0 { AuditKind::LoginFailed } else { AuditKind::Login },
        actor: match number % 6 {
            0 => Some(Who::shell("ada")),
            2 | 4 => Some(Who::User(UserId::new(1))),
            _ => None,
        },
        user: Some(if number % 4 == 0 {
            "a-text".parse().unwrap()
        } else {
            UserId::new(number % 3)
        }),
        session: (number == 7).then(|| session_id(u64::MAX)),
        ip: Some(if even { "192.0.2.1".parse().unwrap() } else { "2001:db8::1".parse().unwrap() }),
        detail: format!("line {number}"),
    }
}

pub async fn each_line_comes_back_as_it_was_written_there_and_back_under_every_filter(
    store: Arc<dyn AdminStore>,
) {
    let written: Vec<_> = (0..30).map(line).collect();
    store.note(&written).await.unwrap();
    let all = AuditSearch { limit: 4, ..AuditSearch::default() };
    type Filter = (AuditSearch, fn(&AuditLine) -> bool);
    let filters: [Filter; 13] = [
        (all.clone(), |_| true),
        (AuditSearch { kind: Some(AuditKind::LoginFailed), ..all.clone() }, |line| {
            line.kind == AuditKind::LoginFailed
        }),
        (AuditSearch { kind: Some(AuditKind::KeyRetired), ..all.clone() }, |_| false),
        (AuditSearch { actor: Some(Who::User(UserId::new(1))), ..all.clone() }, |line| {
            line.actor == Some(Who::User(UserId::new(1)))
        }),
        (AuditSearch { actor: Some(Who::shell("ada")), ..all.clone() }, |line| {
            line.actor == Some(Who::shell("ada"))
        }),
        (AuditSearch { actor: Some(Who::shell("eve")), ..all.clone() }, |_| false),
        (AuditSearch { user: Some(UserId::new(2)), ..all.clone() }, |line| {
            line.user == Some(UserId::new(2))
        }),
        (AuditSearch { user: Some("a-text".parse().unwrap()), ..all.clone() }, |line| {
            line.user.is_some_and(|user| user.as_text().is_some())
        }),
        (AuditSearch { session: Some(session_id(u64::MAX)), ..all.clone() }, |line| {
            line.session.is_some()
        }),
        (AuditSearch { ip: Some("2001:db8::1".parse().unwrap()), ..all.clone() }, |line| {
            line.ip.unwrap().is_ipv6()
        }),
        (AuditSearch { since: Some(after(3)), until: Some(after(7)), ..all.clone() }, |line| {
            line.at >= after(3) && line.at < after(7)
        }),
        (
            AuditSearch {
                since: Some(after(3)),
                ip: Some("192.0.2.1".parse().unwrap()),
                kind: Some(AuditKind::Login),
                ..all.clone()
            },
            |line| {
                line.at >= after(3) && line.ip.unwrap().is_ipv4() && line.kind == AuditKind::Login
            },
        ),
        (AuditSearch { until: Some(noon()), ..all.clone() }, |_| false),
    ];
    for (asked, passes) in filters {
        let (there, back) =
            walk(async |from| store.audit(&AuditSearch { from, ..asked.clone() }).await.unwrap())
                .await;
        let expected: Vec<_> = written.iter().rev().filter(|line| passes(line)).collect();
        assert_eq!(lines(&there), expected, "{asked:?}");
        assert_eq!(there, back);
        assert!(there.iter().all(|row| row.word == row.line.kind.as_str()));
        assert_eq!(
            store.audit(&asked).await.unwrap().count,
            Count::Exactly(expected.len() as u64),
            "{asked:?}"
        );
    }
    for key in ["", "x", "99999999999999999999", "-9223372036854775808"] {
        let from = Some(PageCursor { key: key.to_owned(), id: i64::MIN, backwards: true });
        store.audit(&AuditSearch { from, ..all.clone() }).await.unwrap();
    }
}

pub async fn whoever_carries_the_log_elsewhere_meets_each_line_once_and_goes_on_from_a_place(
    store: Arc<dyn AdminStore>,
) {
    assert_eq!(store.audit_after(None, 7).await.unwrap(), Some(Vec::new()));
    // Whenever it is said to have happened.
    let written: Vec<_> = (0..30).map(|number| line((number * 7) % 30)).collect();
    for lines in written.chunks(4) {
        store.note(lines).await.unwrap();
    }
    let (met, place) = carried(&*store, None, 30).await;
    assert_eq!(met, written);
    assert_eq!(store.audit_after(place, 7).await.unwrap(), Some(Vec::new()));
    store.note(&[line(3)]).await.unwrap();
    assert_eq!(carried(&*store, place, 1).await.0, [line(3)]);
    let place = place.unwrap();
    for other in [
        AuditPlace { batch: place.batch + 1_000_000, ..place },
        AuditPlace { at: after_a(place), ..place },
        AuditPlace { id: place.id + 1_000, at: after_a(place), ..place },
        // As if they had been forgotten, but for a number that no line has had.
        AuditPlace { id: i64::MAX, at: Timestamp::UNIX_EPOCH, ..place },
        AuditPlace { id: -5, at: Timestamp::UNIX_EPOCH, ..place },
        AuditPlace { batch: -1, id: 1, at: Timestamp::UNIX_EPOCH },
        AuditPlace { batch: i64::MAX, id: i64::MAX, at: Timestamp::UNIX_EPOCH },
    ] {
        assert_eq!(store.audit_after(Some(other), 7).await.unwrap(), None, "{other:?}");
    }
    // A place whose line was forgotten is one all the same: what is left is younger.
    store.forget_audit(after(4_000), 1_000).await.unwrap();
    assert_eq!(store.audit_after(Some(place), 7).await.unwrap(), Some(Vec::new()));
    store.note(&[line(40)]).await.unwrap();
    assert_eq!(carried(&*store, Some(place), 1).await.0, [line(40)]);
}

pub async fn the_last_lines_are_found_from_the_end_and_behind_each_comes_what_is_read_after_it(
    store: Arc<dyn AdminStore>,
) {
    assert_eq!(store.audit_before(None, 7).await.unwrap(), Vec::new());
    // Whenever it is said to have happened.
    let written: Vec<_> = (0..30).map(|number| line((number * 7) % 30)).collect();
    for lines in written.chunks(4) {
        store.note(lines).await.unwrap();
    }
    // When all can be read forwards, they can be read backwards.
    carried(&*store, None, 30).await;
    let (mut met, mut place) = (Vec::new(), None);
    loop {
        let lines = store.audit_before(place, 7).await.unwrap();
        assert!(lines.len() <= 7);
        for found in &lines {
            let behind = carried(&*store, Some(found.place), met.len()).await.0;
            assert_eq!(behind, met.iter().rev().cloned().collect::<Vec<_>>());
            met.push(found.row.line.clone());
        }
        match lines.last() {
            Some(last) => place = Some(last.place),
            None => break,
        }
    }
    met.reverse();
    assert_eq!(met, written);
}

/// So many lines behind a place, by parts, and the last place. A store whose databases share
/// something may keep them back for a moment.
async fn carried(
    store: &dyn AdminStore,
    mut place: Option<AuditPlace>,
    many: usize,
) -> (Vec<AuditLine>, Option<AuditPlace>) {
    let mut met = Vec::new();
    for _ in 0..1_000 {
        let lines = store.audit_after(place, 7).await.unwrap().unwrap();
        assert!(lines.len() <= 7);
        place = lines.last().map(|line| line.place).or(place);
        met.extend(lines.into_iter().map(|line| line.row.line));
        if met.len() >= many {
            return (met, place);
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{} of {many} lines", met.len());
}

fn after_a(place: AuditPlace) -> Timestamp {
    place.at + std::time::Duration::from_secs(1)
}

pub async fn a_detail_is_cut_and_nothing_in_it_does_harm(store: Arc<dyn AdminStore>) {
    let long = "é".repeat(5_000);
    let details = ["'); DROP TABLE audit_events; --", "<script>", "=1+1", "a\0b", &long];
    let written: Vec<_> = details
        .iter()
        .map(|detail| AuditLine { detail: (*detail).to_owned(), ..line(1) })
        .collect();
    store.note(&written).await.unwrap();
    store.note(&[]).await.unwrap();
    let found: Vec<_> = audit_lines(&*store).await.into_iter().map(|(_, detail)| detail).collect();
    assert_eq!(
        found,
        ["é".repeat(1_000).as_str(), "ab", "=1+1", "<script>", "'); DROP TABLE audit_events; --"]
    );
}

pub async fn lines_are_forgotten_by_age_the_oldest_first(store: Arc<dyn AdminStore>) {
    store.note(&(0..30).map(line).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(store.forget_audit(noon(), 100).await.unwrap(), 0);
    assert_eq!(store.forget_audit(after(5), 10).await.unwrap(), 10);
    assert_eq!(store.forget_audit(after(5), 10).await.unwrap(), 5);
    assert!(log(&*store).await.iter().all(|row| row.line.at >= after(5)));
    assert_eq!(log(&*store).await.len(), 15);
}

pub async fn counts_of_an_hour_add_up_and_the_highest_of_live_sessions_stays(
    store: Arc<dyn AdminStore>,
) {
    store.count(after(61), &[(Counted::Refresh, 5), (Counted::ActiveSessions, 9)]).await.unwrap();
    store
        .count(
            after(3_599),
            &[(Counted::Refresh, 2), (Counted::ActiveSessions, 4), (Counted::Theft, 1)],
        )
        .await
        .unwrap();
    store.count(after(3_600), &[(Counted::Refresh, 1)]).await.unwrap();
    store.count(noon(), &[]).await.unwrap();
    let expected = [
        (noon(), Counted::Refresh, 7),
        (noon(), Counted::Theft, 1),
        (noon(), Counted::ActiveSessions, 9),
        (after(3_600), Counted::Refresh, 1),
    ];
    assert_eq!(store.counts(noon()).await.unwrap(), expected);
    assert_eq!(
        store.counts(after(1_800)).await.unwrap(),
        expected,
        "the hour that has begun is whole"
    );
    assert_eq!(store.counts(after(3_600)).await.unwrap(), expected[3..]);
    assert_eq!(store.counts(Timestamp::MAX).await.unwrap(), []);
    assert_eq!(store.counts(Timestamp::MIN).await.unwrap().len(), 4);
}

pub async fn sizes_are_exact_while_they_are_small(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    make_user(&*store, "bob").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    store.note(&(0..3).map(line).collect::<Vec<_>>()).await.unwrap();
    let sizes = store.sizes().await.unwrap();
    assert_eq!(
        (sizes.users, sizes.sessions, sizes.audit),
        (Count::Exactly(2), Count::Exactly(1), Count::Exactly(3))
    );
    assert!(sizes.bytes > 10_000, "{sizes:?}");
}

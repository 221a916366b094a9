//! What is promised of sessions.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::fixtures::{after, make_user, new_session, noon, session_id};
use crate::session::device::Shown;
use crate::session::rotation::{Generation, Jti, Presented, RotationEvent};
use crate::session::{DeviceName, RevokedReason, Transport};
use crate::store::admin::AdminStore;
use crate::store::{Rotate, Rotation, Store};
use crate::user::UserId;

pub fn token(jti: u8, generation: u64, parent: Option<u8>, issued_at: Timestamp) -> Presented {
    Presented {
        generation: Generation(generation),
        jti: Jti([jti; 16]),
        parent: parent.map(|parent| Jti([parent; 16])),
        issued_at: issued_at.as_second().try_into().unwrap(),
    }
}

pub async fn rotate(store: &dyn Store, id: u64, token: Presented, now: Timestamp) -> Rotation {
    let ip = Some("198.51.100.7".parse().unwrap());
    let rotate = Rotate {
        session: session_id(id),
        token,
        transport: Transport::Cookie,
        shown: Shown::NOTHING,
        now,
        window: Duration::from_secs(30),
        ip,
        theft_notice: None,
    };
    store.rotate_session(rotate).await.unwrap()
}

pub async fn a_session_comes_back_as_it_was_made_and_marks_the_login(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    let session = store.session(session_id(1)).await.unwrap().unwrap();
    let expected = new_session(1, alice.id);
    assert_eq!(
        (session.id, session.user_id, session.transport),
        (expected.id, alice.id, Transport::Cookie)
    );
    assert_eq!(
        (session.created_at, session.last_used_at, session.expires_at),
        (noon(), noon(), expected.expires_at)
    );
    assert_eq!(
        (session.user_agent.as_str(), session.ip, session.revoked),
        ("a browser", expected.ip, None)
    );
    assert_eq!(store.user_by_id(alice.id).await.unwrap().unwrap().last_login, Some(noon()));
    assert_eq!(store.session(session_id(9)).await.unwrap(), None);
}

pub async fn the_owner_of_a_live_session_names_its_device_and_nobody_else(
    store: Arc<dyn AdminStore>,
) {
    let (alice, bob) = (make_user(&*store, "alice").await, make_user(&*store, "bob").await);
    let called = |name: &str| Some(DeviceName::parse(name).unwrap());
    let mut new = new_session(1, alice.id);
    new.device_name = called("Ada's phone");
    store.create_session(new).await.unwrap();
    store.create_session(new_session(2, alice.id)).await.unwrap();
    let name_of = async |id| store.session(session_id(id)).await.unwrap().unwrap().device_name;
    assert_eq!((name_of(1).await, name_of(2).await), (called("Ada's phone"), None));

    let name = async |id, owner, name, now| {
        store.name_session(session_id(id), owner, name, now).await.unwrap()
    };
    let named = name(2, alice.id, called("the laptop"), after(1)).await.unwrap();
    assert_eq!(Some(&named), store.session(session_id(2)).await.unwrap().as_ref());
    assert_eq!((named.device_name, named.last_used_at), (called("the laptop"), noon()));
    let page = store.user_sessions_page(alice.id, None, 10, after(2)).await.unwrap();
    let names: Vec<_> = page.sessions.into_iter().map(|session| session.device_name).collect();
    assert_eq!(names, [called("the laptop"), called("Ada's phone")]);
    assert_eq!(name(1, alice.id, None, after(3)).await.unwrap().device_name, None);

    assert_eq!(name(2, bob.id, None, after(3)).await, None, "it is not theirs");
    assert_eq!(name(9, alice.id, None, after(3)).await, None, "there is none");
    let end = new_session(2, alice.id).expires_at;
    assert_eq!(name(2, alice.id, None, end).await, None, "it has expired");
    store.revoke_session(session_id(2), None, RevokedReason::Logout, after(4)).await.unwrap();
    assert_eq!(name(2, alice.id, None, after(5)).await, None, "it has ended");
    assert_eq!(name_of(2).await, called("the laptop"));
}

pub async fn an_id_is_given_once(store: Arc<dyn AdminStore>) {
    let (alice, bob) = (make_user(&*store, "alice").await, make_user(&*store, "bob").await);
    assert!(store.create_session(new_session(1, alice.id)).await.unwrap());
    assert!(!store.create_session(new_session(1, bob.id)).await.unwrap());
    assert_eq!(store.session(session_id(1)).await.unwrap().unwrap().user_id, alice.id);
    assert_eq!(
        store.user_by_id(bob.id).await.unwrap().unwrap().last_login,
        None,
        "nothing is noted of what was not done"
    );
}

pub async fn the_largest_id_is_as_good_as_any(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    let mut new = new_session(1, alice.id);
    new.id = session_id(u64::MAX);
    store.create_session(new).await.unwrap();
    assert_eq!(
        store.session(session_id(u64::MAX)).await.unwrap().unwrap().id,
        session_id(u64::MAX)
    );
}

pub async fn a_refresh_applies_the_decision_and_keeps_its_state(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    let Rotation::Granted { user_id, created_at, child, event, .. } =
        rotate(&*store, 1, token(1, 0, None, noon()), after(300)).await
    else {
        panic!("the first refresh")
    };
    assert_eq!((user_id, created_at, event), (alice.id, noon(), None));
    assert_eq!((child.parent, child.generation), (Jti([1; 16]), Generation(1)));
    let second = token(2, 1, Some(1), after(300));
    let fresh = rotate(&*store, 1, second, after(600)).await;
    let Rotation::Granted { child, .. } = fresh else { panic!("{fresh:?}") };
    assert_eq!(child.generation, Generation(2));
    assert_eq!(store.session(session_id(1)).await.unwrap().unwrap().last_used_at, after(600));
    let stale = rotate(&*store, 1, token(1, 0, None, noon()), after(610)).await;
    let race = RotationEvent::Race { price: 5, is_repeated: false, credit: 20 };
    let Rotation::Granted { event, child, .. } = stale else { panic!("{stale:?}") };
    assert_eq!((event, child.parent), (Some(race), Jti([2; 16])));
    rotate(&*store, 1, token(3, 2, Some(2), after(610)), after(900)).await;
    assert_eq!(
        rotate(&*store, 1, token(1, 0, None, noon()), after(1_200)).await,
        Rotation::Reused { user_id: alice.id }
    );
    assert_eq!(
        rotate(&*store, 1, second, after(1_201)).await,
        Rotation::Revoked(RevokedReason::TokenTheft)
    );
}

pub async fn the_marks_are_kept_a_bucket_and_the_one_before_it(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    // Four page loads within half a minute, in two buckets; the last one begins the second.
    for (number, at) in [(2, 600), (3, 605), (4, 610), (5, 620)] {
        rotate(
            &*store,
            1,
            token(number, u64::from(number) - 1, Some(number - 1), after(at - 1)),
            after(at),
        )
        .await;
    }
    let died = rotate(&*store, 1, token(1, 0, None, noon()), after(9_000)).await;
    let event = RotationEvent::Race { price: 12, is_repeated: false, credit: 13 };
    assert!(
        matches!(died, Rotation::Granted { event: Some(told), .. } if told == event),
        "{died:?}"
    );
    // Two refreshes later all of that is long ago.
    for (number, at) in [(6, 9_300), (7, 9_600)] {
        rotate(
            &*store,
            1,
            token(number, u64::from(number) - 1, Some(number - 1), after(at - 300)),
            after(at),
        )
        .await;
    }
    assert_eq!(
        rotate(&*store, 1, token(5, 4, Some(4), after(619)), after(9_700)).await,
        Rotation::Reused { user_id: alice.id }
    );
}

pub async fn who_refreshes_all_the_time_does_not_hide_behind_the_generations(
    store: Arc<dyn AdminStore>,
) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    for number in 2..=16_u8 {
        let at = i64::from(number) * 20;
        let busy = rotate(
            &*store,
            1,
            token(number, u64::from(number) - 1, Some(number - 1), after(at - 20)),
            after(at),
        )
        .await;
        assert!(matches!(busy, Rotation::Granted { .. }), "{busy:?}");
    }
    let other = token(99, 1, Some(1), noon());
    assert_eq!(rotate(&*store, 1, other, after(321)).await, Rotation::Reused { user_id: alice.id });
}

pub async fn a_token_from_the_rows_future_heals_it(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    let ahead = token(9, 7, Some(8), after(5_000));
    assert!(matches!(
        rotate(&*store, 1, ahead, after(6_000)).await,
        Rotation::Granted { event: Some(RotationEvent::Rollback), .. }
    ));
    assert!(matches!(
        rotate(&*store, 1, ahead, after(6_300)).await,
        Rotation::Granted { event: None, .. }
    ));
}

pub async fn each_refusal_has_its_own_reason(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    let first = |id: u8| token(id, 0, None, noon());
    store.create_session(new_session(1, alice.id)).await.unwrap();
    assert_eq!(rotate(&*store, 9, first(9), after(1)).await, Rotation::Unknown);
    assert_eq!(rotate(&*store, 1, first(1), after(30 * 24 * 60 * 60)).await, Rotation::Expired);
    let other_path = Rotate {
        session: session_id(1),
        token: first(1),
        transport: Transport::Body,
        shown: Shown::NOTHING,
        now: after(1),
        window: Duration::from_secs(30),
        ip: None,
        theft_notice: None,
    };
    assert_eq!(store.rotate_session(other_path).await.unwrap(), Rotation::WrongTransport);
    for (id, reason) in [(2, RevokedReason::Logout), (3, RevokedReason::Admin)] {
        store.create_session(new_session(id, alice.id)).await.unwrap();
        assert!(store.revoke_session(session_id(id), None, reason, after(1)).await.unwrap());
        assert_eq!(
            rotate(&*store, id, first(u8::try_from(id).unwrap()), after(2)).await,
            Rotation::Revoked(reason)
        );
    }
}

pub async fn fifty_refreshes_at_once_are_one_after_another(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    let tasks: Vec<_> = (0..50)
        .map(|number: u8| {
            let store = store.clone();
            // Half of them with the first token, half with children of it that all want to be
            // the next.
            let token = if number.is_multiple_of(2) {
                token(1, 0, None, noon())
            } else {
                token(100 + number, 1, Some(1), after(300))
            };
            tokio::spawn(async move { rotate(&*store, 1, token, after(301)).await })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.unwrap(), Rotation::Granted { .. }));
    }
}

pub async fn only_the_owner_ends_a_session_where_an_owner_is_named_and_only_once(
    store: Arc<dyn AdminStore>,
) {
    let (alice, bob) = (make_user(&*store, "alice").await, make_user(&*store, "bob").await);
    store.create_session(new_session(1, alice.id)).await.unwrap();
    let revoke = async |owner| {
        store.revoke_session(session_id(1), owner, RevokedReason::Logout, after(1)).await.unwrap()
    };
    assert!(!revoke(Some(bob.id)).await);
    assert!(revoke(Some(alice.id)).await);
    assert!(!revoke(Some(alice.id)).await);
    assert_eq!(
        store.session(session_id(1)).await.unwrap().unwrap().revoked,
        Some((after(1), RevokedReason::Logout))
    );
}

pub async fn a_users_sessions_end_together_but_for_the_one_that_is_kept(
    store: Arc<dyn AdminStore>,
) {
    let (alice, bob) = (make_user(&*store, "alice").await, make_user(&*store, "bob").await);
    for id in 1..=3 {
        store.create_session(new_session(id, alice.id)).await.unwrap();
    }
    store.create_session(new_session(4, bob.id)).await.unwrap();
    let revoke = async |keep| {
        store
            .revoke_user_sessions(alice.id, keep, RevokedReason::LogoutAll, after(1))
            .await
            .unwrap()
    };
    assert_eq!(revoke(Some(session_id(2))).await, 2);
    assert_eq!(store.user_sessions(alice.id, after(2)).await.unwrap().len(), 1);
    assert_eq!(revoke(None).await, 1);
    assert_eq!(revoke(None).await, 0);
    assert_eq!(store.user_sessions(bob.id, after(2)).await.unwrap().len(), 1);
    assert_eq!(store.live_sessions(10, after(2)).await.unwrap().len(), 1);
    assert_eq!(
        store
            .revoke_user_sessions(UserId::new(99), None, RevokedReason::Admin, after(2))
            .await
            .unwrap(),
        0
    );
}

pub async fn the_sessions_of_a_restored_backup_end_and_later_ones_live(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    let mut later = new_session(2, alice.id);
    later.created_at = after(100);
    store.create_session(later).await.unwrap();
    assert_eq!(store.revoke_sessions_begun_by(after(50), after(200)).await.unwrap(), 1);
    let live = store.live_sessions(10, after(201)).await.unwrap();
    assert_eq!(live.iter().map(|session| session.id).collect::<Vec<_>>(), [session_id(2)]);
}

pub async fn what_ended_long_ago_is_forgotten_and_what_lives_is_not(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    for id in 1..=3 {
        store.create_session(new_session(id, alice.id)).await.unwrap();
    }
    let mut short = new_session(4, alice.id);
    short.expires_at = after(60);
    store.create_session(short).await.unwrap();
    store.revoke_session(session_id(1), None, RevokedReason::Logout, after(10)).await.unwrap();
    store.revoke_session(session_id(2), None, RevokedReason::Logout, after(5_000)).await.unwrap();
    store.prune(after(1_000), after(1_000), 100).await.unwrap();
    let mut left = Vec::new();
    for id in 1..=4 {
        left.push(store.session(session_id(id)).await.unwrap().is_some());
    }
    assert_eq!(left, [false, true, true, false]);
}

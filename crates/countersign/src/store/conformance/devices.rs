//! What is promised of the devices that sessions are bound to.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::fixtures::{after, make_user, new_session, noon, session_id};
use super::sessions::token;
use crate::session::device::{
    Device, DeviceBinding, DeviceKind, DeviceRecord, DeviceStanding, KeyPrint, Shown, Ticket,
    Unproved,
};
use crate::session::rotation::Presented;
use crate::session::{RevokedReason, Transport};
use crate::store::admin::AdminStore;
use crate::store::{Begin, Begun, DeviceOffer, DeviceProof, Rotate, Rotation, Store};

/// Every pair of a key and a time, as the pure rules say it.
pub async fn a_key_is_kept_where_the_rules_say_so(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    let cases = [("one", 99), ("one", 100), ("one", 101), ("two", 249), ("two", 250), ("two", 9)];
    let mut id = 0;
    for confirmed in [false, true] {
        for (key, challenge) in cases {
            id += 1;
            store.create_session(new_session(id, alice.id)).await.unwrap();
            assert!(offer(&*store, id, "one", 100, confirmed).await);
            let before = device(&*store, id).await.unwrap();
            assert_eq!(before.confirmed_at.is_some(), confirmed);
            let takes = takes_key(&before, key, challenge);
            assert_eq!(offer(&*store, id, key, challenge, false).await, takes, "{key} {challenge}");
            let kept = if takes { (key, after(challenge)) } else { ("one", after(100)) };
            let now = device(&*store, id).await.unwrap();
            assert_eq!((now.key.as_str(), now.proof_at), kept);
            assert_eq!(now.confirmed_at, before.confirmed_at);
        }
    }
}

pub async fn a_session_tells_of_its_device_and_one_that_ended_takes_none(
    store: Arc<dyn AdminStore>,
) {
    let alice = make_user(&*store, "alice").await;
    for id in 1..=3 {
        store.create_session(new_session(id, alice.id)).await.unwrap();
    }
    assert_eq!(device(&*store, 1).await, None);
    let native = DeviceOffer {
        kind: DeviceKind::Dpop,
        is_confirmed: true,
        ..an_offer(1, "a native key", 10)
    };
    assert!(store.offer_device(native).await.unwrap());
    let expected = DeviceRecord {
        kind: DeviceKind::Dpop,
        key: "a native key".to_owned(),
        confirmed_at: Some(after(10)),
        proof_at: after(10),
    };
    assert_eq!(device(&*store, 1).await, Some(expected.clone()));
    let listed = store.user_sessions(alice.id, after(20)).await.unwrap();
    let devices: Vec<_> = listed.into_iter().map(|session| session.device).collect();
    assert_eq!(devices, [None, None, Some(expected)]);

    store.revoke_session(session_id(2), None, RevokedReason::Logout, after(5)).await.unwrap();
    assert!(!offer(&*store, 2, "late", 10, false).await, "it has ended");
    assert!(!offer(&*store, 9, "late", 10, false).await, "there is none");
    let end = DeviceOffer { now: end(), ..an_offer(3, "late", 10) };
    assert!(!store.offer_device(end).await.unwrap(), "it has expired");
    for id in [2, 3] {
        assert_eq!(device(&*store, id).await, None);
    }
}

pub async fn a_session_may_be_bound_from_its_beginning(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    let bound = DeviceRecord {
        kind: DeviceKind::Dpop,
        key: "one".to_owned(),
        confirmed_at: Some(after(3)),
        proof_at: after(2),
    };
    for (id, device) in [(1, Some(bound.clone())), (2, None)] {
        let begin = Begin { device, ..Begin::unchecked(new_session(id, alice.id)) };
        assert!(matches!(store.begin_session(begin).await.unwrap(), Begun::Done { .. }));
    }
    assert_eq!(device(&*store, 1).await, Some(bound));
    assert_eq!(device(&*store, 2).await, None);
    assert!(!offer(&*store, 1, "two", 900, false).await, "never bound again");
    let bare = Shown { binding: DeviceBinding::Observe, ..Shown::NOTHING };
    let first = token(1, 0, None, noon());
    let refused = refresh(&*store, 1, first, bare, 10).await;
    assert_eq!(refused, Rotation::Unproved(Unproved::Missing), "it counts at once");
    assert!(prove(&*store, 1, "one", 3, 10).await && !prove(&*store, 1, "one", 3, 10).await);
    let proved = Shown { binding: DeviceBinding::Observe, ..shown(10) };
    assert!(matches!(refresh(&*store, 1, first, proved, 10).await, Rotation::Granted { .. }));
}

pub async fn a_proof_counts_once_and_by_its_own_key_alone(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    assert!(!prove(&*store, 1, "one", 200, 200).await, "there is no key yet");
    assert!(offer(&*store, 1, "one", 100, true).await);
    for (key, challenge, takes) in [
        ("one", 100, false),
        ("one", 99, false),
        ("two", 200, false),
        ("one", 200, true),
        ("one", 200, false),
        ("one", 199, false),
        ("one", 201, true),
    ] {
        let before = device(&*store, 1).await.unwrap();
        assert_eq!(before.device().takes_proof(KeyPrint::of(key), after(challenge)), takes);
        assert_eq!(prove(&*store, 1, key, challenge, 300).await, takes, "{key} {challenge}");
        let proof_at = if takes { after(challenge) } else { before.proof_at };
        assert_eq!(device(&*store, 1).await.unwrap(), DeviceRecord { proof_at, ..before });
    }
    // A microsecond tells two challenges apart.
    let micro = after(201) + SignedDuration::from_micros(1);
    let proof = DeviceProof { challenge_at: micro, ..a_proof(1, "one", 201, 300) };
    assert!(store.prove_device(proof.clone()).await.unwrap());
    assert!(!store.prove_device(proof).await.unwrap());
    let late = DeviceProof { now: end(), ..a_proof(1, "one", 400, 400) };
    assert!(!store.prove_device(late).await.unwrap(), "it has expired");
    store.revoke_session(session_id(1), None, RevokedReason::Logout, after(300)).await.unwrap();
    assert!(!prove(&*store, 1, "one", 400, 400).await, "it has ended");
}

pub async fn a_key_is_confirmed_when_what_was_on_its_way_has_arrived(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    for (id, at, confirmed_at) in [(1, 249, None), (2, 250, Some(after(250)))] {
        store.create_session(new_session(id, alice.id)).await.unwrap();
        assert!(offer(&*store, id, "one", 100, false).await);
        assert!(prove(&*store, id, "one", at, at).await);
        assert_eq!(device(&*store, id).await.unwrap().confirmed_at, confirmed_at, "by a proof");
    }
    for (id, at, proved_at, confirms) in
        [(3, 249, 100, false), (4, 250, 100, true), (5, 431, 100, false)]
    {
        store.create_session(new_session(id, alice.id)).await.unwrap();
        assert!(offer(&*store, id, "one", 100, false).await);
        let first = token(u8::try_from(id).unwrap(), 0, None, noon());
        let done = refresh(&*store, id, first, shown(proved_at), at).await;
        let Rotation::Granted { standing, .. } = done else { panic!("{done:?}") };
        let expected = if confirms {
            DeviceStanding::Confirms { offered_at: after(100) }
        } else {
            DeviceStanding::Offered { at: after(100) }
        };
        assert_eq!(standing, expected);
        let confirmed_at = confirms.then(|| after(at));
        assert_eq!(device(&*store, id).await.unwrap().confirmed_at, confirmed_at, "by a ticket");
    }
}

pub async fn a_refresh_without_a_proof_changes_nothing(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    assert!(offer(&*store, 1, "one", 100, true).await);
    let tokens = [
        token(1, 0, None, noon()),
        token(2, 1, Some(1), after(300)),
        token(9, 7, Some(8), after(300)),
        token(77, 0, Some(76), noon()),
    ];
    let before = store.session(session_id(1)).await.unwrap();
    for presented in tokens {
        let bare = Shown { binding: DeviceBinding::Enforce, ..Shown::NOTHING };
        for (shown, why) in [
            (bare, Unproved::Missing),
            (Shown { is_skipped: true, ..bare }, Unproved::Skipped),
            (shown(100), Unproved::Stale),
        ] {
            let done = refresh(&*store, 1, presented, shown, 500).await;
            assert_eq!(done, Rotation::Unproved(why));
        }
    }
    assert_eq!(store.session(session_id(1)).await.unwrap(), before);
    assert!(store.session_steps(session_id(1)).await.unwrap().is_empty());
    let good = refresh(&*store, 1, tokens[0], shown(450), 500).await;
    assert!(matches!(good, Rotation::Granted { .. }), "{good:?}");
}

pub async fn a_stale_token_of_the_device_itself_ends_nothing(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    assert!(offer(&*store, 1, "one", 100, true).await);
    let stale = token(1, 0, None, noon());
    for (number, at) in [(2, 1_000), (3, 2_000), (4, 3_000)] {
        let next = token(number, u64::from(number) - 1, Some(number - 1), after(at - 300));
        let done = refresh(&*store, 1, next, shown(at), at).await;
        assert!(matches!(done, Rotation::Granted { .. }), "{done:?}");
    }
    let done = refresh(&*store, 1, stale, shown(2_999), 3_200).await;
    assert_eq!(done, Rotation::Unproved(Unproved::Stale), "anybody may have proved before that");
    let done = refresh(&*store, 1, stale, shown(3_000), 3_200).await;
    let Rotation::Granted { child, event: None, .. } = done else { panic!("{done:?}") };
    assert_eq!(child.generation.0, 4);
    assert_eq!(store.session(session_id(1)).await.unwrap().unwrap().revoked, None);
}

pub async fn of_many_proofs_of_one_challenge_on_two_nodes_one_counts(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let alice = make_user(&*nodes[0], "alice").await;
    nodes[0].create_session(new_session(1, alice.id)).await.unwrap();
    assert!(offer(&*nodes[0], 1, "one", 100, true).await);
    let tasks: Vec<_> = (0..20)
        .map(|number: usize| {
            let store = Arc::clone(&nodes[number % 2]);
            tokio::spawn(async move { prove(&*store, 1, "one", 200, 200).await })
        })
        .collect();
    let mut counted = 0;
    for task in tasks {
        counted += usize::from(task.await.unwrap());
    }
    assert_eq!(counted, 1);
}

pub async fn of_two_keys_that_are_offered_at_once_one_stays(nodes: [Arc<dyn AdminStore>; 2]) {
    let alice = make_user(&*nodes[0], "alice").await;
    for id in 1..=20 {
        nodes[0].create_session(new_session(id, alice.id)).await.unwrap();
        let [one, two] = [("one", 0), ("two", 1)].map(|(key, node): (&str, usize)| {
            let store = Arc::clone(&nodes[node]);
            tokio::spawn(async move { offer(&*store, id, key, 100 + node as i64, false).await })
        });
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        assert!(one != two, "one of them is told that it was too late");
        let kept = device(&*nodes[0], id).await.unwrap();
        assert_eq!(kept.key, if one { "one" } else { "two" });
    }
}

fn an_offer(id: u64, key: &str, at: i64) -> DeviceOffer {
    DeviceOffer {
        session: session_id(id),
        kind: DeviceKind::Dbsc,
        key: key.to_owned(),
        challenge_at: after(at),
        is_confirmed: false,
        window: WINDOW,
        now: after(at),
    }
}

fn takes_key(device: &DeviceRecord, key: &str, challenge: i64) -> bool {
    Device::takes_key(Some(&device.device()), KeyPrint::of(key), after(challenge), WINDOW)
}

fn a_proof(id: u64, key: &str, challenge: i64, now: i64) -> DeviceProof {
    DeviceProof {
        session: session_id(id),
        key: key.to_owned(),
        challenge_at: after(challenge),
        window: WINDOW,
        now: after(now),
    }
}

async fn offer(store: &dyn Store, id: u64, key: &str, at: i64, is_confirmed: bool) -> bool {
    let offer = DeviceOffer { is_confirmed, ..an_offer(id, key, at) };
    store.offer_device(offer).await.unwrap()
}

async fn prove(store: &dyn Store, id: u64, key: &str, challenge: i64, now: i64) -> bool {
    store.prove_device(a_proof(id, key, challenge, now)).await.unwrap()
}

async fn device(store: &dyn Store, id: u64) -> Option<DeviceRecord> {
    store.session(session_id(id)).await.unwrap().unwrap().device
}

fn shown(proved_at: i64) -> Shown {
    let proved_at = after(proved_at).as_second().unsigned_abs();
    Shown {
        ticket: Some(Ticket { key: KeyPrint::of("one"), proved_at }),
        is_skipped: false,
        binding: DeviceBinding::Enforce,
    }
}

async fn refresh(store: &dyn Store, id: u64, token: Presented, shown: Shown, now: i64) -> Rotation {
    let rotate = Rotate {
        session: session_id(id),
        token,
        transport: Transport::Cookie,
        shown,
        now: after(now),
        window: WINDOW,
        ip: None,
        theft_notice: None,
    };
    store.rotate_session(rotate).await.unwrap()
}

fn end() -> Timestamp {
    new_session(1, crate::user::UserId::new(1)).expires_at
}

const WINDOW: Duration = Duration::from_secs(30);

//! What begins a session does so on the user's row as it was checked: whatever is under way while
//! an operator acts, on any node, is over when the act is done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::admin;
use super::fixtures::{after, make_user, new_session, noon, session_id};
use crate::password::EncodedPassword;
use crate::session::{NewSession, RevokedReason};
use crate::store::admin::{Actor, AdminSession, AdminStore, UserAct, UserEdit};
use crate::store::{Begin, Begun, CheckedRow, PasswordChange};
use crate::user::{User, UserId};

/// What an operator, or the command line, may do to a user.
const ACTS: [&str; 8] =
    ["deactivate", "delete", "reset", "set", "edit", "act: deactivate", "act: delete", "demote"];

async fn act(store: &dyn AdminStore, what: &str, user: &User) {
    let by = Actor::staff(UserId::new(900), None, after(2));
    let unusable = EncodedPassword::unusable();
    let edit = async |edit: fn(&mut UserEdit)| {
        let record = store.user_record(user.id).await.unwrap().unwrap();
        let mut edited = admin::as_is(&record.user);
        edit(&mut edited);
        store.edit_user(user.id, &edited, record.fingerprint, &by).await.unwrap();
    };
    match what {
        "deactivate" => assert!(store.set_active(user.id, false, after(2)).await.unwrap()),
        "delete" => assert!(store.delete_user(user.id, after(2)).await.unwrap()),
        "reset" => assert!(store.reset_password(user.id, &unusable, after(2)).await.unwrap()),
        "set" => store.set_password(user.id, &unusable, &by).await.unwrap(),
        "edit" => edit(|edit| edit.is_active = false).await,
        "demote" => edit(|edit| edit.is_staff = false).await,
        "act: deactivate" => {
            assert_eq!(store.act_on_users(&[user.id], UserAct::Deactivate, &by).await.unwrap(), 1);
        }
        _ => assert_eq!(store.act_on_users(&[user.id], UserAct::Delete, &by).await.unwrap(), 1),
    }
}

/// Logins that go on and on with the password that was checked, on both nodes, until the store
/// refuses them. Tells when the first few have begun.
fn logins(
    nodes: &[Arc<dyn AdminStore>; 2],
    user: UserId,
    checked: &EncodedPassword,
    ids: &Arc<AtomicU64>,
    under_way: &Arc<Notify>,
) -> JoinSet<()> {
    let mut logins = JoinSet::new();
    for number in 0..12 {
        let (node, checked) = (Arc::clone(&nodes[number % 2]), checked.clone());
        let (ids, under_way) = (Arc::clone(ids), Arc::clone(under_way));
        logins.spawn(async move {
            for _ in 0..BY_NOW_REFUSED {
                let id = ids.fetch_add(1, Ordering::Relaxed);
                let session = NewSession { id: session_id(id), ..new_session(1, user) };
                match node
                    .begin_session(Begin {
                        checked: Some(checked.clone()),
                        ..Begin::unchecked(session)
                    })
                    .await
                    .unwrap()
                {
                    Begun::Done { .. } => under_way.notify_one(),
                    Begun::UserChanged => return,
                    other => panic!("{other:?}"),
                }
            }
            panic!("after the act a session begins still");
        });
    }
    logins
}

pub async fn no_login_that_was_under_way_outlives_what_an_operator_does(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let ids = Arc::new(AtomicU64::new(1));
    admin::make_superuser(&*nodes[0], "root").await;
    for what in ACTS.iter().filter(|what| **what != "demote") {
        for round in 0..4 {
            let user = make_user(&*nodes[0], &format!("user{}", ids.load(Ordering::Relaxed))).await;
            let checked = nodes[0].password_of(user.id).await.unwrap().unwrap();
            let under_way = Arc::new(Notify::new());
            let logins = logins(&nodes, user.id, &checked, &ids, &under_way);
            under_way.notified().await;
            act(&*nodes[round % 2], what, &user).await;
            let done = nodes[0].user_sessions(user.id, after(3)).await.unwrap();
            assert!(done.is_empty(), "{what}: {} live on when it is done", done.len());
            logins.join_all().await;
            let late = nodes[0].user_sessions(user.id, after(3)).await.unwrap();
            assert!(late.is_empty(), "{what}: {} began after it was done", late.len());
        }
    }
}

pub async fn a_login_under_way_with_the_old_password_does_not_outlive_the_users_own_change(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let ids = Arc::new(AtomicU64::new(1));
    for round in 0..8 {
        let user = make_user(&*nodes[0], &format!("user{round}")).await;
        let checked = nodes[0].password_of(user.id).await.unwrap().unwrap();
        let own = session_id(1_000_000 + round);
        assert!(
            nodes[0]
                .create_session(NewSession { id: own, ..new_session(1, user.id) })
                .await
                .unwrap()
        );
        let under_way = Arc::new(Notify::new());
        let logins = logins(&nodes, user.id, &checked, &ids, &under_way);
        under_way.notified().await;
        let new = EncodedPassword::unusable();
        assert_eq!(
            nodes[1].change_password(user.id, &checked, &new, own, after(2), vec![]).await.unwrap(),
            PasswordChange::Done
        );
        logins.join_all().await;
        let live = nodes[0].user_sessions(user.id, after(3)).await.unwrap();
        assert_eq!(live.iter().map(|session| session.id).collect::<Vec<_>>(), [own]);
    }
}

pub async fn no_sign_in_to_the_admin_site_that_was_under_way_outlives_what_ends_the_operators_power(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let numbers = Arc::new(AtomicU64::new(1));
    admin::make_superuser(&*nodes[0], "root").await;
    for what in ACTS {
        for round in 0..4 {
            let operator = admin::make_superuser(
                &*nodes[0],
                &format!("op{}", numbers.load(Ordering::Relaxed)),
            )
            .await;
            let checked = nodes[0].password_of(operator.id).await.unwrap().unwrap();
            let under_way = Arc::new(Notify::new());
            let mut logins = JoinSet::new();
            for number in 0..12 {
                let (node, checked) = (Arc::clone(&nodes[number % 2]), checked.clone());
                let (numbers, under_way) = (Arc::clone(&numbers), Arc::clone(&under_way));
                logins.spawn(async move {
                    let (mut begun, row) = (Vec::new(), CheckedRow::new(checked));
                    for _ in 0..BY_NOW_REFUSED {
                        let token_hash = hash(numbers.fetch_add(1, Ordering::Relaxed));
                        let session = AdminSession { token_hash, ..admin_session(operator.id) };
                        if !node.begin_admin_session(&session, &row).await.unwrap() {
                            return begun;
                        }
                        begun.push(token_hash);
                        under_way.notify_one();
                    }
                    panic!("after the act a session begins still");
                });
            }
            under_way.notified().await;
            act(&*nodes[round % 2], what, &operator).await;
            for token_hash in logins.join_all().await.into_iter().flatten() {
                assert!(nodes[0].admin_session(token_hash).await.unwrap().is_none(), "{what}");
            }
        }
    }
}

pub async fn a_thief_who_sets_the_password_in_a_loop_does_not_undo_what_an_operator_sets(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    for round in 0..10 {
        let user = make_user(&*nodes[0], &format!("user{round}")).await;
        let stolen = session_id(100 + round);
        assert!(
            nodes[0]
                .create_session(NewSession { id: stolen, ..new_session(1, user.id) })
                .await
                .unwrap()
        );
        let mut known = nodes[0].password_of(user.id).await.unwrap().unwrap();
        let (node, under_way) = (Arc::clone(&nodes[0]), Arc::new(Notify::new()));
        let told = Arc::clone(&under_way);
        let thief = tokio::spawn(async move {
            for number in 0..BY_NOW_REFUSED {
                let new = EncodedPassword::from_stored(format!("argon2$thief$x${number}"));
                if node
                    .change_password(user.id, &known, &new, stolen, after(1), vec![])
                    .await
                    .unwrap()
                    != PasswordChange::Done
                {
                    return;
                }
                known = new;
                told.notify_one();
            }
            panic!("after the operator's act the thief still sets passwords");
        });
        under_way.notified().await;
        let operators = EncodedPassword::from_stored("argon2$operator$x$y".to_owned());
        assert!(nodes[1].reset_password(user.id, &operators, after(2)).await.unwrap());
        thief.await.unwrap();
        assert_eq!(
            nodes[0].password_of(user.id).await.unwrap().unwrap().as_str(),
            operators.as_str()
        );
        assert!(nodes[0].user_sessions(user.id, after(3)).await.unwrap().is_empty());
    }
}

pub async fn two_logins_at_once_both_begin(nodes: [Arc<dyn AdminStore>; 2]) {
    let user = make_user(&*nodes[0], "alice").await;
    let checked = nodes[0].password_of(user.id).await.unwrap().unwrap();
    let mut logins = JoinSet::new();
    for number in 0..12_u8 {
        let (node, checked) = (Arc::clone(&nodes[usize::from(number % 2)]), checked.clone());
        let session = new_session(1 + u64::from(number), user.id);
        logins.spawn(async move {
            node.begin_session(Begin { checked: Some(checked), ..Begin::unchecked(session) })
                .await
                .unwrap()
        });
    }
    assert!(logins.join_all().await.into_iter().all(|begun| begun == Begun::Done { ended: 0 }));
    assert_eq!(nodes[1].user_sessions(user.id, after(1)).await.unwrap().len(), 12);
    let again = Begin { checked: Some(checked), ..Begin::unchecked(new_session(1, user.id)) };
    assert_eq!(nodes[1].begin_session(again).await.unwrap(), Begun::IdTaken);
}

/// A login of this user's, at most so many.
async fn limited(node: &dyn AdminStore, id: u64, user: UserId, at_most: u32, began: i64) -> u64 {
    let checked = node.password_of(user).await.unwrap();
    let session =
        NewSession { id: session_id(id), created_at: after(began), ..new_session(1, user) };
    match node.begin_session(Begin { checked, at_most, ..Begin::unchecked(session) }).await.unwrap()
    {
        Begun::Done { ended } => ended,
        other => panic!("{other:?}"),
    }
}

async fn live(node: &dyn AdminStore, user: UserId) -> Vec<u64> {
    node.user_sessions(user, after(5_000))
        .await
        .unwrap()
        .iter()
        .map(|session| session.id.get())
        .collect()
}

pub async fn with_one_session_more_than_a_user_may_have_the_oldest_ends(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let (alice, bob) = (make_user(&*nodes[0], "alice").await, make_user(&*nodes[0], "bob").await);
    limited(&*nodes[0], 90, bob.id, 3, 0).await;
    for number in 0..3 {
        assert_eq!(
            limited(&*nodes[0], 10 + number, alice.id, 3, 10 * i64::try_from(number).unwrap())
                .await,
            0
        );
    }
    // One that has ended takes nobody's place, and neither does one that has expired.
    assert!(
        nodes[0]
            .revoke_session(session_id(11), None, RevokedReason::Logout, after(40))
            .await
            .unwrap()
    );
    let expired = NewSession {
        id: session_id(20),
        created_at: after(45),
        expires_at: after(46),
        ..new_session(1, alice.id)
    };
    assert!(nodes[0].create_session(expired).await.unwrap());
    assert_eq!(limited(&*nodes[1], 13, alice.id, 3, 50).await, 0);
    assert_eq!(live(&*nodes[0], alice.id).await, [13, 12, 10], "the last begun first");
    assert_eq!(limited(&*nodes[1], 14, alice.id, 3, 60).await, 1);
    assert_eq!(live(&*nodes[0], alice.id).await, [14, 13, 12]);
    let oldest = nodes[0].session(session_id(10)).await.unwrap().unwrap();
    assert_eq!(oldest.revoked, Some((after(60), RevokedReason::SessionLimit)));
    // One at a time, and none at all.
    assert_eq!(limited(&*nodes[0], 15, alice.id, 1, 70).await, 3);
    assert_eq!(live(&*nodes[0], alice.id).await, [15]);
    assert_eq!(limited(&*nodes[0], 16, alice.id, 0, 80).await, 0);
    assert_eq!(live(&*nodes[0], alice.id).await, [16, 15]);
    assert_eq!(live(&*nodes[0], bob.id).await, [90]);
}

pub async fn logins_at_once_leave_no_more_than_a_user_may_have_wherever_users_live(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let alice = make_user(&*nodes[0], "alice").await.id;
    for (number, user) in (0..).zip([alice, "zoe@example.com".parse().unwrap()]) {
        let mut logins = JoinSet::new();
        for one in 0..16_u64 {
            let node = Arc::clone(&nodes[usize::from(one % 2 == 0)]);
            logins.spawn(async move {
                let session =
                    NewSession { id: session_id(100 * number + one + 1), ..new_session(1, user) };
                let checked = node.password_of(user).await.unwrap();
                node.begin_session(Begin { checked, at_most: 2, ..Begin::unchecked(session) })
                    .await
                    .unwrap()
            });
        }
        assert!(
            logins.join_all().await.into_iter().all(|begun| matches!(begun, Begun::Done { .. }))
        );
        assert_eq!(nodes[0].user_sessions(user, after(1)).await.unwrap().len(), 2);
    }
}

pub async fn a_login_ends_the_session_that_it_replaces_whoever_has_it(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let (alice, bob) = (make_user(&*nodes[0], "alice").await, make_user(&*nodes[0], "bob").await);
    limited(&*nodes[0], 1, alice.id, 2, 0).await;
    limited(&*nodes[0], 2, bob.id, 2, 1).await;
    limited(&*nodes[0], 3, bob.id, 2, 2).await;
    let begin = |id: u64, user: UserId, replaces: u64| Begin {
        replaces: Some(session_id(replaces)),
        at_most: 2,
        ..Begin::unchecked(NewSession {
            id: session_id(id),
            created_at: after(10),
            ..new_session(1, user)
        })
    };
    assert_eq!(
        nodes[1].begin_session(begin(4, bob.id, 3)).await.unwrap(),
        Begun::Done { ended: 1 },
        "its place is free"
    );
    assert_eq!(
        nodes[0].session(session_id(3)).await.unwrap().unwrap().revoked,
        Some((after(10), RevokedReason::Replaced))
    );
    assert_eq!(
        nodes[1].begin_session(begin(5, bob.id, 1)).await.unwrap(),
        Begun::Done { ended: 2 },
        "alice's, and the oldest of bob's"
    );
    assert_eq!(
        nodes[0].session(session_id(1)).await.unwrap().unwrap().revoked,
        Some((after(10), RevokedReason::Replaced))
    );
    assert_eq!(
        (live(&*nodes[0], alice.id).await, live(&*nodes[0], bob.id).await),
        (vec![], vec![5, 4])
    );
    assert_eq!(
        nodes[1].begin_session(begin(6, alice.id, 99)).await.unwrap(),
        Begun::Done { ended: 0 }
    );
    // What does not begin ends nothing.
    assert_eq!(nodes[1].begin_session(begin(6, alice.id, 5)).await.unwrap(), Begun::IdTaken);
    let stale = Begin { checked: Some(EncodedPassword::unusable()), ..begin(7, alice.id, 5) };
    assert_eq!(nodes[1].begin_session(stale).await.unwrap(), Begun::UserChanged);
    assert_eq!(live(&*nodes[0], bob.id).await, [5, 4]);
}

/// The nodes' database has the hundred thousand sessions of [`many_sessions`].
pub async fn a_hundred_thousand_sessions_of_one_user_are_read_in_pages_and_end_some_at_a_time(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let alice = make_user(&*nodes[0], "alice").await;
    assert_eq!(alice.id, UserId::new(1));
    let (mut seen, mut from) = (std::collections::HashSet::new(), None);
    for page in 0.. {
        let found = nodes[1].user_sessions_page(alice.id, from, 1_000, after(5)).await.unwrap();
        assert!(found.sessions.len() <= 1_000);
        assert!(found.sessions.is_sorted_by_key(|session| std::cmp::Reverse(session.created_at)));
        seen.extend(found.sessions.iter().map(|session| session.id));
        from = found.next;
        // A cursor is a text for clients.
        from = from.map(|place| place.to_string().parse().unwrap());
        if from.is_none() {
            assert_eq!(page, 99);
            break;
        }
    }
    assert_eq!(seen.len(), 100_000, "each comes once");
    assert_eq!(
        limited(&*nodes[0], 1, alice.id, 100, 60).await,
        256,
        "no login does more than so much for the others' sake"
    );
    assert_eq!(nodes[0].user_sessions(alice.id, after(61)).await.unwrap()[0].id, session_id(1));
}

/// A hundred thousand live sessions of the first user, a second apart.
pub fn many_sessions(series: &str, owner: &str, jti: &str) -> String {
    format!(
        "{series} INSERT INTO sessions (id, user_id, generation, current_jti, current_iat,
         current_since, race_credit, created_at, last_used_at, expires_at, transport)
         SELECT 1000 + i, {owner}, 0, {jti}, 0, 0, 25, i * 1000000, 0, 4000000000000000, 'cookie'
         FROM n"
    )
}

fn admin_session(user: UserId) -> AdminSession {
    AdminSession {
        token_hash: [0; 32],
        user,
        created_at: noon(),
        used_at: noon(),
        password_at: noon(),
        ip: None,
        user_agent: String::new(),
    }
}

fn hash(number: u64) -> [u8; 32] {
    let mut hash = [0; 32];
    hash[..8].copy_from_slice(&number.to_be_bytes());
    hash
}

/// More than a login can be tried while an operator acts.
const BY_NOW_REFUSED: usize = 20_000;

//! What is made under a key of its caller.

use std::time::Duration;

use super::*;
use crate::clock::OsRandom;
use crate::store::NewToken;
use crate::store::admin::{AdminError, Grants, Once};
use crate::token::{OneTimeToken, Purpose};

fn under(who: &str, key: &str, asked: &str, now: Timestamp) -> Actor {
    let by = Actor::shell(who, now);
    Actor { once: Some(Once::of(&by.who, key, &[asked])), ..by }
}

pub async fn what_is_asked_twice_under_one_key_is_made_once(store: Arc<dyn AdminStore>) {
    let by = under("ada", "k", "alice", after(60));
    let none = Grants::default();
    let alice = store.add_user(new_user("alice", ""), &none, &by).await.unwrap();
    let lines = log(&*store).await.len();
    let again = store.add_user(new_user("alice", ""), &none, &by).await.unwrap();
    assert_eq!(again.id, alice.id);
    assert_eq!(log(&*store).await.len(), lines, "nothing was done, and nothing is told");
    let other = under("ada", "k", "bob", after(60));
    let refused = store.add_user(new_user("bob", ""), &none, &other).await;
    assert!(matches!(refused, Err(AdminError::KeyReused)), "{refused:?}");
    assert!(store.user_by_login("bob").await.unwrap().is_none());

    // A request that was refused used no key up.
    let taken = under("ada", "l", "alice", after(60));
    assert!(store.add_user(new_user("alice", ""), &none, &taken).await.is_err());
    let carol = store.add_user(new_user("carol", ""), &none, &taken).await.unwrap();
    assert_ne!(carol.id, alice.id);

    let nobody = Actor { may: Some(|_, _, _| false), ..by.clone() };
    let refused = store.add_user(new_user("alice", ""), &none, &nobody).await;
    assert!(matches!(refused, Err(AdminError::NotAllowed)), "{refused:?}");

    // An invitation is sent once.
    let invite = async |by: &Actor| {
        let token = OneTimeToken::draw(&OsRandom);
        let token = NewToken::new(&token, Purpose::Invitation, noon(), after(600));
        store.invite_user(new_user("dora", ""), token, Vec::new(), by).await
    };
    let by = under("ada", "m", "dora", after(60));
    let dora = invite(&by).await.unwrap();
    assert_eq!(invite(&by).await.unwrap().id, dora.id);
    assert_eq!(log(&*store).await.len(), lines + 2);

    // Whoever is gone is not made anew by a request that was on its way.
    store.delete_user(dora.id, after(70)).await.unwrap();
    assert!(matches!(invite(&by).await, Err(AdminError::Gone)));
}

pub async fn a_key_is_its_callers_own_and_counts_for_a_day(store: Arc<dyn AdminStore>) {
    let none = Grants::default();
    let add = async |who: &str, name: &str, now: i64| {
        store.add_user(new_user(name, ""), &none, &under(who, "k", "x", after(now))).await
    };
    let first = add("ada", "alice", 60).await.unwrap();
    let of_another = add("eve", "bob", 60).await.unwrap();
    assert_ne!(first.id, of_another.id);
    assert_eq!(add("ada", "carol", 60 + 86_399).await.unwrap().id, first.id);
    assert_eq!(add("ada", "dora", 61 + 86_400).await.unwrap().username, "dora");
}

pub async fn a_clock_that_is_ahead_has_nobody_made_twice(store: Arc<dyn AdminStore>) {
    let none = Grants::default();
    let add = async |name: &str, key: &str, now: i64| {
        store.add_user(new_user(name, ""), &none, &under("ada", key, key, after(now))).await
    };
    store.agree_on_time(after(60), Duration::ZERO).await.unwrap();
    let alice = add("alice", "k", 60).await.unwrap();
    // On a node whose clock is days ahead, which forgets what is old.
    add("bob", "l", 3 * 86_400).await.unwrap();
    assert_eq!(add("carol", "k", 120).await.unwrap().id, alice.id);
}

pub async fn of_two_who_send_one_request_at_once_both_get_the_user_who_was_made(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    for round in 0..8 {
        let (name, key) = (format!("user{round}"), format!("key{round}"));
        let asks = nodes.clone().map(|node| {
            let (name, by) = (name.clone(), under("ada", &key, &name, after(60)));
            tokio::spawn(async move {
                node.add_user(new_user(&name, ""), &Grants::default(), &by).await.unwrap().id
            })
        });
        let [one, other] = asks;
        assert_eq!(one.await.unwrap(), other.await.unwrap());
    }
    assert_eq!(nodes[0].users(None, 100).await.unwrap().len(), 8);
}

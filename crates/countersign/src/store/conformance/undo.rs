//! What is promised of an undo: the former address is its owner's again, whoever has it by then.

use std::sync::Arc;

use super::fixtures::{after, make_user, new_user, noon};
use super::tokens::{issue, new_token};
use super::told::take;
use crate::clock::OsRandom;
use crate::password::EncodedPassword;
use crate::store::admin::{AdminStore, AuditKind, AuditLine, AuditSearch};
use crate::store::{Act, MailBounds, NewToken, Proof, StoreError, Use, Used};
use crate::token::{OneTimeToken, Purpose};
use crate::user::{Email, NewUser, ProfileChange};

pub async fn an_undo_outlives_what_it_undoes_and_the_earlier_one_counts(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    let first = issue(&*store, &ada, Purpose::Undo).await;
    let address = |to: &str| ProfileChange {
        email: Some(Some(Email::parse(to).unwrap())),
        ..ProfileChange::default()
    };
    let thief = store.update_profile(ada.id, address("one@example.net")).await.unwrap().unwrap();
    let second = OneTimeToken::draw(&OsRandom);
    let new = new_token(&*store, &second, &thief, Purpose::Undo).await;
    let new = NewToken { created_at: after(5), ..new };
    store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
    store.update_profile(ada.id, address("two@example.net")).await.unwrap();
    store.reset_password(ada.id, &EncodedPassword::unusable(), after(6)).await.unwrap();
    let undo = async |token: &OneTimeToken, to: &str| {
        let act = Act::Undo { to: to.to_owned(), password: EncodedPassword::unusable() };
        take(&*store, token, Purpose::Undo, act).await
    };
    assert!(matches!(undo(&second, "one@example.net").await, Used::Done { .. }));
    let Used::Done { user: Some(user), .. } = undo(&first, "ada@example.com").await else {
        panic!("the first one is dead");
    };
    assert_eq!((user.email.as_str(), user.email_verified), ("ada@example.com", true));
    assert_eq!(undo(&second, "one@example.net").await, Used::Invalid);
    store.delete_user(ada.id, after(7)).await.unwrap();
    assert_eq!(undo(&first, "ada@example.com").await, Used::Invalid);
}

pub async fn an_undo_takes_the_address_from_who_did_not_prove_it(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let undo = issue(&*store, &ada, Purpose::Undo).await;
    let other = Some(Some(Email::parse("two@example.net").unwrap()));
    let change = ProfileChange { email: other, ..ProfileChange::default() };
    store.update_profile(ada.id, change).await.unwrap();
    let eve = make_user(&*store, "eve").await;
    let squat = Some(Some(Email::parse("ADA@example.com").unwrap()));
    let change = ProfileChange { email: squat, ..ProfileChange::default() };
    store.update_profile(eve.id, change).await.unwrap();
    let act = Act::Undo { to: "ada@example.com".to_owned(), password: EncodedPassword::unusable() };
    let used = take(&*store, &undo, Purpose::Undo, act).await;
    assert!(matches!(used, Used::Done { .. }), "{used:?}");
    assert_eq!(store.user_by_id(eve.id).await.unwrap().unwrap().email, "");
    let found = store.user_by_login("ada@example.com").await.unwrap();
    assert_eq!(found.unwrap().user.id, ada.id);
}

pub async fn an_undo_takes_the_address_from_who_is_called_so(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let undo = issue(&*store, &ada, Purpose::Undo).await;
    let email = Some(Some(Email::parse("two@example.net").unwrap()));
    let away = ProfileChange { email, ..ProfileChange::default() };
    store.update_profile(ada.id, away).await.unwrap();
    let squatter = store.create_user(new_user("ADA@example.com", ""), noon()).await.unwrap();
    let act =
        || Act::Undo { to: "ada@example.com".to_owned(), password: EncodedPassword::unusable() };
    let used = take(&*store, &undo, Purpose::Undo, act()).await;
    assert!(matches!(used, Used::Done { .. }), "{used:?}");
    for login in ["ada@example.com", "ADA@example.com"] {
        let found = store.user_by_login(login).await.unwrap().unwrap().user;
        assert_eq!((found.id, found.email.as_str()), (ada.id, "ada@example.com"), "{login}");
    }
    // Under the other name they are found as before, and the line says what became of theirs.
    let name = store.user_by_id(squatter.id).await.unwrap().unwrap().username;
    assert!(name.starts_with(&format!("renamed-{}-", squatter.id)), "{name}");
    assert_eq!(store.user_by_login(&name).await.unwrap().unwrap().user.id, squatter.id);
    let [line] = &log(&*store).await[..] else { panic!("there is a line for each") };
    assert_eq!((line.kind, line.user), (AuditKind::UserChanged, Some(squatter.id)));
    assert!(line.detail.starts_with(&format!("username: ADA@example.com to {name};")), "{line:?}");
}

pub async fn whoever_has_proved_the_former_address_keeps_it_and_their_name(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    let undo = issue(&*store, &ada, Purpose::Undo).await;
    let email = Some(Some(Email::parse("two@example.net").unwrap()));
    let away = ProfileChange { email, ..ProfileChange::default() };
    store.update_profile(ada.id, away).await.unwrap();
    let new = new_user("ada@example.com", "ada@example.com");
    let new = NewUser { email_verified: true, ..new };
    let other = store.create_user(new, noon()).await.unwrap();
    let act = Act::Undo { to: "ada@example.com".to_owned(), password: EncodedPassword::unusable() };
    let proof = Proof::Secret(undo.hash());
    let (id, purpose, now) = (undo.id(), Purpose::Undo, after(10));
    let kept = store.use_token(Use { id, purpose, proof, now, act, mails: Vec::new() }).await;
    assert!(matches!(kept, Err(StoreError::EmailTaken)), "{kept:?}");
    assert_eq!(store.user_by_id(other.id).await.unwrap().unwrap(), other);
    assert!(!store.token(undo.id()).await.unwrap().unwrap().is_used);
    assert!(log(&*store).await.is_empty());
}

async fn log(store: &dyn AdminStore) -> Vec<AuditLine> {
    let asked = AuditSearch { limit: 10, ..AuditSearch::default() };
    store.audit(&asked).await.unwrap().rows.into_iter().map(|row| row.line).collect()
}

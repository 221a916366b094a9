//! What is promised of changes that users ask for of their own rows.

use std::sync::Arc;

use tokio::sync::Notify;

use super::fixtures::{after, make_user, new_session, session_id};
use super::tokens::{issue, new_token};
use super::told::{ids, notice, take};
use crate::clock::OsRandom;
use crate::password::EncodedPassword;
use crate::session::{NewSession, RevokedReason};
use crate::store::admin::AdminStore;
use crate::store::{
    Act, Asker, ChangeAsked, MailBounds, MailClass, MailState, Mailed, NewMail, SeenAddress,
    StoreError, Used,
};
use crate::token::{OneTimeToken, Purpose};
use crate::user::{Email, ProfileChange, User, UserId};

pub async fn a_change_of_the_profile_is_told_with_it(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let (asker, change, mailed) = move_away(&*store, &ada, 1, 1).await;
    let gone = Asker { user: UserId::new(99), ..asker.clone() };
    let none = store.change_own_profile(gone, change.clone(), mailed.clone()).await.unwrap();
    assert_eq!(none, (ChangeAsked::SessionEnded, None));
    let undo = mailed.tokens[0].id;
    assert!(store.token(undo).await.unwrap().is_none());
    let done = store.change_own_profile(asker, change, mailed).await.unwrap();
    assert_eq!(done.0, ChangeAsked::Done);
    let row = store.user_by_id(ada.id).await.unwrap().unwrap();
    assert_eq!((row.email.as_str(), done.1.as_ref()), ("away1@example.net", Some(&row)));
    assert!(!store.token(undo).await.unwrap().unwrap().is_used);
    assert_eq!(ids(&*store, MailState::Waiting).await, [1]);
}

pub async fn a_change_of_the_profile_by_a_session_that_has_ended_is_not_done(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    let (asker, change, mailed) = move_away(&*store, &ada, 1, 1).await;
    let name = ProfileChange { first_name: Some("Eve".to_owned()), ..ProfileChange::default() };
    let ask = async |asker: &Asker, change: &ProfileChange, mailed: &Mailed| {
        store.change_own_profile(asker.clone(), change.clone(), mailed.clone()).await.unwrap().0
    };
    // A session that nobody has, or another.
    for session in [session_id(9), new_session(2, UserId::new(99)).id] {
        let other = Asker { session, ..asker.clone() };
        assert_eq!(ask(&other, &change, &mailed).await, ChangeAsked::SessionEnded);
    }
    // Whose time is over.
    let late = Asker { now: new_session(1, ada.id).expires_at, ..asker.clone() };
    assert_eq!(ask(&late, &name, &Mailed::default()).await, ChangeAsked::SessionEnded);
    store.revoke_user_sessions(ada.id, None, RevokedReason::LogoutAll, after(2)).await.unwrap();
    let no_address = Asker { seen: None, ..asker.clone() };
    assert_eq!(ask(&asker, &change, &mailed).await, ChangeAsked::SessionEnded);
    assert_eq!(ask(&no_address, &name, &Mailed::default()).await, ChangeAsked::SessionEnded);
    let row = store.user_by_id(ada.id).await.unwrap().unwrap();
    assert_eq!((row.email.as_str(), row.first_name.as_str()), ("ada@example.com", ""));
    assert!(store.token(mailed.tokens[0].id).await.unwrap().is_none());
    assert!(ids(&*store, MailState::Waiting).await.is_empty());
}

pub async fn a_change_of_an_address_that_was_another_when_it_was_read_is_not_done(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    let (asker, change, mailed) = move_away(&*store, &ada, 1, 1).await;
    let ask = async |seen: SeenAddress| {
        let asker = Asker { seen: Some(seen), ..asker.clone() };
        store.change_own_profile(asker, change.clone(), mailed.clone()).await.unwrap().0
    };
    let seen = asker.seen.clone().unwrap();
    let another = SeenAddress { address: "ADA@example.com".to_owned(), ..seen.clone() };
    for other in [another, SeenAddress { is_proved: true, ..seen.clone() }] {
        assert_eq!(ask(other).await, ChangeAsked::Stale);
    }
    // Proved between the look and the change: its owner would not be told.
    let token = issue(&*store, &ada, Purpose::VerifyEmail).await;
    let act = Act::VerifyEmail { to: None, password: None };
    let proved = take(&*store, &token, Purpose::VerifyEmail, act).await;
    assert!(matches!(proved, Used::Done { .. }));
    assert_eq!(ask(seen.clone()).await, ChangeAsked::Stale);
    assert!(ids(&*store, MailState::Waiting).await.is_empty());
    assert_eq!(ask(SeenAddress { is_proved: true, ..seen }).await, ChangeAsked::Done);
    assert_eq!(ids(&*store, MailState::Waiting).await, [1]);
}

pub async fn what_a_user_asks_for_in_a_session_that_has_ended_is_not_issued(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    let (asker, _, mailed) = move_away(&*store, &ada, 1, 1).await;
    let elsewhere = Asker { seen: None, ..asker.clone() };
    let stale = SeenAddress { address: "eve@example.net".to_owned(), is_proved: true };
    let stale = Asker { seen: Some(stale), ..asker.clone() };
    let issue = async |by: &Asker, mailed: &Mailed| {
        store.issue_own_tokens(by.clone(), mailed.clone()).await.unwrap()
    };
    assert_eq!(issue(&stale, &mailed).await, ChangeAsked::Stale);
    assert_eq!(issue(&asker, &mailed).await, ChangeAsked::Done);
    let (_, _, second) = move_away(&*store, &ada, 2, 2).await;
    assert_eq!(issue(&elsewhere, &second).await, ChangeAsked::Done);
    store.revoke_user_sessions(ada.id, None, RevokedReason::LogoutAll, after(2)).await.unwrap();
    let (_, _, third) = move_away(&*store, &ada, 3, 3).await;
    for asker in [&asker, &elsewhere] {
        assert_eq!(issue(asker, &third).await, ChangeAsked::SessionEnded);
    }
    assert!(store.token(third.tokens[0].id).await.unwrap().is_none());
    assert_eq!(ids(&*store, MailState::Waiting).await, [1, 2]);
}

pub async fn an_address_that_is_changed_too_often_stays_and_is_told_to_nobody(
    store: Arc<dyn AdminStore>,
) {
    let mut ada = make_user(&*store, "ada").await;
    for number in 1..=3 {
        let (asker, change, mailed) = move_away(&*store, &ada, number, number).await;
        let bounds = MailBounds { tokens_an_hour: 2, ..MailBounds::OF_ACTS };
        let asked = store.change_own_profile(asker, change, Mailed { bounds, ..mailed }).await;
        let is_within = number < 3;
        assert_eq!(asked.unwrap().0 == ChangeAsked::Done, is_within, "{number}");
        ada = store.user_by_id(ada.id).await.unwrap().unwrap();
    }
    assert_eq!(ada.email, "away2@example.net");
    assert_eq!(ids(&*store, MailState::Waiting).await, [1, 2]);
    // Nor is anything told where the change is refused.
    make_user(&*store, "bob").await;
    let (asker, mut change, mailed) = move_away(&*store, &ada, 4, 4).await;
    change.email = Some(Some(Email::parse("bob@example.com").unwrap()));
    let taken = store.change_own_profile(asker, change, mailed.clone()).await;
    assert!(matches!(taken, Err(StoreError::EmailTaken)), "{taken:?}");
    assert!(store.token(mailed.tokens[0].id).await.unwrap().is_none());
}

pub async fn a_thief_who_changes_the_address_in_a_loop_does_not_undo_an_undo(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    for round in 0..5 {
        let name = format!("user{round}");
        let ada = make_user(&*nodes[0], &name).await;
        let undo = issue(&*nodes[0], &ada, Purpose::Undo).await;
        let session = NewSession { id: session_id(100 + round), ..new_session(1, ada.id) };
        assert!(nodes[0].create_session(session.clone()).await.unwrap());
        let (node, under_way) = (Arc::clone(&nodes[0]), Arc::new(Notify::new()));
        let told = Arc::clone(&under_way);
        let thief = tokio::spawn(async move {
            for number in 0..10_000 {
                let user = node.user_by_id(ada.id).await.unwrap().unwrap();
                let to = format!("{number}.of{round}@example.net");
                let email = Some(Some(Email::parse(&to).unwrap()));
                let change = ProfileChange { email, ..ProfileChange::default() };
                let asker = Asker { session: session.id, ..asker(&user, 1) };
                let asked = node.change_own_profile(asker, change, Mailed::default()).await;
                match asked.unwrap().0 {
                    ChangeAsked::Done => told.notify_one(),
                    ChangeAsked::Stale => {}
                    _ => return,
                }
            }
            panic!("after the undo the thief still changes the address");
        });
        under_way.notified().await;
        let to = format!("{name}@example.com");
        let act = Act::Undo { to: to.clone(), password: EncodedPassword::unusable() };
        let undone = take(&*nodes[1], &undo, Purpose::Undo, act).await;
        assert!(matches!(undone, Used::Done { ended: 1, .. }), "{undone:?}");
        thief.await.unwrap();
        let user = nodes[0].user_by_id(ada.id).await.unwrap().unwrap();
        assert_eq!((user.email, user.email_verified), (to, true));
    }
}

/// A user who asks for another address with what tells the owner, in the session with that number:
/// it begins with the first call.
async fn move_away(
    store: &dyn AdminStore,
    user: &User,
    number: i64,
    mail: i64,
) -> (Asker, ProfileChange, Mailed) {
    store.create_session(new_session(1, user.id)).await.unwrap();
    let undo = OneTimeToken::draw(&OsRandom);
    let tokens = vec![new_token(store, &undo, user, Purpose::Undo).await];
    let mails = vec![NewMail { class: MailClass::Assured, ..notice(mail, &user.email) }];
    let email = Some(Some(Email::parse(&format!("away{number}@example.net")).unwrap()));
    let change = ProfileChange { email, ..ProfileChange::default() };
    (asker(user, 1), change, Mailed { tokens, mails, bounds: MailBounds::OF_ACTS })
}

fn asker(user: &User, session: u64) -> Asker {
    let seen = SeenAddress { address: user.email.clone(), is_proved: user.email_verified };
    Asker { user: user.id, session: session_id(session), seen: Some(seen), now: after(1) }
}

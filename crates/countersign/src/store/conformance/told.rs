//! What is promised of mails that go with an act, and of how they are counted.

use std::sync::Arc;
use std::time::Duration;

use super::admin::as_is;
use super::fixtures::{after, make_user, new_session, noon, session_id};
use super::sessions::token as refresh_token;
use super::tokens::new_token;
use crate::clock::OsRandom;
use crate::password::EncodedPassword;
use crate::session::Transport;
use crate::session::device::Shown;
use crate::store::admin::{AdminStore, UserEdit};
use crate::store::{
    Act, Begin, Begun, MailBounds, MailClass, MailState, NewMail, NewToken, PasswordChange, Proof,
    Rotate, Rotation, Stolen, TheftNotice, Use, Used,
};
use crate::token::{OneTimeToken, Purpose};
use crate::user::{User, UserId};

pub async fn a_session_that_begins_is_told_and_one_that_does_not_is_not(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    let checked = store.password_of(ada.id).await.unwrap();
    let begin = |id: u64, checked| Begin {
        checked,
        mails: vec![notice(i64::try_from(id).unwrap(), "ada@example.com")],
        ..Begin::unchecked(new_session(id, ada.id))
    };
    assert!(matches!(
        store.begin_session(begin(1, checked)).await.unwrap(),
        Begun::Done { ended: 0 }
    ));
    let stale = begin(2, Some(EncodedPassword::unusable()));
    assert_eq!(store.begin_session(stale).await.unwrap(), Begun::UserChanged);
    assert_eq!(ids(&*store, MailState::Waiting).await, [1]);
}

pub async fn a_password_that_is_changed_is_told_and_one_that_is_not_is_not(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    store.create_session(new_session(1, ada.id)).await.unwrap();
    let old = store.password_of(ada.id).await.unwrap().unwrap();
    let new = EncodedPassword::from_stored("argon2$new".to_owned());
    let change = async |old, session: u64, mail| {
        let mails = vec![notice(mail, "ada@example.com")];
        let session = session_id(session);
        store.change_password(ada.id, old, &new, session, after(1), mails).await.unwrap()
    };
    assert_eq!(change(&old, 9, 1).await, PasswordChange::SessionEnded);
    assert_eq!(change(&new, 1, 2).await, PasswordChange::Stale);
    assert_eq!(change(&old, 1, 3).await, PasswordChange::Done);
    assert_eq!(ids(&*store, MailState::Waiting).await, [3]);
}

pub async fn what_an_operator_changes_is_told_with_the_change(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let by = crate::store::admin::Actor::staff(UserId::new(0), None, noon());
    let (new, mails) = (EncodedPassword::unusable(), vec![notice(1, "ada@example.com")]);
    store.set_password_and_tell(ada.id, &new, &by, mails.clone()).await.unwrap();
    let nobody = UserId::new(99);
    let gone = vec![notice(2, "ada@example.com")];
    assert!(store.set_password_and_tell(nobody, &new, &by, gone).await.is_err());
    let seen = store.user_record(ada.id).await.unwrap().unwrap().fingerprint;
    let edit = UserEdit { email: None, ..as_is(&ada) };
    let edited = async |seen, id| {
        let mails = vec![notice(id, "ada@example.org")];
        store.edit_user_and_tell(ada.id, &edit, seen, &by, mails).await
    };
    assert_eq!(edited(seen, 4).await.unwrap().email, "");
    assert!(edited(seen, 5).await.is_err(), "the form is stale by now");
    assert_eq!(ids(&*store, MailState::Waiting).await, [1, 4]);
}

pub async fn a_theft_is_told_with_the_end_of_the_session_and_once(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    store.create_session(new_session(1, ada.id)).await.unwrap();
    let rotate = async |token, now| {
        let notice = TheftNotice::new(move |stolen: &Stolen| {
            assert_eq!(
                (stolen.email.as_str(), stolen.user_agent.as_str()),
                ("ada@example.com", "a browser")
            );
            assert!(!stolen.is_proved && stolen.language.is_empty());
            Some(NewMail { user: Some(stolen.user), ..notice(7, &stolen.email) })
        });
        let rotate = Rotate {
            session: session_id(1),
            token,
            transport: Transport::Cookie,
            shown: Shown::NOTHING,
            now: after(now),
            window: Duration::from_secs(30),
            ip: None,
            theft_notice: Some(notice),
        };
        store.rotate_session(rotate).await.unwrap()
    };
    let first = refresh_token(1, 0, None, noon());
    for (jti, parent, now) in [(1, None, 300), (2, Some(1), 600), (3, Some(2), 900)] {
        let generation = u64::from(jti) - 1;
        let granted = rotate(refresh_token(jti, generation, parent, after(now - 300)), now).await;
        assert!(matches!(granted, Rotation::Granted { .. }), "{granted:?}");
    }
    assert!(ids(&*store, MailState::Waiting).await.is_empty());
    assert_eq!(rotate(first, 1_200).await, Rotation::Reused { user_id: ada.id });
    assert!(matches!(rotate(first, 1_201).await, Rotation::Revoked(_)));
    let rows = store.outbox(None, None, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| (row.id, row.user)).collect::<Vec<_>>(), [(7, Some(ada.id))]);
}

pub async fn each_kind_of_mail_is_counted_by_itself(store: Arc<dyn AdminStore>) {
    let bounds = MailBounds { an_hour: 1, notices_an_hour: 2, ..MailBounds::default() };
    let of = |class, first: i64| {
        let mails = (first..first + 3).map(|id| NewMail { class, ..notice(id, "ada@example.com") });
        mails.collect::<Vec<_>>()
    };
    for (class, first) in [(MailClass::Asked, 1), (MailClass::Notice, 4), (MailClass::Assured, 7)] {
        store.queue_mails(of(class, first), bounds).await.unwrap();
    }
    assert_eq!(ids(&*store, MailState::Waiting).await, [1, 4, 5, 7, 8, 9]);
    assert_eq!(ids(&*store, MailState::Void).await, [2, 3, 6]);
    // What lives for minutes uses up nothing that is needed for a new password.
    for (class, first) in [(MailClass::Code, 10), (MailClass::Reset, 13)] {
        store.queue_mails(of(class, first), bounds).await.unwrap();
    }
    assert_eq!(ids(&*store, MailState::Waiting).await, [1, 4, 5, 7, 8, 9, 10, 13]);
}

pub async fn a_flood_of_mails_ends_no_token_that_was_sent(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let bounds = MailBounds { an_hour: 2, ..MailBounds::default() };
    let mut tokens = Vec::new();
    for id in 1..=4 {
        let token = OneTimeToken::draw(&OsRandom);
        let new = new_token(&*store, &token, &ada, Purpose::ResetPassword).await;
        let new = NewToken { created_at: after(id), ..new };
        let mail = NewMail { class: MailClass::Asked, ..notice(id, "ada@example.com") };
        assert!(store.issue_token(new, vec![mail], bounds).await.unwrap());
        tokens.push(token);
    }
    let live = store.tokens_for(Purpose::ResetPassword, "ada@example.com", 10).await.unwrap();
    assert_eq!(live.iter().map(|token| token.id).collect::<Vec<_>>(), [tokens[1].id()]);
    for (place, token) in tokens.iter().enumerate() {
        let new = EncodedPassword::unusable();
        let used = take(&*store, token, Purpose::ResetPassword, Act::SetPassword { new }).await;
        assert_eq!(matches!(used, Used::Done { .. }), place == 1, "{place}");
    }
}

pub async fn what_ends_a_link_does_not_tell_whether_a_mail_was_sent(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let bounds = MailBounds { an_hour: 1, ..MailBounds::default() };
    let mut id = 0;
    let mut ask = async |address: &str, is_void: bool| {
        id += 1;
        let token = OneTimeToken::draw(&OsRandom);
        let new = new_token(&*store, &token, &ada, Purpose::ChangeEmail).await;
        let new = NewToken { created_at: after(id), address: address.to_owned(), ..new };
        let mail = NewMail { class: MailClass::Asked, is_void, ..notice(id, address) };
        assert!(store.issue_token(new, vec![mail], bounds).await.unwrap());
        token
    };
    // To an address that nobody has mails go out, to one that is taken none.
    for (address, is_taken) in [("free@example.com", false), ("taken@example.com", true)] {
        ask(address, is_taken).await;
        let own = ask(&format!("of-{address}"), false).await;
        ask(address, is_taken).await;
        let own = store.token(own.id()).await.unwrap().unwrap();
        assert!(!own.is_used, "{address}: the last mail was one too many");
    }
}

pub async fn a_user_gets_so_many_tokens_of_a_purpose_an_hour(store: Arc<dyn AdminStore>) {
    let (ada, bob) = (make_user(&*store, "ada").await, make_user(&*store, "bob").await);
    let bounds = MailBounds { tokens_an_hour: 2, ..MailBounds::default() };
    let ask = async |user: &User, purpose, at, mail| {
        let token = OneTimeToken::draw(&OsRandom);
        let new = new_token(&*store, &token, user, purpose).await;
        let new = NewToken { created_at: after(at), ..new };
        let mails = vec![notice(mail, "somebody@example.com")];
        (store.issue_token(new, mails, bounds).await.unwrap(), token)
    };
    assert!(ask(&ada, Purpose::ChangeEmail, 1, 1).await.0);
    let (is_issued, second) = ask(&ada, Purpose::ChangeEmail, 2, 2).await;
    assert!(is_issued);
    assert!(!ask(&ada, Purpose::ChangeEmail, 3, 3).await.0);
    assert!(!store.token(second.id()).await.unwrap().unwrap().is_used);
    assert!(ask(&ada, Purpose::VerifyEmail, 4, 4).await.0);
    assert!(ask(&bob, Purpose::ChangeEmail, 5, 5).await.0);
    assert!(ask(&ada, Purpose::ChangeEmail, 3_700, 6).await.0);
    assert_eq!(ids(&*store, MailState::Waiting).await, [1, 2, 4, 5, 6]);
}

pub(super) async fn take(
    store: &dyn AdminStore,
    token: &OneTimeToken,
    purpose: Purpose,
    act: Act,
) -> Used {
    let proof = Proof::Secret(token.hash());
    let take = Use { id: token.id(), purpose, proof, now: after(10), act, mails: Vec::new() };
    store.use_token(take).await.unwrap()
}

pub(super) async fn ids(store: &dyn AdminStore, state: MailState) -> Vec<i64> {
    let rows = store.outbox(Some(state), None, 20).await.unwrap();
    let mut ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    ids.sort_unstable();
    ids
}

pub(super) fn notice(id: i64, address: &str) -> NewMail {
    NewMail { class: MailClass::Notice, ..NewMail::new(id, address, vec![1], noon()) }
}

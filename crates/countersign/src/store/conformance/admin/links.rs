//! Links that operators have sent, and the outbox as they see it.

use super::*;
use crate::clock::OsRandom;
use crate::store::admin::{AdminError, AuditKind};
use crate::store::{Act, MailBounds, MailState, NewMail, NewToken, Proof, StoreError, Use, Used};
use crate::token::{Fingerprint, OneTimeToken, Purpose};
use crate::user::{ProfileChange, fold_address};

pub async fn whoever_is_invited_is_there_with_a_token_a_mail_and_a_line_or_not_at_all(
    store: Arc<dyn AdminStore>,
) {
    let (password, by) = (EncodedPassword::unusable(), root());
    let new = |name: &str| NewUser {
        password: password.clone(),
        ..new_user(name, &format!("{name}@example.com"))
    };
    let (token, stored) = invitation("ada@example.com", &password);
    let ada = store.invite_user(new("ada"), stored, mail(1), &by).await.unwrap();
    assert_eq!(store.token(token.id()).await.unwrap().unwrap().user, Some(ada.id));
    assert_eq!(store.outbox(None, None, 9).await.unwrap()[0].user, Some(ada.id));
    assert_eq!(audit_lines(&*store).await, [("user_invited".to_owned(), "ada".to_owned())]);

    let (second, stored) = invitation("ada@example.com", &password);
    let taken = store.invite_user(new("ada"), stored, mail(2), &by).await.unwrap_err();
    assert!(matches!(taken, AdminError::Store(StoreError::UsernameTaken)), "{taken:?}");
    assert!(store.token(second.id()).await.unwrap().is_none());
    assert_eq!(store.outbox(None, None, 9).await.unwrap().len(), 1);

    // They choose a password, and another name that nobody has.
    make_user(&*store, "bob").await;
    let join = |name: &str| Use {
        id: token.id(),
        purpose: Purpose::Invitation,
        proof: Proof::Secret(token.hash()),
        now: after(90),
        act: Act::Join {
            password: EncodedPassword::from_stored("first".to_owned()),
            profile: ProfileChange {
                username: Some(Username::parse(name).unwrap()),
                first_name: Some("Ada".to_owned()),
                ..ProfileChange::default()
            },
        },
        mails: Vec::new(),
    };
    let taken = store.use_token(join("BOB")).await;
    assert!(matches!(taken, Err(StoreError::UsernameTaken)), "{taken:?}");
    let Used::Done { user: Some(joined), .. } = store.use_token(join("lovelace")).await.unwrap()
    else {
        panic!("the invitation is good");
    };
    assert_eq!((joined.username.as_str(), joined.first_name.as_str()), ("lovelace", "Ada"));
    assert!(joined.email_verified);
    assert_eq!(store.password_of(ada.id).await.unwrap().unwrap().as_str(), "first");
    assert_eq!(store.use_token(join("lovelace")).await.unwrap(), Used::Invalid);
}

pub async fn a_link_is_sent_on_the_row_as_it_is_and_to_whom_the_operator_may(
    store: Arc<dyn AdminStore>,
) {
    let (ada, by) = (make_user(&*store, "ada").await, root());
    let password = store.password_of(ada.id).await.unwrap().unwrap();
    let token = |password: &EncodedPassword| {
        let (token, stored) = invitation(&ada.email, password);
        (token, NewToken { user: Some(ada.id), purpose: Purpose::ResetPassword, ..stored })
    };
    let (first, stored) = token(&password);
    store.send_link(stored, mail(1), &by).await.unwrap();
    let (second, stored) = token(&password);
    store.send_link(stored, mail(2), &by).await.unwrap();
    assert!(store.token(first.id()).await.unwrap().unwrap().is_used, "a newer one ends it");
    assert!(!store.token(second.id()).await.unwrap().unwrap().is_used);
    let (_, stale) = token(&EncodedPassword::from_stored("another".to_owned()));
    assert!(matches!(store.send_link(stale, mail(3), &by).await, Err(AdminError::Stale)));
    let nobody = Actor { may: Some(|_, _, _| false), ..root() };
    let (_, stored) = token(&password);
    let refused = store.send_link(stored, mail(4), &nobody).await;
    assert!(matches!(refused, Err(AdminError::NotAllowed)), "{refused:?}");
    let refused = store.mark_verified(&[(ada.id, ada.email.clone())], &nobody).await;
    assert!(matches!(refused, Err(AdminError::NotAllowed)), "{refused:?}");
    assert!(!store.user_by_id(ada.id).await.unwrap().unwrap().email_verified);
    assert_eq!(store.mark_verified(&[(ada.id, ada.email.clone())], &by).await.unwrap(), 1);
    let said = |word: &str, detail: &str| (word.to_owned(), detail.to_owned());
    let sent = said("link_sent", "reset");
    assert_eq!(
        audit_lines(&*store).await,
        [said("user_changed", "email_verified"), sent.clone(), sent]
    );
    assert_eq!(store.outbox(None, None, 9).await.unwrap().len(), 2);
}

pub async fn an_operators_word_proves_the_addresses_that_they_saw_and_no_others(
    store: Arc<dyn AdminStore>,
) {
    let by = root();
    let (ada, bob) = (make_user(&*store, "ada").await, make_user(&*store, "bob").await);
    let nowhere = store.create_user(new_user("carol", ""), noon()).await.unwrap();
    let seen: Vec<(UserId, String)> =
        [&ada, &bob, &nowhere].map(|user| (user.id, user.email.clone())).into();
    // One of them writes another's address into their row meanwhile, and one is not there.
    let email = Some(Some(Email::parse("victim@example.com").unwrap()));
    let change = ProfileChange { email, ..ProfileChange::default() };
    store.update_profile(bob.id, change).await.unwrap();
    let seen = [seen, vec![(UserId::new(77), "gone@example.com".to_owned())]].concat();
    assert_eq!(store.mark_verified(&seen, &by).await.unwrap(), 1);
    for (id, is_proved) in [(ada.id, true), (bob.id, false), (nowhere.id, false)] {
        assert_eq!(store.user_by_id(id).await.unwrap().unwrap().email_verified, is_proved);
    }
    assert_eq!(store.mark_verified(&seen, &by).await.unwrap(), 0, "it was already");
    let lines: Vec<_> = log(&*store).await.into_iter().map(|row| row.line).collect();
    let of_ada = (AuditKind::UserChanged, Some(ada.id), "email_verified");
    let told: Vec<_> =
        lines.iter().map(|line| (line.kind, line.user, line.detail.as_str())).collect();
    assert_eq!(told, [of_ada]);
}

pub async fn an_operator_retries_and_forgets_mails_and_each_is_told_of(store: Arc<dyn AdminStore>) {
    let by = root();
    let mails = (1..=4).map(|id| NewMail { created_at: after(id), ..one(id) }).collect();
    store.queue_mails(mails, MailBounds::default()).await.unwrap();
    store.mail_put_off(1, after(9_000), "busy").await.unwrap();
    store.mail_failed(2, after(50), "no such mailbox").await.unwrap();
    store.mail_sent(3, after(50)).await.unwrap();
    store.retry_mail(1, &by).await.unwrap();
    let due = store.claim_mails(by.now, after(600), 9).await.unwrap();
    assert_eq!(due.iter().map(|mail| mail.id).collect::<Vec<_>>(), [4, 1]);
    for id in [2, 3, 77] {
        let refused = store.retry_mail(id, &by).await;
        assert!(matches!(refused, Err(AdminError::Gone)), "{id}: {refused:?}");
    }
    store.forget_mail(1, &by).await.unwrap();
    store.forget_mail(2, &by).await.unwrap();
    for id in [1, 3, 77] {
        let refused = store.forget_mail(id, &by).await;
        assert!(matches!(refused, Err(AdminError::Gone)), "{id}: {refused:?}");
    }
    // Whoever was sending it finds nothing, and nothing breaks.
    store.mail_sent(1, after(61)).await.unwrap();
    store.mail_put_off(1, after(61), "late").await.unwrap();
    let left = store.outbox(None, None, 9).await.unwrap();
    let left: Vec<_> = left.iter().map(|row| (row.id, row.state)).collect();
    assert_eq!(left, [(4, MailState::Waiting), (3, MailState::Sent)]);
    let nobody = Actor { may: Some(|_, _, _| false), ..root() };
    for refused in [store.retry_mail(4, &nobody).await, store.forget_mail(4, &nobody).await] {
        assert!(matches!(refused, Err(AdminError::NotAllowed)), "{refused:?}");
    }
    let kinds: Vec<_> = log(&*store).await.into_iter().map(|row| row.line.kind).collect();
    assert_eq!(kinds, [AuditKind::MailForgotten, AuditKind::MailForgotten, AuditKind::MailRetried]);
}

fn invitation(address: &str, password: &EncodedPassword) -> (OneTimeToken, NewToken) {
    let token = OneTimeToken::draw(&OsRandom);
    let address = fold_address(address);
    let stored = NewToken {
        fingerprint: Fingerprint::of(password, &address, true),
        address,
        ..NewToken::new(&token, Purpose::Invitation, noon(), after(600))
    };
    (token, stored)
}

fn one(id: i64) -> NewMail {
    NewMail::new(id, "ada@example.com", vec![1], noon())
}

fn mail(id: i64) -> Vec<NewMail> {
    vec![one(id)]
}

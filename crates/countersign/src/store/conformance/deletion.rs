//! What is promised of users who want to be deleted.

use std::sync::Arc;

use super::factors;
use super::fixtures::{after, make_user, new_session, new_user, noon, session_id};
use crate::clock::OsRandom;
use crate::password::EncodedPassword;
use crate::store::admin::{AdminStore, AuditKind, AuditSearch, UserAct};
use crate::store::{
    Act, Begin, Begun, DeletionAsked, MailBounds, NewMail, NewToken, PasswordChange, Proof,
    SelfDeletion, Use, Used, UserFactors, WaitingRegistration, What,
};
use crate::token::{OneTimeToken, Purpose};
use crate::user::{Email, NewUser, User, UserId, Username};

pub async fn who_asked_to_be_deleted_is_gone_when_the_time_comes_and_not_before(
    store: Arc<dyn AdminStore>,
) {
    let (ada, bob) = (make_user(&*store, "ada").await, make_user(&*store, "bob").await);
    for (id, user) in [(1, &ada), (2, &bob)] {
        assert!(store.create_session(new_session(id, user.id)).await.unwrap());
        assert_eq!(asks(&*store, user, id, Some(60)).await, DeletionAsked::Done);
    }
    assert_eq!(store.deletion_of(ada.id).await.unwrap(), Some(after(60)));
    assert!(!store.user_by_id(ada.id).await.unwrap().unwrap().is_active);
    assert!(store.session(session_id(1)).await.unwrap().unwrap().revoked.is_some());
    assert!(comes_back(&*store, &bob).await);
    assert!(store.user_by_id(bob.id).await.unwrap().unwrap().is_active);
    assert_eq!(store.deletion_of(bob.id).await.unwrap(), None);
    assert!(!comes_back(&*store, &bob).await, "who does not wait does not come back");
    assert_eq!(store.delete_due_users(after(59), 10).await.unwrap(), 0);
    assert_eq!(store.delete_due_users(after(60), 10).await.unwrap(), 1);
    assert!(store.user_by_id(ada.id).await.unwrap().is_none());
    assert!(store.session(session_id(1)).await.unwrap().is_none(), "nothing says where they were");
    assert!(!comes_back(&*store, &ada).await);
    assert!(store.user_by_id(bob.id).await.unwrap().is_some());
}

pub async fn a_deletion_at_once_leaves_its_mail_and_its_line_and_nothing_else(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    assert!(store.create_session(new_session(1, ada.id)).await.unwrap());
    let token = OneTimeToken::draw(&OsRandom);
    let new = NewToken {
        user: Some(ada.id),
        ..NewToken::new(&token, Purpose::VerifyEmail, noon(), after(600))
    };
    let of_hers =
        NewMail { user: Some(ada.id), ..NewMail::new(1, "ada@example.com", vec![1], noon()) };
    store.issue_token(new, vec![of_hers], MailBounds::default()).await.unwrap();
    let asked = SelfDeletion {
        mails: vec![NewMail::new(2, "ada@example.com", vec![1], noon())],
        ..asked(&*store, &ada, 1, None).await
    };
    assert_eq!(store.ask_deletion(asked).await.unwrap(), DeletionAsked::Done);
    assert!(store.user_by_id(ada.id).await.unwrap().is_none());
    assert!(store.session(session_id(1)).await.unwrap().is_none());
    assert!(store.token(token.id()).await.unwrap().is_none());
    let mails = store.outbox(None, None, 10).await.unwrap();
    assert_eq!(mails.iter().map(|mail| mail.id).collect::<Vec<_>>(), [2]);
    assert_eq!(kinds(&*store, &ada).await, [AuditKind::UserDeleted]);
    assert_eq!(store.delete_due_users(after(60), 10).await.unwrap(), 0);
}

pub async fn nothing_is_done_on_another_password_or_for_a_session_that_ended(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    assert!(store.create_session(new_session(1, ada.id)).await.unwrap());
    let stale = SelfDeletion {
        checked: EncodedPassword::from_stored("another".to_owned()),
        ..asked(&*store, &ada, 1, Some(60)).await
    };
    assert_eq!(store.ask_deletion(stale).await.unwrap(), DeletionAsked::Stale);
    assert_eq!(asks(&*store, &ada, 2, Some(60)).await, DeletionAsked::SessionEnded);
    let bob = make_user(&*store, "bob").await;
    assert_eq!(asks(&*store, &bob, 1, None).await, DeletionAsked::SessionEnded, "it is Ada's");
    for user in [&ada, &bob] {
        assert!(store.user_by_id(user.id).await.unwrap().unwrap().is_active);
        assert!(kinds(&*store, user).await.is_empty());
    }
    assert!(store.session(session_id(1)).await.unwrap().unwrap().revoked.is_none());
    assert_eq!(asks(&*store, &ada, 1, Some(60)).await, DeletionAsked::Done);
    let other = EncodedPassword::from_stored("another".to_owned());
    assert!(!store.restore_user(ada.id, &other, noon(), None).await.unwrap());
    assert!(!store.user_by_id(ada.id).await.unwrap().unwrap().is_active);
}

pub async fn the_last_superuser_cannot_ask_to_be_deleted(store: Arc<dyn AdminStore>) {
    let ada = superuser(&*store, "ada", 1).await;
    for grace in [Some(60), None] {
        assert_eq!(asks(&*store, &ada, 1, grace).await, DeletionAsked::LastSuperuser);
    }
    assert!(store.user_by_id(ada.id).await.unwrap().unwrap().is_active);
    superuser(&*store, "bob", 2).await;
    assert_eq!(asks(&*store, &ada, 1, Some(60)).await, DeletionAsked::Done);
}

pub async fn whoever_activates_a_user_ends_the_plan_to_delete_them(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    assert!(store.create_session(new_session(1, ada.id)).await.unwrap());
    assert_eq!(asks(&*store, &ada, 1, Some(60)).await, DeletionAsked::Done);
    let by = crate::store::admin::Actor::shell("root", noon());
    assert_eq!(store.act_on_users(&[ada.id], UserAct::Activate, &by).await.unwrap(), 1);
    assert_eq!(store.deletion_of(ada.id).await.unwrap(), None);
    // Made inactive by somebody else, they do not go, and do not come back by themselves.
    store.set_active(ada.id, false, noon()).await.unwrap();
    assert_eq!(store.delete_due_users(after(60), 10).await.unwrap(), 0);
    assert!(!comes_back(&*store, &ada).await);
}

pub async fn a_thief_who_asks_for_the_deletion_does_not_outrun_the_undo(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    let token = OneTimeToken::draw(&OsRandom);
    let new =
        NewToken { user: Some(ada.id), ..NewToken::new(&token, Purpose::Undo, noon(), after(600)) };
    store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
    assert!(store.create_session(new_session(1, ada.id)).await.unwrap());
    assert_eq!(asks(&*store, &ada, 1, Some(60)).await, DeletionAsked::Done);
    let undo = Use {
        id: token.id(),
        purpose: Purpose::Undo,
        proof: Proof::Secret(token.hash()),
        now: after(10),
        act: Act::Undo { to: ada.email.clone(), password: EncodedPassword::unusable() },
        mails: Vec::new(),
    };
    assert!(matches!(store.use_token(undo).await.unwrap(), Used::Done { .. }));
    assert_eq!(store.deletion_of(ada.id).await.unwrap(), None);
    assert!(store.user_by_id(ada.id).await.unwrap().unwrap().is_active);
}

pub async fn nobody_takes_the_address_of_who_may_come_back(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    assert!(store.create_session(new_session(1, ada.id)).await.unwrap());
    assert_eq!(asks(&*store, &ada, 1, Some(60)).await, DeletionAsked::Done);
    let eve = || NewUser {
        email: Some(Email::parse(&ada.email).unwrap()),
        ..NewUser::new(Username::parse("eve").unwrap(), None, EncodedPassword::unusable())
    };
    assert!(store.create_user(eve(), noon()).await.is_err());
    let row = store.user_by_login(&ada.email).await.unwrap().unwrap();
    assert_eq!((row.user.id, row.deletion_at), (ada.id, Some(after(60))));
    assert_eq!(store.delete_due_users(after(60), 10).await.unwrap(), 1);
    assert!(store.create_user(eve(), noon()).await.is_ok());
}

pub async fn what_is_due_goes_some_at_a_time_and_each_has_a_line(store: Arc<dyn AdminStore>) {
    let mut users = Vec::new();
    for (id, name) in [(1, "ada"), (2, "bob"), (3, "eve")] {
        let user = make_user(&*store, name).await;
        assert!(store.create_session(new_session(id, user.id)).await.unwrap());
        assert_eq!(
            asks(&*store, &user, id, Some(60 - id.cast_signed())).await,
            DeletionAsked::Done
        );
        users.push(user);
    }
    assert_eq!(store.delete_due_users(after(60), 2).await.unwrap(), 2);
    // Those who wait longest first.
    assert!(store.user_by_id(users[0].id).await.unwrap().is_some());
    assert_eq!(store.delete_due_users(after(60), 2).await.unwrap(), 1);
    for user in &users {
        let lines = kinds(&*store, user).await;
        assert_eq!(lines, [AuditKind::UserDeleted, AuditKind::DeletionAsked]);
    }
}

pub async fn who_is_gone_from_a_table_elsewhere_leaves_nothing_behind(store: Arc<dyn AdminStore>) {
    // One id is a number, which may be that of a user of the store's own too; the other is none.
    let gone: [UserId; 2] = [UserId::new(4_711), "account-7".parse().unwrap()];
    let stays: UserId = "account-8".parse().unwrap();
    let mut left = Vec::new();
    for (n, user) in (1..).zip([gone[0], gone[1], stays]) {
        let session = session_id(n);
        assert!(store.create_session(new_session(n, user)).await.unwrap());
        factors::enrol(&*store, user, session).await;
        let (token, id) = (OneTimeToken::draw(&OsRandom), i64::try_from(n).unwrap());
        let new = NewToken {
            user: Some(user),
            ..NewToken::new(&token, Purpose::Undo, noon(), after(600))
        };
        let address = "ada@example.com".to_owned();
        let mail = NewMail { user: Some(user), ..NewMail::new(id, &address, vec![1], noon()) };
        store.issue_token(new, vec![mail], MailBounds::default()).await.unwrap();
        let waits = WaitingRegistration { user, address, until: after(60) };
        store.note_registration(waits).await.unwrap();
        left.push((user, session, token.id()));
    }
    let before = store.cursor_now().await.unwrap();
    for user in gone {
        store.forget_user(user, after(1)).await.unwrap();
        store.forget_user(user, after(2)).await.unwrap();
    }
    let mut ended = Vec::new();
    for (user, session, token) in left {
        let is_there = user == stays;
        assert_eq!(store.session(session).await.unwrap().is_some(), is_there, "{user}");
        assert_eq!(store.factors_of(user).await.unwrap() != UserFactors::default(), is_there);
        assert_eq!(store.token(token).await.unwrap().is_some(), is_there, "{user}");
        assert_eq!(store.registration_of(user).await.unwrap().is_some(), is_there, "{user}");
        if !is_there {
            ended.push(session);
        }
    }
    let mails = store.outbox(None, None, 10).await.unwrap();
    assert_eq!(mails.iter().map(|mail| mail.user).collect::<Vec<_>>(), [Some(stays)]);
    // Whoever verifies their tokens hears of it.
    let heard = store.changes(&before, 100).await.unwrap().changes;
    let heard = heard.into_iter().filter_map(|change| match change.what {
        What::SessionEnded(session) => Some(session),
        _ => None,
    });
    assert_eq!(heard.collect::<Vec<_>>(), ended);
}

pub async fn of_two_nodes_each_due_user_is_deleted_by_one([one, two]: [Arc<dyn AdminStore>; 2]) {
    for id in 1..=20 {
        let user = make_user(&*one, &format!("user{id}")).await;
        assert!(one.create_session(new_session(id, user.id)).await.unwrap());
        assert_eq!(asks(&*one, &user, id, Some(60)).await, DeletionAsked::Done);
    }
    let both = [&one, &two].map(|node| {
        let node = Arc::clone(node);
        tokio::spawn(async move {
            let mut gone = 0;
            for _ in 0..20 {
                gone += node.delete_due_users(after(60), 3).await.unwrap();
            }
            gone
        })
    });
    let mut gone = 0;
    for node in both {
        gone += node.await.unwrap();
    }
    assert_eq!(gone, 20);
    assert!(one.users(None, 10).await.unwrap().is_empty());
}

pub async fn of_two_superusers_who_ask_at_once_one_stays([one, two]: [Arc<dyn AdminStore>; 2]) {
    let (ada, bob) = (superuser(&*one, "ada", 1).await, superuser(&*one, "bob", 2).await);
    let asked = [asked(&*one, &ada, 1, Some(60)).await, asked(&*two, &bob, 2, Some(60)).await];
    let [first, second] = asked;
    let (first, second) = tokio::join!(one.ask_deletion(first), two.ask_deletion(second));
    let mut came_of_it = [first.unwrap(), second.unwrap()];
    came_of_it.sort_by_key(|asked| *asked == DeletionAsked::LastSuperuser);
    assert_eq!(came_of_it, [DeletionAsked::Done, DeletionAsked::LastSuperuser]);
}

pub async fn a_login_or_a_new_password_at_the_same_time_leaves_no_session_behind(
    [one, two]: [Arc<dyn AdminStore>; 2],
) {
    for n in 0..10 {
        let user = make_user(&*one, &format!("user{n}")).await;
        let (asking, beginning) = (100 + n * 2, 101 + n * 2);
        assert!(one.create_session(new_session(asking, user.id)).await.unwrap());
        let checked = one.password_of(user.id).await.unwrap().unwrap();
        let new = EncodedPassword::from_stored("new".to_owned());
        let begin = Begin {
            checked: Some(checked.clone()),
            ..Begin::unchecked(new_session(beginning, user.id))
        };
        let asks = asked(&*one, &user, asking, Some(60)).await;
        let (deletion, login, change) = tokio::join!(
            one.ask_deletion(asks),
            two.begin_session(begin),
            two.change_password(user.id, &checked, &new, session_id(asking), noon(), vec![]),
        );
        let (deletion, login, change) = (deletion.unwrap(), login.unwrap(), change.unwrap());
        let is_done = deletion == DeletionAsked::Done;
        let live = one.user_sessions(user.id, noon()).await.unwrap();
        assert_eq!(one.user_by_id(user.id).await.unwrap().unwrap().is_active, !is_done);
        if is_done {
            assert_ne!(change, PasswordChange::Done, "the row was another then");
            assert!(live.is_empty(), "{login:?}");
        } else {
            assert_eq!((deletion, change), (DeletionAsked::Stale, PasswordChange::Done));
            assert!(matches!(login, Begun::UserChanged | Begun::Done { .. }));
        }
    }
}

pub async fn of_coming_back_and_being_deleted_at_last_one_happens(
    [one, two]: [Arc<dyn AdminStore>; 2],
) {
    for n in 1..=10 {
        let user = make_user(&*one, &format!("user{n}")).await;
        assert!(one.create_session(new_session(n, user.id)).await.unwrap());
        assert_eq!(asks(&*one, &user, n, Some(60)).await, DeletionAsked::Done);
        let checked = one.password_of(user.id).await.unwrap().unwrap();
        let (gone, once, twice) = tokio::join!(
            one.delete_due_users(after(60), 10),
            two.restore_user(user.id, &checked, noon(), None),
            one.restore_user(user.id, &checked, noon(), None),
        );
        let came_back = [once.unwrap(), twice.unwrap()].map(u64::from).iter().sum::<u64>();
        let there = one.user_by_id(user.id).await.unwrap();
        // A row that somebody holds is left to the next round.
        assert!(came_back <= 1 && gone.unwrap() + came_back == 1);
        assert_eq!(there.is_some_and(|user| user.is_active), came_back == 1);
    }
}

async fn superuser(store: &dyn AdminStore, name: &str, session: u64) -> User {
    let new = NewUser {
        is_staff: true,
        is_superuser: true,
        ..new_user(name, &format!("{name}@example.com"))
    };
    let user = store.create_user(new, noon()).await.unwrap();
    assert!(store.create_session(new_session(session, user.id)).await.unwrap());
    user
}

async fn asked(
    store: &dyn AdminStore,
    user: &User,
    session: u64,
    grace: Option<i64>,
) -> SelfDeletion {
    SelfDeletion {
        user: user.id,
        checked: store.password_of(user.id).await.unwrap().unwrap(),
        session: session_id(session),
        at: grace.map(after),
        now: noon(),
        ip: None,
        mails: Vec::new(),
    }
}

async fn asks(
    store: &dyn AdminStore,
    user: &User,
    session: u64,
    grace: Option<i64>,
) -> DeletionAsked {
    store.ask_deletion(asked(store, user, session, grace).await).await.unwrap()
}

async fn comes_back(store: &dyn AdminStore, user: &User) -> bool {
    let checked = store.password_of(user.id).await.unwrap();
    let checked = checked.unwrap_or_else(EncodedPassword::unusable);
    store.restore_user(user.id, &checked, noon(), None).await.unwrap()
}

/// What the audit log says of a user, the last first.
async fn kinds(store: &dyn AdminStore, user: &User) -> Vec<AuditKind> {
    let asked = AuditSearch { user: Some(user.id), limit: 10, ..AuditSearch::default() };
    store.audit(&asked).await.unwrap().rows.iter().map(|row| row.line.kind).collect()
}

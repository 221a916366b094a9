//! What is promised of who registers, and waits for a proof.

use std::sync::Arc;

use jiff::Timestamp;

use super::admin::as_is;
use super::fixtures::{after, make_user, new_session, new_user, noon};
use super::tokens::LIFE;
use crate::clock::OsRandom;
use crate::store::admin::{Actor, AdminStore, UserEdit};
use crate::store::{
    Act, Begin, MailBounds, MailClass, MailState, NewMail, NewToken, Proof, Register, StoreError,
    Use, Used, WaitingRegistration,
};
use crate::token::{OneTimeToken, Purpose, SecretHash};
use crate::user::{Email, NewUser, ProfileChange, User, UserId, fold_address};

pub async fn whoever_registers_is_there_with_a_token_and_a_mail_or_not_at_all(
    store: Arc<dyn AdminStore>,
) {
    let (token, ada) = registered(&*store, "ada", ADDRESS, 1, None).await.unwrap();
    assert_eq!((ada.locale.as_str(), ada.email.as_str(), ada.email_verified), ("de", "", false));
    assert!(is_done(&store.use_token(prove(&token, ADDRESS)).await.unwrap()));
    // The address is taken: the user is made all the same, and its owner hears of it.
    let (token, eve) = registered(&*store, "eve", "ADA@example.com", 3, None).await.unwrap();
    assert_eq!(eve.email, "");
    assert_eq!(store.use_token(prove(&token, "ADA@example.com")).await.unwrap(), Used::Invalid);
    // The name is taken: nothing at all.
    let refused = registered(&*store, "ADA", "other@example.com", 5, None).await;
    assert!(matches!(refused, Err(StoreError::UsernameTaken)));
    assert_eq!(mails(&*store).await, [4, 1], "to the new user, and to who has the address");
}

pub async fn an_address_that_is_claimed_becomes_the_users_when_it_is_proved(
    store: Arc<dyn AdminStore>,
) {
    let (first, ada) = registered(&*store, "ada", ADDRESS, 1, None).await.unwrap();
    // Two may claim it; who proves it first has it.
    let (second, _) = registered(&*store, "eve", ADDRESS, 3, None).await.unwrap();
    assert!(is_done(&store.use_token(prove(&first, ADDRESS)).await.unwrap()));
    let user = store.user_by_id(ada.id).await.unwrap().unwrap();
    assert_eq!((user.email.as_str(), user.email_verified), (ADDRESS, true));
    let late = store.use_token(prove(&second, ADDRESS)).await;
    assert!(matches!(late, Err(StoreError::EmailTaken)));
    // From then on its owner is told, and the claim serves nothing.
    let (third, _) = registered(&*store, "mallory", ADDRESS, 5, None).await.unwrap();
    assert_eq!(store.use_token(prove(&third, ADDRESS)).await.unwrap(), Used::Invalid);
    assert_eq!(mails(&*store).await, [6, 3, 1]);
}

pub async fn who_registers_beyond_the_bounds_of_an_address_takes_no_code_and_no_claim_away(
    store: Arc<dyn AdminStore>,
) {
    let bounds = MailBounds { an_hour: 1, ..MailBounds::default() };
    let code = SecretHash::from_stored(&[7; 32]);
    let mut claims = Vec::new();
    for (n, name) in (0..).zip(["ada", "eve"]) {
        let (token, asked) = asked(name, ADDRESS, 2 * n + 1, None);
        let new = NewToken { code, created_at: after(n), ..asked.token };
        let [mail, taken] =
            [asked.mail, asked.taken].map(|mail| NewMail { class: MailClass::Asked, ..mail });
        let asked = Register { token: new, mail, taken, bounds, ..asked };
        store.register(asked).await.unwrap();
        claims.push(token.id());
    }
    let states = store.outbox(Some(MailState::Void), None, 10).await.unwrap();
    assert_eq!(states.iter().map(|row| row.id).collect::<Vec<_>>(), [3], "one too many");
    let tried = store.try_codes(Purpose::VerifyEmail, ADDRESS, after(2)).await.unwrap();
    assert_eq!(tried.iter().map(|token| token.id).collect::<Vec<_>>(), [claims[0]]);
    // Who was told nothing may ask for another mail.
    let live = store.tokens_for(Purpose::VerifyEmail, ADDRESS, 10).await.unwrap();
    let live: Vec<_> = live.iter().map(|token| (token.id, token.code)).collect();
    assert_eq!(live, [(claims[1], None), (claims[0], code)]);
    // And whoever asks for another one too early keeps what there was.
    let user = store.tokens_for(Purpose::VerifyEmail, ADDRESS, 1).await.unwrap()[0].user;
    let again = OneTimeToken::draw(&OsRandom);
    let address = ADDRESS.to_owned();
    let new = NewToken::new(&again, Purpose::VerifyEmail, after(3), after(LIFE));
    let new = NewToken { user, address, code, ..new };
    let mail = NewMail { class: MailClass::Asked, ..NewMail::new(9, ADDRESS, vec![1], after(3)) };
    store.issue_token(new, vec![mail], bounds).await.unwrap();
    assert!(store.token(again.id()).await.unwrap().unwrap().is_used);
    assert!(!store.token(claims[1]).await.unwrap().unwrap().is_used);
}

pub async fn whoever_must_prove_an_address_waits_alike_whether_or_not_another_has_it(
    store: Arc<dyn AdminStore>,
) {
    make_user(&*store, "bob").await;
    let until = Some(after(WAIT));
    let (free, ada) = registered(&*store, "ada", ADDRESS, 1, until).await.unwrap();
    let (taken, eve) = registered(&*store, "eve", "BOB@example.com", 3, until).await.unwrap();
    for (user, address) in [(&ada, ADDRESS), (&eve, "BOB@example.com")] {
        let waits = store.registration_of(user.id).await.unwrap();
        let address = address.to_owned();
        assert_eq!(waits, Some(WaitingRegistration { user: user.id, address, until: after(WAIT) }));
        let found = store.user_by_login(&user.username).await.unwrap().unwrap();
        assert!(found.user.is_active && found.user.email.is_empty() && found.password.is_usable());
    }
    assert!(store.user_by_login(ADDRESS).await.unwrap().is_none(), "an address is nobody's yet");
    let both = store.registrations_of(&[ada.id, UserId::new(99), eve.id]).await.unwrap();
    assert_eq!(both.len(), 2);
    assert_eq!(store.use_token(prove(&taken, "BOB@example.com")).await.unwrap(), Used::Invalid);
    assert!(is_done(&store.use_token(prove(&free, ADDRESS)).await.unwrap()));
    assert_eq!(store.registration_of(ada.id).await.unwrap(), None, "the wait is over");
    assert!(store.registration_of(eve.id).await.unwrap().is_some());
}

pub async fn whoever_gets_an_address_or_goes_waits_no_more(store: Arc<dyn AdminStore>) {
    let mut waiting = Vec::new();
    for (n, name) in (0..).zip(["ada", "bob", "eve"]) {
        let address = format!("{name}@example.org");
        let (_, user) =
            registered(&*store, name, &address, 2 * n + 1, Some(after(WAIT))).await.unwrap();
        waiting.push(user);
    }
    let email = Some(Some(Email::parse("ada@example.net").unwrap()));
    let change = ProfileChange { email, ..ProfileChange::default() };
    store.update_profile(waiting[0].id, change).await.unwrap();
    store.delete_user(waiting[1].id, after(1)).await.unwrap();
    let ids: Vec<UserId> = waiting.iter().map(|user| user.id).collect();
    let left = store.registrations_of(&ids).await.unwrap();
    let left: Vec<UserId> = left.iter().map(|waits| waits.user).collect();
    assert_eq!(left, [waiting[2].id]);
}

pub async fn who_did_not_prove_an_address_in_time_is_gone_and_nobody_else_is(
    store: Arc<dyn AdminStore>,
) {
    let names = ["late", "later", "worker", "known", "named"];
    let mut users = Vec::new();
    for (n, name) in (0..).zip(names) {
        let until = after(if name == "later" { WAIT + 1 } else { WAIT });
        let address = format!("{name}@example.org");
        users.push(registered(&*store, name, &address, 2 * n + 1, Some(until)).await.unwrap().1);
    }
    // An operator gave one power, and one an address; and one was logged in where they might.
    let seen = store.user_record(users[2].id).await.unwrap().unwrap().fingerprint;
    let edit = UserEdit { is_staff: true, ..as_is(&users[2]) };
    let root = Actor::shell("root", after(1));
    store.edit_user(users[2].id, &edit, seen, &root).await.unwrap();
    let session = new_session(7, users[3].id);
    store.begin_session(Begin::unchecked(session)).await.unwrap();
    let email = Some(Some(Email::parse("named@example.net").unwrap()));
    let change = ProfileChange { email, ..ProfileChange::default() };
    store.update_profile(users[4].id, change).await.unwrap();

    assert_eq!(store.delete_due_registrations(after(WAIT - 1), 10).await.unwrap(), 0);
    assert_eq!(store.delete_due_registrations(after(WAIT), 10).await.unwrap(), 1);
    for (user, is_there) in users.iter().zip([false, true, true, true, true]) {
        let found = store.user_by_id(user.id).await.unwrap();
        assert_eq!(found.is_some(), is_there, "{}", user.username);
    }
    let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let left = store.registrations_of(&ids).await.unwrap();
    assert_eq!(left.iter().map(|waits| waits.user).collect::<Vec<_>>(), [users[1].id]);
    // The name is free again.
    registered(&*store, "late", "late@example.org", 20, Some(after(WAIT))).await.unwrap();
}

pub async fn lapsed_registrations_go_some_at_a_time(store: Arc<dyn AdminStore>) {
    for n in 0..5 {
        let (name, address) = (format!("user{n}"), format!("user{n}@example.org"));
        registered(&*store, &name, &address, 2 * n + 1, Some(after(n))).await.unwrap();
    }
    let mut gone = Vec::new();
    for _ in 0..3 {
        gone.push(store.delete_due_registrations(after(WAIT), 2).await.unwrap());
    }
    assert_eq!(gone, [2, 2, 1]);
}

pub async fn of_users_elsewhere_those_are_due_who_never_had_a_session(store: Arc<dyn AdminStore>) {
    let note = async |name: &str, seconds: i64| {
        let user: UserId = name.parse().unwrap();
        let address = format!("{name}@example.com");
        let new = WaitingRegistration { user, address, until: after(seconds) };
        store.note_registration(new).await.unwrap();
        user
    };
    let (known, second, first) =
        (note("a-known", 1).await, note("b-second", 2).await, note("c-first", 1).await);
    note("d-waits", 4).await;
    store.create_session(new_session(7, known)).await.unwrap();
    assert_eq!(store.due_registrations(after(3), 10).await.unwrap(), [first, second]);
    assert_eq!(store.due_registrations(after(3), 1).await.unwrap(), [first]);
    assert_eq!(store.registration_of(known).await.unwrap(), None);
    store.forget_registration(first).await.unwrap();
    assert_eq!(store.due_registrations(after(3), 10).await.unwrap(), [second]);
    // Noted again, it waits anew.
    note("b-second", 9).await;
    assert_eq!(store.due_registrations(after(3), 10).await.unwrap(), []);
}

async fn registered(
    store: &dyn AdminStore,
    name: &str,
    email: &str,
    mails: i64,
    waits_until: Option<Timestamp>,
) -> Result<(OneTimeToken, User), StoreError> {
    let (token, register) = asked(name, email, mails, waits_until);
    Ok((token, store.register(register).await?))
}

fn asked(
    name: &str,
    email: &str,
    mails: i64,
    waits_until: Option<Timestamp>,
) -> (OneTimeToken, Register) {
    let token = OneTimeToken::draw(&OsRandom);
    let address = fold_address(email);
    let mail = |id| NewMail {
        user: Some(UserId::new(1)),
        ..NewMail::new(id, &address, vec![1], after(id))
    };
    let register = Register {
        user: NewUser { locale: "de".to_owned(), ..new_user(name, "") },
        claims: Email::parse(email).unwrap(),
        waits_until,
        token: NewToken {
            address: address.clone(),
            ..NewToken::new(&token, Purpose::VerifyEmail, noon(), after(LIFE))
        },
        mail: mail(mails),
        taken: mail(mails + 1),
        bounds: MailBounds::default(),
        now: noon(),
    };
    (token, register)
}

fn prove(token: &OneTimeToken, to: &str) -> Use {
    let to = Some(Email::parse(to).unwrap());
    Use {
        id: token.id(),
        purpose: Purpose::VerifyEmail,
        proof: Proof::Secret(token.hash()),
        now: noon(),
        act: Act::VerifyEmail { to, password: None },
        mails: Vec::new(),
    }
}

/// The ids of the mails in the outbox, the newest first.
async fn mails(store: &dyn AdminStore) -> Vec<i64> {
    store.outbox(None, None, 10).await.unwrap().iter().map(|row| row.id).collect()
}

fn is_done(used: &Used) -> bool {
    matches!(used, Used::Done { .. })
}

const ADDRESS: &str = "ada@example.com";
/// In seconds.
const WAIT: i64 = 1_200;

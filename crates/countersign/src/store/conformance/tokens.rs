//! What is promised of one-time tokens.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::admin::as_is;
use super::factors;
use super::fixtures::{after, make_user, new_session, noon, session_id};
use crate::clock::OsRandom;
use crate::factor::FactorId;
use crate::password::EncodedPassword;
use crate::store::admin::{Actor, AdminStore, UserAct, UserEdit};
use crate::store::{
    Act, CODE_CLAIMS, CODE_TRIES, CodesSet, ConfirmFactor, Confirmed, Leftovers, MailBounds,
    NewMail, NewRecoveryCode, NewToken, Proof, SetRecoveryCodes, StoreError, Use, Used,
};
use crate::token::{Fingerprint, OneTimeToken, Purpose, SecretHash};
use crate::user::{Email, User, UserId, fold_address};

pub async fn a_token_is_used_once_by_who_has_its_secret(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let token = issue(&*store, &ada, Purpose::VerifyEmail).await;
    let wrong = OneTimeToken::draw(&OsRandom);
    let guess = Use { proof: Proof::Secret(wrong.hash()), ..verify(&token) };
    assert_eq!(store.use_token(guess).await.unwrap(), Used::Invalid);
    assert_eq!(store.use_token(verify(&wrong)).await.unwrap(), Used::Invalid);
    let Used::Done { user: Some(user), .. } = store.use_token(verify(&token)).await.unwrap() else {
        panic!("a good token is not taken");
    };
    assert!(user.email_verified && user.id == ada.id);
    assert_eq!(store.use_token(verify(&token)).await.unwrap(), Used::Invalid);
    assert!(store.token(token.id()).await.unwrap().unwrap().is_used);
}

pub async fn a_token_of_one_purpose_serves_no_other(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    for made in Purpose::ALL {
        let token = issue(&*store, &ada, made).await;
        for tried in Purpose::ALL.into_iter().filter(|tried| *tried != made) {
            let take = Use { purpose: tried, ..verify(&token) };
            assert_eq!(store.use_token(take).await.unwrap(), Used::Invalid, "{made:?} {tried:?}");
        }
        assert!(!store.token(token.id()).await.unwrap().unwrap().is_used);
    }
}

pub async fn a_token_dies_with_what_it_was_made_for(store: Arc<dyn AdminStore>) {
    for (name, change) in [("password", 0), ("address", 1), ("active", 2), ("gone", 3)] {
        let user = make_user(&*store, name).await;
        let token = issue(&*store, &user, Purpose::ResetPassword).await;
        match change {
            0 => drop(store.reset_password(user.id, &EncodedPassword::unusable(), noon()).await),
            1 => {
                let email = Some(Some(Email::parse("other@example.com").unwrap()));
                let change = crate::user::ProfileChange { email, ..Default::default() };
                store.update_profile(user.id, change).await.unwrap();
            }
            2 => drop(store.set_active(user.id, false, noon()).await),
            _ => drop(store.delete_user(user.id, noon()).await),
        }
        let new = EncodedPassword::unusable();
        let take = Use {
            purpose: Purpose::ResetPassword,
            act: Act::SetPassword { new },
            ..verify(&token)
        };
        assert_eq!(store.use_token(take).await.unwrap(), Used::Invalid, "{name}");
    }
}

pub async fn a_token_that_is_too_old_or_followed_by_a_newer_one_is_dead(
    store: Arc<dyn AdminStore>,
) {
    let (ada, bob) = (make_user(&*store, "ada").await, make_user(&*store, "bob").await);
    let late = issue(&*store, &ada, Purpose::VerifyEmail).await;
    let take = Use { now: after(LIFE), ..verify(&late) };
    assert_eq!(store.use_token(take).await.unwrap(), Used::Invalid);
    let first = issue(&*store, &ada, Purpose::VerifyEmail).await;
    let of_bob = issue(&*store, &bob, Purpose::VerifyEmail).await;
    let of_another_purpose = issue(&*store, &ada, Purpose::Invitation).await;
    let second = issue(&*store, &ada, Purpose::VerifyEmail).await;
    assert_eq!(store.use_token(verify(&first)).await.unwrap(), Used::Invalid);
    assert!(is_done(&store.use_token(verify(&of_bob)).await.unwrap()));
    let take =
        Use { purpose: Purpose::Invitation, act: Act::ProveAddress, ..verify(&of_another_purpose) };
    assert!(is_done(&store.use_token(take).await.unwrap()));
    assert!(is_done(&store.use_token(verify(&second)).await.unwrap()));
}

pub async fn a_code_is_dead_after_five_wrong_tries(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let token = OneTimeToken::draw(&OsRandom);
    let code = SecretHash::from_stored(&[7; 32]).unwrap();
    let new =
        NewToken { code: Some(code), ..new_token(&*store, &token, &ada, Purpose::LoginCode).await };
    store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
    let tried = async |purpose, address: &str, at| {
        store.try_codes(purpose, address, after(at)).await.unwrap()
    };
    for (purpose, address, at) in [
        (Purpose::LoginCode, "bob@example.com", 0),
        (Purpose::ResetPassword, "ada@example.com", 0),
        (Purpose::LoginCode, "ada@example.com", LIFE),
    ] {
        assert_eq!(tried(purpose, address, at).await, [], "{purpose:?} {address} {at}");
    }
    for tries in 1..=CODE_TRIES {
        let found = tried(Purpose::LoginCode, "ada@example.com", 0).await;
        assert_eq!((found[0].id, found[0].code), (token.id(), Some(code)));
        assert_eq!((found[0].tries, found.len()), (tries, 1));
    }
    assert_eq!(tried(Purpose::LoginCode, "ada@example.com", 0).await, []);
    // The fifth one may have been right.
    let take = Use {
        purpose: Purpose::LoginCode,
        proof: Proof::Code(code),
        act: Act::ProveAddress,
        ..verify(&token)
    };
    assert!(is_done(&store.use_token(take).await.unwrap()));
}

pub async fn a_code_may_be_that_of_any_who_claim_the_address(store: Arc<dyn AdminStore>) {
    let claim = async |n: u32, with_code: bool| {
        let user = make_user(&*store, &format!("user{n}")).await;
        let token = OneTimeToken::draw(&OsRandom);
        let new = new_token(&*store, &token, &user, Purpose::VerifyEmail).await;
        let code = with_code.then(|| SecretHash::from_stored(&[7; 32]).unwrap());
        let address = "ada@example.com".to_owned();
        let new = NewToken { address, code, created_at: after(n.into()), ..new };
        store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
        token.id().as_i64()
    };
    let tried = async || {
        let tried = store.try_codes(Purpose::VerifyEmail, "ada@example.com", after(60)).await;
        tried.unwrap().iter().map(|token| (token.id.as_i64(), token.tries)).collect::<BTreeSet<_>>()
    };
    let first = claim(0, true).await;
    assert_eq!(tried().await, BTreeSet::from([(first, 1)]));
    // Whoever claims it later takes nothing away; what has no code is not tried.
    let second = claim(1, true).await;
    claim(2, false).await;
    assert_eq!(tried().await, BTreeSet::from([(first, 2), (second, 1)]));
    for _ in 0..3 {
        tried().await;
    }
    assert_eq!(tried().await, BTreeSet::from([(second, 5)]), "each is tried five times");
    assert_eq!(tried().await, BTreeSet::new());
    // Of many those that were made last.
    let mut many = Vec::new();
    for n in 3..4 + CODE_CLAIMS {
        many.push((claim(n, true).await, 1));
    }
    assert_eq!(tried().await, many.into_iter().skip(1).collect());
    let listed = store.tokens_for(Purpose::VerifyEmail, "ada@example.com", 100).await.unwrap();
    assert_eq!(listed.len(), 4 + CODE_CLAIMS as usize);
    assert_eq!(listed.last().map(|token| token.id.as_i64()), Some(first), "the newest first");
}

pub async fn of_fifty_tries_at_a_code_at_once_five_are_counted(
    [one, two]: [Arc<dyn AdminStore>; 2],
) {
    for name in ["ada", "bob"] {
        let user = make_user(&*one, name).await;
        let token = OneTimeToken::draw(&OsRandom);
        let new = new_token(&*one, &token, &user, Purpose::VerifyEmail).await;
        let (address, code) = ("ada@example.com".to_owned(), SecretHash::from_stored(&[7; 32]));
        let new = NewToken { address, code, ..new };
        one.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
    }
    let tries: Vec<_> = (0..50)
        .map(|n| {
            let store = if n % 2 == 0 { Arc::clone(&one) } else { Arc::clone(&two) };
            tokio::spawn(async move {
                store.try_codes(Purpose::VerifyEmail, "ada@example.com", noon()).await.unwrap()
            })
        })
        .collect();
    let mut counted = 0;
    for tried in tries {
        counted += tried.await.unwrap().len();
    }
    assert_eq!(counted, 2 * CODE_TRIES as usize);
}

pub async fn a_new_password_by_token_ends_every_session_and_proves_the_address(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    assert!(store.create_session(new_session(1, ada.id)).await.unwrap());
    let token = issue(&*store, &ada, Purpose::ResetPassword).await;
    let new = EncodedPassword::from_stored("a new one".to_owned());
    let take = Use {
        purpose: Purpose::ResetPassword,
        act: Act::SetPassword { new: new.clone() },
        mails: vec![mail(1, "ada@example.com")],
        ..verify(&token)
    };
    let Used::Done { user: Some(user), ended } = store.use_token(take).await.unwrap() else {
        panic!("a good token is not taken");
    };
    assert!(user.email_verified && ended == 1);
    assert!(store.session(session_id(1)).await.unwrap().unwrap().revoked.is_some());
    let stored = store.password_of(ada.id).await.unwrap().unwrap();
    assert_eq!(stored.as_str(), new.as_str());
    assert_eq!(store.outbox_counts().await.unwrap().waiting, 1);
}

pub async fn what_was_set_before_an_address_was_proved_dies_with_the_proof_elsewhere(
    store: Arc<dyn AdminStore>,
) {
    let ada = make_user(&*store, "ada").await;
    assert!(store.create_session(new_session(1, ada.id)).await.unwrap());
    let take = |token: &OneTimeToken| Use {
        act: Act::VerifyEmail { to: None, password: Some(EncodedPassword::unusable()) },
        ..verify(token)
    };
    let before = store.password_of(ada.id).await.unwrap().unwrap();
    let token = issue(&*store, &ada, Purpose::VerifyEmail).await;
    let Used::Done { ended: 1, .. } = store.use_token(take(&token)).await.unwrap() else {
        panic!("the session lives on");
    };
    let after_it = store.password_of(ada.id).await.unwrap().unwrap();
    assert_ne!(before.as_str(), after_it.as_str());
    // Whose address is proved already loses nothing by proving it again.
    assert!(store.create_session(new_session(2, ada.id)).await.unwrap());
    let token = issue(&*store, &ada, Purpose::VerifyEmail).await;
    assert!(matches!(store.use_token(take(&token)).await.unwrap(), Used::Done { ended: 0, .. }));
    assert_eq!(store.password_of(ada.id).await.unwrap().unwrap().as_str(), after_it.as_str());
}

pub async fn an_address_is_changed_once_it_is_proved_and_back_again(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let change = issue(&*store, &ada, Purpose::ChangeEmail).await;
    let to = Email::parse("ada@example.org").unwrap();
    let take = Use {
        purpose: Purpose::ChangeEmail,
        act: Act::ChangeEmail { to: to.clone() },
        ..verify(&change)
    };
    let Used::Done { user: Some(user), .. } = store.use_token(take).await.unwrap() else {
        panic!("a good token is not taken");
    };
    assert_eq!((user.email.as_str(), user.email_verified), ("ada@example.org", true));
    assert!(store.create_session(new_session(1, ada.id)).await.unwrap());
    let undo = issue(&*store, &user, Purpose::Undo).await;
    let other = issue(&*store, &user, Purpose::ResetPassword).await;
    let act = Act::Undo { to: ada.email.clone(), password: EncodedPassword::unusable() };
    let take = Use { purpose: Purpose::Undo, act, ..verify(&undo) };
    let Used::Done { user: Some(user), ended: 1 } = store.use_token(take).await.unwrap() else {
        panic!("a good token is not taken");
    };
    assert_eq!((user.email.as_str(), user.email_verified), ("ada@example.com", true));
    assert!(store.token(other.id()).await.unwrap().unwrap().is_used);
}

pub async fn an_undo_ends_what_came_later_wherever_the_user_lives(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let row = Fingerprint::of_nobody();
    let at_another_time = async |purpose: Purpose, second: i64| {
        let token = OneTimeToken::draw(&OsRandom);
        let new = new_token(&*store, &token, &ada, purpose).await;
        let new = NewToken { created_at: after(second), ..new };
        store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
        token
    };
    let earlier = at_another_time(Purpose::Undo, 1).await;
    let owners = at_another_time(Purpose::Undo, 2).await;
    // On a node whose clock is behind.
    let thiefs = at_another_time(Purpose::Undo, 0).await;
    let change = at_another_time(Purpose::ChangeEmail, 1).await;
    let undo = |token: &OneTimeToken| Use {
        purpose: Purpose::Undo,
        act: Act::Elsewhere { row, leftovers: Leftovers::Stay },
        ..verify(token)
    };
    assert!(is_done(&store.use_token(undo(&owners)).await.unwrap()), "whatever the row is by now");
    let is_used =
        async |token: &OneTimeToken| store.token(token.id()).await.unwrap().unwrap().is_used;
    assert!(is_used(&thiefs).await && is_used(&change).await);
    assert!(!is_used(&earlier).await);
    assert_eq!(store.use_token(undo(&thiefs)).await.unwrap(), Used::Invalid);
}

pub async fn an_undo_takes_away_what_was_enrolled_lately_and_nothing_else(
    store: Arc<dyn AdminStore>,
) {
    for (number, name, has_own) in [(1, "ada", true), (2, "bob", false)] {
        let (user, session) = factors::user_with_session(&*store, name, number).await;
        let own = match has_own {
            true => Some(factors::enrol(&*store, user.id, session).await),
            false => None,
        };
        let token = OneTimeToken::draw(&OsRandom);
        let new = new_token(&*store, &token, &user, Purpose::Undo).await;
        // Good for ten minutes: the thief came in within as many before it was made.
        let new = NewToken { created_at: after(2_000), expires_at: after(2_000 + LIFE), ..new };
        store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
        let thiefs = factors::offer(&*store, user.id).await;
        let confirm = factors::confirm(user.id, thiefs, session);
        let confirm = ConfirmFactor { now: after(2_000 - LIFE), ..confirm };
        assert!(matches!(store.confirm_factor(confirm).await.unwrap(), Confirmed::Done { .. }));
        factors::offer(&*store, user.id).await;
        let before = store.factors_of(user.id).await.unwrap().version;
        let act = Act::Undo { to: user.email.clone(), password: EncodedPassword::unusable() };
        let take = Use { purpose: Purpose::Undo, act, ..verify(&token) };
        assert!(is_done(&store.use_token(take).await.unwrap()));
        let left = store.factors_of(user.id).await.unwrap();
        let ids: Vec<_> = left.factors.iter().map(|factor| factor.id).collect();
        assert_eq!(ids, Vec::from_iter(own), "{name}");
        assert_eq!(left.recovery_codes.is_empty(), !has_own, "{name}");
        assert!(left.version > before, "a sign-in that is under way asks again");
    }
}

pub async fn an_undo_takes_away_the_recovery_codes_that_were_made_lately(
    store: Arc<dyn AdminStore>,
) {
    let since = 2_000 - LIFE;
    for (number, name, made, stay) in [(1, "ada", since, false), (2, "bob", since - 1, true)] {
        let (user, session) = factors::user_with_session(&*store, name, number).await;
        let own = factors::enrol(&*store, user.id, session).await;
        let code = |number| NewRecoveryCode {
            id: FactorId::draw(&OsRandom),
            hash: factors::code_hash(user.id, number),
        };
        let set = SetRecoveryCodes {
            user: user.id,
            codes: vec![code(7), code(8)],
            session,
            now: after(made),
            mails: Vec::new(),
        };
        assert_eq!(store.set_recovery_codes(set).await.unwrap(), CodesSet::Done);
        let token = OneTimeToken::draw(&OsRandom);
        let new = new_token(&*store, &token, &user, Purpose::Undo).await;
        let new = NewToken { created_at: after(2_000), expires_at: after(2_000 + LIFE), ..new };
        store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
        let act = Act::Undo { to: user.email.clone(), password: EncodedPassword::unusable() };
        let take = Use { purpose: Purpose::Undo, act, ..verify(&token) };
        assert!(is_done(&store.use_token(take).await.unwrap()));
        let left = store.factors_of(user.id).await.unwrap();
        assert_eq!(left.factors[0].id, own, "{name}");
        assert_eq!(left.recovery_codes.len(), if stay { 2 } else { 0 }, "{name}");
    }
}

pub async fn who_waited_for_a_proof_keeps_no_factor_and_no_token(store: Arc<dyn AdminStore>) {
    let row = Fingerprint::of_nobody();
    for (number, name, is_elsewhere) in [(1, "ada", false), (2, "bob", true)] {
        let (user, session) = factors::user_with_session(&*store, name, number).await;
        factors::enrol(&*store, user.id, session).await;
        let before = store.factors_of(user.id).await.unwrap().version;
        let undo = issue(&*store, &user, Purpose::Undo).await;
        let token = OneTimeToken::draw(&OsRandom);
        let mut new = new_token(&*store, &token, &user, Purpose::VerifyEmail).await;
        let to = Some(Email::parse(&user.email).unwrap());
        let mut act = Act::VerifyEmail { to, password: Some(EncodedPassword::unusable()) };
        if is_elsewhere {
            new.fingerprint = row;
            act = Act::Elsewhere { row, leftovers: Leftovers::FactorsAndTokens };
        }
        store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
        let take = Use { act, ..verify(&token) };
        assert!(is_done(&store.use_token(take).await.unwrap()));
        let left = store.factors_of(user.id).await.unwrap();
        assert!(left.factors.is_empty() && left.recovery_codes.is_empty(), "{name}");
        assert_ne!(left.version, before, "{name}");
        assert!(store.token(undo.id()).await.unwrap().unwrap().is_used, "{name}");
    }
}

pub async fn a_proof_of_an_address_in_the_row_takes_no_factor_and_no_undo_away(
    store: Arc<dyn AdminStore>,
) {
    let (ada, session) = factors::user_with_session(&*store, "ada", 1).await;
    let own = factors::enrol(&*store, ada.id, session).await;
    let undo = issue(&*store, &ada, Purpose::Undo).await;
    // As whoever took the account could have written their own there.
    let token = issue(&*store, &ada, Purpose::VerifyEmail).await;
    let act = Act::VerifyEmail { to: None, password: Some(EncodedPassword::unusable()) };
    let take = Use { act, ..verify(&token) };
    assert!(matches!(store.use_token(take).await.unwrap(), Used::Done { ended: 1, .. }));
    assert_eq!(store.factors_of(ada.id).await.unwrap().factors[0].id, own);
    assert!(!store.token(undo.id()).await.unwrap().unwrap().is_used);
}

pub async fn what_an_operator_sets_ends_whatever_was_mailed(store: Arc<dyn AdminStore>) {
    let by = Actor::shell("root", after(1));
    for (name, sets_password) in [("ada", true), ("bob", false)] {
        let user = make_user(&*store, name).await;
        let undo = issue(&*store, &user, Purpose::Undo).await;
        if sets_password {
            let new = EncodedPassword::unusable();
            store.set_password_and_tell(user.id, &new, &by, Vec::new()).await.unwrap();
        } else {
            let seen = store.user_record(user.id).await.unwrap().unwrap().fingerprint;
            let email = Some(Email::parse("another@example.org").unwrap());
            let edit = UserEdit { email, ..as_is(&user) };
            store.edit_user(user.id, &edit, seen, &by).await.unwrap();
        }
        assert!(store.token(undo.id()).await.unwrap().unwrap().is_used, "{name}");
    }
}

pub async fn an_address_that_somebody_took_meanwhile_uses_no_token_up(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let token = issue(&*store, &ada, Purpose::ChangeEmail).await;
    make_user(&*store, "bob").await;
    let to = Email::parse("bob@example.com").unwrap();
    let take =
        Use { purpose: Purpose::ChangeEmail, act: Act::ChangeEmail { to }, ..verify(&token) };
    assert!(matches!(store.use_token(take).await, Err(StoreError::EmailTaken)));
    assert!(!store.token(token.id()).await.unwrap().unwrap().is_used);
}

pub async fn a_hash_that_is_renewed_ends_no_link(store: Arc<dyn AdminStore>) {
    let (ada, bob) = (make_user(&*store, "ada").await, make_user(&*store, "bob").await);
    let old = store.password_of(ada.id).await.unwrap().unwrap();
    let of_bob = issue(&*store, &bob, Purpose::VerifyEmail).await;
    let other = store.password_of(bob.id).await.unwrap().unwrap();
    let stale = OneTimeToken::draw(&OsRandom);
    let fingerprint = Fingerprint::of(&EncodedPassword::unusable(), "ada@example.com", true);
    let new = new_token(&*store, &stale, &ada, Purpose::LoginCode).await;
    let new = NewToken { fingerprint, ..new };
    store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
    let link = issue(&*store, &ada, Purpose::VerifyEmail).await;
    let renewed = EncodedPassword::from_stored("argon2$renewed".to_owned());
    assert!(store.upgrade_password(ada.id, &old, &renewed).await.unwrap());
    assert!(!store.upgrade_password(ada.id, &old, &other).await.unwrap());
    assert!(is_done(&store.use_token(verify(&link)).await.unwrap()), "it is the same password");
    let late = Use { purpose: Purpose::LoginCode, act: Act::ProveAddress, ..verify(&stale) };
    assert_eq!(store.use_token(late).await.unwrap(), Used::Invalid, "of another state of the row");
    assert!(is_done(&store.use_token(verify(&of_bob)).await.unwrap()));
    // Of a user who lives elsewhere, whoever keeps the row says what it is by now.
    let (before, after_it) = (Fingerprint::of_nobody(), Fingerprint::of(&renewed, "", true));
    let link = OneTimeToken::draw(&OsRandom);
    let new = new_token(&*store, &link, &ada, Purpose::VerifyEmail).await;
    let new = NewToken { fingerprint: before, ..new };
    store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
    store.carry_tokens(bob.id, before, after_it).await.unwrap();
    let elsewhere = || Act::Elsewhere { row: after_it, leftovers: Leftovers::Stay };
    let early = store.use_token(Use { act: elsewhere(), ..verify(&link) }).await.unwrap();
    assert_eq!(early, Used::Invalid, "it is not bob's");
    store.carry_tokens(ada.id, before, after_it).await.unwrap();
    let used = store.use_token(Use { act: elsewhere(), ..verify(&link) }).await.unwrap();
    assert!(is_done(&used), "{used:?}");
}

pub async fn a_link_that_died_with_its_user_stays_dead_when_they_are_active_again(
    store: Arc<dyn AdminStore>,
) {
    let by = Actor::shell("root", after(1));
    for (name, how) in [("ada", 0), ("bob", 1), ("cy", 2)] {
        let user = make_user(&*store, name).await;
        let link = issue(&*store, &user, Purpose::VerifyEmail).await;
        let undo = issue(&*store, &user, Purpose::Undo).await;
        let edit = async |edit: UserEdit| {
            let seen = store.user_record(user.id).await.unwrap().unwrap().fingerprint;
            store.edit_user(user.id, &edit, seen, &by).await.unwrap();
        };
        match how {
            0 => {
                store.set_active(user.id, false, noon()).await.unwrap();
                store.set_active(user.id, true, noon()).await.unwrap();
            }
            1 => {
                for act in [UserAct::Deactivate, UserAct::Activate] {
                    store.act_on_users(&[user.id], act, &by).await.unwrap();
                }
            }
            _ => {
                edit(UserEdit { is_active: false, ..as_is(&user) }).await;
                edit(as_is(&user)).await;
            }
        }
        assert_eq!(store.use_token(verify(&link)).await.unwrap(), Used::Invalid, "{name}");
        assert!(!store.token(undo.id()).await.unwrap().unwrap().is_used, "{name}");
        // What is sent from now on is good.
        let link = issue(&*store, &user, Purpose::VerifyEmail).await;
        assert!(is_done(&store.use_token(verify(&link)).await.unwrap()), "{name}");
    }
}

pub async fn tokens_that_expired_are_forgotten(store: Arc<dyn AdminStore>) {
    let ada = make_user(&*store, "ada").await;
    let token = issue(&*store, &ada, Purpose::VerifyEmail).await;
    assert_eq!(store.prune_tokens(after(LIFE), 10).await.unwrap(), 0);
    assert_eq!(store.prune_tokens(after(LIFE + 1), 10).await.unwrap(), 1);
    assert!(store.token(token.id()).await.unwrap().is_none());
}

pub async fn of_fifty_who_use_one_token_at_once_one_does([one, two]: [Arc<dyn AdminStore>; 2]) {
    let ada = make_user(&*one, "ada").await;
    let token = issue(&*one, &ada, Purpose::ResetPassword).await;
    let tries: Vec<_> = (0..50)
        .map(|n| {
            let store = if n % 2 == 0 { Arc::clone(&one) } else { Arc::clone(&two) };
            let new = EncodedPassword::from_stored(format!("password {n}"));
            let take = Use {
                purpose: Purpose::ResetPassword,
                act: Act::SetPassword { new },
                ..verify(&token)
            };
            tokio::spawn(async move { store.use_token(take).await.unwrap() })
        })
        .collect();
    let mut done = 0;
    for tried in tries {
        done += u32::from(is_done(&tried.await.unwrap()));
    }
    assert_eq!(done, 1);
}

/// A token for a user's row as it is.
pub(super) async fn new_token(
    store: &dyn AdminStore,
    token: &OneTimeToken,
    user: &User,
    purpose: Purpose,
) -> NewToken {
    let password = store.password_of(user.id).await.unwrap().unwrap();
    let address = fold_address(&user.email);
    NewToken {
        user: Some(user.id),
        fingerprint: Fingerprint::of(&password, &address, user.is_active),
        address,
        ..NewToken::new(token, purpose, noon(), after(LIFE))
    }
}

pub(super) async fn issue(store: &dyn AdminStore, user: &User, purpose: Purpose) -> OneTimeToken {
    let token = OneTimeToken::draw(&OsRandom);
    let new = new_token(store, &token, user, purpose).await;
    store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();
    token
}

fn verify(token: &OneTimeToken) -> Use {
    Use {
        id: token.id(),
        purpose: Purpose::VerifyEmail,
        proof: Proof::Secret(token.hash()),
        now: noon(),
        act: Act::VerifyEmail { to: None, password: None },
        mails: Vec::new(),
    }
}

fn mail(id: i64, address: &str) -> NewMail {
    NewMail { user: Some(UserId::new(1)), ..NewMail::new(id, address, vec![1], noon()) }
}

fn is_done(used: &Used) -> bool {
    matches!(used, Used::Done { .. })
}

/// In seconds.
pub(super) const LIFE: i64 = 600;

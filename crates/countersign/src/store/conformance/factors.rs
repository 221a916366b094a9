//! What is promised of second factors: each proof serves once, and whatever changes them is felt by
//! a sign-in that is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::fixtures::{after, make_user, new_session, noon, session_id};
use crate::clock::OsRandom;
use crate::factor::FactorId;
use crate::password::EncodedPassword;
use crate::session::{NewSession, RevokedReason, SessionId};
use crate::sign_in::{FACTOR_TRIES, FACTORS_AT_MOST, FactorKind, Factors, Method, Methods, Scope};
use crate::store::admin::{Actor, AdminError, AdminStore, AuditKind, AuditSearch, UserAct, Who};
use crate::store::{
    Begin, Begun, CodesSet, ConfirmFactor, Confirmed, FactorProof, FactorUse, NewFactor, NewMail,
    NewRecoveryCode, RemoveFactor, Removed, SetRecoveryCodes, StepUp, SteppedUp, UserFactors,
};
use crate::token::SecretHash;
use crate::user::{User, UserId};

pub async fn a_factor_is_asked_for_once_it_is_proved_and_the_session_knows(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let id = offer(&*store, ada.id).await;
    let offered = store.factors_of(ada.id).await.unwrap();
    assert_eq!((offered.version, offered.enrolled()), (0, Factors::default()));
    assert_eq!((offered.factors[0].id, &*offered.factors[0].sealed), (id, &[1, 2, 3][..]));
    let Confirmed::Done { are_codes_new, authentication } =
        store.confirm_factor(confirm(ada.id, id, own)).await.unwrap()
    else {
        panic!("a factor that was offered is not enrolled");
    };
    assert!(are_codes_new);
    assert_eq!((authentication.at, authentication.scope), (after(10), Scope::Full));
    assert_eq!(authentication.methods, Methods::from_words("otp mfa"));
    let session = store.session(own).await.unwrap().unwrap();
    assert_eq!(session.authentication, authentication);
    let enrolled = store.factors_of(ada.id).await.unwrap();
    assert!(enrolled.version > 0);
    assert_eq!(enrolled.factors[0].last_step, Some(STEP));
    assert_eq!(enrolled.enrolled(), Factors::of([FactorKind::Totp, FactorKind::RecoveryCode]));
    assert_eq!(enrolled.recovery_codes.len(), 2);
    let again = store.confirm_factor(confirm(ada.id, id, own)).await.unwrap();
    assert_eq!(again, Confirmed::Unknown);
}

pub async fn a_factor_is_not_enrolled_for_another_too_late_or_by_a_session_that_ended(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let (bob, of_bob) = user_with_session(&*store, "bob", 2).await;
    let id = offer(&*store, ada.id).await;
    let asked = confirm(ada.id, id, own);
    for (wrong, told) in [
        (ConfirmFactor { user: bob.id, session: of_bob, ..asked.clone() }, Confirmed::Unknown),
        (ConfirmFactor { offered_after: noon(), ..asked.clone() }, Confirmed::Unknown),
        (ConfirmFactor { session: of_bob, ..asked.clone() }, Confirmed::SessionEnded),
    ] {
        assert_eq!(store.confirm_factor(wrong).await.unwrap(), told);
    }
    let newer = offer(&*store, ada.id).await;
    assert_eq!(store.confirm_factor(asked).await.unwrap(), Confirmed::Unknown);
    store.revoke_session(own, None, RevokedReason::Logout, after(1)).await.unwrap();
    let late = store.confirm_factor(confirm(ada.id, newer, own)).await.unwrap();
    assert_eq!(late, Confirmed::SessionEnded);
    let has = store.factors_of(ada.id).await.unwrap();
    assert_eq!((has.version, has.enrolled(), has.recovery_codes.len()), (0, Factors::default(), 0));
}

pub async fn a_session_begins_with_a_factor_once_and_on_the_factors_as_they_were_checked(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let id = enrol(&*store, ada.id, own).await;
    let pending = FactorId::draw(&OsRandom);
    let begin = begin(&*store, &ada, 10, totp(pending, id, STEP + 1)).await;
    let old = Begin { factors: 0, ..begin.clone() };
    assert_eq!(store.begin_session(old).await.unwrap(), Begun::UserChanged);
    let used_step = Begin { factor: Some(totp(pending, id, STEP)), ..begin.clone() };
    assert_eq!(store.begin_session(used_step).await.unwrap(), Begun::FactorUsed);
    let taken_id =
        Begin { session: NewSession { id: own, ..begin.session.clone() }, ..begin.clone() };
    assert_eq!(store.begin_session(taken_id).await.unwrap(), Begun::IdTaken);
    // None of these has used the sign-in up. No try need be counted.
    assert!(!store.waiting_sign_in(ada.id, pending).await.unwrap().is_used);
    assert!(matches!(store.begin_session(begin.clone()).await.unwrap(), Begun::Done { .. }));
    let session = store.session(begin.session.id).await.unwrap().unwrap();
    assert_eq!(session.authentication.methods, Methods::from_words("pwd otp mfa"));
    assert_eq!(session.authentication.at, begin.session.created_at);
    let factor = &store.factors_of(ada.id).await.unwrap().factors[0];
    assert_eq!((factor.last_step, factor.last_used_at), (Some(STEP + 1), Some(noon())));
    // The sign-in is used, and so is the step.
    let another = NewSession { id: session_id(11), ..new_session(1, ada.id) };
    let other_step =
        Begin { session: another.clone(), factor: Some(totp(pending, id, STEP + 2)), ..begin };
    assert_eq!(store.begin_session(other_step.clone()).await.unwrap(), Begun::FactorUsed);
    assert!(!store.count_factor_try(pending, after(300)).await.unwrap());
    let fresh = FactorId::draw(&OsRandom);
    assert!(store.count_factor_try(fresh, after(300)).await.unwrap());
    let same_step = Begin { factor: Some(totp(fresh, id, STEP + 1)), ..other_step.clone() };
    assert_eq!(store.begin_session(same_step).await.unwrap(), Begun::FactorUsed);
    let good = Begin { factor: Some(totp(fresh, id, STEP + 2)), ..other_step };
    assert!(matches!(store.begin_session(good).await.unwrap(), Begun::Done { .. }));
}

pub async fn a_user_has_as_many_factors_as_anybody_may_and_no_more(store: Arc<dyn AdminStore>) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    for _ in 0..FACTORS_AT_MOST {
        enrol(&*store, ada.id, own).await;
    }
    let before = version_of(&*store, ada.id).await;
    let one_more = offer(&*store, ada.id).await;
    let refused = store.confirm_factor(confirm(ada.id, one_more, own)).await.unwrap();
    assert_eq!(refused, Confirmed::TooMany);
    let has = store.factors_of(ada.id).await.unwrap();
    assert_eq!(has.version, before, "nothing was done");
    let enrolled = has.factors.iter().filter(|factor| factor.is_enrolled);
    assert_eq!(enrolled.count(), FACTORS_AT_MOST as usize);
}

pub async fn a_second_step_sees_in_one_look_what_there_is(store: Arc<dyn AdminStore>) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let id = enrol(&*store, ada.id, own).await;
    let pending = FactorId::draw(&OsRandom);
    let look = async || store.waiting_sign_in(ada.id, pending).await.unwrap();
    let seen = look().await;
    let (password, user) = seen.row.unwrap();
    let stored = store.password_of(ada.id).await.unwrap().unwrap();
    assert_eq!(password.as_str(), stored.as_str());
    assert_eq!(Some(user), store.user_by_id(ada.id).await.unwrap());
    assert_eq!(seen.factors, store.factors_of(ada.id).await.unwrap());
    assert_eq!((seen.tries, seen.is_used), (0, false));
    for tries in 1..=FACTOR_TRIES {
        assert!(store.count_factor_try(pending, after(300)).await.unwrap());
        assert_eq!(look().await.tries, tries);
    }
    assert!(!store.count_factor_try(pending, after(300)).await.unwrap());
    assert_eq!(look().await.tries, FACTOR_TRIES);
    // Who was counted last may be right.
    let begin = begin(&*store, &ada, 10, totp(pending, id, STEP + 1)).await;
    assert!(matches!(store.begin_session(begin).await.unwrap(), Begun::Done { .. }));
    assert!(look().await.is_used);
    // Of a user elsewhere there is no row.
    let elsewhere: UserId = "0194f3a2-5b6c-7d8e-9f01-23456789abcd".parse().unwrap();
    let seen = store.waiting_sign_in(elsewhere, pending).await.unwrap();
    assert!(seen.row.is_none() && seen.factors == UserFactors::default() && seen.is_used);
}

pub async fn a_recovery_code_serves_once_and_only_its_user(store: Arc<dyn AdminStore>) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let (bob, of_bob) = user_with_session(&*store, "bob", 2).await;
    enrol(&*store, ada.id, own).await;
    enrol(&*store, bob.id, of_bob).await;
    let with_code = async |user: &User, number: u64, hash: u8| {
        let pending = FactorId::draw(&OsRandom);
        assert!(store.count_factor_try(pending, after(300)).await.unwrap());
        let proof = FactorProof::RecoveryCode { hash: code_hash(user.id, hash) };
        let uses =
            FactorUse { pending: Some((pending, after(300))), proof, mails: vec![mail(user.id)] };
        let begin = begin(&*store, user, number, uses).await;
        store.begin_session(begin).await.unwrap()
    };
    assert!(matches!(with_code(&ada, 20, 1).await, Begun::Done { .. }));
    assert_eq!(with_code(&ada, 21, 1).await, Begun::FactorUsed);
    assert_eq!(with_code(&ada, 22, 9).await, Begun::FactorUsed);
    assert!(matches!(with_code(&bob, 23, 1).await, Begun::Done { .. }));
    assert_eq!(store.factors_of(ada.id).await.unwrap().recovery_codes.len(), 1);
    let queued = store.outbox_counts().await.unwrap();
    assert_eq!(queued.waiting, 2, "a mail for each session that began, and for nothing else");
    // New ones take the place of the old ones, for who has a factor.
    let new = vec![NewRecoveryCode { id: FactorId::draw(&OsRandom), hash: code_hash(ada.id, 7) }];
    let (carol, of_carol) = user_with_session(&*store, "carol", 3).await;
    let set = SetRecoveryCodes {
        user: ada.id,
        codes: new,
        session: own,
        now: after(20),
        mails: vec![mail(ada.id)],
    };
    for (wrong, told) in [
        (SetRecoveryCodes { session: of_bob, ..set.clone() }, CodesSet::SessionEnded),
        (SetRecoveryCodes { user: carol.id, session: of_carol, ..set.clone() }, CodesSet::NoFactor),
    ] {
        assert_eq!(store.set_recovery_codes(wrong).await.unwrap(), told);
    }
    assert_eq!(store.set_recovery_codes(set.clone()).await.unwrap(), CodesSet::Done);
    assert_eq!(store.factors_of(ada.id).await.unwrap().recovery_codes, [code_hash(ada.id, 7)]);
    assert_eq!(store.outbox_counts().await.unwrap().waiting, 3);
    store.revoke_session(own, None, RevokedReason::Logout, after(21)).await.unwrap();
    let late = store.set_recovery_codes(set).await.unwrap();
    assert_eq!(late, CodesSet::SessionEnded);
}

pub async fn a_waiting_sign_in_is_tried_five_times(store: Arc<dyn AdminStore>) {
    let (one, other) = (FactorId::draw(&OsRandom), FactorId::draw(&OsRandom));
    for _ in 0..FACTOR_TRIES {
        assert!(store.count_factor_try(one, after(300)).await.unwrap());
    }
    assert!(!store.count_factor_try(one, after(300)).await.unwrap());
    assert!(store.count_factor_try(other, after(300)).await.unwrap());
    assert_eq!(store.prune_factors(after(300), noon(), 10).await.unwrap(), 0);
    assert_eq!(store.prune_factors(after(301), noon(), 10).await.unwrap(), 2);
}

pub async fn a_factor_is_named_and_removed_by_its_user_and_the_last_one_where_none_must_stay(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let (bob, of_bob) = user_with_session(&*store, "bob", 2).await;
    let (first, second) = (enrol(&*store, ada.id, own).await, enrol(&*store, ada.id, own).await);
    let name = crate::session::DeviceName::parse("phone").ok();
    assert!(store.name_factor(ada.id, first, name.clone()).await.unwrap());
    assert!(!store.name_factor(bob.id, first, None).await.unwrap());
    let named = store.factors_of(ada.id).await.unwrap();
    assert!(named.factors.iter().any(|factor| factor.id == first && factor.name == name));
    let remove = |id, user, session, keeps_one| RemoveFactor {
        id,
        user,
        keeps_one,
        session,
        now: after(20),
        mails: Vec::new(),
    };
    let removed = async |which| store.remove_factor(which).await.unwrap();
    assert_eq!(removed(remove(first, bob.id, of_bob, false)).await, Removed::Unknown);
    assert_eq!(removed(remove(first, ada.id, of_bob, false)).await, Removed::SessionEnded);
    assert_eq!(removed(remove(first, ada.id, own, true)).await, Removed::Done);
    let one_left = store.factors_of(ada.id).await.unwrap();
    assert_eq!(one_left.recovery_codes.len(), 2);
    assert_ne!(one_left.version, named.version);
    assert_eq!(removed(remove(second, ada.id, own, true)).await, Removed::LastOne);
    assert_eq!(removed(remove(second, ada.id, own, false)).await, Removed::Done);
    let none_left = store.factors_of(ada.id).await.unwrap();
    assert_eq!(none_left.recovery_codes.len(), 0);
    assert_ne!(none_left.version, one_left.version);
}

pub async fn what_is_proved_again_is_noted_in_a_live_session_on_the_row_as_it_was_checked(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let id = enrol(&*store, ada.id, own).await;
    let again = StepUp {
        session: own,
        user: ada.id,
        checked: store.password_of(ada.id).await.unwrap(),
        factors: version_of(&*store, ada.id).await,
        methods: PASSWORD,
        proof: None,
        now: after(60),
        mails: Vec::new(),
    };
    let SteppedUp::Done(now) = store.step_up(again.clone()).await.unwrap() else {
        panic!("a password that was checked is not noted");
    };
    // It makes no factor new that was proved before.
    assert_eq!((now.at, now.methods), (after(60), PASSWORD));
    assert_eq!(store.session(own).await.unwrap().unwrap().authentication, now);
    let with_code = StepUp {
        proof: Some(FactorProof::Totp { id, step: STEP + 1 }),
        methods: Methods::from_words("otp mfa"),
        ..again.clone()
    };
    let SteppedUp::Done(now) = store.step_up(with_code.clone()).await.unwrap() else {
        panic!("a code that was checked is not noted");
    };
    assert_eq!(now.methods, Methods::from_words("pwd otp mfa"));
    assert_eq!(store.step_up(with_code).await.unwrap(), SteppedUp::Used);
    let other_row = StepUp { checked: Some(EncodedPassword::unusable()), ..again.clone() };
    assert_eq!(store.step_up(other_row).await.unwrap(), SteppedUp::UserChanged);
    let other_factors = StepUp { factors: 0, ..again.clone() };
    assert_eq!(store.step_up(other_factors).await.unwrap(), SteppedUp::UserChanged);
    store.revoke_session(own, None, RevokedReason::Logout, after(61)).await.unwrap();
    assert_eq!(store.step_up(again).await.unwrap(), SteppedUp::SessionEnded);
}

pub async fn whoever_ends_all_sessions_has_every_device_asked_again(store: Arc<dyn AdminStore>) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let end = async || {
        let reason = RevokedReason::LogoutAll;
        store.revoke_user_sessions(ada.id, None, reason, after(30)).await.unwrap();
        version_of(&*store, ada.id).await
    };
    enrol(&*store, ada.id, own).await;
    assert_ne!(version_of(&*store, ada.id).await, end().await);
    let bob = make_user(&*store, "bob").await;
    store.revoke_user_sessions(bob.id, None, RevokedReason::LogoutAll, after(30)).await.unwrap();
    assert_eq!(store.factors_of(bob.id).await.unwrap().version, 0, "who never had one has none");
}

pub async fn an_operator_removes_every_factor_and_the_line_says_who(store: Arc<dyn AdminStore>) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    enrol(&*store, ada.id, own).await;
    enrol(&*store, ada.id, own).await;
    let before = version_of(&*store, ada.id).await;
    let by = Actor::shell("root", after(90));
    assert_eq!(store.reset_factors(ada.id, vec![mail(ada.id)], &by).await.unwrap(), 2);
    assert_eq!(store.reset_factors(ada.id, vec![mail(ada.id)], &by).await.unwrap(), 0);
    let has = store.factors_of(ada.id).await.unwrap();
    assert_eq!((has.factors.len(), has.recovery_codes.len()), (0, 0));
    assert_ne!(has.version, before);
    assert!(store.user_sessions(ada.id, after(91)).await.unwrap().is_empty());
    let asked =
        AuditSearch { kind: Some(AuditKind::FactorsReset), limit: 10, ..AuditSearch::default() };
    let lines = store.audit(&asked).await.unwrap().rows;
    assert_eq!((lines.len(), lines[0].line.detail.as_str()), (1, "2"));
    assert_eq!(store.outbox_counts().await.unwrap().waiting, 1);
}

pub async fn an_operator_who_ends_all_sessions_has_every_device_asked_again(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let (bob, _) = user_with_session(&*store, "bob", 2).await;
    enrol(&*store, ada.id, own).await;
    let by = Actor::shell("root", after(90));
    let version = async |of| version_of(&*store, of).await;
    let mut had = vec![version(ada.id).await];
    store.end_user_sessions(ada.id, &by).await.unwrap();
    had.push(version(ada.id).await);
    let both = [ada.id, bob.id];
    for act in [UserAct::EndSessions, UserAct::Deactivate] {
        store.act_on_users(&both, act, &by).await.unwrap();
        had.push(version(ada.id).await);
    }
    assert!(had.is_sorted_by(|one, next| one < next), "{had:?}");
    // A login that was under way with the old number begins nothing.
    store.act_on_users(&both, UserAct::Activate, &by).await.unwrap();
    let session = NewSession { id: session_id(10), ..new_session(1, ada.id) };
    let checked = store.password_of(ada.id).await.unwrap();
    let begin = Begin { checked, factors: had[3], ..Begin::unchecked(session) };
    let old = Begin { factors: had[2], ..begin.clone() };
    assert_eq!(store.begin_session(old).await.unwrap(), Begun::UserChanged);
    assert!(matches!(store.begin_session(begin).await.unwrap(), Begun::Done { .. }));
    assert_eq!(version(bob.id).await, 0, "who never had one has none");
}

pub async fn whoever_ends_the_sessions_of_everybody_has_every_device_asked_again(
    store: Arc<dyn AdminStore>,
) {
    let elsewhere: UserId = "007".parse().unwrap();
    let mut has = vec![elsewhere];
    assert!(store.create_session(new_session(1, elsewhere)).await.unwrap());
    enrol(&*store, elsewhere, session_id(1)).await;
    // More than go at once.
    for number in 2..=300 {
        let (user, own) = user_with_session(&*store, &format!("user{number}"), number).await;
        if number != 7 {
            enrol(&*store, user.id, own).await;
            has.push(user.id);
        }
    }
    let bare = store.user_by_login("user7").await.unwrap().unwrap().user;
    let (last, by) = (*has.last().unwrap(), Actor::shell("root", after(90)));
    let mut before = Vec::new();
    for user in &has {
        before.push(version_of(&*store, *user).await);
    }
    for time in 1..=3 {
        let ended = match time {
            1 => store.end_sessions_begun_by(after(80), &by).await.unwrap(),
            2 => store.revoke_sessions_begun_by(after(80), after(95)).await.unwrap(),
            _ => store.after_restore(after(80), &by).await.unwrap().sessions,
        };
        assert_eq!(ended, if time == 1 { 300 } else { 0 });
        for (user, before) in has.iter().zip(&before) {
            assert_eq!(version_of(&*store, *user).await, before + time, "{user}");
        }
        assert_eq!(version_of(&*store, bare.id).await, 0);
    }
    let now = version_of(&*store, last).await;
    // A login that was under way with the old number begins nothing, and others do.
    let mut ids = 1_000..;
    let mut begin = async |user, factors| {
        let id = session_id(ids.next().unwrap());
        let checked = store.password_of(user).await.unwrap();
        let session = NewSession { id, ..new_session(1, user) };
        store.begin_session(Begin { checked, factors, ..Begin::unchecked(session) }).await.unwrap()
    };
    assert_eq!(begin(last, now - 1).await, Begun::UserChanged);
    assert!(matches!(begin(last, now).await, Begun::Done { .. }));
    assert!(matches!(begin(bare.id, 0).await, Begun::Done { .. }));
}

pub async fn an_operator_removes_one_factor_and_with_the_last_one_the_codes_go(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let (bob, _) = user_with_session(&*store, "bob", 2).await;
    let (first, second) = (enrol(&*store, ada.id, own).await, enrol(&*store, ada.id, own).await);
    let offered = offer(&*store, ada.id).await;
    let before = version_of(&*store, ada.id).await;
    let by = Actor::shell("root", after(90));
    let remove = async |of, which| store.remove_factor_of(of, which, vec![mail(ada.id)], &by).await;
    for (of, which) in [(bob.id, first), (ada.id, offered), (UserId::new(4711), first)] {
        assert!(matches!(remove(of, which).await, Err(AdminError::Gone)));
    }
    assert!(store.session(own).await.unwrap().unwrap().revoked.is_none());
    let nobody = Actor { may: Some(|_, _, _| false), ..Actor::shell("root", after(90)) };
    let refused = store.remove_factor_of(ada.id, first, Vec::new(), &nobody).await;
    assert!(matches!(refused, Err(AdminError::NotAllowed)), "{refused:?}");
    remove(ada.id, first).await.unwrap();
    assert!(store.session(own).await.unwrap().unwrap().revoked.is_some());
    let has = store.factors_of(ada.id).await.unwrap();
    let enrolled = has.factors.iter().filter(|factor| factor.is_enrolled);
    assert_eq!(enrolled.map(|factor| factor.id).collect::<Vec<_>>(), [second]);
    assert_eq!(has.recovery_codes.len(), 2);
    assert_ne!(has.version, before);
    assert!(matches!(remove(ada.id, first).await, Err(AdminError::Gone)));
    remove(ada.id, second).await.unwrap();
    let has = store.factors_of(ada.id).await.unwrap();
    assert_eq!((has.enrolled(), has.recovery_codes.len()), (Factors::default(), 0));
    let asked =
        AuditSearch { kind: Some(AuditKind::FactorRemoved), limit: 10, ..AuditSearch::default() };
    let lines = store.audit(&asked).await.unwrap().rows;
    assert_eq!((lines.len(), lines[0].line.detail.as_str()), (2, "totp"));
    assert_eq!(lines[0].line.actor, Some(Who::shell("root")));
    assert_eq!(store.outbox_counts().await.unwrap().waiting, 2);
}

pub async fn factors_go_with_their_user(store: Arc<dyn AdminStore>) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    enrol(&*store, ada.id, own).await;
    assert!(store.delete_user(ada.id, after(60)).await.unwrap());
    assert_eq!(store.factors_of(ada.id).await.unwrap(), UserFactors::default());
}

pub async fn factors_of_a_user_elsewhere_are_forgotten(store: Arc<dyn AdminStore>) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    enrol(&*store, ada.id, own).await;
    let elsewhere = UserId::new(4711);
    assert!(store.create_session(new_session(2, elsewhere)).await.unwrap());
    enrol(&*store, elsewhere, session_id(2)).await;
    store.forget_factors(elsewhere).await.unwrap();
    assert_eq!(store.factors_of(elsewhere).await.unwrap(), UserFactors::default());
    assert!(store.factors_of(ada.id).await.unwrap().enrolled().is_second());
    let proved = async |session| {
        let session = store.session(session).await.unwrap().unwrap();
        session.authentication.methods
    };
    assert_eq!(proved(session_id(2)).await, Methods::default());
    assert_eq!(proved(own).await, Methods::from_words("otp mfa"));
}

pub async fn no_login_that_was_under_way_outlives_a_change_of_the_factors(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let ids = Arc::new(AtomicU64::new(1_000));
    for round in 0..8 {
        let name = format!("user{round}");
        let (user, own) = user_with_session(&*nodes[0], &name, 100 + round).await;
        let offered = offer(&*nodes[0], user.id).await;
        let checked = nodes[0].password_of(user.id).await.unwrap();
        let under_way = Arc::new(Notify::new());
        let mut logins = JoinSet::new();
        for number in 0..12 {
            let (node, checked) = (Arc::clone(&nodes[number % 2]), checked.clone());
            let (ids, under_way) = (Arc::clone(&ids), Arc::clone(&under_way));
            logins.spawn(async move {
                for _ in 0..BY_NOW_REFUSED {
                    let id = session_id(ids.fetch_add(1, Ordering::Relaxed));
                    let session = NewSession { id, ..new_session(1, user.id) };
                    let begin = Begin { checked: checked.clone(), ..Begin::unchecked(session) };
                    match node.begin_session(begin).await.unwrap() {
                        Begun::Done { .. } => under_way.notify_one(),
                        Begun::UserChanged => return,
                        other => panic!("{other:?}"),
                    }
                }
                panic!("after the factor was added a session begins still");
            });
        }
        under_way.notified().await;
        let asked = confirm(user.id, offered, own);
        let node = &nodes[usize::try_from(round).unwrap() % 2];
        assert!(matches!(node.confirm_factor(asked).await.unwrap(), Confirmed::Done { .. }));
        let done = count(&*nodes[0], user.id).await;
        logins.join_all().await;
        assert_eq!(count(&*nodes[0], user.id).await, done, "none began after it was done");
    }
}

pub async fn of_fifty_who_use_one_code_at_once_one_begins_a_session(
    nodes: [Arc<dyn AdminStore>; 2],
) {
    let (ada, own) = user_with_session(&*nodes[0], "ada", 1).await;
    let id = enrol(&*nodes[0], ada.id, own).await;
    for step in [STEP + 1, STEP + 2] {
        let mut tries = JoinSet::new();
        for number in 0..50_u64 {
            let (node, ada) = (Arc::clone(&nodes[usize::from(number % 2 == 0)]), ada.clone());
            tries.spawn(async move {
                let pending = FactorId::draw(&OsRandom);
                assert!(node.count_factor_try(pending, after(300)).await.unwrap());
                let session = 100 * (step - STEP) + number;
                let begin = begin(&*node, &ada, session, totp(pending, id, step)).await;
                matches!(node.begin_session(begin).await.unwrap(), Begun::Done { .. })
            });
        }
        let begun = tries.join_all().await.into_iter().filter(|begun| *begun).count();
        assert_eq!(begun, 1);
    }
}

pub(super) async fn count(store: &dyn AdminStore, user: UserId) -> usize {
    store.user_sessions(user, after(3)).await.unwrap().len()
}

pub(super) async fn version_of(store: &dyn AdminStore, user: UserId) -> u64 {
    store.factors_of(user).await.unwrap().version
}

pub(super) async fn user_with_session(
    store: &dyn AdminStore,
    name: &str,
    number: u64,
) -> (User, SessionId) {
    let user = make_user(store, name).await;
    let session = NewSession { id: session_id(number), ..new_session(1, user.id) };
    let id = session.id;
    assert!(store.create_session(session).await.unwrap());
    (user, id)
}

pub(super) async fn offer(store: &dyn AdminStore, user: UserId) -> FactorId {
    let id = FactorId::draw(&OsRandom);
    let new = NewFactor {
        id,
        user,
        kind: FactorKind::Totp,
        name: None,
        sealed: vec![1, 2, 3],
        created_at: noon(),
    };
    store.offer_factor(new).await.unwrap();
    id
}

pub(super) async fn enrol(store: &dyn AdminStore, user: UserId, session: SessionId) -> FactorId {
    let id = offer(store, user).await;
    let confirmed = store.confirm_factor(confirm(user, id, session)).await.unwrap();
    assert!(matches!(confirmed, Confirmed::Done { .. }), "{confirmed:?}");
    id
}

pub(super) fn confirm(user: UserId, id: FactorId, session: SessionId) -> ConfirmFactor {
    let code =
        |number| NewRecoveryCode { id: FactorId::draw(&OsRandom), hash: code_hash(user, number) };
    ConfirmFactor {
        id,
        user,
        step: STEP,
        offered_after: noon() - jiff::SignedDuration::from_secs(1),
        codes: vec![code(1), code(2)],
        session,
        methods: Methods::from_words("otp"),
        now: after(10),
        mails: Vec::new(),
    }
}

pub(super) async fn begin(
    store: &dyn AdminStore,
    user: &User,
    number: u64,
    uses: FactorUse,
) -> Begin {
    let session = NewSession { id: session_id(number), ..new_session(1, user.id) };
    Begin {
        checked: store.password_of(user.id).await.unwrap(),
        factors: version_of(store, user.id).await,
        methods: Methods::from_words("pwd otp mfa"),
        factor: Some(uses),
        ..Begin::unchecked(session)
    }
}

pub(super) fn totp(pending: FactorId, id: FactorId, step: u64) -> FactorUse {
    let pending = Some((pending, after(300)));
    FactorUse { pending, proof: FactorProof::Totp { id, step }, mails: Vec::new() }
}

pub(super) fn code_hash(user: UserId, number: u8) -> SecretHash {
    let mut bytes = [number; 32];
    // Of a user elsewhere, whose id is a text, all are alike.
    bytes[..8].copy_from_slice(&user.as_i64().unwrap_or(0).to_be_bytes());
    SecretHash::from_stored(&bytes).unwrap()
}

pub(super) fn mail(user: UserId) -> NewMail {
    let id = FactorId::draw(&OsRandom).as_i64();
    NewMail { user: Some(user), ..NewMail::new(id, "ada@example.com", vec![7], noon()) }
}

pub(super) const STEP: u64 = 59_000_000;
pub(super) const PASSWORD: Methods = Methods::of_nothing().with(Method::Password);
/// More logins than come before an act is done.
const BY_NOW_REFUSED: u32 = 10_000;

//! What is promised of who changes factors, and of what a factor that is gone had proved.

use std::sync::Arc;

use super::factors::{
    PASSWORD, STEP, begin, code_hash, confirm, enrol, mail, offer, totp, user_with_session,
    version_of,
};
use super::fixtures::{after, new_session, session_id};
use super::passkeys;
use crate::clock::OsRandom;
use crate::factor::FactorId;
use crate::session::{NewSession, RevokedReason};
use crate::sign_in::{Methods, Scope};
use crate::store::admin::AdminStore;
use crate::store::{
    AddPasskey, Begin, Begun, CodesSet, ConfirmFactor, Confirmed, NewRecoveryCode, RemoveFactor,
    Removed, SetRecoveryCodes, StepUp, SteppedUp,
};
use crate::user::UserId;

pub async fn with_a_factor_goes_what_it_proved(store: Arc<dyn AdminStore>) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let (_, of_bob) = user_with_session(&*store, "bob", 2).await;
    let (first, second) = (enrol(&*store, ada.id, own).await, enrol(&*store, ada.id, own).await);
    let again = StepUp {
        session: own,
        user: ada.id,
        checked: store.password_of(ada.id).await.unwrap(),
        factors: version_of(&*store, ada.id).await,
        methods: Methods::from_words("pwd hwk otp mfa"),
        proof: None,
        now: after(11),
        mails: Vec::new(),
    };
    assert!(matches!(store.step_up(again).await.unwrap(), SteppedUp::Done(_)));
    let uses = totp(FactorId::draw(&OsRandom), first, STEP + 1);
    let others = begin(&*store, &ada, 10, uses).await;
    assert!(matches!(store.begin_session(others.clone()).await.unwrap(), Begun::Done { .. }));
    let remove = |id, now| RemoveFactor {
        id,
        user: ada.id,
        keeps_one: false,
        session: own,
        now,
        mails: Vec::new(),
    };
    let seen = async |id| store.session(id).await.unwrap().unwrap();
    assert_eq!(store.remove_factor(remove(first, after(20))).await.unwrap(), Removed::Done);
    let ended = Some((after(20), RevokedReason::FactorRemoved));
    assert_eq!(seen(others.session.id).await.revoked, ended);
    assert_eq!((seen(own).await.revoked, seen(of_bob).await.revoked), (None, None));
    // Which of the two the session has proved is not known: it has one still.
    assert_eq!(seen(own).await.authentication.methods, Methods::from_words("pwd hwk otp mfa"));
    assert_eq!(store.remove_factor(remove(second, after(30))).await.unwrap(), Removed::Done);
    let left = seen(own).await.authentication;
    assert_eq!((left.at, left.methods, left.scope), (after(11), PASSWORD, Scope::Full));
}

pub async fn who_has_a_factor_changes_them_in_a_session_that_has_proved_one(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let other = NewSession { id: session_id(2), ..new_session(1, ada.id) };
    assert!(store.create_session(other).await.unwrap());
    // It was offered while there was none.
    let offered = offer(&*store, ada.id).await;
    let asked = passkeys::new(&*store, ada.id, session_id(2), 9).await;
    let first = passkeys::enrol(&*store, ada.id, own, 1).await;
    let before = store.factors_of(ada.id).await.unwrap();
    let confirm = |session| confirm(ada.id, offered, session);
    let refused = store.confirm_factor(confirm(session_id(2))).await.unwrap();
    assert_eq!(refused, Confirmed::FactorRequired);
    assert_eq!(store.add_passkey(asked.clone()).await.unwrap(), Confirmed::FactorRequired);
    let codes = vec![NewRecoveryCode { id: first, hash: code_hash(ada.id, 7) }];
    let set = |session| SetRecoveryCodes {
        user: ada.id,
        codes: codes.clone(),
        session,
        now: after(20),
        mails: vec![mail(ada.id)],
    };
    let refused = store.set_recovery_codes(set(session_id(2))).await.unwrap();
    assert_eq!(refused, CodesSet::FactorRequired);
    let remove = |session| RemoveFactor {
        id: first,
        user: ada.id,
        keeps_one: false,
        session,
        now: after(20),
        mails: vec![mail(ada.id)],
    };
    let refused = store.remove_factor(remove(session_id(2))).await.unwrap();
    assert_eq!(refused, Removed::FactorRequired);
    assert_eq!(store.factors_of(ada.id).await.unwrap(), before);
    assert_eq!(store.outbox_counts().await.unwrap().waiting, 0);
    // What was refused has used nothing up.
    let by_own = AddPasskey { session: own, ..asked };
    assert!(matches!(store.add_passkey(by_own).await.unwrap(), Confirmed::Done { .. }));
    assert!(matches!(store.confirm_factor(confirm(own)).await.unwrap(), Confirmed::Done { .. }));
    assert_eq!(store.set_recovery_codes(set(own)).await.unwrap(), CodesSet::Done);
    assert_eq!(store.remove_factor(remove(own)).await.unwrap(), Removed::Done);
}

pub async fn who_had_factors_that_were_forgotten_logs_in_and_has_no_number_again(
    store: Arc<dyn AdminStore>,
) {
    let (ada, own) = user_with_session(&*store, "ada", 1).await;
    let elsewhere = UserId::new(4711);
    let of_elsewhere = NewSession { id: session_id(2), ..new_session(1, elsewhere) };
    assert!(store.create_session(of_elsewhere).await.unwrap());
    for (user, session) in [(ada.id, own), (elsewhere, session_id(2))] {
        let mut had = vec![0];
        for round in 0..3 {
            for _ in 0..2 {
                let id = offer(&*store, user).await;
                let now = after(10 + round);
                let confirm = ConfirmFactor { now, ..confirm(user, id, session) };
                let confirmed = store.confirm_factor(confirm).await.unwrap();
                assert!(matches!(confirmed, Confirmed::Done { .. }), "{confirmed:?}");
                let version = version_of(&*store, user).await;
                assert!(!had.contains(&version), "{version} comes again: {had:?}");
                had.push(version);
            }
            store.forget_factors(user).await.unwrap();
            assert_eq!(version_of(&*store, user).await, 0);
        }
    }
    let session = NewSession { id: session_id(10), ..new_session(1, ada.id) };
    let checked = store.password_of(ada.id).await.unwrap();
    let begin = Begin { checked, ..Begin::unchecked(session) };
    assert!(matches!(store.begin_session(begin).await.unwrap(), Begun::Done { .. }));
}

//! Sessions of the admin site itself.

use super::*;
use crate::clock::OsRandom;
use crate::factor::FactorId;
use crate::session::RevokedReason;
use crate::store::admin::{AdminError, AfterRestore, AuditKind, UserAct};
use crate::store::conformance::factors::code_hash;
use crate::store::conformance::tokens::{issue, new_token};
use crate::store::{FactorProof, FactorUse, MailBounds, NewToken};
use crate::token::{OneTimeToken, Purpose};

fn session_of(user: UserId, number: u8) -> AdminSession {
    AdminSession {
        token_hash: [number; 32],
        user,
        created_at: noon(),
        used_at: noon(),
        password_at: noon(),
        ip: Some("192.0.2.9".parse().unwrap()),
        user_agent: "a browser".to_owned(),
    }
}

pub async fn a_session_is_begun_used_and_ended(store: Arc<dyn AdminStore>) {
    let operator = make_superuser(&*store, "root").await;
    assert!(begin(&*store, &session_of(operator.id, 1)).await);
    let session = store.admin_session([1; 32]).await.unwrap().unwrap();
    assert_eq!(format!("{session:?}"), format!("{:?}", session_of(operator.id, 1)));
    store.touch_admin_session([1; 32], after(5)).await.unwrap();
    let row = CheckedRow::new(store.password_of(operator.id).await.unwrap().unwrap());
    assert!(store.confirm_admin_session(&session, &row, after(9)).await.unwrap());
    assert!(store.touch_admin_session([1; 32], after(7)).await.unwrap());
    assert!(!store.touch_admin_session([2; 32], after(7)).await.unwrap());
    let session = store.admin_session([1; 32]).await.unwrap().unwrap();
    assert_eq!(
        (session.created_at, session.used_at, session.password_at),
        (noon(), after(9), after(9))
    );
    assert!(store.admin_session([2; 32]).await.unwrap().is_none());
    store.end_admin_session([1; 32]).await.unwrap();
    assert!(store.admin_session([1; 32]).await.unwrap().is_none());
}

pub async fn an_operator_proves_again_who_they_are_on_the_row_as_it_was_checked(
    store: Arc<dyn AdminStore>,
) {
    let operator = make_superuser(&*store, "root").await;
    let other = make_superuser(&*store, "other").await;
    let session = session_of(operator.id, 1);
    assert!(begin(&*store, &session).await);
    let row = CheckedRow::new(store.password_of(operator.id).await.unwrap().unwrap());
    let wrong = [
        (session.clone(), CheckedRow { factors: 1, ..row.clone() }),
        (session.clone(), CheckedRow::new(EncodedPassword::from_stored("another".to_owned()))),
        (AdminSession { user: other.id, ..session.clone() }, row.clone()),
        (session_of(operator.id, 2), row.clone()),
    ];
    for (session, row) in wrong {
        assert!(!store.confirm_admin_session(&session, &row, after(9)).await.unwrap(), "{row:?}");
    }
    assert_eq!(store.admin_session([1; 32]).await.unwrap().unwrap().password_at, noon());
    // What it uses up serves once.
    let (pending, hash) = (FactorId::new(7).unwrap(), code_hash(operator.id, 1));
    let uses = FactorUse {
        pending: Some((pending, after(300))),
        proof: FactorProof::RecoveryCode { hash },
        mails: Vec::new(),
    };
    let with_code = CheckedRow { factor: Some(uses), ..row.clone() };
    assert!(!store.confirm_admin_session(&session, &with_code, after(9)).await.unwrap());
    assert!(!store.waiting_sign_in(operator.id, pending).await.unwrap().is_used);
    assert!(store.confirm_admin_session(&session, &row, after(9)).await.unwrap());
    assert_eq!(store.admin_session([1; 32]).await.unwrap().unwrap().password_at, after(9));
}

pub async fn it_ends_with_whatever_ends_the_operators_power(store: Arc<dyn AdminStore>) {
    make_superuser(&*store, "another").await;
    for number in 0..10_u8 {
        let operator = make_superuser(&*store, &format!("root{number}")).await;
        assert!(begin(&*store, &session_of(operator.id, number)).await);
        let id = operator.id;
        let edit = async |edit: UserEdit| {
            let seen = store.user_record(id).await.unwrap().unwrap().fingerprint;
            store.edit_user(id, &edit, seen, &root()).await.unwrap();
        };
        edit(UserEdit { first_name: "X".to_owned(), ..as_is(&operator) }).await;
        assert!(
            store.admin_session([number; 32]).await.unwrap().is_some(),
            "another name is no reason"
        );
        let operator = store.user_by_id(id).await.unwrap().unwrap();
        match number {
            0 => edit(UserEdit { is_active: false, ..as_is(&operator) }).await,
            1 => edit(UserEdit { is_staff: false, ..as_is(&operator) }).await,
            2 => store.set_password(id, &EncodedPassword::unusable(), &root()).await.unwrap(),
            3 => drop(
                store.reset_password(id, &EncodedPassword::unusable(), after(1)).await.unwrap(),
            ),
            4 => drop(store.act_on_users(&[id], UserAct::Delete, &root()).await.unwrap()),
            5 => drop(store.delete_user(id, after(1)).await.unwrap()),
            6 => drop(store.set_active(id, false, after(1)).await.unwrap()),
            7 => drop(
                store
                    .revoke_user_sessions(
                        id,
                        Some(session_id(1)),
                        RevokedReason::LogoutAll,
                        after(1),
                    )
                    .await
                    .unwrap(),
            ),
            8 => drop(store.act_on_users(&[id], UserAct::EndSessions, &root()).await.unwrap()),
            _ => drop(store.act_on_users(&[id], UserAct::Deactivate, &root()).await.unwrap()),
        }
        assert!(store.admin_session([number; 32]).await.unwrap().is_none(), "{number}");
    }
}

pub async fn what_a_restored_backup_brought_back_ends_but_for_the_links_that_undo(
    store: Arc<dyn AdminStore>,
) {
    let operator = make_superuser(&*store, "root").await;
    let alice = make_user(&*store, "alice").await;
    let later = |session: AdminSession| AdminSession { created_at: after(51), ..session };
    assert!(begin(&*store, &session_of(operator.id, 1)).await);
    assert!(begin(&*store, &later(session_of(operator.id, 2))).await);
    for (number, at) in [(1, 0), (2, 50), (3, 51)] {
        let session = NewSession { created_at: after(at), ..new_session(number, alice.id) };
        store.create_session(session).await.unwrap();
    }
    let mut mailed = Vec::new();
    for purpose in Purpose::ALL {
        mailed.push((purpose, issue(&*store, &alice, purpose).await.id()));
    }
    let token = OneTimeToken::draw(&OsRandom);
    let new = new_token(&*store, &token, &operator, Purpose::ResetPassword).await;
    let new = NewToken { created_at: after(51), ..new };
    store.issue_token(new, Vec::new(), MailBounds::default()).await.unwrap();

    let nobody = Actor { may: Some(|_, _, _| false), ..Actor::shell("ada", after(70)) };
    let refused = store.after_restore(after(50), &nobody).await;
    assert!(matches!(refused, Err(AdminError::NotAllowed)), "{refused:?}");
    assert!(store.admin_session([1; 32]).await.unwrap().is_some(), "nothing was done");

    let by = Actor::shell("ada", after(70));
    let ended = store.after_restore(after(50), &by).await.unwrap();
    assert_eq!(ended, AfterRestore { sessions: 2, admin_sessions: 1, links: 5 });
    for (number, is_ended) in [(1, true), (2, true), (3, false)] {
        let session = store.session(session_id(number)).await.unwrap().unwrap();
        let revoked = is_ended.then_some((after(70), RevokedReason::Admin));
        assert_eq!(session.revoked, revoked, "{number}");
    }
    assert!(store.admin_session([1; 32]).await.unwrap().is_none());
    assert!(store.admin_session([2; 32]).await.unwrap().is_some());
    for (purpose, id) in mailed {
        let is_used = store.token(id).await.unwrap().unwrap().is_used;
        assert_eq!(is_used, purpose != Purpose::Undo, "{purpose:?}");
    }
    assert!(!store.token(token.id()).await.unwrap().unwrap().is_used, "it is newer");
    let rows = log(&*store).await;
    let told = lines(&rows);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].kind, told[0].actor.as_ref()), (AuditKind::SessionsEnded, Some(&by.who)));
    // Once more is no harm.
    assert_eq!(store.after_restore(after(50), &by).await.unwrap(), AfterRestore::default());
}

pub async fn nobody_begins_one_who_may_not_enter(store: Arc<dyn AdminStore>) {
    let user = make_user(&*store, "alice").await;
    assert!(!begin(&*store, &session_of(user.id, 1)).await);
    assert!(store.admin_session([1; 32]).await.unwrap().is_none());
}

pub async fn a_better_encoding_of_the_same_password_ends_nothing_and_old_ones_are_forgotten(
    store: Arc<dyn AdminStore>,
) {
    let operator = make_superuser(&*store, "root").await;
    assert!(begin(&*store, &session_of(operator.id, 1)).await);
    let old = store.password_of(operator.id).await.unwrap().unwrap();
    store
        .upgrade_password(
            operator.id,
            &old,
            &EncodedPassword::from_stored("argon2$better$x$y".to_owned()),
        )
        .await
        .unwrap();
    assert!(store.admin_session([1; 32]).await.unwrap().is_some());
    store.prune(noon(), noon(), 100).await.unwrap();
    assert!(store.admin_session([1; 32]).await.unwrap().is_some());
    store.prune(noon(), after(1), 100).await.unwrap();
    assert!(store.admin_session([1; 32]).await.unwrap().is_none());
}

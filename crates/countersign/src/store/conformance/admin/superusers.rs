//! Somebody must be left who can do everything.

use super::*;
use crate::store::admin::{AdminError, UserAct};

pub async fn the_last_superuser_stays(store: Arc<dyn AdminStore>) {
    let (last, bob) = (make_superuser(&*store, "root").await, make_user(&*store, "bob").await);
    let gone = store
        .create_user(
            NewUser {
                is_active: false,
                is_staff: true,
                is_superuser: true,
                ..new_user("gone", "")
            },
            noon(),
        )
        .await
        .unwrap();
    let outside = store
        .create_user(NewUser { is_superuser: true, ..new_user("outside", "") }, noon())
        .await
        .unwrap();
    let seen = store.user_record(last.id).await.unwrap().unwrap().fingerprint;
    for edit in [
        UserEdit { is_active: false, ..as_is(&last) },
        UserEdit { is_staff: false, ..as_is(&last) },
        UserEdit { is_superuser: false, first_name: "X".to_owned(), ..as_is(&last) },
    ] {
        let refused = store.edit_user(last.id, &edit, seen, &root()).await.unwrap_err();
        assert!(matches!(refused, AdminError::LastSuperuser), "{refused:?}");
    }
    for act in [UserAct::Deactivate, UserAct::Delete] {
        let refused = store
            .act_on_users(&[bob.id, last.id, gone.id, outside.id], act, &root())
            .await
            .unwrap_err();
        assert!(matches!(refused, AdminError::LastSuperuser), "{refused:?}");
    }
    assert_eq!(store.user_by_id(last.id).await.unwrap(), Some(last.clone()));
    assert_eq!(store.user_by_id(bob.id).await.unwrap(), Some(bob), "nothing was done to anybody");
    assert!(audit_lines(&*store).await.is_empty());

    make_superuser(&*store, "second").await;
    assert_eq!(store.act_on_users(&[last.id], UserAct::Delete, &root()).await.unwrap(), 1);
}

pub async fn others_come_and_go_where_there_is_no_superuser(store: Arc<dyn AdminStore>) {
    let bob = make_user(&*store, "bob").await;
    assert_eq!(store.act_on_users(&[bob.id], UserAct::Delete, &root()).await.unwrap(), 1);
}

pub async fn of_two_who_remove_each_other_at_once_one_stays(store: Arc<dyn AdminStore>) {
    for round in 0..10 {
        let (one, other) = (
            make_superuser(&*store, &format!("one{round}")).await,
            make_superuser(&*store, &format!("other{round}")).await,
        );
        let seen = store.user_record(one.id).await.unwrap().unwrap().fingerprint;
        let (ids, edit) = ([other.id], UserEdit { is_superuser: false, ..as_is(&one) });
        let (mine, theirs) = (root(), root());
        let (edited, deleted) = tokio::join!(
            store.edit_user(one.id, &edit, seen, &mine),
            store.act_on_users(&ids, UserAct::Delete, &theirs)
        );
        assert!(edited.is_ok() != deleted.is_ok(), "{edited:?}, {deleted:?}");
        let left = if edited.is_ok() { other } else { one };
        // The next round begins with two again.
        make_superuser(&*store, &format!("third{round}")).await;
        store.act_on_users(&[left.id], UserAct::Delete, &root()).await.unwrap();
        let third = store.user_by_login(&format!("third{round}")).await.unwrap().unwrap();
        store.delete_user(third.user.id, after(61)).await.unwrap();
    }
}

//! Every act of an operator, and the line that tells of it.

use super::*;
use crate::clock::OsRandom;
use crate::password::EncodedPassword;
use crate::store::StoreError;
use crate::store::admin::{AdminError, AuditKind, Grants, PermissionText, UserAct};
use crate::token::{Algorithm, KeyId, SealedKey, Secrets};

/// Whoever runs a command.
fn shell() -> Actor {
    Actor::shell("ada", after(70))
}

fn key() -> SealedKey {
    let secrets = Secrets::from_text("a secret of more than thirty-two characters").unwrap();
    SealedKey::generate(Algorithm::EdDsa, &secrets, noon(), noon(), &OsRandom).unwrap()
}

fn text(codename: &str) -> PermissionText {
    PermissionText { app: "news".to_owned(), codename: codename.to_owned(), name: "Can".to_owned() }
}

/// What the log says that it did not say before; the new lines are all of one actor.
async fn news(
    store: &dyn AdminStore,
    seen: &mut usize,
    by: &Actor,
) -> Vec<(String, Option<UserId>, String)> {
    let log = log(store).await;
    let news = log[..log.len() - *seen].iter().map(|row| {
        assert_eq!(
            (row.line.actor.as_ref(), row.line.ip, row.line.at),
            (Some(&by.who), by.ip, by.now),
            "{row:?}"
        );
        (row.word.clone(), row.line.user, row.line.detail.clone())
    });
    let news = news.collect();
    *seen = log.len();
    news
}

pub async fn every_act_leaves_one_line_with_who_did_it(store: Arc<dyn AdminStore>) {
    let mut seen = 0;
    let root = Actor { now: after(80), ..root() };
    for (by, sessions) in [(shell(), 10), (root, 20)] {
        let one = |kind: AuditKind, user: Option<UserId>, detail: &str| {
            vec![(kind.as_str().to_owned(), user, detail.to_owned())]
        };
        let new = NewUser { is_staff: true, is_superuser: true, ..new_user("first", "") };
        let first = store.add_user(new, &Grants::default(), &by).await.unwrap().id;
        let done = news(&*store, &mut seen, &by).await;
        assert_eq!(done, one(AuditKind::UserAdded, Some(first), "first; is_staff; is_superuser"));
        let alice = store.add_user(new_user("alice", ""), &Grants::default(), &by).await.unwrap();
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::UserAdded, Some(alice.id), "alice")
        );
        let alice_is = Some(alice.id);

        store.set_password(alice.id, &EncodedPassword::unusable(), &by).await.unwrap();
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::PasswordSet, alice_is, "unusable")
        );
        for number in 1..4 {
            store.create_session(new_session(sessions + number, alice.id)).await.unwrap();
        }
        assert_eq!(store.end_sessions(&[session_id(sessions + 1)], &by).await.unwrap(), 1);
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::SessionsEnded, alice_is, "")
        );
        assert_eq!(store.end_user_sessions(alice.id, &by).await.unwrap(), 2);
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::SessionsEnded, alice_is, "alice")
        );
        assert_eq!(store.end_user_sessions(alice.id, &by).await.unwrap(), 0);
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::SessionsEnded, alice_is, "alice")
        );
        store.create_session(new_session(sessions + 4, alice.id)).await.unwrap();
        assert_eq!(store.end_sessions_begun_by(after(1), &by).await.unwrap(), 1);
        let everybody = format!("every session of everybody that began by {}", after(1));
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::SessionsEnded, None, &everybody)
        );
        assert_eq!(store.end_sessions_begun_by(by.now, &by).await.unwrap(), 0);
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::SessionsEnded, None, "every session of everybody")
        );

        for (act, kind) in [
            (UserAct::Deactivate, AuditKind::UserDeactivated),
            (UserAct::Activate, AuditKind::UserActivated),
        ] {
            assert_eq!(store.act_on_users(&[alice.id], act, &by).await.unwrap(), 1);
            assert_eq!(news(&*store, &mut seen, &by).await, one(kind, alice_is, "alice"));
        }
        let key = key();
        let id = key.id;
        store.rotate_keys(key, after(600), &by).await.unwrap();
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::KeysRotated, None, &format!("made {id}"))
        );
        store.end_key(id, &by).await.unwrap();
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::KeyRetired, None, &format!("retired {id}"))
        );
        let ended = store.keys().await.unwrap().into_iter().find(|key| key.id == id).unwrap();
        assert_eq!(ended.retires_at, Some(by.now));
        let key = self::key();
        let id = key.id;
        store.rotate_keys(key, by.now, &by).await.unwrap();
        let done = news(&*store, &mut seen, &by).await;
        assert_eq!(
            done,
            one(AuditKind::KeysRotated, None, &format!("made {id}; the old keys are cut off"))
        );

        let group = store.save_group(None, "editors", &[], None, &by).await.unwrap();
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::GroupAdded, None, "editors")
        );
        store.delete_group(group, &by).await.unwrap();
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::GroupDeleted, None, "editors")
        );
        let permission = store.save_permission(None, &text("write"), None, &by).await.unwrap();
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::PermissionAdded, None, "news.write")
        );
        store.delete_permission(permission, &by).await.unwrap();
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::PermissionDeleted, None, "news.write")
        );

        assert_eq!(store.act_on_users(&[alice.id], UserAct::Delete, &by).await.unwrap(), 1);
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(AuditKind::UserDeleted, alice_is, "alice")
        );
        // For the next round, in which another superuser is made first.
        let seen_before = store.user_record(first).await.unwrap().unwrap();
        let edit = UserEdit {
            username: Some(Username::parse(&format!("earlier{sessions}")).unwrap()),
            ..as_is(&seen_before.user)
        };
        store.edit_user(first, &edit, seen_before.fingerprint, &by).await.unwrap();
        assert_eq!(
            news(&*store, &mut seen, &by).await,
            one(
                AuditKind::UserChanged,
                Some(first),
                &format!("username: first to earlier{sessions}")
            )
        );
    }
}

pub async fn an_act_that_is_not_done_leaves_no_line(store: Arc<dyn AdminStore>) {
    let root = make_superuser(&*store, "root").await;
    make_user(&*store, "alice").await;
    let (by, nobody) = (shell(), UserId::new(77));
    let taken = store.add_user(new_user("ALICE", ""), &Grants::default(), &by).await.unwrap_err();
    assert!(matches!(taken, AdminError::Store(StoreError::UsernameTaken)), "{taken:?}");
    for act in [UserAct::Deactivate, UserAct::Delete] {
        let last = store.act_on_users(&[root.id], act, &by).await.unwrap_err();
        assert!(matches!(last, AdminError::LastSuperuser), "{last:?}");
        assert!(
            store.user_by_id(root.id).await.unwrap().unwrap().is_active,
            "nothing is done then"
        );
    }
    for act in [UserAct::Activate, UserAct::Deactivate, UserAct::EndSessions, UserAct::Delete] {
        assert_eq!(store.act_on_users(&[nobody], act, &by).await.unwrap(), 0);
    }
    let gone = [
        store.set_password(nobody, &EncodedPassword::unusable(), &by).await,
        store.end_user_sessions(nobody, &by).await.map(drop),
        store.end_key(KeyId([7; 8]), &by).await,
        store.delete_group(77, &by).await,
        store.delete_permission(77, &by).await,
    ];
    assert!(gone.iter().all(|gone| matches!(gone, Err(AdminError::Gone))), "{gone:?}");
    assert_eq!(store.end_sessions(&[session_id(9)], &by).await.unwrap(), 0);
    let key = key();
    store.rotate_keys(key.clone(), after(600), &by).await.unwrap();
    store.rotate_keys(key, after(600), &by).await.unwrap_err();
    assert_eq!(
        log(&*store).await.len(),
        1,
        "of the key that was made, and not of the one that was there"
    );
    assert_eq!(
        store.use_first_link([7; 32], new_user("eve", ""), None, noon()).await.unwrap(),
        None
    );
    assert_eq!(log(&*store).await.len(), 1);
}

/// `spoil` sees to it that the store can write no line.
pub async fn where_the_line_cannot_be_written_the_act_is_not_done(
    store: &dyn AdminStore,
    spoil: impl FnOnce(),
) {
    let alice = make_user(store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    let key = key();
    let permission = store.save_permission(None, &text("write"), None, &root()).await.unwrap();
    let group = store.save_group(None, "editors", &[], None, &root()).await.unwrap();
    store.rotate_keys(key.clone(), after(600), &root()).await.unwrap();
    let link = store.make_first_link([7; 32]).await.unwrap().unwrap();
    spoil();
    let (by, seen) = (shell(), store.user_record(alice.id).await.unwrap().unwrap());
    let edit = UserEdit { first_name: "Alice".to_owned(), ..as_is(&alice) };
    store.set_password(alice.id, &EncodedPassword::unusable(), &by).await.unwrap_err();
    store.edit_user(alice.id, &edit, seen.fingerprint, &by).await.unwrap_err();
    store.end_sessions(&[session_id(1)], &by).await.unwrap_err();
    store.end_user_sessions(alice.id, &by).await.unwrap_err();
    store.end_sessions_begun_by(after(999), &by).await.unwrap_err();
    store.after_restore(after(999), &by).await.unwrap_err();
    for act in [UserAct::EndSessions, UserAct::Deactivate, UserAct::Delete] {
        store.act_on_users(&[alice.id], act, &by).await.unwrap_err();
    }
    store.add_user(new_user("bob", ""), &Grants::default(), &by).await.unwrap_err();
    store.use_first_link(link, new_user("bob", ""), None, noon()).await.unwrap_err();
    store.rotate_keys(self::key(), after(600), &by).await.unwrap_err();
    store.end_key(key.id, &by).await.unwrap_err();
    store.save_group(None, "authors", &[], None, &by).await.unwrap_err();
    store.delete_group(group, &by).await.unwrap_err();
    store.save_permission(None, &text("read"), None, &by).await.unwrap_err();
    store.delete_permission(permission, &by).await.unwrap_err();
    store.mark_verified(&[(alice.id, alice.email.clone())], &by).await.unwrap_err();

    assert!(store.session(session_id(1)).await.unwrap().unwrap().revoked.is_none());
    assert!(store.user_by_login("bob").await.unwrap().is_none());
    assert_eq!(store.first_link().await.unwrap(), Some(link), "it was not used");
    assert_eq!(store.user_record(alice.id).await.unwrap().unwrap().fingerprint, seen.fingerprint);
    assert_eq!(
        store.password_of(alice.id).await.unwrap().unwrap().as_str(),
        new_user("alice", "").password.as_str()
    );
    let keys: Vec<_> =
        store.keys().await.unwrap().iter().map(|key| (key.id, key.retires_at)).collect();
    assert_eq!(keys, [(key.id, None)]);
    let groups = store.groups("", None, 9).await.unwrap();
    assert_eq!(groups.iter().map(|group| group.name.as_str()).collect::<Vec<_>>(), ["editors"]);
    assert_eq!(store.permissions().await.unwrap().len(), 1);
}

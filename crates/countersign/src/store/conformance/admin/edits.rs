//! Users who are made, changed and deleted.

use super::*;
use crate::store::admin::{
    AdminError, AuditKind, Count, Grants, PermissionText, UserAct, UserSearch, WhatGoes,
};
use crate::store::{Begin, StoreError, What};

async fn permission(store: &dyn AdminStore, codename: &str) -> i64 {
    let text = PermissionText {
        app: "news".to_owned(),
        codename: codename.to_owned(),
        name: "Can".to_owned(),
    };
    store.save_permission(None, &text, None, &root()).await.unwrap()
}

pub async fn a_user_is_made_with_groups_and_permissions_and_a_line(store: Arc<dyn AdminStore>) {
    let (write, read) = (permission(&*store, "write").await, permission(&*store, "read").await);
    let group = store.save_group(None, "editors", &[write], None, &root()).await.unwrap();
    let grants = Grants { groups: vec![group], permissions: vec![read, read] };
    let new = NewUser { is_staff: true, ..new_user("alice", "a@example.com") };
    let alice = store.add_user(new, &grants, &root()).await.unwrap();
    assert_eq!(
        (alice.groups, alice.permissions),
        (vec!["editors".to_owned()], vec!["news.read".to_owned(), "news.write".to_owned()])
    );
    let record = store.user_record(alice.id).await.unwrap().unwrap();
    assert_eq!(record.grants, Grants { groups: vec![group], permissions: vec![read] });
    assert_eq!(
        (record.has_usable_password, record.password_algorithm.as_str()),
        (true, "argon2id")
    );
    assert_eq!(store.user_record(UserId::new(77)).await.unwrap().map(|record| record.user), None);
    let row = log(&*store).await.remove(0);
    let expected = AuditLine {
        at: root().now,
        kind: AuditKind::UserAdded,
        actor: Some(root().who),
        user: Some(alice.id),
        session: None,
        ip: root().ip,
        detail: "alice; is_staff; groups: added editors; permissions: added news.read".to_owned(),
    };
    assert_eq!(row.line, expected);

    let taken =
        store.add_user(new_user("ALICE", ""), &Grants::default(), &root()).await.unwrap_err();
    assert!(matches!(taken, AdminError::Store(StoreError::UsernameTaken)), "{taken:?}");
    let forged = Grants { groups: vec![group + 9], permissions: vec![] };
    let refused = store.add_user(new_user("bob", ""), &forged, &root()).await.unwrap_err();
    assert!(matches!(refused, AdminError::Gone), "{refused:?}");
    assert!(store.user_by_login("bob").await.unwrap().is_none(), "all or nothing");
    assert_eq!(log(&*store).await[0].line, expected);
}

pub async fn an_edit_changes_what_it_says_and_every_cache_hears_of_it(store: Arc<dyn AdminStore>) {
    let (write, read) = (permission(&*store, "write").await, permission(&*store, "read").await);
    let alice = make_user(&*store, "alice").await;
    let seen = store.user_record(alice.id).await.unwrap().unwrap().fingerprint;
    let edit = UserEdit {
        username: Some(Username::parse("alicia").unwrap()),
        email: None,
        first_name: "A".to_owned(),
        is_staff: true,
        grants: Some(Grants { groups: vec![], permissions: vec![write] }),
        metadata: serde_json::json!({"plan": "gold"}).as_object().unwrap().clone(),
        ..as_is(&alice)
    };
    let cursor = store.cursor_now().await.unwrap();
    let changed = store.edit_user(alice.id, &edit, seen, &root()).await.unwrap();
    assert_eq!(
        (changed.username.as_str(), changed.email.as_str(), changed.first_name.as_str()),
        ("alicia", "", "A")
    );
    assert_eq!(
        (changed.is_staff, &changed.metadata, &changed.permissions),
        (true, &edit.metadata, &vec!["news.write".to_owned()])
    );
    assert!(store.user_by_login("ALICIA").await.unwrap().is_some());
    let news = store.changes(&cursor, 100).await.unwrap().changes;
    assert!(news.iter().any(|change| change.what == What::UserChanged(alice.id)), "{news:?}");
    let line = log(&*store).await.remove(0).line;
    assert_eq!((line.kind, line.user), (AuditKind::UserChanged, Some(alice.id)));
    assert_eq!(
        line.detail,
        "username: alice to alicia; email; first_name; metadata; is_staff: false to true; \
             permissions: added news.write"
    );

    let seen = store.user_record(alice.id).await.unwrap().unwrap().fingerprint;
    let edit = UserEdit {
        grants: Some(Grants { groups: vec![], permissions: vec![read] }),
        ..as_is(&changed)
    };
    store.edit_user(alice.id, &edit, seen, &root()).await.unwrap();
    assert_eq!(
        log(&*store).await[0].line.detail,
        "permissions: added news.read; removed news.write"
    );
    let seen = store.user_record(alice.id).await.unwrap().unwrap().fingerprint;
    let lines = log(&*store).await.len();
    store.edit_user(alice.id, &as_is(&changed), seen, &root()).await.unwrap();
    assert_eq!(log(&*store).await.len(), lines, "nothing happened, nothing is told");
}

pub async fn a_stale_form_overwrites_nothing(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    let write = permission(&*store, "write").await;
    let seen = async || store.user_record(alice.id).await.unwrap().unwrap().fingerprint;
    let changes: [UserEdit; 5] = [
        UserEdit { first_name: "X".to_owned(), ..as_is(&alice) },
        UserEdit {
            metadata: serde_json::json!({"a": 1}).as_object().unwrap().clone(),
            ..as_is(&alice)
        },
        UserEdit { is_active: false, ..as_is(&alice) },
        UserEdit {
            grants: Some(Grants { groups: vec![], permissions: vec![write] }),
            ..as_is(&alice)
        },
        UserEdit { email: None, grants: Some(Grants::default()), ..as_is(&alice) },
    ];
    for change in changes {
        let (before, lines) = (seen().await, log(&*store).await.len());
        store.edit_user(alice.id, &change, before, &root()).await.unwrap();
        assert_ne!(seen().await, before);
        let after = store.user_by_id(alice.id).await.unwrap();
        let mine = UserEdit { first_name: "mine".to_owned(), ..as_is(&alice) };
        let refused = store.edit_user(alice.id, &mine, before, &root()).await.unwrap_err();
        assert!(matches!(refused, AdminError::Stale), "{refused:?}");
        assert_eq!(store.user_by_id(alice.id).await.unwrap(), after);
        assert!(log(&*store).await.len() <= lines + 2);
    }
    let before = seen().await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    assert_eq!(seen().await, before, "a login is no edit");
    let gone = store.edit_user(UserId::new(99), &as_is(&alice), before, &root()).await.unwrap_err();
    assert!(matches!(gone, AdminError::Gone), "{gone:?}");
}

pub async fn a_name_of_another_is_refused_and_nothing_is_changed(store: Arc<dyn AdminStore>) {
    let (alice, bob) = (make_user(&*store, "alice").await, make_user(&*store, "bob").await);
    let seen = store.user_record(bob.id).await.unwrap().unwrap().fingerprint;
    let edit = UserEdit {
        username: Some(Username::parse("Alice").unwrap()),
        first_name: "X".to_owned(),
        ..as_is(&bob)
    };
    let taken = store.edit_user(bob.id, &edit, seen, &root()).await.unwrap_err();
    assert!(matches!(taken, AdminError::Store(StoreError::UsernameTaken)), "{taken:?}");
    assert_eq!(store.user_by_id(bob.id).await.unwrap(), Some(bob));
    assert!(audit_lines(&*store).await.is_empty());
    assert_eq!(store.user_by_id(alice.id).await.unwrap(), Some(alice));
}

pub async fn who_is_made_inactive_has_no_sessions_any_more(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    let alice = store.user_by_id(alice.id).await.unwrap().unwrap();
    let seen = store.user_record(alice.id).await.unwrap().unwrap().fingerprint;
    store
        .edit_user(alice.id, &UserEdit { is_active: false, ..as_is(&alice) }, seen, &root())
        .await
        .unwrap();
    assert!(store.user_sessions(alice.id, after(61)).await.unwrap().is_empty());
    assert_eq!(audit_lines(&*store).await, [("user_deactivated".to_owned(), "alice".to_owned())]);
}

pub async fn a_password_that_an_operator_sets_ends_every_session(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    store.create_session(new_session(1, alice.id)).await.unwrap();
    store.set_password(alice.id, &EncodedPassword::unusable(), &root()).await.unwrap();
    assert!(store.user_sessions(alice.id, after(61)).await.unwrap().is_empty());
    let record = store.user_record(alice.id).await.unwrap().unwrap();
    assert_eq!((record.has_usable_password, record.password_algorithm.as_str()), (false, ""));
    assert_eq!(audit_lines(&*store).await, [("password_set".to_owned(), "unusable".to_owned())]);
    let gone = store
        .set_password(UserId::new(99), &EncodedPassword::unusable(), &root())
        .await
        .unwrap_err();
    assert!(matches!(gone, AdminError::Gone), "{gone:?}");
}

pub async fn one_thing_is_done_to_many_users_and_told_of_each(store: Arc<dyn AdminStore>) {
    let mut ids = Vec::new();
    for (number, name) in [(1, "alice"), (2, "bob"), (3, "carol")] {
        let user = make_user(&*store, name).await;
        store.create_session(new_session(number, user.id)).await.unwrap();
        ids.push(user.id);
    }
    let group = store.save_group(None, "g", &[], None, &root()).await.unwrap();
    let bob = store.user_record(ids[1]).await.unwrap().unwrap();
    let edit = UserEdit {
        grants: Some(Grants { groups: vec![group], permissions: vec![] }),
        ..as_is(&bob.user)
    };
    store.edit_user(ids[1], &edit, bob.fingerprint, &root()).await.unwrap();
    let everybody = [ids.clone(), vec![UserId::new(99), ids[0]]].concat();
    let goes = store.what_goes_with(&everybody[..4], after(61)).await.unwrap();
    assert_eq!(goes, WhatGoes { users: 3, sessions: 3, memberships: 1, permissions: 0 });

    assert_eq!(store.act_on_users(&ids[..1], UserAct::EndSessions, &root()).await.unwrap(), 1);
    assert_eq!(
        store.act_on_users(&everybody, UserAct::EndSessions, &root()).await.unwrap(),
        3,
        "the devices of who had none are asked again too"
    );
    assert_eq!(store.act_on_users(&everybody, UserAct::Deactivate, &root()).await.unwrap(), 3);
    assert_eq!(
        store.act_on_users(&everybody, UserAct::Deactivate, &root()).await.unwrap(),
        0,
        "they are already"
    );
    assert_eq!(store.act_on_users(&ids[..2], UserAct::Activate, &root()).await.unwrap(), 2);
    assert_eq!(store.act_on_users(&everybody, UserAct::Delete, &root()).await.unwrap(), 3);
    assert_eq!(
        store.find_users(&UserSearch { limit: 9, ..UserSearch::default() }).await.unwrap().count,
        Count::Exactly(0)
    );
    let mut words: Vec<_> =
        audit_lines(&*store).await.into_iter().take(11).map(|(word, _)| word).collect();
    words.reverse();
    let expected = [
        ("sessions_ended", 3),
        ("user_deactivated", 3),
        ("user_activated", 2),
        ("user_deleted", 3),
    ];
    assert_eq!(
        words,
        expected.iter().flat_map(|&(word, times)| vec![word.to_owned(); times]).collect::<Vec<_>>()
    );
    let line = log(&*store).await.remove(0).line;
    assert_eq!(
        (line.user, line.detail.as_str()),
        (Some(ids[2]), "carol"),
        "who it was can still be read"
    );
    assert_eq!(store.what_goes_with(&everybody, after(61)).await.unwrap(), WhatGoes::default());
}

pub async fn what_an_operator_may_is_asked_again_in_the_transaction(store: Arc<dyn AdminStore>) {
    make_superuser(&*store, "root").await;
    let operator = make_superuser(&*store, "operator").await;
    let alice = make_user(&*store, "alice").await;
    // A rule of the rows as they are then: the operator's, and the user's before and after.
    let by = Actor {
        who: Who::User(operator.id),
        may: Some(|operator, before, after| {
            operator.is_superuser && before.username == "alice" && after.first_name != "no"
        }),
        ..root()
    };
    let unusable = EncodedPassword::unusable();
    let edit = async |first_name: &str| {
        let seen = store.user_record(alice.id).await.unwrap().unwrap().fingerprint;
        let alice = store.user_by_id(alice.id).await.unwrap().unwrap();
        store
            .edit_user(
                alice.id,
                &UserEdit { first_name: first_name.to_owned(), ..as_is(&alice) },
                seen,
                &by,
            )
            .await
    };
    assert!(store.set_password(alice.id, &unusable, &by).await.is_ok());
    assert!(edit("yes").await.is_ok());
    assert!(matches!(edit("no").await, Err(AdminError::NotAllowed)));
    assert_eq!(store.act_on_users(&[alice.id], UserAct::EndSessions, &by).await.unwrap(), 1);
    let both = [alice.id, operator.id];
    assert!(
        matches!(
            store.act_on_users(&both, UserAct::Deactivate, &by).await,
            Err(AdminError::NotAllowed)
        ),
        "all or none"
    );

    // The operator's form was on its way when the operator was demoted.
    let seen = store.user_record(operator.id).await.unwrap().unwrap().fingerprint;
    store
        .edit_user(
            operator.id,
            &UserEdit { is_superuser: false, ..as_is(&operator) },
            seen,
            &root(),
        )
        .await
        .unwrap();
    let (before, lines) =
        (store.user_record(alice.id).await.unwrap().unwrap(), audit_lines(&*store).await);
    let password = store.password_of(alice.id).await.unwrap().unwrap();
    assert!(matches!(
        store.set_password(alice.id, &EncodedPassword::unusable(), &by).await,
        Err(AdminError::NotAllowed)
    ));
    assert!(matches!(edit("yes, but").await, Err(AdminError::NotAllowed)));
    for act in [UserAct::Activate, UserAct::Deactivate, UserAct::EndSessions, UserAct::Delete] {
        assert!(
            matches!(store.act_on_users(&[alice.id], act, &by).await, Err(AdminError::NotAllowed)),
            "{act:?}"
        );
    }
    assert!(matches!(store.end_user_sessions(alice.id, &by).await, Err(AdminError::NotAllowed)));
    assert_eq!(store.user_record(alice.id).await.unwrap().unwrap().fingerprint, before.fingerprint);
    assert_eq!(store.password_of(alice.id).await.unwrap().unwrap().as_str(), password.as_str());
    assert_eq!(audit_lines(&*store).await, lines, "of what was not done the log says nothing");
    // Who is gone may nothing.
    store.delete_user(operator.id, after(61)).await.unwrap();
    assert!(matches!(
        store.set_password(alice.id, &unusable, &by).await,
        Err(AdminError::NotAllowed)
    ));
}

pub async fn what_was_on_its_way_when_its_operator_was_demoted_is_not_done(
    store: Arc<dyn AdminStore>,
) {
    make_superuser(&*store, "root").await;
    let operator = make_superuser(&*store, "operator").await;
    let alice = make_user(&*store, "alice").await;
    store.begin_session(Begin::unchecked(new_session(7, alice.id))).await.unwrap();
    let write = permission(&*store, "write").await;
    let group = store.save_group(None, "editors", &[], None, &root()).await.unwrap();
    let by = Actor {
        who: Who::User(operator.id),
        may: Some(|operator, _, _| operator.is_superuser),
        ..root()
    };
    let seen = store.user_record(operator.id).await.unwrap().unwrap().fingerprint;
    store
        .edit_user(
            operator.id,
            &UserEdit { is_superuser: false, ..as_is(&operator) },
            seen,
            &root(),
        )
        .await
        .unwrap();
    let lines = audit_lines(&*store).await;

    let accomplice = NewUser { is_staff: true, is_superuser: true, ..new_user("accomplice", "") };
    assert!(matches!(
        store.add_user(accomplice, &Grants::default(), &by).await,
        Err(AdminError::NotAllowed)
    ));
    assert!(matches!(
        store.save_group(None, "thieves", &[write], None, &by).await,
        Err(AdminError::NotAllowed)
    ));
    assert!(matches!(
        store.save_group(Some(group), "editors", &[write], None, &by).await,
        Err(AdminError::NotAllowed)
    ));
    assert!(matches!(store.delete_group(group, &by).await, Err(AdminError::NotAllowed)));
    let text =
        PermissionText { app: "news".to_owned(), codename: "burn".to_owned(), name: String::new() };
    for id in [None, Some(write)] {
        assert!(matches!(
            store.save_permission(id, &text, None, &by).await,
            Err(AdminError::NotAllowed)
        ));
    }
    assert!(matches!(store.delete_permission(write, &by).await, Err(AdminError::NotAllowed)));
    assert!(matches!(store.end_sessions(&[session_id(7)], &by).await, Err(AdminError::NotAllowed)));
    assert!(matches!(store.end_sessions_begun_by(by.now, &by).await, Err(AdminError::NotAllowed)));

    assert!(store.user_by_login("accomplice").await.unwrap().is_none());
    assert!(store.group_record(group).await.unwrap().unwrap().permissions.is_empty());
    assert_eq!(store.groups("", None, 10).await.unwrap().len(), 1);
    assert_eq!(
        store
            .permissions()
            .await
            .unwrap()
            .into_iter()
            .map(|row| row.text.codename)
            .collect::<Vec<_>>(),
        ["write"]
    );
    assert_eq!(store.session(session_id(7)).await.unwrap().unwrap().revoked, None);
    assert_eq!(audit_lines(&*store).await, lines, "of what was not done the log says nothing");
}

pub async fn a_group_gives_only_what_its_operator_has_then(store: Arc<dyn AdminStore>) {
    let (write, burn) = (permission(&*store, "write").await, permission(&*store, "burn").await);
    let group = store.save_group(None, "editors", &[write], None, &root()).await.unwrap();
    // The operator is in the group: what it would give them is not what they have.
    let grants = Grants { groups: vec![group], permissions: vec![] };
    let operator = store.add_user(new_user("operator", ""), &grants, &root()).await.unwrap();
    let by = Actor {
        who: Who::User(operator.id),
        may: Some(|operator, _, after| {
            after.permissions.iter().all(|name| operator.permissions.contains(name))
        }),
        ..root()
    };
    assert!(matches!(
        store.save_group(Some(group), "editors", &[write, burn], None, &by).await,
        Err(AdminError::NotAllowed)
    ));
    assert_eq!(store.group_record(group).await.unwrap().unwrap().permissions, [write]);
    assert!(store.save_group(None, "writers", &[write], None, &by).await.is_ok());
}

//! Service tokens: what counts of them, and until when.

use std::time::Duration;

use super::*;
use crate::clock::OsRandom;
use crate::store::What;
use crate::store::admin::{
    AdminError, AuditKind, Grants, NewServiceToken, PermissionText, Powers, Rule, ServiceTokenRow,
    UserAct,
};
use crate::token::{SecretHash, ServiceToken};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn token(name: &str, powers: Powers) -> (SecretHash, NewServiceToken) {
    let hash = ServiceToken::draw(&OsRandom).hash();
    let new = NewServiceToken {
        name: name.to_owned(),
        hash,
        powers,
        networks: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        expires_at: after(3_600),
    };
    (hash, new)
}

fn adds_users() -> Powers {
    Powers { permissions: names(&["auth.add_user"]), ..Powers::default() }
}

const MAY_ADD: Rule =
    |operator, _, _| operator.permissions.iter().any(|name| name == "auth.add_user");

fn acting(row: &ServiceTokenRow, now: Timestamp) -> Actor {
    Actor { may: Some(MAY_ADD), ..Actor::service(row, None, now) }
}

/// A user of the staff who has the permission.
async fn make_adder(store: &dyn AdminStore, name: &str) -> User {
    let text = PermissionText {
        app: "auth".to_owned(),
        codename: "add_user".to_owned(),
        name: String::new(),
    };
    let permission = store.save_permission(None, &text, None, &root()).await.unwrap();
    let new = NewUser { is_staff: true, ..new_user(name, "") };
    let grants = Grants { groups: Vec::new(), permissions: vec![permission] };
    store.add_user(new, &grants, &root()).await.unwrap()
}

pub async fn a_token_counts_from_when_it_is_made_until_it_is_revoked(store: Arc<dyn AdminStore>) {
    let by = Actor::shell("ada", after(60));
    let powers = Powers { groups: names(&["editors"]), is_superuser: true, ..adds_users() };
    let (hash, new) = token("importer", powers.clone());
    assert!(store.service_token(hash, after(60)).await.unwrap().is_none());
    let row = store.add_service_token(new.clone(), &by).await.unwrap();
    assert_eq!(
        (row.name.as_str(), &row.powers, &row.networks),
        ("importer", &powers, &new.networks)
    );
    assert_eq!((&row.maker, row.created_at, row.expires_at), (&by.who, after(60), after(3_600)));
    assert_eq!((row.last_used_at, row.revoked_at), (None, None));
    let known = store.service_token(hash, after(61)).await.unwrap().unwrap();
    assert_eq!(known.row, row);
    assert!(known.operator.is_superuser && known.operator.permissions == powers.permissions);
    assert!(store.service_token(hash, after(3_599)).await.unwrap().is_some());
    assert!(store.service_token(hash, after(3_600)).await.unwrap().is_none(), "its time is over");
    let other = ServiceToken::draw(&OsRandom).hash();
    assert!(store.service_token(other, after(61)).await.unwrap().is_none());

    let (_, second) = token("reader", Powers::default());
    let second = store.add_service_token(second, &by).await.unwrap();
    assert_eq!(store.service_tokens(None, 10).await.unwrap(), [row.clone(), second.clone()]);
    assert_eq!(store.service_tokens(None, 1).await.unwrap(), std::slice::from_ref(&row));
    assert_eq!(store.service_tokens(Some(row.id), 10).await.unwrap(), [second]);

    let later = Actor { now: after(90), ..by };
    store.revoke_service_token(row.id, &later).await.unwrap();
    assert!(store.service_token(hash, after(61)).await.unwrap().is_none());
    let listed = store.service_tokens(None, 1).await.unwrap().remove(0);
    assert_eq!(listed, ServiceTokenRow { revoked_at: Some(after(90)), ..row.clone() });
    for id in [row.id, 77] {
        let again = store.revoke_service_token(id, &later).await;
        assert!(matches!(again, Err(AdminError::Gone)), "{again:?}");
    }
    let said = |word: &str, detail: String| (word.to_owned(), detail);
    let made = format!(
        "importer ({}); is_superuser; permissions: auth.add_user; groups: editors; until \
         2026-06-01T13:00:00Z",
        row.id
    );
    assert_eq!(
        audit_lines(&*store).await,
        [
            said("service_token_revoked", format!("importer ({})", row.id)),
            said("service_token_made", "reader (2); until 2026-06-01T13:00:00Z".to_owned()),
            said("service_token_made", made),
        ]
    );
}

pub async fn a_token_never_may_more_than_its_maker_may_at_that_moment(store: Arc<dyn AdminStore>) {
    let ada = make_adder(&*store, "ada").await;
    let by = Actor::staff(ada.id, None, after(60));
    let (hash, new) = token("importer", adds_users());
    let row = store.add_service_token(new, &by).await.unwrap();
    let add = async |name: &str| {
        store.add_user(new_user(name, ""), &Grants::default(), &acting(&row, after(70))).await
    };
    add("bob").await.unwrap();
    let line = log(&*store).await.remove(0).line;
    assert_eq!((line.kind, line.actor), (AuditKind::UserAdded, Some(row.who())));

    // Without a rule a token may nothing, which no door forgets.
    let unruled = Actor::service(&row, None, after(70));
    let refused = store.add_user(new_user("eve", ""), &Grants::default(), &unruled).await;
    assert!(matches!(refused, Err(AdminError::NotAllowed)), "{refused:?}");

    let record = store.user_record(ada.id).await.unwrap().unwrap();
    let less = UserEdit { grants: Some(Grants::default()), ..as_is(&record.user) };
    store.edit_user(ada.id, &less, record.fingerprint, &root()).await.unwrap();
    let known = store.service_token(hash, after(70)).await.unwrap().unwrap();
    assert!(known.operator.permissions.is_empty());
    assert!(matches!(add("carol").await, Err(AdminError::NotAllowed)));

    let record = store.user_record(ada.id).await.unwrap().unwrap();
    let again = UserEdit { is_superuser: true, ..as_is(&record.user) };
    store.edit_user(ada.id, &again, record.fingerprint, &root()).await.unwrap();
    add("carol").await.unwrap();
    let known = store.service_token(hash, after(70)).await.unwrap().unwrap();
    assert!(!known.operator.is_superuser, "it was not given that");

    make_superuser(&*store, "root").await;
    for (act, name) in [(UserAct::Deactivate, "dora"), (UserAct::Delete, "emil")] {
        store.act_on_users(&[ada.id], act, &root()).await.unwrap();
        assert!(store.service_token(hash, after(70)).await.unwrap().is_none(), "{act:?}");
        assert!(matches!(add(name).await, Err(AdminError::NotAllowed)), "{act:?}");
    }
    for name in ["eve", "dora", "emil"] {
        assert!(store.user_by_login(name).await.unwrap().is_none());
    }
}

pub async fn nobody_makes_a_token_that_may_more_than_they(store: Arc<dyn AdminStore>) {
    let ada = make_adder(&*store, "ada").await;
    let by = Actor::staff(ada.id, None, after(60));
    let more =
        Powers { permissions: names(&["auth.add_user", "auth.delete_user"]), ..adds_users() };
    for powers in [
        more,
        Powers { groups: names(&["editors"]), ..adds_users() },
        Powers { is_superuser: true, ..adds_users() },
    ] {
        let made = store.add_service_token(token("thief", powers.clone()).1, &by).await;
        assert!(matches!(made, Err(AdminError::NotAllowed)), "{powers:?}: {made:?}");
    }
    let row = store.add_service_token(token("importer", adds_users()).1, &by).await.unwrap();
    // A token makes and ends none, whatever the rule of its door.
    let everything: Rule = |_, _, _| true;
    let by_token = Actor { may: Some(everything), ..acting(&row, after(61)) };
    let made = store.add_service_token(token("child", adds_users()).1, &by_token).await;
    assert!(matches!(made, Err(AdminError::NotAllowed)), "{made:?}");
    let nobody: Rule = |_, _, _| false;
    let refused = Actor { may: Some(nobody), ..by.clone() };
    let ended = store.revoke_service_token(row.id, &refused).await;
    assert!(matches!(ended, Err(AdminError::NotAllowed)), "{ended:?}");
    store.act_on_users(&[ada.id], UserAct::Deactivate, &root()).await.unwrap();
    let made = store.add_service_token(token("late", adds_users()).1, &by).await;
    assert!(matches!(made, Err(AdminError::NotAllowed)), "{made:?}");
    assert_eq!(store.service_tokens(None, 10).await.unwrap(), [row]);
}

pub async fn what_was_on_its_way_when_its_token_was_revoked_is_not_done(
    store: Arc<dyn AdminStore>,
) {
    let by = Actor::shell("root", after(60));
    let bob = make_user(&*store, "bob").await;
    let everything: Rule = |_, _, _| true;
    let rows = [
        store.add_service_token(token("revoked", adds_users()).1, &by).await.unwrap(),
        store.add_service_token(token("expired", adds_users()).1, &by).await.unwrap(),
    ];
    store.revoke_service_token(rows[0].id, &by).await.unwrap();
    let count = log(&*store).await.len();
    for (row, now) in rows.iter().zip([after(61), after(3_600)]) {
        let by = Actor { may: Some(everything), ..acting(row, now) };
        let added = store.add_user(new_user("eve", ""), &Grants::default(), &by).await;
        assert!(matches!(added, Err(AdminError::NotAllowed)), "{added:?}");
        let deleted = store.act_on_users(&[bob.id], UserAct::Delete, &by).await;
        assert!(matches!(deleted, Err(AdminError::NotAllowed)), "{deleted:?}");
        let set = store.set_password(bob.id, &EncodedPassword::unusable(), &by).await;
        assert!(matches!(set, Err(AdminError::NotAllowed)), "{set:?}");
        let group = store.save_group(None, "thieves", &[], None, &by).await;
        assert!(matches!(group, Err(AdminError::NotAllowed)), "{group:?}");
    }
    assert!(store.user_by_login("eve").await.unwrap().is_none());
    assert_eq!(log(&*store).await.len(), count);
}

pub async fn of_two_tokens_with_one_name_one_counts(store: Arc<dyn AdminStore>) {
    let by = Actor::shell("root", after(60));
    let first = store.add_service_token(token("importer", adds_users()).1, &by).await.unwrap();
    let again = store.add_service_token(token("importer", adds_users()).1, &by).await;
    assert!(matches!(again, Err(AdminError::NameTaken)), "{again:?}");
    store.revoke_service_token(first.id, &by).await.unwrap();
    let second = store.add_service_token(token("importer", adds_users()).1, &by).await.unwrap();
    assert!(second.id > first.id);
}

pub async fn a_use_is_noted_once_a_minute_and_no_cache_hears_of_it(store: Arc<dyn AdminStore>) {
    let by = Actor::shell("root", after(60));
    let row = store.add_service_token(token("importer", adds_users()).1, &by).await.unwrap();
    let before = store.cursor_now().await.unwrap();
    for (at, noted) in [(70, 70), (129, 70), (131, 131), (100, 131)] {
        store.note_service_token_use(row.id, after(at)).await.unwrap();
        let listed = store.service_tokens(None, 1).await.unwrap().remove(0);
        assert_eq!(listed.last_used_at, Some(after(noted)), "{at}");
    }
    store.note_service_token_use(77, after(70)).await.unwrap();
    assert!(store.changes(&before, 10).await.unwrap().changes.is_empty());
}

pub async fn every_cache_hears_of_a_revoked_token(store: Arc<dyn AdminStore>) {
    let by = Actor::shell("root", after(60));
    let row = store.add_service_token(token("importer", adds_users()).1, &by).await.unwrap();
    let before = store.cursor_now().await.unwrap();
    store.revoke_service_token(row.id, &by).await.unwrap();
    let changes = store.changes(&before, 10).await.unwrap().changes;
    let what: Vec<What> = changes.iter().map(|change| change.what).collect();
    assert_eq!(what, [What::UserChanged(UserId::new(0))]);
}

pub async fn no_act_of_a_token_outlives_its_end_on_another_node(nodes: [Arc<dyn AdminStore>; 2]) {
    let [here, there] = nodes;
    let by = Actor::shell("root", after(60));
    for round in 0..4 {
        let name = format!("importer{round}");
        let row = here.add_service_token(token(&name, adds_users()).1, &by).await.unwrap();
        let adding = {
            let (here, row) = (Arc::clone(&here), row.clone());
            tokio::spawn(async move {
                for number in 0..10_000 {
                    let new = new_user(&format!("user{round}x{number}"), "");
                    match here.add_user(new, &Grants::default(), &acting(&row, after(61))).await {
                        Ok(_) => {}
                        Err(AdminError::NotAllowed) => return number,
                        Err(other) => panic!("{other:?}"),
                    }
                }
                panic!("it goes on")
            })
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
        // At the same moment by the clock: then the log has what came later before the others.
        let ending = Actor { now: after(61), ..by.clone() };
        there.revoke_service_token(row.id, &ending).await.unwrap();
        // What was made before the end has its line before the end's, and nothing one behind it.
        let made = adding.await.unwrap();
        let asked = AuditSearch { limit: 1, ..AuditSearch::default() };
        let last = there.audit(&asked).await.unwrap().rows.remove(0);
        assert_eq!(last.line.kind, AuditKind::ServiceTokenRevoked, "after {made}");
    }
}

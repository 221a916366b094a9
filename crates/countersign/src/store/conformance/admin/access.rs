//! Groups and permissions.

use super::*;
use crate::store::admin::{AdminError, Count, Grants, PermissionRow, PermissionText};

fn text(codename: &str) -> PermissionText {
    PermissionText {
        app: "news".to_owned(),
        codename: codename.to_owned(),
        name: format!("Can {codename}"),
    }
}

pub async fn permissions_are_made_changed_and_deleted(store: Arc<dyn AdminStore>) {
    let write = store.save_permission(None, &text("write"), None, &root()).await.unwrap();
    let read = store.save_permission(None, &text("read"), None, &root()).await.unwrap();
    assert!(matches!(
        store.save_permission(None, &text("read"), None, &root()).await,
        Err(AdminError::NameTaken)
    ));
    assert!(matches!(
        store.save_permission(Some(write), &text("read"), None, &root()).await,
        Err(AdminError::NameTaken)
    ));
    assert!(matches!(
        store.save_permission(Some(99), &text("x"), None, &root()).await,
        Err(AdminError::Gone)
    ));
    assert_eq!(
        store
            .save_permission(
                Some(write),
                &PermissionText { name: "May".to_owned(), ..text("write") },
                None,
                &root()
            )
            .await
            .unwrap(),
        write
    );
    store.save_permission(Some(read), &text("view"), None, &root()).await.unwrap();
    let alice = store
        .add_user(
            new_user("alice", ""),
            &Grants { groups: vec![], permissions: vec![read] },
            &root(),
        )
        .await
        .unwrap();
    store.delete_permission(read, &root()).await.unwrap();
    assert!(matches!(store.delete_permission(read, &root()).await, Err(AdminError::Gone)));
    assert!(store.user_by_id(alice.id).await.unwrap().unwrap().permissions.is_empty());
    let expected = PermissionRow {
        id: write,
        text: PermissionText { name: "May".to_owned(), ..text("write") },
    };
    assert_eq!(store.permissions().await.unwrap(), [expected]);
    let done: Vec<_> = audit_lines(&*store)
        .await
        .into_iter()
        .filter(|(word, _)| word.starts_with("permission_"))
        .map(|(_, detail)| detail)
        .collect();
    assert_eq!(
        done,
        ["news.view", "news.read to news.view", "news.write", "news.read", "news.write"]
    );
}

pub async fn a_permission_that_somebody_changed_meanwhile_is_not_overwritten(
    store: Arc<dyn AdminStore>,
) {
    let write = store.save_permission(None, &text("write"), None, &root()).await.unwrap();
    let seen = Some(text("write").fingerprint());
    store.save_permission(Some(write), &text("edit"), seen, &root()).await.unwrap();
    // Other words for people, upon a form that is older than the other name.
    let words = PermissionText { name: "May".to_owned(), ..text("write") };
    let stale = store.save_permission(Some(write), &words, seen, &root()).await;
    assert!(matches!(stale, Err(AdminError::Stale)), "{stale:?}");
    let lines = audit_lines(&*store).await;
    assert_eq!(store.permissions().await.unwrap()[0].text, text("edit"));

    // Words alone count too, and of two at the same moment one is done.
    let seen = Some(text("edit").fingerprint());
    let [one, other] =
        ["May", "Might"].map(|name| PermissionText { name: name.to_owned(), ..text("edit") });
    let by = root();
    let (first, second) = tokio::join!(
        store.save_permission(Some(write), &one, seen, &by),
        store.save_permission(Some(write), &other, seen, &by),
    );
    let done = match (first, second) {
        (Ok(_), Err(AdminError::Stale)) => one,
        (Err(AdminError::Stale), Ok(_)) => other,
        both => panic!("{both:?}"),
    };
    assert_eq!(store.permissions().await.unwrap()[0].text, done);
    assert_eq!(audit_lines(&*store).await.len(), lines.len() + 1);
}

pub async fn a_group_is_made_changed_and_deleted_and_its_members_feel_it(
    store: Arc<dyn AdminStore>,
) {
    let (write, read) = (
        store.save_permission(None, &text("write"), None, &root()).await.unwrap(),
        store.save_permission(None, &text("read"), None, &root()).await.unwrap(),
    );
    let group = store.save_group(None, "editors", &[write], None, &root()).await.unwrap();
    let alice = store
        .add_user(
            new_user("alice", ""),
            &Grants { groups: vec![group], permissions: vec![] },
            &root(),
        )
        .await
        .unwrap();
    let before = store.group_record(group).await.unwrap().unwrap();
    assert_eq!((before.name.as_str(), &before.permissions), ("editors", &vec![write]));
    let cursor = store.cursor_now().await.unwrap();
    assert_eq!(
        store
            .save_group(Some(group), "writers", &[read], Some(before.fingerprint), &root())
            .await
            .unwrap(),
        group
    );
    let alice = store.user_by_id(alice.id).await.unwrap().unwrap();
    assert_eq!(
        (alice.groups, alice.permissions),
        (vec!["writers".to_owned()], vec!["news.read".to_owned()])
    );
    let news = store.changes(&cursor, 100).await.unwrap().changes;
    assert!(
        news.iter().any(|change| change.what == crate::store::What::AllUsersChanged),
        "{news:?}"
    );
    assert_eq!(
        log(&*store).await[0].line.detail,
        "editors to writers; permissions: added news.read; removed news.write"
    );

    let stale = store.save_group(Some(group), "mine", &[], Some(before.fingerprint), &root()).await;
    assert!(matches!(stale, Err(AdminError::Stale)), "{stale:?}");
    assert!(matches!(
        store.save_group(None, "writers", &[], None, &root()).await,
        Err(AdminError::NameTaken)
    ));
    assert!(
        matches!(
            store.save_group(None, "others", &[99], None, &root()).await,
            Err(AdminError::Gone)
        ),
        "a forged id"
    );
    assert!(matches!(
        store.save_group(Some(99), "others", &[], None, &root()).await,
        Err(AdminError::Gone)
    ));
    assert_eq!(store.groups("", None, 10).await.unwrap().len(), 1);

    store.delete_group(group, &root()).await.unwrap();
    assert!(matches!(store.delete_group(group, &root()).await, Err(AdminError::Gone)));
    let alice = store.user_by_id(alice.id).await.unwrap().unwrap();
    assert_eq!((alice.groups.len(), alice.permissions.len()), (0, 0));
    assert_eq!(store.group_record(group).await.unwrap().map(|group| group.id), None);
    assert_eq!(audit_lines(&*store).await[0], ("group_deleted".to_owned(), "writers".to_owned()));
}

pub async fn groups_are_found_by_their_names(store: Arc<dyn AdminStore>) {
    let mut made = Vec::new();
    for name in ["editors", "editor", "Zoë"] {
        let id = store.save_group(None, name, &[], None, &root()).await.unwrap();
        made.push((id, name.to_owned()));
    }
    let called = async |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        let mut found = store.groups_called(&names).await.unwrap();
        found.sort_unstable();
        found
    };
    assert_eq!(called(&["Zoë", "editors", "editor", "Zoë", "", "edit", "Editors"]).await, made);
    assert_eq!(called(&["editor\0", "\0", "editor"]).await, made[1..2]);
    assert_eq!(called(&["none"]).await, []);
    assert_eq!(called(&[]).await, []);
    let many: Vec<_> = (0..2_000).map(|number| format!("g{number}")).collect();
    assert_eq!(store.groups_called(&many).await.unwrap(), []);
}

pub async fn groups_are_listed_by_what_they_begin_with_page_by_page(store: Arc<dyn AdminStore>) {
    for name in ["a", "b1", "b2", "b3", "c", "Zoë", "b%"] {
        store.save_group(None, name, &[], None, &root()).await.unwrap();
    }
    let group = store.groups("b2", None, 1).await.unwrap().remove(0);
    for number in 0..3 {
        store
            .add_user(
                new_user(&format!("user{number}"), ""),
                &Grants { groups: vec![group.id], permissions: vec![] },
                &root(),
            )
            .await
            .unwrap();
    }
    let names = async |prefix: &str, after: Option<&str>, limit| {
        let groups = store.groups(prefix, after, limit).await.unwrap();
        groups.into_iter().map(|group| group.name).collect::<Vec<_>>()
    };
    assert_eq!(names("", None, 10).await, ["Zoë", "a", "b%", "b1", "b2", "b3", "c"]);
    assert_eq!(names("b", Some("b1"), 1).await, ["b2"]);
    assert_eq!(names("b", Some("b3"), 9).await, [""; 0]);
    assert_eq!(names("Zo", None, 9).await, ["Zoë"]);
    assert_eq!(names("%", None, 9).await, [""; 0]);
    assert_eq!(names("\0", Some("\0"), 9).await, names("", None, 9).await);
    let group = store.groups("b2", None, 1).await.unwrap().remove(0);
    assert_eq!((group.members, group.permissions), (Count::Exactly(3), 0));
}

//! What is promised of users.

use std::sync::Arc;

use super::fixtures::{after, make_user, new_session, new_user, noon, session_id};
use crate::password::EncodedPassword;
use crate::session::RevokedReason;
use crate::store::admin::AdminStore;
use crate::store::{PasswordChange, StoreError};
use crate::user::{Email, NewUser, ProfileChange, UserId, Username};

pub async fn a_user_comes_back_as_it_was_made(store: Arc<dyn AdminStore>) {
    let mut new = new_user("Alice", "Alice@Example.com");
    new.first_name = "Alíce".to_owned();
    new.metadata.insert("theme".to_owned(), "dark".into());
    let made = store.create_user(new, noon()).await.unwrap();
    assert_eq!(
        (made.username.as_str(), made.email.as_str(), made.first_name.as_str()),
        ("Alice", "Alice@example.com", "Alíce")
    );
    assert_eq!((made.is_active, made.is_staff, made.is_superuser), (true, false, false));
    assert_eq!((made.date_joined, made.last_login), (noon(), None));
    assert_eq!(made.metadata["theme"], "dark");
    assert_eq!(store.user_by_id(made.id).await.unwrap(), Some(made));
    assert_eq!(store.user_by_id(UserId::new(999)).await.unwrap(), None);
}

pub async fn numbers_in_metadata_come_back_as_they_were_given(store: Arc<dyn AdminStore>) {
    let numbers = [
        f64::MAX,
        f64::MIN,
        f64::MIN_POSITIVE,
        5e-324,
        1.234567890123456e25,
        1.2345678901234568e18,
        0.123_456_789_012_345_68,
        9_007_199_254_740_993.0,
        2.004_800_000_000_000_4e-7,
        -1.5,
    ];
    let mut new = new_user("alice", "");
    new.metadata.insert("n".to_owned(), numbers.to_vec().into());
    let made = store.create_user(new, noon()).await.unwrap();
    let read = store.user_by_id(made.id).await.unwrap().unwrap();
    let read: Vec<_> =
        read.metadata["n"].as_array().unwrap().iter().map(|n| n.as_f64().unwrap()).collect();
    assert_eq!(read, numbers);
}

pub async fn a_login_finds_the_exact_name_then_the_folded_one_then_the_only_address(
    store: Arc<dyn AdminStore>,
) {
    let alice = make_user(&*store, "Alice").await;
    let found =
        async |login: &str| store.user_by_login(login).await.unwrap().map(|row| row.user.id);
    for login in ["Alice", "aLICE", "ａlice", "alice@example.com", "ALICE@example.COM"] {
        assert_eq!(found(login).await, Some(alice.id), "{login}");
    }
    for login in ["", "alic", "alice@example.org", "%", "alice@"] {
        assert_eq!(found(login).await, None, "{login}");
    }
}

pub async fn a_name_is_taken_by_its_folding_and_by_another_users_address(
    store: Arc<dyn AdminStore>,
) {
    make_user(&*store, "Alice").await;
    let create = async |name: &str, email: &str| {
        store.create_user(new_user(name, email), noon()).await.map(drop)
    };
    assert!(matches!(create("Alice", "").await, Err(StoreError::UsernameTaken)));
    assert!(matches!(create("ALICE", "").await, Err(StoreError::UsernameTaken)));
    assert!(matches!(create("alice@example.com", "").await, Err(StoreError::UsernameTaken)));
    create("carol@example.com", "carol@example.com").await.unwrap();
    assert!(matches!(create("dave", "carol@example.com").await, Err(StoreError::EmailTaken)));
    assert_eq!(
        store.users(None, 10).await.unwrap().len(),
        2,
        "a refused user leaves nothing behind"
    );
}

pub async fn nobody_takes_an_address_that_another_active_user_has_in_whatever_form(
    store: Arc<dyn AdminStore>,
) {
    let victim =
        store.create_user(new_user("victim", "straße@bücher.example"), noon()).await.unwrap();
    let plain = store.create_user(new_user("plain", "strasse@example.com"), noon()).await.unwrap();
    let mallory = make_user(&*store, "mallory").await;
    let mine = [
        ("straße@bücher.example", victim.id),
        ("STRASSE@bücher.example", victim.id),
        ("Strasse@XN--BCHER-KVA.EXAMPLE", victim.id),
        ("strasse@example.com", plain.id),
        ("STRASSE@EXAMPLE.com", plain.id),
        ("straße@example.com", plain.id),
    ];
    for (address, owner) in mine {
        let email = Some(Some(Email::parse(address).unwrap()));
        let change = ProfileChange { email, ..ProfileChange::default() };
        assert!(
            matches!(store.update_profile(mallory.id, change).await, Err(StoreError::EmailTaken)),
            "{address}"
        );
        let new = store.create_user(new_user("other", address), noon()).await;
        assert!(matches!(new, Err(StoreError::EmailTaken)), "{address}");
        let inactive = store
            .create_user(NewUser { is_active: false, ..new_user("other", address) }, noon())
            .await;
        assert!(matches!(inactive, Err(StoreError::EmailTaken)), "{address}");
        if let Ok(name) = Username::parse(address) {
            let change = ProfileChange { username: Some(name.clone()), ..ProfileChange::default() };
            assert!(
                matches!(
                    store.update_profile(mallory.id, change).await,
                    Err(StoreError::UsernameTaken)
                ),
                "{address}"
            );
            let new = NewUser { username: name, ..new_user("other", "") };
            assert!(
                matches!(store.create_user(new, noon()).await, Err(StoreError::UsernameTaken)),
                "{address}"
            );
        }
        let found = store.user_by_login(address).await.unwrap().map(|row| row.user.id);
        assert_eq!(found, Some(owner), "{address} still signs its owner in");
    }
    let again = ProfileChange {
        email: Some(Some(Email::parse("STRASSE@bücher.example").unwrap())),
        ..ProfileChange::default()
    };
    let changed = store.update_profile(victim.id, again).await.unwrap().unwrap();
    assert_eq!(
        changed.email, "STRASSE@xn--bcher-kva.example",
        "one's own may be written in another way"
    );
    assert!(store.user_by_login("straße@bücher.example").await.unwrap().is_some());
}

pub async fn an_address_that_is_a_name_in_another_form_is_refused(store: Arc<dyn AdminStore>) {
    for (number, name) in ["straße@example.com", "ada@bücher.example", "zoe@xn--bcher-kva.example"]
        .into_iter()
        .enumerate()
    {
        let new = NewUser {
            username: Username::parse(name).unwrap(),
            ..new_user(&format!("n{number}"), "")
        };
        store.create_user(new, noon()).await.unwrap();
    }
    for address in [
        "STRASSE@example.com",
        "Ada@bücher.example",
        "ADA@xn--bcher-kva.example",
        "zoe@BÜCHER.example",
    ] {
        let new = store.create_user(new_user("mallory", address), noon()).await;
        assert!(matches!(new, Err(StoreError::EmailTaken)), "{address}");
    }
}

pub async fn an_address_that_several_have_signs_in_the_only_active_one_or_nobody(
    store: Arc<dyn AdminStore>,
) {
    let first = store.create_user(new_user("first", "shared@example.com"), noon()).await.unwrap();
    store.set_active(first.id, false, after(1)).await.unwrap();
    let second = store.create_user(new_user("second", "SHARED@example.com"), noon()).await.unwrap();
    let found =
        async || store.user_by_login("shared@EXAMPLE.com").await.unwrap().map(|row| row.user.id);
    assert_eq!(
        found().await,
        Some(second.id),
        "an inactive user's address is free, and names its new owner"
    );
    // As an import may have left it.
    store.set_active(first.id, true, after(2)).await.unwrap();
    assert_eq!(found().await, None, "nobody knows whose mailbox it is");
    let profile = ProfileChange {
        first_name: Some("F".to_owned()),
        email: Some(Some(Email::parse("shared@example.com").unwrap())),
        ..ProfileChange::default()
    };
    assert_eq!(
        store.update_profile(first.id, profile).await.unwrap().unwrap().first_name,
        "F",
        "what one has already one may keep"
    );
    assert!(
        store.user_by_login("first").await.unwrap().is_some()
            && store.user_by_login("second").await.unwrap().is_some()
    );
}

pub async fn a_profile_changes_by_the_fields_that_are_given(store: Arc<dyn AdminStore>) {
    let alice = make_user(&*store, "alice").await;
    make_user(&*store, "bob").await;
    let change = ProfileChange { first_name: Some("A".to_owned()), ..ProfileChange::default() };
    let changed = store.update_profile(alice.id, change).await.unwrap().unwrap();
    assert_eq!((changed.first_name.as_str(), changed.email.as_str()), ("A", "alice@example.com"));
    let change = ProfileChange {
        email: Some(None),
        username: Some(Username::parse("ALICE").unwrap()),
        ..ProfileChange::default()
    };
    let changed = store.update_profile(alice.id, change).await.unwrap().unwrap();
    assert_eq!((changed.username.as_str(), changed.email.as_str()), ("ALICE", ""));
    let taken = ProfileChange {
        username: Some(Username::parse("BOB").unwrap()),
        first_name: Some("lost".to_owned()),
        ..ProfileChange::default()
    };
    assert!(matches!(store.update_profile(alice.id, taken).await, Err(StoreError::UsernameTaken)));
    assert_eq!(
        store.user_by_id(alice.id).await.unwrap().unwrap().first_name,
        "A",
        "all or nothing"
    );
    let taken = ProfileChange {
        email: Some(Some(Email::parse("x@example.com").unwrap())),
        ..ProfileChange::default()
    };
    assert_eq!(store.update_profile(UserId::new(99), taken).await.unwrap(), None);
}

pub async fn a_new_password_ends_the_other_sessions_and_an_upgrade_ends_none(
    store: Arc<dyn AdminStore>,
) {
    let alice = make_user(&*store, "alice").await;
    for id in 1..=3 {
        store.create_session(new_session(id, alice.id)).await.unwrap();
    }
    let old = store.password_of(alice.id).await.unwrap().unwrap();
    let new = EncodedPassword::from_stored("argon2$new".to_owned());
    assert!(store.upgrade_password(alice.id, &old, &new).await.unwrap());
    assert_eq!(store.password_of(alice.id).await.unwrap().unwrap().as_str(), "argon2$new");
    assert_eq!(store.user_sessions(alice.id, after(1)).await.unwrap().len(), 3);
    let late = EncodedPassword::from_stored("argon2$late".to_owned());
    assert!(!store.upgrade_password(alice.id, &old, &late).await.unwrap());
    assert_eq!(
        store.password_of(alice.id).await.unwrap().unwrap().as_str(),
        "argon2$new",
        "a late upgrade undoes nothing"
    );

    let change = async |old, session| {
        let session = session_id(session);
        store.change_password(alice.id, old, &late, session, after(1), Vec::new()).await.unwrap()
    };
    assert_eq!(change(&old, 2).await, PasswordChange::Stale);
    assert_eq!(change(&new, 9).await, PasswordChange::SessionEnded);
    assert_eq!(
        store.user_sessions(alice.id, after(1)).await.unwrap().len(),
        3,
        "what is refused ends nothing"
    );
    assert_eq!(change(&new, 2).await, PasswordChange::Done);
    let live = store.user_sessions(alice.id, after(2)).await.unwrap();
    assert_eq!(live.iter().map(|session| session.id).collect::<Vec<_>>(), [session_id(2)]);
    let ended = store.session(session_id(1)).await.unwrap().unwrap();
    assert_eq!(ended.revoked, Some((after(1), RevokedReason::PasswordChanged)));
    assert_eq!(change(&late, 1).await, PasswordChange::SessionEnded);
    let nobody = store
        .change_password(UserId::new(99), &late, &new, session_id(2), after(1), Vec::new())
        .await;
    let nobody = nobody.unwrap();
    assert_eq!(nobody, PasswordChange::SessionEnded, "a session of somebody else");

    assert!(store.reset_password(alice.id, &new, after(3)).await.unwrap());
    assert!(store.user_sessions(alice.id, after(4)).await.unwrap().is_empty());
    assert!(!store.reset_password(UserId::new(99), &late, after(3)).await.unwrap());
}

pub async fn who_is_deactivated_or_deleted_has_no_session_left(store: Arc<dyn AdminStore>) {
    for (id, delete) in [(1, false), (2, true)] {
        let user = make_user(&*store, &format!("user{id}")).await;
        store.create_session(new_session(id, user.id)).await.unwrap();
        let done = if delete {
            store.delete_user(user.id, after(1)).await
        } else {
            store.set_active(user.id, false, after(1)).await
        };
        assert!(done.unwrap());
        let ended = store.session(session_id(id)).await.unwrap().unwrap();
        assert_eq!(ended.revoked, Some((after(1), RevokedReason::UserInactive)));
        assert_eq!(
            store.user_by_id(user.id).await.unwrap().map(|user| user.is_active),
            if delete { None } else { Some(false) }
        );
    }
    assert!(!store.delete_user(UserId::new(99), after(1)).await.unwrap());
    assert!(!store.set_active(UserId::new(99), true, after(1)).await.unwrap());
}

pub async fn the_kinds_of_hash_that_are_live_are_each_named_once(store: Arc<dyn AdminStore>) {
    let (short, long) = ("A".repeat(43), format!("{}==", "A".repeat(86)));
    let live = [
        format!("argon2$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ${short}"),
        format!("argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ${short}"),
        format!("pbkdf2_sha256$870000$salt${short}="),
        format!("pbkdf2_sha256$260000$salt${short}="),
        format!("pbkdf2_sha256$260000$other${short}="),
        format!("bcrypt_sha256$$2b$12${}", ".".repeat(53)),
        format!("scrypt$16384$salt$8$1${long}"),
    ];
    // Nobody's: no password matches them, or their owner is inactive.
    let dead = [
        "!unusable".to_owned(),
        "nonsense".to_owned(),
        "pbkdf2_sha256$1000000$salt$hash".to_owned(),
        format!("pbkdf2_sha256$4000000000$salt${short}="),
    ];
    let inactive = [
        "pbkdf2_sha1$500000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        format!("bcrypt$$2b$14${}", ".".repeat(53)),
    ];
    let lines = live
        .iter()
        .chain(&dead)
        .map(|line| (line, true))
        .chain(inactive.iter().map(|line| (line, false)));
    for (number, (line, is_active)) in lines.enumerate() {
        let mut new = new_user(&format!("user{number}"), "");
        new.password = EncodedPassword::from_stored(line.clone());
        let user = store.create_user(new, noon()).await.unwrap();
        if !is_active {
            store.set_active(user.id, false, noon()).await.unwrap();
        }
    }
    let mut kinds = store.password_kinds().await.unwrap();
    kinds.sort_unstable();
    let expected = [
        "argon2$argon2id$v=19$m=102400,t=2,p=8",
        "argon2$argon2id$v=19$m=19456,t=2,p=1",
        "bcrypt_sha256$$2b$12",
        "pbkdf2_sha256$260000",
        "pbkdf2_sha256$870000",
        "scrypt$16384$$8$1$",
    ];
    assert_eq!(kinds, expected);
}

pub async fn a_list_is_walked_page_by_page(store: Arc<dyn AdminStore>) {
    for number in 0..5 {
        make_user(&*store, &format!("user{number}")).await;
    }
    let first = store.users(None, 3).await.unwrap();
    let rest = store.users(first.last().map(|user| user.id), 3).await.unwrap();
    let names: Vec<_> = first.iter().chain(&rest).map(|user| user.username.as_str()).collect();
    assert_eq!(names, ["user0", "user1", "user2", "user3", "user4"]);
}

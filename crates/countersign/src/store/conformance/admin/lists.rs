//! The list of users.

use super::super::factors::{enrol, offer, user_with_session};
use super::*;
use crate::store::admin::{Count, Grants, UserOrder, UserSearch};

const ORDERS: [UserOrder; 6] = [
    UserOrder::Username,
    UserOrder::Email,
    UserOrder::FirstName,
    UserOrder::LastName,
    UserOrder::Joined,
    UserOrder::LastLogin,
];

/// Thirty users: many with the same first name, without an address, who joined in one moment, or
/// who never signed in.
async fn people(store: &dyn AdminStore) -> Vec<User> {
    for number in 0..30_u8 {
        let name =
            if number % 2 == 0 { format!("User{number:02}") } else { format!("user{number:02}") };
        let email = if number % 3 == 0 { String::new() } else { format!("{name}@example.com") };
        let mut new = new_user(&name, &email);
        ["Ada", "ada", "Élodie", ""][usize::from(number % 4)].clone_into(&mut new.first_name);
        new.last_name = format!("L{}", number / 10);
        (new.is_staff, new.is_superuser, new.is_active) =
            (number % 10 == 0, number == 20, number % 7 != 3);
        let user = store.create_user(new, after(i64::from(number / 5))).await.unwrap();
        if number % 4 == 1 {
            store
                .create_session(NewSession {
                    created_at: after(i64::from(number / 8)),
                    ..new_session(u64::from(number) + 1, user.id)
                })
                .await
                .unwrap();
        }
    }
    store.users(None, 100).await.unwrap()
}

pub async fn the_names_of_those_who_are_there_are_told_and_of_no_others(
    store: Arc<dyn AdminStore>,
) {
    let (alice, bob) = (make_user(&*store, "alice").await, make_user(&*store, "bob").await);
    let gone = make_user(&*store, "gone").await;
    store.delete_user(gone.id, noon()).await.unwrap();
    let text: UserId = "0194f3a2-5b6c-7d8e-9f01-23456789abcd".parse().unwrap();
    let mut names =
        store.usernames(&[gone.id, bob.id, text, UserId::new(-1), alice.id]).await.unwrap();
    names.sort();
    assert_eq!(names, [(alice.id, "alice".to_owned()), (bob.id, "bob".to_owned())]);
    assert_eq!(store.usernames(&[]).await.unwrap(), []);
}

fn key(user: &User, order: UserOrder) -> String {
    match order {
        UserOrder::Username => user.username.to_lowercase(),
        UserOrder::Email => user.email.to_ascii_lowercase(),
        UserOrder::FirstName => user.first_name.to_ascii_lowercase(),
        UserOrder::LastName => user.last_name.to_ascii_lowercase(),
        UserOrder::Joined => user.date_joined.to_string(),
        UserOrder::LastLogin => user.last_login.map(|at| at.to_string()).unwrap_or_default(),
    }
}

pub async fn each_user_comes_once_there_and_back_in_every_order(store: Arc<dyn AdminStore>) {
    let people = people(&*store).await;
    for order in ORDERS {
        for descending in [false, true] {
            for (limit, staff) in [(7, None), (1, Some(true)), (100, Some(false))] {
                let asked = UserSearch { order, descending, limit, staff, ..UserSearch::default() };
                let (there, back) = walk(async |from| {
                    store.find_users(&UserSearch { from, ..asked.clone() }).await.unwrap()
                })
                .await;
                let mut expected: Vec<_> = people
                    .iter()
                    .filter(|user| staff.is_none_or(|staff| user.is_staff == staff))
                    .collect();
                expected.sort_by_key(|user| (key(user, order), user.id.as_i64()));
                if descending {
                    expected.reverse();
                }
                assert_eq!(there.iter().collect::<Vec<_>>(), expected, "{order:?}, {descending}");
                assert_eq!(back, there, "{order:?}, {descending}");
            }
        }
    }
}

pub async fn every_filter_lets_through_whom_it_names_and_counts_them(store: Arc<dyn AdminStore>) {
    let people = people(&*store).await;
    let group = store.save_group(None, "g", &[], None, &root()).await.unwrap();
    for user in &people[..4] {
        let record = store.user_record(user.id).await.unwrap().unwrap();
        let edit = UserEdit {
            grants: Some(Grants { groups: vec![group], permissions: vec![] }),
            ..as_is(user)
        };
        store.edit_user(user.id, &edit, record.fingerprint, &root()).await.unwrap();
    }
    let all = UserSearch { limit: 100, ..UserSearch::default() };
    type Filter = (UserSearch, fn(usize, &User) -> bool);
    let filters: [Filter; 11] = [
        (UserSearch { active: Some(true), ..all.clone() }, |_, user| user.is_active),
        (UserSearch { active: Some(false), ..all.clone() }, |_, user| !user.is_active),
        (UserSearch { staff: Some(true), ..all.clone() }, |_, user| user.is_staff),
        (UserSearch { superuser: Some(true), ..all.clone() }, |_, user| user.is_superuser),
        (UserSearch { superuser: Some(false), staff: Some(true), ..all.clone() }, |_, user| {
            user.is_staff && !user.is_superuser
        }),
        (UserSearch { group: Some(group), ..all.clone() }, |number, _| number < 4),
        (UserSearch { group: Some(group + 1), ..all.clone() }, |_, _| false),
        (
            UserSearch { joined_since: Some(after(3)), order: UserOrder::Joined, ..all.clone() },
            |_, user| user.date_joined >= after(3),
        ),
        (UserSearch { signed_in_since: Some(after(2)), ..all.clone() }, |_, user| {
            user.last_login.is_some_and(|at| at >= after(2))
        }),
        (
            UserSearch {
                not_signed_in_since: Some(after(2)),
                order: UserOrder::LastLogin,
                ..all.clone()
            },
            |_, user| user.last_login.is_none_or(|at| at < after(2)),
        ),
        (UserSearch { text: "USER1".to_owned(), active: Some(true), ..all.clone() }, |_, user| {
            user.is_active && user.username.to_lowercase().starts_with("user1")
        }),
    ];
    for (asked, passes) in filters {
        let page = store.find_users(&asked).await.unwrap();
        let expected: Vec<_> = people
            .iter()
            .enumerate()
            .filter(|(number, user)| passes(*number, user))
            .map(|(_, user)| user.id)
            .collect();
        let mut found: Vec<_> = page.rows.iter().map(|user| user.id).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{asked:?}");
        assert_eq!(page.count, Count::Exactly(expected.len() as u64), "{asked:?}");
    }
}

pub async fn who_has_a_second_factor_is_told_from_who_has_none_offered_one_or_had_one(
    store: Arc<dyn AdminStore>,
) {
    let (has, had) =
        (user_with_session(&*store, "has", 1).await, user_with_session(&*store, "had", 2).await);
    let offered = user_with_session(&*store, "offered", 3).await;
    make_user(&*store, "never").await;
    enrol(&*store, has.0.id, has.1).await;
    enrol(&*store, had.0.id, had.1).await;
    store.reset_factors(had.0.id, Vec::new(), &root()).await.unwrap();
    offer(&*store, offered.0.id).await;
    // Somebody of a table elsewhere, whose id is no number.
    let elsewhere: UserId = "0194f3a2-5b6c-7d8e-9f01-23456789abcd".parse().unwrap();
    let session = session_id(4);
    let begun = NewSession { id: session, ..new_session(1, elsewhere) };
    assert!(store.create_session(begun).await.unwrap());
    enrol(&*store, elsewhere, session).await;
    let all = UserSearch { limit: 10, ..UserSearch::default() };
    for (asked, found) in [
        (UserSearch { second_factor: Some(true), ..all.clone() }, &["has"][..]),
        (UserSearch { second_factor: Some(false), ..all.clone() }, &["had", "never", "offered"]),
        (
            UserSearch { second_factor: Some(false), text: "ever".to_owned(), ..all.clone() },
            &["never"],
        ),
        (UserSearch { second_factor: Some(true), descending: true, ..all.clone() }, &["has"]),
        (UserSearch { second_factor: Some(true), staff: Some(true), ..all.clone() }, &[]),
    ] {
        let page = store.find_users(&asked).await.unwrap();
        let names: Vec<_> = page.rows.iter().map(|user| user.username.as_str()).collect();
        assert_eq!(names, found, "{asked:?}");
        assert_eq!(page.count, Count::Exactly(found.len() as u64), "{asked:?}");
    }
}

pub async fn words_are_found_inside_names_and_addresses_in_any_case_and_nothing_else_is(
    store: Arc<dyn AdminStore>,
) {
    people(&*store).await;
    let mut special = new_user("Straße", "Straw@example.com");
    special.last_name = "100%_'\\".to_owned();
    store.create_user(special, noon()).await.unwrap();
    let found = async |text: &str| {
        let page = store
            .find_users(&UserSearch { text: text.to_owned(), limit: 100, ..UserSearch::default() })
            .await
            .unwrap();
        page.rows.into_iter().map(|user| user.username).collect::<Vec<_>>()
    };
    assert_eq!(found("user0").await.len(), 10);
    assert_eq!(found("USER07@EX").await, ["user07"], "an address");
    assert_eq!(found("ADA").await.len(), 16, "a first name");
    assert_eq!(found("l2").await.len(), 10, "a last name");
    for text in ["STRASSE", "straw@", "100%_'", "100%_'\\"] {
        assert_eq!(found(text).await, ["Straße"], "{text}");
    }
    for text in ["%", "_", "'", "\\", "100%", "%_", "_'\\"] {
        assert_eq!(found(text).await, ["Straße"], "{text}");
    }
    let long = "a".repeat(100_000);
    for text in ["user0%", "us_r07", "\u{10FFFF}", "x' OR '1'='1", "user\" OR", "07user", &long] {
        assert_eq!(found(text).await, [""; 0], "{text}");
    }
    assert_eq!(found("ser0").await.len(), 10, "inside a name");
    assert_eq!(found("r07").await, ["user07"]);
    assert_eq!(found("@EXAMPLE.com").await.len(), 21, "a domain");
    assert_eq!(found("tras").await, ["Straße"]);
    assert_eq!(found("traß").await, ["Straße"]);
    assert_eq!(found("00% straw").await, ["Straße"], "two words, in different columns");
    assert_eq!(found("straw 00%").await, ["Straße"], "in any order");
    assert_eq!(found("  user07\tl0 ").await, ["user07"]);
    assert_eq!(found("user07 l1").await, [""; 0], "each word must fit");
    assert_eq!(found("user07 x").await, ["user07"], "a short word is compared too");
    assert_eq!(found("user07 q").await, [""; 0]);
    assert_eq!(found("us\0er07").await, ["user07"]);
    assert_eq!(found("\0").await.len(), 31);
    assert_eq!(found(&"user07 ".repeat(1_000)).await, ["user07"]);
}

pub async fn a_number_finds_the_user_with_that_id_and_what_holds_its_digits(
    store: Arc<dyn AdminStore>,
) {
    let people = people(&*store).await;
    let mut other = new_user("other", "");
    other.last_name = format!("x{}x", people[11].id);
    let other = store.create_user(other, noon()).await.unwrap();
    let found = async |text: String| {
        let asked = UserSearch { text, limit: 100, ..UserSearch::default() };
        let page = store.find_users(&asked).await.unwrap();
        page.rows.into_iter().map(|user| user.id).collect::<Vec<_>>()
    };
    let by_id = found(people[11].id.to_string()).await;
    assert!(by_id.contains(&people[11].id) && by_id.contains(&other.id), "{by_id:?}");
    assert_eq!(found(format!("{} {}", people[11].id, people[11].username)).await, [people[11].id]);
    assert_eq!(found("99999999999999999999999".to_owned()).await, []);
}

pub async fn what_is_changed_is_found_by_what_it_is_and_no_more_by_what_it_was(
    store: Arc<dyn AdminStore>,
) {
    let user = make_user(&*store, "before").await;
    let found = async |text: &str| {
        let asked = UserSearch { text: text.to_owned(), limit: 9, ..UserSearch::default() };
        store.find_users(&asked).await.unwrap().rows.len()
    };
    let record = store.user_record(user.id).await.unwrap().unwrap();
    let edit = UserEdit {
        username: Some(Username::parse("afterwards").unwrap()),
        email: None,
        ..as_is(&user)
    };
    store.edit_user(user.id, &edit, record.fingerprint, &root()).await.unwrap();
    assert_eq!((found("efor").await, found("terward").await), (0, 1));
    store.delete_user(user.id, noon()).await.unwrap();
    assert_eq!(found("terward").await, 0);
}

pub async fn a_place_that_no_page_named_is_a_page_all_the_same(store: Arc<dyn AdminStore>) {
    let people = people(&*store).await;
    for order in ORDERS {
        for key in [
            "",
            "zzz",
            "\0",
            "-1",
            "99999999999999999999999",
            "2026-06-01",
            "é\u{10FFFF}",
            "'; --",
            "-9223372036854775808",
        ] {
            for id in [i64::MIN, 0, i64::MAX] {
                for backwards in [false, true] {
                    let from = Some(PageCursor { key: key.to_owned(), id, backwards });
                    let page = store
                        .find_users(&UserSearch { order, from, limit: 5, ..UserSearch::default() })
                        .await
                        .unwrap();
                    assert!(page.rows.len() <= 5);
                }
            }
        }
    }
    let none = store.find_users(&UserSearch { limit: 0, ..UserSearch::default() }).await.unwrap();
    assert_eq!(
        (none.rows.len(), none.count),
        (1, Count::Exactly(people.len() as u64)),
        "a page has a row at least"
    );
}

pub async fn a_user_who_is_deleted_while_one_turns_the_page_takes_nobody_along(
    store: Arc<dyn AdminStore>,
) {
    let people = people(&*store).await;
    let page = async |from| {
        store.find_users(&UserSearch { from, limit: 10, ..UserSearch::default() }).await.unwrap()
    };
    let first = page(None).await;
    let last = first.rows.last().unwrap();
    store.delete_user(last.id, noon()).await.unwrap();
    let second = page(first.next).await;
    let names: Vec<_> =
        first.rows.iter().chain(&second.rows).map(|user| user.username.to_lowercase()).collect();
    let expected: Vec<_> =
        people.iter().take(20).map(|user| user.username.to_lowercase()).collect();
    assert_eq!(names, expected);
}

//! Who may do what: staff what they were given, nobody more than they may themselves, and never
//! without a superuser left.

use countersign_e2e::{Desk, PASSWORD, TestServer, input};

use crate::office::{edit, furnish, grant, group, office, operator, permission};

/// Every page with the permission that opens it.
const PAGES: [(&str, &str); 16] = [
    ("auth.view_user", "/admin/users/"),
    ("auth.add_user", "/admin/users/add"),
    ("auth.add_user", "/admin/users/invite"),
    ("auth.view_group", "/admin/groups/"),
    ("auth.add_group", "/admin/groups/add"),
    ("auth.view_permission", "/admin/permissions/"),
    ("countersign.view_session", "/admin/sessions/"),
    ("countersign.view_auditevent", "/admin/audit/"),
    ("countersign.view_auditevent", "/admin/audit.csv"),
    ("countersign.view_key", "/admin/keys/"),
    ("countersign.view_outbox", "/admin/outbox/"),
    ("countersign.view_hook", "/admin/hooks/"),
    ("countersign.view_hook", "/admin/hooks/messages?hook=crm"),
    ("countersign.view_servicetoken", "/admin/tokens/"),
    ("countersign.change_servicetoken", "/admin/tokens/add"),
    ("auth.view_user", "/admin/users/1/"),
];

type Fields = &'static [(&'static str, &'static str)];

/// Every form with the permission that lets it be sent, and what to fill in.
const FORMS: [(&str, &str, Fields); 21] = [
    ("auth.add_user", "/admin/users/add", &[("username", "mallory"), ("unusable", "on")]),
    ("auth.add_user", "/admin/users/invite", &[("email", "mallory@example.com")]),
    ("auth.change_user", "/admin/users/1/mail", &[("act", "mark")]),
    ("countersign.change_outbox", "/admin/outbox/act", &[("forget", "1")]),
    ("countersign.change_hook", "/admin/hooks/replay", &[("hook", "crm")]),
    ("auth.change_user", "/admin/users/1/", &[("seen", "0"), ("username", "mallory")]),
    ("auth.change_user", "/admin/users/1/access", &[("seen", "0")]),
    ("auth.change_user", "/admin/users/1/password", &[("act", "unusable")]),
    ("auth.change_user", "/admin/users/1/factors", &[]),
    ("auth.change_user", "/admin/users/act", &[("act", "deactivate"), ("ids", "1")]),
    ("auth.delete_user", "/admin/users/act", &[("act", "delete"), ("ids", "1"), ("sure", "yes")]),
    ("countersign.delete_session", "/admin/users/act", &[("act", "end"), ("ids", "1")]),
    ("auth.add_group", "/admin/groups/add", &[("name", "mallory's")]),
    ("auth.change_group", "/admin/groups/1/", &[("seen", "0"), ("name", "mallory's")]),
    ("auth.delete_group", "/admin/groups/1/delete", &[]),
    ("auth.add_permission", "/admin/permissions/", &[("app", "a"), ("codename", "b")]),
    ("auth.delete_permission", "/admin/permissions/1/delete", &[]),
    ("countersign.delete_session", "/admin/sessions/end", &[("act", "user"), ("of", "1")]),
    ("countersign.change_key", "/admin/keys/rotate", &[("how", "now")]),
    (
        "countersign.change_servicetoken",
        "/admin/tokens/add",
        &[("name", "mallory's"), ("expires_in", "1d")],
    ),
    ("countersign.change_servicetoken", "/admin/tokens/1/revoke", &[]),
];

fn everything(world: &TestServer) -> String {
    world.sql(
        "SELECT (SELECT group_concat(id || username || password || is_active || is_staff || \
         is_superuser || email_verified) FROM users), \
         (SELECT group_concat(id || name) FROM groups), \
         (SELECT group_concat(id || codename) FROM permissions), \
         (SELECT count(*) FROM signing_keys), (SELECT count(revoked_at) FROM sessions), \
         (SELECT count(*) FROM user_permissions), (SELECT count(*) FROM user_groups), \
         (SELECT count(*) FROM group_permissions), \
         (SELECT group_concat(id || name || coalesce(revoked_at, '')) FROM service_tokens)",
    )
}

#[test]
fn staff_see_and_do_nothing_without_permissions() {
    let (world, mut root) = office();
    group(&mut root, "support", &[]);
    world.native().login("root").expect(200);
    let mut nobody = operator(&world, &mut root, "nobody", &[]);
    let before = everything(&world);
    for (permission, path) in PAGES {
        nobody.get(path).says(403, permission);
    }
    for (permission, path, fields) in FORMS {
        nobody.post(path, fields).says(403, permission);
    }
    assert_eq!(everything(&world), before);
    let dashboard = nobody.get("/admin/").expect(200).text();
    assert!(dashboard.contains("ask a superuser for permissions"), "{dashboard}");
    for hidden in ["/admin/users/", "/admin/keys/", "<svg", "Database", "countersign check"] {
        assert!(!dashboard.contains(hidden), "{hidden} in {dashboard}");
    }
}

#[test]
fn a_permission_opens_its_own_pages_and_no_others() {
    let (world, mut root) = office();
    for (i, given) in [
        "auth.view_user",
        "auth.view_group",
        "auth.view_permission",
        "countersign.view_session",
        "countersign.view_auditevent",
        "countersign.view_key",
        "countersign.view_outbox",
    ]
    .into_iter()
    .enumerate()
    {
        let mut desk = operator(&world, &mut root, &format!("op{i}"), &[given]);
        for (permission, path) in PAGES {
            assert_eq!(
                desk.get(path).status,
                if permission == given { 200 } else { 403 },
                "{path} with {given}"
            );
        }
        let before = everything(&world);
        for (permission, path, fields) in FORMS {
            desk.post(path, fields).says(403, permission);
        }
        assert_eq!(everything(&world), before);
    }
}

#[test]
fn who_may_not_look_is_shown_nothing_by_what_they_may_do() {
    let (world, mut root) = office();
    let alice = world.user("alice").to_string();
    let may = ["auth.delete_user", "auth.add_permission"];
    let mut desk = operator(&world, &mut root, "desk", &may);
    for id in ["1", &alice] {
        let refused = desk.post("/admin/users/act", &[("act", "delete"), ("ids", id)]);
        refused.says(403, "auth.view_user");
    }
    let page = desk.post("/admin/permissions/", &[("app", ""), ("codename", "")]);
    assert_eq!(page.status, 400);
    let page = page.text();
    assert!(page.contains("Add the permission") && !page.contains("change_user"), "{page}");
    desk.post("/admin/permissions/", &[("app", "shop"), ("codename", "sell")]).expect(303);
}

#[test]
fn only_a_superuser_touches_staff_and_superusers() {
    let (world, mut root) = office();
    let colleague = world.user("colleague");
    edit(&mut root, colleague, &[("is_staff", "on")]);
    let all =
        ["auth.view_user", "auth.change_user", "auth.delete_user", "countersign.delete_session"];
    let mut desk = operator(&world, &mut root, "operator", &all);
    let before = everything(&world);
    for id in [
        "1",
        &colleague.to_string(),
        world.sql("SELECT id FROM users WHERE username = 'operator'").trim(),
    ] {
        desk.get(&format!("/admin/users/{id}/")).says(200, "not change it");
        for (path, fields) in [
            (format!("/admin/users/{id}/"), vec![("seen", "0"), ("username", "x")]),
            (format!("/admin/users/{id}/access"), vec![("seen", "0")]),
            (format!("/admin/users/{id}/password"), vec![("act", "unusable")]),
            (format!("/admin/users/{id}/factors"), vec![]),
            ("/admin/users/act".to_owned(), vec![("act", "deactivate"), ("ids", id)]),
            ("/admin/users/act".to_owned(), vec![("act", "delete"), ("ids", id), ("sure", "yes")]),
        ] {
            desk.post(&path, &fields).says(403, "only a superuser");
        }
        assert_eq!(desk.get(&format!("/admin/users/{id}/password")).status, 403);
    }
    assert_eq!(everything(&world), before);
}

#[test]
fn nobody_makes_staff_or_superusers_but_a_superuser() {
    let (world, mut root) = office();
    let alice = world.user("alice");
    let mut desk = operator(&world, &mut root, "operator", &["auth.change_user", "auth.add_user"]);
    let before = everything(&world);
    for flag in ["is_staff", "is_superuser"] {
        edit(&mut desk, alice, &[("flags", "1"), (flag, "on")]).says(403, "Only a superuser");
        desk.get("/admin/users/add").expect(200);
        desk.post("/admin/users/add", &[("username", "mallory"), ("unusable", "on"), (flag, "on")])
            .says(400, "Only a superuser");
    }
    assert_eq!(everything(&world), before);
    // Without the field of a superuser's form the boxes count for nothing.
    edit(&mut desk, alice, &[("is_staff", "on"), ("first_name", "Alice")])
        .sends_to(&format!("/admin/users/{alice}/?said=saved"));
    assert_eq!(
        world.sql(&format!("SELECT is_staff, first_name FROM users WHERE id = {alice}")).trim(),
        "0|Alice"
    );
    edit(&mut root, alice, &[("is_staff", "on")])
        .sends_to(&format!("/admin/users/{alice}/?said=saved"));
}

#[test]
fn nobody_gives_what_he_has_not_alone_or_through_a_group() {
    let (world, mut root) = office();
    let alice = world.user("alice");
    let (view, keys) =
        (permission(&mut root, "auth.view_user"), permission(&mut root, "countersign.change_key"));
    let (own, other) = (group(&mut root, "own", &[]), group(&mut root, "other", &[keys]));
    let mine = ["auth.view_user", "auth.change_user", "auth.change_group", "auth.add_group"];
    let mut desk = operator(&world, &mut root, "operator", &mine);
    let id: i64 =
        world.sql("SELECT id FROM users WHERE username = 'operator'").trim().parse().unwrap();
    let own_ids: Vec<String> =
        mine.iter().map(|name| permission(&mut root, name).to_string()).collect();
    let (own_text, other_text, keys_text, view_text) =
        (own.to_string(), other.to_string(), keys.to_string(), view.to_string());
    let mut choices: Vec<(&str, &str)> =
        own_ids.iter().map(|id| ("permissions", id.as_str())).collect();
    choices.push(("groups", &own_text));
    grant(&mut root, id, &choices).sends_to(&format!("/admin/users/{id}/access?said=access"));

    let before = everything(&world);
    grant(&mut desk, alice, &[("permissions", &keys_text)]).says(403, "countersign.change_key");
    grant(&mut desk, alice, &[("groups", &other_text)]).says(403, "the group other");
    desk.get("/admin/groups/add").expect(200);
    desk.post("/admin/groups/add", &[("name", "mine"), ("permissions", &keys_text)])
        .says(403, "countersign.change_key");
    let seen =
        input(&desk.get(&format!("/admin/groups/{own}/")).expect(200).text(), "seen").unwrap();
    desk.post(
        &format!("/admin/groups/{own}/"),
        &[("seen", &seen), ("name", "own"), ("permissions", &keys_text)],
    )
    .says(403, "countersign.change_key");
    assert_eq!(everything(&world), before);
    grant(&mut desk, alice, &[("permissions", &view_text), ("groups", &own_text)])
        .sends_to(&format!("/admin/users/{alice}/access?said=access"));
    desk.get(&format!("/admin/users/{alice}/access")).says(200, "given to the user alone");
}

#[test]
fn nobody_signs_in_as_somebody_who_may_do_more() {
    let (world, mut root) = office();
    let (rich, poor, asleep) = (world.user("rich"), world.user("poor"), world.user("asleep"));
    let keys = permission(&mut root, "countersign.change_key").to_string();
    let managers = group(&mut root, "managers", &[]).to_string();
    grant(&mut root, rich, &[("permissions", &keys)]).expect(303);
    grant(&mut root, asleep, &[("groups", &managers)]).expect(303);
    edit(&mut root, asleep, &[("is_active", "")]).expect(303);
    let mut desk = operator(&world, &mut root, "operator", &["auth.change_user", "auth.view_user"]);
    let before = everything(&world);
    let emails = || world.sql("SELECT group_concat(email) FROM users");
    let before_emails = emails();

    // The password, and what it is asked for.
    desk.get(&format!("/admin/users/{rich}/password")).says(403, "countersign.change_key");
    for fields in [
        &[("act", "unusable")][..],
        &[("password1", "a new passphrase of mine"), ("password2", "a new passphrase of mine")],
    ] {
        desk.post(&format!("/admin/users/{rich}/password"), fields)
            .says(403, "countersign.change_key");
    }
    edit(&mut desk, rich, &[("username", "mine")]).says(403, "countersign.change_key");
    edit(&mut desk, rich, &[("email", "operator-too@example.com")])
        .says(403, "countersign.change_key");
    // Who may not sign in does not come back by the operator's hand.
    edit(&mut desk, asleep, &[("is_active", "on")]).says(403, "the group managers");
    let (poor_text, asleep_text) = (poor.to_string(), asleep.to_string());
    desk.post(
        "/admin/users/act",
        &[("act", "activate"), ("ids", &poor_text), ("ids", &asleep_text)],
    )
    .says(403, "the group managers");
    assert_eq!((everything(&world), emails()), (before, before_emails));

    // What lets nobody in is as it was, and so is what concerns those who may do no more.
    edit(&mut desk, rich, &[("first_name", "Richard")])
        .sends_to(&format!("/admin/users/{rich}/?said=saved"));
    desk.get("/admin/users/").expect(200);
    desk.post("/admin/users/act", &[("act", "deactivate"), ("ids", &rich.to_string())]).expect(303);
    edit(&mut desk, poor, &[("email", "poor@example.org")])
        .sends_to(&format!("/admin/users/{poor}/?said=saved"));
    desk.get(&format!("/admin/users/{poor}/password")).expect(200);
    desk.post(&format!("/admin/users/{poor}/password"), &[("act", "unusable")]).expect(303);
    root.get("/admin/users/").expect(200);
    root.post("/admin/users/act", &[("act", "activate"), ("ids", &asleep_text)]).expect(303);
}

#[test]
fn only_a_superuser_changes_what_a_permission_is_called() {
    let (world, mut root) = office();
    let id = permission(&mut root, "auth.view_user");
    let mut desk = operator(&world, &mut root, "operator", &["auth.change_permission"]);
    let path = format!("/admin/permissions/{id}/");
    let seen = |desk: &mut Desk| input(&desk.get(&path).expect(200).text(), "seen").unwrap();
    let first = seen(&mut desk);
    desk.post(&path, &[("seen", &first), ("app", "auth"), ("codename", "nothing"), ("name", "x")])
        .says(403, "Only a superuser");
    desk.post(&path, &[("seen", &first), ("name", "May look at users")])
        .sends_to("/admin/permissions/?said=permission-saved");
    let text = || {
        world
            .sql(&format!(
                "SELECT app || '.' || codename || ' ' || name FROM permissions WHERE id = {id}"
            ))
            .trim()
            .to_owned()
    };
    assert_eq!(text(), "auth.view_user May look at users");
    let now = seen(&mut root);
    root.post(&path, &[("seen", &now), ("app", "auth"), ("codename", "see_user"), ("name", "x")])
        .sends_to("/admin/permissions/?said=permission-saved");
    assert_eq!(text(), "auth.see_user x");
}

#[test]
fn only_a_superuser_renames_a_group_since_programs_may_know_it() {
    let (world, mut root) = office();
    let view = permission(&mut root, "auth.view_user").to_string();
    let team = group(&mut root, "team", &[]);
    let path = format!("/admin/groups/{team}/");
    let mut desk =
        operator(&world, &mut root, "operator", &["auth.change_group", "auth.view_user"]);
    let seen = input(&desk.get(&path).expect(200).text(), "seen").unwrap();
    desk.post(&path, &[("seen", &seen), ("name", "managers"), ("permissions", &view)])
        .says(403, "Only a superuser renames a group");
    let there = || {
        world
            .sql("SELECT name, (SELECT count(*) FROM group_permissions) FROM groups")
            .trim()
            .to_owned()
    };
    assert_eq!(there(), "team|0");
    desk.post(&path, &[("seen", &seen), ("permissions", &view)])
        .sends_to(&format!("{path}?said=group-saved"));
    assert_eq!(there(), "team|1");
    let seen = input(&root.get(&path).expect(200).text(), "seen").unwrap();
    root.post(&path, &[("seen", &seen), ("name", "managers"), ("permissions", &view)])
        .sends_to(&format!("{path}?said=group-saved"));
    assert_eq!(there(), "managers|1");
}

#[test]
fn only_a_superuser_deletes_a_group_that_must_have_a_second_factor() {
    let (world, mut root) =
        furnish(TestServer::builder().set("second_factor", "watched, others").start());
    let (watched, team) = (group(&mut root, "watched", &[]), group(&mut root, "team", &[]));
    let mine = ["auth.delete_group", "auth.view_group"];
    let mut desk = operator(&world, &mut root, "operator", &mine);
    let path = format!("/admin/groups/{watched}/");
    let shown = desk.get(&path).expect(200).text();
    assert!(!shown.contains("Delete this group"), "{shown}");
    desk.post(&format!("{path}delete"), &[]).says(403, "Only a superuser deletes a group");
    let groups = || world.sql("SELECT group_concat(name) FROM groups").trim().to_owned();
    assert_eq!(groups(), "watched,team");
    desk.get(&format!("/admin/groups/{team}/")).says(200, "Delete this group");
    desk.post(&format!("/admin/groups/{team}/delete"), &[])
        .sends_to("/admin/groups/?said=group-deleted");
    root.get(&path).says(200, "Delete this group");
    root.post(&format!("{path}delete"), &[]).sends_to("/admin/groups/?said=group-deleted");
    assert_eq!(world.sql("SELECT count(*) FROM groups").trim(), "0");
}

#[test]
fn the_last_active_superuser_stays() {
    let (world, mut root) = office();
    let other = world.user("other");
    let tries = |root: &mut Desk| {
        [
            edit(root, 1, &[("is_superuser", "")]).status,
            edit(root, 1, &[("is_active", "")]).status,
            edit(root, 1, &[("is_staff", "")]).status,
            root.post(
                "/admin/users/act",
                &[("act", "deactivate"), ("ids", "1"), ("ids", &other.to_string())],
            )
            .status,
            root.post("/admin/users/act", &[("act", "delete"), ("ids", "1"), ("sure", "yes")])
                .status,
        ]
    };
    assert_eq!(tries(&mut root), [409; 5]);
    let row = |id: i64| {
        world
            .sql(&format!("SELECT is_active, is_staff, is_superuser FROM users WHERE id = {id}"))
            .trim()
            .to_owned()
    };
    assert_eq!((row(1).as_str(), row(other).as_str()), ("1|1|1", "1|0|0"));
    // One who may not sign in is none to be left.
    edit(&mut root, other, &[("is_staff", "on"), ("is_superuser", "on"), ("is_active", "")])
        .sends_to(&format!("/admin/users/{other}/?said=saved"));
    assert_eq!(tries(&mut root), [409; 5]);
    edit(&mut root, other, &[("is_active", "on")])
        .sends_to(&format!("/admin/users/{other}/?said=saved"));
    edit(&mut root, 1, &[("is_superuser", "")]).sends_to("/admin/users/1/?said=saved");
    assert_eq!((row(1).as_str(), row(other).as_str()), ("1|1|0", "1|1|1"));
}

#[test]
fn what_is_taken_from_an_operator_is_felt_with_the_next_request() {
    let (world, mut root) = office();
    let mut desk = operator(&world, &mut root, "operator", &["auth.view_user"]);
    desk.get("/admin/users/").expect(200);
    let id: i64 =
        world.sql("SELECT id FROM users WHERE username = 'operator'").trim().parse().unwrap();
    grant(&mut root, id, &[]).sends_to(&format!("/admin/users/{id}/access?said=access"));
    desk.get("/admin/users/").expect(403);
    desk.get("/admin/").expect(200);
    edit(&mut root, id, &[("is_staff", "")]).sends_to(&format!("/admin/users/{id}/?said=saved"));
    desk.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
    edit(&mut root, id, &[("is_staff", "on")]).sends_to(&format!("/admin/users/{id}/?said=saved"));
    desk.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
}

#[test]
fn who_is_demoted_while_their_password_is_checked_does_nothing_more() {
    let (world, mut root) = office();
    world.superuser("deputy");
    let mut deputy = world.desk();
    deputy.sign_in("deputy").sends_to("/admin/");
    let team = group(&mut root, "team", &[]);
    let sell = {
        root.post("/admin/permissions/", &[("app", "shop"), ("codename", "sell")]).expect(303);
        permission(&mut root, "shop.sell")
    };
    let seen =
        input(&deputy.get(&format!("/admin/groups/{team}/")).expect(200).text(), "seen").unwrap();
    world.native().login("deputy").expect(200);
    // Root acts at the worst moment: the password has just been found right.
    world.sql(
        "CREATE TRIGGER worst_moment AFTER UPDATE OF password_at ON admin_sessions
         WHEN new.password_at > old.password_at
         BEGIN UPDATE users SET is_superuser = 0 WHERE username = 'deputy'; END",
    );
    let (alice, bob) = (world.user("alice"), world.user("bob").to_string());
    edit(&mut root, bob.parse().unwrap(), &[("is_active", "")]).expect(303);
    world.sql("UPDATE users SET email_verified = 0");
    let mut seen_of = |path: &str| input(&deputy.get(path).expect(200).text(), "seen").unwrap();
    let seen_of_alice = seen_of(&format!("/admin/users/{alice}/"));
    let seen_of_sell = seen_of(&format!("/admin/permissions/{sell}/"));
    let before = everything(&world);
    let (team, sell) = (team.to_string(), sell.to_string());
    for (path, fields) in [
        (
            "/admin/users/add".to_owned(),
            vec![
                ("username", "accomplice"),
                ("unusable", "on"),
                ("is_staff", "on"),
                ("is_superuser", "on"),
            ],
        ),
        ("/admin/groups/add".to_owned(), vec![("name", "thieves"), ("permissions", sell.as_str())]),
        (
            format!("/admin/groups/{team}/"),
            vec![("name", "team"), ("permissions", sell.as_str()), ("seen", seen.as_str())],
        ),
        (format!("/admin/groups/{team}/"), vec![("name", "thieves"), ("seen", seen.as_str())]),
        (format!("/admin/groups/{team}/delete"), vec![]),
        (
            format!("/admin/permissions/{sell}/"),
            vec![("app", "shop"), ("codename", "burn"), ("seen", seen_of_sell.as_str())],
        ),
        (format!("/admin/permissions/{sell}/delete"), vec![]),
        ("/admin/keys/rotate".to_owned(), vec![("how", "now")]),
        ("/admin/sessions/end".to_owned(), vec![("act", "all")]),
        (
            format!("/admin/users/{alice}/"),
            vec![("username", "mallory"), ("is_active", "on"), ("seen", seen_of_alice.as_str())],
        ),
        ("/admin/users/act".to_owned(), vec![("act", "activate"), ("ids", bob.as_str())]),
        (
            format!("/admin/users/{alice}/mail"),
            vec![("act", "mark"), ("address", "alice@example.com")],
        ),
        ("/admin/users/invite".to_owned(), vec![("email", "accomplice@example.com")]),
    ] {
        world.sql("UPDATE admin_sessions SET password_at = 0");
        world.sql("UPDATE users SET is_superuser = 1 WHERE username = 'deputy'");
        let fields: Vec<_> = fields.into_iter().chain([("own_password", PASSWORD)]).collect();
        let (status, says) = if path.contains("/keys/") {
            (409, "The keys go on as they were")
        } else {
            (403, "were changed meanwhile")
        };
        deputy.post(&path, &fields).says(status, says);
    }
    world.sql("UPDATE users SET is_superuser = 1 WHERE username = 'deputy'");
    assert_eq!(everything(&world), before);
}

//! The same on both stores, and on two nodes of one database.

use std::collections::BTreeSet;

use countersign_e2e::{Cluster, Desk, TestServer, eventually, input};

use crate::office::{edit, form_of, furnish, grant, group, operator, permission};

fn on_postgres(url: &str) -> TestServer {
    TestServer::builder()
        .set("database_url", url)
        .set("secret", "a secret of at least thirty-two characters")
        .start()
}

/// The ids of the rows of a list, page by page.
fn ids_of(desk: &mut Desk, list: &str, query: &str) -> Vec<String> {
    let mut path = format!("{list}?{query}");
    let mut ids = Vec::new();
    loop {
        let page = desk.get(&path).expect(200).text();
        ids.extend(
            page.split("<th scope=\"row\"")
                .skip(1)
                .filter_map(|row| row.split_once(&format!("<a href=\"{list}")))
                .map(|(_, row)| row.split('/').next().unwrap().to_owned()),
        );
        let Some((before, _)) = page.split_once("\" rel=\"next\"") else { return ids };
        path = format!(
            "{list}{}",
            before.rsplit_once("href=\"").unwrap().1.replace("&#38;", "&").replace("&amp;", "&")
        );
    }
}

fn everything_works(world: TestServer) {
    let (world, mut root) = furnish(world);
    // Many users, found in every order, forwards, and by their beginnings.
    for i in 0..70 {
        let (name, email) = (format!("user{i:02}"), format!("mail{:02}@example.com", 99 - i));
        let fields = [
            ("username", name.as_str()),
            ("email", &email),
            ("first_name", if i % 2 == 0 { "Even" } else { "Ödd" }),
            ("unusable", "on"),
        ];
        root.post("/admin/users/add", &fields).expect(303);
    }
    for order in
        ["", "o=username&d=1", "o=email", "o=first", "o=last&d=1", "o=joined&d=1", "o=login"]
    {
        let ids = ids_of(&mut root, "/admin/users/", order);
        assert_eq!((ids.len(), ids.iter().collect::<BTreeSet<_>>().len()), (71, 71), "{order}");
    }
    assert_eq!(ids_of(&mut root, "/admin/users/", "q=USER0").len(), 10);
    assert_eq!(ids_of(&mut root, "/admin/users/", "q=mail9").len(), 10);
    assert_eq!(
        ids_of(&mut root, "/admin/users/", "staff=yes&superuser=yes&active=yes&joined=1").len(),
        1
    );
    assert_eq!(ids_of(&mut root, "/admin/users/", "q=nobody").len(), 0);

    // A user, changed, changed at once by two, given a group and a permission.
    let alice = world.user("alice");
    let path = format!("/admin/users/{alice}/");
    let stale = form_of(&root.get(&path).expect(200).text());
    edit(
        &mut root,
        alice,
        &[("first_name", "Alice"), ("metadata", "{\"plan\": [1, null, \"ß\"]}")],
    )
    .sends_to(&format!("{path}?said=saved"));
    let stale: Vec<(&str, &str)> =
        stale.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    root.post(&path, &stale).says(409, "Somebody changed this user meanwhile");
    root.get(&path).says(200, "value=\"Alice\"");
    edit(&mut root, alice, &[("username", "USER01")]).says(409, "Another user has this name");
    let sell = {
        root.post(
            "/admin/permissions/",
            &[("app", "shop"), ("codename", "sell"), ("name", "Can sell")],
        )
        .expect(303);
        permission(&mut root, "shop.sell")
    };
    root.post("/admin/permissions/", &[("app", "shop"), ("codename", "sell")])
        .says(400, "There is a permission");
    let page = format!("/admin/permissions/{sell}/");
    let seen = input(&root.get(&page).expect(200).text(), "seen").unwrap();
    let words = |name| [("seen", &*seen), ("app", "shop"), ("codename", "sell"), ("name", name)];
    root.post(&page, &words("May sell")).expect(303);
    root.post(&page, &words("Mine")).says(409, "There now: shop.sell, “May sell”");
    let team = group(&mut root, "team", &[sell]);
    root.post("/admin/groups/add", &[("name", "team")]).says(409, "Another group has this name");
    let view = permission(&mut root, "auth.view_user").to_string();
    grant(&mut root, alice, &[("groups", &team.to_string()), ("permissions", &view)]).expect(303);
    let access = root.get(&format!("{path}access")).expect(200).text();
    assert!(
        access.contains("the group team") && access.contains("given to the user alone"),
        "{access}"
    );
    assert_eq!(ids_of(&mut root, "/admin/users/", &format!("group={team}")), [alice.to_string()]);
    let profile =
        world.logged_in("alice").get("/accounts/profile").expect(200).json()["user"].clone();
    assert_eq!(profile["permissions"], serde_json::json!(["auth.view_user", "shop.sell"]));
    assert_eq!(profile["metadata"], serde_json::json!({"plan": [1, null, "ß"]}));

    // Sessions: found and ended, and it is felt at once.
    let mut browser = world.logged_in("alice");
    browser.refresh().expect(200);
    browser.refresh().expect(200);
    let ids = ids_of(&mut root, "/admin/sessions/", "user=alice&state=live&transport=cookie");
    assert_eq!(ids.len(), 2);
    let shown = root.get(&format!("/admin/sessions/{}/", ids[0])).expect(200).text();
    assert!(shown.contains("turned in for the next"), "{shown}");
    root.post("/admin/sessions/end", &[("act", "user"), ("of", &alice.to_string())]).expect(303);
    browser.get("/accounts/profile").expect_problem(401, "session_revoked");
    assert_eq!(ids_of(&mut root, "/admin/sessions/", "user=alice&reason=admin").len(), 2);

    // An operator with one permission.
    let mut desk = operator(&world, &mut root, "operator", &["auth.change_user"]);
    edit(&mut desk, alice, &[("last_name", "Anderson")]).expect(303);
    desk.post("/admin/users/1/", &[("seen", "0"), ("username", "x")]).says(403, "only a superuser");
    desk.get("/admin/keys/").expect(403);

    // The last superuser, passwords, keys.
    edit(&mut root, 1, &[("is_superuser", "")]).says(409, "there must be an active superuser");
    root.post("/admin/users/act", &[("act", "delete"), ("ids", "1"), ("sure", "yes")])
        .says(409, "there must be an active superuser");
    let password = "another kettle 15";
    root.post(
        &format!("{path}password"),
        &[("act", "set"), ("password1", password), ("password2", password)],
    )
    .expect(303);
    world.browser().login_with("alice", password).expect(200);
    root.post("/admin/keys/rotate", &[("how", "now")]).expect(303);
    world.browser().login_with("alice", password).expect(200);
    root.post("/admin/users/act", &[("act", "delete"), ("ids", &alice.to_string())])
        .says(200, "2 live sessions");
    root.post(
        "/admin/users/act",
        &[("act", "delete"), ("ids", &alice.to_string()), ("sure", "yes")],
    )
    .expect(303);
    world.browser().login_with("alice", password).expect(401);
    root.get(&path).expect(404);

    // All of it is in the log, and comes out.
    let line = |desk: &mut Desk, query: &str| {
        desk.get(&format!("/admin/audit/?{query}"))
            .expect(200)
            .text()
            .matches("<td data-of=\"When\">")
            .count()
    };
    eventually("the failed login is in the log", || line(&mut root, "kind=login-failed") >= 1);
    for (query, n) in [
        (format!("kind=user-deleted&user={alice}"), 1),
        (format!("kind=password-set&user={alice}&by=root"), 1),
        (format!("kind=user-changed&user={alice}&by=operator"), 1),
        (format!("kind=sessions-ended&user={alice}"), 1),
        (format!("kind=login&user={alice}&ip=127.0.0.1"), 4),
        ("kind=keys-rotated".to_owned(), 1),
        ("kind=group-added&ip=192.0.2.1".to_owned(), 0),
    ] {
        eventually(&format!("{query} finds {n}"), || line(&mut root, &query) == n);
    }
    let csv = root.get("/admin/audit.csv").expect(200).text();
    assert!(csv.matches("\"Added a user\"").count() >= 70, "{csv}");
    eventually("the dashboard counts", || {
        root.get("/admin/").expect(200).text().contains(">Sign-ins</a> <span>4</span>")
    });
}

#[test]
fn everything_works_on_sqlite() {
    everything_works(TestServer::start());
}

#[test]
fn everything_works_on_postgresql() {
    everything_works(on_postgres(&Cluster::shared().database()));
}

#[test]
fn what_is_done_on_one_node_holds_on_the_others() {
    let url = Cluster::shared().database();
    let (here, mut root) = furnish(on_postgres(&url));
    let there = on_postgres(&url);
    assert!(there.printed().is_empty(), "there is a user already");
    let mut desk = operator(&here, &mut root, "operator", &["auth.view_user"]);
    // The session is known everywhere.
    let mut elsewhere = there.desk();
    elsewhere.browser.cookies = desk.browser.cookies.clone();
    elsewhere.get("/admin/users/").expect(200);
    let id = here.browser().login("operator").expect(200).json()["user"]["id"].as_i64().unwrap();
    let browser = {
        let mut browser = here.logged_in("operator");
        browser.move_to(there.address());
        browser
    };
    browser.get("/accounts/profile").expect(200);
    edit(&mut root, id, &[("is_active", "")]).expect(303);
    elsewhere.get("/admin/users/").sends_to("/admin/sign-in?next=%2Fadmin%2Fusers%2F");
    desk.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
    eventually("the user is refused on the other node", || {
        browser.get("/accounts/profile").status == 401
    });
}

#[test]
fn of_two_superusers_who_remove_each_other_at_once_one_stays() {
    let url = Cluster::shared().database();
    for world in [TestServer::start(), on_postgres(&url)] {
        let (world, mut root) = furnish(world);
        let other = world.user("other");
        edit(&mut root, other, &[("is_staff", "on"), ("is_superuser", "on")]).expect(303);
        let mut second = world.desk();
        second.sign_in("other").sends_to("/admin/");
        let forms = [(&mut root, other), (&mut second, 1)].map(|(desk, id)| {
            let path = format!("/admin/users/{id}/");
            let seen = input(&desk.get(&path).expect(200).text(), "seen").unwrap();
            let name = if id == 1 { "root" } else { "other" };
            let email = format!("{name}@example.com");
            desk.form(
                &path,
                &[
                    ("seen", &seen),
                    ("flags", "1"),
                    ("username", name),
                    ("email", &email),
                    ("is_active", "on"),
                    ("is_staff", "on"),
                    ("metadata", "{}"),
                ],
            )
        });
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let sent: Vec<_> =
                forms.iter().map(|form| scope.spawn(|| form.send().status)).collect();
            sent.into_iter().map(|one| one.join().unwrap()).collect()
        });
        statuses.sort_unstable();
        assert!(matches!(statuses.as_slice(), [303, 403 | 409]), "{statuses:?}");
    }
}

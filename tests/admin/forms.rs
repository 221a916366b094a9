//! Forms: only our own are taken, only whole and sensible ones, and none that was filled in upon
//! what is no longer there.

use countersign_e2e::{Desk, PASSWORD, TestServer, input};

use crate::office::{edit, form_of, grant, group, office, operator, permission};

fn user(world: &TestServer, id: i64) -> String {
    world
        .sql(&format!(
            "SELECT username, email, first_name, last_name, is_active, metadata FROM \
        users WHERE id = {id}"
        ))
        .trim()
        .to_owned()
}

#[test]
fn a_form_without_the_sessions_token_or_from_elsewhere_changes_nothing() {
    let (world, mut root) = office();
    let alice = world.user("alice");
    let before = user(&world, alice);
    let path = format!("/admin/users/{alice}/");
    let page = root.get(&path).expect(200).text();
    let mut fields = form_of(&page);
    fields.retain(|(name, _)| name != "last_name");
    fields.push(("last_name".to_owned(), "Mallory".to_owned()));
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let good = root.csrf.clone();

    let mut other = operator(&world, &mut root, "other", &["auth.change_user"]);
    other.get("/admin/").expect(200);
    for wrong in [
        "",
        "AAAA",
        &good[1..],
        &format!("{good}A"),
        &other.csrf.clone(),
        &root.browser.cookies["countersign_admin"].clone(),
    ] {
        root.csrf = wrong.to_owned();
        root.post(&path, &fields).says(403, "does not carry this session");
    }
    root.csrf = good;
    let form = root.form(&path, &fields);
    for (header, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
    ] {
        form.clone().header(header, value).send().says(403, "was not sent by a page of");
    }
    // Cookies alone sign nobody in elsewhere: a form without them leads to the sign-in.
    let mut nobody = world.desk();
    nobody.csrf = root.csrf.clone();
    nobody
        .post(&path, &fields)
        .sends_to(&format!("/admin/sign-in?next=%2Fadmin%2Fusers%2F{alice}%2F"));
    assert_eq!(user(&world, alice), before);
    root.post(&path, &fields).sends_to(&format!("/admin/users/{alice}/?said=saved"));
    assert!(user(&world, alice).contains("Mallory"));
}

#[test]
fn what_is_no_form_of_ours_is_refused() {
    let (world, mut root) = office();
    root.get("/admin/users/add").expect(200);
    let csrf = root.csrf.clone();
    let send = |content_type: &str, body: Vec<u8>| {
        root.bare_form("/admin/users/add").body(content_type, body).send()
    };
    send("application/json", b"{}".to_vec()).says(415, "not what a form sends");
    send("multipart/form-data; boundary=x", b"--x--".to_vec()).says(415, "not what a form sends");
    send("text/plain", format!("csrf={csrf}").into_bytes()).says(415, "not what a form sends");
    let form = "application/x-www-form-urlencoded";
    send(form, format!("csrf={csrf}&username=a&username=b").into_bytes()).says(400, "came twice");
    send(form, format!("csrf={csrf}&username=a%00b").into_bytes()).says(400, "NUL");
    send(form, format!("csrf={csrf}&username={}", "x".repeat(70_000)).into_bytes())
        .says(413, "64 KiB");
    send(form, format!("csrf={csrf}&username=%FF%FE&unusable=on").into_bytes())
        .says(400, "user name");
    root.request_of("GET", "/admin/users/act").says(405, "buttons");
    root.request_of("DELETE", "/admin/users/1/").says(405, "buttons");
    assert_eq!(world.sql("SELECT count(*) FROM users").trim(), "1");
}

#[test]
fn fields_that_do_not_do_are_told_and_the_rest_comes_back() {
    let (world, mut root) = office();
    let alice = world.user("alice");
    let before = user(&world, alice);
    let long = "x".repeat(151);
    for (field, value, problem) in [
        ("username", long.as_str(), "150"),
        ("username", "", "user name"),
        ("username", "a b", "user name"),
        ("username", "ROOT", "Another user has this name"),
        ("username", "root@example.com", "Another user has this name"),
        ("email", "no address", "address"),
        ("email", &format!("{}@example.com", "x".repeat(250)), "address"),
        ("first_name", &long, "At most 150 characters"),
        ("last_name", "a\u{7}b", "control character"),
        ("metadata", "[1]", "no object"),
        ("metadata", "{", "no JSON"),
        ("metadata", r#"{"a": [{"b": "x\u0000"}]}"#, "NUL character"),
        ("metadata", r#"{"\u0000": 1}"#, "NUL character"),
    ] {
        let mut changes = vec![(field, value)];
        if field != "last_name" {
            changes.push(("last_name", "Typed"));
        }
        let answer = edit(&mut root, alice, &changes);
        assert!([400, 409].contains(&answer.status), "{field}={value}: {}", answer.status);
        let html = answer.text();
        assert!(html.to_lowercase().contains(&problem.to_lowercase()), "{problem:?} not in {html}");
        assert!(
            html.contains(&format!("id=\"e-{field}\""))
                && (field == "last_name" || html.contains("value=\"Typed\"")),
            "{html}"
        );
    }
    assert_eq!(user(&world, alice), before);

    root.get("/admin/users/add").expect(200);
    for (one, other, problem) in [
        ("correct horse", "correct hose", "not the same"),
        ("", "", "Give a password"),
        ("82736455190", "82736455190", "Only digits"),
        ("bertha1", "bertha1", "8 characters"),
    ] {
        let answer = root.post(
            "/admin/users/add",
            &[("username", "bertha"), ("password1", one), ("password2", other)],
        );
        assert_eq!(answer.status, 400);
        let html = answer.text();
        assert!(html.contains(problem), "{problem:?} not in {html}");
        assert!(one.is_empty() || !html.contains(one), "a password comes back");
    }
    for (path, fields, problem) in [
        ("/admin/groups/add", vec![("name", "")], "Give the group a name"),
        ("/admin/groups/add", vec![("name", long.as_str())], "At most 150"),
        ("/admin/permissions/", vec![("app", "a b"), ("codename", "c")], "Letters, digits"),
        (
            "/admin/permissions/",
            vec![("app", "auth"), ("codename", "view_user")],
            "There is a permission",
        ),
        ("/admin/permissions/", vec![("app", long.as_str()), ("codename", "c")], "At most 100"),
    ] {
        root.post(path, &fields).says(400, problem);
    }
    group(&mut root, "support", &[]);
    root.post("/admin/groups/add", &[("name", "support")]).says(409, "Another group has this name");
}

#[test]
fn a_stale_form_is_shown_and_overwrites_nothing() {
    let (world, mut root) = office();
    let alice = world.user("alice");
    let path = format!("/admin/users/{alice}/");
    let mut fields = form_of(&root.get(&path).expect(200).text());
    let mut other = world.desk();
    other.sign_in("root").sends_to("/admin/");
    edit(&mut other, alice, &[("first_name", "Theirs")]).sends_to(&format!("{path}?said=saved"));
    fields.retain(|(name, _)| name != "first_name");
    fields.push(("first_name".to_owned(), "Mine".to_owned()));
    let fields: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer = root.post(&path, &fields);
    answer.says(409, "Somebody changed this user meanwhile");
    assert!(
        answer
            .text()
            .contains("<td data-of=\"You typed\">Mine</td><td data-of=\"There now\">Theirs</td>"),
        "{}",
        answer.text()
    );
    assert!(user(&world, alice).contains("Theirs"));
    // Whoever has seen it may save over it.
    let seen = input(&answer.text(), "seen").unwrap();
    let again: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, value)| (*name, if *name == "seen" { seen.as_str() } else { *value }))
        .collect();
    root.post(&path, &again).sends_to(&format!("{path}?said=saved"));
    assert!(user(&world, alice).contains("Mine"));
    // A form without the mark is none.
    root.post(&path, &[("username", "alice")]).says(400, "filled in upon");

    let view = permission(&mut root, "auth.view_user").to_string();
    let seen = input(&root.get(&format!("{path}access")).expect(200).text(), "seen").unwrap();
    let add = permission(&mut other, "auth.add_user").to_string();
    grant(&mut other, alice, &[("permissions", &add)]).expect(303);
    root.post(&format!("{path}access"), &[("seen", &seen), ("permissions", &view)])
        .says(409, "There now: auth.add_user");
    assert_eq!(
        world
            .sql(&format!(
                "SELECT count(*) FROM user_permissions WHERE user_id = {alice} \
        AND permission_id = {view}"
            ))
            .trim(),
        "0"
    );

    let team = group(&mut root, "team", &[]);
    let path = format!("/admin/groups/{team}/");
    let seen = input(&root.get(&path).expect(200).text(), "seen").unwrap();
    other.get(&path).expect(200);
    other.post(&path, &[("seen", &seen), ("name", "theirs")]).expect(303);
    root.post(&path, &[("seen", &seen), ("name", "mine")]).says(409, "There now: theirs");
    assert_eq!(world.sql("SELECT name FROM groups").trim(), "theirs");
    // A mistake in it makes no stale form a new one.
    root.post(&path, &[("seen", &seen), ("name", "")]).says(409, "There now: theirs");
}

#[test]
fn a_mistake_in_a_stale_form_does_not_make_it_a_new_one() {
    let (world, mut root) = office();
    let alice = world.user("alice");
    let path = format!("/admin/users/{alice}/");
    let seen = input(&root.get(&path).expect(200).text(), "seen").unwrap();
    edit(&mut root, alice, &[("first_name", "Theirs")]).expect(303);
    let fields = [("seen", &*seen), ("username", "alice"), ("metadata", "no JSON")];
    root.post(&path, &fields).says(409, "<td data-of=\"There now\">Theirs</td>");
}

#[test]
fn a_permission_that_somebody_renamed_meanwhile_is_not_renamed_back() {
    let (world, mut root) = office();
    let mut desk = operator(&world, &mut root, "operator", &["auth.change_permission"]);
    root.post("/admin/permissions/", &[("app", "shop"), ("codename", "sell")]).expect(303);
    let path = format!("/admin/permissions/{}/", permission(&mut root, "shop.sell"));
    let seen = |desk: &mut Desk| input(&desk.get(&path).expect(200).text(), "seen").unwrap();
    let (old, of_operator) = (seen(&mut root), seen(&mut desk));
    assert_eq!(old, of_operator);
    let text = || world.sql("SELECT app, codename, name FROM permissions WHERE app = 'shop'");

    root.post(&path, &[("seen", &old), ("app", "shop"), ("codename", "refund"), ("name", "May")])
        .expect(303);
    let refund = text();
    let stale = desk.post(&path, &[("seen", &old), ("name", "Can sell")]);
    stale.says(409, "There now: shop.refund, “May”");
    // What they may not change is as it is now, and what they filled in is there.
    for shown in ["value=\"refund\"", "value=\"Can sell\""] {
        assert!(stale.text().contains(shown), "{}", stale.text());
    }
    let mine = [("seen", &*old), ("app", "shop"), ("codename", "vend"), ("name", "Mine")];
    let stale = root.post(&path, &mine);
    stale.says(409, "Somebody changed this permission meanwhile");
    assert!(stale.text().contains("value=\"vend\""), "{}", stale.text());
    assert_eq!(text(), refund);
    // At the worst moment too, when the form has been compared with what is there.
    world.sql(
        "CREATE TRIGGER meanwhile AFTER UPDATE OF password_at ON admin_sessions
         BEGIN UPDATE permissions SET codename = 'burn' WHERE app = 'shop'; END",
    );
    world.sql("UPDATE admin_sessions SET password_at = 0");
    world.sql("UPDATE permissions SET codename = 'refund' WHERE app = 'shop'");
    let late = [("codename", "vend"), ("own_password", PASSWORD), ("app", "shop")];
    let now = seen(&mut root);
    let late: Vec<_> = late.into_iter().chain([("seen", &*now)]).collect();
    root.post(&path, &late).says(409, "There now: shop.burn");
    world.sql("DROP TRIGGER meanwhile");
    // Whoever has seen it may save over it.
    let now = seen(&mut desk);
    desk.post(&path, &[("seen", &now), ("name", "Can burn")]).expect(303);
    assert!(text().contains("burn"), "{}", text());
    desk.post(&path, &[("name", "x")]).says(400, "filled in upon");
}

#[test]
fn forged_ids_places_and_filters_are_no_more_than_not_found() {
    let (world, mut root) = office();
    let before = world.sql("SELECT count(*) FROM users").trim().to_owned();
    for id in [
        "0",
        "-1",
        "999999",
        "x",
        "1.5",
        "%00",
        "9223372036854775808",
        "99999999999999999999999",
        "1%2F..",
        "%F0%9F%92%A9",
        "%ff",
        "1;DROP",
        "'",
    ] {
        for path in [
            format!("/admin/users/{id}/"),
            format!("/admin/users/{id}/access"),
            format!("/admin/users/{id}/password"),
            format!("/admin/groups/{id}/"),
            format!("/admin/permissions/{id}/"),
            format!("/admin/sessions/{id}/"),
        ] {
            let page = root.get(&path);
            assert!([400, 404].contains(&page.status), "{path}: {}", page.status);
            assert!(page.text().starts_with("<!doctype html>"), "{path}: {}", page.text());
        }
        for (path, fields) in [
            (format!("/admin/users/{id}/"), vec![("seen", "0"), ("username", "x")]),
            (format!("/admin/groups/{id}/delete"), vec![]),
            (format!("/admin/permissions/{id}/delete"), vec![]),
            (format!("/admin/keys/{id}/retire"), vec![]),
            ("/admin/users/act".to_owned(), vec![("act", "delete"), ("sure", "yes"), ("ids", id)]),
            ("/admin/sessions/end".to_owned(), vec![("act", "some"), ("sessions", id)]),
            ("/admin/sessions/end".to_owned(), vec![("act", "user"), ("of", id)]),
        ] {
            let status = root.post(&path, &fields).status;
            assert!([400, 404].contains(&status), "{path} {fields:?}: {status}");
        }
    }
    for query in [
        "o=password",
        "active=maybe",
        "group=x",
        "joined=yesterday",
        "login=not-8",
        "at=AAAA",
        "at=!",
        "at=ZjE6YQ&at=ZjE6YQ",
        "q=%00",
    ] {
        root.get(&format!("/admin/users/?{query}")).expect(400);
    }
    for path in [
        "/admin/sessions/?state=x",
        "/admin/sessions/?reason=x",
        "/admin/sessions/?transport=x",
        "/admin/audit/?kind=x",
        "/admin/audit/?ip=x",
        "/admin/audit/?since=x",
        "/admin/audit.csv?session=x",
        "/admin/?span=year",
    ] {
        root.get(path).expect(400);
    }
    root.get("/admin/sessions/?user=nobody-at-all").says(404, "Nobody is called");
    // A place of another list is harmless, whatever is in it.
    for place in ["ZjE6YQ", "YjE6JyBPUiAxPTE", "ZjkyMjMzNzIwMzY4NTQ3NzU4MDc6"] {
        for list in [
            "/admin/users/?o=joined&at=",
            "/admin/users/?at=",
            "/admin/sessions/?at=",
            "/admin/audit/?at=",
        ] {
            let status = root.get(&format!("{list}{place}")).status;
            assert!([200, 400].contains(&status), "{list}{place}: {status}");
        }
    }
    let many = [("act", "deactivate")]
        .into_iter()
        .chain(std::iter::repeat_n(("ids", "1"), 3))
        .collect::<Vec<_>>();
    root.post("/admin/users/act", &many).says(409, "there must be an active superuser");
    root.post("/admin/users/act", &[("act", "explode"), ("ids", "1")])
        .says(400, "Choose what to do");
    root.post("/admin/users/act", &[("act", "delete")]).says(400, "No user is ticked");
    grant(&mut root, 1, &[("permissions", "999999")]).says(404, "no permission 999999");
    grant(&mut root, 1, &[("groups", "999999")]).says(404, "not there any more");
    assert_eq!(world.sql("SELECT count(*) FROM users").trim(), before);
    assert!(!world.log().contains("panicked"));
}

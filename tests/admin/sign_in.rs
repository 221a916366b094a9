//! Signing in at the admin site: staff only, as slow for guessers as every login, and not for ever.

use std::time::Duration;

use countersign_e2e::{PASSWORD, TestServer};

use crate::office::{edit, furnish, office, operator};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn only_staff_come_in_and_nobody_learns_why_not() {
    let (world, mut root) = office();
    let alice = world.user("alice");
    world.user("bertha");
    let inactive = world.user("inactive");
    edit(&mut root, inactive, &[("is_staff", "on"), ("is_active", "")]).expect(303);
    let mut pages = Vec::new();
    for (name, password) in [
        ("alice", PASSWORD),
        ("alice", "wrong"),
        ("inactive", PASSWORD),
        ("nobody", PASSWORD),
        ("root", "wrong"),
        ("root", ""),
        ("", PASSWORD),
    ] {
        let mut desk = world.desk();
        let answer = desk.sign_in_with(name, password);
        answer.says(403, "The user name or the password is wrong");
        assert!(answer.set_cookie("countersign_admin").is_none());
        pages.push(
            answer
                .text()
                .replace(&desk.csrf, "")
                .replace(&format!("value=\"{name}\""), "value=\"\""),
        );
        desk.get("/admin/users/").sends_to("/admin/sign-in?next=%2Fadmin%2Fusers%2F");
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "the answers differ: {pages:#?}");
    edit(&mut root, alice, &[("is_staff", "on")]).expect(303);
    world.desk().sign_in("ALICE@example.com").sends_to("/admin/");
}

#[test]
fn the_cookie_is_this_sites_alone() {
    let (world, _) = office();
    let mut desk = world.desk();
    let answer = desk.sign_in("root");
    let cookie = answer.set_cookie("countersign_admin").unwrap();
    for attribute in ["; Path=/admin", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "this world is http: {cookie}");
    assert!(!cookie.contains("Domain") && !cookie.contains("Max-Age"), "{cookie}");
    // The store knows its hash only.
    let token = answer.cookie("countersign_admin").unwrap();
    assert!(
        token.len() == 43
            && !world.sql("SELECT hex(token_hash) FROM admin_sessions").contains(&token)
    );
    // No app's login opens this site, and no cookie of this site an app.
    let browser = world.logged_in("root");
    browser.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
    desk.browser.get("/accounts/profile").expect(401);
    // Two of the name are none: one of them was planted.
    let twice =
        desk.browser.bare("GET", "/admin/").header("Cookie", format!("countersign_admin={token}"));
    twice.send().sends_to("/admin/sign-in?next=%2Fadmin%2F");
    for forged in ["", "x", &"A".repeat(43), &format!("{token}A")] {
        desk.browser.cookies.insert("countersign_admin".to_owned(), forged.to_owned());
        desk.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
    }
}

#[test]
fn a_neighbours_cookie_in_any_encoding_signs_nobody_out() {
    let (_world, desk) = office();
    let own = format!("countersign_admin={}", desk.browser.cookies["countersign_admin"]);
    for neighbour in ["greeting=Olá; ".as_bytes(), b"greeting=Ol\xe1; ", b"\xff; "] {
        let mut bare = desk.browser.clone();
        bare.cookies.clear();
        bare.bare("GET", "/admin/")
            .header("Cookie", [neighbour, own.as_bytes()].concat())
            .send()
            .expect(200);
    }
}

#[test]
fn over_https_no_sibling_can_plant_the_sites_cookies() {
    let world = TestServer::builder().set("public_url", "https://auth.example.com").start();
    world.superuser("root");
    let mut desk = world.desk();
    let knock = desk.get("/admin/sign-in").expect(200);
    let form = format!(
        "csrf={}&username=root&password={}&next=%2Fadmin%2F",
        desk.csrf,
        PASSWORD.replace(' ', "+")
    );
    let entering =
        desk.browser.bare("POST", "/admin/sign-in").header("Origin", "https://auth.example.com");
    let entered = entering.body("application/x-www-form-urlencoded", form).send().expect(303);
    for (answer, name) in
        [(&knock, "__Host-countersign_admin_form"), (&entered, "__Host-countersign_admin")]
    {
        let line = answer.set_cookie(name).unwrap();
        for attribute in ["; Path=/;", "; Secure", "; HttpOnly", "; SameSite=Strict"] {
            assert!(
                line.contains(attribute),
                "a browser takes the prefix with `Path=/` and `Secure` only: {line}"
            );
        }
        assert!(!line.contains("Domain"));
    }
    let token = entered.cookie("__Host-countersign_admin").unwrap();
    let asks = |cookies: String| world.request("GET", "/admin/").header("Cookie", cookies).send();
    asks(format!("__Host-countersign_admin={token}")).expect(200);
    asks(format!("countersign_admin=planted; __Host-countersign_admin={token}")).expect(200);
    asks(format!("countersign_admin={token}")).sends_to("/admin/sign-in?next=%2Fadmin%2F");
}

#[test]
fn guessing_is_slowed_down_here_and_in_the_apps_together() {
    let (world, _) = furnish(TestServer::builder().virtual_time().start());
    for _ in 0..5 {
        world.desk().sign_in_with("root", "wrong").expect(403);
    }
    let refused = world.desk().sign_in("root");
    refused.says(429, "Too many attempts");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!(wait >= 1);
    world.browser().login("root").expect_problem(429, "throttled");
    world.clock().advance(Duration::from_secs(wait));
    world.desk().sign_in("root").sends_to("/admin/");
}

#[test]
fn strangers_keep_no_operator_out_of_the_browser_in_which_they_signed_in_before() {
    let (world, mut root) = furnish(TestServer::builder().virtual_time().start());
    root.post("/admin/sign-out", &[]).sends_to("/admin/sign-in");
    let guess = || world.desk().sign_in_with("root", "wrong").status;
    assert_eq!([(); 6].map(|()| guess()), [403, 403, 403, 403, 403, 429]);
    let refused = world.desk().sign_in("root");
    refused.says(429, "Too many attempts");
    assert!(refused.set_cookie("devicetoken").is_none());
    let signed_in = root.sign_in("root");
    signed_in.sends_to("/admin/");
    let cookie = signed_in.set_cookie("devicetoken").unwrap();
    assert!(cookie.contains("; Path=/admin;") && cookie.contains("; HttpOnly"), "{cookie}");
    // Nor from what is dangerous, where the password is asked for again.
    world.clock().advance(11 * MINUTE);
    for _ in 0..6 {
        guess();
    }
    root.post("/admin/groups/add", &[("name", "team"), ("own_password", PASSWORD)]).expect(303);
}

#[test]
fn who_signs_in_while_the_password_changes_has_no_device_that_is_known_under_the_new_one() {
    let (world, _) = office();
    world.superuser("other");
    // Another hash of the same text stands for the new password. It is set when the session has
    // begun.
    world.sql(
        "CREATE TRIGGER meanwhile AFTER INSERT ON admin_sessions
         BEGIN UPDATE users SET password = (SELECT password FROM users WHERE username = 'other')
         WHERE id = new.user_id; END",
    );
    let mut thief = world.desk();
    thief.sign_in("root").sends_to("/admin/");
    world.sql("DROP TRIGGER meanwhile");
    thief.post("/admin/sign-out", &[]).sends_to("/admin/sign-in");
    let guess = || world.desk().sign_in_with("root", "wrong").status;
    assert_eq!([(); 6].map(|()| guess()), [403, 403, 403, 403, 403, 429]);
    thief.sign_in("root").says(429, "Too many attempts");
}

#[test]
fn a_session_ends_when_it_is_idle_when_it_is_old_and_when_its_owner_says_so() {
    let (world, mut root) = furnish(TestServer::builder().virtual_time().start());
    for _ in 0..3 {
        world.clock().advance(29 * MINUTE);
        root.get("/admin/").expect(200);
    }
    world.clock().advance(31 * MINUTE);
    root.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
    assert_eq!(world.sql("SELECT count(*) FROM admin_sessions").trim(), "0");
    root.sign_in("root").sends_to("/admin/");
    for _ in 0..24 {
        world.clock().advance(29 * MINUTE);
        root.get("/admin/").expect(200);
    }
    world.clock().advance(25 * MINUTE);
    root.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");

    root.sign_in("root").sends_to("/admin/");
    let (mut kept, mut other) = (root.clone(), world.desk());
    other.sign_in("root").sends_to("/admin/");
    let left = root.post("/admin/sign-out", &[]);
    left.sends_to("/admin/sign-in");
    assert!(left.set_cookie("countersign_admin").unwrap().contains("Max-Age=0"));
    kept.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
    other.get("/admin/").expect(200);
}

#[test]
fn the_limits_are_settings() {
    let world = TestServer::builder()
        .virtual_time()
        .set("admin_idle", "2m")
        .set("admin_absolute", "3m")
        .start();
    let (world, mut root) = furnish(world);
    world.clock().advance(Duration::from_secs(110));
    root.get("/admin/").expect(200);
    world.clock().advance(Duration::from_secs(80));
    root.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
}

#[test]
fn before_what_is_dangerous_the_password_is_asked_for_again() {
    let (world, mut root) = furnish(TestServer::builder().virtual_time().start());
    let alice = world.user("alice");
    world.clock().advance(11 * MINUTE);
    let dangerous: [(&str, &[(&str, &str)]); 5] = [
        ("/admin/users/act", &[("act", "delete"), ("ids", "2"), ("sure", "yes")]),
        ("/admin/users/2/password", &[("act", "unusable")]),
        ("/admin/groups/add", &[("name", "team")]),
        ("/admin/keys/rotate", &[("how", "now")]),
        ("/admin/sessions/end", &[("act", "all")]),
    ];
    let before = || {
        world.sql(
            "SELECT (SELECT count(*) FROM users), (SELECT password FROM users WHERE id = 2), \
            (SELECT count(*) FROM groups), (SELECT count(*) FROM signing_keys)",
        )
    };
    let then = before();
    root.get("/admin/").expect(200);
    for (path, fields) in dangerous {
        root.post(path, fields).says(403, "Enter it again to go on");
        let wrong: Vec<_> = fields.iter().copied().chain([("own_password", "wrong")]).collect();
        if path == "/admin/groups/add" {
            root.post(path, &wrong).says(403, "This is not your password");
        }
    }
    edit(&mut root, alice, &[("is_staff", "on")]).says(403, "Enter it again to go on");
    assert_eq!(before(), then);
    // What was filled in comes back with the question, and goes on with its answer.
    let asked = root.post("/admin/groups/add", &[("name", "a \"team\"")]).text();
    assert!(asked.contains("name=\"name\" value=\"a &#34;team&#34;\""), "{asked}");
    root.post("/admin/groups/add", &[("name", "team"), ("own_password", PASSWORD)]).expect(303);
    // For ten minutes that is enough.
    world.clock().advance(9 * MINUTE);
    root.post("/admin/groups/add", &[("name", "another")]).expect(303);
    world.clock().advance(2 * MINUTE);
    root.post("/admin/groups/add", &[("name", "one more")]).says(403, "Enter it again");
    // What is harmless asks nothing.
    edit(&mut root, alice, &[("first_name", "Alice")]).expect(303);
}

#[test]
fn another_password_or_every_session_ended_is_the_end_of_the_session_here_too() {
    let (world, mut root) = office();
    let mut desk = operator(&world, &mut root, "operator", &[]);
    let id = world.sql("SELECT id FROM users WHERE username = 'operator'").trim().to_owned();
    root.post(
        &format!("/admin/users/{id}/password"),
        &[("act", "set"), ("password1", "other kettle 15"), ("password2", "other kettle 15")],
    )
    .expect(303);
    desk.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
    desk.sign_in_with("operator", "other kettle 15").sends_to("/admin/");
    root.post("/admin/users/act", &[("act", "end"), ("ids", &id)]).expect(303);
    desk.get("/admin/").sends_to("/admin/sign-in?next=%2Fadmin%2F");
}

#[test]
fn signing_in_leads_on_to_where_one_wanted_and_nowhere_else() {
    let (world, _) = office();
    for (next, goes_to) in [
        ("/admin/users/?q=a", "/admin/users/?q=a"),
        ("https://evil.example/", "/admin/"),
        ("//evil.example/admin/", "/admin/"),
        ("/admin/\\evil", "/admin/"),
        ("/admin/sign-out", "/admin/"),
        ("/accounts/profile", "/admin/"),
    ] {
        let mut desk = world.desk();
        desk.get("/admin/sign-in").expect(200);
        desk.post(
            "/admin/sign-in",
            &[("username", "root"), ("password", PASSWORD), ("next", next)],
        )
        .sends_to(goes_to);
    }
    // The form before signing in has its token too.
    let mut desk = world.desk();
    desk.get("/admin/sign-in").expect(200);
    desk.csrf = "AAAA".to_owned();
    desk.post("/admin/sign-in", &[("username", "root"), ("password", PASSWORD)])
        .says(403, "does not carry this session");
    desk.browser.cookies.clear();
    desk.post("/admin/sign-in", &[("username", "root"), ("password", PASSWORD)])
        .says(403, "Allow cookies");
}

//! Signing in at the admin site: staff only, as slow for guessers as every login, and not for ever.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use countersign_e2e::{Desk, PASSWORD, Response, TestServer, input};

use crate::office::{edit, furnish, group, office, operator};

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

/// Forms before which the site asks who it is, as one route and what is sent to it. An empty
/// `seen` stands for the one of the page.
const DANGEROUS: [(&str, &str, Fields); 25] = [
    // A way in for somebody, or one more.
    (USER, "/admin/users/2/", &[("seen", ""), ("username", "mallory"), ("is_active", "on")]),
    (USER, "/admin/users/2/", &[("seen", ""), ("username", "alice"), ("is_active", "on")]),
    (USER, "/admin/users/3/", &[("seen", ""), BOB, BOBS, ("is_active", "on")]),
    (USER, "/admin/users/2/", &[("seen", ""), ALICE, ALICES, FLAGS, ("is_staff", "on"), ACTIVE]),
    ("/admin/users/act", "/admin/users/act", &[("act", "activate"), ("ids", "3")]),
    ("/admin/users/add", "/admin/users/add", &[("username", "mallory"), ("unusable", "on")]),
    ("/admin/users/invite", "/admin/users/invite", &[("email", "mallory@example.net")]),
    ("/admin/users/{id}/mail", "/admin/users/2/mail", &[("act", "reset")]),
    ("/admin/users/{id}/mail", "/admin/users/2/mail", &[("act", "invitation")]),
    ("/admin/users/{id}/mail", "/admin/users/2/mail", &[("act", "verify")]),
    ("/admin/users/{id}/mail", "/admin/users/2/mail", &[("act", "mark"), ALICES_SEEN]),
    ("/admin/users/{id}/password", "/admin/users/2/password", &[("act", "unusable")]),
    ("/admin/users/{id}/factors", "/admin/users/2/factors", &[]),
    // What somebody may do.
    ("/admin/users/{id}/access", "/admin/users/2/access", &[("seen", ""), ("permissions", "1")]),
    ("/admin/groups/add", "/admin/groups/add", &[("name", "team")]),
    (
        "/admin/groups/{id}/",
        "/admin/groups/1/",
        &[("seen", ""), ("name", "old"), ("permissions", "1")],
    ),
    (
        "/admin/permissions/{id}/",
        "/admin/permissions/1/",
        &[("seen", ""), ("app", "shop"), ("codename", "refund")],
    ),
    (
        "/admin/tokens/add",
        "/admin/tokens/add",
        &[("name", "new"), ("expires_in", "1d"), ("is_superuser", "on")],
    ),
    // What cannot be taken back, or is felt by everybody.
    ("/admin/users/act", "/admin/users/act", &[("act", "delete"), ("ids", "2"), ("sure", "yes")]),
    ("/admin/groups/{id}/delete", "/admin/groups/1/delete", &[]),
    ("/admin/permissions/{id}/delete", "/admin/permissions/1/delete", &[]),
    ("/admin/tokens/{id}/revoke", "/admin/tokens/1/revoke", &[]),
    ("/admin/keys/rotate", "/admin/keys/rotate", &[("how", "now")]),
    ("/admin/keys/{id}/retire", "/admin/keys/OLD/retire", &[]),
    ("/admin/sessions/end", "/admin/sessions/end", &[("act", "all")]),
];

/// Forms that are asked about in tests of their own, and those that give nobody a way in or a
/// right, and of which nothing is for good.
const OTHERS: [(&str, &str); 9] = [
    ("/admin/hooks/replay", "tests/admin/hooks.rs"),
    ("/admin/outbox/act", "has a mail tried again, or taken out"),
    ("/admin/permissions/", "adds a permission, which nobody has yet"),
    ("/admin/sign-in", "asks all that there is to ask"),
    ("/admin/sign-in/factor", "asks all that there is to ask"),
    ("/admin/sign-in/passkey", "asks all that there is to ask"),
    ("/admin/sign-out", "ends the session"),
    ("/admin/first/{token}", "nobody is signed in yet, and the link is the proof"),
    ("/admin/{*rest}", "is no page"),
];

/// What asks nothing: other words, and the end of a login.
const HARMLESS: [(&str, Fields); 6] = [
    ("/admin/users/2/", &[("seen", ""), ALICE, ALICES, ("first_name", "Alice"), ACTIVE]),
    ("/admin/users/2/", &[("seen", ""), ALICE, ALICES]),
    ("/admin/users/act", &[("act", "end"), ("ids", "2")]),
    ("/admin/sessions/end", &[("act", "user"), ("of", "2")]),
    ("/admin/permissions/", &[("app", "shop"), ("codename", "sell")]),
    (
        "/admin/permissions/1/",
        &[("seen", ""), ("app", "auth"), ("codename", "view_user"), ("name", "May look")],
    ),
];

type Fields = &'static [(&'static str, &'static str)];
const USER: &str = "/admin/users/{id}/";
const ALICE: (&str, &str) = ("username", "alice");
const ALICES: (&str, &str) = ("email", "alice@example.com");
const ALICES_SEEN: (&str, &str) = ("address", "alice@example.com");
const BOB: (&str, &str) = ("username", "bob");
const BOBS: (&str, &str) = ("email", "bob@example.com");
const FLAGS: (&str, &str) = ("flags", "1");
const ACTIVE: (&str, &str) = ("is_active", "on");

/// Sends a form, upon what its page shows now.
fn send(desk: &mut Desk, path: &str, fields: &[(&str, &str)]) -> Response {
    let seen = if fields.contains(&("seen", "")) {
        input(&desk.get(path).expect(200).text(), "seen").unwrap()
    } else {
        String::new()
    };
    let fields: Vec<_> = fields
        .iter()
        .map(|&(name, text)| (name, if (name, text) == ("seen", "") { &*seen } else { text }))
        .collect();
    desk.post(path, &fields)
}

#[test]
fn before_what_is_dangerous_the_password_is_asked_for_again() {
    let (world, mut root) = furnish(TestServer::builder().virtual_time().start());
    assert_eq!((world.user("alice"), world.user("bob")), (2, 3));
    edit(&mut root, 3, &[("is_active", "")]).expect(303);
    group(&mut root, "old", &[]);
    root.post("/admin/tokens/add", &[("name", "old"), ("expires_in", "1d")]).expect(200);
    root.post("/admin/keys/rotate", &[("how", "gently")]).expect(303);
    world.sql("UPDATE signing_keys SET activates_at = created_at");
    root.post("/admin/keys/rotate", &[("how", "gently")]).expect(303);
    let keys = root.get("/admin/keys/").expect(200).text();
    let (before, _) = keys.split_once("/retire\"").expect("an old key that verifies");
    let old_key = before.rsplit_once("/admin/keys/").unwrap().1.to_owned();
    // As if they had signed in long ago.
    world.sql("UPDATE admin_sessions SET password_at = 0");
    let before = || {
        world.sql(
            "SELECT (SELECT group_concat(id || username || email || password || is_active || \
             is_staff || email_verified) FROM users), (SELECT count(*) FROM user_permissions), \
             (SELECT count(*) FROM groups), (SELECT count(*) FROM group_permissions), \
             (SELECT group_concat(codename) FROM permissions), (SELECT count(*) FROM outbox), \
             (SELECT count(*) FROM signing_keys), (SELECT max(id) FROM \
             audit_events WHERE kind NOT LIKE 'admin_log%')",
        )
    };
    let then = before();
    root.get("/admin/").expect(200);
    for (_, path, fields) in DANGEROUS {
        let path = path.replace("OLD", &old_key);
        let asked = send(&mut root, &path, fields);
        assert_eq!(asked.status, 403, "{path} {fields:?}: {}", asked.text());
        asked.says(403, "Enter it again to go on");
    }
    assert_eq!(before(), then);
    for (path, fields) in HARMLESS {
        let done = send(&mut root, path, fields);
        assert_eq!(done.status, 303, "{path} {fields:?}: {}", done.text());
    }
    root.post("/admin/groups/add", &[("name", "team"), ("own_password", "wrong")])
        .says(403, "This is not your password");
    // Of all that a search finds too, once it is sure.
    let all = [("act", "activate"), ("whom", "matching"), ("search", "q=bob")];
    let page = root.post("/admin/users/act", &all).expect(200).text();
    assert!(page.contains("own_password"), "{page}");
    let seen = input(&page, "seen").unwrap();
    let sure: Vec<_> = all.into_iter().chain([("sure", "yes"), ("seen", &*seen)]).collect();
    root.post("/admin/users/act", &sure).says(403, "Enter it again to go on");
    // What was filled in comes back with the question, and goes on with its answer.
    let asked = root.post("/admin/groups/add", &[("name", "a \"team\"")]).text();
    assert!(asked.contains("name=\"name\" value=\"a &#34;team&#34;\""), "{asked}");
    for page in ["/admin/users/3/", "/admin/users/add", "/admin/users/invite"] {
        root.get(page).says(200, "name=\"own_password\"");
    }
    let sure: Vec<_> = sure.into_iter().chain([("own_password", PASSWORD)]).collect();
    root.post("/admin/users/act", &sure).expect(303);
    assert_eq!(world.sql("SELECT is_active FROM users WHERE id = 3").trim(), "1");
    // For ten minutes that is enough.
    world.clock().advance(9 * MINUTE);
    root.post("/admin/groups/add", &[("name", "another")]).expect(303);
    world.clock().advance(2 * MINUTE);
    root.post("/admin/groups/add", &[("name", "one more")]).says(403, "Enter it again");
}

#[test]
fn every_form_asks_who_it_is_or_is_known_to_give_nobody_a_way_in() {
    let routes = Path::new(env!("CARGO_MANIFEST_DIR"));
    let routes = routes.join("../crates/countersign-server/src/admin/mod.rs");
    let source = std::fs::read_to_string(routes).unwrap();
    let forms: BTreeSet<&str> = source
        .split(".route(")
        .skip(1)
        .filter(|route| route.contains("post(") || route.contains("any("))
        .map(|route| route.split('"').nth(1).unwrap())
        .collect();
    assert!(forms.len() > 25, "{forms:?}");
    let known = DANGEROUS.iter().map(|(route, ..)| *route).chain(OTHERS.map(|(route, _)| route));
    assert_eq!(forms, known.collect());
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

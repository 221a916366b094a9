//! The list of users: what a search finds, what can be done to all that it finds, and what can be
//! taken away as a file.

use countersign_e2e::{Desk, TestServer, input};

use crate::office::{furnish, group, office, operator, permission};

/// `many` users in a row, made in the database: the password of each is unusable.
fn crowd(world: &TestServer, many: u32) {
    world.sql(&format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many})
         INSERT INTO users (username, username_folded, email, password, date_joined)
         SELECT 'crowd' || i, 'crowd' || i, 'crowd' || i || '@example.org', '!',
         '2026-01-01 00:00:00'
         FROM n"
    ));
}

fn inactive(world: &TestServer) -> String {
    world.sql("SELECT count(*) FROM users WHERE NOT is_active").trim().to_owned()
}

/// Asks to do something to all that a search finds; the page that asks back.
fn ask(desk: &mut Desk, act: &str, search: &str) -> String {
    desk.get("/admin/users/").expect(200);
    let fields = [("act", act), ("whom", "matching"), ("search", search)];
    desk.post("/admin/users/act", &fields).expect(200).text()
}

#[test]
fn a_search_finds_what_is_inside_names_and_addresses_and_ids() {
    let (world, mut root) = office();
    let alice = world.user("alice");
    world.user("bertha");
    let id = alice.to_string();
    for (search, finds) in [
        ("lic", true),
        ("LICE%40example", true),
        (id.as_str(), true),
        ("alice+exam", true),
        ("alic+bert", false),
    ] {
        let page = root.get(&format!("/admin/users/?q={search}")).expect(200).text();
        assert_eq!(
            page.contains(&format!("<a href=\"/admin/users/{alice}/\">alice</a>")),
            finds,
            "{search}"
        );
    }
}

#[test]
fn who_has_no_second_factor_is_listed_and_taken_away_as_a_file() {
    let world = TestServer::builder().virtual_time().start();
    let (world, mut root) = furnish(world);
    world.user("alice");
    world.user("bob");
    world.enrol(&mut world.logged_in("alice"));
    let page = root.get("/admin/users/?factor=no").expect(200).text();
    assert!(page.contains(">bob</a>") && page.contains(">root</a>"), "{page}");
    assert!(!page.contains(">alice</a>") && page.contains("2 users"), "{page}");
    assert!(page.contains("Second factor"), "{page}");
    let page = root.get("/admin/users/?factor=yes").expect(200).text();
    assert!(page.contains(">alice</a>") && page.contains("1 user"), "{page}");
    assert!(!page.contains(">bob</a>"), "{page}");
    let file = root.get("/admin/users.csv?factor=no").expect(200).text();
    assert!(file.contains("bob") && !file.contains("alice"), "{file}");
    root.get("/admin/users/?factor=perhaps").says(400, "none that the page offers");
}

#[test]
fn an_act_on_all_that_match_asks_first_and_reaches_those_on_other_pages() {
    let (world, mut root) = office();
    crowd(&world, 230);
    let page = root.get("/admin/users/?q=crowd").expect(200).text();
    assert_eq!(page.matches("name=\"ids\"").count(), 100, "a page");
    assert!(page.contains("all that match: 230 users"));
    let sure = ask(&mut root, "deactivate", "q=crowd");
    assert!(sure.contains("all 230 that the search finds"), "{sure}");
    assert_eq!(inactive(&world), "0", "asked, and not done");
    let seen = input(&sure, "seen").unwrap();
    let fields = [
        ("act", "deactivate"),
        ("whom", "matching"),
        ("search", "q=crowd"),
        ("seen", seen.as_str()),
        ("sure", "yes"),
    ];
    root.post("/admin/users/act", &fields).sends_to("/admin/users/?q=crowd&said=deactivated");
    assert_eq!(inactive(&world), "230");
    let lines = world.sql("SELECT count(*) FROM audit_events WHERE kind = 'user_deactivated'");
    assert_eq!(lines.trim(), "230", "each leaves its line");
}

#[test]
fn as_many_others_who_match_by_now_are_shown_before_anything_is_done() {
    let (world, mut root) = office();
    crowd(&world, 3);
    let of = |name: &str| world.sql(&format!("SELECT id FROM users WHERE username = '{name}'"));
    world.cli(&["user", "deactivate", "crowd1"]).ok();
    let sure = ask(&mut root, "delete", "q=crowd&active=no");
    assert!(sure.contains("crowd1") && !sure.contains("crowd2"), "{sure}");
    let seen = input(&sure, "seen").unwrap();
    world.cli(&["user", "activate", "crowd1"]).ok();
    world.cli(&["user", "deactivate", "crowd2"]).ok();
    let fields = [
        ("act", "delete"),
        ("whom", "matching"),
        ("search", "q=crowd&active=no"),
        ("seen", seen.as_str()),
        ("sure", "yes"),
    ];
    let again = root.post("/admin/users/act", &fields).expect(200).text();
    assert!(again.contains("crowd2") && !again.contains("crowd1"), "{again}");
    assert!(!of("crowd2").trim().is_empty(), "nobody saw that this one goes");
    let seen = input(&again, "seen").unwrap();
    let fields = fields.map(|(name, text)| (name, if name == "seen" { &*seen } else { text }));
    root.post("/admin/users/act", &fields).sends_to("/admin/users/?q=crowd&active=no&said=deleted");
    assert!(of("crowd2").trim().is_empty() && !of("crowd1").trim().is_empty());
}

#[test]
fn whoever_began_to_match_meanwhile_is_shown_before_anything_is_done() {
    let (world, mut root) = office();
    crowd(&world, 3);
    let sure = ask(&mut root, "delete", "q=crowd");
    let seen = input(&sure, "seen").unwrap();
    world.user("crowded");
    let fields = [
        ("act", "delete"),
        ("whom", "matching"),
        ("search", "q=crowd"),
        ("seen", seen.as_str()),
        ("sure", "yes"),
    ];
    let again = root.post("/admin/users/act", &fields).expect(200).text();
    assert!(again.contains("all 4 that the search finds") && again.contains("crowded"), "{again}");
    assert_eq!(world.sql("SELECT count(*) FROM users WHERE username LIKE 'crowd%'").trim(), "4");
}

#[test]
fn an_act_on_all_spares_nobody_above_and_no_more_than_ten_thousand() {
    let (world, mut root) = office();
    crowd(&world, 3);
    let mut clerk = operator(&world, &mut root, "clerk", &["auth.view_user", "auth.change_user"]);
    let all = [("act", "deactivate"), ("whom", "matching"), ("search", "")];
    clerk.get("/admin/users/").expect(200);
    clerk.post("/admin/users/act", &all).says(403, "whom only a superuser may change");
    assert_eq!(inactive(&world), "0");
    let mut blind = operator(&world, &mut root, "blind", &["auth.change_user"]);
    blind.get("/admin/").expect(200);
    blind.post("/admin/users/act", &all).expect(403);
    crowd_of_many(&world);
    root.get("/admin/users/").expect(200);
    root.post("/admin/users/act", &all).says(400, "More than 10,000 users match");
    assert_eq!(inactive(&world), "0");
    let wrong = [("act", "deactivate"), ("whom", "matching"), ("search", "o=nothing")];
    root.post("/admin/users/act", &wrong).expect(400);
    let none = [("act", "deactivate"), ("whom", "matching"), ("search", "q=nobodyatall")];
    root.post("/admin/users/act", &none).says(400, "Nobody matches");
}

fn crowd_of_many(world: &TestServer) {
    world.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)
         INSERT INTO users (username, username_folded, password, date_joined)
         SELECT 'many' || i, 'many' || i, '!', '2026-01-01 00:00:00' FROM n",
    );
}

#[test]
fn every_box_of_a_page_is_ticked_by_a_link() {
    let (world, mut root) = office();
    crowd(&world, 3);
    let page = root.get("/admin/users/?q=crowd").expect(200).text();
    assert!(!page.contains(" checked"));
    assert!(page.contains("href=\"?q=crowd&#38;all=1\">Choose all on this page"), "{page}");
    let page = root.get("/admin/users/?q=crowd&all=1").expect(200).text();
    assert_eq!(page.matches(" checked").count(), 3);
    assert!(page.contains("href=\"?q=crowd\">Choose none"), "{page}");
}

#[test]
fn the_users_whom_a_search_finds_are_a_file_without_formulas() {
    let (world, mut root) = office();
    crowd(&world, 1_203);
    world.sql("UPDATE users SET first_name = '=1+1' WHERE username = 'crowd7'");
    let file = root.get("/admin/users.csv?q=crowd").expect(200);
    assert_eq!(file.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(file.header("content-disposition"), Some("attachment; filename=\"users.csv\""));
    let text = file.text();
    let lines: Vec<&str> = text.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 1_204);
    let head =
        "\"id\",\"username\",\"email\",\"first_name\",\"last_name\",\"is_active\",\"is_staff\",";
    assert!(lines[0].starts_with(head), "{}", lines[0]);
    let seventh = lines.iter().find(|line| line.contains("\"crowd7\"")).unwrap();
    assert!(seventh.contains("\"crowd7@example.org\",\"'=1+1\""), "{seventh}");
    assert!(!text.contains("!") && !text.contains("\"root\""), "no password, and nobody else");
    let mut clerk = operator(&world, &mut root, "clerk", &["auth.view_group"]);
    clerk.get("/admin/users.csv").expect(403);
}

#[test]
fn finding_among_the_boxes_keeps_what_was_typed_and_ticked_and_saves_nothing() {
    let (world, mut root) = office();
    let view = permission(&mut root, "auth.view_user");
    let team = group(&mut root, "team", &[]);
    let path = format!("/admin/groups/{team}/");
    let seen = input(&root.get(&path).expect(200).text(), "seen").unwrap();
    let view = view.to_string();
    let fields = [
        ("seen", seen.as_str()),
        ("name", "crew"),
        ("permissions", view.as_str()),
        ("find", "key"),
        ("look", "1"),
    ];
    let page = root.post(&path, &fields).expect(200).text();
    assert!(page.contains("value=\"crew\""), "{page}");
    assert!(page.contains(&format!("value=\"{view}\" checked")), "{page}");
    assert!(page.contains("countersign.view_key") && !page.contains("auth.view_group"), "{page}");
    assert_eq!(input(&page, "seen"), Some(seen.clone()), "what was seen stays what it was");
    assert_eq!(world.sql("SELECT name FROM groups").trim(), "team");

    let alice = world.user("alice");
    let path = format!("/admin/users/{alice}/access");
    let seen = input(&root.get(&path).expect(200).text(), "seen").unwrap();
    let team = team.to_string();
    let fields =
        [("seen", seen.as_str()), ("groups", team.as_str()), ("find", "key"), ("look", "1")];
    let page = root.post(&path, &fields).expect(200).text();
    assert!(page.contains(&format!("name=\"groups\" value=\"{team}\" checked")), "{page}");
    assert_eq!(world.sql("SELECT count(*) FROM user_groups").trim(), "0");
}

#[test]
fn a_path_without_its_slash_leads_on_and_figures_lead_to_what_they_count() {
    let (world, mut root) = office();
    for room in ["users", "groups", "permissions", "sessions", "audit", "keys"] {
        let answer = root.get(&format!("/admin/{room}"));
        assert_eq!(
            (answer.status, answer.header("location")),
            (308, Some(format!("/admin/{room}/").as_str()))
        );
    }
    let page = root.get("/admin/").expect(200).text();
    for href in [
        "/admin/users/",
        "/admin/sessions/?state=live",
        "/admin/audit/?kind=theft",
        "/admin/audit/?kind=login-failed",
    ] {
        assert!(page.contains(&format!("href=\"{href}\"")), "{href}");
        root.get(href).expect(200);
    }
    let mut clerk = operator(&world, &mut root, "clerk", &["countersign.view_session"]);
    let page = clerk.get("/admin/").expect(200).text();
    assert!(
        page.contains("/admin/sessions/?state=live") && !page.contains("/admin/audit/?kind"),
        "{page}"
    );
}

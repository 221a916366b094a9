use countersign_e2e::TestServer;
use serde_json::Value;

use crate::on_both;

/// The names in a list, in its order, and what was said besides.
fn listed(world: &TestServer, arguments: &[&str]) -> (Vec<String>, String) {
    let done = world.cli(&[&["user", "list", "--json"], arguments].concat());
    let users: Vec<Value> = serde_json::from_str(&done.ok()).unwrap();
    let names = users.iter().map(|user| user["username"].as_str().unwrap().to_owned());
    (names.collect(), done.stderr())
}

#[test]
fn users_are_found_by_words_by_their_group_and_so_many_at_most() {
    on_both(|world, sql| {
        for name in ["zoe", "bob", "carol", "alice"] {
            world.user(name);
        }
        world.user_with("dave", "dave@elsewhere.test");
        sql("INSERT INTO groups (name) VALUES ('editors'), ('editors of old'), ('nobodies')");
        sql("INSERT INTO user_groups SELECT u.id, g.id FROM users u, groups g
             WHERE g.name = 'editors' AND u.username IN ('zoe', 'alice', 'dave')");
        let names = |arguments: &[&str]| {
            let (names, said) = listed(world, arguments);
            assert_eq!(said, "", "{arguments:?}");
            names.join(" ")
        };
        assert_eq!(names(&[]), "zoe bob carol alice dave", "in the order in which they joined");
        assert_eq!(names(&["--search", "EXAMPLE.com"]), "zoe bob carol alice");
        assert_eq!(names(&["--search", "example.com al"]), "alice");
        assert_eq!(names(&["--search", "2"]), "bob", "the id is a word too");
        assert_eq!(names(&["--search", "nobody"]), "");
        assert_eq!(names(&["--search", "  "]), names(&[]));
        assert_eq!(names(&["--group", "editors"]), "zoe alice dave");
        assert_eq!(names(&["--group", "nobodies"]), "");
        assert_eq!(names(&["--group", "editors", "--search", "example"]), "zoe alice");
        assert_eq!(names(&["--limit", "5"]), names(&[]), "there are no more");
        assert_eq!(names(&["--group", "editors", "--limit", "3"]), "zoe alice dave");
        for (arguments, found) in [
            (&["--limit", "2"][..], "zoe bob"),
            (&["--limit", "0"], ""),
            (&["--group", "editors", "--limit", "2"], "zoe alice"),
            (&["--search", "example", "--limit", "1"], "zoe"),
        ] {
            let (names, said) = listed(world, arguments);
            assert_eq!(names.join(" "), found, "{arguments:?}");
            assert!(said.contains("--limit shows more"), "{arguments:?}: {said}");
        }
        let table = world.cli(&["user", "list", "--search", "alice"]).ok();
        assert!(table.starts_with("ID ") && table.contains("alice@example.com"), "{table}");
        assert_eq!(table.lines().count(), 2, "{table}");
        assert_eq!(world.cli(&["user", "list", "--search", "nobody"]).ok().lines().count(), 1);

        let no_group = world.cli(&["user", "list", "--group", "edit"]).fails(1);
        assert!(no_group.contains("there is no group \"edit\""), "{no_group}");
        let long = "a".repeat(255);
        for usage in [["--search", &long], ["--limit", "many"], ["--limit", "-1"]] {
            world.cli(&[&["user", "list"][..], &usage[..]].concat()).fails(2);
        }
    });
}

#[test]
fn a_list_of_many_is_read_by_pages_and_none_is_left_out_or_shown_twice() {
    on_both(|world, sql| {
        world.user("alice");
        sql("WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500)
             INSERT INTO users (username, email, password, date_joined)
             SELECT 'user' || n, 'u' || n || '@many.test', '!', '2020-01-01 00:00:00' FROM n");
        for (arguments, many) in [
            (&["--search", "many.test"][..], 2_500),
            (&["--search", "many.test", "--limit", "2001"], 2_001),
            (&["--limit", "2001"], 2_001),
            (&[], 2_501),
        ] {
            let (mut names, said) = listed(world, arguments);
            assert_eq!(said.is_empty(), !arguments.contains(&"--limit"), "{arguments:?}: {said}");
            assert_eq!(names.len(), many, "{arguments:?}");
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), many, "{arguments:?}");
        }
        let table = world.cli(&["user", "list", "--search", "many.test"]).ok();
        assert_eq!(table.lines().filter(|line| line.contains("@many.test")).count(), 2_500);
    });
}

#[test]
fn a_name_in_the_list_moves_no_cursor() {
    let world = TestServer::builder().asleep();
    world.user("alice");
    world.sql("UPDATE users SET username = 'al' || char(27) || '[2Jice'");
    let table = world.cli(&["user", "list", "--search", "example"]).ok();
    assert!(table.contains("al\u{fffd}[2Jice") && !table.contains('\u{1b}'), "{table:?}");
}

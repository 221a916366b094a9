use std::io::Write;
use std::process::Stdio;

use countersign_e2e::{Finished, Mailbox, TestServer, eventually};
use serde_json::{Value, json};

use crate::on_both;

fn set(world: &TestServer, arguments: &[&str]) -> Finished {
    world.cli(&[&["user", "set"], arguments].concat())
}

fn shown(world: &TestServer, named: &str) -> Value {
    serde_json::from_str(&world.cli(&["user", "show", named, "--json"]).ok()).unwrap()
}

#[test]
fn what_is_named_is_changed_with_its_lines_and_what_is_not_named_stays() {
    on_both(|world, sql| {
        let id = world.user("alice");
        sql("INSERT INTO groups (name) VALUES ('authors'), ('editors'), ('readers')");
        let said = set(
            world,
            &[
                "alice@example.com",
                "--username",
                "ada",
                "--email",
                "Ada@Example.COM",
                "--first-name",
                " Ada ",
                "--last-name",
                "Lovelace",
                "--staff",
                "on",
                "--superuser",
                "on",
                "--add-group",
                "authors",
                "--add-group",
                "editors",
                "--metadata",
                r#"{"team": 7}"#,
            ],
        )
        .ok();
        let all =
            "username, email, first_name, last_name, is_staff, is_superuser, groups, metadata";
        assert_eq!(said.trim(), format!("Changed ada (id {id}): {all}."));
        let ada = shown(world, "ada");
        assert_eq!((&ada["email"], &ada["first_name"]), (&json!("Ada@example.com"), &json!("Ada")));
        assert_eq!((&ada["is_staff"], &ada["is_superuser"]), (&json!(true), &json!(true)));
        assert_eq!(ada["groups"], json!(["authors", "editors"]));
        assert_eq!((&ada["metadata"], &ada["is_active"]), (&json!({"team": 7}), &json!(true)));
        // Somebody else is left who can do everything.
        world.superuser("root");

        let said = set(world, &["ada", "--superuser", "off", "--remove-group", "authors"]).ok();
        assert_eq!(said.trim(), format!("Changed ada (id {id}): is_superuser, groups."));
        let said = set(world, &["ada", "--active", "off", "--last-name", "", "--email", ""]).ok();
        let changed = "email, last_name, is_active. All sessions of this user are ended.";
        assert_eq!(said.trim(), format!("Changed ada (id {id}): {changed}"));
        let lines = || {
            sql(&format!(
                "SELECT kind || ': ' || detail FROM audit_events
                 WHERE CAST(user_id AS text) = '{id}' AND actor LIKE 'shell:%'
                     AND kind <> 'user_added'
                 ORDER BY id"
            ))
        };
        let before = lines();
        assert_eq!(before.lines().count(), 4, "{before}");
        assert!(before.contains("is_staff: false to true"), "{before}");
        assert!(before.ends_with("user_deactivated: ada\n"), "{before}");

        let ada = shown(world, &id.to_string());
        assert_eq!((&ada["email"], &ada["username"]), (&json!(""), &json!("ada")));
        assert_eq!((&ada["first_name"], &ada["last_name"]), (&json!("Ada"), &json!("")));
        assert_eq!((&ada["groups"], &ada["is_staff"]), (&json!(["editors"]), &json!(true)));
        assert_eq!(ada["metadata"], json!({"team": 7}));
        for nothing in [&["--username", "ada", "--active", "off"][..], &["--add-group", "editors"]]
        {
            let said = set(world, &[&["ada"], nothing].concat()).ok();
            assert_eq!(said.trim(), format!("ada (id {id}) was so already."));
        }
        assert_eq!(lines(), before, "what changes nothing leaves no line");
    });
}

#[test]
fn what_the_admin_site_would_refuse_is_refused_with_a_reason_and_nothing_is_changed() {
    on_both(|world, sql| {
        world.superuser("root");
        world.user("alice");
        world.user("bob");
        sql("INSERT INTO groups (name) VALUES ('editors')");
        let before = shown(world, "alice");
        let long = "a".repeat(151);
        for (arguments, reason) in [
            (&["--username", "BOB"][..], "another user has this name"),
            (&["--username", "bob@example.com"], "another user has this name"),
            (&["--username", "a b"], "letters"),
            (&["--username", ""], "name"),
            (&["--email", "BOB@example.com"], "another user has this address"),
            (&["--email", "nowhere"], "address"),
            (&["--first-name", &long], "a first name has at most 150"),
            (&["--last-name", &long], "a last name has at most 150"),
            (&["--add-group", "edit"], "there is no group \"edit\""),
            (&["--remove-group", "nobodies"], "there is no group \"nobodies\""),
            (&["--add-group", "editors", "--remove-group", "editors"], "name it once"),
            (&["--metadata", "[7]"], "no object"),
            (&["--metadata", "{"], "no JSON"),
            (&["--metadata", r#"{"a": "\u0000"}"#], "NUL"),
        ] {
            // Nothing of a change is made that is refused.
            let arguments = [&["alice", "--staff", "on"], arguments].concat();
            let said = set(world, &arguments).fails(1);
            assert!(said.contains(reason), "{arguments:?}: {said}");
        }
        assert_eq!(shown(world, "alice"), before);
        for flag in ["--active", "--staff", "--superuser"] {
            let said = set(world, &["root", flag, "off"]).fails(1);
            assert!(said.contains("make another superuser first"), "{said}");
        }
        assert!(set(world, &["carol", "--staff", "on"]).fails(1).contains("there is no user"));
        for usage in [&["alice"][..], &["alice", "--staff"], &["alice", "--staff", "yes"], &[]] {
            set(world, usage).fails(2);
        }
    });
}

#[test]
fn a_running_server_feels_it_at_once_and_who_is_made_inactive_is_out() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    set(&world, &["alice", "--first-name", "Ada", "--staff", "on"]).ok();
    eventually("the profile has it", || {
        let user = browser.get("/accounts/profile").json()["user"].take();
        user["first_name"] == "Ada" && user["is_staff"] == true
    });
    set(&world, &["alice", "--active", "off"]).ok();
    eventually("the access token is dead", || {
        browser.get("/accounts/profile").problem_code().as_deref() == Some("user_inactive")
    });
    set(&world, &["alice", "--active", "on"]).ok();
    browser.refresh().expect_problem(401, "session_revoked");
}

#[test]
fn the_owner_of_an_address_that_was_proved_is_told_that_it_is_another_one() {
    let mailbox = Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).start();
    world.user("alice");
    set(&world, &["alice", "--email", "alice@elsewhere.test"]).ok();
    let mail = mailbox.wait_for("alice@example.com", 1);
    assert!(mail.subject().contains("address"), "{}", mail.subject());
    assert_eq!(shown(&world, "alice")["email_verified"], false);
}

#[test]
fn metadata_comes_from_the_standard_input_too_within_bounds() {
    let world = TestServer::builder().asleep();
    world.user("alice");
    let from_input = |text: &str| {
        let mut command = world.command(&["user", "set", "alice", "--metadata", "-"]);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = command.spawn().unwrap();
        // What is too long is not read to its end.
        let _ = running.stdin.take().unwrap().write_all(text.as_bytes());
        Finished(running.wait_with_output().unwrap())
    };
    from_input("{\"team\": \"blue\"}\n").ok();
    assert_eq!(shown(&world, "alice")["metadata"], json!({"team": "blue"}));
    let long = format!("{{\"a\": \"{}\"}}", "x".repeat(70_000));
    assert!(from_input(&long).fails(1).contains("64 KiB"));
    assert!(from_input("").fails(1).contains("no JSON"));
    assert_eq!(shown(&world, "alice")["metadata"], json!({"team": "blue"}));
}

use countersign_e2e::{PASSWORD, TestServer, eventually};
use serde_json::Value;

use crate::terminal::on_a_terminal;

#[test]
fn users_are_made_listed_shown_and_deleted() {
    let world = TestServer::builder().asleep();
    let mut create = world.command(&[
        "user",
        "create",
        "--username",
        "alice",
        "--email",
        "Alice@Example.COM",
        "--first-name",
        "Alice",
        "--noinput",
    ]);
    assert!(create.env("COUNTERSIGN_PASSWORD", PASSWORD).status().unwrap().success());
    let listed: Value = serde_json::from_str(&world.cli(&["user", "list", "--json"]).ok()).unwrap();
    assert_eq!(listed[0]["email"], "Alice@example.com");
    assert_eq!(listed[0]["first_name"], "Alice");
    assert_eq!(listed[0]["is_staff"], false);
    let table = world.cli(&["user", "list"]).ok();
    assert!(table.contains("USERNAME") && table.contains("alice"), "{table}");
    for named in ["alice", "ALICE", "alice@example.com", "1"] {
        assert!(world.cli(&["user", "show", named]).ok().contains("Alice@example.com"), "{named}");
    }
    world.cli(&["user", "delete", "alice", "--noinput"]).ok();
    assert!(world.cli(&["user", "show", "alice"]).fails(1).contains("there is no user"));
}

#[test]
fn weak_passwords_taken_names_and_missing_answers_are_refused_with_a_reason() {
    let world = TestServer::builder().asleep();
    world.user("alice");
    let create = |arguments: &[&str], password: Option<&str>| {
        let mut command = world.command(&[&["user", "create"], arguments].concat());
        if let Some(password) = password {
            command.env("COUNTERSIGN_PASSWORD", password);
        }
        countersign_e2e::Finished(command.output().unwrap()).fails(1)
    };
    assert!(
        create(&["--username", "bob", "--noinput"], Some("password"))
            .contains("Many people use this password")
    );
    assert!(create(&["--username", "bob", "--noinput"], Some("short")).contains('8'));
    assert!(create(&["--username", "ALICE", "--noinput"], Some(PASSWORD)).contains("name"));
    assert!(
        create(&["--username", "alice@example.com", "--noinput"], Some(PASSWORD)).contains("name")
    );
    assert!(create(&["--username", "a b", "--noinput"], Some(PASSWORD)).contains("letters"));
    assert!(create(&["--username", "bob", "--noinput"], None).contains("COUNTERSIGN_PASSWORD"));
    assert!(create(&["--noinput"], Some(PASSWORD)).contains("--username"));
    assert!(
        create(&["--username", "bob"], Some(PASSWORD)).contains("--noinput"),
        "without a terminal nobody can be asked"
    );
    assert!(world.cli(&["user", "show", "bob"]).fails(1).contains("bob"));
}

#[test]
fn a_deactivation_is_felt_by_a_running_server_at_once_and_an_activation_too() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    browser.get("/accounts/profile").expect(200);
    world.cli(&["user", "deactivate", "alice"]).ok();
    eventually("the access token is dead", || {
        browser.get("/accounts/profile").problem_code().as_deref() == Some("user_inactive")
    });
    let refused = browser.refresh().expect_problem(401, "session_revoked");
    assert_eq!(refused.json()["reason"], "user_inactive");
    world.browser().login("alice").expect_problem(401, "invalid_credentials");
    world.cli(&["user", "activate", "alice"]).ok();
    world.browser().login("alice").expect(200);
    browser.refresh().expect_problem(401, "session_revoked");
}

#[test]
fn a_deleted_user_is_out_at_once() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.cli(&["user", "delete", "alice", "--noinput"]).ok();
    eventually("the access token is dead", || {
        browser.get("/accounts/profile").problem_code().as_deref() == Some("user_inactive")
    });
    browser.refresh().expect_problem(401, "session_revoked");
    browser.login("alice").expect_problem(401, "invalid_credentials");
}

#[test]
fn a_command_on_a_mistyped_directory_leaves_nothing_behind() {
    let world = TestServer::builder().asleep();
    let nowhere = world.scratch().join("nowhere");
    let said = world.cli(&["user", "list", "--data-dir", nowhere.to_str().unwrap()]).fails(1);
    assert!(said.contains("there is no database"), "{said}");
    assert!(!nowhere.exists());
}

#[test]
fn whoever_is_invited_chooses_a_password_by_the_link_that_is_printed_where_no_mail_is_sent() {
    let world = TestServer::builder().set("mail_url", "none").start();
    let invite = |more: &[&str]| world.cli(&[&["user", "invite"], more].concat());
    let first = invite(&["alice@example.com", "--username", "alice"]).ok();
    assert!(first.contains("/account/invitation?token="), "{first}");
    let second = invite(&["Alice@EXAMPLE.com", "--username", "alice"]);
    assert!(second.stderr().contains("alice"), "{}", second.stderr());
    let token = |link: &str| link.trim().split_once("token=").unwrap().1.to_owned();
    let accept = |token: &str, password: &str| {
        let password = password.replace(' ', "+");
        let body = format!("token={token}&password={password}&again={password}");
        let kind = "application/x-www-form-urlencoded";
        world.request("POST", "/account/invitation").body(kind, body).send()
    };
    let (first, second) = (token(&first), token(&second.ok()));
    accept(&first, PASSWORD).expect(400);
    world.get(&format!("/account/invitation?token={second}")).expect(200);
    let weak = accept(&second, "alice1").expect(400).text();
    assert!(weak.contains("Too short"), "{weak}");
    assert!(accept(&second, PASSWORD).expect(200).text().contains("Welcome"));
    accept(&second, PASSWORD).expect(400);
    let login = world.browser().login("alice@example.com").expect(200).json();
    assert_eq!(login["user"]["email_verified"], true);
    let again = invite(&["alice@example.com"]).fails(1);
    assert!(again.contains("send-reset alice"), "{again}");
    let taken = invite(&["bob@example.com", "--username", "ALICE"]).fails(1);
    assert!(taken.contains("has this name"), "{taken}");
    assert!(invite(&["no address"]).fails(1).contains("address"));
    for command in ["send-reset", "resend"] {
        let said = world.cli(&["user", command, "alice"]).fails(1);
        assert!(said.contains("mail_url"), "{said}");
    }
    let kinds = world.sql("SELECT kind FROM audit_events WHERE actor LIKE 'shell:%' ORDER BY id");
    assert_eq!(kinds.split_whitespace().collect::<Vec<_>>(), ["user_invited", "link_sent"]);
}

#[test]
fn links_are_mailed_by_the_server_that_runs_and_an_operators_word_proves_an_address() {
    let mailbox = countersign_e2e::Mailbox::new();
    let world = TestServer::builder().set("mail_url", &mailbox.url()).start();
    let said = world.cli(&["user", "invite", "alice@example.com", "--language", "de"]).ok();
    assert!(!said.contains("token="), "{said}");
    let mail = mailbox.wait_for("alice@example.com", 1);
    assert!(mail.subject().contains("eingeladen"), "{}", mail.subject());
    let name = world.sql("SELECT username FROM users").trim().to_owned();
    assert!(name.starts_with("user-") && name.len() == 15, "{name}");

    world.user("bob");
    world.sql("UPDATE users SET email_verified = 0");
    world.cli(&["user", "resend", "bob"]).ok();
    let body = serde_json::json!({"token": mailbox.wait_for("bob@example.com", 1).token(),
        "password": PASSWORD});
    world.request("POST", "/accounts/email/verify").json(&body).send().expect(204);
    assert!(world.cli(&["user", "resend", "bob"]).fails(1).contains("proved already"));
    world.cli(&["user", "reset", "bob"]).ok();
    let reset = mailbox.wait_for("bob@example.com", 2);
    assert_eq!(reset.subject(), "Choose a new password");
    assert!(world.cli(&["user", "verify", "bob"]).ok().contains("counted already"));
    world.sql("UPDATE users SET email_verified = 0");
    world.cli(&["user", "verify", "bob"]).ok();
    assert_eq!(world.sql("SELECT email_verified FROM users WHERE username = 'bob'").trim(), "1");
    world.cli(&["user", "deactivate", "bob"]).ok();
    assert!(world.cli(&["user", "send-reset", "bob"]).fails(1).contains("not active"));
}

#[test]
fn the_addresses_that_were_there_are_taken_as_proved_at_once_with_a_line_each() {
    let world = TestServer::builder().asleep();
    for name in ["alice", "bob", "carol", "dave", "eve"] {
        world.user(name);
    }
    world.sql("UPDATE users SET email_verified = 0 WHERE username <> 'dave'");
    world.sql("UPDATE users SET email = '', email_folded = NULL WHERE username = 'carol'");
    world.sql("UPDATE users SET date_joined = '2099-01-01 00:00:00.000000' WHERE username = 'eve'");
    let all = ["user", "verify", "--all"];
    let verify = |more: &[&str]| world.cli(&[&all, more].concat());
    let proved = || {
        world.sql("SELECT username FROM users WHERE email_verified ORDER BY id").replace('\n', " ")
    };
    assert!(verify(&[]).fails(1).contains("--noinput"), "without a terminal nobody can be asked");
    assert!(verify(&["--noinput", "--joined-by", "today"]).fails(2).contains("with its zone"));
    world.cli(&["user", "verify"]).fails(2);
    world.cli(&["user", "verify", "alice", "--all"]).fails(2);
    let refused = on_a_terminal(&world, &all, &[], &[("Take 3 addresses as proved", "n")]);
    refused.fails(1);
    assert!(refused.stdout().contains("nothing was changed"), "{}", refused.stdout());
    assert_eq!(proved().trim(), "dave");
    let done = verify(&["--noinput", "--joined-by", "2098-12-31T23:59:59Z"]).ok();
    assert!(done.contains("2 of 2 addresses"), "{done}");
    assert_eq!(proved().trim(), "alice bob dave");
    let lines = world.sql(
        "SELECT u.username, e.detail FROM audit_events e JOIN users u ON u.id = e.user_id
         WHERE e.kind = 'user_changed' AND e.actor LIKE 'shell:%' ORDER BY u.username",
    );
    assert_eq!(lines.trim(), "alice|email_verified\nbob|email_verified");
    let done = on_a_terminal(&world, &all, &[], &[("Take 1 address as proved", "y")]).ok();
    assert!(done.contains("1 of 1 address"), "{done}");
    assert!(verify(&[]).ok().contains("There is no address"));
}

#[test]
fn a_name_of_digits_stands_in_front_of_nobodys_id() {
    let world = TestServer::start();
    let mallory = world.user("mallory");
    // As a stranger registers it.
    let named = mallory.to_string();
    let email = format!("{named}@example.com");
    let mut create =
        world.command(&["user", "create", "--noinput", "--username", &named, "--email", &email]);
    assert!(create.env("COUNTERSIGN_PASSWORD", PASSWORD).status().unwrap().success());
    let shown: Value =
        serde_json::from_str(&world.cli(&["user", "show", &email, "--json"]).ok()).unwrap();
    let stranger = shown["id"].as_i64().unwrap();
    let mut there = world.logged_in("mallory");
    for arguments in [
        &["user", "deactivate", &named][..],
        &["user", "activate", &named],
        &["user", "delete", &named, "--noinput"],
        &["user", "verify", &named],
        &["user", "show", &named],
        &["user", "send-reset", &named],
        &["session", "list", "--user", &named],
        &["session", "revoke", "--user", &named],
        &["factor", "list", &named],
        &["factor", "reset", &named, "--noinput"],
        &["changepassword", &named, "--noinput"],
    ] {
        let said = world.cli(arguments).fails(1);
        let both = [format!("{named} (id {stranger})"), format!("mallory (id {mallory})")];
        assert!(both.iter().all(|one| said.contains(one)), "{arguments:?}: {said}");
        assert!(said.contains(&format!("write id:{stranger} or id:{mallory}")), "{said}");
    }
    there.refresh().expect(200);
    let (one, other) = (format!("id:{mallory}"), format!("id:{stranger}"));
    let said = world.cli(&["user", "deactivate", &one]).ok();
    assert!(said.starts_with(&format!("mallory (id {mallory}) is deactivated")), "{said}");
    there.refresh().expect_problem(401, "session_revoked");
    assert!(world.cli(&["user", "show", &other]).ok().contains(&email));
    // An id that is nobody's name needs nothing before it.
    let said = world.cli(&["session", "revoke", "--user", &stranger.to_string()]).ok();
    assert!(said.contains(&format!("of {named} (id {stranger})")), "{said}");
    for nobody in ["id:4711", "id:mallory", "id:", "4711"] {
        assert!(world.cli(&["user", "show", nobody]).fails(1).contains("there is no user"));
    }
}

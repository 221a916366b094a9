//! Mail to a real mail server, with TLS and a login.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use countersign_e2e::{TestServer, eventually};
use serde_json::{Value, json};

use crate::post::Post;

#[test]
fn a_mail_goes_to_the_mail_server_over_tls_and_with_a_login() {
    let post = Post::new();
    post.world.user("alice");
    let server = post.open();
    post.ask_for_reset("alice");
    eventually("the mail arrives", || server.mails().len() == 1);
    let mail = &server.mails()[0];
    assert_eq!((&mail["tls"], &mail["user"]), (&json!(true), &json!("mailer")));
    assert_eq!(mail["from"], "noreply@example.com");
    assert_eq!(mail["to"], json!(["alice@example.com"]));
    let text = mail["text"].as_str().unwrap();
    assert!(text.contains("From: Example <noreply@example.com>"), "{text}");
    assert!(text.contains("Auto-Submitted: auto-generated"), "{text}");
    eventually("it is marked as sent, and its link is forgotten", || {
        post.world.sql("SELECT state, length(sealed) FROM outbox").trim() == "sent|0"
    });
    let said = post.world.cli(&["mail", "test", "bob@example.com"]).ok();
    assert!(said.contains("bob@example.com"), "{said}");
    eventually("the test mail arrives", || server.mails().len() == 2);
}

#[test]
fn a_mail_that_is_written_into_a_folder_is_for_nobody_but_who_runs_the_server() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("mails");
    let url = format!("file:{}", folder.display());
    let world = TestServer::builder().set("mail_url", &url).start();
    world.user("alice");
    let ask = json!({"username": "alice"});
    world.request("POST", "/accounts/password/reset").json(&ask).send().expect(202);
    let mails = || -> Vec<_> {
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect()
    };
    eventually("the mail is there", || !mails().is_empty());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&mails()[0])), (0o700, 0o600));
    assert!(std::fs::read_to_string(&mails()[0]).unwrap().contains("/account/reset"));
    let said = world.cli(&["check"]).ok();
    let told = format!("mail: written into {}, and not sent", folder.display());
    assert!(said.contains(&told) && !said.contains("mail: sent"), "{said}");
    let elsewhere = ["check", "--public-url", "https://auth.example.com"];
    let said = world.cli(&elsewhere).stdout();
    assert!(said.contains("reach nobody"), "{said}");
}

#[test]
fn nothing_is_lost_while_the_mail_server_is_away_and_no_request_waits_for_it() {
    let mut post = Post::new();
    post.world.user("alice");
    post.ask_for_reset("alice");
    let state = |post: &Post| post.world.sql("SELECT state, tries FROM outbox").trim().to_owned();
    eventually("it was tried", || state(&post) == "waiting|1");
    // The sender dies too, and begins again.
    post.world.kill();
    post.world.wake();
    let server = post.open();
    post.world.clock().advance(Duration::from_secs(61));
    eventually("the mail arrives", || server.mails().len() == 1);
    eventually("it is marked as sent", || state(&post) == "sent|2");
}

#[test]
fn a_full_mailbox_is_tried_again_and_one_that_does_not_exist_is_not() {
    let post = Post::new();
    post.world.user_with("full", "full@example.com");
    post.world.user_with("none", "none@example.com");
    let _server = post.open();
    post.ask_for_reset("full");
    post.ask_for_reset("none");
    let states = || post.world.sql("SELECT address, state, error FROM outbox ORDER BY address");
    eventually("both were tried", || states().contains("failed|") && states().contains("452"));
    let states = states();
    assert!(states.contains("full@example.com|waiting|"), "{states}");
    assert!(states.contains("none@example.com|failed|") && states.contains("550"), "{states}");
    let queue = post.world.cli(&["mail", "queue"]).ok();
    assert!(queue.contains("full@example.com") && queue.contains("no such user"), "{queue}");
}

#[test]
fn an_hour_without_the_mail_server_loses_nothing_and_sends_nothing_twice() {
    let post = Post::new();
    post.world.user("alice");
    // More than are taken at once.
    post.world.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 45)
         INSERT INTO users (username, username_folded, email, password, date_joined)
         SELECT 'user' || i, 'user' || i, 'user' || i || '@example.com', password, date_joined
         FROM n, users",
    );
    let mut browser = post.world.logged_in("alice");
    for i in 1..=45 {
        post.ask_for_reset(&format!("user{i}"));
    }
    let counts = || {
        let counts = "SELECT state, tries, count(*) FROM outbox GROUP BY 1, 2 ORDER BY 1, 2";
        post.world.sql(counts).trim().to_owned()
    };
    let minutes = |n: u64| Duration::from_secs(60 * n + 1);
    for (tries, pause) in [(1, 1), (2, 5), (3, 15)] {
        eventually("all were tried", || counts() == format!("waiting|{tries}|45"));
        // Nobody who asks for something waits for it.
        browser.refresh().expect(200);
        post.world.clock().advance(minutes(pause));
    }
    eventually("all were tried", || counts() == "waiting|4|45");
    post.world.clock().advance(minutes(39));
    let server = post.open();
    browser.refresh().expect(200);
    post.world.clock().advance(minutes(21));
    eventually("all are sent", || counts() == "sent|5|45");
    let mut to: Vec<String> = server.mails().iter().map(|mail| mail["to"].to_string()).collect();
    assert_eq!(to.len(), 45);
    to.sort_unstable();
    to.dedup();
    assert_eq!(to.len(), 45, "each of them once");
}

#[test]
fn an_address_goes_out_as_it_is_written() {
    let post = Post::new();
    let addresses = [
        "\"te@st\"@example.com",
        "al.ice+news@example.com",
        "carl@xn--bcher-kva.example",
        "o'brien@example.com",
    ];
    for (name, address) in ["ann", "bob", "cat", "dan"].into_iter().zip(addresses) {
        post.world.user_with(name, address);
        post.ask_for_reset(name);
    }
    let server = post.open();
    post.world.clock().advance(Duration::from_secs(61));
    eventually("all of them arrive", || server.mails().len() == addresses.len());
    let mut to: Vec<Value> = server.mails().iter().map(|mail| mail["to"][0].clone()).collect();
    to.sort_by_key(Value::to_string);
    assert_eq!(json!(to), json!(addresses));
}

#[test]
fn a_slow_mail_server_slows_no_request_and_gets_each_mail_once() {
    let post = Post::new();
    let names = ["ann", "bob", "cat", "dan", "eve"];
    for name in names {
        post.world.user(name);
    }
    let gate = post.world.scratch().join("gate");
    let server = post.open_as(&["waits", &gate.display().to_string()]);
    let mut browser = post.world.logged_in("ann");
    // It has the first of them, and gives no answer.
    for name in names {
        post.ask_for_reset(name);
        browser.refresh().expect(200);
    }
    eventually("the mail server has one", || server.has_begun());
    let states = || post.world.sql("SELECT DISTINCT state FROM outbox").trim().to_owned();
    assert_eq!((states().as_str(), server.mails().len()), ("waiting", 0));
    std::fs::write(&gate, "").unwrap();
    eventually("all are sent", || states() == "sent");
    assert_eq!(server.ids().len(), names.len());
}

#[test]
fn an_orderly_stop_finishes_the_mail_under_way_and_leaves_the_others_to_anybody() {
    let mut post = Post::new();
    let names = ["ann", "bob", "cat"];
    for name in names {
        post.world.user(name);
        post.ask_for_reset(name);
    }
    let states = |post: &Post| {
        let states = "SELECT state, count(*), min(tries) > 0 FROM outbox GROUP BY 1 ORDER BY 1";
        post.world.sql(states).trim().to_owned()
    };
    // So that they are due together.
    eventually("all were tried", || states(&post) == "waiting|3|1");
    let gate = post.world.scratch().join("gate");
    let server = post.open_as(&["waits", &gate.display().to_string()]);
    post.world.clock().advance(Duration::from_secs(16 * 60));
    eventually("the mail server has one", || server.has_begun());
    post.world.ask_to_stop();
    eventually("it stops", || post.world.log().contains("\"stopping;"));
    let taken = "SELECT count(*) FROM outbox WHERE state = 'waiting' AND leased_until > 0";
    eventually("the others are given back", || post.world.sql(taken).trim() == "1");
    std::fs::write(&gate, "").unwrap();
    assert_eq!(post.world.wait(), Some(0));
    assert_eq!(states(&post), "sent|1|1\nwaiting|2|1");
    assert_eq!((post.world.sql(taken).trim(), server.ids().len()), ("0", 1));
}

#[test]
fn a_mail_server_that_dies_in_the_middle_of_a_mail_gets_it_again() {
    let post = Post::new();
    for name in ["ann", "bob"] {
        post.world.user(name);
        post.ask_for_reset(name);
    }
    let least = || post.world.sql("SELECT min(tries) FROM outbox WHERE state = 'waiting'");
    let least = || least().trim().parse::<u32>().expect("both wait");
    eventually("both were tried", || least() > 0);
    // Before it has the mail, and then with the mail, but without its answer.
    for fault in ["dies", "dies-late"] {
        let server = post.open_as(&[fault]);
        let before = least();
        post.world.clock().advance(Duration::from_secs(61 * 60));
        eventually("both were tried", || least() > before);
        drop(server);
    }
    let server = post.open();
    assert_eq!(server.mails().len(), 1, "the one whose answer was lost");
    post.world.clock().advance(Duration::from_secs(6 * 60 * 60));
    let waiting = || post.world.sql("SELECT count(*) FROM outbox WHERE state <> 'sent'");
    eventually("both are sent", || waiting().trim() == "0");
    let ids = server.ids();
    assert_eq!(ids.len(), 3, "{ids:?}");
    let mut once = ids.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), 2, "the one that came twice has one id: {ids:?}");
}

#[test]
fn a_mail_server_that_refuses_the_login_is_tried_again() {
    let post = Post::new();
    post.world.user("alice");
    let server = post.open_as(&["no-login"]);
    post.ask_for_reset("alice");
    let state = || post.world.sql("SELECT state, tries, error FROM outbox");
    eventually("it was tried", || state().contains("waiting|1|"));
    assert!(state().contains("535"), "{}", state());
    drop(server);
    let server = post.open();
    post.world.clock().advance(Duration::from_secs(61));
    eventually("the mail arrives", || server.mails().len() == 1);
}

#[test]
fn a_mail_server_that_refuses_the_sender_is_tried_again() {
    let post = Post::new();
    post.world.user("alice");
    post.ask_for_reset("alice");
    let state = || post.world.sql("SELECT state, tries, error FROM outbox").trim().to_owned();
    eventually("it was tried", || state().starts_with("waiting|1|"));
    let faults = [
        ("no-service", "no service"),
        ("no-sender", "quota exceeded"),
        ("no-relay", "client host rejected"),
        ("no-content", "domain not verified"),
    ];
    for ((fault, said), tries) in faults.into_iter().zip(2..) {
        let server = post.open_as(&[fault]);
        post.world.clock().advance(Duration::from_secs(61 * 60));
        eventually("it was tried", || state().contains(&format!("|{tries}|")));
        let state = state();
        assert!(state.starts_with("waiting|") && state.contains(said), "{fault}: {state}");
        drop(server);
    }
    let check = post.world.cli(&["check"]);
    let found = check.stdout();
    assert!(found.contains("tried") && found.contains("domain not verified"), "{found}");
    let server = post.open();
    post.world.clock().advance(Duration::from_secs(6 * 60 * 60));
    eventually("the mail arrives", || server.mails().len() == 1);
}

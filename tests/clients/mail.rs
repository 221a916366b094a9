//! Mail to a real mail server, with TLS and a login.

use std::path::Path;
use std::process::Command;

use countersign_e2e::{TestServer, eventually, python};
use serde_json::{Value, json};

/// A mail server and a server that sends to it.
struct Post {
    world: TestServer,
    /// Where the certificate and the mail server's log are.
    place: tempfile::TempDir,
    port: u16,
}

impl Post {
    /// A server that knows of a mail server, which does not run yet.
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let names = vec!["localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let certificate = place.path().join("certificate.pem");
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(place.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let url =
            format!("smtp://mailer:p%40ss%20word@localhost:{port}?ca={}", certificate.display());
        let world = TestServer::builder()
            .set("mail_url", &url)
            .set("mail_from", "Example <noreply@example.com>")
            .virtual_time()
            .start();
        Self { world, place, port }
    }

    /// The mail server begins.
    fn open(&self) -> MailServer {
        let port = self.port.to_string();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/smtp_server.py");
        let log = self.place.path().join("mails");
        let out = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let process = Command::new(python())
            .arg(script)
            .args([self.place.path().join("certificate.pem"), self.place.path().join("key.pem")])
            .arg(port)
            .stdout(out)
            .spawn()
            .unwrap();
        let server = MailServer { process, log };
        eventually("the mail server is ready", || server.lines().any(|line| line == "ready"));
        server
    }

    fn ask_for_reset(&self, name: &str) {
        self.world
            .request("POST", "/accounts/password/reset")
            .json(&json!({"username": name}))
            .send()
            .expect(202);
    }
}

struct MailServer {
    process: std::process::Child,
    log: std::path::PathBuf,
}

impl MailServer {
    fn lines(&self) -> impl Iterator<Item = String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect::<Vec<_>>().into_iter()
    }

    fn mails(&self) -> Vec<Value> {
        self.lines().filter_map(|line| serde_json::from_str(&line).ok()).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

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
    post.world.clock().advance(std::time::Duration::from_secs(61));
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
    let minutes = |n: u64| std::time::Duration::from_secs(60 * n + 1);
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
    post.world.clock().advance(std::time::Duration::from_secs(61));
    eventually("all of them arrive", || server.mails().len() == addresses.len());
    let mut to: Vec<Value> = server.mails().iter().map(|mail| mail["to"][0].clone()).collect();
    to.sort_by_key(Value::to_string);
    assert_eq!(json!(to), json!(addresses));
}

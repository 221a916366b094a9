//! A database that cannot be written is no ending: 503, cookies untouched, and then everything goes
//! on.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use countersign_e2e::{PASSWORD, TestServer};
use serde_json::json;

use crate::all_at_once;

#[test]
fn while_the_database_is_locked_every_write_is_a_503_and_afterwards_everything_goes_on() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let mut native = world.native();
    native.login("alice").expect(200);
    let other = world.logged_in("alice");
    let other_session =
        countersign_e2e::claims_of(&other.access_token)["sid"].as_str().expect("an id").to_owned();

    let lock = Lock::of(&world);
    let writes = [
        (
            "login",
            world
                .request("POST", "/accounts/login")
                .json(&json!({"username": "alice", "password": PASSWORD})),
        ),
        ("refresh", browser.request("POST", "/accounts/refresh")),
        (
            "native refresh",
            world
                .request("POST", "/accounts/refresh")
                .json(&json!({"refresh_token": native.refresh_token})),
        ),
        ("logout", browser.request("POST", "/accounts/logout")),
        ("logout-all", browser.request("POST", "/accounts/logout-all")),
        (
            "profile",
            browser.request("PATCH", "/accounts/profile").json(&json!({"first_name": "Lost"})),
        ),
        (
            "password",
            browser
                .request("POST", "/accounts/password")
                .json(&json!({"old_password": PASSWORD, "new_password": "quite another phrase"})),
        ),
        ("sessions", browser.request("DELETE", &format!("/accounts/sessions/{other_session}"))),
        ("readyz", world.request("GET", "/readyz")),
    ];
    for (name, answer) in all_at_once(&writes) {
        assert_eq!(
            answer.problem_code().as_deref(),
            Some("unavailable"),
            "{name}: {} {}",
            answer.status,
            answer.text()
        );
        assert_eq!(answer.all("set-cookie").count(), 0, "{name}");
        for word in ["sqlite", "SQL", "lock", "/tmp", ".sqlite3"] {
            assert!(!answer.text().contains(word), "{name} tells too much: {}", answer.text());
        }
        answer.expect_problem(503, "unavailable");
    }
    // Reading goes on.
    assert_eq!(browser.get("/accounts/profile").expect(200).json()["user"]["first_name"], "");
    for path in [
        "/accounts/verify",
        "/accounts/sessions",
        "/accounts/csrf",
        "/.well-known/jwks.json",
        "/.well-known/revocations",
        "/healthz",
    ] {
        assert!(browser.get(path).status < 300, "{path}");
    }
    lock.release();

    world.get("/readyz").expect(200);
    assert_eq!(
        browser.get("/accounts/profile").expect(200).json()["user"]["first_name"],
        "",
        "nothing was written by halves"
    );
    browser.refresh().expect(200);
    native.refresh().expect(200);
    other.get("/accounts/profile").expect(200);
    world.browser().login("alice").expect(200);
    browser.logout().expect(204);
    browser.get("/accounts/profile").expect_problem(401, "session_revoked");
}

#[test]
fn however_many_wait_for_a_locked_database_are_told_together() {
    let world = TestServer::start();
    world.user("alice");
    let mut browsers: Vec<_> = (0..40).map(|_| world.logged_in("alice")).collect();
    let lock = Lock::of(&world);
    let refreshes: Vec<_> = browsers
        .iter()
        .map(|browser| ("refresh", browser.request("POST", "/accounts/refresh")))
        .collect();
    for (_, answer) in all_at_once(&refreshes) {
        answer.expect_problem(503, "unavailable");
    }
    lock.release();
    for browser in &mut browsers {
        browser.refresh().expect(200);
    }
}

#[test]
fn a_lock_that_is_soon_gone_is_waited_for() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let lock = Lock::of(&world);
    let refresh = browser.request("POST", "/accounts/refresh");
    let answer = thread::scope(|scope| {
        let refreshing = scope.spawn(|| refresh.send());
        // Reads are answered meanwhile.
        for _ in 0..50 {
            browser.get("/accounts/profile").expect(200);
        }
        lock.release();
        refreshing.join().expect("an answer")
    });
    browser.take(&answer.expect(200));
    browser.refresh().expect(200);
}

/// Another process that holds the database's write lock.
pub(crate) struct Lock(Child);

impl Lock {
    pub(crate) fn of(world: &TestServer) -> Self {
        let script = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None, \
            timeout=10)\nc.execute('BEGIN EXCLUSIVE')\nprint('locked', \
            flush=True)\nsys.stdin.read()";
        let mut python = Command::new("python3");
        python
            .args(["-c", script])
            .arg(world.data_dir().join("countersign.sqlite3"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = python.spawn().expect("python3");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        assert_eq!(line.trim(), "locked");
        Self(process)
    }

    pub(crate) fn release(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().expect("an exit status").success());
    }
}

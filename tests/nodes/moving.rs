use std::io::{BufRead, BufReader};
use std::process::Stdio;

use countersign_e2e::{Browser, Cluster, SoftKey, TestServer};
use serde_json::json;

use super::node;

/// The secret of all nodes; the one on SQLite has it too.
const SECRET: &str = "shared by all nodes, shared by all";

fn on_sqlite() -> TestServer {
    TestServer::builder().set("secret", SECRET).start()
}

fn on_sqlite_asleep() -> TestServer {
    TestServer::builder().set("secret", SECRET).asleep()
}

fn file_of(world: &TestServer) -> String {
    format!("sqlite:{}", world.data_dir().join("countersign.sqlite3").display())
}

fn name_of(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

#[test]
fn who_logged_in_on_sqlite_goes_on_on_postgresql_and_back_again() {
    let cluster = Cluster::shared();
    let (url, mut home) = (cluster.database(), on_sqlite());
    let alice = home.user("alice");
    let numbers = r#"{"n": [1.234567890123456e25, 1.2345678901234568e18, 1.7976931348623157e308]}"#;
    home.cli(&["user", "set", "alice", "--metadata", numbers]).ok();
    let (mut stays, mut ended) = (home.logged_in("alice"), home.logged_in("alice"));
    let mut native = home.native();
    native.login("alice").expect(200);
    stays.refresh().expect(200);
    // Its last access token would live for minutes yet.
    let token = ended.access_token.clone();
    ended.clone().logout().expect(204);
    let file = file_of(&home);
    assert!(
        home.cli(&["move", "--from", &file, "--to", &url]).fails(1).contains("stop every server"),
        "a server runs on it"
    );
    home.stop();
    let said = home.cli(&["move", "--from", &file, "--to", &url]).ok();
    assert!(
        said.contains("every row is the same on both sides")
            && said.contains("same COUNTERSIGN_SECRET"),
        "{said}"
    );

    let there = node(&url).start();
    let is_known = |browser: &mut Browser, world: &TestServer| {
        browser.move_to(world.address());
        browser.get("/accounts/profile").expect(200);
        browser.refresh().expect(200);
        browser.get("/accounts/profile").expect(200);
    };
    is_known(&mut stays, &there);
    native.move_to(there.address());
    native.refresh().expect(200);
    there
        .request("GET", "/accounts/profile")
        .bearer(&token)
        .send()
        .expect_problem(401, "session_revoked");
    ended.move_to(there.address());
    ended.refresh().expect_problem(401, "session_revoked");
    let mut fresh = there.logged_in("alice");
    let bob = there.user("bob");
    assert!(bob > alice);

    let mut there = there;
    there.stop();
    let mut back = TestServer::builder().set("secret", SECRET).asleep();
    std::fs::create_dir(back.data_dir()).unwrap();
    back.cli(&["move", "--from", &url, "--to", &file_of(&back)]).ok();
    back.wake();
    is_known(&mut stays, &back);
    is_known(&mut fresh, &back);
    back.logged_in("bob");
    back.request("GET", "/accounts/profile")
        .bearer(&token)
        .send()
        .expect_problem(401, "session_revoked");
}

#[test]
fn the_file_that_was_moved_into_is_everything() {
    let url = Cluster::shared().database();
    let mut there = node(&url).start();
    let alice = there.user("alice");
    let mut browser = there.logged_in("alice");
    there.stop();
    let mut back = on_sqlite_asleep();
    std::fs::create_dir(back.data_dir()).unwrap();
    let files = |folder: &std::path::Path| {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let moved = back.scratch().join("moved");
    std::fs::create_dir(&moved).unwrap();
    let file = moved.join("moved.sqlite3");
    let named = format!("sqlite:{}", file.display());
    back.cli(&["move", "--from", &url, "--to", &named]).ok();
    assert_eq!(files(&moved), ["moved.sqlite3"]);
    std::fs::copy(&file, back.data_dir().join("countersign.sqlite3")).unwrap();
    back.wake();
    assert!(back.cli(&["user", "show", &format!("id:{alice}")]).ok().contains("alice"));
    browser.move_to(back.address());
    browser.refresh().expect(200);

    // What a server that was killed left beside a file is not lost with it either.
    back.kill();
    let again = format!("sqlite:{}", moved.join("again.sqlite3").display());
    back.cli(&["move", "--from", &file_of(&back), "--to", &again]).ok();
    assert_eq!(files(&moved), ["again.sqlite3", "moved.sqlite3"]);
    let left = files(&back.data_dir());
    assert!(!left.iter().any(|name| name.ends_with("-wal")), "{left:?}");
}

#[test]
fn second_factors_are_asked_for_on_postgresql_and_back_on_sqlite_as_before() {
    let url = Cluster::shared().database();
    let virtual_sqlite = || TestServer::builder().virtual_time().set("secret", SECRET);
    let mut home = virtual_sqlite().start();
    home.user("alice");
    let mut owner = home.logged_in("alice");
    let alice = home.enrol(&mut owner);
    let (mut key, _) = home.passkey(&mut owner);
    let file = file_of(&home);
    home.stop();
    home.cli(&["move", "--from", &file, "--to", &url]).ok();

    let lets_in_with_each = |world: &TestServer, key: &mut SoftKey, recovery_code: &str| {
        world.next_code();
        let code = world.code_of(&alice);
        for factor in [json!({"code": code}), json!({"recovery_code": recovery_code})] {
            let mut browser = world.browser();
            let token = browser.first_step("alice");
            browser.second_step(&token, &factor).expect(200);
            let token = browser.first_step("alice");
            browser.second_step(&token, &factor).expect_problem(401, "factor_invalid");
        }
        key.origin = format!("http://localhost:{}", world.address().port());
        world.browser().login_with_passkey(key).expect(200);
        code
    };
    let mut there = node(&url).virtual_time().start();
    let last = lets_in_with_each(&there, &mut key, &alice.codes[0]);
    there.stop();
    let mut back = virtual_sqlite().asleep();
    std::fs::create_dir(back.data_dir()).unwrap();
    back.cli(&["move", "--from", &url, "--to", &file_of(&back)]).ok();
    back.wake();
    // What was used there is used here.
    let mut browser = back.browser();
    for factor in [json!({"code": last}), json!({"recovery_code": alice.codes[0]})] {
        let token = browser.first_step("alice");
        browser.second_step(&token, &factor).expect_problem(401, "factor_invalid");
    }
    back.next_code();
    lets_in_with_each(&back, &mut key, &alice.codes[1]);
}

#[test]
fn a_move_that_is_killed_goes_on_and_ends_right() {
    let cluster = Cluster::shared();
    let (url, mut home) = (cluster.database(), on_sqlite());
    home.user("alice");
    let mut browser = home.logged_in("alice");
    home.stop();
    // Enough for twenty pages.
    home.sql(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
         INSERT INTO sessions (id, user_id, generation, current_jti, current_iat, current_since,
         race_credit, created_at, last_used_at, expires_at, transport)
         SELECT i, 1, 0, randomblob(16), 1, 1, 25, 1, 1, 9000000000000000, 'cookie' FROM n",
    );
    let file = file_of(&home);
    let arguments = ["move", "--from", &file, "--to", &url];
    for begins in ["copying sessions: 0 of", "copying sessions: ", "comparing sessions: "] {
        let mut process =
            home.command(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        lines
            .find(|line| line.as_ref().unwrap().starts_with(begins))
            .expect("it comes so far")
            .unwrap();
        process.kill().unwrap();
        assert_eq!(process.wait().unwrap().code(), None, "it was killed in the middle");
        let log = node(&url).asleep().try_wake(&[]).unwrap_err();
        assert!(log.contains("the beginning of a move"), "no server starts on it: {log}");
    }
    let finished = home.cli(&arguments);
    assert!(finished.ok().contains("200001"), "{}", finished.stdout());
    assert!(finished.stderr().contains("it goes on"), "{}", finished.stderr());
    assert_eq!(
        cluster.sql(name_of(&url), "SELECT count(*), count(DISTINCT id) FROM sessions"),
        "200001|200001"
    );
    let there = node(&url).start();
    browser.move_to(there.address());
    browser.refresh().expect(200);
    drop(there);
    let refused = home.cli(&arguments).fails(1);
    assert!(refused.contains("not empty") && refused.contains("new database"), "{refused}");
}

#[test]
fn what_was_changed_in_the_target_meanwhile_is_found_and_can_be_done_anew() {
    let cluster = Cluster::shared();
    let (url, mut home) = (cluster.database(), on_sqlite());
    home.user("alice");
    home.stop();
    let file = file_of(&home);
    let arguments = ["move", "--from", &file, "--to", &url];
    // A target that has no room for one more session: the move ends when all users are there.
    home.cli(&["migrate", "--database-url", &url]).ok();
    home.sql(
        "INSERT INTO sessions (id, user_id, generation, current_jti, current_iat, \
        current_since, race_credit, created_at, last_used_at, expires_at, transport) VALUES (7, 1, \
        0, x'00', 1, 1, 25, 1, 1, 9000000000000000, 'body')",
    );
    cluster.sql(name_of(&url), "ALTER TABLE sessions ADD CONSTRAINT no_room CHECK (false)");
    assert!(home.cli(&arguments).fails(1).contains("no_room"));
    cluster.sql(
        name_of(&url),
        "ALTER TABLE sessions DROP CONSTRAINT no_room; UPDATE users SET is_superuser = true",
    );
    let found = home.cli(&arguments).fails(1);
    assert!(
        found.contains("users: the row [1] is not the same") && found.contains("--anew"),
        "{found}"
    );
    node(&url).asleep().try_wake(&[]).unwrap_err();
    home.cli(&[&arguments[..], &["--anew"]].concat()).ok();
    assert_eq!(cluster.sql(name_of(&url), "SELECT is_superuser FROM users"), "f");
    node(&url).start();
}

#[test]
fn a_target_with_another_secret_says_so_and_logs_nobody_out() {
    let (url, mut home) = (Cluster::shared().database(), TestServer::start());
    home.user("alice");
    let mut browser = home.logged_in("alice");
    home.stop();
    let secret = home.data_dir().join("secret");
    let said = home.cli(&["move", "--from", &file_of(&home), "--to", &url]).ok();
    assert!(said.contains(&format!("{}", secret.display())), "{said}");
    let log = node(&url).asleep().try_wake(&[]).unwrap_err();
    assert!(log.contains("another secret"), "{log}");
    let there = TestServer::builder()
        .set("database_url", &url)
        .set("secret", std::fs::read_to_string(secret).unwrap().trim())
        .start();
    browser.move_to(there.address());
    browser.refresh().expect(200);
}

#[test]
fn arguments_that_make_no_sense_are_told() {
    let home = TestServer::builder().asleep();
    assert!(
        home.cli(&["move", "--from", "mysql://x", "--to", "sqlite:y"])
            .fails(1)
            .contains("sqlite:PATH or postgres://")
    );
    home.cli(&["move", "--from", "sqlite:y"]).fails(2);
    let mut mistyped = home.command(&["move", "--from", "sqlite:y"]);
    mistyped.env("COUNTERSIGN_MOVE_TO", "postgre://me:hunter2@db/x");
    let said = countersign_e2e::Finished(mistyped.output().unwrap());
    assert!(said.fails(1).contains("--to = \"postgre://me:…@db/x\""), "{}", said.stderr());
    assert!(
        home.cli(&["move", "--from", "sqlite:y", "--to", "sqlite:./y"])
            .fails(1)
            .contains("the same database")
    );
    assert!(
        home.cli(&["move", "--from", "sqlite:y", "--to", "sqlite:z"])
            .fails(1)
            .contains("there is no database")
    );
    assert!(!home.scratch().join("z").exists(), "and nothing is made");
    for [from, to] in [
        ["postgres:///cs?host=/nowhere/a", "postgres:///cs?host=/nowhere/b"],
        ["postgres://127.0.0.1/cs?port=1", "postgres://127.0.0.1/cs?port=2"],
    ] {
        let said = home.cli(&["move", "--from", from, "--to", to]).fails(1);
        assert!(!said.contains("the same database"), "they are two: {said}");
    }
    let same = "postgres:///cs?host=/nowhere/a&sslmode=disable";
    let said = home.cli(&["move", "--from", same, "--to", "postgres:///cs?host=/nowhere/a"]);
    assert!(said.fails(1).contains("the same database"), "{}", said.stderr());
}

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use countersign_e2e::{TestServer, eventually};
use serde_json::{Value, json};

use crate::{on_both, on_postgres, psql};

fn lines(world: &TestServer, arguments: &[&str]) -> (Vec<Value>, String) {
    let done = world.cli(&[&["audit", "--json"], arguments].concat());
    let lines = done.ok().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (lines, done.stderr())
}

fn details(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["detail"].as_str().unwrap()).collect()
}

/// Lines of January 2020, which nobody wrote; one of a hundred tells of a theft.
fn many_lines(many: u32) -> String {
    format!(
        "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {many})
         INSERT INTO audit_events (at, kind, detail)
         SELECT 1577836800000000 + CAST(n AS bigint) * 1000000,
             CASE WHEN n % 100 = 0 THEN 'token_theft' ELSE 'login' END, 'line ' || n FROM n"
    )
}

#[test]
fn the_log_is_shown_with_the_newest_lines_last_as_the_filters_have_it() {
    on_both(|world, sql| {
        let id = world.user("alice");
        let mut browser = world.logged_in("alice");
        browser.login("alice").expect(200);
        world.browser().login("mallory").expect_problem(401, "invalid_credentials");
        let all = |arguments: &[&str]| lines(world, arguments).0;
        eventually("what users did is written", || {
            all(&["--kind", "login"]).len() == 2 && all(&["--kind", "login_failed"]).len() == 1
        });
        world.cli(&["user", "set", "alice", "--staff", "on"]).ok();
        world.cli(&["user", "deactivate", "alice"]).ok();
        let kinds = |arguments: &[&str]| {
            let all = all(arguments);
            let kinds: Vec<_> = all.iter().map(|line| line["kind"].as_str().unwrap()).collect();
            kinds.join(" ")
        };
        // The server makes its permissions at its first start.
        let whole = kinds(&[]).replace("permission_added ", "");
        assert!(whole.starts_with("user_added login login"), "{whole}");
        assert!(whole.ends_with("user_changed user_deactivated"), "{whole}");
        let first = &all(&["--user", "alice"])[0];
        assert_eq!(first["kind"], "user_added");
        assert_eq!((&first["user"], first["id"].is_i64()), (&json!(id.to_string()), true));
        let shell = first["actor"].as_str().unwrap().to_owned();
        assert!(shell.starts_with("shell:") && first.get("session").is_none(), "{first}");
        let login = &all(&["--kind", "login"])[1];
        assert_eq!((&login["actor"], &login["ip"]), (&json!(id.to_string()), &json!("127.0.0.1")));
        let session = login["session"].as_str().unwrap();
        for (arguments, found) in [
            (&["--by", &shell][..], "user_added user_changed user_deactivated"),
            (&["--by", "alice@example.com"], "login login"),
            (&["--session", session, "--kind", "login"], "login"),
            (&["--ip", "192.0.2.1"], ""),
            (&["--kind", "login", "--ip", "127.0.0.1", "--user", "1"], "login login"),
            (&["--until", "2020-01-01T00:00:00Z"], ""),
            (&["--since", "2999-01-01T00:00:00Z"], ""),
        ] {
            assert_eq!(kinds(arguments), found, "{arguments:?}");
        }
        let (last, said) = lines(world, &["--limit", "2"]);
        assert_eq!(details(&last), ["is_staff: false to true", "alice"]);
        assert!(said.contains("There are more than 2; --limit"), "{said}");
        assert_eq!(lines(world, &["--by", &shell, "--limit", "3"]).1, "");
        assert_eq!(lines(world, &["--limit", "0"]).0.len(), 0);

        let table = world.cli(&["audit", "--user", "alice"]).ok();
        let rows: Vec<_> = table.lines().collect();
        assert!(rows[0].starts_with("AT ") && rows[0].ends_with("DETAIL"), "{table}");
        assert!(rows[1].contains("user_added") && rows[1].contains(&shell), "{table}");
        assert!(rows[2].contains(" alice             alice "), "{table}");
        world.cli(&["user", "delete", "alice", "--noinput"]).ok();
        // Who is gone is found by the id, and named by it.
        let table = world.cli(&["audit", "--user", &id.to_string()]).ok();
        assert!(table.contains(&format!("user {id}, gone")) && !table.contains(" alice "));
        assert!(world.cli(&["audit", "--user", "alice"]).fails(1).contains("there is no user"));
        for usage in [
            &["--kind", "nonsense"][..],
            &["--since", "today"],
            &["--session", "7"],
            &["--ip", "nowhere"],
            &["--follow", "--until", "2999-01-01T00:00:00Z"],
        ] {
            world.cli(&[&["audit"], usage].concat()).fails(2);
        }
        sql("UPDATE audit_events SET detail = 'a' || chr(27) || '[2J' || chr(10) || 'b'"
            .replace(
                "chr",
                if world.data_dir().join("countersign.sqlite3").exists() { "char" } else { "chr" },
            )
            .as_str());
        let table = world.cli(&["audit", "--limit", "1"]).ok();
        assert!(table.contains("a\u{fffd}[2J\u{fffd}b") && !table.contains('\u{1b}'), "{table:?}");
        assert_eq!(table.lines().count(), 2, "{table}");
    });
}

#[test]
fn a_log_of_many_lines_is_shown_by_pages_and_none_is_left_out_or_shown_twice() {
    on_both(|world, sql| {
        world.user("alice");
        sql(&many_lines(9_000));
        let old = ["--until", "2020-02-01T00:00:00Z"];
        for limit in [999, 1_000, 1_001, 2_500, 9_000, 100_000] {
            let text = limit.to_string();
            let (found, said) = lines(world, &[&old[..], &["--limit", &text]].concat());
            let expected: Vec<_> =
                (1..=9_000).skip(9_000 - limit.min(9_000)).map(|n| format!("line {n}")).collect();
            assert_eq!(details(&found), expected, "--limit {limit}");
            assert_eq!(said.is_empty(), limit >= 9_000, "--limit {limit}: {said}");
        }
        // Few of many fit: pages of the store are short or empty.
        let (found, _) = lines(world, &["--kind", "token_theft", "--limit", "70"]);
        let expected: Vec<_> = (21..=90).map(|n| format!("line {n}00")).collect();
        assert_eq!(details(&found), expected);
    });
}

/// Somebody who follows the log.
struct Follower {
    process: Child,
    lines: Receiver<String>,
    notes: Receiver<String>,
}

impl Follower {
    fn start(world: &TestServer, arguments: &[&str]) -> Self {
        let mut command = world.command(&[&["audit", "--follow"], arguments].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("the binary can be started");
        let lines = by_lines(process.stdout.take().expect("a pipe"));
        let notes = by_lines(process.stderr.take().expect("a pipe"));
        Self { process, lines, notes }
    }

    fn next(&self) -> Value {
        let line = self.lines.recv_timeout(Duration::from_secs(30)).expect("a line");
        serde_json::from_str(&line).expect("JSON")
    }

    fn next_detail(&self) -> String {
        self.next()["detail"].as_str().expect("a text").to_owned()
    }

    /// Asks it to end by a signal; its exit status, and the lines that nobody has read.
    fn end(mut self, signal: &str) -> (Option<i32>, Vec<String>) {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &process]).status().expect("kill").success());
        let status = self.process.wait().expect("an exit status").code();
        (status, self.lines.iter().collect())
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn by_lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

#[test]
fn who_follows_the_log_gets_the_last_lines_and_each_that_comes_once() {
    on_both(|world, sql| {
        world.user("alice");
        sql(&many_lines(2_500));
        let follower = Follower::start(world, &["--json", "--kind", "user_changed"]);
        let late = Follower::start(world, &["--json", "--limit", "2", "--kind", "token_theft"]);
        assert_eq!(late.next_detail(), "line 2400");
        assert_eq!(late.next_detail(), "line 2500");
        for number in 0..20 {
            let name = format!("Alice {number}");
            world.cli(&["user", "set", "alice", "--first-name", &name]).ok();
        }
        let mut ids = Vec::new();
        for _ in 0..20 {
            let line = follower.next();
            assert_eq!(
                (&line["kind"], &line["detail"]),
                (&json!("user_changed"), &json!("first_name"))
            );
            ids.push(line["id"].as_i64().unwrap());
        }
        assert!(ids.is_sorted() && ids.windows(2).all(|two| two[0] < two[1]), "{ids:?}");
        // More than are read at once.
        sql(&many_lines(2_500));
        for number in 1..=25 {
            assert_eq!(late.next_detail(), format!("line {number}00"));
        }
        // Ctrl-C is how one ends it.
        assert_eq!(follower.end("-INT"), (Some(0), Vec::new()));
        assert_eq!(late.end("-TERM"), (Some(0), Vec::new()));

        let all = Follower::start(world, &["--json", "--limit", "3000"]);
        let met: Vec<_> = (0..3_000).map(|_| all.next()["id"].as_i64().unwrap()).collect();
        assert!(met.windows(2).all(|two| two[0] < two[1]));
        world.cli(&["user", "set", "alice", "--first-name", "Ada"]).ok();
        assert_eq!(all.next()["kind"], "user_changed");
        let from_now = Follower::start(world, &["--limit", "0"]);
        let head = from_now.lines.recv_timeout(Duration::from_secs(30)).unwrap();
        assert!(head.starts_with("AT "), "{head}");
    });
}

#[test]
fn a_line_whose_transaction_ends_late_is_followed_all_the_same() {
    let (world, url) = on_postgres();
    world.user("alice");
    psql(&url, "INSERT INTO audit_events (at, kind, detail) VALUES (1, 'theft_of_old', 'before')");
    let follower = Follower::start(&world, &["--json", "--kind", "token_theft"]);
    let insert = |detail: &str| {
        format!(
            "INSERT INTO audit_events (at, kind, detail) VALUES (1, 'token_theft', '{detail}');"
        )
    };
    psql(&url, &insert("first"));
    assert_eq!(follower.next_detail(), "first");
    let mut shell = Command::new("psql");
    shell.args([&url, "-qAt"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = shell.spawn().expect("psql");
    let (mut to_shell, from_shell) =
        (shell.stdin.take().unwrap(), by_lines(shell.stdout.take().unwrap()));
    let begin = format!("BEGIN; {} SELECT 'is open';\n", insert("late"));
    to_shell.write_all(begin.as_bytes()).unwrap();
    assert_eq!(from_shell.recv_timeout(Duration::from_secs(30)).unwrap(), "is open");
    // It has a greater number, and can be read first.
    psql(&url, &insert("later"));
    let early = follower.lines.recv_timeout(Duration::from_secs(3));
    assert_eq!(early, Err(RecvTimeoutError::Timeout), "it waits for what may come before it");
    to_shell.write_all(b"COMMIT;\n").unwrap();
    assert_eq!(follower.next_detail(), "late");
    assert_eq!(follower.next_detail(), "later");
    drop(to_shell);
    shell.wait().unwrap();
    assert_eq!(follower.end("-INT"), (Some(0), Vec::new()));
}

#[test]
fn whoever_follows_the_log_into_a_pipe_that_is_closed_ends_before_the_next_line() {
    let world = TestServer::builder().asleep();
    world.user("alice");
    let mut command = world.command(&["audit", "--follow"]);
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(process.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    out.read_line(&mut line).unwrap();
    assert!(line.contains("user_added"), "{line}");
    drop(out);
    let mut status = None;
    eventually("it ends", || {
        status = process.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(1), "as where a line cannot be printed");
}

#[test]
fn whoever_follows_the_log_outlives_an_outage_and_notices_a_backup() {
    let world = TestServer::builder().asleep();
    world.user("alice");
    let database = world.data_dir().join("countersign.sqlite3");
    let [backup, away] = ["backup", "away"].map(|name| world.scratch().join(name));
    std::fs::copy(&database, &backup).unwrap();
    let change = |name: &str| {
        world.cli(&["user", "set", "alice", "--first-name", name]).ok();
    };
    let mut follower = Follower::start(&world, &["--json"]);
    assert_eq!(follower.next()["kind"], "user_added");
    change("Ada");
    assert_eq!(follower.next()["kind"], "user_changed");
    std::fs::rename(&database, &away).unwrap();
    let said = follower.notes.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(said.contains("goes on when the database answers"), "{said}");
    std::fs::rename(&away, &database).unwrap();
    let said = follower.notes.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(said.contains("answers again"), "{said}");
    change("Alice");
    assert_eq!(follower.next()["kind"], "user_changed");
    // The log goes back to where it was.
    for suffix in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(world.data_dir().join(format!("countersign.sqlite3{suffix}")));
    }
    std::fs::remove_file(&database).unwrap();
    std::fs::copy(&backup, &database).unwrap();
    eventually("it says so, and ends", || {
        follower.notes.try_iter().any(|said| said.contains("gone back to an earlier state"))
    });
    assert_eq!(follower.process.wait().unwrap().code(), Some(1));
}

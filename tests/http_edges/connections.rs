//! Deadlines and the bound on connections.

use std::time::{Duration, Instant};

use countersign_e2e::{PASSWORD, TestServer, Wire, eventually};
use serde_json::json;

use crate::database::Lock;
use crate::{get, head, wire};

#[test]
fn a_head_that_does_not_end_is_cut() {
    let world = TestServer::builder().set("header_timeout", "1s").start();
    let begun = [
        "G",
        "GET /healthz HTTP/1.1\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\n",
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ",
    ];
    for (begun, mut wire) in begun.map(|begun| (begun, wire(&world).send(begun))) {
        let sent = wire.until_closed();
        let sent = String::from_utf8_lossy(&sent);
        assert!(sent.is_empty() || sent.starts_with("HTTP/1.1 408"), "{begun:?}: {sent}");
    }
    world.get("/healthz").expect(200);
}

#[test]
fn a_head_that_trickles_is_cut_like_one_that_stands_still() {
    let world = TestServer::builder().set("header_timeout", "1s").start();
    let mut first = wire(&world).send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ");
    let mut second = wire(&world).send(get("/healthz"));
    second.answer().expect(200);
    second.push("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ");
    eventually("both are cut", || {
        for trickle in [&mut first, &mut second] {
            trickle.push("x");
        }
        !first.is_silent() && !second.is_silent()
    });
}

#[test]
fn a_busy_connection_outlives_the_deadline_of_a_head() {
    let world = TestServer::builder().set("header_timeout", "1s").start();
    let mut busy = wire(&world);
    let begun = Instant::now();
    eventually("three times the deadline is over", || {
        busy.push(get("/healthz"));
        busy.answer().expect(200);
        begun.elapsed() > Duration::from_secs(3)
    });
}

#[test]
fn neither_a_slow_body_nor_a_slow_answer_is_taken_for_a_slow_head() {
    let world = TestServer::builder().set("header_timeout", "1s").set("body_timeout", "3s").start();
    world.user("alice");
    let lines = [
        "POST /accounts/login HTTP/1.1",
        "Host: a",
        "Content-Type: application/json",
        "Content-Length: 100",
    ];
    wire(&world).send(head(&lines)).answer().expect_problem(408, "request_timeout");
    // A locked database is waited for, for longer than a second.
    let lock = Lock::of(&world);
    let login = world
        .request("POST", "/accounts/login")
        .json(&json!({"username": "alice", "password": PASSWORD}));
    login.send().expect_problem(503, "unavailable");
    lock.release();
    login.send().expect(200);
}

#[test]
fn a_client_that_does_not_read_its_answers_does_not_keep_its_place() {
    let world =
        TestServer::builder().set("header_timeout", "1s").set("max_connections", "1").start();
    let size = world.get("/openapi.json").expect(200).body.len();
    // More than any buffer on the way takes.
    let requests = 100_000_000 / size;
    let deaf = wire(&world).send(get("/openapi.json").repeat(requests));
    world.get("/healthz").expect(200);
    drop(deaf);
}

#[test]
fn a_connection_that_sends_nothing_is_cut() {
    let world = TestServer::builder().set("header_timeout", "1s").start();
    assert!(wire(&world).until_closed().is_empty());
    let mut idle = wire(&world).send(get("/healthz"));
    idle.answer().expect(200);
    assert!(idle.until_closed().is_empty(), "idle after its first answer");
    world.get("/healthz").expect(200);
}

#[test]
fn a_body_that_does_not_end_is_answered_408() {
    let world = TestServer::builder().set("body_timeout", "1s").start();
    let begun = |path: &str, rest: &str| {
        head(&[&format!("POST {path} HTTP/1.1"), "Host: a", "Content-Type: application/json", rest])
    };
    let mut slow = Vec::new();
    for path in ["/accounts/login", "/accounts/refresh", "/accounts/logout"] {
        for (rest, body) in [
            ("Content-Length: 100", ""),
            ("Content-Length: 100", "{\"username\":"),
            ("Transfer-Encoding: chunked", "5\r\n{\"x\":\r\n"),
        ] {
            slow.push((path, wire(&world).send(begun(path, rest) + body)));
        }
    }
    for (path, mut wire) in slow {
        wire.answer().expect_problem(408, "request_timeout");
        assert!(wire.until_closed().is_empty(), "{path}: the rest of the body is no request");
    }
    world.get("/healthz").expect(200);
}

#[test]
fn a_client_that_goes_away_halfway_troubles_nobody() {
    let world = TestServer::start();
    for begun in [
        String::new(),
        "GET /heal".to_owned(),
        head(&[
            "POST /accounts/login HTTP/1.1",
            "Host: a",
            "Content-Type: application/json",
            "Content-Length: 100",
        ]) + "{\"username\":",
        head(&[
            "POST /accounts/login HTTP/1.1",
            "Host: a",
            "Content-Type: application/json",
            "Transfer-Encoding: chunked",
        ]) + "5\r\n{",
    ] {
        for _ in 0..20 {
            drop(wire(&world).send(&begun));
        }
        let mut half = wire(&world).send(&begun);
        half.finish();
        half.until_closed();
    }
    world.get("/healthz").expect(200);
    assert!(!world.log().contains("panicked"), "{}", world.log());
}

#[test]
fn over_the_limit_a_connection_waits_until_another_closes() {
    let world =
        TestServer::builder().set("max_connections", "2").set("body_timeout", "10m").start();
    let mut first = at_work(&world);
    let second = at_work(&world);
    let mut third = wire(&world).send(get("/healthz"));
    let mut fourth = wire(&world).send(get("/healthz"));
    // Others are served in the meantime, on the connections that are there.
    first.push("{");
    for _ in 0..200 {
        assert!(third.is_silent() && fourth.is_silent());
    }
    drop(first);
    third.answer().expect(200);
    // An idle one makes room for the next.
    fourth.answer().expect(200);
    drop(second);
}

#[test]
fn over_the_limit_connections_that_wait_for_their_client_go_first() {
    let world =
        TestServer::builder().set("max_connections", "3").set("body_timeout", "10m").start();
    let mut busy = at_work(&world);
    let mut older = wire(&world).send(get("/healthz"));
    older.answer().expect(200);
    let mut younger = wire(&world).send(get("/healthz"));
    younger.answer().expect(200);
    let mut next = wire(&world).send(get("/healthz"));
    next.answer().expect(200);
    assert!(older.until_closed().is_empty(), "the one that has waited longest");
    younger.push(get("/healthz"));
    younger.answer().expect(200);
    busy.push("{}");
    busy.answer().expect_problem(400, "validation_error");
}

#[test]
fn one_address_does_not_take_every_connection() {
    let world = TestServer::builder()
        .set("max_connections_per_address", "2")
        .set("trusted_proxies", "127.0.0.2")
        .set("body_timeout", "10m")
        .start();
    let (first, _second) = (at_work(&world), at_work(&world));
    assert!(wire(&world).send(get("/healthz")).until_closed().is_empty());
    // A trusted proxy brings everybody.
    let mut others: Vec<Wire> = (0..5)
        .map(|_| Wire::from_address([127, 0, 0, 2], world.address()).send(get("/healthz")))
        .collect();
    for other in &mut others {
        other.answer().expect(200);
    }
    let mut stranger = Wire::from_address([127, 0, 0, 3], world.address()).send(get("/healthz"));
    stranger.answer().expect(200);
    eventually("the log says why", || world.log().contains("max_connections_per_address"));
    drop(first);
    eventually("there is room again", || wire(&world).send(get("/healthz")).try_answer().is_ok());
}

#[test]
fn the_limit_of_open_files_is_raised_and_bounds_the_connections() {
    let world = TestServer::start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", world.pid())).unwrap();
    let row: Vec<&str> = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(row[3], row[4], "{limits}");
    let told = world.cli(&["check", "--max-connections", "1000000"]);
    let room_is_short = row[4].parse::<u64>().is_ok_and(|most| most < 1_000_000);
    assert_eq!(told.stdout().contains("limit of open files"), room_is_short, "{}", told.stdout());
}

/// A connection with a request whose body is on its way.
fn at_work(world: &TestServer) -> Wire {
    let lines = [
        "POST /accounts/login HTTP/1.1",
        "Host: a",
        "Content-Type: application/json",
        "Expect: 100-continue",
        "Content-Length: 2",
    ];
    let mut wire = wire(world).send(head(&lines));
    assert_eq!(wire.answer().status, 100);
    wire
}

#[test]
fn connections_that_only_take_room_make_room_in_the_end() {
    let world =
        TestServer::builder().set("max_connections", "3").set("header_timeout", "1s").start();
    let idle: Vec<Wire> = (0..9).map(|_| wire(&world).send("GET / HTTP/1.1\r\nX: ")).collect();
    world.get("/healthz").expect(200);
    drop(idle);
}

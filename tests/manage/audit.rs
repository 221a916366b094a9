use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use countersign_e2e::eventually;
use serde_json::json;

use super::*;

/// The lines of an answer, and its mark.
fn lines(answer: &Response) -> (Vec<Value>, Value) {
    let text = answer.text();
    let mut all: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mark = all.pop().expect("a mark");
    (all, mark)
}

fn read(world: &TestServer, token: &str, query: &str) -> (Vec<Value>, Value) {
    lines(&get(world, token, &format!("/audit{query}")).expect(200))
}

fn auditor(world: &TestServer) -> String {
    token(world, "auditor", &["countersign.view_auditevent"])
}

/// Reads on from mark to mark until so many lines were met.
fn walk(world: &TestServer, token: &str, filters: &str, many: usize) -> Vec<Value> {
    let (mut met, mut after) = (Vec::new(), String::new());
    eventually(&format!("{many} lines are met"), || {
        let (lines, mark) = read(world, token, &format!("?limit=3{filters}{after}"));
        assert!(lines.len() <= 3);
        if let Some(cursor) = mark["cursor"].as_str() {
            after = format!("&after={cursor}");
        }
        met.extend(lines);
        assert!(met.len() <= many, "{met:?}");
        met.len() == many
    });
    met
}

fn the_log_is_read(world: &TestServer) {
    let (all, auditor) = (super_token(world), auditor(world));
    for number in 0..7 {
        let body = json!({"username": format!("user{number}")});
        post(world, &all, "/users", &body).expect(201);
    }
    walk(world, &auditor, "&kind=service_token_made", 2);
    let met = walk(world, &auditor, "&kind=user_added", 7);
    let line = &met[0];
    assert_eq!(line["actor"], "service:1:everything");
    assert_eq!((&line["user"], &line["ip"]), (&json!("1"), &json!("127.0.0.1")));
    assert!(line["id"].is_i64() && line["at"].is_string() && line["cursor"].is_string());
    assert!(line.get("session").is_none() && line.get("more").is_none());
    let (mut ids, mut after) = (HashSet::new(), String::new());
    loop {
        let (lines, mark) = read(world, &auditor, &format!("?limit=3{after}"));
        let numbers = lines.iter().map(|line| line["id"].as_i64().unwrap());
        assert!(numbers.into_iter().all(|id| ids.insert(id)), "each line comes once");
        after = format!("&after={}", mark["cursor"].as_str().unwrap());
        if mark["more"] == false {
            break;
        }
    }
    assert!(ids.len() > 20, "the server's own too");
    // From the last line there is nothing, until something comes.
    let after = met[6]["cursor"].as_str().unwrap();
    let (none, mark) = read(world, &auditor, &format!("?after={after}"));
    assert_eq!((none.len(), &mark), (0, &json!({"cursor": after, "more": false})));
    ask(world, &all, "DELETE", "/users/3").send().expect(204);
    eventually("the next line comes", || {
        let (next, _) = read(world, &auditor, &format!("?after={after}"));
        next.first().is_some_and(|line| line["kind"] == "user_deleted")
    });
    walk(world, &auditor, "&kind=user_deleted", 1);
    walk(world, &auditor, "&user=3", 2);
    walk(world, &auditor, "&by=service:1:everything", 8);
    walk(world, &auditor, "&since=2020-01-01T00:00:00Z&ip=127.0.0.1", 8);
    for none in ["?kind=token_theft", "?ip=192.0.2.1", "?until=2020-01-01T00:00:00Z", "?by=7"] {
        let (none, mark) = read(world, &auditor, none);
        assert_eq!(none.len(), 0);
        assert!(mark["cursor"].is_string(), "what was looked at is not looked at again");
    }
}

#[test]
fn the_log_is_read_from_mark_to_mark_and_each_line_comes_once() {
    the_log_is_read(&managed());
}

#[test]
fn the_log_is_the_same_on_postgresql() {
    the_log_is_read(&two_nodes()[0]);
}

#[test]
fn what_makes_no_sense_is_refused_and_so_is_who_may_not_read_it() {
    let world = managed();
    let auditor = auditor(&world);
    let (met, _) = read(&world, &auditor, "?limit=1");
    let here = met[0]["cursor"].as_str().unwrap();
    for (bad, code) in [
        ("?after=nonsense", "validation_error"),
        ("?limit=0", "validation_error"),
        ("?limit=1001", "validation_error"),
        ("?kind=unknown", "validation_error"),
        ("?kind=Login", "validation_error"),
        ("?follow=perhaps", "validation_error"),
        ("?ip=nowhere", "validation_error"),
        ("?session=7", "validation_error"),
        ("?since=yesterday", "validation_error"),
        ("?cursor=x", "bad_request"),
        ("?actor=7", "bad_request"),
        (&format!("?after={here}&after={here}"), "bad_request"),
    ] {
        get(&world, &auditor, &format!("/audit{bad}")).expect_problem(400, code);
    }
    // A cursor of another log.
    let other = managed();
    other.user("alice");
    let of_other = token(&other, "b", &["countersign.view_auditevent"]);
    get(&other, &of_other, &format!("/audit?after={here}")).expect_problem(400, "validation_error");
    let viewer = token(&world, "viewer", &["auth.view_user"]);
    for path in ["/audit", "/audit?follow=true", "/audit?after=nonsense"] {
        get(&world, &viewer, path).expect_problem(403, "permission_denied");
    }
}

/// Somebody who follows the log: the lines, as they come.
fn follow(world: &TestServer, token: &str, query: &str) -> impl Iterator<Item = Value> + use<> {
    let mut stream = TcpStream::connect(world.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!(
        "GET /manage/v1/audit?follow=true{query} HTTP/1.1\r\nHost: localhost\r\n\
         Connection: close\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(&line).unwrap())
}

#[test]
fn who_follows_the_log_gets_each_line_as_it_comes_until_they_may_no_more() {
    let mut world = managed();
    let (all, auditor) = (super_token(&world), auditor(&world));
    let mut followed = follow(&world, &auditor, "&kind=user_added");
    assert_eq!(followed.next().unwrap()["more"], false);
    post(&world, &all, "/users", &json!({"username": "ada"})).expect(201);
    let line = followed.next().unwrap();
    assert_eq!(line["kind"], "user_added");
    assert_eq!(followed.next().unwrap()["cursor"], line["cursor"]);
    world.cli(&["token", "revoke", "auditor"]).ok();
    assert_eq!(followed.next(), None, "it is over");
    // A server that stops does not wait for who follows.
    let other = token(&world, "other", &["countersign.view_auditevent"]);
    let mut followed = follow(&world, &other, "");
    assert!(followed.next().is_some());
    world.stop();
    assert!(followed.last().is_some_and(|mark| mark["more"] == false));
}

#[test]
fn only_so_many_follow_the_log_at_a_time() {
    let world = managed();
    let auditor = auditor(&world);
    let mut all: Vec<_> = (0..16).map(|_| follow(&world, &auditor, "")).collect();
    for followed in &mut all {
        followed.next().unwrap();
    }
    get(&world, &auditor, "/audit?follow=true").expect_problem(429, "throttled");
    read(&world, &auditor, "");
    drop(all);
    eventually("there is room again", || {
        follow(&world, &auditor, "").next().is_some_and(|mark| mark["status"].is_null())
    });
}

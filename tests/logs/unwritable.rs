//! A log that cannot be written takes nothing else with it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::net::SocketAddr;
use std::process::Stdio;
use std::thread;

use countersign_e2e::{Request, TestServer, eventually};

/// A server that says much, and shows its figures.
fn talkative() -> (TestServer, SocketAddr) {
    // A free port, found and given back; nobody else on this machine asks for it in between.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let world = TestServer::builder()
        .set("log_level", "debug")
        .set("metrics_listen", &free.to_string())
        .disk_can_fail()
        .asleep();
    (world, free)
}

/// What a client does all day; every step is logged, and written.
fn a_day(world: &TestServer) {
    let mut browser = world.logged_in("alice");
    browser.refresh().expect(200);
    browser.get("/accounts/profile").expect(200);
    browser.logout().expect(204);
    world.get("/readyz").expect(200);
}

fn lost(metrics: SocketAddr) -> u64 {
    let text = Request::new(metrics, "GET", "/metrics").send().expect(200).text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("countersign_log_lines_lost_total "))
        .expect("the figure");
    line.parse().expect("a number")
}

/// How many lines the audit log has of alice's logouts.
fn logouts(world: &TestServer) -> String {
    world.sql("SELECT count(*) FROM audit_events WHERE kind = 'logout'").trim().to_owned()
}

#[test]
fn a_log_whose_reader_is_gone_costs_its_own_lines_and_nothing_else() {
    let (mut world, metrics) = talkative();
    drop(world.wake_logging_to(Stdio::piped()));
    world.user("alice");
    for _ in 0..3 {
        a_day(&world);
    }
    eventually("lost lines are counted", || lost(metrics) > 0);
    eventually("the audit log is written", || logouts(&world) == "3");
    assert_eq!(world.stop(), Some(0), "it stops in order");
}

#[test]
fn a_log_whose_reader_stands_still_keeps_nobody_waiting() {
    let (mut world, _) = talkative();
    let mut log = world.wake_logging_to(Stdio::piped()).expect("a pipe");
    world.user("alice");
    // More than a pipe holds: from some line on, a write would wait for the reader.
    let nowhere = format!("/nowhere-{}", "a".repeat(1000));
    for _ in 0..1_000 {
        world.get(&nowhere).expect(404);
    }
    a_day(&world);
    let reader = thread::spawn(move || {
        let mut text = String::new();
        log.read_to_string(&mut text).expect("a log");
        text
    });
    a_day(&world);
    assert_eq!(world.stop(), Some(0));
    let text = reader.join().expect("a log");
    assert!(text.len() > 64 * 1024, "the pipe was full: {} bytes", text.len());
    assert_eq!(text.matches("\"logged out\"").count(), 2, "what fits into the queue is not lost");
}

#[test]
fn a_reader_that_never_reads_again_does_not_keep_the_server_from_stopping() {
    let (mut world, _) = talkative();
    let log = world.wake_logging_to(Stdio::piped()).expect("a pipe");
    let nowhere = format!("/nowhere-{}", "a".repeat(1000));
    for _ in 0..1_000 {
        world.get(&nowhere).expect(404);
    }
    assert_eq!(world.stop(), Some(0));
    drop(log);
}

#[test]
fn on_a_full_disk_with_the_log_on_it_requests_are_refused_and_afterwards_everything_goes_on() {
    let (mut world, metrics) = talkative();
    let path = world.scratch().join("log");
    world.wake_logging_to(File::create(&path).expect("a file"));
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.disk_fails(true);
    for _ in 0..3 {
        world.browser().login("alice").expect_problem(503, "unavailable");
        world.get("/nowhere").expect_problem(404, "not_found");
    }
    eventually("lost lines are counted", || lost(metrics) > 0);
    world.disk_fails(false);
    browser.refresh().expect(200);
    a_day(&world);
    eventually("the audit log is written", || logouts(&world) == "1");
    assert_eq!(world.stop(), Some(0));
    let text = std::fs::read_to_string(&path).expect("a log");
    assert!(text.contains("the log could not be written for a while"), "{text}");
    assert!(
        text.lines()
            .filter(|line| !line.is_empty())
            .all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
        "{text}"
    );
}

#[test]
fn a_log_on_a_device_that_takes_nothing_is_no_reason_to_stop() {
    let (mut world, metrics) = talkative();
    world.wake_logging_to(OpenOptions::new().write(true).open("/dev/full").expect("a device"));
    world.user("alice");
    a_day(&world);
    eventually("lost lines are counted", || lost(metrics) > 0);
    assert_eq!(world.stop(), Some(0));
}

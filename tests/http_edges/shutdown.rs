//! The end: what has begun is finished.

use countersign_e2e::{PASSWORD, TestServer, Wire, eventually};

use crate::{get, head, wire};

/// A login whose body is half sent, and its other half.
fn half_a_login(world: &TestServer) -> (Wire, String) {
    let body = format!(r#"{{"username":"alice","password":"{PASSWORD}"}}"#);
    let (first, second) = body.split_at(20);
    let length = format!("Content-Length: {}", body.len());
    let lines = [
        "POST /accounts/login HTTP/1.1",
        "Host: a",
        "Content-Type: application/json",
        "Expect: 100-continue",
        &length,
    ];
    let mut begun = wire(world).send(head(&lines));
    // Now it is known that the server has begun.
    assert_eq!(begun.answer().status, 100);
    begun.push(first);
    (begun, second.to_owned())
}

#[test]
fn a_request_that_has_begun_is_finished_and_the_exit_status_is_0() {
    let mut world = TestServer::start();
    world.user("alice");
    let (mut begun, rest) = half_a_login(&world);
    let (mut other, other_rest) = half_a_login(&world);
    world.ask_to_stop();
    eventually("it stops", || world.log().contains("\"stopping;"));
    begun.push(rest);
    let answer = begun.answer().expect(200);
    assert!(begun.until_closed().is_empty());
    other.push(other_rest);
    other.answer().expect(200);
    assert_eq!(world.wait(), Some(0));

    // What was answered is so.
    world.wake();
    let cookie =
        format!("refreshtoken={}", answer.cookie("refreshtoken").expect("a refresh cookie"));
    let refresh = world
        .request("POST", "/accounts/refresh")
        .header("Cookie", cookie)
        .header("X-CSRFTOKEN", answer.text_at("csrf_token"));
    refresh.send().expect(200);
}

#[test]
fn idle_connections_are_closed_at_once_and_new_ones_refused() {
    // No deadline closes them before the signal does.
    let mut world = TestServer::builder().set("header_timeout", "10m").start();
    world.user("alice");
    let mut idle = wire(&world).send(get("/healthz"));
    idle.answer().expect(200);
    let mut silent = wire(&world);
    let (mut begun, rest) = half_a_login(&world);
    world.ask_to_stop();
    assert!(idle.until_closed().is_empty());
    assert!(silent.until_closed().is_empty());
    assert!(world.request("GET", "/healthz").try_send().is_err(), "nobody listens any more");
    begun.push(rest);
    begun.answer().expect(200);
    assert_eq!(world.wait(), Some(0));
}

#[test]
fn a_request_that_does_not_come_to_its_end_is_cut_after_the_grace() {
    let mut world =
        TestServer::builder().set("shutdown_grace", "1s").set("body_timeout", "10m").start();
    world.user("alice");
    let (mut begun, _) = half_a_login(&world);
    assert_eq!(world.stop(), Some(0));
    assert!(begun.try_answer().is_err());
    assert!(world.log().contains("cut off"), "{}", world.log());
}

#[test]
fn a_second_signal_does_not_wait() {
    let mut world =
        TestServer::builder().set("shutdown_grace", "10m").set("body_timeout", "10m").start();
    world.user("alice");
    let (begun, _) = half_a_login(&world);
    world.ask_to_stop();
    eventually("it stops", || world.log().contains("\"stopping;"));
    assert_eq!(world.stop(), Some(130));
    drop(begun);
}

#[test]
fn a_server_with_nothing_to_do_stops_with_status_0() {
    let mut world = TestServer::start();
    assert_eq!(world.stop(), Some(0));
    world.wake();
    world.get("/healthz").expect(200);
}

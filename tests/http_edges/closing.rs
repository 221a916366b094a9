//! How a connection ends: in stages, after its answer has been read.

use countersign_e2e::{TestServer, eventually};

use crate::{get, head, wire};

#[test]
fn what_is_left_of_a_refused_body_is_read_and_the_connection_goes_on() {
    let world = TestServer::start();
    for length in [20_000, 1_000_000] {
        let mut kept = wire(&world);
        for _ in 0..3 {
            let length_told = format!("Content-Length: {length}");
            kept.push(head(&[
                "POST /accounts/profile HTTP/1.1",
                "Host: a",
                "Content-Type: text/plain",
                &length_told,
            ]));
            kept.push("x".repeat(length));
            let answer = kept.answer();
            assert!((400..500).contains(&answer.status), "{length}: {}", answer.status);
        }
        kept.push(get("/healthz"));
        kept.answer().expect(200);
    }
}

#[test]
fn a_client_that_reads_after_it_has_sent_a_far_too_large_body_finds_the_refusal() {
    let world = TestServer::start();
    for told in ["Content-Length: 10000000", "Transfer-Encoding: chunked"] {
        let mut deaf = wire(&world).send(head(&[
            "POST /accounts/login HTTP/1.1",
            "Host: a",
            "Content-Type: application/json",
            told,
        ]));
        for _ in 0..5_000 {
            // In chunks or not, it is 10 MB.
            let piece = "x".repeat(2_000);
            deaf.push(if told.ends_with("chunked") {
                format!("7d0\r\n{piece}\r\n")
            } else {
                piece
            });
        }
        deaf.answer().expect_problem(413, "payload_too_large");
    }
}

#[test]
fn a_head_that_is_no_head_is_answered_before_the_end_whatever_follows() {
    let world = TestServer::start();
    let mut wrong = wire(&world).send("this is no HTTP\r\n\r\n");
    for _ in 0..100 {
        wrong.push("x".repeat(10_000));
    }
    assert_eq!(wrong.answer().status, 400);
    let mut long = wire(&world)
        .send(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(1_000_000)));
    assert_eq!(long.answer().status, 431);
}

#[test]
fn what_has_arrived_at_the_signal_is_answered_and_told_that_it_is_the_last() {
    let mut world = TestServer::builder().set("header_timeout", "10m").start();
    // As many as one address may have, but for a few.
    let mut kept: Vec<_> = (0..400).map(|_| wire(&world).send(get("/healthz"))).collect();
    for one in &mut kept {
        one.answer().expect(200);
    }
    for one in &mut kept {
        one.push(get("/healthz"));
    }
    let mut new: Vec<_> = (0..90).map(|_| wire(&world).send(get("/healthz"))).collect();
    world.ask_to_stop();
    for (number, one) in kept.iter_mut().chain(&mut new).enumerate() {
        one.try_answer().unwrap_or_else(|error| panic!("connection {number}: {error}")).expect(200);
        assert!(one.until_closed().is_empty());
    }
    assert_eq!(world.wait(), Some(0));
}

#[test]
fn after_the_signal_an_answer_says_that_it_is_the_last() {
    let mut world =
        TestServer::builder().set("header_timeout", "10m").set("body_timeout", "10m").start();
    let lines = [
        "POST /accounts/login HTTP/1.1",
        "Host: a",
        "Content-Type: application/json",
        "Expect: 100-continue",
        "Content-Length: 2",
    ];
    let mut begun = wire(&world).send(head(&lines));
    assert_eq!(begun.answer().status, 100);
    world.ask_to_stop();
    eventually("it stops", || world.log().contains("\"stopping;"));
    begun.push("{}");
    let answer = begun.answer().expect_problem(400, "validation_error");
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(begun.until_closed().is_empty());
    assert_eq!(world.wait(), Some(0));
}

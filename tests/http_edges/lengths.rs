//! Where one message ends and the next begins: nobody's body is anybody's request.

use countersign_e2e::{PASSWORD, TestServer};

use crate::{get, head, wire};

#[test]
fn a_connection_carries_many_requests_and_pipelined_ones_in_their_order() {
    let world = TestServer::start();
    world.user("alice");
    let mut one = wire(&world);
    for _ in 0..100 {
        one.push(get("/healthz"));
        one.answer().expect(200);
    }
    let body = format!(r#"{{"username":"alice","password":"{PASSWORD}"}}"#);
    let login = head(&[
        "POST /accounts/login HTTP/1.1",
        "Host: a",
        "Content-Type: application/json",
        &format!("Content-Length: {}", body.len()),
    ]) + &body;
    one.push(
        get("/healthz")
            + &login
            + &get("/nothing")
            + &login
            + &get("/.well-known/jwks.json")
            + &get("/accounts/profile"),
    );
    let statuses: Vec<u16> = (0..6).map(|_| one.answer().status).collect();
    assert_eq!(statuses, [200, 200, 404, 200, 200, 401]);
}

#[test]
fn a_client_that_wants_the_connection_closed_gets_that() {
    let world = TestServer::start();
    for lines in [
        vec!["GET /healthz HTTP/1.1", "Host: a", "Connection: close"],
        vec!["GET /healthz HTTP/1.0", "Host: a"],
    ] {
        let mut wire = wire(&world).send(head(&lines) + &get("/healthz"));
        wire.answer().expect(200);
        let rest = wire.until_closed();
        assert!(rest.is_empty(), "{lines:?}: {}", String::from_utf8_lossy(&rest));
    }
}

#[test]
fn a_length_that_is_none_is_a_400() {
    let world = TestServer::start();
    for lengths in [
        vec!["Content-Length: x"],
        vec!["Content-Length: -1"],
        vec!["Content-Length: +2"],
        vec!["Content-Length: 0x2"],
        vec!["Content-Length: 2 2"],
        vec!["Content-Length: 1.0"],
        vec!["Content-Length: 18446744073709551616"],
        vec!["Content-Length:"],
        vec!["Content-Length: 2", "Content-Length: 3"],
        vec!["Content-Length: 2, 3"],
        vec!["Transfer-Encoding: chunked, gzip"],
        vec!["Transfer-Encoding: gzip"],
        vec!["Transfer-Encoding: xchunked"],
        vec!["Transfer-Encoding: "],
    ] {
        let mut lines =
            vec!["POST /accounts/refresh HTTP/1.1", "Host: a", "Content-Type: application/json"];
        lines.extend(&lengths);
        let mut wire = wire(&world).send(head(&lines) + "{}" + &get("/healthz"));
        assert_eq!(wire.answer().status, 400, "{lengths:?}");
        let rest = wire.until_closed();
        assert!(rest.is_empty(), "{lengths:?}: {}", String::from_utf8_lossy(&rest));
    }
    let mut old = wire(&world).send(
        head(&["POST /accounts/refresh HTTP/1.0", "Host: a", "Transfer-Encoding: chunked"])
            + "0\r\n\r\n"
            + &get("/healthz"),
    );
    assert_eq!(old.answer().status, 400, "HTTP/1.0 knows no chunks");
    assert!(old.until_closed().is_empty());
}

#[test]
fn a_message_with_two_lengths_hides_no_second_request() {
    let world = TestServer::start();
    for lengths in [
        ["Content-Length: 5", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 5"],
        ["Content-Length: 0", "Transfer-Encoding: chunked"],
        ["Content-Length: 1000", "Transfer-Encoding: chunked"],
    ] {
        let lines = [
            "POST /accounts/refresh HTTP/1.1",
            "Host: a",
            "Content-Type: application/json",
            lengths[0],
            lengths[1],
        ];
        // A proxy that went by the first length would take the second request for part of this one,
        // or the other way round: RFC 9112, 6.1, has the connection closed.
        let mut wire = wire(&world).send(head(&lines) + "0\r\n\r\n" + &get("/healthz"));
        let answer = wire.answer();
        assert!((400..500).contains(&answer.status), "{lengths:?}: {}", answer.status);
        let rest = wire.until_closed();
        assert!(rest.is_empty(), "{lengths:?}: {}", String::from_utf8_lossy(&rest));
    }
}

#[test]
fn a_body_that_nobody_read_is_no_request() {
    let world = TestServer::start();
    let inner = get("/healthz");
    let length = format!("Content-Length: {}", inner.len());
    for (line, status) in [
        ("POST /accounts/password HTTP/1.1", 401),
        ("PATCH /accounts/profile HTTP/1.1", 401),
        ("POST /nothing HTTP/1.1", 404),
        ("PUT /accounts/login HTTP/1.1", 405),
        ("GET /accounts/profile HTTP/1.1", 401),
        ("GET /healthz HTTP/1.1", 200),
        ("POST /accounts/login HTTP/1.1", 415),
    ] {
        let mut wire = wire(&world).send(
            head(&[line, "Host: a", &length])
                + &inner
                + &head(&["GET /last HTTP/1.1", "Host: a", "Connection: close"]),
        );
        assert_eq!(wire.answer().status, status, "{line}");
        // What follows is the last request's answer, or nothing; never that of the one inside.
        let rest = String::from_utf8_lossy(&wire.until_closed()).into_owned();
        assert!(
            rest.is_empty()
                || rest.starts_with("HTTP/1.1 404") && rest.matches("HTTP/1.1").count() == 1,
            "{line}: {rest}"
        );
    }

    // Too large to be read to its end: the connection is over.
    let inner = get("/healthz").repeat(3_000);
    let length = format!("Content-Length: {}", inner.len());
    let mut large = wire(&world).send(
        head(&[
            "POST /accounts/login HTTP/1.1",
            "Host: a",
            "Content-Type: application/json",
            &length,
        ]) + &inner,
    );
    large.answer().expect_problem(413, "payload_too_large");
    assert!(large.until_closed().is_empty());
}

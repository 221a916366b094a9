//! An authenticated request against a bare route that returns the same bytes.

use super::{CONNECTIONS, RUN, RUNS, TOKENS};
use crate::load::{Reader, rate};
use crate::server::{Hash, Server};
use crate::stock::{Stock, issuer};
use crate::table::{Row, median, median_ratio, per_second, percent};

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(TOKENS, Hash::Cheap);
    let server = Server::countersign(&stock.data(), Hash::Cheap);
    let tokens = stock.access_tokens(TOKENS, &issuer(&server));
    let body = stock.file("body.json");
    std::fs::write(&body, profile_of(&server, &tokens[0])).expect("a file");
    let bare = Server::bare(&body);
    let against = |connections, what, bar| {
        against(&bare, &server, (&tokens, connections), what, "bare axum route, same bytes", bar)
    };
    vec![
        against(
            32,
            "authenticated `GET /accounts/profile`, 32 connections, 10,000 tokens and users",
            ("≥ 95 %", 0.95),
        ),
        against(
            CONNECTIONS,
            "authenticated `GET /accounts/profile`, 64 connections, 10,000 tokens and users",
            ("≥ 90 %", 0.9),
        ),
        against(
            256,
            "authenticated `GET /accounts/profile`, 256 connections, 10,000 tokens and users",
            ("≥ 92 %", 0.92),
        ),
    ]
}

/// Asks `ours` and the bare route in turns, with all the tokens over so many connections.
pub(super) fn against(
    bare: &Server,
    ours: &Server,
    (tokens, connections): (&[String], usize),
    what: &'static str,
    baseline: &str,
    (bar, least): (&'static str, f64),
) -> Row {
    let (own, base, ratio) = against_a_server((bare, tokens), (ours, tokens), connections);
    Row {
        what,
        measured: per_second(own),
        baseline: format!("{baseline}: {}", per_second(base)),
        ratio: percent(ratio),
        bar,
        cleared: ratio >= least,
    }
}

/// Asks two servers in turns, each with tokens of its own: the rate of `ours`, that of `theirs`,
/// and their ratio.
pub(super) fn against_a_server(
    theirs: (&Server, &[String]),
    ours: (&Server, &[String]),
    connections: usize,
) -> (f64, f64, f64) {
    // The first pass reads each user once and checks each signature once.
    let warm = |(server, tokens): (&Server, &[String])| {
        rate(server.address, Reader::shared_out(tokens, connections), RUN).1
    };
    let (mut their_readers, mut our_readers) = (warm(theirs), warm(ours));
    let (mut own, mut base) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let measured;
        (measured, their_readers) = rate(theirs.0.address, their_readers, RUN);
        base.push(measured);
        let measured;
        (measured, our_readers) = rate(ours.0.address, our_readers, RUN);
        own.push(measured);
    }
    let ratio = median_ratio(&own, &base);
    (median(own), median(base), ratio)
}

/// The body of one answer.
pub(super) fn profile_of(server: &Server, token: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(server.address).expect("a connection");
    let request = format!(
        "GET /accounts/profile HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \
         {token}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("a request is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.split_once("\r\n\r\n").expect("a body").1.to_owned()
}

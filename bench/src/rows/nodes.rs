//! How soon a logout on one node is felt on another.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use countersign_e2e::Request;
use serde_json::json;

use super::postgres::cluster;
use crate::server::{Hash, Server};
use crate::stock::{PASSWORD, Stock};
use crate::table::Row;

pub(super) fn measure() -> Vec<Row> {
    let cluster = cluster();
    let stock = Stock::of(1_000, Hash::Cheap);
    let url = stock.moved_to(&cluster);
    let nodes = [(); 2].map(|()| Server::node(&stock.data(), &url));
    let announced = row(
        "logout on one node to refusal on another: p99 of 400, heard by `NOTIFY`",
        &nodes,
        &stock,
        400,
        1,
        0.05,
    );
    // Nobody notifies: what is left is the look every second.
    cluster.sql(
        url.rsplit('/').next().expect("a name"),
        "ALTER TABLE changes DISABLE TRIGGER announced",
    );
    let looked_for =
        row("the same with the look every second alone: p99 of 200", &nodes, &stock, 200, 10, 1.5);
    vec![announced, looked_for]
}

fn row(
    what: &'static str,
    [here, there]: &[Server; 2],
    stock: &Stock,
    many: u64,
    at_once: usize,
    bar: f64,
) -> Row {
    let names = stock.names(many, at_once as u64);
    let mut taken: Vec<Duration> = Vec::new();
    for names in names.chunks(at_once) {
        thread::scope(|scope| {
            let threads: Vec<_> = names
                .iter()
                .map(|name| {
                    scope.spawn(|| from_logout_to_refusal(here.address, there.address, name))
                })
                .collect();
            taken.extend(threads.into_iter().map(|thread| thread.join().expect("a refusal")));
        });
        // So that the waits do not keep step with the looks.
        thread::sleep(Duration::from_secs_f64(bar / 1.5 * (taken.len() as f64 * 0.618).fract()));
    }
    taken.sort();
    let at = |share: f64| {
        taken[((taken.len() as f64 * share).ceil() as usize).clamp(1, taken.len()) - 1]
    };
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    Row {
        what,
        measured: milliseconds(at(0.99)),
        baseline: format!("median {}, longest {}", milliseconds(at(0.5)), milliseconds(at(1.0))),
        ratio: String::new(),
        bar: if bar < 1.0 { "≤ 50 ms" } else { "≤ 1.5 s" },
        cleared: at(0.99).as_secs_f64() <= bar,
    }
}

/// From the moment at which the logout is sent to one node, to the moment at which the other
/// refuses the access token, which it knew.
fn from_logout_to_refusal(here: SocketAddr, there: SocketAddr, name: &str) -> Duration {
    let body = json!({"username": name, "password": PASSWORD, "transport": "body"});
    let token = Request::new(here, "POST", "/accounts/login")
        .json(&body)
        .send()
        .expect(200)
        .text_at("access_token");
    let is_let_in =
        || match Request::new(there, "GET", "/accounts/profile").bearer(&token).send().status {
            200 => true,
            401 => false,
            other => panic!("the profile answers {other}"),
        };
    assert!(is_let_in());
    let begin = Instant::now();
    Request::new(here, "POST", "/accounts/logout").bearer(&token).send().expect(204);
    while is_let_in() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it is not felt");
    }
    begin.elapsed()
}

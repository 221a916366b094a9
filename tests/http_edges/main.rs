//! HTTP itself: heads, lengths and connections that no well-behaved client sends, deadlines, and an
//! end in peace.

mod closing;
mod connections;
mod database;
mod hashing;
mod heads;
mod lengths;
mod memory;
mod shutdown;

use std::thread;

use countersign_e2e::{Request, Response, TestServer, Wire};

/// A head of these lines, with the empty one that ends it.
pub(crate) fn head(lines: &[&str]) -> String {
    format!("{}\r\n\r\n", lines.join("\r\n"))
}

/// A good request that keeps its connection open.
pub(crate) fn get(path: &str) -> String {
    head(&[&format!("GET {path} HTTP/1.1"), "Host: localhost"])
}

pub(crate) fn wire(world: &TestServer) -> Wire {
    Wire::to(world.address())
}

/// Sends them all before the first is answered; the answers in the same order.
pub(crate) fn all_at_once<'a>(requests: &[(&'a str, Request)]) -> Vec<(&'a str, Response)> {
    thread::scope(|scope| {
        let sent: Vec<_> = requests
            .iter()
            .map(|(name, request)| (*name, scope.spawn(|| request.send())))
            .collect();
        sent.into_iter().map(|(name, answer)| (name, answer.join().expect("an answer"))).collect()
    })
}

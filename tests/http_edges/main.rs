//! HTTP itself: heads, lengths and connections that no well-behaved client sends, deadlines, and an end in peace.

mod connections;
mod database;
mod heads;
mod lengths;
mod shutdown;

use countersign_e2e::{Wire, World};

/// A head of these lines, with the empty one that ends it.
pub(crate) fn head(lines: &[&str]) -> String {
    format!("{}\r\n\r\n", lines.join("\r\n"))
}

/// A good request that keeps its connection open.
pub(crate) fn get(path: &str) -> String {
    head(&[&format!("GET {path} HTTP/1.1"), "Host: localhost"])
}

pub(crate) fn wire(world: &World) -> Wire {
    Wire::to(world.address())
}

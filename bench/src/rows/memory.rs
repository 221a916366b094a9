//! Resident memory, idle and in a storm of logins.

use std::thread;
use std::time::Duration;

use super::storm::in_a_storm;
use crate::server::{Hash, Server, get};
use crate::stock::Stock;
use crate::table::Row;

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(10_000, Hash::Default);
    let server = Server::countersign(&stock.data(), Hash::Default);
    assert!(get(server.address, "/healthz").starts_with("HTTP/1.1 200"));
    let idle = server.resident();
    let highest = in_a_storm(&server, &stock, 0, &mut Vec::new(), |_| {
        (0..40).fold(0.0_f64, |highest, _| {
            thread::sleep(Duration::from_millis(100));
            highest.max(server.resident())
        })
    });
    let threads = thread::available_parallelism().map_or(1, usize::from) as f64;
    let allowed = idle + threads * 19.0 * MIB + 15e6;
    vec![
        Row {
            what: "resident memory, idle",
            measured: megabytes(idle),
            baseline: "after the first request".to_owned(),
            ratio: String::new(),
            bar: "≤ 20 MB",
            cleared: idle <= 20e6,
        },
        Row {
            what: "resident memory in a storm of logins",
            measured: megabytes(highest),
            baseline: format!(
                "idle + {threads} hashing threads × 19 MiB + 15 MB: {}",
                megabytes(allowed)
            ),
            ratio: String::new(),
            bar: "not above it",
            cleared: highest <= allowed,
        },
    ]
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

const MIB: f64 = 1024.0 * 1024.0;

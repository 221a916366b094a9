//! Authenticated requests while everybody logs in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::login::Login;
use super::{CONNECTIONS, RUN, RUNS, TOKENS};
use crate::load::{Reader, rate};
use crate::server::{Hash, Server};
use crate::stock::{Stock, issuer};
use crate::table::{Row, median, median_ratio, per_second, percent};

pub(super) fn measure() -> Vec<Row> {
    let stock = Stock::of(TOKENS, Hash::Default);
    let server = Server::countersign(&stock.data(), Hash::Default);
    let tokens = stock.access_tokens(TOKENS, &issuer(&server));
    let (_, mut readers) = rate(server.address, Reader::shared_out(&tokens, CONNECTIONS), RUN);
    let (mut calm, mut stormy, mut logins) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..RUNS {
        let measured;
        (measured, readers) = rate(server.address, readers, RUN);
        calm.push(measured);
        let measured;
        (measured, readers) = in_a_storm(&server, &stock, number as u64, &mut logins, |address| rate(address, readers, RUN));
        stormy.push(measured);
    }
    let ratio = median_ratio(&stormy, &calm);
    let (calm, stormy) = (median(calm), median(stormy));
    vec![Row {
        what: "the same while 64 clients log in without pause",
        measured: format!("{} (and {} logins)", per_second(stormy), per_second(median(logins))),
        baseline: format!("without the storm: {}", per_second(calm)),
        ratio: percent(ratio),
        bar: "≥ 70 %",
        cleared: ratio >= 0.7,
    }]
}

/// Runs `calm` in the middle of a storm of logins, and notes how many there were a second.
pub(super) fn in_a_storm<T>(
    server: &Server,
    stock: &Stock,
    shift: u64,
    logins: &mut Vec<f64>,
    calm: impl FnOnce(std::net::SocketAddr) -> T,
) -> T {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let storm = scope.spawn(|| {
            let mut clients = Login::spread(stock, shift);
            let mut rates = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                let measured;
                (measured, clients) = rate(server.address, clients, Duration::from_secs(1));
                rates.push(measured);
            }
            rates
        });
        // It takes a moment until every hashing thread is at work and the queue is full.
        thread::sleep(Duration::from_millis(500));
        let result = calm(server.address);
        is_over.store(true, Ordering::Relaxed);
        logins.extend(storm.join().expect("the storm"));
        result
    })
}

//! Authenticated requests while everybody logs in.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::login::Login;
use super::{CONNECTIONS, RUN, RUNS, TOKENS};
use crate::load::{Reader, rate};
use crate::open::{latencies, percentile};
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
        (measured, readers) = in_a_storm(&server, &stock, number as u64, &mut logins, |address| {
            rate(address, readers, RUN)
        });
        stormy.push(measured);
    }
    let ratio = median_ratio(&stormy, &calm);
    let (calm, stormy, logins) = (median(calm), median(stormy), median(logins));
    let alone = rate(server.address, Login::spread(&stock, 99), Duration::from_secs(4)).0;
    vec![
        Row {
            what: "the same while 64 clients log in without pause",
            measured: per_second(stormy),
            baseline: format!("without the storm: {}", per_second(calm)),
            ratio: percent(ratio),
            bar: "≥ 85 %",
            cleared: ratio >= 0.85,
        },
        Row {
            what: "logins beside as many profile requests as can be answered",
            measured: per_second(logins),
            baseline: format!("alone: {}", per_second(alone)),
            ratio: percent(logins / alone),
            bar: "≥ 10 %",
            cleared: logins / alone >= 0.1,
        },
    ]
}

/// The same with an open loop.
pub(super) fn measure_open() -> Vec<Row> {
    let stock = Stock::of(TOKENS, Hash::Default);
    let server = Server::countersign(&stock.data(), Hash::Default);
    let tokens = stock.access_tokens(64, &issuer(&server));
    let mut rows: Vec<Row> = [(200, OPEN_LOOPS[0]), (5_000, OPEN_LOOPS[1])]
        .into_iter()
        .flat_map(|(per_second, texts)| open_loop(&server, &stock, &tokens, per_second, texts))
        .collect();
    drop(server);
    rows.extend(without_hashes(&stock));
    rows
}

/// What a storm costs the others beside its hashes: as many logins a second as this machine can
/// hash, where hashing costs next to nothing.
fn without_hashes(stock: &Stock) -> Vec<Row> {
    let server = Server::countersign(&stock.data(), Hash::Cheap);
    let tokens = stock.access_tokens(64, &issuer(&server));
    let requests = profiles(&tokens);
    let logins = Login::of(&stock.names(1_000, 7)).into_requests();
    let p99 = |rate_of_requests| {
        percentile(&latencies(server.address, &requests, rate_of_requests, OPEN_RUN), 99)
            .as_secs_f64()
            * 1e3
    };
    [(200, WITHOUT_HASHES[0]), (5_000, WITHOUT_HASHES[1])]
        .into_iter()
        .map(|(rate_of_requests, what)| {
            let (mut calm, mut stormy) = (Vec::new(), Vec::new());
            for _ in 0..OPEN_RUNS {
                calm.push(p99(rate_of_requests));
                stormy.push(thread::scope(|scope| {
                    let storm = scope.spawn(|| {
                        latencies(server.address, &logins, 100, OPEN_RUN + Duration::from_secs(1))
                    });
                    thread::sleep(Duration::from_millis(500));
                    let late = p99(rate_of_requests);
                    storm.join().expect("the logins");
                    late
                }));
            }
            Row {
                what,
                measured: format!("{:.2} ms", median(stormy.clone())),
                baseline: format!("calm: {:.2} ms", median(calm.clone())),
                ratio: format!("{:.2} ×", median_ratio(&stormy, &calm)),
                bar: "",
                cleared: true,
            }
        })
        .collect()
}

/// Profile requests that come at their time, whatever else goes on: how late the slowest of a
/// hundred is, calm and beside 32 clients that log in without pause.
fn open_loop(
    server: &Server,
    stock: &Stock,
    tokens: &[String],
    rate_of_requests: u32,
    [latency, share]: [&'static str; 2],
) -> [Row; 2] {
    let requests = profiles(tokens);
    let p99 = |address| {
        percentile(&latencies(address, &requests, rate_of_requests, OPEN_RUN), 99).as_secs_f64()
            * 1e3
    };
    let clients = |shift| Login::spread(stock, shift).into_iter().take(32).collect::<Vec<_>>();
    let (mut calm, mut stormy, mut alone, mut beside) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for number in 0..OPEN_RUNS {
        calm.push(p99(server.address));
        alone.push(rate(server.address, clients(number), OPEN_RUN).0);
        let (logins, late) = thread::scope(|scope| {
            let storm = scope.spawn(|| {
                rate(server.address, clients(number + 50), OPEN_RUN + Duration::from_secs(1)).0
            });
            thread::sleep(Duration::from_millis(500));
            let late = p99(server.address);
            (storm.join().expect("the storm"), late)
        });
        beside.push(logins);
        stormy.push(late);
    }
    let (ratio, kept) = (median_ratio(&stormy, &calm), median_ratio(&beside, &alone));
    [
        Row {
            what: latency,
            measured: format!("{:.2} ms", median(stormy)),
            baseline: format!("calm: {:.2} ms", median(calm)),
            ratio: format!("{ratio:.2} ×"),
            bar: "≤ 2 ×",
            cleared: ratio <= 2.0,
        },
        Row {
            what: share,
            measured: per_second(median(beside)),
            baseline: format!("alone: {}", per_second(median(alone))),
            ratio: percent(kept),
            bar: "≥ 80 %",
            cleared: kept >= 0.8,
        },
    ]
}

/// A request for the profile of each.
fn profiles(tokens: &[String]) -> Vec<Vec<u8>> {
    tokens
        .iter()
        .map(|token| {
            format!(
                "GET /accounts/profile HTTP/1.1\r\nHost: localhost\r\nAuthorization: \
                 Bearer {token}\r\n\r\n"
            )
            .into_bytes()
        })
        .collect()
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

const OPEN_LOOPS: [[&str; 2]; 2] = [
    [
        "99 of 100 of 200 profile requests a second (open loop), while 32 clients log in",
        "these logins beside 200 profile requests a second",
    ],
    [
        "99 of 100 of 5,000 profile requests a second (open loop), while 32 clients log in",
        "these logins beside 5,000 profile requests a second",
    ],
];
const WITHOUT_HASHES: [&str; 2] = [
    "99 of 100 of 200 profile requests a second, while 100 logins a second hash next to nothing",
    "99 of 100 of 5,000 profile requests a second, while 100 logins a second hash next to nothing",
];
const OPEN_RUN: Duration = Duration::from_secs(3);
const OPEN_RUNS: u64 = 5;

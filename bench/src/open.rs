//! The other load generator: an open loop, in which requests come at their time whether the last
//! one was answered or not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// How long each answer took, counted from when its request was due: a request that had to wait for
/// a connection, because others had no answer yet, waited for the server.
pub(crate) fn latencies(
    address: SocketAddr,
    requests: &[Vec<u8>],
    per_second: u32,
    duration: Duration,
) -> Vec<Duration> {
    let interval = Duration::from_secs(1) / per_second;
    // By then all are connected.
    let begin = Instant::now() + Duration::from_millis(200);
    let mut all: Vec<Duration> = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|number| {
                let request = &requests[number as usize % requests.len()];
                scope.spawn(move || {
                    send(
                        address,
                        request,
                        begin + interval * number,
                        interval * SENDERS,
                        begin + duration,
                    )
                })
            })
            .collect();
        senders.into_iter().flat_map(|sender| sender.join().expect("a sender")).collect()
    });
    all.sort_unstable();
    all
}

/// The value below which so many of a hundred lie; they are in order.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}

fn send(
    address: SocketAddr,
    request: &[u8],
    mut due: Instant,
    every: Duration,
    end: Instant,
) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_nodelay(true).expect("a socket option");
    let mut buffer = [0; 16 * 1024];
    let mut took = Vec::new();
    // A server that does not keep up ends the run late, but not by more than this.
    while due < end && Instant::now() < end + GRACE {
        if let Some(early) = due.checked_duration_since(Instant::now()) {
            thread::sleep(early);
        }
        stream.write_all(request).expect("a request is taken");
        let length = stream.read(&mut buffer).expect("an answer");
        assert!(
            buffer[..length].starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&buffer[..length])
        );
        took.push(due.elapsed());
        due += every;
    }
    took
}

/// How long what was due is asked for after the end.
const GRACE: Duration = Duration::from_secs(2);

/// Connections, each with a thread that sleeps in between.
const SENDERS: u32 = 32;

//! What faults come to: two nodes on a cluster of their own behind nginx, clients that refresh and
//! read without pause, and somebody who pulls the plug.
//!
//! It takes about four minutes, and fails when anybody is logged out, an acknowledged refresh is
//! lost, or a request waits longer than it may.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use countersign_e2e::{Browser, Cluster, Program};
use serde_json::json;

use crate::server::{Hash, Server};
use crate::stock::{PASSWORD, Stock};
use crate::table::line;

/// Measures every fault and prints the table; whether all went as it must.
pub(crate) fn print() -> bool {
    line(
        "| fault | refreshes answered | reads answered | longest wait | back after | logged out | \
         lost |",
    );
    line("|---|---|---|---|---|---|---|");
    let mut all_well = true;
    for (what, clock, fault) in FAULTS {
        let told = measure(*clock, *fault);
        let (refreshes, reads) = (told.refreshes, told.reads);
        line(&format!(
            "| {what} | {refreshes} | {reads} | {:.1} s | {:.1} s | {} | {} |",
            told.longest.as_secs_f64(),
            told.back.as_secs_f64(),
            told.logged_out,
            told.lost
        ));
        all_well &= told.logged_out == 0 && told.lost == 0 && told.longest < MAY_WAIT;
    }
    all_well
}

/// What one fault came to.
struct Told {
    refreshes: String,
    reads: String,
    longest: Duration,
    back: Duration,
    logged_out: usize,
    lost: u64,
}

/// Everything that can be broken.
struct Site {
    cluster: Cluster,
    stock: Stock,
    url: String,
    database: String,
    nodes: Vec<Option<Server>>,
    addresses: Vec<SocketAddr>,
    clock: i32,
}

impl Site {
    fn start(clock: i32) -> Self {
        let cluster = Cluster::start(&["max_connections=60", "shared_buffers=256MB"]);
        let stock = Stock::of(100, Hash::Cheap);
        let url = stock.moved_to(&cluster);
        let database = url.rsplit('/').next().expect("a name").to_owned();
        cluster.sql(
            &database,
            "CREATE ROLE app LOGIN; CREATE ROLE other LOGIN; GRANT ALL ON ALL \
            TABLES IN SCHEMA public TO app; GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO app",
        );
        let url = url.replace("postgres://postgres@", "postgres://app@");
        let mut site =
            Self { cluster, stock, url, database, nodes: Vec::new(), addresses: Vec::new(), clock };
        for node in 0..2 {
            let server = site.node(node, "127.0.0.1:0");
            site.addresses.push(server.address);
            site.nodes.push(Some(server));
        }
        site
    }

    /// Starts a node; the clock of the first may be off.
    fn node(&self, node: usize, listen: &str) -> Server {
        let off = if node == 0 { self.clock } else { 0 };
        Server::node_at(&self.stock.data(), &self.url, listen, off)
    }

    fn start_again(&mut self, node: usize) {
        let address = self.addresses[node].to_string();
        self.nodes[node] = Some(self.node(node, &address));
    }

    fn signal(&self, node: usize, signal: &str) {
        self.nodes[node].as_ref().expect("it runs").signal(signal);
    }
}

/// Refreshes and reads before, through and after a fault.
fn measure(clock: i32, fault: Fault) -> Told {
    let mut site = Site::start(clock);
    let prefix = tempfile::tempdir().expect("a folder");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/nodes/nginx.conf.example");
    let nginx = Program::nginx(
        prefix.path(),
        &example,
        &[("127.0.0.1:8001", site.addresses[0]), ("127.0.0.1:8002", site.addresses[1])],
    );
    let names = site.stock.names(REFRESHERS + READERS + 1, 0);
    let mut browsers: Vec<Browser> =
        names.iter().map(|name| logged_in(nginx.address(), name)).collect();
    let mut revoked = browsers.pop().expect("one more");
    revoked.clone().logout().expect(204);
    let mut readers = browsers.split_off(usize::try_from(REFRESHERS).expect("few"));

    let (stop, over) = (AtomicBool::new(false), Mutex::new(None));
    let (refreshes, reads) = thread::scope(|scope| {
        let refreshing: Vec<_> = browsers
            .iter_mut()
            .map(|browser| scope.spawn(|| go_on(browser, true, &stop, &over)))
            .collect();
        let reading: Vec<_> = readers
            .iter_mut()
            .map(|browser| scope.spawn(|| go_on(browser, false, &stop, &over)))
            .collect();
        thread::sleep(BEFORE);
        fault(&mut site);
        *over.lock().expect("no panic") = Some(Instant::now());
        thread::sleep(AFTER);
        stop.store(true, Ordering::Relaxed);
        let all = |threads: Vec<thread::ScopedJoinHandle<'_, Seen>>| {
            threads.into_iter().map(|thread| thread.join().expect("a client")).collect::<Vec<_>>()
        };
        (all(refreshing), all(reading))
    });

    let mut logged_out = 0;
    for browser in &mut browsers {
        let answer = browser.refresh();
        logged_out +=
            usize::from(answer.status != 200 || browser.get("/accounts/profile").status != 200);
    }
    assert_eq!(revoked.refresh().status, 401, "a logout was undone");
    assert_eq!(revoked.get("/accounts/profile").status, 401, "a logout was undone");
    // A token that is newer than the store is noted: an acknowledged rotation that is not there.
    let healed = site
        .cluster
        .sql(&site.database, "SELECT count(*) FROM audit_events WHERE kind = 'state_rollback'");
    let everybody = || refreshes.iter().chain(&reads);
    Told {
        refreshes: summary(&refreshes),
        reads: summary(&reads),
        longest: everybody().map(|seen| seen.longest).max().unwrap_or_default(),
        back: everybody().map(|seen| seen.back.unwrap_or(AFTER)).max().unwrap_or_default(),
        logged_out,
        lost: if site.cluster.sql(&site.database, "SELECT to_regclass('restored') IS NOT NULL")
            == "t"
        {
            0
        } else {
            healed.parse().expect("a number")
        },
    }
}

/// What a client saw.
#[derive(Default)]
struct Seen {
    done: u64,
    unavailable: u64,
    gateway: u64,
    longest: Duration,
    /// From the end of the fault to the first good answer after it.
    back: Option<Duration>,
}

fn go_on(
    browser: &mut Browser,
    refreshes: bool,
    stop: &AtomicBool,
    over: &Mutex<Option<Instant>>,
) -> Seen {
    let mut seen = Seen::default();
    while !stop.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let request = if refreshes {
            browser.bare("POST", "/accounts/refresh").header("X-CSRFTOKEN", &browser.csrf_token)
        } else {
            browser.request("GET", "/accounts/profile")
        };
        let answer = request.try_send();
        seen.longest = seen.longest.max(begin.elapsed());
        match answer {
            Ok(answer) if answer.status == 200 => {
                browser.take(&answer);
                seen.done += 1;
                if let (Some(over), None) = (*over.lock().expect("no panic"), seen.back) {
                    seen.back = Some(over.elapsed());
                }
                continue;
            }
            Ok(answer) if answer.status == 503 => {
                assert!(answer.header("retry-after").is_some(), "{}", answer.text());
                seen.unavailable += 1;
            }
            Ok(answer) if [502, 504].contains(&answer.status) => seen.gateway += 1,
            Ok(answer) => panic!("{}: {}", answer.status, answer.text()),
            Err(error) => panic!("nginx: {error}"),
        }
        thread::sleep(PAUSE);
    }
    seen
}

fn summary(all: &[Seen]) -> String {
    let sum = |of: fn(&Seen) -> u64| all.iter().map(of).sum::<u64>();
    let (done, unavailable, gateway) =
        (sum(|seen| seen.done), sum(|seen| seen.unavailable), sum(|seen| seen.gateway));
    let mut text = format!("{done} × 200, {unavailable} × 503");
    if gateway > 0 {
        text.push_str(&format!(", {gateway} × 502 or 504 of nginx"));
    }
    text
}

fn logged_in(address: SocketAddr, name: &str) -> Browser {
    let mut browser = Browser::new(address);
    let request = browser
        .bare("POST", "/accounts/login")
        .json(&json!({"username": name, "password": PASSWORD}));
    browser.send(&request).expect(200);
    browser
}

type Fault = fn(&mut Site);

const FAULTS: &[(&str, i32, Fault)] = &[
    ("none, for comparison", 0, |_| thread::sleep(Duration::from_secs(2))),
    ("the database killed with `SIGKILL`, started again", 0, |site| {
        site.cluster.signal("KILL");
        site.cluster.wake();
    }),
    ("the database frozen for 30 s", 0, |site| {
        site.cluster.signal("STOP");
        thread::sleep(Duration::from_secs(30));
        site.cluster.signal("CONT");
    }),
    ("the database shut down for 30 s", 0, |site| {
        site.cluster.sleep();
        thread::sleep(Duration::from_secs(30));
        site.cluster.wake();
    }),
    ("every connection cut, ten times in 5 s", 0, |site| {
        for _ in 0..10 {
            site.cluster.sql(
                "postgres",
                "SELECT count(pg_terminate_backend(pid)) FROM \
                pg_stat_activity WHERE usename = 'app'",
            );
            thread::sleep(Duration::from_millis(500));
        }
    }),
    ("every connection taken by others for 10 s", 0, take_every_connection),
    ("a node killed with `SIGKILL`, started again after 5 s", 0, |site| {
        site.signal(0, "KILL");
        thread::sleep(Duration::from_secs(5));
        site.start_again(0);
    }),
    ("a node frozen for 20 s", 0, |site| {
        site.signal(0, "STOP");
        thread::sleep(Duration::from_secs(20));
        site.signal(0, "CONT");
    }),
    ("the clock of a node 30 s ahead", 30, |_| thread::sleep(Duration::from_secs(10))),
    ("the clock of a node 30 s behind", -30, |_| thread::sleep(Duration::from_secs(10))),
    ("the database restored to its state of 5 s before", 0, restore),
];

/// The superuser's connections are kept back; the nodes' are not.
fn take_every_connection(site: &mut Site) {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let all = (0..60).map(|_| {
            let (psql, socket, is_over) = (
                site.cluster.binaries().join("psql"),
                site.cluster.socket_directory().to_owned(),
                &is_over,
            );
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    let mut greedy = Command::new(&psql);
                    greedy
                        .args([
                            "-X",
                            "-U",
                            "other",
                            "-d",
                            "postgres",
                            "-c",
                            "SELECT pg_sleep(600)",
                            "-h",
                        ])
                        .arg(&socket);
                    let _ = greedy.stdout(Stdio::null()).stderr(Stdio::null()).status();
                }
            })
        });
        let all: Vec<_> = all.collect();
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(10) {
            site.cluster.sql(
                "postgres",
                "SELECT count(pg_terminate_backend(pid)) FROM \
                pg_stat_activity WHERE usename = 'app'",
            );
            thread::sleep(Duration::from_millis(200));
        }
        is_over.store(true, Ordering::Relaxed);
        // One may be on its way in.
        while !all.iter().all(thread::ScopedJoinHandle::is_finished) {
            site.cluster.sql(
                "postgres",
                "SELECT count(pg_terminate_backend(pid)) FROM \
                pg_stat_activity WHERE usename = 'other'",
            );
        }
    });
}

/// As an operator does it: a dump, and with the nodes stopped the database made anew from it.
fn restore(site: &mut Site) {
    let dump = site.stock.file("dump.sql");
    let program = |site: &Site, name: &str| {
        let mut command = Command::new(site.cluster.binaries().join(name));
        command.args(["-U", "postgres", "-h"]).arg(site.cluster.socket_directory());
        command
    };
    let run = |mut command: Command| {
        assert!(command.stdout(Stdio::null()).status().expect("PostgreSQL's programs").success());
    };
    let mut dumping = program(site, "pg_dump");
    dumping.arg("-f").arg(&dump).arg(&site.database);
    run(dumping);
    thread::sleep(Duration::from_secs(5));
    site.nodes.iter_mut().for_each(|node| drop(node.take()));
    let name = site.database.clone();
    site.cluster.sql("postgres", &format!("DROP DATABASE {name} WITH (FORCE)"));
    site.cluster.sql("postgres", &format!("CREATE DATABASE {name}"));
    let mut filling = program(site, "psql");
    filling.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &name, "-f"]).arg(&dump);
    run(filling);
    // So that the healed sessions are not taken for lost writes.
    site.cluster.sql(&name, "CREATE TABLE restored ()");
    (0..2).for_each(|node| site.start_again(node));
}

const REFRESHERS: u64 = 16;
const READERS: u64 = 4;

const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(8);

/// Between a refusal and the next attempt; `Retry-After` would have a client wait longer.
const PAUSE: Duration = Duration::from_millis(100);

/// Both nodes' deadlines, with nginx between them.
const MAY_WAIT: Duration = Duration::from_secs(26);

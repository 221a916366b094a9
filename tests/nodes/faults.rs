use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use countersign_e2e::{Browser, Cluster, eventually};

use super::node;

/// What came of refreshes that went on through a fault, one after another.
struct Refresher {
    browser: Browser,
    acknowledged: usize,
    unavailable: usize,
}

impl Refresher {
    /// Refreshes once: an answer, or a 503 with `Retry-After`, and nothing else.
    fn refresh(&mut self) {
        let Ok(answer) = self.browser.request("POST", "/accounts/refresh").try_send() else {
            return;
        };
        match answer.status {
            200 => {
                self.browser.take(&answer);
                self.acknowledged += 1;
            }
            _ => {
                assert!(answer.header("retry-after").is_some(), "{}", answer.text());
                answer.expect_problem(503, "unavailable");
                self.unavailable += 1;
            }
        }
    }
}

/// Raises a flag when it goes.
struct Raise<'a>(&'a AtomicBool);

impl Drop for Raise<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Refreshes eight sessions through a fault, and afterwards every one of them.
fn refresh_through(cluster: &mut Cluster, fault: impl FnOnce(&mut Cluster, &dyn Fn(usize))) {
    let url = cluster.database();
    refresh_on(cluster, &url, fault);
}

/// The same on a database that is there. The fault is told how to wait for so many more answers.
fn refresh_on(cluster: &mut Cluster, url: &str, fault: impl FnOnce(&mut Cluster, &dyn Fn(usize))) {
    let world = node(url).set("throttle_session_refreshes", "0").start();
    world.user("alice");
    let mut revoked = world.logged_in("alice");
    revoked.clone().logout().expect(204);
    let mut all: Vec<Refresher> = (0..8)
        .map(|_| Refresher { browser: world.logged_in("alice"), acknowledged: 0, unavailable: 0 })
        .collect();
    let (stop, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        // A failed expectation must not leave the others at it for ever.
        let _last = Raise(&stop);
        for refresher in &mut all {
            let (stop, done) = (&stop, &done);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    refresher.refresh();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let answers = |more: usize| {
            let wanted = done.load(Ordering::Relaxed) + more;
            // Each of the eight may have to wait for a deadline of the store's.
            for _ in 0..6 {
                if (0..1000).any(|_| {
                    thread::sleep(Duration::from_millis(10));
                    done.load(Ordering::Relaxed) >= wanted
                }) {
                    return;
                }
            }
            panic!("requests get no answer");
        };
        answers(100);
        fault(cluster, &answers);
        answers(100);
    });
    eventually("the database is back", || world.get("/readyz").status == 200);
    for refresher in &mut all {
        refresher.browser.refresh().expect(200);
        refresher.browser.get("/accounts/profile").expect(200);
        assert!(refresher.acknowledged > 0);
    }
    revoked.refresh().expect_problem(401, "session_revoked");
    revoked.get("/accounts/profile").expect_problem(401, "session_revoked");
}

#[test]
fn a_database_that_is_killed_and_comes_back_loses_nothing_and_logs_nobody_out() {
    let mut cluster = Cluster::start(&[]);
    refresh_through(&mut cluster, |cluster, _| {
        cluster.signal("KILL");
        cluster.wake();
    });
}

#[test]
fn connections_that_are_cut_are_made_again() {
    let mut cluster = Cluster::start(&["fsync=off"]);
    refresh_through(&mut cluster, |cluster, _| {
        for _ in 0..3 {
            cluster.sql(
                "postgres",
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE application_name = 'countersign'",
            );
        }
    });
}

#[test]
fn a_database_that_freezes_keeps_nobody_waiting_and_logs_nobody_out() {
    let mut cluster = Cluster::start(&["fsync=off"]);
    refresh_through(&mut cluster, |cluster, answers| {
        cluster.signal("STOP");
        // More than one for each session, so every session has been told to come back.
        answers(16);
        cluster.signal("CONT");
    });
}

#[test]
fn a_database_whose_connections_are_all_taken_logs_nobody_out() {
    let mut cluster = Cluster::start(&["fsync=off", "max_connections=15"]);
    cluster.sql("postgres", "CREATE ROLE app LOGIN; CREATE ROLE other LOGIN");
    cluster.sql("postgres", "CREATE DATABASE full_house OWNER app");
    // The superuser's connections are kept back; the node's and the others' are not.
    let url = cluster.url("full_house").replace("postgres://postgres@", "postgres://app@");
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _last = Raise(&is_over);
        refresh_on(&mut cluster, &url, |cluster, answers| {
            let (psql, socket) =
                (cluster.binaries().join("psql"), cluster.socket_directory().to_owned());
            let greedy = (0..15).map(|_| {
                let (psql, socket, is_over) = (psql.clone(), socket.clone(), &is_over);
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
            let greedy: Vec<_> = greedy.collect();
            let node_has = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE \
                usename = 'app'";
            eventually("the others have every connection", || {
                cluster.sql("postgres", node_has) == "0"
            });
            answers(16);
            is_over.store(true, Ordering::Relaxed);
            // One may be on its way in.
            while !greedy.iter().all(thread::ScopedJoinHandle::is_finished) {
                cluster.sql(
                    "postgres",
                    "SELECT count(pg_terminate_backend(pid)) FROM \
                    pg_stat_activity WHERE usename = 'other'",
                );
            }
        });
    });
}

#[test]
fn a_node_that_was_frozen_does_not_answer_with_what_it_knew_before() {
    let url = Cluster::shared().database();
    let (frozen, lives) = (node(&url).set("max_staleness", "1s").start(), node(&url).start());
    frozen.user("alice");
    let (mut revoked, mut kept) = (frozen.logged_in("alice"), frozen.logged_in("alice"));
    revoked.get("/accounts/profile").expect(200);
    let signal = |name: &str| {
        assert!(
            Command::new("kill")
                .args([name, &frozen.pid().to_string()])
                .status()
                .unwrap()
                .success()
        );
    };
    signal("-STOP");
    let mut elsewhere = revoked.clone();
    elsewhere.move_to(lives.address());
    elsewhere.logout().expect(204);
    // The frozen node hears nothing of it; what it may not do without hearing is a matter of real
    // time.
    thread::sleep(Duration::from_millis(1500));
    let answers: Vec<u16> = thread::scope(|scope| {
        // They wait at its door while it sleeps, so that they are the first thing it sees.
        let asking: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| revoked.clone().get("/accounts/profile").status))
            .collect();
        thread::sleep(Duration::from_millis(300));
        signal("-CONT");
        asking.into_iter().map(|answer| answer.join().unwrap()).collect()
    });
    assert!(answers.iter().all(|status| [401, 503].contains(status)), "{answers:?}");
    eventually("it hears again", || kept.get("/accounts/profile").status == 200);
    kept.refresh().expect(200);
    revoked.get("/accounts/profile").expect_problem(401, "session_revoked");
    revoked.refresh().expect_problem(401, "session_revoked");
}

#[test]
fn a_node_whose_clock_is_half_a_minute_off_logs_nobody_out() {
    let url = Cluster::shared().database();
    let mut ahead = node(&url).virtual_time().asleep();
    ahead.clock().advance(Duration::from_secs(30));
    // It makes the signing key, at a time that has not come yet for the other.
    ahead.wake();
    let right = node(&url).start();
    right.user("alice");
    for first in [&ahead, &right] {
        let mut browser = first.logged_in("alice");
        for world in [&right, &ahead, &ahead, &right, &ahead, &right] {
            browser.move_to(world.address());
            // An answer that was lost, and two tabs.
            browser.clone().refresh().expect(200);
            browser.refresh().expect(200);
            for other in [&right, &ahead] {
                browser.move_to(other.address());
                browser.get("/accounts/profile").expect(200);
            }
        }
        let mut gone = browser.clone();
        gone.move_to(ahead.address());
        gone.logout().expect(204);
        for other in [&right, &ahead] {
            browser.move_to(other.address());
            eventually("the logout is felt", || browser.get("/accounts/profile").status == 401);
            browser.clone().refresh().expect_problem(401, "session_revoked");
        }
    }
}

#[test]
fn a_node_that_is_killed_leaves_nothing_half_done() {
    let url = Cluster::shared().database();
    let (mut dies, lives) =
        (node(&url).set("throttle_session_refreshes", "0").start(), node(&url).start());
    dies.user("alice");
    let mut refresher =
        Refresher { browser: dies.logged_in("alice"), acknowledged: 0, unavailable: 0 };
    for _ in 0..20 {
        refresher.refresh();
    }
    dies.kill();
    refresher.browser.move_to(lives.address());
    refresher.browser.refresh().expect(200);
    refresher.browser.get("/accounts/profile").expect(200);
    assert_eq!((refresher.acknowledged, refresher.unavailable), (20, 0));
}

#[test]
fn a_database_that_went_back_in_time_logs_nobody_out() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let name = url.rsplit('/').next().unwrap();
    let mut world = node(&url).start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    browser.refresh().expect(200);
    cluster.sql(name, "CREATE TABLE kept AS SELECT * FROM sessions");
    for _ in 0..3 {
        browser.refresh().expect(200);
    }
    world.stop();
    cluster.sql(name, "DELETE FROM sessions; INSERT INTO sessions SELECT * FROM kept");
    world.wake();
    browser.move_to(world.address());
    browser.refresh().expect(200);
    browser.get("/accounts/profile").expect(200);
    assert_eq!(
        cluster.sql(
            name,
            "SELECT kind FROM audit_events WHERE kind IN ('token_theft', 'state_rollback')"
        ),
        "state_rollback"
    );
}

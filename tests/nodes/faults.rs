use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

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
        let Ok(answer) = self.browser.request("POST", "/accounts/refresh").try_send() else { return };
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
fn refresh_through(cluster: &mut Cluster, fault: impl FnOnce(&mut Cluster)) {
    let url = cluster.database();
    let world = node(&url).set("throttle_session_refreshes", "0").start();
    world.user("alice");
    let mut revoked = world.logged_in("alice");
    revoked.clone().logout().expect(204);
    let mut all: Vec<Refresher> =
        (0..8).map(|_| Refresher { browser: world.logged_in("alice"), acknowledged: 0, unavailable: 0 }).collect();
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
        let count = |wanted: usize| eventually("refreshes go on", || done.load(Ordering::Relaxed) >= wanted);
        count(100);
        fault(cluster);
        count(done.load(Ordering::Relaxed) + 100);
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
    refresh_through(&mut cluster, |cluster| {
        cluster.signal("KILL");
        cluster.wake();
    });
}

#[test]
fn connections_that_are_cut_are_made_again() {
    let mut cluster = Cluster::start(&["fsync=off"]);
    refresh_through(&mut cluster, |cluster| {
        for _ in 0..3 {
            cluster.sql("postgres", "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'countersign'");
        }
    });
}

#[test]
fn a_node_that_is_killed_leaves_nothing_half_done() {
    let url = Cluster::shared().database();
    let (mut dies, lives) = (node(&url).set("throttle_session_refreshes", "0").start(), node(&url).start());
    dies.user("alice");
    let mut refresher = Refresher { browser: dies.logged_in("alice"), acknowledged: 0, unavailable: 0 };
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
    assert_eq!(cluster.sql(name, "SELECT kind FROM audit_events"), "state_rollback");
}

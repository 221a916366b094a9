//! The failover of docs/operations.md: several hosts in the URL, and a standby that is promoted.

use countersign_e2e::{Cluster, Road, eventually};

use super::node;

/// A machine that is lost, and where it was: nothing answers a SYN.
fn lost() -> (Road, String) {
    let road = Road::to("/nowhere".as_ref());
    road.lose();
    let host = format!("127.0.0.1:{}", road.port());
    (road, host)
}

fn host(cluster: &Cluster) -> String {
    cluster.socket_directory().display().to_string().replace('/', "%2F")
}

/// Runs a node on a primary, reached by `way`, and on its standby; lets the primary go, promotes
/// the standby, and goes on.
fn fails_over(way: impl Fn(&Cluster, &Road) -> String, goes: impl FnOnce(&Cluster, &Road)) {
    let primary = Cluster::start(&["fsync=off"]);
    primary.sql("postgres", "CREATE DATABASE app");
    let standby = primary.standby();
    let road = Road::to(&primary.socket());
    let url = format!(
        "postgres://postgres@{},{}/app?target_session_attrs=read-write",
        way(&primary, &road),
        host(&standby)
    );
    let world = node(&url).set("throttle_account_attempts", "0").start();
    world.user("alice");
    let (mut browser, mut gone) = (world.logged_in("alice"), world.logged_in("alice"));
    browser.refresh().expect(200);
    gone.clone().logout().expect(204);
    // Every connection of the pool has been used.
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| world.logged_in("alice").refresh().expect(200));
        }
    });
    let rows = "SELECT count(*), sum(generation) FROM sessions";
    eventually("the standby has followed", || standby.sql("app", rows) == primary.sql("app", rows));

    goes(&primary, &road);
    standby.promote();
    eventually("refreshes are answered by the standby", || browser.refresh().status == 200);
    // Not by chance: no connection to the old primary is left in the pool.
    for _ in 0..40 {
        browser.refresh().expect(200);
        browser.get("/accounts/profile").expect(200);
    }
    assert!(
        standby.sql("app", "SELECT sum(generation) FROM sessions").parse::<u32>().unwrap() > 40
    );
    gone.refresh().expect_problem(401, "session_revoked");
    gone.get("/accounts/profile").expect_problem(401, "session_revoked");
    browser.clone().logout().expect(204);
    browser.get("/accounts/profile").expect_problem(401, "session_revoked");
    if primary.is_awake() {
        primary.signal("CONT");
    }
}

#[test]
fn a_primary_that_refuses_is_left_for_the_promoted_standby() {
    fails_over(|primary, _| host(primary), |primary, _| primary.signal("KILL"));
}

#[test]
fn a_primary_that_freezes_is_left_for_the_promoted_standby() {
    fails_over(|primary, _| host(primary), |primary, _| primary.signal("STOP"));
}

#[test]
fn a_primary_whose_machine_is_lost_is_left_for_the_promoted_standby() {
    fails_over(|_, road| format!("127.0.0.1:{}", road.port()), |_, road| road.lose());
}

#[test]
fn with_a_lost_standby_listed_first_a_lost_primary_is_left_for_the_promoted_standby() {
    let (_lost, first) = lost();
    fails_over(|_, road| format!("{first},127.0.0.1:{}", road.port()), |_, road| road.lose());
}

#[test]
fn a_lost_standby_that_is_listed_first_keeps_nobody_from_the_primary() {
    let (cluster, (_lost, first)) = (Cluster::shared(), lost());
    let name = cluster.database().rsplit('/').next().unwrap().to_owned();
    for query in ["", "?target_session_attrs=read-write", "?connect_timeout=2"] {
        let world =
            node(&format!("postgres://postgres@{first},{}/{name}{query}", host(cluster))).start();
        if query.is_empty() {
            world.user("alice");
        }
        let mut browser = world.logged_in("alice");
        browser.refresh().expect(200);
        browser.logout().expect(204);
    }
}

#[test]
fn a_database_that_takes_no_writes_is_no_database_for_a_node() {
    let primary = Cluster::start(&["fsync=off"]);
    let standby = primary.standby();
    let said = node(&standby.url("postgres")).asleep().try_wake(&[]).unwrap_err();
    assert!(said.contains("does not allow writes"), "{said}");
    let said = node(&format!("{}?target_session_attrs=read-only", primary.url("postgres")))
        .asleep()
        .try_wake(&[])
        .unwrap_err();
    assert!(said.contains("every login writes"), "{said}");
}

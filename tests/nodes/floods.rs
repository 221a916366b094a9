//! More changes at once than a node reads one by one.

use countersign_e2e::{Browser, Cluster, TestServer, claims_of, eventually};
use serde_json::json;

use super::node;

/// More than are read one by one.
const MANY: u32 = 105_000;

fn session_of(browser: &Browser) -> i64 {
    let id = claims_of(&browser.access_token)["sid"].as_str().unwrap().to_owned();
    u64::from_str_radix(&id, 16).unwrap().cast_signed()
}

/// Whoever stays, stays; whoever was ended behind all the others, is out; and so on a node that
/// starts afterwards.
fn survives(worlds: &[&TestServer], gone: &mut Browser, stays: &mut Browser) {
    for world in worlds {
        gone.move_to(world.address());
        stays.move_to(world.address());
        eventually("the last of many endings is felt", || {
            gone.get("/accounts/profile").status == 401
        });
        gone.get("/accounts/profile").expect_problem(401, "session_revoked");
        gone.clone().refresh().expect_problem(401, "session_revoked");
        stays.get("/accounts/profile").expect(200);
        stays
            .request("PATCH", "/accounts/profile")
            .json(&json!({"first_name": "A"}))
            .send()
            .expect(200);
        let list = claims_of(&world.get("/.well-known/revocations").expect(200).text());
        assert!(
            list["issued_after"].is_u64() && list["sids"].as_str().unwrap().len() < 1000,
            "a list that names few, and says so"
        );
    }
    // What ends from now on is told as always.
    let mut later = worlds[0].logged_in("alice");
    later.clone().logout().expect(204);
    for world in worlds {
        later.move_to(world.address());
        eventually("a logout is felt", || later.get("/accounts/profile").status == 401);
    }
    stays.refresh().expect(200);
    stays.get("/accounts/profile").expect(200);
}

#[test]
fn more_endings_at_once_than_are_read_one_by_one_are_all_felt_on_every_node() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let (here, there) = (node(&url).start(), node(&url).start());
    here.user("alice");
    let (mut gone, mut stays) = (here.logged_in("alice"), here.logged_in("alice"));
    for world in [&here, &there] {
        for browser in [&mut gone, &mut stays] {
            browser.move_to(world.address());
            browser.get("/accounts/profile").expect(200);
        }
    }
    let now = "(extract(epoch FROM now()) * 1000000)::bigint";
    cluster.sql(
        url.rsplit('/').next().unwrap(),
        &format!(
            "BEGIN; INSERT INTO changes (at, kind, subject) SELECT {now}, 'session_ended',
             n::text FROM generate_series(1, {MANY}) n;
             UPDATE sessions SET revoked_at = {now}, revoked_reason = 'admin' WHERE id = {};
             COMMIT",
            session_of(&gone)
        ),
    );
    survives(&[&here, &there], &mut gone, &mut stays);
    let late = node(&url).start();
    survives(&[&late, &here], &mut gone, &mut stays);
}

#[test]
fn on_sqlite_too() {
    let mut world = TestServer::start();
    world.user("alice");
    let (mut gone, mut stays) = (world.logged_in("alice"), world.logged_in("alice"));
    for browser in [&gone, &stays] {
        browser.get("/accounts/profile").expect(200);
    }
    world.sql(&format!(
        "CREATE TABLE many AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
         WHERE i < {MANY}) SELECT i FROM n"
    ));
    // One transaction: of two triggers the younger one is the first.
    world.sql(&format!(
        "CREATE TRIGGER flood AFTER UPDATE OF revoked_at ON sessions WHEN NEW.id = {} BEGIN
             INSERT INTO changes (at, kind, subject) SELECT NEW.revoked_at, 'session_ended', i
             FROM many; END",
        session_of(&gone)
    ));
    world.sql(&format!(
        "UPDATE sessions SET revoked_at = unixepoch() * 1000000, revoked_reason = \
            'admin' WHERE id = {}",
        session_of(&gone)
    ));
    survives(&[&world], &mut gone, &mut stays);
    world.stop();
    world.wake();
    survives(&[&world], &mut gone, &mut stays);
}

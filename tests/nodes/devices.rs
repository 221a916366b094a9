//! Sessions that are bound to a device, on two nodes whose clocks are two minutes apart.

use std::time::Duration;

use countersign_e2e::{Browser, Cluster, DeviceKey, Phone, TestServer, claims_of, offer};
use serde_json::json;

use super::node;

const URL: &str = "https://api.example.com";
const TICKET: &str = "__Host-device";

/// The second is two minutes ahead.
fn apart() -> [TestServer; 2] {
    let url = Cluster::shared().database();
    let node = || node(&url).set("public_url", URL).set("device_binding", "enforce");
    let [behind, ahead] = [node().virtual_time().start(), node().virtual_time().start()];
    ahead.clock().advance(Duration::from_secs(120));
    behind.user("alice");
    [behind, ahead]
}

#[test]
fn a_browser_is_bound_and_proved_on_either_node_whichever_comes_first() {
    let nodes = apart();
    let at = |browser: &mut Browser, node: usize| browser.move_to(nodes[node].address());
    for first in [0, 1] {
        let mut browser = nodes[first].browser();
        let login = browser.login("alice").expect(200);
        let key = DeviceKey::new();
        at(&mut browser, 1 - first);
        browser.device_start(&key, &offer(&login).unwrap()).expect(200);
        for world in &nodes {
            world.clock().advance(Duration::from_secs(275));
        }
        // Confirmed by the ticket, or by a proof: whichever node sees it first.
        let session = claims_of(&browser.access_token)["sid"].as_str().unwrap().to_owned();
        browser.prove(&session, &key).expect(200);
        at(&mut browser, first);
        browser.refresh().expect(200);
        for turn in 0..12 {
            at(&mut browser, turn % 2);
            browser.cookies.remove(TICKET);
            let mut thief = browser.clone();
            thief.refresh().expect_problem(401, "session_unproved");
            browser.prove(&session, &key).expect(200);
            // The ticket of the one is good at the other, and a lineage that moves there is no
            // reason to ask again.
            for node in [turn % 2, 1 - turn % 2] {
                at(&mut browser, node);
                browser.refresh().expect(200);
            }
        }
        // A stale token of the device's own, with a proof of the node that is behind.
        let old = browser.clone();
        at(&mut browser, 1);
        for _ in 0..4 {
            browser.refresh().expect(200);
        }
        let mut late = browser.clone();
        late.cookies.clone_from(&old.cookies);
        at(&mut late, 1);
        late.cookies.remove(TICKET);
        late.prove(&session, &key).expect(200);
        late.refresh().expect(200);
    }
}

#[test]
fn a_native_client_proves_itself_on_either_node_and_each_proof_counts_once_for_both() {
    let [behind, ahead] = &apart();
    // Its clock is between theirs.
    let between = |world: &TestServer| {
        if std::ptr::eq(world, ahead) { world.now() - 60 } else { world.now() + 60 }
    };
    for (first, second) in [(behind, ahead), (ahead, behind)] {
        let mut phone = Phone::new(DeviceKey::ed25519(), URL);
        phone.login(first, "alice").expect(200);
        for turn in 0..8 {
            let world = if turn % 2 == 0 { second } else { first };
            phone.refresh(world).expect(200);
        }
        let body = json!({"refresh_token": phone.refresh_token});
        let path = "/accounts/refresh";
        let now = between(first);
        let answers: Vec<_> = (0..10)
            .map(|turn| {
                let world = if turn % 2 == 0 { first } else { second };
                let request = world.request("POST", path).json(&body);
                let claims = phone.claims(path, now);
                (request.header("DPoP", phone.key.dpop(&claims)).send(), world)
            })
            .collect();
        let good = answers.iter().filter(|(answer, _)| answer.status == 200).count();
        assert_eq!(good, 1, "one challenge, one refresh");
        // A stale token with a proof is the device's own, whatever the clocks say.
        let old = phone.refresh_token.clone();
        for _ in 0..4 {
            phone.refresh(ahead).expect(200);
        }
        phone.refresh_token = old;
        phone.refresh(behind).expect(200);
        phone.refresh(ahead).expect(200);
    }
}

#[test]
fn what_an_older_node_does_not_write_is_empty() {
    let url = Cluster::shared().database();
    let world = node(&url).start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    // It names none of these columns when it begins a session.
    let database = url.rsplit('/').next().unwrap();
    let sql = |statement: &str| Cluster::shared().sql(database, statement).trim().to_owned();
    let demanding = "SELECT count(*) FROM information_schema.columns
        WHERE table_name = 'sessions' AND column_name IN
            ('device_key', 'device_kind', 'device_confirmed_at', 'device_proof_at')
        AND is_nullable = 'YES' AND column_default IS NULL";
    assert_eq!(sql(demanding), "4");
    browser.refresh().expect(200);
}

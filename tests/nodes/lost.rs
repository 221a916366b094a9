use countersign_e2e::{Cluster, TestServer, claims_of, eventually};
use serde_json::Value;

use super::node;

fn key_ids(world: &TestServer) -> Vec<String> {
    let answer = world.get("/.well-known/jwks.json");
    let mut ids: Vec<String> = answer.json()["keys"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

fn kid(token: &str) -> Value {
    use base64::Engine;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(token.split('.').next().unwrap())
        .unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].clone()
}

#[test]
fn a_failover_that_lost_a_rotation_and_a_user_leaves_no_key_no_token_and_no_id_behind() {
    let mut cluster = Cluster::start(&["fsync=off"]);
    let url = cluster.database();
    let name = url.rsplit('/').next().unwrap().to_owned();
    let nodes = [node(&url).start(), node(&url).start()];
    let on = |nodes: &[TestServer], token: &str| -> Vec<u16> {
        nodes
            .iter()
            .map(|node| node.request("GET", "/accounts/profile").bearer(token).send().status)
            .collect()
    };
    let all_ready = |nodes: &[TestServer]| {
        eventually("the nodes are back", || {
            nodes.iter().all(|node| node.get("/readyz").status == 200)
        });
    };
    nodes[0].user("alice");
    let mut alice = nodes[0].logged_in("alice");
    cluster.keep_copy();
    all_ready(&nodes);

    // What the copy does not have: a user, a session of theirs, and another signing key.
    let lost = nodes[0].user("bob");
    let bob = nodes[0].logged_in("bob");
    assert_eq!(on(&nodes, &bob.access_token), [200, 200]);
    nodes[0].cli(&["keys", "rotate", "--now"]).ok();
    let old = kid(&bob.access_token);
    eventually("both nodes have the new key alone", || {
        nodes.iter().all(|node| key_ids(node).len() == 1 && key_ids(node)[0] != old)
    });
    alice.refresh().expect(200);
    let of_the_lost_key = alice.access_token.clone();
    assert_ne!(kid(&of_the_lost_key), old);

    cluster.fail_over_to_copy();
    all_ready(&nodes);
    let kept = cluster.sql(&name, "SELECT encode(id, 'hex') FROM signing_keys");
    eventually("both nodes have the keys that the database has", || {
        nodes.iter().all(|node| key_ids(node) == [kept.clone()])
    });
    assert_eq!(on(&nodes, &of_the_lost_key), [401, 401]);
    eventually("nobody is taken for a user who is lost", || {
        on(&nodes, &bob.access_token) == [401, 401]
    });
    alice.refresh().expect(200);
    assert_eq!(kid(&alice.access_token), kept.as_str());
    assert_eq!(on(&nodes, &alice.access_token), [200, 200]);

    // Whoever comes now is nobody's successor.
    let timeline = || cluster.sql(&name, "SELECT left(place, 8) FROM history");
    eventually("the nodes have noticed the timeline", || timeline() == "00000002");
    assert_eq!(cluster.sql(&name, "SELECT count(*) FROM users"), "1");
    let carol = nodes[1].user("carol");
    assert!(carol > lost + 1_000, "{carol} after {lost}");
    assert_eq!(on(&nodes, &bob.access_token), [401, 401]);
    let list = claims_of(&nodes[0].get("/.well-known/revocations").text());
    assert_ne!(list["sids"], "", "resource servers hear of the session that was lost");
}

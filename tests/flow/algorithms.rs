//! What access tokens are signed with.

use std::time::Duration;

use countersign_e2e::{TestServer, eventually};
use serde_json::json;

#[test]
fn each_algorithm_signs_and_publishes_what_verifies_it() {
    for (algorithm, kty) in
        [("EdDSA", Some("OKP")), ("ES256", Some("EC")), ("RS256", Some("RSA")), ("HS256", None)]
    {
        let world = TestServer::builder().set("signing_algorithm", algorithm).start();
        world.user("alice");
        let mut browser = world.logged_in("alice");
        browser.get("/accounts/profile").expect(200);
        browser.refresh().expect(200);
        browser.get("/accounts/profile").expect(200);
        let keys = world.get("/.well-known/jwks.json").json()["keys"].clone();
        match kty {
            Some(kty) => {
                assert_eq!(
                    (&keys[0]["kty"], &keys[0]["alg"], &keys[0]["use"]),
                    (&json!(kty), &json!(algorithm), &json!("sig"))
                );
                for private in ["d", "p", "q", "k"] {
                    assert!(keys[0].get(private).is_none(), "{algorithm}: {private} is published");
                }
            }
            None => assert_eq!(keys, json!([]), "a secret is not published"),
        }
    }
}

#[test]
fn another_algorithm_takes_over_and_the_old_tokens_live_on() {
    let mut world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.stop();
    world.try_wake(&["--signing-algorithm", "ES256"]).unwrap();
    browser.move_to(world.address());
    browser.get("/accounts/profile").expect(200);
    assert_eq!(world.get("/.well-known/jwks.json").json()["keys"].as_array().unwrap().len(), 2);
    browser.refresh().expect(200);
    assert_eq!(
        header_of(&browser.access_token)["alg"],
        "EdDSA",
        "whoever verifies is to know the new key first"
    );
    world.clock().advance(Duration::from_secs(121));
    browser.get("/accounts/profile").expect(200);
    browser.refresh().expect(200);
    assert_eq!(header_of(&browser.access_token)["alg"], "ES256");
    browser.get("/accounts/profile").expect(200);
}

#[test]
fn the_old_algorithms_tokens_die_of_old_age_and_its_key_with_them() {
    let mut world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.stop();
    world.try_wake(&["--signing-algorithm", "RS256"]).unwrap();
    browser.move_to(world.address());
    world.clock().advance(Duration::from_secs(280));
    browser.get("/accounts/profile").expect(200);
    world.clock().advance(Duration::from_secs(40));
    browser.get("/accounts/profile").expect_problem(401, "token_expired");
    browser.refresh().expect(200);
    assert_eq!(header_of(&browser.access_token)["alg"], "RS256");
    world.clock().advance(Duration::from_secs(240));
    let keys = world.get("/.well-known/jwks.json").json()["keys"].clone();
    assert_eq!(
        keys.as_array().unwrap().iter().map(|key| &key["alg"]).collect::<Vec<_>>(),
        ["RS256"]
    );
    browser.get("/accounts/profile").expect(200);
}

#[test]
fn a_shorter_lifetime_holds_for_tokens_that_were_issued_before() {
    let mut world = TestServer::builder().set("access_lifetime", "1h").virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.stop();
    world.try_wake(&["--access-lifetime", "5m"]).unwrap();
    browser.move_to(world.address());
    browser.get("/accounts/profile").expect(200);
    world.clock().advance(Duration::from_secs(400));
    browser.get("/accounts/profile").expect_problem(401, "token_expired");
    eventually("a refresh heals it", || browser.refresh().status == 200);
}

fn header_of(token: &str) -> serde_json::Value {
    use base64::Engine;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(token.split('.').next().unwrap())
        .unwrap();
    serde_json::from_slice(&header).unwrap()
}

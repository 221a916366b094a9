use std::time::Duration;

use countersign_e2e::{TestServer, eventually};
use serde_json::Value;

fn keys(world: &TestServer) -> Vec<Value> {
    serde_json::from_str(&world.cli(&["keys", "list", "--json"]).ok()).unwrap()
}

fn kid_of(token: &str) -> String {
    use base64::Engine;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(token.split('.').next().unwrap())
        .unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

#[test]
fn a_rotation_keeps_the_old_key_until_its_last_token_has_expired() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let old = kid_of(&browser.access_token);
    world.cli(&["keys", "rotate"]).ok();
    eventually("both keys are published", || {
        world.get("/.well-known/jwks.json").json()["keys"].as_array().unwrap().len() == 2
    });
    let states: Vec<_> =
        keys(&world).iter().map(|key| key["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!(states, ["signing", "next"]);
    world.clock().advance(Duration::from_secs(100));
    browser.refresh().expect(200);
    assert_eq!(
        kid_of(&browser.access_token),
        old,
        "caches may still hold the set without the new key"
    );
    world.clock().advance(Duration::from_secs(21));
    browser.get("/accounts/profile").expect(200);
    browser.refresh().expect(200);
    assert_ne!(kid_of(&browser.access_token), old);
    world.clock().advance(Duration::from_secs(6 * 60 + 10));
    let jwks = world.get("/.well-known/jwks.json").json();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1, "{jwks}");
    assert_eq!(keys(&world)[0]["state"], "retired");
    browser.refresh().expect(200);
    browser.get("/accounts/profile").expect(200);
}

#[test]
fn a_rotation_now_cuts_the_old_key_off_and_nobody_is_logged_out() {
    let world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    world.cli(&["keys", "rotate", "--now"]).ok();
    eventually("the old access token is dead", || {
        browser.get("/accounts/profile").problem_code().as_deref() == Some("token_invalid")
    });
    browser.refresh().expect(200);
    browser.get("/accounts/profile").expect(200);
    assert_eq!(world.get("/.well-known/jwks.json").json()["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn a_key_is_exported_as_pem_and_jwk_and_the_private_half_only_when_asked() {
    let world = TestServer::start();
    let kid = keys(&world)[0]["kid"].as_str().unwrap().to_owned();
    let public = world.cli(&["keys", "export", &kid]).ok();
    assert!(
        public.starts_with("-----BEGIN PUBLIC KEY-----\n") && public.contains("\"kid\""),
        "{public}"
    );
    assert!(!public.contains("PRIVATE"));
    let private = world.cli(&["keys", "export", &kid, "--private"]);
    assert!(private.ok().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(private.stderr().contains("sign in as anybody"));
    assert!(
        world.cli(&["keys", "export", "0000000000000000"]).fails(1).contains("there is no key")
    );
    world.cli(&["keys", "export", "nonsense"]).fails(2);
}

#[test]
fn keys_under_another_secret_stop_the_start_with_the_reason() {
    let mut world = TestServer::start();
    world.stop();
    let secret = world.data_dir().join("secret");
    std::fs::write(&secret, "another secret of more than thirty-two characters\n").unwrap();
    let log = world.try_wake(&[]).unwrap_err();
    assert!(log.contains("sealed under another secret"), "{log}");
    assert!(world.cli(&["check"]).0.stdout.windows(4).any(|word| word == b"FAIL"));
    assert!(world.cli(&["keys", "rotate"]).fails(1).contains("another secret"));
}

#[test]
fn a_rotation_now_under_another_secret_cuts_nobody_off() {
    let mut world = TestServer::start();
    let before = keys(&world);
    let secret = world.data_dir().join("secret");
    let right = std::fs::read(&secret).unwrap();
    std::fs::write(&secret, "another secret of more than thirty-two characters\n").unwrap();
    assert!(world.cli(&["keys", "rotate", "--now"]).fails(1).contains("another secret"));
    std::fs::write(&secret, right).unwrap();
    assert_eq!(keys(&world), before);
    // Which it did not after such a key was made.
    world.stop();
    world.wake();
}

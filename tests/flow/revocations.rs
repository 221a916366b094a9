//! `GET /.well-known/revocations`.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_e2e::{Response, TestServer, claims_of};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

/// The list's claims, its signature checked with the published key.
fn verified(world: &TestServer, answer: &Response) -> Value {
    assert_eq!(answer.header("content-type"), Some("application/jwt"));
    let jwk = serde_json::from_value(world.get("/.well-known/jwks.json").json()["keys"][0].clone())
        .unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let list = jsonwebtoken::decode::<Value>(
        answer.text(),
        &DecodingKey::from_jwk(&jwk).unwrap(),
        &validation,
    )
    .unwrap();
    assert_eq!(list.header.typ.as_deref(), Some("rl+jwt"));
    assert!(list.claims["exp"].as_u64() > list.claims["iat"].as_u64());
    list.claims
}

fn sids(list: &Value) -> Vec<String> {
    let bytes = URL_SAFE_NO_PAD.decode(list["sids"].as_str().unwrap()).unwrap();
    bytes
        .chunks(8)
        .map(|id| format!("{:016x}", u64::from_be_bytes(id.try_into().unwrap())))
        .collect()
}

#[test]
fn the_list_names_what_ended_within_the_lifetime_of_an_access_token() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    assert_eq!(sids(&verified(&world, &world.get("/.well-known/revocations"))), [""; 0]);
    let ended: Vec<String> = (0..3)
        .map(|_| {
            let mut browser = world.logged_in("alice");
            let sid = claims_of(&browser.access_token)["sid"].as_str().unwrap().to_owned();
            browser.logout().expect(204);
            sid
        })
        .collect();
    let _alive = world.logged_in("alice");
    let list = verified(&world, &world.get("/.well-known/revocations"));
    assert_eq!((sids(&list), &list["full"]), (ended, &Value::Bool(true)));
    assert_eq!(list["iss"], countersign_e2e::ISSUER);

    world.clock().advance(Duration::from_secs(400));
    countersign_e2e::eventually("what cannot matter any more is forgotten", || {
        sids(&verified(&world, &world.get("/.well-known/revocations"))).is_empty()
    });
}

#[test]
fn who_knows_a_cursor_gets_what_is_new_and_who_knows_a_wrong_one_everything() {
    let world = TestServer::start();
    world.user("alice");
    world.logged_in("alice").logout().expect(204);
    let cursor = verified(&world, &world.get("/.well-known/revocations"))["cursor"]
        .as_str()
        .unwrap()
        .to_owned();
    world.logged_in("alice").logout().expect(204);
    let since = |cursor: &str| {
        verified(&world, &world.get(&format!("/.well-known/revocations?since={cursor}")))
    };
    let news = since(&cursor);
    assert_eq!((sids(&news).len(), &news["full"]), (1, &Value::Bool(false)));
    let nothing = since(news["cursor"].as_str().unwrap());
    assert_eq!((sids(&nothing).len(), &nothing["full"]), (0, &Value::Bool(false)));
    for wrong in ["999999", "-5", "nonsense", "", "1&since=2"] {
        let all = since(wrong);
        assert_eq!((sids(&all).len(), &all["full"]), (2, &Value::Bool(true)), "{wrong:?}");
    }
}

#[test]
fn an_unchanged_list_is_not_sent_twice() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    world.logged_in("alice").logout().expect(204);
    let ask = |tag: &str| {
        world.request("GET", "/.well-known/revocations").header("If-None-Match", tag).send()
    };
    let mut tag = world.get("/.well-known/revocations").header("etag").unwrap().to_owned();
    // The list is signed anew every half minute, which may fall between the two.
    if ask(&tag).status == 200 {
        tag = world.get("/.well-known/revocations").header("etag").unwrap().to_owned();
    }
    ask(&tag).expect(304);
    world.logged_in("alice").logout().expect(204);
    ask(&tag).expect(200);
}

#[test]
fn a_restarted_server_still_knows_what_ended_before() {
    let mut world = TestServer::start();
    world.user("alice");
    let mut browser = world.logged_in("alice");
    let mut kept = browser.clone();
    browser.logout().expect(204);
    world.stop();
    world.wake();
    kept.move_to(world.address());
    kept.get("/accounts/profile").expect_problem(401, "session_revoked");
    assert_eq!(sids(&verified(&world, &world.get("/.well-known/revocations"))).len(), 1);
}

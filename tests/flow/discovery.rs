//! `GET /.well-known/openid-configuration` and `GET /.well-known/oauth-authorization-server`.

use countersign_e2e::{TestServer, claims_of, eventually};
use serde_json::{Value, json};

const PATHS: [&str; 2] =
    ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

#[test]
fn the_document_says_what_is_true_and_no_more() {
    let world = TestServer::builder()
        .set("public_url", "https://id.example.com")
        .set("issuer", "https://id.example.com")
        .start();
    for path in PATHS {
        let answer = world.get(path).expect(200);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(
            answer.json(),
            json!({
                "issuer": "https://id.example.com",
                "jwks_uri": "https://id.example.com/.well-known/jwks.json",
                "revocations_uri": "https://id.example.com/.well-known/revocations",
                "response_types_supported": [],
                "grant_types_supported": [],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["EdDSA"],
            })
        );
    }
}

#[test]
fn the_issuer_is_what_tokens_say_and_the_algorithms_are_those_of_the_keys() {
    let mut world = TestServer::builder().set("issuer", "https://issuer.example").start();
    world.user("alice");
    let told = |world: &TestServer| world.get(PATHS[0]).expect(200).json();
    let algorithms =
        |world: &TestServer| told(world)["id_token_signing_alg_values_supported"].clone();
    let token = world.logged_in("alice").access_token;
    assert_eq!(told(&world)["issuer"], claims_of(&token)["iss"]);
    assert_eq!(algorithms(&world), json!(["EdDSA"]));
    world.stop();
    world.try_wake(&["--signing-algorithm", "ES256"]).unwrap();
    eventually("both are told", || algorithms(&world) == json!(["EdDSA", "ES256"]));

    // A key without a public half is no verifier's.
    let secret = TestServer::builder().set("signing_algorithm", "HS256").start();
    assert_eq!(algorithms(&secret), Value::Null);
}

#[test]
fn it_can_be_kept_and_asked_about_and_any_page_may_read_it() {
    let world = TestServer::start();
    for path in PATHS {
        let first = world.get(path).expect(200);
        assert_eq!(first.header("cache-control"), Some("public, max-age=60"));
        let tag = first.header("etag").expect("a tag");
        world.request("GET", path).header("If-None-Match", tag).send().expect(304);
        let read = world.request("GET", path).header("Origin", "https://any.example").send();
        assert_eq!(read.expect(200).header("access-control-allow-origin"), Some("*"));
    }
}

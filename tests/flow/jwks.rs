//! `GET /.well-known/jwks.json`.

use countersign_e2e::TestServer;

#[test]
fn the_key_set_can_be_kept_and_asked_about() {
    let world = TestServer::start();
    let first = world.get("/.well-known/jwks.json").expect(200);
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert!(first.header("cache-control").unwrap().contains("max-age="));
    let tag = first.header("etag").unwrap().to_owned();
    let ask = |tag: &str| {
        world.request("GET", "/.well-known/jwks.json").header("If-None-Match", tag).send()
    };
    for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
        let answer = ask(&known).expect(304);
        assert!(answer.body.is_empty(), "{known}");
    }
    ask("\"other\"").expect(200);
    world.cli(&["keys", "rotate"]).ok();
    countersign_e2e::eventually("the new key is published", || ask(&tag).status == 200);
}

#[test]
fn after_a_rotation_the_set_holds_both_keys_and_tokens_of_both_are_good() {
    let world = TestServer::builder().virtual_time().start();
    world.user("alice");
    let old = world.logged_in("alice");
    world.cli(&["keys", "rotate"]).ok();
    let keys = || world.get("/.well-known/jwks.json").json()["keys"].as_array().unwrap().clone();
    countersign_e2e::eventually("both keys are published", || keys().len() == 2);
    assert_ne!(keys()[0]["kid"], keys()[1]["kid"]);
    world.clock().advance(std::time::Duration::from_secs(121));
    let new = world.logged_in("alice");
    for browser in [&old, &new] {
        let header = jsonwebtoken::decode_header(&browser.access_token).unwrap();
        let key =
            keys().into_iter().find(|key| key["kid"] == header.kid.as_deref().unwrap()).unwrap();
        let mut validation = jsonwebtoken::Validation::new(header.alg);
        validation.validate_exp = false;
        let key =
            jsonwebtoken::DecodingKey::from_jwk(&serde_json::from_value(key).unwrap()).unwrap();
        jsonwebtoken::decode::<serde_json::Value>(&browser.access_token, &key, &validation)
            .unwrap();
        browser.get("/accounts/profile").expect(200);
    }
    assert_ne!(
        jsonwebtoken::decode_header(&old.access_token).unwrap().kid,
        jsonwebtoken::decode_header(&new.access_token).unwrap().kid
    );
}

//! Tokens, good and bad.

use countersign_e2e::{Browser, Forge, TestServer, claims_of};
use serde_json::{Value, json};

/// Tokens that no verifier may take, each wrong in one respect.
pub(crate) fn bad_tokens(world: &TestServer) -> Vec<(&'static str, String)> {
    let stranger = TestServer::start();
    let browser = world.logged_in("alice");
    let (forge, claims) = (Forge::of(world), claims_of(&browser.access_token));
    let (header, payload) = (forge.header().to_string(), claims.to_string());
    let signed = |claims: &Value| forge.sign(&header, &claims.to_string());
    let good = signed(&claims);
    let (message, signature) = good.rsplit_once('.').expect("a signature");
    let another_user = forge.sign(&header, &with(&claims, "sub", &json!("999")).to_string());
    let (another_message, _) = another_user.rsplit_once('.').expect("a signature");
    let an_hour_ago = json!(claims["exp"].as_u64().expect("a time") - 3600);
    let unsigned = forge
        .sign(&json!({"typ": "at+jwt", "alg": "none", "kid": forge.kid()}).to_string(), &payload);
    vec![
        ("expired", signed(&with(&with(&claims, "iat", &an_hour_ago), "exp", &an_hour_ago))),
        ("never expiring", signed(&without(&claims, "exp"))),
        ("of another issuer", signed(&with(&claims, "iss", &json!("https://evil.test")))),
        ("of no issuer", signed(&without(&claims, "iss"))),
        ("bent", format!("{another_message}.{signature}")),
        ("signed with another key", Forge::of(&stranger).sign(&header, &payload)),
        (
            "signed with a key that nobody knows",
            Forge::of(&stranger).sign(
                &with(&forge.header(), "kid", &json!("0123456789abcdef")).to_string(),
                &payload,
            ),
        ),
        ("not signed", format!("{}.", unsigned.rsplit_once('.').expect("a signature").0)),
        ("cut off", message.to_owned()),
        ("the public key taken for a secret", forge.hs256(&claims, forge.public_key())),
        ("a refresh token", browser.refresh_token().to_owned()),
        ("the list of the ended sessions", world.get("/.well-known/revocations").text()),
        ("nonsense", "nonsense".to_owned()),
        ("three empty parts", "..".to_owned()),
    ]
}

/// A token with which a user may enrol a second factor, and do nothing else.
pub(crate) fn may_only_enrol(world: &TestServer) -> String {
    let claims = claims_of(&world.logged_in("alice").access_token);
    let forge = Forge::of(world);
    let header = with(&forge.header(), "typ", &json!("et+jwt")).to_string();
    forge.sign(&header, &with(&claims, "scope", &json!("enrol")).to_string())
}

/// What the server will sign soon: the browser's claims with the newest key.
pub(crate) fn signed_with_the_newest_key(world: &TestServer, browser: &Browser) -> String {
    let forge = Forge::of(world);
    assert_ne!(
        jsonwebtoken::decode_header(&browser.access_token).expect("a token").kid.as_deref(),
        Some(forge.kid())
    );
    forge.sign(&forge.header().to_string(), &claims_of(&browser.access_token).to_string())
}

pub(crate) fn key_ids(world: &TestServer) -> Vec<Value> {
    world.get("/.well-known/jwks.json").json()["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .map(|key| key["kid"].clone())
        .collect()
}

pub(crate) fn with(object: &Value, name: &str, value: &Value) -> Value {
    let mut object = object.clone();
    object[name] = value.clone();
    object
}

pub(crate) fn without(object: &Value, name: &str) -> Value {
    let mut object = object.clone();
    object.as_object_mut().expect("an object").remove(name);
    object
}

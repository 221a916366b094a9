//! The examples of the JOSE specifications: keys and signatures that others made.

use countersign_verify::{Algorithm, KeySet, VerifyingKey};
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::verify;
use serde_json::{Value, json};

/// What a JWK Set of this one key verifies the token with, and whether it does.
fn verifies(jwk: &Value, token: &str) -> Option<bool> {
    let keys = KeySet::from_jwk_set(&json!({"keys": [jwk]}).to_string()).unwrap();
    let key = keys.get(jwk["kid"].as_str()?)?;
    let (message, signature) = token.rsplit_once('.')?;
    Some(
        verify(signature, message.as_bytes(), key.decoding_key(), key.algorithm()).unwrap_or(false),
    )
}

/// The token with another letter in the middle of its signature, and in the middle of what was
/// signed.
fn bent(token: &str) -> [String; 2] {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let bend = |text: &str| {
        let middle = text.len() / 2;
        let other = if text.as_bytes()[middle] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &text[..middle], &text[middle + 1..])
    };
    [format!("{message}.{}", bend(signature)), format!("{}.{signature}", bend(message))]
}

#[test]
fn the_signatures_of_the_specifications_are_good_and_bent_ones_are_not() {
    for (what, jwk, token) in [
        ("RFC 7515, A.2", rs256(), RFC_7515_A2),
        ("RFC 7515, A.3", es256(), RFC_7515_A3),
        ("RFC 8037, A.4", ed25519(), RFC_8037_A4),
    ] {
        assert_eq!(verifies(&jwk, token), Some(true), "{what}");
        for bent in bent(token) {
            assert_eq!(verifies(&jwk, &bent), Some(false), "{what}: {bent}");
        }
    }
}

#[test]
fn the_shared_secret_of_the_specification_verifies_its_token() {
    use base64::Engine;
    let secret = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let keys = KeySet::new(vec![VerifyingKey::new(
        "k1".to_owned(),
        Algorithm::HS256,
        DecodingKey::from_secret(&secret),
        u64::MAX,
    )]);
    let key = keys.get("k1").unwrap().decoding_key();
    let good = |token: &str| {
        let (message, signature) = token.rsplit_once('.').unwrap();
        verify(signature, message.as_bytes(), key, Algorithm::HS256).unwrap_or(false)
    };
    assert!(good(RFC_7515_A1));
    assert!(bent(RFC_7515_A1).iter().all(|bent| !good(bent)));
}

#[test]
fn of_the_set_in_the_specification_the_key_for_signatures_is_taken_alone() {
    // RFC 7517, A.1: the first says `"use": "enc"`.
    let mut encryption = json!({
        "kty": "EC", "crv": "P-256", "use": "enc", "kid": "1",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    });
    encryption["alg"] = json!("ES256");
    let mut signatures = rs256();
    signatures["kid"] = json!("2011-04-29");
    signatures["n"] = json!(
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj\
         hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ\
         vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK\
         nqDKgw"
    );
    let keys =
        KeySet::from_jwk_set(&json!({"keys": [encryption, signatures]}).to_string()).unwrap();
    assert!(keys.get("1").is_none());
    assert_eq!(keys.get("2011-04-29").unwrap().algorithm(), Algorithm::RS256);
}

#[test]
fn a_key_that_is_for_something_else_or_does_not_fit_is_passed_over_and_takes_no_other_along() {
    let with = |mut jwk: Value, name: &str, value: Value| {
        jwk[name] = value;
        jwk["kid"] = json!("unfit");
        jwk
    };
    let unfit = [
        with(ed25519(), "use", json!("enc")),
        with(ed25519(), "key_ops", json!(["encrypt"])),
        with(ed25519(), "crv", json!("X25519")),
        with(ed25519(), "crv", json!("P-256")),
        with(ed25519(), "alg", json!("ES256")),
        with(ed25519(), "alg", json!("RS256")),
        with(ed25519(), "x", json!("11qYAYKxCrfVS_7T")),
        with(ed25519(), "x", json!(5)),
        with(ed25519(), "kty", json!("PQ")),
        with(es256(), "crv", json!("P-384")),
        with(es256(), "crv", json!("secp256k1")),
        with(es256(), "alg", json!("ES384")),
        with(es256(), "alg", json!("EdDSA")),
        with(rs256(), "alg", json!("HS256")),
        with(rs256(), "alg", Value::Null),
        // A modulus of 1024 bits.
        with(rs256(), "n", json!("w".repeat(171))),
        json!({"kty": "oct", "alg": "HS256", "kid": "unfit",
            "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"}),
        json!("no key"),
    ];
    for unfit in unfit {
        let keys = KeySet::from_jwk_set(&json!({"keys": [unfit, ed25519()]}).to_string()).unwrap();
        assert!(keys.get("unfit").is_none(), "{unfit}");
        assert!(keys.get("k1").is_some(), "{unfit}");
    }
    for fit in [with(ed25519(), "use", Value::Null), with(ed25519(), "key_ops", json!(["verify"]))]
    {
        assert!(
            KeySet::from_jwk_set(&json!({"keys": [fit]}).to_string())
                .unwrap()
                .get("unfit")
                .is_some(),
            "{fit}"
        );
    }
}

#[test]
fn a_secret_that_is_too_short_and_a_key_of_another_kind_verify_nothing() {
    let one = |algorithm, key| {
        KeySet::new(vec![VerifyingKey::new("k1".to_owned(), algorithm, key, u64::MAX)])
    };
    assert!(one(Algorithm::HS256, DecodingKey::from_secret(&[7; 31])).get("k1").is_none());
    assert!(one(Algorithm::HS256, DecodingKey::from_secret(&[7; 32])).get("k1").is_some());
    assert!(one(Algorithm::EdDSA, DecodingKey::from_secret(&[7; 32])).get("k1").is_none());
    let public =
        DecodingKey::from_ed_components("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
    assert!(
        one(Algorithm::HS256, public.clone()).get("k1").is_none(),
        "a public key is no shared secret"
    );
    assert!(one(Algorithm::EdDSA, public).get("k1").is_some());
}

fn rs256() -> Value {
    json!({"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k1", "e": "AQAB",
        "n": RFC_7515_A2_N})
}

fn es256() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

/// RFC 8037, A.2.
fn ed25519() -> Value {
    json!({
        "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "k1",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    })
}

const RFC_7515_A1: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh\
    0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

const RFC_7515_A2: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmN\
    vbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5\
    jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383\
    LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig\
    cN_IoypGlUPQGe77Rw";

const RFC_7515_A2_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm\
    4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo\
    7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDT\
    W9gb54h4FRWyuXpoQ";

const RFC_7515_A3: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmN\
    vbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

const RFC_8037_A4: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvM\
    g3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";

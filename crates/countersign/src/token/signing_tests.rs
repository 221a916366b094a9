//! Which keys sign, what their signatures are good for, and how long.

use countersign_verify::jws;
use jiff::Timestamp;
use jsonwebtoken::Header;
use serde_json::{Value, json};

use super::signer::Signer;
use super::*;
use crate::clock::OsRandom;
use crate::session::SessionId;
use crate::session::rotation::Jti;

fn secrets(letter: &str) -> Secrets {
    Secrets::from_text(&letter.repeat(32)).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn claims() -> RefreshClaims {
    RefreshClaims {
        sid: SessionId::new(7).unwrap(),
        generation: 3,
        jti: Jti([1; 16]),
        parent: None,
        iat: 1_000,
        exp: 1_300,
        is_short: false,
    }
}

/// A text signed under the key for refresh tokens, with other headers or more claims.
fn forged(secrets: &Secrets, change: impl Fn(&mut Header), pad: usize) -> String {
    let mut header = Header::new(countersign_verify::Algorithm::HS256);
    header.typ = Some("rt+jwt".to_owned());
    change(&mut header);
    let mut body = serde_json::to_value(claims()).unwrap();
    body["pad"] = Value::String("a".repeat(pad));
    let signer = Signer::hmac(secrets.refresh());
    jws::encode(&header, &body, |message| signer.sign(message)).unwrap()
}

fn key(activates: i64, retires: Option<i64>) -> SealedKey {
    let key = SealedKey::generate(Algorithm::EdDsa, &secrets("k"), at(0), at(activates), &OsRandom);
    SealedKey { retires_at: retires.map(at), ..key.unwrap() }
}

/// The id of the key that a ring signs with.
fn signer_of(ring: &KeyRing, second: i64) -> Option<KeyId> {
    let token = ring.sign("at+jwt", &json!({"sub": "1"}), at(second)).ok()?;
    let header = jsonwebtoken::decode_header(&token).unwrap();
    assert_eq!(header.typ.as_deref(), Some("at+jwt"));
    Some(header.kid.unwrap().parse().unwrap())
}

#[test]
fn a_refresh_token_is_good_until_its_second_and_under_its_own_secret() {
    let tokens = RefreshTokens::new(&secrets("r"));
    let token = tokens.sign(&claims()).unwrap();
    assert_eq!(tokens.verify(&token, 1_299), Ok(claims()));
    assert_eq!(tokens.verify(&token, 1_300), Err(RefreshError::Expired));
    assert_eq!(tokens.verify(&token, 1_301), Err(RefreshError::Expired));
    assert_eq!(tokens.verify_but_expiry(&token), Ok(claims()));
    let others = RefreshTokens::new(&secrets("s"));
    assert_eq!(others.verify(&token, 1_000), Err(RefreshError::Invalid));
    assert_eq!(format!("{tokens:?}"), "RefreshTokens(..)");
}

#[test]
fn only_a_short_token_of_the_right_type_that_demands_nothing_is_a_refresh_token() {
    let secrets = secrets("r");
    let read = |token: &str| RefreshTokens::new(&secrets).verify_but_expiry(token);
    assert_eq!(read(&forged(&secrets, |_| {}, 0)), Ok(claims()));
    let other_type = forged(&secrets, |header| header.typ = Some("at+jwt".to_owned()), 0);
    let no_type = forged(&secrets, |header| header.typ = None, 0);
    let demands = forged(&secrets, |header| header.crit = Some(vec!["b64".to_owned()]), 0);
    for wrong in [other_type, no_type, demands] {
        assert_eq!(read(&wrong), Err(RefreshError::Invalid), "{wrong}");
    }
    for pad in 500..700 {
        let token = forged(&secrets, |_| {}, pad);
        assert_eq!(read(&token).is_ok(), token.len() <= 1_024, "{} bytes", token.len());
    }
}

#[test]
#[cfg(feature = "axum")]
fn an_instance_takes_the_tokens_of_no_other_but_those_from_before_it_had_a_name_if_it_is_told() {
    let secrets = secrets("r");
    let named = RefreshTokens::of_instance(&secrets, "shop");
    let old = RefreshTokens::new(&secrets).sign(&claims()).unwrap();
    let of_other = RefreshTokens::of_instance(&secrets, "blog").sign(&claims()).unwrap();
    assert_eq!(named.verify_but_expiry(&old), Err(RefreshError::Invalid));
    let both = RefreshTokens::of_instance(&secrets, "shop").or_nameless(&secrets);
    assert_eq!(both.verify_but_expiry(&old), Ok(claims()));
    assert_eq!(both.verify_but_expiry(&named.sign(&claims()).unwrap()), Ok(claims()));
    assert_eq!(both.verify_but_expiry(&of_other), Err(RefreshError::Invalid));
}

#[test]
fn the_youngest_key_that_is_active_signs_and_before_any_is_the_oldest() {
    let (old, new) = (key(1_000, Some(2_000)), key(1_500, None));
    let ring = KeyRing::new(&[old.clone(), new.clone()], &secrets("k"), at(0)).unwrap();
    for (second, signs) in
        [(999, &old), (1_000, &old), (1_499, &old), (1_500, &new), (1_999, &new), (2_000, &new)]
    {
        assert_eq!(signer_of(&ring, second), Some(signs.id), "{second}");
        #[cfg(feature = "axum")]
        assert_eq!(ring.signer(at(second)), Some(signs.id));
    }
    ring.replace(std::slice::from_ref(&old), &secrets("k"), at(0)).unwrap();
    assert_eq!(signer_of(&ring, 1_999), Some(old.id));
    assert_eq!(signer_of(&ring, 2_000), None, "it has retired");
    assert_eq!(ring.sign("at+jwt", &json!({}), at(2_001)), Err(KeyError::NoneLive));
}

#[test]
fn a_key_is_published_until_it_retires() {
    let (old, new) = (key(1_000, Some(2_000)), key(1_500, None));
    let ring = KeyRing::new(&[old.clone(), new.clone()], &secrets("k"), at(0)).unwrap();
    let published = |second| {
        let jwks = ring.jwks(at(second));
        let kids = jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone());
        kids.collect::<Vec<_>>()
    };
    let [old_id, new_id] = [old.id.to_string(), new.id.to_string()];
    assert_eq!(published(1_999), [old_id.as_str(), &new_id]);
    assert_eq!(published(2_000), [new_id.as_str()]);
    assert_eq!(published(2_001), [new_id.as_str()]);
    let keys = ring.key_set();
    assert_eq!(keys.get(&old_id).unwrap().retires_at(), 2_000);
    assert_eq!(keys.get(&new_id).unwrap().retires_at(), u64::MAX);
    assert_eq!(ring.newest_algorithm(), Some(Algorithm::EdDsa));
    // One that has retired already is not even opened.
    let ring = KeyRing::new(&[old], &secrets("another secret"), at(2_000)).unwrap();
    assert_eq!((ring.newest_algorithm(), ring.key_set().get(&old_id).is_some()), (None, false));
    let hmac = SealedKey::generate(Algorithm::Hs256, &secrets("k"), at(0), at(0), &OsRandom);
    let ring = KeyRing::new(&[hmac.unwrap()], &secrets("k"), at(0)).unwrap();
    assert_eq!(ring.newest_algorithm(), Some(Algorithm::Hs256));
    assert!(format!("{ring:?}").contains("algorithm: Hs256, .."), "{ring:?}");
}

#[test]
fn the_keys_that_come_of_a_secret_are_the_same_in_every_version() {
    let secrets = secrets("t");
    // HKDF-SHA256 (RFC 5869) by another program.
    for (key, begins) in [
        (secrets.refresh(), "d1486c77116663e4"),
        (secrets.csrf(), "ce8a40875de92cd4"),
        (secrets.device(), "25ba5a84a8dc42fc"),
        (secrets.attempts(), "56f599665646b28b"),
        (secrets.codes(), "4a8a3de90d40cf00"),
        (secrets.sealing(), "c47728f1f930238e"),
        #[cfg(feature = "axum")]
        (secrets.outbox(), "a154bd1f847f32c7"),
        #[cfg(feature = "axum")]
        (secrets.pending(), "a962a273798bf6cd"),
        #[cfg(feature = "axum")]
        (secrets.recovery(), "d33d78cd00619c45"),
        #[cfg(feature = "axum")]
        (secrets.factors(), "e6047a5cbaa3e949"),
        #[cfg(feature = "axum")]
        (secrets.device_ticket(), "149a182c533d56ba"),
        #[cfg(feature = "axum")]
        (secrets.device_challenge(), "1f352010f102b95e"),
        #[cfg(feature = "axum")]
        (secrets.handles(), "9b97b2e216efa240"),
        #[cfg(feature = "passkeys")]
        (secrets.challenges(), "3d6b4551d39aee59"),
        #[cfg(feature = "axum")]
        (secrets.ticket(), "6d6c73983a9a6f5d"),
    ] {
        let hex: String = key[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((hex.as_str(), key.len()), (begins, 32));
    }
    assert_eq!(format!("{secrets:?}"), "Secrets(..)");
}

#[test]
fn a_secret_that_cannot_be_made_or_read_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let told = |name: &str| {
        let path = directory.path().join(name);
        Secrets::load_or_create(&path, &OsRandom).unwrap_err().to_string()
    };
    // The draft beside it has a longer name.
    assert!(told(&"s".repeat(250)).contains("too long"), "{}", told(&"s".repeat(250)));
    std::os::unix::fs::symlink("nowhere", directory.path().join("link")).unwrap();
    assert!(told("link").contains("No such file"), "{}", told("link"));
}

//! What the verifier promises, with keys of the test's own.

use countersign_verify::{
    Algorithm, Claims, KeySet, Revocations, SessionId, TokenError, Verifier, VerifyingKey,
};
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use serde_json::{Value, json};

const KEY: &[u8] = b"a key of the test's own, thirty-two bytes and more";
const ISSUER: &str = "https://id.example.com";

fn sign(typ: &str, kid: &str, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some(typ.to_owned());
    header.kid = Some(kid.to_owned());
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(KEY)).unwrap()
}

fn claims() -> Value {
    let claims = Claims::new(
        ISSUER.to_owned(),
        "1".to_owned(),
        SessionId::new(7).unwrap(),
        1_000,
        1_000,
        1_300,
    );
    serde_json::to_value(claims).unwrap()
}

fn keys(retires_at: u64) -> KeySet {
    KeySet::new(vec![VerifyingKey::new(
        "k1".to_owned(),
        Algorithm::HS256,
        DecodingKey::from_secret(KEY),
        retires_at,
    )])
}

fn verifier(audience: Option<&str>) -> Verifier {
    Verifier::new(ISSUER.to_owned(), audience.map(str::to_owned), keys(u64::MAX), 100)
}

#[test]
fn a_token_counts_until_its_time_and_is_remembered_no_longer() {
    let verifier = verifier(None);
    let token = sign("at+jwt", "k1", &claims());
    for _ in 0..2 {
        assert_eq!(verifier.verify(&token, 1_299).unwrap().claims.sub, "1");
        assert_eq!(verifier.verify(&token, 1_300).map(drop), Err(TokenError::Expired));
    }
    assert_eq!(verifier.remembered(), 1);
    assert_eq!(verifier.check(&token, 1_300).map(drop), Err(TokenError::Expired));
    let late = verifier.check_but_expiry(&token, 9_000);
    assert!(late.is_ok_and(|token| token.expired), "a logout is welcome at any time");
}

#[test]
fn no_token_lives_longer_than_the_verifier_allows_whatever_it_says() {
    let verifier = verifier(None).no_longer_than(60);
    let token = sign("at+jwt", "k1", &claims());
    assert!(verifier.verify(&token, 1_059).is_ok());
    assert_eq!(verifier.verify(&token, 1_060).map(drop), Err(TokenError::Expired));
}

#[test]
fn a_key_that_retires_or_goes_takes_its_tokens_along_even_remembered_ones() {
    let verifier = verifier(None);
    let token = sign("at+jwt", "k1", &claims());
    assert!(verifier.verify(&token, 1_100).is_ok());
    verifier.set_keys(&keys(1_150));
    assert!(verifier.verify(&token, 1_149).is_ok());
    assert_eq!(verifier.verify(&token, 1_150).map(drop), Err(TokenError::UnknownKey));
    verifier.set_keys(&KeySet::default());
    assert_eq!(verifier.verify(&token, 1_100).map(drop), Err(TokenError::UnknownKey));
}

#[test]
fn what_is_not_exactly_an_access_token_of_this_issuer_is_refused() {
    let verifier = verifier(Some("api"));
    let with = |name: &str, value: Value| {
        let mut claims = claims();
        claims["aud"] = json!("api");
        claims[name] = value;
        sign("at+jwt", "k1", &claims)
    };
    assert!(verifier.verify(&with("aud", json!("api")), 1_100).is_ok());
    assert!(verifier.verify(&with("aud", json!(["other", "api"])), 1_100).is_ok());
    for (name, value, error) in [
        ("aud", json!("other"), TokenError::WrongAudience),
        ("aud", Value::Null, TokenError::WrongAudience),
        ("iss", json!("https://evil.example"), TokenError::WrongIssuer),
        ("exp", json!("1300"), TokenError::Invalid),
        ("exp", json!(1_300.5), TokenError::Invalid),
        ("exp", json!(-1), TokenError::Invalid),
        ("exp", json!(u64::MAX), TokenError::Invalid),
        ("iat", json!(2_000), TokenError::Invalid),
        ("nbf", json!("1000"), TokenError::Invalid),
        ("nbf", json!(1_000.5), TokenError::Invalid),
        ("nbf", json!(1_161), TokenError::NotYet),
        ("sid", json!("0"), TokenError::Invalid),
        ("sub", json!(1), TokenError::Invalid),
    ] {
        assert_eq!(
            verifier.verify(&with(name, value.clone()), 1_100).map(drop),
            Err(error),
            "{name} = {value}"
        );
    }
    for missing in ["iss", "sub", "iat", "exp", "sid", "auth_time"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(missing);
        assert_eq!(
            verifier.verify(&sign("at+jwt", "k1", &claims), 1_100).map(drop),
            Err(TokenError::Invalid),
            "without {missing}"
        );
    }
    assert_eq!(
        verifier.verify(&sign("JWT", "k1", &claims()), 1_100).map(drop),
        Err(TokenError::WrongType)
    );
    assert_eq!(
        verifier.verify(&sign("at+jwt", "k2", &claims()), 1_100).map(drop),
        Err(TokenError::UnknownKey)
    );
    assert_eq!(verifier.verify(&"a".repeat(9_000), 1_100).map(drop), Err(TokenError::TooLong));
    for broken in ["", ".", "..", "a.b", "a.b.c.d", "é"] {
        assert_eq!(
            verifier.verify(broken, 1_100).map(drop),
            Err(TokenError::Malformed),
            "{broken:?}"
        );
    }
}

#[test]
fn a_token_out_of_the_future_is_refused_until_its_time_has_come() {
    let verifier = verifier(None);
    let at = |iat: u64, nbf: Option<u64>| {
        let mut claims = Claims::new(
            ISSUER.to_owned(),
            "1".to_owned(),
            SessionId::new(7).unwrap(),
            iat,
            iat,
            iat + 300,
        );
        claims.nbf = nbf;
        sign("at+jwt", "k1", &serde_json::to_value(claims).unwrap())
    };
    for (token, from) in [(at(2_000, None), 1_940), (at(1_000, Some(1_200)), 1_140)] {
        assert_eq!(verifier.verify(&token, from - 1).map(drop), Err(TokenError::NotYet));
        assert_eq!(verifier.check(&token, from - 1).map(drop), Err(TokenError::NotYet));
        assert!(verifier.verify(&token, from).is_ok(), "the clocks may be a minute apart");
    }
    assert!(verifier.verify(&at(1_000, Some(1_000)), 1_000).is_ok());
}

#[test]
fn an_ended_session_is_known_until_it_may_be_forgotten() {
    let ended = Revocations::default();
    let ids: Vec<SessionId> = (1..=1_000).filter_map(SessionId::new).collect();
    for (at, id) in ids.iter().enumerate() {
        ended.insert(*id, at as u64);
    }
    assert_eq!(ended.len(), 1_000);
    ended.forget_before(600);
    assert_eq!(ids.iter().filter(|id| ended.contains(**id)).count(), 400);
    assert!(!ended.contains(ids[599]) && ended.contains(ids[600]));
    ended.insert(ids[600], 5);
    ended.forget_before(601);
    assert!(!ended.contains(ids[600]), "an older word does not bring a time back");
}

//! What tokens are made of, text by text: names, claims, bounds.

use std::sync::Mutex;

use countersign_verify::Account;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Map, Value, json};

use super::csrf::CsrfTokens;
use super::device::{DeviceTokens, LIFETIME_SECONDS};
use super::*;
use crate::clock::{OsRandom, Random};
use crate::password::EncodedPassword;
use crate::session::SessionId;
use crate::sign_in::{Methods, Scope};
use crate::user::UserId;

/// A user of an app's own, with claims of its own.
#[derive(Debug)]
struct Ada {
    groups: Vec<String>,
    permissions: Vec<String>,
}

impl Account for Ada {
    fn id(&self) -> UserId {
        UserId::new(7)
    }
    fn username(&self) -> &str {
        "ada"
    }
    fn email(&self) -> &str {
        "ada@example.com"
    }
    fn first_name(&self) -> &str {
        "Ada"
    }
    fn last_name(&self) -> &str {
        "Byron"
    }
    fn is_staff(&self) -> bool {
        true
    }
    fn groups(&self) -> &[String] {
        &self.groups
    }
    fn permissions(&self) -> &[String] {
        &self.permissions
    }
    fn claims(&self) -> Map<String, Value> {
        json!({"plan": "gold", "sub": "1", "scope": "all"}).as_object().unwrap().clone()
    }
}

fn ada() -> Ada {
    Ada { groups: vec!["editors".to_owned()], permissions: vec!["blog.publish".to_owned()] }
}

fn secrets() -> Secrets {
    Secrets::from_text(&"t".repeat(32)).unwrap()
}

fn grant<'a>(user: &'a Ada, scope: Scope, extra: &'a [ExtraClaim]) -> AccessGrant<'a> {
    AccessGrant {
        issuer: "https://auth.example.com",
        audience: None,
        user,
        session: SessionId::new(5).unwrap(),
        auth_time: 900,
        methods: Methods::of_nothing(),
        scope,
        is_bound: true,
        csrf_token: None,
        extra,
        issued_at: 1_000,
        expires_at: 1_300,
    }
}

/// Random bytes that a test chose, the last ones first.
#[derive(Debug)]
struct Chosen(Mutex<Vec<Vec<u8>>>);

impl Random for Chosen {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.lock().unwrap().pop().unwrap());
    }
}

#[test]
fn an_app_adds_claims_but_takes_the_place_of_none() {
    let claims = grant(&ada(), Scope::Full, &[]).claims();
    assert_eq!((claims.sub.as_str(), &claims.scope), ("7", &None));
    assert_eq!(claims.extra.keys().collect::<Vec<_>>(), ["plan"]);
}

#[test]
fn a_token_that_may_only_enrol_is_of_another_type() {
    let ada = ada();
    let (full, enrol) = (grant(&ada, Scope::Full, &[]), grant(&ada, Scope::Enrol, &[]));
    assert_eq!((full.token_type(), enrol.token_type()), ("at+jwt", "et+jwt"));
    assert_eq!(enrol.claims().scope.as_deref(), Some("enrol"));
}

#[test]
fn each_extra_claim_has_its_name_and_its_value() {
    let named = [
        ("username", json!("ada")),
        ("email", json!("ada@example.com")),
        ("first_name", json!("Ada")),
        ("last_name", json!("Byron")),
        ("is_staff", json!(true)),
        ("is_superuser", json!(false)),
        ("groups", json!(["editors"])),
        ("permissions", json!(["blog.publish"])),
        ("dvb", json!(true)),
    ];
    for (name, value) in named {
        let claim: ExtraClaim = name.parse().unwrap();
        assert_eq!((claim.as_str(), claim.to_string().as_str()), (name, name));
        assert_eq!(grant(&ada(), Scope::Full, &[claim]).claims().extra[name], value);
    }
    assert_eq!("password".parse::<ExtraClaim>(), Err(UnknownClaim));
}

#[test]
fn an_algorithm_is_read_in_any_case_and_written_as_in_the_header() {
    for name in ["EdDSA", "ES256", "RS256", "HS256"] {
        let algorithm: Algorithm = name.to_lowercase().parse().unwrap();
        assert_eq!((algorithm.as_str(), algorithm.to_string().as_str()), (name, name));
    }
    assert_eq!("none".parse::<Algorithm>(), Err(UnknownAlgorithm));
}

#[test]
fn a_csrf_token_belongs_to_one_session_and_one_secret() {
    let tokens = CsrfTokens::new(&secrets());
    let others = CsrfTokens::new(&Secrets::from_text(&"u".repeat(32)).unwrap());
    let (ours, theirs) = (SessionId::new(1).unwrap(), SessionId::new(2).unwrap());
    let token = tokens.token(ours);
    assert!(tokens.matches(ours, token.as_bytes()));
    assert!(!tokens.matches(theirs, token.as_bytes()));
    assert!(!others.matches(ours, token.as_bytes()));
    assert!(!tokens.matches(ours, b""));
}

#[test]
fn a_device_is_known_for_a_year() {
    assert_eq!(LIFETIME_SECONDS, 31_536_000);
}

#[test]
fn the_longest_device_token_is_read_and_no_longer_text() {
    let tokens = DeviceTokens::new(&secrets());
    let (user, password) = (longest_id(), EncodedPassword::unusable());
    let token = tokens.issue(user, &password, None, 1_000, &OsRandom);
    let marked = tokens.mark(&token, 2_000, 1);
    assert!(tokens.verify(&marked, user, &password, 1_000).is_some());
    let padded = format!("{marked}.{}", "A".repeat(500));
    assert_eq!(tokens.verify(&padded, user, &password, 1_000), None);
}

fn longest_id() -> UserId {
    "0194f3a2-5b6c-7d8e-9f01-23456789abcd".parse().unwrap()
}

#[test]
fn a_key_lives_until_it_retires() {
    let at = Timestamp::from_second(1_000).unwrap();
    let mut key = SealedKey::generate(Algorithm::Hs256, &secrets(), at, at, &OsRandom).unwrap();
    assert!(key.is_live(at));
    key.retires_at = Timestamp::from_second(1_001).ok();
    assert!(key.is_live(at));
    key.retires_at = Some(at);
    assert!(!key.is_live(at));
    key.retires_at = Timestamp::from_second(999).ok();
    assert!(!key.is_live(at));
}

#[test]
fn the_id_of_a_key_is_sixteen_hexadecimal_digits() {
    let id: KeyId = "0b5c86a9f4dd496a".parse().unwrap();
    assert_eq!(id.to_string(), "0b5c86a9f4dd496a");
    assert_eq!(KeyId([0; 8]).to_string(), "0000000000000000");
    for wrong in ["", "0b5c", "+b5c86a9f4dd496a", "0b5c86a9f4dd496g", "00b5c86a9f4dd496a"] {
        assert_eq!(wrong.parse::<KeyId>(), Err(KeyError::Id), "{wrong}");
    }
}

#[test]
fn a_private_key_is_exported_as_pem_and_a_shared_secret_as_base64url() {
    let now = Timestamp::UNIX_EPOCH;
    let exported = |algorithm| {
        let key = SealedKey::generate(algorithm, &secrets(), now, now, &OsRandom).unwrap();
        key.open(&secrets()).unwrap().to_pem().expose_secret().to_owned()
    };
    let pem = exported(Algorithm::EdDsa);
    assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{pem}");
    assert_eq!(exported(Algorithm::Hs256).len(), 43);
}

#[test]
fn the_id_of_a_one_time_token_is_drawn_and_never_negative() {
    let bits = |first: u8| {
        let random = Chosen(Mutex::new(vec![vec![7; 16], vec![first, 0, 0, 0, 0, 0, 0, 9]]));
        OneTimeToken::draw(&random).id().as_i64()
    };
    assert_eq!(bits(0), 9);
    assert_eq!(bits(0x80), 9, "without its sign");
    assert_eq!(bits(0x40), (0x40 << 56) + 9);
}

#[test]
fn a_code_is_eight_digits_however_they_are_grouped() {
    for typed in ["12345678", " 1234 5678 ", "1234-5678", &format!("12345678{}", " ".repeat(24))] {
        assert_eq!(Code::parse(typed).unwrap().expose(), "12345678", "{typed:?}");
    }
    let long = format!("12345678{}", " ".repeat(25));
    for wrong in ["", "1234567", "123456789", "1234567a", "١٢٣٤", &long] {
        assert!(Code::parse(wrong).is_none(), "{wrong:?}");
    }
}

#[test]
fn what_is_kept_for_a_secret_is_read_back_and_has_32_bytes() {
    let hash = OneTimeToken::parse("AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA").unwrap().hash();
    assert_eq!(SecretHash::from_stored(hash.as_bytes()), Some(hash));
    assert_eq!(SecretHash::from_stored(&[0; 31]), None);
    let row = Fingerprint::of(&EncodedPassword::unusable(), "ada@example.com", true);
    assert_eq!(Fingerprint::from_stored(row.as_bytes()), Some(row));
    assert_eq!(Fingerprint::from_stored(&[0; 33]), None);
}

#[test]
fn what_is_secret_prints_its_name_alone() {
    let now = Timestamp::UNIX_EPOCH;
    let key = SealedKey::generate(Algorithm::Hs256, &secrets(), now, now, &OsRandom).unwrap();
    let token = OneTimeToken::parse("AAAAAAAAAAc.AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    for (printed, expected) in [
        (format!("{:?}", CsrfTokens::new(&secrets())), "CsrfTokens(..)"),
        (format!("{:?}", DeviceTokens::new(&secrets())), "DeviceTokens(..)"),
        (format!("{:?}", CodeHasher::new(&secrets())), "CodeHasher(..)"),
        (format!("{:?}", Code::parse("12345678").unwrap()), "Code(..)"),
        (format!("{:?}", token.hash()), "SecretHash(..)"),
        (format!("{token:?}"), "OneTimeToken { id: TokenId(7), .. }"),
        (format!("{:?}", key.open(&secrets()).unwrap()), "PrivateKey { algorithm: Hs256, .. }"),
    ] {
        assert_eq!(printed, expected);
    }
}

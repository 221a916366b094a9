//! What a stranger can send, given to the code that reads it: one function for each reader. Each
//! says what must hold for every input, and panics where it does not.
//!
//! libFuzzer calls them from `fuzz_targets/`, with nightly Rust. The tests at the bottom
//! call them on any Rust, with the seeds of `seeds/`, bent in many ways, and with invented bytes.

#[path = "../../crates/countersign-server/src/config/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the binary uses all of it")]
mod config;
mod configuration;
mod range_service;
#[path = "../../crates/countersign-server/src/text.rs"]
#[expect(dead_code, reason = "the binary uses all of it")]
mod text;

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Request};
pub use configuration::configuration;
use countersign::Auth;
use countersign::password::{EncodedPassword, HashSettings, Password, Passwords};
use countersign::store::SessionPlace;
use countersign::store::sqlite::SqliteStore;
use countersign::token::{RefreshTokens, Secrets};
use countersign::web::client_address::client_address as address_of;
use countersign::web::cookies::{CookieSettings, Cookies, values};
use countersign::web::origin::Origins;
use countersign_verify::{
    Algorithm, Claims, KeySet, SessionId, Verifier, VerifyingKey, bearer as bearer_of,
    unread_bearer,
};
use ipnet::IpNet;
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use tower::ServiceExt;

/// The header `Cookie`. No value has a separator in it, and few refresh tokens come of it.
pub fn cookies(data: &[u8]) {
    let cookies = Cookies::new(&url(), "/accounts", &CookieSettings::default()).expect("defaults");
    let headers = headers(COOKIE, data);
    for value in values(&headers, "refreshtoken") {
        assert!(!value.contains(';'), "{value:?}");
    }
    let tokens = cookies.refresh_of(&headers);
    assert!(tokens.len() <= 32 && tokens.iter().all(|token| !token.is_empty()), "{tokens:?}");
    let _ = cookies.device_of(&headers);
}

/// `X-Forwarded-For` and `Forwarded`. A stranger's headers change nothing; behind a proxy there is
/// one answer.
pub fn client_address(data: &[u8]) {
    let trusted: [IpNet; 2] = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network"));
    let [proxy, stranger]: [IpAddr; 2] =
        ["10.0.0.1", "203.0.113.9"].map(|ip| ip.parse().expect("an address"));
    let (one, other) = halves(data);
    let mut both = headers(HeaderName::from_static("x-forwarded-for"), one);
    both.extend(headers(HeaderName::from_static("forwarded"), other));
    assert_eq!(address_of(stranger, &both, &trusted), stranger);
    let found = address_of(proxy, &both, &trusted);
    assert_eq!(found, found.to_canonical());
}

/// Bodies of requests, through the endpoints that need no login. Never a 5xx.
pub fn fields(data: &[u8]) {
    let app = app();
    for path in ["/accounts/login", "/accounts/refresh", "/accounts/logout"] {
        for kind in ["application/json", "application/x-www-form-urlencoded"] {
            let request = Request::post(path)
                .header(CONTENT_TYPE, kind)
                .body(Body::from(data.to_vec()))
                .expect("a request");
            let answer = runtime().block_on(app.clone().oneshot(request)).expect("an answer");
            assert!(!answer.status().is_server_error(), "{path}: {}", answer.status());
        }
    }
}

/// The header `Authorization`. The quick reader and the careful one agree on a token.
pub fn bearer(data: &[u8]) {
    let headers = headers(AUTHORIZATION, data);
    if let (Some(quick), Ok(careful)) = (unread_bearer(&headers), bearer_of(&headers)) {
        assert_eq!(Some(quick), careful.map(str::as_bytes));
    }
}

/// Access tokens, refresh tokens and key sets. Nothing that was not signed is believed, and a token
/// that is bent is none.
pub fn jwt(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let verifier = Verifier::<()>::new(ISSUER.to_owned(), None, keys(), 100);
    let good = access_token();
    assert!(text == good || verifier.verify(&text, NOW).is_err(), "{text}");
    assert!(refresh_tokens().verify(&text, NOW).is_err(), "{text}");
    let _ = KeySet::from_jwk_set(&text);

    if let [at, by, ..] = *data {
        let mut bent = good.clone().into_bytes();
        let at = usize::from(at) * bent.len() / 256;
        bent[at] = by % 128;
        let bent = String::from_utf8(bent).expect("ASCII");
        // The last letter of a part may have bits that stand for nothing; they are refused, too.
        assert!(bent == good || verifier.verify(&bent, NOW).is_err(), "{bent}");
    }
}

/// Encoded passwords, as an imported table may have them. None matches, and none takes long.
pub fn hash_strings(data: &[u8]) {
    let stored = EncodedPassword::from_stored(String::from_utf8_lossy(data).into_owned());
    let given = Password::parse("no seed has this password".to_owned()).expect("a password");
    let verdict = runtime().block_on(passwords().verify(Some(&stored), &given)).expect("a verdict");
    assert!(!verdict.matches, "{data:?}");
}

/// Cursors of lists. What is taken is written as it was read.
pub fn cursors(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(place) = text.parse::<SessionPlace>() {
        assert_eq!(place.to_string().parse(), Ok(place), "{text}");
    }
}

/// Settings of cookies and origins, a line each. What is accepted makes headers of one cookie.
pub fn settings(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let mut next = || lines.next().unwrap_or_default().to_owned();
    let (public_url, refresh, domain) = (next(), next(), next());
    let mut settings = CookieSettings::default();
    settings.refresh = (!refresh.is_empty()).then_some(refresh);
    settings.domain = (!domain.is_empty()).then_some(domain);
    if let Ok(url) = public_url.parse()
        // The path is checked with the other settings, before it comes here.
        && let Ok(cookies) = Cookies::new(&url, "/accounts", &settings)
    {
        let header = cookies.set_refresh("token", Duration::from_secs(60));
        let header = header.to_str().expect("text");
        assert!(header.split("; ").count() <= 7, "{header}");
    }
    let lines: Vec<&str> = text.lines().collect();
    if let Ok(origins) = Origins::parse(lines) {
        assert!(!origins.allows("null"), "{text}");
    }
}

fn headers(name: HeaderName, data: &[u8]) -> HeaderMap {
    let lines = data.split(|&byte| byte == b'\n');
    lines.filter_map(|line| Some((name.clone(), HeaderValue::from_bytes(line).ok()?))).collect()
}

fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    let middle = data.iter().position(|&byte| byte == 0).unwrap_or(data.len());
    (&data[..middle], data.get(middle + 1..).unwrap_or_default())
}

fn url() -> url::Url {
    "http://localhost:8000".parse().expect("a URL")
}

fn keys() -> KeySet {
    let key = DecodingKey::from_secret(KEY);
    KeySet::new(vec![VerifyingKey::new("k1".to_owned(), Algorithm::HS256, key, u64::MAX)])
}

fn access_token() -> String {
    let sid = SessionId::new(7).expect("a session id");
    let claims = Claims::new(ISSUER.to_owned(), "1".to_owned(), sid, NOW, NOW, NOW + 300);
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some("k1".to_owned());
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(KEY)).expect("a token")
}

fn secrets() -> Secrets {
    Secrets::from_text("0123456789abcdef0123456789abcdef").expect("a secret")
}

fn cheap() -> HashSettings {
    let mut hash = HashSettings::default();
    hash.memory_kib = 64;
    hash.passes = 1;
    hash.threads = 1;
    hash
}

fn refresh_tokens() -> &'static RefreshTokens {
    static TOKENS: OnceLock<RefreshTokens> = OnceLock::new();
    TOKENS.get_or_init(|| RefreshTokens::new(&secrets()))
}

fn passwords() -> &'static Passwords {
    static PASSWORDS: OnceLock<Passwords> = OnceLock::new();
    PASSWORDS.get_or_init(|| Passwords::new(cheap()).expect("settings"))
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime")
    })
}

/// An app without users, for as long as the process lives.
fn app() -> &'static Router {
    static APP: OnceLock<(Router, tempfile::TempDir)> = OnceLock::new();
    let (app, _) = APP.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(&directory.path().join("fuzz.sqlite3")).expect("a store");
        let auth = runtime().block_on(Auth::builder(store).secrets(secrets()).hash(cheap()).build());
        (auth.expect("an app").routes(), directory)
    });
    app
}

const ISSUER: &str = "https://id.example.com";
const KEY: &[u8] = b"a key of the fuzzer's own, thirty-two bytes and more";
const NOW: u64 = 1_767_225_600;

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Runs a target over its seeds, each of them bent at one place, and over invented bytes.
    fn run(name: &str, target: fn(&[u8])) {
        let folder = format!("{}/seeds/{name}", env!("CARGO_MANIFEST_DIR"));
        let seeds: Vec<Vec<u8>> = std::fs::read_dir(&folder)
            .expect("a folder of seeds")
            .map(|file| std::fs::read(file.expect("a file").path()).expect("a seed"))
            .collect();
        assert!(!seeds.is_empty(), "{folder} is empty");
        seeds.iter().for_each(|seed| target(seed));
        let bent =
            (0..seeds.len(), any::<prop::sample::Index>(), any::<u8>(), vec(any::<u8>(), 0..9));
        proptest!(ProptestConfig::with_cases(400), |((seed, at, by, more) in bent)| {
            let mut seed = seeds[seed].clone();
            if !seed.is_empty() {
                let at = at.index(seed.len());
                seed[at] = by;
                target(&seed);
                seed.splice(at..at, more);
            }
            target(&seed);
        });
        proptest!(ProptestConfig::with_cases(200), |(data in vec(any::<u8>(), 0..600))| {
            target(&data);
        });
    }

    macro_rules! targets {
        ($($target:ident),+) => {$(
            #[test]
            fn $target() {
                run(stringify!($target), super::$target);
            }
        )+};
    }

    targets!(
        cookies,
        client_address,
        configuration,
        fields,
        bearer,
        jwt,
        hash_strings,
        cursors,
        settings
    );
}

//! Refresh cookies, each with one fault.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_e2e::{Browser, TestServer, segments};
use serde_json::json;

pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) cookies: Vec<Vec<u8>>,
    /// What refresh and csrf answer.
    pub(super) code: &'static str,
    /// What logout answers.
    pub(super) logout: u16,
}

pub(super) fn shapes(world: &TestServer, browser: &Browser) -> Vec<Shape> {
    let good = browser.refresh_token().to_owned();
    let [header, payload, signature] = segments(&good);
    let mut native = world.native();
    native.login("alice").expect(200);
    let other = world.logged_in("alice");

    let mut shapes = Vec::new();
    let mut add = |name, cookies: &[&[u8]], code, logout| {
        shapes.push(Shape {
            name,
            cookies: cookies.iter().map(|line| line.to_vec()).collect(),
            code,
            logout,
        });
    };
    let one = |value: &str| format!("refreshtoken={value}").into_bytes();
    // One that opens nothing: logging out clears it.
    let none = |alg: &str, signature: &str| {
        let header = json!({"typ": "rt+jwt", "alg": alg}).to_string();
        format!("{}.{payload}.{signature}", URL_SAFE_NO_PAD.encode(header))
    };
    for (name, value) in [
        ("garbage", "garbage".to_owned()),
        ("8 KB of garbage", "x".repeat(8192)),
        ("8 KB of dots", ".".repeat(8192)),
        ("60 KB", "x".repeat(60_000)),
        ("a good one and 8 KB more", format!("{good}{}", "x".repeat(8192))),
        ("a good one in half quotes", format!("\"{good}")),
        ("a good one in two pairs of quotes", format!("\"\"{good}\"\"")),
        ("a good one in percent-encoding", good.replace('.', "%2E")),
        ("a good one in base64", URL_SAFE_NO_PAD.encode(&good)),
        ("a good one without its last letter", good[..good.len() - 1].to_owned()),
        ("a good one and a letter", format!("{good}A")),
        ("padding", format!("{good}=")),
        ("two segments", format!("{header}.{payload}")),
        ("four segments", format!("{good}.{signature}")),
        ("no signature", format!("{header}.{payload}.")),
        (
            "another's signature",
            format!("{header}.{payload}.{}", segments(other.refresh_token())[2]),
        ),
        (
            "another's payload",
            format!("{header}.{}.{signature}", segments(other.refresh_token())[1]),
        ),
        ("alg none", none("none", "")),
        ("alg None with the signature", none("None", &signature)),
        ("alg HS512 with the signature", none("HS512", &signature)),
        ("alg EdDSA with the signature", none("EdDSA", &signature)),
        ("an access token", browser.access_token.clone()),
        ("a CSRF token", browser.csrf_token.clone()),
        ("the device token", browser.cookies["devicetoken"].clone()),
        ("a template's hole", "${token}".to_owned()),
        ("undefined", "undefined".to_owned()),
    ] {
        add(name, &[&one(&value)], "refresh_token_invalid", 204);
    }

    // None at all.
    for (name, cookies) in [
        ("empty", one("")),
        ("empty in quotes", one("\"\"")),
        ("white space", one("   ")),
        ("no value", b"refreshtoken".to_vec()),
        ("in capitals", format!("REFRESHTOKEN={good}").into_bytes()),
        ("in camel case", format!("refreshToken={good}").into_bytes()),
        ("with a prefix", format!("xrefreshtoken={good}").into_bytes()),
        ("with a suffix", format!("refreshtoken1={good}").into_bytes()),
        ("the name of https", format!("__Host-refreshtoken={good}").into_bytes()),
        ("in the CSRF cookie", format!("csrftoken={good}").into_bytes()),
        ("inside another value", format!("a=refreshtoken={good}").into_bytes()),
        ("behind a comma", format!("a=b, refreshtoken={good}").into_bytes()),
        ("an empty header", Vec::new()),
        ("signs only", b";;==;=".to_vec()),
    ] {
        add(name, &[&cookies], "refresh_token_missing", 204);
    }
    shapes
}

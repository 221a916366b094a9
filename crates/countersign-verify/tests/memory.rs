//! What remembered tokens take in memory, measured. Alone in its program, so that nobody else's
//! memory is counted.

use std::process::Command;

use countersign_verify::{
    ACCESS_TOKEN_TYPE, Algorithm, Claims, KeySet, SessionId, TokenUser, Verifier, VerifyingKey,
};
use jsonwebtoken::{DecodingKey, EncodingKey, Header};
use serde_json::json;

const KEY: &[u8] = b"a key of the test's own, thirty-two bytes and more";
const MIB: usize = 1024 * 1024;

/// What the process has in memory, in bytes.
fn resident() -> usize {
    let pages: usize = std::fs::read_to_string("/proc/self/statm")
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    pages * 4096
}

fn token(groups: usize) -> (String, Claims) {
    let mut claims = Claims::new(
        "https://id.example.com".to_owned(),
        "7".to_owned(),
        SessionId::new(7).unwrap(),
        1_000,
        1_000,
        1_300,
    );
    claims.csrf = Some("q".repeat(43));
    if groups > 0 {
        let names: Vec<String> = (0..groups).map(|group| format!("group number {group}")).collect();
        claims.extra.insert("groups".to_owned(), json!(names));
        claims.extra.insert("email".to_owned(), json!("ada@example.com"));
    }
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some(ACCESS_TOKEN_TYPE.to_owned());
    header.kid = Some("k1".to_owned());
    (jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(KEY)).unwrap(), claims)
}

#[test]
fn remembered_tokens_take_no_more_memory_than_they_may() {
    let Ok(groups) = std::env::var(GROUPS) else {
        // A process for each, which begins with nothing that another has left.
        for groups in ["0", "20", "200"] {
            let name = "remembered_tokens_take_no_more_memory_than_they_may";
            let own = std::env::current_exe().unwrap();
            let output = Command::new(own)
                .args([name, "--exact", "--nocapture"])
                .env(GROUPS, groups)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "{groups} groups: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        return;
    };
    let keys = KeySet::new(vec![VerifyingKey::new(
        "k1".to_owned(),
        Algorithm::HS256,
        DecodingKey::from_secret(KEY),
        u64::MAX,
    )]);
    let (token, claims) = token(groups.parse().unwrap());
    let bytes = 64 * MIB;
    let verifier: Verifier<TokenUser> =
        Verifier::new("https://id.example.com".to_owned(), None, keys, 0).within(bytes, |user| {
            let texts = user
                .groups
                .iter()
                .map(|group| group.len().next_multiple_of(16) + 48)
                .sum::<usize>();
            texts
                + user.username.len().next_multiple_of(16)
                + user.email.len().next_multiple_of(16)
                + 64
        });
    let verified = verifier.check(&token, 1_000).unwrap();
    let before = resident();
    let mut most = 0;
    // As many other tokens as fill it several times over; each has claims of its own.
    for number in 0..4 * bytes / (token.len() + 500) {
        let other = format!("{number:09}{}", &token[9..]);
        verifier.remember(&other, verified.clone(), TokenUser::of(&claims).unwrap());
        if number % 1_000 == 0 {
            most = most.max(resident().saturating_sub(before));
        }
    }
    let remembered = verifier.remembered();
    assert!(most <= bytes, "{remembered} tokens of {} bytes took {} MiB", token.len(), most / MIB);
    // The bound is no excuse for a cache that holds nothing.
    assert!(
        most > bytes / 4,
        "{remembered} tokens of {} bytes took {} MiB only",
        token.len(),
        most / MIB
    );
}

/// How many groups the token of a measuring process names.
const GROUPS: &str = "MEASURED_GROUPS";

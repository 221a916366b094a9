//! How many bytes things take on the heap, as measured: see the test `memory`.

use serde_json::{Map, Value};

#[cfg(feature = "client")]
use crate::account::TokenUser;
use crate::claims::{Audience, Claims};

/// What claims hold beyond their own size.
pub(crate) fn of_claims(claims: &Claims) -> usize {
    let audience = match &claims.aud {
        None => 0,
        Some(Audience::One(name)) => of_text(name),
        Some(Audience::Many(names)) => of_texts(names),
    };
    of_text(&claims.iss)
        + of_text(&claims.sub)
        + audience
        + claims.csrf.as_deref().map_or(0, of_text)
        + claims.scope.as_deref().map_or(0, of_text)
        + if claims.amr.is_empty() { 0 } else { of_texts(&claims.amr) }
        + of_map(&claims.extra)
}

/// What a token's user holds beyond its own size.
#[cfg(feature = "client")]
pub(crate) fn of_user(user: &TokenUser) -> usize {
    let texts = [&user.username, &user.email, &user.first_name, &user.last_name];
    texts.into_iter().map(|text| of_text(text)).sum::<usize>()
        + of_texts(&user.groups)
        + of_texts(&user.permissions)
}

/// What finding a token takes: its places in the table, and what the allocator keeps beside its
/// parts.
pub(crate) const ENTRY: usize = 192;

fn of_texts(texts: &[String]) -> usize {
    texts.iter().map(|text| size_of::<String>() + of_text(text)).sum::<usize>() + BLOCK
}

fn of_map(map: &Map<String, Value>) -> usize {
    // A tree's nodes have room for eleven, and may be half empty.
    map.iter()
        .map(|(name, value)| 2 * size_of::<(String, Value)>() + of_text(name) + of_value(value))
        .sum()
}

fn of_value(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => of_text(text),
        // A list grows by doubling.
        Value::Array(values) => {
            values.iter().map(|value| 2 * size_of::<Value>() + of_value(value)).sum::<usize>()
                + BLOCK
        }
        Value::Object(map) => of_map(map),
    }
}

/// An allocator gives blocks of sixteen bytes, the first eight its own.
fn of_text(text: &str) -> usize {
    if text.is_empty() { 0 } else { (text.len() + 8).next_multiple_of(16).max(BLOCK) }
}

/// The smallest block.
const BLOCK: usize = 32;

//! Requests that may come twice, and make something once.

use std::fmt;

use aws_lc_rs::digest;

use super::Who;
use crate::token::SecretHash;

/// The key under which somebody makes something at most once. It counts for a day.
///
/// ```
/// use countersign::store::admin::{Once, Who};
///
/// let who = Who::shell("ada");
/// let once = Once::of(&who, "order-7", &["alice"]);
/// assert_eq!(once, Once::of(&who, "order-7", &["alice"]));
/// assert_ne!(once, Once::of(&Who::shell("eve"), "order-7", &["alice"]));
/// assert_ne!(once, Once::of(&who, "order-7", &["bob"]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Once {
    /// Stands for whose key it is, and the key.
    pub key: SecretHash,
    /// Stands for what was asked under it.
    pub request: SecretHash,
}

impl Once {
    /// The key that `who` sent, with what they ask. `parts` may hold no secret: their hash is kept.
    ///
    /// ```
    /// use countersign::store::admin::{Once, Who};
    ///
    /// let once = Once::of(&Who::shell("ada"), "order-7", &[]);
    /// assert_eq!(once.key.as_bytes().len(), 32);
    /// ```
    pub fn of(who: &Who, key: &str, parts: &[&str]) -> Self {
        // A token is known by its id: another may have its name later.
        let who = match who {
            Who::Service { id, .. } => format!("service:{id}"),
            other => other.to_string(),
        };
        Self { key: hashed(&[&who, key]), request: hashed(parts) }
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once(..)")
    }
}

/// Each part with its length before it, so that no two lists of parts are one text.
fn hashed(parts: &[&str]) -> SecretHash {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    SecretHash::from_digest(context.finish().as_ref())
}

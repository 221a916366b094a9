//! Signing keys as pages show them.

use countersign::token::{KeyId, SealedKey};
use jiff::Timestamp;

use super::when::When;
use crate::operate::keys::{KeyState, states};
use crate::text::roughly;

/// A key as the page shows it.
pub(crate) struct KeyRow {
    pub(crate) id: KeyId,
    pub(crate) algorithm: String,
    pub(crate) state: KeyState,
    pub(crate) made: When,
    /// How old it is.
    pub(crate) age: String,
    pub(crate) retires: Option<When>,
}

/// The keys, the newest first, without those that retired long ago.
pub(crate) fn key_rows(keys: &[SealedKey], now: Timestamp) -> Vec<KeyRow> {
    let key_rows = keys.iter().zip(states(keys, now)).map(|(key, state)| KeyRow {
        id: key.id,
        algorithm: key.algorithm.to_string(),
        state,
        made: key.created_at.into(),
        age: roughly(now.duration_since(key.created_at)),
        retires: key.retires_at.map(When::from),
    });
    let mut key_rows: Vec<KeyRow> = key_rows.collect();
    key_rows.reverse();
    key_rows.truncate(SHOWN);
    key_rows
}

/// Keys on the page; a rotation a week fills a year.
const SHOWN: usize = 52;

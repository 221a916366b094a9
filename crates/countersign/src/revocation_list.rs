//! The list of sessions that ended lately, signed, for resource servers in any language.
//!
//! A JWT of the type `rl+jwt` with `iss`, `iat`, `exp`, `cursor`, `kept`, `full` and `sids`: base64url of the session ids, 8 bytes each, big-endian.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Serialize;

use crate::feed::Feed;
use crate::token::{KeyError, KeyRing};

/// Signs the lists, and keeps the last full one: many ask for it, and it changes seldom.
#[derive(Debug, Default)]
pub(crate) struct RevocationList {
    full: Mutex<Option<Signed>>,
}

/// A list, signed.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    /// The same for the same list: an `ETag`.
    pub(crate) tag: String,
    /// The JWT.
    pub(crate) token: Arc<str>,
}

impl RevocationList {
    /// What is new after `since`; everything where nothing is said, or where what is said is not known (any more).
    pub(crate) fn sign(
        &self,
        feed: &Feed,
        ring: &KeyRing,
        issuer: &str,
        kept: Duration,
        since: Option<&str>,
        now: Timestamp,
    ) -> Result<Signed, KeyError> {
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let list = List::collect(feed, issuer, kept, since, seconds);
        // A list without news is signed anew now and then, so that its `exp` never runs out.
        let tag = format!("{}.{}.{}", list.cursor, seconds / SIGNED_ANEW_SECONDS, u8::from(list.full));
        let mut full = self.full.lock().unwrap_or_else(PoisonError::into_inner);
        if list.full
            && let Some(known) = full.as_ref().filter(|known| known.tag == tag)
        {
            return Ok(known.clone());
        }
        let signed = Signed { tag, token: ring.sign(TYPE, &list, now)?.into() };
        if list.full {
            *full = Some(signed.clone());
        }
        Ok(signed)
    }
}

#[derive(Serialize)]
struct List<'a> {
    iss: &'a str,
    iat: u64,
    exp: u64,
    cursor: String,
    /// How many seconds an ending stays on the list.
    kept: u64,
    full: bool,
    sids: String,
    /// Only access tokens issued after this are good: so many sessions ended at once that they are not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_after: Option<u64>,
}

impl<'a> List<'a> {
    fn collect(feed: &Feed, issuer: &'a str, kept: Duration, since: Option<&str>, now: u64) -> Self {
        let ended = feed.ended();
        let known = since.and_then(|place| ended.number(place)).filter(|since| ended.complete_after <= *since && *since <= ended.newest);
        let news = ended.sessions.iter().filter(|(number, ..)| known.is_none_or(|since| *number > since));
        let bytes: Vec<u8> = news.flat_map(|(_, _, id)| id.get().to_be_bytes()).collect();
        Self {
            iss: issuer,
            iat: now,
            exp: now + VALID_SECONDS,
            cursor: ended.place(ended.newest),
            kept: kept.as_secs(),
            full: known.is_none(),
            sids: URL_SAFE_NO_PAD.encode(bytes),
            issued_after: ended.uncounted,
        }
    }
}

/// The header `typ` of the list.
const TYPE: &str = "rl+jwt";

const SIGNED_ANEW_SECONDS: u64 = 30;

const VALID_SECONDS: u64 = 120;

//! The list of sessions that ended lately, signed, for resource servers in any language.
//!
//! A JWT of the type `rl+jwt` with `iss`, `iat`, `exp`, `cursor`, `kept`, `full` and `sids`:
//! base64url of the session ids, 8 bytes each, big-endian.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Serialize;

use super::feed::Feed;
use crate::clock::seconds;
use crate::token::{KeyError, KeyId, KeyRing};

/// Signs the lists, and keeps those of the moment: many ask for the same ones, and they change
/// seldom.
#[derive(Debug, Default)]
pub(crate) struct RevocationList {
    kept: Mutex<Kept>,
}

/// The lists of one edition, by the place after which they begin.
#[derive(Debug, Default)]
struct Kept {
    edition: Option<Edition>,
    lists: HashMap<Option<u64>, Arc<Built>>,
}

/// A list that is signed once, by the first who needs it; the others wait for it, and nobody else
/// does.
type Built = OnceLock<Result<Bytes, KeyError>>;

/// What makes every list another: news, the key that signs, and time, so that `exp` never runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edition {
    newest: u64,
    signer: Option<KeyId>,
    half_minute: u64,
}

/// A list that was asked for, before it is made.
#[derive(Debug)]
pub(crate) struct Asked {
    edition: Edition,
    /// The place after which it begins; everything where none is known.
    since: Option<u64>,
    cursor: String,
    now: Timestamp,
}

impl Asked {
    /// What is new after `since`; everything where nothing is said, or where what is said is not
    /// known (any more).
    pub(crate) fn new(feed: &Feed, ring: &KeyRing, since: Option<&str>, now: Timestamp) -> Self {
        let signer = ring.signer(now);
        let ended = feed.ended();
        let since = since
            .and_then(|place| ended.number(place))
            .filter(|since| ended.complete_after <= *since && *since <= ended.newest);
        let edition = Edition {
            newest: ended.newest,
            signer,
            half_minute: seconds(now) / SIGNED_ANEW_SECONDS,
        };
        Self { edition, since, cursor: ended.place(ended.newest), now }
    }

    /// The same for the same list: an `ETag`.
    pub(crate) fn tag(&self) -> String {
        let Edition { signer, half_minute, .. } = self.edition;
        let signer = signer.map_or_else(String::new, |id| id.to_string());
        format!("{}.{half_minute}.{}.{signer}", self.cursor, u8::from(self.since.is_none()))
    }
}

impl RevocationList {
    /// The list, signed: made now, or by somebody who asked for the same before.
    pub(crate) fn sign(
        &self,
        asked: &Asked,
        feed: &Feed,
        ring: &KeyRing,
        issuer: &str,
        kept: Duration,
    ) -> Result<Bytes, KeyError> {
        let built = self.built(asked);
        built
            .get_or_init(|| {
                Ok(ring
                    .sign(TYPE, &RevocationClaims::collect(asked, feed, issuer, kept), asked.now)?
                    .into())
            })
            .clone()
    }

    fn built(&self, asked: &Asked) -> Arc<Built> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.edition != Some(asked.edition) || kept.lists.len() >= LISTS_KEPT {
            *kept = Kept { edition: Some(asked.edition), lists: HashMap::new() };
        }
        Arc::clone(kept.lists.entry(asked.since).or_default())
    }
}

#[derive(Serialize)]
struct RevocationClaims<'a> {
    iss: &'a str,
    iat: u64,
    exp: u64,
    cursor: String,
    /// How many seconds an ending stays on the list.
    kept: u64,
    full: bool,
    sids: String,
    /// Only access tokens issued after this are good: so many sessions ended at once that they are
    /// not listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_after: Option<u64>,
}

impl<'a> RevocationClaims<'a> {
    fn collect(asked: &Asked, feed: &Feed, issuer: &'a str, kept: Duration) -> Self {
        let now = seconds(asked.now);
        let not_before = now.saturating_sub(kept.as_secs());
        let ended = feed.ended();
        let recent = ended.after(asked.since).filter(|(at, _)| *at >= not_before);
        let bytes: Vec<u8> = recent.flat_map(|(_, id)| id.get().to_be_bytes()).collect();
        Self {
            iss: issuer,
            iat: now,
            exp: now + VALID_SECONDS,
            // What came meanwhile is on it, and comes again.
            cursor: asked.cursor.clone(),
            kept: kept.as_secs(),
            full: asked.since.is_none(),
            sids: URL_SAFE_NO_PAD.encode(bytes),
            issued_after: ended.uncounted.filter(|at| *at >= not_before),
        }
    }
}

/// The header `typ` of the list.
const TYPE: &str = "rl+jwt";

const SIGNED_ANEW_SECONDS: u64 = 30;

const VALID_SECONDS: u64 = 120;

/// More are asked for only by who invents places.
const LISTS_KEPT: usize = 128;

#[cfg(test)]
mod tests {
    use countersign_verify::Revocations;
    use jiff::ToSpan;
    use serde_json::Value;

    use super::*;
    use crate::clock::OsRandom;
    use crate::session::SessionId;
    use crate::store::Cursor;
    use crate::token::{Algorithm, SealedKey, Secrets};

    struct Fixture {
        list: RevocationList,
        feed: Feed,
        ended: Revocations,
        ring: KeyRing,
        secrets: Secrets,
        now: Timestamp,
    }

    impl Fixture {
        fn new() -> Self {
            let (secrets, now) = (
                Secrets::from_text(&"a".repeat(32)).unwrap(),
                Timestamp::UNIX_EPOCH + 1_000.hours(),
            );
            let ring = KeyRing::new(&[Self::key(&secrets, now)], &secrets, now).unwrap();
            Self {
                list: RevocationList::default(),
                feed: Feed::starting_at(Cursor::default(), 1),
                ended: Revocations::default(),
                ring,
                secrets,
                now,
            }
        }

        fn key(secrets: &Secrets, now: Timestamp) -> SealedKey {
            SealedKey::generate(Algorithm::EdDsa, secrets, now, now, &OsRandom).unwrap()
        }

        fn end(&self, id: u64) {
            self.feed.note_ended(&self.ended, [(SessionId::new(id).unwrap(), seconds(self.now))]);
        }

        fn ask(&self, since: Option<&str>) -> (String, Bytes) {
            let asked = Asked::new(&self.feed, &self.ring, since, self.now);
            (
                asked.tag(),
                self.list
                    .sign(&asked, &self.feed, &self.ring, "us", Duration::from_secs(360))
                    .unwrap(),
            )
        }
    }

    fn read(token: &Bytes) -> (Value, Value) {
        let mut parts =
            token.split(|byte| *byte == b'.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
        let mut next = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
        (next(), next())
    }

    #[test]
    fn a_list_is_signed_once_however_many_ask_for_it() {
        let fixture = Fixture::new();
        fixture.end(1);
        let (tag, all) = fixture.ask(None);
        fixture.end(2);
        let cursor = read(&all).1["cursor"].as_str().unwrap().to_owned();
        let (new_tag, news) = fixture.ask(Some(&cursor));
        assert_ne!(tag, new_tag);
        assert_eq!(read(&news).1["sids"], URL_SAFE_NO_PAD.encode(2_u64.to_be_bytes()));
        // The same bytes, not equal ones: nobody built them again.
        assert_eq!(fixture.ask(Some(&cursor)).1.as_ptr(), news.as_ptr());
        let (_, all) = fixture.ask(None);
        assert_eq!(fixture.ask(None).1.as_ptr(), all.as_ptr());
        assert_eq!(fixture.ask(Some("an unknown place")).1.as_ptr(), all.as_ptr());
    }

    #[test]
    fn from_the_moment_of_a_new_key_no_list_is_signed_with_the_old_one() {
        let fixture = Fixture::new();
        let (tag, old) = fixture.ask(None);
        let new = Fixture::key(&fixture.secrets, fixture.now);
        let id = new.id.to_string();
        fixture.ring.replace(&[new], &fixture.secrets, fixture.now).unwrap();
        let (new_tag, list) = fixture.ask(None);
        assert_ne!(tag, new_tag);
        assert_ne!(read(&old).0["kid"], id.as_str());
        assert_eq!(read(&list).0["kid"], id.as_str());
    }

    #[test]
    fn the_lists_that_are_kept_are_few() {
        let fixture = Fixture::new();
        for id in 1..=1_000 {
            fixture.end(id);
        }
        for since in 0..1_000 {
            let place = fixture.feed.ended().place(since);
            fixture.ask(Some(&place));
            assert!(fixture.list.kept.lock().unwrap().lists.len() <= LISTS_KEPT);
        }
    }
}

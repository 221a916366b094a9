use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::decode_header;
use serde::Deserialize;

use crate::jws;
use crate::keys::KeySet;
use crate::session_id::SessionId;
use crate::verifier::CLOCKS_APART;

/// The list of sessions that ended lately, as the issuer signed it.
#[derive(Debug, Deserialize)]
pub(super) struct RevocationList {
    pub(super) iss: String,
    iat: u64,
    pub(super) exp: u64,
    pub(super) cursor: String,
    /// How many seconds an ending stays on the list: the longest life of an access token, and what
    /// clocks may differ by.
    kept: u64,
    sids: String,
    /// Only access tokens issued after this are good: more sessions ended by then than a list can
    /// name.
    pub(super) issued_after: Option<u64>,
}

impl RevocationList {
    /// Reads a list, if `keys` signed it for `issuer` and its time is not over.
    pub(super) fn read(
        token: &str,
        keys: &KeySet,
        issuer: Option<&str>,
        now: u64,
    ) -> Result<Self, ListError> {
        let header = decode_header(token).map_err(|_| ListError::Malformed)?;
        if header.typ.as_deref() != Some(TYPE) || header.crit.is_some() {
            return Err(ListError::Malformed);
        }
        let key =
            header.kid.as_deref().and_then(|kid| keys.get(kid)).ok_or(ListError::UnknownKey)?;
        let (_, list) = jws::decode::<Self>(token, key.decoding_key(), key.algorithm())
            .map_err(|_| ListError::Malformed)?;
        if issuer.is_some_and(|issuer| list.iss != issuer) {
            return Err(ListError::OtherIssuer(list.iss));
        }
        if now >= list.exp {
            return Err(ListError::Stale);
        }
        if list.iat > now.saturating_add(CLOCKS_APART) {
            return Err(ListError::NotYet);
        }
        let cursor_is_good = !list.cursor.is_empty()
            && list.cursor.len() <= 64
            && list.cursor.bytes().all(|b| b.is_ascii_alphanumeric());
        let sids_are_good =
            URL_SAFE_NO_PAD.decode(&list.sids).is_ok_and(|bytes| bytes.len() % 8 == 0);
        if cursor_is_good && sids_are_good { Ok(list) } else { Err(ListError::Malformed) }
    }

    /// The sessions on it.
    pub(super) fn sessions(&self) -> impl Iterator<Item = SessionId> {
        let bytes = URL_SAFE_NO_PAD.decode(&self.sids).unwrap_or_default();
        let ids: Vec<_> = bytes
            .chunks_exact(8)
            .filter_map(|id| SessionId::new(u64::from_be_bytes(id.try_into().ok()?)))
            .collect();
        ids.into_iter()
    }

    /// How long to remember an ending, in seconds; at most two days.
    pub(super) fn kept(&self) -> u64 {
        self.kept.clamp(60, 2 * 24 * 60 * 60)
    }
}

/// Why a list is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ListError {
    #[error("it is no signed list of ended sessions")]
    Malformed,
    #[error("it was signed with a key that is not in the issuer's key set")]
    UnknownKey,
    #[error("it was issued by {0}; is that the issuer whose URL was given?")]
    OtherIssuer(String),
    #[error("its time is over: a cache, or a clock that is wrong")]
    Stale,
    #[error(
        "its time has not come: the issuer's clock and this machine's are more than a minute apart"
    )]
    NotYet,
}

const TYPE: &str = "rl+jwt";

//! `GET /.well-known/revocations`: the sessions that ended within the last access-token lifetime, signed, for resource servers in any language.
//!
//! A JWT of the type `rl+jwt` with `iss`, `iat`, `exp`, `cursor`, `full` and `sids`: base64url of the session ids, 8 bytes each, big-endian. With
//! `?since=CURSOR` it holds what is new since then, or everything (`full`) where that is no longer known.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::issue::internal;
use super::jwks::cacheable;
use crate::auth::Auth;
use crate::http::problem::Problem;
use crate::session::SessionId;
use crate::store::Cursor;

/// The last full list, signed: many ask, and it changes seldom.
#[derive(Debug, Default)]
pub(crate) struct Signed(Mutex<Option<(Tag, Arc<str>)>>);

/// What is asked.
#[derive(Deserialize, utoipa::IntoParams)]
pub(crate) struct Since {
    /// The `cursor` of the list that is known already.
    since: Option<String>,
}

#[utoipa::path(
    get,
    path = "/.well-known/revocations",
    tag = "well-known",
    summary = "The sessions that ended lately",
    params(Since),
    responses(
        (status = 200, description = "A signed JWT of the type `rl+jwt`", body = String, content_type = "application/jwt"),
        (status = 304, description = "Unchanged since the `ETag` in `If-None-Match`"),
    )
)]
pub(crate) async fn revocations(
    State(auth): State<Auth>,
    headers: HeaderMap,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Response, Problem> {
    // A cursor that cannot be read is one that is not known: the answer is everything.
    let since = since.ok().and_then(|Query(since)| since.since).and_then(|cursor| cursor.parse().ok()).map(Cursor);
    let (tag, list) = List::collect(&auth, since);
    let token = if list.full { auth.revocation_list.of(&auth, tag, &list)? } else { sign(&auth, &list)? };
    let tag = format!("{}.{}.{}", tag.cursor.0, tag.period, u8::from(list.full));
    Ok(cacheable(&headers, &tag, "application/jwt", "public, max-age=1", move || token.to_string()))
}

/// What makes a list differ from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tag {
    cursor: Cursor,
    /// A list without news is signed anew now and then, so that its `exp` never runs out.
    period: u64,
}

#[derive(Serialize)]
struct List {
    iss: String,
    iat: u64,
    exp: u64,
    cursor: String,
    full: bool,
    sids: String,
}

impl List {
    fn collect(auth: &Auth, since: Option<Cursor>) -> (Tag, Self) {
        let now = auth.seconds();
        let ended = auth.feed.ended();
        let known = since.filter(|since| ended.complete_after <= *since && *since <= ended.newest);
        let news = ended.sessions.iter().filter(|(cursor, ..)| known.is_none_or(|since| *cursor > since));
        let bytes: Vec<u8> = news.flat_map(|(_, _, id): &(_, _, SessionId)| id.get().to_be_bytes()).collect();
        let tag = Tag { cursor: ended.newest, period: now / SIGNED_ANEW_SECONDS };
        let list = Self {
            iss: auth.checked.issuer.clone(),
            iat: now,
            exp: now + VALID_SECONDS,
            cursor: tag.cursor.0.to_string(),
            full: known.is_none(),
            sids: URL_SAFE_NO_PAD.encode(bytes),
        };
        (tag, list)
    }
}

impl Signed {
    fn of(&self, auth: &Auth, tag: Tag, list: &List) -> Result<Arc<str>, Problem> {
        let mut signed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, token)) = &*signed
            && *known == tag
        {
            return Ok(Arc::clone(token));
        }
        let token = sign(auth, list)?;
        *signed = Some((tag, Arc::clone(&token)));
        Ok(token)
    }
}

fn sign(auth: &Auth, list: &List) -> Result<Arc<str>, Problem> {
    auth.ring.sign(TYPE, list, auth.clock.now()).map(Arc::from).map_err(internal)
}

/// The header `typ` of the list.
const TYPE: &str = "rl+jwt";

const SIGNED_ANEW_SECONDS: u64 = 30;

const VALID_SECONDS: u64 = 120;

//! `GET /manage/v1/audit`: the audit log as JSON lines, the oldest first, for who carries it
//! elsewhere.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign::http::{Code, Problem};
use countersign::session::SessionId;
use countersign::store::admin::{AuditKind, AuditPlace, AuditRow, AuditSearch, PlacedLine, Who};
use countersign::user::UserId;
use futures_util::stream::{self, Stream};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use super::asked::Query;
use super::caller::Caller;
use super::shown::NO_STORE;
use super::state::Manage;
use crate::admin::rules::Permit;

/// A line of the log; or a mark, which has the last two fields alone.
#[derive(Serialize, ToSchema)]
pub(super) struct ShownLine {
    /// Its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    id: Option<i64>,
    /// When it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "2026-11-29T22:40:11Z")]
    at: Option<String>,
    /// What happened, by its word.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "login")]
    kind: Option<String>,
    /// Who did it: a user's id, `shell:NAME` or `service:ID:NAME`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "service:1:importer")]
    actor: Option<String>,
    /// To which user, by their id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "7")]
    user: Option<String>,
    /// In which session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    session: Option<String>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    ip: Option<String>,
    /// More about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    detail: Option<String>,
    /// What is `after` for what comes behind it; null where there is nothing yet.
    #[schema(required)]
    cursor: Option<String>,
    /// In a mark: whether there is more by now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false)]
    more: Option<bool>,
}

#[utoipa::path(
    get,
    path = "/manage/v1/audit",
    tag = "log",
    summary = "Read the audit log",
    description = "JSON lines, the oldest first, in the order in which they can be read: no line \
        ever appears before a cursor that was read. The last line is a mark, with the cursor of \
        what was looked at, whether it fits the filters or not. With `follow` the answer goes on \
        for up to five minutes, with a mark every 15 seconds.",
    params(
        ("after" = Option<String>, Query, description = "The `cursor` of the last line that was \
            read; from the beginning unless it is said"),
        ("follow" = Option<bool>, Query, description = "Whether to wait for what comes"),
        ("limit" = Option<u32>, Query, description = "At most so many: 1 to 1,000, or 100; not \
            with `follow`"),
        ("kind" = Option<String>, Query, description = "Only what happened so, by its word"),
        ("by" = Option<String>, Query, description = "Only what they did: a user's id, \
            `shell:NAME` or `service:ID:NAME`"),
        ("user" = Option<String>, Query, description = "Only what happened to the user of this id"),
        ("session" = Option<String>, Query, description = "Only in this session"),
        ("ip" = Option<String>, Query, description = "Only from this address"),
        ("since" = Option<String>, Query, description = "Only at or after this (RFC 3339)"),
        ("until" = Option<String>, Query, description = "Only before this (RFC 3339)"),
    ),
    responses(
        (status = 200, description = "The lines", content_type = "application/x-ndjson",
            body = ShownLine),
        (status = 429, description = "throttled: 16 follow it on this node already"),
    ),
    security(("bearer" = [])),
)]
pub(super) async fn audit(
    State(manage): State<Manage>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    caller.needs(Permit::ViewAuditEvent)?;
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let place = query.parse("after", place)?;
    let follows = query.flag("follow")?.unwrap_or(false);
    let limit = query.limit()?;
    let search = AuditSearch {
        kind: query.parse("kind", kind)?,
        actor: query.parse("by", who)?,
        user: query.parse("user", |text| text.parse::<UserId>().ok())?,
        session: query.parse("session", |text| text.parse::<SessionId>().ok())?,
        ip: query.parse("ip", |text| text.parse().ok())?,
        since: query.parse("since", time)?,
        until: query.parse("until", time)?,
        ..AuditSearch::default()
    };
    query.end()?;
    let mut reading = Reading { manage, caller, search, place, is_behind: false };
    // The first part says whether the place is one, before anything is answered.
    let first = reading.part(if follows { MOST_AT_ONCE } else { limit }).await?;
    if !follows {
        return Ok(lines(Body::from(first.text)));
    }
    let seat = Arc::clone(&reading.manage.followers).try_acquire_owned().map_err(|_| {
        Problem::new(Code::Throttled)
            .detail("As many follow the log at this node as may.")
            .retry_after(60)
    })?;
    Ok(lines(Body::from_stream(reading.follow(first, seat))))
}

/// Somebody who reads.
struct Reading {
    manage: Manage,
    caller: Caller,
    search: AuditSearch,
    /// What was looked at.
    place: Option<AuditPlace>,
    /// Whether there is more by now.
    is_behind: bool,
}

/// What was read at once.
struct Part {
    text: Vec<u8>,
    /// Whether there are lines in it besides the mark.
    has_lines: bool,
}

impl Reading {
    /// The lines behind the place that fit, and a mark.
    async fn part(&mut self, limit: u32) -> Result<Part, Problem> {
        let (mut text, mut found, mut looked_at) = (Vec::new(), 0, 0);
        let at_once = limit.clamp(200, MOST_AT_ONCE);
        self.is_behind = loop {
            let read = self.manage.services.store.audit_after(self.place, at_once).await?;
            let read = read.ok_or_else(elsewhere)?;
            let (many, mut taken) = (read.len(), 0);
            for PlacedLine { place, row } in read {
                if found == limit {
                    break;
                }
                (self.place, taken) = (Some(place), taken + 1);
                if self.search.fits(&row) {
                    found += 1;
                    push(&mut text, &ShownLine::of(place, row));
                }
            }
            looked_at += taken;
            if taken < many || looked_at >= MOST_LOOKED_AT {
                break true;
            }
            if many < at_once as usize {
                break false;
            }
        };
        push(&mut text, &ShownLine::mark(self.place, self.is_behind));
        Ok(Part { text, has_lines: found > 0 })
    }

    /// Part after part, until the time is over or the server stops.
    fn follow(
        self,
        first: Part,
        seat: OwnedSemaphorePermit,
    ) -> impl Stream<Item = Result<Bytes, Infallible>> {
        let ends = Instant::now() + FOLLOWED;
        stream::unfold(Some((self, Some(first), seat)), move |state| async move {
            let (mut reading, ready, seat) = state?;
            let part = match ready {
                Some(part) => part,
                None => reading.next(ends).await?,
            };
            let goes_on = !reading.is_over(ends);
            Some((Ok(Bytes::from(part.text)), goes_on.then_some((reading, None, seat))))
        })
    }

    /// The next part that tells something. `None` where the caller may no more, and where the store
    /// does not answer: whoever follows asks again, and hears why.
    async fn next(&mut self, ends: Instant) -> Option<Part> {
        let marked = Instant::now() + MARK_EVERY;
        loop {
            if !self.is_behind {
                tokio::select! {
                    () = sleep(LOOK_EVERY) => {}
                    () = stop(self.manage.stopping.clone()) => {}
                }
            }
            self.caller = self.caller.again(&self.manage).await.ok()?;
            self.caller.needs(Permit::ViewAuditEvent).ok()?;
            let part = self.part(MOST_AT_ONCE).await.ok()?;
            if part.has_lines || Instant::now() >= marked || self.is_over(ends) {
                return Some(part);
            }
        }
    }

    fn is_over(&self, ends: Instant) -> bool {
        Instant::now() >= ends || *self.manage.stopping.borrow()
    }
}

impl ShownLine {
    fn of(place: AuditPlace, AuditRow { id, line, word }: AuditRow) -> Self {
        Self {
            id: Some(id),
            at: Some(line.at.to_string()),
            kind: Some(word),
            actor: line.actor.map(|who| who.to_string()),
            user: line.user.map(|user| user.to_string()),
            session: line.session.map(|session| session.to_string()),
            ip: line.ip.map(|ip| ip.to_string()),
            detail: Some(line.detail),
            ..Self::mark_at(Some(place))
        }
    }

    fn mark(place: Option<AuditPlace>, more: bool) -> Self {
        Self { more: Some(more), ..Self::mark_at(place) }
    }

    fn mark_at(place: Option<AuditPlace>) -> Self {
        Self {
            id: None,
            at: None,
            kind: None,
            actor: None,
            user: None,
            session: None,
            ip: None,
            detail: None,
            cursor: place.map(in_words),
            more: None,
        }
    }
}

/// Is over when the server stops.
async fn stop(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stops| *stops).await;
}

fn push(text: &mut Vec<u8>, line: &ShownLine) {
    text.extend(serde_json::to_vec(line).unwrap_or_default());
    text.push(b'\n');
}

fn lines(body: Body) -> Response {
    let kind = HeaderValue::from_static("application/x-ndjson");
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, NO_STORE)], body).into_response()
}

fn in_words(place: AuditPlace) -> String {
    let text = format!("{}:{}:{}", place.batch, place.id, place.at.as_microsecond());
    URL_SAFE_NO_PAD.encode(text)
}

fn place(text: &str) -> Option<AuditPlace> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let mut numbers = text.split(':').map(|number| number.parse::<i64>().ok());
    let mut number = || numbers.next().flatten();
    let place = AuditPlace {
        batch: number()?,
        id: number()?,
        at: Timestamp::from_microsecond(number()?).ok()?,
    };
    numbers.next().is_none().then_some(place)
}

fn kind(word: &str) -> Option<AuditKind> {
    Some(AuditKind::from_word(word)).filter(|kind| *kind != AuditKind::Unknown)
}

fn who(text: &str) -> Option<Who> {
    Who::from_name(text).or_else(|| text.parse().ok().map(Who::User))
}

/// It was read from another log, or the log has gone back to an earlier state.
fn elsewhere() -> Problem {
    Problem::new(Code::ValidationError).field(
        "after",
        "This log has no such place: it is another one, or a backup was restored. Read it from \
         the beginning, without `after`.",
    )
}

/// How long an answer goes on, how often it looks, and how often it says so where nothing comes.
const FOLLOWED: Duration = Duration::from_secs(300);
const LOOK_EVERY: Duration = Duration::from_secs(1);
const MARK_EVERY: Duration = Duration::from_secs(15);

/// Lines that are read, and looked at for one part.
const MOST_AT_ONCE: u32 = 1_000;
const MOST_LOOKED_AT: usize = 20_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back_as_it_went_and_nothing_else_is_one() {
        let at = Timestamp::from_microsecond(1_700_000_000_000_001).unwrap();
        for (batch, id) in [(0, 1), (i64::MAX, i64::MAX), (-1, 0)] {
            let there = AuditPlace { batch, id, at };
            assert_eq!(place(&in_words(there)), Some(there));
        }
        let made = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for bad in ["!", "", "x", &made("1:2"), &made("1:2:3:4"), &made("1:2:x"), &made("::")] {
            assert_eq!(place(bad), None, "{bad:?}");
        }
    }
}

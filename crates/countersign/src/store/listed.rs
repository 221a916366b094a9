//! A user's sessions, page by page: however many there are, a page costs what its rows cost.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::session::{Session, SessionId};

/// A page of a user's live sessions, the last begun first.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// # world::run(async |world| {
/// # let (auth, ada, now) = (world.auth, world.ada, world::midnight());
/// # for _ in 0..3 { world::log_in(&auth, countersign::session::Transport::Body).await; }
/// let store = auth.store();
/// let (mut seen, mut from) = (0, None);
/// loop {
///     let page = store.user_sessions_page(ada.id, from, 2, now).await.unwrap();
///     seen += page.sessions.len();
///     match page.next {
///         Some(next) => from = Some(next),
///         None => break,
///     }
/// }
/// assert_eq!(seen, 3);
/// # });
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionPage {
    /// The sessions. Where some have expired meanwhile there are fewer than were asked for.
    pub sessions: Vec<Session>,
    /// Behind which place the next page begins; `None` after the last one.
    pub next: Option<SessionPlace>,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl SessionPage {
    /// Of one row more than the page has; those that have expired are left out.
    pub(crate) fn of(mut rows: Vec<Session>, limit: u32, now: Timestamp) -> Self {
        let is_last = rows.len() <= limit as usize;
        rows.truncate(limit as usize);
        let next = if is_last {
            None
        } else {
            rows.last().map(|last| SessionPlace { began: last.created_at, id: last.id })
        };
        rows.retain(|session| session.expires_at > now);
        Self { sessions: rows, next }
    }
}

/// A place in the list of a user's sessions. As text it is a cursor for clients.
///
/// ```
/// use countersign::store::SessionPlace;
///
/// let place: SessionPlace = "1780315200000000-5f0c9e1d2b3a4857".parse().unwrap();
/// assert_eq!(place.to_string(), "1780315200000000-5f0c9e1d2b3a4857");
/// assert!("the second page".parse::<SessionPlace>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionPlace {
    began: Timestamp,
    id: SessionId,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl SessionPlace {
    /// The place as both databases sort it; where none is given, before everything.
    pub(crate) fn bounds(place: Option<Self>) -> (i64, i64) {
        place.map_or((i64::MAX, i64::MAX), |place| {
            (place.began.as_microsecond(), place.id.get().cast_signed())
        })
    }
}

impl fmt::Display for SessionPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.began.as_microsecond(), self.id)
    }
}

impl FromStr for SessionPlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (began, id) = text.rsplit_once('-').ok_or(NoPlace)?;
        let began = began
            .parse()
            .ok()
            .and_then(|micros| Timestamp::from_microsecond(micros).ok())
            .ok_or(NoPlace)?;
        Ok(Self { began, id: id.parse().map_err(|_| NoPlace)? })
    }
}

/// A text that is no place in a list.
///
/// ```
/// use countersign::store::{NoPlace, SessionPlace};
///
/// assert_eq!("-".parse::<SessionPlace>(), Err(NoPlace));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no place in the list; take `next` of the page before as it is")]
pub struct NoPlace;

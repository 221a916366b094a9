//! `/admin/audit/`: who did what to whom, when, from where. Nothing on this site changes a line of
//! it.

use std::net::IpAddr;

use askama::Template;
use axum::extract::State;
use countersign::session::{SessionId, device_in_words};
use countersign::store::admin::{AuditKind, AuditRow, AuditSearch, Who};
use countersign::user::UserId;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::fault::Fault;
use super::forms::Form;
use super::frame::{Frame, When, shown};
use super::gate::{Query, Staff};
use super::listing::{Choice, PAGE_ROWS, Pager, place, unknown_choice};
use super::person::{Names, asked, asked_who};
use super::rules::{Permit, may};
use super::{Admin, Answer};

pub(super) async fn list(State(admin): State<Admin>, staff: Staff, Query(query): Query) -> Answer {
    staff.needs(Permit::ViewAuditEvent)?;
    let search =
        AuditSearch { from: place(&query)?, limit: PAGE_ROWS, ..search(&admin, &query).await? };
    let page = admin.store.audit(&search).await?;
    let pager = Pager::new(&page, &query, "line", "lines");
    let kinds = std::iter::once(("", "Everything"))
        .chain(KINDS.iter().map(|(_, word, text, _)| (*word, *text)));
    shown(&List {
        frame: Frame::new(&staff, "/admin/audit/", "Audit log"),
        kind: Choice::new(&query, "kind", "What", kinds),
        by: query.text("by"),
        user: query.text("user"),
        session: query.text("session"),
        ip: query.text("ip"),
        since: query.text("since"),
        until: query.text("until"),
        is_filtered: query.fields().any(|(name, text)| !text.is_empty() && name != "at"),
        csv: format!("/admin/audit.csv{}", query.with(&[("at", "")])),
        lines: lines(&admin, &staff, page.rows).await?,
        pager,
    })
}

/// What the address asks for, but for the place in the list.
///
/// # Errors
/// A page that says which of the filters makes no sense.
pub(super) async fn search(admin: &Admin, query: &Form) -> Result<AuditSearch, Fault> {
    let kind = match query.text("kind") {
        "" => None,
        word => Some(
            KINDS
                .iter()
                .find(|(_, own, ..)| *own == word)
                .map(|(kind, ..)| *kind)
                .ok_or_else(unknown_choice)?,
        ),
    };
    let session = filled(
        query,
        "session",
        |text| text.parse::<SessionId>().ok(),
        "A session is named by 16 digits and letters from a to f.",
    )?;
    let ip = filled(
        query,
        "ip",
        |text| text.parse::<IpAddr>().ok(),
        "That is no network address. Write one such as 192.0.2.7 or 2001:db8::1.",
    )?;
    let day = "That is no date. Write one such as 2026-11-24.";
    let since = filled(query, "since", |text| start_of(text, 0), day)?;
    let until = filled(query, "until", |text| start_of(text, 1), day)?;
    let (actor, user) = (asked_who(admin, query, "by").await?, asked(admin, query, "user").await?);
    Ok(AuditSearch { kind, actor, user, session, ip, since, until, from: None, limit: 0 })
}

/// A line, in words.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) when: When,
    pub(super) what: String,
    /// Whether somebody should look at it.
    pub(super) is_grave: bool,
    /// A link, as HTML.
    pub(super) actor: String,
    /// A link, as HTML.
    pub(super) user: String,
    pub(super) ip: String,
    pub(super) detail: String,
    pub(super) session: Option<SessionId>,
}

/// These rows, in words, with the names of the users who are still there.
///
/// # Errors
/// The store's.
pub(super) async fn lines(
    admin: &Admin,
    staff: &Staff,
    rows: Vec<AuditRow>,
) -> Result<Vec<Line>, Fault> {
    let mut names = Names::default();
    names.read(&*admin.store, users_in(&rows)).await?;
    let linked = may(&staff.user, Permit::ViewUser);
    let sessions = may(&staff.user, Permit::ViewSession);
    let line = |row: AuditRow| Line {
        when: row.line.at.into(),
        what: told(row.line.kind, &row.word),
        is_grave: KINDS.iter().any(|(kind, _, _, grave)| *kind == row.line.kind && *grave),
        actor: row.line.actor.as_ref().map(|who| names.link_who(who, linked)).unwrap_or_default(),
        user: row.line.user.map(|id| names.link(id, linked)).unwrap_or_default(),
        ip: row.line.ip.map(|ip| ip.to_string()).unwrap_or_default(),
        session: row.line.session.filter(|_| sessions),
        detail: match row.line.kind {
            AuditKind::Login => device_in_words(&row.line.detail),
            _ => row.line.detail,
        },
    };
    Ok(rows.into_iter().map(line).collect())
}

/// Who is mentioned in these rows.
pub(super) fn users_in(rows: &[AuditRow]) -> Vec<UserId> {
    rows.iter()
        .flat_map(|row| [row.line.actor.as_ref().and_then(Who::user), row.line.user])
        .flatten()
        .collect()
}

/// A kind in words; the database's own word for one that this program does not know.
pub(super) fn told(kind: AuditKind, word: &str) -> String {
    KINDS
        .iter()
        .find(|(own, ..)| *own == kind)
        .map_or_else(|| word.to_owned(), |(_, _, text, _)| (*text).to_owned())
}

fn filled<T>(
    query: &Form,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
    problem: &str,
) -> Result<Option<T>, Fault> {
    match query.text(name).trim() {
        "" => Ok(None),
        text => parse(text).map(Some).ok_or_else(|| Fault::bad(problem)),
    }
}

/// The first moment of the day that comes so many days after this one, in UTC.
fn start_of(text: &str, days: i64) -> Option<Timestamp> {
    let date: Date = text.parse().ok()?;
    let date = date.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

#[derive(Template)]
#[template(path = "admin/audit.html")]
struct List<'a> {
    frame: Frame,
    kind: Choice,
    by: &'a str,
    user: &'a str,
    session: &'a str,
    ip: &'a str,
    since: &'a str,
    until: &'a str,
    is_filtered: bool,
    csv: String,
    lines: Vec<Line>,
    pager: Pager,
}

/// Every kind: the word in an address, the words for people, whether somebody should look at it.
const KINDS: [(AuditKind, &str, &str, bool); 28] = [
    (AuditKind::Login, "login", "Signed in", false),
    (AuditKind::LoginFailed, "login-failed", "Sign-in failed", false),
    (AuditKind::LoginThrottled, "login-throttled", "Sign-in put off", false),
    (AuditKind::Logout, "logout", "Signed out", false),
    (AuditKind::LogoutAll, "logout-all", "Signed out everywhere", false),
    (AuditKind::TokenTheft, "theft", "Token theft", true),
    (AuditKind::RaceRepeated, "race", "Stale token forgiven again", false),
    (AuditKind::RotationHealed, "healed", "Went on after a restore", false),
    (AuditKind::PasswordChanged, "password-changed", "Changed the own password", false),
    (AuditKind::PasswordSet, "password-set", "Set a password", false),
    (AuditKind::AdminLogin, "admin-login", "Entered this site", false),
    (AuditKind::AdminLoginFailed, "admin-login-failed", "Failed to enter this site", true),
    (AuditKind::AdminLogout, "admin-logout", "Left this site", false),
    (AuditKind::UserAdded, "user-added", "Added a user", false),
    (AuditKind::UserChanged, "user-changed", "Changed a user", false),
    (AuditKind::UserActivated, "user-activated", "Activated a user", false),
    (AuditKind::UserDeactivated, "user-deactivated", "Deactivated a user", false),
    (AuditKind::UserDeleted, "user-deleted", "Deleted a user", false),
    (AuditKind::SessionsEnded, "sessions-ended", "Ended sessions", false),
    (AuditKind::GroupAdded, "group-added", "Added a group", false),
    (AuditKind::GroupChanged, "group-changed", "Changed a group", false),
    (AuditKind::GroupDeleted, "group-deleted", "Deleted a group", false),
    (AuditKind::PermissionAdded, "permission-added", "Added a permission", false),
    (AuditKind::PermissionChanged, "permission-changed", "Changed a permission", false),
    (AuditKind::PermissionDeleted, "permission-deleted", "Deleted a permission", false),
    (AuditKind::KeysRotated, "keys-rotated", "Rotated the keys", false),
    (AuditKind::KeyRetired, "key-retired", "Retired a key", false),
    (AuditKind::StoreMoved, "store-moved", "Moved everything here", false),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_and_ends_with_the_next() {
        assert_eq!(start_of("2026-11-24", 0).unwrap().to_string(), "2026-11-24T00:00:00Z");
        assert_eq!(start_of("2026-12-31", 1).unwrap().to_string(), "2027-01-01T00:00:00Z");
        for text in ["", "24.11.2026", "2026-13-01", "9999-12-32"] {
            assert!(start_of(text, 0).is_none(), "{text}");
        }
        assert!(start_of("9999-12-31", 1).is_none(), "beyond all calendars");
    }
}

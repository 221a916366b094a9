//! The audit log, in words: what its filters ask for, and what its lines say.

use std::net::IpAddr;

use countersign::session::{SessionId, device_in_words};
use countersign::store::admin::{AuditKind, AuditRow, AuditSearch, Who};
use countersign::user::{User, UserId};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::forms::Form;
use super::listing::unknown_choice;
use super::page_error::PageError;
use super::user_link::{Names, asked, asked_who};
use super::when::When;
use crate::admin::rules::{Permit, may};
use crate::admin::site::Admin;

/// What the address asks for, but for the place in the list.
///
/// # Errors
/// A page that says which of the filters makes no sense.
pub(crate) async fn search(admin: &Admin, query: &Form) -> Result<AuditSearch, PageError> {
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
pub(crate) struct Line {
    pub(crate) when: When,
    pub(crate) what: String,
    /// Whether somebody should look at it.
    pub(crate) is_grave: bool,
    /// A link, as HTML.
    pub(crate) actor: String,
    /// A link, as HTML.
    pub(crate) user: String,
    pub(crate) ip: String,
    pub(crate) detail: String,
    pub(crate) session: Option<SessionId>,
}

/// These rows, in words, with the names of the users who are still there.
///
/// # Errors
/// The store's.
pub(crate) async fn lines(
    admin: &Admin,
    operator: &User,
    rows: Vec<AuditRow>,
) -> Result<Vec<Line>, PageError> {
    let mut names = Names::default();
    names.read(&*admin.store, users_in(&rows)).await?;
    let linked = may(operator, Permit::ViewUser);
    let sessions = may(operator, Permit::ViewSession);
    let line = |row: AuditRow| Line {
        when: row.line.at.into(),
        what: kind_in_words(row.line.kind, &row.word),
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

/// The users whom these rows mention.
pub(crate) fn users_in(rows: &[AuditRow]) -> Vec<UserId> {
    rows.iter()
        .flat_map(|row| [row.line.actor.as_ref().and_then(Who::user), row.line.user])
        .flatten()
        .collect()
}

/// A kind in words; the database's own word for one that this program does not know.
pub(crate) fn kind_in_words(kind: AuditKind, word: &str) -> String {
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
) -> Result<Option<T>, PageError> {
    match query.text(name).trim() {
        "" => Ok(None),
        text => parse(text).map(Some).ok_or_else(|| PageError::bad(problem)),
    }
}

/// The first moment of the day that comes so many days after this one, in UTC.
fn start_of(text: &str, days: i64) -> Option<Timestamp> {
    let date: Date = text.parse().ok()?;
    let date = date.checked_add(jiff::Span::new().try_days(days).ok()?).ok()?;
    TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

/// Every kind: the word in an address, the words for people, whether somebody should look at it.
pub(crate) const KINDS: [(AuditKind, &str, &str, bool); 47] = [
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
    (AuditKind::FactorAdded, "factor-added", "Added a second factor", false),
    (AuditKind::FactorRemoved, "factor-removed", "Removed a second factor", false),
    (AuditKind::RecoveryCodeUsed, "recovery-code", "Used a recovery code", false),
    (AuditKind::RecoveryCodesMade, "recovery-codes", "Made new recovery codes", false),
    (AuditKind::PasskeyCopied, "passkey-copied", "Signed with a copy of a passkey", true),
    (AuditKind::FactorsReset, "factors-reset", "Removed all second factors", false),
    (AuditKind::FactorsImported, "factors-imported", "Imported second factors", false),
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
    (AuditKind::KeyExported, "key-exported", "Exported a private key", true),
    (AuditKind::StoreMoved, "store-moved", "Moved everything here", false),
    (AuditKind::Registered, "registered", "Registered", false),
    (AuditKind::EmailVerified, "email-verified", "Proved an address", false),
    (AuditKind::DeletionAsked, "deletion-asked", "Asked to be deleted", false),
    (AuditKind::UserRestored, "user-restored", "Came back before the deletion", false),
    (AuditKind::UserInvited, "user-invited", "Invited somebody", false),
    (AuditKind::LinkSent, "link-sent", "Sent a link", false),
    (AuditKind::MailRetried, "mail-retried", "Had a mail tried again", false),
    (AuditKind::MailForgotten, "mail-forgotten", "Took a mail out of the outbox", false),
    (AuditKind::ServiceTokenMade, "token-made", "Made a service token", true),
    (AuditKind::ServiceTokenRevoked, "token-revoked", "Revoked a service token", false),
    (AuditKind::HookReplayed, "hook-replayed", "Had a web hook go on", false),
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

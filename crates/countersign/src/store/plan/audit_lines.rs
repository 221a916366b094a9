//! What the audit log says of a change.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::session::SessionId;
use crate::store::admin::{
    Actor, AdminError, AuditKind, AuditLine, DETAIL_MAX_CHARS, GroupRecord, UserEdit, Who,
};
use crate::store::sql::query::without_nul;
use crate::store::{OutboxRow, SelfDeletion};
use crate::token::SealedKey;
use crate::user::{NewUser, User, UserId};

/// A line about what an operator did.
pub(crate) fn line(
    by: &Actor,
    kind: AuditKind,
    user: Option<UserId>,
    session: Option<SessionId>,
    detail: impl Into<String>,
) -> AuditLine {
    AuditLine {
        at: by.now,
        kind,
        actor: Some(by.who.clone()),
        user,
        session,
        ip: by.ip,
        detail: detail.into(),
    }
}

/// What came of an act, with the lines that were written with it.
pub(crate) type Acted<T, E = AdminError> = Result<(T, Vec<AuditLine>), E>;

/// What came of an act that is done; the log stream is told of its lines.
pub(crate) fn logged<T>((done, lines): (T, Vec<AuditLine>)) -> T {
    lines.iter().for_each(AuditLine::log);
    done
}

/// What the line says of a key that was made.
pub(crate) fn rotated(key: &SealedKey, retire_others: Timestamp, by: &Actor) -> AuditLine {
    let others = if retire_others <= by.now { "; the old keys are cut off" } else { "" };
    line(by, AuditKind::KeysRotated, None, None, format!("made {}{others}", key.id))
}

/// What the line says of the sessions of everybody that were ended.
pub(crate) fn ended_by(began: Timestamp, by: &Actor) -> AuditLine {
    let which = if began == by.now { String::new() } else { format!(" that began by {began}") };
    line(by, AuditKind::SessionsEnded, None, None, format!("every session of everybody{which}"))
}

/// What the line says of the first superuser, whom nobody made.
pub(crate) fn first_superuser(
    user: UserId,
    name: &str,
    ip: Option<IpAddr>,
    at: Timestamp,
) -> AuditLine {
    let detail = format!("{name}, the first superuser");
    AuditLine {
        at,
        kind: AuditKind::UserAdded,
        actor: None,
        user: Some(user),
        session: None,
        ip,
        detail,
    }
}

/// What the line says of a user who was invited.
pub(crate) fn invited(user: &User, by: &Actor) -> AuditLine {
    line(by, AuditKind::UserInvited, Some(user.id), None, user.username.clone())
}

/// What the line says of a mail of the outbox: whose it is, and where it stood.
pub(crate) fn mail_line(by: &Actor, kind: AuditKind, mail: &OutboxRow) -> AuditLine {
    let detail = format!("mail {}, {}, to {}", mail.id, mail.state.as_str(), mail.address);
    line(by, kind, mail.user, None, detail)
}

/// What the line says of a user who asked to be deleted.
pub(crate) fn deletion_asked(asked: &SelfDeletion) -> AuditLine {
    let (kind, detail) = match asked.at {
        Some(at) => (AuditKind::DeletionAsked, format!("to be done at {at}")),
        None => (AuditKind::UserDeleted, "by their own wish".to_owned()),
    };
    let line = by_themselves(asked.user, kind, asked.now, asked.ip);
    AuditLine { session: Some(asked.session), detail, ..line }
}

/// What the line says of a user who came back before that.
pub(crate) fn restored(user: UserId, at: Timestamp, ip: Option<IpAddr>) -> AuditLine {
    by_themselves(user, AuditKind::UserRestored, at, ip)
}

/// What the line says of a user whose time had come.
pub(crate) fn deleted_at_last(user: UserId, at: Timestamp) -> AuditLine {
    let detail = "by their own wish, after the time to come back".to_owned();
    AuditLine { detail, ..by_themselves(user, AuditKind::UserDeleted, at, None) }
}

fn by_themselves(user: UserId, kind: AuditKind, at: Timestamp, ip: Option<IpAddr>) -> AuditLine {
    let (actor, user) = (Some(Who::User(user)), Some(user));
    AuditLine { at, kind, actor, user, session: None, ip, detail: String::new() }
}

/// Names of groups and permissions that were given and taken, for a line.
#[derive(Debug, Default)]
pub(crate) struct Given {
    pub(crate) added: Vec<String>,
    pub(crate) removed: Vec<String>,
}

impl Given {
    pub(crate) fn summary(&self, what: &str) -> Option<String> {
        let mut parts = Vec::new();
        if !self.added.is_empty() {
            parts.push(format!("added {}", self.added.join(", ")));
        }
        if !self.removed.is_empty() {
            parts.push(format!("removed {}", self.removed.join(", ")));
        }
        (!parts.is_empty()).then(|| format!("{what}: {}", parts.join("; ")))
    }
}

/// What the line says of a user who was made.
pub(crate) fn added(new: &NewUser, groups: &Given, permissions: &Given) -> String {
    let mut said = vec![new.username.as_str().to_owned()];
    for (flag, is) in [("is_staff", new.is_staff), ("is_superuser", new.is_superuser)] {
        if is {
            said.push(flag.to_owned());
        }
    }
    said.extend(groups.summary("groups"));
    said.extend(permissions.summary("permissions"));
    said.join("; ")
}

/// The line for a group that was made or changed.
pub(crate) fn group_line(
    before: Option<&GroupRecord>,
    name: &str,
    given: &Given,
    by: &Actor,
) -> AuditLine {
    let (kind, mut said) = match before {
        None => (AuditKind::GroupAdded, name.to_owned()),
        Some(before) if before.name == name => (AuditKind::GroupChanged, name.to_owned()),
        Some(before) => (AuditKind::GroupChanged, format!("{} to {name}", before.name)),
    };
    if let Some(given) = given.summary("permissions") {
        said.push_str("; ");
        said.push_str(&given);
    }
    line(by, kind, None, None, said)
}

/// The lines for an edit: one for its fields, and one when the user may sign in now, or may not any
/// more.
pub(crate) fn edited(
    before: &User,
    edit: &UserEdit,
    groups: &Given,
    permissions: &Given,
    by: &Actor,
) -> Vec<AuditLine> {
    let mut said = Vec::new();
    if let Some(name) = edit.username.as_ref().filter(|name| name.as_str() != before.username) {
        said.push(format!("username: {} to {}", before.username, name.as_str()));
    }
    for (field, changed) in [
        ("email", edit.email.as_ref().map_or("", |email| email.as_str()) != before.email),
        ("first_name", edit.first_name != before.first_name),
        ("last_name", edit.last_name != before.last_name),
        ("metadata", edit.metadata != before.metadata),
    ] {
        if changed {
            said.push(field.to_owned());
        }
    }
    for (flag, was, is) in [
        ("is_staff", before.is_staff, edit.is_staff),
        ("is_superuser", before.is_superuser, edit.is_superuser),
    ] {
        if was != is {
            said.push(format!("{flag}: {was} to {is}"));
        }
    }
    said.extend(groups.summary("groups"));
    said.extend(permissions.summary("permissions"));
    let mut lines = Vec::new();
    if !said.is_empty() {
        lines.push(line(by, AuditKind::UserChanged, Some(before.id), None, said.join("; ")));
    }
    if before.is_active != edit.is_active {
        let kind =
            if edit.is_active { AuditKind::UserActivated } else { AuditKind::UserDeactivated };
        lines.push(line(by, kind, Some(before.id), None, before.username.clone()));
    }
    lines
}

/// A detail as it is stored: no more than a thousand characters.
pub(crate) fn clipped(detail: &str) -> String {
    without_nul(detail).chars().take(DETAIL_MAX_CHARS).collect()
}

/// An address as it is stored and searched.
pub(crate) fn address(ip: Option<IpAddr>) -> Option<String> {
    ip.map(|ip| ip.to_string())
}

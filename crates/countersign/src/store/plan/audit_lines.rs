//! What the audit log says of a change.

use std::net::IpAddr;

use jiff::Timestamp;

use crate::session::SessionId;
use crate::store::admin::{
    Actor, AdminError, AuditKind, AuditLine, DETAIL_MAX_CHARS, GroupRecord, UserEdit, Who,
};
use crate::store::failure::Failure;
use crate::store::sql::query::without_nul;
use crate::store::{OutboxRow, SelfDeletion};
use crate::token::{Purpose, SealedKey};
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

/// A link was made for a user: who gets it from the operator, nobody else knows of it.
pub(crate) fn link_line(by: &Actor, user: UserId, purpose: Purpose, by_mail: bool) -> AuditLine {
    let how = if by_mail { "" } else { ", given to whoever asked" };
    line(by, AuditKind::LinkSent, Some(user), None, format!("{}{how}", purpose.as_str()))
}

/// What came of an act, with the lines that were written with it.
pub(crate) type Acted<T, E = AdminError> = Result<(T, Vec<AuditLine>), Failure<E>>;

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

/// What the line says of what a restored backup brought back, and was ended.
pub(crate) fn restored_backup(backup: Timestamp, by: &Actor) -> AuditLine {
    let detail = format!(
        "after a restored backup: every session of everybody that began by {backup}, those of the \
         admin site too, and every link that was mailed by then, but for undos"
    );
    line(by, AuditKind::SessionsEnded, None, None, detail)
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

/// What the line says of a web hook that goes on, or gets again what it had got.
pub(crate) fn replayed(by: &Actor, hook: &str, since: Option<Timestamp>, again: u64) -> AuditLine {
    let since = since.map_or_else(String::new, |since| format!(", since {since}"));
    let detail = format!("{hook}: {again} sent again{since}");
    line(by, AuditKind::HookReplayed, None, None, detail)
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

/// What the line says of a user whose name was the address that its owner has taken back.
pub(crate) fn renamed(
    user: UserId,
    name: &str,
    other: &str,
    owner: UserId,
    at: Timestamp,
) -> AuditLine {
    let detail = format!("username: {name} to {other}; the address is another user's, who undid");
    let line = by_themselves(owner, AuditKind::UserChanged, at, None);
    AuditLine { user: Some(user), detail, ..line }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::password::EncodedPassword;
    use crate::store::MailState;
    use crate::store::plan::user_edit::tests::{as_is, user};
    use crate::token::{Algorithm, KeyId};
    use crate::user::{Email, Username};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const LATER: Timestamp = Timestamp::constant(60, 0);

    fn by() -> Actor {
        let ip = "192.0.2.7".parse().ok();
        Actor { ip, ..Actor::shell("root", NOW) }
    }

    fn given(added: &[&str], removed: &[&str]) -> Given {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Given { added: owned(added), removed: owned(removed) }
    }

    /// What the one line of an edit says.
    fn said(before: &User, edit: &UserEdit, groups: &Given) -> String {
        let mut lines = edited(before, edit, groups, &Given::default(), &by());
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0).detail
    }

    #[test]
    fn a_line_says_who_did_it_when_and_from_where() {
        let (bob, session) = (UserId::new(8), SessionId::new(5));
        let line = line(&by(), AuditKind::SessionsEnded, Some(bob), session, "why");
        let who = Some(Who::shell("root"));
        assert_eq!((line.at, line.actor, line.ip), (NOW, who, "192.0.2.7".parse().ok()));
        assert_eq!(
            (line.kind, line.user, line.session),
            (AuditKind::SessionsEnded, Some(bob), session)
        );
        assert_eq!(line.detail, "why");
    }

    #[test]
    fn what_was_done_is_handed_on_without_its_lines() {
        assert_eq!(logged((7, vec![restored(UserId::new(8), NOW, None)])), 7);
    }

    #[test]
    fn a_new_key_says_whether_it_cuts_off_the_old_ones() {
        let key = SealedKey {
            id: KeyId([1; 8]),
            algorithm: Algorithm::EdDsa,
            created_at: NOW,
            activates_at: NOW,
            retires_at: None,
            sealed: Vec::new(),
        };
        let line = rotated(&key, LATER, &by());
        assert_eq!(line.kind, AuditKind::KeysRotated);
        assert_eq!(line.detail, "made 0101010101010101");
        let at_once = rotated(&key, NOW, &by());
        assert_eq!(at_once.detail, "made 0101010101010101; the old keys are cut off");
    }

    #[test]
    fn the_end_of_every_session_says_since_when_unless_it_is_now() {
        let line = ended_by(NOW, &by());
        assert_eq!(line.kind, AuditKind::SessionsEnded);
        assert_eq!(line.detail, "every session of everybody");
        let earlier = ended_by(NOW - Duration::from_secs(60), &by());
        assert_eq!(earlier.detail, "every session of everybody that began by 1969-12-31T23:59:00Z");
    }

    #[test]
    fn what_is_ended_after_a_restore_is_told_in_one_line() {
        let line = restored_backup(NOW, &by());
        assert_eq!((line.kind, line.user), (AuditKind::SessionsEnded, None));
        assert!(line.detail.contains("that began by 1970-01-01T00:00:00Z"), "{}", line.detail);
        assert!(line.detail.chars().count() <= DETAIL_MAX_CHARS);
    }

    #[test]
    fn nobody_made_the_first_superuser() {
        let line = first_superuser(UserId::new(8), "ada", by().ip, LATER);
        assert_eq!((line.at, line.kind, line.actor), (LATER, AuditKind::UserAdded, None));
        assert_eq!((line.user, line.ip), (Some(UserId::new(8)), by().ip));
        assert_eq!(line.detail, "ada, the first superuser");
    }

    #[test]
    fn an_invited_user_and_a_mail_are_named_in_their_lines() {
        let line = invited(&user("ada"), &by());
        assert_eq!((line.kind, line.user), (AuditKind::UserInvited, Some(user("ada").id)));
        assert_eq!(line.detail, "ada");
        let mail = OutboxRow {
            id: 3,
            state: MailState::Failed,
            user: Some(UserId::new(8)),
            address: "ada@example.com".to_owned(),
            created_at: NOW,
            due_at: NOW,
            tries: 5,
            error: String::new(),
        };
        let line = mail_line(&by(), AuditKind::MailRetried, &mail);
        assert_eq!((line.kind, line.user), (AuditKind::MailRetried, mail.user));
        assert_eq!(line.detail, "mail 3, failed, to ada@example.com");
    }

    #[test]
    fn a_user_who_leaves_and_comes_back_is_their_own_actor() {
        let (ada, session) = (UserId::new(8), SessionId::new(5).unwrap());
        let asked = SelfDeletion {
            user: ada,
            checked: EncodedPassword::unusable(),
            session,
            at: Some(LATER),
            now: NOW,
            ip: by().ip,
            mails: Vec::new(),
        };
        let lines = [
            (
                deletion_asked(&asked),
                AuditKind::DeletionAsked,
                "to be done at 1970-01-01T00:01:00Z",
            ),
            (
                deletion_asked(&SelfDeletion { at: None, ..asked.clone() }),
                AuditKind::UserDeleted,
                "by their own wish",
            ),
            (restored(ada, NOW, by().ip), AuditKind::UserRestored, ""),
            (
                deleted_at_last(ada, NOW),
                AuditKind::UserDeleted,
                "by their own wish, after the time to come back",
            ),
        ];
        for (line, kind, detail) in &lines {
            assert_eq!((line.kind, line.detail.as_str()), (*kind, *detail));
            assert_eq!((&line.actor, line.user), (&Some(Who::User(ada)), Some(ada)));
            assert_eq!(line.at, NOW);
        }
        assert_eq!(lines.each_ref().map(|(line, ..)| line.ip.is_some()), [true, true, true, false]);
        assert_eq!(
            lines.each_ref().map(|(line, ..)| line.session.is_some()),
            [true, true, false, false]
        );
    }

    #[test]
    fn names_that_were_given_and_taken_stand_in_one_text() {
        assert_eq!(given(&[], &[]).summary("groups"), None);
        assert_eq!(given(&["a", "b"], &[]).summary("groups").unwrap(), "groups: added a, b");
        assert_eq!(given(&[], &["c"]).summary("groups").unwrap(), "groups: removed c");
        assert_eq!(given(&["a"], &["c"]).summary("groups").unwrap(), "groups: added a; removed c");
    }

    #[test]
    fn a_new_user_is_told_with_all_that_they_may() {
        let name = Username::parse("ada").unwrap();
        let plain = NewUser::new(name, None, EncodedPassword::unusable());
        assert_eq!(added(&plain, &Given::default(), &Given::default()), "ada");
        let root = NewUser { is_staff: true, is_superuser: true, ..plain };
        assert_eq!(
            added(&root, &given(&["editors"], &[]), &given(&["blog.publish"], &[])),
            "ada; is_staff; is_superuser; groups: added editors; permissions: added blog.publish"
        );
    }

    #[test]
    fn a_group_that_keeps_its_name_is_named_once() {
        let before = GroupRecord::new(1, "editors".to_owned(), vec![]);
        let line = group_line(Some(&before), "editors", &given(&[], &["blog.publish"]), &by());
        assert_eq!(line.kind, AuditKind::GroupChanged);
        assert_eq!(line.detail, "editors; permissions: removed blog.publish");
    }

    #[test]
    fn an_edit_says_which_fields_are_other_ones() {
        let ada = User { email: "ada@example.com".to_owned(), ..user("ada") };
        let email = Email::parse("ada@example.com").unwrap();
        let same = UserEdit {
            username: Some(Username::parse("ada").unwrap()),
            email: Some(email),
            ..as_is(&ada)
        };
        assert!(edited(&ada, &same, &Given::default(), &Given::default(), &by()).is_empty());
        let none = Given::default();
        for (edit, expected) in [
            (
                UserEdit { username: Username::parse("eve").ok(), ..same.clone() },
                "username: ada to eve",
            ),
            (UserEdit { email: None, ..same.clone() }, "email"),
            (UserEdit { first_name: "Ada".to_owned(), ..same.clone() }, "first_name"),
            (UserEdit { last_name: "Byron".to_owned(), ..same.clone() }, "last_name"),
            (
                UserEdit { metadata: json!({"a": 1}).as_object().unwrap().clone(), ..same.clone() },
                "metadata",
            ),
            (UserEdit { is_staff: true, ..same.clone() }, "is_staff: false to true"),
            (UserEdit { is_superuser: true, ..same.clone() }, "is_superuser: false to true"),
        ] {
            assert_eq!(said(&ada, &edit, &none), expected);
        }
        assert_eq!(said(&ada, &same, &given(&["editors"], &[])), "groups: added editors");
        let lines = edited(&ada, &same, &none, &given(&[], &["blog.publish"]), &by());
        assert_eq!(lines[0].detail, "permissions: removed blog.publish");
        assert_eq!((lines[0].kind, lines[0].user), (AuditKind::UserChanged, Some(ada.id)));
    }

    #[test]
    fn an_activation_is_a_line_and_no_other() {
        let ada = User { is_active: false, ..user("ada") };
        let edit = UserEdit { is_active: true, ..as_is(&ada) };
        let lines = edited(&ada, &edit, &Given::default(), &Given::default(), &by());
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].kind, lines[0].user), (AuditKind::UserActivated, Some(ada.id)));
        assert_eq!(lines[0].detail, "ada");
    }

    #[test]
    fn a_detail_is_kept_to_a_thousand_characters_and_without_nul() {
        assert_eq!(clipped("a\0b"), "ab");
        assert_eq!(clipped(&"ä".repeat(1_001)), "ä".repeat(1_000));
    }

    #[test]
    fn an_address_is_kept_as_it_is_written() {
        assert_eq!(address(by().ip).unwrap(), "192.0.2.7");
        assert_eq!(address(None), None);
    }
}

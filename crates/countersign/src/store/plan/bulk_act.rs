//! What it comes to when one thing is done to many users.

use super::audit_lines::line;
use super::superusers::is_one;
use crate::session::RevokedReason;
use crate::store::admin::{Actor, AdminError, AuditKind, AuditLine, UserAct};
use crate::user::User;

/// What becomes of a user's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowChange {
    Activate,
    Deactivate,
    Delete,
    Nothing,
}

/// What is to be done.
#[derive(Debug)]
pub(crate) struct BulkPlan<'a> {
    users: &'a [User],
    act: UserAct,
    /// What becomes of the row of each who is [`changed`](Self::changed).
    pub(crate) row: RowChange,
    /// Why the sessions of all of them end, if they do.
    pub(crate) ends_sessions: Option<RevokedReason>,
    /// Whether somebody else must be left who can do everything.
    pub(crate) takes_a_superuser: bool,
}

impl<'a> BulkPlan<'a> {
    /// Of the users who are there, each once.
    ///
    /// # Errors
    /// [`AdminError::NotAllowed`] where the rule does not let this operator do it to one of them.
    pub(crate) fn of(
        users: &'a [User],
        act: UserAct,
        operator: Option<&User>,
        by: &Actor,
    ) -> Result<Self, AdminError> {
        let after: Vec<User> = users.iter().map(|user| act.applied_to(user)).collect();
        by.is_let(operator, users.iter().zip(&after))?;
        let (row, ends_sessions) = match act {
            UserAct::Activate => (RowChange::Activate, None),
            UserAct::Deactivate => (RowChange::Deactivate, Some(RevokedReason::UserInactive)),
            UserAct::Delete => (RowChange::Delete, Some(RevokedReason::UserInactive)),
            UserAct::EndSessions => (RowChange::Nothing, Some(RevokedReason::Admin)),
        };
        let takes_a_superuser = takes_away(act) && users.iter().any(is_one);
        Ok(Self { users, act, row, ends_sessions, takes_a_superuser })
    }

    /// Those for whom it changes anything.
    pub(crate) fn changed(&self) -> impl Iterator<Item = &'a User> {
        let (act, users) = (self.act, self.users);
        users.iter().filter(move |user| match act {
            UserAct::Activate => !user.is_active,
            UserAct::Deactivate => user.is_active,
            // Who has no session may have remembered devices, which are asked again.
            UserAct::Delete | UserAct::EndSessions => true,
        })
    }

    /// What the audit log says of it: a line for each who is changed.
    pub(crate) fn lines(&self, by: &Actor) -> Vec<AuditLine> {
        let kind = match self.act {
            UserAct::Activate => AuditKind::UserActivated,
            UserAct::Deactivate => AuditKind::UserDeactivated,
            UserAct::Delete => AuditKind::UserDeleted,
            UserAct::EndSessions => AuditKind::SessionsEnded,
        };
        self.changed()
            .map(|user| line(by, kind, Some(user.id), None, user.username.clone()))
            .collect()
    }
}

/// Whether an act may leave nobody who can do everything: known before any row is read, as a store
/// may have to hold others off.
pub(crate) fn takes_away(act: UserAct) -> bool {
    matches!(act, UserAct::Deactivate | UserAct::Delete)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::plan::user_edit::tests::user;
    use crate::user::UserId;

    fn two() -> [User; 2] {
        let bob = User { id: UserId::new(8), is_active: false, ..user("bob") };
        [user("ada"), bob]
    }

    fn by() -> Actor {
        Actor::shell("root", Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn only_users_for_whom_it_changes_anything_have_a_line() {
        let users = two();
        for (act, kind, whose) in [
            (UserAct::Activate, AuditKind::UserActivated, &["bob"][..]),
            (UserAct::Deactivate, AuditKind::UserDeactivated, &["ada"]),
            (UserAct::Delete, AuditKind::UserDeleted, &["ada", "bob"]),
            (UserAct::EndSessions, AuditKind::SessionsEnded, &["ada", "bob"]),
        ] {
            let plan = BulkPlan::of(&users, act, None, &by()).unwrap();
            let lines = plan.lines(&by());
            let names: Vec<_> = lines.iter().map(|line| line.detail.as_str()).collect();
            assert_eq!(names, whose, "{act:?}");
            assert!(lines.iter().all(|line| line.kind == kind));
        }
    }

    #[test]
    fn sessions_end_with_whoever_may_not_log_in_any_more() {
        let users = two();
        for (act, reason) in [
            (UserAct::Activate, None),
            (UserAct::Deactivate, Some(RevokedReason::UserInactive)),
            (UserAct::Delete, Some(RevokedReason::UserInactive)),
            (UserAct::EndSessions, Some(RevokedReason::Admin)),
        ] {
            assert_eq!(
                BulkPlan::of(&users, act, None, &by()).unwrap().ends_sessions,
                reason,
                "{act:?}"
            );
        }
    }

    #[test]
    fn a_superuser_among_them_must_not_be_the_last() {
        let users = [User { is_staff: true, is_superuser: true, ..user("ada") }];
        for (act, takes) in [
            (UserAct::Activate, false),
            (UserAct::EndSessions, false),
            (UserAct::Deactivate, true),
            (UserAct::Delete, true),
        ] {
            let plan = BulkPlan::of(&users, act, None, &by()).unwrap();
            assert_eq!(plan.takes_a_superuser, takes, "{act:?}");
            assert!(!BulkPlan::of(&two(), act, None, &by()).unwrap().takes_a_superuser);
        }
    }

    #[test]
    fn one_user_who_may_not_be_touched_keeps_all_of_them_from_it() {
        let users = [user("ada"), User { is_superuser: true, ..user("root") }];
        let by = Actor { may: Some(|_, before, _| !before.is_superuser), ..by() };
        let operator = user("operator");
        let refused = BulkPlan::of(&users, UserAct::Delete, Some(&operator), &by);
        assert!(matches!(refused, Err(AdminError::NotAllowed)));
        assert!(BulkPlan::of(&users[..1], UserAct::Delete, Some(&operator), &by).is_ok());
    }
}

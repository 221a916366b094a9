//! What an operator's edit of a user comes to.

use super::audit_lines::{Given, edited};
use super::grants::GrantsPlan;
use super::superusers::steps_down;
use crate::store::admin::{Actor, AdminError, AuditLine, Fingerprint, UserEdit, UserRecord};
use crate::user::{ProfileChange, User};

/// What is to be done, in this order.
#[derive(Debug)]
pub(crate) struct UserEditPlan<'a> {
    before: &'a User,
    edit: &'a UserEdit,
    /// The part that users may change themselves: names that are taken are refused with it.
    pub(crate) profile: ProfileChange,
    /// Whether the flags or the metadata are other ones.
    pub(crate) changes_rest: bool,
    /// Groups and permissions to give and to take.
    pub(crate) grants: GrantsPlan,
    /// Whether the user's sessions end.
    pub(crate) ends_sessions: bool,
    /// Whether somebody else must be left who can do everything.
    pub(crate) takes_a_superuser: bool,
}

impl<'a> UserEditPlan<'a> {
    /// Of the row as it is, and the one that the operator saw.
    ///
    /// # Errors
    /// [`AdminError::Stale`] when the two differ.
    pub(crate) fn of(
        before: &'a UserRecord,
        edit: &'a UserEdit,
        seen: Fingerprint,
    ) -> Result<Self, AdminError> {
        let UserRecord { user, grants, fingerprint, .. } = before;
        if *fingerprint != seen {
            return Err(AdminError::Stale);
        }
        let flags = (user.is_active, user.is_staff, user.is_superuser)
            != (edit.is_active, edit.is_staff, edit.is_superuser);
        Ok(Self {
            profile: edit.profile(user),
            changes_rest: flags || user.metadata != edit.metadata,
            grants: GrantsPlan::between(grants, edit.grants.as_ref().unwrap_or(grants)),
            ends_sessions: user.is_active && !edit.is_active,
            takes_a_superuser: steps_down(user, edit),
            before: user,
            edit,
        })
    }

    /// What the audit log says of it; groups and permissions by the names that the store found.
    pub(crate) fn lines(&self, groups: &Given, permissions: &Given, by: &Actor) -> Vec<AuditLine> {
        edited(self.before, self.edit, groups, permissions, by)
    }
}

/// The user as they were before an edit, for the rule that is asked about it: without the
/// permissions that they get for themselves, though a group gave them. Who leaves the group keeps
/// them, so they are given all the same.
pub(crate) fn before_given(before: &User, permissions: &Given) -> User {
    let mut before = before.clone();
    before.permissions.retain(|name| !permissions.added.contains(name));
    before
}

#[cfg(test)]
pub(super) mod tests {
    use jiff::Timestamp;
    use serde_json::Map;

    use super::*;
    use crate::password::EncodedPassword;
    use crate::store::admin::{AuditKind, Grants};
    use crate::store::plan::grants::Difference;
    use crate::user::UserId;

    /// An active user with nothing special.
    pub(crate) fn user(name: &str) -> User {
        User {
            email_verified: false,
            locale: String::new(),
            id: UserId::new(7),
            username: name.to_owned(),
            email: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            is_active: true,
            is_staff: false,
            is_superuser: false,
            date_joined: Timestamp::UNIX_EPOCH,
            last_login: None,
            groups: Vec::new(),
            permissions: Vec::new(),
            metadata: Map::new(),
        }
    }

    /// An edit that changes nothing.
    pub(crate) fn as_is(user: &User) -> UserEdit {
        UserEdit {
            username: None,
            email: None,
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            is_active: user.is_active,
            is_staff: user.is_staff,
            is_superuser: user.is_superuser,
            grants: None,
            metadata: user.metadata.clone(),
        }
    }

    fn record(user: User) -> UserRecord {
        let grants = Grants { groups: vec![1, 2], permissions: vec![9] };
        UserRecord::new(user, grants, &EncodedPassword::unusable())
    }

    #[test]
    fn a_row_that_changed_meanwhile_is_not_overwritten() {
        let seen = record(user("ada")).fingerprint;
        let now = record(User { first_name: "Ada".to_owned(), ..user("ada") });
        let edit = as_is(&now.user);
        assert!(matches!(UserEditPlan::of(&now, &edit, seen), Err(AdminError::Stale)));
        assert!(UserEditPlan::of(&now, &edit, now.fingerprint).is_ok());
    }

    #[test]
    fn an_edit_that_changes_nothing_does_and_says_nothing() {
        let before = record(user("ada"));
        let edit = as_is(&before.user);
        let plan = UserEditPlan::of(&before, &edit, before.fingerprint).unwrap();
        assert!(!plan.changes_rest && !plan.ends_sessions && !plan.takes_a_superuser);
        assert_eq!(plan.grants, GrantsPlan::default());
        let by = Actor::shell("root", Timestamp::UNIX_EPOCH);
        assert!(plan.lines(&Given::default(), &Given::default(), &by).is_empty());
    }

    #[test]
    fn only_whoever_becomes_inactive_loses_their_sessions() {
        for (was, is, ends) in
            [(true, false, true), (true, true, false), (false, false, false), (false, true, false)]
        {
            let before = record(User { is_active: was, ..user("ada") });
            let edit = UserEdit { is_active: is, ..as_is(&before.user) };
            let plan = UserEditPlan::of(&before, &edit, before.fingerprint).unwrap();
            assert_eq!(plan.ends_sessions, ends, "{was} to {is}");
            assert_eq!(plan.changes_rest, was != is);
        }
    }

    #[test]
    fn groups_and_permissions_that_are_not_named_stay() {
        let before = record(user("ada"));
        let asked = Grants { groups: vec![3, 2], permissions: vec![9] };
        let edit = UserEdit { grants: Some(asked), ..as_is(&before.user) };
        let plan = UserEditPlan::of(&before, &edit, before.fingerprint).unwrap();
        assert_eq!(plan.grants.groups, Difference { added: vec![3], removed: vec![1] });
        assert_eq!(plan.grants.permissions, Difference::default());
    }

    #[test]
    fn a_deactivation_has_a_line_of_its_own() {
        let before = record(User { is_staff: true, ..user("ada") });
        let edit = UserEdit { is_active: false, is_staff: false, ..as_is(&before.user) };
        let plan = UserEditPlan::of(&before, &edit, before.fingerprint).unwrap();
        let by = Actor::shell("root", Timestamp::UNIX_EPOCH);
        let lines = plan.lines(&Given::default(), &Given::default(), &by);
        let said: Vec<_> = lines.iter().map(|line| (line.kind, line.detail.as_str())).collect();
        assert_eq!(
            said,
            [
                (AuditKind::UserChanged, "is_staff: true to false"),
                (AuditKind::UserDeactivated, "ada")
            ]
        );
    }
}

//! Who may do what: pure functions of the operator's row and of what is asked.
//!
//! Nobody reaches above themselves. An operator may use every permission that they have. Only a
//! superuser touches staff and superusers. Nobody gives away a permission that they do not have.

use std::collections::HashSet;

use countersign::sign_in::SecondFactor;
use countersign::store::admin::{PermissionRow, Rule};
use countersign::user::{Account, User};

/// What an operator may be given. The words are Django's where Django has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permit {
    ViewUser,
    AddUser,
    ChangeUser,
    DeleteUser,
    ViewGroup,
    AddGroup,
    ChangeGroup,
    DeleteGroup,
    ViewPermission,
    AddPermission,
    ChangePermission,
    DeletePermission,
    ViewSession,
    DeleteSession,
    ViewAuditEvent,
    ViewKey,
    ChangeKey,
    ViewOutbox,
    ChangeOutbox,
    ViewServiceToken,
    ChangeServiceToken,
    ViewHook,
    ChangeHook,
    Introspect,
}

impl Permit {
    /// All of them: `app`, `codename`, and the name for people.
    pub(crate) const ALL: [(Self, &'static str, &'static str, &'static str); 24] = [
        (Self::ViewUser, "auth", "view_user", "Can view users"),
        (Self::AddUser, "auth", "add_user", "Can add users"),
        (Self::ChangeUser, "auth", "change_user", "Can change users"),
        (Self::DeleteUser, "auth", "delete_user", "Can delete users"),
        (Self::ViewGroup, "auth", "view_group", "Can view groups"),
        (Self::AddGroup, "auth", "add_group", "Can add groups"),
        (Self::ChangeGroup, "auth", "change_group", "Can change groups"),
        (Self::DeleteGroup, "auth", "delete_group", "Can delete groups"),
        (Self::ViewPermission, "auth", "view_permission", "Can view permissions"),
        (Self::AddPermission, "auth", "add_permission", "Can add permissions"),
        (Self::ChangePermission, "auth", "change_permission", "Can change permissions"),
        (Self::DeletePermission, "auth", "delete_permission", "Can delete permissions"),
        (Self::ViewSession, "countersign", "view_session", "Can view sessions"),
        (Self::DeleteSession, "countersign", "delete_session", "Can end sessions"),
        (Self::ViewAuditEvent, "countersign", "view_auditevent", "Can view the audit log"),
        (Self::ViewKey, "countersign", "view_key", "Can view signing keys"),
        (Self::ChangeKey, "countersign", "change_key", "Can rotate and retire signing keys"),
        (Self::ViewOutbox, "countersign", "view_outbox", "Can view the outbox"),
        (Self::ChangeOutbox, "countersign", "change_outbox", "Can retry and forget mails"),
        (Self::ViewServiceToken, "countersign", "view_servicetoken", "Can view service tokens"),
        (
            Self::ChangeServiceToken,
            "countersign",
            "change_servicetoken",
            "Can make service tokens, and revoke their own",
        ),
        (Self::ViewHook, "countersign", "view_hook", "Can view web hooks"),
        (
            Self::ChangeHook,
            "countersign",
            "change_hook",
            "Can have web hooks go on, and send again",
        ),
        (Self::Introspect, "countersign", "introspect", "Can look at tokens of users"),
    ];

    /// As it is written: `auth.view_user`.
    pub(crate) fn name(self) -> String {
        self.row().map(|(_, app, codename, _)| format!("{app}.{codename}")).unwrap_or_default()
    }

    fn is_called(self, name: &str) -> bool {
        let parts = name.split_once('.');
        self.row().is_some_and(|(_, app, codename, _)| parts == Some((*app, *codename)))
    }

    fn row(self) -> Option<&'static (Self, &'static str, &'static str, &'static str)> {
        Self::ALL.iter().find(|(permit, ..)| *permit == self)
    }
}

/// Whether the operator may do this at all. The right to change is the right to look too, as in
/// Django.
pub(crate) fn may(operator: &dyn Account, permit: Permit) -> bool {
    use Permit::{
        ChangeGroup, ChangeHook, ChangeKey, ChangeOutbox, ChangePermission, ChangeServiceToken,
        ChangeUser, DeleteSession, ViewGroup, ViewHook, ViewKey, ViewOutbox, ViewPermission,
        ViewServiceToken, ViewSession, ViewUser,
    };
    let has = |permit: Permit| operator.permissions().iter().any(|own| permit.is_called(own));
    let implied = match permit {
        ViewUser => Some(ChangeUser),
        ViewGroup => Some(ChangeGroup),
        ViewPermission => Some(ChangePermission),
        ViewSession => Some(DeleteSession),
        ViewKey => Some(ChangeKey),
        ViewOutbox => Some(ChangeOutbox),
        ViewServiceToken => Some(ChangeServiceToken),
        ViewHook => Some(ChangeHook),
        _ => None,
    };
    operator.is_active()
        && operator.is_staff()
        && (operator.is_superuser() || has(permit) || implied.is_some_and(has))
}

/// Whether the operator may do this to that user: only a superuser touches staff and superusers,
/// themselves included.
pub(crate) fn may_touch(operator: &dyn Account, target: &dyn Account, permit: Permit) -> bool {
    may(operator, permit)
        && (operator.is_superuser() || !(target.is_staff() || target.is_superuser()))
}

/// The first group or permission of that user that the operator does not have. An operator who sets
/// a password, a name or an address, or lets somebody sign in, can sign in as them. So that is
/// refused as a grant of those permissions would be.
pub(crate) fn beyond(operator: &dyn Account, target: &dyn Account) -> Option<String> {
    if operator.is_superuser() {
        return None;
    }
    let group = target
        .groups()
        .iter()
        .find(|group| !operator.groups().contains(group))
        .map(|group| format!("the group {group}"));
    group.or_else(|| {
        target.permissions().iter().find(|name| !operator.permissions().contains(name)).cloned()
    })
}

/// Whether the operator may set that user's password.
pub(crate) fn may_set_password(operator: &User, target: &User, _: &User) -> bool {
    may_touch(operator, target, Permit::ChangeUser) && beyond(operator, target).is_none()
}

/// Whether the operator may make of the user `before` the one that is there `after`: the rules of
/// the forms together, as the store asks them in the transaction.
pub(crate) fn may_edit(operator: &User, before: &User, after: &User) -> bool {
    let raises = (before.is_staff, before.is_superuser) != (after.is_staff, after.is_superuser);
    let given = |had: &[String], has: &[String], own: &[String]| {
        has.iter().any(|name| !had.contains(name) && !own.contains(name))
    };
    let gives = given(&before.groups, &after.groups, &operator.groups)
        || given(&before.permissions, &after.permissions, &operator.permissions);
    may_touch(operator, before, Permit::ChangeUser)
        && (!raises || may_raise(operator))
        && (!takes_over(before, after) || beyond(operator, before).is_none())
        && (!gives || operator.is_superuser)
}

/// Whether the edit lets somebody sign in who could not before, or by another name.
pub(crate) fn takes_over(before: &User, after: &User) -> bool {
    before.username != after.username
        || before.email != after.email
        || (!before.is_active && after.is_active)
}

/// Whether the operator may deactivate that user.
pub(crate) fn may_deactivate(operator: &User, target: &User, _: &User) -> bool {
    may_touch(operator, target, Permit::ChangeUser)
}

/// Whether the operator may delete that user.
pub(crate) fn may_delete(operator: &User, target: &User, _: &User) -> bool {
    may_touch(operator, target, Permit::DeleteUser)
}

/// Whether the operator may end that user's sessions.
pub(crate) fn may_end_sessions(operator: &User, _: &User, _: &User) -> bool {
    may(operator, Permit::DeleteSession)
}

/// Whether the operator may add that user.
pub(crate) fn may_add_user(operator: &User, _: &User, new: &User) -> bool {
    may(operator, Permit::AddUser) && (may_raise(operator) || !(new.is_staff || new.is_superuser))
}

/// Whether the operator may invite that user. Whoever has the link can sign in as them, and where
/// no mail is sent the operator sees it.
pub(crate) fn may_invite(operator: &User, _: &User, who: &User) -> bool {
    may_add_user(operator, who, who) && beyond(operator, who).is_none()
}

/// Whether the operator may retry and forget mails.
pub(crate) fn may_change_outbox(operator: &User, _: &User, _: &User) -> bool {
    may(operator, Permit::ChangeOutbox)
}

/// Whether the operator may add a group that gives what they would have `after`.
pub(crate) fn may_add_group(operator: &User, _: &User, after: &User) -> bool {
    may(operator, Permit::AddGroup) && has_all(operator, after)
}

/// Whether the operator may have a group give what they would have `after`, besides what it gives.
pub(crate) fn may_change_group(operator: &User, _: &User, after: &User) -> bool {
    may(operator, Permit::ChangeGroup) && has_all(operator, after)
}

/// The same, with another name.
pub(crate) fn may_rename_group(operator: &User, _: &User, _: &User) -> bool {
    may_rename_groups(operator)
}

/// Whether the operator may delete groups.
pub(crate) fn may_delete_group(operator: &User, _: &User, _: &User) -> bool {
    may(operator, Permit::DeleteGroup)
}

/// The same of a group that the setting `second_factor` names: its members, staff among them, would
/// need no second factor any more.
pub(crate) fn may_delete_named_group(operator: &User, before: &User, after: &User) -> bool {
    may_delete_group(operator, before, after) && operator.is_superuser
}

/// The rule for the deletion of the group of this name.
pub(crate) fn rule_of_deletion(policy: &SecondFactor, name: &str) -> Rule {
    let is_named = policy.groups().any(|group| group == name);
    if is_named { may_delete_named_group } else { may_delete_group }
}

/// Whether the operator may add permissions.
pub(crate) fn may_add_permission(operator: &User, _: &User, _: &User) -> bool {
    may(operator, Permit::AddPermission)
}

/// Whether the operator may say in other words what a permission is for.
pub(crate) fn may_change_permission(operator: &User, _: &User, _: &User) -> bool {
    may(operator, Permit::ChangePermission)
}

/// The same, with another app or codename.
pub(crate) fn may_rename_permission(operator: &User, _: &User, _: &User) -> bool {
    may_rename_permissions(operator)
}

/// Whether the operator may delete permissions.
pub(crate) fn may_delete_permission(operator: &User, _: &User, _: &User) -> bool {
    may(operator, Permit::DeletePermission)
}

/// Whether the operator may end the sessions of everybody.
pub(crate) fn may_end_all_sessions(operator: &User, _: &User, _: &User) -> bool {
    may(operator, Permit::DeleteSession) && operator.is_superuser
}

/// Whether the operator may rotate and retire keys.
pub(crate) fn may_change_keys(operator: &User, _: &User, _: &User) -> bool {
    may(operator, Permit::ChangeKey)
}

/// Whether the operator may make service tokens, and revoke those that they made. What one may is
/// never more than its maker may, as the store sees to.
pub(crate) fn may_change_service_tokens(operator: &User, _: &User, _: &User) -> bool {
    may(operator, Permit::ChangeServiceToken)
}

/// Whether the operator may revoke a service token that somebody else made.
pub(crate) fn may_revoke_service_tokens(operator: &User, _: &User, _: &User) -> bool {
    may(operator, Permit::ChangeServiceToken) && operator.is_superuser
}

/// Whether the operator may have web hooks go on, and send again.
pub(crate) fn may_change_hooks(operator: &User, _: &User, _: &User) -> bool {
    may(operator, Permit::ChangeHook)
}

/// Nobody gives what they do not have.
fn has_all(operator: &User, given: &User) -> bool {
    operator.is_superuser
        || given.permissions.iter().all(|name| operator.permissions.contains(name))
}

/// Whether the operator may make staff and superusers, or make them something else.
pub(crate) fn may_raise(operator: &dyn Account) -> bool {
    operator.is_superuser()
}

/// The first of these permissions that the operator may not give, not having it themselves.
pub(crate) fn not_to_give<'a>(
    operator: &dyn Account,
    had: &[i64],
    wanted: &[i64],
    all: impl IntoIterator<Item = &'a PermissionRow>,
) -> Option<&'a PermissionRow> {
    let given: HashSet<i64> = wanted.iter().filter(|id| !had.contains(id)).copied().collect();
    all.into_iter().find(|row| {
        let name = format!("{}.{}", row.text.app, row.text.codename);
        given.contains(&row.id)
            && !operator.is_superuser()
            && !operator.permissions().contains(&name)
    })
}

/// Whether the operator may put somebody into the group of this name: only if they are in it
/// themselves.
pub(crate) fn may_give_group(operator: &dyn Account, name: &str) -> bool {
    operator.is_superuser() || operator.groups().iter().any(|own| own == name)
}

/// Whether the operator may change what a permission is called: with another name it would be
/// another permission in the hands of everybody who has it.
pub(crate) fn may_rename_permissions(operator: &dyn Account) -> bool {
    operator.is_superuser() && may(operator, Permit::ChangePermission)
}

/// Whether the operator may rename a group: programs may ask for its name, and its members, the
/// operator perhaps among them, would be in another group to them.
pub(crate) fn may_rename_groups(operator: &dyn Account) -> bool {
    operator.is_superuser() && may(operator, Permit::ChangeGroup)
}

#[cfg(test)]
mod tests {
    use countersign::store::admin::PermissionText;
    use countersign::user::UserId;

    use super::*;

    #[derive(Debug)]
    struct Somebody {
        active: bool,
        staff: bool,
        superuser: bool,
        groups: Vec<String>,
        permissions: Vec<String>,
    }

    impl Account for Somebody {
        fn id(&self) -> UserId {
            UserId::new(1)
        }
        fn username(&self) -> &str {
            "somebody"
        }
        fn is_active(&self) -> bool {
            self.active
        }
        fn is_staff(&self) -> bool {
            self.staff
        }
        fn is_superuser(&self) -> bool {
            self.superuser
        }
        fn groups(&self) -> &[String] {
            &self.groups
        }
        fn permissions(&self) -> &[String] {
            &self.permissions
        }
    }

    fn user(staff: bool, superuser: bool, permissions: &[&str]) -> Somebody {
        let permissions = permissions.iter().map(|&name| name.to_owned()).collect();
        Somebody { active: true, staff, superuser, groups: vec!["support".to_owned()], permissions }
    }

    fn row(id: i64, app: &str, codename: &str) -> PermissionRow {
        PermissionRow {
            id,
            text: PermissionText {
                app: app.to_owned(),
                codename: codename.to_owned(),
                name: String::new(),
            },
        }
    }

    #[test]
    fn staff_may_do_what_they_were_given_and_nothing_else() {
        let operator = user(true, false, &["auth.view_user"]);
        assert!(may(&operator, Permit::ViewUser));
        for (permit, ..) in
            Permit::ALL.into_iter().filter(|(permit, ..)| *permit != Permit::ViewUser)
        {
            assert!(!may(&operator, permit), "{permit:?}");
        }
    }

    #[test]
    fn a_superuser_may_do_everything_and_a_user_who_is_not_staff_nothing() {
        for (permit, app, codename, _) in Permit::ALL {
            assert!(may(&user(true, true, &[]), permit));
            assert!(!may(&user(false, true, &[]), permit));
            assert!(!may(&user(false, false, &[&format!("{app}.{codename}")]), permit));
            let inactive = Somebody { active: false, ..user(true, true, &[]) };
            assert!(!may(&inactive, permit));
        }
    }

    #[test]
    fn the_right_to_change_is_the_right_to_look() {
        assert!(may(&user(true, false, &["auth.change_user"]), Permit::ViewUser));
        assert!(!may(&user(true, false, &["auth.delete_user"]), Permit::ViewUser));
    }

    #[test]
    fn only_a_superuser_touches_staff_and_superusers() {
        let operator = user(true, false, &["auth.change_user", "auth.delete_user"]);
        for permit in [Permit::ChangeUser, Permit::DeleteUser] {
            assert!(may_touch(&operator, &user(false, false, &[]), permit));
            assert!(!may_touch(&operator, &user(true, false, &[]), permit), "staff");
            assert!(!may_touch(&operator, &user(false, true, &[]), permit), "a superuser");
            assert!(may_touch(&user(true, true, &[]), &user(true, true, &[]), permit));
        }
        assert!(!may_raise(&operator) && may_raise(&user(true, true, &[])));
    }

    #[test]
    fn nobody_gives_what_they_do_not_have() {
        let rows = [row(1, "shop", "sell"), row(2, "shop", "refund")];
        let operator = user(true, false, &["shop.sell"]);
        assert_eq!(not_to_give(&operator, &[], &[1], &rows), None);
        assert_eq!(not_to_give(&operator, &[], &[1, 2], &rows), Some(&rows[1]));
        assert_eq!(
            not_to_give(&operator, &[2], &[1, 2], &rows),
            None,
            "what was there before may stay"
        );
        assert_eq!(not_to_give(&user(true, true, &[]), &[], &[1, 2], &rows), None);
        assert!(may_give_group(&operator, "support") && !may_give_group(&operator, "admins"));
        assert!(may_give_group(&user(true, true, &[]), "admins"));
    }

    #[test]
    fn a_user_who_has_more_than_the_operator_is_beyond_them() {
        let operator = user(true, false, &["auth.change_user", "shop.sell"]);
        assert_eq!(beyond(&operator, &user(false, false, &["shop.sell"])), None);
        assert_eq!(
            beyond(&operator, &user(false, false, &["shop.sell", "shop.refund"])).as_deref(),
            Some("shop.refund")
        );
        let elsewhere = Somebody { groups: vec!["managers".to_owned()], ..user(false, false, &[]) };
        assert_eq!(beyond(&operator, &elsewhere).as_deref(), Some("the group managers"));
        assert_eq!(beyond(&user(true, true, &[]), &elsewhere), None);
    }

    #[test]
    fn only_a_superuser_renames_a_permission_or_a_group() {
        assert!(!may_rename_groups(&user(true, false, &["auth.change_group"])));
        assert!(may_rename_groups(&user(true, true, &[])));
        assert!(!may_rename_permissions(&user(true, false, &["auth.change_permission"])));
        assert!(may_rename_permissions(&user(true, true, &[])));
    }
}

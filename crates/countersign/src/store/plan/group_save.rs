//! What it comes to when a group is made or changed.

use super::audit_lines::{Given, group_line};
use super::grants::Difference;
use crate::store::admin::{Actor, AdminError, AuditLine, Fingerprint, GroupRecord};

/// What is to be done.
#[derive(Debug)]
pub(crate) struct GroupPlan<'a> {
    before: Option<&'a GroupRecord>,
    name: &'a str,
    /// The group to change; `None` where one is to be made.
    pub(crate) id: Option<i64>,
    /// Whether a group that is there gets another name.
    pub(crate) renames: bool,
    /// Permissions to give and to take.
    pub(crate) permissions: Difference,
}

impl<'a> GroupPlan<'a> {
    /// Of the group as it is, or of none, and the one that the operator saw.
    ///
    /// # Errors
    /// [`AdminError::Stale`] when the two differ.
    pub(crate) fn of(
        before: Option<&'a GroupRecord>,
        name: &'a str,
        permissions: &[i64],
        seen: Option<Fingerprint>,
    ) -> Result<Self, AdminError> {
        if let (Some(before), Some(seen)) = (before, seen)
            && before.fingerprint != seen
        {
            return Err(AdminError::Stale);
        }
        let had = before.map_or(&[][..], |before| &before.permissions);
        Ok(Self {
            id: before.map(|before| before.id),
            renames: before.is_some_and(|before| before.name != name),
            permissions: Difference::between(had, permissions),
            before,
            name,
        })
    }

    /// What the audit log says of it; permissions by the names that the store found.
    pub(crate) fn line(&self, given: &Given, by: &Actor) -> AuditLine {
        group_line(self.before, self.name, given, by)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::store::admin::AuditKind;

    #[test]
    fn a_group_that_changed_meanwhile_is_not_overwritten() {
        let seen = GroupRecord::new(1, "editors".to_owned(), vec![1]).fingerprint;
        let now = GroupRecord::new(1, "editors".to_owned(), vec![1, 2]);
        assert!(matches!(
            GroupPlan::of(Some(&now), "editors", &[], Some(seen)),
            Err(AdminError::Stale)
        ));
        let unasked = GroupPlan::of(Some(&now), "editors", &[2], None).unwrap();
        assert_eq!(unasked.permissions, Difference { added: vec![], removed: vec![1] });
        assert!(!unasked.renames);
    }

    #[test]
    fn the_line_tells_a_new_group_from_one_that_got_another_name() {
        let by = Actor::shell("root", Timestamp::UNIX_EPOCH);
        let given = Given { added: vec!["blog.publish".to_owned()], removed: Vec::new() };
        let made = GroupPlan::of(None, "authors", &[3], None).unwrap();
        assert_eq!((made.id, made.renames), (None, false));
        let line = made.line(&given, &by);
        assert_eq!(
            (line.kind, line.detail.as_str()),
            (AuditKind::GroupAdded, "authors; permissions: added blog.publish")
        );
        let before = GroupRecord::new(1, "editors".to_owned(), vec![]);
        let renamed = GroupPlan::of(Some(&before), "authors", &[], None).unwrap();
        assert_eq!((renamed.id, renamed.renames), (Some(1), true));
        let line = renamed.line(&Given::default(), &by);
        assert_eq!(
            (line.kind, line.detail.as_str()),
            (AuditKind::GroupChanged, "editors to authors")
        );
    }
}

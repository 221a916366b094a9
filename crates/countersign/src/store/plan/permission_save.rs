//! What it comes to when a permission is made or changed.

use super::audit_lines::line;
use crate::store::admin::{Actor, AdminError, AuditKind, AuditLine, Fingerprint, PermissionText};

/// What is to be done.
#[derive(Debug)]
pub(crate) struct PermissionPlan<'a> {
    before: Option<&'a PermissionText>,
    text: &'a PermissionText,
}

impl<'a> PermissionPlan<'a> {
    /// Of the permission as it is, or of none, and the one that the operator saw.
    ///
    /// # Errors
    /// [`AdminError::Stale`] when the two differ.
    pub(crate) fn of(
        before: Option<&'a PermissionText>,
        text: &'a PermissionText,
        seen: Option<Fingerprint>,
    ) -> Result<Self, AdminError> {
        if let (Some(before), Some(seen)) = (before, seen)
            && before.fingerprint() != seen
        {
            return Err(AdminError::Stale);
        }
        Ok(Self { before, text })
    }

    /// What the audit log says of it.
    pub(crate) fn line(&self, by: &Actor) -> AuditLine {
        let name = |text: &PermissionText| format!("{}.{}", text.app, text.codename);
        let now = name(self.text);
        let (kind, said) = match self.before.map(name) {
            None => (AuditKind::PermissionAdded, now),
            Some(before) if before == now => (AuditKind::PermissionChanged, now),
            Some(before) => (AuditKind::PermissionChanged, format!("{before} to {now}")),
        };
        line(by, kind, None, None, said)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn text(codename: &str, name: &str) -> PermissionText {
        let [app, codename, name] = ["shop", codename, name].map(str::to_owned);
        PermissionText { app, codename, name }
    }

    #[test]
    fn a_permission_that_changed_meanwhile_is_not_overwritten() {
        let seen = text("sell", "Can sell");
        for now in [text("refund", "Can sell"), text("sell", "May sell")] {
            let plan = PermissionPlan::of(Some(&now), &seen, Some(seen.fingerprint()));
            assert!(matches!(plan, Err(AdminError::Stale)), "{now:?}");
            assert!(PermissionPlan::of(Some(&now), &seen, Some(now.fingerprint())).is_ok());
            assert!(PermissionPlan::of(Some(&now), &seen, None).is_ok());
        }
    }

    #[test]
    fn the_line_says_what_it_was_called_when_that_is_another_name() {
        let by = Actor::shell("root", Timestamp::UNIX_EPOCH);
        let (sell, refund) = (text("sell", "Can sell"), text("refund", ""));
        for (before, now, kind, said) in [
            (None, &sell, AuditKind::PermissionAdded, "shop.sell"),
            (Some(&sell), &text("sell", ""), AuditKind::PermissionChanged, "shop.sell"),
            (Some(&sell), &refund, AuditKind::PermissionChanged, "shop.sell to shop.refund"),
        ] {
            let line = PermissionPlan::of(before, now, None).unwrap().line(&by);
            assert_eq!((line.kind, line.detail.as_str()), (kind, said));
        }
    }
}

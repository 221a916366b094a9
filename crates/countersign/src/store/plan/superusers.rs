//! One active staff superuser stays: the last one can be neither removed nor shut out.

use crate::store::admin::{AdminError, UserEdit};
use crate::user::User;

/// Whether the user can do everything, and enter the site to do it.
pub(crate) fn is_one(user: &User) -> bool {
    user.is_active && user.is_staff && user.is_superuser
}

/// Whether the user is one, and is none after the edit.
pub(crate) fn steps_down(before: &User, edit: &UserEdit) -> bool {
    is_one(before) && !(edit.is_active && edit.is_staff && edit.is_superuser)
}

/// Refuses a change that took one away, unless another `is_left`.
pub(crate) fn keep_one(is_left: bool) -> Result<(), AdminError> {
    if is_left { Ok(()) } else { Err(AdminError::LastSuperuser) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::plan::user_edit::tests::{as_is, user};

    #[test]
    fn only_an_active_superuser_who_is_staff_counts() {
        let superuser = User { is_staff: true, is_superuser: true, ..user("ada") };
        assert!(is_one(&superuser));
        for not_quite in [
            User { is_active: false, ..superuser.clone() },
            User { is_staff: false, ..superuser.clone() },
            User { is_superuser: false, ..superuser.clone() },
        ] {
            assert!(!is_one(&not_quite), "{not_quite:?}");
        }
    }

    #[test]
    fn whoever_loses_any_of_the_three_steps_down() {
        let superuser = User { is_staff: true, is_superuser: true, ..user("ada") };
        let same = as_is(&superuser);
        assert!(!steps_down(&superuser, &same));
        for edit in [
            UserEdit { is_active: false, ..same.clone() },
            UserEdit { is_staff: false, ..same.clone() },
            UserEdit { is_superuser: false, ..same.clone() },
        ] {
            assert!(steps_down(&superuser, &edit), "{edit:?}");
            assert!(!steps_down(&user("bob"), &edit), "whoever was none takes nothing away");
        }
    }

    #[test]
    fn the_last_one_stays() {
        assert!(keep_one(true).is_ok());
        assert!(matches!(keep_one(false), Err(AdminError::LastSuperuser)));
    }
}

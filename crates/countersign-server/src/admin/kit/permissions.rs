//! Permissions to choose from.

use countersign::store::admin::PermissionRow;
use countersign::user::User;

use super::picker::{Pick, Picker};
use crate::admin::rules::not_to_give;

/// As it is written: `app.codename`.
pub(crate) fn name_of(row: &PermissionRow) -> String {
    format!("{}.{}", row.text.app, row.text.codename)
}

/// Boxes for every permission.
pub(crate) fn permission_picker(
    operator: &User,
    all: &[PermissionRow],
    had: &[i64],
    ticked: &[i64],
    find: &str,
) -> Picker {
    let picks = all.iter().map(|row| {
        let locked = !had.contains(&row.id)
            && not_to_give(operator, had, &[row.id], std::iter::once(row)).is_some();
        Pick {
            id: row.id,
            text: name_of(row),
            note: row.text.name.clone(),
            ticked: ticked.contains(&row.id),
            locked,
        }
    });
    Picker::new(
        "permissions",
        "Permissions",
        "There is no permission yet. Make one under Permissions.",
        picks.collect(),
        find,
    )
}

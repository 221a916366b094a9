//! E-mail addresses as both stores compare them.

use crate::user::fold_address;

/// What is kept beside an address: its folding, where it is not the address itself but for the case
/// of ASCII letters.
pub(super) fn folding(address: &str) -> Option<String> {
    (!address.is_ascii()).then(|| fold_address(address))
}

/// Whom an address names among those who have it: the only active one, or the only one. A shared
/// address names nobody, since nobody knows whose mailbox it is.
pub(super) fn only_owner(owners: &[(i64, bool)]) -> Option<i64> {
    let active: Vec<_> = owners.iter().filter(|(_, is_active)| *is_active).collect();
    match (active.as_slice(), owners) {
        ([(id, _)], _) | ([], [(id, _)]) => Some(*id),
        _ => None,
    }
}

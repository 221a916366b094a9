//! Whom a login names, and which names and addresses are taken.

use crate::store::StoreError;
use crate::token::TokenId;
use crate::user::fold_address;

/// A user who has an address: the id, and whether they are active. Whoever waits to be deleted
/// counts as active: they may come back, and nobody else gets their address meanwhile.
pub(crate) type Owner = (i64, bool);

/// What is kept beside an address: its folding, where it is not the address itself but for the case
/// of ASCII letters.
pub(crate) fn folding(address: &str) -> Option<String> {
    (!address.is_ascii()).then(|| fold_address(address))
}

/// The user whom a login names: who has the name to the letter, else the only one who has it after
/// folding, else the owner of the address. Of the first two, two ids are enough to know that a name
/// is shared.
pub(crate) fn named_by(exact: &[i64], folded: &[i64], owners: &[Owner]) -> Option<i64> {
    match (exact, folded) {
        ([only], _) | (_, [only]) => Some(*only),
        _ => only_owner(owners),
    }
}

/// Whom an address names among those who have it: the only active one, or the only one. A shared
/// address names nobody, since nobody knows whose mailbox it is.
fn only_owner(owners: &[Owner]) -> Option<i64> {
    let active: Vec<_> = owners.iter().filter(|(_, is_active)| *is_active).collect();
    match (active.as_slice(), owners) {
        ([(id, _)], _) | ([], [(id, _)]) => Some(*id),
        _ => None,
    }
}

/// A user name is taken when another user has it after case folding (`is_name`), or as e-mail
/// address: either would make it ambiguous who logs in. `own` is whose name it is to be.
pub(crate) fn refuse_username(
    is_name: bool,
    owners: &[Owner],
    own: Option<i64>,
) -> Result<(), StoreError> {
    let is_address = owners.iter().any(|(id, _)| own != Some(*id));
    if is_name || is_address { Err(StoreError::UsernameTaken) } else { Ok(()) }
}

/// The same rule from the other side: an address is taken when it is another user's name, or when
/// another active user has it.
pub(crate) fn refuse_address(
    is_name: bool,
    owners: &[Owner],
    own: Option<i64>,
) -> Result<(), StoreError> {
    let is_taken = owners.iter().any(|(id, is_active)| *is_active && own != Some(*id));
    if is_name || is_taken { Err(StoreError::EmailTaken) } else { Ok(()) }
}

/// Whether an address is to be looked up before it takes the place of another: one that folds to
/// the same names the same people.
pub(crate) fn is_other_address(before: &str, after: &str) -> bool {
    fold_address(before) != fold_address(after)
}

/// What a user is called whose name is the address that another gets back by this token. Nobody can
/// take it before: they would have to know the token.
pub(crate) fn other_name(user: i64, undo: TokenId) -> String {
    format!("renamed-{user}-{:x}", undo.as_i64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_names_whoever_has_the_name_to_the_letter_before_anybody_else() {
        assert_eq!(named_by(&[1], &[1, 2], &[(3, true)]), Some(1));
        assert_eq!(named_by(&[], &[2], &[(3, true)]), Some(2));
        assert_eq!(named_by(&[], &[1, 2], &[(3, true)]), Some(3));
        assert_eq!(named_by(&[], &[1, 2], &[]), None);
    }

    #[test]
    fn a_shared_address_names_nobody_unless_one_owner_alone_is_active() {
        assert_eq!(named_by(&[], &[], &[(1, true), (2, false)]), Some(1));
        assert_eq!(named_by(&[], &[], &[(1, true), (2, true)]), None);
        assert_eq!(named_by(&[], &[], &[(1, false)]), Some(1));
        assert_eq!(named_by(&[], &[], &[(1, false), (2, false)]), None);
    }

    #[test]
    fn a_name_is_taken_by_anybody_elses_name_or_address() {
        assert!(refuse_username(false, &[], None).is_ok());
        assert!(refuse_username(false, &[(1, true)], Some(1)).is_ok(), "it is their own address");
        for taken in [
            refuse_username(true, &[], Some(1)),
            refuse_username(false, &[(2, false)], Some(1)),
            refuse_username(false, &[(1, true)], None),
        ] {
            assert!(matches!(taken, Err(StoreError::UsernameTaken)));
        }
    }

    #[test]
    fn an_address_may_be_shared_with_users_who_are_not_active() {
        assert!(refuse_address(false, &[(2, false)], Some(1)).is_ok());
        assert!(refuse_address(false, &[(1, true)], Some(1)).is_ok());
        for taken in [refuse_address(true, &[], None), refuse_address(false, &[(2, true)], Some(1))]
        {
            assert!(matches!(taken, Err(StoreError::EmailTaken)));
        }
    }

    #[test]
    fn another_name_is_a_name_and_its_own_folding() {
        let name = other_name(7, TokenId::new(i64::MAX).unwrap());
        assert_eq!(name, "renamed-7-7fffffffffffffff");
        let parsed = crate::user::Username::parse(&name).unwrap();
        assert_eq!((parsed.as_str(), parsed.folded()), (name.as_str(), name.clone()));
    }

    #[test]
    fn an_address_in_other_case_is_the_same_address() {
        assert!(!is_other_address("Ada@Example.com", "ada@example.com"));
        assert!(is_other_address("ada@example.com", "bob@example.com"));
        assert_eq!(folding("ada@example.com"), None);
        assert!(folding("ÄDA@example.com").is_some());
    }
}

//! Groups and permissions that are given and taken.

use crate::store::admin::Grants;

/// Ids that are given and taken, each sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) added: Vec<i64>,
    pub(crate) removed: Vec<i64>,
}

impl Difference {
    /// From what was there, sorted, to what is asked, in any order and perhaps twice.
    pub(crate) fn between(before: &[i64], asked: &[i64]) -> Self {
        let mut after = asked.to_vec();
        after.sort_unstable();
        after.dedup();
        let without = |of: &[i64], those: &[i64]| {
            of.iter().filter(|id| those.binary_search(id).is_err()).copied().collect()
        };
        Self { added: without(&after, before), removed: without(before, &after) }
    }
}

/// What a user is given and loses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GrantsPlan {
    pub(crate) groups: Difference,
    pub(crate) permissions: Difference,
}

impl GrantsPlan {
    pub(crate) fn between(before: &Grants, asked: &Grants) -> Self {
        Self {
            groups: Difference::between(&before.groups, &asked.groups),
            permissions: Difference::between(&before.permissions, &asked.permissions),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_twice_is_given_once_and_what_stays_is_not_touched() {
        let difference = Difference::between(&[1, 2, 5], &[7, 2, 7, 1]);
        assert_eq!(difference, Difference { added: vec![7], removed: vec![5] });
        assert_eq!(Difference::between(&[3, 4], &[4, 3]), Difference::default());
    }
}

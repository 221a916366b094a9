//! One price for every failed check, so that the time of an answer does not tell who exists.
//!
//! The price is one hash of every family that is live in the store, each at the family's highest cost. A family is a hash function whose
//! lower cost can be made up to a higher one *exactly*: PBKDF2 by the missing rounds, bcrypt by the missing doublings; argon2 and scrypt
//! are families of one cost each. So:
//!
//! - nobody, or a row that cannot be checked, is answered by hashing once with each family;
//! - a row is hashed with its own kind, made up to the highest cost of its family, and then hashed with the other families.
//!
//! Both do the same work in the same amounts, whatever machine this is and however busy: nothing is measured, modelled or slept, and work
//! that waits for memory is never traded for work that does not. In a store whose hashes are all of the preferred kind, that is one
//! hash. In one that still holds imported hashes, a failed login costs their highest cost plus one argon2id hash.
//!
//! What is left are microseconds: taking the row apart, and the noise of the machine.

use parking_lot::Mutex;

use super::algorithm::Kind;

/// The families of hash that are live, which is what a failed check costs.
pub(super) struct Costs {
    preferred: Kind,
    /// The highest cost of each family: the preferred one first, at most [`MAX_FAMILIES`].
    live: Mutex<Vec<Kind>>,
}

/// What a failed check has to do, for each text that it tries.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// What the row's own hash is made up to; nothing without a row.
    pub(super) own: Option<Kind>,
    /// What is hashed with besides.
    pub(super) others: Vec<Kind>,
}

impl Costs {
    /// Knows only the kind of new hashes, which always counts.
    pub(super) fn new(preferred: Kind) -> Self {
        Self { preferred, live: Mutex::new(vec![preferred]) }
    }

    /// Replaces the live kinds by these and the preferred one. Of too many families, the costliest are kept.
    pub(super) fn set_live(&self, kinds: impl IntoIterator<Item = Kind>) {
        let mut live = vec![self.preferred];
        for kind in kinds {
            add(&mut live, kind);
        }
        live[1..].sort_by(|a, b| b.modelled_nanos().total_cmp(&a.modelled_nanos()));
        live.truncate(MAX_FAMILIES);
        *self.live.lock() = live;
    }

    /// What a check of a row of this kind, or of no row, has to do. A kind not met before counts from now on.
    pub(super) fn plan(&self, row: Option<Kind>) -> Plan {
        let mut live = self.live.lock();
        let Some(kind) = row else {
            return Plan { own: None, others: live.clone() };
        };
        if live.len() < MAX_FAMILIES || live.iter().any(|top| top.is_family_of(&kind)) {
            add(&mut live, kind);
        }
        let own = live.iter().position(|top| top.is_family_of(&kind)).unwrap_or_else(|| {
            // More families than are paid for: such a row takes the place of the one that is nearest to it.
            let distance = |top: &Kind| (top.modelled_nanos() - kind.modelled_nanos()).abs();
            (0..live.len()).min_by(|&a, &b| distance(&live[a]).total_cmp(&distance(&live[b]))).unwrap_or_default()
        });
        let mut others = live.clone();
        Plan { own: Some(others.remove(own)), others }
    }
}

/// Counts a kind: raises its family, or begins one.
fn add(live: &mut Vec<Kind>, kind: Kind) {
    match live.iter_mut().find(|top| top.is_family_of(&kind)) {
        Some(top) if top.modelled_nanos() < kind.modelled_nanos() => *top = kind,
        Some(_) => {}
        None => live.push(kind),
    }
}

/// Enough for every function that Django writes, and an argon2 of former settings.
const MAX_FAMILIES: usize = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_one_kind_in_the_store_every_no_is_one_hash() {
        let costs = costs(&[ARGON2]);
        assert_eq!(costs.plan(None), Plan { own: None, others: vec![kind(ARGON2)] });
        assert_eq!(costs.plan(Some(kind(ARGON2))), Plan { own: Some(kind(ARGON2)), others: vec![] });
    }

    #[test]
    fn nobody_and_every_row_cost_the_same_set_of_hashes() {
        let kinds = [
            ARGON2,
            "argon2$argon2id$v=19$m=102400,t=2,p=8",
            "pbkdf2_sha256$870000",
            "pbkdf2_sha256$1000",
            "pbkdf2_sha1$5000",
            "bcrypt$$2b$12",
            "bcrypt_sha256$$2b$10",
            "scrypt$16384",
        ];
        let costs = costs(&kinds);
        let price = sorted(costs.plan(None).others);
        assert_eq!(price.len(), 6);
        for row in kinds {
            let plan = costs.plan(Some(kind(row)));
            let own = plan.own.unwrap();
            assert!(own.is_family_of(&kind(row)), "{row}");
            assert!(own.modelled_nanos() >= kind(row).modelled_nanos(), "{row}");
            assert_eq!(sorted([plan.others, vec![own]].concat()), price, "{row}");
        }
    }

    #[test]
    fn a_kind_met_in_a_row_counts_from_then_on() {
        let costs = costs(&[]);
        costs.plan(Some(kind("pbkdf2_sha256$2000")));
        assert_eq!(costs.plan(None).others, [kind(ARGON2), kind("pbkdf2_sha256$2000")]);
        costs.plan(Some(kind("pbkdf2_sha256$3000")));
        costs.plan(Some(kind("pbkdf2_sha256$1000")));
        assert_eq!(costs.plan(None).others, [kind(ARGON2), kind("pbkdf2_sha256$3000")]);
    }

    #[test]
    fn noting_replaces_what_was_noted_and_the_preferred_kind_stays() {
        let costs = costs(&["pbkdf2_sha256$870000"]);
        costs.set_live([]);
        assert_eq!(costs.plan(None).others, [kind(ARGON2)]);
    }

    #[test]
    fn the_number_of_families_is_bounded_and_the_costliest_stay() {
        let many: Vec<String> = (1..=100).map(|n| format!("argon2$argon2id$v=19$m={},t=2,p=1", n * 1000)).collect();
        let costs = costs(&many.iter().map(String::as_str).collect::<Vec<_>>());
        let price = costs.plan(None).others;
        assert_eq!(price.len(), MAX_FAMILIES);
        assert_eq!(price[1], kind(&many[99]));
        let left_out = costs.plan(Some(kind(&many[90])));
        assert_eq!(left_out.own, Some(kind(&many[94])), "the nearest that is paid for");
        assert_eq!(left_out.others.len(), MAX_FAMILIES - 1);
    }

    fn costs(kinds: &[&str]) -> Costs {
        let costs = Costs::new(kind(ARGON2));
        costs.set_live(kinds.iter().map(|prefix| kind(prefix)));
        costs
    }

    fn kind(prefix: &str) -> Kind {
        Kind::parse(prefix).unwrap()
    }

    fn sorted(mut kinds: Vec<Kind>) -> Vec<String> {
        kinds.sort_by(|a, b| a.modelled_nanos().total_cmp(&b.modelled_nanos()));
        kinds.into_iter().map(|kind| format!("{kind:?}")).collect()
    }

    const ARGON2: &str = "argon2$argon2id$v=19$m=19456,t=2,p=1";
}

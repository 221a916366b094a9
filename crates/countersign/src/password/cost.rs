//! One price for every failed check, so that the time of an answer does not tell who exists.
//!
//! The price is that of the costliest family of hash which is live in the store. A family is a hash
//! function whose lower cost can be made up to a higher one *exactly*: PBKDF2 by the missing
//! rounds, bcrypt by the missing doublings; argon2 and scrypt are families of one cost each.
//!
//! - **One family is live**, as in every store whose imported hashes have been replaced: nobody, or
//!   a row that cannot be checked, is answered by one hash of it, and a row's own hash is made up
//!   to the family's highest cost. All do the same work in the same amounts; nothing is measured.
//! - **Several are live**: work of one function cannot be made up by work of another but by time.
//!   So a failed check does its own hash (nobody: one of the costliest family) and then works on
//!   until its thread has spent the price in processor time, which is a tenth more than the
//!   costliest hash was found to take on this machine. It is time that the thread worked, not time
//!   that passed: whoever loads the machine makes every answer later alike. Nothing sleeps, so that
//!   each check takes as much of the machine as every other.
//!
//! Why it is not one hash of every family: `docs/decisions/0026-the-price-of-a-wrong-password.md`.

use std::time::Duration;

use parking_lot::Mutex;

use super::algorithm::Kind;

/// The families of hash that are live, and what a hash of each costs here.
pub(super) struct Costs {
    preferred: Kind,
    /// The highest cost of each family, at most [`MAX_FAMILIES`].
    live: Mutex<Vec<Live>>,
}

#[derive(Clone, Copy)]
struct Live {
    kind: Kind,
    /// Processor time of one hash; nothing before the first.
    measured: Option<Duration>,
}

/// What a failed check has to do, for each text that it tries.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    /// What is hashed with where there is no row.
    pub(super) decoy: Kind,
    /// How to get from there to the price.
    pub(super) rest: Rest,
}

/// What comes after the first hash.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Rest {
    /// The work that the first hash lacks of one of this kind, which is of its family.
    MakeUp(Kind),
    /// Any work, until the thread has spent this since the beginning.
    WorkUntil(Duration),
}

impl Costs {
    /// Knows only the kind of new hashes, which always counts.
    pub(super) fn new(preferred: Kind) -> Self {
        Self { preferred, live: Mutex::new(vec![Live { kind: preferred, measured: None }]) }
    }

    /// Replaces the live kinds by these and the preferred one; what was measured of those that stay
    /// is kept.
    pub(super) fn set_live(&self, kinds: impl IntoIterator<Item = Kind>) {
        let mut live = vec![Live { kind: self.preferred, measured: None }];
        for kind in kinds {
            add(&mut live, kind);
        }
        let mut known = self.live.lock();
        for one in &mut live {
            one.measured = known
                .iter()
                .find(|other| is_as_costly(&other.kind, &one.kind))
                .and_then(|other| other.measured);
        }
        *known = live;
    }

    /// What a check of a row of this kind, or of no row, has to do. A kind not met before counts
    /// from now on.
    pub(super) fn plan(&self, row: Option<Kind>) -> Plan {
        let mut live = self.live.lock();
        if let Some(kind) = row {
            add(&mut live, kind);
        }
        let costliest =
            live.iter().max_by_key(|one| one.time()).map_or(self.preferred, |one| one.kind);
        let price = live.iter().map(Live::time).max().unwrap_or_default().mul_f64(MARGIN);
        let rest = if live.len() == 1 { Rest::MakeUp(costliest) } else { Rest::WorkUntil(price) };
        Plan { decoy: costliest, rest }
    }

    /// Notes the processor time that one hash of this kind took.
    pub(super) fn note(&self, kind: &Kind, took: Duration) {
        let mut live = self.live.lock();
        if let Some(one) = live.iter_mut().find(|one| is_as_costly(&one.kind, kind)) {
            // The machine is not always equally fast; one hash that took long for a reason of its
            // own changes little.
            one.measured =
                Some(one.measured.map_or(took, |before| (before * 7 + took.min(before * 2)) / 8));
        }
    }

    /// Those whose time is not known, where it has to be: a hash of each tells it.
    pub(super) fn unmeasured(&self) -> Vec<Kind> {
        let live = self.live.lock();
        let is_one = live.len() == 1;
        live.iter().filter(|one| !is_one && one.measured.is_none()).map(|one| one.kind).collect()
    }
}

impl Live {
    fn time(&self) -> Duration {
        self.measured.unwrap_or_else(|| Duration::from_nanos(self.kind.modelled_nanos() as u64))
    }
}

fn is_as_costly(one: &Kind, other: &Kind) -> bool {
    one.is_family_of(other) && one.modelled_nanos().total_cmp(&other.modelled_nanos()).is_eq()
}

/// Counts a kind: raises its family, or begins one. Of too many families the costliest stay, which
/// are what the price hangs on.
fn add(live: &mut Vec<Live>, kind: Kind) {
    let (new, is_full) = (Live { kind, measured: None }, live.len() >= MAX_FAMILIES);
    match live.iter_mut().find(|one| one.kind.is_family_of(&kind)) {
        Some(one) if one.kind.modelled_nanos() < kind.modelled_nanos() => *one = new,
        Some(_) => {}
        None if !is_full => live.push(new),
        None => {
            // The first is the preferred one, which stays.
            let cheapest = live
                .iter_mut()
                .skip(1)
                .min_by(|a, b| a.kind.modelled_nanos().total_cmp(&b.kind.modelled_nanos()));
            if let Some(cheapest) =
                cheapest.filter(|cheapest| cheapest.kind.modelled_nanos() < kind.modelled_nanos())
            {
                *cheapest = new;
            }
        }
    }
}

/// The price over the costliest hash: by so much one hash may take longer than the last ones, and
/// cost no more than all others.
const MARGIN: f64 = 1.1;

/// Every function that Django writes, and some argon2 of former settings.
const MAX_FAMILIES: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_one_kind_in_the_store_every_no_is_one_hash() {
        let costs = costs(&[ARGON2]);
        for row in [None, Some(kind(ARGON2))] {
            assert_eq!(
                costs.plan(row),
                Plan { decoy: kind(ARGON2), rest: Rest::MakeUp(kind(ARGON2)) }
            );
        }
        assert_eq!(costs.unmeasured(), []);
    }

    #[test]
    fn the_price_is_the_costliest_family_whatever_else_is_live_and_one_for_all() {
        let costs = costs(&SEVEN);
        let price = kind("bcrypt_sha256$$2b$12").modelled_nanos() * MARGIN;
        for row in SEVEN.iter().map(|row| Some(kind(row))).chain([
            None,
            Some(kind("pbkdf2_sha256$1000")),
            Some(kind("bcrypt$$2b$04")),
        ]) {
            let Rest::WorkUntil(until) = costs.plan(row).rest else { panic!("{row:?}") };
            assert!((until.as_nanos() as f64 - price).abs() < 10.0, "{row:?}: {until:?}");
        }
        assert_eq!(costs.plan(None).decoy, kind("bcrypt_sha256$$2b$12"));
    }

    #[test]
    fn what_was_measured_here_decides_and_not_the_model() {
        let costs = costs(&["pbkdf2_sha256$1000000", "bcrypt$$2b$12"]);
        assert_eq!(costs.unmeasured().len(), 3);
        costs.note(&kind("bcrypt$$2b$12"), Duration::from_millis(50));
        costs.note(&kind("pbkdf2_sha256$1000000"), Duration::from_millis(400));
        // Not what the family is paid at.
        costs.note(&kind("pbkdf2_sha256$1000"), Duration::from_millis(1));
        assert_eq!(costs.unmeasured(), [kind(ARGON2)]);
        assert_eq!(
            costs.plan(None),
            Plan {
                decoy: kind("pbkdf2_sha256$1000000"),
                rest: Rest::WorkUntil(Duration::from_millis(440))
            }
        );
        // One that took long by accident moves it by an eighth at most; what stays live stays
        // known.
        costs.note(&kind("pbkdf2_sha256$1000000"), Duration::from_secs(60));
        costs.set_live([kind("pbkdf2_sha256$1000000")]);
        assert_eq!(costs.plan(None).rest, Rest::WorkUntil(Duration::from_millis(495)));
    }

    #[test]
    fn a_kind_met_in_a_row_counts_from_then_on() {
        let costs = costs(&[]);
        costs.plan(Some(kind("pbkdf2_sha256$700000")));
        assert_eq!(costs.plan(None).decoy, kind("pbkdf2_sha256$700000"));
        costs.plan(Some(kind("pbkdf2_sha256$900000")));
        costs.plan(Some(kind("pbkdf2_sha256$1000")));
        assert_eq!(costs.plan(None).decoy, kind("pbkdf2_sha256$900000"));
    }

    #[test]
    fn noting_replaces_what_was_noted_and_the_preferred_kind_stays() {
        let costs = costs(&["pbkdf2_sha256$870000"]);
        costs.set_live([]);
        assert_eq!(
            costs.plan(None),
            Plan { decoy: kind(ARGON2), rest: Rest::MakeUp(kind(ARGON2)) }
        );
    }

    #[test]
    fn the_number_of_families_is_bounded_and_the_costliest_stay() {
        let many: Vec<String> =
            (1..=100).map(|n| format!("argon2$argon2id$v=19$m={},t=2,p=1", n * 1000)).collect();
        let costs = costs(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(costs.live.lock().len(), MAX_FAMILIES);
        assert_eq!(costs.plan(None).decoy, kind(&many[99]));
    }

    fn costs(kinds: &[&str]) -> Costs {
        let costs = Costs::new(kind(ARGON2));
        costs.set_live(kinds.iter().map(|prefix| kind(prefix)));
        costs
    }

    fn kind(prefix: &str) -> Kind {
        Kind::parse(prefix).unwrap()
    }

    const ARGON2: &str = "argon2$argon2id$v=19$m=19456,t=2,p=1";
    const SEVEN: [&str; 7] = [
        ARGON2,
        "argon2$argon2id$v=19$m=102400,t=2,p=8",
        "pbkdf2_sha256$1000000",
        "pbkdf2_sha1$500000",
        "bcrypt$$2b$10",
        "bcrypt_sha256$$2b$12",
        "scrypt$16384",
    ];
}

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use countersign_verify::{Account, HasAccount, Revocations};
use serde::Serialize;
use serde_json::value::RawValue;

use super::User;

/// A user as the cache knows them: of whatever type, and the profile as it goes out, written once.
pub(crate) struct CachedUser {
    account: Box<dyn Account>,
    json: Box<RawValue>,
    profile: Arc<[u8]>,
    /// About how many bytes all this holds.
    weight: usize,
    /// When the row was read, in seconds since 1970. Long ago, unless somebody says.
    read_at: u64,
    /// In which second a request last took it upon itself to read the row again.
    taken_up: AtomicU64,
}

impl CachedUser {
    pub(crate) fn new<U: Account + Serialize>(user: U) -> Self {
        let json = json_of(&user, &user);
        Self::with_json(user, json)
    }

    /// A user whose profile shows another row.
    pub(crate) fn shown_as(user: User, shown: &User) -> Self {
        let json = json_of(&user, shown);
        Self::with_json(user, json)
    }

    fn with_json<U: Account>(user: U, json: Box<RawValue>) -> Self {
        let profile: Arc<[u8]> = format!("{{\"user\":{json}}}").into_bytes().into();
        let texts = user.groups().iter().chain(user.permissions());
        let rights: usize = texts.map(|text| size_of::<String>() + text.len() + BLOCK).sum();
        // What the row's other texts take is about what they take in the JSON.
        let weight =
            size_of::<Self>() + size_of::<U>() + rights + 2 * json.get().len() + profile.len();
        let (account, taken_up) = (Box::new(user), AtomicU64::new(0));
        Self { account, json, profile, weight, read_at: 0, taken_up }
    }

    /// The row as it was at `now`, in seconds since 1970.
    pub(crate) fn dated(mut self, now: u64) -> Self {
        self.read_at = now;
        self
    }

    /// When the row was read, in seconds since 1970.
    pub(crate) fn read_at(&self) -> u64 {
        self.read_at
    }

    /// How long ago the row was read, in seconds. A clock that was set back makes it old, not new
    /// for ever.
    pub(crate) fn age(&self, now: u64) -> u64 {
        now.abs_diff(self.read_at)
    }

    /// Whether this request is the one that reads the row again, before it is too old for
    /// everybody: one in a second.
    pub(crate) fn is_taken_up(&self, now: u64) -> bool {
        let last = self.taken_up.load(Ordering::Relaxed);
        last != now
            && self
                .taken_up
                .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// Whether both may do the same.
    pub(crate) fn has_rights_of(&self, other: &Self) -> bool {
        self.is_active() == other.is_active()
            && self.is_staff() == other.is_staff()
            && self.is_superuser() == other.is_superuser()
            && self.groups() == other.groups()
            && self.permissions() == other.permissions()
    }

    /// The user object of the HTTP contract.
    pub(crate) fn json(&self) -> &RawValue {
        &self.json
    }

    /// The body of the profile's answer.
    pub(crate) fn profile(&self) -> &Arc<[u8]> {
        &self.profile
    }
}

fn json_of(user: &dyn Account, shown: &impl Serialize) -> Box<RawValue> {
    serde_json::value::to_raw_value(shown).unwrap_or_else(|error| {
        tracing::error!(%error, user = %user.id(), "this user cannot be written as JSON; the \
            profile is empty");
        RawValue::NULL.to_owned()
    })
}

impl Deref for CachedUser {
    type Target = dyn Account;

    fn deref(&self) -> &dyn Account {
        &*self.account
    }
}

impl fmt::Debug for CachedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.account, f)
    }
}

/// What is remembered with a token: its user, as of a moment.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) user: Arc<CachedUser>,
    /// Their profile, without the detour by way of the row.
    pub(crate) profile: Arc<[u8]>,
    pub(crate) moment: u64,
    /// When the row was read, in seconds since 1970.
    pub(crate) read_at: u64,
    /// Where the end of the session is heard of.
    pub(crate) revocations: Revocations,
    /// What a backend is told that is shown the token, once one has asked.
    pub(crate) introspected: Option<Box<[u8]>>,
}

impl Attached {
    /// About how many bytes it keeps. The user counts with each of their tokens: once their row is
    /// read again, an older token may be the only one that keeps what was read before.
    pub(crate) fn weight(&self) -> usize {
        self.user.weight + self.introspected.as_ref().map_or(0, |answer| answer.len())
    }

    /// The same with what backends are told.
    pub(crate) fn with_introspected(&self, answer: Vec<u8>) -> Self {
        Self {
            user: Arc::clone(&self.user),
            profile: Arc::clone(&self.profile),
            moment: self.moment,
            read_at: self.read_at,
            revocations: self.revocations.clone(),
            introspected: Some(answer.into()),
        }
    }
}

impl HasAccount for Attached {
    fn account(&self) -> &dyn Account {
        &**self.user
    }

    fn revocations(&self) -> Option<&Revocations> {
        Some(&self.revocations)
    }
}

/// What an allocator takes for a block besides what stands in it, on average.
const BLOCK: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_weighs_what_its_user_does_and_what_is_said_of_it() {
        let weight = |groups: usize, answer: Option<Vec<u8>>| {
            let mut user = User::for_tests(1);
            user.groups = (0..groups).map(|number| format!("group number {number:03}")).collect();
            let user = Arc::new(CachedUser::new(user));
            let attached = Attached {
                profile: Arc::clone(user.profile()),
                user,
                moment: 0,
                read_at: 0,
                revocations: Revocations::default(),
                introspected: None,
            };
            match answer {
                Some(answer) => attached.with_introspected(answer).weight(),
                None => attached.weight(),
            }
        };
        let plain = weight(0, None);
        assert!(plain > size_of::<User>() + size_of::<CachedUser>());
        // Each name stands in the row, in its JSON, and in the profile.
        assert!(weight(60, None) >= plain + 60 * 3 * "group number 000".len());
        assert_eq!(weight(0, Some(vec![0; 5_000])), plain + 5_000);
    }
}

//! Following the issuer: its keys and its list of endings, and what tokens are worth by them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

use super::fetch::Fetcher;
use super::list::{ListError, RevocationList};
use crate::account::{Account, TokenUser};
use crate::identity::{HasAccount, Identity};
use crate::keys::KeySet;
use crate::problem::{Code, Problem};
use crate::revocations::Revocations;
use crate::verifier::{CLOCKS_APART, TokenError, Verifier};
use crate::weight;

/// What is chosen about following an issuer.
pub(super) struct Settings {
    /// The claim `iss` that counts; else the one that the newest list names.
    pub(super) issuer: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) max_staleness: Duration,
    pub(super) poll_interval: Duration,
    pub(super) token_cache_bytes: usize,
    /// What the members of a group may, beyond what their tokens say.
    pub(super) groups: HashMap<String, Vec<String>>,
    /// The time in whole seconds since 1970.
    pub(super) now: Box<dyn Fn() -> u64 + Send + Sync>,
}

/// The issuer as it is known here, shared by all clones of a service.
pub(super) struct Issuer {
    pub(super) settings: Settings,
    fetcher: Fetcher,
    taken: arc_swap::ArcSwapOption<Taken>,
    pub(super) revocations: Revocations,
    /// Tokens issued at or before this, in whole seconds since 1970, are asked to be renewed: more
    /// sessions had ended than the issuer's list names.
    issued_after: AtomicU64,
    /// When keys and endings were last known to be right, in whole seconds since 1970.
    good_at: AtomicU64,
    keys: Mutex<Keys>,
    pub(super) ready: watch::Sender<bool>,
}

/// What verifies tokens, and what the issuer's list said of them.
struct Taken {
    issuer: String,
    kept: u64,
    verifier: Verifier<Remembered>,
}

/// What is remembered with a token.
struct Remembered {
    user: TokenUser,
    revocations: Revocations,
}

impl Remembered {
    fn weight(&self) -> usize {
        weight::of_user(&self.user)
    }
}

impl HasAccount for Remembered {
    fn account(&self) -> &dyn Account {
        &self.user
    }

    fn revocations(&self) -> Option<&Revocations> {
        Some(&self.revocations)
    }
}

#[derive(Default)]
struct Keys {
    set: KeySet,
    /// When they were last asked for.
    asked: Option<Instant>,
    /// When they were last had: on a clock that nobody sets, and on the one that tokens expire by.
    had: Option<(Instant, u64)>,
}

impl Issuer {
    /// Begins to follow the issuer, on the current Tokio runtime.
    pub(super) fn follow(settings: Settings, fetcher: Fetcher) -> Arc<Self> {
        let interval = settings.poll_interval;
        let issuer = Arc::new(Self {
            settings,
            fetcher,
            taken: arc_swap::ArcSwapOption::empty(),
            revocations: Revocations::default(),
            issued_after: AtomicU64::new(0),
            good_at: AtomicU64::new(0),
            keys: Mutex::default(),
            ready: watch::Sender::new(false),
        });
        tokio::spawn(follow(Arc::downgrade(&issuer), interval));
        issuer
    }

    fn now(&self) -> u64 {
        (self.settings.now)()
    }

    pub(super) fn is_fresh(&self) -> bool {
        let good_at = self.good_at.load(Ordering::Acquire);
        // A clock that went back by more is as good as one that went on.
        good_at > 0 && self.now().abs_diff(good_at) <= self.settings.max_staleness.as_secs()
    }

    /// Whether endings may have come onto the list and left it again since it was last asked for
    /// with success: on a clock that nobody sets, and on the issuer's. The list says how long an
    /// ending stays on it, with what clocks may differ by.
    fn has_missed_endings(&self, good_at: Option<(Instant, u64)>) -> bool {
        let (Some((then, at)), Some(taken)) = (good_at, &*self.taken.load()) else { return false };
        let gap = then.elapsed().as_secs().max(self.now().abs_diff(at));
        gap > taken.kept.saturating_sub(CLOCKS_APART)
    }

    /// The answer for a token that was verified before.
    pub(super) fn known(&self, token: &[u8]) -> Option<Result<Identity, Problem>> {
        if !self.is_fresh() {
            return Some(Err(Problem::new(Code::Unavailable)
                .detail(
                    "The login service cannot be reached, so nobody can be let in. Try again soon.",
                )
                .retry_after(1)));
        }
        let (now, doubts) = (self.now(), self.revocations.doubts());
        let seen = self.taken.load().as_ref()?.verifier.seen(token, now)?;
        if self.revocations.contains(seen.claims.sid) {
            return Some(Err(Problem::new(Code::SessionRevoked)));
        }
        if seen.claims.iat <= self.issued_after.load(Ordering::Acquire) {
            return Some(Err(TokenError::Expired.into()));
        }
        Some(Ok(Identity::new(seen, now).checked_at(doubts)))
    }

    pub(super) async fn check(&self, token: &str) -> Result<Identity, Problem> {
        let unavailable = || Problem::new(Code::Unavailable).retry_after(1);
        let mut taken = self.taken.load_full().ok_or_else(unavailable)?;
        let now = self.now();
        let verified = match taken.verifier.check(token, now) {
            Err(TokenError::UnknownKey) => {
                self.fetch_keys(KEYS_FLOOR).await;
                taken = self.taken.load_full().ok_or_else(unavailable)?;
                taken.verifier.check(token, now)?
            }
            other => other?,
        };
        let doubts = self.revocations.doubts();
        if self.revocations.contains(verified.claims.sid) {
            return Err(Problem::new(Code::SessionRevoked));
        }
        if verified.claims.iat <= self.issued_after.load(Ordering::Acquire) {
            return Err(TokenError::Expired.into());
        }
        let mut user = TokenUser::of(&verified.claims).ok_or(TokenError::Invalid)?;
        let by_group =
            user.groups.iter().filter_map(|group| self.settings.groups.get(group)).flatten();
        let more: Vec<String> =
            by_group.filter(|permission| !user.permissions.contains(permission)).cloned().collect();
        user.permissions.extend(more);
        let remembered = Remembered { user, revocations: self.revocations.clone() };
        let seen = taken.verifier.remember(token, verified, remembered);
        Ok(Identity::new(seen, now).checked_at(doubts))
    }

    /// Fetches the keys again, unless they were asked for within `floor`. Many may ask at once; one
    /// fetches, the others wait for it.
    async fn fetch_keys(&self, floor: Duration) {
        let mut keys = self.keys.lock().await;
        if keys.asked.is_none_or(|asked| asked.elapsed() >= floor)
            && let Err(error) = self.fetch_into(&mut keys).await
        {
            tracing::warn!(%error, "the issuer's keys cannot be had; the old ones go on");
        }
    }

    /// Fetches the keys again when they are a minute old: a key that retired goes.
    async fn renew_keys(&self) -> Result<(), String> {
        let mut keys = self.keys.lock().await;
        let now = self.now();
        if keys.had.is_some_and(|(had, at)| {
            had.elapsed() < KEYS_EVERY && now.abs_diff(at) < KEYS_EVERY.as_secs()
        }) {
            return Ok(());
        }
        self.fetch_into(&mut keys).await.map_err(|error| format!("the keys: {error}"))
    }

    async fn fetch_into(&self, keys: &mut Keys) -> Result<(), String> {
        keys.asked = Some(Instant::now());
        let now = self.now();
        let body = self
            .fetcher
            .get("/.well-known/jwks.json", None)
            .await?
            .body
            .ok_or("they were not asked about, and are said to be the same")?;
        keys.set = KeySet::from_jwk_set(&body).map_err(|error| error.to_string())?;
        keys.had = Some((Instant::now(), now));
        if let Some(taken) = &*self.taken.load() {
            taken.verifier.set_keys(&keys.set);
        }
        Ok(())
    }

    /// Takes in what ended since the last time.
    async fn poll(&self, known: &mut Known) -> Result<(), String> {
        let now = self.now();
        if now < known.at {
            // What was forgotten while the clock was ahead is read again.
            *known = Known::default();
            self.revocations.nothing_after(now);
        }
        let path = match &known.list {
            Some((cursor, _)) => format!("/.well-known/revocations?since={cursor}"),
            None => "/.well-known/revocations".to_owned(),
        };
        known.at = now;
        // A list whose time is over may be a cache's: then the whole is asked for.
        let tag =
            known.tag.as_deref().filter(|_| known.list.as_ref().is_some_and(|(_, exp)| now < *exp));
        let fetched = self.fetcher.get(&path, tag).await?;
        let Some(body) = fetched.body else {
            return if tag.is_some() {
                Ok(())
            } else {
                Err("the issuer says that nothing changed, and was not asked".to_owned())
            };
        };
        let list = self.read_list(&body, now).await.map_err(|error| error.to_string())?;
        self.revocations.insert_all(list.sessions().map(|session| (session, now)));
        if let Some(before) = list.issued_after
            && self.issued_after.fetch_max(before, Ordering::AcqRel) < before
        {
            self.revocations.doubt_all();
        }
        let kept = list.kept();
        self.revocations.forget_before(now.saturating_sub(kept));
        self.take(list.iss.clone(), kept).await;
        known.tag = fetched.tag;
        known.list = Some((list.cursor, list.exp));
        Ok(())
    }

    /// Verifies by what the newest list says: another issuer's tokens, and longer ones, do not
    /// count from here on.
    async fn take(&self, listed: String, kept: u64) {
        let issuer = self.settings.issuer.clone().unwrap_or(listed);
        // No other keys may come between.
        let keys = self.keys.lock().await;
        let old = self.taken.load_full();
        if old.as_ref().is_some_and(|old| old.issuer == issuer && old.kept == kept) {
            return;
        }
        if let Some(old) = old.filter(|old| old.issuer != issuer) {
            tracing::warn!(
                before = old.issuer,
                now = issuer,
                "the issuer has another name; set `issuer` to take no other than the one you expect"
            );
        }
        let verifier =
            Verifier::new(issuer.clone(), self.settings.audience.clone(), keys.set.clone(), 0)
                .within(self.settings.token_cache_bytes, Remembered::weight)
                .no_longer_than(kept);
        self.taken.store(Some(Arc::new(Taken { issuer, kept, verifier })));
    }

    async fn read_list(&self, body: &str, now: u64) -> Result<RevocationList, ListError> {
        let set = self.keys.lock().await.set.clone();
        match RevocationList::read(body, &set, self.settings.issuer.as_deref(), now) {
            Err(ListError::UnknownKey) => {
                // The list comes from the issuer itself, so this is no stranger's invention: the
                // keys were rotated at once.
                self.fetch_keys(LIST_FLOOR).await;
                let set = self.keys.lock().await.set.clone();
                RevocationList::read(body, &set, self.settings.issuer.as_deref(), now)
            }
            other => other,
        }
    }
}

/// What the poller remembers from one time to the next.
#[derive(Default)]
struct Known {
    /// When it was last asked for.
    at: u64,
    tag: Option<String>,
    /// The last list's cursor and `exp`.
    list: Option<(String, u64)>,
}

/// Follows the issuer until the last [`ResourceServer`] is gone.
async fn follow(issuer: Weak<Issuer>, interval: Duration) {
    let mut known = Known::default();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut is_down, mut good_at) = (false, None);
    loop {
        ticks.tick().await;
        let Some(issuer) = issuer.upgrade() else { return };
        let (began, began_at) = (Instant::now(), issuer.now());
        let keys = issuer.renew_keys().await;
        let list = issuer.poll(&mut known).await;
        if list.is_err() {
            // Whatever was known may be the reason: the next list is read from its beginning.
            known = Known::default();
        }
        match keys.and(list) {
            Ok(()) => {
                // Before anybody new is let in, whose streams need not begin anew.
                if issuer.has_missed_endings(good_at) {
                    tracing::info!("endings may have been missed; streams begin anew");
                    issuer.revocations.doubt_all();
                }
                good_at = Some((began, began_at));
                issuer.good_at.store(issuer.now(), Ordering::Release);
                issuer.ready.send_replace(true);
                if is_down {
                    tracing::info!("the issuer answers again");
                }
                is_down = false;
            }
            Err(error) => {
                if !is_down {
                    let max_staleness = issuer.settings.max_staleness.as_secs();
                    tracing::warn!(%error, max_staleness, "the issuer's keys, or its list of ended \
                        sessions, cannot be had; trying again");
                }
                is_down = true;
            }
        }
    }
}

/// So often at most, however many tokens name keys that do not exist.
const KEYS_FLOOR: Duration = Duration::from_secs(10);

/// As often when the issuer's own list is signed with a key that is not known.
const LIST_FLOOR: Duration = Duration::from_secs(1);

/// As long as the issuer lets caches keep its keys.
const KEYS_EVERY: Duration = Duration::from_secs(60);

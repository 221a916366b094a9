//! Web hooks: what waits to be told to other programs.

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use std::collections::BTreeSet;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;

use super::{Actor, AdminError};
use crate::store::StoreError;
use crate::user::UserId;

/// What is asked of a store about web hooks. An event is queued in the transaction of the act that
/// it tells of, once for each hook that wants it, and sent later by any node: at least once, with
/// one id, and what is about one user in its order.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::admin::{HookStore, HookWants};
/// use countersign::store::UserStore;
/// use jiff::{SignedDuration, Timestamp};
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// let wants = HookWants { hook: "crm".to_owned(), events: vec!["user.created".to_owned()] };
/// store.set_hooks(vec![wants]).await.unwrap();
/// let ada = world::ada_in(&store).await;
///
/// let soon = Timestamp::now() + SignedDuration::from_secs(1);
/// let claimed = store.claim_hook_messages("crm", soon, soon, 10).await.unwrap();
/// assert_eq!((claimed.len(), claimed[0].event.as_str()), (1, "user.created"));
/// assert_eq!(claimed[0].data["user"]["username"], ada.username.as_str());
/// store.hook_message_sent(claimed[0].number, soon).await.unwrap();
/// # });
/// ```
#[async_trait]
pub trait HookStore: Send + Sync {
    /// From now on these hooks want these events, and no other does. Nothing is written where that
    /// is so already. What waits for a hook that is not among them stays, and goes with its age.
    async fn set_hooks(&self, hooks: Vec<HookWants>) -> Result<(), StoreError>;

    /// Takes up to `limit` messages of a hook that are due at `now` and that nobody has, for as
    /// long as `lease_until`: of each user the first that waits, and of a hook that is paused none.
    async fn claim_hook_messages(
        &self,
        hook: &str,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<ClaimedHookMessage>, StoreError>;

    /// When the next message of a hook may be due; `None` where none waits, or it is paused.
    async fn next_hook_message(&self, hook: &str) -> Result<Option<Timestamp>, StoreError>;

    /// It was taken. What was sent about a user is forgotten when their deletion is.
    async fn hook_message_sent(&self, number: i64, now: Timestamp) -> Result<(), StoreError>;

    /// It was not, and is due again at `due`, with all of its user that waits behind it.
    async fn hook_message_put_off(
        &self,
        number: i64,
        now: Timestamp,
        due: Timestamp,
        error: &str,
    ) -> Result<(), StoreError>;

    /// It was not, and never will be: the next one of its user is on.
    async fn hook_message_given_up(
        &self,
        number: i64,
        now: Timestamp,
        error: &str,
    ) -> Result<(), StoreError>;

    /// Whether anything was sent to a hook since a time.
    async fn hook_sent_since(&self, hook: &str, since: Timestamp) -> Result<bool, StoreError>;

    /// Nothing is sent to a hook any more until it is [replayed](Self::replay_hook). `false` where
    /// it is paused already.
    async fn pause_hook(
        &self,
        hook: &str,
        now: Timestamp,
        reason: &str,
    ) -> Result<bool, StoreError>;

    /// What waits for a hook is due now: it answers again.
    async fn hook_is_back(&self, hook: &str, now: Timestamp) -> Result<(), StoreError>;

    /// A hook that is paused goes on, and what waits is tried as if for the first time. What was
    /// given up is sent again, and so is what was sent of events since a time. How many of those
    /// two there are.
    ///
    /// # Errors
    /// [`AdminError::Gone`] where there is no such hook, and the store's.
    async fn replay_hook(
        &self,
        hook: &str,
        since: Option<Timestamp>,
        by: &Actor,
    ) -> Result<u64, AdminError>;

    /// The hooks, by name.
    async fn hooks(&self) -> Result<Vec<HookState>, StoreError>;

    /// A page of a hook's messages that stand so, behind the moment and the number `before`: what
    /// is due last, or was done last, comes first. One that is tried meanwhile changes its place.
    async fn hook_messages(
        &self,
        hook: &str,
        state: HookMessageState,
        before: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<HookMessageRow>, StoreError>;

    /// Forgets messages that are done and whose events are older than `done`, and those that still
    /// wait and are older than `waiting`; at most `limit`. How many went.
    async fn prune_hook_messages(
        &self,
        done: Timestamp,
        waiting: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;
}

/// Which events a hook wants.
///
/// ```
/// use countersign::store::admin::{HOOK_EVENTS, HookWants};
///
/// let all = HookWants {
///     hook: "crm".to_owned(),
///     events: HOOK_EVENTS.iter().map(|event| (*event).to_owned()).collect(),
/// };
/// assert_eq!(all.events.len(), 12);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookWants {
    /// The hook's name.
    pub hook: String,
    /// The events, of [`HOOK_EVENTS`].
    pub events: Vec<String>,
}

#[cfg(any(feature = "postgres", feature = "sqlite"))]
impl HookWants {
    /// Whether these rows of events and hooks say what the hooks want.
    pub(crate) fn are(hooks: &[Self], rows: &BTreeSet<(String, String)>) -> bool {
        let pairs = hooks
            .iter()
            .flat_map(|own| own.events.iter().map(|event| (event.clone(), own.hook.clone())));
        pairs.collect::<BTreeSet<_>>() == *rows
    }
}

/// Every event that hooks are told of.
///
/// ```
/// assert!(countersign::store::admin::HOOK_EVENTS.contains(&"session.theft"));
/// ```
pub const HOOK_EVENTS: [&str; 12] = [
    "user.created",
    "user.changed",
    "user.verified",
    "user.deactivated",
    "user.deleted",
    "login.new_device",
    "session.ended",
    "session.theft",
    "password.changed",
    "address.changed",
    "factor.added",
    "factor.removed",
];

/// A message that this node has to send. What is in it is about a user, so it is not printed.
///
/// ```
/// use countersign::store::admin::ClaimedHookMessage;
///
/// fn is_first_try(message: &ClaimedHookMessage) -> bool {
///     message.tries == 0
/// }
/// ```
#[derive(Clone, PartialEq)]
pub struct ClaimedHookMessage {
    /// Its number in the store.
    pub number: i64,
    /// Its id, whenever it is sent.
    pub id: String,
    /// The event, of [`HOOK_EVENTS`].
    pub event: String,
    /// What is said of it: a JSON object.
    pub data: Value,
    /// When it happened.
    pub created_at: Timestamp,
    /// How often it was tried before.
    pub tries: u32,
    /// When it was tried for the first time.
    pub tried_since: Option<Timestamp>,
}

/// Without what it says.
impl fmt::Debug for ClaimedHookMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimedHookMessage")
            .field("number", &self.number)
            .field("id", &self.id)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

/// How a hook stands.
///
/// ```
/// use countersign::store::admin::HookState;
///
/// fn in_words(hook: &HookState) -> String {
///     match &hook.paused {
///         Some((at, why)) => format!("{} is paused since {at}: {why}", hook.hook),
///         None => format!("{}: {} wait", hook.hook, hook.waiting),
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookState {
    /// Its name.
    pub hook: String,
    /// Since when it is paused, and why.
    pub paused: Option<(Timestamp, String)>,
    /// How many messages wait, up to 100,000.
    pub waiting: u64,
    /// How many were given up, up to 100,000.
    pub failed: u64,
    /// When one was taken last.
    pub last_sent: Option<Timestamp>,
    /// What went wrong last with one that waits or was given up; empty for nothing.
    pub error: String,
}

/// Where a message stands.
///
/// ```
/// use countersign::store::admin::HookMessageState;
///
/// assert_eq!(HookMessageState::from_word("failed"), Some(HookMessageState::Failed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookMessageState {
    /// It waits to be sent, or to be tried again.
    Waiting,
    /// It was taken.
    Sent,
    /// It was given up.
    Failed,
}

impl HookMessageState {
    /// The word for it.
    ///
    /// ```
    /// assert_eq!(countersign::store::admin::HookMessageState::Sent.as_str(), "sent");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
        }
    }

    /// The state that a word stands for.
    ///
    /// ```
    /// assert_eq!(countersign::store::admin::HookMessageState::from_word("nonsense"), None);
    /// ```
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Sent, Self::Failed].into_iter().find(|state| state.as_str() == word)
    }
}

/// A message as an operator sees it: nothing of what it says.
///
/// ```
/// use countersign::store::admin::HookMessageRow;
///
/// fn in_words(row: &HookMessageRow) -> String {
///     format!("{} about user {} after {} tries: {}", row.event, row.user, row.tries, row.error)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookMessageRow {
    /// Its number in the store.
    pub number: i64,
    /// Its id, whenever it is sent.
    pub id: String,
    /// The event, of [`HOOK_EVENTS`].
    pub event: String,
    /// Whom it is about.
    pub user: UserId,
    /// When it happened.
    pub created_at: Timestamp,
    /// When it is due, or was done.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// What went wrong last; empty for nothing.
    pub error: String,
}

//! The outbox: what waits to be sent.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use crate::user::UserId;

/// What is asked of a store about the outbox. A mail is queued in the transaction that causes it,
/// and sent later by any node: at least once, with one `Message-ID`.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::{NewMail, OutboxStore};
/// use std::time::Duration;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let now = world::midnight();
/// let mail = NewMail::new(7, "ada@example.com", b"sealed".to_vec(), now);
/// store.queue_mails(vec![mail], Default::default()).await.unwrap();
/// let lease = now + Duration::from_secs(60);
/// let claimed = store.claim_mails(now, lease, 10).await.unwrap();
/// assert_eq!(claimed[0].id, 7);
/// assert!(store.claim_mails(now, lease, 10).await.unwrap().is_empty()); // somebody has it
/// store.mail_sent(7, now).await.unwrap();
/// # });
/// ```
#[async_trait]
pub trait OutboxStore: Send + Sync {
    /// Queues mails. One beyond the `bounds` of its address is kept as [`MailState::Void`].
    async fn queue_mails(&self, mails: Vec<NewMail>, bounds: MailBounds) -> Result<(), StoreError>;

    /// Takes up to `limit` mails that are due at `now` and that nobody has, for as long as
    /// `lease_until`: the ones that wait longest first.
    async fn claim_mails(
        &self,
        now: Timestamp,
        lease_until: Timestamp,
        limit: u32,
    ) -> Result<Vec<ClaimedMail>, StoreError>;

    /// When the next mail is due, if one waits.
    async fn next_mail(&self) -> Result<Option<Timestamp>, StoreError>;

    /// It was sent. Its content is forgotten.
    async fn mail_sent(&self, id: i64, now: Timestamp) -> Result<(), StoreError>;

    /// It was not, and is due again at `due`.
    async fn mail_put_off(&self, id: i64, due: Timestamp, error: &str) -> Result<(), StoreError>;

    /// They were not tried: whoever took them until `lease_until` gives them back, and anybody may
    /// take them at once. Those that somebody else has by now stay theirs.
    async fn give_mails_back(&self, ids: &[i64], lease_until: Timestamp) -> Result<(), StoreError>;

    /// It was not, and never will be. Its content is forgotten.
    async fn mail_failed(&self, id: i64, now: Timestamp, error: &str) -> Result<(), StoreError>;

    /// A page of the outbox, the newest first, behind the id `before`.
    async fn outbox(
        &self,
        state: Option<MailState>,
        before: Option<(Timestamp, i64)>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, StoreError>;

    /// How many wait, and how many failed; each up to 100,000.
    async fn outbox_counts(&self) -> Result<OutboxCounts, StoreError>;

    /// A mail that was put off is due at `now`. `false` when none such waits.
    async fn mail_due_now(&self, id: i64, now: Timestamp) -> Result<bool, StoreError>;

    /// Forgets mails that were sent, or were void, before `done`, and those that failed before
    /// `failed`; at most `limit`. How many went.
    async fn prune_mails(
        &self,
        done: Timestamp,
        failed: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;
}

/// A mail to be queued.
///
/// ```
/// use countersign::store::NewMail;
///
/// let mail = NewMail::new(7, "ada@example.com", vec![1, 2, 3], jiff::Timestamp::UNIX_EPOCH);
/// assert!(!mail.is_void && mail.user.is_none());
/// ```
#[derive(Clone)]
pub struct NewMail {
    /// Its id, freshly drawn: it is sealed with it.
    pub id: i64,
    /// Whom it is about.
    pub user: Option<UserId>,
    /// The folded address that it goes to: mails are counted by it.
    pub address: String,
    /// What it is, sealed ([`MailSeal`](crate::mail::MailSeal)).
    pub sealed: Vec<u8>,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it is due.
    pub due_at: Timestamp,
    /// How it is counted.
    pub class: MailClass,
    /// Never to be sent: it is written so that an address which nobody has costs what others cost.
    pub is_void: bool,
}

impl NewMail {
    /// A mail that is due at once.
    ///
    /// ```
    /// use countersign::store::NewMail;
    ///
    /// let mail = NewMail::new(7, "ada@example.com", Vec::new(), jiff::Timestamp::UNIX_EPOCH);
    /// assert_eq!(mail.due_at, mail.created_at);
    /// ```
    #[must_use]
    pub fn new(id: i64, address: &str, sealed: Vec<u8>, now: Timestamp) -> Self {
        Self {
            id,
            user: None,
            address: address.to_owned(),
            sealed,
            created_at: now,
            due_at: now,
            class: MailClass::Asked,
            is_void: false,
        }
    }
}

/// Without the address and the content.
impl std::fmt::Debug for NewMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewMail").field("id", &self.id).finish_non_exhaustive()
    }
}

/// How mails to one address are counted: each class by itself, so that what strangers ask for
/// leaves no notice out.
///
/// ```
/// use countersign::store::MailClass;
///
/// assert_eq!(MailClass::Asked.as_str(), "mail");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailClass {
    /// Anybody may ask for it.
    Asked,
    /// Anybody may ask for it: for a new password. By itself, so that what lives for minutes does
    /// not use up what is needed for this.
    Reset,
    /// Anybody may ask for it: for a code to log in with.
    Code,
    /// It tells the owner of an account what happened to it.
    Notice,
    /// It is never left out: what causes it is bounded itself.
    Assured,
}

impl MailClass {
    /// Whether anybody may ask for it.
    ///
    /// ```
    /// use countersign::store::MailClass;
    ///
    /// assert!(MailClass::Code.is_asked_for() && !MailClass::Notice.is_asked_for());
    /// ```
    #[must_use]
    pub const fn is_asked_for(self) -> bool {
        matches!(self, Self::Asked | Self::Reset | Self::Code)
    }

    /// The word for it.
    ///
    /// ```
    /// assert_eq!(countersign::store::MailClass::Notice.as_str(), "notice");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "mail",
            Self::Reset => "reset",
            Self::Code => "code",
            Self::Notice => "notice",
            Self::Assured => "assured",
        }
    }
}

/// How much there may be in the last hour. What is beyond is not sent.
///
/// ```
/// use countersign::store::MailBounds;
///
/// assert_eq!(MailBounds::default().an_hour, 5);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailBounds {
    /// Mails of one class to one address that anybody may ask for.
    pub an_hour: u32,
    /// Notices to one address.
    pub notices_an_hour: u32,
    /// Tokens of one purpose of one user.
    pub tokens_an_hour: u32,
}

impl MailBounds {
    /// What mails are bounded by that no stranger asks for.
    ///
    /// ```
    /// use countersign::store::MailBounds;
    ///
    /// assert_eq!(MailBounds::OF_ACTS.notices_an_hour, 20);
    /// ```
    pub const OF_ACTS: Self =
        Self { an_hour: u32::MAX, notices_an_hour: NOTICES, tokens_an_hour: u32::MAX };

    /// How many mails of this class an address gets in an hour, for stores of one's own.
    ///
    /// ```
    /// use countersign::store::{MailBounds, MailClass};
    ///
    /// assert_eq!(MailBounds::default().of(MailClass::Asked), 5);
    /// ```
    pub const fn of(self, class: MailClass) -> u32 {
        match class {
            MailClass::Asked | MailClass::Reset | MailClass::Code => self.an_hour,
            MailClass::Notice => self.notices_an_hour,
            MailClass::Assured => u32::MAX,
        }
    }
}

impl Default for MailBounds {
    fn default() -> Self {
        Self { an_hour: 5, notices_an_hour: NOTICES, tokens_an_hour: u32::MAX }
    }
}

const NOTICES: u32 = 20;

/// A mail that this node has to send.
///
/// ```
/// use countersign::store::ClaimedMail;
///
/// fn is_first_try(mail: &ClaimedMail) -> bool {
///     mail.tries == 0
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedMail {
    /// Its id.
    pub id: i64,
    /// What it is, sealed.
    pub sealed: Vec<u8>,
    /// How often it was tried before.
    pub tries: u32,
    /// When it was queued.
    pub created_at: Timestamp,
}

/// Where a mail stands.
///
/// ```
/// use countersign::store::MailState;
///
/// assert_eq!(MailState::from_word("waiting"), Some(MailState::Waiting));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MailState {
    /// It waits to be sent, or to be tried again.
    Waiting,
    /// It was sent.
    Sent,
    /// It never will be.
    Failed,
    /// It was never meant to be.
    Void,
}

impl MailState {
    /// The word for it.
    ///
    /// ```
    /// assert_eq!(countersign::store::MailState::Void.as_str(), "void");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Void => "void",
        }
    }

    /// The state that a word stands for.
    ///
    /// ```
    /// assert_eq!(countersign::store::MailState::from_word("nonsense"), None);
    /// ```
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Waiting, Self::Sent, Self::Failed, Self::Void]
            .into_iter()
            .find(|state| state.as_str() == word)
    }
}

/// A mail as an operator sees it: nothing of its content, which holds links and codes.
///
/// ```
/// use countersign::store::OutboxRow;
///
/// fn in_words(row: &OutboxRow) -> String {
///     format!("{}: {} after {} tries", row.id, row.state.as_str(), row.tries)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its id.
    pub id: i64,
    /// Where it stands.
    pub state: MailState,
    /// Whom it is about.
    pub user: Option<UserId>,
    /// The folded address.
    pub address: String,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it is due, or was done.
    pub due_at: Timestamp,
    /// How often it was tried.
    pub tries: u32,
    /// What went wrong last; empty for nothing.
    pub error: String,
}

/// How many mails there are.
///
/// ```
/// assert_eq!(countersign::store::OutboxCounts::default().waiting, 0);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// That wait.
    pub waiting: u64,
    /// That failed.
    pub failed: u64,
}

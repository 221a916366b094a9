//! Second factors, and the sign-ins that wait for one.

use async_trait::async_trait;
use jiff::Timestamp;

use super::StoreError;
use super::outbox::NewMail;
use crate::factor::FactorId;
use crate::password::EncodedPassword;
use crate::session::{Authentication, DeviceName, SessionId};
use crate::sign_in::{FactorKind, Factors, Methods};
use crate::token::SecretHash;
use crate::user::UserId;

/// What is asked of a store about second factors. They belong to a user's id, wherever the user's
/// row is. Each operation is one transaction.
///
/// Whatever changes a user's factors gives them another [number](UserFactors::version), and holds
/// the user's row first, as whatever begins a session does: so a sign-in that was under way begins
/// nothing.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::store::FactorStore;
///
/// # world::block_on(async {
/// # let (store, _, _directory) = world::place();
/// # let ada = world::ada_in(&store).await;
/// let has = store.factors_of(ada.id).await.unwrap();
/// assert!(has.factors.is_empty() && has.recovery_codes.is_empty() && has.version == 0);
/// # });
/// ```
#[async_trait]
pub trait FactorStore: Send + Sync {
    /// What a user has.
    async fn factors_of(&self, user: UserId) -> Result<UserFactors, StoreError>;

    /// Keeps a factor that is not proved yet, in the place of an earlier one of its kind. It is
    /// asked of nobody.
    async fn offer_factor(&self, new: NewFactor) -> Result<(), StoreError>;

    /// Enrols a factor that was offered, and marks the session that asks as one of several
    /// factors. With the first factor come the recovery codes.
    async fn confirm_factor(&self, confirm: ConfirmFactor) -> Result<Confirmed, StoreError>;

    /// Keeps what a browser is asked to sign with a passkey, until its time is over.
    async fn keep_challenge(&self, challenge: PasskeyChallenge) -> Result<(), StoreError>;

    /// A challenge that was not used, and whose time is not over.
    async fn challenge(
        &self,
        id: FactorId,
        now: Timestamp,
    ) -> Result<Option<PasskeyChallenge>, StoreError>;

    /// Whose passkey has this id, as its authenticator names it.
    async fn passkey_owner(&self, credential: Vec<u8>) -> Result<Option<UserId>, StoreError>;

    /// Enrols a passkey that has signed its challenge, which is used up by it, and marks the
    /// session that asks as one of several factors. With the first factor come the recovery codes.
    async fn add_passkey(&self, add: AddPasskey) -> Result<Confirmed, StoreError>;

    /// Gives a user's factor another name, or takes it away. `false` when there is none such.
    async fn name_factor(
        &self,
        user: UserId,
        id: FactorId,
        name: Option<DeviceName>,
    ) -> Result<bool, StoreError>;

    /// Removes a user's factor. With the last one the recovery codes go.
    async fn remove_factor(&self, remove: RemoveFactor) -> Result<Removed, StoreError>;

    /// Puts new recovery codes in the place of the old ones, for who has a factor: `false` for who
    /// has none.
    async fn set_recovery_codes(
        &self,
        user: UserId,
        codes: Vec<NewRecoveryCode>,
    ) -> Result<bool, StoreError>;

    /// Counts a try at a sign-in that waits until `until`. `false` when it had [`FACTOR_TRIES`]
    /// already, or a session has begun with it.
    ///
    /// [`FACTOR_TRIES`]: crate::sign_in::FACTOR_TRIES
    async fn count_factor_try(
        &self,
        pending: FactorId,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Notes in a live session that its user has proved this again, on the user's row as it was
    /// checked.
    async fn step_up(&self, step_up: StepUp) -> Result<SteppedUp, StoreError>;

    /// Forgets all that a user had who is gone. Who is in the store's own table of users needs no
    /// such call: with the row go the factors.
    async fn forget_factors(&self, user: UserId) -> Result<(), StoreError>;

    /// Forgets sign-ins that waited until before `pending`, and factors that were offered before
    /// `offered` and never proved; at most `limit` of each. How many went.
    async fn prune_factors(
        &self,
        pending: Timestamp,
        offered: Timestamp,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Forgets challenges whose time was over before `before`; at most `limit`. How many went.
    async fn prune_challenges(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}

/// What a user has beside the first step of a sign-in.
///
/// ```
/// use countersign::store::UserFactors;
///
/// assert!(!UserFactors::default().enrolled().is_second());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFactors {
    /// The number of their state: 0 for who never had one, and another after every change.
    pub version: u64,
    /// The factors, those that are not proved yet too, in the order in which they were made.
    pub factors: Vec<StoredFactor>,
    /// The hashes of the recovery codes that are left.
    pub recovery_codes: Vec<SecretHash>,
}

impl UserFactors {
    /// What can be asked for.
    ///
    /// ```
    /// use countersign::store::UserFactors;
    ///
    /// assert_eq!(UserFactors::default().enrolled().words().count(), 0);
    /// ```
    #[must_use]
    pub fn enrolled(&self) -> Factors {
        let kinds = self.factors.iter().filter(|factor| factor.is_enrolled);
        let enrolled = Factors::of(kinds.map(|factor| factor.kind));
        // Codes without a factor are nothing to be asked for.
        if enrolled.is_second() && !self.recovery_codes.is_empty() {
            return enrolled.with(FactorKind::RecoveryCode);
        }
        enrolled
    }
}

/// A factor as the store has it. Its secret is sealed.
///
/// ```
/// use countersign::store::StoredFactor;
///
/// fn line(factor: &StoredFactor) -> String {
///     format!("{} {} since {}", factor.id, factor.kind, factor.created_at)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFactor {
    /// Its id.
    pub id: FactorId,
    /// What it is.
    pub kind: FactorKind,
    /// What its user calls it.
    pub name: Option<DeviceName>,
    /// What it is proved with.
    pub sealed: Vec<u8>,
    /// The last step of the clock whose code was taken; of a passkey, the last count of its
    /// signatures, which is 0 where nobody counts.
    pub last_step: Option<u64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used to sign in.
    pub last_used_at: Option<Timestamp>,
    /// Whether its user has proved it.
    pub is_enrolled: bool,
    /// Of a passkey: its id, as its authenticator names it.
    pub credential: Option<Vec<u8>>,
    /// Of a passkey: whether its provider has a copy of it, as was last said.
    pub is_backed_up: Option<bool>,
}

/// A factor to be offered.
///
/// ```
/// use countersign::clock::OsRandom;
/// use countersign::factor::FactorId;
/// use countersign::sign_in::FactorKind;
/// use countersign::store::NewFactor;
/// use countersign::user::UserId;
///
/// let new = NewFactor {
///     id: FactorId::draw(&OsRandom),
///     user: UserId::new(1),
///     kind: FactorKind::Totp,
///     name: None,
///     sealed: vec![1, 2, 3],
///     created_at: jiff::Timestamp::UNIX_EPOCH,
/// };
/// ```
#[derive(Debug, Clone)]
pub struct NewFactor {
    /// Its id, freshly drawn.
    pub id: FactorId,
    /// Whose it is.
    pub user: UserId,
    /// What it is.
    pub kind: FactorKind,
    /// What its user calls it.
    pub name: Option<DeviceName>,
    /// What it is proved with, sealed.
    pub sealed: Vec<u8>,
    /// When it is made.
    pub created_at: Timestamp,
}

/// A recovery code as the store keeps it.
///
/// ```
/// use countersign::factor::FactorId;
/// use countersign::store::NewRecoveryCode;
/// use countersign::token::SecretHash;
///
/// let code = NewRecoveryCode {
///     id: FactorId::new(7).unwrap(),
///     hash: SecretHash::from_stored(&[7; 32]).unwrap(),
/// };
/// ```
#[derive(Debug, Clone, Copy)]
pub struct NewRecoveryCode {
    /// Its id, freshly drawn.
    pub id: FactorId,
    /// The hash of it, with its user's id.
    pub hash: SecretHash,
}

/// A factor that was offered, and is proved now.
///
/// ```
/// use countersign::store::{ConfirmFactor, Confirmed, FactorStore, StoreError};
///
/// async fn confirm(store: &dyn FactorStore, by: ConfirmFactor) -> Result<bool, StoreError> {
///     Ok(matches!(store.confirm_factor(by).await?, Confirmed::Done { .. }))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct ConfirmFactor {
    /// Which.
    pub id: FactorId,
    /// Whose it is.
    pub user: UserId,
    /// The step of the clock whose code was given: no sign-in takes it again.
    pub step: u64,
    /// It was offered after this.
    pub offered_after: Timestamp,
    /// The recovery codes, if it is the first factor.
    pub codes: Vec<NewRecoveryCode>,
    /// The session that asks, which lives.
    pub session: SessionId,
    /// What is proved by it.
    pub methods: Methods,
    /// The time.
    pub now: Timestamp,
    /// What is queued with it.
    pub mails: Vec<NewMail>,
}

/// What a browser was asked to sign with a passkey.
///
/// ```
/// use countersign::factor::FactorId;
/// use countersign::store::PasskeyChallenge;
///
/// let for_a_login = PasskeyChallenge {
///     id: FactorId::new(7).unwrap(),
///     user: None,
///     state: b"{}".to_vec(),
///     expires_at: jiff::Timestamp::UNIX_EPOCH,
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyChallenge {
    /// Its id, which is drawn with it.
    pub id: FactorId,
    /// Who registers a passkey with it; nobody in particular where somebody signs in.
    pub user: Option<UserId>,
    /// What the answer is checked against.
    pub state: Vec<u8>,
    /// When its time is over.
    pub expires_at: Timestamp,
}

/// A passkey to be enrolled.
///
/// ```
/// use countersign::store::{AddPasskey, Confirmed, FactorStore, StoreError};
///
/// async fn add(store: &dyn FactorStore, passkey: AddPasskey) -> Result<bool, StoreError> {
///     Ok(matches!(store.add_passkey(passkey).await?, Confirmed::Done { .. }))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct AddPasskey {
    /// The factor.
    pub factor: NewFactor,
    /// Its id, as its authenticator names it. No two factors have the same.
    pub credential: Vec<u8>,
    /// The count of its signatures so far.
    pub count: u32,
    /// Whether its provider has a copy of it.
    pub is_backed_up: bool,
    /// What it has signed.
    pub challenge: FactorId,
    /// The recovery codes, if it is the first factor.
    pub codes: Vec<NewRecoveryCode>,
    /// The session that asks, which lives.
    pub session: SessionId,
    /// What is proved by it.
    pub methods: Methods,
    /// What is queued with it.
    pub mails: Vec<NewMail>,
}

/// What became of it.
///
/// ```
/// use countersign::store::Confirmed;
///
/// fn shows_codes(confirmed: &Confirmed) -> bool {
///     matches!(confirmed, Confirmed::Done { are_codes_new: true, .. })
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmed {
    /// It is enrolled.
    Done {
        /// Whether the recovery codes are these now.
        are_codes_new: bool,
        /// What the session knows of its user from now on.
        authentication: Authentication,
    },
    /// It is not there, too old, or enrolled already. Nothing was done.
    Unknown,
    /// Somebody has this passkey already. Nothing was done.
    Taken,
    /// The session that asks has ended meanwhile. Nothing was done.
    SessionEnded,
}

/// A factor to be removed.
///
/// ```
/// use countersign::store::{FactorStore, RemoveFactor, Removed, StoreError};
///
/// async fn remove(store: &dyn FactorStore, which: RemoveFactor) -> Result<bool, StoreError> {
///     Ok(store.remove_factor(which).await? == Removed::Done)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RemoveFactor {
    /// Which.
    pub id: FactorId,
    /// Whose it is.
    pub user: UserId,
    /// Whether one must be left.
    pub keeps_one: bool,
    /// The session that asks, which lives.
    pub session: SessionId,
    /// The time.
    pub now: Timestamp,
    /// What is queued with it.
    pub mails: Vec<NewMail>,
}

/// What became of it.
///
/// ```
/// use countersign::http::Code;
/// use countersign::store::Removed;
///
/// fn refused(removed: Removed) -> Option<Code> {
///     match removed {
///         Removed::Done => None,
///         Removed::LastOne => Some(Code::Conflict),
///         _ => Some(Code::NotFound),
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removed {
    /// It is gone.
    Done,
    /// There was none such.
    Unknown,
    /// It is the last one, and one must be left. Nothing was done.
    LastOne,
    /// The session that asks has ended meanwhile. Nothing was done.
    SessionEnded,
}

/// What a second step proves, to be used up: it serves once.
///
/// ```
/// use countersign::factor::FactorId;
/// use countersign::store::FactorProof;
///
/// let proof = FactorProof::Totp { id: FactorId::new(7).unwrap(), step: 59_000_000 };
/// assert!(format!("{proof:?}").starts_with("Totp"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FactorProof {
    /// A code of an app: no code of this step or of one before is taken again.
    Totp {
        /// Of which factor.
        id: FactorId,
        /// The step of the clock.
        step: u64,
    },
    /// A recovery code.
    RecoveryCode {
        /// The hash of it.
        hash: SecretHash,
    },
    /// The signature of a passkey: its challenge serves no other, and neither does a count that is
    /// no higher than the last one.
    Passkey {
        /// Of which factor.
        id: FactorId,
        /// What it has signed.
        challenge: FactorId,
        /// The count of its signatures; 0 where nobody counts.
        count: u32,
        /// Whether its provider has a copy of it.
        is_backed_up: bool,
    },
}

/// What a session that begins uses up: the sign-in that waited, if one did, and the proof.
///
/// ```
/// use countersign::factor::FactorId;
/// use countersign::store::{FactorProof, FactorUse};
///
/// let (pending, id) = (FactorId::new(1).unwrap(), FactorId::new(7).unwrap());
/// let pending = Some(pending);
/// let used = FactorUse { pending, proof: FactorProof::Totp { id, step: 1 }, mails: Vec::new() };
/// ```
#[derive(Debug, Clone)]
pub struct FactorUse {
    /// Which sign-in: a try at it was [counted](FactorStore::count_factor_try). `None` for a
    /// passkey at the first step.
    pub pending: Option<FactorId>,
    /// What was proved.
    pub proof: FactorProof,
    /// What is queued with it.
    pub mails: Vec<NewMail>,
}

/// Something that was proved again in a session.
///
/// ```
/// use countersign::store::{FactorStore, StepUp, SteppedUp, StoreError};
///
/// async fn note(store: &dyn FactorStore, again: StepUp) -> Result<bool, StoreError> {
///     Ok(matches!(store.step_up(again).await?, SteppedUp::Done(_)))
/// }
/// ```
#[derive(Debug, Clone)]
pub struct StepUp {
    /// In which session, which lives.
    pub session: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The encoded password that was checked, or that stood in the row when something else was:
    /// nothing happens unless it is the user's and the user is active. `None` asks nothing of the
    /// store's row, where users live elsewhere.
    pub checked: Option<EncodedPassword>,
    /// The number of the user's factors, as they were checked.
    pub factors: u64,
    /// What was proved.
    pub methods: Methods,
    /// What it uses up.
    pub proof: Option<FactorProof>,
    /// The time.
    pub now: Timestamp,
    /// What is queued with it.
    pub mails: Vec<NewMail>,
}

/// What became of it.
///
/// ```
/// use countersign::store::SteppedUp;
///
/// fn is_done(stepped_up: &SteppedUp) -> bool {
///     matches!(stepped_up, SteppedUp::Done(_))
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SteppedUp {
    /// What the session knows of its user now.
    Done(Authentication),
    /// The user is gone, is not active, or has another password or other factors by now. Nothing
    /// was done.
    UserChanged,
    /// The session has ended meanwhile. Nothing was done.
    SessionEnded,
    /// The proof was used already. Nothing was done.
    Used,
}

//! Second factors, and the sign-ins that wait for one.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{NewMail, PasskeyOwner, StepUp, SteppedUp, StoreError, UserFactors, WaitingSignIn};
use crate::factor::FactorId;
use crate::session::{Authentication, DeviceName, SessionId};
use crate::sign_in::{FactorKind, Methods};
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
    /// factors. With the first factor come the recovery codes. Who has a factor enrols another in a
    /// session that has proved one.
    async fn confirm_factor(&self, confirm: ConfirmFactor) -> Result<Confirmed, StoreError>;

    /// Keeps what a browser is asked to sign with a new passkey, until its time is over. Of one
    /// user's the newest [few](CHALLENGES_AT_MOST) are kept.
    async fn keep_challenge(&self, challenge: PasskeyChallenge) -> Result<(), StoreError>;

    /// A challenge that was kept and not used, and whose time is not over.
    async fn challenge(
        &self,
        id: FactorId,
        now: Timestamp,
    ) -> Result<Option<PasskeyChallenge>, StoreError>;

    /// Whether a passkey has proved somebody with this challenge: what it signed comes again.
    async fn is_challenge_used(&self, id: FactorId) -> Result<bool, StoreError>;

    /// Whose passkey has this id, as its authenticator names it, and all else that a login with it
    /// looks at, in one look. The factors are no newer than the row.
    async fn passkey_owner(&self, credential: Vec<u8>) -> Result<Option<PasskeyOwner>, StoreError>;

    /// Enrols a passkey that has signed its challenge, which is used up by it, and marks the
    /// session that asks as one of several factors. With the first factor come the recovery codes.
    /// Who has a factor enrols another in a session that has proved one.
    async fn add_passkey(&self, add: AddPasskey) -> Result<Confirmed, StoreError>;

    /// Gives a user's factor another name, or takes it away. `false` when there is none such.
    async fn name_factor(
        &self,
        user: UserId,
        id: FactorId,
        name: Option<DeviceName>,
    ) -> Result<bool, StoreError>;

    /// Removes a user's factor, in a session that has proved one, and ends the user's other
    /// sessions with the reason [`FactorRemoved`](crate::session::RevokedReason::FactorRemoved):
    /// which of them it had begun is not known. With the last one the recovery codes go, and the
    /// session that asks has [proved](Authentication::methods) no factor any more.
    async fn remove_factor(&self, remove: RemoveFactor) -> Result<Removed, StoreError>;

    /// Puts new recovery codes in the place of the old ones, for who has a factor, in a session
    /// that has proved one.
    async fn set_recovery_codes(&self, set: SetRecoveryCodes) -> Result<CodesSet, StoreError>;

    /// All that the second step of a sign-in looks at, in one look: the user's row, where it is
    /// here; the factors; and what has become of the sign-in that waits. The password and the
    /// factors are no newer than the rest.
    async fn waiting_sign_in(
        &self,
        user: UserId,
        pending: FactorId,
    ) -> Result<WaitingSignIn, StoreError>;

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

    /// Forgets all that a user had who is gone, or who has lost it. The sessions of who is not gone
    /// have proved no factor any more; to end them is the caller's. Who is in the store's own table
    /// of users needs no such call when they are deleted: with the row go the factors.
    ///
    /// A number that their factors had is that of no later ones: a device that was
    /// [remembered](crate::token::device::DeviceTokens::mark) is asked again.
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

/// How many challenges of new passkeys are kept for one user: one for each tab in which they may
/// have begun.
///
/// ```
/// assert_eq!(countersign::store::CHALLENGES_AT_MOST, 4);
/// ```
pub const CHALLENGES_AT_MOST: u32 = 4;

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

/// What a browser was asked to sign with a new passkey. What it signs to log in is kept only once
/// it is used: [`FactorProof::Passkey`](super::FactorProof::Passkey).
///
/// ```
/// use countersign::factor::FactorId;
/// use countersign::store::PasskeyChallenge;
/// use countersign::user::UserId;
///
/// let asked = PasskeyChallenge {
///     id: FactorId::new(7).unwrap(),
///     user: UserId::new(1),
///     state: b"{}".to_vec(),
///     expires_at: jiff::Timestamp::UNIX_EPOCH,
/// };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyChallenge {
    /// Its id, which is drawn with it.
    pub id: FactorId,
    /// Who registers a passkey with it.
    pub user: UserId,
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
    /// The user has [as many as anybody may](crate::sign_in::FACTORS_AT_MOST). Nothing was done.
    TooMany,
    /// The user has a factor, and the session that asks has proved none. Nothing was done.
    FactorRequired,
    /// The session that asks has ended meanwhile. Nothing was done.
    SessionEnded,
}

/// New recovery codes of a user.
///
/// ```
/// use countersign::store::{CodesSet, FactorStore, SetRecoveryCodes, StoreError};
///
/// async fn set(store: &dyn FactorStore, codes: SetRecoveryCodes) -> Result<bool, StoreError> {
///     Ok(store.set_recovery_codes(codes).await? == CodesSet::Done)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct SetRecoveryCodes {
    /// Whose they are.
    pub user: UserId,
    /// The codes.
    pub codes: Vec<NewRecoveryCode>,
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
/// use countersign::store::CodesSet;
///
/// fn are_good(set: CodesSet) -> bool {
///     set == CodesSet::Done
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CodesSet {
    /// They are good from now on, and the old ones no more.
    Done,
    /// The user has no factor for which they would stand in. Nothing was done.
    NoFactor,
    /// The user has a factor, and the session that asks has proved none. Nothing was done.
    FactorRequired,
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
    /// The user has a factor, and the session that asks has proved none. Nothing was done.
    FactorRequired,
    /// The session that asks has ended meanwhile. Nothing was done.
    SessionEnded,
}

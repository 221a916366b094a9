//! What second factors prove, and what that uses up.

use jiff::Timestamp;

use super::{NewMail, UserFactors};
use crate::factor::FactorId;
use crate::password::EncodedPassword;
use crate::session::{Authentication, SessionId};
use crate::sign_in::Methods;
use crate::token::SecretHash;
use crate::user::{User, UserByLogin, UserId};

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
        /// Until when that may be answered.
        until: Timestamp,
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
/// let pending = Some((pending, jiff::Timestamp::UNIX_EPOCH));
/// let used = FactorUse { pending, proof: FactorProof::Totp { id, step: 1 }, mails: Vec::new() };
/// ```
#[derive(Debug, Clone)]
pub struct FactorUse {
    /// Which sign-in, and until when it waits. `None` for a passkey at the first step.
    pub pending: Option<(FactorId, Timestamp)>,
    /// What was proved.
    pub proof: FactorProof,
    /// What is queued with it.
    pub mails: Vec<NewMail>,
}

/// What the second step of a sign-in looks at.
///
/// ```
/// use countersign::sign_in::FACTOR_TRIES;
/// use countersign::store::WaitingSignIn;
///
/// fn is_over(waiting: &WaitingSignIn) -> bool {
///     waiting.is_used || waiting.tries >= FACTOR_TRIES
/// }
/// assert!(!is_over(&WaitingSignIn::default()));
/// ```
#[derive(Debug, Clone, Default)]
pub struct WaitingSignIn {
    /// The user's row with the encoded password, where it is in the store.
    pub row: Option<(EncodedPassword, User)>,
    /// What the user has.
    pub factors: UserFactors,
    /// How many tries at it were counted.
    pub tries: u32,
    /// Whether a session has begun with it.
    pub is_used: bool,
}

/// What a login with a passkey looks at, of the user whose passkey it is.
///
/// ```
/// use countersign::store::PasskeyOwner;
///
/// fn is_in_a_table_of_the_apps_own(owner: &PasskeyOwner) -> bool {
///     owner.row.is_none()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct PasskeyOwner {
    /// Who it is.
    pub user: UserId,
    /// The user's row, where it is in the store.
    pub row: Option<UserByLogin>,
    /// What the user has.
    pub factors: UserFactors,
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

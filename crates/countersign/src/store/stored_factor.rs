//! Second factors as they are kept.

use jiff::Timestamp;

use crate::factor::FactorId;
use crate::session::DeviceName;
use crate::sign_in::{FactorKind, Factors};
use crate::token::SecretHash;

/// What a user has beside the first step of a sign-in.
///
/// ```
/// use countersign::store::UserFactors;
///
/// assert!(!UserFactors::default().enrolled().is_second());
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserFactors {
    /// The number of their state: 0 for who never had one, and another after every change. None
    /// comes twice: that of the first is the time, in microseconds since 1970.
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
    /// Of a passkey that came from another installation: by what its authenticator knows the user.
    pub handle: Option<Vec<u8>>,
}

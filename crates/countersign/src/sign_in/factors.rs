use std::fmt;

/// A kind of second factor.
///
/// ```
/// use countersign::sign_in::FactorKind;
///
/// assert_eq!(FactorKind::from_word("totp"), Some(FactorKind::Totp));
/// assert_eq!(FactorKind::RecoveryCode.as_str(), "recovery_code");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FactorKind {
    /// Codes of an authenticator app (RFC 6238).
    Totp,
    /// A key that a browser or a device keeps (`WebAuthn`).
    Passkey,
    /// A code from the list that was made with the first factor.
    RecoveryCode,
}

impl FactorKind {
    /// Every kind, in the order in which they are offered.
    pub const ALL: [Self; 3] = [Self::Totp, Self::Passkey, Self::RecoveryCode];

    /// The word on the wire and in the database.
    ///
    /// ```
    /// assert_eq!(countersign::sign_in::FactorKind::Passkey.as_str(), "passkey");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Passkey => "passkey",
            Self::RecoveryCode => "recovery_code",
        }
    }

    /// The kind of this word.
    ///
    /// ```
    /// assert_eq!(countersign::sign_in::FactorKind::from_word("pigeon"), None);
    /// ```
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Totp => 1,
            Self::Passkey => 2,
            Self::RecoveryCode => 4,
        }
    }
}

impl fmt::Display for FactorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which kinds of second factor a user can prove.
///
/// ```
/// use countersign::sign_in::{FactorKind, Factors};
///
/// let factors = Factors::of([FactorKind::RecoveryCode, FactorKind::Totp]);
/// assert_eq!(factors.words().collect::<Vec<_>>(), ["totp", "recovery_code"]);
/// assert!(!factors.has(FactorKind::Passkey));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Factors(u8);

impl Factors {
    /// These.
    ///
    /// ```
    /// use countersign::sign_in::Factors;
    ///
    /// assert_eq!(Factors::of([]), Factors::default());
    /// ```
    pub fn of(kinds: impl IntoIterator<Item = FactorKind>) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | kind.bit()))
    }

    /// With one more.
    ///
    /// ```
    /// use countersign::sign_in::{FactorKind, Factors};
    ///
    /// assert!(Factors::default().with(FactorKind::Totp).has(FactorKind::Totp));
    /// ```
    #[must_use]
    pub const fn with(self, kind: FactorKind) -> Self {
        Self(self.0 | kind.bit())
    }

    /// Whether this kind is among them.
    ///
    /// ```
    /// use countersign::sign_in::{FactorKind, Factors};
    ///
    /// assert!(Factors::of([FactorKind::Totp]).has(FactorKind::Totp));
    /// ```
    pub const fn has(self, kind: FactorKind) -> bool {
        self.0 & kind.bit() != 0
    }

    /// Whether there is a factor to be asked for. Recovery codes alone are none: they stand in for
    /// one that is lost.
    ///
    /// ```
    /// use countersign::sign_in::{FactorKind, Factors};
    ///
    /// assert!(Factors::of([FactorKind::Passkey]).is_second());
    /// assert!(!Factors::of([FactorKind::RecoveryCode]).is_second());
    /// ```
    pub const fn is_second(self) -> bool {
        self.has(FactorKind::Totp) || self.has(FactorKind::Passkey)
    }

    /// Their words, in the order in which they are offered.
    ///
    /// ```
    /// use countersign::sign_in::Factors;
    ///
    /// assert_eq!(Factors::default().words().count(), 0);
    /// ```
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        FactorKind::ALL.into_iter().filter(move |kind| self.has(*kind)).map(FactorKind::as_str)
    }
}

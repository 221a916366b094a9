use std::fmt;

/// How a user has proved who they are: a value of the claim `amr` (RFC 8176, and `email`).
///
/// ```
/// use countersign::sign_in::Method;
///
/// assert_eq!(Method::from_word("pwd"), Some(Method::Password));
/// assert_eq!(Method::Several.as_str(), "mfa");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Method {
    /// `pwd`: the password.
    Password,
    /// `otp`: a code of an authenticator app, or a recovery code.
    OneTime,
    /// `hwk`: a key that does not leave its hardware.
    HardwareKey,
    /// `swk`: a key that is synchronised between devices.
    SoftwareKey,
    /// `email`: a link or a code of a mail.
    Email,
    /// `fed`: a sign-in with another provider.
    Federated,
    /// `mfa`: more than one of these, or a key with what unlocks it.
    Several,
}

impl Method {
    /// Every one, in the order in which a token names them.
    pub const ALL: [Self; 7] = [
        Self::Password,
        Self::OneTime,
        Self::HardwareKey,
        Self::SoftwareKey,
        Self::Email,
        Self::Federated,
        Self::Several,
    ];

    /// The word in tokens and in the database.
    ///
    /// ```
    /// assert_eq!(countersign::sign_in::Method::OneTime.as_str(), "otp");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::OneTime => "otp",
            Self::HardwareKey => "hwk",
            Self::SoftwareKey => "swk",
            Self::Email => "email",
            Self::Federated => "fed",
            Self::Several => "mfa",
        }
    }

    /// The method of this word.
    ///
    /// ```
    /// assert_eq!(countersign::sign_in::Method::from_word("pigeon"), None);
    /// ```
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == word)
    }

    const fn bit(self) -> u8 {
        match self {
            Self::Password => 1,
            Self::OneTime => 2,
            Self::HardwareKey => 4,
            Self::SoftwareKey => 8,
            Self::Email => 16,
            Self::Federated => 32,
            Self::Several => 64,
        }
    }
}

/// What a user has proved in a session: the claim `amr`. It prints as the store keeps it, words
/// with blanks between.
///
/// ```
/// use countersign::sign_in::{Method, Methods};
///
/// let methods = Methods::of([Method::OneTime, Method::Password]);
/// assert_eq!(methods.to_string(), "pwd otp");
/// assert_eq!(Methods::from_words("pwd otp"), methods);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Methods(u8);

impl Methods {
    /// These.
    ///
    /// ```
    /// use countersign::sign_in::Methods;
    ///
    /// assert_eq!(Methods::of([]), Methods::default());
    /// ```
    pub fn of(methods: impl IntoIterator<Item = Method>) -> Self {
        methods.into_iter().fold(Self::default(), Self::with)
    }

    /// None.
    ///
    /// ```
    /// use countersign::sign_in::Methods;
    ///
    /// assert_eq!(Methods::of_nothing(), Methods::default());
    /// ```
    pub const fn of_nothing() -> Self {
        Self(0)
    }

    /// As the store has them. A word of a newer program is passed over.
    ///
    /// ```
    /// use countersign::sign_in::Methods;
    ///
    /// assert_eq!(Methods::from_words("pwd retina").to_string(), "pwd");
    /// ```
    pub fn from_words(words: &str) -> Self {
        Self::of(words.split(' ').filter_map(Method::from_word))
    }

    /// With one more.
    ///
    /// ```
    /// use countersign::sign_in::{Method, Methods};
    ///
    /// assert!(Methods::default().with(Method::Several).has(Method::Several));
    /// ```
    #[must_use]
    pub const fn with(self, method: Method) -> Self {
        Self(self.0 | method.bit())
    }

    /// These and those.
    ///
    /// ```
    /// use countersign::sign_in::{Method, Methods};
    ///
    /// let (one, other) = (Methods::of([Method::Password]), Methods::of([Method::OneTime]));
    /// assert_eq!(one.and(other).to_string(), "pwd otp");
    /// ```
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that no second factor has proved. What a passkey proves goes with it.
    pub(crate) const fn without_factors(self) -> Self {
        let factors = Method::OneTime.bit()
            | Method::HardwareKey.bit()
            | Method::SoftwareKey.bit()
            | Method::Several.bit();
        Self(self.0 & !factors)
    }

    /// Whether this is among them.
    ///
    /// ```
    /// use countersign::sign_in::{Method, Methods};
    ///
    /// assert!(!Methods::default().has(Method::Password));
    /// ```
    pub const fn has(self, method: Method) -> bool {
        self.0 & method.bit() != 0
    }

    /// Their words, in their order.
    ///
    /// ```
    /// use countersign::sign_in::Methods;
    ///
    /// assert_eq!(Methods::from_words("mfa pwd").words().collect::<Vec<_>>(), ["pwd", "mfa"]);
    /// ```
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Method::ALL.into_iter().filter(move |method| self.has(*method)).map(Method::as_str)
    }
}

impl fmt::Display for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, word) in self.words().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

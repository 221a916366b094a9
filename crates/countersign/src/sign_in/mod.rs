//! The sign-in machine: what comes next for somebody who has just proved something.
//!
//! A pure function that every door asks: a login with a password, a code of a mail, an app's own
//! sign-in, the admin site. It stores nothing and knows no HTTP. What it lets in is an
//! [`Admission`], which nothing else makes: so no door begins a session past it.
//!
//! ```
//! use countersign::sign_in::{Factors, FactorKind, Known, Next, Proof, Rules, decide};
//!
//! let now = jiff::Timestamp::UNIX_EPOCH;
//! let ada = Known { may_enter: true, ..Known::default() };
//! let Next::Begin(admission) = decide(&ada, None, Proof::Password, Rules::default(), now) else {
//!     panic!("a password is enough for who has nothing else");
//! };
//! assert_eq!(admission.methods().to_string(), "pwd");
//!
//! let enrolled = Factors::of([FactorKind::Totp, FactorKind::RecoveryCode]);
//! let grace = Known { enrolled, ..ada };
//! let next = decide(&grace, None, Proof::Password, Rules::default(), now);
//! assert_eq!(next, Next::Ask(enrolled));
//! ```

mod factors;
mod methods;
mod policy;

use jiff::Timestamp;

pub use factors::{FactorKind, Factors};
pub use methods::{Method, Methods};
pub use policy::{Policy, Rules, SecondFactor, SecondFactorError};

/// What is known of who signs in. It is read after the first proof was checked, and a session
/// begins only while it is still so.
///
/// ```
/// use countersign::sign_in::Known;
///
/// // Nobody in particular: they may not enter.
/// assert!(!Known::default().may_enter);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Known {
    /// Whether the user is there and active, and may pass this door.
    pub may_enter: bool,
    /// What the user can prove beside the first step.
    pub enrolled: Factors,
    /// Until when this device does without a second factor, if it was remembered.
    pub remembered_until: Option<Timestamp>,
}

/// A sign-in whose first step was proved, and that waits for a second factor.
///
/// ```
/// use countersign::sign_in::{Method, Methods, Pending};
///
/// let pending = Pending {
///     proved: Methods::of([Method::Password]),
///     until: jiff::Timestamp::UNIX_EPOCH,
///     tries: 0,
///     is_used: false,
///     is_as_it_was: true,
/// };
/// assert!(pending.tries < countersign::sign_in::FACTOR_TRIES);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// What was proved in it.
    pub proved: Methods,
    /// When it ends.
    pub until: Timestamp,
    /// How many wrong tries there were before this one.
    pub tries: u32,
    /// Whether a session has begun with it.
    pub is_used: bool,
    /// Whether the user's password, activity and factors are as they were when it began.
    pub is_as_it_was: bool,
}

/// What was just proved. Whether the password or the code is right was somebody else's question.
///
/// ```
/// use countersign::sign_in::Proof;
///
/// assert!(Proof::Password.is_first() && !Proof::Totp.is_first());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Proof {
    /// The password.
    Password,
    /// That the user has the mailbox of their address: a link or a code.
    Mailbox,
    /// A sign-in with another provider.
    Federated,
    /// What an app takes for proof, which vouches for it.
    OfTheApp,
    /// A passkey.
    Passkey {
        /// Whether the authenticator has verified that it is its owner: by a finger or a number.
        is_user_verified: bool,
        /// Whether the key is in hardware alone. One that is synchronised is not.
        is_in_hardware: bool,
    },
    /// A code of an authenticator app.
    Totp,
    /// A recovery code.
    RecoveryCode,
}

impl Proof {
    /// Whether a sign-in may begin with it.
    ///
    /// ```
    /// use countersign::sign_in::Proof;
    ///
    /// let touched = Proof::Passkey { is_user_verified: false, is_in_hardware: true };
    /// assert!(!touched.is_first()); // whoever found the key could have done that
    /// ```
    pub const fn is_first(self) -> bool {
        match self {
            Self::Password | Self::Mailbox | Self::Federated | Self::OfTheApp => true,
            Self::Passkey { is_user_verified, .. } => is_user_verified,
            Self::Totp | Self::RecoveryCode => false,
        }
    }

    /// Which enrolled factor it proves, if it proves one.
    ///
    /// ```
    /// use countersign::sign_in::{FactorKind, Proof};
    ///
    /// assert_eq!(Proof::Totp.factor(), Some(FactorKind::Totp));
    /// assert_eq!(Proof::Password.factor(), None);
    /// ```
    pub const fn factor(self) -> Option<FactorKind> {
        match self {
            Self::Passkey { .. } => Some(FactorKind::Passkey),
            Self::Totp => Some(FactorKind::Totp),
            Self::RecoveryCode => Some(FactorKind::RecoveryCode),
            Self::Password | Self::Mailbox | Self::Federated | Self::OfTheApp => None,
        }
    }

    /// What a token says of it.
    ///
    /// ```
    /// use countersign::sign_in::Proof;
    ///
    /// let passkey = Proof::Passkey { is_user_verified: true, is_in_hardware: true };
    /// assert_eq!(passkey.methods().to_string(), "hwk mfa");
    /// ```
    pub fn methods(self) -> Methods {
        match self {
            Self::Password => Methods::of([Method::Password]),
            Self::Mailbox => Methods::of([Method::Email]),
            Self::Federated => Methods::of([Method::Federated]),
            Self::OfTheApp => Methods::default(),
            Self::Totp | Self::RecoveryCode => Methods::of([Method::OneTime]),
            Self::Passkey { is_user_verified, is_in_hardware } => {
                let key = if is_in_hardware { Method::HardwareKey } else { Method::SoftwareKey };
                let key = Methods::of([key]);
                // The key, and what unlocks it.
                if is_user_verified { key.with(Method::Several) } else { key }
            }
        }
    }
}

/// What comes next.
///
/// ```
/// use countersign::sign_in::{Known, Next, Proof, Refusal, Rules, decide};
///
/// let gone = Known::default();
/// let next = decide(&gone, None, Proof::Password, Rules::default(), jiff::Timestamp::UNIX_EPOCH);
/// assert_eq!(next, Next::Refuse(Refusal::NoEntry));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A session begins, if what is known is still so.
    Begin(Admission),
    /// One of these is asked for.
    Ask(Factors),
    /// Nothing begins.
    Refuse(Refusal),
}

/// Why nothing begins.
///
/// ```
/// use countersign::sign_in::{FactorKind, Factors, Known, Next, Proof, Refusal, Rules, decide};
///
/// let enrolled = Factors::of([FactorKind::Totp]);
/// let ada = Known { may_enter: true, enrolled, ..Known::default() };
/// let next = decide(&ada, None, Proof::Totp, Rules::default(), jiff::Timestamp::UNIX_EPOCH);
/// assert_eq!(next, Next::Refuse(Refusal::Unfit)); // a code alone
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The user is gone, is not active, or may not pass this door.
    NoEntry,
    /// This does not prove what is asked for at this step, or the user has no such factor.
    Unfit,
    /// The sign-in that it would go on with is over: too old, used, or tried too often.
    Over,
    /// The user's password, activity or factors have changed since the sign-in began.
    Changed,
}

/// The leave to begin a session: [`decide`] alone gives it.
///
/// ```
/// use countersign::sign_in::{Known, Next, Proof, Rules, Scope, decide};
///
/// let ada = Known { may_enter: true, ..Known::default() };
/// let rules = Rules { is_required: true, ..Rules::default() };
/// let Next::Begin(admission) =
///     decide(&ada, None, Proof::Password, rules, jiff::Timestamp::UNIX_EPOCH)
/// else {
///     panic!("a second factor cannot be asked of who has none");
/// };
/// assert_eq!(admission.scope(), Scope::Enrol); // and yet nothing else may be done without one
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Admission {
    methods: Methods,
    scope: Scope,
}

impl Admission {
    /// What was proved: the claim `amr`.
    ///
    /// ```
    /// use countersign::sign_in::{Admission, Methods};
    ///
    /// fn claim(admission: Admission) -> Methods {
    ///     admission.methods()
    /// }
    /// ```
    pub const fn methods(&self) -> Methods {
        self.methods
    }

    /// What the session may be used for.
    ///
    /// ```
    /// use countersign::sign_in::{Admission, Scope};
    ///
    /// fn is_whole(admission: Admission) -> bool {
    ///     admission.scope() == Scope::Full
    /// }
    /// ```
    pub const fn scope(&self) -> Scope {
        self.scope
    }
}

/// What a session may be used for.
///
/// ```
/// use countersign::sign_in::Scope;
///
/// assert_eq!(Scope::from_word(Scope::Enrol.as_str()), Some(Scope::Enrol));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scope {
    /// Everything.
    #[default]
    Full,
    /// To enrol a second factor, and nothing else.
    Enrol,
}

impl Scope {
    /// The word in the database and in the claim `scope`; empty for everything.
    ///
    /// ```
    /// assert_eq!(countersign::sign_in::Scope::Enrol.as_str(), "enrol");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "",
            Self::Enrol => "enrol",
        }
    }

    /// The scope of this word.
    ///
    /// ```
    /// assert_eq!(countersign::sign_in::Scope::from_word("all"), None);
    /// ```
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Full, Self::Enrol].into_iter().find(|scope| scope.as_str() == word)
    }
}

/// What comes next for who has just proved this.
///
/// `pending` is the sign-in that it goes on with, if it is not the first step; `rules` are what the
/// [`Policy`] comes to for this user.
///
/// ```
/// use countersign::sign_in::{
///     FactorKind, Factors, Known, Method, Methods, Next, Pending, Proof, Refusal, Rules, decide,
/// };
///
/// let now = jiff::Timestamp::UNIX_EPOCH;
/// let enrolled = Factors::of([FactorKind::Totp]);
/// let ada = Known { may_enter: true, enrolled, ..Known::default() };
/// let pending = Pending {
///     proved: Methods::of([Method::Password]),
///     until: now + std::time::Duration::from_secs(300),
///     tries: 0,
///     is_used: false,
///     is_as_it_was: true,
/// };
/// let Next::Begin(admission) = decide(&ada, Some(&pending), Proof::Totp, Rules::default(), now)
/// else {
///     panic!("the password and the code");
/// };
/// assert_eq!(admission.methods().to_string(), "pwd otp mfa");
///
/// let late = Pending { until: now, ..pending };
/// let next = decide(&ada, Some(&late), Proof::Totp, Rules::default(), now);
/// assert_eq!(next, Next::Refuse(Refusal::Over));
/// ```
pub fn decide(
    known: &Known,
    pending: Option<&Pending>,
    proof: Proof,
    rules: Rules,
    now: Timestamp,
) -> Next {
    if !known.may_enter {
        return Next::Refuse(Refusal::NoEntry);
    }
    if proof.factor().is_some_and(|factor| !known.enrolled.has(factor)) {
        return Next::Refuse(Refusal::Unfit);
    }
    match pending {
        Some(pending) => go_on(pending, proof, now),
        None => set_out(known, proof, rules, now),
    }
}

/// The first step.
fn set_out(known: &Known, proof: Proof, rules: Rules, now: Timestamp) -> Next {
    if !proof.is_first() {
        return Next::Refuse(Refusal::Unfit);
    }
    let methods = proof.methods();
    let begin = |scope| Next::Begin(Admission { methods, scope });
    let is_remembered =
        rules.may_remember && known.remembered_until.is_some_and(|until| until > now);
    if methods.has(Method::Several) || (is_remembered && known.enrolled.is_second()) {
        return begin(Scope::Full);
    }
    if known.enrolled.is_second() {
        return Next::Ask(known.enrolled);
    }
    begin(if rules.is_required { Scope::Enrol } else { Scope::Full })
}

/// The second step.
fn go_on(pending: &Pending, proof: Proof, now: Timestamp) -> Next {
    if proof.factor().is_none() {
        return Next::Refuse(Refusal::Unfit);
    }
    if pending.is_used || pending.tries >= FACTOR_TRIES || pending.until <= now {
        return Next::Refuse(Refusal::Over);
    }
    if !pending.is_as_it_was {
        return Next::Refuse(Refusal::Changed);
    }
    let methods = pending.proved.and(proof.methods()).with(Method::Several);
    Next::Begin(Admission { methods, scope: Scope::Full })
}

/// So many wrong tries end a sign-in that waits for a second factor.
pub const FACTOR_TRIES: u32 = 5;

/// So many second factors may a user have, recovery codes aside: each is looked at in every login.
pub const FACTORS_AT_MOST: u32 = 20;

/// How long a sign-in waits for a second factor, in seconds.
pub const PENDING_SECONDS: u64 = 5 * 60;

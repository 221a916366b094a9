use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use countersign_verify::Account;

/// Who must have a second factor.
///
/// ```
/// use countersign::sign_in::SecondFactor;
///
/// assert_eq!("Required".parse(), Ok(SecondFactor::Required));
/// let listed: SecondFactor = "staff, editors".parse().unwrap();
/// assert_eq!(listed.to_string(), "staff,editors");
/// assert!("required, staff".parse::<SecondFactor>().is_err());
/// assert_eq!(SecondFactor::default().to_string(), "optional");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SecondFactor {
    /// Nobody: it is asked of who has one.
    #[default]
    Optional,
    /// Everybody.
    Required,
    /// `staff`, `superuser`, and the members of the other names, which are groups. The words count
    /// in any letter case, so no group of such a name can be meant.
    Of(Vec<String>),
}

impl SecondFactor {
    /// Whether this user must have one.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::sign_in::SecondFactor;
    ///
    /// # world::run(async |world| {
    /// # let ada = world.ada;
    /// assert!(SecondFactor::Required.is_for(&ada));
    /// assert!(!SecondFactor::Of(vec!["staff".into()]).is_for(&ada)); // Ada is no staff
    /// # });
    /// ```
    pub fn is_for(&self, account: &dyn Account) -> bool {
        match self {
            Self::Optional => false,
            Self::Required => true,
            Self::Of(names) => names.iter().any(|name| match Word::of(name) {
                Some(Word::Staff) => account.is_staff(),
                Some(Word::Superuser) => account.is_superuser(),
                // It stands for itself alone. Were there such a list, it would leave nobody out.
                Some(Word::Optional | Word::Required) => true,
                None => account.groups().contains(name),
            }),
        }
    }

    /// The groups that it names: whoever takes one away changes whom it means.
    ///
    /// ```
    /// use countersign::sign_in::SecondFactor;
    ///
    /// let policy: SecondFactor = "Staff, editors".parse().unwrap();
    /// assert_eq!(policy.groups().collect::<Vec<_>>(), ["editors"]);
    /// assert_eq!(SecondFactor::Required.groups().count(), 0);
    /// ```
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let names = match self {
            Self::Of(names) => names.as_slice(),
            _ => &[],
        };
        names.iter().map(String::as_str).filter(|name| Word::of(name).is_none())
    }

    /// Refuses a list with a word that stands for itself alone.
    ///
    /// # Errors
    /// [`SecondFactorError`] that names it.
    ///
    /// ```
    /// use countersign::sign_in::SecondFactor;
    ///
    /// assert!(SecondFactor::Of(vec!["staff".into()]).check().is_ok());
    /// assert!(SecondFactor::Of(vec!["staff".into(), "required".into()]).check().is_err());
    /// ```
    pub fn check(&self) -> Result<(), SecondFactorError> {
        let Self::Of(names) = self else { return Ok(()) };
        let is_alone =
            |name: &&String| matches!(Word::of(name), Some(Word::Optional | Word::Required));
        match names.iter().find(is_alone) {
            Some(name) => Err(SecondFactorError(name.clone())),
            None => Ok(()),
        }
    }
}

/// What is no group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Optional,
    Required,
    Staff,
    Superuser,
}

impl Word {
    const ALL: [Self; 4] = [Self::Optional, Self::Required, Self::Staff, Self::Superuser];

    /// In any letter case: a capital letter must not turn a word into a group that nobody is in.
    fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.as_str().eq_ignore_ascii_case(text))
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Optional => "optional",
            Self::Required => "required",
            Self::Staff => "staff",
            Self::Superuser => "superuser",
        }
    }
}

/// A list of those who must have a second factor, with a word that stands for itself alone.
///
/// ```
/// use countersign::sign_in::SecondFactor;
///
/// let error = "staff, required".parse::<SecondFactor>().unwrap_err();
/// assert!(error.to_string().contains("`required` stands alone"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` stands alone; write optional, required, or a list of staff, superuser and names of \
     groups"
)]
pub struct SecondFactorError(String);

impl FromStr for SecondFactor {
    type Err = SecondFactorError;

    /// The words in any letter case, names of groups as they are.
    fn from_str(text: &str) -> Result<Self, SecondFactorError> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names: Vec<String> = names
            .map(|name| match Word::of(name) {
                Some(word) => word.as_str().to_owned(),
                None => name.to_owned(),
            })
            .collect();
        let policy = match names.as_slice() {
            [] => Self::Optional,
            [name] if Word::of(name) == Some(Word::Optional) => Self::Optional,
            [name] if Word::of(name) == Some(Word::Required) => Self::Required,
            _ => Self::Of(names),
        };
        policy.check()?;
        Ok(policy)
    }
}

impl fmt::Display for SecondFactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Optional => f.write_str("optional"),
            Self::Required => f.write_str("required"),
            Self::Of(names) => f.write_str(&names.join(",")),
        }
    }
}

/// What is wanted of whom.
///
/// ```
/// use countersign::sign_in::{Policy, SecondFactor};
///
/// let policy = Policy::default();
/// assert_eq!(policy.second_factor, SecondFactor::Optional);
/// assert_eq!(policy.remember_device.as_secs(), 30 * 86_400);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Who must have a second factor: nobody, unless chosen.
    pub second_factor: SecondFactor,
    /// How long a device does without the second factor when its user says so: 30 days; 0 for
    /// never. Not for staff.
    pub remember_device: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            second_factor: SecondFactor::Optional,
            remember_device: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }
}

impl Policy {
    /// What it comes to for this user.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::sign_in::Policy;
    ///
    /// # world::run(async |world| {
    /// # let ada = world.ada;
    /// let rules = Policy::default().of(&ada);
    /// assert!(!rules.is_required && rules.may_remember);
    /// # });
    /// ```
    pub fn of(&self, account: &dyn Account) -> Rules {
        Rules {
            is_required: self.second_factor.is_for(account),
            may_remember: !self.remember_device.is_zero()
                && !account.is_staff()
                && !account.is_superuser(),
        }
    }
}

/// What the [`Policy`] comes to for a user.
///
/// ```
/// use countersign::sign_in::Rules;
///
/// assert!(!Rules::default().is_required);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Whether the user must have a second factor.
    pub is_required: bool,
    /// Whether the user's devices may be remembered.
    pub may_remember: bool,
}

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use countersign_verify::Account;

/// Who must have a second factor.
///
/// ```
/// use countersign::sign_in::SecondFactor;
///
/// assert_eq!("required".parse(), Ok(SecondFactor::Required));
/// let listed: SecondFactor = "staff, editors".parse().unwrap();
/// assert_eq!(listed.to_string(), "staff,editors");
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
    /// `staff`, `superuser`, and the members of the other names, which are groups.
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
            Self::Of(names) => names.iter().any(|name| match name.as_str() {
                "staff" => account.is_staff(),
                "superuser" => account.is_superuser(),
                group => account.groups().iter().any(|of| of == group),
            }),
        }
    }
}

impl FromStr for SecondFactor {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let names = || text.split(',').map(str::trim).filter(|name| !name.is_empty());
        Ok(match text.trim() {
            "optional" => Self::Optional,
            "required" => Self::Required,
            _ if names().next().is_none() => Self::Optional,
            _ => Self::Of(names().map(str::to_owned).collect()),
        })
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

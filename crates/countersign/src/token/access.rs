use std::fmt;
use std::str::FromStr;

use countersign_verify::{ACCESS_TOKEN_TYPE, Account, Audience, Claims, ENROL, ENROL_TOKEN_TYPE};
use serde_json::{Map, Value, json};

use crate::session::SessionId;
use crate::sign_in::{Methods, Scope};

/// What an access token is made of.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign::session::SessionId;
/// use countersign::sign_in::{Methods, Scope};
/// use countersign::token::{AccessGrant, ExtraClaim};
///
/// # world::run(async |world| {
/// # let ada = world.ada;
/// let grant = AccessGrant {
///     issuer: "https://id.example.com",
///     audience: None,
///     user: &ada,
///     session: SessionId::new(7).unwrap(),
///     auth_time: 1_000,
///     methods: Methods::from_words("pwd"),
///     scope: Scope::Full,
///     is_bound: false,
///     csrf_token: None,
///     extra: &[ExtraClaim::Email],
///     issued_at: 1_000,
///     expires_at: 1_300,
/// };
/// assert_eq!(grant.claims().extra["email"], "ada@example.com");
/// assert_eq!((grant.claims().amr, grant.token_type()), (vec!["pwd".to_owned()], "at+jwt"));
/// # });
/// ```
#[derive(Debug)]
pub struct AccessGrant<'a> {
    /// Who issues it.
    pub issuer: &'a str,
    /// Whom it is meant for, if anybody in particular.
    pub audience: Option<&'a str>,
    /// Whose it is.
    pub user: &'a dyn Account,
    /// The session it belongs to.
    pub session: SessionId,
    /// When the user last proved who they are, in whole seconds since 1970.
    pub auth_time: u64,
    /// How they proved it.
    pub methods: Methods,
    /// What the session may be used for.
    pub scope: Scope,
    /// Whether the session is bound to a device, which has proved itself.
    pub is_bound: bool,
    /// The session's CSRF token, when it lives in a cookie.
    pub csrf_token: Option<&'a str>,
    /// What else it shall say.
    pub extra: &'a [ExtraClaim],
    /// When it is issued, in whole seconds since 1970.
    pub issued_at: u64,
    /// When it ends, in whole seconds since 1970.
    pub expires_at: u64,
}

impl AccessGrant<'_> {
    /// The claims.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign::session::SessionId;
    /// use countersign::sign_in::{Methods, Scope};
    /// use countersign::token::AccessGrant;
    ///
    /// # world::run(async |world| {
    /// # let (ada, issuer, session) = (world.ada, "https://id.example.com", SessionId::new(7).unwrap());
    /// let grant = AccessGrant {
    ///     csrf_token: Some("the session's token"),
    /// #   issuer, audience: None, user: &ada, session, auth_time: 1_000, extra: &[],
    /// #   methods: Methods::default(), scope: Scope::Full, is_bound: false,
    /// #   issued_at: 1_000, expires_at: 1_300,
    ///     // and the rest
    /// };
    /// // The claim is a hash: it gives the token away to nobody.
    /// assert_eq!(
    ///     grant.claims().csrf,
    ///     Some(countersign_verify::csrf::claim(b"the session's token"))
    /// );
    /// # });
    /// ```
    pub fn claims(&self) -> Claims {
        let mut claims = Claims::new(
            self.issuer.to_owned(),
            self.user.id().to_string(),
            self.session,
            self.auth_time,
            self.issued_at,
            self.expires_at,
        );
        claims.amr = self.methods.words().map(str::to_owned).collect();
        claims.scope = (self.scope == Scope::Enrol).then(|| ENROL.to_owned());
        claims.aud = self.audience.map(|name| Audience::One(name.to_owned()));
        claims.csrf =
            self.csrf_token.map(|token| countersign_verify::csrf::claim(token.as_bytes()));
        let of_the_app =
            self.user.claims().into_iter().filter(|(name, _)| !RESERVED.contains(&name.as_str()));
        let configured = self.extra.iter().map(|claim| (claim.as_str().to_owned(), claim.of(self)));
        claims.extra = of_the_app.chain(configured).collect::<Map<_, _>>();
        claims
    }

    /// The header `typ` of the token: one with which a second factor may be enrolled, and nothing
    /// else done, is of another type than the others.
    ///
    /// ```
    /// use countersign::token::AccessGrant;
    ///
    /// fn is_whole(grant: &AccessGrant<'_>) -> bool {
    ///     grant.token_type() == "at+jwt"
    /// }
    /// ```
    pub const fn token_type(&self) -> &'static str {
        match self.scope {
            Scope::Full => ACCESS_TOKEN_TYPE,
            Scope::Enrol => ENROL_TOKEN_TYPE,
        }
    }
}

/// A claim beyond the usual ones, by configuration.
///
/// ```
/// use countersign::token::ExtraClaim;
///
/// assert_eq!("groups".parse(), Ok(ExtraClaim::Groups));
/// assert_eq!(ExtraClaim::IsStaff.to_string(), "is_staff");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtraClaim {
    /// The login name.
    Username,
    /// The e-mail address.
    Email,
    /// The first name.
    FirstName,
    /// The last name.
    LastName,
    /// Whether the user may enter the admin site.
    IsStaff,
    /// Whether the user has every permission.
    IsSuperuser,
    /// The names of the user's groups.
    Groups,
    /// The user's permissions, as `app.codename`.
    Permissions,
    /// Whether the session is bound to a device, which has proved itself.
    DeviceBound,
}

impl ExtraClaim {
    /// The claim's name.
    ///
    /// ```
    /// assert_eq!(countersign::token::ExtraClaim::FirstName.as_str(), "first_name");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Email => "email",
            Self::FirstName => "first_name",
            Self::LastName => "last_name",
            Self::IsStaff => "is_staff",
            Self::IsSuperuser => "is_superuser",
            Self::Groups => "groups",
            Self::Permissions => "permissions",
            Self::DeviceBound => "dvb",
        }
    }

    fn of(self, grant: &AccessGrant<'_>) -> Value {
        let user = grant.user;
        match self {
            Self::Username => json!(user.username()),
            Self::Email => json!(user.email()),
            Self::FirstName => json!(user.first_name()),
            Self::LastName => json!(user.last_name()),
            Self::IsStaff => json!(user.is_staff()),
            Self::IsSuperuser => json!(user.is_superuser()),
            Self::Groups => json!(user.groups()),
            Self::Permissions => json!(user.permissions()),
            Self::DeviceBound => json!(grant.is_bound),
        }
    }
}

impl fmt::Display for ExtraClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ExtraClaim {
    type Err = UnknownClaim;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        ALL.into_iter().find(|claim| claim.as_str() == text).ok_or(UnknownClaim)
    }
}

/// The name of no claim that can be added.
///
/// ```
/// use countersign::token::{ExtraClaim, UnknownClaim};
///
/// assert_eq!("password".parse::<ExtraClaim>(), Err(UnknownClaim));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "choose among username, email, first_name, last_name, is_staff, is_superuser, groups, \
     permissions and dvb"
)]
pub struct UnknownClaim;

/// The registered claims of RFC 7519, and our own.
const RESERVED: [&str; 13] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "auth_time",
    "csrf",
    "amr",
    "scope",
    "dvb",
];

const ALL: [ExtraClaim; 9] = [
    ExtraClaim::Username,
    ExtraClaim::Email,
    ExtraClaim::FirstName,
    ExtraClaim::LastName,
    ExtraClaim::IsStaff,
    ExtraClaim::IsSuperuser,
    ExtraClaim::Groups,
    ExtraClaim::Permissions,
    ExtraClaim::DeviceBound,
];

//! The permissions that everybody needs.

use super::{Ask, Denied, Permission, Rule};
use crate::account::Account;

/// Everybody, logged in or not.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::permission::{AllowAny, Ask, Permission};
///
/// # let request = world::request("POST", "/");
/// assert!(AllowAny.check(&Ask::new(None, &request)).is_ok());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct AllowAny;

/// Whoever is logged in.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::permission::{Ask, IsAuthenticated, Permission};
///
/// # let (ada, request) = (world::ada(), world::request("GET", "/"));
/// assert!(IsAuthenticated.check(&Ask::new(Some(&ada), &request)).is_ok());
/// assert!(IsAuthenticated.check(&Ask::new(None, &request)).is_err());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct IsAuthenticated;

/// Whoever is logged in; everybody for `GET`, `HEAD` and `OPTIONS`.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::permission::{Ask, IsAuthenticatedOrReadOnly, Permission};
///
/// # let (reads, writes) = (world::request("GET", "/"), world::request("POST", "/"));
/// assert!(IsAuthenticatedOrReadOnly.check(&Ask::new(None, &reads)).is_ok());
/// assert!(IsAuthenticatedOrReadOnly.check(&Ask::new(None, &writes)).is_err());
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct IsAuthenticatedOrReadOnly;

/// Staff. Django's `IsAdminUser`.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::permission::{Ask, IsStaff, Permission};
///
/// # let (ada, request) = (world::ada(), world::request("GET", "/"));
/// let denied = IsStaff.check(&Ask::new(Some(&ada), &request)).unwrap_err(); // Ada is an editor
/// assert_eq!(denied.permission(), "IsStaff");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct IsStaff;

/// Superusers.
///
/// ```
/// use axum::{Router, routing::post};
/// use countersign_verify::{permission::IsSuperuser, require};
///
/// let app: Router =
///     Router::new().route("/reindex", post(|| async { "done" }).layer(require(IsSuperuser)));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct IsSuperuser;

/// Who has the permission `app.codename`; superusers have every one.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::permission::{Ask, HasPerm, Permission};
///
/// # let (ada, request) = (world::ada(), world::request("GET", "/"));
/// assert!(HasPerm("articles.publish").check(&Ask::new(Some(&ada), &request)).is_ok());
/// assert!(HasPerm("articles.delete").check(&Ask::new(Some(&ada), &request)).is_err());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct HasPerm(pub &'static str);

/// The members of a group.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::permission::{Ask, InGroup, Permission};
///
/// # let (ada, request) = (world::ada(), world::request("GET", "/"));
/// assert!(InGroup("editors").check(&Ask::new(Some(&ada), &request)).is_ok());
/// ```
#[derive(Debug, Clone, Copy)]
pub struct InGroup(pub &'static str);

/// Who has given the password (or any other factor of a login) within so many minutes, for
/// dangerous routes. A refresh does not count. Others get a 401 with the code
/// `recent_login_required`, and RFC 9470's `insufficient_user_authentication` and `max_age` in
/// `WWW-Authenticate`.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::permission::{Ask, Permission, RecentLogin};
///
/// # let (ada, request) = (world::ada(), world::request("POST", "/"));
/// // Ada gave the password ten minutes ago.
/// assert!(RecentLogin(10).check(&Ask::new(Some(&ada), &request)).is_ok());
/// let denied = RecentLogin(5).check(&Ask::new(Some(&ada), &request)).unwrap_err();
/// assert_eq!(denied.to_problem(Some(&ada)).code().as_str(), "recent_login_required");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RecentLogin(pub u32);

impl Permission for AllowAny {
    fn check(&self, _: &Ask<'_>) -> Result<(), Denied> {
        Ok(())
    }

    fn rule(&self) -> Rule {
        Rule::everybody()
    }
}

impl Permission for IsAuthenticated {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        ask.who.map(|_| ()).ok_or_else(|| Denied::new("IsAuthenticated"))
    }

    fn rule(&self) -> Rule {
        Rule::fact("IsAuthenticated")
    }
}

impl Permission for IsAuthenticatedOrReadOnly {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        if ask.request.method.is_safe() || ask.who.is_some() {
            Ok(())
        } else {
            Err(Denied::new("IsAuthenticatedOrReadOnly"))
        }
    }

    fn rule(&self) -> Rule {
        Rule::any([Rule::fact("the request only reads"), IsAuthenticated.rule()])
    }
}

impl Permission for IsStaff {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        has(ask, Account::is_staff).ok_or_else(|| Denied::new("IsStaff"))
    }

    fn rule(&self) -> Rule {
        Rule::all([IsAuthenticated.rule(), Rule::fact("IsStaff")])
    }
}

impl Permission for IsSuperuser {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        has(ask, Account::is_superuser).ok_or_else(|| Denied::new("IsSuperuser"))
    }

    fn rule(&self) -> Rule {
        Rule::all([IsAuthenticated.rule(), Rule::fact("IsSuperuser")])
    }
}

impl Permission for HasPerm {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        has(ask, |account| account.has_perm(self.0)).ok_or_else(|| Denied::new(self.0))
    }

    fn rule(&self) -> Rule {
        Rule::any([
            IsSuperuser.rule(),
            Rule::all([IsAuthenticated.rule(), Rule::fact(format!("{self:?}"))]),
        ])
    }
}

impl Permission for InGroup {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        has(ask, |account| account.groups().iter().any(|group| group == self.0))
            .ok_or_else(|| Denied::new(format!("InGroup({})", self.0)))
    }

    fn rule(&self) -> Rule {
        Rule::all([IsAuthenticated.rule(), Rule::fact(format!("{self:?}"))])
    }
}

impl Permission for RecentLogin {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        let most = u64::from(self.0) * 60;
        let is_recent =
            ask.who.is_some_and(|who| who.at().saturating_sub(who.claims().auth_time) <= most);
        if is_recent { Ok(()) } else { Err(Denied::login_too_old("RecentLogin", most)) }
    }

    fn rule(&self) -> Rule {
        if self.0 == 0 {
            return Rule::nobody();
        }
        Rule::all([IsAuthenticated.rule(), Rule::fact(format!("{self:?}"))])
    }
}

fn has(ask: &Ask<'_>, right: impl FnOnce(&dyn Account) -> bool) -> Option<()> {
    let account = ask.who?.account();
    (account.is_active() && right(account)).then_some(())
}

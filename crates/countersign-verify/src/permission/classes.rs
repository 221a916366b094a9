//! The permissions that everybody needs.

use std::fmt::Debug;

use http::Method;

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
///
/// The name may be an owned text, too: `HasPerm(format!("{app}.publish"))`.
#[derive(Debug, Clone, Copy)]
pub struct HasPerm<T = &'static str>(pub T);

/// Who may do to a model what the request's method does: `app.add_model` for `POST`,
/// `app.change_model` for `PUT` and `PATCH`, `app.delete_model` for `DELETE`; for everything else,
/// whoever is logged in. Django REST framework's `DjangoModelPermissions`.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::permission::{Ask, ModelPerm, Permission};
///
/// # let (ada, reads) = (world::ada(), world::request("GET", "/"));
/// # let deletes = world::request("DELETE", "/");
/// assert!(ModelPerm("news.article").check(&Ask::new(Some(&ada), &reads)).is_ok());
/// let denied = ModelPerm("news.article").check(&Ask::new(Some(&ada), &deletes)).unwrap_err();
/// assert_eq!(denied.permission(), "news.delete_article");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ModelPerm<T = &'static str>(pub T);

/// The members of a group.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::permission::{Ask, InGroup, Permission};
///
/// # let (ada, request) = (world::ada(), world::request("GET", "/"));
/// assert!(InGroup("editors").check(&Ask::new(Some(&ada), &request)).is_ok());
/// ```
///
/// The name may be an owned text, too.
#[derive(Debug, Clone, Copy)]
pub struct InGroup<T = &'static str>(pub T);

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

/// Who has proved a second factor in this session, at its beginning or by a step-up. Others get a
/// 401 with the code `factor_required`, and RFC 9470's `insufficient_user_authentication`.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::permission::{Ask, HasFactor, Permission};
///
/// # let (ada, request) = (world::ada(), world::request("POST", "/"));
/// // Ada gave the password alone.
/// let denied = HasFactor.check(&Ask::new(Some(&ada), &request)).unwrap_err();
/// assert_eq!(denied.to_problem(Some(&ada)).code().as_str(), "factor_required");
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct HasFactor;

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

impl<T: Name> Permission for HasPerm<T> {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        let name = self.0.as_ref();
        has(ask, |account| account.has_perm(name)).ok_or_else(|| Denied::new(name.to_owned()))
    }

    fn rule(&self) -> Rule {
        Rule::any([
            IsSuperuser.rule(),
            Rule::all([IsAuthenticated.rule(), Rule::fact(format!("{self:?}"))]),
        ])
    }
}

impl<T: Name> Permission for ModelPerm<T> {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        let act = match ask.request.method {
            Method::POST => "add",
            Method::PUT | Method::PATCH => "change",
            Method::DELETE => "delete",
            _ => return IsAuthenticated.check(ask),
        };
        let (app, model) = self.0.as_ref().rsplit_once('.').unwrap_or(("", self.0.as_ref()));
        let name = format!("{app}.{act}_{model}");
        has(ask, |account| account.has_perm(&name)).ok_or_else(|| Denied::new(name.clone()))
    }

    fn rule(&self) -> Rule {
        Rule::all([IsAuthenticated.rule(), Rule::fact(format!("{self:?}"))])
    }
}

impl<T: Name> Permission for InGroup<T> {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        let name = self.0.as_ref();
        has(ask, |account| account.groups().iter().any(|group| group == name))
            .ok_or_else(|| Denied::new(format!("InGroup({name})")))
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

/// A text that a permission is called by: `&'static str`, `String`, `Arc<str>`.
///
/// ```
/// use countersign_verify::permission::{HasPerm, Name};
///
/// fn of<T: Name>(name: T) -> HasPerm<T> {
///     HasPerm(name)
/// }
/// ```
pub trait Name: AsRef<str> + Debug + Send + Sync + 'static {}

impl<T: AsRef<str> + Debug + Send + Sync + 'static> Name for T {}

impl Permission for HasFactor {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        let has_one =
            ask.who.is_some_and(|who| who.claims().amr.iter().any(|method| method == "mfa"));
        if has_one { Ok(()) } else { Err(Denied::factor_lacking("HasFactor")) }
    }

    fn rule(&self) -> Rule {
        Rule::all([IsAuthenticated.rule(), Rule::fact("HasFactor")])
    }
}

fn has(ask: &Ask<'_>, right: impl FnOnce(&dyn Account) -> bool) -> Option<()> {
    let account = ask.who?.account();
    (account.is_active() && right(account)).then_some(())
}

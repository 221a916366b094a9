//! Permissions: who may do what. Django REST framework's classes, and one trait with one method for
//! your own.
//!
//! ```
//! use countersign_verify::permission::{HasPerm, InGroup, IsStaff, Permission};
//!
//! let may_publish = HasPerm("articles.publish").and(InGroup("interns").not()).or(IsStaff);
//! assert_eq!(
//!     format!("{may_publish:?}"),
//!     r#"Or(And(HasPerm("articles.publish"), Not(InGroup("interns"))), IsStaff)"#
//! );
//! ```

mod classes;
mod contradiction;

use std::borrow::Cow;
use std::fmt::Debug;

use http::request::Parts;

use crate::identity::Identity;
use crate::problem::{Code, Problem};

pub use classes::{
    AllowAny, HasFactor, HasPerm, InGroup, IsAuthenticated, IsAuthenticatedOrReadOnly, IsStaff,
    IsSuperuser, ModelPerm, Name, RecentLogin,
};
pub use contradiction::{Contradiction, Rule, consistent};

/// A condition that a request must meet.
///
/// ```
/// use countersign_verify::permission::{Ask, Denied, Permission};
///
/// /// Nobody publishes from a script.
/// #[derive(Debug, Default)]
/// struct FromOurApp;
///
/// impl Permission for FromOurApp {
///     fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
///         match ask.request.headers.get("x-app") {
///             Some(app) if app == "ours" => Ok(()),
///             _ => Err(Denied::new("FromOurApp")),
///         }
///     }
/// }
/// ```
pub trait Permission: Debug + Send + Sync + 'static {
    /// Whether this request meets the condition.
    ///
    /// # Errors
    /// [`Denied`], with the name of the permission that is lacking.
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied>;

    /// What the condition is made of, so that one which can never be met is refused when the router
    /// is built. A permission of your own is one whole thing.
    fn rule(&self) -> Rule {
        Rule::custom(format!("{self:?}"))
    }

    /// Both this and `other`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::permission::{Ask, InGroup, IsStaff, Permission};
    ///
    /// # let (ada, request) = (world::ada(), world::request("GET", "/"));
    /// let both = InGroup("editors").and(IsStaff);
    /// assert_eq!(
    ///     both.check(&Ask::new(Some(&ada), &request)).unwrap_err().permission(),
    ///     "IsStaff"
    /// );
    /// ```
    fn and<P: Permission>(self, other: P) -> And<Self, P>
    where
        Self: Sized,
    {
        And(self, other)
    }

    /// This, or else `other`.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::permission::{Ask, InGroup, IsStaff, Permission};
    ///
    /// # let (ada, request) = (world::ada(), world::request("GET", "/"));
    /// let either = IsStaff.or(InGroup("editors"));
    /// assert!(either.check(&Ask::new(Some(&ada), &request)).is_ok());
    /// assert_eq!(
    ///     either.check(&Ask::new(None, &request)).unwrap_err().permission(),
    ///     "IsStaff or InGroup(editors)"
    /// );
    /// ```
    fn or<P: Permission>(self, other: P) -> Or<Self, P>
    where
        Self: Sized,
    {
        Or(self, other)
    }

    /// Everybody but whom this lets in: **who is not logged in too**, where this asks for a user.
    /// As the permission of a whole layer (`protect_with`, `layer_with`) join it with
    /// [`IsAuthenticated`].
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::permission::{Ask, InGroup, IsAuthenticated, Permission};
    ///
    /// # let (ada, request) = (world::ada(), world::request("GET", "/"));
    /// let no_interns = InGroup("interns").not();
    /// assert!(no_interns.check(&Ask::new(Some(&ada), &request)).is_ok());
    /// // Who is not logged in is no intern: join it with something that asks for a user.
    /// assert!(no_interns.check(&Ask::new(None, &request)).is_ok());
    /// let other_users = IsAuthenticated.and(InGroup("interns").not());
    /// assert!(other_users.check(&Ask::new(None, &request)).is_err());
    /// ```
    fn not(self) -> Not<Self>
    where
        Self: Sized,
    {
        Not(self)
    }
}

/// A condition on an object that was loaded: see [`Identity::may`].
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::{Denied, Identity, ObjectPermission, Problem, UserId};
///
/// struct Article { author: UserId, title: &'static str }
///
/// struct IsAuthor;
/// impl ObjectPermission<Article> for IsAuthor {
///     fn check(&self, who: &Identity, article: &Article) -> Result<(), Denied> {
///         if who.account().id() == article.author { Ok(()) } else { Err(Denied::new("IsAuthor")) }
///     }
/// }
///
/// async fn rename(who: Identity) -> Result<String, Problem> {
///     let article = Article { author: UserId::new(8), title: "Bees" }; // as your database has it
///     who.may(&IsAuthor, &article)?;
///     Ok(format!("{} has a new title", article.title))
/// }
/// # assert_eq!(world::block_on(rename(world::ada())).unwrap_err().code().status(), 403);
/// ```
pub trait ObjectPermission<T: ?Sized> {
    /// Whether `who` may do this to `object`.
    ///
    /// # Errors
    /// [`Denied`], with the name of the permission that is lacking.
    fn check(&self, who: &Identity, object: &T) -> Result<(), Denied>;
}

impl Identity {
    /// Whether `permission` is given for this very object: for checks that need the object, after
    /// it was loaded.
    ///
    /// # Errors
    /// [`Denied`], which becomes a 403 that names the permission.
    ///
    /// ```
    /// use countersign_verify::{Denied, Identity, ObjectPermission};
    ///
    /// struct Article {
    ///     author: countersign_verify::UserId,
    /// }
    ///
    /// struct IsAuthor;
    /// impl ObjectPermission<Article> for IsAuthor {
    ///     fn check(&self, who: &Identity, article: &Article) -> Result<(), Denied> {
    ///         if who.account().id() == article.author {
    ///             Ok(())
    ///         } else {
    ///             Err(Denied::new("IsAuthor"))
    ///         }
    ///     }
    /// }
    ///
    /// fn publish(who: &Identity, article: &Article) -> Result<(), Denied> {
    ///     who.may(&IsAuthor, article)
    /// }
    /// ```
    pub fn may<T: ?Sized>(
        &self,
        permission: &impl ObjectPermission<T>,
        object: &T,
    ) -> Result<(), Denied> {
        permission.check(self, object)
    }
}

/// What a permission is asked about.
///
/// ```
/// use countersign_verify::permission::{Ask, Denied, Permission};
///
/// /// Our own people may look at everything.
/// #[derive(Debug)]
/// struct OursReadOnly;
///
/// impl Permission for OursReadOnly {
///     fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
///         let is_ours =
///             ask.who.is_some_and(|who| who.account().email().ends_with("@example.com"));
///         if is_ours && ask.request.method.is_safe() {
///             Ok(())
///         } else {
///             Err(Denied::new("OursReadOnly"))
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// The user; `None` when nobody is logged in.
    pub who: Option<&'a Identity>,
    /// The request, without its body.
    pub request: &'a Parts,
}

impl<'a> Ask<'a> {
    /// The question whether `who` may send `request`.
    ///
    /// ```
    /// use countersign_verify::permission::{Ask, IsAuthenticatedOrReadOnly, Permission};
    ///
    /// let (request, ()) = http::Request::get("/articles").body(()).unwrap().into_parts();
    /// assert!(IsAuthenticatedOrReadOnly.check(&Ask::new(None, &request)).is_ok());
    /// ```
    pub fn new(who: Option<&'a Identity>, request: &'a Parts) -> Self {
        Self { who, request }
    }
}

/// A permission is lacking. As an answer it is a 401 for who is not logged in, and a 403 that names
/// the permission for who is.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use countersign_verify::{Denied, Problem};
///
/// let denied = Denied::new("articles.publish");
/// assert_eq!(denied.to_string(), "permission denied: articles.publish");
/// assert_eq!(
///     Problem::from(denied).as_detail(),
///     "You may not do this. The permission that you lack: articles.publish."
/// );
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("permission denied: {permission}")]
pub struct Denied {
    permission: Cow<'static, str>,
    why: Why,
    /// What the app says of it, if it does.
    code: Option<Code>,
    detail: Option<Cow<'static, str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Lacking,
    /// The login must be no older than this, in seconds.
    LoginTooOld(u64),
    /// A second factor must be proved.
    FactorLacking,
}

impl Denied {
    /// `permission` is lacking; its name is shown to the client.
    ///
    /// ```
    /// use countersign_verify::Denied;
    ///
    /// assert_eq!(Denied::new("IsAuthor").permission(), "IsAuthor");
    /// ```
    pub fn new(permission: impl Into<Cow<'static, str>>) -> Self {
        Self { permission: permission.into(), why: Why::Lacking, code: None, detail: None }
    }

    /// Answers with another code to who is logged in, such as one of the app's own.
    ///
    /// ```
    /// use countersign_verify::{Code, Denied, OwnCode, Problem};
    ///
    /// static QUOTA: OwnCode = OwnCode {
    ///     status: http::StatusCode::PAYMENT_REQUIRED,
    ///     code: "quota_used_up",
    ///     title: "Quota used up",
    ///     detail: "Your plan has no more requests this month.",
    /// };
    /// let denied = Denied::new("Quota").code(Code::Own(&QUOTA));
    /// assert_eq!(Problem::from(denied).as_detail(), "Your plan has no more requests this month.");
    /// ```
    #[must_use]
    pub fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Says something else to who is logged in than which permission is lacking.
    ///
    /// ```
    /// use countersign_verify::{Denied, Problem};
    ///
    /// let denied = Denied::new("OfficeHours").saying("Come back between nine and five.");
    /// assert_eq!(Problem::from(denied).as_detail(), "Come back between nine and five.");
    /// ```
    #[must_use]
    pub fn saying(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    fn told(&self) -> Problem {
        match self.why {
            Why::LoginTooOld(seconds) => return Problem::recent_login_required(seconds),
            Why::FactorLacking => return Problem::new(Code::FactorRequired),
            Why::Lacking => {}
        }
        let problem = Problem::new(self.code.unwrap_or(Code::PermissionDenied));
        match (&self.detail, self.code) {
            (Some(detail), _) => problem.detail(detail.clone()),
            (None, Some(_)) => problem,
            (None, None) => problem.detail(format!(
                "You may not do this. The permission that you lack: {}.",
                self.permission
            )),
        }
    }

    /// The user must log in again: the login may be `seconds` old at most.
    ///
    /// ```
    /// use countersign_verify::{Denied, Problem};
    ///
    /// let answer = Problem::from(Denied::login_too_old("RecentLogin", 300)).to_http::<Vec<u8>>();
    /// assert_eq!(answer.status(), 401);
    /// assert!(answer.headers()["www-authenticate"].to_str().unwrap().ends_with("max_age=300"));
    /// ```
    pub fn login_too_old(permission: impl Into<Cow<'static, str>>, seconds: u64) -> Self {
        Self { why: Why::LoginTooOld(seconds), ..Self::new(permission) }
    }

    /// The user must prove a second factor.
    ///
    /// ```
    /// use countersign_verify::{Denied, Problem};
    ///
    /// let problem = Problem::from(Denied::factor_lacking("HasFactor"));
    /// assert_eq!(problem.code().as_str(), "factor_required");
    /// ```
    pub fn factor_lacking(permission: impl Into<Cow<'static, str>>) -> Self {
        Self { why: Why::FactorLacking, ..Self::new(permission) }
    }

    /// Which permission is lacking.
    ///
    /// ```
    /// use countersign_verify::Denied;
    ///
    /// assert_eq!(Denied::new(format!("quota of {}", 10)).permission(), "quota of 10");
    /// ```
    pub fn permission(&self) -> &str {
        &self.permission
    }

    /// The answer to `who`: one rule for 401 and 403. 401: say who you are (again); 403: I know who
    /// you are, and no.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use countersign_verify::Denied;
    ///
    /// # let ada = world::ada();
    /// let denied = Denied::new("IsAuthor");
    /// assert_eq!(denied.to_problem(None).code().status(), 401);
    /// assert_eq!(denied.to_problem(Some(&ada)).code().status(), 403);
    /// ```
    pub fn to_problem(&self, who: Option<&Identity>) -> Problem {
        match who {
            None => Problem::new(Code::NotAuthenticated),
            Some(_) => self.told(),
        }
    }
}

/// For handlers that know who is asking: a 403, or the 401 that asks for a fresh login.
impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        denied.told()
    }
}

/// Both.
///
/// ```
/// use countersign_verify::permission::{And, InGroup, IsStaff, Permission};
///
/// let both: And<IsStaff, InGroup> = IsStaff.and(InGroup("editors"));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct And<P, Q>(P, Q);

/// One or the other.
///
/// ```
/// use countersign_verify::permission::{InGroup, IsStaff, Or, Permission};
///
/// let either: Or<IsStaff, InGroup> = IsStaff.or(InGroup("editors"));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Or<P, Q>(P, Q);

/// Everybody else, who is not logged in too: see [`not`](Permission::not).
///
/// ```
/// use countersign_verify::permission::{InGroup, Not, Permission};
///
/// let others: Not<InGroup> = InGroup("interns").not();
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Not<P>(P);

impl<P: Permission, Q: Permission> Permission for And<P, Q> {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        self.0.check(ask)?;
        self.1.check(ask)
    }

    fn rule(&self) -> Rule {
        Rule::all([self.0.rule(), self.1.rule()])
    }
}

impl<P: Permission, Q: Permission> Permission for Or<P, Q> {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        let Err(first) = self.0.check(ask) else { return Ok(()) };
        let Err(second) = self.1.check(ask) else { return Ok(()) };
        // A fresh login may be all that is lacking.
        let why = if second.why == Why::Lacking { first.why } else { second.why };
        Err(Denied {
            permission: format!("{} or {}", first.permission, second.permission).into(),
            why,
            code: second.code.or(first.code),
            detail: second.detail.or(first.detail),
        })
    }

    fn rule(&self) -> Rule {
        Rule::any([self.0.rule(), self.1.rule()])
    }
}

impl<P: Permission> Permission for Not<P> {
    fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
        match self.0.check(ask) {
            Ok(()) => Err(Denied::new(format!("not {:?}", self.0))),
            Err(_) => Ok(()),
        }
    }

    fn rule(&self) -> Rule {
        self.0.rule().negated()
    }
}

//! Extractors for axum: who is asking, and whether they may.
//!
//! All of them read what `protect`, or the layer of a [`ResourceServer`](crate::ResourceServer),
//! has found out. On a route that stands behind neither, nobody is logged in: forgetting the layer
//! locks a route and never opens it, and the answer says so.

use std::any::type_name;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::account::Account;
use crate::claims::Claims;
use crate::identity::Identity;
use crate::permission::{Ask, Permission};
use crate::problem::{Code, Problem};
use crate::protect::Nobody;

/// Who is asking. `Option<Identity>` where nobody need be logged in.
impl<S: Sync> FromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        identity(parts)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Identity {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        Ok(parts.extensions.get().cloned())
    }
}

/// What the access token says, and nothing else: no user is read for it.
impl<S: Sync> FromRequestParts<S> for Claims {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(identity(parts)?.claims().clone())
    }
}

/// The user in full, of the type that the app keeps users in. It dereferences to `U`.
/// `Option<CurrentUser<U>>` where nobody need be logged in.
///
/// A `U` that is not the type of this app's users is a mistake in the program: the answer is a 500,
/// and the log says which type it should be.
///
/// ```
/// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
/// use axum::{Router, routing::get};
/// use countersign_verify::{CurrentUser, TokenUser};
///
/// async fn hello(me: CurrentUser<TokenUser>) -> String {
///     format!("Hello, {}.", me.username)
/// }
///
/// let app = Router::new().route("/hello", get(hello));
/// # let (alone, app) = (app.clone(), app.layer(world::layer()));
/// # assert_eq!(world::ask(app, "/hello"), (200, "Hello, ada.".to_owned()));
/// # assert_eq!(world::ask(alone, "/hello").0, 401);
/// ```
pub struct CurrentUser<U> {
    identity: Identity,
    user: PhantomData<fn() -> U>,
}

impl<U> CurrentUser<U> {
    /// Who is asking: the token's claims, and the user as permissions see one.
    ///
    /// ```
    /// # mod world { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/examples/world.rs")); }
    /// use axum::{Router, routing::get};
    /// use countersign_verify::{CurrentUser, TokenUser};
    ///
    /// async fn since(me: CurrentUser<TokenUser>) -> String {
    ///     format!("{} logged in at {}.", me.username, me.identity().claims().auth_time)
    /// }
    /// # let app = Router::new().route("/since", get(since)).layer(world::layer());
    /// # assert_eq!(world::ask(app, "/since"), (200, "ada logged in at 9400.".to_owned()));
    /// ```
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl<U: Account> Deref for CurrentUser<U> {
    type Target = U;

    fn deref(&self) -> &U {
        self.identity.user().expect("the type was checked when it was extracted")
    }
}

impl<U: Account> fmt::Debug for CurrentUser<U> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the row: it may hold what no log should see.
        f.debug_struct("CurrentUser")
            .field("id", &self.identity.account().id())
            .finish_non_exhaustive()
    }
}

impl<U: Account, S: Sync> FromRequestParts<S> for CurrentUser<U> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(identity(parts)?)
    }
}

impl<U: Account, S: Sync> OptionalFromRequestParts<S> for CurrentUser<U> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Problem> {
        parts.extensions.get().cloned().map(Self::of).transpose()
    }
}

impl<U: Account> CurrentUser<U> {
    fn of(identity: Identity) -> Result<Self, Problem> {
        if identity.user::<U>().is_none() {
            let users = identity.account().type_name();
            tracing::error!(
                asked = type_name::<U>(),
                users,
                "a handler takes a CurrentUser of a type that this app's users are not of"
            );
            return Err(Problem::new(Code::InternalError));
        }
        Ok(Self { identity, user: PhantomData })
    }
}

/// Who is asking, and has the permission `P`: a handler that takes this cannot be reached by
/// anybody else.
///
/// ```
/// use countersign_verify::permission::{Ask, Denied, HasPerm, IsStaff, Permission};
/// use countersign_verify::Permitted;
///
/// #[derive(Debug, Default)]
/// struct MayPublish;
///
/// impl Permission for MayPublish {
///     fn check(&self, ask: &Ask<'_>) -> Result<(), Denied> {
///         HasPerm("articles.publish").or(IsStaff).check(ask)
///     }
/// }
///
/// async fn publish(who: Permitted<MayPublish>) -> String {
///     format!("published by {}", who.identity().account().username())
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Permitted<P> {
    identity: Identity,
    permission: PhantomData<fn() -> P>,
}

impl<P> Permitted<P> {
    /// Who is asking: the token's claims, and the user as permissions see one.
    ///
    /// ```
    /// use countersign_verify::Permitted;
    /// use countersign_verify::permission::IsStaff;
    ///
    /// async fn report(who: Permitted<IsStaff>) -> String {
    ///     format!("for {}", who.identity().account().username())
    /// }
    /// ```
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
}

impl<P: Permission + Default, S: Sync> FromRequestParts<S> for Permitted<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let identity = identity(parts)?;
        P::default()
            .check(&Ask::new(Some(&identity), parts))
            .map_err(|denied| denied.to_problem(Some(&identity)))?;
        Ok(Self { identity, permission: PhantomData })
    }
}

fn identity(parts: &Parts) -> Result<Identity, Problem> {
    if let Some(identity) = parts.extensions.get::<Identity>() {
        return Ok(identity.clone());
    }
    let problem = Problem::new(Code::NotAuthenticated);
    // A mistake in the program, told to who tries it: a log would be anybody's to fill.
    let is_protected = parts.extensions.get::<Nobody>().is_some();
    Err(if is_protected { problem } else { problem.detail(NOT_PROTECTED) })
}

const NOT_PROTECTED: &str = "Nobody is logged in here: this route is not behind `protect`, nor \
    behind the layer of a `ResourceServer`.";

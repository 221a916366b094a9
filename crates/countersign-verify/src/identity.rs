use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::{Account, Claims, Denied, ObjectPermission, Seen};

/// Who is asking: what the access token says, and the user. Cheap to clone.
///
/// `protect` and the layer of a resource server put it into a request's extensions, once everything about the request has been checked.
#[derive(Clone)]
pub struct Identity {
    known: Arc<dyn Known>,
    at: u64,
}

impl Identity {
    /// The identity that a verified token stands for, at `at`, in whole seconds since 1970. The caller has checked the session and the user.
    pub fn new<T: HasAccount>(seen: Arc<Seen<T>>, at: u64) -> Self {
        Self { known: seen, at }
    }

    /// What the access token says.
    pub fn claims(&self) -> &Claims {
        self.known.claims()
    }

    /// The user, as far as permissions need to know.
    pub fn account(&self) -> &dyn Account {
        self.known.account()
    }

    /// The user in full, where users are of the type `U`.
    pub fn user<U: Account>(&self) -> Option<&U> {
        let account: &dyn Any = self.known.account();
        account.downcast_ref()
    }

    /// When the request came, in whole seconds since 1970, by the clock that its token was checked with.
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Whether `permission` is given for this very object: for checks that need the object, after it was loaded.
    ///
    /// # Errors
    /// [`Denied`], which becomes a 403 that names the permission.
    ///
    /// ```
    /// use countersign_verify::{Denied, Identity, ObjectPermission};
    ///
    /// struct Article { author: countersign_verify::UserId }
    ///
    /// struct IsAuthor;
    /// impl ObjectPermission<Article> for IsAuthor {
    ///     fn check(&self, who: &Identity, article: &Article) -> Result<(), Denied> {
    ///         if who.account().id() == article.author { Ok(()) } else { Err(Denied::new("IsAuthor")) }
    ///     }
    /// }
    ///
    /// fn publish(who: &Identity, article: &Article) -> Result<(), Denied> {
    ///     who.may(&IsAuthor, article)
    /// }
    /// ```
    pub fn may<T: ?Sized>(&self, permission: &impl ObjectPermission<T>, object: &T) -> Result<(), Denied> {
        permission.check(self, object)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("sub", &self.claims().sub).field("sid", &self.claims().sid).finish_non_exhaustive()
    }
}

/// What is attached to a remembered token and leads to its user.
pub trait HasAccount: Send + Sync + 'static {
    /// The user.
    fn account(&self) -> &dyn Account;
}

impl HasAccount for crate::TokenUser {
    fn account(&self) -> &dyn Account {
        self
    }
}

trait Known: Send + Sync {
    fn claims(&self) -> &Claims;
    fn account(&self) -> &dyn Account;
}

impl<T: HasAccount> Known for Seen<T> {
    fn claims(&self) -> &Claims {
        &self.claims
    }

    fn account(&self) -> &dyn Account {
        self.attached.account()
    }
}
